//! Events: what `--format json` prints, one a line, and what `--on-event` is given on its standard input.
//!
//! # The format, version 1
//!
//! Every event is one JSON object on one line, with these fields first: `schema` (1), `event` (its kind), `at` (RFC 3339,
//! local offset, milliseconds), `run` (the run's id), `name` (the run's name). Kinds and fields are added without a new
//! version; a reader skips what it does not know. `null` means unknown or none, never zero.
//!
//! | `event` | when | further fields |
//! |---|---|---|
//! | `run_started` | once | `limits` |
//! | `run_resumed` | another supervisor took over | `elapsed_ms`, `limits` |
//! | `iteration_started` | before the agent starts | `iteration`, `of`, `log`, `try`, `head`, `boxes`, `budget_usd` |
//! | `worker_started` | its process runs | `iteration`, `try`, `pid` |
//! | `worker_adopted` | found alive after a crash of the supervisor | `iteration`, `try` |
//! | `stopping` | swarm set out to end it | `iteration`, `try`, `cause`, `reason` |
//! | `iteration_ended` | it is judged | `iteration`, `of`, `log`, `try`, `ending`, `reason`, `repeats`, `exit_code`, `signal`, `to_verify`, `notes`, `progress`, `stalled`, `failures`, `cost`, `spent`, `turns`, `input_tokens`, `output_tokens`, `duration_ms`, `head`, `boxes` |
//! | `claim_checked` | `--verify` answered | `iteration`, `try`, `accepted`, `tail` |
//! | `pushed` | `--push` is over | `iteration`, `try`, `ok`, `warning` |
//! | `wait` | nothing runs until then | `why`, `reason`, `until`, `ms` |
//! | `attention` | a person should look | `what`, `text`, `iteration` |
//! | `log_blocked`, `log_flowing` | the log cannot, can again, be written | `iteration`, `try`, `error` (the former) |
//! | `paused`, `unpaused` | the operator's | |
//! | `suspended`, `continued` | Ctrl-Z, and `fg` | `stood_ms` (the latter) |
//! | `stop_asked` | by a signal or `stop` | `signal`, `at_once` |
//! | `events_dropped` | nobody read events in time | `count` |
//! | `run_ended` | once, last | `ending`, `exit_code`, `line`, `iterations`, `elapsed_ms`, `spent`, `boxes` |
//!
//! - `of`: the limit of iterations, or `null`. `try` is 2 or more when a wait repeats an iteration. `log` is N of
//!   `iteration-N.log`.
//! - `limits`: `{"iterations", "max_time_ms", "max_cost_usd", "max_failures", "max_stalled"}`.
//! - `boxes`: `{"done", "total", "first_open", "first_for"}`, or `null` without a plan; `first_for`: for how many iterations
//!   the first open box has been first.
//! - `cost` (of the iteration) and `spent` (by the run): `{"usd", "kind"}` with `kind` `exact`, `at_least` or `unknown`.
//! - `notes`: a list of `{"note", "text"}`.
//! - `ending` of an iteration: see [`words::ending_word`]; of a run: [`words::run_ending_word`]; `why` of a wait:
//!   [`words::wait_word`]; `cause`: [`words::cause_word`]; `note`, and `what` of an `attention`: [`words::note_word`], or
//!   `log_blocked`, `push_failed`.
//! - An `attention` follows the event that it belongs to.
//!
//! `--on-event` gets `run_ended`, `attention`, and every `wait` of a minute or more; see [`Event::is_notable`].

use super::figures::spent;
use super::{when, words};
use crate::engine::fact::{Charge, Wait};
use crate::engine::{Board, Fact, Policy, Stamped};
use crate::model::{AttemptId, Handle, Note, RunEnding, Span, Status, Survey, Wall};
use jiff::tz::TimeZone;
use serde::Serialize;

/// The version of the format.
pub const SCHEMA: u32 = 1;

/// Shorter waits come and go without anybody's help.
const NOTABLE_WAIT: Span = Span::seconds(60);

/// Whose events they are, and how times are said.
#[derive(Debug, Clone)]
pub struct Who {
    /// The run's name.
    pub name: String,
    /// The zone of `at` and `until`.
    pub zone: TimeZone,
    /// `--exit-zero-on-limit`: used-up iterations are exit code 0.
    pub exit_zero_on_limit: bool,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    schema: u32,
    event: &'static str,
    at: String,
    run: String,
    name: String,
    #[serde(flatten)]
    detail: Detail,
}

