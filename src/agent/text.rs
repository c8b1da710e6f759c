//! Bytes into text, piece by piece: what is no UTF-8 and NUL become U+FFFD. The result does not depend on where the
//! pieces were cut.

use memchr::memchr;
use std::str;

/// The start of a character whose end has not come yet.
#[derive(Debug, Clone, Default)]
pub(super) struct Utf8 {
    pending: Vec<u8>,
}

impl Utf8 {
    /// Appends the text of `bytes` to `out`, but for an unfinished character at the end, which waits for the next piece.
    pub(super) fn decode(&mut self, mut bytes: &[u8], out: &mut String) {
        while let Some(&lead) = self.pending.first()
            && !bytes.is_empty()
        {
            let missing = length(lead).saturating_sub(self.pending.len()).clamp(1, bytes.len());
            self.pending.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            let joint = std::mem::take(&mut self.pending);
            self.pending = push_lossy(&joint, out).to_vec();
        }
        self.pending.extend_from_slice(push_lossy(bytes, out));
    }

    /// The last piece has come: an unfinished character stays so.
    pub(super) fn finish(&mut self, out: &mut String) {
        if !std::mem::take(&mut self.pending).is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// The greatest length up to `at` at which `text` may be cut.
pub(super) fn boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// One line for people out of any bytes: the first line that is not blank, at most `max` characters of it.
pub(super) fn one_line(bytes: &[u8], max: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    shorten(line, max)
}

/// The same for the last line that is not blank.
pub(super) fn last_line(bytes: &[u8], max: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    shorten(text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default(), max)
}

/// `text`, or its first `max` characters and an ellipsis. Control characters become blanks.
pub(super) fn shorten(text: &str, max: usize) -> String {
    let end = text.char_indices().nth(max).map_or(text.len(), |(at, _)| at);
    let mut short = text[..end].replace(char::is_control, " ");
    if end < text.len() {
        short.push('…');
    }
    short
}

/// Bytes of the character that begins with `lead`.
fn length(lead: u8) -> usize {
    match lead {
        0xF0.. => 4,
        0xE0.. => 3,
        _ => 2,
    }
}

/// Appends all of `bytes` but an unfinished character at the end, which is returned.
fn push_lossy<'a>(mut bytes: &'a [u8], out: &mut String) -> &'a [u8] {
    loop {
        match str::from_utf8(bytes) {
            Ok(text) => {
                push_text(text, out);
                return &[];
            }
            Err(error) => {
                let (good, rest) = bytes.split_at(error.valid_up_to());
                push_text(str::from_utf8(good).unwrap_or_default(), out);
                let Some(bad) = error.error_len() else { return rest };
                out.push(char::REPLACEMENT_CHARACTER);
                bytes = &rest[bad..];
            }
        }
    }
}

/// Appends `text` without its NULs: no terminal and no file viewer takes them well.
fn push_text(text: &str, out: &mut String) {
    if memchr(0, text.as_bytes()).is_none() {
        out.push_str(text);
        return;
    }
    out.extend(text.chars().map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(bytes: &[u8], size: usize) -> String {
        let (mut utf8, mut out) = (Utf8::default(), String::new());
        bytes.chunks(size).for_each(|piece| utf8.decode(piece, &mut out));
        utf8.finish(&mut out);
        out
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            parts in prop::collection::vec(prop_oneof!["[a-zä完🚀\0]{0,6}".prop_map(String::into_bytes), any::<[u8; 2]>().prop_map(Vec::from)], 0..20),
            size in 1usize..9,
        ) {
            let bytes = parts.concat();
            let whole = String::from_utf8_lossy(&bytes).replace('\0', "\u{FFFD}");
            prop_assert_eq!(pieces(&bytes, size), whole);
        }
    }
}
