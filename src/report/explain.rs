//! `swarm explain`: why each iteration of a run ended, and why the run did. Told from its facts alone, so that it says
//! the same years later.

use super::events::{self, Cost, SCHEMA, Said, Who};
use super::figures::{charge, plural, usage};
use super::{when, words};
use crate::engine::fact::{Charge, Wait};
use crate::engine::{Board, Fact, Stamped};
use crate::model::{AttemptId, Claim, Evidence, Outcome, Span, Status, StopCause, Survey, Wall};
use serde::Serialize;

/// A run explained. Serialized it is the JSON of `swarm explain`; fields are only ever added.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    schema: u32,
    name: String,
    run: String,
    started: Option<String>,
    limits: String,
    iterations: Vec<Chapter>,
    ended: Option<End>,
}

/// One try of one iteration.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Chapter {
    iteration: u32,
    r#try: u32,
    log: u32,
    from: String,
    /// `None` while it runs.
    to: Option<String>,
    /// Why swarm itself set out to end it.
    stopped_for: Option<&'static str>,
    adopted: u32,
    ended: Option<Judged>,
    check: Option<Checked>,
    push: Option<Pushed>,
    then: Option<Pause>,
    #[serde(skip)]
    heading: String,
    #[serde(skip)]
    before: Survey,
    #[serde(skip)]
    stop_phrase: Option<String>,
    #[serde(skip)]
    attempt: Option<AttemptId>,
}

