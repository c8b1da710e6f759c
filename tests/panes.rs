//! Screens of the real agent CLI, captured in a window of 110×36 (`tests/fixtures/panes`) and in narrow ones
//! (`narrow/<state>_<columns>.txt`): each is told apart, and ready means ready.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by panicking")]

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use swarm::agent::pane::{Dialog, PaneState, Readiness, ReadyRule, TitleState, context_left, judge, read, title_state};

/// Every state, as the fixtures call it.
const NAMES: [(&str, PaneState); 16] = [
    ("root_refused", PaneState::RootRefused),
    ("no_network", PaneState::NoNetwork),
    ("theme_picker", PaneState::ThemePicker),
    ("security_notes", PaneState::SecurityNotes),
    ("trust_dialog", PaneState::TrustDialog),
    ("api_key_approval", PaneState::ApiKeyApproval),
    ("bypass_warning", PaneState::BypassWarning),
    ("permission_prompt", PaneState::PermissionPrompt),
    ("exited", PaneState::Exited),
    ("ctrl_c_pending", PaneState::CtrlCPending),
    ("compacting", PaneState::Compacting),
    ("retrying", PaneState::Retrying),
    ("busy", PaneState::Busy),
    ("login_needed", PaneState::LoginNeeded),
    ("rate_limited", PaneState::RateLimited),
    ("ready", PaneState::Ready),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/panes")
}

fn pane(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.txt"))).unwrap()
}

fn named(name: &str) -> PaneState {
    NAMES.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no state {name}")).1
}

/// Every captured pane and its state.
fn panes() -> Vec<(String, PaneState)> {
    let index = std::fs::read_to_string(folder().join("index.json")).unwrap();
    let index: BTreeMap<String, String> = serde_json::from_str(&index).unwrap();
    assert_eq!(index.len(), 28);
    index.iter().map(|(file, state)| (file.trim_end_matches(".txt").to_owned(), named(state))).collect()
}

fn claude(screen: &str) -> Readiness {
    judge(&ReadyRule::Claude, screen, "", true)
}

#[test]
fn every_pane_has_its_state() {
    for (name, state) in panes() {
        assert_eq!(read(&pane(&name)), state, "{name}");
    }
    let seen: Vec<PaneState> = panes().into_iter().map(|(_, state)| state).collect();
    assert!(NAMES.iter().all(|(_, state)| seen.contains(state)), "a state without a pane");
}

#[test]
fn narrow_windows_show_the_same_states() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder().join("narrow")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let state = match name.rsplit_once('_').unwrap().0 {
            "typed" | "idle_after_answer" => PaneState::Ready,
            name => named(name),
        };
        assert_eq!(read(&std::fs::read_to_string(&path).unwrap()), state, "{name}");
        seen += 1;
    }
    assert_eq!(seen, 10);
}

#[test]
fn blank_lines_carriage_returns_and_torn_bytes_change_nothing() {
    for (name, state) in panes() {
        let text = pane(&name);
        assert_eq!(read(&format!("{}\n\n\n\n", text.trim_end_matches('\n'))), state, "{name} with blank lines");
        assert_eq!(read(text.trim_end_matches('\n')), state, "{name} without the blank lines at the end");
        assert_eq!(read(&text.replace('\n', "\r\n")), state, "{name} with CR");
        let torn = [b"\xff\xfe broken \xc3\n".as_slice(), text.as_bytes()].concat();
        assert_eq!(read(&String::from_utf8_lossy(&torn)), state, "{name} with bytes that are no text");
    }
}

#[test]
fn an_empty_screen_is_starting_and_never_ready() {
    let rules = [ReadyRule::Claude, ReadyRule::Shell, ReadyRule::Output, ReadyRule::pattern("x").unwrap()];
    for screen in ["", "\n\n\n", "   \n \n", "\u{a0}\n"] {
        assert_eq!(read(screen), PaneState::Starting);
        for rule in &rules {
            assert_eq!(judge(rule, screen, "✳ Claude Code", true), Readiness::NotYet, "{rule:?}");
        }
    }
}

#[test]
fn ready_is_the_ready_state_on_the_alternate_screen() {
    for (name, state) in panes() {
        let expected = match Dialog::of(state) {
            Some(dialog) => Readiness::Dialog(dialog),
            None if state == PaneState::Ready => Readiness::Ready,
            None => Readiness::NotYet,
        };
        assert_eq!(claude(&pane(&name)), expected, "{name}");
    }
    let ready = pane("ready");
    assert_eq!(judge(&ReadyRule::Claude, &ready, "✳ Claude Code", true), Readiness::Ready);
    assert_eq!(judge(&ReadyRule::Claude, &ready, "◑ Claude Code", true), Readiness::NotYet, "the title says busy");
    assert_eq!(judge(&ReadyRule::Claude, &ready, "✳ Claude Code", false), Readiness::NotYet, "left over");
}

