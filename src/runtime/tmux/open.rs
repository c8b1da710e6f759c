//! A new window, complete from its first byte on: made, marked as ours, piped into its log and named by one client in one
//! list of commands, which tmux does without reading from the new pane in between.

use super::error::TmuxError;
use super::list::List;
use super::pane::{Fields, ServerLife};
use super::target::Target;
use super::{ATTEMPTS, PAUSE, Server, quote};
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use tmux_interface::{DisplayMessage, NewSession, PipePane, RenameWindow, SetOption, TmuxCommand};

/// Where the output of a pane is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaneLog<'a> {
    /// This program, which has the subcommand `pane-log`.
    pub program: &'a Path,
    /// The file that everything is appended to.
    pub log: &'a Path,
}

/// A window to be.
#[derive(Debug, Clone, Copy)]
pub struct NewWindow<'a> {
    /// In which session, by its exact name; it is made if it is not there.
    pub session: &'a str,
    /// The window's name, for people.
    pub window: &'a str,
    /// Where it starts.
    pub cwd: &'a Path,
    /// Program and arguments, which no shell reads. The environment is the server's.
    pub command: &'a [OsString],
    /// Options (`@swarm_worker`, `@swarm_run`) of the window and of the pane, which keeps them wherever it is moved.
    pub options: &'a [(&'a str, &'a str)],
    /// Keeps the output.
    pub pane_log: Option<PaneLog<'a>>,
    /// Columns and rows, where we make the session.
    pub size: Option<(u16, u16)>,
}

/// A window that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// By which server.
    pub life: ServerLife,
    /// Its id, `@3`.
    pub window_id: String,
    /// Its pane's id, `%5`.
    pub pane_id: String,
    /// The process that tmux started.
    pub pane_pid: i32,
    /// Its terminal.
    pub tty: String,
    /// This call made the session.
    pub made_session: bool,
}

impl Opened {
    /// This window and no other, as long as this server lives.
    pub fn target(&self) -> Target {
        Target::of_life(&self.window_id, &self.pane_id, &self.life)
    }
}

/// What a new window is asked for, in the order of [`opened`].
const FORMAT: &str = "#{pid} #{start_time} #{window_id} #{pane_id} #{pane_pid} #{pane_tty}";

impl Server {
    /// Opens a window, and returns when it is there with all that was asked for. That its program runs is not yet said:
    /// tmux reports success for one that does not exist. After an error no window is left.
    pub fn open(&self, new: &NewWindow<'_>) -> Result<Opened, TmuxError> {
        check_session(new.session)?;
        let mut outcome = self.open_in_either(new);
        for _ in 1..ATTEMPTS {
            match outcome {
                // Somebody else opened the first window of the session, or ended its last, in the same moment.
                Err(TmuxError::Duplicate(_) | TmuxError::Gone(_)) => {}
                // The server is about to end.
                Err(TmuxError::Lost(_) | TmuxError::NoServer(_)) => std::thread::sleep(PAUSE),
                outcome => return outcome,
            }
            outcome = self.open_in_either(new);
        }
        outcome
    }

    /// Pipes the pane into its log again, if it is not; its old pipe may have been killed. The output since then is lost.
    pub fn reopen_pipe(&self, target: &Target, pane_log: PaneLog<'_>) -> Result<(), TmuxError> {
        // Not with `-o`: it closes a pipe that is open. Somebody who does the same now is no harm: tmux takes the later.
        let asked = DisplayMessage::new().print().target_pane(target.pane_id()).message("#{pane_pipe}").build();
        if self.ask(&List::guarded(target, [asked]), &[])? == b"1\n" {
            return Ok(());
        }
        let pipe = pipe(List::of(PipePane::new().target_pane(target.pane_id()).build()), pane_log);
        self.ask(&pipe, &[]).map(drop)
    }

    fn open_in_either(&self, new: &NewWindow<'_>) -> Result<Opened, TmuxError> {
        match self.open_by(window_command(new), new, false) {
            Err(TmuxError::NoServer(_) | TmuxError::Gone(_)) => self.open_by(session_command(new), new, true),
            outcome => outcome,
        }
    }

    /// `first` makes the window under a name that nothing else has, so that the commands behind it can address it: tmux
    /// has no word for "the window that was just made".
    fn open_by(&self, first: TmuxCommand<'_>, new: &NewWindow<'_>, made_session: bool) -> Result<Opened, TmuxError> {
        let name = unique_name();
        let target = format!("={}:={name}", new.session);
        let answer = self.run(&list(first, &name, &target, new, made_session), &[])?;
        let opened = opened(&answer.out, made_session);
        match (answer.error, opened) {
            (None, Some(opened)) => Ok(opened),
            (None, None) => Err(TmuxError::Failed("tmux did not say which window it made".into())),
            (Some(error), made) => {
                if let Some(made) = made {
                    // The first error is the one that matters.
                    let _ = self.kill_window(&made.target());
                }
                Err(error)
            }
        }
    }
}

