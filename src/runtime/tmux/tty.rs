//! The terminal below a pane: does it edit lines itself, and what can it not take then?

use super::error::TmuxError;
use nix::fcntl::OFlag;
use nix::sys::termios::{LocalFlags, tcgetattr};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;

/// What the kernel keeps of one line in a canonical terminal, its end apart; it drops the rest without a word.
const LONGEST_LINE: usize = 4095;

/// Does the terminal at this path (`/dev/pts/7`) collect whole lines for its program? A program that reads keys, and asks
/// for bracketed paste, switches that off.
pub fn is_canonical(tty: &str) -> io::Result<bool> {
    let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    let terminal = OpenOptions::new().read(true).custom_flags(flags.bits()).open(tty)?;
    Ok(tcgetattr(&terminal)?.local_flags.contains(LocalFlags::ICANON))
}

/// Refuses a text with a line that a canonical terminal would cut.
pub fn refuse_long_line(text: &[u8], canonical: bool) -> Result<(), TmuxError> {
    let longest = text.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::len).max().unwrap_or(0);
    if !canonical || longest <= LONGEST_LINE {
        return Ok(());
    }
    Err(TmuxError::Unsendable(format!(
        "a line of {longest} bytes is too long: the program reads from a terminal in canonical mode, which takes at most \
         {LONGEST_LINE} bytes a line"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_terminal_would_cut_is_refused() {
        let line = |length: usize| vec![b'x'; length];
        assert!(refuse_long_line(&line(4095), true).is_ok());
        assert!(refuse_long_line(&line(4096), true).is_err());
        assert!(refuse_long_line(&line(4096), false).is_ok());
        let two = [line(4095), b"\n".to_vec(), line(4095)].concat();
        assert!(refuse_long_line(&two, true).is_ok());
        assert!(refuse_long_line(b"", true).is_ok());
    }
}
