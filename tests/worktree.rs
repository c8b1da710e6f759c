//! Work trees with real git in scratch repositories: added, refused, taken back, judged, removed; kills in between, and
//! many at once.
//!
//! What is tested runs git in this very process, with this process's environment. So each test starts itself again in a
//! process whose environment is a trap ([`isolated`]): variables that lead git elsewhere, and a `bin` folder first on
//! PATH into which a test may put a git of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper panics as its test would")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;
use swarm::host::failpoint;
use swarm::host::git::worktree::{
    Added, GitError, Leftover, Made, Repo, Work, add, core_bare_corruption, default_folder, list, remove, repository,
    undo, work_in,
};

/// No wait of a test is longer.
const DEADLINE: Duration = Duration::from_secs(120);

/// Where the real git is.
const REAL: &str = "SWARM_TEST_REAL_PATH";

/// The failpoints that lie between the steps of an addition.
fn points() -> impl Iterator<Item = &'static str> {
    failpoint::ALL.iter().copied().filter(|name| name.starts_with("worktree-"))
}

/// Runs `test` in a process of its own, which is this program with the test of that name.
fn isolated(name: &str, test: impl AsyncFnOnce()) {
    if std::env::var_os(REAL).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // As every supervisor does.
        nix::sys::prctl::set_child_subreaper(true).unwrap();
        return runtime.block_on(async { tokio::time::timeout(DEADLINE, test()).await.expect("in time") });
    }
    let home = tempfile::tempdir().unwrap();
    let output = this_program(name, home.path(), &std::env::var("PATH").unwrap()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(passed, "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

/// The test `name` of this program, alone.
fn this_program(name: &str, home: &Path, real: &str) -> Command {
    std::fs::create_dir_all(home.join("bin")).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).stdin(Stdio::null()).env_clear();
    command.env("PATH", format!("{}/bin:{real}", home.display())).env(REAL, real).env("LANG", "C.UTF-8");
    command.env("HOME", home).env("TMPDIR", home).env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_DIR", "/nowhere").env("GIT_WORK_TREE", "/nowhere").env("GIT_INDEX_FILE", "/nowhere/index");
    command.current_dir("/");
    command
}

/// Puts a shell script in front of the real git; `GIT` in it becomes the real one.
fn fake_git(script: &str) {
    let path = PathBuf::from(std::env::var_os("HOME").unwrap()).join("bin/git");
    let text = format!("#!/bin/sh\nGIT() {{ PATH=${REAL} exec git \"$@\"; }}\n{script}\n");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Work trees, references, configuration, paths.
type Snapshot = (String, String, Vec<u8>, Vec<PathBuf>);

/// A repository `repo` in a folder of its own.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// With one commit on `main`.
    fn new() -> Place {
        let place = Place::empty(&[]);
        std::fs::write(place.repo().join("file"), "one\n").unwrap();
        std::fs::write(place.repo().join(".gitignore"), "*.ignored\n").unwrap();
        place.git(&["add", "--all"]);
        place.git(&["commit", "--quiet", "--message=start"]);
        place
    }

    fn empty(options: &[&str]) -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap() };
        place.git_in("", &[&["init", "--quiet", "--initial-branch=main", "repo"], options].concat());
        place
    }

    fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name.as_ref())
    }

    fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    async fn found(&self) -> Repo {
        repository(&self.repo()).await.unwrap()
    }

    /// Adds `repo-worktrees/<branch>`.
    async fn added(&self, branch: &str) -> Added {
        self.try_add(&self.path("repo-worktrees").join(branch), branch).await.unwrap()
    }

    async fn try_add(&self, path: &Path, branch: &str) -> Result<Added, GitError> {
        let mut added = Added::nothing(path, branch);
        add(&self.found().await, &mut added).await.map(|()| added)
    }

    /// What is said of an addition that is refused, which made nothing.
    async fn refused(&self, path: &Path, branch: &str) -> String {
        let before = self.snapshot();
        let mut added = Added::nothing(path, branch);
        let error = add(&self.found().await, &mut added).await.expect_err("refused");
        assert_eq!(added.made, Made::default());
        assert_eq!(self.snapshot(), before);
        error.to_string()
    }

    fn git(&self, arguments: &[&str]) -> String {
        self.git_in("repo", arguments)
    }

    fn git_in(&self, folder: impl AsRef<Path>, arguments: &[&str]) -> String {
        git_in(&self.folder.path().join(folder), arguments)
    }

    fn commit_in(&self, folder: &Path, subject: &str) {
        git_in(folder, &["commit", "--quiet", "--allow-empty", "--message", subject]);
    }

    /// Everything that an undo has to bring back: work trees, references, configuration, and all paths outside of `.git`.
    fn snapshot(&self) -> Snapshot {
        let config = std::fs::read(self.repo().join(".git/config")).unwrap();
        let paths = paths_below(&self.path(""));
        (self.git(&["worktree", "list", "--porcelain"]), self.git(&["for-each-ref"]), config, paths)
    }
}

