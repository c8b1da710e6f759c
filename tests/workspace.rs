//! The tree of a loop with real git in scratch repositories: prompt, log numbers, survey, check, push, stale locks.
//!
//! What is tested runs git in this very process, with this process's environment. So each test starts itself again in a
//! process that knows nothing of the tester's settings ([`isolated`]).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper panics as its test would")]

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use swarm::agent::{Agent, DoneMatch, DoneRule};
use swarm::driver::seams::{Ready, Workspace};
use swarm::driver::tree::{AgentCalls, Check, LoopTree, TreeSettings};
use swarm::engine::{Problem, board::Open};
use swarm::host::git::Push;
use swarm::model::{
    AttemptId, Exit, Note, Now, Oom, RunId, Show, Span, Status, Streams, Survey, TaskId, Tick, Tree, Wall,
};

/// No wait of a test is longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs `test` in a process of its own, which is this program with the test of that name.
fn isolated(name: &str, test: impl AsyncFnOnce()) {
    if std::env::var_os("SWARM_TEST_ISOLATED").is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // As every supervisor does.
        nix::sys::prctl::set_child_subreaper(true).unwrap();
        return runtime.block_on(async { tokio::time::timeout(DEADLINE, test()).await.expect("in time") });
    }
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).stdin(Stdio::null()).env_clear();
    command.env("PATH", std::env::var("PATH").unwrap()).env("LANG", "C.UTF-8").env("SWARM_TEST_ISOLATED", "1");
    command.env("HOME", home.path()).env("TMPDIR", home.path()).env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A repository, a run folder, and the settings of a tree.
struct Place {
    folder: tempfile::TempDir,
    settings: TreeSettings,
}

impl Place {
    /// With a repository that holds a prompt and a plan, committed.
    fn new() -> Place {
        let place = Place::without_repository();
        place.write("IMPLEMENTATION_PLAN.md", "- [x] one\n- [ ] two\n- [ ] three\n");
        place.git(&["init", "--quiet", "--initial-branch=main"]);
        place.git(&["config", "user.name", "Tester"]);
        place.git(&["config", "user.email", "tester@localhost"]);
        place.commit();
        place
    }

    fn without_repository() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let (repo, run) = (folder.path().join("repo"), folder.path().join("run"));
        std::fs::create_dir(&repo).unwrap();
        std::fs::create_dir(&run).unwrap();
        std::fs::write(repo.join("PROMPT.md"), "Do it.\n").unwrap();
        let rule = DoneRule::new("/done", DoneMatch::Last).unwrap();
        let settings = TreeSettings {
            logs: repo.join(".loop-logs"),
            prompt: repo.join("PROMPT.md"),
            plan: Some(repo.join("IMPLEMENTATION_PLAN.md")),
            folder: repo,
            run_folder: run,
            run: RunId("run-1".into()),
            name: "loopy".into(),
            check: None,
            push: Push { timeout: DEADLINE },
            keep_children: false,
            agent: AgentCalls {
                argv: Rc::new(|budget| vec!["agent".into(), format!("{budget:?}").into()]),
                env: Agent::Plain.env(),
                scanner: Rc::new(move || Agent::Plain.scanner(&rule)),
            },
        };
        Place { folder, settings }
    }

    fn tree(&self) -> LoopTree {
        LoopTree::new(self.settings.clone())
    }

    fn checked_by(&mut self, command: &str, timeout: Span) -> LoopTree {
        self.settings.check = Some(Check { command: command.into(), timeout });
        self.tree()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.settings.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn log(&self, name: &str) -> PathBuf {
        self.settings.logs.join(name)
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git").args(arguments).current_dir(&self.settings.folder).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=x"]);
    }

    /// Prepares the first try of iteration `number`.
    async fn prepare(&self, number: u32) -> Result<Ready, Problem> {
        self.tree().prepare(&attempt(number, 1), None, None, None).await
    }

    fn composed(&self, number: u32) -> PathBuf {
        self.settings.run_folder.join(format!("attempts/{number}.1/prompt"))
    }

    /// Names of all logs, sorted.
    fn logs(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.settings.logs).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn attempt(number: u32, tries: u32) -> AttemptId {
    AttemptId { run: RunId("run-1".into()), task: TaskId("loop".into()), number, tries }
}

