//! The lines of control mode into notices. Bytes, not text: what a program prints into its pane need not be UTF-8. The
//! answers to commands are collected whole, and what stands in an answer is never taken for a notice.

/// Something tmux said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Notice {
    /// The answer to a command.
    Answer(Answer),
    /// A pane's program wrote.
    Output { pane: String, bytes: Vec<u8> },
    /// A window is no more.
    Closed { window: String },
    /// The connection ends.
    Exit { reason: String },
}

/// What a command printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// To a command of ours, not to what the client did by itself when it came.
    pub(super) ours: bool,
    /// It was done.
    pub(super) ok: bool,
    pub(super) lines: Vec<Vec<u8>>,
}

/// The answer that is being read.
#[derive(Debug)]
struct Block {
    /// Time and number, which the line that ends it repeats.
    id: Vec<u8>,
    ours: bool,
    lines: Vec<Vec<u8>>,
}

/// What came so far and is not complete.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    block: Option<Block>,
}

impl Parser {
    /// Takes the next bytes, in pieces of any size, and appends what they completed to `notices`.
    pub(super) fn feed(&mut self, mut bytes: &[u8], notices: &mut impl Extend<Notice>) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.line.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            notices.extend(self.line(line));
        }
        self.line.extend_from_slice(bytes);
    }

    fn line(&mut self, line: Vec<u8>) -> Option<Notice> {
        let Some(block) = &mut self.block else { return self.outside(&line) };
        let ok = match ends(&line, &block.id) {
            Some(ok) => ok,
            None => {
                block.lines.push(line);
                return None;
            }
        };
        self.block.take().map(|block| Notice::Answer(Answer { ours: block.ours, ok, lines: block.lines }))
    }

    fn outside(&mut self, line: &[u8]) -> Option<Notice> {
        let (word, rest) = split(line);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match word {
            b"%begin" => {
                let (id, flags) = block_id(rest)?;
                self.block = Some(Block { id: id.to_vec(), ours: flags == b"1", lines: Vec::new() });
                None
            }
            b"%output" => {
                let (pane, bytes) = split(rest);
                Some(Notice::Output { pane: text(pane), bytes: unescape(bytes) })
            }
            // The second when the window was in no session any more as it went, which it is when it is killed.
            b"%window-close" | b"%unlinked-window-close" => Some(Notice::Closed { window: text(split(rest).0) }),
            b"%exit" => Some(Notice::Exit { reason: text(rest) }),
            _ => None,
        }
    }
}

/// Does `line` end the block, and did the command succeed?
fn ends(line: &[u8], id: &[u8]) -> Option<bool> {
    let (word, rest) = split(line);
    let ok = match word {
        b"%end" => true,
        b"%error" => false,
        _ => return None,
    };
    block_id(rest).filter(|(found, _)| *found == id).map(|_| ok)
}

/// `<time> <number>` and the flags behind them.
fn block_id(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let number_at = rest.iter().position(|byte| *byte == b' ')? + 1;
    let end = number_at + rest[number_at..].iter().position(|byte| *byte == b' ')?;
    Some((&rest[..end], &rest[end + 1..]))
}

/// The first word, and what stands behind the blank.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b' ') {
        Some(at) => (&line[..at], &line[at + 1..]),
        None => (line, &[]),
    }
}

/// Control characters and backslashes come as `\ooo`.
fn unescape(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some(at) = memchr::memchr(b'\\', text) {
        bytes.extend_from_slice(&text[..at]);
        let code = text.get(at + 1..at + 4).and_then(octal);
        bytes.push(code.unwrap_or(b'\\'));
        text = &text[at + if code.is_some() { 4 } else { 1 }..];
    }
    bytes.extend_from_slice(text);
    bytes
}

fn octal(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0u8, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(digit - b'0'),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8]) -> Vec<Notice> {
        let (mut parser, mut notices) = (Parser::default(), Vec::new());
        parser.feed(bytes, &mut notices);
        notices
    }

    #[test]
    fn a_session_as_tmux_tells_it() {
        let told = b"%begin 10 267 0\n%end 10 267 0\n%session-changed $0 s\n\
            %begin 11 272 1\na\n%output %1 x\n%end 11 999 1\n\n%end 11 272 1\n%begin 11 273 1\nno\n%error 11 273 1\n\
            %output %0 a\\033[31m\xc3\xa9\\134 \xff\n%window-add @2\n%unlinked-window-close @2\n%exit too far behind\n";
        let answer = |ok, lines: &[&str]| {
            let lines = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
            Notice::Answer(Answer { ours: true, ok, lines })
        };
        let expected = [
            Notice::Answer(Answer { ours: false, ok: true, lines: vec![] }),
            answer(true, &["a", "%output %1 x", "%end 11 999 1", ""]),
            answer(false, &["no"]),
            Notice::Output { pane: "%0".into(), bytes: b"a\x1b[31m\xc3\xa9\\ \xff".to_vec() },
            Notice::Closed { window: "@2".into() },
            Notice::Exit { reason: "too far behind".into() },
        ];
        assert_eq!(parse(told), expected);
    }

    /// Bytes that often look like control mode.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let known = prop_oneof![
            Just(b"%begin 1 2 1\n".to_vec()),
            Just(b"%end 1 2 1\n".to_vec()),
            Just(b"%error 1 2 1\n".to_vec()),
            Just(b"%begin 1\n".to_vec()),
            Just(b"%output %3 a\\0".to_vec()),
            Just(b"\\134\\777\\".to_vec()),
            Just(b"%window-close @1\n".to_vec()),
            Just(b"%exit\n".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..20),
        ];
        proptest::collection::vec(known, 0..30).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn the_pieces_in_which_it_comes_make_no_difference(bytes in stream(), size in 1usize..40) {
            let (mut parser, mut notices) = (Parser::default(), Vec::new());
            bytes.chunks(size).for_each(|piece| parser.feed(piece, &mut notices));
            prop_assert_eq!(notices, parse(&bytes));
        }

        #[test]
        fn what_a_program_prints_comes_back_as_it_was(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let escaped: Vec<u8> = bytes
                .iter()
                .flat_map(|byte| match byte {
                    0..=31 | b'\\' => format!("\\{byte:03o}").into_bytes(),
                    byte => vec![*byte],
                })
                .collect();
            let line = [b"%output %7 ".as_slice(), &escaped, b"\n"].concat();
            prop_assert_eq!(parse(&line), vec![Notice::Output { pane: "%7".into(), bytes }]);
        }
    }
}
