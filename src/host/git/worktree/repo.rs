//! Which repository a folder belongs to.

use super::call::Call;
use super::error::GitError;
use crate::host::git::{Repository, common_folder};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// A repository that work trees can be linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo {
    /// Its main work tree; the repository itself where it has none.
    pub root: PathBuf,
    /// What all its work trees share: branches, objects, configuration.
    pub common_dir: PathBuf,
    /// Git takes it for one without a work tree. Where that is wrong, [`super::core_bare_corruption`] knows.
    pub bare: bool,
    /// The folder that was asked about: new branches start from the HEAD there, which in a linked work tree is another
    /// one than the main one's.
    pub here: PathBuf,
}

/// The repository around `folder`: its own one, also from inside a linked work tree or a submodule.
pub async fn repository(folder: &Path) -> Result<Repo, GitError> {
    let here = std::path::absolute(folder).map_err(GitError::at(folder))?;
    let git = match Call::new(&here, &["rev-parse", "--absolute-git-dir"]).answer().await {
        Ok(answer) => path(answer),
        Err(GitError::Said { words, .. }) if words.starts_with("not a git repository") => {
            return Err(GitError::NoRepository { folder: here });
        }
        Err(error) => return Err(error),
    };
    let common_dir = common_folder(&git).canonicalize().map_err(GitError::at(&git))?;
    let root = root(&here, &git, &common_dir).await?;
    let bare = Call::new(&root, &["rev-parse", "--is-bare-repository"]).answer().await? == b"true\n";
    Ok(Repo { root, common_dir, bare, here })
}

/// Where new work trees go unless somebody says otherwise: `<repository>-worktrees` beside the repository.
pub fn default_folder(repo: &Repo) -> PathBuf {
    let mut name = repo.root.file_name().map_or_else(OsString::new, OsStr::to_owned);
    name.push("-worktrees");
    repo.root.with_file_name(name)
}

impl Repo {
    /// The same for those who read it from its files.
    pub(super) fn files(&self) -> Repository {
        let folder = self.common_dir.clone();
        Repository { top: self.root.clone(), git: folder.clone(), common: folder }
    }
}

/// The main work tree. Git says it only of the one that it stands in, so from elsewhere it is found by how repositories
/// are laid out: `.git` lies in it, and a submodule's names it.
async fn root(here: &Path, git: &Path, common: &Path) -> Result<PathBuf, GitError> {
    if let (Some(folder), true) = (common.parent(), common.ends_with(".git")) {
        return Ok(folder.to_owned());
    }
    let tree = Call::new(common, &["config", "--file", "config", "--get", "core.worktree"]).ask().await?;
    if let Some(tree) = tree.map(path).and_then(|tree| common.join(tree).canonicalize().ok()) {
        return Ok(tree);
    }
    let is_main = git.canonicalize().is_ok_and(|git| git == common);
    let top = match Call::new(here, &["rev-parse", "--show-toplevel"]).answer().await {
        Ok(top) if is_main => Some(path(top)),
        _ => None,
    };
    Ok(top.unwrap_or_else(|| common.to_owned()))
}

/// A path as git prints it.
fn path(mut line: Vec<u8>) -> PathBuf {
    line.pop_if(|last| *last == b'\n');
    PathBuf::from(OsString::from_vec(line))
}

/// Where `path` really is: links resolved as far as it exists. Git writes down work trees so.
pub(super) fn real(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    for existing in path.ancestors() {
        if let Ok(real) = existing.canonicalize() {
            return missing.iter().rev().fold(real, |real, name| real.join(name));
        }
        missing.extend(existing.file_name());
    }
    path.to_owned()
}
