//! The audience of a running loop: hands what happens to the terminal, the text log, `loop.log` and the events.

use super::events::{Event, Who};
use super::loop_log::LoopLog;
use super::masks::Masks;
use super::outlet::Outlet;
use super::story::{Line, Story, Tone};
use super::terminal::{Banner, Terminal};
use super::text_log::{Place, Rescan, TextLog};
use super::words;
use crate::engine::board::Open;
use crate::engine::{Board, Stamped};
use crate::model::{AttemptId, Sign, Wall};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Who reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// People.
    Human,
    /// Programs: one event a line, and nothing else.
    Json,
}

/// What a reporter needs to know.
pub struct Settings {
    /// The run's name.
    pub name: String,
    /// Who reads standard output.
    pub format: Format,
    /// The folder of the logs. It need not exist yet.
    pub logs: PathBuf,
    /// Colour is allowed (`NO_COLOR` is not set); used on terminals only.
    pub colour: bool,
    /// The local time zone.
    pub zone: TimeZone,
    /// Values that are shown nowhere but in the raw log, such as API keys.
    pub secrets: Vec<String>,
    /// `--exit-zero-on-limit`.
    pub exit_zero_on_limit: bool,
    /// Reads a raw log again.
    pub rescan: Rescan,
}

/// Tells people and programs of one run. Nothing of it can fail.
pub struct Reporter {
    terminal: Terminal,
    log: LoopLog,
    logs: PathBuf,
    story: Story,
    who: Who,
    format: Format,
    masks: Masks,
    rescan: Rescan,
    texts: BTreeMap<AttemptId, TextLog>,
    /// The limit of iterations, from the run's policy.
    of: Option<u32>,
}

impl Reporter {
    /// Tells on `out` and `err`, and in the folder of the logs.
    pub fn new(settings: Settings, out: Outlet, err: Outlet) -> Reporter {
        let Settings { name, format, logs, colour, zone, secrets, exit_zero_on_limit, rescan } = settings;
        Reporter {
            terminal: Terminal::new(out, err, format == Format::Human, colour),
            log: LoopLog::new(&logs, &name, zone.clone()),
            logs,
            story: Story::new(&name, zone.clone()),
            who: Who { name, zone, exit_zero_on_limit },
            format,
            masks: Masks::new(&secrets),
            rescan,
            texts: BTreeMap::new(),
            of: None,
        }
    }

    /// Says what begins. With events for programs only the warnings are said.
    pub fn banner(&mut self, banner: &Banner<'_>) {
        self.terminal.banner(&self.who.name, banner, &self.masks);
        banner.warnings.iter().for_each(|text| self.warn(text));
    }

    /// An attempt begins, or is taken over: its log is opened. Of an adopted one, what its log holds already was shown
    /// by the earlier supervisor and is not shown again.
    pub fn opened(&mut self, open: &Open, adopted: bool) {
        let heading = words::heading(open.attempt.number, self.of, open.log, open.attempt.tries);
        let place = Place { folder: &self.logs, log: open.log, raw_from: open.raw_from, text_from: open.text_from };
        let mut text = TextLog::open(&place, &heading);
        self.terminal.heading(&if adopted { format!("{heading}, goes on") } else { heading });
        self.trouble(text.take_trouble());
        self.texts.insert(open.attempt.clone(), text);
    }

    /// An attempt's output.
    pub fn heard(&mut self, attempt: &AttemptId, signs: &[Sign]) {
        let Some(text) = self.texts.get_mut(attempt) else { return };
        let (terminal, masks) = (&mut self.terminal, &self.masks);
        text.heard(signs, masks, |sign, fresh| terminal.sign(sign, fresh, masks));
        terminal.flush_chatter();
        let trouble = text.take_trouble();
        self.trouble(trouble);
    }

    /// An attempt's output is complete.
    pub fn closed(&mut self, attempt: &AttemptId) {
        let Some(mut text) = self.texts.remove(attempt) else { return };
        let incomplete = text.close(&self.masks, &self.rescan);
        let trouble = text.take_trouble();
        self.trouble(trouble);
        self.trouble(incomplete);
    }

    /// Facts, with the board after them.
    pub fn facts(&mut self, board: &Board, facts: &[Stamped]) {
        self.of = board.run.as_ref().and_then(|run| run.policy.iterations);
        for fact in facts {
            for line in self.story.tell(board, fact) {
                let line = Line { text: self.masks.apply(&line.text).into_owned(), ..line };
                self.terminal.line(&line);
                let kind = if line.tone == Tone::Warning { "warning: " } else { "" };
                self.log.add(fact.now.wall, &format!("{kind}{}", line.text));
            }
            if self.format == Format::Json {
                self.confess(board, fact.now.wall);
                self.who.events(board, fact).iter().for_each(|event| self.event(event));
            }
        }
        self.terminal.flush();
        self.log.flush();
    }

    /// The events among `facts` that `--on-event` is told of, as lines of JSON without secrets.
    pub fn notable(&self, board: &Board, facts: &[Stamped]) -> Vec<String> {
        let events = facts.iter().flat_map(|fact| self.who.events(board, fact));
        events.filter(Event::is_notable).map(|event| self.masks.apply(&event.line()).into_owned()).collect()
    }

    /// A warning that no fact tells of: `swarm: warning: …`, and in `loop.log`.
    pub fn warn(&mut self, text: &str) {
        let text = self.masks.apply(text).into_owned();
        self.terminal.warn(&text);
        self.log.line(now(), &format!("warning: {text}"));
    }

    /// The supervisor ends without a fact that says so: it was told to leave its worker alone, or facts cannot be written
    /// any more. `swarm: …` on stderr, and in `loop.log`.
    pub fn last_word(&mut self, text: &str) {
        let text = self.masks.apply(text).into_owned();
        self.terminal.line(&Line { tone: Tone::Stop, text: text.clone() });
        self.log.line(now(), &text);
    }

    /// Gives slow readers a last chance, for a bounded time. Also done when the reporter is dropped.
    pub fn finish(&mut self) {
        self.terminal.finish();
        self.log.flush();
    }

    fn trouble(&mut self, trouble: Option<String>) {
        if let Some(text) = trouble {
            self.warn(&text);
        }
    }

    fn event(&mut self, event: &Event) {
        self.terminal.event(&self.masks.apply(&event.line()));
    }

    /// Programs are told that they missed something.
    fn confess(&mut self, board: &Board, at: Wall) {
        let count = self.terminal.take_dropped();
        if count > 0 {
            self.event(&self.who.dropped(board, at, count));
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The time of what no fact tells of.
fn now() -> Wall {
    Wall(jiff::Timestamp::now().as_millisecond())
}
