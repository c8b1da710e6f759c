//! Linked work trees in the folders where workers get theirs, without a worker. They may hold work: the command that
//! removes one refuses to lose it.

use super::super::known;
use super::Owners;
use crate::host::git::worktree::{self, Listed, Repo};
use crate::host::words::shell;
use crate::host::{lock, marked, program};
use crate::model::Entry;
use crate::report::doctor::{Leak, LeakKind};
use std::path::{Path, PathBuf};

/// A linked work tree, and its repository.
#[derive(Debug)]
pub(super) struct Found {
    repository: PathBuf,
    tree: Listed,
}

/// The linked work trees in the folders of `known` workers, and in those beside their repositories and that of `here`.
pub(super) async fn look(known: &[Entry], here: Option<&Path>, unseen: &mut Vec<String>) -> Vec<Found> {
    if program::find("git".as_ref()).is_none() {
        unseen.push("worktrees: git is not installed".to_owned());
        return Vec::new();
    }
    let mut found = Vec::new();
    for repository in known::repositories(known, here).await {
        let folders = folders(&repository, known);
        match worktree::list(&repository).await {
            Ok(trees) => {
                let at_home = |tree: &Listed| tree.path.parent().is_some_and(|folder| folders.contains(&real(folder)));
                let linked = trees.into_iter().filter(|tree| !tree.main && at_home(tree));
                found.extend(linked.map(|tree| Found { repository: repository.root.clone(), tree }));
            }
            Err(error) => unseen.push(format!("worktrees of {}: {error}", repository.root.display())),
        }
    }
    found
}

/// Where the workers of a repository get their work trees.
fn folders(repository: &Repo, known: &[Entry]) -> Vec<PathBuf> {
    let trees = known.iter().filter_map(|entry| entry.worktree.as_ref());
    let of_it = trees.filter(|tree| real(&tree.base_repo) == real(&repository.root));
    let parents = of_it.filter_map(|tree| tree.path.parent()).map(real);
    parents.chain([real(&worktree::default_folder(repository))]).collect()
}

/// Those that no worker owns, and nobody works in: a loop of ours, a worker of another state folder, a person.
pub(super) fn leaks(owners: &Owners<'_>, found: &[Found]) -> Vec<Leak> {
    let looping = trees_of_loops(owners);
    let owned = |path: &Path| {
        let trees = owners.entries.iter().filter_map(|entry| entry.worktree.as_ref());
        trees.map(|tree| &tree.path).chain(&looping).any(|tree| real(tree) == real(path))
    };
    let nobodys = found.iter().filter(|found| !owned(&found.tree.path) && !marked::works_in(&real(&found.tree.path)));
    nobodys.map(leak).collect()
}

/// The work trees of the loops that run.
fn trees_of_loops(owners: &Owners<'_>) -> Vec<PathBuf> {
    let runs = owners.home.runs().unwrap_or_default().into_iter();
    let running = runs.filter(|run| lock::holder(&run.lock()).is_ok_and(|holder| holder.is_some()));
    running.filter_map(|run| Some(run.record().ok()?.tree)).collect()
}

fn leak(Found { repository, tree }: &Found) -> Leak {
    let git = format!("git -C {} worktree", shell(repository.as_os_str()));
    let path = shell(tree.path.as_os_str());
    let branch = tree.branch.as_ref().map_or("no branch".to_owned(), |branch| format!("branch {branch}"));
    let (why, remove) = match (&tree.prunable, &tree.locked) {
        (_, Some(_)) => ("no worker's, and locked", format!("{git} unlock {path} && {git} remove {path}")),
        (Some(_), None) => ("no worker's, and its folder is gone", format!("{git} prune")),
        (None, None) => ("no worker's", format!("{git} remove {path}")),
    };
    Leak { kind: LeakKind::Worktree, what: format!("{} ({branch})", tree.path.display()), why: why.to_owned(), remove }
}

/// The same path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let parent = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(parent).unwrap_or_else(|| path.to_owned())
}