/// How it ended, and the evidence for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Judged {
    ending: &'static str,
    reason: String,
    exit_code: Option<i32>,
    signal: Option<i32>,
    memory: Option<&'static str>,
    evidence: Evidence,
    notes: Vec<Said>,
    progress: Option<bool>,
    cost: Cost,
    duration_ms: u64,
    #[serde(skip)]
    exit: String,
    #[serde(skip)]
    charge: Charge,
    #[serde(skip)]
    moved: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Checked {
    accepted: bool,
    tail: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Pushed {
    ok: bool,
    warning: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Pause {
    why: &'static str,
    until: String,
    ms: u64,
    #[serde(skip)]
    phrase: String,
}

/// How the run ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct End {
    ending: &'static str,
    exit_code: u8,
    line: String,
    at: String,
}

impl Explanation {
    /// Of the run that these facts tell of.
    pub fn of(facts: &[Stamped], who: &Who) -> Explanation {
        let mut teller = Teller { who, board: Board::default(), chapters: Vec::new(), ended: None };
        facts.iter().for_each(|fact| teller.take(fact));
        let Teller { board, chapters, ended, .. } = teller;
        let run = board.run.as_ref();
        Explanation {
            schema: SCHEMA,
            name: who.name.clone(),
            run: run.map(|run| run.id.0.clone()).unwrap_or_default(),
            started: run.map(|run| when::stamp(run.started, &who.zone)),
            limits: run.map(|run| words::limits(&run.policy)).unwrap_or_default(),
            iterations: chapters,
            ended,
        }
    }

    /// A line of JSON, with a newline.
    pub fn json(&self) -> String {
        // Strings, numbers and lists always serialize.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Lines for people.
    pub fn human(&self) -> String {
        let started = self.started.as_deref().unwrap_or("never");
        let mut text = format!("{}: run {}, started {started}; limits: {}\n", self.name, self.run, self.limits);
        self.iterations.iter().for_each(|chapter| chapter.tell(&mut text));
        match &self.ended {
            Some(end) => {
                text.push_str(&format!("\nthe run ended {} with exit code {}\n  {}\n", end.at, end.exit_code, end.line))
            }
            None => text.push_str(&format!("\nthe run has not ended; see: swarm loop status {}\n", self.name)),
        }
        text
    }
}

/// Goes through the facts.
struct Teller<'a> {
    who: &'a Who,
    board: Board,
    chapters: Vec<Chapter>,
    ended: Option<End>,
}

impl Teller<'_> {
    fn take(&mut self, stamped: &Stamped) {
        self.board.apply(stamped);
        let (wall, zone) = (stamped.now.wall, &self.who.zone);
        match &stamped.fact {
            Fact::RunResumed { .. } => self.ended = None,
            Fact::AttemptOpened { attempt, log, survey, .. } => {
                let of = self.board.run.as_ref().and_then(|run| run.policy.iterations);
                self.chapters.push(Chapter {
                    iteration: attempt.number,
                    r#try: attempt.tries,
                    log: *log,
                    from: when::stamp(wall, zone),
                    to: None,
                    stopped_for: None,
                    adopted: 0,
                    ended: None,
                    check: None,
                    push: None,
                    then: None,
                    heading: words::heading(attempt.number, of, *log, attempt.tries),
                    before: survey.clone(),
                    stop_phrase: None,
                    attempt: Some(attempt.clone()),
                });
            }
            Fact::AttemptAdopted { attempt } => self.with(attempt, |chapter| chapter.adopted += 1),
            Fact::AttemptStopping { attempt, cause } => self.stopping(attempt, *cause),
            Fact::AttemptEnded { attempt, .. } => self.judged(attempt, &stamped.fact, wall),
            Fact::ClaimChecked { attempt, pass, tail } => {
                let check = Checked { accepted: *pass, tail: tail.clone() };
                self.with(attempt, |chapter| chapter.check = Some(check));
            }
            Fact::Pushed { attempt, warning } => {
                let push = Pushed { ok: warning.is_none(), warning: warning.clone() };
                self.with(attempt, |chapter| chapter.push = Some(push));
            }
            Fact::WaitStarted { until, why } => {
                let end = when::end_of(*until, stamped.now);
                let pause = self.pause(*why, end, wall);
                self.chapters.last_mut().into_iter().for_each(|chapter| chapter.then = Some(pause.clone()));
            }
            Fact::RunFinished { ending } => {
                self.ended = Some(End {
                    ending: words::run_ending_word(ending),
                    exit_code: self.who.exit_code(ending),
                    line: words::run_ending(&self.who.name, ending, &self.board, wall, zone),
                    at: when::stamp(wall, zone),
                });
            }
            Fact::RunOpened { .. }
            | Fact::AttemptLaunched { .. }
            | Fact::LogBlocked { .. }
            | Fact::LogFlowing { .. }
            | Fact::Paused
            | Fact::Unpaused
            | Fact::Suspended
            | Fact::Continued { .. }
            | Fact::StopAsked { .. } => {}
        }
    }

    fn with(&mut self, attempt: &AttemptId, change: impl FnOnce(&mut Chapter)) {
        let chapter = self.chapters.iter_mut().rev().find(|chapter| chapter.attempt.as_ref() == Some(attempt));
        if let Some(chapter) = chapter {
            change(chapter);
        }
    }

    fn stopping(&mut self, attempt: &AttemptId, cause: StopCause) {
        let phrase = words::cause(cause, self.board.run.as_ref().map(|run| &run.policy));
        self.with(attempt, |chapter| {
            chapter.stopped_for.get_or_insert(words::cause_word(cause));
            chapter.stop_phrase.get_or_insert(phrase);
        });
    }

    fn judged(&mut self, attempt: &AttemptId, fact: &Fact, wall: Wall) {
        let Fact::AttemptEnded { exit, evidence, survey, progress, ending, notes, charge, lasted, .. } = fact else {
            return;
        };
        let zone = self.who.zone.clone();
        let status = exit.as_ref().map(|exit| exit.status);
        let mut judged = Judged {
            ending: words::ending_word(ending),
            reason: words::ending(ending, wall, &zone),
            exit_code: if let Some(Status::Code(code)) = status { Some(code) } else { None },
            signal: if let Some(Status::Signal(signal)) = status { Some(signal) } else { None },
            memory: exit.as_ref().and_then(|exit| words::memory(exit.oom)),
            evidence: evidence.clone(),
            notes: events::said(notes),
            progress: *progress,
            cost: events::cost(*charge),
            duration_ms: lasted.0,
            exit: status.map_or_else(|| "never started".to_owned(), words::status),
            charge: *charge,
            moved: String::new(),
        };
        self.with(attempt, |chapter| {
            judged.moved = moved(&chapter.before, survey, *progress);
            chapter.to = Some(when::stamp(wall, &zone));
            chapter.ended = Some(judged);
        });
    }

    fn pause(&self, why: Wait, end: Wall, now: Wall) -> Pause {
        let zone = &self.who.zone;
        let until = when::short(end, now, zone);
        let phrase = format!("waiting {} until {until}: {}", end - now, words::wait(why));
        Pause { why: words::wait_word(why), until: when::stamp(end, zone), ms: (end - now).0, phrase }
    }
}

