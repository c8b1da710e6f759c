//! The repositories of workers and of the current folder: did an agent write `core.bare` into one that has a work tree?

use super::super::known;
use super::Known;
use crate::host::git::worktree::{self, CoreBare};
use crate::host::program;
use crate::report::doctor::Check;

/// All of them in one line.
pub(super) async fn check(known: &Known<'_>) -> Check {
    let name = "core.bare";
    if program::find("git".as_ref()).is_none() {
        return Check::ok(name, "not looked at: there is no git");
    }
    let repositories = known::repositories(known.entries(), known.here).await;
    let mut bare: Vec<CoreBare> = Vec::new();
    for repository in &repositories {
        bare.extend(worktree::core_bare_corruption(repository).await);
    }
    match bare.as_slice() {
        [] if repositories.is_empty() => Check::ok(name, "no repository here, none of a worker"),
        [] => Check::ok(name, format!("as it should be in {} repositories", repositories.len())),
        bare => {
            let roots: Vec<String> = bare.iter().map(|one| one.root.display().to_string()).collect();
            let commands: Vec<&str> = bare.iter().map(|one| one.command.as_str()).collect();
            let says = format!("true in {}, which has a work tree: git refuses to work there", roots.join(", "));
            Check::problem(name, says, commands.join("; "))
        }
    }
}
