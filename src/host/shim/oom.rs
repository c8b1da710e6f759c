//! Did the kernel kill for memory? The cgroup's own counter says so, before and after; an exit code never does.

use crate::model::{Oom, Status};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The file that counts the memory kills of our own cgroup: `memory.events` (v2) or `memory.oom_control` (v1). `None` in
/// a root group of v2, which has no counter, and without a memory controller.
pub fn counter() -> Option<PathBuf> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    candidates(&groups).into_iter().find(|path| File::open(path).is_ok_and(|file| count(&file).is_some()))
}

/// v1 before v2: where the memory controller is in v1, v2 does not count. The path of a group as the host sees it may not
/// exist inside a container: there the mounted root is our own group.
fn candidates(groups: &str) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let inside = group.trim_start_matches('/');
        if controllers.split(',').any(|controller| controller == "memory") {
            let root = Path::new("/sys/fs/cgroup/memory");
            paths.insert(0, root.join("memory.oom_control"));
            paths.insert(0, root.join(inside).join("memory.oom_control"));
        } else if controllers.is_empty() {
            let root = Path::new("/sys/fs/cgroup");
            paths.push(root.join(inside).join("memory.events"));
            paths.push(root.join("memory.events"));
        }
    }
    paths
}

/// The number behind `oom_kill`.
fn count(file: &File) -> Option<u64> {
    let mut buffer = [0; 1024];
    let length = file.read_at(&mut buffer, 0).ok()?;
    let text = std::str::from_utf8(buffer.get(..length)?).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

/// The counter as it was when the attempt began.
pub(super) struct Watch(Option<(File, u64)>);

impl Watch {
    /// Reads the counter for the first time.
    pub(super) fn begin(counter: Option<&Path>) -> Watch {
        let file = counter.and_then(|path| File::open(path).ok());
        Watch(file.and_then(|file| count(&file).map(|before| (file, before))))
    }

    /// What the counter proves about a worker that ended so. `ours` means that we killed it ourselves.
    pub(super) fn judge(&self, status: Status, ours: bool) -> Oom {
        let Some((file, before)) = &self.0 else { return Oom::Unknown };
        match count(file) {
            None => Oom::Unknown,
            Some(after) => judge(*before, after, status, ours),
        }
    }
}

fn judge(before: u64, after: u64, status: Status, ours: bool) -> Oom {
    let killed = status == Status::Signal(nix::libc::SIGKILL);
    match (after > before, killed && !ours) {
        (false, _) => Oom::Denied,
        (true, true) => Oom::Confirmed,
        (true, false) => Oom::Inside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_risen_counter_proves_anything() {
        assert_eq!(judge(3, 3, Status::Signal(9), false), Oom::Denied);
        assert_eq!(judge(3, 4, Status::Signal(9), false), Oom::Confirmed);
        assert_eq!(judge(3, 4, Status::Signal(9), true), Oom::Inside);
        assert_eq!(judge(3, 4, Status::Code(137), false), Oom::Inside);
    }

    #[test]
    fn both_kinds_of_counter_are_read() {
        for text in
            ["oom_kill_disable 0\nunder_oom 0\noom_kill 7\n", "low 0\nmax 9\noom 8\noom_kill 7\noom_group_kill 0\n"]
        {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("counter");
            std::fs::write(&path, text).unwrap();
            assert_eq!(count(&File::open(&path).unwrap()), Some(7));
            let watch = Watch::begin(Some(&path));
            std::fs::write(&path, text.replace("oom_kill 7", "oom_kill 8")).unwrap();
            assert_eq!(watch.judge(Status::Signal(9), false), Oom::Confirmed);
        }
        assert_eq!(Watch::begin(None).judge(Status::Signal(9), false), Oom::Unknown);
    }

    #[test]
    fn the_group_is_found_in_either_hierarchy() {
        let v1 = candidates("4:cpu,memory:/a/b\n0::/\n");
        assert_eq!(v1[0], Path::new("/sys/fs/cgroup/memory/a/b/memory.oom_control"));
        assert_eq!(candidates("0::/user.slice\n")[0], Path::new("/sys/fs/cgroup/user.slice/memory.events"));
        assert!(candidates("nonsense").is_empty());
    }
}
