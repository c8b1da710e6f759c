//! What a person sees who looks at a running loop. No spinner, nothing that moves: lines, in the order in which things
//! happen. Words on stdout; warnings, and why a run stopped, on stderr.

use super::masks::Masks;
use super::outlet::{Outlet, Weight};
use super::page::{Kind, Look, Page};
use super::story::{Line, Tone};
use super::words;
use crate::engine::Policy;
use crate::model::{Boxes, Sign, Window};

/// What is said before the first iteration.
#[derive(Debug, Clone)]
pub struct Banner<'a> {
    /// The agent and how it is called, with what is to be known of it ("unverified").
    pub agent: &'a str,
    /// The prompt file.
    pub prompt: &'a str,
    /// The plan, and where it stands.
    pub plan: Option<(&'a str, &'a Boxes)>,
    /// The rules.
    pub policy: &'a Policy,
    /// Where the logs are.
    pub logs: &'a str,
    /// The window that shows the agents.
    pub window: Option<&'a Window>,
    /// Everything that a person should know before it begins.
    pub warnings: &'a [String],
}

/// What stands in the place of words that nobody read in time.
const LEFT_OUT: &str = "\n· some output is left out here, for nobody read it in time; the log has all of it\n";

/// Stdout and stderr.
#[derive(Debug)]
pub(super) struct Terminal {
    out: Outlet,
    err: Outlet,
    page: Page,
    warnings: Page,
    /// Words go to stdout; with `--format json` only events do.
    talks: bool,
}

impl Terminal {
    /// Writes words to `out` if it `talks`, warnings to `err`; in colour where `colour` allows it and a person looks.
    pub(super) fn new(out: Outlet, err: Outlet, talks: bool, colour: bool) -> Terminal {
        let look = |outlet: &Outlet| if colour && outlet.is_terminal() { Look::Colour } else { Look::Tame };
        let (page, warnings) = (Page::new(look(&out)), Page::new(look(&err)));
        Terminal { out, err, page, warnings, talks }
    }

    /// The first lines of a run.
    pub(super) fn banner(&mut self, name: &str, banner: &Banner<'_>, masks: &Masks) {
        if self.talks {
            let plan = banner.plan.map(|(path, boxes)| format!("{path}, {}/{} boxes", boxes.done, boxes.total()));
            self.page.line(Kind::Header, &format!("swarm loop {name}"));
            let rows = [
                ("agent", Some(banner.agent.to_owned())),
                ("prompt", Some(banner.prompt.to_owned())),
                ("plan", plan),
                ("limits", Some(words::limits(banner.policy))),
                ("stops at", Some(words::brakes(banner.policy))),
                ("logs", Some(banner.logs.to_owned())),
                ("window", banner.window.map(words::to_see)),
                ("to stop", Some(format!("Ctrl-C, or: swarm loop stop {name}"))),
            ];
            for (label, value) in rows {
                if let Some(value) = value {
                    self.page.text(&format!("  {label:<9}{}\n", words::one_line(&masks.apply(&value))));
                }
            }
        }
        self.flush();
    }

    /// An iteration begins.
    pub(super) fn heading(&mut self, heading: &str) {
        if self.talks {
            self.page.gap();
            self.page.line(Kind::Header, &format!("── {heading} ──"));
            self.flush();
        }
    }

    /// The agent says something. Of a text only `fresh` is new.
    pub(super) fn sign(&mut self, sign: &Sign, fresh: &[u8], masks: &Masks) {
        match sign {
            _ if !self.talks => {}
            Sign::Text(_) => self.page.text(words_from(fresh)),
            _ => self.page.sign(sign, masks),
        }
    }

    /// A line of the story.
    pub(super) fn line(&mut self, line: &Line) {
        match line.tone {
            Tone::Warning => self.warn(&line.text),
            Tone::Stop => self.complain(Kind::Bad, &format!("swarm: {}", line.text)),
            Tone::Record => {}
            _ if !self.talks => {}
            Tone::Plain => self.page.line(Kind::Remark, &line.text),
            Tone::Bad => self.page.line(Kind::Bad, &format!("── {} ──", line.text)),
            Tone::Finish => self.page.line(Kind::Good, &format!("swarm: {}", line.text)),
            Tone::Good => self.page.line(Kind::Good, &format!("── {} ──", line.text)),
        }
    }

    /// `swarm: warning: …` on stderr.
    pub(super) fn warn(&mut self, text: &str) {
        self.complain(Kind::Warning, &format!("swarm: warning: {text}"));
    }

    /// An event on stdout.
    pub(super) fn event(&mut self, line: &str) {
        self.out.write(line.as_bytes(), Weight::Matter);
    }

    /// How many writes nobody took, once the reader reads again.
    pub(super) fn take_dropped(&mut self) -> u64 {
        if self.out.is_stuck() { 0 } else { self.out.take_dropped() }
    }

    /// What the agent said goes out now.
    pub(super) fn flush_chatter(&mut self) {
        self.put(Weight::Chatter);
    }

    /// What we said goes out now.
    pub(super) fn flush(&mut self) {
        self.put(Weight::Matter);
    }

    fn put(&mut self, weight: Weight) {
        if self.page.bytes().is_empty() {
            return;
        }
        // Before it goes on, words that nobody took are owed an explanation.
        if (weight == Weight::Matter || !self.out.is_stuck()) && self.out.take_dropped() > 0 {
            self.out.write(LEFT_OUT.as_bytes(), Weight::Matter);
        }
        self.out.write(self.page.bytes(), weight);
        self.page.written(usize::MAX);
    }

    /// Ends the last line and gives slow readers a last chance.
    pub(super) fn finish(&mut self) {
        self.page.end_line();
        self.flush();
        self.out.finish();
        self.err.finish();
    }

    fn complain(&mut self, kind: Kind, text: &str) {
        // In order on a terminal that shows both, and never in the middle of a line of the agent.
        if self.out.is_terminal() {
            self.page.end_line();
        }
        self.flush();
        self.warnings.line(kind, text);
        self.err.write(self.warnings.bytes(), Weight::Matter);
        self.warnings.written(usize::MAX);
    }
}

/// `bytes` as text from the first whole character on: an earlier supervisor may have died in the middle of one.
fn words_from(bytes: &[u8]) -> &str {
    let start = bytes.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
    std::str::from_utf8(&bytes[start..]).unwrap_or_default()
}
