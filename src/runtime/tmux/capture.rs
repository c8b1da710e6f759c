//! What stands in a pane.

use super::Server;
use super::error::TmuxError;
use super::list::{self, List};
use super::pane::Fields;
use super::target::Target;
use tmux_interface::{CapturePane, DisplayMessage, SourceFile, TmuxCommand};

/// How much of a pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// The screen, without the blanks at the ends of its lines.
    Screen,
    /// The screen, with the blanks that the program wrote: a prompt ends with one.
    Written,
    /// The screen and at most so many lines that were scrolled off it, without blanks at the ends. Nothing was scrolled off
    /// the alternate screen: what lies above is of the program before.
    History(u32),
}

impl Server {
    /// The pane's lines, each with its line end, also the empty ones below the last. UTF-8 but for what tmux kept of a
    /// program that wrote something else.
    pub fn capture(&self, target: &Target, what: Capture) -> Result<Vec<u8>, TmuxError> {
        self.ask(&List::guarded(target, [command(target, what)]), &[])
    }

    /// The same of many panes, in order, with one call; `None` for one that is gone.
    pub fn captures(&self, targets: &[Target], what: Capture) -> Result<Vec<Option<Vec<u8>>>, TmuxError> {
        if targets.is_empty() {
            return Ok(Vec::new());
        }
        // By standard input: a client's arguments are limited to 16 kB.
        let script: String = targets.iter().map(|target| line(target, what)).collect();
        let answer = match self.ask(&List::of(SourceFile::new().path("-").build()), script.as_bytes()) {
            Err(TmuxError::NoServer(_) | TmuxError::Lost(_)) => return Ok(vec![None; targets.len()]),
            answer => answer?,
        };
        let mut rest = Fields(&answer);
        let captured: Option<Vec<_>> = targets.iter().map(|_| captured(&mut rest, what)).collect();
        captured.ok_or_else(|| TmuxError::Failed("tmux showed its panes in an unknown form".into()))
    }
}

/// tmux takes no larger number, and means the visible screen by one.
const MOST: u32 = i32::MAX as u32;

fn command<'a>(target: &Target, what: Capture) -> TmuxCommand<'a> {
    let command = CapturePane::new().stdout().target_pane(target.pane_id().to_owned());
    match what {
        Capture::Screen => command.build(),
        Capture::Written => command.trailing_spaces().build(),
        Capture::History(lines) => {
            let scrolled = command.clone().start_line(format!("-{}", lines.min(MOST))).build();
            list::either(target, "#{alternate_on}", [command.build()], [scrolled])
        }
    }
}

/// Asks for one pane of many: how many lines it has, then the lines. No numbers if it is gone.
fn line(target: &Target, what: Capture) -> String {
    let say = |format: &'static str| {
        DisplayMessage::new().print().target_pane(target.pane_id().to_owned()).message(format).build()
    };
    let found = [say("#{pane_height} #{?alternate_on,0,#{history_size}}"), command(target, what)];
    let gone = DisplayMessage::new().print().message("gone gone").build();
    format!("{}\n", list::script([list::guard(target, found, [gone])]))
}

/// The next pane of the answer. The number of lines says where it ends, whatever stands in them.
fn captured(rest: &mut Fields<'_>, what: Capture) -> Option<Option<Vec<u8>>> {
    let height = rest.word()?.parse::<usize>().ok();
    let scrolled = rest.word()?.parse::<usize>().ok();
    let Some((height, scrolled)) = height.zip(scrolled) else { return Some(None) };
    let lines = match what {
        Capture::Screen | Capture::Written => height,
        Capture::History(lines) => height + scrolled.min(lines as usize),
    };
    let end = memchr::memchr_iter(b'\n', rest.0).nth(lines.checked_sub(1)?)? + 1;
    let (text, behind) = rest.0.split_at(end);
    rest.0 = behind;
    Some(Some(text.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_on_a_screen_cannot_look_like_the_next_one() {
        let answer = b"2 5\n2 0\n\xff\ngone gone\n1 0\nx\n";
        let mut rest = Fields(answer);
        assert_eq!(captured(&mut rest, Capture::Screen), Some(Some(b"2 0\n\xff\n".to_vec())));
        assert_eq!(captured(&mut rest, Capture::Screen), Some(None));
        assert_eq!(captured(&mut rest, Capture::History(9)), Some(Some(b"x\n".to_vec())));
        assert_eq!(captured(&mut rest, Capture::Screen), None);
    }
}
