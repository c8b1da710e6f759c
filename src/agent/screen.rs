//! The bytes of a terminal session as plain text: what scrolled off the screen, then what stands on it.
//!
//! A terminal forgets the alternate screen when a program leaves it, and with it all that a full-screen agent ever showed.
//! Here its last picture stays, in the place where it was left; so does the one of a program that died there.

use memchr::memmem;
use regex::Regex;
use regex::bytes::Regex as BytesRegex;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::num::NonZeroU16;
use std::sync::LazyLock;
use vt100::capture::{BasicFormattedCaptureRange, BasicFormattedCaptureState, RowContents, basic_formatted_to_plain};

/// So many bytes are taken in at once.
const PIECE: usize = 64 * 1024;

/// A line of text that wraps over many rows is cut when it gets longer, bytes.
const MAX_LINE: usize = 64 * 1024;

/// The longest unfinished sequence that is kept for the next piece, bytes.
const MAX_SEQUENCE: usize = 64;

/// Asks for the emoji form of the character before it. The emulator panics when that widens a character in the last
/// column; it is given [`TEXT_FORM`] instead, which has the same length and no width.
const EMOJI_FORM: &str = "\u{fe0f}";
const TEXT_FORM: &str = "\u{fe0e}";

/// Cancels an escape sequence that was cut.
const CANCEL: &[u8] = b"\x18";

/// Back to the main screen, leaving the alternate one as it is.
const TO_MAIN_SCREEN: &[u8] = b"\x1b[?47l";

/// A sequence that may leave the alternate screen.
static LEAVE: LazyLock<Option<BytesRegex>> =
    LazyLock::new(|| BytesRegex::new(r"(?-u)\x1b\[\?(?:\d+;)*(?:47|1049)(?:;\d+)*l").ok());

/// What may be the beginning of such a sequence, or of a character, at the end of a piece. (The emulator loses text behind
/// a character that it gets in two parts.)
static UNFINISHED: LazyLock<Option<BytesRegex>> = LazyLock::new(|| {
    BytesRegex::new(
        r"(?x-u) (?: \x1b (?: \[ (?: \? [\d;]* )? )?
                 | [\xc2-\xdf] | [\xe0-\xef] [\x80-\xbf]? | [\xf0-\xf4] [\x80-\xbf]{0,2} ) $",
    )
    .ok()
});

/// What a terminal obeys and does not show: sequences, strings for the terminal itself, control characters. Carriage
/// returns and tabs are left.
static CONTROLS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?x) \x1b (?: \[ [0-?]* [\x20-/]* [@-~] | [\]PX^_] [^\x07\x1b]* (?: \x07 | \x1b\\ )? | [\x20-/]* [0-~] )
          | [\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\u{9f}]",
    )
    .ok()
});

/// A terminal that takes in a session piece by piece. Its memory depends on its size and the lines it keeps, not on the
/// session.
pub struct Screen {
    parser: vt100::Parser<History>,
    pending: Vec<u8>,
}

/// What stands on a screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its lines, without blanks at their ends and blank lines at the end. One that the terminal wrapped is one line.
    pub lines: Vec<String>,
    /// Which of them the cursor is in; it may be below the last.
    pub line: usize,
    /// It is the alternate screen: a program draws on all of it.
    pub alternate: bool,
}

/// What scrolled off the main screen: the newest lines.
struct History {
    lines: VecDeque<String>,
    limit: usize,
    state: BasicFormattedCaptureState,
    row: String,
}

impl Screen {
    /// An empty terminal of at least two rows (a line wraps from one to the next) and two columns (a wide character needs
    /// them) that remembers so many lines which scrolled off.
    pub fn new(rows: u16, cols: u16, scrollback: usize) -> Screen {
        let at_least_two = |size: u16| NonZeroU16::MIN.saturating_add(size.saturating_sub(1).max(1));
        let (rows, cols) = (at_least_two(rows), at_least_two(cols));
        Screen {
            parser: vt100::Parser::new_with_callbacks(rows, cols, 0, History::new(scrollback)),
            pending: Vec::new(),
        }
    }

    /// Takes in the next bytes; where they are cut makes no difference.
    pub fn feed(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            self.pending.extend_from_slice(piece);
            let mut ready = std::mem::take(&mut self.pending);
            self.pending = ready.split_off(complete(&ready));
            self.take_in(&mut ready);
        }
    }

    /// Gives away the lines that scrolled off for good since the last call, oldest first.
    pub fn take_scrolled(&mut self) -> Vec<String> {
        let history = self.parser.callbacks_mut();
        // The last one may go on, on the screen.
        let complete = history.lines.len().saturating_sub(1);
        history.lines.drain(..complete).map(plain).collect()
    }

    /// What stands on the screen; above it the last line that scrolled off, which may go on there.
    pub fn standing(&self) -> Standing {
        let screen = self.parser.screen();
        let (row, _) = screen.cursor_position();
        let above = (0..row).filter(|above| !screen.row_wrapped(*above)).count();
        let (text, line) = if screen.alternate_screen() {
            (screen.contents(), above)
        } else {
            let text = self.parser.callbacks().goes_on(screen);
            match self.parser.callbacks().lines.back() {
                Some(begun) => (format!("{begun}{text}"), above + usize::from(text.starts_with('\n'))),
                None => (text, above),
            }
        };
        let lines = text.split('\n').map(|line| plain(line.to_owned())).collect();
        Standing { lines: without_blank_end(lines), line, alternate: screen.alternate_screen() }
    }

    /// All lines that are known, oldest first, without blanks at their ends and blank lines at the end. A line that the
    /// terminal wrapped is one line.
    pub fn into_lines(mut self) -> Vec<String> {
        let mut rest = std::mem::take(&mut self.pending);
        self.take_in(&mut rest);
        self.parser.process(CANCEL);
        self.leave(TO_MAIN_SCREEN);
        let (screen, history) = self.parser.screen_and_callbacks_mut();
        history.close(screen)
    }

    fn take_in(&mut self, bytes: &mut [u8]) {
        weaken(bytes);
        let mut from = 0;
        for leave in LEAVE.iter().flat_map(|leave| leave.find_iter(bytes)) {
            self.parser.process(&bytes[from..leave.start()]);
            self.leave(leave.as_bytes());
            from = leave.end();
        }
        self.parser.process(&bytes[from..]);
    }

    /// Obeys a sequence that may leave the alternate screen, and repeats on the main screen what stood there.
    fn leave(&mut self, sequence: &[u8]) {
        let screen = self.parser.screen();
        let picture = if screen.alternate_screen() { screen.contents() } else { String::new() };
        self.parser.process(sequence);
        let screen = self.parser.screen();
        if picture.is_empty() || screen.alternate_screen() {
            return;
        }
        if screen.cursor_position().1 > 0 {
            self.parser.process(b"\r\n");
        }
        for line in picture.lines() {
            self.parser.process(line.trim_end().as_bytes());
            self.parser.process(b"\r\n");
        }
    }
}

