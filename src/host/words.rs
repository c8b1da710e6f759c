//! Errors of the operating system as people read them, and commands as people type them.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;

/// The system's words without Rust's `(os error 2)` behind them.
pub fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// A text without all such numbers, for one that other errors are woven into.
pub fn without_numbers(text: &str) -> String {
    let mut pieces = text.split(" (os error ");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |said, piece| match piece.split_once(')') {
        Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => said + rest,
        _ => said + " (os error " + piece,
    })
}

/// The same error, with the thing it is about in front of it.
pub fn about(thing: impl std::fmt::Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{thing}: {}", words(&error)))
}

/// `text` as one word of a command line that a person may paste into a shell.
pub fn shell(text: &OsStr) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:=@%".contains(c);
    match text.to_str() {
        Some(plain) if !plain.is_empty() && plain.chars().all(is_plain) => plain.to_owned(),
        Some(text) if !text.contains(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => format!("$'{}'", text.as_bytes().iter().map(|byte| escaped(*byte)).collect::<String>()),
    }
}

/// A byte inside of `$'…'`.
fn escaped(byte: u8) -> String {
    match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_errors_are_for_nobody() {
        let said = "cannot read a: No such file (os error 2); b: Full (os error 28)";
        assert_eq!(without_numbers(said), "cannot read a: No such file; b: Full");
        for other in ["", "(os error", " (os error x)", " (os error 2"] {
            assert_eq!(without_numbers(other), other);
        }
    }

    #[test]
    fn a_shell_reads_the_same_word() {
        for word in [&b"/a/b-c.d"[..], b"", b"it's $HOME `x`", b"a\nb\\'\xff", "für".as_bytes(), b"*", b"~"] {
            let script = format!("printf %s {}", shell(OsStr::from_bytes(word)));
            let output = std::process::Command::new("bash").arg("-c").arg(script).output().unwrap();
            assert_eq!(output.stdout, word);
        }
    }
}
