//! The journal against everything that befalls files: cuts, flipped bits, garbage, a full disk, a kill in the middle.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a helper panics as its test would")]

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use proptest::prelude::*;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use swarm::engine::{Board, Fact, Policy, Stamped};
use swarm::journal::{FileJournal, lines};
use swarm::model::{Now, RunId, Span};

/// Lines as a run has them.
fn facts() -> Vec<String> {
    let opened =
        Fact::RunOpened { version: 1, run: RunId("r".into()), policy: Policy::default(), boot_id: "boot".into() };
    let facts = [opened, Fact::Paused, Fact::Unpaused, Fact::Suspended, Fact::Continued { stood: Span(7) }];
    let stamped = (0..).zip(facts).map(|(seq, fact)| Stamped { seq, now: Now::default(), fact });
    stamped.map(|fact| serde_json::to_string(&fact).unwrap()).collect()
}

/// The bytes of a journal of `lines`, and where each line ends.
fn written(lines: &[String]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let ends = lines.iter().map(|line| {
        lines::encode(line, &mut bytes);
        bytes.len()
    });
    let ends = ends.collect();
    (bytes, ends)
}

/// A folder with a journal of these bytes.
struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new(bytes: &[u8]) -> Bench {
        let bench = Bench { folder: tempfile::tempdir().unwrap() };
        fs::write(bench.path(), bytes).unwrap();
        bench
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    /// Everything in the folder but the journal: name and bytes.
    fn others(&self) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap());
        let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
        let mut others: Vec<_> = named.filter(|(name, _)| name != "journal").collect();
        others.sort();
        others
    }

    /// Opens the journal, goes on with it, and opens it once more: what was whole is there, then what was added, and
    /// nothing more is found wrong.
    fn survives(&self) -> Vec<String> {
        let (mut journal, replay) = FileJournal::open(&self.path()).unwrap();
        journal.append(["{\"after\":1}", "{\"after\":2}"]).unwrap();
        let others = self.others();
        assert_eq!(replay.quarantined.is_some(), !others.is_empty());
        let (_, again) = FileJournal::open(&self.path()).unwrap();
        assert_eq!(again.quarantined, None);
        assert_eq!(self.others(), others);
        let (kept, added) = again.lines.split_at(replay.lines.len());
        assert_eq!((kept, added.join(" ").as_str()), (replay.lines.as_slice(), "{\"after\":1} {\"after\":2}"));
        replay.lines
    }
}

