//! Which commit HEAD is, from the files: 20 microseconds instead of the 2 milliseconds of a process. What the files do not
//! say in a way that we know, git is asked.

use super::{Repository, read_small};
use crate::host::files;
use std::io;
use std::path::Path;

/// A reference to a reference to a reference … is not followed further.
const MAX_DEPTH: u32 = 5;

/// A million references; where there are more, git may read them.
const MAX_PACKED: u64 = 64 << 20;

/// References below these belong to one work tree, all others to the repository.
const OWN: [&str; 3] = ["refs/worktree/", "refs/bisect/", "refs/rewritten/"];

/// What the files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    /// This commit.
    Commit(String),
    /// A branch without a commit.
    Unborn,
    /// Nothing that we understand (reftable, a damaged file).
    Odd,
}

impl Repository {
    /// The commit of HEAD; `None` before the first one, or when even git does not know.
    pub async fn head(&self) -> Option<String> {
        match self.read_head() {
            Head::Commit(commit) => Some(commit),
            Head::Unborn => None,
            Head::Odd => self.ask(&["rev-parse", "--quiet", "--verify", "HEAD"]).await,
        }
    }

    /// The branch that HEAD is on; `None` when it is detached.
    pub(super) async fn branch(&self) -> Option<String> {
        self.ask(&["symbolic-ref", "--quiet", "--short", "HEAD"]).await
    }

    /// HEAD by the files alone.
    pub(super) fn read_head(&self) -> Head {
        let Ok(mut text) = read_small(&self.git.join("HEAD")) else { return Head::Odd };
        for _ in 0..MAX_DEPTH {
            let name = match parse(&text) {
                Line::Commit(commit) => return Head::Commit(commit.to_owned()),
                Line::Reference(name) => name.to_owned(),
                Line::Other => return Head::Odd,
            };
            let folder = if OWN.iter().any(|own| name.starts_with(own)) { &self.git } else { &self.common };
            text = match read_small(&folder.join(&name)) {
                Ok(text) => text,
                Err(error) if is_absent(&error) => return self.packed(&name),
                Err(_) => return Head::Odd,
            };
        }
        Head::Odd
    }

    /// A reference without a file of its own. (When references are packed, this file is there before theirs go.)
    fn packed(&self, name: &str) -> Head {
        match find_packed(&self.common.join("packed-refs"), name) {
            Ok(Some(commit)) => Head::Commit(commit),
            Ok(None) => Head::Unborn,
            Err(error) if is_absent(&error) => Head::Unborn,
            Err(_) => Head::Odd,
        }
    }
}

/// No such file. `refs/heads/a/b` has none either where `refs/heads/a` is a file, or `b` only a folder of others.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A line of HEAD or of a reference's file.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    Commit(&'a str),
    Reference(&'a str),
    Other,
}

fn parse(text: &str) -> Line<'_> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    if is_commit(line) {
        return Line::Commit(line);
    }
    match line.strip_prefix("ref:").map(str::trim) {
        Some(name) if is_name(name) => Line::Reference(name),
        _ => Line::Other,
    }
}

/// SHA-1 or SHA-256 in hexadecimal.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A name that may become a path. Components that begin with a dot are no names to git; `refs/heads/.invalid` is how
/// reftable says that the truth is elsewhere.
fn is_name(name: &str) -> bool {
    name.starts_with("refs/")
        && name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
        && !name.contains(['\n', '\0'])
}

