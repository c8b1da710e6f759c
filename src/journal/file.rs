//! The facts of a run in a file: append-only, fsynced, repaired when damaged.

use super::lines::{self, Decoded};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// An open journal, at its end.
#[derive(Debug)]
pub struct FileJournal {
    file: File,
    length: u64,
    buffer: Vec<u8>,
}

/// What was found in a journal.
#[derive(Debug, Default)]
pub struct Replay {
    /// The JSON of each whole line, in order.
    pub lines: Vec<String>,
    /// Where the damaged original is kept, if anything but an unfinished last line was damaged.
    pub quarantined: Option<PathBuf>,
}

impl FileJournal {
    /// Makes the journal of a new run. Fails if it exists. Its name is durable once its folder is synced.
    pub fn create(path: &Path) -> io::Result<FileJournal> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(FileJournal { file, length: 0, buffer: Vec::new() })
    }

    /// Reads a journal without touching it. One that somebody removed is empty.
    pub fn read(path: &Path) -> io::Result<Decoded> {
        match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Decoded::default()),
            bytes => Ok(lines::decode(&bytes?)),
        }
    }

    /// Opens a journal to go on with it. An unfinished last line is cut off: nobody was told of it. Any other damage is
    /// kept beside the journal, which is then written anew with what is whole. One that somebody removed begins anew.
    pub fn open(path: &Path) -> io::Result<(FileJournal, Replay)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let decoded = lines::decode(&bytes);
        let mut replay = Replay { lines: decoded.lines, quarantined: None };
        let mut whole = Vec::with_capacity(bytes.len());
        replay.lines.iter().for_each(|line| lines::encode(line, &mut whole));
        if decoded.torn {
            file.set_len(whole.len() as u64)?;
            file.sync_data()?;
        } else if !decoded.damaged.is_empty() {
            replay.quarantined = Some(crate::host::files::quarantine(path)?);
            crate::host::files::write_atomic(path, &whole)?;
            file = OpenOptions::new().read(true).write(true).open(path)?;
        }
        let length = file.seek(SeekFrom::End(0))?;
        Ok((FileJournal { file, length, buffer: Vec::new() }, replay))
    }

    /// Appends lines of JSON and makes them durable. On an error (a full disk) the file is as it was before. A journal that
    /// was removed is an error: what is written to a file without a name is kept for nobody.
    pub fn append<'a>(&mut self, json: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        self.buffer.clear();
        json.into_iter().for_each(|line| lines::encode(line, &mut self.buffer));
        crate::host::failpoint::hit("journal-append")?;
        let written = self.file.write_all(&self.buffer).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            return Err(error);
        }
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::new(io::ErrorKind::NotFound, "somebody removed it"));
        }
        self.length += self.buffer.len() as u64;
        crate::host::failpoint::hit("journal-appended")
    }
}
