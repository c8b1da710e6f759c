//! A run told in lines, one or more a fact: what stands in `loop.log`, and most of what the terminal shows.

use super::figures::{charge, plural, price, spent, usage};
use super::{when, words};
use crate::engine::fact::{Charge, Wait};
use crate::engine::{Board, Fact, Policy, Stamped};
use crate::model::{Ending, Handle, Span, Survey, Wall};
use jiff::tz::TimeZone;

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// For the record only; the terminal shows the same in another way, or need not.
    Record,
    /// For everybody.
    Plain,
    /// An attempt's ending that is a failure or asks for patience.
    Bad,
    /// An attempt's ending as it should be.
    Good,
    /// Something that a person should know.
    Warning,
    /// The run is done.
    Finish,
    /// The run is over, and not because it is done.
    Stop,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// How it is meant.
    pub(super) tone: Tone,
    /// Its text, without a newline.
    pub(super) text: String,
}

/// The teller of one run.
#[derive(Debug)]
pub(super) struct Story {
    name: String,
    zone: TimeZone,
    misspelled_told: bool,
}

impl Story {
    /// Tells the run `name`; times are said in `zone`.
    pub(super) fn new(name: &str, zone: TimeZone) -> Story {
        Story { name: name.to_owned(), zone, misspelled_told: false }
    }

    /// The lines of one fact. `board` is the fold of it and of everything before (it may hold later facts of the same
    /// step).
    pub(super) fn tell(&mut self, board: &Board, stamped: &Stamped) -> Vec<Line> {
        let policy = board.run.as_ref().map(|run| &run.policy);
        let of = policy.and_then(|policy| policy.iterations);
        let wall = stamped.now.wall;
        let mut lines = Vec::new();
        let mut say = |tone, text: String| lines.push(Line { tone, text });
        match &stamped.fact {
            Fact::RunOpened { run, policy, .. } => {
                say(Tone::Record, format!("run {run} begins; limits: {}", words::limits(policy)));
            }
            Fact::RunResumed { elapsed, .. } => {
                say(Tone::Plain, format!("the run goes on; it has lasted {elapsed} so far"))
            }
            Fact::AttemptOpened { attempt, log, survey, .. } => {
                say(Tone::Record, format!("{} begins", words::heading(attempt.number, of, *log, attempt.tries)));
                if let Some(text) = self.misspelled(survey) {
                    say(Tone::Warning, text);
                }
            }
            Fact::AttemptLaunched { attempt, handle } => {
                let Handle::Process { worker, .. } = handle;
                say(Tone::Record, format!("{} runs as process {}", words::iteration(attempt.number, of), worker.pid));
            }
            Fact::AttemptAdopted { attempt } => {
                say(
                    Tone::Record,
                    format!("{}: its worker is alive; following it", words::iteration(attempt.number, of)),
                );
            }
            Fact::AttemptStopping { attempt, cause } => {
                let why = words::cause(*cause, policy);
                say(Tone::Plain, format!("{}: ending the worker: {why}", words::iteration(attempt.number, of)));
            }
            Fact::AttemptEnded { .. } => lines.extend(self.ended(board, &stamped.fact, wall)),
            Fact::ClaimChecked { pass: true, .. } => say(Tone::Good, "the check accepts that it is done".into()),
            Fact::ClaimChecked { pass: false, tail, .. } => {
                let last = tail.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it printed nothing");
                say(
                    Tone::Warning,
                    format!("the check refuses that it is done; the next iteration is told why: {last}"),
                );
            }
            Fact::Pushed { warning: None, .. } => say(Tone::Record, "pushed".into()),
            Fact::Pushed { warning: Some(warning), .. } => say(Tone::Warning, format!("git push failed: {warning}")),
            Fact::WaitStarted { until, why } => {
                let end = when::end_of(*until, stamped.now);
                say(wait_tone(*why, end - wall), format!("waiting {}", self.wait(*why, end, wall)));
            }
            Fact::LogBlocked { attempt, error } => {
                let most = policy.map_or_else(String::new, |policy| format!(" for at most {}", policy.disk_wait));
                let iteration = words::iteration(attempt.number, of);
                say(
                    Tone::Warning,
                    format!(
                        "{iteration}: its log cannot be written: {error}. The worker waits{most}; make room, and it goes on"
                    ),
                );
            }
            Fact::LogFlowing { attempt } => {
                say(Tone::Plain, format!("{}: its log can be written again", words::iteration(attempt.number, of)));
            }
            Fact::Paused => say(
                Tone::Plain,
                format!("paused: no further iteration starts. Go on with: swarm loop resume {}", self.name),
            ),
            Fact::Unpaused => say(Tone::Plain, "resumed".into()),
            Fact::Suspended => say(Tone::Record, "suspended by the terminal; the clocks stand".into()),
            Fact::Continued { stood } => say(Tone::Plain, format!("going on; suspended for {stood}")),
            Fact::StopAsked { signal, at_once: true } => {
                say(Tone::Plain, format!("{}: stopping; once more kills at once", words::signal_name(*signal)));
            }
            Fact::StopAsked { at_once: false, .. } => {
                say(Tone::Plain, "stopping after this iteration; `swarm loop stop --now` ends it at once".into());
            }
            Fact::RunFinished { ending } => {
                let text = words::run_ending(&self.name, ending, board, wall, &self.zone);
                let tone = if ending.exit_code() == 0 { Tone::Finish } else { Tone::Stop };
                say(tone, format!("{text}{}", total(board, stamped)));
            }
        }
        lines
    }

