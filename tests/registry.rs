//! The registry against all that befalls `state.json`: cuts, garbage, other versions, many writers, a full disk, a kill in
//! the middle.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper panics as its test would")]

use jiff::tz::TimeZone;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Uid, setfsuid};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use swarm::host::failpoint;
use swarm::journal::registry::{Reading, Repair, State};
use swarm::journal::{Home, Registry, RegistryError};
use swarm::model::{Entry, Wall};

const OURS: &str = include_str!("fixtures/registry/ours.json");
const PREDECESSOR: &str = include_str!("fixtures/registry/predecessor.json");

/// A state folder with its registry. In memory where that is to be had: nothing here asks for a disk's time.
struct Bench {
    folder: tempfile::TempDir,
    registry: Registry,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Bench { registry: Registry::at(&Home::at(folder.path())), folder }
    }

    /// With these bytes in the state file.
    fn with(bytes: impl AsRef<[u8]>) -> Bench {
        let bench = Bench::new();
        bench.put(bytes);
        bench
    }

    fn put(&self, bytes: impl AsRef<[u8]>) {
        fs::write(self.registry.path(), bytes).unwrap();
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(self.registry.path()).unwrap()
    }

    fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes()).unwrap()
    }

    fn read(&self) -> Reading {
        self.registry.read().unwrap()
    }

    /// The names, of a file that is whole.
    fn names(&self) -> Vec<String> {
        let reading = self.read();
        assert_eq!(reading.damage, None);
        names(&reading.state)
    }

    /// Adds a worker; who had to be rebuilt is `ghost`.
    fn add(&self, name: &str) -> Result<Option<Repair>, RegistryError> {
        let (added, repair) = self.registry.update(&|| vec![entry("ghost")], |state| state.insert(entry(name)))?;
        assert!(added);
        Ok(repair)
    }

    /// What lies in the folder.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The damaged file is seen without being touched; the next change keeps it, and `good` of its entries.
    fn is_repaired(&self, good: &[&str], case: &str) {
        let damaged = self.bytes();
        let reading = self.read();
        let damage = reading.damage.unwrap_or_else(|| panic!("{case}: not seen"));
        assert_eq!((names(&reading.state), damage.good), (owned(good), good.len()), "{case}");
        assert_eq!(self.bytes(), damaged, "{case}");
        let repair = self.add("new").unwrap().unwrap_or_else(|| panic!("{case}: not told"));
        assert_eq!((repair.good, repair.rebuilt), (good.len(), 1), "{case}");
        assert_eq!(fs::read(&repair.kept_as).unwrap(), damaged, "{case}");
        assert_eq!(self.names(), [&owned(good)[..], &owned(&["ghost", "new"])].concat(), "{case}");
        assert_eq!(self.add("newer").unwrap(), None, "{case}: told twice");
    }
}

fn names(state: &State) -> Vec<String> {
    state.workers.iter().map(|entry| entry.name.clone()).collect()
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// The least that a worker can be.
fn entry(name: &str) -> Entry {
    let least =
        json!({"name": name, "status": "running", "cmd": ["true"], "started": "2026-01-21T12:00:00Z", "cwd": "/"});
    serde_json::from_value(least).unwrap()
}

/// Each entry of our file: its name, and the bytes from its first brace to its last.
fn places() -> Vec<(&'static str, std::ops::Range<usize>)> {
    let begins = OURS.match_indices("\n    {\n").map(|(at, _)| at + 5);
    let ends = OURS.match_indices("\n    }").map(|(at, found)| at + found.len());
    ["fix-login", "build", "notes"].into_iter().zip(begins.zip(ends).map(|(begin, end)| begin..end)).collect()
}

fn nobody() -> Vec<Entry> {
    panic!("a whole file was rebuilt")
}

// ---- What stands in the file ---------------------------------------------------------------------------------------

#[test]
fn a_file_that_is_missing_is_empty_and_the_first_change_makes_it_private() {
    let bench = Bench::new();
    let registry = Registry::at(&Home::at(&bench.folder.path().join("deep/.swarm")));
    assert_eq!(registry.read().unwrap().state, State::default());
    assert!(bench.files().is_empty(), "reading made something");
    assert_eq!(registry.update(&nobody, |state| state.remove("a")).unwrap().0, None);
    assert!(!registry.path().exists(), "nothing changed");
    assert!(registry.update(&nobody, |state| state.insert(entry("a"))).unwrap().0);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&registry.path()), mode(&registry.lock_path())), (0o600, 0o600));
    assert_eq!(mode(registry.path().parent().unwrap()), 0o700);
}

