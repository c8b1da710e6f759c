//! The work trees that a repository knows, those included whose folder is gone.

use super::call::Call;
use super::error::GitError;
use super::repo::{Repo, real};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How git says that it does not know an option.
const USAGE: i32 = 129;

/// What git writes as the reason of its own lock while it makes a work tree.
const MAKING: &str = "initializing";

/// One work tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// Where it is, or was.
    pub path: PathBuf,
    /// The branch it is on, without `refs/heads/`; `None` when detached, and in the middle of a rebase.
    pub branch: Option<String>,
    /// The commit it is on; `None` before the first one.
    pub head: Option<String>,
    /// Locked, with the reason (empty when none was given).
    pub locked: Option<String>,
    /// Git would forget it, and why: its folder is gone.
    pub prunable: Option<String>,
    /// The repository's own one, which cannot be removed.
    pub main: bool,
}

impl Listed {
    /// Git locked it when it began to make it, and never came to the end. Or is not there yet.
    pub(super) fn is_unfinished(&self) -> bool {
        self.locked.as_deref() == Some(MAKING)
    }
}

/// All work trees of `repo`, its own first.
pub async fn list(repo: &Repo) -> Result<Vec<Listed>, GitError> {
    let call = Call::new(&repo.root, &["worktree", "list", "--porcelain"]);
    match call.clone().with("-z").answer().await {
        // Git before 2.36. A newline in a path cannot be told from the end of a line there.
        Err(GitError::Said { code: Some(USAGE), .. }) => Ok(parse(&call.answer().await?, b'\n')),
        answer => Ok(parse(&answer?, 0)),
    }
}

/// The one at `path`, if it is one.
pub(super) fn find<'a>(listed: &'a [Listed], path: &Path) -> Option<&'a Listed> {
    let path = real(path);
    listed.iter().find(|one| real(&one.path) == path)
}

/// Lines of `key value` that end in `end`; an empty one closes a work tree.
fn parse(text: &[u8], end: u8) -> Vec<Listed> {
    let mut all: Vec<Listed> = Vec::new();
    for line in text.split(|&byte| byte == end) {
        let space = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
        let (key, value) = (&line[..space], line.get(space + 1..).unwrap_or_default());
        if key == b"worktree" {
            let path = PathBuf::from(OsStr::from_bytes(value));
            all.push(Listed { path, main: all.is_empty(), ..Listed::default() });
        } else if let Some(one) = all.last_mut() {
            let value = String::from_utf8_lossy(value).into_owned();
            match key {
                b"HEAD" => one.head = Some(value).filter(|commit| commit.bytes().any(|digit| digit != b'0')),
                b"branch" => one.branch = value.strip_prefix("refs/heads/").map(str::to_owned),
                b"locked" => one.locked = Some(value),
                b"prunable" => one.prunable = Some(value),
                _ => {}
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORCELAIN: &str = "worktree /r\nHEAD 1234\nbranch refs/heads/main\n\n\
        worktree /r w\nHEAD 0000\nbranch refs/heads/a/b\nlocked\n\n\
        worktree /x\nHEAD 12\ndetached\nlocked on a stick\nprunable gitdir file points to non-existent location\n\n";

    #[test]
    fn both_forms_say_the_same() {
        let all = parse(PORCELAIN.as_bytes(), b'\n');
        assert_eq!(all, parse(PORCELAIN.replace('\n', "\0").as_bytes(), 0));
        assert!(all[0].main && !all[1].main);
        assert_eq!((all[0].head.as_deref(), all[0].branch.as_deref()), (Some("1234"), Some("main")));
        assert_eq!((all[1].path.as_path(), all[1].head.as_deref()), (Path::new("/r w"), None));
        assert_eq!((all[1].branch.as_deref(), all[1].locked.as_deref()), (Some("a/b"), Some("")));
        assert_eq!((all[2].branch.as_deref(), all[2].locked.as_deref()), (None, Some("on a stick")));
        assert!(all[2].prunable.is_some());
    }

    #[test]
    fn newlines_in_paths() {
        let all = parse(b"worktree /a\nb\0HEAD 12\0detached\0\0", 0);
        assert_eq!(all[0].path, Path::new("/a\nb"));
        assert_eq!(all.len(), 1);
    }
}
