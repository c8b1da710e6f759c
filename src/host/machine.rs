//! What this machine offers, and how much of it is used: disks, limits, the kernel. Only looked at, never changed.

use super::marked::pids;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statfs::{self, FsType, statfs};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::Uid;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Bytes that we may still write.
    pub free: u64,
    /// Files that we may still make; `None` where the file system does not count them.
    pub free_files: Option<u64>,
    /// Nothing can be written.
    pub read_only: bool,
    /// Its kind, if it is another machine's.
    pub network: Option<&'static str>,
}

/// The file system that holds `path`.
pub fn disk(path: &Path) -> io::Result<Disk> {
    let (space, kind) = (statvfs(path)?, statfs(path)?.filesystem_type());
    Ok(Disk {
        free: space.blocks_available() * space.fragment_size(),
        free_files: (space.files() > 0).then(|| space.files_available()),
        read_only: space.flags().contains(FsFlags::ST_RDONLY),
        network: network(kind),
    })
}

/// Kinds whose locks and syncs are only as good as another machine makes them. The last four have no name in nix.
fn network(kind: FsType) -> Option<&'static str> {
    const KINDS: [(FsType, &str); 10] = [
        (statfs::NFS_SUPER_MAGIC, "NFS"),
        (statfs::SMB_SUPER_MAGIC, "SMB"),
        (statfs::AFS_SUPER_MAGIC, "AFS"),
        (statfs::CODA_SUPER_MAGIC, "Coda"),
        (statfs::NCP_SUPER_MAGIC, "NCP"),
        (statfs::FUSE_SUPER_MAGIC, "FUSE"),
        (FsType(0x0102_1997), "9p"),
        (FsType(0xff53_4d42), "CIFS"),
        (FsType(0xfe53_4d42), "SMB2"),
        (FsType(0x00c3_6400), "Ceph"),
    ];
    KINDS.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
}

/// How much of something limited is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// So much.
    pub used: u64,
    /// Of so much.
    pub limit: u64,
}

impl Load {
    /// What is left.
    pub fn free(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }
}

/// What our user has of inotify: instances, and watches in all of them. `None` where `/proc` does not say.
pub fn inotify() -> Option<(Load, Load)> {
    let limit = |name: &str| number(&Path::new("/proc/sys/fs/inotify").join(name));
    let (instances, watches) = (limit("max_user_instances")?, limit("max_user_watches")?);
    let descriptors: Vec<u64> = pids().filter(|pid| is_ours(*pid)).flat_map(watches_of).collect();
    let used = descriptors.len() as u64;
    Some((Load { used, limit: instances }, Load { used: descriptors.iter().sum(), limit: watches }))
}

fn is_ours(pid: i32) -> bool {
    fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == Uid::effective().as_raw())
}

/// How many watches each inotify descriptor of a process has.
fn watches_of(pid: i32) -> Vec<u64> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let inotify = descriptors
        .filter(|entry| fs::read_link(entry.path()).is_ok_and(|target| target.as_os_str() == "anon_inode:inotify"));
    let watches = inotify.map(|entry| {
        let info = Path::new("/proc").join(pid.to_string()).join("fdinfo").join(entry.file_name());
        let info = fs::read_to_string(info).unwrap_or_default();
        info.lines().filter(|line| line.starts_with("inotify ")).count() as u64
    });
    watches.collect()
}

/// How many files a process may have open: now, and if it asks for more.
pub fn open_files() -> Option<(u64, u64)> {
    getrlimit(Resource::RLIMIT_NOFILE).ok()
}

/// The processes that there may be: the tightest of what bounds us. `None` when nothing does.
pub fn processes() -> Option<Load> {
    let bounds = cgroup_processes().into_iter().chain(user_processes());
    bounds.min_by_key(Load::free)
}

/// The bounds of our cgroup and of all around it.
fn cgroup_processes() -> Vec<Load> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let loads = cgroups(&groups).into_iter().filter_map(|folder| {
        Some(Load { used: number(&folder.join("pids.current"))?, limit: number(&folder.join("pids.max"))? })
    });
    loads.collect()
}

/// The folders that may hold the counter of processes, for the text of `/proc/self/cgroup`. Inside a container a group's
/// path may be the host's: there the mounted root is our own group.
fn cgroups(groups: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let root = match controllers {
            "" => Path::new("/sys/fs/cgroup"),
            _ if controllers.split(',').any(|one| one == "pids") => Path::new("/sys/fs/cgroup/pids"),
            _ => continue,
        };
        let own = root.join(group.trim_start_matches('/'));
        folders.extend(own.ancestors().take_while(|folder| folder.starts_with(root)).map(Path::to_owned));
    }
    folders
}

/// The bound of our user, which root has not.
fn user_processes() -> Option<Load> {
    if Uid::effective().is_root() {
        return None;
    }
    let (limit, _) = getrlimit(Resource::RLIMIT_NPROC).ok()?;
    let threads = |pid: i32| fs::read_dir(format!("/proc/{pid}/task")).map_or(0, |tasks| tasks.count() as u64);
    let used = pids().filter(|pid| is_ours(*pid)).map(threads).sum();
    Some(Load { used, limit })
}

/// The kernel's release.
pub fn kernel() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim_end().to_owned())
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::inotify::Watcher;

    #[test]
    fn groups_are_looked_for_in_either_hierarchy_up_to_their_root() {
        let paths = |text: &str| cgroups(text).iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(paths("0::/a/b\n"), ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]);
        assert_eq!(paths("4:memory:/x\n7:cpu,pids:/a\n"), ["/sys/fs/cgroup/pids/a", "/sys/fs/cgroup/pids"]);
        assert!(paths("nonsense").is_empty());
    }

    #[test]
    fn a_watch_of_ours_is_counted() {
        let watcher = Watcher::new().unwrap();
        let file = tempfile::tempfile().unwrap();
        watcher.add(&file).unwrap();
        let ours = watches_of(std::process::id().cast_signed());
        assert!(ours.contains(&1), "{ours:?}");
    }

    #[test]
    fn a_full_thing_has_nothing_left() {
        assert_eq!(Load { used: 9, limit: 7 }.free(), 0);
        assert!(disk(Path::new("/proc")).unwrap().network.is_none());
    }
}
