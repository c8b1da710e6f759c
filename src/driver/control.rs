//! The control socket: how another command finds a run's supervisor and asks something of it.
//!
//! One request a connection, one line of JSON, one line back:
//!
//! | request | what |
//! |---|---|
//! | `{"ask":"stop","now":false}` | end the run after this iteration; `true`: at once |
//! | `{"ask":"pause"}` | start no further iteration |
//! | `{"ask":"resume"}` | start iterations again |
//!
//! The answer is `{"ok":true}` or `{"ok":false,"error":"…"}`. The socket lies in the run's private folder and is bound and
//! connected through `/proc/self/fd`, because a socket's path may be no longer than about 100 bytes.

use crate::engine::Ask;
use serde::{Deserialize, Serialize};
use std::fs::{File, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest request that is read.
const LONGEST: u64 = 4096;

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(5);

/// What may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask", deny_unknown_fields)]
pub enum Request {
    /// End the run.
    Stop {
        /// Not after this iteration but at once.
        #[serde(default)]
        now: bool,
    },
    /// Start no further iteration.
    Pause,
    /// Start iterations again.
    Resume,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// It was taken.
    pub ok: bool,
    /// Why not, if not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Request {
    /// The same in the engine's words. A `stop` counts as SIGTERM.
    pub fn ask(self) -> Ask {
        match self {
            Request::Stop { now } => Ask::Stop { signal: nix::libc::SIGTERM, at_once: now },
            Request::Pause => Ask::Pause,
            Request::Resume => Ask::Unpause,
        }
    }
}

/// Binds the socket `name` in `folder`, taking the place of a dead supervisor's. The caller holds the run's lock.
pub fn bind(folder: &Path, name: &str) -> io::Result<UnixListener> {
    match std::fs::remove_file(folder.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let (_folder, path) = short_path(folder, name)?;
    let listener = UnixListener::bind(&path)?;
    std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Asks the supervisor behind `folder`/`name`. An error of kind `NotFound` or `ConnectionRefused` means that none is there.
pub fn ask(folder: &Path, name: &str, request: Request) -> io::Result<Answer> {
    let (_folder, path) = short_path(folder, name)?;
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(LONGEST)).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

/// A path to `folder`/`name` that is short whatever the folder's; valid while the file is open.
fn short_path(folder: &Path, name: &str) -> io::Result<(File, PathBuf)> {
    let folder = File::open(folder)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()));
    Ok((folder, path))
}

/// Reads the request of one connection, hands it to `take`, and answers.
pub(super) async fn serve(stream: tokio::net::UnixStream, take: impl FnOnce(Request)) {
    let talk = async {
        let (reader, mut writer) = stream.into_split();
        let mut line = String::new();
        let mut reader = tokio::io::BufReader::new(tokio::io::AsyncReadExt::take(reader, LONGEST));
        tokio::io::AsyncBufReadExt::read_line(&mut reader, &mut line).await?;
        let answer = match serde_json::from_str::<Request>(&line) {
            Ok(request) => {
                take(request);
                Answer { ok: true, error: None }
            }
            Err(error) => Answer { ok: false, error: Some(error.to_string()) },
        };
        let mut bytes = serde_json::to_vec(&answer)?;
        bytes.push(b'\n');
        tokio::io::AsyncWriteExt::write_all(&mut writer, &bytes).await
    };
    match tokio::time::timeout(PATIENCE, talk).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a control connection failed"),
        Err(_) => tracing::debug!("a control connection was too slow"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_spelled_as_documented() {
        for (json, request) in [
            (r#"{"ask":"stop","now":true}"#, Request::Stop { now: true }),
            (r#"{"ask":"stop"}"#, Request::Stop { now: false }),
            (r#"{"ask":"pause"}"#, Request::Pause),
            (r#"{"ask":"resume"}"#, Request::Resume),
        ] {
            assert_eq!(serde_json::from_str::<Request>(json).unwrap(), request);
        }
        assert!(serde_json::from_str::<Request>(r#"{"ask":"explode"}"#).is_err());
    }

    #[test]
    fn a_socket_deep_in_the_tree_can_be_bound() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("d".repeat(120)).join("e".repeat(120));
        std::fs::create_dir_all(&deep).unwrap();
        let listener = bind(&deep, "s").unwrap();
        drop(listener);
        assert_eq!(ask(&deep, "s", Request::Pause).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        bind(&deep, "s").unwrap();
    }
}