/// What belongs to its kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Detail {
    Started {
        limits: Limits,
    },
    Resumed {
        elapsed_ms: u64,
        limits: Limits,
    },
    Iteration(Box<Begun>),
    Worker {
        #[serde(flatten)]
        which: Which,
        pid: i32,
    },
    Which(Which),
    Stopping {
        #[serde(flatten)]
        which: Which,
        cause: &'static str,
        reason: String,
    },
    Ended(Box<Ended>),
    Checked {
        #[serde(flatten)]
        which: Which,
        accepted: bool,
        tail: String,
    },
    Pushed {
        #[serde(flatten)]
        which: Which,
        ok: bool,
        warning: Option<String>,
    },
    Wait {
        why: &'static str,
        reason: &'static str,
        until: String,
        ms: u64,
    },
    Attention {
        what: &'static str,
        text: String,
        iteration: u32,
    },
    Blocked {
        #[serde(flatten)]
        which: Which,
        error: String,
    },
    Nothing {},
    Stood {
        stood_ms: u64,
    },
    StopAsked {
        signal: i32,
        at_once: bool,
    },
    Dropped {
        count: u64,
    },
    Over(Box<Over>),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Which {
    iteration: u32,
    r#try: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Limits {
    iterations: Option<u32>,
    max_time_ms: Option<u64>,
    max_cost_usd: Option<f64>,
    max_failures: Option<u32>,
    max_stalled: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Begun {
    iteration: u32,
    of: Option<u32>,
    log: u32,
    r#try: u32,
    head: Option<String>,
    boxes: Option<BoxCount>,
    budget_usd: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Ended {
    iteration: u32,
    of: Option<u32>,
    log: Option<u32>,
    r#try: u32,
    ending: &'static str,
    reason: String,
    repeats: bool,
    exit_code: Option<i32>,
    signal: Option<i32>,
    to_verify: bool,
    notes: Vec<Said>,
    progress: Option<bool>,
    stalled: u32,
    failures: u32,
    cost: Cost,
    spent: Cost,
    turns: Option<u64>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    duration_ms: u64,
    head: Option<String>,
    boxes: Option<BoxCount>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Over {
    ending: &'static str,
    exit_code: u8,
    line: String,
    iterations: u32,
    elapsed_ms: u64,
    spent: Cost,
    boxes: Option<BoxCount>,
}

/// What is said beside an ending.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Said {
    note: &'static str,
    text: String,
}

/// Money: how much, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Cost {
    usd: Option<f64>,
    kind: &'static str,
}

/// A plan's boxes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct BoxCount {
    done: u32,
    total: u32,
    first_open: Option<String>,
    first_for: Option<u32>,
}

impl Said {
    /// For people.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

impl BoxCount {
    /// `3/14`.
    pub(super) fn fraction(&self) -> String {
        format!("{}/{}", self.done, self.total)
    }
}

impl Event {
    /// Its line, with a newline.
    pub fn line(&self) -> String {
        // Strings, numbers and lists always serialize.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Its kind.
    pub fn kind(&self) -> &'static str {
        self.event
    }

    /// `--on-event` is told of it: the run ended, a person should look, or nothing happens for a minute or more.
    pub fn is_notable(&self) -> bool {
        match &self.detail {
            Detail::Over(_) | Detail::Attention { .. } => true,
            Detail::Wait { why, ms, .. } => *why != words::wait_word(Wait::Delay) && *ms >= NOTABLE_WAIT.0,
            _ => false,
        }
    }
}

impl Who {
    /// The exit code of a run that ended so.
    pub fn exit_code(&self, ending: &RunEnding) -> u8 {
        match ending {
            RunEnding::IterationsUsed if self.exit_zero_on_limit => 0,
            ending => ending.exit_code(),
        }
    }

