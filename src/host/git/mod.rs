//! Git, as far as a supervisor needs it: which commit HEAD is (read from its files, no process), what is uncommitted, a
//! push, and locks that a killed process left.
//!
//! Outside of a repository nothing of this starts git at all.

mod head;
mod locks;
mod push;
mod status;
pub mod worktree;

pub use push::Push;

use super::files;
use super::group::{self, End, Streams};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A question about the repository itself takes milliseconds; longer, and the disk is gone.
const QUESTION: Duration = Duration::from_secs(20);

/// So much of an answer is read; its first line is what counts.
const ANSWER: usize = 64 * 1024;

/// A path and a few words.
const SMALL: u64 = 4096 + 64;

/// Variables that would point git to another repository than the one that was found from the folder. They are set where
/// the supervisor was started out of a hook.
const MISLEADING: [&str; 6] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"];

/// A repository with a work tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The work tree's root: the folder that holds `.git`.
    top: PathBuf,
    /// Its own git folder: HEAD, the index.
    git: PathBuf,
    /// What it shares with its other work trees: branches, configuration. Mostly the same folder.
    common: PathBuf,
}

impl Repository {
    /// The repository whose work tree `folder` lies in.
    pub fn around(folder: &Path) -> Option<Repository> {
        let folder = std::path::absolute(folder).ok()?;
        folder.ancestors().find_map(|top| {
            let git = git_folder(top)?;
            let common = common_folder(&git);
            // Git passes over a `.git` that lacks these, and looks further up.
            let whole = std::fs::symlink_metadata(git.join("HEAD")).is_ok()
                && common.join("objects").is_dir()
                && common.join("refs").is_dir();
            whole.then(|| Repository { top: top.to_owned(), git, common })
        })
    }

    /// The work tree's root.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// Git in this work tree, with nothing in its environment that leads elsewhere, and nobody to ask.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        MISLEADING.iter().for_each(|name| _ = command.env_remove(name));
        command.current_dir(&self.top).args(arguments).env("GIT_TERMINAL_PROMPT", "0");
        command
    }

    /// The first line that git answers; `None` if it fails, or has nothing to say.
    async fn ask(&self, arguments: &[&str]) -> Option<String> {
        let mut answer = Vec::new();
        let keep = |bytes: &[u8]| answer.extend_from_slice(&bytes[..bytes.len().min(ANSWER - answer.len())]);
        let end = group::run(self.command(arguments), Streams::Output, QUESTION, keep).await;
        let is_answer = matches!(end, Ok(End::Exited(status)) if status.success());
        let line = std::str::from_utf8(&answer).ok().filter(|_| is_answer)?.lines().next()?;
        Some(line.to_owned()).filter(|line| !line.is_empty())
    }
}

/// What `.git` in `top` is or points to.
fn git_folder(top: &Path) -> Option<PathBuf> {
    let dot_git = top.join(".git");
    let kind = std::fs::metadata(&dot_git).ok()?;
    if kind.is_dir() {
        return Some(dot_git);
    }
    // A linked work tree or a submodule.
    let text = read_small(&dot_git).ok()?;
    Some(top.join(text.strip_prefix("gitdir:")?.trim()))
}

/// What a linked work tree's git folder names as its repository's.
fn common_folder(git: &Path) -> PathBuf {
    read_small(&git.join("commondir")).map_or_else(|_| git.to_owned(), |text| git.join(text.trim_end()))
}

/// A file of a few words: HEAD, a reference, a pointer to a folder. A larger one is not what it should be.
fn read_small(path: &Path) -> io::Result<String> {
    let bytes = files::read_plain(path, SMALL)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}
