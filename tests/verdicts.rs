//! What recorded sessions are judged to be, and how little a damaged recording can change that.

use serde_json::Value;
use std::path::PathBuf;
use swarm::agent::{Agent, Closing, DoneMatch, DoneRule, done::DEFAULT_PATTERN};
use swarm::engine::verdict;
use swarm::model::{Claim, Ending, Evidence, Exit, Note, Sign, Status, Wall};

/// A recorded session: its bytes, its exit status, and what it is to be judged.
struct Recording {
    name: String,
    bytes: Vec<u8>,
    exit: i32,
    verdict: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/transcripts")
}

fn recordings() -> Vec<Recording> {
    let index: Value = serde_json::from_slice(&std::fs::read(folder().join("index.json")).unwrap()).unwrap();
    let entries = index.as_object().unwrap().iter();
    let all: Vec<Recording> = entries
        .map(|(name, entry)| Recording {
            name: name.clone(),
            bytes: std::fs::read(folder().join(entry["file"].as_str().unwrap())).unwrap(),
            exit: i32::try_from(entry["exit"].as_i64().unwrap()).unwrap(),
            verdict: entry["verdict"].as_str().unwrap().to_owned(),
        })
        .collect();
    assert_eq!(all.len(), 54);
    all
}

fn recording(name: &str) -> Recording {
    recordings().into_iter().find(|recording| recording.name == name).unwrap()
}

fn rule() -> DoneRule {
    DoneRule::new(DEFAULT_PATTERN, DoneMatch::Last).unwrap()
}

/// Reads chunks; returns the evidence, all signs but texts, and all texts joined.
fn read<'a>(agent: Agent, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Evidence, Vec<Sign>, String) {
    let mut scanner = agent.scanner(&rule());
    let mut signs = Vec::new();
    for chunk in chunks {
        scanner.feed(chunk, &mut signs);
    }
    let zone = jiff::tz::TimeZone::UTC;
    let closing = Closing { stderr_tail: b"", now: Wall(1_767_225_600_000), zone: &zone };
    let evidence = scanner.close(&closing, &mut signs);
    let mut text = String::new();
    signs.retain(|sign| match sign {
        Sign::Text(piece) => {
            text.push_str(piece);
            false
        }
        _ => true,
    });
    (evidence, signs, text)
}

fn judge(agent: Agent, bytes: &[u8], exit: i32) -> (Ending, Vec<Note>) {
    verdict::ending(&Exit::plain(Status::Code(exit)), &read(agent, [bytes]).0, None)
}

#[test]
fn all_recordings_are_judged_right() {
    let wrong: Vec<String> = recordings()
        .iter()
        .filter_map(|recording| {
            let (ending, _) = judge(Agent::Claude, &recording.bytes, recording.exit);
            let word = verdict::word(&ending);
            (word != recording.verdict)
                .then(|| format!("{}: {word} ({ending:?}) instead of {}", recording.name, recording.verdict))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
