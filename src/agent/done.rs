//! The done rule: does the final answer claim that everything is done?
//!
//! The pattern is matched against a whole line, after blanks, CR and the markdown marks around it (backticks, asterisks,
//! underscores, `> `, list marks) are peeled off. Which line counts is [`DoneMatch`]. A line inside a code fence never
//! counts (but with [`DoneMatch::Anywhere`], the old substring rule). When the word appears and the rule is not met, that
//! is a near miss, with the reason in words.
//!
//! A [`Watch`] reads a text of any length in a few kilobytes of memory.

use super::text::boundary;
use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter};
use regex::Regex;
use std::ops::Range;
use std::sync::Arc;

/// The word of the runbook.
pub const DEFAULT_PATTERN: &str = "/done";

/// A line is kept up to this length, bytes: no longer one can be a done line. Parts of longer ones are searched for near
/// misses in windows of this size.
const WINDOW: usize = 4096;
/// What two windows share, so that a word across their border is seen.
const OVERLAP: usize = 512;

/// Which line of the final answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DoneMatch {
    /// The last line that is not empty.
    #[default]
    Last,
    /// Any line.
    Line,
    /// Any place at all: the old substring rule.
    Anywhere,
}

/// A pattern and where it counts.
#[derive(Debug, Clone)]
pub struct DoneRule {
    pattern: String,
    which: DoneMatch,
    /// The pattern as a whole line.
    whole: Regex,
    /// The pattern anywhere.
    part: Regex,
    /// The pattern, if it is a plain word: long texts are searched for it at once.
    literal: Option<Finder<'static>>,
}

/// What a [`Watch`] found in a text. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Judgement {
    /// No word of it.
    #[default]
    Nothing,
    /// The word appears on `line`; `miss` says why it does not count.
    Near {
        /// The line of the text.
        line: u64,
        /// The part of the rule that is not met.
        miss: Miss,
    },
    /// The rule is met on `line`.
    Done {
        /// The line of the text.
        line: u64,
    },
}

/// Why an appearance of the word does not count; the nearer the miss, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    /// Inside a longer line.
    InProse,
    /// Inside a code fence.
    InFence,
    /// On a line of its own, but more text follows.
    NotLast,
}

impl DoneMatch {
    /// The match of that `--done-match` word.
    pub fn named(name: &str) -> Option<DoneMatch> {
        [DoneMatch::Last, DoneMatch::Line, DoneMatch::Anywhere].into_iter().find(|which| which.name() == name)
    }

    /// Its `--done-match` word.
    pub fn name(self) -> &'static str {
        match self {
            DoneMatch::Last => "last",
            DoneMatch::Line => "line",
            DoneMatch::Anywhere => "anywhere",
        }
    }
}

impl Miss {
    /// The reason in words, for a sentence that begins with "the done word appears, but".
    pub fn words(self) -> &'static str {
        match self {
            Miss::InProse => "only inside a longer line: it must be a line of its own",
            Miss::InFence => "only inside a code fence: it must stand outside of any",
            Miss::NotLast => "followed by more text: it must be the last line of the final answer",
        }
    }
}

impl DoneRule {
    /// The rule for a regular expression. The error is a message for people: what is wrong with the pattern.
    pub fn new(pattern: &str, which: DoneMatch) -> Result<DoneRule, String> {
        // Compiled alone first: `a)|(b` is wrong, though `(?:a)|(b)` is not.
        Regex::new(pattern).map_err(|error| error.to_string())?;
        let part = Regex::new(&format!("(?m:{pattern})")).map_err(|error| error.to_string())?;
        let whole = Regex::new(&format!(r"\A(?:{pattern})\z")).map_err(|error| error.to_string())?;
        if whole.is_match("") || (which == DoneMatch::Anywhere && part.is_match("")) {
            return Err(format!("`{pattern}` matches an empty line, so every answer would be done"));
        }
        let is_plain = !pattern.contains('\n') && regex::escape(pattern) == pattern;
        let literal = is_plain.then(|| Finder::new(pattern).into_owned());
        Ok(DoneRule { pattern: pattern.to_owned(), which, whole, part, literal })
    }

