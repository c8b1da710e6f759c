//! The one place where closed lists turn into plain words: a short one for machines, a phrase for people, and for the end
//! of a run one line that says what stopped it and what to do.

use super::figures::{plural, spent, usd};
use super::{figures, when};
use crate::engine::fact::Wait;
use crate::engine::{Board, Policy};
use crate::host::words::shell;
use crate::model::{Boxes, Ending, Note, Oom, RunEnding, Span, Status, StopCause, Wall, Window};
use jiff::tz::TimeZone;

/// An ending's word in events and JSON. A format: words are added, never changed.
pub fn ending_word(ending: &Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::Clean => "clean",
        Ending::LaunchFailed { .. } => "launch_failed",
        Ending::LogFull => "log_full",
        Ending::OutputLimit => "output_limit",
        Ending::Refusal => "refusal",
        Ending::Stopped => "stopped",
        Ending::EngineLost => "engine_lost",
        Ending::ContainerRemoved => "container_removed",
        Ending::Failed { .. } => "failed",
        Ending::Killed { .. } => "killed",
        Ending::Oom => "oom",
        Ending::OomInside => "oom_inside",
        Ending::StartTimeout => "start_timeout",
        Ending::IdleTimeout => "idle_timeout",
        Ending::WallTimeout => "wall_timeout",
        Ending::RateLimited { .. } => "rate_limited",
        Ending::Overloaded => "overloaded",
        Ending::AuthFailure { .. } => "auth_failure",
        Ending::ConfigFailure { .. } => "config_failure",
        Ending::ContextTooLong => "context_too_long",
        Ending::OwnLimit => "own_limit",
        Ending::Interrupted => "interrupted",
        Ending::Lost => "lost",
    }
}

/// The command that shows a window.
pub fn to_see(window: &Window) -> String {
    // What tmux takes for an index or a pane shows the session, and the window is found there by eye.
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let begins = |c: char| c.is_ascii_alphabetic() || c == '_';
    let by_name = window.window.starts_with(begins) && window.window.chars().all(is_name);
    let target = if by_name { format!("{}:{}", window.session, window.window) } else { window.session.clone() };
    format!("{} attach -t {}", tmux(window.socket.as_deref()), shell(target.as_ref()))
}

/// How a person calls the tmux server at that socket.
pub fn tmux(socket: Option<&str>) -> String {
    match socket {
        Some(path) if path.contains('/') => format!("tmux -S {}", shell(path.as_ref())),
        Some(name) => format!("tmux -L {}", shell(name.as_ref())),
        None => "tmux".to_owned(),
    }
}

/// How an iteration ended, as a phrase. Times are said as seen at `at`.
pub fn ending(ending: &Ending, at: Wall, zone: &TimeZone) -> String {
    let phrase = match ending {
        Ending::Done => "done",
        Ending::Clean => "clean end, not done yet",
        Ending::LaunchFailed { error, .. } => return with("could not be started", error),
        Ending::LogFull => "ended because the disk that holds its log stayed full",
        Ending::OutputLimit => "failed: the model's output limit was hit",
        Ending::Refusal => "failed: the model withheld the answer",
        Ending::Stopped => "stopped by the operator",
        Ending::EngineLost => "failed: the Docker daemon went away",
        Ending::ContainerRemoved => "failed: somebody removed its container",
        Ending::Failed { code: 0, text } => return with("failed", text),
        Ending::Failed { code, text } => return with(&format!("failed with exit code {code}"), text),
        Ending::Killed { signal } => return format!("killed by {}, which swarm did not send", signal_name(*signal)),
        Ending::Oom => "out of memory: the kernel killed it",
        Ending::OomInside => "failed after the kernel killed one of its children for memory",
        Ending::StartTimeout => "ended because it printed nothing at all (--start-timeout)",
        Ending::IdleTimeout => "ended because its output stopped (--idle-timeout)",
        Ending::WallTimeout => "ended because it took too long",
        Ending::RateLimited { until: Some(until) } => {
            return format!("usage limit until {}", when::short(*until, at, zone));
        }
        Ending::RateLimited { until: None } => "rate limit, for nobody says how long",
        Ending::Overloaded => "the API is overloaded or out of reach",
        Ending::AuthFailure { text } => return with("a person must log in or pay", text),
        Ending::ConfigFailure { text } => return with("a person must correct the configuration", text),
        Ending::ContextTooLong => "failed: the prompt or the conversation does not fit the model",
        Ending::OwnLimit => "the agent's own limit of turns or budget was reached",
        Ending::Interrupted => "interrupted: somebody else sent it SIGINT",
        Ending::Lost => "lost: it is gone, and nobody saw how",
    };
    phrase.to_owned()
}

