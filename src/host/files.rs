//! Files that must survive: written whole or not at all, private, never overwritten when something is wrong with them.

use super::failpoint;
use std::ffi::OsString;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Replaces `path` by `bytes`, so that any reader at any time, also after a power cut, finds the old or the new whole.
/// Mode 0600. On an error the old file is unharmed and the temporary one is gone.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace(path, &sibling(path, &format!(".{}.tmp", std::process::id())), bytes)
}

/// As [`write_atomic`], for a file whose writers hold a lock. The temporary file then needs one name only: what a writer
/// leaves that dies, the next one replaces, and nothing piles up.
pub fn write_atomic_locked(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = sibling(path, ".tmp");
    // Whoever it belongs to: the folder is ours.
    remove(&temporary)?;
    replace(path, &temporary, bytes)
}

fn replace(path: &Path, temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    let result = write_synced(temporary, bytes)
        .and_then(|()| failpoint::hit("files-before-rename"))
        .and_then(|()| std::fs::rename(temporary, path));
    if result.is_err() {
        // The first error is the one that matters.
        let _ = std::fs::remove_file(temporary);
        return result;
    }
    failpoint::hit("files-after-rename")?;
    sync_folder(path)
}

/// Replaces the content of somebody's own file, whole or not at all, so that it keeps its mode and, as far as we may set it,
/// its owner. A file that must not be written is not replaced either. A new one gets the usual mode.
pub fn rewrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let before = match OpenOptions::new().write(true).open(path) {
        Ok(file) => Some(file.metadata()?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let temporary = sibling(path, &format!(".{}.tmp", std::process::id()));
    let result = write_like(&temporary, bytes, before.as_ref()).and_then(|()| std::fs::rename(&temporary, path));
    if result.is_err() {
        // The first error is the one that matters.
        let _ = std::fs::remove_file(&temporary);
        return result;
    }
    sync_folder(path)
}

/// Writes a file, durably, with the owner and mode of another one.
fn write_like(path: &Path, bytes: &[u8], other: Option<&Metadata>) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    if let Some(other) = other {
        // Only root may give a file away; to write it is more than to keep its owner.
        let _ = std::os::unix::fs::fchown(&file, Some(other.uid()), Some(other.gid()));
        file.set_permissions(other.permissions())?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes a private file (0600), and its bytes survive a power cut; not more than that.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the name of `path` durable: what is in its folder, after a rename or a creation.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

/// A new private file (0600) for reading and writing; an error if it exists.
pub fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// A private folder (0700) with its parents; no error if it exists.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads a plain file of at most `limit` bytes. Anything else is an error, and never waited for: to open a pipe is to wait
/// for somebody who writes, and whoever can write where we read can put one there.
pub fn read_plain(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let kind = std::fs::metadata(path)?;
    if kind.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"));
    }
    if kind.len() > limit {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    std::fs::read(path)
}

/// Reads the end of a file: at most `limit` bytes, and none before `from`.
pub fn read_end(path: &Path, from: u64, limit: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(size.saturating_sub(limit))))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Where the last `count` lines of a file begin. A last line without its end is one too. Reads the file from behind, and no
/// more of it than needed.
pub fn last_lines(file: &File, count: u64) -> io::Result<u64> {
    let mut piece = vec![0; 64 * 1024];
    let size = file.metadata()?.len();
    let (mut end, mut missing) = (size, count);
    while end > 0 && missing > 0 {
        let begin = end.saturating_sub(piece.len() as u64);
        let part = &mut piece[..(end - begin) as usize];
        file.read_exact_at(part, begin)?;
        for at in memchr::memrchr_iter(b'\n', part).map(|at| begin + at as u64 + 1).filter(|at| *at < size) {
            missing -= 1;
            if missing == 0 {
                return Ok(at);
            }
        }
        end = begin;
    }
    Ok(if count == 0 { size } else { 0 })
}

/// Copies a damaged file beside itself: `<name>.corrupted`, else `-2`, `-3`, …: nothing is overwritten. Returns the copy's
/// path; one that is there already, of a repair that was cut short, is not made again.
pub fn quarantine(path: &Path) -> io::Result<PathBuf> {
    let bytes = std::fs::read(path)?;
    for number in 1..=MAX_QUARANTINED {
        let suffix = if number == 1 { ".corrupted".to_owned() } else { format!(".corrupted-{number}") };
        let copy = sibling(path, &suffix);
        match create_private(&copy) {
            Ok(file) => return fill(file, &copy, &bytes).map(|()| copy),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Err(_) if read_plain(&copy, bytes.len() as u64).is_ok_and(|kept| kept == bytes) => return Ok(copy),
            Err(_) => {}
        }
    }
    Err(io::Error::other(format!("{}: more than {MAX_QUARANTINED} damaged copies", path.display())))
}

/// Fills a copy that was just made; half of one is no use to anybody.
fn fill(mut file: File, copy: &Path, bytes: &[u8]) -> io::Result<()> {
    let result = file.write_all(bytes).and_then(|()| file.sync_all());
    if result.is_err() {
        // The first error is the one that matters.
        let _ = std::fs::remove_file(copy);
    }
    result
}

/// Something that damages a file again and again must not fill the disk.
const MAX_QUARANTINED: u32 = 100;

/// `path` with `suffix` behind its name.
fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// What lies in a folder, sorted; nothing if it is none.
pub fn inside(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// Removes a file; one that is not there is no error.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_atomic_write_is_private_and_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("inside"), "x").unwrap();
        assert!(write_atomic(&path, b"two").is_err());
        assert_eq!(std::fs::read(path.join("inside")).unwrap(), b"x");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_last_lines_are_found_from_behind() {
        let mut file = tempfile::tempfile().unwrap();
        let at = |file: &File, count| last_lines(file, count).unwrap();
        assert_eq!((at(&file, 0), at(&file, 3)), (0, 0), "empty");
        file.write_all(b"a\n\nbc\nd").unwrap();
        assert_eq!([0, 1, 2, 3, 4, 5].map(|count| at(&file, count)), [7, 6, 3, 2, 0, 0]);
        file.write_all(b"\n").unwrap();
        assert_eq!([1, 2, 3, 4].map(|count| at(&file, count)), [6, 3, 2, 0]);
        file.write_all(&b"0123456789\n".repeat(50_000)).unwrap();
        assert_eq!([1, 49_999, 50_000, 50_001].map(|count| at(&file, count)), [549_997, 19, 8, 6]);
    }

    #[test]
    fn quarantine_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        std::fs::write(&path, b"\0first").unwrap();
        assert_eq!(quarantine(&path).unwrap(), folder.path().join("state.json.corrupted"));
        assert_eq!(quarantine(&path).unwrap(), folder.path().join("state.json.corrupted"), "the same again");
        std::fs::write(&path, b"second").unwrap();
        assert_eq!(quarantine(&path).unwrap(), folder.path().join("state.json.corrupted-2"));
        assert_eq!(std::fs::read(folder.path().join("state.json.corrupted")).unwrap(), b"\0first");
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
    }
}
