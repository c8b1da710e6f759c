//! `swarm done-test`: every recording, its options, and what it says of files that are none.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use clap::Parser;
use serde_json::Value;
use std::path::{Path, PathBuf};
use swarm::cli::cmd_done_test::{DoneTest, Judged, examine};
use swarm::cli::error::Error;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: DoneTest,
}

fn judge(log: &Path, more: &[&str]) -> Result<Judged, Error> {
    report(log, more).map(|(judged, _)| judged)
}

fn report(log: &Path, more: &[&str]) -> Result<(Judged, String), Error> {
    let words = ["swarm", log.to_str().unwrap()].into_iter().chain(more.iter().copied());
    examine(&Cli::try_parse_from(words).unwrap().args)
}

fn transcripts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/transcripts")
}

/// A file that is gone with its folder.
fn log(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("iteration-1.log.raw");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn all_recordings() {
    let index: Value = serde_json::from_slice(&std::fs::read(transcripts().join("index.json")).unwrap()).unwrap();
    for (name, entry) in index.as_object().unwrap() {
        let path = transcripts().join(entry["file"].as_str().unwrap());
        let exit = entry["exit"].to_string();
        let judged = judge(&path, &["--json", "--exit", &exit]).unwrap();
        assert_eq!(judged.verdict, entry["verdict"].as_str().unwrap(), "{name}");
        assert!(judged.reason.len() > 10, "{name}: {}", judged.reason);
        let json = serde_json::to_value(&judged).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json.as_object().unwrap().len(), 4);
    }
}

#[test]
fn options() {
    let (_folder, path) = log("Tasks:\n- `FIN`\nand more\n");
    let plain = |more: &[&str]| judge(&path, &[&["--agent", "plain"], more].concat()).unwrap();
    assert_eq!((plain(&[]).verdict, plain(&[]).line), ("not_done", None));
    let near = plain(&["--done-pattern", "FIN"]);
    assert_eq!((near.verdict, near.line), ("not_done", Some(2)));
    assert!(near.reason.contains("followed by more text"), "{}", near.reason);
    let done = plain(&["--done-pattern", "FIN", "--done-match", "line"]);
    assert_eq!((done.verdict, done.line), ("done", Some(2)));
    assert_eq!(plain(&["--done-pattern", "INT", "--done-match", "anywhere"]).verdict, "not_done");
    assert_eq!(plain(&["--done-pattern", "I.", "--done-match", "anywhere"]).verdict, "done");
    let exits = [("0", "done"), ("1", "not_done_error"), ("128", "not_done_error"), ("137", "crashed")];
    for (exit, verdict) in exits {
        assert_eq!(
            plain(&["--done-pattern", "FIN", "--done-match", "line", "--exit", exit]).verdict,
            verdict,
            "{exit}"
        );
    }
}

#[test]
fn what_is_printed() {
    let path = transcripts().join("plan_step.jsonl");
    let json: Value = serde_json::from_str(&report(&path, &["--json"]).unwrap().1).unwrap();
    assert_eq!((&json["schema"], &json["verdict"], &json["line"]), (&1.into(), &"not_done".into(), &6.into()));
    let words = report(&path, &[]).unwrap().1;
    for part in ["not_done", "only inside a longer line", "6 of the log", "print /done as told", "0 is assumed"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(!report(&path, &["--exit", "0"]).unwrap().1.contains("assumed"));
}

#[test]
fn bad_usage() {
    let (folder, path) = log("x");
    for wrong in [folder.path().to_owned(), folder.path().join("none.raw")] {
        let error = judge(&wrong, &[]).unwrap_err();
        assert_eq!(error.code, 2);
        assert!(error.message.contains(wrong.to_str().unwrap()) && error.hint.is_some(), "{error}");
    }
    assert_eq!(judge(&path, &["--done-pattern", "("]).unwrap_err().code, 2);
    assert_eq!(judge(&path, &["--done-pattern", ".*"]).unwrap_err().code, 2);
    for wrong in [["--agent", "hal"], ["--done-match", "first"], ["--exit", "300"], ["--exit", "x"]] {
        assert!(Cli::try_parse_from([&["swarm", "log"][..], &wrong].concat()).is_err(), "{wrong:?}");
    }
}
