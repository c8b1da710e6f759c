//! The state folder: whose it is, whether there is room, what the registry in it says, and who may read it.

use super::Known;
use crate::host::files::inside;
use crate::host::lock;
use crate::host::machine::{self, Disk};
use crate::host::words::{shell, words};
use crate::journal::registry::Reading;
use crate::journal::{Home, Registry, RegistryError};
use crate::report::doctor::Check;
use nix::unistd::{AccessFlags, Uid, access};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Logs grow by megabytes an hour: with less than this a night may not be survived.
const LITTLE_SPACE: u64 = 1 << 30;

/// With less than this not even records can be kept.
const NO_SPACE: u64 = 16 << 20;

/// A run makes some ten files.
const FEW_FILES: u64 = 1000;

/// The deepest file is `runs/<id>/attempts/<n>/record`.
const FLOORS: u32 = 5;

/// Files that are named; of more, their number.
const NAMED: usize = 3;

/// The folder, its disk, the registry, the modes of the files.
pub(super) fn checks(known: &Known<'_>) -> Vec<Check> {
    let Some(home) = known.home else {
        let says = "neither SWARM_HOME nor HOME is set";
        return vec![Check::problem("state folder", says, "set SWARM_HOME to a folder of yours")];
    };
    let mut checks = vec![folder(home.root()), disk(home.root())];
    checks.extend(known.registry.as_ref().map(|reading| registry(home, reading)));
    checks.push(files(home.root()));
    checks
}

fn folder(root: &Path) -> Check {
    let name = "state folder";
    let shown = root.display();
    let elsewhere = "set SWARM_HOME to a folder of yours";
    let found = match root.metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return not_yet(root),
        Err(error) => return Check::problem(name, format!("{shown}: {}", words(&error)), elsewhere),
    };
    if !found.is_dir() {
        return Check::problem(name, format!("{shown} is no folder"), elsewhere);
    }
    if access(root, AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK).is_err() {
        return Check::problem(name, format!("{shown} cannot be written"), elsewhere);
    }
    if found.uid() != Uid::effective().as_raw() {
        let says = format!("{shown} belongs to user {}, and this is user {}", found.uid(), Uid::effective());
        return Check::warning(name, says, "use swarm as its owner, or set SWARM_HOME");
    }
    match found.mode() & 0o077 {
        0 => Check::ok(name, format!("{shown}, private")),
        _ => Check::warning(
            name,
            format!("{shown} is open to others (mode {:o})", found.mode() & 0o777),
            format!("chmod 700 {}", shell(root.as_os_str())),
        ),
    }
}

/// A folder that the first command makes, if it can.
fn not_yet(root: &Path) -> Check {
    let above = existing(root);
    match access(above, AccessFlags::W_OK | AccessFlags::X_OK).is_ok() && above.is_dir() {
        true => Check::ok("state folder", format!("{} is made by the first command", root.display())),
        false => Check::problem(
            "state folder",
            format!("{} cannot be made: {} cannot be written", root.display(), above.display()),
            "set SWARM_HOME to a folder of yours",
        ),
    }
}

/// The folder itself, or the nearest above it that exists.
fn existing(root: &Path) -> &Path {
    root.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"))
}

fn disk(root: &Path) -> Check {
    match machine::disk(existing(root)) {
        Ok(disk) => judge(&disk),
        Err(error) => Check::warning("disk", format!("its space is not to be known: {}", words(&error)), "see `df`"),
    }
}

fn judge(disk: &Disk) -> Check {
    let name = "disk";
    let room = "make room, or set SWARM_HOME to a folder on another disk";
    let says = format!("{} free", size(disk.free));
    if disk.read_only {
        return Check::problem(name, "mounted read-only", "set SWARM_HOME to a folder that can be written");
    }
    if disk.free < NO_SPACE || disk.free_files == Some(0) {
        return Check::problem(name, format!("full: {says}"), room);
    }
    if let Some(kind) = disk.network {
        let says = format!("{says}, but {kind}: locks and syncs may not hold there");
        return Check::warning(name, says, "set SWARM_HOME to a folder on a disk of this machine");
    }
    if disk.free < LITTLE_SPACE {
        return Check::warning(name, says, room);
    }
    match disk.free_files.filter(|files| *files < FEW_FILES) {
        Some(files) => Check::warning(name, format!("{says}, but only {files} more files"), room),
        None => Check::ok(name, says),
    }
}

