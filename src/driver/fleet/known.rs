//! Where things of workers may be beside the state folder: repositories and tmux servers, by all that the entries say.

use crate::host::git::worktree::{self, Repo};
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
