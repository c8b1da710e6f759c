//! What people and programs read of a run, from its facts: every kind of fact through the real reporter, its files and
//! its pipes. The expected texts are in `tests/fixtures/report`; `SWARM_BLESS=1` writes them anew, to be read in a diff.

#![allow(clippy::unwrap_used, reason = "a helper panics as its test would")]

use jiff::tz::TimeZone;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use swarm::engine::fact::{Charge, Wait};
use swarm::engine::{Board, Fact, Policy, Stamped, Until};
use swarm::model::{
    AttemptId, Boxes, Claim, Ending, Evidence, Exit, Handle, LimitNotice, LineCounts, Note, Now, Oom, Outcome,
    ProcessId, RunEnding, RunId, Sign, Span, Status as Code, StopCause, Survey, TaskId, Tick, Tree, Usage, Wall,
    Window,
};
use swarm::report::explain::Explanation;
use swarm::report::status::State;
use swarm::report::{Banner, Event, Format, Outlet, Part, Reporter, Rescan, Settings, Status, Vitals, Who, table};

/// 2026-11-21T13:04:05.123Z.
const BEGIN: i64 = 1_795_266_245_123;

/// Facts with their times.
#[derive(Default)]
struct Facts(Vec<Stamped>);

impl Facts {
    /// `seconds` after the beginning.
    fn at(&mut self, seconds: u64, fact: Fact) -> &mut Facts {
        self.0.push(Stamped { seq: self.0.len() as u64, now: at(seconds), fact });
        self
    }
}

fn at(seconds: u64) -> Now {
    Now { tick: Tick(seconds * 1000), wall: Wall(BEGIN + i64::try_from(seconds).unwrap() * 1000) }
}

fn attempt(number: u32, tries: u32) -> AttemptId {
    AttemptId { run: RunId("20261121-130405-123-1a2b".into()), task: TaskId("loop".into()), number, tries }
}

fn survey(head: &str, done: u32, open: u32, first: &str) -> Survey {
    let first_open = (open > 0).then(|| first.to_owned());
    let boxes = Some(Boxes { done, open, first_open, misspelled: 2 });
    Survey { head: Some(head.to_owned()), tree: Tree::Unknown, boxes }
}

fn opened(number: u32, tries: u32, log: u32, survey: Survey) -> Fact {
    Fact::AttemptOpened { attempt: attempt(number, tries), log, raw_from: 0, text_from: 0, survey, budget: Some(19.5) }
}

fn launched(number: u32, tries: u32) -> Fact {
    let process = |pid| ProcessId { pid, start_time: 1, boot_id: "boot".into() };
    let handle = Handle::Process { shim: process(4000), worker: process(4001) };
    Fact::AttemptLaunched { attempt: attempt(number, tries), handle }
}

struct End {
    number: u32,
    tries: u32,
    ending: Ending,
    status: Code,
    survey: Survey,
    lasted: u64,
}

fn ended(end: End, change: impl FnOnce(&mut Evidence, &mut Vec<Note>, &mut Charge)) -> Fact {
    let mut evidence = Evidence { outcome: Outcome::Completed, ..Evidence::default() };
    evidence.lines = LineCounts { total: 31, unknown: 2, stray: 1, long: 0 };
    let (mut notes, mut charge) = (Vec::new(), Charge::Unknown);
    change(&mut evidence, &mut notes, &mut charge);
    let progress = Some(matches!(end.ending, Ending::Clean | Ending::Done));
    Fact::AttemptEnded {
        attempt: attempt(end.number, end.tries),
        exit: Some(Exit { oom: Oom::Denied, ..Exit::plain(end.status) }),
        evidence,
        survey: end.survey,
        progress,
        to_verify: end.ending == Ending::Done,
        ending: end.ending,
        notes,
        charge,
        lasted: Span::seconds(end.lasted),
    }
}

