//! The format of a journal line: `<crc32 of the JSON, 8 hex digits> <JSON>\n`.
//!
//! A line is whole or it does not count. Damage in one line costs that line and no other: what stands behind it is still
//! true.

use std::ops::Range;

/// Appends `json` as a line to `out`. The JSON must not hold a newline; serde_json's compact form never does.
pub fn encode(json: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{:08x} ", crc32fast::hash(json.as_bytes())).as_bytes());
    out.extend_from_slice(json.as_bytes());
    out.push(b'\n');
}

/// What a journal's bytes hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decoded {
    /// Whole lines, in order, without checksum.
    pub lines: Vec<String>,
    /// Byte ranges that are no whole line.
    pub damaged: Vec<Range<usize>>,
    /// The only damage is an unfinished last line: a crash in the middle of an append, of which nobody was told.
    pub torn: bool,
}

/// Reads all lines of `bytes`. Never fails: what is damaged is named.
pub fn decode(bytes: &[u8]) -> Decoded {
    let mut decoded = Decoded::default();
    let mut start = 0;
    while start < bytes.len() {
        let newline = memchr::memchr(b'\n', &bytes[start..]);
        let end = newline.map_or(bytes.len(), |at| start + at);
        match newline.and_then(|_| whole(&bytes[start..end])) {
            Some(json) => decoded.lines.push(json.to_owned()),
            None => decoded.damaged.push(start..end),
        }
        start = end + 1;
    }
    decoded.torn = matches!(decoded.damaged.as_slice(), [only] if only.end == bytes.len());
    decoded
}

/// The JSON of a line whose checksum holds.
fn whole(line: &[u8]) -> Option<&str> {
    let (sum, json) = (line.get(..8)?, line.get(9..)?);
    let sum = u32::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    if line[8] != b' ' || crc32fast::hash(json) != sum {
        return None;
    }
    std::str::from_utf8(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(lines: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        lines.iter().for_each(|line| encode(line, &mut bytes));
        bytes
    }

    #[test]
    fn reads_what_it_wrote() {
        let decoded = decode(&journal(&["{}", r#"{"a":"ü"}"#]));
        assert_eq!(decoded.lines, ["{}", r#"{"a":"ü"}"#]);
        assert!(decoded.damaged.is_empty() && !decoded.torn);
    }

    #[test]
    fn a_cut_costs_only_the_last_line() {
        let bytes = journal(&["{}", r#"{"b":2}"#]);
        for cut in 0..bytes.len() {
            let decoded = decode(&bytes[..cut]);
            let whole = usize::from(cut >= 12) + usize::from(cut == bytes.len());
            assert_eq!(decoded.lines.len(), whole, "cut at {cut}");
            assert_eq!(decoded.torn, cut != 0 && cut != 12, "cut at {cut}");
        }
    }

    #[test]
    fn a_flipped_bit_costs_one_line() {
        let bytes = journal(&[r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#]);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let decoded = decode(&flipped);
                // A flipped newline joins two lines; anything else touches one. Hex digits may change case unharmed.
                assert!((1..=3).contains(&decoded.lines.len()), "byte {at} bit {bit}");
                assert!(decoded.lines.iter().all(|line| bytes_hold(&bytes, line)), "byte {at} bit {bit}");
            }
        }
    }

    fn bytes_hold(bytes: &[u8], line: &str) -> bool {
        decode(bytes).lines.iter().any(|whole| whole == line)
    }
}
