//! The environment of a worker: what `--env` gives, and who it is.
//!
//! The given values lie in a private file of the worker's run (a respawn needs them), `NAME=value` behind each other, each
//! ended by NUL, which no variable can hold: so every other byte passes. They are nowhere else.

use crate::host::files;
use crate::model::RunId;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// A change: a value sets, `None` removes.
pub(super) type Change = (OsString, Option<OsString>);

/// Keeps the given values, if there are any; makes the folder.
pub(super) fn keep(path: &Path, given: &[(OsString, OsString)]) -> io::Result<()> {
    if given.is_empty() {
        return Ok(());
    }
    path.parent().map_or(Ok(()), files::create_folder)?;
    let mut bytes = Vec::new();
    for (name, value) in given {
        bytes.extend([name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat());
    }
    files::write_synced(path, &bytes)
}

/// The values that were kept; none where there is no file.
pub(super) fn kept(path: &Path) -> io::Result<Vec<(OsString, OsString)>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        bytes => bytes?,
    };
    Ok(bytes.split(|&byte| byte == 0).filter_map(pair).collect())
}

fn pair(field: &[u8]) -> Option<(OsString, OsString)> {
    let at = field.iter().position(|&byte| byte == b'=')?;
    let os = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    Some((os(&field[..at]), os(&field[at + 1..])))
}

/// All changes to the environment of the worker `name`: who it is, then what was given.
pub(super) fn changes(name: &str, run: &RunId, given: &[(OsString, OsString)]) -> io::Result<Vec<Change>> {
    let parent = std::env::var("TRACEPARENT").ok();
    let ours = [
        ("SWARM_WORKER", name.to_owned()),
        ("SWARM_RUN", run.0.clone()),
        ("TRACEPARENT", traceparent(parent.as_deref(), random()?)),
    ];
    let ours = ours.into_iter().map(|(name, value)| (OsString::from(name), Some(OsString::from(value))));
    let given = given.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    Ok(ours.chain(given).collect())
}

/// Bytes for a trace and a span.
fn random() -> io::Result<[u8; 24]> {
    let mut bytes = [0; 24];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A W3C trace context: a new span in the trace of our `parent`, or in one of its own.
/// <https://www.w3.org/TR/trace-context/#traceparent-header>
fn traceparent(parent: Option<&str>, random: [u8; 24]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (trace, flags) = match parent.and_then(trace_of) {
        Some((trace, flags)) => (trace.to_owned(), flags),
        None => (hex(&random[..16]), "01"),
    };
    format!("00-{trace}-{}-{flags}", hex(&random[16..]))
}

/// Trace and flags of a version 00 context; one that is malformed is none.
fn trace_of(parent: &str) -> Option<(&str, &str)> {
    let mut parts = parent.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let whole = parts.next().is_none() && version == "00" && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    (whole && trace.bytes().any(|byte| byte != b'0')).then_some((trace, flags))
}

/// Is this a name that a variable can have?
pub fn is_name(name: &OsStr) -> bool {
    !name.is_empty() && !name.as_bytes().iter().any(|byte| matches!(byte, b'=' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_a_variable_can_hold_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        let all: Vec<u8> = (1..=255).collect();
        let given: Vec<(OsString, OsString)> =
            vec![("ALL".into(), OsString::from_vec(all)), ("NONE".into(), "".into()), ("EQ".into(), "a=b=\n".into())];
        keep(&path, &given).unwrap();
        assert_eq!(kept(&path).unwrap(), given);
        assert_eq!(kept(&folder.path().join("no")).unwrap(), []);
    }

    #[test]
    fn a_trace_goes_on_and_a_malformed_one_begins_anew() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let ours = traceparent(Some(parent), [7; 24]);
        assert_eq!(ours, "00-4bf92f3577b34da6a3ce929d0e0e4736-0707070707070707-00");
        for bad in ["", "00-00", "00-00000000000000000000000000000000-00f067aa0ba902b7-00", "ff-a-b-c"] {
            assert_eq!(traceparent(Some(bad), [1; 24]), format!("00-{}-{}-01", "01".repeat(16), "01".repeat(8)));
        }
    }
}