fn git_in(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.env_clear().env("PATH", std::env::var(REAL).unwrap()).env("HOME", "/nowhere").current_dir(folder);
    command.args(["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "protocol.file.allow=always"]);
    let output = command.args(arguments).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A person types a command that was told.
fn typed(command: &str) {
    let mut shell = Command::new("bash");
    shell.args(["-c", command]).env_clear().env("PATH", std::env::var(REAL).unwrap()).env("HOME", "/nowhere");
    assert!(shell.status().unwrap().success(), "{command}");
}

fn paths_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with(".git") {
                todo.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

fn unsaved(error: GitError) -> Work {
    match error {
        GitError::Unsaved { work, .. } => *work,
        error => panic!("{error}"),
    }
}

#[test]
fn a_new_branch_starts_from_head() {
    isolated("a_new_branch_starts_from_head", async || {
        let place = Place::new();
        let repo = place.found().await;
        assert_eq!((&repo.root, repo.bare), (&place.repo(), false));
        assert_eq!(default_folder(&repo), place.path("repo-worktrees"));
        let added = place.added("worker-1").await;
        let start = place.git(&["rev-parse", "HEAD"]).trim().to_owned();
        let folder = Some(place.path("repo-worktrees"));
        assert_eq!(added.made, Made { worktree: true, branch: Some(start.clone()), folder, replaced: false });
        assert!(added.path.join("file").exists());
        assert_eq!(git_in(&added.path, &["symbolic-ref", "HEAD"]), "refs/heads/worker-1\n");
        let listed = list(&repo).await.unwrap();
        assert_eq!((listed.len(), listed[0].main, &listed[0].path), (2, true, &repo.root));
        let one = &listed[1];
        assert_eq!(
            (&one.path, one.branch.as_deref(), one.head.as_ref()),
            (&added.path, Some("worker-1"), Some(&start))
        );
        assert_eq!((&one.locked, &one.prunable, one.main), (&None, &None, false));
    });
}

#[test]
fn from_inside_a_linked_work_tree_the_main_repository_is_meant_and_its_own_head() {
    isolated("from_inside_a_linked_work_tree_the_main_repository_is_meant_and_its_own_head", async || {
        let place = Place::new();
        let first = place.added("first").await;
        place.commit_in(&first.path, "ahead");
        std::fs::create_dir_all(first.path.join("deep/er")).unwrap();
        let repo = repository(&first.path.join("deep/er")).await.unwrap();
        assert_eq!(repo.root, place.repo());
        assert_eq!(default_folder(&repo), place.path("repo-worktrees"));
        let mut second = Added::nothing(&default_folder(&repo).join("second"), "second");
        add(&repo, &mut second).await.unwrap();
        assert_eq!(git_in(&second.path, &["log", "-1", "--format=%s"]), "ahead\n");
    });
}

#[test]
fn what_exists_is_used_and_outlives_an_undo() {
    isolated("what_exists_is_used_and_outlives_an_undo", async || {
        let place = Place::new();
        let repo = place.found().await;
        place.git(&["branch", "old"]);
        // A tag of the same name is another thing.
        place.commit_in(&place.repo(), "later");
        place.git(&["tag", "old"]);
        let before = place.snapshot();
        let added = place.added("old").await;
        assert_eq!((added.made.branch.as_ref(), added.made.worktree), (None, true));
        assert_eq!(git_in(&added.path, &["log", "-1", "--format=%s"]), "start\n");
        assert_eq!(git_in(&added.path, &["symbolic-ref", "HEAD"]), "refs/heads/old\n");
        // The same once more: nothing is made, nothing taken back.
        let again = place.added("old").await;
        assert_eq!(again.made, Made::default());
        let standing = place.snapshot();
        assert_eq!(undo(&repo, &again).await, []);
        assert_eq!(place.snapshot(), standing);
        assert_eq!(undo(&repo, &added).await, []);
        assert_eq!(place.snapshot(), before);
    });
}

#[test]
fn paths_of_any_bytes() {
    isolated("paths_of_any_bytes", async || {
        let place = Place::new();
        let before = place.snapshot();
        for name in [&b"a b"[..], b"-dash", b"new\nline", b"\xff\xfe", b"quo'te\"", b"$HOME", "für".as_bytes()] {
            let path = place.path(OsStr::from_bytes(name)).join("-w\n");
            let added = place.try_add(&path, "any").await.unwrap();
            assert!(list(&place.found().await).await.unwrap().iter().any(|one| one.path == path));
            assert_eq!(repository(&path).await.unwrap().root, place.repo());
            assert!(work_in(&path).await.unwrap().is_none());
            assert_eq!(undo(&place.found().await, &added).await, []);
            assert_eq!(place.snapshot(), before);
        }
    });
}

#[test]
fn repositories_at_any_path_and_through_a_link() {
    isolated("repositories_at_any_path_and_through_a_link", async || {
        let place = Place::new();
        let odd = place.path(OsStr::from_bytes(b"-\xff\n"));
        std::fs::rename(place.repo(), &odd).unwrap();
        std::os::unix::fs::symlink(&odd, place.path("link")).unwrap();
        let repo = repository(&place.path("link")).await.unwrap();
        assert_eq!(repo.root, odd);
        let mut added = Added::nothing(&place.path("link").join("inside"), "inside");
        add(&repo, &mut added).await.unwrap();
        assert_eq!(list(&repo).await.unwrap()[1].path, odd.join("inside"));
        // Named otherwise, but the same.
        let mut again = Added::nothing(&odd.join("inside"), "inside");
        add(&repo, &mut again).await.unwrap();
        assert_eq!(again.made, Made::default());
        assert_eq!(undo(&repo, &added).await, []);
        assert_eq!(list(&repo).await.unwrap().len(), 1);
    });
}

#[test]
fn refusals_make_nothing() {
    isolated("refusals_make_nothing", async || {
        let place = Place::new();
        let other = place.added("other").await.path;
        let free = place.path("repo-worktrees/free");
        let said = place.refused(&free, "main").await;
        assert_eq!(said, format!("branch 'main' is already checked out at {}", place.repo().display()));
        let said = place.refused(&free, "other").await;
        assert_eq!(said, format!("branch 'other' is already checked out at {}", other.display()));
        let said = place.refused(&other, "new").await;
        assert_eq!(said, format!("{} is taken: a work tree of branch 'other'", other.display()));
        assert!(place.refused(&place.repo(), "new").await.ends_with("is taken: the repository's own work tree"));
        for bad in ["", "-f", "--force", "a..b", "a b", "@", "@{-1}", "HEAD", "x.lock", "a\0b", "refs/", "a\n"] {
            assert_eq!(place.refused(&free, bad).await, format!("{bad:?} is no valid branch name"));
        }
        std::fs::create_dir(&free).unwrap();
        std::fs::write(free.join("mine"), "").unwrap();
        assert!(
            place.refused(&free, "new").await.ends_with("is taken: a folder that is no work tree of this repository")
        );
        assert!(place.refused(&free.join("mine"), "new").await.ends_with("is taken: it is no folder"));
        let said = place.refused(&free.join("mine/below"), "new").await;
        assert!(said.ends_with("Not a directory"), "{said}");
        // Without its folder a work tree still holds its branch.
        std::fs::remove_dir_all(&other).unwrap();
        let said = place.refused(&place.path("elsewhere"), "other").await;
        let command = format!("git -C {} worktree remove --force -- {}", place.repo().display(), other.display());
        assert!(said.contains("whose folder is gone") && said.contains(&command), "{said}");
        // At its own place it is made again.
        assert!(place.added("other").await.made.worktree);
    });
}

#[test]
fn without_repository_commit_or_folder() {
    isolated("without_repository_commit_or_folder", async || {
        let place = Place::empty(&[]);
        let error = repository(&place.path("")).await.unwrap_err();
        assert_eq!(error.to_string(), "not in a git repository (required for --worktree)");
        assert!(matches!(error, GitError::NoRepository { .. }));
        let error = repository(&place.path("missing")).await.unwrap_err();
        assert_eq!(error.to_string(), format!("{}: No such file or directory", place.path("missing").display()));
        let said = place.refused(&place.path("w"), "new").await;
        assert!(said.contains("has no commit yet"), "{said}");
        std::fs::remove_dir_all(place.repo()).unwrap();
        // The fake one stands where git is looked for.
        fake_git(
            "echo \"fatal: detected dubious ownership in repository at '/x'\nTo add an exception, call:\n\n\tgit config y\" >&2; exit 128",
        );
        let said = repository(&place.path("")).await.unwrap_err().to_string();
        assert!(
            said.contains("detected dubious ownership in repository at '/x'; To add an exception, call: git config y")
        );
    });
}

#[test]
fn what_git_itself_refuses_is_told_in_its_words() {
    isolated("what_git_itself_refuses_is_told_in_its_words", async || {
        let place = Place::new();
        place.git(&["branch", "a"]);
        let before = place.snapshot();
        let repo = place.found().await;
        let mut added = Added::nothing(&place.path("new/w"), "a/b");
        let error = add(&repo, &mut added).await.unwrap_err();
        assert!(error.to_string().starts_with("git branch: "), "{error}");
        assert!(error.to_string().contains("'refs/heads/a' exists"), "{error}");
        assert_eq!(undo(&repo, &added).await, []);
        assert_eq!(place.snapshot(), before);
        // Somebody else's, owned by somebody else.
        fake_git("export GIT_TEST_ASSUME_DIFFERENT_OWNER=1; GIT \"$@\"");
        let said = repository(&place.repo()).await.unwrap_err().to_string();
        assert!(said.contains("dubious ownership") && said.contains("safe.directory"), "{said}");
    });
}

#[test]
fn an_undo_brings_everything_back() {
    isolated("an_undo_brings_everything_back", async || {
        let place = Place::new();
        let repo = place.found().await;
        let before = place.snapshot();
        // Several folders, which all go.
        let added = place.try_add(&place.path("x/y/z"), "deep/er").await.unwrap();
        assert_eq!(added.made.folder, Some(place.path("x")));
        assert_eq!(undo(&repo, &added).await, []);
        assert_eq!(place.snapshot(), before);
        assert_eq!(undo(&repo, &added).await, [], "twice is no harm");
        // What was there stays: an empty folder at its place, and the folder above.
        std::fs::create_dir_all(place.path("there/empty")).unwrap();
        let before = place.snapshot();
        let added = place.try_add(&place.path("there/empty"), "new").await.unwrap();
        assert_eq!((&added.made.folder, added.made.replaced), (&None, true));
        assert_eq!(undo(&repo, &added).await, []);
        assert_eq!(place.snapshot(), before);
        // A folder that was made and that others use by now.
        let added = place.added("one").await;
        let other = place.added("two").await;
        assert_eq!(undo(&repo, &added).await, []);
        assert!(other.path.join("file").exists() && !added.path.exists());
        assert_eq!(place.git(&["branch", "--list", "one"]), "");
    });
}

#[test]
fn what_a_rival_made_first_is_not_taken_back() {
    isolated("what_a_rival_made_first_is_not_taken_back", async || {
        for step in ["branch --no-track", "worktree add"] {
            let place = Place::new();
            // Whoever comes first makes the same, in the very moment before.
            fake_git(&format!("case \" $* \" in *' {step} '*) (GIT \"$@\");; esac; GIT \"$@\""));
            let repo = place.found().await;
            let mut added = Added::nothing(&place.path("repo-worktrees/w"), "w");
            let error = add(&repo, &mut added).await.unwrap_err().to_string();
            assert!(error.contains("already exists"), "{error}");
            undo(&repo, &added).await;
            assert!(!place.git(&["branch", "--list", "w"]).is_empty(), "{step}");
            assert_eq!(added.path.join("file").exists(), step == "worktree add");
        }
    });
}

#[test]
fn a_folder_that_git_has_forgotten_is_named() {
    isolated("a_folder_that_git_has_forgotten_is_named", async || {
        let place = Place::new();
        let added = place.added("w").await;
        std::fs::remove_dir_all(place.repo().join(".git/worktrees/w")).unwrap();
        let said = place.refused(&added.path, "w").await;
        assert!(said.ends_with("is taken: a folder that is no work tree of this repository"), "{said}");
        let left = undo(&place.found().await, &added).await;
        assert_eq!(left.len(), 1);
        assert!(added.path.join("file").exists() && left[0].what.contains("knows it no longer"), "{left:?}");
        typed(&left[0].command);
        assert!(!added.path.exists());
    });
}

#[test]
fn work_outlives_an_undo() {
    isolated("work_outlives_an_undo", async || {
        let place = Place::new();
        let repo = place.found().await;
        let added = place.added("busy").await;
        std::fs::write(added.path.join("mine"), "").unwrap();
        let left = undo(&repo, &added).await;
        let [Leftover { what: tree, command: first }, Leftover { what: branch, command: second }] = &left[..] else {
            panic!("{left:?}")
        };
        assert!(tree.contains(&format!("{}", added.path.display())) && tree.contains("untracked"), "{tree}");
        assert!(branch.starts_with("the branch 'busy' (checked out at "), "{branch}");
        assert!(added.path.join("mine").exists());
        // The commands do what they promise.
        for command in [first, second] {
            typed(command);
        }
        assert_eq!(place.git(&["branch", "--list", "busy"]), "");
        let added = place.added("own").await;
        place.commit_in(&added.path, "my work");
        let left = undo(&repo, &added).await;
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].what, "the branch 'own' (it has commits of its own)");
        assert!(!added.path.exists());
        assert_eq!(place.git(&["log", "-1", "--format=%s", "own"]), "my work\n");
    });
}

#[test]
fn a_checkout_that_fails_is_taken_back() {
    isolated("a_checkout_that_fails_is_taken_back", async || {
        let place = Place::new();
        place.git(&["config", "filter.broken.smudge", "echo no room >&2; false"]);
        place.git(&["config", "filter.broken.required", "true"]);
        std::fs::write(place.repo().join(".git/info/attributes"), "file filter=broken\n").unwrap();
        let before = place.snapshot();
        let repo = place.found().await;
        let mut added = Added::nothing(&place.path("repo-worktrees/w"), "w");
        let error = add(&repo, &mut added).await.unwrap_err().to_string();
        assert!(error.starts_with("git worktree add: ") && error.contains("broken"), "{error}");
        assert!(added.made.branch.is_some() && added.made.folder.is_some());
        assert_eq!(undo(&repo, &added).await, []);
        assert_eq!(place.snapshot(), before);
    });
}

#[test]
fn an_error_between_any_two_steps_is_taken_back() {
    isolated("an_error_between_any_two_steps_is_taken_back", async || {
        for point in points() {
            child("one_addition", point, "err", |place, before, status| {
                assert!(status.success(), "{point}: {status}");
                assert_eq!(place.snapshot(), *before, "{point}");
            });
        }
    });
}

#[test]
fn a_kill_between_any_two_steps_leaves_what_the_next_one_uses() {
    isolated("a_kill_between_any_two_steps_leaves_what_the_next_one_uses", async || {
        let mut killed = Vec::new();
        for point in points() {
            child("one_addition", point, "abort", |place, _, status| {
                assert_eq!(status.signal(), Some(9), "{point}");
                killed.push(place);
            });
        }
        for place in killed {
            let added = place.added("w").await;
            assert_eq!(git_in(&added.path, &["status", "--porcelain", "--branch"]), "## w\n");
            assert!(remove(&place.found().await, &added.path, Some("w"), false).await.unwrap().branch);
            assert_eq!(place.git(&["for-each-ref", "--format=%(refname)"]), "refs/heads/main\n");
        }
    });
}

/// Starts the test `name` for a new place, with a failpoint.
fn child(name: &str, point: &str, action: &str, then: impl FnOnce(Place, &Snapshot, std::process::ExitStatus)) {
    let place = Place::new();
    let before = place.snapshot();
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let mut command = this_program(name, &home, &std::env::var(REAL).unwrap());
    command.env(failpoint::VARIABLE, format!("{point}:{action}")).env(CHILD, place.repo()).stdout(Stdio::null());
    let status = command.status().unwrap();
    then(place, &before, status);
}

/// The repository of the test that is started by [`child`].
const CHILD: &str = "SWARM_TEST_CHILD_REPO";

/// Not a test by itself: it fails or dies at a failpoint, and takes back what it made.
#[test]
fn one_addition() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    isolated("one_addition", async || {
        let repo = repository(Path::new(&folder)).await.unwrap();
        let mut added = Added::nothing(&default_folder(&repo).join("w"), "w");
        let error = add(&repo, &mut added).await.unwrap_err();
        assert!(error.to_string().contains("failpoint"), "{error}");
        assert_eq!(undo(&repo, &added).await, []);
    });
}

/// Runs `script` in the middle of each checkout there.
fn in_the_middle(place: &Place, script: &str) {
    place.git(&["config", "filter.stuck.smudge", script]);
    std::fs::write(place.repo().join(".git/info/attributes"), "file filter=stuck\n").unwrap();
}

/// A place whose checkout is killed in the middle, with all that git started.
async fn killed(added: impl FnOnce(&Place) -> Added) -> (Place, Added) {
    let place = Place::new();
    in_the_middle(&place, "kill -KILL 0");
    let mut added = added(&place);
    let error = add(&place.found().await, &mut added).await.unwrap_err();
    assert!(matches!(error, GitError::Said { code: None, .. }), "{error}");
    assert!(added.made.worktree && added.path.join(".git").exists(), "it was in the middle");
    assert_eq!(list(&place.found().await).await.unwrap()[1].locked.as_deref(), Some("initializing"));
    (place, added)
}

/// A place whose checkout stops in the middle, with the pipe that says so.
fn stuck() -> (Place, tokio::net::unix::pipe::Receiver) {
    let place = Place::new();
    let fifo = place.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    in_the_middle(&place, &format!("echo stuck >{}; sleep 600", fifo.display()));
    let pipe = tokio::net::unix::pipe::OpenOptions::new().read_write(true).open_receiver(&fifo).unwrap();
    (place, pipe)
}

/// Drops an addition in the middle of the checkout: git is ended there.
async fn cut_off(place: &Place, pipe: &tokio::net::unix::pipe::Receiver, added: &mut Added) {
    let repo = place.found().await;
    tokio::select! {
        done = add(&repo, added) => panic!("{done:?}"),
        stuck = pipe.readable() => stuck.unwrap(),
    }
}

#[test]
fn a_dropped_addition_is_taken_back() {
    isolated("a_dropped_addition_is_taken_back", async || {
        let (place, pipe) = stuck();
        let before = place.snapshot();
        let mut added = Added::nothing(&place.path("repo-worktrees/w"), "w");
        cut_off(&place, &pipe, &mut added).await;
        assert!(added.made.worktree, "nobody knows how far it came");
        assert_eq!(list(&place.found().await).await.unwrap().len(), 1, "git itself cleared up");
        assert_eq!(undo(&place.found().await, &added).await, []);
        assert_eq!(place.snapshot(), before);
    });
}

#[test]
fn an_addition_whose_git_was_killed_is_taken_back() {
    isolated("an_addition_whose_git_was_killed_is_taken_back", async || {
        let mut before = None;
        let (place, added) = killed(|place| {
            before = Some(place.snapshot());
            Added::nothing(&place.path("repo-worktrees/w"), "w")
        })
        .await;
        assert_eq!(undo(&place.found().await, &added).await, []);
        assert_eq!(Some(place.snapshot()), before);
    });
}

#[test]
fn a_checkout_that_was_killed_is_made_again() {
    isolated("a_checkout_that_was_killed_is_made_again", async || {
        let (place, _) = killed(|place| Added::nothing(&place.path("repo-worktrees/w"), "w")).await;
        std::fs::remove_file(place.repo().join(".git/info/attributes")).unwrap();
        let again = place.added("w").await;
        assert_eq!((again.made.worktree, &again.made.branch), (true, &None));
        assert_eq!(git_in(&again.path, &["status", "--porcelain"]), "");
        // (Somebody who only reads there is no reason to wait.)
        let mut reader = Command::new("git");
        reader
            .args(["cat-file", "--batch"])
            .current_dir(place.repo())
            .env_clear()
            .env("PATH", std::env::var(REAL).unwrap());
        let mut reader = reader.stdin(Stdio::piped()).spawn().unwrap();
        // Killed before `.git` was written, and after the last file but before the unlocking.
        let locked = place.repo().join(".git/worktrees/w/locked");
        std::fs::write(&locked, "initializing").unwrap();
        assert_eq!(place.added("w").await.made, Made::default());
        assert!(!locked.exists());
        std::fs::write(&locked, "initializing").unwrap();
        std::fs::remove_dir_all(&again.path).unwrap();
        std::fs::create_dir(&again.path).unwrap();
        assert!(place.added("w").await.made.worktree);
        assert_eq!(git_in(&again.path, &["status", "--porcelain"]), "");
        drop(reader.stdin.take());
        reader.wait().unwrap();
    });
}

#[test]
fn a_git_that_is_still_at_it_is_left_alone() {
    isolated("a_git_that_is_still_at_it_is_left_alone", async || {
        let (place, pipe) = stuck();
        let repo = place.found().await;
        let path = place.path("repo-worktrees/w");
        let mut first = Added::nothing(&path, "w");
        tokio::select! {
            done = add(&repo, &mut first) => panic!("{done:?}"),
            said = async {
                pipe.readable().await.unwrap();
                place.try_add(&path, "w").await.unwrap_err().to_string()
            } => assert!(said.starts_with("another git is still making the work tree"), "{said}"),
        }
        assert_eq!(undo(&repo, &first).await, []);
    });
}

#[test]
fn work_that_is_nowhere_else() {
    isolated("work_that_is_nowhere_else", async || {
        let place = Place::new();
        let path = place.added("w").await.path;
        assert!(work_in(&path).await.unwrap().is_none());
        std::fs::write(path.join("a.ignored"), "").unwrap();
        assert!(work_in(&path).await.unwrap().is_none());
        // Hidden by no setting.
        place.git(&["config", "status.showUntrackedFiles", "no"]);
        std::fs::create_dir(path.join("new")).unwrap();
        for name in ["new/a", "new/b c"] {
            std::fs::write(path.join(name), "").unwrap();
        }
        std::fs::write(path.join("file"), "two\n").unwrap();
        let work = work_in(&path).await.unwrap();
        assert_eq!((work.changes, &work.dirty[..]), (3, &["M file", "?? new/a", "?? 'new/b c'"].map(String::from)[..]));
        git_in(&path, &["add", "--all"]);
        git_in(&path, &["commit", "--quiet", "--message=Mine"]);
        let work = work_in(&path).await.unwrap();
        assert_eq!((work.changes, work.unmerged.count, work.detached), (0, 1, false));
        assert!(work.unmerged.latest[0].ends_with(" Mine"), "{work:?}");
        assert_eq!(work.branch.as_deref(), Some("w"));
        // A tag, another branch, a remote: each of them keeps it.
        for reference in ["refs/tags/w", "refs/heads/w2", "refs/remotes/origin/w"] {
            git_in(&path, &["update-ref", reference, "HEAD"]);
            assert!(work_in(&path).await.unwrap().is_none(), "{reference}");
            git_in(&path, &["update-ref", "-d", reference]);
        }
        assert_eq!(work_in(&path).await.unwrap().unmerged.count, 1);
        // Detached, the branch is one of the others.
        git_in(&path, &["switch", "--quiet", "--detach"]);
        let work = work_in(&path).await.unwrap();
        assert!(work.is_none() && work.detached, "{work:?}");
        (0..12).for_each(|number| place.commit_in(&path, &format!("loose {number}")));
        let work = work_in(&path).await.unwrap();
        assert_eq!((work.unmerged.count, work.unmerged.latest.len()), (12, 10));
        let said = work.to_string();
        assert!(
            said.starts_with("12 commits on no branch, tag or remote (") && said.ends_with("loose 2, …)"),
            "{said}"
        );
    });
}

#[test]
fn what_git_is_in_the_middle_of() {
    isolated("what_git_is_in_the_middle_of", async || {
        let place = Place::new();
        let path = place.added("w").await.path;
        std::fs::write(path.join("file"), "theirs\n").unwrap();
        git_in(&path, &["commit", "--quiet", "--all", "--message=theirs"]);
        std::fs::write(place.repo().join("file"), "ours\n").unwrap();
        place.git(&["commit", "--quiet", "--all", "--message=ours"]);
        for (start, what) in [("rebase", "a rebase"), ("merge", "a merge"), ("cherry-pick", "a cherry-pick")] {
            let mut command = Command::new("git");
            command.env_clear().env("PATH", std::env::var(REAL).unwrap()).env("HOME", "/nowhere").current_dir(&path);
            command.args(["-c", "user.name=t", "-c", "user.email=t@localhost", start, "main"]);
            assert!(!command.output().unwrap().status.success(), "{start} meets a conflict");
            let work = work_in(&path).await.unwrap();
            assert_eq!(work.underway, Some(what));
            assert!(work.to_string().ends_with(&format!("{what} in progress")), "{work}");
            assert_eq!(work.dirty, ["UU file"]);
            git_in(&path, &[start, "--abort"]);
            assert_eq!(work_in(&path).await.unwrap().underway, None);
        }
    });
}

#[test]
fn removal_refuses_what_would_be_lost() {
    isolated("removal_refuses_what_would_be_lost", async || {
        let place = Place::new();
        let repo = place.found().await;
        let path = place.added("w").await.path;
        std::fs::write(path.join("mine"), "").unwrap();
        let before = place.snapshot();
        let error = remove(&repo, &path, Some("w"), false).await.unwrap_err();
        let words = format!("the work tree {} has 1 uncommitted change (?? mine)", path.display());
        assert_eq!(error.to_string(), words);
        assert_eq!(unsaved(error).changes, 1);
        std::fs::remove_file(path.join("mine")).unwrap();
        place.commit_in(&path, "Mine");
        assert_eq!(unsaved(remove(&repo, &path, Some("w"), false).await.unwrap_err()).unmerged.count, 1);
        std::fs::write(path.join("mine"), "").unwrap();
        assert_eq!(
            paths_below(&path).len(),
            before.3.iter().filter(|at| at.starts_with(&path) && **at != path).count()
        );
        // By force; the branch keeps its commit.
        let removed = remove(&repo, &path, Some("w"), true).await.unwrap();
        assert!(removed.worktree && !removed.branch && removed.left.is_empty());
        assert!(!path.exists());
        assert_eq!(place.git(&["log", "-1", "--format=%s", "w"]), "Mine\n");
        // Once more is no error.
        assert!(!remove(&repo, &path, None, false).await.unwrap().worktree);
    });
}

#[test]
fn the_branch_goes_only_if_it_was_made_and_is_merged_here() {
    isolated("the_branch_goes_only_if_it_was_made_and_is_merged_here", async || {
        let place = Place::new();
        let repo = place.found().await;
        for (made, remote, merged, goes) in
            [(Some("w"), false, true, true), (None, false, true, false), (Some("w"), true, false, false)]
        {
            let path = place.added("w").await.path;
            place.commit_in(&path, "Mine");
            place.git(&["config", "branch.w.description", "text"]);
            if remote {
                place.git(&["update-ref", "refs/remotes/origin/w", "w"]);
            }
            if merged {
                place.git(&["merge", "--quiet", "w"]);
            }
            let removed = remove(&repo, &path, made, false).await.unwrap();
            assert!(removed.worktree && removed.left.is_empty());
            assert_eq!(removed.branch, goes);
            assert_eq!(place.git(&["branch", "--list", "w"]).is_empty(), goes);
            if goes {
                assert!(!std::fs::read_to_string(place.repo().join(".git/config")).unwrap().contains("branch \"w\""));
            }
        }
    });
}

#[test]
fn what_git_keeps_is_kept() {
    isolated("what_git_keeps_is_kept", async || {
        let place = Place::new();
        let repo = place.found().await;
        let path = place.added("w").await.path;
        place.git(&["worktree", "lock", "--reason=on a stick", path.to_str().unwrap()]);
        let error = remove(&repo, &path, None, true).await.unwrap_err().to_string();
        assert!(error.contains("is locked (on a stick); `git -C ") && error.contains("worktree unlock"), "{error}");
        // A locked one whose folder is away for now is not made anew either.
        std::fs::rename(&path, place.path("away")).unwrap();
        assert!(place.refused(&path, "w").await.contains("is locked (on a stick)"));
        std::fs::rename(place.path("away"), &path).unwrap();
        place.git(&["worktree", "unlock", path.to_str().unwrap()]);
        // Folders that are no work trees of it, and the main one.
        std::fs::create_dir(place.path("mine")).unwrap();
        for folder in [place.path("mine"), place.repo()] {
            let error = remove(&repo, &folder, None, true).await.unwrap_err();
            assert!(matches!(error, GitError::NotAWorktree { .. }), "{error}");
            assert!(folder.exists());
        }
        // Git does not know it again without its `.git`: it refuses, and so nothing is deleted.
        let dot_git = path.join(".git");
        let pointer = std::fs::read(&dot_git).unwrap();
        std::fs::remove_file(&dot_git).unwrap();
        for force in [false, true] {
            let error = remove(&repo, &path, None, force).await.unwrap_err();
            assert!(path.join("file").exists(), "{error}");
        }
        let error = place.refused(&path, "w").await;
        assert!(error.contains("a work tree without its .git; `git -C "), "{error}");
        std::fs::write(&dot_git, pointer).unwrap();
        // A folder that is gone is forgotten, unless a commit would be.
        place.commit_in(&path, "Mine");
        std::fs::remove_dir_all(&path).unwrap();
        assert!(list(&repo).await.unwrap()[1].prunable.is_some());
        assert!(remove(&repo, &path, None, false).await.unwrap().worktree, "its branch keeps the commit");
        assert_eq!(list(&repo).await.unwrap().len(), 1);
        let path = place.added("x").await.path;
        git_in(&path, &["switch", "--quiet", "--detach"]);
        place.commit_in(&path, "Loose");
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(unsaved(remove(&repo, &path, None, false).await.unwrap_err()).unmerged.count, 1);
        assert!(remove(&repo, &path, None, true).await.unwrap().worktree);
    });
}

#[test]
fn submodules_and_repositories_inside_others() {
    isolated("submodules_and_repositories_inside_others", async || {
        let inner = Place::new();
        let place = Place::new();
        place.git(&["submodule", "--quiet", "add", inner.repo().to_str().unwrap(), "sub"]);
        place.git(&["commit", "--quiet", "--message=sub"]);
        // The submodule is a repository of its own.
        let repo = repository(&place.repo().join("sub")).await.unwrap();
        assert_eq!((&repo.root, repo.bare), (&place.repo().join("sub"), false));
        assert_eq!(default_folder(&repo), place.repo().join("sub-worktrees"));
        let mut added = Added::nothing(&place.path("linked"), "linked");
        add(&repo, &mut added).await.unwrap();
        assert_eq!(repository(&added.path).await.unwrap().root, place.repo().join("sub"));
        assert_eq!(undo(&repo, &added).await, []);
        // A submodule that was filled in the work tree has its commits there alone.
        let path = place.added("w").await.path;
        assert!(!work_in(&path).await.unwrap().submodules);
        git_in(&path, &["submodule", "--quiet", "update", "--init"]);
        let work = unsaved(remove(&place.found().await, &path, None, false).await.unwrap_err());
        assert!(work.submodules && work.changes == 0);
        place.commit_in(&path.join("sub"), "inside");
        assert_eq!(work_in(&path).await.unwrap().dirty, ["M sub"]);
        assert!(remove(&place.found().await, &path, None, true).await.unwrap().worktree);
        // A work tree inside of another repository.
        let host = Place::new();
        let added = place.try_add(&host.repo().join("guest"), "guest").await.unwrap();
        assert_eq!(repository(&added.path).await.unwrap().root, place.repo());
        assert_eq!(undo(&place.found().await, &added).await, []);
        // One without its `.git` folder, and one whose pointer is relative.
        let apart = Place::empty(&["--separate-git-dir", "apart"]);
        apart.commit_in(&apart.repo(), "start");
        assert_eq!(apart.found().await.root, apart.repo());
        let added = apart.added("w").await;
        let pointer = std::fs::read_to_string(added.path.join(".git")).unwrap();
        let relative = pointer.replace(&format!("gitdir: {}", apart.path("").display()), "gitdir: ../../");
        assert_ne!(pointer, relative);
        std::fs::write(added.path.join(".git"), relative).unwrap();
        let from_there = repository(&added.path).await.unwrap();
        assert_eq!(from_there.common_dir, apart.found().await.common_dir);
        assert!(remove(&from_there, &added.path, Some("w"), false).await.unwrap().branch);
    });
}

#[test]
fn bare_repositories() {
    isolated("bare_repositories", async || {
        let place = Place::new();
        place.git_in("", &["clone", "--quiet", "--bare", "repo", "store.git"]);
        place.git_in("", &["clone", "--quiet", "--bare", "repo", "project/.git"]);
        for (folder, root, beside) in [
            ("store.git", "store.git", "store.git-worktrees"),
            ("project/.git", "project", "project-worktrees"),
            ("project", "project", "project-worktrees"),
        ] {
            let repo = repository(&place.path(folder)).await.unwrap();
            assert_eq!((repo.root.clone(), repo.bare), (place.path(root), true));
            assert_eq!(default_folder(&repo), place.path(beside));
            let config = std::fs::read(repo.common_dir.join("config")).unwrap();
            let mut added = Added::nothing(&default_folder(&repo).join("w"), "w");
            add(&repo, &mut added).await.unwrap();
            assert_eq!(repository(&added.path).await.unwrap().root, repo.root);
            assert!(work_in(&added.path).await.unwrap().is_none());
            assert_eq!(core_bare_corruption(&repo).await, None, "it is meant to be bare");
            assert!(remove(&repo, &added.path, Some("w"), false).await.unwrap().branch);
            let mut again = Added::nothing(&default_folder(&repo).join("w"), "w");
            add(&repo, &mut again).await.unwrap();
            assert_eq!(undo(&repo, &again).await, []);
            assert_eq!(std::fs::read(repo.common_dir.join("config")).unwrap(), config, "nobody mends it");
        }
    });
}

#[test]
fn a_repository_that_was_made_bare_by_mistake_is_named() {
    isolated("a_repository_that_was_made_bare_by_mistake_is_named", async || {
        for apart in [false, true] {
            let place = Place::new();
            if apart {
                place.git(&["config", "extensions.worktreeConfig", "true"]);
            }
            let path = place.added("w").await.path;
            assert_eq!(core_bare_corruption(&place.found().await).await, None);
            let scope = if apart { ["config", "--worktree"] } else { ["config", "--local"] };
            place.git(&[&scope[..], &["core.bare", "yes"]].concat());
            for folder in [place.repo(), path.clone()] {
                let repo = repository(&folder).await.unwrap();
                assert_eq!((repo.root.clone(), repo.bare), (place.repo(), true));
                let found = core_bare_corruption(&repo).await.expect("named");
                assert_eq!(found.root, place.repo());
                assert!(found.to_string().contains(&found.command), "{found}");
            }
            // Work trees go on all the same.
            let repo = place.found().await;
            assert!(work_in(&path).await.unwrap().is_none());
            assert!(remove(&repo, &path, Some("w"), false).await.unwrap().branch);
            let command = core_bare_corruption(&repo).await.unwrap().command;
            typed(&command);
            assert_eq!(core_bare_corruption(&repo).await, None);
            assert_eq!(place.git(&["status", "--porcelain"]), "");
            // Turned into a bare one on purpose: nothing of it is checked out.
            place.git(&["config", "core.bare", "true"]);
            std::fs::remove_file(place.repo().join("file")).unwrap();
            std::fs::remove_file(place.repo().join(".gitignore")).unwrap();
            assert_eq!(core_bare_corruption(&repo).await, None);
        }
    });
}

#[test]
fn many_at_once() {
    isolated("many_at_once", async || {
        let place = Rc::new(Place::new());
        (0..100).for_each(|number| std::fs::write(place.repo().join(format!("file{number}")), "x").unwrap());
        place.git(&["add", "--all"]);
        place.git(&["commit", "--quiet", "--message=files"]);
        let before = place.snapshot();
        for _ in 0..3 {
            let names: Vec<String> = (0..8).map(|number| format!("w{number}")).collect();
            let added = at_once(&names, |name| {
                let place = Rc::clone(&place);
                async move { place.added(&name).await }
            })
            .await;
            assert_eq!(list(&place.found().await).await.unwrap().len(), 9);
            // Half of them are taken back, half removed, all at the same time.
            at_once(&added, |added| {
                let place = Rc::clone(&place);
                async move {
                    let repo = place.found().await;
                    if added.branch.ends_with(['0', '2', '4', '6']) {
                        assert_eq!(undo(&repo, &added).await, []);
                    } else {
                        let removed = remove(&repo, &added.path, Some(&added.branch), false).await.unwrap();
                        assert!(removed.branch && removed.left.is_empty(), "{removed:?}");
                    }
                }
            })
            .await;
            let _ = std::fs::remove_dir(place.path("repo-worktrees"));
            assert_eq!(place.snapshot(), before);
        }
    });
}

/// Runs `each` for all of them in one process, at the same time.
async fn at_once<T: Clone, F: Future<Output: 'static> + 'static>(all: &[T], each: impl Fn(T) -> F) -> Vec<F::Output> {
    let local = tokio::task::LocalSet::new();
    let tasks: Vec<_> = all.iter().map(|one| local.spawn_local(each(one.clone()))).collect();
    local.await;
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

/// A git that fails the first `times` checkouts with these words, and counts all.
fn fails_at_first(times: u32, words: &str) {
    fake_git(&format!(
        "case \" $* \" in *' worktree add '*) echo x >>$HOME/count
         if [ $(wc -l <$HOME/count) -le {times} ]; then echo \"fatal: {words}\" >&2; exit 128; fi;; esac
         GIT \"$@\""
    ));
}

fn checkouts() -> usize {
    std::fs::read_to_string(PathBuf::from(std::env::var_os("HOME").unwrap()).join("count")).unwrap().lines().count()
}

#[test]
fn a_lost_race_is_run_again() {
    isolated("a_lost_race_is_run_again", async || {
        for (number, words) in [
            "could not lock config file .git/config",
            "Unable to create '/x/.git/worktrees/w/index.lock': File exists.",
            "failed to read .git/worktrees/w1-5/commondir: No such file or directory",
        ]
        .iter()
        .enumerate()
        {
            fails_at_first(2 + 3 * number as u32, words);
            Place::new().added("w").await;
            assert_eq!(checkouts(), 3 * (number + 1), "{words}");
        }
    });
}

#[test]
fn other_failures_and_locks_that_stay_are_told() {
    isolated("other_failures_and_locks_that_stay_are_told", async || {
        fails_at_first(1, "No space left on device");
        let place = Place::new();
        let said = place.try_add(&place.path("w"), "w").await.unwrap_err().to_string();
        assert_eq!(said, "git worktree add: No space left on device");
        assert_eq!(checkouts(), 1);
        fails_at_first(1000, "Unable to create '/x/.git/index.lock': File exists.");
        let said = place.try_add(&place.path("w"), "w").await.unwrap_err().to_string();
        assert_eq!(said, "git worktree add: Unable to create '/x/.git/index.lock': File exists.");
        assert_eq!(checkouts(), 1 + 16);
    });
}

#[test]
fn an_older_git_lists_without_z() {
    isolated("an_older_git_lists_without_z", async || {
        fake_git("case \" $* \" in *' -z '*) echo 'error: unknown switch `z' >&2; exit 129;; esac; GIT \"$@\"");
        let place = Place::new();
        let mut added = Added::nothing(&place.path("a b"), "w");
        let repo = place.found().await;
        add(&repo, &mut added).await.unwrap();
        assert_eq!(list(&repo).await.unwrap()[1].path, added.path);
        assert_eq!(undo(&repo, &added).await, []);
    });
}

#[test]
fn no_hook_runs_and_nobody_is_asked() {
    isolated("no_hook_runs_and_nobody_is_asked", async || {
        let place = Place::new();
        for hook in ["post-checkout", "reference-transaction", "post-index-change"] {
            let path = place.repo().join(".git/hooks").join(hook);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, format!("#!/bin/sh\ntouch {}\nexit 1\n", place.path(hook).display())).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        fake_git("echo CALL >>$HOME/env; env >>$HOME/env; GIT \"$@\"");
        let path = place.added("w").await.path;
        assert!(remove(&place.found().await, &path, Some("w"), false).await.unwrap().branch);
        for hook in ["post-checkout", "reference-transaction", "post-index-change"] {
            assert!(!place.path(hook).exists(), "{hook}");
        }
        let env = std::fs::read(PathBuf::from(std::env::var_os("HOME").unwrap()).join("env")).unwrap();
        let env = String::from_utf8_lossy(&env);
        let lines = |wanted: &str| env.lines().filter(|line| *line == wanted).count();
        assert!(lines("CALL") > 5 && env.contains("LC_ALL=C"));
        assert_eq!(lines("GIT_TERMINAL_PROMPT=0"), lines("CALL"));
        assert!(!env.contains("GIT_DIR=") && !env.contains("GIT_WORK_TREE=") && !env.contains("GIT_INDEX_FILE="));
    });
}
