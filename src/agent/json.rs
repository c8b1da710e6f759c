//! A lexer for streams of JSON lines that may be cut anywhere and may be of any length.
//!
//! No line is ever held: what passes is checked against the grammar, and the parts that a [`Shape`](super::shape::Shape)
//! asks for are handed on as they come, strings decoded, piece by piece. Everything else is jumped over with `memchr`.
//! Memory is a fixed few kilobytes.
//!
//! It accepts what `serde_json` accepts, line by line and with an object as the outermost value, and rejects what that
//! rejects, but for four leniencies that cost nothing and lose nothing: control characters and invalid UTF-8 inside of
//! strings pass, lone surrogate escapes become U+FFFD, and a number may exceed what fits into a double.

use memchr::{memchr, memchr3};

/// Containers may be nested this deep; `serde_json` has the same limit.
const MAX_DEPTH: usize = 127;
/// A key longer than this is none that anybody asks for.
const MAX_KEY: usize = 64;
/// A number longer than this is valid, but its value is not handed on.
const MAX_NUMBER: usize = 64;
/// So much of a line is kept for the case that it turns out to be broken.
const MAX_HEAD: usize = 2048;

/// A place in the tree of values that the sink knows by this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node(pub(super) u8);

impl Node {
    /// The outermost object.
    pub(super) const ROOT: Node = Node(0);
    /// Nothing here is wanted.
    pub(super) const SKIP: Node = Node(u8::MAX);
}

/// A value that is neither string nor container.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Number(f64),
}

/// Takes what the lexer finds. Nothing of a line is certain before [`Sink::whole`].
pub(super) trait Sink {
    /// The node of the value of `key` in the object at `parent`.
    fn member(&self, parent: Node, key: &[u8]) -> Node;
    /// The node of the elements of the array at `parent`.
    fn element(&self, parent: Node) -> Node;
    /// A container begins at a wanted node.
    fn open(&mut self, node: Node);
    /// It ends.
    fn close(&mut self, node: Node);
    /// A string begins at a wanted node.
    fn string(&mut self, node: Node);
    /// The next bytes of its value.
    fn piece(&mut self, node: Node, bytes: &[u8]);
    /// It ends.
    fn string_end(&mut self, node: Node);
    /// A number, a boolean or null at a wanted node.
    fn scalar(&mut self, node: Node, scalar: Scalar);
    /// The line is over and well-formed.
    fn whole(&mut self);
    /// The line is over and is no JSON object; `head` is its beginning. A blank line is broken with an empty head.
    fn broken(&mut self, head: &[u8]);
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but blanks in this line so far.
    Start,
    /// A key or the end of the object.
    FirstKey,
    /// A key.
    Key,
    Colon,
    Value,
    /// A value or the end of the array.
    FirstValue,
    /// Inside of a string.
    String,
    /// Behind a backslash.
    Escape,
    /// Inside of `\uXXXX`: how many digits are missing.
    Hex(u8),
    /// Inside of a number.
    Number(Digits),
    /// Inside of `true`, `false` or `null`: how many letters of it came.
    Word(&'static str, usize),
    /// A comma or the end of the container.
    After,
    /// Behind the outermost object.
    End,
    /// Not JSON: on to the next line.
    Bad,
}

/// How far a number has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digits {
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Digits {
    fn begin(byte: u8) -> Digits {
        match byte {
            b'-' => Digits::Minus,
            b'0' => Digits::Zero,
            _ => Digits::Whole,
        }
    }

    fn next(self, byte: u8) -> Option<Digits> {
        use Digits::{E, Exponent, Fraction, Minus, Point, Sign, Whole, Zero};
        match (self, byte) {
            (Minus, b'0') => Some(Zero),
            (Minus | Whole, b'0'..=b'9') => Some(Whole),
            (Zero | Whole, b'.') => Some(Point),
            (Point | Fraction, b'0'..=b'9') => Some(Fraction),
            (Zero | Whole | Fraction, b'e' | b'E') => Some(E),
            (E, b'+' | b'-') => Some(Sign),
            (E | Sign | Exponent, b'0'..=b'9') => Some(Exponent),
            _ => None,
        }
    }

    fn is_complete(self) -> bool {
        matches!(self, Digits::Zero | Digits::Whole | Digits::Fraction | Digits::Exponent)
    }
}

/// The lexer of one stream.
#[derive(Debug, Clone)]
pub(super) struct Lexer {
    state: State,
    /// How many containers are open.
    depth: usize,
    /// A bit for each open container, the innermost lowest: is it an object?
    objects: u128,
    /// Their nodes, the outermost first.
    nodes: [Node; MAX_DEPTH],
    /// The node of the value that comes next or is being read.
    value: Node,
    /// The string being read is a key.
    is_key: bool,
    /// What is being read, if it is short: a wanted key or a wanted number.
    short: Vec<u8>,
    /// The digits of a `\uXXXX`.
    unit: u16,
    /// A high surrogate that waits for its low one.
    high: Option<u16>,
    /// The beginning of the current line, as far as it came in earlier chunks.
    head: Vec<u8>,
    /// The current line has bytes.
    begun: bool,
}

impl Default for Lexer {
    fn default() -> Lexer {
        Lexer {
            state: State::Start,
            depth: 0,
            objects: 0,
            nodes: [Node::SKIP; MAX_DEPTH],
            value: Node::SKIP,
            is_key: false,
            short: Vec::with_capacity(MAX_KEY),
            unit: 0,
            high: None,
            head: Vec::new(),
            begun: false,
        }
    }
}

impl Lexer {
    /// Reads the next bytes.
    pub(super) fn feed(&mut self, chunk: &[u8], sink: &mut impl Sink) {
        let mut at = 0;
        let mut line = 0;
        while at < chunk.len() {
            at = match self.state {
                State::String => self.strings(chunk, at, sink),
                State::Bad => memchr(b'\n', &chunk[at..]).map_or(chunk.len(), |found| at + found),
                _ => at,
            };
            let Some(&byte) = chunk.get(at) else { break };
            if byte == b'\n' {
                self.end_line(&chunk[line..at], sink);
                line = at + 1;
                at += 1;
            } else if self.state != State::Bad {
                at += usize::from(self.step(byte, sink));
            }
        }
        let rest = &chunk[line..];
        self.begun |= !rest.is_empty();
        self.head.extend_from_slice(&rest[..rest.len().min(MAX_HEAD - self.head.len())]);
    }