    /// The pattern as it was given.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Which line counts.
    pub fn which(&self) -> DoneMatch {
        self.which
    }

    /// Is `line` the pattern and nothing else but blanks and marks? Tried after each layer of marks, so that a pattern
    /// may contain marks itself (`__DONE__`).
    fn is_line(&self, line: &str) -> bool {
        let mut core = line.trim();
        loop {
            if self.whole.is_match(core) {
                return true;
            }
            match peel(core) {
                Some(inner) => core = inner,
                None => return false,
            }
        }
    }

    /// Is it certain that no line of `text` holds the word?
    fn is_absent(&self, text: &str) -> bool {
        self.literal.as_ref().is_some_and(|literal| literal.find(text.as_bytes()).is_none())
    }

    /// Is the pattern in `view`?
    fn is_in(&self, view: View) -> bool {
        self.part.find_iter(view.text).any(|found| view.holds(found.range()))
    }

    /// Is it in `view`, and not as a part of a path or of a longer word?
    fn is_word_in(&self, view: View) -> bool {
        self.part.find_iter(view.text).any(|found| view.holds(found.range()) && stands_alone(view.text, found.range()))
    }
}

/// Does anything in `prompt` resemble the done pattern? If not, the agent was probably never told what to print.
pub fn resembles(prompt: &str, rule: &DoneRule) -> bool {
    prompt.lines().any(|line| rule.part.is_match(line) || rule.is_line(line))
}

/// A line, or a window of a longer one.
#[derive(Debug, Clone, Copy)]
struct View<'a> {
    text: &'a str,
    /// The line begins here.
    begins: bool,
    /// The line ends here.
    ends: bool,
}

impl View<'_> {
    /// Is what was found at `range` surely there? At a border that is not the line's own, `^` and `$` match wrongly, and
    /// the neighbouring window sees it whole.
    fn holds(&self, range: Range<usize>) -> bool {
        (self.begins || range.start > 0) && (self.ends || range.end < self.text.len())
    }
}

/// Reads one text, line by line, and judges it.
#[derive(Debug, Clone)]
pub struct Watch {
    rule: Arc<DoneRule>,
    /// The current line without leading blanks, or the current window of it.
    line: String,
    /// Number of the current line, from 1.
    number: u64,
    /// The current line was longer than a window.
    long: bool,
    /// The word was seen in a former window of the current line.
    seen: bool,
    /// The code fence that is open: its character, and how many of it.
    fence: Option<(u8, usize)>,
    /// The last line that is not empty; only with [`DoneMatch::Last`].
    last: Last,
    found: Judgement,
}

/// The last line that is not empty.
#[derive(Debug, Clone, Default)]
struct Last {
    text: String,
    number: u64,
    /// It can meet the rule: short enough, outside of fences, and no fence itself.
    eligible: bool,
}

impl Watch {
    /// A reader that has read nothing yet.
    pub fn new(rule: &Arc<DoneRule>) -> Watch {
        Watch {
            rule: Arc::clone(rule),
            line: String::new(),
            number: 1,
            long: false,
            seen: false,
            fence: None,
            last: Last::default(),
            found: Judgement::Nothing,
        }
    }

    /// Forgets what was read; for the next text.
    pub fn reset(&mut self) {
        self.line.clear();
        self.last.text.clear();
        self.last.eligible = false;
        (self.number, self.long, self.seen) = (1, false, false);
        self.fence = None;
        self.found = Judgement::Nothing;
    }

    /// Takes the next piece of the text, cut anywhere.
    pub fn feed(&mut self, mut text: &str) {
        if !self.line.is_empty() || self.long {
            let Some(end) = memchr(b'\n', text.as_bytes()) else { return self.extend(text) };
            self.extend(&text[..end]);
            self.end_line();
            text = &text[end + 1..];
        }
        if self.rule.is_absent(text) {
            self.pass_over(text);
        } else {
            self.read(text);
        }
    }

