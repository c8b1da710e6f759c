//! `swarm init` on files as people have them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by panicking")]

#[path = "support/scratch.rs"]
mod scratch;

use scratch::Scratch;
use std::os::unix::fs::{PermissionsExt, symlink};

const HEADING: &str = "## Process Management (swarm)\n";

/// Exit code, what it printed on stdout, and on stderr.
fn init(scratch: &Scratch, arguments: &[&str]) -> (i32, String, String) {
    let output = scratch.swarm(&[&["init"], arguments].concat()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn said(scratch: &Scratch, arguments: &[&str]) -> String {
    let (code, out, err) = init(scratch, arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    out
}

fn file(scratch: &Scratch, name: &str) -> String {
    std::fs::read_to_string(scratch.repo().join(name)).unwrap()
}

fn names(scratch: &Scratch) -> Vec<String> {
    let entries = std::fs::read_dir(scratch.repo()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_project_is_told_once() {
    let scratch = Scratch::new();
    assert_eq!(said(&scratch, &["--dry-run"]), "Would create AGENTS.md with swarm agent instructions\n");
    assert_eq!(names(&scratch), [".git", "PROMPT.md"]);
    assert_eq!(said(&scratch, &[]), "Created AGENTS.md\n");
    let text = file(&scratch, "AGENTS.md");
    assert!(text.starts_with(HEADING));
    assert_eq!(said(&scratch, &[]), "swarm: AGENTS.md already contains swarm instructions\n");
    assert_eq!(said(&scratch, &["--force"]), "Updated swarm instructions in AGENTS.md\n");
    assert_eq!(file(&scratch, "AGENTS.md"), text);
    assert_eq!(names(&scratch), [".git", "AGENTS.md", "PROMPT.md"]);
}

#[test]
fn what_stands_there_is_kept_with_its_mode() {
    let scratch = Scratch::new();
    let path = scratch.repo().join("CLAUDE.md");
    std::fs::write(&path, "# Mine\n").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    assert_eq!(said(&scratch, &["--dry-run"]), "Would append swarm instructions to CLAUDE.md\n");
    assert_eq!(said(&scratch, &[]), "Added swarm instructions to CLAUDE.md\n");
    assert!(file(&scratch, "CLAUDE.md").starts_with(&format!("# Mine\n\n{HEADING}")));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(names(&scratch), [".git", "CLAUDE.md", "PROMPT.md"]);
    assert_eq!(said(&scratch, &["--force", "--dry-run"]), "Would update swarm instructions in CLAUDE.md\n");
}

#[test]
fn the_file_that_is_asked_for_is_taken() {
    let scratch = Scratch::new();
    std::fs::write(scratch.repo().join("AGENTS.md"), "# Mine\n").unwrap();
    assert_eq!(said(&scratch, &["--file", "CLAUDE.md"]), "Created CLAUDE.md\n");
    assert_eq!(file(&scratch, "AGENTS.md"), "# Mine\n");
    assert_eq!(said(&scratch, &[]), "swarm: CLAUDE.md already contains swarm instructions\n");
    assert_eq!(init(&scratch, &["--file", "README.md"]).0, 2);
}

#[test]
fn a_link_is_followed_and_stays_a_link() {
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.repo().join("docs")).unwrap();
    std::fs::write(scratch.repo().join("docs/agents.md"), "# Mine\n").unwrap();
    symlink("docs/agents.md", scratch.repo().join("AGENTS.md")).unwrap();
    symlink("AGENTS.md", scratch.repo().join("CLAUDE.md")).unwrap();
    assert_eq!(said(&scratch, &["--file", "CLAUDE.md"]), "Added swarm instructions to CLAUDE.md\n");
    assert!(file(&scratch, "docs/agents.md").starts_with(&format!("# Mine\n\n{HEADING}")));
    for link in ["AGENTS.md", "CLAUDE.md"] {
        assert!(scratch.repo().join(link).is_symlink(), "{link}");
    }
    assert_eq!(said(&scratch, &[]), "swarm: AGENTS.md already contains swarm instructions\n");
}

#[test]
fn what_is_no_text_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    let path = scratch.repo().join("AGENTS.md");
    std::fs::write(&path, b"caf\xe9\n").unwrap();
    let (code, out, err) = init(&scratch, &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with("swarm: error: AGENTS.md is not UTF-8 (byte 3)"), "{err}");
    assert_eq!(std::fs::read(&path).unwrap(), b"caf\xe9\n");
    std::fs::remove_file(&path).unwrap();

    std::fs::create_dir(&path).unwrap();
    let (code, _, err) = init(&scratch, &[]);
    assert_eq!(code, 1);
    assert!(err.starts_with("swarm: error: cannot read AGENTS.md: "), "{err}");
    std::fs::remove_dir(&path).unwrap();

    symlink("missing", &path).unwrap();
    assert_eq!(init(&scratch, &[]).0, 1);
    assert!(!scratch.repo().join("missing").exists());
}

#[test]
fn the_sandbox_comes_later_and_nothing_is_written() {
    let scratch = Scratch::new();
    let (code, out, err) = init(&scratch, &["--with-sandbox"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("swarm: error: --with-sandbox is not in this version"), "{err}");
    assert_eq!(names(&scratch), [".git", "PROMPT.md"]);
}