/// What `packed-refs` says of `name`: lines of `<commit> <name>`.
fn find_packed(path: &Path, name: &str) -> io::Result<Option<String>> {
    for line in files::read_plain(path, MAX_PACKED)?.split(|&byte| byte == b'\n') {
        let Some((commit, packed)) = std::str::from_utf8(line).ok().and_then(|line| line.split_once(' ')) else {
            continue;
        };
        if packed == name && is_commit(commit) {
            return Ok(Some(commit.to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_that_git_writes() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(parse(&format!("{commit}\n")), Line::Commit(commit));
        assert_eq!(parse("ref: refs/heads/a/b\n"), Line::Reference("refs/heads/a/b"));
        assert_eq!(parse("ref: refs/heads/.invalid\n"), Line::Other);
        assert_eq!(parse("ref: refs/../../secret\n"), Line::Other);
        assert_eq!(parse(""), Line::Other);
        assert_eq!(parse(&commit[1..]), Line::Other);
    }

    /// A repository with one commit on `main`, made by git without anything of the tester's settings.
    struct Scratch(tempfile::TempDir);

    impl Scratch {
        fn new(options: &[&str]) -> Scratch {
            let scratch = Scratch(tempfile::tempdir().unwrap());
            scratch.git(&[&["init", "--quiet", "--initial-branch=main"], options].concat());
            scratch
        }

        fn with_commit(options: &[&str]) -> Scratch {
            let scratch = Scratch::new(options);
            scratch.commit();
            scratch
        }

        fn commit(&self) {
            self.git(&["commit", "--quiet", "--allow-empty", "--message=x"]);
        }

        fn git(&self, arguments: &[&str]) -> String {
            self.git_in("", arguments)
        }

        fn git_in(&self, folder: &str, arguments: &[&str]) -> String {
            let mut command = std::process::Command::new("git");
            command.env_clear().env("PATH", std::env::var("PATH").unwrap()).env("GIT_CONFIG_GLOBAL", "/dev/null");
            command.args(["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "protocol.file.allow=always"]);
            let output = command.args(arguments).current_dir(self.0.path().join(folder)).output().unwrap();
            assert!(output.status.success(), "git {arguments:?}: {output:?}");
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        }

        /// The files say the same as git does.
        fn agrees_in(&self, folder: &str) {
            let told = Head::Commit(self.git_in(folder, &["rev-parse", "HEAD"]));
            assert_eq!(Repository::around(&self.0.path().join(folder)).unwrap().read_head(), told);
        }
    }

    #[test]
    fn ordinary_repositories() {
        let scratch = Scratch::new(&[]);
        assert_eq!(Repository::around(scratch.0.path()).unwrap().read_head(), Head::Unborn);
        scratch.commit();
        scratch.agrees_in("");
        std::fs::create_dir_all(scratch.0.path().join("a/b")).unwrap();
        scratch.agrees_in("a/b");
        scratch.git(&["switch", "--quiet", "--create", "deep/er/branch"]);
        scratch.commit();
        scratch.agrees_in("");
        scratch.git(&["switch", "--quiet", "--detach", "HEAD~1"]);
        scratch.agrees_in("");
        Scratch::with_commit(&["--object-format=sha256"]).agrees_in("");
    }

    #[test]
    fn packed_references() {
        let scratch = Scratch::with_commit(&[]);
        scratch.git(&["branch", "main2"]);
        scratch.git(&["tag", "--annotate", "--message=x", "main3"]);
        scratch.git(&["pack-refs", "--all"]);
        assert!(!scratch.0.path().join(".git/refs/heads/main").exists());
        scratch.agrees_in("");
        scratch.commit();
        scratch.agrees_in("");
        scratch.git(&["switch", "--quiet", "--orphan", "new"]);
        assert_eq!(Repository::around(scratch.0.path()).unwrap().read_head(), Head::Unborn);
    }

    #[test]
    fn work_trees_and_submodules() {
        let scratch = Scratch::with_commit(&[]);
        scratch.git(&["worktree", "add", "--quiet", "-b", "other", "linked"]);
        scratch.git_in("linked", &["commit", "--quiet", "--allow-empty", "--message=y"]);
        scratch.agrees_in("linked");
        scratch.git(&["pack-refs", "--all"]);
        scratch.agrees_in("linked");
        let inner = Scratch::with_commit(&[]);
        scratch.git(&["submodule", "--quiet", "add", &inner.0.path().display().to_string(), "inner"]);
        scratch.agrees_in("inner");
    }

    #[test]
    fn what_is_no_repository_to_git_is_none_here() {
        let scratch = Scratch::with_commit(&[]);
        let folder = scratch.0.path().join("a");
        std::fs::create_dir_all(folder.join(".git")).unwrap();
        assert_eq!(Repository::around(&folder).unwrap().top(), scratch.0.path());
        assert_eq!(Repository::around(tempfile::tempdir().unwrap().path()), None);
    }

    #[tokio::test]
    async fn what_the_files_do_not_say_git_is_asked() {
        let scratch = Scratch::with_commit(&["--ref-format=reftable"]);
        let repository = Repository::around(scratch.0.path()).unwrap();
        assert_eq!(repository.read_head(), Head::Odd);
        assert_eq!(repository.head().await, Some(scratch.git(&["rev-parse", "HEAD"])));
        std::fs::write(scratch.0.path().join(".git/HEAD"), "garbage").unwrap();
        assert_eq!(repository.head().await, None);
    }

    proptest! {
        #[test]
        fn no_text_leads_out_of_the_folder(text in "(ref: ?)?[a-z./\\n0]{0,60}") {
            if let Line::Reference(name) = parse(&text) {
                prop_assert!(Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_))));
            }
        }
    }
}