    fn read(&mut self, mut text: &str) {
        while let Some(end) = memchr(b'\n', text.as_bytes()) {
            self.extend(&text[..end]);
            self.end_line();
            text = &text[end + 1..];
        }
        self.extend(text);
    }

    /// Reads whole lines in which the word does not appear: only fences matter, and that the last line is not the one.
    fn pass_over(&mut self, text: &str) {
        let mut begin = 0;
        for end in memchr_iter(b'\n', text.as_bytes()) {
            // Most lines begin with a byte that tells that they are neither blank nor a fence.
            if is_plain(text.as_bytes()[begin]) {
                self.last.eligible = false;
            } else {
                self.pass_over_line(text[begin..end].trim_start_matches(' ').trim_start());
            }
            self.number += 1;
            begin = end + 1;
        }
        self.extend(&text[begin..]);
    }

    fn pass_over_line(&mut self, line: &str) {
        let Some(&first) = line.as_bytes().first() else { return };
        self.last.eligible = false;
        if !is_plain(first) && line.len() <= WINDOW {
            turn_fence(&mut self.fence, line);
        }
    }

    /// Ends the text and judges it. Afterwards it is as new.
    pub fn finish(&mut self) -> Judgement {
        self.end_line();
        if self.last.eligible && self.rule.is_line(&self.last.text) {
            self.found = Judgement::Done { line: self.last.number };
        }
        let found = std::mem::take(&mut self.found);
        self.reset();
        found
    }

    /// Appends to the current line. What does not fit is looked at and forgotten, window by window.
    fn extend(&mut self, mut text: &str) {
        if self.line.is_empty() {
            text = text.trim_start();
        }
        loop {
            let (fits, rest) = text.split_at(boundary(text, WINDOW - self.line.len()));
            self.line.push_str(fits);
            if rest.is_empty() {
                return;
            }
            self.slide();
            text = rest;
        }
    }

    /// Looks at a full window and keeps its end.
    fn slide(&mut self) {
        let view = View { text: &self.line, begins: !self.long, ends: false };
        self.seen = self.seen || self.rule.is_word_in(view);
        if self.rule.which == DoneMatch::Anywhere && self.rule.is_in(view) {
            self.found = Judgement::Done { line: self.number };
        }
        self.line.drain(..boundary(&self.line, self.line.len() - OVERLAP));
        self.long = true;
    }

    fn end_line(&mut self) {
        if !self.line.is_empty() {
            self.judge_line();
        }
        self.line.clear();
        self.number += 1;
        (self.long, self.seen) = (false, false);
    }

    /// Judges the current line, which is not empty.
    fn judge_line(&mut self) {
        self.last.eligible = false;
        if !self.long && turn_fence(&mut self.fence, &self.line) {
            return;
        }
        let own = !self.long && self.fence.is_none();
        let view = View { text: &self.line, begins: !self.long, ends: true };
        let seen = self.seen || self.rule.is_word_in(view);
        let met = match self.rule.which {
            DoneMatch::Last => false,
            DoneMatch::Line => own && self.rule.is_line(&self.line),
            DoneMatch::Anywhere => self.rule.is_in(view),
        };
        if met {
            self.found = Judgement::Done { line: self.number };
        } else if seen {
            self.miss(own);
        }
        if self.rule.which == DoneMatch::Last && own {
            std::mem::swap(&mut self.line, &mut self.last.text);
            (self.last.number, self.last.eligible) = (self.number, true);
        }
    }

    /// Notes that the word appears on the current line, unless a nearer miss or the real thing is known already.
    fn miss(&mut self, own: bool) {
        let miss = if self.fence.is_some() {
            Miss::InFence
        } else if own && self.rule.is_line(&self.line) {
            Miss::NotLast
        } else {
            Miss::InProse
        };
        let nearer = match self.found {
            Judgement::Nothing => true,
            Judgement::Near { miss: known, .. } => miss >= known,
            Judgement::Done { .. } => false,
        };
        if nearer {
            self.found = Judgement::Near { line: self.number, miss };
        }
    }
}

