//! What the scanners of all agents with a protocol of JSON lines share: lines, fields, long texts, counting. What the
//! lines mean is up to a [`Protocol`], a file for each agent.

use super::done::{DoneRule, Watch};
use super::json::{Lexer, Node, Scalar, Sink};
use super::shape::{Fields, Keep, Shape, Wanted};
use super::text::{Utf8, boundary, one_line};
use super::{Closing, Scan};
use crate::model::{Evidence, LineCounts, Sign};
use std::sync::Arc;

/// So much text of one line is held back, bytes, until its end (or what is known before) says whether it is shown.
const MAX_HELD: usize = 256 * 1024;
/// So many signs of one line are held back.
const MAX_SIGNS: usize = 1024;
/// So many bytes of a long text are decoded at once: few enough to stay close to the processor.
const BATCH: usize = 2000;
/// So much of a line that is none of the protocol is shown, characters.
const MAX_STRAY: usize = 500;

/// What the lines of one agent mean.
pub(super) trait Protocol {
    /// The values that it asks for.
    const WANTED: &'static [Wanted];

    /// The reader of the done rule for a long text that begins now.
    fn watch(&self, rule: &Arc<DoneRule>) -> Watch {
        Watch::new(rule)
    }

    /// Is it certain already, in the middle of a line, that the long text `field` is one to show? Then what does not fit
    /// into memory goes out at once, else it is cut.
    fn is_shown(&self, fields: &Fields, field: usize) -> bool;

    /// A long text ended.
    fn prose(&mut self, field: usize, prose: Prose);

    /// An object in a wanted array ended.
    fn each(&mut self, _fields: &Fields, _held: &mut Held) {}

    /// Line `number` (from 1) ended well. Is it of a type that this version knows?
    fn line(&mut self, fields: &Fields, number: u64, held: &mut Held, signs: &mut Vec<Sign>) -> bool;

    /// The current line is none of the protocol: what its parts said is void.
    fn void(&mut self);

    /// All was read. The caller fills in the line counts.
    fn sum_up(&mut self, closing: &Closing) -> Evidence;
}

/// Signs of the current line that wait for its end.
#[derive(Debug, Default)]
pub(super) struct Held {
    signs: Vec<Sign>,
    bytes: usize,
    /// There were too many: the last are missing.
    is_cut: bool,
}

impl Held {
    /// One more.
    pub(super) fn push(&mut self, sign: Sign) {
        if self.signs.len() < MAX_SIGNS {
            self.bytes += if let Sign::Text(text) = &sign { text.len() } else { 0 };
            self.signs.push(sign);
        } else {
            self.is_cut = true;
        }
    }

    /// A long text.
    pub(super) fn push_text(&mut self, mut prose: Prose) {
        if prose.cut {
            prose.text.push_str("…\n[the rest of this text is in the raw log only]\n");
        }
        if !prose.text.is_empty() {
            self.push(Sign::Text(prose.text));
        }
    }

    /// A long text, and the newline that sets it off from what comes next.
    pub(super) fn push_message(&mut self, mut prose: Prose) {
        if !prose.is_at_line_start() {
            prose.text.push('\n');
        }
        self.push_text(prose);
    }

    /// They are to be shown.
    pub(super) fn release(&mut self, signs: &mut Vec<Sign>) {
        signs.append(&mut self.signs);
        self.bytes = 0;
    }

    fn clear(&mut self) {
        self.signs.clear();
        self.bytes = 0;
    }
}

/// A long text of a line.
#[derive(Debug, Clone)]
pub(super) struct Prose {
    /// The text, or its end, if the beginning was shown already.
    pub(super) text: String,
    /// Has read all of it.
    pub(super) watch: Watch,
    /// Nothing, or a newline, came last.
    at_line_start: bool,
    /// It did not fit: its end is missing in `text`.
    cut: bool,
    utf8: Utf8,
}

impl Prose {
    fn new(watch: Watch) -> Prose {
        Prose { text: String::new(), watch, at_line_start: true, cut: false, utf8: Utf8::default() }
    }

    /// Takes the next bytes, and keeps their text unless the text is cut already.
    fn decode(&mut self, bytes: &[u8], is_last: bool) {
        let old = self.text.len();
        self.utf8.decode(bytes, &mut self.text);
        if is_last {
            self.utf8.finish(&mut self.text);
        }
        let new = &self.text[old..];
        self.watch.feed(new);
        if let Some(last) = new.bytes().next_back() {
            self.at_line_start = last == b'\n';
        }
        if self.cut {
            self.text.truncate(old);
        }
    }

    /// Is a newline (or nothing at all) what came last?
    pub(super) fn is_at_line_start(&self) -> bool {
        self.at_line_start || self.cut
    }

    fn cut_to(&mut self, room: usize) {
        self.text.truncate(boundary(&self.text, room));
        self.cut = true;
    }
}

/// The scanner of one stream.
pub(super) struct Reader<P> {
    lexer: Lexer,
    desk: Desk<P>,
}

/// Where the parts of a line are gathered.
struct Desk<P> {
    protocol: P,
    rule: Arc<DoneRule>,
    shape: Shape,
    fields: Fields,
    held: Held,
    prose: Prose,
    /// Bytes of `prose` that are not decoded yet: always whole batches, so that nothing depends on how the input was cut.
    raw: Vec<u8>,
    /// What the string being read is wanted for.
    target: Option<(usize, Keep)>,
    /// Some of the line's text did not fit.
    is_long: bool,
    lines: LineCounts,
}