#[test]
fn what_we_write_is_the_contract_byte_for_byte() {
    let state = Bench::with(OURS).read().state;
    let bench = Bench::new();
    bench.registry.update(&nobody, |empty| *empty = state).unwrap();
    assert_eq!(String::from_utf8(bench.bytes()).unwrap(), OURS);
}

#[test]
fn a_predecessors_file_is_read_as_it_is_and_loses_nothing() {
    let bench = Bench::with(PREDECESSOR);
    fs::set_permissions(bench.registry.path(), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(bench.names(), ["build", "fix-login", "größe"]);
    let state = bench.read().state;
    let zone = TimeZone::get("America/New_York").unwrap();
    let started = |name: &str| state.find(name).unwrap().started_at(&zone);
    assert_eq!(started("build"), Some(Wall(1_763_648_043_481)));
    assert_eq!(started("größe"), Some(Wall(1_763_614_799_000)));
    assert_eq!(state.find("fix-login").unwrap().tmux.as_ref().unwrap().session, "swarm-7f3a91c2");

    bench.registry.update(&nobody, |state| state.find_mut("build").unwrap().tags.push("x".into())).unwrap();
    let mut expected: Value = serde_json::from_str(PREDECESSOR).unwrap();
    expected["workers"][0]["tags"].as_array_mut().unwrap().push("x".into());
    assert_eq!(bench.value(), expected);
    assert_eq!(bench.registry.path().metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_change_that_changes_nothing_writes_nothing() {
    let bench = Bench::with(OURS);
    let inode = || bench.registry.path().metadata().unwrap().ino();
    let before = inode();
    let (taken, repair) = bench.registry.update(&nobody, |state| !state.insert(entry("build"))).unwrap();
    assert!(taken && repair.is_none());
    assert_eq!(inode(), before);
    let (removed, _) = bench.registry.update(&nobody, |state| state.remove("build")).unwrap();
    assert_eq!(removed.unwrap().cmd, ["make"]);
    assert_ne!(inode(), before);
    assert_eq!(bench.names(), ["fix-login", "notes"]);
}

/// Any JSON, three levels deep.
fn anything() -> impl Strategy<Value = Value> {
    let number = prop_oneof![any::<i64>().prop_map(Value::from), any::<u64>().prop_map(Value::from)];
    let float = proptest::num::f64::NORMAL.prop_map(Value::from);
    let leaf =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number, float, ".*".prop_map(Value::from)];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let object = proptest::collection::btree_map(".{0,8}", inner.clone(), 0..4);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|keys| Value::Object(keys.into_iter().collect())),
        ]
    })
}

