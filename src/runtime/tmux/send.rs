//! What is typed into a pane. All of it, single keys too, goes in as pasted bytes: `send-keys` would be swallowed by the
//! copy mode of a person who happens to scroll there.

use super::Server;
use super::error::TmuxError;
use super::list::List;
use super::open::unique_name;
use super::target::Target;
use std::time::Duration;
use tmux_interface::{DeleteBuffer, LoadBuffer, PasteBuffer, SetBuffer, TmuxCommand};

/// A text to be typed.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// Any bytes; none at all is fine.
    pub text: &'a [u8],
    /// Enter behind it, as a key of its own.
    pub enter: bool,
    /// Ctrl-U before it: what somebody left in the line is not sent with it.
    pub clear: bool,
    /// Escape before all that; it interrupts a busy agent.
    pub escape: bool,
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Return.
    Enter,
    /// Escape.
    Escape,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D.
    EndOfFile,
    /// Ctrl-U: clears the line.
    Clear,
}

impl Key {
    /// What a terminal sends for it.
    fn byte(self) -> &'static str {
        match self {
            Key::Enter => "\r",
            Key::Escape => "\x1b",
            Key::Interrupt => "\x03",
            Key::EndOfFile => "\x04",
            Key::Clear => "\x15",
        }
    }
}

/// Escape is the first byte of other keys as well. Programs wait for a while whether it stays alone; readline half a second.
const ESCAPE_GAP: Duration = Duration::from_millis(600);

/// Ends a bracketed paste: what comes behind it would be typed and no longer pasted.
const END_OF_PASTE: &[u8] = b"\x1b[201~";

impl Server {
    /// Types `text` into a pane with one call (two with an Escape, and a pause). Where the program asked for bracketed
    /// paste every byte arrives as it is; elsewhere a line end is one that was typed, and the terminal acts on control
    /// characters.
    ///
    /// Errors: [`TmuxError::Unsendable`] for a text that cannot arrive as it is, [`TmuxError::Gone`].
    pub fn send_text(&self, target: &Target, text: &Text<'_>) -> Result<(), TmuxError> {
        if memchr::memmem::find(text.text, END_OF_PASTE).is_some() {
            let why =
                "the text holds the sequence that ends a paste (ESC [201~): what follows it would be typed as keys";
            return Err(TmuxError::Unsendable(why.into()));
        }
        if text.escape {
            self.send_keys(target, &[Key::Escape])?;
            std::thread::sleep(ESCAPE_GAP);
        }
        let buffer = unique_name();
        let mut commands = Vec::new();
        if !text.text.is_empty() {
            // First: tmux waits here for our bytes. All that is behind it happens at once, so that two texts do not mix.
            commands.push(LoadBuffer::new().buffer_name(buffer.clone()).path("-").build());
        }
        if text.clear {
            commands.extend(key(target, Key::Clear));
        }
        if !text.text.is_empty() {
            commands.push(paste(target, &buffer).bracket_codes().build());
        }
        if text.enter {
            commands.extend(key(target, Key::Enter));
        }
        self.type_in(target, commands, text.text).inspect_err(|_| self.delete_buffer(&buffer))
    }

    /// Presses keys, one after another.
    pub fn send_keys(&self, target: &Target, keys: &[Key]) -> Result<(), TmuxError> {
        self.type_in(target, keys.iter().flat_map(|one| key(target, *one)).collect(), &[])
    }

    /// Never twice: a server that was lost may have typed it.
    fn type_in(&self, target: &Target, commands: Vec<TmuxCommand<'_>>, input: &[u8]) -> Result<(), TmuxError> {
        self.run(&List::guarded(target, commands), input)?.complete().map(drop)
    }

    /// A text that could not be pasted is not left behind, if it came that far.
    fn delete_buffer(&self, buffer: &str) {
        let _ = self.run(&List::of(DeleteBuffer::new().buffer_name(buffer.to_owned()).build()), &[]);
    }
}

/// Pastes a buffer and removes it. Line ends stay what they are.
fn paste<'a>(target: &Target, buffer: &str) -> PasteBuffer<'a> {
    PasteBuffer::new().delete().no_replacement().buffer_name(buffer.to_owned()).target_pane(target.pane_id().to_owned())
}

fn key<'a>(target: &Target, key: Key) -> [TmuxCommand<'a>; 2] {
    let buffer = unique_name();
    let set = SetBuffer::new().buffer_name(buffer.clone()).data(key.byte()).build();
    [set, paste(target, &buffer).build()]
}
