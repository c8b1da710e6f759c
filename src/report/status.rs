//! How a loop stands: what `swarm loop status` prints, and a row of `swarm loop ls`.

use super::events::{self, BoxCount, Cost, SCHEMA, Said, Who};
use super::figures::{charge, spent, usd};
use super::{when, words};
use crate::engine::board::{Check, Closed};
use crate::engine::{Board, Fact, Stamped};
use crate::model::{self, Handle, Now, Span, Window};
use serde::Serialize;
use std::path::Path;

/// What is known of a run beside its journal.
#[derive(Debug, Clone, Copy)]
pub struct Vitals<'a> {
    /// The run's name, and how times are said.
    pub who: &'a Who,
    /// The folder that it was started in.
    pub folder: &'a Path,
    /// The folder of its logs.
    pub logs: &'a Path,
    /// The window that shows its agents while it runs.
    pub window: Option<&'a Window>,
    /// Pid of the living supervisor.
    pub supervisor: Option<i32>,
    /// A worker is alive.
    pub worker_alive: bool,
    /// Both clocks, now.
    pub now: Now,
}

/// What a run is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Between iterations.
    Starting,
    /// An iteration runs.
    Running,
    /// An iteration runs, but its log cannot be written.
    Blocked,
    /// A claim is checked.
    Checking,
    /// Nothing runs until a time.
    Waiting,
    /// Nothing runs until the operator says so.
    Paused,
    /// The terminal suspended it.
    Suspended,
    /// It was told to stop.
    Stopping,
    /// It is over.
    Ended,
    /// The worker runs, the supervisor is gone.
    Left,
    /// Supervisor and worker are gone without an ending.
    Dead,
}

/// How a run stands. Serialized it is the JSON of `swarm loop status` and `swarm loop ls`; fields are only ever added.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    schema: u32,
    name: String,
    run: String,
    /// What it is doing.
    pub state: State,
    paused: bool,
    iteration: u32,
    of: Option<u32>,
    r#try: u32,
    log: Option<u32>,
    /// An iteration runs, or ran when its supervisor was lost.
    under_way: bool,
    /// How long the iteration has run.
    running_ms: Option<u64>,
    last: Option<Last>,
    wait: Option<Waits>,
    boxes: Option<BoxCount>,
    left_ms: Option<u64>,
    spent: Cost,
    started: Option<String>,
    elapsed_ms: u64,
    supervisor: Option<i32>,
    worker: Option<i32>,
    folder: String,
    logs: String,
    text_log: Option<String>,
    tmux: Option<Window>,
    ended: Option<Over>,
    #[serde(skip)]
    words: Phrases,
}

/// The last iteration that is over.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Last {
    iteration: u32,
    r#try: u32,
    log: Option<u32>,
    ending: &'static str,
    reason: String,
    exit_code: Option<i32>,
    signal: Option<i32>,
    notes: Vec<Said>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Waits {
    why: &'static str,
    reason: &'static str,
    until: String,
    ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Over {
    ending: &'static str,
    exit_code: u8,
    line: String,
    at: String,
}

/// The same for people, where it takes the board to say it.
#[derive(Debug, Clone, PartialEq, Default)]
struct Phrases {
    plan: Option<String>,
    spent: String,
    cost: String,
    time: String,
    wait_end: Option<String>,
}

impl Vitals<'_> {
    /// Somebody still works for it.
    fn is_lively(&self) -> bool {
        self.supervisor.is_some() || self.worker_alive
    }
}

impl State {
    /// Its word; the same as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Running => "running",
            State::Blocked => "blocked",
            State::Checking => "checking",
            State::Waiting => "waiting",
            State::Paused => "paused",
            State::Suspended => "suspended",
            State::Stopping => "stopping",
            State::Ended => "ended",
            State::Left => "left",
            State::Dead => "dead",
        }
    }

    fn of(board: &Board, vitals: &Vitals<'_>) -> State {
        let checking = board.last.as_ref().is_some_and(|last| last.check == Check::Running);
        let blocked = board.open.values().any(|open| open.blocked.is_some());
        match vitals.supervisor {
            _ if board.finished.is_some() => State::Ended,
            None if vitals.worker_alive => State::Left,
            None => State::Dead,
            Some(_) if board.stop.is_some() => State::Stopping,
            Some(_) if board.suspended.is_some() => State::Suspended,
            Some(_) if blocked => State::Blocked,
            Some(_) if !board.open.is_empty() => State::Running,
            Some(_) if checking => State::Checking,
            Some(_) if board.paused => State::Paused,
            Some(_) if board.wait.is_some() => State::Waiting,
            Some(_) => State::Starting,
        }
    }
}