/// A note's word in events and JSON. A format: words are added, never changed.
pub fn note_word(note: &Note) -> &'static str {
    match note {
        Note::HungAfterResult => "hung_after_result",
        Note::OomInside => "oom_inside",
        Note::NearMiss { .. } => "near_miss",
        Note::OpenBoxes { .. } => "open_boxes",
        Note::LeftBehind { .. } => "left_behind",
        Note::NoOpenBox => "no_open_box",
        Note::SameBox { .. } => "same_box",
        Note::RemovedLock { .. } => "removed_lock",
    }
}

/// What is said beside an ending.
pub fn note(note: &Note) -> String {
    match note {
        Note::HungAfterResult => {
            "the agent did not exit after its final result and was ended; its result counts".into()
        }
        Note::OomInside => "the kernel killed a child of the agent for memory; the agent went on".into(),
        Note::NearMiss { why } => format!("the done word appears, but does not count: {why}"),
        Note::OpenBoxes { open } => {
            let boxes = if *open == 1 { "1 box".into() } else { format!("{open} boxes") };
            format!(
                "the agent says that it is done, but the plan has {boxes} open (--require-plan refuses such a claim)"
            )
        }
        Note::LeftBehind { pid } => format!("process {pid} of the worker could not be ended and still runs"),
        Note::NoOpenBox => {
            "the plan has no open box, yet the agent does not say that it is done: the last line of its final \
                            answer must be the done word alone (--done-on-plan counts a finished plan as done)"
                .into()
        }
        Note::SameBox { text, iterations } => {
            format!(
                "the same box is first for {iterations} iterations: \"{text}\"; look at the logs, or change the plan or the prompt"
            )
        }
        Note::RemovedLock { path } => format!("removed the git lock that the killed worker left: {path}"),
    }
}

/// A run ending's word in events and JSON. A format: words are added, never changed.
pub fn run_ending_word(ending: &RunEnding) -> &'static str {
    match ending {
        RunEnding::Done => "done",
        RunEnding::GaveUp { .. } => "gave_up",
        RunEnding::PromptGone { .. } => "prompt_gone",
        RunEnding::CannotLaunch { .. } => "cannot_launch",
        RunEnding::IterationsUsed => "iterations_used",
        RunEnding::TimeLimit => "time_limit",
        RunEnding::CostLimit => "cost_limit",
        RunEnding::Stalled { .. } => "stalled",
        RunEnding::RepeatedOom { .. } => "repeated_oom",
        RunEnding::PersonNeeded { .. } => "person_needed",
        RunEnding::CannotWrite { .. } => "cannot_write",
        RunEnding::WaitTooLong { .. } => "wait_too_long",
        RunEnding::OutageTooLong => "outage_too_long",
        RunEnding::Stopped { .. } => "stopped",
        RunEnding::WorkerEnded => "worker_ended",
    }
}