fn open(attempt: AttemptId, ready: &Ready) -> Open {
    Open {
        attempt,
        log: ready.log,
        raw_from: ready.raw_from,
        text_from: ready.text_from,
        survey: ready.survey.clone(),
        budget: Some(1.5),
        opened: Now { tick: Tick(0), wall: now() },
        launched: None,
        stopping: None,
        blocked: None,
    }
}

fn now() -> Wall {
    Wall(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap())
}

fn exit(status: Status) -> Exit {
    Exit { status, oom: Oom::Unknown, left: Vec::new() }
}

/// Writes a shell script that can be executed.
fn script(path: &Path, text: &str) -> String {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// Is there a process of that number that has not ended?
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

#[test]
fn f37_the_prompt_is_read_afresh_and_its_loss_is_told() {
    isolated("f37_the_prompt_is_read_afresh_and_its_loss_is_told", async || {
        let place = Place::new();
        place.prepare(1).await.unwrap();
        place.write("PROMPT.md", "Another one.\n");
        place.prepare(2).await.unwrap();
        assert_eq!(std::fs::read(place.composed(1)).unwrap(), b"Do it.\n");
        assert_eq!(std::fs::read(place.composed(2)).unwrap(), b"Another one.\n");
        assert_eq!(place.composed(2).metadata().unwrap().permissions().mode() & 0o777, 0o600);

        std::fs::remove_file(place.path("PROMPT.md")).unwrap();
        let Err(Problem::PromptGone(why)) = place.prepare(3).await else { panic!("it is gone") };
        assert!(why.contains("PROMPT.md: No such file"), "{why}");
        std::fs::create_dir(place.path("PROMPT.md")).unwrap();
        let Err(Problem::PromptGone(why)) = place.prepare(3).await else { panic!("it is a folder") };
        assert!(why.contains("directory"), "{why}");
        std::fs::remove_dir(place.path("PROMPT.md")).unwrap();
        nix::unistd::mkfifo(&place.path("PROMPT.md"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let Err(Problem::PromptGone(why)) = place.prepare(3).await else {
            panic!("it is a pipe that nobody writes to")
        };
        assert!(why.contains("not a plain file"), "{why}");
        assert_eq!(place.logs(), [".gitignore", "iteration-1.log", "iteration-2.log"], "no number is taken in vain");
    });
}

#[test]
fn a_refusal_is_told_to_the_next_iteration() {
    isolated("a_refusal_is_told_to_the_next_iteration", async || {
        let mut place = Place::new();
        let tree = place.checked_by("cargo test", Span::seconds(1));
        tree.prepare(&attempt(2, 1), None, Some("one test failed".into()), None).await.unwrap();
        let prompt = std::fs::read_to_string(place.composed(2)).unwrap();
        assert!(prompt.starts_with("Do it.\n\n\n## The last claim"), "{prompt}");
        assert!(prompt.contains("    cargo test\n") && prompt.contains("```text\none test failed\n```\n"), "{prompt}");
    });
}

#[test]
fn log_numbers_go_on_from_what_exists() {
    isolated("log_numbers_go_on_from_what_exists", async || {
        let place = Place::new();
        std::fs::create_dir(&place.settings.logs).unwrap();
        std::fs::set_permissions(&place.settings.logs, PermissionsExt::from_mode(0o755)).unwrap();
        for name in ["iteration-2.log", "iteration-7.err", "iteration-3.log.raw", "iteration-x.log", "loop.log"] {
            std::fs::write(place.log(name), name).unwrap();
        }
        std::fs::write(place.log(".gitignore"), "mine\n").unwrap();
        assert_eq!(place.prepare(1).await.unwrap().log, 8);
        assert_eq!(place.log("iteration-8.log").metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(place.log("iteration-2.log")).unwrap(), "iteration-2.log");
        assert_eq!(std::fs::read_to_string(place.log(".gitignore")).unwrap(), "mine\n");
        assert_eq!(place.settings.logs.metadata().unwrap().permissions().mode() & 0o777, 0o755);
        std::fs::write(place.log("iteration-4294967295.log"), "").unwrap();
        assert!(matches!(place.prepare(2).await, Err(Problem::CannotWrite(_))));
    });
}

#[test]
fn a_fresh_log_folder_is_private_and_unknown_to_git() {
    isolated("a_fresh_log_folder_is_private_and_unknown_to_git", async || {
        let place = Place::new();
        assert_eq!(place.prepare(1).await.unwrap().log, 1);
        assert_eq!(place.settings.logs.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(place.git(&["status", "--porcelain", "--untracked-files=all"]), "");
    });
}

#[test]
fn a_death_before_the_fact_costs_no_number() {
    isolated("a_death_before_the_fact_costs_no_number", async || {
        let place = Place::new();
        assert_eq!(place.prepare(1).await.unwrap().log, 1);
        assert_eq!(place.prepare(1).await.unwrap().log, 1, "prepared again after a death");
        assert_eq!(place.prepare(2).await.unwrap().log, 2, "another attempt never gets it");
        std::fs::write(place.log("iteration-2.log.raw"), "").unwrap();
        assert_eq!(place.prepare(2).await.unwrap().log, 3, "what was launched has used it");
        std::fs::write(place.log("iteration-3.log"), "words").unwrap();
        assert_eq!(place.prepare(2).await.unwrap().log, 4, "so has what was written");

        // A death between the note and the log.
        std::fs::write(place.settings.run_folder.join("log-note"), "5.1 5 0\n").unwrap();
        assert_eq!(place.prepare(5).await.unwrap().log, 5);
        let logs = place.logs().into_iter().filter(|name| name.ends_with(".log")).count();
        assert_eq!(logs, 5, "as many as the highest number: {:?}", place.logs());
    });
}

#[test]
fn four_loops_that_share_a_tree_never_share_a_log() {
    isolated("four_loops_that_share_a_tree_never_share_a_log", async || {
        const EACH: u32 = 25;
        let place = Place::without_repository();
        let threads: Vec<_> = (0..4)
            .map(|nr| {
                let (repo, run) = (place.settings.folder.clone(), place.folder.path().join(format!("run-{nr}")));
                std::thread::spawn(move || reserve_many(&repo, &run, &format!("run-{nr}"), EACH))
            })
            .collect();
        let mut logs: Vec<u32> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        logs.sort();
        assert_eq!(logs, (1..=4 * EACH).collect::<Vec<_>>());
        assert_eq!(place.logs().len(), 4 * EACH as usize + 1, "{:?}", place.logs());
    });
}

/// Prepares `count` attempts of a loop of its own in `repo`.
fn reserve_many(repo: &Path, run: &Path, id: &str, count: u32) -> Vec<u32> {
    std::fs::create_dir(run).unwrap();
    let mut settings = Place::without_repository().settings;
    settings.logs = repo.join(".loop-logs");
    settings.prompt = repo.join("PROMPT.md");
    settings.run_folder = run.to_owned();
    settings.run = RunId(id.into());
    let tree = LoopTree::new(settings);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let prepare = |number| runtime.block_on(tree.prepare(&attempt(number, 1), None, None, None)).unwrap().log;
    (1..=count).map(prepare).collect()
}

#[test]
fn f21_a_log_folder_that_cannot_be_is_reported() {
    isolated("f21_a_log_folder_that_cannot_be_is_reported", async || {
        let place = Place::new();
        place.prepare(1).await.unwrap();
        std::fs::remove_dir_all(&place.settings.logs).unwrap();
        assert_eq!(place.prepare(2).await.unwrap().log, 1, "removed: made again");
        std::fs::remove_dir_all(&place.settings.logs).unwrap();
        std::fs::write(&place.settings.logs, "a file").unwrap();
        let Err(Problem::CannotWrite(why)) = place.prepare(3).await else { panic!("a file in its place") };
        assert!(why.contains(".loop-logs"), "{why}");
    });
}

#[test]
fn a_repeated_try_goes_on_in_the_same_logs() {
    isolated("a_repeated_try_goes_on_in_the_same_logs", async || {
        let place = Place::new();
        let first = place.prepare(1).await.unwrap();
        std::fs::write(place.log("iteration-1.log"), "text").unwrap();
        std::fs::write(place.log("iteration-1.log.raw"), "rawraw").unwrap();
        std::fs::write(place.log("iteration-1.err"), "old words\n").unwrap();
        assert_eq!(place.tree().last_words(&open(attempt(1, 1), &first)), b"old words\n");

        let second = place.tree().prepare(&attempt(1, 2), Some(1), None, None).await.unwrap();
        assert_eq!((second.log, second.raw_from, second.text_from), (1, 6, 4));
        let again = open(attempt(1, 2), &second);
        assert_eq!(place.tree().last_words(&again), b"");
        std::fs::write(place.log("iteration-1.err"), "old words\nnew").unwrap();
        assert_eq!(place.tree().last_words(&again), b"new");
        std::fs::write(place.log("iteration-1.err"), vec![b'x'; 100_000]).unwrap();
        assert_eq!(place.tree().last_words(&again).len(), 8192);
    });
}

#[test]
fn a_launch_knows_everything() {
    isolated("a_launch_knows_everything", async || {
        let place = Place::new();
        let ready = place.prepare(3).await.unwrap();
        let open = open(attempt(3, 1), &ready);
        let launch = place.tree().launch(&open).unwrap();
        assert_eq!(launch.argv, ["agent", "Some(1.5)"]);
        assert_eq!(launch.cwd, place.settings.folder);
        let (out, err) = (place.tree().raw_log(1), place.log("iteration-1.err"));
        let show = Some(Show { log: place.log("iteration-1.log"), from: 0 });
        assert_eq!(launch.streams, Streams::Files { stdin: place.composed(3), out, err, show });
        let value = |name: &str| launch.env.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let set = |text: &str| Some(Some(OsString::from(text)));
        assert_eq!(value("CLAUDECODE"), Some(None));
        assert_eq!(value("SWARM_RUN"), set("run-1"));
        assert_eq!(value("SWARM_WORKER"), set("loopy"));
        assert_eq!(value("SWARM_ITERATION"), set("3"));
        assert_eq!(value("GIT_CONFIG_COUNT"), set("2"));
        // What git makes of it.
        let mut git = Command::new("git");
        launch.env.iter().for_each(|(name, value)| _ = git.env(name, value.as_deref().unwrap_or_default()));
        let told = git.args(["config", "--get", "gc.autodetach"]).output().unwrap();
        assert_eq!(told.stdout, b"false\n");

        std::fs::write(place.composed(3), "").unwrap();
        let error = place.tree().launch(&open).unwrap_err();
        assert!(error.message.contains("was lost") && !error.permanent, "an empty prompt starts nobody");
    });
}

#[test]
fn the_survey_sees_commits_boxes_and_uncommitted_work() {
    isolated("the_survey_sees_commits_boxes_and_uncommitted_work", async || {
        let place = Place::new();
        let tree = place.tree();
        let ready = place.prepare(1).await.unwrap();
        assert_eq!(ready.survey.head, Some(place.git(&["rev-parse", "HEAD"])));
        let boxes = ready.survey.boxes.clone().unwrap();
        assert_eq!((boxes.done, boxes.open, boxes.first_open.as_deref()), (1, 2, Some("two")));
        let look = async |before: &Survey| {
            let open = Open { survey: before.clone(), ..open(attempt(1, 1), &ready) };
            tree.after(&open, &exit(Status::Code(0))).await.0
        };
        let clean = look(&ready.survey).await;
        assert_eq!(clean.tree, Tree::Clean, "the logs do not count");

        place.write("new file", "1");
        let dirty = look(&clean).await;
        assert!(matches!(dirty.tree, Tree::Dirty(_)));
        assert_eq!(look(&dirty).await, dirty, "nothing changed");
        place.write("new file", "12");
        let more = look(&dirty).await;
        assert!(matches!(more.tree, Tree::Dirty(_)) && more.tree != dirty.tree, "the same entry, another content");

        let next = tree.prepare(&attempt(2, 1), None, None, Some(more.clone())).await.unwrap();
        assert_eq!(next.survey.tree, more.tree, "carried over");
        std::fs::remove_file(place.path("IMPLEMENTATION_PLAN.md")).unwrap();
        nix::unistd::mkfifo(&place.path("IMPLEMENTATION_PLAN.md"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(look(&more).await.boxes, None, "a pipe is no plan, and waits for nobody");
        std::fs::remove_file(place.path("IMPLEMENTATION_PLAN.md")).unwrap();
        place.git(&["restore", "IMPLEMENTATION_PLAN.md"]);

        place.commit();
        assert_eq!(look(&more).await.tree, Tree::Unknown, "a commit is progress enough");
        let next = tree.prepare(&attempt(3, 1), None, None, Some(more.clone())).await.unwrap();
        assert_eq!(next.survey.tree, Tree::Unknown, "not carried over a commit");
    });
}

#[test]
fn a_look_at_the_tree_writes_nothing_and_runs_nothing_of_the_repository() {
    isolated("a_look_at_the_tree_writes_nothing_and_runs_nothing_of_the_repository", async || {
        let place = Place::new();
        let ready = place.prepare(1).await.unwrap();
        let trap = place.folder.path().join("trapped");
        let monitor = script(&place.folder.path().join("monitor"), &format!("touch {}", trap.display()));
        place.git(&["config", "core.fsmonitor", &monitor]);
        // Racily clean entries are what git would refresh in the index.
        place.write("PROMPT.md", "Do it.\n");
        let index = std::fs::read(place.path(".git/index")).unwrap();
        let (survey, _) = place.tree().after(&open(attempt(1, 1), &ready), &exit(Status::Code(0))).await;
        assert_eq!(survey.tree, Tree::Clean);
        assert_eq!(std::fs::read(place.path(".git/index")).unwrap(), index);
        assert!(!trap.exists());
    });
}

#[test]
fn without_a_repository_everything_is_quiet() {
    isolated("without_a_repository_everything_is_quiet", async || {
        let place = Place::without_repository();
        let ready = place.prepare(1).await.unwrap();
        assert_eq!(ready.survey, Survey::default());
        let (survey, notes) = place.tree().after(&open(attempt(1, 1), &ready), &exit(Status::Signal(9))).await;
        assert_eq!((survey, notes), (Survey::default(), vec![]));
        assert!(place.tree().push().await.unwrap().contains("no git repository"));
        assert_eq!(place.tree().verify(&attempt(1, 1)).await, (true, String::new()));
    });
}

#[test]
fn locks_of_a_killed_attempt_are_removed_and_named() {
    isolated("locks_of_a_killed_attempt_are_removed_and_named", async || {
        let place = Place::new();
        let old = place.path(".git/config.lock");
        std::fs::write(&old, "").unwrap();
        std::fs::File::open(&old).unwrap().set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
        let outside = place.folder.path().join("outside.lock");
        std::fs::write(&outside, "").unwrap();
        std::os::unix::fs::symlink(&outside, place.path(".git/HEAD.lock")).unwrap();
        std::os::unix::fs::symlink(place.folder.path(), place.path(".git/refs/heads/link")).unwrap();
        let ready = place.prepare(1).await.unwrap();
        let fresh = [".git/index.lock", ".git/refs/heads/main.lock"].map(|name| place.path(name));
        let make = || fresh.iter().for_each(|path| std::fs::write(path, "").unwrap());
        let after = async |exit: Exit| place.tree().after(&open(attempt(1, 1), &ready), &exit).await.1;

        make();
        assert_eq!(after(exit(Status::Code(0))).await, [], "one that ended by itself leaves none");
        let left = swarm::model::ProcessId { pid: 1, start_time: 1, boot_id: String::new() };
        assert_eq!(after(Exit { left: vec![left], ..exit(Status::Signal(9)) }).await, [], "something of it lives");

        let mut other = git_that_waits(&place);
        assert_eq!(after(exit(Status::Signal(9))).await, [], "somebody else's git works there");
        drop(other.stdin.take());
        other.wait().unwrap();

        let named = |path: &PathBuf| Note::RemovedLock { path: path.display().to_string() };
        assert_eq!(after(exit(Status::Signal(9))).await, fresh.each_ref().map(named));
        make();
        assert_eq!(after(exit(Status::Lost)).await.len(), 2);
        assert!(old.exists() && outside.exists() && place.path(".git/HEAD.lock").is_symlink());
        std::fs::remove_file(&old).unwrap();
        std::fs::remove_file(place.path(".git/HEAD.lock")).unwrap();
        place.commit();
    });
}

/// A git process in the repository that ends when its input does.
fn git_that_waits(place: &Place) -> std::process::Child {
    let mut command = Command::new("git");
    command.args(["cat-file", "--batch"]).current_dir(&place.settings.folder);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Its first answer shows that it is there and in its folder.
    use std::io::{Read, Write};
    child.stdin.as_mut().unwrap().write_all(b"HEAD\n").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 40]).unwrap();
    child
}

#[test]
fn the_check_accepts_and_refuses() {
    isolated("the_check_accepts_and_refuses", async || {
        let mut place = Place::new();
        let second = Span::seconds(30);
        let tree = place.checked_by("echo \"$SWARM_ITERATION $(pwd)\"; cat; test -z \"$CLAUDECODE\"", second);
        let place_text = place.settings.folder.canonicalize().unwrap().display().to_string();
        assert_eq!(tree.verify(&attempt(4, 1)).await, (true, format!("4 {place_text}")));
        let tree = place.checked_by("echo out; echo err >&2; exit 3", second);
        let (pass, tail) = tree.verify(&attempt(1, 1)).await;
        assert!(!pass);
        assert_eq!(tail, "out\nerr\n(the check ended with exit status: 3)");
        let tree = place.checked_by("yes 0123456789 | head -c 30000000; exit 1", second);
        let (pass, tail) = tree.verify(&attempt(1, 1)).await;
        assert!(!pass && tail.len() < 4200 && tail.starts_with("0123456789\n"), "{} bytes", tail.len());
    });
}

#[test]
fn the_check_leaves_nothing_and_takes_no_longer() {
    isolated("the_check_leaves_nothing_and_takes_no_longer", async || {
        let mut place = Place::new();
        let tree = place.checked_by("sleep 300 & echo $! >pid; exec sleep 300", Span(300));
        let (pass, tail) = tree.verify(&attempt(1, 1)).await;
        assert!(!pass && tail == "(the check took longer than 300ms and was ended)", "{tail}");
        assert!(!runs(&std::fs::read_to_string(place.path("pid")).unwrap()), "its child is gone");
        let tree = place.checked_by("sleep 300 & echo $! >pid", Span::seconds(30));
        let begin = Instant::now();
        assert!(tree.verify(&attempt(1, 1)).await.0);
        assert!(!runs(&std::fs::read_to_string(place.path("pid")).unwrap()), "what it left is gone");
        assert!(begin.elapsed() < Duration::from_secs(20), "and was not waited for");
    });
}

#[test]
fn a_push_sets_the_upstream_once() {
    isolated("a_push_sets_the_upstream_once", async || {
        let place = Place::new();
        let remote = place.folder.path().join("remote.git");
        place.git(&["init", "--quiet", "--bare", &remote.display().to_string()]);
        let warning = place.tree().push().await.unwrap();
        assert!(warning.starts_with("git ended with") && warning.contains("origin"), "{warning}");
        place.git(&["remote", "add", "origin", &remote.display().to_string()]);
        assert_eq!(place.tree().push().await, None);
        assert_eq!(place.git(&["rev-parse", "main@{upstream}"]), place.git(&["rev-parse", "main"]));
        place.commit();
        assert_eq!(place.tree().push().await, None);
        let there = place.git(&["--git-dir", &remote.display().to_string(), "rev-parse", "main"]);
        assert_eq!(there, place.git(&["rev-parse", "main"]));
        place.git(&["switch", "--quiet", "--detach"]);
        assert!(place.tree().push().await.unwrap().contains("no branch"));
    });
}

#[test]
fn f40_a_push_that_hangs_or_fails_is_a_warning() {
    isolated("f40_a_push_that_hangs_or_fails_is_a_warning", async || {
        let mut place = Place::new();
        let pid = place.folder.path().join("pid");
        let hangs = format!("trap '' TERM\necho 'Connecting ...' >&2\necho $$ >{}\nexec sleep 300", pid.display());
        let ssh = script(&place.folder.path().join("ssh"), &hangs);
        place.git(&["config", "core.sshCommand", &ssh]);
        place.git(&["remote", "add", "origin", "ssh://nobody@localhost/x.git"]);
        place.settings.push.timeout = Duration::from_secs(1);
        let begin = Instant::now();
        let warning = place.tree().push().await.unwrap();
        assert_eq!(warning, "it did not end within 1s and was stopped: Connecting ...");
        assert!(begin.elapsed() < Duration::from_secs(30));
        assert!(!runs(&std::fs::read_to_string(&pid).unwrap()), "its ssh is gone");

        place.settings.push.timeout = DEADLINE;
        script(&place.folder.path().join("ssh"), "echo 'Permission denied (publickey).' >&2; exit 255");
        let warning = place.tree().push().await.unwrap();
        assert!(warning.starts_with("git ended with exit status: 128"), "{warning}");
        assert!(warning.contains("Permission denied"), "{warning}");
    });
}
