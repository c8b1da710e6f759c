//! Who is told: the reporter (terminal, logs, events), and the operator's own command.

use super::loop_settings::{Format, LoopSettings};
use super::on_event::OnEvent;
use super::runs;
use crate::agent::{Closing, DoneRule};
use crate::driver::seams::Audience;
use crate::engine::{Board, Stamped, board::Open};
use crate::host::clock;
use crate::journal::RunRecord;
use crate::model::{AttemptId, Boxes, Sign, Window};
use crate::report::{self, Banner, Outlet, Part, Reporter, Rescan};
use jiff::tz::TimeZone;

/// The audience of a real run.
pub(super) struct RealAudience {
    reporter: Reporter,
    command: OnEvent,
}

impl RealAudience {
    /// For the run of `record`; `rule` is its done rule.
    pub(super) fn new(record: &RunRecord, settings: &LoopSettings, rule: &DoneRule) -> RealAudience {
        let told = report::Settings {
            name: record.name.clone(),
            format: match settings.format {
                Format::Human => report::Format::Human,
                Format::Json => report::Format::Json,
            },
            logs: runs::log_folder(&record.folder),
            colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            zone: clock::zone(),
            secrets: secrets(),
            exit_zero_on_limit: settings.exit_zero_on_limit,
            rescan: rescan(settings, rule),
        };
        let reporter = Reporter::new(told, Outlet::stdout(), Outlet::stderr());
        RealAudience { reporter, command: OnEvent::new(settings.on_event.clone()) }
    }

    /// Says what begins, with `warnings`.
    pub(super) fn banner(
        &mut self,
        record: &RunRecord,
        settings: &LoopSettings,
        window: Option<&Window>,
        warnings: &[String],
    ) {
        let (prompt, logs) =
            (settings.prompt.display().to_string(), runs::log_folder(&record.folder).display().to_string());
        let plan = settings.plan.as_ref().map(|path| (path.display().to_string(), boxes(path)));
        let argv: Vec<_> = settings.argv(None).iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let unverified = if settings.agent().verified() { "" } else { " (unverified)" };
        self.reporter.banner(&Banner {
            agent: &format!("{}{unverified}: {}", settings.agent, argv.join(" ")),
            prompt: &prompt,
            plan: plan.as_ref().map(|(path, boxes)| (path.as_str(), boxes)),
            policy: &settings.policy,
            logs: &logs,
            window,
            warnings,
        });
    }

    /// Says something that no fact tells of, as the last thing.
    pub(super) fn last_word(&mut self, text: &str) {
        self.reporter.last_word(text);
    }

    /// Waits, for a bounded time, until everybody has heard everything.
    pub(super) async fn finish(&mut self) {
        self.command.finish().await;
        self.reporter.finish();
    }
}

impl Audience for RealAudience {
    fn opened(&mut self, open: &Open, adopted: bool) {
        self.reporter.opened(open, adopted);
    }

    fn heard(&mut self, attempt: &AttemptId, signs: &[Sign]) {
        self.reporter.heard(attempt, signs);
    }

    fn closed(&mut self, attempt: &AttemptId) {
        self.reporter.closed(attempt);
    }

    fn facts(&mut self, board: &Board, facts: &[Stamped]) {
        self.reporter.facts(board, facts);
        for event in self.reporter.notable(board, facts) {
            self.command.tell(event);
        }
    }
}

fn boxes(plan: &std::path::Path) -> Boxes {
    std::fs::read(plan).map_or_else(|_| Boxes::default(), |bytes| Boxes::count(&String::from_utf8_lossy(&bytes)))
}

/// Reads a raw log again, with a scanner of the run's agent.
fn rescan(settings: &LoopSettings, rule: &DoneRule) -> Rescan {
    let (agent, rule) = (settings.agent(), rule.clone());
    Box::new(move || {
        let mut scanner = agent.scanner(&rule);
        Box::new(move |part, signs| match part {
            Part::Bytes(bytes) => scanner.feed(bytes, signs),
            Part::End => {
                let closing = Closing { stderr_tail: b"", now: clock::now().wall, zone: &TimeZone::UTC };
                scanner.close(&closing, signs);
            }
        })
    })
}

/// Values that must not be shown: of variables whose names say that they hold a secret.
fn secrets() -> Vec<String> {
    const MARKS: [&str; 5] = ["KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL"];
    let secret = |name: &str| MARKS.iter().any(|mark| name.to_ascii_uppercase().contains(mark));
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| secret(name))
        .map(|(_, value)| value)
        .collect()
}
