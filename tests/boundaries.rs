//! The rings are held by this test: it reads every import of the crate and compares it with the table of `src/lib.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what is wrong by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Ring → what it may use. `model` is open to all.
const RINGS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("engine", &["model"]),
    ("agent", &["model"]),
    ("host", &["model"]),
    ("journal", &["model", "host"]),
    ("runtime", &["model", "host"]),
    ("report", &["model", "engine", "host"]),
    ("driver", &["model", "engine", "agent", "host", "journal", "runtime", "report"]),
    ("cli", &["model", "engine", "agent", "host", "journal", "runtime", "report", "driver"]),
];

/// Crates that only some rings may use.
const GUARDED: &[(&str, &[&str])] = &[
    ("tokio", &["host", "runtime", "driver", "cli"]),
    ("nix", &["host", "runtime", "driver", "report", "cli"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("signal_hook", &["driver"]),
    ("tmux_interface", &["runtime", "cli"]),
    ("regex", &["agent"]),
    ("vt100", &["agent"]),
];

#[test]
fn rings_use_only_what_lies_inside_them() {
    let mut wrong = Vec::new();
    for (ring, files) in sources() {
        let allowed = RINGS.iter().find(|(name, _)| *name == ring).map(|(_, uses)| *uses);
        let Some(allowed) = allowed else {
            panic!("src/{ring} stands in no ring: add it to the table here and in lib.rs")
        };
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for used in paths_after(&text, "crate::") {
                let known = RINGS.iter().any(|(name, _)| *name == used);
                if known && used != ring && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{} uses {used}", file.display()));
                }
            }
            for (name, rings) in GUARDED {
                let uses = text.lines().any(|line| !line.trim_start().starts_with("//") && names_crate(line, name));
                if uses && !rings.contains(&ring.as_str()) {
                    wrong.push(format!("{} uses the crate {name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that leave their ring:\n{}", wrong.join("\n"));
}

#[test]
fn only_main_exits() {
    for (_, files) in sources() {
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            assert!(!text.contains("process::exit("), "{} exits by itself", file.display());
        }
    }
}

#[test]
fn pure_rings_keep_the_lint_that_keeps_them_pure() {
    for ring in ["model", "engine", "agent"] {
        let text = fs::read_to_string(root().join(ring).join("mod.rs")).unwrap();
        assert!(text.contains("#![deny(clippy::disallowed_methods)]"), "src/{ring}/mod.rs lost its lint level");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies");
        } else if inside && line.contains('=') {
            assert!(line.contains(" # "), "no reason on: {line}");
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Ring → its files.
fn sources() -> BTreeMap<String, Vec<PathBuf>> {
    let rings = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    rings.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), files_below(&path))).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// Does `line` hold a path that begins with the crate `name`?
fn names_crate(line: &str, name: &str) -> bool {
    let begins = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    line.match_indices(&format!("{name}::")).any(|(at, _)| begins(at))
}

/// The first path element behind each `prefix`, outside comments; `crate::{a, b}` counts for each.
fn paths_after(text: &str, prefix: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split('}').next().unwrap_or_default();
                found.extend(list.split(',').map(|item| word(item.trim())));
            }
            None => found.push(word(rest)),
        }
    }
    found
}