#[test]
fn a_dialog_is_seen_before_the_program_draws_on_its_own_screen() {
    let trust = pane("trust_dialog");
    assert_eq!(judge(&ReadyRule::Claude, &trust, "", false), Readiness::Dialog(Dialog::Trust));
    assert_eq!(Dialog::on(&trust), Some(Dialog::Trust));
    for dialog in Dialog::ALL {
        assert!(!dialog.name().is_empty() && !dialog.advice().is_empty());
        assert!(!dialog.advice().contains('\n'));
    }
}

#[test]
fn a_conversation_may_quote_every_dialog() {
    let input = pane("idle_after_answer");
    let at = input.find("✻ Cooked").unwrap();
    for (name, state) in panes() {
        if Dialog::of(state).is_none() || state == PaneState::LoginNeeded {
            continue;
        }
        let quoted: String = pane(&name).lines().map(|line| format!("     {line}\n")).collect();
        let screen = format!("{}{quoted}{}", &input[..at], &input[at..]);
        assert_eq!(read(&screen), PaneState::Ready, "{name} quoted");
    }
}

#[test]
fn an_error_of_an_earlier_turn_is_history() {
    for name in ["error_403", "rate_limited"] {
        let error = pane(name);
        let earlier = error.lines().take_while(|line| !line.starts_with('─') && !line.contains("/effort"));
        let earlier: Vec<&str> = earlier.filter(|line| !line.is_empty()).collect();
        let screen = format!("{}\n{}", earlier.join("\n"), pane("idle_after_answer"));
        assert_eq!(read(&screen), PaneState::Ready, "{name}");
    }
}

#[test]
fn a_done_word_is_not_ready() {
    for word in ["/done", "done", "> /done", "❯ /done", "✻ Cooked for 0s · done 10:00 AM"] {
        assert_eq!(claude(word), Readiness::NotYet, "{word}");
    }
    let busy = pane("busy").replace("●\n", "● /done\n");
    assert!(busy.contains("/done"));
    assert_eq!(claude(&busy), Readiness::NotYet);
}

#[test]
fn a_shell_is_ready_at_its_prompt() {
    let ready = |screen: &str| judge(&ReadyRule::Shell, screen, "", false) == Readiness::Ready;
    for prompt in ["$", "#", "%", ">", "❯", "me@host:~$", "root@host:/srv#", "host%", "~/repo ❯", "$  "] {
        assert!(ready(prompt), "{prompt}");
        assert!(ready(&format!("Last login: today\n\n{prompt}\n\n\n")), "{prompt} below text");
    }
    for text in ["compiling", "50%", " 100%", "$ make\ncompiling", "price: 5$ each", "done."] {
        assert!(!ready(text), "{text}");
    }
}

#[test]
fn a_pattern_is_the_users() {
    let ready = |pattern: &str, screen: &str| {
        judge(&ReadyRule::pattern(pattern).unwrap(), screen, "", false) == Readiness::Ready
    };
    assert!(ready("listening on", "starting\nlistening on 8080\n"));
    assert!(ready(r"^\S+\$ $", "me@host$\n\n"), "the blank that a capture takes away");
    assert!(ready("^ready$", "not yet\nready\n"));
    assert!(!ready("^ready$", "not ready\n"));
    assert!(ReadyRule::pattern("(").is_err());
}

#[test]
fn the_rule_comes_from_the_command() {
    let rule = |command: &[&str]| ReadyRule::of_command(command);
    assert!(matches!(rule(&["env", "IS_SANDBOX=1", "/usr/bin/claude"]), ReadyRule::Claude));
    assert!(matches!(rule(&["zsh"]), ReadyRule::Shell));
    assert!(matches!(rule(&["python3", "-i"]), ReadyRule::Output));
    assert_eq!(judge(&rule(&["python3", "-i"]), ">>>", "", false), Readiness::Ready);
}

#[test]
fn what_is_left_of_the_context_is_read() {
    for (name, _) in panes() {
        let expected = matches!(name.as_str(), "context_low" | "compacting").then_some(1);
        assert_eq!(context_left(&pane(&name)), expected, "{name}");
    }
    assert_eq!(context_left("12% until auto-compact"), Some(12));
    assert_eq!(context_left("400% until auto-compact"), None);
}

#[test]
fn the_title_tells_idle_from_busy() {
    assert_eq!(title_state("✳ Claude Code"), Some(TitleState::Idle));
    assert_eq!(title_state("◐ Writing tests"), Some(TitleState::Busy));
    assert_eq!(title_state("◑ Writing tests"), Some(TitleState::Busy));
    // What tmux 3.3a makes of a question for the terminal's graphics, until the agent sets a title of its own.
    assert_eq!(title_state("Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA"), None);
    assert_eq!(title_state(""), None);
}

proptest! {
    /// Whatever stands there, it is judged, and only an input line makes it ready.
    #[test]
    fn any_screen_is_judged(screen in "(?s)[─❯● \\n\\u{a0}✻…(a-z%0-9]{0,400}") {
        let state = read(&screen);
        context_left(&screen);
        if claude(&screen) == Readiness::Ready {
            prop_assert_eq!(state, PaneState::Ready);
            prop_assert!(screen.contains('❯'));
        }
    }
}