impl History {
    fn new(limit: usize) -> History {
        History { lines: VecDeque::new(), limit, state: BasicFormattedCaptureState::new(), row: String::new() }
    }

    /// Appends text that may hold line ends; what comes before the first of them belongs to the last line.
    fn append(&mut self, text: &str) {
        for (number, part) in text.split('\n').enumerate() {
            match self.lines.back_mut().filter(|line| number == 0 && line.len() < MAX_LINE) {
                Some(line) => line.push_str(part),
                None => self.lines.push_back(part.to_owned()),
            }
            while self.lines.len() > self.limit.max(1) {
                self.lines.pop_front();
            }
        }
    }

    /// What stands on the screen, as it goes on behind the last line.
    fn goes_on(&self, screen: &vt100::Screen) -> String {
        let (mut text, mut state) = (String::new(), self.state.clone());
        // Writing to a string does not fail.
        let _ = screen.write_contents_formatted_basic(&mut text, BasicFormattedCaptureRange::Full(&mut state));
        basic_formatted_to_plain(&text).collect()
    }

    /// Appends what stands on the screen, and gives all lines away.
    fn close(&mut self, screen: &vt100::Screen) -> Vec<String> {
        let text = self.goes_on(screen);
        self.limit = self.limit.saturating_add(screen.size().0.get().into());
        self.append(&text);
        without_blank_end(self.lines.drain(..).map(plain).collect())
    }
}

impl vt100::Callbacks for History {
    fn on_scroll(&mut self, contents: RowContents<'_>, alternate_screen: bool) {
        if alternate_screen {
            return;
        }
        let mut row = std::mem::take(&mut self.row);
        row.clear();
        // Writing to a string does not fail.
        let _ = contents.write_formatted_basic(&mut row, &mut self.state);
        if row.contains('\x1b') {
            self.append(&basic_formatted_to_plain(&row).collect::<String>());
        } else {
            self.append(&row);
        }
        self.row = row;
    }
}

/// The text of a whole session: at most `scrollback` lines that scrolled off, then the last screen.
pub fn render(bytes: &[u8], rows: u16, cols: u16, scrollback: usize) -> Vec<String> {
    let mut screen = Screen::new(rows, cols, scrollback);
    screen.feed(bytes);
    screen.into_lines()
}

/// The end of what a program without a terminal printed: the last `count` lines, blank ones at the end left out, without
/// control sequences. Of a line that was written over by carriage returns (a progress bar), the last state.
pub fn last_lines(bytes: &[u8], count: usize) -> Vec<String> {
    let lines = bytes.rsplit(|byte| *byte == b'\n').map(plain_line);
    let mut last: Vec<String> = lines.skip_while(String::is_empty).take(count).collect();
    last.reverse();
    last
}

/// A line as it is read, without control sequences and without blanks at its end.
fn plain_line(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = CONTROLS.as_ref().map_or(Cow::Borrowed(&*text), |controls| controls.replace_all(&text, ""));
    let states = text.split('\r').map(str::trim_end);
    states.rev().find(|state| !state.is_empty()).unwrap_or_default().to_owned()
}

/// A line of the emulator as it was meant, without blanks at its end.
fn plain(line: String) -> String {
    line.trim_end().replace(TEXT_FORM, EMOJI_FORM)
}

fn without_blank_end(mut lines: Vec<String>) -> Vec<String> {
    lines.truncate(lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
    lines
}

/// Replaces each [`EMOJI_FORM`] by the [`TEXT_FORM`].
fn weaken(bytes: &mut [u8]) {
    let found: Vec<usize> = memmem::find_iter(bytes, EMOJI_FORM).collect();
    for at in found {
        bytes[at..at + TEXT_FORM.len()].copy_from_slice(TEXT_FORM.as_bytes());
    }
}

/// How much of a piece can be taken in before the next one is known.
fn complete(bytes: &[u8]) -> usize {
    let end = bytes.len().saturating_sub(MAX_SEQUENCE);
    let unfinished = UNFINISHED.as_ref().and_then(|unfinished| unfinished.find(&bytes[end..]));
    unfinished.map_or(bytes.len(), |found| end + found.start())
}