impl Status {
    /// Of the run whose journal holds `facts`, which fold to `board`.
    pub fn of(board: &Board, facts: &[Stamped], vitals: &Vitals<'_>) -> Status {
        let who = vitals.who;
        let run = board.run.as_ref();
        // Without a supervisor time stands where the journal ends; its ticks may be of another boot.
        let ended = board.finished.is_some() || vitals.supervisor.is_none();
        let now = facts.last().map(|fact| fact.now).filter(|_| ended).unwrap_or(vitals.now);
        let open = board.open.values().next_back();
        let attempt = open.map(|open| &open.attempt).or(board.last.as_ref().map(|last| &last.attempt));
        let log = open.map(|open| open.log).or(board.last.as_ref().map(|last| last.log)).filter(|log| *log > 0);
        let survey = board.last.as_ref().map(|last| &last.survey).or(open.map(|open| &open.survey));
        let boxes = survey.and_then(|survey| survey.boxes.as_ref());
        let launched = open.and_then(|open| open.launched.as_ref());
        let worker = launched.map(|(_, Handle::Process { worker, .. })| worker.pid);
        let elapsed = run.map_or(Span::ZERO, |run| run.elapsed(now.tick));
        Status {
            schema: SCHEMA,
            name: who.name.clone(),
            run: run.map(|run| run.id.0.clone()).unwrap_or_default(),
            state: State::of(board, vitals),
            paused: board.paused,
            iteration: attempt.map_or(0, |attempt| attempt.number),
            of: run.and_then(|run| run.policy.iterations),
            r#try: attempt.map_or(0, |attempt| attempt.tries),
            log,
            under_way: open.is_some(),
            running_ms: launched.filter(|_| !ended).map(|(since, _)| (now.tick - *since).0),
            last: board.last.as_ref().map(|last| Last::of(last, facts, who)),
            wait: waits(board, who, now),
            boxes: survey.and_then(|survey| events::boxes(survey, board)),
            left_ms: boxes.and_then(|boxes| words::time_left(boxes, board)).map(|span| span.0),
            spent: events::cost(spent(&board.tally)),
            started: run.map(|run| when::stamp(run.started, &who.zone)),
            elapsed_ms: elapsed.0,
            supervisor: vitals.supervisor,
            worker: worker.filter(|_| vitals.worker_alive),
            folder: vitals.folder.display().to_string(),
            logs: vitals.logs.display().to_string(),
            text_log: log.map(|log| vitals.logs.join(format!("iteration-{log}.log")).display().to_string()),
            tmux: vitals.window.filter(|_| board.finished.is_none() && vitals.is_lively()).cloned(),
            ended: board.finished.as_ref().map(|ending| Over {
                ending: words::run_ending_word(ending),
                exit_code: who.exit_code(ending),
                line: words::run_ending(&who.name, ending, board, now.wall, &who.zone),
                at: when::stamp(now.wall, &who.zone),
            }),
            words: phrases(board, boxes, elapsed, who, now),
        }
    }

