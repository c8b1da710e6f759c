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
//! | 16 | | | completed, a limit stands | another code | rate limited |
//! | 17 | | | completed | another code, signal, unseen | failed, killed, lost |
//!
//! - Rows 5 to 8 hold whatever the exit status is: Claude exits 0 after SIGINT and 1 or 143 after API errors.
//! - Rows 11, 15: Claude turns SIGTERM into an exit of its own with 143, as a shell would report it. A plain command that
//!   exits 137 by itself is believed (row 17: failed with 137).
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
    if is_hung(evidence, cause) {
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

/// Rows 13 to 17.
fn completed(exit: &Exit, evidence: &Evidence, cause: Option<StopCause>) -> Ending {
    let claimed = matches!(evidence.claim, Claim::Done { .. });
    let done_or_clean = if claimed { Ending::Done } else { Ending::Clean };
    match exit.status {
        Status::Code(0) => done_or_clean,
        _ if evidence.concluded && is_impatience(cause) => done_or_clean,
        Status::Lost if evidence.concluded => Ending::Clean,
        status if evidence.concluded && signal(status).is_some() => Ending::Clean,
        Status::Code(code) => match &evidence.limit {
            Some(limit) => Ending::RateLimited { until: limit.resets_at },
            None => Ending::Failed { code, text: evidence.last_words.clone() },
        },
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

/// Did the process stay after its result, so that we had to end it? Whatever the cause is called: after a result that
/// ends well there was nothing left to wait for.
fn is_hung(evidence: &Evidence, cause: Option<StopCause>) -> bool {
    match cause {
        Some(StopCause::HungAfterResult) => evidence.concluded,
        _ => concluded_well(evidence) && is_impatience(cause),
    }
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

/// The exit code, if the agent chose it; else 0, for then only its own words say that it failed.
fn code(status: Status) -> i32 {
    match status {
        Status::Code(code) if signal(status).is_none() => code,
        _ => 0,
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
        Ending::Failed { code: 0, text } => said("it did not end well, though no exit code says so", text),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LimitNotice, Wall};

    const TIMEOUTS: [StopCause; 3] = [StopCause::StartTimeout, StopCause::IdleTimeout, StopCause::WallTimeout];

    fn evidence(outcome: Outcome, concluded: bool) -> Evidence {
        Evidence { outcome, concluded, ..Evidence::default() }
    }

    fn claiming(evidence: Evidence) -> Evidence {
        Evidence { claim: Claim::Done { line: 1 }, ..evidence }
    }

    fn of(status: Status, evidence: &Evidence, cause: Option<StopCause>) -> (Ending, Vec<Note>) {
        ending(&Exit::plain(status), evidence, cause)
    }

    fn failed(code: i32) -> Ending {
        Ending::Failed { code, text: String::new() }
    }

    #[test]
    fn a_plain_command_is_believed_its_exit() {
        let plain = claiming(evidence(Outcome::Completed, false));
        for (status, expected) in [
            (Status::Code(0), Ending::Done),
            (Status::Code(1), failed(1)),
            (Status::Code(137), failed(137)),
            (Status::Code(143), failed(143)),
            (Status::Signal(9), Ending::Killed { signal: 9 }),
            (Status::Signal(11), Ending::Killed { signal: 11 }),
            (Status::Lost, Ending::Lost),
        ] {
            let (ending, notes) = of(status, &plain, None);
            assert_eq!(ending, expected, "{status}");
            assert_eq!(notes.len(), usize::from(ending != Ending::Done), "{notes:?}");
        }
        for cause in TIMEOUTS {
            assert!(!matches!(of(Status::Code(0), &plain, Some(cause)).0, Ending::Done | Ending::Clean));
        }
        let silent = evidence(Outcome::Completed, false);
        assert_eq!(of(Status::Code(0), &silent, None), (Ending::Clean, vec![]));
    }

    #[test]
    fn after_a_result_the_result_decides() {
        let well = claiming(evidence(Outcome::Completed, true));
        let near = |notes: &[Note]| matches!(notes, [Note::NearMiss { .. }]);
        assert_eq!(of(Status::Code(0), &well, None), (Ending::Done, vec![]));
        for status in [Status::Code(143), Status::Signal(15), Status::Signal(9), Status::Code(0)] {
            for cause in [StopCause::HungAfterResult, StopCause::IdleTimeout, StopCause::WallTimeout] {
                let expected = (Ending::Done, vec![Note::HungAfterResult]);
                assert_eq!(of(status, &well, Some(cause)), expected, "{status}");
            }
        }
        for status in [Status::Code(143), Status::Signal(9), Status::Lost] {
            let (ending, notes) = of(status, &well, None);
            assert!(ending == Ending::Clean && near(&notes), "{status}: {ending:?} {notes:?}");
        }
        assert_eq!(of(Status::Code(1), &well, None).0, failed(1));
        let error = evidence(Outcome::Failed { text: "no".into() }, true);
        assert_eq!(of(Status::Code(0), &error, None).0, Ending::Failed { code: 0, text: "no".into() });
        let hung = of(Status::Signal(15), &error, Some(StopCause::HungAfterResult));
        assert_eq!(hung, (Ending::Failed { code: 0, text: "no".into() }, vec![Note::HungAfterResult]));
        assert_eq!(of(Status::Signal(15), &error, Some(StopCause::IdleTimeout)).0, Ending::IdleTimeout);
    }

    #[test]
    fn without_a_result_nothing_is_well() {
        let cut = claiming(Evidence::default());
        assert_eq!(of(Status::Code(0), &cut, None).0, failed(0));
        assert_eq!(of(Status::Code(1), &cut, None).0, failed(1));
        assert_eq!(of(Status::Code(143), &cut, None).0, Ending::Killed { signal: 15 });
        assert_eq!(of(Status::Signal(9), &cut, None).0, Ending::Killed { signal: 9 });
        assert_eq!(of(Status::Lost, &cut, None).0, Ending::Lost);
        let said = Evidence { outcome: Outcome::Failed { text: "oops".into() }, ..Evidence::default() };
        assert_eq!(of(Status::Code(2), &said, None).0, Ending::Failed { code: 2, text: "oops".into() });
        assert_eq!(of(Status::Signal(6), &said, None).0, Ending::Killed { signal: 6 });
        let retrying = Evidence { retrying: true, ..Evidence::default() };
        assert_eq!(of(Status::Code(143), &retrying, None).0, Ending::Overloaded);
        assert_eq!(of(Status::Code(143), &retrying, Some(StopCause::IdleTimeout)).0, Ending::IdleTimeout);
        let limit = LimitNotice { resets_at: Some(Wall(7)), text: String::new() };
        let limited = Evidence { limit: Some(limit), ..retrying };
        assert_eq!(of(Status::Code(1), &limited, None).0, Ending::RateLimited { until: Some(Wall(7)) });
    }

    #[test]
    fn what_the_agent_says_of_its_failure_stands_whatever_the_exit() {
        let text = || "words".to_owned();
        for (outcome, expected, name) in [
            (Outcome::RateLimited, Ending::RateLimited { until: None }, "rate_limited"),
            (Outcome::Unavailable { text: text() }, Ending::Overloaded, "transient"),
            (Outcome::AuthFailure { text: text() }, Ending::AuthFailure { text: text() }, "auth_failure"),
            (Outcome::ConfigFailure { text: text() }, Ending::ConfigFailure { text: text() }, "config_failure"),
            (Outcome::ContextTooLong { text: text() }, Ending::ContextTooLong, "not_done_error"),
            (Outcome::OutputLimit { text: text() }, Ending::OutputLimit, "not_done_error"),
            (Outcome::Refusal { text: text() }, Ending::Refusal, "not_done_error"),
            (Outcome::OwnTurns, Ending::OwnLimit, "not_done_error"),
            (Outcome::OwnBudget, Ending::OwnLimit, "not_done_error"),
            (Outcome::Interrupted, Ending::Interrupted, "interrupted"),
        ] {
            for status in [Status::Code(0), Status::Code(1), Status::Code(143), Status::Signal(15), Status::Lost] {
                let (ending, notes) = of(status, &claiming(evidence(outcome.clone(), true)), None);
                assert_eq!(ending, expected, "{status}");
                assert_eq!(word(&ending), name);
                assert_eq!(notes.len(), 1);
                assert!(!reason(&ending).is_empty());
            }
        }
    }

    #[test]
    fn memory_and_our_own_will_come_first() {
        let well = claiming(evidence(Outcome::Completed, true));
        let exit = |status, oom| Exit { oom, ..Exit::plain(status) };
        let killed = exit(Status::Signal(9), Oom::Confirmed);
        assert_eq!(ending(&killed, &well, None).0, Ending::Oom);
        assert_eq!(ending(&killed, &well, Some(StopCause::WallTimeout)).0, Ending::Oom);
        assert_eq!(ending(&killed, &well, Some(StopCause::Operator)).0, Ending::Stopped);
        assert_eq!(ending(&exit(Status::Code(0), Oom::Denied), &well, Some(StopCause::LogFull)).0, Ending::LogFull);
        assert_eq!(
            ending(&exit(Status::Signal(9), Oom::Denied), &Evidence::default(), None).0,
            Ending::Killed { signal: 9 }
        );
        // A child was the victim: the agent went on, or failed with it.
        assert_eq!(ending(&exit(Status::Code(0), Oom::Inside), &well, None), (Ending::Done, vec![Note::OomInside]));
        let plain = evidence(Outcome::Completed, false);
        assert_eq!(ending(&exit(Status::Code(137), Oom::Inside), &plain, None), (Ending::OomInside, vec![]));
        let limited = evidence(Outcome::RateLimited, true);
        assert_eq!(ending(&exit(Status::Code(1), Oom::Inside), &limited, None).1, vec![Note::OomInside]);
    }

    #[test]
    fn near_misses_are_passed_on() {
        let near =
            Evidence { claim: Claim::NearMiss { line: 3, why: "so".into() }, ..evidence(Outcome::Completed, true) };
        assert_eq!(of(Status::Code(0), &near, None), (Ending::Clean, vec![Note::NearMiss { why: "so".into() }]));
    }
}