/// A night in which everything happens once.
fn night() -> Vec<Stamped> {
    let policy = Policy {
        iterations: Some(15),
        max_time: Some(Span::seconds(8 * 3600)),
        max_cost: Some(20.0),
        ..Policy::default()
    };
    let run = attempt(1, 1).run;
    let mut facts = Facts::default();
    facts
        .at(0, Fact::RunOpened { version: 1, run, policy, boot_id: "boot".into() })
        .at(1, opened(1, 1, 18, survey("aaaaaaaaaaaa", 3, 11, "1.1 parser")))
        .at(2, launched(1, 1))
        .at(
            252,
            ended(
                End {
                    number: 1,
                    tries: 1,
                    ending: Ending::Clean,
                    status: Code::Code(0),
                    survey: survey("bbbbbbbbbbbb", 5, 9, "2.1 env"),
                    lasted: 250,
                },
                |evidence, notes, charge| {
                    evidence.usage = Usage {
                        cost_usd: Some(0.42),
                        turns: Some(31),
                        input_tokens: Some(120_345),
                        output_tokens: Some(4_500),
                    };
                    evidence.claim = Claim::NearMiss { line: 30, why: "it stands inside a code fence".into() };
                    notes.push(Note::NearMiss { why: "it stands inside a code fence".into() });
                    *charge = Charge::Exact(0.42);
                },
            ),
        )
        .at(253, Fact::Pushed { attempt: attempt(1, 1), warning: Some("no route to host".into()) })
        .at(253, opened(2, 1, 19, survey("bbbbbbbbbbbb", 5, 9, "2.1 env")))
        .at(254, launched(2, 1))
        .at(260, Fact::LogBlocked { attempt: attempt(2, 1), error: "No space left on device (os error 28)".into() })
        .at(280, Fact::LogFlowing { attempt: attempt(2, 1) })
        .at(
            300,
            ended(
                End {
                    number: 2,
                    tries: 1,
                    ending: Ending::RateLimited { until: Some(Wall(BEGIN + 4_000_000)) },
                    status: Code::Code(1),
                    survey: survey("bbbbbbbbbbbb", 5, 9, "2.1 env"),
                    lasted: 46,
                },
                |evidence, _, charge| {
                    evidence.outcome = Outcome::RateLimited;
                    let resets_at = Some(Wall(BEGIN + 4_000_000));
                    evidence.limit = Some(LimitNotice { resets_at, text: "You've hit your session limit".into() });
                    *charge = Charge::AtLeast(0.42);
                },
            ),
        )
        .at(300, Fact::Pushed { attempt: attempt(2, 1), warning: None })
        .at(300, Fact::WaitStarted { until: Until::Wall(Wall(BEGIN + 4_060_000)), why: Wait::RateLimit })
        .at(310, Fact::Paused)
        .at(320, Fact::Unpaused)
        .at(400, Fact::RunResumed { boot_id: "boot".into(), elapsed: Span::seconds(400) })
        .at(4060, opened(2, 2, 19, survey("bbbbbbbbbbbb", 5, 9, "2.1 env")))
        .at(4061, launched(2, 2))
        .at(4070, Fact::AttemptAdopted { attempt: attempt(2, 2) })
        .at(4080, Fact::Suspended)
        .at(4090, Fact::Continued { stood: Span::seconds(10) })
        .at(5900, Fact::AttemptStopping { attempt: attempt(2, 2), cause: StopCause::IdleTimeout })
        .at(
            5905,
            ended(
                End {
                    number: 2,
                    tries: 2,
                    ending: Ending::IdleTimeout,
                    status: Code::Signal(15),
                    survey: survey("bbbbbbbbbbbb", 5, 9, "2.1 env"),
                    lasted: 1834,
                },
                |evidence, notes, charge| {
                    evidence.outcome = Outcome::Unfinished;
                    notes.push(Note::LeftBehind { pid: 777 });
                    notes.push(Note::RemovedLock { path: ".git/index.lock".into() });
                    *charge = Charge::AtLeast(0.42);
                },
            ),
        )
        .at(5905, Fact::WaitStarted { until: Until::Tick(Tick(5_906_000)), why: Wait::Failure })
        .at(5906, opened(3, 1, 20, survey("bbbbbbbbbbbb", 5, 9, "2.1 env")))
        .at(5907, launched(3, 1))
        .at(
            6007,
            ended(
                End {
                    number: 3,
                    tries: 1,
                    ending: Ending::Done,
                    status: Code::Code(0),
                    survey: survey("cccccccccccc", 14, 0, ""),
                    lasted: 100,
                },
                |evidence, _, charge| {
                    evidence.claim = Claim::Done { line: 31 };
                    *charge = Charge::Exact(1.0);
                },
            ),
        )
        .at(6008, Fact::ClaimChecked { attempt: attempt(3, 1), pass: false, tail: "running\n2 tests failed\n".into() })
        .at(6009, Fact::StopAsked { signal: 15, at_once: false })
        .at(6010, Fact::StopAsked { signal: 2, at_once: true })
        .at(6011, Fact::RunFinished { ending: RunEnding::Stopped { signal: 2 } });
    facts.0
}

