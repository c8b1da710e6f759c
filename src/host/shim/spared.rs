//! Who is below a shim and not its to end: a worker may spawn workers, and those have lives of their own. Their shims are
//! children of ours once `swarm spawn` has ended, and so is the tmux server that such a spawn started. In that server people
//! may have windows of their own by now, so it stays whoever is still in it.

use crate::host::marked::{self, Owner};
use crate::host::process;
use std::path::Path;

/// Is this the shim of another spawned worker, or the tmux server of one? What a loop or a group of the worker's own
/// started is not: that goes with it.
pub(super) fn is_spared(pid: i32) -> bool {
    is_shim_of_worker(pid) || (is_tmux_server(pid) && is_server_of_workers(pid))
}

/// A server that `swarm spawn` started bears no mark; one that a worker started for itself bears that worker's.
fn is_server_of_workers(pid: i32) -> bool {
    marked::of_pid(pid).is_none() || process::children(pid).into_iter().any(is_shim_of_worker)
}

fn is_shim_of_worker(pid: i32) -> bool {
    let Some(Owner::Run(folder)) = marked::of_pid(pid).map(|marked| marked.owner) else { return false };
    folder.parent().and_then(Path::file_name).is_some_and(|kind| kind == "workers")
}

/// It names itself `tmux: server`.
fn is_tmux_server(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with(b"tmux: server"))
}
