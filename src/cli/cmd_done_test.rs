//! `swarm done-test`: what a recorded log would be judged, and why.

use super::error::{Error, Result};
use crate::agent::{Agent, Closing, DoneMatch, DoneRule, done::DEFAULT_PATTERN};
use crate::engine::verdict;
use crate::model::{Claim, Ending, Evidence, Exit, Note, Sign, Status, Wall};
use clap::Args;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Bytes of a log that are read at once.
const CHUNK: usize = 64 * 1024;
/// So much of the line in question is shown, characters.
const SHOWN: usize = 200;

/// Judge a recorded log by the done rule
#[derive(Debug, Clone, Args)]
pub struct DoneTest {
    /// The raw log of one iteration (`iteration-N.log.raw`); `-` reads standard input
    pub log: PathBuf,
    /// The exit code as a shell reports it (128 + n: ended by signal n); 0 if not given
    #[arg(long, value_name = "CODE", value_parser = clap::value_parser!(i32).range(0..=255))]
    pub exit: Option<i32>,
    /// Whose log it is: claude, codex, gemini or plain
    #[arg(long, value_name = "AGENT", default_value = "claude", value_parser = agent)]
    pub agent: Agent,
    /// One JSON object instead of words
    #[arg(long)]
    pub json: bool,
    /// The regular expression that a whole line must match
    #[arg(long, value_name = "REGEX", env = "DONE_PATTERN", default_value = DEFAULT_PATTERN)]
    pub done_pattern: String,
    /// Which line of the final answer counts: last, line (any) or anywhere
    #[arg(long, value_name = "WHICH", default_value = "last", value_parser = done_match)]
    pub done_match: DoneMatch,
}

/// What the log is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// The version of this form.
    pub schema: u32,
    /// In the words of the recordings' index: `done`, `not_done`, …
    pub verdict: &'static str,
    /// In one sentence.
    pub reason: String,
    /// The line of the log, from 1, that claims it or nearly does.
    pub line: Option<u64>,
}

fn agent(name: &str) -> Result<Agent, String> {
    Agent::named(name).ok_or_else(|| "claude, codex, gemini or plain".to_owned())
}

fn done_match(name: &str) -> Result<DoneMatch, String> {
    DoneMatch::named(name).ok_or_else(|| "last, line or anywhere".to_owned())
}

/// Judges the log and prints the judgement to standard output.
pub fn run(args: &DoneTest) -> Result<Judged> {
    let (judged, report) = examine(args)?;
    // A reader that has gone away has seen what it wanted.
    let _ = io::stdout().write_all(report.as_bytes());
    Ok(judged)
}

/// Judges the log: the judgement, and what there is to print.
pub fn examine(args: &DoneTest) -> Result<(Judged, String)> {
    let rule = DoneRule::new(&args.done_pattern, args.done_match).map_err(|problem| {
        Error::usage(format!("the done pattern is wrong: {problem}"))
            .hint("a plain word such as /done needs no special characters; `\\` before one makes it plain")
    })?;
    let mut log = open(&args.log)?;
    let (evidence, words) = read(&mut log, args.agent, &rule).map_err(|error| cannot_read(&args.log, &error))?;
    let (ending, notes) = verdict::ending(&Exit::plain(status(args.exit)), &evidence, None);
    let judged = judged(&ending, &notes, &evidence);
    let report = if args.json { json(&judged)? } else { explain(args, &judged, &words) };
    Ok((judged, report))
}

fn judged(ending: &Ending, notes: &[Note], evidence: &Evidence) -> Judged {
    let miss = notes.iter().find_map(|note| match note {
        Note::NearMiss { why } => Some(format!("; the done word appears, but {why}")),
        _ => None,
    });
    let line = match evidence.claim {
        Claim::None => None,
        Claim::NearMiss { line, .. } | Claim::Done { line } => Some(line),
    };
    let reason = verdict::reason(ending) + &miss.unwrap_or_default();
    Judged { schema: 1, verdict: verdict::word(ending), reason, line }
}

/// An exit status as a shell reports it.
fn status(exit: Option<i32>) -> Status {
    match exit.unwrap_or(0) {
        code if code > 128 => Status::Signal(code - 128),
        code => Status::Code(code),
    }
}

fn open(path: &Path) -> Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(File::open(path).map_err(|error| cannot_read(path, &error))?))
}

fn cannot_read(path: &Path, error: &io::Error) -> Error {
    Error::usage(format!("cannot read {}: {error}", path.display()))
        .hint("name the raw log of one iteration, such as .loop-logs/iteration-3.log.raw, or - for standard input")
}

/// Reads the whole log: the evidence, and the last line of the agent's words.
fn read(log: &mut dyn Read, agent: Agent, rule: &DoneRule) -> io::Result<(Evidence, String)> {
    let mut scanner = agent.scanner(rule);
    let (mut chunk, mut signs, mut words) = (vec![0; CHUNK], Vec::new(), String::new());
    loop {
        match log.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => scanner.feed(&chunk[..count], &mut signs),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        remember(&mut words, &mut signs);
    }
    // Reset times are not part of what is told here, so that the time does not matter.
    let closing = Closing { stderr_tail: &[], now: Wall(0), zone: &TimeZone::UTC };
    let evidence = scanner.close(&closing, &mut signs);
    remember(&mut words, &mut signs);
    Ok((evidence, words))
}

fn remember(words: &mut String, signs: &mut Vec<Sign>) {
    for sign in signs.drain(..) {
        if let Sign::Text(text) = sign
            && let Some(line) = text.lines().rfind(|line| !line.trim().is_empty())
        {
            *words = line.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
        }
    }
}

fn explain(args: &DoneTest, judged: &Judged, words: &str) -> String {
    let mut lines = vec![format!("verdict: {}", judged.verdict), format!("reason:  {}", judged.reason)];
    lines.extend(judged.line.map(|line| format!("line:    {line} of the log")));
    if !words.is_empty() {
        lines.push(format!("answer:  … {words}"));
    }
    lines.push(format!("rule:    `{}`, {}", args.done_pattern, place(args.done_match)));
    if args.exit.is_none() {
        lines.push("exit:    0 is assumed; give the real exit code with --exit CODE".to_owned());
    }
    lines.join("\n") + "\n"
}

fn place(which: DoneMatch) -> &'static str {
    match which {
        DoneMatch::Last => "alone on the last line of the final answer",
        DoneMatch::Line => "alone on any line of the final answer",
        DoneMatch::Anywhere => "anywhere in the final answer",
    }
}

fn json(judged: &Judged) -> Result<String> {
    let text = serde_json::to_string(judged).map_err(|error| Error::failed(error.to_string()))?;
    Ok(text + "\n")
}
