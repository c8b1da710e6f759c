//! What the screen of an interactive agent says: its state ([`read`]), whether it takes input ([`judge`]), which dialog
//! keeps it from that ([`Dialog`]). The patterns are those of Claude Code 2.1.329, told apart on 28 captured screens;
//! narrower windows wrap and cut the same words, so that each pattern lets a line end wherever a blank may stand.

mod command;
mod dialog;
mod ready;

pub use dialog::Dialog;
pub use ready::{Readiness, ReadyRule, judge};

use regex::Regex;
use std::sync::LazyLock;

/// What a screen shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaneState {
    /// Nothing is drawn yet.
    Starting,
    /// Refused to run as root; it has ended.
    RootRefused,
    /// The first-run check did not reach its host; it has ended.
    NoNetwork,
    /// First run: a colour theme is to be chosen.
    ThemePicker,
    /// First run: notes that want Enter.
    SecurityNotes,
    /// The folder is unknown; the preselected answer ends the program.
    TrustDialog,
    /// A key in the environment that was never approved; the preselected answer is not to use it.
    ApiKeyApproval,
    /// First use of `--dangerously-skip-permissions`; the preselected answer ends the program.
    BypassWarning,
    /// A tool call waits for permission.
    PermissionPrompt,
    /// It has ended.
    Exited,
    /// Ctrl-C was pressed once; a second one ends it.
    CtrlCPending,
    /// The conversation is being compacted.
    Compacting,
    /// The API failed, it tries again by itself.
    Retrying,
    /// An answer streams or a tool runs.
    Busy,
    /// No key, or one that is not accepted.
    LoginNeeded,
    /// Idle after a limit ended the turn.
    RateLimited,
    /// Idle after another error of the API ended the turn.
    ApiError,
    /// Idle: takes input. It never means that the work is done.
    Ready,
    /// None of these.
    Unknown,
}

/// What the window's title says, independent of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TitleState {
    /// It waits for input.
    Idle,
    /// It works.
    Busy,
}

/// Where on the screen the words of a state count. What stands above the input line is conversation, and a conversation
/// may quote anything.
#[derive(Debug, Clone, Copy)]
enum Zone {
    /// The whole screen as one line: what is printed before the program draws is cut in the middle of words.
    Unwrapped,
    /// From the input line on; the whole screen when there is none, because a dialog stands in its place.
    Foot,
    /// From the prompt of the last turn on.
    Turn,
}

/// The first row that fits is the state. A blank stands for any white space, line ends too.
const PATTERNS: [(PaneState, Zone, &str); 18] = [
    (PaneState::RootRefused, Zone::Unwrapped, r"cannot\s*be\s*used\s*with\s*root/sudo\s*privileges"),
    (PaneState::NoNetwork, Zone::Foot, r"(?m)^\s*Unable to connect to Anthropic services"),
    (
        PaneState::ThemePicker,
        Zone::Foot,
        r"Choose the text style that looks best|(?m)^\s*❯?\s*Dark mode \(colorblind-friendly\)",
    ),
    (PaneState::SecurityNotes, Zone::Foot, r"(?s)(?:Security notes:|prompt injection risks,).*Press Enter to continue"),
    (PaneState::TrustDialog, Zone::Foot, r"(?m)^\s*❯?\s*Yes, I trust this folder"),
    (
        PaneState::ApiKeyApproval,
        Zone::Foot,
        r"Detected a custom API key in your environment|Do you want to use this API key\?",
    ),
    (PaneState::BypassWarning, Zone::Foot, r"(?s)Bypass Permissions mode.*Yes, I accept"),
    (
        PaneState::PermissionPrompt,
        Zone::Foot,
        r"(?ms)(?:This command requires approval|Do you want to \w+).*^\s*❯?\s*1\. Yes",
    ),
    (PaneState::Exited, Zone::Foot, r"(?m)^(?:Resume this session with:|EXITED rc=)"),
    (PaneState::CtrlCPending, Zone::Foot, r"(?m)^\s*Press Ctrl-C again to exit\s*$"),
    (PaneState::Compacting, Zone::Turn, r"(?m)^[·✢✳✶✻✽*] Compacting conversation…"),
    (PaneState::Retrying, Zone::Turn, r"retrying in \d+s · attempt \d+/\d+"),
    (PaneState::Busy, Zone::Foot, r"(?m)^\s*(?:[⏵⏸?].*)?\besc to (?:interrupt\b|\w*…)"),
    (PaneState::Busy, Zone::Turn, r"(?m)^[·✢✳✶✻✽*] .*… \("),
    (PaneState::LoginNeeded, Zone::Turn, r"Not logged in · run /login|Please run /login"),
    (
        PaneState::RateLimited,
        Zone::Turn,
        r"(?m)^● API Error: Request rejected \(429\)|^\s*[●⎿] [^●⎿❯]*hit your [^●⎿❯]*limit · resets",
    ),
    (PaneState::ApiError, Zone::Turn, r"(?m)^● API Error:"),
    (PaneState::Ready, Zone::Turn, INPUT_LINE),
];

