//! Where things of workers may be beside the state folder: repositories and tmux servers, by all that the entries say.

use crate::host::git::worktree::{self, Repo};
use crate::host::words::shell;
use crate::model::Entry;
use std::collections::BTreeSet;
use std::path::Path;

/// The repositories of these workers' worktrees, and the one around `here`; each once. What is none (any more) is left out.
pub(super) async fn repositories(entries: &[Entry], here: Option<&Path>) -> Vec<Repo> {
    let bases = entries.iter().filter_map(|entry| entry.worktree.as_ref()).map(|tree| tree.base_repo.as_path());
    let folders: BTreeSet<&Path> = bases.chain(here).collect();
    let mut repositories: Vec<Repo> = Vec::new();
    for folder in folders {
        if let Ok(repository) = worktree::repository(folder).await
            && !repositories.iter().any(|known| known.common_dir == repository.common_dir)
        {
            repositories.push(repository);
        }
    }
    repositories
}

/// How a person calls that tmux server.
pub(super) fn tmux(socket: Option<&str>) -> String {
    match socket {
        Some(path) if path.contains('/') => format!("tmux -S {}", shell(path.as_ref())),
        Some(name) => format!("tmux -L {}", shell(name.as_ref())),
        None => "tmux".to_owned(),
    }
}