    /// The events of one fact, in order; `board` is the fold of it and of everything before (it may hold later facts of
    /// the same step).
    pub fn events(&self, board: &Board, stamped: &Stamped) -> Vec<Event> {
        let (event, detail) = self.detail(board, stamped);
        let mut events = vec![self.event(board, stamped.now.wall, event, detail)];
        let attention = attention(&stamped.fact);
        events.extend(attention.into_iter().map(|detail| self.event(board, stamped.now.wall, "attention", detail)));
        events
    }

    /// `count` events were not read in time and are lost.
    pub(super) fn dropped(&self, board: &Board, at: Wall, count: u64) -> Event {
        self.event(board, at, "events_dropped", Detail::Dropped { count })
    }

    fn event(&self, board: &Board, at: Wall, event: &'static str, detail: Detail) -> Event {
        let run = board.run.as_ref().map(|run| run.id.0.clone()).unwrap_or_default();
        Event { schema: SCHEMA, event, at: when::exact(at, &self.zone), run, name: self.name.clone(), detail }
    }

    fn detail(&self, board: &Board, stamped: &Stamped) -> (&'static str, Detail) {
        let policy = board.run.as_ref().map(|run| &run.policy);
        let of = policy.and_then(|policy| policy.iterations);
        match &stamped.fact {
            Fact::RunOpened { policy, .. } => ("run_started", Detail::Started { limits: limits(policy) }),
            Fact::RunResumed { elapsed, .. } => {
                let limits = policy.map_or_else(|| limits(&Policy::default()), limits);
                ("run_resumed", Detail::Resumed { elapsed_ms: elapsed.0, limits })
            }
            Fact::AttemptOpened { attempt, log, survey, budget, .. } => {
                let begun = Begun {
                    iteration: attempt.number,
                    of,
                    log: *log,
                    r#try: attempt.tries,
                    head: survey.head.clone(),
                    boxes: boxes(survey, board),
                    budget_usd: *budget,
                };
                ("iteration_started", Detail::Iteration(Box::new(begun)))
            }
            Fact::AttemptLaunched { attempt, handle: Handle::Process { worker, .. } } => {
                ("worker_started", Detail::Worker { which: which(attempt), pid: worker.pid })
            }
            Fact::AttemptAdopted { attempt } => ("worker_adopted", Detail::Which(which(attempt))),
            Fact::AttemptStopping { attempt, cause } => {
                let reason = words::cause(*cause, policy);
                ("stopping", Detail::Stopping { which: which(attempt), cause: words::cause_word(*cause), reason })
            }
            Fact::AttemptEnded { .. } => ("iteration_ended", self.ended(board, stamped, of)),
            Fact::ClaimChecked { attempt, pass, tail } => {
                ("claim_checked", Detail::Checked { which: which(attempt), accepted: *pass, tail: tail.clone() })
            }
            Fact::Pushed { attempt, warning } => {
                ("pushed", Detail::Pushed { which: which(attempt), ok: warning.is_none(), warning: warning.clone() })
            }
            Fact::WaitStarted { until, why } => {
                let end = when::end_of(*until, stamped.now);
                let detail = Detail::Wait {
                    why: words::wait_word(*why),
                    reason: words::wait(*why),
                    until: when::exact(end, &self.zone),
                    ms: (end - stamped.now.wall).0,
                };
                ("wait", detail)
            }
            Fact::LogBlocked { attempt, error } => {
                ("log_blocked", Detail::Blocked { which: which(attempt), error: error.clone() })
            }
            Fact::LogFlowing { attempt } => ("log_flowing", Detail::Which(which(attempt))),
            Fact::Paused => ("paused", Detail::Nothing {}),
            Fact::Unpaused => ("unpaused", Detail::Nothing {}),
            Fact::Suspended => ("suspended", Detail::Nothing {}),
            Fact::Continued { stood } => ("continued", Detail::Stood { stood_ms: stood.0 }),
            Fact::StopAsked { signal, at_once } => {
                ("stop_asked", Detail::StopAsked { signal: *signal, at_once: *at_once })
            }
            Fact::RunFinished { ending } => {
                let over = Over {
                    ending: words::run_ending_word(ending),
                    exit_code: self.exit_code(ending),
                    line: words::run_ending(&self.name, ending, board, stamped.now.wall, &self.zone),
                    iterations: board.tally.iteration,
                    elapsed_ms: board.run.as_ref().map_or(0, |run| run.elapsed(stamped.now.tick).0),
                    spent: cost(spent(&board.tally)),
                    boxes: board.last.as_ref().and_then(|last| boxes(&last.survey, board)),
                };
                ("run_ended", Detail::Over(Box::new(over)))
            }
        }
    }

