//! Screens that wait for a person: which one stands there, and how a worker is started so that it does not come. The
//! settings named here were tried with Claude Code 2.1.329 in an empty home.

use super::{PaneState, read};

/// What waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialog {
    /// First run: the colour theme.
    Theme,
    /// First run: the security notes.
    SecurityNotes,
    /// Is this folder trusted?
    Trust,
    /// Shall the key in the environment be used?
    ApiKey,
    /// Is the mode without permission prompts accepted?
    Bypass,
    /// There is no login, or it is not accepted.
    Login,
    /// Refused to run as root; it has ended.
    RootRefused,
    /// First run without network; it has ended.
    NoNetwork,
    /// A tool call waits for permission.
    Permission,
}

impl Dialog {
    /// All of them.
    pub const ALL: [Dialog; 9] = [
        Dialog::Theme,
        Dialog::SecurityNotes,
        Dialog::Trust,
        Dialog::ApiKey,
        Dialog::Bypass,
        Dialog::Login,
        Dialog::RootRefused,
        Dialog::NoNetwork,
        Dialog::Permission,
    ];

    /// The dialog that a screen shows.
    pub fn on(screen: &str) -> Option<Dialog> {
        Dialog::of(read(screen))
    }

    /// The dialog of a state.
    pub fn of(state: PaneState) -> Option<Dialog> {
        match state {
            PaneState::ThemePicker => Some(Dialog::Theme),
            PaneState::SecurityNotes => Some(Dialog::SecurityNotes),
            PaneState::TrustDialog => Some(Dialog::Trust),
            PaneState::ApiKeyApproval => Some(Dialog::ApiKey),
            PaneState::BypassWarning => Some(Dialog::Bypass),
            PaneState::LoginNeeded => Some(Dialog::Login),
            PaneState::RootRefused => Some(Dialog::RootRefused),
            PaneState::NoNetwork => Some(Dialog::NoNetwork),
            PaneState::PermissionPrompt => Some(Dialog::Permission),
            PaneState::Starting
            | PaneState::Exited
            | PaneState::CtrlCPending
            | PaneState::Compacting
            | PaneState::Retrying
            | PaneState::Busy
            | PaneState::RateLimited
            | PaneState::ApiError
            | PaneState::Ready
            | PaneState::Unknown => None,
        }
    }

    /// Which one it is, to stand behind "claude: ".
    pub fn name(self) -> &'static str {
        match self {
            Dialog::Theme => "the theme picker of the first run waits",
            Dialog::SecurityNotes => "the security notes of the first run wait for Enter",
            Dialog::Trust => "the question whether this folder is trusted waits; Enter would end it",
            Dialog::ApiKey => "the question whether to use the ANTHROPIC_API_KEY waits; Enter would refuse the key",
            Dialog::Bypass => "the warning of --dangerously-skip-permissions waits; Enter would end it",
            Dialog::Login => "it is not logged in, or the login is not accepted",
            Dialog::RootRefused => "it refuses --dangerously-skip-permissions as root",
            Dialog::NoNetwork => "the check of the first run did not reach its host",
            Dialog::Permission => "a tool call waits for permission",
        }
    }

    /// How to avoid it: one sentence.
    pub fn advice(self) -> &'static str {
        match self {
            Dialog::Theme | Dialog::SecurityNotes => {
                "run `claude` once by hand, or set \"hasCompletedOnboarding\": true in ~/.claude.json"
            }
            Dialog::Trust => {
                "open the repository once with `claude` by hand, or set \"hasTrustDialogAccepted\": true for it under \
                 \"projects\" in ~/.claude.json (the main repository's path covers its worktrees)"
            }
            Dialog::ApiKey => {
                "approve the key once by hand, or put its last 20 characters into \"customApiKeyResponses\": \
                 {\"approved\": […]} in ~/.claude.json"
            }
            Dialog::Bypass => {
                "accept it once by hand, or set \"skipDangerousModePermissionPrompt\": true in ~/.claude/settings.json"
            }
            Dialog::Login => {
                "log in once by hand with `claude` and /login, or give it a valid --env ANTHROPIC_API_KEY=…"
            }
            Dialog::RootRefused => {
                "run as another user or, on a machine that you can afford to lose, with --env IS_SANDBOX=1"
            }
            Dialog::NoNetwork => {
                "give it network for its first run, or set \"hasCompletedOnboarding\": true in ~/.claude.json"
            }
            Dialog::Permission => {
                "answer it with `swarm attach`, or start the worker with --dangerously-skip-permissions or allow rules"
            }
        }
    }
}
