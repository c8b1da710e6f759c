//! A terminal's session as lines one after another, while it goes on: for somebody who follows it without a terminal of
//! the same size.
//!
//! A line is given once it stands above the cursor, or when the program has paused. What is written over is given again as
//! it reads then. On the alternate screen only a pause says that a picture is complete; of the next picture those lines
//! are given that the one before did not have.

use super::screen::{Screen, Standing};

/// Lines that are kept of those that scrolled off, until they are given; as many as fit into one piece that is fed.
const SCROLLED: usize = 1 << 20;

/// A terminal, and what was given of it.
pub struct Unroll {
    screen: Screen,
    /// What was given of the main screen and still stands there.
    main: Vec<String>,
    /// The same of the alternate screen.
    alternate: Vec<String>,
}

impl Unroll {
    /// An empty terminal of that size.
    pub fn new(rows: u16, cols: u16) -> Unroll {
        Unroll { screen: Screen::new(rows, cols, SCROLLED), main: Vec::new(), alternate: Vec::new() }
    }

    /// Takes in the next bytes, and gives the lines that they completed.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.screen.feed(bytes);
        self.look(false)
    }

    /// Gives what stands there and was not given: the program has paused.
    pub fn pause(&mut self) -> Vec<String> {
        self.look(true)
    }

    /// Gives all that stands there, also what was given before.
    pub fn screen(&mut self) -> Vec<String> {
        (self.main, self.alternate) = Default::default();
        self.screen.take_scrolled();
        self.look(true)
    }

    fn look(&mut self, paused: bool) -> Vec<String> {
        let scrolled = self.screen.take_scrolled();
        let standing = self.screen.standing();
        if !standing.alternate {
            return self.look_at_main(scrolled, standing, paused);
        }
        let mut fresh = self.look_at_scrolled(scrolled);
        // Before a pause it may just be drawing: what is gone will be back.
        if paused {
            fresh.extend(self.look_at_picture(standing.lines));
        }
        fresh
    }

    fn look_at_main(&mut self, scrolled: Vec<String>, standing: Standing, paused: bool) -> Vec<String> {
        let above = scrolled.len();
        let complete = if paused { usize::MAX } else { above + standing.line };
        // The last picture of the alternate screen is repeated here when that is left.
        self.main.append(&mut self.alternate);
        let now = [scrolled, standing.lines].concat();
        let known = matched(&self.main, &now);
        let (mut fresh, mut given) = (Vec::new(), Vec::new());
        for (index, (line, known)) in now.into_iter().zip(known).enumerate() {
            let is_new = !known && index < complete;
            if (known || is_new) && index >= above {
                given.push(line.clone());
            }
            if is_new {
                fresh.push(line);
            }
        }
        self.main = given;
        fresh
    }

    /// What scrolled off the main screen before the alternate one came.
    fn look_at_scrolled(&mut self, scrolled: Vec<String>) -> Vec<String> {
        let known = matched(&self.main, &scrolled);
        let gone = known.iter().filter(|known| **known).count();
        self.main.drain(..gone);
        scrolled.into_iter().zip(known).filter(|(_, known)| !known).map(|(line, _)| line).collect()
    }

    /// Blank lines of a picture say nothing.
    fn look_at_picture(&mut self, lines: Vec<String>) -> Vec<String> {
        let known = matched(&self.alternate, &lines);
        let fresh = lines.iter().zip(known).filter(|(line, known)| !known && !line.is_empty());
        let fresh = fresh.map(|(line, _)| line.clone()).collect();
        self.alternate = lines;
        fresh
    }
}

