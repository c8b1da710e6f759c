//! How one agent's command line is called and what its output means. Pure: bytes in, signs and evidence out; the time
//! comes in by argument.
#![deny(clippy::disallowed_methods)]

mod answer;
mod claude;
mod codex;
pub mod done;
mod gemini;
mod json;
pub mod limits;
pub mod pane;
mod plain;
mod reader;
pub mod screen;
mod shape;
mod text;
pub mod unroll;
mod words;

pub use done::{DoneMatch, DoneRule, resembles};

use crate::model::{Evidence, Sign, Wall};
use jiff::tz::TimeZone;
use std::ffi::OsString;

/// The agents that this version knows. The list is closed; each has a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agent {
    /// Claude Code, `claude -p`.
    Claude,
    /// OpenAI's Codex, `codex exec`.
    Codex,
    /// Google's Gemini CLI, headless.
    Gemini,
    /// Any command: its standard output is its text, its exit code its verdict.
    Plain,
}

/// What a run asks of its agent. What an agent cannot be told is left out of its command line; the caller finds out by
/// [`Agent::takes_model`] and [`Agent::takes_turns`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Invocation {
    /// The command after `--`. Used by [`Agent::Plain`] alone.
    pub command: Vec<OsString>,
    /// `--model`.
    pub model: Option<String>,
    /// `--max-turns`.
    pub max_turns: Option<u32>,
    /// What is left of the run's budget, USD.
    pub budget_usd: Option<f64>,
    /// `--agent-arg`, each as given.
    pub extra: Vec<OsString>,
}

/// What a scanner is told at the end, beside its last bytes.
#[derive(Debug, Clone)]
pub struct Closing<'a> {
    /// The end of the attempt's standard error; 64 kB are more than enough.
    pub stderr_tail: &'a [u8],
    /// When the attempt ended: texts such as "resets 3pm" are read relative to it.
    pub now: Wall,
    /// The time zone of texts that name none.
    pub zone: &'a TimeZone,
}

/// Reads one attempt's standard output. What it reports depends on the bytes alone and never on how they were cut into
/// chunks. Memory stays bounded whatever comes.
pub trait Scan {
    /// Takes the next bytes and appends what they say. The texts of all [`Sign::Text`], one after the other, are the
    /// text log.
    fn feed(&mut self, chunk: &[u8], signs: &mut Vec<Sign>);

    /// Takes the last line, if it has no newline, and sums up. Called once, after the last byte.
    fn close(&mut self, closing: &Closing, signs: &mut Vec<Sign>) -> Evidence;
}

impl Agent {
    /// All of them, in the order in which `doctor` lists them.
    pub const ALL: [Agent; 4] = [Agent::Claude, Agent::Codex, Agent::Gemini, Agent::Plain];

    /// The agent of that `--agent` word.
    pub fn named(name: &str) -> Option<Agent> {
        Agent::ALL.into_iter().find(|agent| agent.name() == name)
    }

    /// Its `--agent` word.
    pub fn name(&self) -> &'static str {
        match self {
            Agent::Claude => "claude",
            Agent::Codex => "codex",
            Agent::Gemini => "gemini",
            Agent::Plain => "plain",
        }
    }

    /// Was the adapter tried on recordings of the real program? If not, `doctor` and the start of a run say so.
    pub fn verified(&self) -> bool {
        matches!(self, Agent::Claude | Agent::Plain)
    }

    /// The program that must be on `PATH`; empty for [`Agent::Plain`], whose program is the first word of its command.
    pub fn program(&self) -> &'static str {
        match self {
            Agent::Claude => claude::PROGRAM,
            Agent::Codex => codex::PROGRAM,
            Agent::Gemini => gemini::PROGRAM,
            Agent::Plain => "",
        }
    }

    /// Program and arguments. The prompt is never among them: it comes on standard input.
    pub fn argv(&self, inv: &Invocation) -> Vec<OsString> {
        match self {
            Agent::Claude => claude::argv(inv),
            Agent::Codex => codex::argv(inv),
            Agent::Gemini => gemini::argv(inv),
            Agent::Plain => plain::argv(inv),
        }
    }

    /// Changes to the environment of a worker: a value sets, `None` removes. The same for all: a plain command is often a
    /// script around `claude`, and to the others the variables mean nothing.
    ///
    /// - `CLAUDECODE` and `CLAUDE_CODE_ENTRYPOINT` say "you run inside a session"; a worker has a session of its own.
    /// - Without background tasks the process ends with its answer (recordings `background_task*`).
    /// - An update in the middle of the night changes what was tried before.
    pub fn env(&self) -> Vec<(OsString, Option<OsString>)> {
        let change = |name: &str, value: Option<&str>| (name.into(), value.map(Into::into));
        vec![
            change("CLAUDECODE", None),
            change("CLAUDE_CODE_ENTRYPOINT", None),
            change("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", Some("1")),
            change("DISABLE_AUTOUPDATER", Some("1")),
        ]
    }

    /// Does its protocol print a line at once when it starts? Only then `--start-timeout` means something.
    pub fn prints_at_once(&self) -> bool {
        matches!(self, Agent::Claude | Agent::Codex)
    }

    /// Does it say what an attempt cost? Only then `--max-cost` can be kept.
    pub fn reports_cost(&self) -> bool {
        matches!(self, Agent::Claude)
    }

    /// Can it be given a model?
    pub fn takes_model(&self) -> bool {
        !matches!(self, Agent::Plain)
    }

    /// Can it be given a limit of turns?
    pub fn takes_turns(&self) -> bool {
        matches!(self, Agent::Claude)
    }

    /// A reader of its output, which judges final answers by `rule`.
    pub fn scanner(&self, rule: &DoneRule) -> Box<dyn Scan + Send> {
        match self {
            Agent::Claude => Box::new(claude::scanner(rule)),
            Agent::Codex => Box::new(codex::scanner(rule)),
            Agent::Gemini => Box::new(gemini::scanner(rule)),
            Agent::Plain => Box::new(plain::Scanner::new(rule)),
        }
    }
}
