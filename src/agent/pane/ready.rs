//! Is a program in a terminal ready for input?

use super::command::{Program, program};
use super::{Dialog, PaneState, TitleState, read, title_state};
use regex::{Regex, RegexBuilder};
use std::ffi::OsStr;
use std::sync::LazyLock;

/// How a program shows that it takes input.
#[derive(Debug, Clone)]
pub enum ReadyRule {
    /// Claude Code: by the state of its screen.
    Claude,
    /// An interactive shell: a bare prompt at the end of the last line.
    Shell,
    /// Any other program: it shows something. Where that is too early, a pattern says it better.
    Output,
    /// `--ready-pattern`.
    Pattern(Regex),
}

/// Whether it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It may, later.
    NotYet,
    /// It takes input.
    Ready,
    /// It waits for a person.
    Dialog(Dialog),
}

/// The end of a prompt. A per cent sign behind a number is progress, not a prompt.
static PROMPT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?:[$#>❯›»λ]|(?:^|\D)%)$").ok());

impl ReadyRule {
    /// The rule that fits a command, program and arguments.
    pub fn of_command(argv: &[impl AsRef<OsStr>]) -> ReadyRule {
        let words: Vec<String> = argv.iter().map(|word| word.as_ref().to_string_lossy().into_owned()).collect();
        match program(&words) {
            Program::Claude => ReadyRule::Claude,
            Program::Shell => ReadyRule::Shell,
            Program::Other => ReadyRule::Output,
        }
    }

    /// The rule of a regular expression, in which `^` and `$` stand for the ends of a line. The error says what is wrong
    /// with it, for people.
    pub fn pattern(pattern: &str) -> Result<ReadyRule, String> {
        let regex = RegexBuilder::new(pattern).multi_line(true).build();
        regex.map(ReadyRule::Pattern).map_err(|error| error.to_string())
    }
}

/// Judges a screen (as `tmux capture-pane -p` gives it, without the blanks at the ends of its lines), the window's title
/// and whether the alternate screen is on. The end of the program is not seen here: it is for the caller to know.
pub fn judge(rule: &ReadyRule, screen: &str, title: &str, alternate_on: bool) -> Readiness {
    let ready = match rule {
        ReadyRule::Claude => return judge_claude(screen, title, alternate_on),
        ReadyRule::Shell => shows_prompt(screen),
        ReadyRule::Output => !screen.trim().is_empty(),
        ReadyRule::Pattern(pattern) => pattern.is_match(screen) || pattern.is_match(&padded(screen)),
    };
    if ready { Readiness::Ready } else { Readiness::NotYet }
}

/// Without the alternate screen what looks ready is left over: the program has ended, or did not draw yet. Its dialogs
/// come before it switches.
fn judge_claude(screen: &str, title: &str, alternate_on: bool) -> Readiness {
    let state = read(screen);
    let busy = title_state(title) == Some(TitleState::Busy);
    match Dialog::of(state) {
        Some(dialog) => Readiness::Dialog(dialog),
        None if state == PaneState::Ready && alternate_on && !busy => Readiness::Ready,
        None => Readiness::NotYet,
    }
}

fn shows_prompt(screen: &str) -> bool {
    let last = screen.lines().map(str::trim_end).rfind(|line| !line.is_empty());
    last.is_some_and(|line| PROMPT.as_ref().is_some_and(|prompt| prompt.is_match(line)))
}

/// With the blank at the end of each line that a capture takes away: `\$ $` is what people write for a prompt.
fn padded(screen: &str) -> String {
    screen.lines().flat_map(|line| [line, " \n"]).collect()
}
