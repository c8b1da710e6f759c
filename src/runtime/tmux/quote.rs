//! The languages that a word passes through on its way into tmux, and how it comes out as it went in.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// One word of tmux's own command language, as in a file of commands or the argument of `if-shell`. Nothing is special
/// between single quotes.
pub(super) fn tmux_word(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// One word of a POSIX shell.
pub(super) fn shell_word(word: &OsStr) -> OsString {
    let mut quoted = vec![b'\''];
    for byte in word.as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    OsString::from_vec(quoted)
}

/// A word of the command line. A `;` at its end would end the command; tmux takes `\;` there for a plain one.
pub(super) fn argument(word: &OsStr) -> OsString {
    let mut bytes = word.as_bytes().to_vec();
    if bytes.last() == Some(&b';') {
        bytes.insert(bytes.len() - 1, b'\\');
    }
    OsString::from_vec(bytes)
}

/// A text that tmux expands as a format (a name, a folder): `#` is doubled. Those before a `[` stay as they are: tmux
/// takes them for a style, which it leaves alone at this place.
pub(super) fn format_text(text: &OsStr) -> OsString {
    let bytes = text.as_bytes();
    let mut escaped = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|byte| **byte == b'#').count();
        let times = if rest.get(run) == Some(&b'[') { 1 } else { 2 };
        (0..run * times).for_each(|_| escaped.push(b'#'));
        if run == 0 {
            escaped.push(*first);
        }
        rest = &rest[run.max(1)..];
    }
    OsString::from_vec(escaped)
}

/// The same where tmux also puts in the time (`pipe-pane`): `%` is doubled too.
pub(super) fn timed_format_text(text: &OsStr) -> OsString {
    let mut escaped = Vec::new();
    for byte in format_text(text).as_bytes() {
        escaped.push(*byte);
        if *byte == b'%' {
            escaped.push(b'%');
        }
    }
    OsString::from_vec(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_whom_they_are_meant() {
        assert_eq!(tmux_word("it's $x;"), r"'it'\''s $x;'");
        assert_eq!(shell_word(OsStr::new("a 'b'")), r"'a '\''b'\'''");
        assert_eq!(argument(OsStr::new("a;")), r"a\;");
        assert_eq!(argument(OsStr::new(r"a\;")), r"a\\;");
        assert_eq!(argument(OsStr::new("a;b")), "a;b");
        assert_eq!(format_text(OsStr::new("a#{b}##(c)#[d]##[e]#")), "a##{b}####(c)#[d]##[e]##");
        assert_eq!(timed_format_text(OsStr::new("100%#")), "100%%##");
    }
}