impl<P: Protocol> Reader<P> {
    pub(super) fn new(protocol: P, rule: &DoneRule) -> Reader<P> {
        let shape = Shape::new(P::WANTED);
        let rule = Arc::new(rule.clone());
        let desk = Desk {
            fields: Fields::new(&shape),
            shape,
            held: Held::default(),
            prose: Prose::new(Watch::new(&rule)),
            raw: Vec::with_capacity(BATCH),
            target: None,
            is_long: false,
            lines: LineCounts::default(),
            protocol,
            rule,
        };
        Reader { lexer: Lexer::default(), desk }
    }
}

impl<P: Protocol> Scan for Reader<P> {
    fn feed(&mut self, chunk: &[u8], signs: &mut Vec<Sign>) {
        self.lexer.feed(chunk, &mut Pass { desk: &mut self.desk, signs });
    }

    fn close(&mut self, closing: &Closing, signs: &mut Vec<Sign>) -> Evidence {
        self.lexer.finish(&mut Pass { desk: &mut self.desk, signs });
        Evidence { lines: self.desk.lines.clone(), ..self.desk.protocol.sum_up(closing) }
    }
}

/// The lexer's view of the desk, with the caller's list of signs.
struct Pass<'a, P> {
    desk: &'a mut Desk<P>,
    signs: &'a mut Vec<Sign>,
}

impl<P: Protocol> Pass<'_, P> {
    /// Decodes the long text that is being read, as far as it came, and finds a place for it.
    fn settle(&mut self, field: usize, is_last: bool) {
        let Desk { prose, raw, held, protocol, fields, .. } = &mut *self.desk;
        prose.decode(raw, is_last);
        raw.clear();
        let room = MAX_HELD.saturating_sub(held.bytes);
        if prose.cut || prose.text.len() <= room {
            return;
        }
        if protocol.is_shown(fields, field) {
            held.release(self.signs);
            self.signs.push(Sign::Text(std::mem::take(&mut prose.text)));
        } else {
            prose.cut_to(room);
            self.desk.is_long = true;
        }
    }

    fn end_line(&mut self) {
        let desk = &mut *self.desk;
        desk.lines.long += u64::from(std::mem::take(&mut desk.is_long) | std::mem::take(&mut desk.held.is_cut));
        desk.held.clear();
        desk.fields.clear();
    }
}

impl<P: Protocol> Sink for Pass<'_, P> {
    fn member(&self, parent: Node, key: &[u8]) -> Node {
        self.desk.shape.member(parent, key)
    }

    fn element(&self, parent: Node) -> Node {
        self.desk.shape.element(parent)
    }

    fn open(&mut self, node: Node) {
        if node == Node::ROOT {
            return;
        }
        // The last of several members with one name counts, whole; and each element of an array is a new one.
        for &field in self.desk.shape.fields(node) {
            self.desk.fields.forget(field);
        }
    }

    fn close(&mut self, node: Node) {
        if let Some((_, Keep::Each)) = self.desk.shape.wanted(node) {
            self.desk.protocol.each(&self.desk.fields, &mut self.desk.held);
        }
    }

    fn string(&mut self, node: Node) {
        self.desk.target = self.desk.shape.wanted(node);
        match self.desk.target {
            Some((field, Keep::Short)) => self.desk.fields.begin_text(field),
            Some((field, Keep::Prose)) => {
                self.desk.fields.begin_text(field);
                self.desk.raw.clear();
                self.desk.prose = Prose::new(self.desk.protocol.watch(&self.desk.rule));
            }
            _ => {}
        }
    }

    fn piece(&mut self, mut bytes: &[u8]) {
        match self.desk.target {
            Some((field, Keep::Short)) => self.desk.fields.push_text(field, bytes),
            Some((field, Keep::Prose)) => {
                while self.desk.raw.len() + bytes.len() > BATCH {
                    let (fits, rest) = bytes.split_at(BATCH - self.desk.raw.len());
                    self.desk.raw.extend_from_slice(fits);
                    self.settle(field, false);
                    bytes = rest;
                }
                self.desk.raw.extend_from_slice(bytes);
            }
            _ => {}
        }
    }

    fn string_end(&mut self) {
        if let Some((field, Keep::Prose)) = self.desk.target {
            self.settle(field, true);
            let empty = Prose::new(Watch::new(&self.desk.rule));
            let prose = std::mem::replace(&mut self.desk.prose, empty);
            self.desk.protocol.prose(field, prose);
        }
    }

    fn scalar(&mut self, node: Node, scalar: Scalar) {
        if let Some((field, _)) = self.desk.shape.wanted(node) {
            self.desk.fields.set(field, scalar);
        }
    }

    fn whole(&mut self) {
        let Desk { protocol, fields, held, lines, .. } = &mut *self.desk;
        lines.total += 1;
        let is_known = protocol.line(fields, lines.total, held, self.signs);
        lines.unknown += u64::from(!is_known);
        self.end_line();
    }

    fn broken(&mut self, head: &[u8]) {
        self.desk.lines.total += 1;
        if !head.is_empty() {
            self.desk.lines.stray += 1;
            self.desk.protocol.void();
            let shown = one_line(head, MAX_STRAY);
            let is_cut = head.starts_with(b"{");
            self.signs.push(Sign::Remark(if is_cut { format!("cut or malformed line: {shown}") } else { shown }));
        }
        self.end_line();
    }
}