/// Keys that no version has yet.
fn unknown() -> impl Strategy<Value = Map<String, Value>> {
    proptest::collection::btree_map("x-.{0,8}", anything(), 0..4).prop_map(|keys| keys.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unknown_keys_survive_on_every_level(keys in proptest::collection::vec(unknown(), 5)) {
        let mut document: Value = serde_json::from_str(OURS).unwrap();
        for (path, keys) in ["", "/workers/0", "/workers/0/tmux", "/workers/0/worktree", "/workers/0/metadata"].iter().zip(keys) {
            document.pointer_mut(path).unwrap().as_object_mut().unwrap().extend(keys);
        }
        let bench = Bench::with(document.to_string());
        bench.registry.update(&nobody, |state| state.find_mut("fix-login").unwrap().pid = Some(7)).unwrap();
        document["workers"][0]["pid"] = json!(7);
        prop_assert_eq!(bench.value(), document);
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        Bench::with(bytes).is_repaired(&[], "garbage");
    }
}

// ---- Damage --------------------------------------------------------------------------------------------------------

#[test]
fn f22_a_cut_at_any_byte_costs_the_entries_behind_it() {
    for cut in 0..OURS.len() - 1 {
        let whole: Vec<&str> = places().iter().filter(|(_, place)| place.end <= cut).map(|(name, _)| *name).collect();
        Bench::with(&OURS[..cut]).is_repaired(&whole, &format!("cut at {cut}"));
    }
    assert_eq!(Bench::with(OURS.trim_end()).read().damage, None, "a newline is no loss");
}

#[test]
fn f22_a_damaged_byte_costs_its_own_entry_alone() {
    for at in 0..OURS.len() {
        let mut bytes = OURS.as_bytes().to_vec();
        // Nowhere in JSON may a zero stand.
        bytes[at] = 0;
        let others: Vec<&str> =
            places().iter().filter(|(_, place)| !place.contains(&at)).map(|(name, _)| *name).collect();
        Bench::with(bytes).is_repaired(&others, &format!("zero at {at}"));
    }
}

#[test]
fn f22_files_of_another_shape_hold_nobody() {
    let shapes = ["", "\n", "\0\0\0\0", "\u{7f}ELF\u{2}\u{1}", "[]", "null", "true", "7", "{}", "{\"workers\": []}"];
    let typed = [r#"{"version": 1}"#, r#"{"version": 1, "workers": {}}"#, r#"{"version": 1, "workers": null}"#];
    let versions = [r#"{"version": "1", "workers": []}"#, r#"{"version": 0, "workers": []}"#];
    let oddities = [r#"{"version": 1, "workers": [7]}"#, r#"{"version": 1, "workers": []} {}"#, "{{{{{{{{[[[["];
    for text in shapes.iter().chain(&typed).chain(&versions).chain(&oddities) {
        Bench::with(text).is_repaired(&[], text);
    }
    Bench::with([0xff, 0xfe, 0, 1]).is_repaired(&[], "binary");
}

#[test]
fn f22_a_damaged_frame_costs_no_entry() {
    let all = ["fix-login", "build", "notes"];
    for (what, with) in
        [("\"version\": 1,", ""), ("\"version\": 1", "\"version\": \"1\""), ("\"workers\"", "\"wrkers\"")]
    {
        Bench::with(OURS.replacen(what, with, 1)).is_repaired(&all, with);
    }
    Bench::with(format!("{OURS}\0\0\0")).is_repaired(&all, "zeros behind");
    Bench::with(format!("\u{feff}{OURS}")).is_repaired(&all, "a byte order mark");
}

#[test]
fn f22_a_wrong_type_costs_its_entry_alone() {
    let document: Value = serde_json::from_str(OURS).unwrap();
    let entry = document["workers"][0].as_object().unwrap();
    for key in entry.keys() {
        // An array of a number is none of the types.
        let mut damaged = document.clone();
        damaged["workers"][0][key] = json!([7]);
        damaged["beside"] = json!({"kept": true});
        let bench = Bench::with(damaged.to_string());
        bench.is_repaired(&["build", "notes"], key);
        assert_eq!(bench.value()["beside"], json!({"kept": true}));
    }
    for key in ["name", "status", "cmd", "started", "cwd"] {
        let mut damaged = document.clone();
        damaged["workers"][0].as_object_mut().unwrap().remove(key);
        Bench::with(damaged.to_string()).is_repaired(&["build", "notes"], &format!("without {key}"));
    }
    let mut damaged = document.clone();
    damaged["workers"][1]["status"] = json!("sleeping");
    Bench::with(damaged.to_string()).is_repaired(&["fix-login", "notes"], "status");
}

#[test]
fn of_two_with_one_name_the_running_one_stays() {
    let mut document: Value = serde_json::from_str(OURS).unwrap();
    let mut running = document["workers"][1].clone();
    running["status"] = json!("running");
    let mut later = running.clone();
    later["pid"] = json!(9);
    document["workers"].as_array_mut().unwrap().extend([running, later]);
    let bench = Bench::with(document.to_string());
    bench.is_repaired(&["fix-login", "notes", "build"], "doubles");
    assert_eq!(bench.read().state.find("build").unwrap().pid, Some(4203));
}

#[test]
fn a_second_damage_does_not_destroy_the_first_copy() {
    let bench = Bench::with("first");
    bench.is_repaired(&[], "first");
    bench.put("second");
    bench.is_repaired(&[], "second");
    let kept = |name: &str| fs::read_to_string(bench.folder.path().join(name)).unwrap();
    assert_eq!((kept("state.json.corrupted"), kept("state.json.corrupted-2")), ("first".into(), "second".into()));
    assert_eq!(bench.files(), ["state.json", "state.json.corrupted", "state.json.corrupted-2", "state.lock"]);
}

#[test]
fn who_is_still_known_is_not_rebuilt() {
    let bench = Bench::with(&OURS[..OURS.len() - 5]);
    let ghosts = || ["build", "ghost", "ghost"].map(entry).to_vec();
    let ((), repair) = bench.registry.update(&ghosts, |_| ()).unwrap();
    assert_eq!(repair.map(|repair| (repair.good, repair.rebuilt)), Some((3, 1)));
    assert_eq!(bench.names(), ["fix-login", "build", "notes", "ghost"]);
    assert_eq!(bench.read().state.find("build").unwrap().cmd, ["make"]);
}

// ---- What is refused -----------------------------------------------------------------------------------------------

#[test]
fn f22_a_newer_version_is_refused_and_untouched() {
    let newer = OURS.replacen("\"version\": 1", "\"version\": 2", 1);
    let torn = &newer[..newer.len() / 2];
    let last = r#"{"workers": [{"name": 7}], "version": 12}"#;
    for text in [newer.as_str(), torn, last, r#"{"version": 1.5, "crew": {}}"#, r#"{"version": 3}"#] {
        let bench = Bench::with(text);
        let refused = [bench.registry.read().unwrap_err(), bench.add("new").unwrap_err()];
        for error in refused {
            assert!(matches!(error, RegistryError::Newer { .. }), "{text}: {error}");
        }
        assert_eq!(bench.bytes(), text.as_bytes());
        assert_eq!(bench.files(), ["state.json", "state.lock"]);
    }
    let said = Bench::with(last).registry.read().unwrap_err().to_string();
    assert!(said.contains("version 12"), "{said}");
}

#[test]
fn a_lock_that_is_not_let_go_is_given_up_and_its_holder_named() {
    let bench = Bench::with(OURS);
    let file = fs::File::create(bench.registry.lock_path()).unwrap();
    file.lock().unwrap();
    let hasty = bench.registry.clone().with_patience(Duration::from_millis(20));
    let error = hasty.update(&nobody, |_| ()).unwrap_err();
    assert!(error.to_string().contains(&format!("held by process {} (", std::process::id())), "{error}");
    assert_eq!(hasty.read().unwrap().state.workers.len(), 3, "reading needs no lock");
    drop(file);
    hasty.with_patience(Duration::from_secs(60)).update(&nobody, |_| ()).unwrap();
}

#[test]
fn what_is_no_plain_file_is_left_alone() {
    let bench = Bench::new();
    nix::unistd::mkfifo(&bench.registry.path(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let refused = |bench: &Bench| [bench.registry.read().map(drop), bench.add("new").map(drop)].map(Result::unwrap_err);
    assert!(refused(&bench).iter().all(|error| matches!(error, RegistryError::CannotRead { .. })));
    fs::remove_file(bench.registry.path()).unwrap();
    fs::create_dir(bench.registry.path()).unwrap();
    assert!(refused(&bench).iter().all(|error| matches!(error, RegistryError::CannotRead { .. })));
}

#[test]
fn permissions_that_are_missing_are_said_and_nothing_is_harmed() {
    let bench = Bench::with(OURS);
    bench.add("new").unwrap();
    let before = bench.bytes();
    let chmod = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    chmod(&bench.registry.path(), 0o444);
    chmod(&bench.registry.lock_path(), 0o666);
    chmod(bench.folder.path(), 0o555);
    // Root may do anything; this thread shall not.
    let root = setfsuid(Uid::from_raw(65534));
    let (read, written) = (bench.registry.read(), bench.add("newer"));
    let closed = Home::at(&bench.folder.path().join("below"));
    let made = Registry::at(&closed).update(&nobody, |_| ());
    setfsuid(root);
    assert_eq!(read.unwrap().state.workers.len(), 4);
    assert!(matches!(written.unwrap_err(), RegistryError::CannotWrite { .. }));
    assert!(matches!(made.unwrap_err(), RegistryError::CannotWrite { .. }));
    assert_eq!((bench.bytes(), bench.files()), (before, owned(&["state.json", "state.lock"])));

    chmod(bench.folder.path(), 0o755);
    chmod(&bench.registry.path(), 0);
    let root = setfsuid(Uid::from_raw(65534));
    let read = bench.registry.read();
    setfsuid(root);
    assert!(matches!(read.unwrap_err(), RegistryError::CannotRead { .. }));
}

// ---- What needs a process of its own -------------------------------------------------------------------------------

/// This program, to do what the helper of that name does with that state folder.
fn helper(name: &str, bench: &Bench) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", name]).env("HELPER_HOME", bench.folder.path());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn helper_registry() -> Registry {
    Registry::at(&Home::at(&PathBuf::from(std::env::var_os("HELPER_HOME").unwrap())))
}

fn helper_name() -> String {
    std::env::var("HELPER_NAME").unwrap()
}

/// Runs all of them, at work at the same time: they meet at the lock. How each ended.
fn together(bench: &Bench, commands: impl Iterator<Item = Command>) -> Vec<bool> {
    let gate = fs::File::create(bench.registry.lock_path()).unwrap();
    gate.lock().unwrap();
    let children: Vec<Child> = commands.map(|mut command| command.spawn().unwrap()).collect();
    drop(gate);
    children.into_iter().map(|mut child| child.wait().unwrap().success()).collect()
}

#[test]
fn f24_fifty_writers_at_once_lose_nothing() {
    let bench = Bench::with(PREDECESSOR);
    let commands = (0..50).map(|number| {
        let mut command = helper("helper_joins", &bench);
        command.env("HELPER_NAME", format!("w{number:02}"));
        command
    });
    assert!(together(&bench, commands).into_iter().all(|well| well));
    let mut names = bench.names();
    names[3..].sort();
    assert_eq!(names[3..], (0..50).map(|number| format!("w{number:02}")).collect::<Vec<_>>());
    let state = bench.read().state;
    assert!(state.workers[3..].iter().all(|entry| entry.tags == ["1", "2", "3"]));
    assert_eq!(bench.files(), ["state.json", "state.lock"]);
}

#[test]
fn f24_of_eight_of_one_name_one_wins() {
    let bench = Bench::new();
    let commands = (0..8).map(|_| {
        let mut command = helper("helper_joins", &bench);
        command.env("HELPER_NAME", "same");
        command
    });
    assert_eq!(together(&bench, commands).into_iter().filter(|won| *won).count(), 1);
    assert_eq!(bench.names(), ["same"]);
}

#[test]
#[ignore = "started by a test, in a process of its own"]
fn helper_joins() {
    let (registry, name) = (helper_registry(), helper_name());
    assert!(registry.update(&nobody, |state| state.insert(entry(&name))).unwrap().0);
    for tag in ["1", "2", "3"] {
        registry.update(&nobody, |state| state.find_mut(&name).unwrap().tags.push(tag.into())).unwrap();
    }
}

#[test]
fn f23_a_death_at_any_step_leaves_the_old_or_the_new_and_nothing_piles_up() {
    let steps = failpoint::ALL.iter().filter(|name| name.starts_with("registry-") || name.starts_with("files-"));
    for step in steps {
        let damaged = *step == "registry-quarantined";
        let (text, before) = if damaged { (&OURS[..OURS.len() - 50], 2) } else { (OURS, 3) };
        let bench = Bench::with(text);
        for death in 1..=3 {
            let mut command = helper("helper_adds", &bench);
            command.env(failpoint::VARIABLE, format!("{step}:abort")).env("HELPER_NAME", format!("n{death}"));
            assert_eq!(command.status().unwrap().signal(), Some(Signal::SIGKILL as i32), "{step} was not passed");
            if *step != "files-after-rename" {
                assert_eq!(bench.bytes(), text.as_bytes(), "{step}");
            }
            let reading = bench.read();
            assert_eq!(reading.damage.is_some(), damaged, "{step}");
            let done = if *step == "files-after-rename" { death } else { 0 };
            assert_eq!(reading.state.workers.len(), before + done, "{step}");
            assert!(bench.files().len() <= 3, "{step}: {:?}", bench.files());
        }
        bench.add("after").unwrap();
        assert!(bench.read().state.find("after").is_some(), "{step}");
        assert!(!bench.files().iter().any(|name| name.ends_with(".tmp")), "{step}: {:?}", bench.files());
    }
}

#[test]
fn a_step_that_fails_leaves_the_old_and_says_so() {
    for step in ["registry-before-write", "files-before-rename"] {
        let bench = Bench::with(OURS);
        let mut command = helper("helper_cannot_add", &bench);
        command.env(failpoint::VARIABLE, format!("{step}:err")).env("HELPER_NAME", "new");
        assert!(command.status().unwrap().success(), "{step}");
        assert_eq!((bench.bytes(), bench.files()), (OURS.as_bytes().to_vec(), owned(&["state.json", "state.lock"])));
    }
}

#[test]
#[ignore = "started by a test, in a process of its own"]
fn helper_adds() {
    helper_registry().update(&Vec::new, |state| state.insert(entry(&helper_name()))).unwrap();
}

#[test]
#[ignore = "started by a test, in a process of its own"]
fn helper_cannot_add() {
    let error = helper_registry().update(&Vec::new, |state| state.insert(entry(&helper_name()))).unwrap_err();
    assert!(matches!(error, RegistryError::CannotWrite { .. }), "{error}");
}

#[test]
fn f20_a_full_disk_leaves_the_old_file() {
    let damaged = &OURS[..OURS.len() / 2];
    for text in [OURS, damaged] {
        let bench = Bench::with(text);
        let mut command = helper("helper_fills_the_disk", &bench);
        assert!(command.env("HELPER_NAME", "new").status().unwrap().success());
        assert_eq!((bench.bytes(), bench.files()), (text.as_bytes().to_vec(), owned(&["state.json", "state.lock"])));
        bench.add("after").unwrap();
    }
}

#[test]
#[ignore = "started by a test, in a process of its own"]
fn helper_fills_the_disk() {
    // The limit kills where its signal is not blocked.
    SigSet::from(Signal::SIGXFSZ).thread_block().unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    for room in [1000, 300] {
        setrlimit(Resource::RLIMIT_FSIZE, room, hard).unwrap();
        helper_cannot_add();
    }
}
