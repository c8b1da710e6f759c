//! The one truth table: exit status, evidence and our own interference into an [`Ending`].
//!
//! Read from the top; the first row that fits decides. "Concluded" means that the final line of the agent's protocol was
//! read ([`Evidence::concluded`]); agents without one (plain commands) never conclude.
//!
//! | # | cause | memory | outcome | exit | ending |
//! |---|---|---|---|---|---|
//! | 1 | operator | | | | stopped |
//! | 2 | log full | | | | log full |
//! | 3 | | confirmed | | | oom |
//! | 4 | start, idle, wall timeout | | but: completed and concluded | | the timeout |
//! | 5 | | | rate limited | | rate limited, until the notice says |
//! | 6 | | | unavailable | | overloaded |
//! | 7 | | | auth, config, context, output, refusal, own limit, interrupted | | the same |
//! | 8 | | | failed, concluded | | failed, with the agent's words |
//! | 9 | | | unfinished, a limit stands | | rate limited |
//! | 10 | | | unfinished, retrying | | overloaded |
//! | 11 | | | unfinished | signal, or code 128 + n | killed by n |
//! | 12 | | | unfinished | any code, 0 too | failed |
//! | 13 | | | completed | code 0 | done if claimed, else clean |
//! | 14 | hung after result, timeouts | | completed, concluded | any | done if claimed, else clean; note: hung after result |
//! | 15 | | | completed, concluded | signal, code 128 + n, unseen | clean; a claim is a near miss |
//! | 16 | | | completed | another code, signal, unseen | failed, killed, lost |
//!
//! - Rows 5 to 8 hold whatever the exit status is: Claude exits 0 after SIGINT and 1 or 143 after API errors.
//! - Rows 11, 15: Claude turns SIGTERM into an exit of its own with 143, as a shell would report it. A plain command that
//!   exits 137 by itself is believed (row 16: failed with 137).
//! - Row 12: exit 0 is no success where the protocol has a final line and none came.
//! - Row 14: the work was finished and said so; only the process would not go.
//! - Row 15: somebody else ended it after its result. The work counts as an iteration, but a claim must be made again by
//!   an agent that ended by itself.
//! - Whatever fails beside a killed child ([`Oom::Inside`]) is [`Ending::OomInside`]; what succeeds gets a note.
//! - A claim that does not count becomes a [`Note::NearMiss`] that says why.

use crate::model::{Claim, Ending, Evidence, Exit, Note, Oom, Outcome, Status, StopCause};

/// How an attempt ended, and what is to be said beside it. `cause` is why we set out to end it ourselves, if we did.
pub fn ending(exit: &Exit, evidence: &Evidence, cause: Option<StopCause>) -> (Ending, Vec<Note>) {
    let judged = judge(exit, evidence, cause);
    let mut notes = Vec::new();
    let ending = match exit.oom {
        Oom::Inside if is_failure(&judged) => Ending::OomInside,
        Oom::Inside => {
            notes.push(Note::OomInside);
            judged
        }
        _ => judged,
    };
    if concluded_well(evidence) && is_impatience(cause) && matches!(ending, Ending::Done | Ending::Clean) {
        notes.push(Note::HungAfterResult);
    }
    notes.extend(near_miss(&ending, exit, evidence));
    (ending, notes)
}

/// The rows of the table.
fn judge(exit: &Exit, evidence: &Evidence, cause: Option<StopCause>) -> Ending {
    match cause {
        Some(StopCause::Operator) => return Ending::Stopped,
        Some(StopCause::LogFull) => return Ending::LogFull,
        _ => {}
    }
    if exit.oom == Oom::Confirmed {
        return Ending::Oom;
    }
    match cause {
        _ if concluded_well(evidence) => {}
        Some(StopCause::StartTimeout) => return Ending::StartTimeout,
        Some(StopCause::IdleTimeout) => return Ending::IdleTimeout,
        Some(StopCause::WallTimeout) => return Ending::WallTimeout,
        _ => {}
    }
    let until = evidence.limit.as_ref().and_then(|limit| limit.resets_at);
    match evidence.outcome.clone() {
        Outcome::RateLimited => Ending::RateLimited { until },
        Outcome::Unavailable { .. } => Ending::Overloaded,
        Outcome::AuthFailure { text } => Ending::AuthFailure { text },
        Outcome::ConfigFailure { text } => Ending::ConfigFailure { text },
        Outcome::ContextTooLong { .. } => Ending::ContextTooLong,
        Outcome::OutputLimit { .. } => Ending::OutputLimit,
        Outcome::Refusal { .. } => Ending::Refusal,
        Outcome::OwnTurns | Outcome::OwnBudget => Ending::OwnLimit,
        Outcome::Interrupted => Ending::Interrupted,
        Outcome::Failed { text } if evidence.concluded => Ending::Failed { code: code(exit.status), text },
        Outcome::Unfinished | Outcome::Failed { .. } if evidence.limit.is_some() => Ending::RateLimited { until },
        Outcome::Unfinished | Outcome::Failed { .. } if evidence.retrying => Ending::Overloaded,
        Outcome::Failed { text } => unfinished(exit.status, text),
        Outcome::Unfinished => unfinished(exit.status, String::new()),
        Outcome::Completed => completed(exit, evidence, cause),
    }
}

/// Rows 11 and 12.
fn unfinished(status: Status, text: String) -> Ending {
    match (signal(status), status) {
        (Some(signal), _) => Ending::Killed { signal },
        (None, Status::Lost) => Ending::Lost,
        (None, _) => Ending::Failed { code: code(status), text },
    }
}