    fn ended(&self, board: &Board, stamped: &Stamped, of: Option<u32>) -> Detail {
        let Fact::AttemptEnded { attempt, exit, evidence, survey, progress, ending, notes, charge, lasted, to_verify } =
            &stamped.fact
        else {
            return Detail::Nothing {};
        };
        let status = exit.as_ref().map(|exit| exit.status);
        Detail::Ended(Box::new(Ended {
            iteration: attempt.number,
            of,
            log: board.last.as_ref().filter(|last| last.attempt == *attempt && last.log > 0).map(|last| last.log),
            r#try: attempt.tries,
            ending: words::ending_word(ending),
            reason: words::ending(ending, stamped.now.wall, &self.zone),
            repeats: ending.repeats(),
            exit_code: if let Some(Status::Code(code)) = status { Some(code) } else { None },
            signal: if let Some(Status::Signal(signal)) = status { Some(signal) } else { None },
            to_verify: *to_verify,
            notes: said(notes),
            progress: *progress,
            stalled: board.tally.stalled,
            failures: board.tally.failures,
            cost: cost(*charge),
            spent: cost(spent(&board.tally)),
            turns: evidence.usage.turns,
            input_tokens: evidence.usage.input_tokens,
            output_tokens: evidence.usage.output_tokens,
            duration_ms: lasted.0,
            head: survey.head.clone(),
            boxes: boxes(survey, board),
        }))
    }
}

/// What a person should look at.
fn attention(fact: &Fact) -> Vec<Detail> {
    let detail = |what, text, attempt: &AttemptId| Detail::Attention { what, text, iteration: attempt.number };
    match fact {
        Fact::AttemptEnded { attempt, notes, .. } => {
            let serious = notes.iter().filter(|note| needs_attention(note));
            serious.map(|note| detail(words::note_word(note), words::note(note), attempt)).collect()
        }
        Fact::LogBlocked { attempt, error } => {
            vec![detail("log_blocked", format!("the log cannot be written: {error}; the worker waits"), attempt)]
        }
        Fact::Pushed { attempt, warning: Some(warning) } => {
            vec![detail("push_failed", format!("git push failed: {warning}"), attempt)]
        }
        _ => Vec::new(),
    }
}

/// A note that asks for a person, and does not only explain what happened.
fn needs_attention(note: &Note) -> bool {
    match note {
        Note::NearMiss { .. }
        | Note::OpenBoxes { .. }
        | Note::LeftBehind { .. }
        | Note::NoOpenBox
        | Note::SameBox { .. } => true,
        Note::HungAfterResult | Note::OomInside | Note::RemovedLock { .. } => false,
    }
}

fn which(attempt: &AttemptId) -> Which {
    Which { iteration: attempt.number, r#try: attempt.tries }
}

fn limits(policy: &Policy) -> Limits {
    Limits {
        iterations: policy.iterations,
        max_time_ms: policy.max_time.map(|span| span.0),
        max_cost_usd: policy.max_cost,
        max_failures: policy.max_failures,
        max_stalled: policy.max_stalled,
    }
}

/// A charge for machines.
pub(super) fn cost(charge: Charge) -> Cost {
    match charge {
        Charge::Exact(usd) => Cost { usd: Some(usd), kind: "exact" },
        Charge::AtLeast(usd) => Cost { usd: Some(usd), kind: "at_least" },
        Charge::Unknown => Cost { usd: None, kind: "unknown" },
    }
}

/// The boxes that were seen, for machines.
pub(super) fn boxes(survey: &Survey, board: &Board) -> Option<BoxCount> {
    let boxes = survey.boxes.as_ref()?;
    Some(BoxCount {
        done: boxes.done,
        total: boxes.total(),
        first_open: boxes.first_open.clone(),
        first_for: words::first_for(boxes, board),
    })
}

/// Notes for machines.
pub(super) fn said(notes: &[Note]) -> Vec<Said> {
    notes.iter().map(|note| Said { note: words::note_word(note), text: words::note(note) }).collect()
}
