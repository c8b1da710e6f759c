//! Any command: its standard output is its text, and its exit code alone says how it ended. Of one that failed, the last
//! line of standard error, or of its text, may say that a limit was hit.

use super::done::{DoneRule, Judgement, Watch};
use super::text::{Utf8, last_line, shorten};
use super::words::{MAX_WORDS, judge};
use super::{Closing, Invocation, Scan};
use crate::model::{Claim, Evidence, LineCounts, Outcome, Sign};
use memchr::{memchr_iter, memrchr};
use std::ffi::OsString;
use std::sync::Arc;

/// Text without a newline is reported after this many bytes at the latest.
const PATIENCE: usize = 64 * 1024;

pub(super) fn argv(inv: &Invocation) -> Vec<OsString> {
    inv.command.iter().chain(&inv.extra).cloned().collect()
}

/// Reads plain text.
pub(super) struct Scanner {
    utf8: Utf8,
    /// Text that waits for the end of its line.
    text: String,
    watch: Watch,
    newlines: u64,
    ends_in_newline: bool,
    /// The last line that is not blank, shortened.
    last_line: String,
}

impl Scanner {
    pub(super) fn new(rule: &DoneRule) -> Scanner {
        Scanner {
            utf8: Utf8::default(),
            text: String::new(),
            watch: Watch::new(&Arc::new(rule.clone())),
            newlines: 0,
            ends_in_newline: true,
            last_line: String::new(),
        }
    }

    /// Passes on the first `end` bytes of the text.
    fn pass(&mut self, end: usize, signs: &mut Vec<Sign>) {
        if end > 0 {
            let rest = self.text.split_off(end);
            let text = std::mem::replace(&mut self.text, rest);
            self.watch.feed(&text);
            if let Some(line) = text.lines().rev().find(|line| !line.trim().is_empty()) {
                self.last_line = shorten(line.trim(), MAX_WORDS);
            }
            signs.push(Sign::Text(text));
        }
    }
}

impl Scan for Scanner {
    fn feed(&mut self, chunk: &[u8], signs: &mut Vec<Sign>) {
        let Some(&last) = chunk.last() else { return };
        self.newlines += memchr_iter(b'\n', chunk).count() as u64;
        self.ends_in_newline = last == b'\n';
        self.utf8.decode(chunk, &mut self.text);
        let lines = memrchr(b'\n', self.text.as_bytes()).map_or(0, |newline| newline + 1);
        let patient = self.text.len() - lines < PATIENCE;
        self.pass(if patient { lines } else { self.text.len() }, signs);
    }

    fn close(&mut self, closing: &Closing, signs: &mut Vec<Sign>) -> Evidence {
        self.utf8.finish(&mut self.text);
        if !self.ends_in_newline {
            self.text.push('\n');
        }
        self.pass(self.text.len(), signs);
        let claim = match self.watch.finish() {
            Judgement::Nothing => Claim::None,
            Judgement::Near { line, miss } => Claim::NearMiss { line, why: miss.words().to_owned() },
            Judgement::Done { line } => Claim::Done { line },
        };
        let total = self.newlines + u64::from(!self.ends_in_newline);
        let lines = LineCounts { total, ..LineCounts::default() };
        let last_words = last_line(closing.stderr_tail, MAX_WORDS);
        // The verdict looks at it only where the exit code says that it failed.
        let limit = [last_words.as_str(), &self.last_line].into_iter().find_map(|words| judge(words, closing).1);
        Evidence { claim, outcome: Outcome::Completed, limit, last_words, lines, ..Evidence::default() }
    }
}