fn who() -> Who {
    Who { name: "web".into(), zone: TimeZone::fixed(jiff::tz::offset(1)), exit_zero_on_limit: false }
}

/// Compares with a file of `tests/fixtures/report`.
fn same_as_fixture(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/report").join(name);
    if std::env::var_os("SWARM_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for (number, (ours, theirs)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(ours, theirs, "{name}, line {}", number + 1);
    }
    assert_eq!(text, expected, "{name}");
}

/// A reporter over pipes, and what comes out of them.
struct Told {
    out: String,
    err: String,
    logs: PathBuf,
    _scratch: tempfile::TempDir,
}

fn rescan() -> Rescan {
    Box::new(|| {
        Box::new(|part, signs| {
            if let Part::Bytes(bytes) = part {
                signs.push(Sign::Text(String::from_utf8_lossy(bytes).into_owned()));
            }
        })
    })
}

fn settings(format: Format, logs: &Path) -> Settings {
    Settings {
        name: "web".into(),
        format,
        logs: logs.to_owned(),
        colour: true,
        zone: who().zone,
        secrets: vec!["sk-secret-key".into()],
        exit_zero_on_limit: false,
        rescan: rescan(),
    }
}

/// Tells with `act`, through pipes that are emptied meanwhile.
fn told(format: Format, act: impl FnOnce(&mut Reporter, &Path)) -> Told {
    let scratch = tempfile::tempdir().unwrap();
    let logs = scratch.path().join(".loop-logs");
    fs::create_dir(&logs).unwrap();
    let listen = || {
        let (reader, writer) = io::pipe().unwrap();
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            File::from(OwnedFd::from(reader)).read_to_string(&mut text).unwrap();
            text
        });
        (reading, Outlet::to(writer.into()))
    };
    let ((out_reading, out), (err_reading, err)) = (listen(), listen());
    let mut reporter = Reporter::new(settings(format, &logs), out, err);
    act(&mut reporter, &logs);
    drop(reporter);
    Told { out: out_reading.join().unwrap(), err: err_reading.join().unwrap(), logs, _scratch: scratch }
}

/// Plays `facts` one by one, with some output for each attempt.
fn play(reporter: &mut Reporter, facts: &[Stamped]) {
    let mut board = Board::default();
    for fact in facts {
        if let Fact::AttemptEnded { attempt, .. } = &fact.fact {
            let tool = Sign::Tool { name: "Bash".into(), what: "curl -H sk-secret-key example.org".into() };
            reporter.heard(attempt, &[Sign::Text("I look at the plan.\n".into()), tool, Sign::Final]);
            reporter.closed(attempt);
        }
        board.apply(fact);
        reporter.facts(&board, std::slice::from_ref(fact));
        if let Fact::AttemptLaunched { attempt, .. } | Fact::AttemptAdopted { attempt } = &fact.fact {
            reporter.opened(&board.open[attempt], matches!(fact.fact, Fact::AttemptAdopted { .. }));
        }
    }
}

