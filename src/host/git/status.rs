//! What is uncommitted, as one number: it changes when an agent changes anything that git would notice, or writes to a file
//! that was changed before.

use super::Repository;
use crate::host::group::{self, End, Streams};
use crate::model::Tree;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// A tree that git cannot look through in this time stays unknown.
const LIMIT: Duration = Duration::from_secs(60);

/// No index is written, no lock taken, no program of the repository's own configuration is run, nothing is asked.
const ARGUMENTS: [&str; 10] = [
    "--no-optional-locks",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.hooksPath=/dev/null",
    "status",
    "--porcelain=v2",
    "-z",
    "--untracked-files=all",
    "--no-renames",
];

/// An entry that is longer is hashed as far as this; paths end at 4096 bytes.
pub(super) const MAX_ENTRY: usize = 16 * 1024;

impl Repository {
    /// The uncommitted work; unknown if git cannot tell.
    pub async fn status(&self) -> Tree {
        let mut command = self.command(&ARGUMENTS);
        command.env("GIT_OPTIONAL_LOCKS", "0");
        let mut entries = Entries::default();
        let mut print = Fingerprint::default();
        let each = |bytes: &[u8]| entries.feed(bytes, |entry| print.add(&self.top, entry));
        match group::run(command, Streams::Output, LIMIT, each).await {
            Ok(End::Exited(status)) if status.success() => print.tree(),
            _ => Tree::Unknown,
        }
    }
}

/// Cuts a stream at its NULs.
#[derive(Debug, Default)]
pub(super) struct Entries {
    begun: Vec<u8>,
}

impl Entries {
    pub(super) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|&byte| byte == 0) {
            let (text, ends) = piece.strip_suffix(&[0]).map_or((piece, false), |text| (text, true));
            let room = MAX_ENTRY.saturating_sub(self.begun.len());
            self.begun.extend_from_slice(&text[..text.len().min(room)]);
            if ends {
                each(&self.begun);
                self.begun.clear();
            }
        }
    }
}

/// FNV-1a over all entries. It is kept in journals, so it must be the same in every version of `swarm`; the standard
/// library's hasher promises no such thing.
#[derive(Debug)]
struct Fingerprint {
    hash: u64,
    entries: u64,
}

impl Default for Fingerprint {
    fn default() -> Fingerprint {
        Fingerprint { hash: 0xcbf2_9ce4_8422_2325, entries: 0 }
    }
}

impl Fingerprint {
    /// Takes one entry, with time and size of its file: an untracked or changed file that changes again has the same
    /// entry as before.
    fn add(&mut self, top: &Path, entry: &[u8]) {
        self.entries += 1;
        self.bytes(entry);
        self.bytes(&[0]);
        if let Ok(file) = std::fs::symlink_metadata(top.join(path(entry))) {
            let modified = file.mtime().wrapping_mul(1_000_000_000).wrapping_add(file.mtime_nsec());
            self.bytes(&modified.to_le_bytes());
            self.bytes(&file.size().to_le_bytes());
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        self.hash = bytes.iter().fold(self.hash, step);
    }

    fn tree(&self) -> Tree {
        if self.entries == 0 { Tree::Clean } else { Tree::Dirty(self.hash) }
    }
}

/// The path of an entry, relative to the top: behind eight fields of an ordinary one, ten of an unmerged one, one of an
/// untracked one. (Renames are switched off.)
pub(super) fn path(entry: &[u8]) -> &Path {
    let fields = match entry.first() {
        Some(b'1') => 8,
        Some(b'u') => 10,
        _ => 1,
    };
    let path = entry.splitn(fields + 1, |&byte| byte == b' ').nth(fields).unwrap_or_default();
    Path::new(OsStr::from_bytes(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_may_hold_blanks() {
        assert_eq!(path(b"? a b"), Path::new("a b"));
        assert_eq!(path(b"1 .M N... 100644 100644 100644 aa bb a b"), Path::new("a b"));
        assert_eq!(path(b"u UU N... 100644 100644 100644 100644 aa bb cc a b"), Path::new("a b"));
        assert_eq!(path(b""), Path::new(""));
    }

    proptest! {
        #[test]
        fn the_cut_of_the_stream_does_not_matter(stream in prop::collection::vec(0u8..3, 0..200), size in 1usize..50) {
            let collect = |size: usize| {
                let (mut entries, mut found) = (Entries::default(), Vec::new());
                stream.chunks(size).for_each(|chunk| entries.feed(chunk, |entry| found.push(entry.to_vec())));
                found
            };
            prop_assert_eq!(collect(size), collect(1000));
            prop_assert_eq!(collect(size).len(), stream.iter().filter(|&&byte| byte == 0).count());
        }
    }
}
