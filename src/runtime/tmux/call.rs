//! One tmux client process: its arguments, its input, its answer, and an end to our patience.

use super::error::TmuxError;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A server that answers no sooner is stopped or hangs; a call takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a pipe that is reported as writable takes at least without blocking us (`PIPE_BUF`).
const PIECE: usize = 4096;

/// What a client printed.
#[derive(Debug)]
pub(super) struct Answer {
    /// Standard output.
    pub(super) out: Vec<u8>,
    /// What went wrong, if something did. There may be output all the same, of the commands before.
    pub(super) error: Option<TmuxError>,
}

impl Answer {
    /// The output of a client that did all it was asked.
    pub(super) fn complete(self) -> Result<Vec<u8>, TmuxError> {
        match self.error {
            None => Ok(self.out),
            Some(error) => Err(error),
        }
    }
}

/// Runs a client with `input` on its standard input.
pub(super) fn run(command: Command, input: &[u8]) -> Result<Answer, TmuxError> {
    run_within(PATIENCE, command, input)
}

fn run_within(patience: Duration, mut command: Command, input: &[u8]) -> Result<Answer, TmuxError> {
    // Out of reach of a person's Ctrl-C: whether the window was made would be anybody's guess.
    command.process_group(0);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut exchange = Exchange::new(&mut child, input);
    match exchange.run(Instant::now() + patience) {
        Ok(true) => {}
        outcome => {
            // Ours and not yet reaped, so the signal reaches nobody else.
            let _ = child.kill();
            let _ = child.wait();
            return Err(outcome.map_or_else(TmuxError::Io, |_| TmuxError::Silent(patience)));
        }
    }
    let (out, words) = (exchange.out, exchange.words);
    let status = child.wait().map_err(TmuxError::Io)?;
    // Also where it exits with 0: for a socket that it cannot make.
    let failed = !status.success() || words.starts_with(b"error creating ");
    let error = failed.then(|| TmuxError::said(&String::from_utf8_lossy(&words)));
    Ok(Answer { out, error })
}

/// Input and output of a client at the same time: either alone could fill its pipe and stop both sides.
struct Exchange<'a> {
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    input: &'a [u8],
    out: Vec<u8>,
    words: Vec<u8>,
}

impl<'a> Exchange<'a> {
    fn new(child: &mut Child, input: &'a [u8]) -> Exchange<'a> {
        Exchange {
            stdin: child.stdin.take().filter(|_| !input.is_empty()),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            input,
            out: Vec::new(),
            words: Vec::new(),
        }
    }

    /// Until the client has closed both of its outputs; `false` if it did not in time.
    fn run(&mut self, deadline: Instant) -> io::Result<bool> {
        while self.stdout.is_some() || self.stderr.is_some() {
            let Some(ready) = self.wait(deadline)? else { return Ok(false) };
            if ready[0] {
                self.write()?;
            }
            if ready[1] {
                read(&mut self.stdout, &mut self.out)?;
            }
            if ready[2] {
                read(&mut self.stderr, &mut self.words)?;
            }
        }
        Ok(true)
    }

    /// Which of the three are ready; `None` when the time is over.
    fn wait(&self, deadline: Instant) -> io::Result<Option<[bool; 3]>> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let ends = [
            self.stdin.as_ref().map(|end| PollFd::new(end.as_fd(), PollFlags::POLLOUT)),
            self.stdout.as_ref().map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)),
            self.stderr.as_ref().map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)),
        ];
        let mut open: Vec<PollFd<'_>> = ends.iter().flatten().cloned().collect();
        match poll(&mut open, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Err(nix::errno::Errno::EINTR) => return Ok(Some([false; 3])),
            result => result?,
        };
        let mut polled = open.iter().map(|end| end.any().unwrap_or(true));
        Ok(Some(ends.map(|end| end.is_some() && polled.next().unwrap_or(false))))
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(end) = &mut self.stdin else { return Ok(()) };
        let piece = &self.input[..self.input.len().min(PIECE)];
        match end.write(piece) {
            Ok(count) => self.input = &self.input[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            // It will say itself why it wants no more.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.input = &[],
            Err(error) => return Err(error),
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
        Ok(())
    }
}

/// Takes what there is; the pipe is dropped at its end.
fn read(pipe: &mut Option<impl Read>, into: &mut Vec<u8>) -> io::Result<()> {
    let Some(end) = pipe else { return Ok(()) };
    let mut chunk = [0; 16 * 1024];
    match end.read(&mut chunk) {
        Ok(0) => *pipe = None,
        Ok(count) => into.extend_from_slice(&chunk[..count]),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_goes_in_and_out_at_the_same_time() {
        let input: Vec<u8> = (0..1_000_000u32).map(|number| number as u8).collect();
        let answer = run(Command::new("cat"), &input).unwrap();
        assert!(answer.complete().unwrap() == input);
    }

    #[test]
    fn input_that_nobody_wants_is_no_error() {
        let answer = run(Command::new("true"), &[0; 1_000_000]).unwrap();
        assert_eq!(answer.complete().unwrap(), b"");
    }

    #[test]
    fn patience_ends_and_the_client_with_it() {
        let mut command = Command::new("sleep");
        command.arg("600");
        let begun = Instant::now();
        let outcome = run_within(Duration::from_millis(30), command, &[]);
        assert!(matches!(outcome, Err(TmuxError::Silent(_))), "{outcome:?}");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_program_that_is_not_there_is_not_installed() {
        let outcome = run(Command::new("no-such-tmux"), &[]);
        assert!(matches!(outcome, Err(TmuxError::NotInstalled)), "{outcome:?}");
    }
}