/// Can a line that begins so be neither blank nor, behind quote and list marks, a fence?
fn is_plain(first: u8) -> bool {
    first.is_ascii_graphic() && !first.is_ascii_digit() && !matches!(first, b'`' | b'~' | b'>' | b'-' | b'*' | b'+')
}

/// Is `line` the beginning or the end of a code fence? Keeps track of which one is open: its character, how many of it.
fn turn_fence(open: &mut Option<(u8, usize)>, mut line: &str) -> bool {
    while let Some(inner) = strip_block_mark(line) {
        line = inner.trim_start();
    }
    let Some(mark @ (b'`' | b'~')) = line.bytes().next() else { return false };
    let count = line.bytes().take_while(|&byte| byte == mark).count();
    let info = line[count..].trim();
    match *open {
        Some((opened, least)) if mark == opened && count >= least && info.is_empty() => *open = None,
        None if count >= 3 && !(mark == b'`' && info.contains('`')) => *open = Some((mark, count)),
        _ => return false,
    }
    true
}

/// One layer less: a quote or list mark in front, else one character of emphasis on each side.
fn peel(line: &str) -> Option<&str> {
    const EMPHASIS: [char; 3] = ['`', '*', '_'];
    if let Some(inner) = strip_block_mark(line) {
        return Some(inner.trim());
    }
    let inner = line.strip_prefix(EMPHASIS).unwrap_or(line);
    let inner = inner.strip_suffix(EMPHASIS).unwrap_or(inner);
    (inner.len() < line.len()).then(|| inner.trim())
}

/// `line` without the quote mark (`>`) or list mark (`- `, `* `, `+ `, `1. `, `1) `) at its beginning.
fn strip_block_mark(line: &str) -> Option<&str> {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let behind = match line.as_bytes().get(digits)? {
        b'>' if digits == 0 => return Some(&line[1..]),
        b'-' | b'*' | b'+' if digits == 0 => &line[1..],
        b'.' | b')' if (1..=9).contains(&digits) => &line[digits + 1..],
        _ => return None,
    };
    behind.starts_with([' ', '\t']).then_some(behind)
}