fn window_command<'a>(new: &NewWindow<'_>) -> TmuxCommand<'a> {
    let session = format!("={}:", new.session);
    tmux_interface::NewWindow::new().detached().print().format(FORMAT).target_window(session).build()
}

fn session_command<'a>(new: &NewWindow<'_>) -> TmuxCommand<'a> {
    let command = NewSession::new().detached().print().format(FORMAT).session_name(new.session.to_owned());
    let command = match new.size {
        Some((columns, rows)) => command.width(columns.into()).height(rows.into()),
        None => command,
    };
    command.build()
}

/// The whole list. The window gets its own name last: until then it is found by `name`.
fn list(first: TmuxCommand<'_>, name: &str, target: &str, new: &NewWindow<'_>, made_session: bool) -> List {
    let mut list = List::of(first).with(["-n", name, "-c"]).with([quote::format_text(new.cwd.as_os_str())]);
    list = command_words(list, new.command);
    let set = |name: &str, value: &str| {
        SetOption::new().target_pane(target.to_owned()).option(name.to_owned()).value(value.to_owned())
    };
    for (name, value) in [("automatic-rename", "off"), ("allow-rename", "off"), ("remain-on-exit", "off")] {
        list = list.then(set(name, value).window().build());
    }
    for (name, value) in new.options {
        list = list.then(set(name, value).window().build()).then(set(name, value).pane().build());
    }
    if made_session {
        list = list.then(set("@swarm_session", "1").build());
    }
    if let Some(pane_log) = new.pane_log {
        list = pipe(list.then(PipePane::new().target_pane(target.to_owned()).build()), pane_log);
    }
    let name = quote::format_text(OsStr::new(new.window));
    list.then(RenameWindow::new().target_window(target.to_owned()).build()).with([OsStr::new("--"), &name])
}

/// The program of the window. A single word would be read by the user's shell; as the argument of a script it is not.
fn command_words(list: List, command: &[OsString]) -> List {
    match command {
        [] => list,
        [word] => list.with(["--", "/bin/sh", "-c", "exec \"$0\""]).with([word]),
        words => list.with(["--"]).with(words),
    }
}

/// Adds the shell command of a `pipe-pane`.
fn pipe(list: List, PaneLog { program, log }: PaneLog<'_>) -> List {
    let mut command = OsString::from("exec ");
    command.push(quote::shell_word(program.as_os_str()));
    command.push(" pane-log ");
    command.push(quote::shell_word(log.as_os_str()));
    list.with(["--"]).with([quote::timed_format_text(&command)])
}

fn opened(answer: &[u8], made_session: bool) -> Option<Opened> {
    let mut fields = Fields(answer);
    Some(Opened {
        life: ServerLife { pid: fields.number()?, started: fields.number()? },
        window_id: fields.id('@')?,
        pane_id: fields.id('%')?,
        pane_pid: fields.number()?,
        tty: fields.word()?.to_owned(),
        made_session,
    })
}

/// A name that no other window and no buffer has.
pub(super) fn unique_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("swarm-{}-{now}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Refuses a session name that tmux would change (`.`, `:`, `#`) or take for something else (`$1`, `=a`, `-x`).
pub fn check_session(name: &str) -> Result<(), TmuxError> {
    let inside = |c: char| c.is_alphanumeric() || "_-+@/, ".contains(c);
    let first = name.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_');
    if first && !name.ends_with(' ') && name.chars().count() <= MAX_SESSION && name.chars().all(inside) {
        return Ok(());
    }
    Err(TmuxError::BadSession(format!(
        "'{}' cannot be a session's name: letters, digits, blanks and _ - + @ / , are allowed, a letter, digit or _ first, \
         at most {MAX_SESSION}",
        name.escape_debug()
    )))
}

/// Longest session name, in characters.
const MAX_SESSION: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_tmux_would_misunderstand_are_refused() {
        for name in ["a", "swarm-0badcafe", "a b", "ünï", "7", "a/b@c"] {
            assert!(check_session(name).is_ok(), "{name}");
        }
        for name in
            ["", "a.b", "a:b", "-x", "=a", "@1", "%1", "$1", "*", "#{pid}", "a\n", " ", "a ", "{last}", "+", "!"]
        {
            assert!(check_session(name).is_err(), "{name}");
        }
    }
}