/// Bytes for people, in the unit that fills.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

fn registry(home: &Home, reading: &Result<Reading, RegistryError>) -> Check {
    let name = "state.json";
    let registry = Registry::at(home);
    let reading = match reading {
        Ok(reading) => reading,
        Err(error @ RegistryError::Newer { .. }) => {
            return Check::problem(name, error.to_string(), "use the swarm that wrote it, or another SWARM_HOME");
        }
        Err(error) => return Check::problem(name, error.to_string(), "correct its rights"),
    };
    if let Some(damage) = &reading.damage {
        let says = format!("damaged ({}): {} entries are whole", damage.why, damage.good);
        return Check::problem(name, says, "swarm ls (it keeps a copy, and rebuilds the rest from the workers' runs)");
    }
    if let Ok(Some(holder)) = lock::holder(&registry.lock_path()) {
        let (pid, note) = (holder.process.pid, holder.note);
        let says = format!("just being changed by process {pid} ({note})");
        return Check::warning(name, says, format!("look again; if it stays: kill {pid}"));
    }
    match registry.path().exists() {
        true => Check::ok(name, format!("whole: {} workers", reading.state.workers.len())),
        false => Check::ok(name, "made with the first worker"),
    }
}

/// What is in the folder is nobody else's business: prompts, logs, values of environments.
fn files(root: &Path) -> Check {
    let name = "private files";
    let all = files_below(root, FLOORS).into_iter();
    let open: Vec<PathBuf> = all.filter(|(_, file)| file.mode() & 0o077 != 0).map(|(path, _)| path).collect();
    if open.is_empty() {
        return Check::ok(name, "nothing is open to others");
    }
    let named: Vec<String> = open.iter().take(NAMED).map(|path| path.display().to_string()).collect();
    let more = if open.len() > NAMED { format!(" and {} more", open.len() - NAMED) } else { String::new() };
    let says = format!("open to others: {}{more}", named.join(", "));
    let todo = format!("chmod -R go= {}", shell(root.as_os_str()));
    // Nobody comes to a file whose folder is closed.
    let reachable = root.metadata().is_ok_and(|folder| folder.mode() & 0o011 != 0);
    match reachable {
        true => Check::problem(name, says, todo),
        false => Check::warning(name, says, todo),
    }
}

/// The files below a folder, of so many floors. A link is open to everybody, says nothing about what it leads to, and is
/// not followed.
fn files_below(folder: &Path, floors: u32) -> Vec<(PathBuf, Metadata)> {
    let mut files = Vec::new();
    for path in inside(folder) {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => files.push((path, found)),
            Ok(found) if found.is_dir() && floors > 1 => files.extend(files_below(&path, floors - 1)),
            Ok(_) | Err(_) => {}
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::doctor::Level;

    #[test]
    fn a_disk_is_told_before_it_is_full() {
        let fine = Disk { free: 100 << 30, free_files: None, read_only: false, network: None };
        let level = |disk: Disk| judge(&disk).level;
        assert_eq!(level(fine.clone()), Level::Ok);
        assert_eq!(level(Disk { free: 500 << 20, ..fine.clone() }), Level::Warning);
        assert_eq!(level(Disk { free: 1 << 20, ..fine.clone() }), Level::Problem);
        assert_eq!(level(Disk { free_files: Some(9), ..fine.clone() }), Level::Warning);
        assert_eq!(level(Disk { free_files: Some(0), ..fine.clone() }), Level::Problem);
        assert_eq!(level(Disk { network: Some("NFS"), ..fine.clone() }), Level::Warning);
        assert_eq!(level(Disk { read_only: true, ..fine }), Level::Problem);
    }

    #[test]
    fn sizes_have_one_unit() {
        assert_eq!([0, 1024, 1536 << 10, 5 << 30].map(size), ["0 bytes", "1.0 kB", "1.5 MB", "5.0 GB"]);
    }
}