    /// A line of JSON, with a newline.
    pub fn json(&self) -> String {
        // Strings, numbers and lists always serialize.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Lines for people.
    pub fn human(&self) -> String {
        let mut text = format!("{}: {}\n", self.name, self.headline());
        let mut row = |label: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!("  {label:<11}{}\n", words::one_line(&value)));
            }
        };
        row("why", self.ended.as_ref().map(|ended| ended.line.clone()));
        row("ended", self.ended.as_ref().map(|ended| ended.at.clone()));
        row("iteration", self.current());
        row("waiting", self.waiting());
        row(
            "last",
            self.last.as_ref().map(|last| format!("{}: {}", words::iteration(last.iteration, self.of), last.reason)),
        );
        self.last.iter().flat_map(|last| &last.notes).for_each(|said| row("", Some(said.text().to_owned())));
        row("plan", self.words.plan.clone());
        row("cost", Some(self.words.cost.clone()));
        row("time", Some(self.words.time.clone()));
        row("supervisor", self.supervisor.map(|pid| format!("process {pid}")));
        row("worker", self.worker.map(|pid| format!("process {pid}")));
        row("window", self.tmux.as_ref().map(words::to_see));
        row("folder", Some(self.folder.clone()));
        row("log", Some(self.text_log.clone().unwrap_or_else(|| self.logs.clone())));
        row("run", Some(self.run.clone()));
        text
    }

    /// The state, with what a person should do about it.
    fn headline(&self) -> String {
        let name = &self.name;
        match (self.state, &self.ended) {
            (State::Ended, Some(over)) => format!("ended with exit code {}", over.exit_code),
            (State::Left, _) => format!("its worker runs without a supervisor; go on with: swarm loop --resume {name}"),
            (State::Dead, _) => format!("its supervisor is gone; go on with: swarm loop --resume {name}"),
            (State::Paused, _) => format!("paused; go on with: swarm loop resume {name}"),
            (State::Running, _) if self.paused => "running; pauses after this iteration".to_owned(),
            (State::Blocked, _) => "blocked: its log cannot be written; make room".to_owned(),
            (state, _) => state.word().to_owned(),
        }
    }

    /// `3/15 (log 18), try 2, for 4m12s`; nothing while none is under way.
    fn current(&self) -> Option<String> {
        let heading = words::heading(self.iteration, self.of, self.log.unwrap_or_default(), self.r#try);
        let lasting = self.running_ms.map_or_else(String::new, |ms| format!(", for {}", Span(ms)));
        self.under_way.then(|| format!("{}{lasting}", heading.trim_start_matches("iteration ")))
    }

    fn waiting(&self) -> Option<String> {
        let wait = self.wait.as_ref()?;
        Some(format!("until {} (in {}): {}", self.words.wait_end.as_ref()?, Span(wait.ms), wait.reason))
    }

    /// The cells of its row in a table: name, state, iteration, boxes, cost, time, and what else is to be said.
    pub(super) fn cells(&self) -> [String; 7] {
        let iteration = match self.of {
            _ if self.iteration == 0 => "-".to_owned(),
            Some(of) => format!("{}/{of}", self.iteration),
            None => self.iteration.to_string(),
        };
        let boxes = self.boxes.as_ref().map_or_else(|| "-".to_owned(), BoxCount::fraction);
        let detail = match (&self.ended, &self.wait, self.running_ms) {
            (Some(over), ..) => format!("{} (exit code {})", over.ending.replace('_', " "), over.exit_code),
            (None, Some(wait), _) => {
                format!("{} until {}", wait.why.replace('_', " "), self.words.wait_end.as_deref().unwrap_or_default())
            }
            (None, None, Some(ms)) => format!("log {}, for {}", self.log.unwrap_or_default(), Span(ms)),
            (None, None, None) => String::new(),
        };
        let time = Span(self.elapsed_ms).to_string();
        [self.name.clone(), self.state.word().to_owned(), iteration, boxes, self.words.spent.clone(), time, detail]
    }
}

impl Last {
    fn of(last: &Closed, facts: &[Stamped], who: &Who) -> Last {
        let exit = facts.iter().rev().find_map(|stamped| match &stamped.fact {
            Fact::AttemptEnded { attempt, exit, .. } if *attempt == last.attempt => exit.as_ref(),
            _ => None,
        });
        let status = exit.map(|exit| exit.status);
        Last {
            iteration: last.attempt.number,
            r#try: last.attempt.tries,
            log: Some(last.log).filter(|log| *log > 0),
            ending: words::ending_word(&last.ending),
            reason: words::ending(&last.ending, last.at.wall, &who.zone),
            exit_code: if let Some(model::Status::Code(code)) = status { Some(code) } else { None },
            signal: if let Some(model::Status::Signal(signal)) = status { Some(signal) } else { None },
            notes: events::said(&last.notes),
        }
    }
}

/// The wait that is on.
fn waits(board: &Board, who: &Who, now: Now) -> Option<Waits> {
    let wait = board.wait.filter(|_| board.finished.is_none())?;
    let end = when::end_of(wait.until, now);
    Some(Waits {
        why: words::wait_word(wait.why),
        reason: words::wait(wait.why),
        until: when::stamp(end, &who.zone),
        ms: (end - now.wall).0,
    })
}

fn phrases(board: &Board, boxes: Option<&model::Boxes>, elapsed: Span, who: &Who, now: Now) -> Phrases {
    let policy = board.run.as_ref().map(|run| &run.policy);
    let of = |limit: Option<String>| limit.map_or_else(String::new, |limit| format!(" of {limit}"));
    let since =
        board.run.as_ref().map_or_else(String::new, |run| format!(", since {}", when::stamp(run.started, &who.zone)));
    Phrases {
        plan: boxes.map(|boxes| words::plan(boxes, board).trim_start_matches("plan ").to_owned()),
        spent: charge(spent(&board.tally)),
        cost: charge(spent(&board.tally)) + &of(policy.and_then(|policy| policy.max_cost).map(usd)),
        time: format!("{elapsed}{}{since}", of(policy.and_then(|policy| policy.max_time).map(|span| span.to_string()))),
        wait_end: board.wait.map(|wait| when::short(when::end_of(wait.until, now), now.wall, &who.zone)),
    }
}