/// Rows 13 to 16.
fn completed(exit: &Exit, evidence: &Evidence, cause: Option<StopCause>) -> Ending {
    let claimed = matches!(evidence.claim, Claim::Done { .. });
    let done_or_clean = if claimed { Ending::Done } else { Ending::Clean };
    match exit.status {
        Status::Code(0) => done_or_clean,
        _ if evidence.concluded && is_impatience(cause) => done_or_clean,
        Status::Lost if evidence.concluded => Ending::Clean,
        status if evidence.concluded && signal(status).is_some() => Ending::Clean,
        Status::Code(code) => Ending::Failed { code, text: String::new() },
        Status::Signal(signal) => Ending::Killed { signal },
        Status::Lost => Ending::Lost,
    }
}

/// The claim that did not count, or nearly was one.
fn near_miss(ending: &Ending, exit: &Exit, evidence: &Evidence) -> Option<Note> {
    match &evidence.claim {
        Claim::NearMiss { why, .. } => Some(Note::NearMiss { why: why.clone() }),
        Claim::Done { .. } if *ending != Ending::Done => {
            let why = format!("claimed by an agent that did not end well ({}): it must be repeated", exit.status);
            Some(Note::NearMiss { why })
        }
        _ => None,
    }
}

/// Did the agent say itself that it ended well?
fn concluded_well(evidence: &Evidence) -> bool {
    evidence.concluded && evidence.outcome == Outcome::Completed
}

/// Did we end it because nothing seemed to come any more?
fn is_impatience(cause: Option<StopCause>) -> bool {
    use StopCause::{HungAfterResult, IdleTimeout, StartTimeout, WallTimeout};
    matches!(cause, Some(HungAfterResult | StartTimeout | IdleTimeout | WallTimeout))
}

/// Endings that a child's death may well have caused.
fn is_failure(ending: &Ending) -> bool {
    matches!(ending, Ending::Failed { .. } | Ending::Killed { .. } | Ending::Lost)
}

/// The signal that ended it, or that a shell (and Claude) reports as 128 + n.
fn signal(status: Status) -> Option<i32> {
    match status {
        Status::Signal(signal) => Some(signal),
        Status::Code(code) if (129..=192).contains(&code) => Some(code - 128),
        _ => None,
    }
}

/// The exit code; 0 where there is none, for then only the agent's own words say that it failed.
fn code(status: Status) -> i32 {
    match status {
        Status::Code(code) => code,
        Status::Signal(signal) => 128 + signal,
        Status::Lost => 0,
    }
}

/// The ending in the words of the recordings' index, which `swarm done-test` speaks.
pub fn word(ending: &Ending) -> &'static str {
    match ending {
        Ending::Done => "done",
        Ending::Clean => "not_done",
        Ending::OutputLimit
        | Ending::Refusal
        | Ending::Failed { .. }
        | Ending::ContextTooLong
        | Ending::OwnLimit
        | Ending::LaunchFailed { permanent: false, .. } => "not_done_error",
        Ending::Overloaded | Ending::EngineLost | Ending::LogFull => "transient",
        Ending::RateLimited { .. } => "rate_limited",
        Ending::AuthFailure { .. } => "auth_failure",
        Ending::ConfigFailure { .. } | Ending::LaunchFailed { permanent: true, .. } => "config_failure",
        Ending::Interrupted | Ending::Stopped => "interrupted",
        Ending::Killed { .. }
        | Ending::Oom
        | Ending::OomInside
        | Ending::ContainerRemoved
        | Ending::StartTimeout
        | Ending::IdleTimeout
        | Ending::WallTimeout
        | Ending::Lost => "crashed",
    }
}

/// The ending in one sentence for people, without a full stop.
pub fn reason(ending: &Ending) -> String {
    let said = |what: &str, text: &str| if text.is_empty() { what.to_owned() } else { format!("{what}: {text}") };
    match ending {
        Ending::Done => "the agent claims by the rule that everything is done".into(),
        Ending::Clean => "the agent ended well and does not claim that everything is done".into(),
        Ending::LaunchFailed { error, .. } => said("it could not be started", error),
        Ending::LogFull => "the log's disk stayed full".into(),
        Ending::OutputLimit => "the model's output limit was hit".into(),
        Ending::Refusal => "the model withheld the answer".into(),
        Ending::Stopped => "the operator stopped it".into(),
        Ending::EngineLost => "the Docker daemon went away and took the evidence with it".into(),
        Ending::ContainerRemoved => "somebody removed its container".into(),
        Ending::Failed { code: 0, text } => said("it exited with 0, yet it did not end well", text),
        Ending::Failed { code, text } => said(&format!("it failed with exit code {code}"), text),
        Ending::Killed { signal } => format!("signal {signal} ended it before its result"),
        Ending::Oom => "the kernel killed it for memory".into(),
        Ending::OomInside => "the kernel killed one of its children for memory, and it failed with it".into(),
        Ending::StartTimeout => "it printed nothing at all in time".into(),
        Ending::IdleTimeout => "its output stopped for too long".into(),
        Ending::WallTimeout => "it took too long".into(),
        Ending::RateLimited { until: Some(_) } => "a usage limit refuses it until a known time".into(),
        Ending::RateLimited { until: None } => "a rate limit refuses it; no reset time is known".into(),
        Ending::Overloaded => "the API is overloaded, broken or out of reach".into(),
        Ending::AuthFailure { text } => said("a person must log in or pay", text),
        Ending::ConfigFailure { text } => said("a person must correct the configuration", text),
        Ending::ContextTooLong => "the prompt or the conversation does not fit".into(),
        Ending::OwnLimit => "its own limit of turns or budget was reached".into(),
        Ending::Interrupted => "somebody sent it an interrupt".into(),
        Ending::Lost => "it is gone, and nobody saw how".into(),
    }
}