    /// The stream is over: a last line without newline is as good as one with.
    pub(super) fn finish(&mut self, sink: &mut impl Sink) {
        if self.begun {
            self.end_line(&[], sink);
        }
    }

    fn end_line(&mut self, rest: &[u8], sink: &mut impl Sink) {
        if self.state == State::End {
            sink.whole();
        } else {
            self.head.extend_from_slice(&rest[..rest.len().min(MAX_HEAD - self.head.len())]);
            sink.broken(self.head.trim_ascii());
        }
        self.head.clear();
        self.begun = false;
        self.state = State::Start;
        self.depth = 0;
        self.high = None;
    }

    /// Reads on in a string, and in the strings that follow with nothing but the usual punctuation between them (most of
    /// every stream), until something else comes; returns where that is.
    fn strings(&mut self, chunk: &[u8], mut at: usize, sink: &mut impl Sink) -> usize {
        loop {
            let rest = &chunk[at..];
            let plain = plain_bytes(rest);
            at += plain;
            match rest.get(plain) {
                Some(b'"') => {
                    self.end_string(&rest[..plain], sink);
                    at += 1;
                    match next_string(self.state, &chunk[at..]) {
                        Some(skip) if self.state == State::Colon => {
                            self.begin_string(sink);
                            at += skip;
                        }
                        Some(skip) if self.is_object() => {
                            self.begin_key();
                            at += skip;
                        }
                        _ => return at,
                    }
                }
                Some(b'\\') => {
                    self.piece(&rest[..plain], sink);
                    let Some(byte) = rest.get(plain + 1).copied().and_then(unescape) else {
                        self.state = State::Escape;
                        return at + 1;
                    };
                    self.piece(&[byte], sink);
                    at += 2;
                }
                Some(_) => {
                    self.state = State::Bad;
                    return at;
                }
                None => {
                    self.piece(&rest[..plain], sink);
                    return at;
                }
            }
        }
    }

