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
    fn piece(&mut self, bytes: &[u8]);
    /// It ends.
    fn string_end(&mut self);
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
    /// Inside of `true`, `false` or `null`.
    Word,
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
    /// The word being read.
    word: Scalar,
    /// The letters of it that are missing.
    letters: &'static [u8],
    /// The digits of a `\uXXXX`.
    unit: u16,
    /// A high surrogate that waits for its low one.
    high: Option<u16>,
    /// The beginning of the current line, as far as it came in earlier chunks.
    head: Vec<u8>,
    /// The current line has bytes.
    begun: bool,
    ends: Ends,
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
            word: Scalar::Null,
            letters: &[],
            unit: 0,
            high: None,
            head: Vec::new(),
            begun: false,
            ends: Ends::new(),
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
                State::String => self.string(chunk, at, sink),
                State::Number(digits) => self.number(digits, chunk, at, sink),
                State::Word => self.letters(chunk, at, sink),
                State::Bad => memchr(b'\n', &chunk[at..]).map_or(chunk.len(), |found| at + found),
                _ => at,
            };
            at += self.punctuation(&chunk[at..]);
            match (self.state, chunk.get(at)) {
                (State::Key | State::FirstKey, Some(b'"')) => {
                    self.begin_key();
                    at = self.members(chunk, at + 1, sink);
                    continue;
                }
                (State::Value, Some(b'"')) => self.begin_string(sink),
                (_, Some(b'\n')) => {
                    self.end_line(&chunk[line..at], sink);
                    line = at + 1;
                }
                (_, Some(&byte)) => self.step(byte, sink),
                (_, None) => break,
            }
            at += 1;
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

    /// Reads the members of an object from behind the quote of a key on, as long as they are strings (or simple, and not
    /// wanted) and nothing stands in between: most of every stream. Returns where something else comes. (The rest of the
    /// lexer could do it all as well; here the state is in the place in the code.)
    fn members(&mut self, chunk: &[u8], mut at: usize, sink: &mut impl Sink) -> usize {
        let parent = self.parent();
        loop {
            let rest = &chunk[at..];
            let (key, behind) = rest.split_at(self.ends.find(rest));
            if behind.first() != Some(&b'"') {
                self.state = State::String;
                return at;
            }
            let node = if parent == Node::SKIP { Node::SKIP } else { sink.member(parent, key) };
            self.value = node;
            if node == Node::SKIP
                && let Some(rest) = behind.strip_prefix(b"\":").and_then(skip_scalar)
                && let Some(rest) = rest.strip_prefix(b",\"")
            {
                at = chunk.len() - rest.len();
                continue;
            }
            let Some(rest) = behind.strip_prefix(b"\":\"") else {
                self.state = State::Colon;
                return chunk.len() - behind.len() + 1;
            };
            if node != Node::SKIP {
                sink.string(node);
            }
            let (value, behind) = rest.split_at(self.ends.find(rest));
            if node != Node::SKIP {
                sink.piece(value);
            }
            if behind.first() != Some(&b'"') {
                self.is_key = false;
                self.state = State::String;
                return chunk.len() - behind.len();
            }
            if node != Node::SKIP {
                sink.string_end();
            }
            let Some(rest) = behind.strip_prefix(b"\",\"") else {
                self.state = State::After;
                return chunk.len() - behind.len() + 1;
            };
            at = chunk.len() - rest.len();
        }
    }

    /// Reads on in a string, to its end if that is here; returns where something else comes.
    fn string(&mut self, chunk: &[u8], mut at: usize, sink: &mut impl Sink) -> usize {
        if !self.is_key && self.value == Node::SKIP {
            at += self.ends.find_unwanted(&chunk[at..]);
        }
        loop {
            let rest = &chunk[at..];
            let plain = self.ends.find(rest);
            match rest.get(plain) {
                Some(b'"') => {
                    self.end_string(&rest[..plain], sink);
                    return at + plain + 1;
                }
                Some(b'\\') => {
                    self.piece(&rest[..plain], sink);
                    let Some(byte) = rest.get(plain + 1).copied().and_then(unescape) else {
                        self.state = State::Escape;
                        return at + plain + 1;
                    };
                    self.piece(&[byte], sink);
                    at += plain + 2;
                }
                Some(_) => {
                    self.state = State::Bad;
                    return at + plain;
                }
                None => {
                    self.piece(rest, sink);
                    return chunk.len();
                }
            }
        }
    }

    /// Takes the colon behind a key or the comma behind a member, if it comes at once; returns how many bytes that are.
    fn punctuation(&mut self, rest: &[u8]) -> usize {
        self.state = match (self.state, rest.first()) {
            (State::Colon, Some(b':')) => State::Value,
            (State::After, Some(b',')) if self.is_object() => State::Key,
            _ => return 0,
        };
        1
    }

    /// Takes one byte between strings, numbers and words.
    fn step(&mut self, byte: u8, sink: &mut impl Sink) {
        match (self.state, byte) {
            (State::Value, _) if byte > b' ' => self.begin_value(byte, sink),
            (State::After, _) if byte > b' ' => self.after(byte, sink),
            (State::Escape, _) => self.escape(byte, sink),
            (State::Hex(missing), _) => self.hex(byte, missing, sink),
            (_, b' ' | b'\t' | b'\r') => {}
            (State::Start, b'{') => {
                self.value = Node::ROOT;
                self.open(true, sink);
            }
            (State::FirstKey, b'}') => self.close(true, sink),
            (State::FirstValue, b']') => self.close(false, sink),
            (State::FirstValue, _) => self.begin_value(byte, sink),
            _ => self.state = State::Bad,
        }
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
            b't' => self.begin_word(Scalar::Bool(true), b"rue"),
            b'f' => self.begin_word(Scalar::Bool(false), b"alse"),
            b'n' => self.begin_word(Scalar::Null, b"ull"),
            b'-' | b'0'..=b'9' => {
                self.short.clear();
                self.short.push(byte);
                self.state = State::Number(Digits::begin(byte));
            }
            _ => self.state = State::Bad,
        }
    }

    fn begin_word(&mut self, word: Scalar, letters: &'static [u8]) {
        self.word = word;
        self.letters = letters;
        self.state = State::Word;
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
    #[inline(always)] // most bytes are of strings that nobody wants
    fn piece(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        if !bytes.is_empty() && (self.is_key || self.value != Node::SKIP) {
            self.hand_on(bytes, sink);
        }
    }

    fn hand_on(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        self.settle_surrogate(sink);
        self.emit(bytes, sink);
    }

    /// A high surrogate that no low one follows is no character.
    fn settle_surrogate(&mut self, sink: &mut impl Sink) {
        if self.high.take().is_some() {
            self.emit("\u{FFFD}".as_bytes(), sink);
        }
    }

    #[inline(always)]
    fn emit(&mut self, bytes: &[u8], sink: &mut impl Sink) {
        if self.is_key {
            // One byte beyond the limit tells a longer key from one that just fits.
            let room = (MAX_KEY + 1).saturating_sub(self.short.len());
            self.short.extend_from_slice(&bytes[..bytes.len().min(room)]);
        } else if self.value != Node::SKIP {
            sink.piece(bytes);
        }
    }

    /// The string ends after `rest`.
    fn end_string(&mut self, rest: &[u8], sink: &mut impl Sink) {
        if !self.is_key {
            self.piece(rest, sink);
            self.settle_surrogate(sink);
            if self.value != Node::SKIP {
                sink.string_end();
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

    /// Reads on in a number; returns where it ends.
    fn number(&mut self, mut digits: Digits, chunk: &[u8], at: usize, sink: &mut impl Sink) -> usize {
        let rest = &chunk[at..];
        let mut length = 0;
        while let Some(next) = rest.get(length).and_then(|&byte| digits.next(byte)) {
            digits = next;
            length += 1;
        }
        if self.value != Node::SKIP {
            let room = (MAX_NUMBER + 1).saturating_sub(self.short.len());
            self.short.extend_from_slice(&rest[..length.min(room)]);
        }
        self.state = State::Number(digits);
        if length < rest.len() {
            self.end_number(digits, sink);
        }
        at + length
    }

    fn end_number(&mut self, digits: Digits, sink: &mut impl Sink) {
        self.state = if digits.is_complete() { State::After } else { State::Bad };
        if self.state == State::After
            && self.value != Node::SKIP
            && self.short.len() <= MAX_NUMBER
            && let Some(number) = std::str::from_utf8(&self.short).ok().and_then(|text| text.parse().ok())
        {
            sink.scalar(self.value, Scalar::Number(number));
        }
    }

    /// Reads on in a word; returns where it ends.
    fn letters(&mut self, chunk: &[u8], at: usize, sink: &mut impl Sink) -> usize {
        let rest = &chunk[at..];
        let (now, later) = self.letters.split_at(self.letters.len().min(rest.len()));
        if !rest.starts_with(now) {
            self.state = State::Bad;
            return at;
        }
        self.letters = later;
        if later.is_empty() {
            self.state = State::After;
            if self.value != Node::SKIP {
                sink.scalar(self.value, self.word);
            }
        }
        at + now.len()
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

/// What stands behind a word or a whole number, if one begins here.
fn skip_scalar(bytes: &[u8]) -> Option<&[u8]> {
    match bytes.first()? {
        b'n' => bytes.strip_prefix(b"null"),
        b't' => bytes.strip_prefix(b"true"),
        b'f' => bytes.strip_prefix(b"false"),
        b'0' => Some(&bytes[1..]),
        b'1'..=b'9' => Some(&bytes[bytes.iter().take_while(|byte| byte.is_ascii_digit()).count()..]),
        _ => None,
    }
}

/// Finds the end of the plain part of a string: a quote, a backslash or a newline.
///
/// Most strings are short, and then the search itself costs less than a call that first chooses the widest instructions:
/// where the narrow ones are always there, they are used directly.
#[derive(Debug, Clone)]
struct Ends {
    #[cfg(target_arch = "x86_64")]
    near: Option<memchr::arch::x86_64::sse2::memchr::Three>,
}

impl Ends {
    fn new() -> Ends {
        Ends {
            #[cfg(target_arch = "x86_64")]
            near: memchr::arch::x86_64::sse2::memchr::Three::new(b'"', b'\\', b'\n'),
        }
    }

    /// How many bytes come before it.
    #[inline(always)] // for half of all strings the call would cost more than the search
    fn find(&self, bytes: &[u8]) -> usize {
        #[cfg(target_arch = "x86_64")]
        if let Some(near) = &self.near {
            return near.find(bytes).unwrap_or(bytes.len());
        }
        memchr3(b'"', b'\\', b'\n', bytes).unwrap_or(bytes.len())
    }

    /// The same, beyond all simple escapes: in a string that nobody wants they are checked and forgotten.
    fn find_unwanted(&self, bytes: &[u8]) -> usize {
        let mut at = self.find(bytes);
        while let Some(&[b'\\', byte]) = bytes.get(at..at + 2)
            && unescape(byte).is_some()
        {
            at += 2;
            at += self.find(&bytes[at..]);
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value};
    use std::cell::RefCell;

    /// Keys that begin so are not asked for.
    const UNWANTED: u8 = b'b';

    /// A sink that builds the values again, but for those under [`UNWANTED`] keys.
    #[derive(Default)]
    struct Builder {
        /// The open containers; what is not known to be an array is an object. With the key under which each stands.
        open: RefCell<Vec<(Value, String)>>,
        key: RefCell<String>,
        text: Vec<u8>,
        line: Option<Value>,
        /// The value of each line; none if it is broken.
        lines: Vec<Option<Value>>,
    }

    impl Builder {
        fn put(&mut self, value: Value) {
            match self.open.get_mut().last_mut() {
                Some((Value::Array(array), _)) => array.push(value),
                Some((Value::Object(object), _)) => {
                    object.insert(self.key.get_mut().clone(), value);
                }
                _ => self.line = Some(value),
            }
        }
    }

    impl Sink for Builder {
        fn member(&self, _: Node, key: &[u8]) -> Node {
            if key.first() == Some(&UNWANTED) {
                return Node::SKIP;
            }
            *self.key.borrow_mut() = String::from_utf8_lossy(key).into_owned();
            Node(1)
        }
        fn element(&self, _: Node) -> Node {
            if let Some((container, _)) = self.open.borrow_mut().last_mut()
                && container.is_object()
            {
                *container = Value::Array(Vec::new());
            }
            Node(1)
        }
        fn open(&mut self, _: Node) {
            let key = self.key.get_mut().clone();
            self.open.get_mut().push((Value::Object(Map::new()), key));
        }
        fn close(&mut self, _: Node) {
            let (value, key) = self.open.get_mut().pop().unwrap();
            *self.key.get_mut() = key;
            self.put(value);
        }
        fn string(&mut self, _: Node) {
            self.text.clear();
        }
        fn piece(&mut self, bytes: &[u8]) {
            self.text.extend_from_slice(bytes);
        }
        fn string_end(&mut self) {
            let text = String::from_utf8_lossy(&self.text).into_owned();
            self.put(Value::String(text));
        }
        fn scalar(&mut self, _: Node, scalar: Scalar) {
            self.put(match scalar {
                Scalar::Null => Value::Null,
                Scalar::Bool(value) => value.into(),
                Scalar::Number(value) => value.into(),
            });
        }
        fn whole(&mut self) {
            self.lines.push(self.line.take());
        }
        fn broken(&mut self, _: &[u8]) {
            self.line = None;
            self.open.get_mut().clear();
            self.lines.push(None);
        }
    }

    fn lex(bytes: &[u8], mut cuts: impl Iterator<Item = usize>) -> Vec<Option<Value>> {
        let (mut lexer, mut builder, mut rest) = (Lexer::default(), Builder::default(), bytes);
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at(cuts.next().unwrap_or(rest.len()).clamp(1, rest.len()));
            lexer.feed(chunk, &mut builder);
            rest = later;
        }
        lexer.finish(&mut builder);
        builder.lines
    }

    /// What serde_json says; all numbers as doubles, and without what is not asked for.
    fn oracle(line: &str) -> Option<Value> {
        fn doubles(value: Value) -> Value {
            match value {
                Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
                Value::Array(array) => array.into_iter().map(doubles).collect(),
                Value::Object(object) => object
                    .into_iter()
                    .filter(|(key, _)| key.as_bytes().first() != Some(&UNWANTED))
                    .map(|(key, value)| (key, doubles(value)))
                    .collect(),
                other => other,
            }
        }
        serde_json::from_str::<Value>(line).ok().filter(Value::is_object).map(doubles)
    }

    /// Lines that this lexer may be more lenient with (or read a number of more exactly).
    fn is_leniency(line: &str) -> bool {
        let lower = line.to_lowercase();
        lower.contains("\\ud") || lower.contains('e') && lower.contains(|c: char| c.is_ascii_digit())
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            // Exact in binary: without a feature of its own serde_json reads others wrong in the last bit.
            any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
            "[ -~äß完🚀\n\t\"\\\\]{0,40}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[a-c\"\\\\ä]{0,3}", inner), 0..5)
                    .prop_map(|members| members.into_iter().collect::<Value>()),
            ]
        })
    }

    fn object() -> impl Strategy<Value = Value> {
        prop::collection::vec(("[a-d]{1,2}", value()), 0..6).prop_map(|members| members.into_iter().collect())
    }

    proptest! {
        #[test]
        fn reads_what_serde_writes(objects in prop::collection::vec(object(), 1..4), cuts in prop::collection::vec(1usize..30, 0..60), pretty: bool) {
            let text: Vec<String> = objects.iter().map(|object| {
                if pretty {
                    serde_json::to_string_pretty(object).unwrap().replace('\n', "\t ")
                } else {
                    serde_json::to_string(object).unwrap()
                }
            }).collect();
            let expected: Vec<_> = text.iter().map(|line| oracle(line)).collect();
            prop_assert_eq!(lex(text.join("\n").as_bytes(), cuts.into_iter()), expected);
        }

        #[test]
        fn rejects_what_serde_rejects(
            object in object(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), "[]\\[{}\":,\\\\0-9.eE+\\-truefalsnu ]?", any::<bool>()), 1..4),
            cuts in prop::collection::vec(1usize..30, 0..20),
        ) {
            let mut line: Vec<char> = serde_json::to_string(&object).unwrap().chars().collect();
            for (at, new, instead) in edits {
                let at = at.index(line.len());
                line.splice(at..at + usize::from(instead), new.chars());
                if line.is_empty() { line.push('{'); }
            }
            let line: String = line.into_iter().collect();
            let (ours, theirs) = (lex(line.as_bytes(), cuts.into_iter()), oracle(&line));
            if !is_leniency(&line) {
                prop_assert_eq!(ours, vec![theirs], "{}", line);
            } else if theirs.is_some() {
                prop_assert!(ours[0].is_some(), "{}", line);
            }
        }
    }

    #[test]
    fn grammar() {
        let accepted = [
            "{}",
            " {\t} \r",
            r#"{"a":[]}"#,
            r#"{"a":[[],{}]}"#,
            r#"{"a":-0.5e+3}"#,
            r#"{"a":0}"#,
            r#"{"a":"\u00e4\ud83d\ude80"}"#,
            r#"{"\u0061":1}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":true,"b":[false,null]}"#,
            r#"{"b":0,"b2":12,"b3":true,"b4":null,"b5":false,"a":"x","b6":-1,"b7":1.5e3,"c":"y"}"#,
        ];
        for line in accepted {
            for size in [1, 3, 100] {
                assert_eq!(lex(line.as_bytes(), std::iter::repeat(size)), vec![oracle(line)], "{line}");
            }
            assert!(oracle(line).is_some(), "{line}");
        }
        let rejected = [
            "{",
            "}",
            "[]",
            "1",
            "true",
            "\"a\"",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":.5}"#,
            r#"{"a":-}"#,
            r#"{"a":1e}"#,
            r#"{"a":+1}"#,
            r#"{"a":tru}"#,
            r#"{"a":truex}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\u00g0"}"#,
            r#"{"a":1}}"#,
            r#"{"a":1} {"#,
            r#"{"a":1]"#,
            r#"{"a":[1}"#,
            r#"{"a" 1}"#,
            r#"{a:1}"#,
            r#"{"a":"b}"#,
            r#"{"b":tr,"c":1}"#,
            r#"{"b":nul,"c":1}"#,
            r#"{"b":01,"c":1}"#,
            r#"{"b":1 2,"c":1}"#,
            r#"{"b":,"c":1}"#,
            r#"{"b":"x" "c":1}"#,
            r#"{"b":"x","c"}"#,
        ];
        for line in rejected {
            for size in [1, 3, 100] {
                assert_eq!(lex(line.as_bytes(), std::iter::repeat(size)), vec![None], "{line}");
            }
            assert_eq!(oracle(line), None, "{line}");
        }
    }

    #[test]
    fn depth_is_limited_like_serde_json() {
        for depth in [126, 127, 128, 400] {
            let line = format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
            assert_eq!(lex(line.as_bytes(), std::iter::empty())[0].is_some(), depth <= MAX_DEPTH, "{depth}");
            assert_eq!(oracle(&line).is_some(), depth <= MAX_DEPTH, "{depth}");
        }
    }

    #[test]
    fn lenient_where_nothing_is_lost() {
        let text = |line: &[u8]| lex(line, std::iter::repeat(1))[0].as_ref().map(|value| value["a"].clone());
        assert_eq!(text(b"{\"a\":\"x\x00\x07y\"}"), Some("x\0\u{7}y".into()));
        assert_eq!(text(b"{\"a\":\"x\xffy\"}"), Some("x\u{FFFD}y".into()));
        assert_eq!(
            text(br#"{"a":"\ud800x\udc00\ud83d\ud83d\ude80\ud800"}"#),
            Some("\u{FFFD}x\u{FFFD}\u{FFFD}🚀\u{FFFD}".into())
        );
        assert!(text(b"{\"a\":1e999}").is_some());
        let digits = format!("{{\"a\":{}}}", "9".repeat(400));
        assert!(text(digits.as_bytes()).is_some());
    }
}