/// Why the run `name` ended, and what to do about it: one line, seen at `at`.
pub fn run_ending(name: &str, ending: &RunEnding, board: &Board, at: Wall, zone: &TimeZone) -> String {
    let policy = board.run.as_ref().map(|run| &run.policy);
    let used = plural(board.tally.iteration, "iteration");
    let resume = format!("swarm loop --resume {name}");
    let explain = format!("swarm explain {name}");
    let last = |count: u32| range(board.tally.iteration, count);
    match ending {
        RunEnding::Done => format!("done after {used}"),
        RunEnding::GaveUp { failures } => format!(
            "stopped: {} in a row{}. Look at: {explain}; go on with: {resume}",
            plural(*failures, "failure"),
            last(*failures)
        ),
        RunEnding::PromptGone { error } => {
            format!("stopped: the prompt cannot be read: {}. Put it back, then: {resume}", sentence(error))
        }
        RunEnding::CannotLaunch { error } => format!(
            "stopped: the agent cannot be started: {}. Install it or correct PATH, then: {resume}",
            sentence(error)
        ),
        RunEnding::IterationsUsed => format!(
            "stopped: the limit of {used} is used up, and the work is not done. Look at: {explain}; start again for more"
        ),
        RunEnding::TimeLimit => {
            let limit =
                policy.and_then(|policy| policy.max_time).map_or_else(String::new, |span| format!(" of {span}"));
            format!("stopped: the time limit{limit} is used up (--max-time) after {used}. Start again for more")
        }
        RunEnding::CostLimit => {
            let limit =
                policy.and_then(|policy| policy.max_cost).map_or_else(String::new, |max| format!(" of {}", usd(max)));
            let spent = figures::price(spent(&board.tally));
            format!(
                "stopped: the cost limit{limit} is reached (--max-cost): {spent} after {used}. Start again for more"
            )
        }
        RunEnding::Stalled { iterations } => format!(
            "stopped: {} without progress{}. Look at: {explain}; help with the prompt or the plan, then: {resume}",
            plural(*iterations, "iteration"),
            last(*iterations)
        ),
        RunEnding::RepeatedOom { times } => format!(
            "stopped: out of memory {} in a row{}. Give it more memory or smaller tasks, then: {resume}",
            plural(*times, "time"),
            last(*times)
        ),
        RunEnding::PersonNeeded { text } => {
            format!("stopped: a person must act: {}. Then: {resume} (with other settings: start anew)", sentence(text))
        }
        RunEnding::CannotWrite { error } => {
            format!(
                "stopped: logs or state cannot be written: {}. Make room or correct the rights, then: {resume}",
                sentence(error)
            )
        }
        RunEnding::WaitTooLong { until } => {
            let until = until.map_or_else(String::new, |until| format!(" until {}", when::short(until, at, zone)));
            let most = policy.map_or_else(String::new, |policy| format!(" of {}", policy.max_wait));
            format!("stopped: a usage limit lasts{until}, beyond the longest wait{most} (--max-wait). Later: {resume}")
        }
        RunEnding::OutageTooLong => {
            let most = policy.map_or_else(String::new, |policy| format!(" for {}", policy.max_outage));
            format!("stopped: the API has not answered{most} (--max-outage). Later: {resume}")
        }
        RunEnding::Stopped { signal } => {
            format!("stopped by {} after {used}. Go on with: {resume}", signal_name(*signal))
        }
        RunEnding::WorkerEnded => "the worker is over".to_owned(),
    }
}

/// Why nothing runs, as a word. A format.
pub fn wait_word(why: Wait) -> &'static str {
    match why {
        Wait::RateLimit => "rate_limit",
        Wait::Outage => "outage",
        Wait::Failure => "failure",
        Wait::Oom => "oom",
        Wait::Delay => "delay",
    }
}

/// Why nothing runs, as a phrase.
pub fn wait(why: Wait) -> &'static str {
    match why {
        Wait::RateLimit => "the usage limit; the same iteration then runs again",
        Wait::Outage => "the API is out of reach; the same iteration then runs again",
        Wait::Failure => "after a failure",
        Wait::Oom => "memory is given back after an out-of-memory kill",
        Wait::Delay => "--delay",
    }
}

/// Why we end an attempt, as a word. A format.
pub fn cause_word(cause: StopCause) -> &'static str {
    match cause {
        StopCause::Operator => "operator",
        StopCause::StartTimeout => "start_timeout",
        StopCause::IdleTimeout => "idle_timeout",
        StopCause::WallTimeout => "wall_timeout",
        StopCause::HungAfterResult => "hung_after_result",
        StopCause::LogFull => "log_full",
    }
}

/// Why we end an attempt under that policy, as a phrase.
pub fn cause(cause: StopCause, policy: Option<&Policy>) -> String {
    let of = |span: Option<Span>| span.map_or_else(String::new, |span| format!(" for {span}"));
    let rule = |pick: fn(&Policy) -> Option<Span>| of(policy.and_then(pick));
    match cause {
        StopCause::Operator => "the operator asked for it".into(),
        StopCause::StartTimeout => {
            format!("it printed nothing{} (--start-timeout)", rule(|policy| policy.start_timeout))
        }
        StopCause::IdleTimeout => format!("it was silent{} (--idle-timeout)", rule(|policy| policy.idle_timeout)),
        StopCause::WallTimeout => "its time is up (--iteration-timeout or --max-time)".into(),
        StopCause::HungAfterResult => {
            format!("it still runs{} after its final result (--result-grace)", rule(|policy| Some(policy.result_grace)))
        }
        StopCause::LogFull => {
            format!("its log could not be written{} (--disk-wait)", rule(|policy| Some(policy.disk_wait)))
        }
    }
}

/// What the kernel's counters say of memory; nothing where they have nothing to say.
pub fn memory(oom: Oom) -> Option<&'static str> {
    match oom {
        Oom::Confirmed => Some("killed for memory, says the kernel's counter"),
        Oom::Inside => Some("a child was killed for memory, says the kernel's counter"),
        Oom::Denied | Oom::Unknown => None,
    }
}

