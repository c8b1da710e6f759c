//! Signs into lines. The same signs always give the same bytes, however they were cut into batches, and however a text
//! was cut into signs: the text log is written again from the raw log and must come out the same.

use super::masks::Masks;
use super::words::one_line;
use crate::model::Sign;

/// How a page looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// The agent's words as they are; for files.
    Faithful,
    /// Control characters of the agent's words are made visible, so that none of them commands the terminal.
    Tame,
    /// The same with colour.
    Colour,
}

/// What kind of line it is; decides on its mark and colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A header or an ending of ours.
    Header,
    /// A tool of the agent.
    Tool,
    /// A limit.
    Limit,
    /// Anything else beside the agent's words.
    Remark,
    /// A warning of ours.
    Warning,
    /// Something good.
    Good,
    /// Something bad.
    Bad,
}

/// What control characters are shown as on a terminal.
const TAMED: &str = "\u{fffd}";

/// Back to the normal colour.
const NORMAL: &str = "\u{1b}[0m";

/// Beyond this an emptied page gives its memory back.
const SPARE: usize = 1 << 20;

/// Bytes that wait to be written, and where the line stands.
#[derive(Debug)]
pub(super) struct Page {
    bytes: Vec<u8>,
    look: Look,
    at_line_start: bool,
}

impl Page {
    /// An empty page at the start of a line.
    pub(super) fn new(look: Look) -> Page {
        Page { bytes: Vec::new(), look, at_line_start: true }
    }

    /// What waits.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The first `count` bytes are written.
    pub(super) fn written(&mut self, count: usize) {
        if count >= self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(SPARE);
        } else {
            self.bytes.drain(..count);
        }
    }

    /// Appends what `sign` says.
    pub(super) fn sign(&mut self, sign: &Sign, masks: &Masks) {
        match sign {
            Sign::Text(text) => self.text(&masks.apply(text)),
            Sign::Tool { name, what } if what.is_empty() => self.line(Kind::Tool, name),
            Sign::Tool { name, what } => self.line(Kind::Tool, &masks.apply(&format!("{name}  {what}"))),
            Sign::Began { model: Some(model) } => self.line(Kind::Remark, &format!("model {model}")),
            Sign::Retry { attempt, status: Some(status) } => {
                self.line(Kind::Remark, &format!("the API answered {status}; the agent's retry {attempt}"));
            }
            Sign::Retry { attempt, status: None } => {
                self.line(Kind::Remark, &format!("the API did not answer; the agent's retry {attempt}"));
            }
            Sign::Limit(text) => self.line(Kind::Limit, &masks.apply(text)),
            Sign::Remark(text) => self.line(Kind::Remark, &masks.apply(text)),
            Sign::Began { model: None } | Sign::Final => {}
        }
    }

    /// Appends words of the agent.
    pub(super) fn text(&mut self, text: &str) {
        let Some(last) = text.bytes().last() else { return };
        match self.look {
            Look::Faithful => self.bytes.extend_from_slice(text.as_bytes()),
            Look::Tame | Look::Colour => self.tame(text),
        }
        self.at_line_start = last == b'\n';
    }

    /// Appends a line of its own.
    pub(super) fn line(&mut self, kind: Kind, text: &str) {
        self.end_line();
        let (mark, colour) = match kind {
            Kind::Header => ("", "\u{1b}[1m"),
            Kind::Tool => ("● ", "\u{1b}[36m"),
            Kind::Limit => ("▲ ", "\u{1b}[33m"),
            Kind::Warning => ("", "\u{1b}[33m"),
            Kind::Remark => ("· ", "\u{1b}[2m"),
            Kind::Good => ("", "\u{1b}[1;32m"),
            Kind::Bad => ("", "\u{1b}[1;31m"),
        };
        let coloured = self.look == Look::Colour;
        self.bytes.extend_from_slice(if coloured { colour } else { "" }.as_bytes());
        self.bytes.extend_from_slice(mark.as_bytes());
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f || byte == 0xc2) {
            self.bytes.extend_from_slice(one_line(text).as_bytes());
        } else {
            self.bytes.extend_from_slice(text.as_bytes());
        }
        self.bytes.extend_from_slice(if coloured { NORMAL } else { "" }.as_bytes());
        self.bytes.push(b'\n');
    }

    /// An empty line, but not at the very top.
    pub(super) fn gap(&mut self) {
        self.end_line();
        self.bytes.push(b'\n');
    }

    /// Ends a line that the agent left open.
    pub(super) fn end_line(&mut self) {
        if !self.at_line_start {
            self.bytes.push(b'\n');
            self.at_line_start = true;
        }
    }

    /// Appends `text` with its control characters made visible. Nearly all text has none, so that is found out first, for
    /// many bytes at once.
    fn tame(&mut self, text: &str) {
        let mut from = 0;
        for (number, block) in text.as_bytes().chunks(BLOCK).enumerate() {
            if !block.iter().fold(false, |found, byte| found | is_suspicious(*byte)) {
                continue;
            }
            for (offset, _) in block.iter().enumerate().filter(|(_, byte)| is_suspicious(**byte)) {
                let at = number * BLOCK + offset;
                if let Some(width) = control_at(text.as_bytes(), at) {
                    self.bytes.extend_from_slice(&text.as_bytes()[from..at]);
                    let is_line_end = text.as_bytes()[at..].starts_with(b"\r\n");
                    self.bytes.extend_from_slice(if is_line_end { "" } else { TAMED }.as_bytes());
                    from = at + width;
                }
            }
        }
        self.bytes.extend_from_slice(&text.as_bytes()[from..]);
    }
}

