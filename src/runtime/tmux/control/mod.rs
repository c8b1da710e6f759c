//! Control mode: a connection to a server that tells what happens, where a call for each question would be too slow or too
//! late. The client has no size, so nobody's windows are resized by it.

mod parser;

use super::Server;
use super::error::TmuxError;
use super::list::List;
use parser::{Answer, Notice, Parser};
use std::collections::VecDeque;
use std::process::Stdio;
use tmux_interface::AttachSession;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Whether what panes print is told too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// [`Event::Output`] for every pane of the session.
    Told,
    /// Not at all, and tmux does no work for it.
    Kept,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A pane's program wrote these bytes.
    Output {
        /// The pane's id.
        pane: String,
        /// What it wrote.
        bytes: Vec<u8>,
    },
    /// A window of the server is no more.
    Closed {
        /// The window's id.
        window: String,
    },
    /// The connection is over: the session or the server ended, or tmux gave us up. The last event.
    Exit {
        /// tmux's words, if any.
        reason: String,
    },
}

/// A connection. Dropping it ends the client.
#[derive(Debug)]
pub struct Control {
    /// Killed and reaped when dropped.
    _client: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    parser: Parser,
    notices: VecDeque<Notice>,
    events: VecDeque<Event>,
    /// How many commands were sent, and how many answers were read: the rest belongs to calls that were dropped.
    asked: u64,
    answered: u64,
}

impl Control {
    /// Connects to the session with exactly this name, and returns when the connection stands.
    pub async fn connect(server: &Server, session: &str, output: Output) -> Result<Control, TmuxError> {
        super::check_session(session)?;
        let flags = match output {
            Output::Told => "ignore-size,read-only",
            Output::Kept => "ignore-size,read-only,no-output",
        };
        let attach = AttachSession::new().target_session(format!("={session}")).build();
        let mut command = Command::from(server.command());
        command.arg("-C").args(List::of(attach).with(["-f", flags]).as_words());
        let mut client =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn()?;
        let (Some(stdin), Some(stdout)) = (client.stdin.take(), client.stdout.take()) else {
            return Err(TmuxError::Failed("the tmux client has no pipes".into()));
        };
        let (parser, notices, events) = Default::default();
        let stderr = client.stderr.take();
        let mut control = Control { _client: client, stdin, stdout, parser, notices, events, asked: 0, answered: 0 };
        match control.answer(false).await {
            Some(answer) => answer.lines().map(|_| control),
            None => {
                let mut said = Vec::new();
                if let Some(mut stderr) = stderr {
                    stderr.read_to_end(&mut said).await.map_err(TmuxError::Io)?;
                }
                Err(TmuxError::said(&String::from_utf8_lossy(&said)))
            }
        }
    }

    /// Has one command done, written as in tmux's configuration (no `;`: each command has its own answer), and returns
    /// the lines of its answer. A dropped call loses its answer and disturbs no other.
    pub async fn command(&mut self, line: &str) -> Result<Vec<Vec<u8>>, TmuxError> {
        if line.contains(['\n', ';']) {
            return Err(TmuxError::Failed("one command at a time".into()));
        }
        self.asked += 1;
        let sent = self.stdin.write_all(format!("{line}\n").as_bytes()).await;
        let answer = match sent {
            Ok(()) => self.answer(true).await,
            Err(_) => None,
        };
        match answer {
            Some(answer) => answer.lines(),
            None => Err(TmuxError::Lost("lost server".into())),
        }
    }

    /// Waits for the next event; `None` after the last. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let notice = self.next_notice().await?;
            self.sort(notice);
        }
    }

    /// The next answer that somebody waits for: of the latest command, or (not `ours`) of the connection itself. Events
    /// that come before are kept. `None` when no answer can come any more.
    async fn answer(&mut self, ours: bool) -> Option<Answer> {
        loop {
            let notice = self.next_notice().await?;
            if let Some(answer) = self.sort(notice)
                && answer.ours == ours
                && self.answered == self.asked
            {
                return Some(answer);
            }
        }
    }

    /// Puts an event in the queue; hands an answer on.
    fn sort(&mut self, notice: Notice) -> Option<Answer> {
        match notice {
            Notice::Answer(answer) => {
                self.answered += u64::from(answer.ours);
                return Some(answer);
            }
            Notice::Output { pane, bytes } => self.events.push_back(Event::Output { pane, bytes }),
            Notice::Closed { window } => self.events.push_back(Event::Closed { window }),
            Notice::Exit { reason } => self.events.push_back(Event::Exit { reason }),
        }
        None
    }

    /// `None` at the end of the client's output.
    async fn next_notice(&mut self) -> Option<Notice> {
        let mut chunk = [0; 16 * 1024];
        while self.notices.is_empty() {
            // An error of the pipe is its end: there is nothing else to be had from it.
            let count = self.stdout.read(&mut chunk).await.unwrap_or(0);
            if count == 0 {
                return None;
            }
            self.parser.feed(&chunk[..count], &mut self.notices);
        }
        self.notices.pop_front()
    }
}

impl Answer {
    /// What was printed by a command that was done; else why it was not.
    fn lines(self) -> Result<Vec<Vec<u8>>, TmuxError> {
        if self.ok {
            return Ok(self.lines);
        }
        Err(TmuxError::said(&String::from_utf8_lossy(&self.lines.join(&b'\n'))))
    }
}
