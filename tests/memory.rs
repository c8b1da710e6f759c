//! Fault F15: lines of 64 MB pass, and memory stays where it was. A file of its own, so that nothing else runs beside it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use swarm::agent::{Agent, Closing, DoneMatch, DoneRule, Scan, done::DEFAULT_PATTERN};
use swarm::model::{Claim, Evidence, Sign, Wall};

const CHUNK: usize = 64 * 1024;
const LINE: usize = 64 * 1024 * 1024;
/// Long enough to tell, where the fault's own length would only take longer.
const SHORTER: usize = 8 * 1024 * 1024;
/// What all of it may cost beyond what the process had before, kB. The supervisor has 8 MB in all.
const ALLOWED: u64 = 4 * 1024;

/// The most memory that the process ever had, kB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Feeds the head, `length` bytes of the filler, and the tail, and drops what comes out; returns the evidence and how
/// much text came.
fn pass(agent: Agent, rule: &DoneRule, length: usize, [head, filler, tail]: [&str; 3]) -> (Evidence, usize) {
    let mut scanner: Box<dyn Scan + Send> = agent.scanner(rule);
    let (mut signs, mut text) = (Vec::new(), 0);
    let chunk = filler.repeat(CHUNK / filler.len());
    let middle = std::iter::repeat_n(chunk.as_bytes(), length / chunk.len());
    for bytes in [head.as_bytes()].into_iter().chain(middle).chain([tail.as_bytes()]) {
        scanner.feed(bytes, &mut signs);
        text += signs.drain(..).map(|sign| if let Sign::Text(text) = sign { text.len() } else { 0 }).sum::<usize>();
    }
    let closing = Closing { stderr_tail: b"", now: Wall(0), zone: &jiff::tz::TimeZone::UTC };
    (scanner.close(&closing, &mut signs), text)
}

#[test]
fn f15_lines_of_64_mb() {
    let rule = DoneRule::new(DEFAULT_PATTERN, DoneMatch::Last).unwrap();
    let filler = "a line of the answer, not the last one\\n";
    let result = r#"{"type":"result","subtype":"success","is_error":false,"result":""#;
    let message = r#"{"type":"assistant","message":{"content":[{"type":"text","text":""#;
    let before = peak();

    let (evidence, _) = pass(Agent::Claude, &rule, LINE, [result, filler, "/done\"}\n"]);
    assert_eq!(evidence.claim, Claim::Done { line: 1 });
    let (_, text) = pass(Agent::Claude, &rule, SHORTER, [message, filler, "\"}]}}\n"]);
    assert!(text > SHORTER - SHORTER / 20, "{text}");
    let late = r#"{"message":{"content":[{"text":""#;
    let (evidence, _) =
        pass(Agent::Claude, &rule, SHORTER, [late, filler, "\",\"type\":\"text\"}]},\"type\":\"assistant\"}"]);
    assert_eq!((evidence.lines.total, evidence.lines.long), (1, 1));
    let (evidence, _) = pass(Agent::Claude, &rule, LINE, ["no JSON ", "at all ", ""]);
    assert_eq!((evidence.lines.total, evidence.lines.stray), (1, 1));
    let (evidence, _) = pass(Agent::Claude, &rule, LINE, [r#"{"type":"#, "[", ""]);
    assert_eq!(evidence.lines.stray, 1);
    let blocks =
        [r#"{"type":"assistant","message":{"content":["#, r#"{"type":"text","text":"a"},"#, r#"0]},"errors":["#];
    let (evidence, _) = pass(Agent::Claude, &rule, SHORTER, blocks);
    assert_eq!((evidence.lines.stray, evidence.lines.long), (1, 1));
    let (evidence, _) = pass(Agent::Claude, &rule, SHORTER, [r#"{"errors":["#, r#""a","#, "0]}"]);
    assert_eq!((evidence.lines.unknown, evidence.lines.stray), (1, 0));
    let (evidence, text) = pass(Agent::Plain, &rule, SHORTER, ["", "no newline ", "\n/done\n"]);
    assert_eq!(evidence.claim, Claim::Done { line: 2 });
    assert!(text > SHORTER - SHORTER / 20, "{text}");

    let grown = peak() - before;
    assert!(grown < ALLOWED, "{grown} kB more than before");
}
