//! `core.bare=true` in a repository that has a work tree. Agents do that from inside a linked work tree, where nothing
//! seems to happen; in the main one git then refuses nearly everything.

use super::call::Call;
use super::error::command;
use super::repo::Repo;
use crate::host::git::status::{Entries, MAX_ENTRY};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A repository that was made bare by mistake. It is named and never mended: the configuration is the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreBare {
    /// Its work tree.
    pub root: PathBuf,
    /// The command that mends it.
    pub command: String,
}

impl fmt::Display for CoreBare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.root.display();
        write!(
            f,
            "core.bare is true in {root}, which has a work tree: git refuses to work there; `{}` mends it",
            self.command
        )
    }
}

/// Is `repo` bare by mistake? A repository that is meant to be bare has no index or, where one was turned into such on
/// purpose, none of its tracked files stands beside it; that one is never named.
pub async fn core_bare_corruption(repo: &Repo) -> Option<CoreBare> {
    if repo.root == repo.common_dir || !repo.common_dir.join("index").exists() {
        return None;
    }
    let call = Call::new(&repo.root, &["config", "--show-scope", "--type=bool", "--get", "core.bare"]);
    let answer = String::from_utf8(call.ask().await.ok()??).ok()?;
    // `worktree` where the repository keeps settings apart for each.
    let scope = answer.strip_suffix("\ttrue")?;
    if !has_tracked_files(repo).await {
        return None;
    }
    let option = format!("--{scope}");
    let command = command(&repo.root, &["config", &option, "core.bare"], "false".as_ref());
    Some(CoreBare { root: repo.root.clone(), command })
}

/// Does a file that the index knows stand in the main work tree?
async fn has_tracked_files(repo: &Repo) -> bool {
    #[derive(Default)]
    struct Seen(Entries, bool);
    let call = Call::new(&repo.root, &["-c", "core.bare=false", "ls-files", "-z", "--full-name"]);
    let seen = call.read(|Seen(entries, found), bytes| {
        entries.feed(bytes, |name| {
            let path = repo.root.join(OsStr::from_bytes(name));
            *found |= name.len() < MAX_ENTRY && !*found && std::fs::symlink_metadata(path).is_ok();
        });
    });
    seen.await.is_ok_and(|Seen(_, found)| found)
}