    /// Takes one byte outside of plain string bytes. Says whether it was used up; if not, the state has changed and the
    /// byte belongs to the next one.
    fn step(&mut self, byte: u8, sink: &mut impl Sink) -> bool {
        match self.state {
            State::String => return false,
            State::Escape => self.escape(byte, sink),
            State::Hex(missing) => self.hex(byte, missing, sink),
            State::Number(digits) => return self.digit(digits, byte, sink),
            State::Word(word, came) => self.letter(word, came, byte, sink),
            _ if matches!(byte, b' ' | b'\t' | b'\r') => {}
            State::Start if byte == b'{' => {
                self.value = Node::ROOT;
                self.open(true, sink);
            }
            State::FirstKey | State::Key if byte == b'"' => self.begin_key(),
            State::FirstKey if byte == b'}' => self.close(true, sink),
            State::Colon if byte == b':' => self.state = State::Value,
            State::FirstValue if byte == b']' => self.close(false, sink),
            State::Value | State::FirstValue => self.begin_value(byte, sink),
            State::After => self.after(byte, sink),
            _ => self.state = State::Bad,
        }
        true
    }

    fn begin_key(&mut self) {
        self.is_key = true;
        self.short.clear();
        self.state = State::String;
    }

    fn begin_string(&mut self, sink: &mut impl Sink) {
        self.is_key = false;
        if self.value != Node::SKIP {
            sink.string(self.value);
        }
        self.state = State::String;
    }

    fn begin_value(&mut self, byte: u8, sink: &mut impl Sink) {
        match byte {
            b'"' => self.begin_string(sink),
            b'{' => self.open(true, sink),
            b'[' => self.open(false, sink),
            b't' => self.state = State::Word("true", 1),
            b'f' => self.state = State::Word("false", 1),
            b'n' => self.state = State::Word("null", 1),
            b'-' | b'0'..=b'9' => {
                self.short.clear();
                self.short.push(byte);
                self.state = State::Number(Digits::begin(byte));
            }
            _ => self.state = State::Bad,
        }
    }

    fn open(&mut self, object: bool, sink: &mut impl Sink) {
        let Some(slot) = self.nodes.get_mut(self.depth) else {
            self.state = State::Bad;
            return;
        };
        *slot = self.value;
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(object);
        if self.value != Node::SKIP {
            sink.open(self.value);
        }
        self.state = if object { State::FirstKey } else { State::FirstValue };
        if !object {
            self.value = self.element(sink);
        }
    }

    fn close(&mut self, object: bool, sink: &mut impl Sink) {
        if self.is_object() != object {
            self.state = State::Bad;
            return;
        }
        let node = self.parent();
        self.depth -= 1;
        self.objects >>= 1;
        if node != Node::SKIP {
            sink.close(node);
        }
        self.state = if self.depth == 0 { State::End } else { State::After };
    }

    fn after(&mut self, byte: u8, sink: &mut impl Sink) {
        match byte {
            b',' if self.is_object() => self.state = State::Key,
            b',' => {
                self.value = self.element(sink);
                self.state = State::Value;
            }
            b'}' => self.close(true, sink),
            b']' => self.close(false, sink),
            _ => self.state = State::Bad,
        }
    }

    fn is_object(&self) -> bool {
        self.objects & 1 == 1
    }

    /// The node of the innermost open container.
    fn parent(&self) -> Node {
        self.depth.checked_sub(1).map_or(Node::SKIP, |top| self.nodes[top])
    }

    fn element(&self, sink: &impl Sink) -> Node {
        match self.parent() {
            Node::SKIP => Node::SKIP,
            parent => sink.element(parent),
        }
    }

    /// Bytes of the value of a string, or of a key.
    fn piece(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        if bytes.is_empty() {
            return;
        }
        self.settle_surrogate(sink);
        self.emit(bytes, sink);
    }

    /// A high surrogate that no low one follows is no character.
    fn settle_surrogate(&mut self, sink: &mut impl Sink) {
        if self.high.take().is_some() {
            self.emit("\u{FFFD}".as_bytes(), sink);
        }
    }

    fn emit(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        if self.is_key {
            // One byte beyond the limit tells a longer key from one that just fits.
            let room = (MAX_KEY + 1).saturating_sub(self.short.len());
            self.short.extend_from_slice(&bytes[..bytes.len().min(room)]);
        } else if self.value != Node::SKIP {
            sink.piece(self.value, bytes);
        }
    }

    /// The string ends after `rest`.
    fn end_string(&mut self, rest: &[u8], sink: &mut impl Sink) {
        if !self.is_key {
            self.piece(rest, sink);
            self.settle_surrogate(sink);
            if self.value != Node::SKIP {
                sink.string_end(self.value);
            }
            self.state = State::After;
            return;
        }
        let parent = self.parent();
        self.value = if parent == Node::SKIP {
            self.high = None;
            Node::SKIP
        } else if self.short.is_empty() && self.high.is_none() {
            sink.member(parent, rest)
        } else {
            self.piece(rest, sink);
            self.settle_surrogate(sink);
            sink.member(parent, &self.short)
        };
        self.state = State::Colon;
    }