#[test]
fn a_person_reads_a_night() {
    let boxes = Boxes { done: 3, open: 11, first_open: None, misspelled: 0 };
    let told = told(Format::Human, |reporter, _| {
        reporter.banner(&Banner {
            agent: "claude -p --key sk-secret-key",
            prompt: "PROMPT.md",
            plan: Some(("IMPLEMENTATION_PLAN.md", &boxes)),
            policy: &Policy { iterations: Some(15), ..Policy::default() },
            logs: ".loop-logs",
            window: None,
            warnings: &["nothing in PROMPT.md resembles the done pattern".into()],
        });
        play(reporter, &night());
    });
    same_as_fixture("terminal.out", &told.out);
    same_as_fixture("terminal.err", &told.err);
    let log = fs::read_to_string(told.logs.join("loop.log")).unwrap();
    // The banner's warnings have the time of the real clock.
    let log: Vec<&str> = log.lines().filter(|line| !line.contains("resembles the done pattern")).collect();
    same_as_fixture("loop.log", &(log.join("\n") + "\n"));
    same_as_fixture("iteration-18.log", &fs::read_to_string(told.logs.join("iteration-18.log")).unwrap());
    assert!(!told.out.contains("sk-secret-key"));
}

#[test]
fn a_program_reads_a_night() {
    let told = told(Format::Json, |reporter, _| play(reporter, &night()));
    same_as_fixture("events.jsonl", &told.out);
    for line in told.out.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["schema"], 1);
    }
    assert!(told.err.contains("swarm: stopped by SIGINT"), "a person still hears why it stopped");
}

#[test]
fn every_kind_of_event_is_in_the_fixture_and_in_the_documentation() {
    let documentation = include_str!("../src/report/events.rs");
    let fixture = include_str!("fixtures/report/events.jsonl");
    let table = documentation.lines().filter_map(|line| line.strip_prefix("//! | `"));
    let kinds: Vec<&str> =
        table.flat_map(|row| row.split(" |").next().unwrap().split('`')).filter(|kind| kind.len() > 2).collect();
    assert!(kinds.len() > 15, "{kinds:?}");
    for kind in kinds.iter().filter(|kind| !["event", "events_dropped"].contains(kind)) {
        assert!(fixture.contains(&format!("\"event\":\"{kind}\"")), "{kind} is documented and never told");
    }
    for line in fixture.lines() {
        let event: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        assert!(kinds.contains(&event["event"].as_str().unwrap()), "{} is not documented", event["event"]);
        for field in event.keys() {
            assert!(documentation.contains(&format!("`{field}`")), "{field} of {} is not documented", event["event"]);
        }
    }
}

#[test]
fn on_event_hears_of_ends_waits_and_what_needs_a_person() {
    let mut board = Board::default();
    let mut kinds = Vec::new();
    for fact in night() {
        board.apply(&fact);
        kinds.extend(who().events(&board, &fact).iter().filter(|event| event.is_notable()).map(Event::kind));
    }
    // A near miss, a failed push, a full disk, the limit's wait, a process left behind, the end; not the 1 s of backoff.
    assert_eq!(kinds, ["attention", "attention", "attention", "wait", "attention", "run_ended"]);
}

fn status(facts: &[Stamped], supervisor: Option<i32>, worker_alive: bool, now: Now) -> Status {
    let who = who();
    // Not open any more where nobody works.
    let window = serde_json::json!({"session": "swarm-0badcafe", "window": "web", "socket": null});
    let window: Window = serde_json::from_value(window).unwrap();
    let vitals = Vitals {
        who: &who,
        folder: Path::new("/src/web"),
        logs: Path::new("/src/web/.loop-logs"),
        window: Some(&window),
        supervisor,
        worker_alive,
        now,
    };
    Status::of(&Board::replay(facts), facts, &vitals)
}

