//! `KEY=VAL`, from the command line or a file.

use super::error::{Error, Result};
use crate::driver::fleet::is_name;
use crate::host::files;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// More than this is no file of variables.
const MAX_FILE: u64 = 16 << 20;

/// One variable; the value is taken byte for byte, `=` and newlines too.
pub(super) fn pair(text: &OsStr) -> Result<(OsString, OsString)> {
    let bytes = text.as_bytes();
    let at = bytes.iter().position(|&byte| byte == b'=');
    let split = at.map(|at| (os(&bytes[..at]), os(&bytes[at + 1..])));
    split.filter(|(name, _)| is_name(name)).ok_or_else(|| invalid(&name_only(bytes)))
}

/// The variables of a file: one a line, as `KEY=VAL`, also behind `export `. Blank lines and those that begin with `#` are
/// left out. A value in single or double quotes, closed at the line's end, loses them; nothing else in it is special.
pub(super) fn read(path: &Path) -> Result<Vec<(OsString, OsString)>> {
    let bytes = files::read_plain(path, MAX_FILE)
        .map_err(|error| Error::failed(format!("cannot read the variables of {}: {error}", path.display())))?;
    let lines = bytes.split(|&byte| byte == b'\n').enumerate();
    let mut pairs = Vec::new();
    for (number, line) in lines {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let line = line.strip_prefix(b"export ").unwrap_or(line).trim_ascii_start();
        let (name, value) = pair(OsStr::from_bytes(line)).map_err(|_| {
            // Not the line itself: it may hold a secret.
            Error::usage(format!("{} line {}: expected KEY=VAL", path.display(), number + 1))
        })?;
        if value.as_bytes().contains(&0) {
            return Err(Error::usage(format!(
                "{} line {}: a value cannot hold a NUL byte",
                path.display(),
                number + 1
            )));
        }
        pairs.push((name, unquoted(&value)));
    }
    Ok(pairs)
}

fn unquoted(value: &OsStr) -> OsString {
    let bytes = value.as_bytes();
    let inner = |quote: &[u8]| bytes.strip_prefix(quote)?.strip_suffix(quote);
    let inner = if bytes.len() > 1 { inner(b"'").or_else(|| inner(b"\"")) } else { None };
    os(inner.unwrap_or(bytes))
}

fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// What stands before a `=`: the rest may be a secret.
fn name_only(bytes: &[u8]) -> String {
    let name = bytes.split(|&byte| byte == b'=').next().unwrap_or_default();
    let shown = String::from_utf8_lossy(name).into_owned();
    if name.len() < bytes.len() { format!("{shown}=…") } else { shown }
}

fn invalid(shown: &str) -> Error {
    Error::usage(format!("invalid env format '{shown}' (expected KEY=VAL)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_taken_as_it_is() {
        assert_eq!(pair(OsStr::new("A=b=c\n ")).unwrap(), ("A".into(), "b=c\n ".into()));
        assert_eq!(pair(OsStr::new("A=")).unwrap(), ("A".into(), "".into()));
        let said = |text: &str| pair(OsStr::new(text)).unwrap_err().message;
        assert_eq!(said("nonsense"), "invalid env format 'nonsense' (expected KEY=VAL)");
        assert_eq!(said("=secret"), "invalid env format '=…' (expected KEY=VAL)");
    }

    #[test]
    fn a_file_has_one_a_line_and_its_errors_show_no_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vars");
        std::fs::write(&path, "# comment\n\nA=1\nexport B='x y'\n C=\"q\"\nD=it's\nE='\n").unwrap();
        let pairs: Vec<String> = read(&path)
            .unwrap()
            .into_iter()
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
            .collect();
        assert_eq!(pairs, ["A=1", "B=x y", "C=q", "D=it's", "E='"]);
        std::fs::write(&path, "A=1\nhunter2\n").unwrap();
        let said = read(&path).unwrap_err().message;
        assert!(said.ends_with("line 2: expected KEY=VAL") && !said.contains("hunter2"));
    }
}