    fn escape(&mut self, byte: u8, sink: &mut impl Sink) {
        match unescape(byte) {
            Some(plain) => {
                self.piece(&[plain], sink);
                self.state = State::String;
            }
            None if byte == b'u' => {
                self.unit = 0;
                self.state = State::Hex(4);
            }
            None => self.state = State::Bad,
        }
    }

    fn hex(&mut self, byte: u8, missing: u8, sink: &mut impl Sink) {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => {
                self.state = State::Bad;
                return;
            }
        };
        self.unit = self.unit << 4 | u16::from(digit);
        self.state = State::Hex(missing - 1);
        if missing == 1 {
            self.code_unit(sink);
            self.state = State::String;
        }
    }

    /// A `\uXXXX` is complete: a character, or half of one.
    fn code_unit(&mut self, sink: &mut impl Sink) {
        let unit = self.unit;
        let point = match (unit, self.high) {
            (0xD800..=0xDBFF, _) => {
                self.settle_surrogate(sink);
                self.high = Some(unit);
                return;
            }
            (0xDC00..=0xDFFF, Some(high)) => {
                self.high = None;
                0x10000 + (u32::from(high & 0x3FF) << 10 | u32::from(unit & 0x3FF))
            }
            _ => u32::from(unit),
        };
        let character = char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.piece(character.encode_utf8(&mut [0; 4]).as_bytes(), sink);
    }

    fn digit(&mut self, digits: Digits, byte: u8, sink: &mut impl Sink) -> bool {
        if let Some(next) = digits.next(byte) {
            if self.short.len() <= MAX_NUMBER {
                self.short.push(byte);
            }
            self.state = State::Number(next);
            return true;
        }
        if !digits.is_complete() {
            self.state = State::Bad;
            return false;
        }
        self.state = State::After;
        if self.value != Node::SKIP
            && self.short.len() <= MAX_NUMBER
            && let Some(number) = std::str::from_utf8(&self.short).ok().and_then(|text| text.parse().ok())
        {
            sink.scalar(self.value, Scalar::Number(number));
        }
        false
    }

    fn letter(&mut self, word: &'static str, came: usize, byte: u8, sink: &mut impl Sink) {
        if word.as_bytes().get(came) != Some(&byte) {
            self.state = State::Bad;
        } else if came + 1 < word.len() {
            self.state = State::Word(word, came + 1);
        } else {
            self.state = State::After;
            if self.value != Node::SKIP {
                let scalar = if word == "null" { Scalar::Null } else { Scalar::Bool(word == "true") };
                sink.scalar(self.value, scalar);
            }
        }
    }
}

/// What stands for `byte` behind a backslash, if that is one byte.
fn unescape(byte: u8) -> Option<u8> {
    match byte {
        b'"' | b'\\' | b'/' => Some(byte),
        b'b' => Some(8),
        b'f' => Some(12),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        _ => None,
    }
}

/// If the next string follows at once, the length of what stands before it: `:"` or `,"`.
fn next_string(state: State, bytes: &[u8]) -> Option<usize> {
    let mark = if state == State::Colon { b':' } else { b',' };
    (bytes.first() == Some(&mark) && bytes.get(1) == Some(&b'"')).then_some(2)
}

/// How many bytes of a string come before a quote, a backslash or a newline. Most strings are short: their first words
/// are looked at here, eight bytes at once; only the rest is worth a call.
fn plain_bytes(bytes: &[u8]) -> usize {
    const NEAR: usize = 24;
    let mut at = 0;
    while let Some(word) = bytes.get(at..at + 8)
        && at < NEAR
    {
        let word = word.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
        let hits = zeros(word ^ EIGHT * 0x22) | zeros(word ^ EIGHT * 0x5C) | zeros(word ^ EIGHT * 0x0A);
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = &bytes[at..];
    at + memchr3(b'"', b'\\', b'\n', rest).unwrap_or(rest.len())
}

/// A one in each of eight bytes.
const EIGHT: u64 = 0x0101_0101_0101_0101;

/// The high bit of each byte that is zero (the lowest one is exact, which is all that is asked for).
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(EIGHT) & !word & (EIGHT * 0x80)
}
