//! A work tree for a worker: its folder, its branch, its checkout. Three durable steps, and what was made stands in
//! [`Added`] before it is made, so that a caller who fails, or gives up in the middle, can take back just that.

use super::call::{CHECKOUT, Call};
use super::error::{GitError, command};
use super::list::{Listed, find, list};
use super::repo::{Repo, real};
use super::unfinished::settle;
use crate::host::failpoint;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A work tree that is wanted, and how much of it [`add`] has made so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// Where it is.
    pub path: PathBuf,
    /// The branch that is checked out there.
    pub branch: String,
    /// What was made for it.
    pub made: Made,
}

/// What [`add`] made. All else was there before, and stays whatever happens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The work tree. Also set when git was started to make it and nobody knows how far it came.
    pub worktree: bool,
    /// The branch; the commit that it started from.
    pub branch: Option<String>,
    /// Folders above the work tree; the topmost one of them.
    pub folder: Option<PathBuf>,
    /// The opposite of making: an empty folder stood where the work tree is.
    pub replaced: bool,
}

impl Added {
    /// Nothing of it made yet. A relative `path` counts from the folder of this process.
    pub fn nothing(path: &Path, branch: &str) -> Added {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Added { path, branch: branch.to_owned(), made: Made::default() }
    }
}

/// What stands where the work tree is wanted.
enum Spot {
    /// This very work tree.
    Reused,
    /// Nothing, or an empty folder.
    Free,
    /// Nothing, but git remembers a work tree there.
    Remembered,
}

/// Makes the work tree that `added` names. A branch that is new starts from HEAD, one that exists is checked out, and a
/// work tree of that branch which is there already is used as it is (nothing is made).
///
/// On an error, and when the call is dropped, `added.made` says what [`super::undo`] has to take back.
pub async fn add(repo: &Repo, added: &mut Added) -> Result<(), GitError> {
    check_name(repo, &added.branch).await?;
    let listed = settle(repo, &added.path).await?;
    let spot = spot(repo, &listed, added)?;
    if matches!(spot, Spot::Reused) {
        return Ok(());
    }
    let start = match exists(repo, &added.branch).await? {
        true => None,
        false => Some(head(repo).await?),
    };
    make_folder(added)?;
    failpoint::hit("worktree-after-folder").map_err(GitError::at(&added.path))?;
    if let Some(start) = start {
        make_branch(repo, added, &start).await?;
    }
    failpoint::hit("worktree-after-branch").map_err(GitError::at(&added.path))?;
    check_out(repo, added, &spot).await?;
    failpoint::hit("worktree-after-checkout").map_err(GitError::at(&added.path))
}

/// What [`add`] would make of it if all went well, without making anything. Noted before, it is what [`super::undo`] needs
/// when nobody lived to say how far it came.
pub async fn plan(repo: &Repo, path: &Path, branch: &str) -> Result<Added, GitError> {
    let mut planned = Added::nothing(path, branch);
    check_name(repo, branch).await?;
    let listed = list(repo).await?;
    if matches!(spot(repo, &listed, &planned)?, Spot::Reused) {
        return Ok(planned);
    }
    planned.made = Made {
        worktree: true,
        branch: if exists(repo, branch).await? { None } else { Some(head(repo).await?) },
        folder: missing_folder(&planned.path),
        replaced: planned.path.is_dir(),
    };
    Ok(planned)
}

/// Git's own rule. It answers with the branch that is meant: `@{-1}` would be another one.
async fn check_name(repo: &Repo, branch: &str) -> Result<(), GitError> {
    let bad = || GitError::BadBranch { branch: branch.to_owned() };
    // `@` is HEAD wherever a commit may stand.
    if branch == "@" || branch.contains('\0') {
        return Err(bad());
    }
    match Call::new(&repo.root, &["check-ref-format", "--branch", branch]).ask().await {
        Ok(Some(meant)) if meant == branch.as_bytes() => Ok(()),
        Ok(_) | Err(GitError::Said { .. }) => Err(bad()),
        Err(error) => Err(error),
    }
}

