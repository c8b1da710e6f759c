//! What recorded sessions are judged to be, and how little a damaged recording can change that.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use std::path::PathBuf;
use std::sync::LazyLock;
use swarm::agent::{Agent, Closing, DoneMatch, DoneRule, done::DEFAULT_PATTERN};
use swarm::engine::verdict;
use swarm::model::{Claim, Ending, Evidence, Exit, Note, Outcome, Sign, Status, Wall};

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

static RULE: LazyLock<DoneRule> = LazyLock::new(|| DoneRule::new(DEFAULT_PATTERN, DoneMatch::Last).unwrap());

/// Reads chunks; returns the evidence, all signs but texts, and all texts joined.
fn read<'a>(agent: Agent, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Evidence, Vec<Sign>, String) {
    let mut scanner = agent.scanner(&RULE);
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

/// The verdict in the words of the index.
fn word(bytes: &[u8], exit: i32) -> &'static str {
    verdict::word(&judge(Agent::Claude, bytes, exit).0)
}

/// A reproducible source of chance (xorshift).
struct Dice(u64);

impl Dice {
    fn upto(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % bound
    }
}

fn lines(recording: &Recording) -> Vec<Vec<u8>> {
    recording.bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// Writes a value with the members of all objects in another order.
fn shuffled(value: &Value, dice: &mut Dice) -> String {
    match value {
        Value::Object(object) => {
            let mut members: Vec<String> = object
                .iter()
                .map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), shuffled(value, dice)))
                .collect();
            for last in (1..members.len()).rev() {
                members.swap(last, dice.upto(last + 1));
            }
            format!("{{{}}}", members.join(" ,"))
        }
        Value::Array(array) => {
            format!("[{}]", array.iter().map(|value| shuffled(value, dice)).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

#[test]
fn the_order_of_keys_does_not_matter() {
    let mut dice = Dice(7);
    for recording in recordings() {
        for _ in 0..8 {
            let mutant: Vec<String> = lines(&recording)
                .iter()
                .map(|line| shuffled(&serde_json::from_slice(line).unwrap(), &mut dice))
                .collect();
            assert_eq!(word(mutant.join("\n").as_bytes(), recording.exit), recording.verdict, "{}", recording.name);
        }
    }
}

#[test]
fn foreign_lines_do_not_matter() {
    const FOREIGN: [&[u8]; 14] = [
        b"",
        b" ",
        b"npm WARN something",
        b"/done",
        b"```",
        b"null",
        b"[1]",
        b"\"/done\"",
        b"\xff\xfe\x00",
        br#"{"type":"result","is_error":false,"result":"/done""#,
        br#"{"type":"result","is_error":false,"result":"/done"}}"#,
        br#"{"type":"result","is_error":false,"result":/done}"#,
        br#"{"type":"mystery","subtype":"success","is_error":false,"terminal_reason":"completed","result":"/done"}"#,
        br#"{"kind":"result","is_error":false,"result":"/done","message":{"content":[{"type":"text","text":"/done"}]}}"#,
    ];
    let mut dice = Dice(11);
    for recording in recordings() {
        for foreign in FOREIGN {
            let mut mutant = lines(&recording);
            for _ in 0..3 {
                let at = dice.upto(mutant.len() + 1);
                mutant.insert(at, [foreign, b"\n"].concat());
            }
            let bytes = mutant.concat();
            assert_eq!(word(&bytes, recording.exit), recording.verdict, "{}: {foreign:?}", recording.name);
        }
    }
}

#[test]
fn line_ends_and_repeated_lines_do_not_matter() {
    for recording in recordings() {
        let text = String::from_utf8(recording.bytes.clone()).unwrap();
        for mutant in [text.replace('\n', "\r\n"), text.replace('\n', "\n\n"), text.trim_end().to_owned()] {
            assert_eq!(word(mutant.as_bytes(), recording.exit), recording.verdict, "{}", recording.name);
        }
        let all = lines(&recording);
        for twice in 0..all.len() {
            let mut mutant = all.clone();
            mutant.insert(twice, all[twice].clone());
            assert_eq!(word(&mutant.concat(), recording.exit), recording.verdict, "{} line {twice}", recording.name);
        }
    }
}

#[test]
fn a_lost_line_never_makes_it_done() {
    for recording in recordings() {
        let all = lines(&recording);
        for lost in 0..all.len() {
            let mut mutant = all.clone();
            let line = mutant.remove(lost);
            let is_result = serde_json::from_slice::<Value>(&line).unwrap()["type"] == "result";
            let word = word(&mutant.concat(), recording.exit);
            assert!(word != "done" || recording.verdict == "done" && !is_result, "{} without {lost}", recording.name);
        }
    }
}

/// Cut around line ends, at every byte of a result line that is done, and at every 29th of all others.
#[test]
fn a_cut_never_makes_it_done() {
    for recording in recordings() {
        let whole = recording.bytes.iter().rposition(|&byte| byte == b'}').unwrap() + 1;
        let result = recording.bytes[..whole].iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
        for cut in 0..recording.bytes.len() {
            let around = &recording.bytes[cut.saturating_sub(3)..(cut + 3).min(recording.bytes.len())];
            let in_result = recording.verdict == "done" && cut > result;
            if !in_result && !around.contains(&b'\n') && cut % 29 != 0 {
                continue;
            }
            let is_done = word(&recording.bytes[..cut], recording.exit) == "done";
            assert_eq!(is_done, recording.verdict == "done" && cut >= whole, "{} cut at {cut}", recording.name);
        }
    }
}

#[test]
fn chunks_do_not_matter() {
    let mut dice = Dice(3);
    for recording in recordings() {
        for agent in Agent::ALL {
            let whole = read(agent, [recording.bytes.as_slice()]);
            for most in [1, 2, 5, 40, 700] {
                let mut rest = recording.bytes.as_slice();
                let chunks = std::iter::from_fn(|| {
                    let (chunk, later) = rest.split_at((1 + dice.upto(most)).min(rest.len()));
                    rest = later;
                    (!chunk.is_empty()).then_some(chunk)
                });
                assert_eq!(read(agent, chunks), whole, "{} by {most}", recording.name);
            }
        }
    }
}

/// A fact of the format, not only of the verdict: an exit status that does not fit is no success.
#[test]
fn done_needs_exit_code_zero() {
    for recording in recordings() {
        for exit in [1, 2, 137, 143] {
            assert_ne!(word(&recording.bytes, exit), "done", "{} with {exit}", recording.name);
        }
    }
}

#[test]
fn what_the_evidence_holds() {
    let evidence = read(Agent::Claude, [recording("plan_last").bytes.as_slice()]).0;
    assert_eq!(evidence.claim, Claim::Done { line: 6 });
    assert_eq!(evidence.usage.turns, Some(2));
    assert!((evidence.usage.cost_usd.unwrap() - 0.01932).abs() < 1e-9);
    assert!(evidence.usage.input_tokens.unwrap() > 20_000 && evidence.usage.output_tokens.unwrap() > 10);
    assert_eq!((evidence.lines.total, evidence.lines.unknown, evidence.lines.stray), (6, 0, 0));

    let evidence = read(Agent::Claude, [recording("usage_limit_reached").bytes.as_slice()]).0;
    assert_eq!(evidence.limit.unwrap().resets_at, Some(Wall(1_767_232_800_000)));
    let evidence = read(Agent::Claude, [recording("rate_limit_429_long").bytes.as_slice()]).0;
    assert_eq!(evidence.limit.unwrap().resets_at, None);
    // The second turn was opened by a background task: its result line does not count, its cost does.
    let evidence = read(Agent::Claude, [recording("background_task_ceiling").bytes.as_slice()]).0;
    assert!(evidence.concluded && evidence.outcome == Outcome::Completed);
    assert!((evidence.usage.cost_usd.unwrap() - 0.03556).abs() < 1e-9);
    assert!(read(Agent::Claude, [recording("sigkill_in_tool").bytes.as_slice()]).0.usage.cost_usd.is_none());
}

#[test]
fn near_misses_name_the_rule() {
    for (name, word) in [
        ("done_in_prose", "inside a longer line"),
        ("plan_step", "inside a longer line"),
        ("done_fenced", "inside a code fence"),
        ("done_then_more", "followed by more text"),
        ("done_early_then_tool", "in an earlier message"),
    ] {
        let (_, notes) = judge(Agent::Claude, &recording(name).bytes, 0);
        assert!(matches!(&notes[..], [Note::NearMiss { why }] if why.contains(word)), "{name}: {notes:?}");
    }
    for name in ["text", "done_in_tool_result", "done_in_thinking", "compact_thrash", "tool_done"] {
        let recording = recording(name);
        assert_eq!(judge(Agent::Claude, &recording.bytes, recording.exit).1, vec![], "{name}");
    }
}

#[test]
fn what_is_shown() {
    let (_, signs, text) = read(Agent::Claude, [recording("plan_last").bytes.as_slice()]);
    assert_eq!(text, "Picking the next open task.\nCommitted. No open task is left in the plan.\n\n/done\n");
    assert!(matches!(&signs[..], [
        Sign::Began { model: Some(model) },
        Sign::Tool { name, what },
        Sign::Final,
    ] if model == "claude-opus-5-5" && name == "Bash" && what.starts_with("n=$(grep -nE")));
    // Partial messages say the same as the whole ones that follow them.
    let partial = read(Agent::Claude, [recording("tool_partial").bytes.as_slice()]).2;
    assert_eq!(partial, read(Agent::Claude, [recording("tool_done").bytes.as_slice()]).2);

    let (_, signs, _) = read(Agent::Claude, [recording("overloaded_fast").bytes.as_slice()]);
    assert!(signs.contains(&Sign::Retry { attempt: 2, status: Some(529) }));
    let (_, signs, _) = read(Agent::Claude, [recording("usage_limit_reached").bytes.as_slice()]);
    assert!(signs.iter().any(|sign| matches!(sign, Sign::Limit(text) if text.contains("five hour"))));
    let (_, signs, _) = read(Agent::Claude, [recording("usage_limit_warning").bytes.as_slice()]);
    assert!(signs.iter().any(|sign| matches!(sign, Sign::Remark(text) if text.contains("near"))));
    let (_, signs, _) = read(Agent::Claude, [recording("background_task_ceiling").bytes.as_slice()]);
    assert_eq!(signs.iter().filter(|sign| **sign == Sign::Final).count(), 1);
}
