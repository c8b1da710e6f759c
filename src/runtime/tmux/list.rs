//! A list of tmux commands for one client process: tmux does them one after another, and nothing comes in between.

use super::quote;
use super::target::Target;
use std::ffi::{OsStr, OsString};
use tmux_interface::{HasSession, IfShell, TmuxCommand};

/// The words of `a ; b ; c`.
#[derive(Debug, Clone, Default)]
pub(super) struct List(Vec<OsString>);

impl List {
    /// One command.
    pub(super) fn of<'a>(command: impl Into<TmuxCommand<'a>>) -> List {
        List::default().then(command)
    }

    /// `commands`, if the pane is the one that is meant; [`super::TmuxError::Gone`] if not. One question, so no time for
    /// anything to change between the look and the deed.
    pub(super) fn guarded<'a>(target: &Target, commands: impl IntoIterator<Item = TmuxCommand<'a>>) -> List {
        List::of(guard(target, commands, [nowhere()]))
    }

    /// Another command behind those before.
    pub(super) fn then<'a>(mut self, command: impl Into<TmuxCommand<'a>>) -> List {
        if !self.0.is_empty() {
            self.0.push(";".into());
        }
        let words = command.into().to_vec();
        self.with(words.iter().map(|word| OsStr::new(word.as_ref())))
    }

    /// More words of the last command; any bytes.
    pub(super) fn with<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> List {
        self.0.extend(words.into_iter().map(|word| quote::argument(word.as_ref())));
        self
    }

    /// For the command line of a client.
    pub(super) fn as_words(&self) -> &[OsString] {
        &self.0
    }
}

/// Commands as tmux reads them from a file, or as an argument of `if-shell`.
pub(super) fn script<'a>(commands: impl IntoIterator<Item = TmuxCommand<'a>>) -> String {
    let line = |command: TmuxCommand<'_>| {
        command.to_vec().iter().map(|word| quote::tmux_word(word)).collect::<Vec<_>>().join(" ")
    };
    commands.into_iter().map(line).collect::<Vec<_>>().join(" ; ")
}

/// One of two things to do: the first if the pane is the one that is meant. A pane that is not there is no error here.
pub(super) fn guard<'a, 'b>(
    target: &Target,
    yes: impl IntoIterator<Item = TmuxCommand<'a>>,
    no: impl IntoIterator<Item = TmuxCommand<'b>>,
) -> TmuxCommand<'static> {
    either(target, target.condition(), yes, no)
}

/// One of two things to do, by what a format says of the pane.
pub(super) fn either<'a, 'b>(
    target: &Target,
    format: &str,
    yes: impl IntoIterator<Item = TmuxCommand<'a>>,
    no: impl IntoIterator<Item = TmuxCommand<'b>>,
) -> TmuxCommand<'static> {
    let pane = target.pane_id().to_owned();
    let command = IfShell::new().not_execute().target_pane(pane).shell_command(format.to_owned());
    let mut command = command.command(script(yes)).build();
    command.push_param(script(no));
    command
}

/// A command that always fails, with words that mean "gone": no session's name holds a `:`.
fn nowhere<'a>() -> TmuxCommand<'a> {
    HasSession::new().target_session("=swarm:gone:").build()
}