/// The rule above the input line, and its sign in the first column. What follows the sign is a no-break space.
const INPUT_LINE: &str = r"(?m)^─{20,}\s*$\n^❯[\s\u00a0]";

/// A prompt that was sent, as the conversation repeats it.
const SENT_PROMPT: &str = r"(?m)^❯[\s\u00a0]";

const CONTEXT_LEFT: &str = r"\b(\d{1,3})% until auto-compact";

static RULES: LazyLock<Vec<(PaneState, Zone, Regex)>> = LazyLock::new(|| {
    let rule = |(state, zone, pattern): &(PaneState, Zone, &str)| Some((*state, *zone, compile(pattern)?));
    PATTERNS.iter().filter_map(rule).collect()
});

static INPUT: LazyLock<Option<Regex>> = LazyLock::new(|| compile(INPUT_LINE));
static SENT: LazyLock<Option<Regex>> = LazyLock::new(|| compile(SENT_PROMPT));
static CONTEXT: LazyLock<Option<Regex>> = LazyLock::new(|| compile(CONTEXT_LEFT));

fn compile(pattern: &str) -> Option<Regex> {
    Regex::new(&pattern.replace(' ', r"\s+")).ok()
}

/// The state that the text of a screen shows: `tmux capture-pane -p`, or what [`super::screen`] renders; lossy UTF-8 is
/// good enough.
pub fn read(screen: &str) -> PaneState {
    if screen.trim().is_empty() {
        return PaneState::Starting;
    }
    let zones = Zones::of(screen);
    let found = RULES.iter().find(|(_, zone, pattern)| pattern.is_match(zones.text(*zone)));
    found.map_or(PaneState::Unknown, |(state, ..)| *state)
}

/// How much of the context is left until it is compacted, per cent; shown only when little is.
pub fn context_left(screen: &str) -> Option<u8> {
    let last = CONTEXT.as_ref()?.captures_iter(Zones::of(screen).turn).last()?;
    last.get(1)?.as_str().parse().ok().filter(|percent| *percent <= 100)
}

/// What a window's title says. The agent sets one only when it works for the first time; before, anything stands there.
pub fn title_state(title: &str) -> Option<TitleState> {
    match title.chars().next()? {
        '✳' => Some(TitleState::Idle),
        '◐' | '◑' => Some(TitleState::Busy),
        _ => None,
    }
}

/// The zones of one screen.
struct Zones<'a> {
    unwrapped: String,
    foot: &'a str,
    turn: &'a str,
}

impl<'a> Zones<'a> {
    fn of(screen: &'a str) -> Zones<'a> {
        let input = last_match(&INPUT, screen);
        let sent = last_match(&SENT, &screen[..input.unwrap_or(screen.len())]);
        Zones {
            // Words above an input line are conversation, not something printed before the start.
            unwrapped: if input.is_none() { screen.lines().collect() } else { String::new() },
            foot: &screen[input.unwrap_or(0)..],
            turn: &screen[sent.unwrap_or(0)..],
        }
    }

    fn text(&self, zone: Zone) -> &str {
        match zone {
            Zone::Unwrapped => &self.unwrapped,
            Zone::Foot => self.foot,
            Zone::Turn => self.turn,
        }
    }
}

/// Where the last match begins.
fn last_match(pattern: &Option<Regex>, text: &str) -> Option<usize> {
    pattern.as_ref()?.find_iter(text).last().map(|found| found.start())
}