#[test]
fn a_cut_at_any_byte_costs_the_unfinished_line_alone() {
    let facts = facts();
    let (bytes, ends) = written(&facts);
    for cut in 0..=bytes.len() {
        let bench = Bench::new(&bytes[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(bench.survives(), facts[..whole], "cut at {cut}");
        assert_eq!(bench.others(), [], "cut at {cut}: nobody was told of the rest");
    }
}

#[test]
fn a_flipped_bit_costs_its_own_line_and_the_damage_is_kept() {
    let facts = facts();
    let (bytes, ends) = written(&facts);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        let bench = Bench::new(&damaged);
        let kept = bench.survives();
        // A newline that is none any more joins its line with the next.
        let line = ends.iter().filter(|end| **end <= at).count();
        let joined = ends.contains(&(at + 1));
        let lost = line..=line + usize::from(joined);
        let undamaged: Vec<&String> =
            facts.iter().enumerate().filter(|(number, _)| !lost.contains(number)).map(|(_, fact)| fact).collect();
        // A checksum's letter may change its case and still be the same number.
        assert!(kept.iter().collect::<Vec<_>>() == undamaged || kept == facts, "flip at {at}: {kept:?}");
        if kept != facts && at + 1 < bytes.len() {
            assert_eq!(bench.others(), [("journal.corrupted".to_owned(), damaged)], "flip at {at}");
        }
    }
}

#[test]
fn each_damage_is_kept_and_none_overwritten() {
    let (bytes, ends) = written(&facts());
    let bench = Bench::new(&bytes);
    for (damage, at) in [ends[0] + 20, 3].into_iter().enumerate() {
        let mut damaged = fs::read(bench.path()).unwrap();
        damaged[at] ^= 0x10;
        fs::write(bench.path(), &damaged).unwrap();
        let (_, replay) = FileJournal::open(&bench.path()).unwrap();
        assert_eq!(fs::read(replay.quarantined.unwrap()).unwrap(), damaged);
        assert_eq!(bench.others().len(), damage + 1);
    }
    assert_eq!(
        bench.others().iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["journal.corrupted", "journal.corrupted-2"]
    );
}

#[test]
fn an_empty_journal_and_one_of_zeros_hold_nothing() {
    for bytes in [&b""[..], &[0; 4096]] {
        assert!(Bench::new(bytes).survives().is_empty());
    }
}

#[test]
fn zeros_behind_the_end_cost_nothing() {
    let facts = facts();
    let (mut bytes, _) = written(&facts);
    bytes.extend([0; 1000]);
    assert_eq!(Bench::new(&bytes).survives(), facts);
}

#[test]
fn facts_that_are_there_twice_count_once() {
    let facts = facts();
    let (mut bytes, ends) = written(&facts);
    bytes.extend_from_within(ends[1]..);
    let kept = Bench::new(&bytes).survives();
    assert_eq!(kept.len(), facts.len() + 3);
    let read =
        |lines: &[String]| lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Stamped>>();
    assert_eq!(Board::replay(&read(&kept)), Board::replay(&read(&facts)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands between and behind whole lines, they are kept, and nothing is made up.
    #[test]
    fn garbage_costs_no_whole_line(garbage in proptest::collection::vec(any::<u8>(), 1..300), after in 0..6usize) {
        let facts = facts();
        let (bytes, ends) = written(&facts);
        let at = after.checked_sub(1).map_or(0, |line| ends[line]);
        let mut damaged = bytes[..at].to_vec();
        damaged.extend(&garbage);
        damaged.push(b'\n');
        damaged.extend(&bytes[at..]);
        prop_assert_eq!(Bench::new(&damaged).survives(), facts);
    }
}

// ---- What needs a process of its own -------------------------------------------------------------------------------

/// This program, to do what the helper of that name does with that journal.
fn helper(name: &str, journal: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "--nocapture", name]).env("HELPER_JOURNAL", journal).stdin(Stdio::null());
    command
}

fn helper_journal() -> PathBuf {
    PathBuf::from(std::env::var_os("HELPER_JOURNAL").unwrap())
}

#[test]
fn a_full_disk_leaves_the_journal_as_it_was() {
    let bench = Bench::new(b"");
    let output = helper("helper_fills_the_disk", &bench.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let (_, replay) = FileJournal::open(&bench.path()).unwrap();
    assert_eq!((replay.lines, replay.quarantined), (vec!["\"before\"".to_owned(), "\"after\"".to_owned()], None));
    assert_eq!(bench.others(), []);
}

#[test]
#[ignore = "started by a test, in a process of its own"]
fn helper_fills_the_disk() {
    // The limit kills where its signal is not blocked.
    SigSet::from(Signal::SIGXFSZ).thread_block().unwrap();
    let path = helper_journal();
    let (mut journal, _) = FileJournal::open(&path).unwrap();
    journal.append(["\"before\""]).unwrap();
    let before = fs::read(&path).unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    for room in [0, 1, 40] {
        setrlimit(Resource::RLIMIT_FSIZE, before.len() as u64 + room, hard).unwrap();
        let lines = ["\"one\"", "\"two\"", "\"three and more than there is room for\""];
        let error = journal.append(lines).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(nix::libc::EFBIG));
        assert_eq!(fs::read(&path).unwrap(), before, "with room for {room} bytes");
    }
    setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap();
    journal.append(["\"after\""]).unwrap();
}

#[test]
fn a_kill_during_an_append_loses_nothing_that_was_promised() {
    for told_before in [1, 7, 50] {
        let bench = Bench::new(b"");
        let mut child = helper("helper_appends_for_ever", &bench.path()).stdout(Stdio::piped()).spawn().unwrap();
        let told = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut told = told.filter_map(|line| line.strip_prefix("kept ")?.parse::<usize>().ok());
        let last = told.by_ref().take(told_before).last().unwrap();
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGKILL).unwrap();
        let last = told.last().unwrap_or(last);
        child.wait().unwrap();
        let kept = bench.survives();
        assert!(kept.len() > last, "{} lines are kept of {}", kept.len(), last + 1);
        assert!(kept.iter().enumerate().all(|(number, line)| *line == number.to_string()));
        assert_eq!(bench.others(), []);
    }
}

#[test]
#[ignore = "started by a test, in a process of its own, and killed"]
fn helper_appends_for_ever() {
    let (mut journal, _) = FileJournal::open(&helper_journal()).unwrap();
    for number in 0..1_000_000 {
        journal.append([number.to_string().as_str()]).unwrap();
        println!("kept {number}");
    }
}