/// Which of the lines `now` are lines of `before`, in the same order and as many as can be.
fn matched(before: &[String], now: &[String]) -> Vec<bool> {
    let same = before.iter().zip(now).take_while(|(a, b)| a == b).count();
    let mut matched = vec![true; same];
    matched.resize(now.len(), false);
    let (before, now) = (&before[same..], &now[same..]);
    if before.is_empty() || now.is_empty() {
        return matched;
    }
    // The longest common subsequence of what is behind each pair of lines.
    let width = now.len() + 1;
    let mut longest = vec![0u32; (before.len() + 1) * width];
    for (i, a) in before.iter().enumerate().rev() {
        for (j, b) in now.iter().enumerate().rev() {
            let (skip_a, skip_b) = (longest[(i + 1) * width + j], longest[i * width + j + 1]);
            let both = longest[(i + 1) * width + j + 1] + 1;
            longest[i * width + j] = if a == b { both } else { skip_a.max(skip_b) };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < before.len() && j < now.len() {
        if before[i] == now[j] {
            matched[same + j] = true;
            (i, j) = (i + 1, j + 1);
        } else if longest[(i + 1) * width + j] >= longest[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_come_once_and_in_order() {
        let mut unroll = Unroll::new(4, 20);
        assert_eq!(unroll.feed(b"one\r\ntw"), ["one"]);
        assert_eq!(unroll.feed(b"o\r\n"), ["two"]);
        let many: String = (0..50).map(|number| format!("{number}\r\n")).collect();
        let expected: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        assert_eq!(unroll.feed(many.as_bytes()), expected);
        assert_eq!(unroll.feed(b"\r\n\x1b[31mred\x1b[0m\r\n"), ["", "red"]);
        assert_eq!(unroll.pause(), [""; 0]);
        let same = "tick\r\n".repeat(9);
        assert_eq!(unroll.feed(same.as_bytes()), ["tick"; 9]);
        assert_eq!(unroll.feed(same.as_bytes()), ["tick"; 9], "each of them");
    }

    #[test]
    fn a_line_that_is_written_over_comes_when_the_program_pauses() {
        let mut unroll = Unroll::new(4, 20);
        assert_eq!(unroll.feed(b"Go on? "), [""; 0]);
        assert_eq!(unroll.pause(), ["Go on?"]);
        assert_eq!(unroll.feed(b""), [""; 0]);
        assert_eq!(unroll.pause(), [""; 0]);
        assert_eq!(unroll.feed(b"y\r\n10%"), ["Go on? y"]);
        assert_eq!(unroll.feed(b"\r20%\r30%\r100%\r\n"), ["100%"]);
    }

    #[test]
    fn a_line_that_wraps_is_one() {
        let mut unroll = Unroll::new(3, 10);
        let long = "0123456789".repeat(9);
        assert_eq!(unroll.feed(long.as_bytes()), [""; 0]);
        assert_eq!(unroll.feed(b"x\r\nend\r\n"), [format!("{long}x"), "end".to_owned()]);
    }

    #[test]
    fn of_a_picture_its_new_lines_come_when_it_is_complete() {
        let mut unroll = Unroll::new(6, 20);
        assert_eq!(unroll.feed(b"$ agent\r\n"), ["$ agent"]);
        assert_eq!(unroll.feed(b"\x1b[?1049h\x1b[H\x1b[2Jhello"), [""; 0]);
        assert_eq!(unroll.pause(), ["hello"]);
        // It draws all of it anew, one line further up.
        assert_eq!(unroll.feed(b"\x1b[2J\x1b[1;1Hhello\x1b[2;1Hwords\x1b[5;1H> "), [""; 0]);
        assert_eq!(unroll.pause(), ["words", ">"]);
        assert_eq!(unroll.feed(b"\x1b[2J"), [""; 0]);
        assert_eq!(unroll.feed(b"\x1b[1;1Hwords\x1b[2;1Hmore\x1b[5;1H> "), [""; 0]);
        assert_eq!(unroll.pause(), ["more"]);
        // Back on the main screen, all that stood there and the last picture are no news.
        assert_eq!(unroll.feed(b"\x1b[?1049l$ ls\r\n"), ["$ ls"]);
    }

    proptest! {
        #[test]
        fn no_line_of_a_plain_program_is_lost_or_doubled(
            lines in proptest::collection::vec("[ab]{0,3}", 0..60),
            sizes in proptest::collection::vec(1usize..40, 1..20),
        ) {
            // A blank at the end of a line, and blank lines at the end, are not seen.
            let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>() + "end\r\n";
            let (mut unroll, mut rest, mut got) = (Unroll::new(5, 10), text.as_bytes(), Vec::new());
            for size in sizes.iter().cycle() {
                let (piece, behind) = rest.split_at((*size).min(rest.len()));
                got.extend(unroll.feed(piece));
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            got.extend(unroll.pause());
            let mut expected = lines.clone();
            expected.push("end".to_owned());
            prop_assert_eq!(got, expected);
        }
    }
}
