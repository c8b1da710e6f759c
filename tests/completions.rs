//! Completion as the shells do it, and the manual.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by panicking")]

#[path = "support/scratch.rs"]
mod scratch;

use scratch::Scratch;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Two workers run, one of them in a window, and two have stopped, one of them unnoticed; a fifth entry is damaged.
const STATE: &str = r#"{"version": 1, "workers": [
  {"name": "api", "status": "running"}, {"name": "docs.v2", "status": "stopped"},
  {"name": "gone", "status": "running", "shim": {"pid": 1, "start_time": 1, "boot_id": "another"}},
  {"name": "app", "status": "running", "tmux": {"later": true}}, {"status": 7}]}"#;

/// A place whose `PATH` begins with the binary under test, and which has workers.
fn site() -> Scratch {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.state()).unwrap();
    std::fs::write(scratch.state().join("state.json"), STATE).unwrap();
    scratch
}

/// What a command prints that must do well.
fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A shell with nothing of the tester's in it, which runs `script`.
fn shell(scratch: &Scratch, words: &[&str], script: &str) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_swarm")).parent().unwrap();
    let mut command = scratch.command(words[0]);
    command.env("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap()));
    command.args(&words[1..]).arg("-c").arg(script);
    command
}

/// What bash offers for the last word of a line.
fn bash(scratch: &Scratch, line: &[&str]) -> Vec<String> {
    let words: String = line.iter().map(|word| format!("'{word}' ")).collect();
    let (last, before) = (line[line.len() - 1], line[line.len() - 2]);
    let script = format!(
        "source <(swarm completions bash); complete -p swarm >/dev/null || exit 9
         COMP_WORDS=({words}); COMP_CWORD={}; COMP_TYPE=9
         _clap_complete_swarm swarm '{last}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        line.len() - 1
    );
    offered(&printed(&mut shell(scratch, &["bash", "--norc", "--noprofile"], &script)))
}

fn zsh(scratch: &Scratch, line: &[&str]) -> Vec<String> {
    let words: String = line.iter().map(|word| format!("'{word}' ")).collect();
    let script = format!(
        "compdef() {{ : }}; _describe() {{ print -rl -- \"${{(@P)${{@[-1]}}}}\" }}
         source <(swarm completions zsh); words=({words}); CURRENT={}; _clap_dynamic_completer_swarm",
        line.len()
    );
    offered(&printed(&mut shell(scratch, &["zsh", "-f"], &script)))
}

fn fish(scratch: &Scratch, line: &[&str]) -> Vec<String> {
    let script = format!("swarm completions fish | source; complete --do-complete '{}'", line.join(" "));
    offered(&printed(&mut shell(scratch, &["fish", "--no-config"], &script)))
}

/// The words, without what stands behind them to explain them.
fn offered(text: &str) -> Vec<String> {
    let words = text.lines().map(|line| line.split(['\t', ':']).next().unwrap_or_default().to_owned());
    words.filter(|word| !word.is_empty() && !word.starts_with('-')).collect()
}

/// Is the shell there? If not, that is a failure, or by permission a loud word.
fn is_there(shell: &str) -> bool {
    if Command::new(shell).arg("--version").output().is_ok() {
        return true;
    }
    let allowed = std::env::var("SWARM_ALLOW_MISSING").unwrap_or_default();
    assert!(allowed.split(',').any(|name| name == shell), "{shell} is missing: run scripts/setup");
    std::io::stderr().write_all(format!("NOT RUN for want of {shell}\n").as_bytes()).unwrap();
    false
}

/// What each shell must offer.
fn check(complete: impl Fn(&[&str]) -> Vec<String>) {
    assert_eq!(complete(&["swarm", "kill", ""]), ["api", "app"]);
    assert_eq!(complete(&["swarm", "kill", "api", "ap"]), ["api", "app"]);
    assert_eq!(complete(&["swarm", "clean", ""]), ["docs.v2", "gone"]);
    assert_eq!(complete(&["swarm", "status", "d"]), ["docs.v2"]);
    assert_eq!(complete(&["swarm", "send", "ap"]), ["app"], "only windows can be typed into");
    assert_eq!(complete(&["swarm", "ini"]), ["init"]);
    assert_eq!(complete(&["swarm", "completions", "z"]), ["zsh"]);
    assert!(!complete(&["swarm", ""]).contains(&"demo-agent".to_owned()), "a hidden verb");
}

#[test]
fn bash_completes_verbs_and_names() {
    let scratch = site();
    check(|line| bash(&scratch, line));
}

#[test]
fn zsh_completes_verbs_and_names() {
    let scratch = site();
    if is_there("zsh") {
        check(|line| zsh(&scratch, line));
    }
}

#[test]
fn fish_completes_verbs_and_names() {
    let scratch = site();
    if is_there("fish") {
        check(|line| fish(&scratch, line));
    }
}

#[test]
fn without_a_readable_state_there_are_no_names_and_no_words() {
    let scratch = site();
    for state in ["", "{", "[]", "null", "{\"workers\": 3}", "\0\u{1}"] {
        std::fs::write(scratch.state().join("state.json"), state).unwrap();
        assert_eq!(bash(&scratch, &["swarm", "kill", ""]), [""; 0], "{state}");
    }
    std::fs::remove_dir_all(scratch.state()).unwrap();
    assert_eq!(bash(&scratch, &["swarm", "kill", ""]), [""; 0]);
    assert!(!scratch.state().exists(), "a question changes nothing");
}

#[test]
fn other_shells_are_refused() {
    let output = site().swarm(&["completions", "tcsh"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_manual_has_a_page_for_each_verb() {
    let scratch = site();
    let main = printed(&mut scratch.swarm(&["man"]));
    assert!(main.contains(".TH swarm 1") && main.contains("swarm\\-loop(1)"), "{main}");
    let folder = scratch.path("man/man1");
    let said = printed(&mut scratch.swarm(&["man", folder.to_str().unwrap()]));
    let pages = scratch.below(&folder);
    assert_eq!(said, format!("wrote {} pages to {}\n", pages.len(), folder.display()));
    for page in ["swarm.1", "swarm-spawn.1", "swarm-loop.1", "swarm-loop-status.1", "swarm-init.1"] {
        assert!(pages.iter().any(|path| path == Path::new(page)), "{page}: {pages:?}");
    }
    assert!(!pages.iter().any(|path| path.to_string_lossy().contains("demo-agent")));
    assert_eq!(std::fs::read_to_string(folder.join("swarm.1")).unwrap(), main);
    let page = std::fs::read_to_string(folder.join("swarm-loop-status.1")).unwrap();
    assert!(page.contains("swarm loop status") || page.contains("swarm\\-loop\\-status"), "{page}");
}