#[test]
fn status_says_how_a_loop_stands() {
    let night = night();
    let cut = |seconds: u64| -> Vec<Stamped> {
        night.iter().filter(|fact| fact.now.tick.0 <= seconds * 1000).cloned().collect()
    };
    let running = status(&cut(254), Some(4000), true, at(274));
    let blocked = status(&cut(260), Some(4000), true, at(274));
    let waiting = status(&cut(300), Some(4000), false, at(320));
    let left = status(&cut(4061), None, true, at(9_999_999));
    let dead = status(&cut(4061), None, false, at(9_999_999));
    let ended = status(&night, None, false, at(9_999_999));
    let all = [running, blocked, waiting, left, dead, ended];
    let states: Vec<State> = all.iter().map(|status| status.state).collect();
    assert_eq!(states, [State::Running, State::Blocked, State::Waiting, State::Left, State::Dead, State::Ended]);
    same_as_fixture("status.txt", &all.iter().map(Status::human).collect::<Vec<_>>().join("\n"));
    same_as_fixture("status.jsonl", &all.iter().map(Status::json).collect::<String>());
    same_as_fixture("ls.txt", &table::human(&all));
    let listed: serde_json::Value = serde_json::from_str(&table::json(&all)).unwrap();
    assert_eq!(listed["loops"][5]["ended"]["exit_code"], 130);
    assert_eq!(table::human(&[]), "no loops\n");
}

#[test]
fn a_run_that_has_not_begun_has_a_status() {
    let status = status(&[], None, false, at(0));
    assert_eq!(status.state, State::Dead);
    assert!(status.human().starts_with("web: its supervisor is gone"));
}

#[test]
fn explain_says_why_everything_ended() {
    let explained = Explanation::of(&night(), &who());
    same_as_fixture("explain.txt", &explained.human());
    same_as_fixture("explain.json", &explained.json());
    let unfinished = Explanation::of(&night()[..3], &who()).human();
    assert!(unfinished.contains("iteration 1/15 (log 18): it has not ended"), "{unfinished}");
}

/// Fault F33: nobody reads, the log is whole.
#[test]
fn a_closed_stdout_costs_no_log() {
    let scratch = tempfile::tempdir().unwrap();
    let gone = || {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        Outlet::to(writer.into())
    };
    let mut reporter = Reporter::new(settings(Format::Human, scratch.path()), gone(), gone());
    play(&mut reporter, &night());
    drop(reporter);
    let log = fs::read_to_string(scratch.path().join("iteration-20.log")).unwrap();
    assert_eq!(log, "── iteration 3/15 (log 20) ──\nI look at the plan.\n● Bash  curl -H [secret] example.org\n");
}

/// Fault F21: the log folder is removed in the middle.
#[test]
fn a_removed_log_folder_is_reported_and_comes_back() {
    let told = told(Format::Human, |reporter, logs| {
        let night = night();
        let mut board = Board::default();
        night[..3].iter().for_each(|fact| board.apply(fact));
        reporter.facts(&board, &night[..3]);
        reporter.opened(&board.open[&attempt(1, 1)], false);
        reporter.heard(&attempt(1, 1), &[Sign::Text("one\n".into())]);
        fs::remove_dir_all(logs).unwrap();
        reporter.heard(&attempt(1, 1), &[Sign::Text("two\n".into())]);
        reporter.closed(&attempt(1, 1));
        fs::create_dir(logs).unwrap();
        board.apply(&night[3]);
        reporter.facts(&board, &night[3..4]);
    });
    assert!(told.out.contains("one\ntwo\n"), "the terminal has it all");
    assert!(told.err.contains("iteration-18.log is missing or incomplete"), "{}", told.err);
    assert!(fs::read_to_string(told.logs.join("loop.log")).unwrap().contains("clean end"));
}