/// Looks before anything is made, so that a refusal leaves nothing to take back.
fn spot(repo: &Repo, listed: &[Listed], added: &Added) -> Result<Spot, GitError> {
    let here = find(listed, &added.path);
    let elsewhere = |one: &&Listed| one.branch.as_deref() == Some(&added.branch) && Some(*one) != here;
    if let Some(other) = listed.iter().find(elsewhere) {
        let forget = || command(&repo.root, &["worktree", "remove", "--force", "--"], other.path.as_os_str());
        let frees = (!other.path.exists()).then(forget);
        return Err(GitError::CheckedOut { branch: added.branch.clone(), at: other.path.clone(), frees });
    }
    match here {
        None => is_free(&added.path).map(|()| Spot::Free),
        Some(one) if one.path.join(".git").exists() => is_wanted(one, added).map(|()| Spot::Reused),
        Some(Listed { locked: Some(reason), .. }) => {
            let unlocks = command(&repo.root, &["worktree", "unlock", "--"], added.path.as_os_str());
            Err(GitError::Locked { path: added.path.clone(), reason: reason.clone(), unlocks })
        }
        Some(one) => is_free(&one.path).map(|()| Spot::Remembered).map_err(|error| match error {
            GitError::Occupied { path, .. } => {
                let mends = command(&repo.root, &["worktree", "repair", "--"], path.as_os_str());
                GitError::Occupied { path, by: format!("a work tree without its .git; `{mends}` gives it back") }
            }
            error => error,
        }),
    }
}

/// Is the work tree there the one that is wanted?
fn is_wanted(one: &Listed, added: &Added) -> Result<(), GitError> {
    let by = match &one.branch {
        Some(branch) if *branch == added.branch && !one.main => return Ok(()),
        _ if one.main => "the repository's own work tree".to_owned(),
        Some(branch) => format!("a work tree of branch '{branch}'"),
        None => "a work tree that is on no branch".to_owned(),
    };
    Err(GitError::Occupied { path: added.path.clone(), by })
}

/// Nothing is there, or a folder with nothing in it.
fn is_free(path: &Path) -> Result<(), GitError> {
    let by = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(GitError::at(path)(error)),
        Ok(kind) if !kind.is_dir() => "it is no folder",
        Ok(_) if std::fs::read_dir(path).map_err(GitError::at(path))?.next().is_none() => return Ok(()),
        Ok(_) => "a folder that is no work tree of this repository",
    };
    Err(GitError::Occupied { path: path.to_owned(), by: by.to_owned() })
}

/// Is there a branch of this name? Its full name: a tag may have the short one too.
pub(super) async fn exists(repo: &Repo, branch: &str) -> Result<bool, GitError> {
    let name = format!("refs/heads/{branch}");
    Ok(Call::new(&repo.root, &["show-ref", "--verify", "--quiet", &name]).ask().await?.is_some())
}

/// The commit that new branches start from.
async fn head(repo: &Repo) -> Result<String, GitError> {
    let answer = Call::new(&repo.here, &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).ask().await?;
    let commit = answer.and_then(|commit| String::from_utf8(commit).ok());
    commit.ok_or_else(|| GitError::NoCommit { root: repo.root.clone() })
}

/// The folders above. Git would make them too, but not say which.
fn make_folder(added: &mut Added) -> Result<(), GitError> {
    added.made.replaced = added.path.is_dir();
    added.made.folder = missing_folder(&added.path);
    let Some(folder) = added.path.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).map_err(GitError::at(folder))
}

/// The topmost folder above `path` that is not there.
fn missing_folder(path: &Path) -> Option<PathBuf> {
    path.ancestors().skip(1).take_while(|folder| !folder.exists()).last().map(Path::to_owned)
}

/// A branch of its own step: whether `git worktree add -b` that failed had made one, nobody could tell. It follows no
/// other branch: that would be written to the configuration, on which parallel calls would wait for each other.
async fn make_branch(repo: &Repo, added: &mut Added, start: &str) -> Result<(), GitError> {
    added.made.branch = Some(start.to_owned());
    let made = Call::new(&repo.root, &["branch", "--no-track", "--", &added.branch, start]).run().await;
    if matches!(made, Err(GitError::Said { code: Some(_), .. })) {
        added.made.branch = None;
    }
    made
}

/// The checkout. When git says that it failed, it has cleared away what it had made; one that was killed says nothing.
async fn check_out(repo: &Repo, added: &mut Added, spot: &Spot) -> Result<(), GitError> {
    let forced: &[&str] = if matches!(spot, Spot::Remembered) { &["--force"] } else { &[] };
    let call = Call::new(&repo.root, &["worktree", "add"]).with_all(forced).with_all(&["--"]);
    added.made.worktree = true;
    // Where it really is: git looks at a relative or linked path from elsewhere.
    let done = call.with(real(&added.path)).with(&added.branch).within(CHECKOUT).run().await;
    if matches!(done, Err(GitError::Said { code: Some(_), .. })) {
        added.made.worktree = false;
    }
    done
}