/// Is what stands at `range` neither a part of a path or file name (`docs/done.md`) nor of a longer word?
fn stands_alone(text: &str, range: Range<usize>) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '/' | '-' | '_');
    let mut after = text[range.end..].chars();
    let joined_after = match after.next() {
        Some('.') => after.next().is_some_and(is_name),
        Some(next) => is_name(next),
        None => false,
    };
    let joined_before = text[..range.start].chars().next_back().is_some_and(|c| is_name(c) || c == '.');
    !joined_before && !joined_after
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(pattern: &str, which: DoneMatch) -> Arc<DoneRule> {
        Arc::new(DoneRule::new(pattern, which).unwrap())
    }

    fn judge(rule: &Arc<DoneRule>, text: &str, size: usize) -> Judgement {
        let mut watch = Watch::new(rule);
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(boundary(rest, size.max(4)));
            watch.feed(piece);
            rest = later;
        }
        watch.finish()
    }

    const DONE: fn(u64) -> Judgement = |line| Judgement::Done { line };
    const NOTHING: fn(u64) -> Judgement = |_| Judgement::Nothing;
    const PROSE: fn(u64) -> Judgement = |line| Judgement::Near { line, miss: Miss::InProse };
    const FENCED: fn(u64) -> Judgement = |line| Judgement::Near { line, miss: Miss::InFence };
    const EARLY: fn(u64) -> Judgement = |line| Judgement::Near { line, miss: Miss::NotLast };

    #[test]
    fn the_last_line_counts() {
        for (text, expected) in [
            // Met.
            ("/done", DONE(1)),
            ("All finished.\n\n/done", DONE(3)),
            ("All finished.\n/done\n", DONE(2)),
            ("/done\n\n \n\t\n", DONE(1)),
            ("/done\r\n", DONE(1)),
            ("ok\r\n/done\r\n\r\n", DONE(2)),
            ("  /done  ", DONE(1)),
            ("\u{a0}/done\u{3000}", DONE(1)),
            ("`/done`", DONE(1)),
            ("**/done**", DONE(1)),
            ("__/done__", DONE(1)),
            ("_/done_", DONE(1)),
            ("**`/done`**", DONE(1)),
            ("> /done", DONE(1)),
            (">/done", DONE(1)),
            ("> > `/done`", DONE(1)),
            ("- /done", DONE(1)),
            ("* /done", DONE(1)),
            ("+ /done", DONE(1)),
            ("1. /done", DONE(1)),
            ("12) **/done**", DONE(1)),
            ("* **/done**", DONE(1)),
            ("/done**", DONE(1)),
            ("```\ncode\n```\n/done", DONE(4)),
            ("~~~ sh\n/done\n~~~\n/done", DONE(4)),
            ("````\n```\n````\n/done", DONE(4)),
            ("```one line```\n/done", DONE(2)),
            ("/done\nno, wait\n/done", DONE(3)),
            ("I print /done when ready.\n/done", DONE(2)),
            ("Fertig 完了 🚀\u{1b}[0m\tCR\rLF.\n\n/done", DONE(3)),
            // Not met, and the word appears.
            ("/done\n\nWait, that was early.", EARLY(1)),
            ("**/done**\nmore", EARLY(1)),
            ("/done\n---", EARLY(1)),
            ("I will print /done later", PROSE(1)),
            ("I will print `/done` later.", PROSE(1)),
            ("/done.", PROSE(1)),
            ("/done!", PROSE(1)),
            ("ok /done", PROSE(1)),
            ("/done /done", PROSE(1)),
            ("# /done", PROSE(1)),
            ("\"/done\"", PROSE(1)),
            ("~~/done~~", PROSE(1)),
            ("1.2. /done", PROSE(1)),
            ("text\r/done", PROSE(1)),
            ("```\n/done\n```", FENCED(2)),
            ("```\n/done", FENCED(2)),
            ("```\n/done\n```\nbut two tasks are open.", FENCED(2)),
            ("   ```text\n/done\n   ```", FENCED(2)),
            ("> ```\n> /done\n> ```", FENCED(2)),
            ("- ```\n  /done\n  ```", FENCED(2)),
            ("~~~\n```\n/done\n```", FENCED(3)),
            ("````\n```\n/done", FENCED(3)),
            ("```\n```not an end\n/done", FENCED(3)),
            // Not met, and what appears is no word of its own.
            ("", NOTHING(0)),
            ("\n\n", NOTHING(0)),
            ("done", NOTHING(0)),
            ("/DONE", NOTHING(0)),
            ("/ done", NOTHING(0)),
            ("//done", NOTHING(0)),
            ("/done/", NOTHING(0)),
            ("/doneness", NOTHING(0)),
            ("see docs/done.md and a/done/b", NOTHING(0)),
            ("cat /done.txt", NOTHING(0)),
            ("x/done", NOTHING(0)),
        ] {
            for size in [4, 5, 7, 4096, usize::MAX] {
                assert_eq!(judge(&rule(DEFAULT_PATTERN, DoneMatch::Last), text, size), expected, "{text:?} by {size}");
            }
        }
    }

    #[test]
    fn other_places() {
        let (line, anywhere) = (rule("/done", DoneMatch::Line), rule("/done", DoneMatch::Anywhere));
        for (text, in_line, in_any) in [
            ("/done\nmore", DONE(1), DONE(1)),
            ("a\n- `/done`\nb", DONE(2), DONE(2)),
            ("```\n/done\n```", FENCED(2), DONE(2)),
            ("I print /done later", PROSE(1), DONE(1)),
            ("docs/done.md", NOTHING(0), DONE(1)),
            ("nothing", NOTHING(0), NOTHING(0)),
        ] {
            for size in [4, usize::MAX] {
                assert_eq!(judge(&line, text, size), in_line, "line: {text:?}");
                assert_eq!(judge(&anywhere, text, size), in_any, "anywhere: {text:?}");
            }
        }
    }

    #[test]
    fn other_patterns() {
        for (pattern, text, is_done) in [
            ("ALL DONE", "**ALL DONE**", true),
            ("ALL DONE", "ALL DONE now", false),
            ("__DONE__", "__DONE__", true),
            ("__DONE__", "`__DONE__`", true),
            ("__DONE__", "**__DONE__**", true),
            ("(?i)done", "DONE", true),
            ("(?i)done", "undone", false),
            ("done|finished", "finished", true),
            ("done|finished", "done finished", false),
            ("^/done$", "> /done", true),
            ("- \\[x\\] end", "- [x] end", true),
            (r"DONE \d+/\d+", "x\nDONE 4/4", true),
            (r"DONE \d+/\d+", "x\nDONE 4/", false),
            ("完了", "完了", true),
        ] {
            let judgement = judge(&rule(pattern, DoneMatch::Last), text, 4);
            assert_eq!(matches!(judgement, Judgement::Done { .. }), is_done, "{pattern} {text:?}: {judgement:?}");
        }
    }

    #[test]
    fn wrong_patterns() {
        for pattern in ["(", "a)|(b", "", ".*", "x?", "[", "^$"] {
            assert!(DoneRule::new(pattern, DoneMatch::Last).is_err(), "{pattern}");
        }
        assert!(DoneRule::new("^", DoneMatch::Anywhere).is_err());
    }

    #[test]
    fn long_lines() {
        let rule = rule(DEFAULT_PATTERN, DoneMatch::Last);
        let long = "word ".repeat(4000);
        for size in [100, usize::MAX] {
            assert_eq!(judge(&rule, &format!("{long}\n/done"), size), DONE(2));
            assert_eq!(judge(&rule, &format!("{long}/done"), size), PROSE(1));
            assert_eq!(judge(&rule, &format!("/done {long}"), size), PROSE(1));
            assert_eq!(judge(&rule, &format!("{long}/done {long}\nend"), size), PROSE(1));
            assert_eq!(judge(&rule, &format!("/done\n{long}"), size), EARLY(1));
            assert_eq!(judge(&rule, &format!("{}/done", " ".repeat(9000)), size), DONE(1));
            let anywhere = Arc::new(DoneRule::new("^/done$", DoneMatch::Anywhere).unwrap());
            let at_borders = format!("{}/done{}", "x".repeat(WINDOW - 5), "y".repeat(WINDOW));
            assert_eq!(judge(&anywhere, &at_borders, size), Judgement::Nothing);
        }
    }

    #[test]
    fn a_watch_can_be_used_again() {
        let mut watch = Watch::new(&rule(DEFAULT_PATTERN, DoneMatch::Last));
        watch.feed("```\n/done");
        assert_eq!(watch.finish(), FENCED(2));
        watch.feed("\n/done");
        assert_eq!(watch.finish(), DONE(2));
        assert_eq!(watch.finish(), Judgement::Nothing);
    }

    #[test]
    fn prompts_that_resemble() {
        let plain = rule("/done", DoneMatch::Last);
        assert!(resembles("When all is finished print /done alone.", &plain));
        assert!(resembles("Finish with:\n```\n/done\n```", &plain));
        assert!(!resembles("When all is finished say so.", &plain));
        assert!(resembles("end with\n**FIN**", &rule("^FIN$", DoneMatch::Last)));
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(
            lines in prop::collection::vec(prop_oneof!["/done", "```", "~~~", "- /done", "", " ", "[a-zä/完 ]{0,12}", Just("x".repeat(5000)), Just(format!("{}/done y", "x ".repeat(2046)))], 0..12),
            size in 4usize..40,
            which in prop_oneof![Just(DoneMatch::Last), Just(DoneMatch::Line), Just(DoneMatch::Anywhere)],
            pattern in prop_oneof![Just("/done"), Just("^/done$"), Just("(?i)/DONE"), Just(r"\b.done\b")],
        ) {
            let (rule, text) = (rule(pattern, which), lines.join("\n"));
            prop_assert_eq!(judge(&rule, &text, size), judge(&rule, &text, usize::MAX));
        }
    }
}