/// How a process ended: `exit code 1`, `SIGTERM`, `exit unseen`.
pub fn status(status: Status) -> String {
    match status {
        Status::Code(code) => format!("exit code {code}"),
        Status::Signal(signal) => signal_name(signal),
        Status::Lost => "exit unseen".to_owned(),
    }
}

/// `SIGKILL`, or `signal 35` for one without a name.
pub fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal)
        .map_or_else(|_| format!("signal {signal}"), |signal| signal.as_str().to_owned())
}

/// The limits of a run in one line: `15 iterations, 8h00m, $20.00`, or `no limit`.
pub fn limits(policy: &Policy) -> String {
    let iterations = policy.iterations.map(|count| plural(count, "iteration"));
    let parts: Vec<String> = [iterations, policy.max_time.map(|span| span.to_string()), policy.max_cost.map(usd)]
        .into_iter()
        .flatten()
        .collect();
    if parts.is_empty() { "no limit on iterations, time or cost".to_owned() } else { parts.join(", ") }
}

/// What stops a run beside its limits: `5 failures in a row, 5 iterations without progress, 3 times out of memory`.
pub fn brakes(policy: &Policy) -> String {
    let failures = policy.max_failures.map(|count| format!("{} in a row", plural(count, "failure")));
    let stalled = policy.max_stalled.map(|count| format!("{} without progress", plural(count, "iteration")));
    let ooms = policy.max_ooms.map(|count| format!("out of memory {} in a row", plural(count, "time")));
    let parts: Vec<String> = [failures, stalled, ooms].into_iter().flatten().collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

/// Where the plan stands: `plan 3/14 boxes, next: "…" (first for 3 iterations), ~2h10m left`. The time left is what the
/// boxes ticked so far took, and is not said before one was.
pub fn plan(boxes: &Boxes, board: &Board) -> String {
    let mut line = format!("plan {}/{} boxes", boxes.done, boxes.total());
    if let Some(first) = &boxes.first_open {
        line.push_str(&format!(", next: \"{first}\""));
        if let Some(times) = first_for(boxes, board).filter(|times| *times > 1) {
            line.push_str(&format!(" (first for {times} iterations)"));
        }
    }
    if let Some(left) = time_left(boxes, board) {
        match left {
            Span(..60_000) => line.push_str(", under a minute left"),
            left => line.push_str(&format!(", ~{left} left")),
        }
    }
    line
}

/// For how many iterations the first open box has been first; `None` before an iteration ended with it.
pub fn first_for(boxes: &Boxes, board: &Board) -> Option<u32> {
    let (text, times) = board.tally.first_box.as_ref()?;
    (Some(text) == boxes.first_open.as_ref()).then_some(*times)
}

/// What the open boxes will take if they take as long as the ticked ones did.
pub fn time_left(boxes: &Boxes, board: &Board) -> Option<Span> {
    let each = board.tally.worked.0.checked_div(u64::from(board.tally.ticked))?;
    (boxes.open > 0).then(|| Span(each.saturating_mul(u64::from(boxes.open))))
}

/// `iteration 3/15`.
pub fn iteration(number: u32, of: Option<u32>) -> String {
    match of {
        Some(of) => format!("iteration {number}/{of}"),
        None => format!("iteration {number}"),
    }
}

/// `iteration 3/15 (log 18), try 2`.
pub fn heading(number: u32, of: Option<u32>, log: u32, tries: u32) -> String {
    let again = if tries > 1 { format!(", try {tries}") } else { String::new() };
    format!("{} (log {log}){again}", iteration(number, of))
}

/// ` (3..7)`: the last `count` iterations up to `number`.
fn range(number: u32, count: u32) -> String {
    match count {
        0 | 1 => format!(" ({number})"),
        _ => format!(" ({}..{number})", (number + 1).saturating_sub(count)),
    }
}

/// `what: text`, or `what` alone.
fn with(what: &str, text: &str) -> String {
    if text.is_empty() { what.to_owned() } else { format!("{what}: {}", one_line(text)) }
}

/// Foreign words in the middle of a sentence of ours: one line, without a full stop of their own.
fn sentence(text: &str) -> String {
    let line = one_line(text);
    line.trim_end_matches(['.', ' ']).to_owned()
}

/// `text` on one line: control characters, newlines among them, become blanks.
pub fn one_line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    flat.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::board::Tally;

    fn board(iteration: u32) -> Board {
        Board { tally: Tally { iteration, ..Tally::default() }, ..Board::default() }
    }

    fn line(ending: &RunEnding, iteration: u32) -> String {
        run_ending("web", ending, &board(iteration), Wall(0), &TimeZone::UTC)
    }

    #[test]
    fn the_end_of_a_run_says_what_stopped_it_and_what_to_do() {
        assert_eq!(line(&RunEnding::Done, 1), "done after 1 iteration");
        assert!(line(&RunEnding::IterationsUsed, 1).starts_with("stopped: the limit of 1 iteration is used up"));
        assert_eq!(
            line(&RunEnding::Stalled { iterations: 5 }, 7),
            "stopped: 5 iterations without progress (3..7). Look at: swarm explain web; help with the prompt or the plan, \
             then: swarm loop --resume web"
        );
        assert_eq!(
            line(&RunEnding::PersonNeeded { text: "Please run /login.\n".into() }, 1),
            "stopped: a person must act: Please run /login. Then: swarm loop --resume web (with other settings: start anew)"
        );
        assert_eq!(
            line(&RunEnding::Stopped { signal: 2 }, 3),
            "stopped by SIGINT after 3 iterations. Go on with: swarm loop --resume web"
        );
        let until = Some(Wall(3_600_000));
        assert_eq!(
            line(&RunEnding::WaitTooLong { until }, 3),
            "stopped: a usage limit lasts until 01:00, beyond the longest wait (--max-wait). Later: swarm loop --resume web"
        );
    }

    #[test]
    fn a_window_is_shown_by_its_name_where_tmux_takes_it_for_one() {
        let see = |session: &str, window: &str, socket: Option<&str>| {
            let known = serde_json::json!({"session": session, "window": window, "socket": socket});
            to_see(&serde_json::from_value(known).unwrap())
        };
        assert_eq!(see("swarm-0badcafe", "web", None), "tmux attach -t swarm-0badcafe:web");
        assert_eq!(see("my own", "web", Some("other")), "tmux -L other attach -t 'my own:web'");
        assert_eq!(see("s", "web", Some("/tmp/a b")), "tmux -S '/tmp/a b' attach -t s:web");
        for unclear in ["my.project", "3", "a:b", "=a", "@1", "a b", ""] {
            assert_eq!(see("s", unclear, None), "tmux attach -t s", "{unclear}");
        }
    }

    #[test]
    fn words_are_the_journals_own() {
        let serialized = |value: serde_json::Value, key: &str| value[key].as_str().unwrap().to_owned();
        for ending in [Ending::OwnLimit, Ending::Failed { code: 1, text: String::new() }, Ending::OomInside] {
            assert_eq!(serialized(serde_json::to_value(&ending).unwrap(), "ending"), ending_word(&ending));
        }
        for note in [Note::NoOpenBox, Note::LeftBehind { pid: 3 }, Note::NearMiss { why: String::new() }] {
            assert_eq!(serialized(serde_json::to_value(&note).unwrap(), "note"), note_word(&note));
        }
        for ending in [RunEnding::OutageTooLong, RunEnding::GaveUp { failures: 1 }] {
            assert_eq!(serialized(serde_json::to_value(&ending).unwrap(), "reason"), run_ending_word(&ending));
        }
    }

    #[test]
    fn the_plan_line_estimates_from_what_was_ticked() {
        let boxes = Boxes { done: 3, open: 11, first_open: Some("2.1 add env".into()), misspelled: 0 };
        assert_eq!(plan(&boxes, &Board::default()), "plan 3/14 boxes, next: \"2.1 add env\"");
        let mut board = Board::default();
        board.tally.worked = Span::seconds(1800);
        board.tally.ticked = 3;
        board.tally.first_box = Some(("2.1 add env".into(), 3));
        assert_eq!(
            plan(&boxes, &board),
            "plan 3/14 boxes, next: \"2.1 add env\" (first for 3 iterations), ~1h50m left"
        );
    }

    #[test]
    fn foreign_words_stay_on_their_line() {
        let killed = Ending::Failed { code: 1, text: "a\nb\u{1b}[31m".into() };
        assert_eq!(ending(&killed, Wall(0), &TimeZone::UTC), "failed with exit code 1: a b [31m");
        assert_eq!(signal_name(9), "SIGKILL");
        assert_eq!(signal_name(35), "signal 35");
    }

    #[test]
    fn limits_and_brakes_are_named() {
        let policy = Policy { iterations: Some(15), max_cost: Some(20.0), ..Policy::default() };
        assert_eq!(limits(&policy), "15 iterations, $20.00");
        assert_eq!(limits(&Policy::default()), "no limit on iterations, time or cost");
        assert_eq!(
            brakes(&policy),
            "5 failures in a row, 5 iterations without progress, out of memory 3 times in a row"
        );
        assert_eq!(heading(3, Some(15), 18, 2), "iteration 3/15 (log 18), try 2");
    }
}
