//! Which values of a line an agent's protocol asks for, and what a line said of them.

use super::json::{Node, Scalar};

/// No wanted key is longer.
const MAX_KEY: usize = 30;
/// How much of a short string is kept, bytes.
const MAX_SHORT: usize = 512;

/// What is to be done with the value at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Kept: a number, a boolean, or the beginning of a string.
    Short,
    /// A string of any length, handed on as it comes.
    Prose,
    /// Objects that stand in an array: each is reported when it ends.
    Each,
}

/// A value that is asked for: its field (an index of the protocol's own), its path (`message.content[].text`), and what is
/// to be done with it.
pub(super) type Wanted = (usize, &'static str, Keep);

/// The paths of a protocol as a tree.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    places: Vec<Place>,
    fields: usize,
}

/// A place in the tree; its number is its [`Node`].
#[derive(Debug, Clone, Default)]
struct Place {
    /// Sorted by length, so that few are compared.
    members: Vec<(&'static str, Node)>,
    /// For each length of a key, how many members are shorter.
    shorter: [u8; MAX_KEY + 2],
    element: Option<Node>,
    wanted: Option<(usize, Keep)>,
    /// The fields here and below.
    fields: Vec<usize>,
}

impl Shape {
    pub(super) fn new(wanted: &[Wanted]) -> Shape {
        let mut shape = Shape { places: vec![Place::default()], fields: wanted.len() };
        for &(field, path, keep) in wanted {
            shape.add(field, path, keep);
        }
        shape
    }

    fn add(&mut self, field: usize, path: &'static str, keep: Keep) {
        let mut at = Node::ROOT;
        self.place_mut(at).fields.push(field);
        for step in path.split('.') {
            let key = step.trim_end_matches("[]");
            at = self.member_or_new(at, key);
            self.place_mut(at).fields.push(field);
            if key.len() < step.len() {
                at = self.element_or_new(at);
                self.place_mut(at).fields.push(field);
            }
        }
        self.place_mut(at).wanted = Some((field, keep));
    }

    fn place_mut(&mut self, node: Node) -> &mut Place {
        &mut self.places[usize::from(node.0)]
    }

    fn place(&self, node: Node) -> &Place {
        &self.places[usize::from(node.0)]
    }

    fn member_or_new(&mut self, parent: Node, key: &'static str) -> Node {
        let known = self.member(parent, key.as_bytes());
        if known != Node::SKIP {
            return known;
        }
        let node = self.new_place();
        let place = self.place_mut(parent);
        let at = place.members.partition_point(|(name, _)| name.len() <= key.len());
        place.members.insert(at, (key, node));
        place.shorter.iter_mut().skip(key.len() + 1).for_each(|count| *count += 1);
        node
    }

    fn element_or_new(&mut self, parent: Node) -> Node {
        if let Some(node) = self.place(parent).element {
            return node;
        }
        let node = self.new_place();
        self.place_mut(parent).element = Some(node);
        node
    }

    fn new_place(&mut self) -> Node {
        self.places.push(Place::default());
        // The paths are constants of this program, far fewer than a byte can count.
        Node(u8::try_from(self.places.len() - 1).unwrap_or(u8::MAX - 1))
    }

    pub(super) fn member(&self, parent: Node, key: &[u8]) -> Node {
        if key.len() > MAX_KEY {
            return Node::SKIP;
        }
        let place = self.place(parent);
        let same_length = usize::from(place.shorter[key.len()])..usize::from(place.shorter[key.len() + 1]);
        let found = place.members[same_length].iter().find(|(name, _)| name.as_bytes() == key);
        found.map_or(Node::SKIP, |(_, node)| *node)
    }

    pub(super) fn element(&self, parent: Node) -> Node {
        self.place(parent).element.unwrap_or(Node::SKIP)
    }

    /// The field at `node`, and what is to be done with it.
    pub(super) fn wanted(&self, node: Node) -> Option<(usize, Keep)> {
        self.place(node).wanted
    }

    /// The fields at `node` and below.
    pub(super) fn fields(&self, node: Node) -> &[usize] {
        &self.place(node).fields
    }
}

/// What the current line said so far.
#[derive(Debug, Clone)]
pub(super) struct Fields {
    values: Vec<Value>,
    /// Which of them were set in this line.
    touched: Vec<usize>,
}

#[derive(Debug, Clone, Default)]
struct Value {
    kind: Kind,
    /// It is in the list of those that were set.
    is_touched: bool,
    text: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Kind {
    #[default]
    Absent,
    Text,
    Scalar(Scalar),
}

impl Fields {
    pub(super) fn new(shape: &Shape) -> Fields {
        Fields { values: vec![Value::default(); shape.fields], touched: Vec::new() }
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        for field in self.touched.drain(..) {
            self.values[field].kind = Kind::Absent;
            self.values[field].is_touched = false;
        }
    }

    /// Forgets one.
    pub(super) fn forget(&mut self, field: usize) {
        self.values[field].kind = Kind::Absent;
    }

    /// A value that is about to be set; a line may set it any number of times.
    fn touch(&mut self, field: usize) -> &mut Value {
        let value = &mut self.values[field];
        if !value.is_touched {
            value.is_touched = true;
            self.touched.push(field);
        }
        value
    }

    pub(super) fn set(&mut self, field: usize, scalar: Scalar) {
        self.touch(field).kind = Kind::Scalar(scalar);
    }

    pub(super) fn begin_text(&mut self, field: usize) {
        let value = self.touch(field);
        value.kind = Kind::Text;
        value.text.clear();
    }

    pub(super) fn push_text(&mut self, field: usize, bytes: &[u8]) {
        let text = &mut self.values[field].text;
        text.extend_from_slice(&bytes[..bytes.len().min(MAX_SHORT - text.len())]);
    }

    /// The bytes of a string, or nothing.
    pub(super) fn bytes(&self, field: impl Into<usize>) -> Option<&[u8]> {
        let value = &self.values[field.into()];
        (value.kind == Kind::Text).then_some(value.text.as_slice())
    }

    /// The string, if it is one; invalid UTF-8 (and a character cut by the limit) is left out.
    pub(super) fn text(&self, field: impl Into<usize>) -> Option<String> {
        let bytes = self.bytes(field)?;
        Some(bytes.utf8_chunks().map(|chunk| chunk.valid()).collect())
    }

    /// Is it this string?
    pub(super) fn is(&self, field: impl Into<usize>, text: &str) -> bool {
        self.bytes(field) == Some(text.as_bytes())
    }

    pub(super) fn bool(&self, field: impl Into<usize>) -> Option<bool> {
        match self.values[field.into()].kind {
            Kind::Scalar(Scalar::Bool(value)) => Some(value),
            _ => None,
        }
    }

    pub(super) fn number(&self, field: impl Into<usize>) -> Option<f64> {
        match self.values[field.into()].kind {
            Kind::Scalar(Scalar::Number(value)) => Some(value),
            _ => None,
        }
    }

    /// A number that counts something.
    pub(super) fn count(&self, field: impl Into<usize>) -> Option<u64> {
        // Saturates, and there is no fraction to lose.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be a small whole number"
        )]
        self.number(field).filter(|number| (0.0..9e15).contains(number)).map(|number| number as u64)
    }
}