impl Chapter {
    fn tell(&self, text: &mut String) {
        let reason = self.ended.as_ref().map_or("it has not ended", |ended| ended.reason.as_str());
        text.push_str(&format!("\n{}: {reason}\n", self.heading));
        let mut row = |label: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!("  {label:<10}{}\n", words::one_line(&value)));
            }
        };
        let ended = self.ended.as_ref();
        row("time", Some(self.time()));
        row("exit", ended.map(|ended| ended.exit.clone()));
        row("memory", ended.and_then(|ended| ended.memory).map(str::to_owned));
        row("stopped", self.stop_phrase.as_ref().map(|phrase| format!("by swarm: {phrase}")));
        row("adopted", (self.adopted > 0).then(|| format!("{} by a later supervisor", plural(self.adopted, "time"))));
        row(
            "output",
            ended
                .filter(|ended| ended.exit_code.is_some() || ended.evidence.lines.total > 0)
                .map(|ended| output(&ended.evidence)),
        );
        row("claim", ended.and_then(|ended| claim(&ended.evidence.claim)));
        row("limit", ended.and_then(|ended| ended.evidence.limit.as_ref()).map(|limit| limit.text.clone()));
        row("progress", ended.map(|ended| ended.moved.clone()));
        ended.iter().flat_map(|ended| &ended.notes).for_each(|note| row("note", Some(note.text().to_owned())));
        row("check", self.check.as_ref().map(|check| verdict(check.accepted, &check.tail)));
        row(
            "push",
            self.push
                .as_ref()
                .map(|push| push.warning.as_ref().map_or("done".to_owned(), |warning| format!("failed: {warning}"))),
        );
        row("cost", ended.map(cost));
        row("then", self.then.as_ref().map(|pause| pause.phrase.clone()));
    }

    /// `2026-11-21T15:04:05+01:00, for 4m12s`.
    fn time(&self) -> String {
        match &self.ended {
            Some(ended) => format!("{}, for {}", self.from, Span(ended.duration_ms)),
            None => self.from.clone(),
        }
    }
}

fn verdict(accepted: bool, tail: &str) -> String {
    let last = tail.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it printed nothing");
    if accepted { "accepts that it is done".to_owned() } else { format!("refuses that it is done: {last}") }
}

fn cost(ended: &Judged) -> String {
    let usage = usage(&ended.evidence.usage).map_or_else(String::new, |usage| format!(", {usage}"));
    format!("{}{usage}", charge(ended.charge))
}

/// What the agent's protocol said of the ending, and how much was read.
fn output(evidence: &Evidence) -> String {
    let said = |what: &str, text: &str| if text.is_empty() { what.to_owned() } else { format!("{what}: {text}") };
    let outcome = match &evidence.outcome {
        Outcome::Unfinished => "no final result".to_owned(),
        Outcome::Completed => "completed".to_owned(),
        Outcome::RateLimited => "refused by a limit".to_owned(),
        Outcome::Unavailable { text } => said("the API was not available", text),
        Outcome::AuthFailure { text } => said("not logged in, no credit or forbidden", text),
        Outcome::ConfigFailure { text } => said("wrong configuration", text),
        Outcome::ContextTooLong { text } => said("context too long", text),
        Outcome::OutputLimit { text } => said("output limit", text),
        Outcome::Refusal { text } => said("refusal", text),
        Outcome::OwnTurns => "its own limit of turns".to_owned(),
        Outcome::OwnBudget => "its own budget".to_owned(),
        Outcome::Interrupted => "interrupted".to_owned(),
        Outcome::Failed { text } => said("failed", text),
    };
    let retrying = if evidence.retrying { "; it was retrying when it ended" } else { "" };
    let lines = &evidence.lines;
    let odd = [
        (lines.unknown, "of unknown type"),
        (lines.stray, "not of the protocol"),
        (lines.long, "too long to keep whole"),
    ];
    let odd: Vec<String> =
        odd.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let odd = if odd.is_empty() { String::new() } else { format!(" ({})", odd.join(", ")) };
    format!("{outcome}{retrying}; {}{odd}", plural(lines.total, "line"))
}

/// What became of the done rule.
fn claim(claim: &Claim) -> Option<String> {
    match claim {
        Claim::None => None,
        Claim::NearMiss { line, why } => {
            Some(format!("the done word on line {line} of its output does not count: {why}"))
        }
        Claim::Done { line } => Some(format!("done, by line {line} of its output")),
    }
}

/// What moved in the work tree.
fn moved(before: &Survey, after: &Survey, progress: Option<bool>) -> String {
    let short =
        |head: &Option<String>| head.as_deref().map_or("none".to_owned(), |head| head.chars().take(9).collect());
    let commit =
        (before.head != after.head).then(|| format!("commit {} to {}", short(&before.head), short(&after.head)));
    let done = |survey: &Survey| survey.boxes.as_ref().map_or(0, |boxes| boxes.done);
    let ticked = done(after).saturating_sub(done(before));
    let ticked =
        (ticked > 0).then(|| if ticked == 1 { "1 box ticked".to_owned() } else { format!("{ticked} boxes ticked") });
    let parts: Vec<String> = commit.into_iter().chain(ticked).collect();
    match (parts.is_empty(), progress) {
        (false, _) => parts.join(", "),
        (true, Some(true)) => "changes in the work tree".to_owned(),
        (true, Some(false)) => "none".to_owned(),
        (true, None) => "nothing can tell".to_owned(),
    }
}