    /// How an attempt ended, what is said beside it, and where the plan stands.
    fn ended(&self, board: &Board, fact: &Fact, wall: Wall) -> Vec<Line> {
        let Fact::AttemptEnded { attempt, survey, progress, ending, notes, to_verify, .. } = fact else {
            return Vec::new();
        };
        let policy = board.run.as_ref().map(|run| &run.policy);
        let phrase = words::ending(ending, wall, &self.zone);
        let checking = if *to_verify { "; checking that" } else { "" };
        let figures = figures(board, fact);
        let iteration = words::iteration(attempt.number, policy.and_then(|policy| policy.iterations));
        let tone = if matches!(ending, Ending::Done | Ending::Clean) { Tone::Good } else { Tone::Bad };
        let mut lines = vec![Line { tone, text: format!("{iteration}: {phrase}{checking}; {figures}") }];
        lines.extend(notes.iter().map(|note| Line { tone: Tone::Warning, text: words::note(note) }));
        if *progress == Some(false) && !ending.repeats() && *ending != Ending::Done {
            lines.push(Line { tone: Tone::Plain, text: stalled(board, policy) });
        }
        if let Some(boxes) = &survey.boxes {
            lines.push(Line { tone: Tone::Plain, text: words::plan(boxes, board) });
        }
        lines
    }

    /// `until 15:04 (10m23s): the usage limit; …`.
    fn wait(&self, why: Wait, end: Wall, now: Wall) -> String {
        format!("until {} ({}): {}", when::short(end, now, &self.zone), end - now, words::wait(why))
    }

    /// Boxes that the count misses are named once.
    fn misspelled(&mut self, survey: &Survey) -> Option<String> {
        let count = survey.boxes.as_ref()?.misspelled;
        if count == 0 || std::mem::replace(&mut self.misspelled_told, true) {
            return None;
        }
        let what = match count {
            1 => "1 line of the plan looks like a box but is".to_owned(),
            _ => format!("{count} lines of the plan look like boxes but are"),
        };
        Some(format!("{what} not spelled `- [ ]` or `- [x]`, and not counted"))
    }
}

/// A moment's backoff or delay is not worth the terminal's line.
fn wait_tone(why: Wait, span: Span) -> Tone {
    match why {
        Wait::Failure | Wait::Oom | Wait::Delay if span < Span::seconds(5) => Tone::Record,
        Wait::RateLimit | Wait::Outage | Wait::Failure | Wait::Oom | Wait::Delay => Tone::Plain,
    }
}

/// `exit code 0, 4m12s, $0.42 (run $1.30), 31 turns, 120.3k tokens in, 4.5k out`.
fn figures(board: &Board, fact: &Fact) -> String {
    let Fact::AttemptEnded { attempt, exit, evidence, ending, charge: cost, lasted, .. } = fact else {
        return String::new();
    };
    let mut parts = Vec::new();
    if let Some(exit) = exit {
        // The phrase before has said these already.
        if !matches!(ending, Ending::Failed { code: 1.., .. } | Ending::Killed { .. }) {
            parts.push(words::status(exit.status));
        }
        parts.extend(words::memory(exit.oom).map(str::to_owned));
        parts.push(lasted.to_string());
    }
    let first = attempt.number == 1 && attempt.tries == 1;
    let run = match spent(&board.tally) {
        Charge::Unknown => String::new(),
        _ if first => String::new(),
        spent => format!(" (run {})", charge(spent)),
    };
    parts.push(format!("{}{run}", price(*cost)));
    parts.extend(usage(&evidence.usage));
    parts.join(", ")
}

/// `no progress: no commit, no change, no box ticked (2 iterations in a row; the run stops at 5)`.
fn stalled(board: &Board, policy: Option<&Policy>) -> String {
    let limit = policy
        .and_then(|policy| policy.max_stalled)
        .map_or_else(String::new, |most| format!("; the run stops at {most}"));
    let count = plural(board.tally.stalled, "iteration");
    format!("no progress: no commit, no change, no box ticked ({count} in a row{limit})")
}

/// ` [2h10m, $3.20]`: what the whole run took.
fn total(board: &Board, stamped: &Stamped) -> String {
    let elapsed = board.run.as_ref().map_or(Span::ZERO, |run| run.elapsed(stamped.now.tick));
    format!(" [{elapsed}, {}]", price(spent(&board.tally)))
}