/// How many bytes are looked at together.
const BLOCK: usize = 64;

/// It is, or begins, a control character; 0xC2 begins harmless ones as well.
fn is_suspicious(byte: u8) -> bool {
    (byte < b' ' && byte != b'\n' && byte != b'\t') || byte == 0x7f || byte == 0xc2
}

/// The length of the control character at `at`, if one is there: C0, DEL, or C1 (U+0080 to U+009F), which terminals obey
/// like an escape sequence.
fn control_at(text: &[u8], at: usize) -> Option<usize> {
    match text[at] {
        0xc2 => matches!(text.get(at + 1), Some(0x80..=0x9f)).then_some(2),
        _ => Some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn render(look: Look, signs: &[Sign]) -> String {
        let mut page = Page::new(look);
        signs.iter().for_each(|sign| page.sign(sign, &Masks::default()));
        String::from_utf8(page.bytes().to_vec()).unwrap()
    }

    fn tool(name: &str, what: &str) -> Sign {
        Sign::Tool { name: name.into(), what: what.into() }
    }

    #[test]
    fn a_log_reads_like_a_conversation() {
        let signs = [
            Sign::Began { model: Some("claude-test".into()) },
            Sign::Text("I look at the plan.\n".into()),
            tool("Bash", "git commit -m x"),
            tool("TodoWrite", ""),
            Sign::Retry { attempt: 2, status: Some(529) },
            Sign::Limit("the limit is near".into()),
            Sign::Text("cut".into()),
            Sign::Remark("two\nlines".into()),
            Sign::Final,
        ];
        assert_eq!(
            render(Look::Faithful, &signs),
            "· model claude-test\nI look at the plan.\n● Bash  git commit -m x\n● TodoWrite\n\
             · the API answered 529; the agent's retry 2\n▲ the limit is near\ncut\n· two lines\n"
        );
    }

    #[test]
    fn the_agents_words_do_not_command_the_terminal() {
        let text = "\u{1b}]0;title\u{7}a\tb\r\nc\u{9b}31m © ü\n";
        let signs = [Sign::Text(text.into()), tool("Bash", "printf '\u{1b}[2J'")];
        assert_eq!(
            render(Look::Tame, &signs),
            "\u{fffd}]0;title\u{fffd}a\tb\nc\u{fffd}31m © ü\n● Bash  printf ' [2J'\n"
        );
        assert!(render(Look::Faithful, &signs).starts_with(text));
        assert_eq!(render(Look::Colour, &[tool("Read", "x")]), "\u{1b}[36m● Read  x\u{1b}[0m\n");
    }

    fn any_sign() -> impl Strategy<Value = Sign> {
        prop_oneof![
            "[a-c\n]{0,12}".prop_map(Sign::Text),
            "\\PC{0,20}".prop_map(Sign::Text),
            ("[A-Z][a-z]{1,5}", "\\PC{0,9}").prop_map(|(name, what)| Sign::Tool { name, what }),
            "\\PC{0,9}".prop_map(Sign::Remark),
            "\\PC{0,9}".prop_map(Sign::Limit),
            Just(Sign::Final),
        ]
    }

    proptest! {
        #[test]
        fn batches_do_not_matter(signs in prop::collection::vec(any_sign(), 0..20), cuts in prop::collection::vec(0usize..20, 0..6)) {
            let whole = render(Look::Faithful, &signs);
            let mut page = Page::new(Look::Faithful);
            let mut out = Vec::new();
            for (number, sign) in signs.iter().enumerate() {
                page.sign(sign, &Masks::default());
                if cuts.contains(&number) {
                    // Only a part is written, as on a full disk.
                    let count = page.bytes().len() / 2;
                    out.extend_from_slice(&page.bytes()[..count]);
                    page.written(count);
                }
            }
            out.extend_from_slice(page.bytes());
            prop_assert_eq!(String::from_utf8(out).unwrap(), whole);
        }

        #[test]
        fn cuts_in_a_text_do_not_matter(text in "[a-c\n]{0,30}", at in 0usize..30) {
            let (one, two) = text.split_at(at.min(text.len()));
            let whole = [Sign::Text(text.clone()), tool("Bash", "x")];
            let parts = [Sign::Text(one.into()), Sign::Text(two.into()), tool("Bash", "x")];
            prop_assert_eq!(render(Look::Faithful, &whole), render(Look::Faithful, &parts));
        }

        #[test]
        fn no_control_character_reaches_a_terminal(text in any::<String>()) {
            let shown = render(Look::Tame, &[Sign::Text(text)]);
            prop_assert!(shown.chars().all(|c| !c.is_control() || c == '\n' || c == '\t'));
        }
    }
}
