//! The machine: kernel, limits, the evidence of memory kills, root, clocks.

use super::Known;
use crate::host::machine::{self, Load};
use crate::host::process::{self, PidFd};
use crate::host::words::words;
use crate::host::{clock, shim};
use crate::model::Wall;
use crate::report::doctor::Check;
use crate::report::when;
use nix::unistd::Uid;
use std::time::UNIX_EPOCH;

/// A supervisor takes one inotify instance, a worker some processes: with less than this a fleet soon meets the limit.
const SPARE_INSTANCES: u64 = 16;

/// A supervisor watches two files an attempt.
const SPARE_WATCHES: u64 = 256;

/// A worker that builds something runs dozens of processes.
const SPARE_PROCESSES: u64 = 256;

/// Ending hundreds of workers at the same time takes some descriptors each.
const ENOUGH_FILES: u64 = 1024;

/// Clocks of file systems and machines differ by moments.
const CLOCK_SLACK_MS: i64 = 60_000;

/// The release, and whether processes can be held.
pub(super) fn kernel() -> Check {
    let release = machine::kernel().unwrap_or_else(|| "unknown".to_owned());
    match PidFd::of_pid(std::process::id().cast_signed()) {
        Ok(_) => Check::ok("kernel", release),
        Err(error) => Check::problem(
            "kernel",
            format!("{release} gives no pidfd ({}): no worker can be watched", words(&error)),
            "Linux 5.3 or later is needed, and a container must allow pidfd_open",
        ),
    }
}

/// inotify, open files, processes.
pub(super) fn limits() -> Vec<Check> {
    vec![inotify(machine::inotify()), open_files(machine::open_files()), processes(machine::processes())]
}

fn inotify(loads: Option<(Load, Load)>) -> Check {
    let name = "inotify";
    let Some((instances, watches)) = loads else {
        return Check::warning(name, "/proc does not say its limits", "mount /proc");
    };
    let says = format!(
        "{} of {} instances and {} of {} watches are used",
        instances.used, instances.limit, watches.used, watches.limit
    );
    let tight = |load: Load, spare: u64| load.free() < spare;
    if instances.free() == 0 {
        Check::problem(name, says, "sysctl fs.inotify.max_user_instances=1024 (as root)")
    } else if tight(instances, SPARE_INSTANCES) {
        Check::warning(name, says, "sysctl fs.inotify.max_user_instances=1024 (as root)")
    } else if tight(watches, SPARE_WATCHES) {
        Check::warning(name, says, "sysctl fs.inotify.max_user_watches=524288 (as root)")
    } else {
        Check::ok(name, says)
    }
}

fn open_files(limits: Option<(u64, u64)>) -> Check {
    let name = "open files";
    match limits {
        None => Check::warning(name, "the limit is not to be known", "see `ulimit -n`"),
        Some((soft, hard)) if hard < ENOUGH_FILES => {
            let says = format!("at most {hard} a process ({soft} now): large fleets are ended piece by piece");
            Check::warning(name, says, format!("raise the hard limit to {ENOUGH_FILES} (ulimit -Hn, limits.conf)"))
        }
        Some((soft, hard)) => Check::ok(name, format!("{soft} a process, up to {hard}")),
    }
}

fn processes(load: Option<Load>) -> Check {
    let name = "processes";
    match load {
        None => Check::ok(name, "no limit"),
        Some(load) => {
            let says = format!("{} of {} are used", load.used, load.limit);
            match load.free() < SPARE_PROCESSES {
                true => Check::warning(name, says, "end what is not needed, or raise pids.max (ulimit -u)"),
                false => Check::ok(name, says),
            }
        }
    }
}

/// Without the counter nobody can tell a kill for memory from another kill.
pub(super) fn memory() -> Check {
    match shim::oom_counter() {
        Some(counter) => Check::ok("memory", format!("memory kills are counted in {}", counter.display())),
        None => Check::warning(
            "memory",
            "no counter of memory kills: who is killed for memory is recorded as killed, cause unknown",
            "run in a cgroup with a memory controller (systemd-run --user --scope, a container)",
        ),
    }
}

/// Claude Code does not skip permissions for root, unless it is told that nothing can be broken here.
pub(super) fn root() -> Check {
    let sandboxed = std::env::var_os("IS_SANDBOX").is_some_and(|value| value == "1");
    match (Uid::effective().is_root(), sandboxed) {
        (false, _) => Check::ok("root", format!("this is user {}", Uid::effective())),
        (true, true) => Check::ok("root", "this is root, and IS_SANDBOX=1 tells claude that it may work so"),
        (true, false) => Check::warning(
            "root",
            "this is root: claude refuses --dangerously-skip-permissions",
            "use another user, or set IS_SANDBOX=1 if this machine is a sandbox itself",
        ),
    }
}

/// The boot's id, by which processes are told from those of another boot; and a clock that was not set back.
pub(super) fn clock(known: &Known<'_>) -> Check {
    let (name, now) = ("clock", clock::now().wall);
    let boot = match process::boot_id() {
        Ok(boot) => boot,
        Err(error) => {
            let says = format!("the boot's id is not to be known ({}): no worker can be started", words(&error));
            return Check::problem(name, says, "mount /proc");
        }
    };
    let says = format!("{}, boot {boot}", when::stamp(now, &clock::zone()));
    match last_change(known).filter(|last| last.0 > now.0 + CLOCK_SLACK_MS) {
        Some(last) => {
            let last = when::stamp(last, &clock::zone());
            Check::warning(name, format!("{says}; state.json was written at {last}"), "set the clock (timedatectl)")
        }
        None => Check::ok(name, says),
    }
}

/// When the registry was last written.
fn last_change(known: &Known<'_>) -> Option<Wall> {
    let changed = known.home?.root().join("state.json").metadata().ok()?.modified().ok()?;
    let since = changed.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok().map(Wall)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::doctor::Level;

    #[test]
    fn limits_are_told_before_they_are_met() {
        let load = |used, limit| Load { used, limit };
        let level = |instances, watches| inotify(Some((instances, watches))).level;
        let plenty = load(1, 8192);
        assert_eq!(level(load(4, 128), plenty), Level::Ok);
        assert_eq!(level(load(120, 128), plenty), Level::Warning);
        assert_eq!(level(load(128, 128), plenty), Level::Problem);
        assert_eq!(level(load(4, 128), load(8000, 8192)), Level::Warning);
        assert_eq!(open_files(Some((256, 512))).level, Level::Warning);
        assert_eq!(open_files(Some((1024, 1 << 20))).level, Level::Ok);
        assert_eq!(processes(Some(load(500, 512))).level, Level::Warning);
        assert_eq!(processes(None).level, Level::Ok);
    }
}
