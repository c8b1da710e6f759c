//! Lock files that a killed git left: while they lie there, every later git refuses to work.

use super::Repository;
use crate::model::Wall;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Locks of one work tree.
const OWN: [&str; 2] = ["index.lock", "HEAD.lock"];

/// Locks of the whole repository.
const SHARED: [&str; 3] = ["config.lock", "packed-refs.lock", "shallow.lock"];

/// References lie in folders below `refs`; no more than these are looked at.
const MAX_ENTRIES: usize = 100_000;

impl Repository {
    /// Removes lock files that are not older than `since`, and returns their paths. The caller knows that nothing of what
    /// it started then still runs. A git that somebody else runs in this work tree keeps all of them.
    pub fn remove_stale_locks(&self, since: Wall) -> Vec<PathBuf> {
        let stale: Vec<PathBuf> = self.locks().into_iter().filter(|path| is_younger(path, since)).collect();
        if stale.is_empty() || self.is_in_use() {
            return Vec::new();
        }
        stale.into_iter().filter(|path| std::fs::remove_file(path).is_ok()).collect()
    }

    /// All places where a lock may lie; those of references only as far as they exist.
    fn locks(&self) -> Vec<PathBuf> {
        let own = OWN.iter().map(|name| self.git.join(name));
        let shared = SHARED.iter().map(|name| self.common.join(name));
        let mut locks: Vec<PathBuf> = own.chain(shared).collect();
        locks.extend(locks_below(&self.common.join("refs")));
        if self.git != self.common {
            locks.extend(locks_below(&self.git.join("refs")));
        }
        locks
    }

    /// Does a git process work in this repository, by the folder that it is in?
    fn is_in_use(&self) -> bool {
        self.is_in_use_by(|_| true)
    }

    /// Does one of those git processes do so that `which` picks by their folders in `/proc`?
    pub(super) fn is_in_use_by(&self, which: impl Fn(&Path) -> bool) -> bool {
        let Ok(common) = self.common.canonicalize() else { return true };
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
        processes.filter(|process| is_git(process) && which(process)).any(|process| {
            // Another user's cannot be looked at. It works elsewhere, or will complain of a lock that is gone.
            let folder = std::fs::read_link(process.join("cwd")).unwrap_or_default();
            let repository = Repository::around(&folder).and_then(|other| other.common.canonicalize().ok());
            folder.starts_with(&common) || repository.is_some_and(|other| other == common)
        })
    }
}

fn is_git(process: &Path) -> bool {
    let name = std::fs::read(process.join("comm")).unwrap_or_default();
    name == b"git\n" || name.starts_with(b"git-")
}

/// A plain file, not older than `since`. What a link points to is none of our business.
fn is_younger(path: &Path, since: Wall) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|file| {
        let modified = file.mtime().saturating_mul(1000).saturating_add(file.mtime_nsec() / 1_000_000);
        file.is_file() && modified >= since.0
    })
}

/// Everything named `*.lock` below `folder`, through no link.
fn locks_below(folder: &Path) -> Vec<PathBuf> {
    let mut locks = Vec::new();
    let mut folders = vec![folder.to_owned()];
    let mut left = MAX_ENTRIES;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().take(left) {
            left -= 1;
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && entry.path().extension().is_some_and(|end| end == "lock") {
                locks.push(entry.path());
            }
        }
    }
    locks
}
