//! What the scanners make of streams that no recording holds: faults F13 to F18 at their level, lines of any length, and
//! the agents that were not tried on recordings.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use swarm::agent::{Agent, Closing, DoneMatch, DoneRule, done::DEFAULT_PATTERN};
use swarm::engine::verdict;
use swarm::model::{Claim, Ending, Evidence, Exit, Outcome, Sign, Status, Wall};

const INIT: &str = r#"{"type":"system","subtype":"init","model":"m"}"#;

/// A result line that ends well, with this answer (already escaped).
fn result(answer: &str) -> String {
    format!(
        r#"{{"type":"result","subtype":"success","is_error":false,"terminal_reason":"completed","result":"{answer}"}}"#
    )
}

/// A message of these blocks.
fn message(blocks: &str) -> String {
    format!(r#"{{"type":"assistant","message":{{"role":"assistant","content":[{blocks}]}},"parent_tool_use_id":null}}"#)
}

fn text(text: &str) -> String {
    format!(r#"{{"type":"text","text":"{text}"}}"#)
}

/// A result line of an API error.
fn failed(fields: &str, words: &str) -> String {
    format!(
        r#"{{"type":"result","subtype":"success","is_error":true,"terminal_reason":"api_error",{fields},"result":"{words}"}}"#
    )
}

struct Seen {
    evidence: Evidence,
    /// All signs but texts.
    signs: Vec<Sign>,
    text: String,
}

impl Seen {
    fn is_done(&self) -> bool {
        verdict::ending(&Exit::plain(Status::Code(0)), &self.evidence, None).0 == Ending::Done
    }
}

fn see<'a>(agent: Agent, chunks: impl IntoIterator<Item = &'a [u8]>, stderr: &str) -> Seen {
    let rule = DoneRule::new(DEFAULT_PATTERN, DoneMatch::Last).unwrap();
    let mut scanner = agent.scanner(&rule);
    let (mut signs, mut text) = (Vec::new(), String::new());
    chunks.into_iter().for_each(|chunk| scanner.feed(chunk, &mut signs));
    let closing = Closing { stderr_tail: stderr.as_bytes(), now: Wall(0), zone: &jiff::tz::TimeZone::UTC };
    let evidence = scanner.close(&closing, &mut signs);
    signs.retain(|sign| match sign {
        Sign::Text(piece) => {
            text.push_str(piece);
            false
        }
        _ => true,
    });
    Seen { evidence, signs, text }
}

fn claude(lines: &[&str]) -> Seen {
    see(Agent::Claude, [lines.join("\n").as_bytes()], "")
}

#[test]
fn f13_stray_text_is_counted_and_shown() {
    let seen = claude(&["npm WARN deprecated", INIT, "", "{\"type\":\"assis", &result("ok\\n/done"), "bye"]);
    assert!(seen.is_done());
    assert_eq!((seen.evidence.lines.total, seen.evidence.lines.stray), (6, 3));
    assert_eq!(seen.signs[0], Sign::Remark("npm WARN deprecated".into()));
    assert!(matches!(&seen.signs[2], Sign::Remark(text) if text.contains("malformed")));
}

#[test]
fn f13_a_cut_line_says_nothing() {
    let cut = |line: String| line[..line.len() - 2].to_owned();
    let silent = result("x").replace(r#","result":"x""#, "");
    let interrupted = cut(message(&text("[Request interrupted by user]")));
    let user = r#"{"type":"user","message":{"content":[]}}"#;
    assert_eq!(claude(&[INIT, &interrupted, user]).evidence.outcome, Outcome::Unfinished);
    let seen =
        claude(&[INIT, &cut(message(&text("/done"))), r#"{"type":"assistant"}"#, &cut(result("/done")), &silent]);
    assert_eq!((seen.evidence.claim, seen.text.as_str()), (Claim::None, ""));
}

#[test]
fn f14_bytes_that_are_no_text() {
    let line = message(&text("a\u{1}b"));
    let line = [&line.as_bytes()[..line.len() - 40], b"\xff\x00\\ud800\\u0000\"}]}}"].concat();
    let seen = see(Agent::Claude, [line.as_slice(), b"\n", result("\\udc00\\n/done").as_bytes()], "");
    assert!(seen.is_done());
    let plain = see(Agent::Plain, [b"a\xff\x00b\r\n/done\n".as_slice()], "");
    assert!(plain.is_done());
    assert_eq!(plain.text, "a\u{FFFD}\u{FFFD}b\r\n/done\n");
}

#[test]
fn f16_the_last_line_needs_no_newline() {
    assert!(claude(&[INIT, &result("/done")]).is_done());
    let plain = see(Agent::Plain, [b"all is well\n/done".as_slice()], "");
    assert!(plain.is_done());
    assert_eq!(plain.evidence.claim, Claim::Done { line: 2 });
    assert_eq!(plain.evidence.lines.total, 2);
    assert_eq!(plain.text, "all is well\n/done\n");
}

#[test]
fn f17_words_split_over_reads() {
    for stream in [format!("{INIT}\n{}\n", result("Fertig ä \\ud83d\\ude80\\n/done")), "ok ä\n/done\n".to_owned()] {
        let agent = if stream.starts_with('{') { Agent::Claude } else { Agent::Plain };
        for cut in 0..stream.len() {
            let (first, second) = stream.as_bytes().split_at(cut);
            assert!(see(agent, [first, second], "").is_done(), "{agent:?} cut at {cut}");
        }
    }
}

#[test]
fn f18_the_word_where_it_does_not_count() {
    let tool = r#"{"type":"tool_use","name":"Bash","input":{"command":"echo\n/done"}}"#;
    let echo = r#"{"type":"user","message":{"role":"user","content":"print\n/done"},"parent_tool_use_id":null}"#;
    let tool_result = r#"{"type":"user","message":{"content":[{"type":"tool_result","content":"/done"}]}}"#;
    let thinking = message(r#"{"type":"thinking","thinking":"/done","text":"/done"}"#);
    let subagent = message(&text("/done")).replace("null", "\"toolu_1\"");
    for lines in [
        vec![INIT, echo, tool_result, &result("No.")],
        vec![INIT, &message(tool), &thinking, &subagent, &result("No.")],
        vec![INIT, &result("```\\n/done\\n```")],
        vec![INIT, &result("see docs/done")],
        // No result line, one of an error, one without an answer behind a message that was not the last.
        vec![INIT, &message(&text("/done"))],
        vec![INIT, &result("/done").replace("false", "true")],
        vec![INIT, &result("/done").replace(r#""is_error":false,"#, "")],
        vec![INIT, &result("/done").replace("false", "\"false\"")],
        vec![INIT, &result("/done").replace("completed", "max_turns")],
        vec![INIT, &result("/done").replace("success", "error_during_execution")],
        vec![INIT, &result("/done").replace("}", ",\"result\":null}")],
        vec![INIT, &message(&text("/done")), &message(tool), &result("x").replace(r#","result":"x""#, "")],
        vec![INIT, &subagent, &result("x").replace(r#","result":"x""#, "")],
        vec![INIT, &thinking, &result("x").replace(r#","result":"x""#, "")],
        vec![INIT, &result("/done").replace("}", r#","origin":{"kind":"task-notification"}}"#)],
        vec![INIT, &result("/done"), &result("Wait, no.")],
    ] {
        assert!(!claude(&lines).is_done(), "{lines:#?}");
    }
    // The last message stands in for an answer that the result line does not have.
    assert!(claude(&[INIT, &message(&text("/done")), &result("x").replace(r#","result":"x""#, "")]).is_done());
    // A turn that a background task opened changes nothing, whatever it says.
    let later = result("Wait, no.").replace("}", r#","origin":{"kind":"task-notification"}}"#);
    assert!(claude(&[INIT, &result("/done"), INIT, &later]).is_done());
}

#[test]
fn text_is_shown_once_and_in_order() {
    let tool = r#"{"type":"tool_use","name":"Read","input":{"limit":3,"file_path":"src/a\nb.rs"}}"#;
    let late = r#"{"message":{"content":[{"text":"late","type":"text"}]},"type":"assistant"}"#;
    let thinking = r#"{"type":"thinking","thinking":"hm"}"#;
    let seen = claude(&[&message(&format!("{thinking},{},{tool},{}", text("a\\n"), text("b"))), late]);
    assert_eq!(seen.text, "a\nb\nlate\n");
    assert_eq!(seen.signs, [Sign::Tool { name: "Read".into(), what: "src/a".into() }]);
}

#[test]
fn long_texts_are_shown_whole_where_they_can_be() {
    let words = "word ".repeat(200_000);
    let seen = claude(&[&message(&text(&words)), &result("/done")]);
    assert_eq!(seen.text, words.clone() + "\n");
    assert_eq!(seen.evidence.lines.long, 0);
    // The line's type comes too late: it is cut, and says so.
    let late = format!(r#"{{"message":{{"content":[{{"type":"text","text":"{words}"}}]}},"type":"assistant"}}"#);
    let seen = claude(&[&late, &result("/done")]);
    assert!(seen.text.len() < 300_000 && seen.text.ends_with("[the rest of this text is in the raw log only]\n"));
    assert_eq!(seen.evidence.lines.long, 1);
    // What the final answer claims is seen whatever its length.
    assert!(claude(&[&result(&format!("{words}\\n/done"))]).is_done());
    assert!(!claude(&[&result(&format!("/done\\n{words}"))]).is_done());
    assert!(!claude(&[&result(&format!("```\\n{words}\\n/done"))]).is_done());
}

#[track_caller]
fn check(lines: &[&str], expected: &str) {
    let seen = claude(lines);
    let outcome = format!("{:?}", seen.evidence.outcome);
    assert!(outcome.starts_with(expected), "{outcome} instead of {expected}: {lines:#?}");
}

#[test]
fn api_errors() {
    let rejected = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1767232800}}"#;
    let retry = r#"{"type":"system","subtype":"api_retry","attempt":1,"error_status":429}"#;
    let limit = failed(r#""api_error_status":429"#, "This would exceed your rate limit.");
    check(&[INIT, &limit], "RateLimited");
    check(&[INIT, retry, &limit], "Unavailable");
    check(&[INIT, rejected, retry, &limit], "RateLimited");
    check(&[INIT, retry, &failed(r#""api_error_status":429"#, "resets 3pm (UTC)")], "RateLimited");
    // An answer in between: the retries are an old story.
    check(&[INIT, retry, &message(&text("hello")), &limit], "RateLimited");
    // Money is never waited for.
    check(
        &[INIT, &failed(r#""api_error_status":429"#, "Your spend limit is reached · resets 3pm (UTC)")],
        "AuthFailure",
    );
    check(
        &[INIT, &failed(r#""api_error_status":400"#, "You have reached your specified API usage limits.")],
        "AuthFailure",
    );
    check(&[INIT, &failed(r#""api_error_status":402"#, "Payment")], "AuthFailure");
    check(&[INIT, &failed(r#""api_error_type":"permission_error""#, "no")], "AuthFailure");
    check(&[INIT, &failed(r#""api_error_status":404"#, "no such model")], "ConfigFailure");
    check(&[INIT, &failed(r#""api_error_status":413"#, "too large")], "ContextTooLong");
    check(&[INIT, &failed(r#""api_error_status":503"#, "?")], "Unavailable");
    check(&[INIT, &failed(r#""api_error":"connection_failed""#, "?")], "Unavailable");
    check(&[INIT, &failed(r#""api_error_status":null"#, "API Error: Overloaded")], "Unavailable");
    check(&[INIT, &failed(r#""api_error_status":418"#, "I am a teapot")], "Failed");
}

#[test]
fn a_limit_that_did_not_stop_it_is_none() {
    let overage =
        r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","isUsingOverage":true,"resetsAt":1}}"#;
    let rejected = overage.replace("true", "false");
    for event in [overage, &rejected] {
        let seen = claude(&[INIT, event, &message(&text("going on")), &result("/done")]);
        assert!(seen.is_done() && seen.evidence.limit.is_none());
        let killed = claude(&[INIT, event, &message(&text("going on"))]);
        assert!(killed.evidence.limit.is_none());
    }
    assert!(claude(&[INIT, &rejected]).evidence.limit.is_some());
    assert!(claude(&[INIT, overage]).evidence.limit.is_none());
}

#[test]
fn retries_that_nothing_answered() {
    let retry = r#"{"type":"system","subtype":"api_retry","attempt":1,"error_status":529}"#;
    let error = message(&text("API Error")).replace('}', r#","error":"server_error"}"#);
    assert!(claude(&[INIT, retry]).evidence.retrying);
    assert!(claude(&[INIT, &message(&text("hello")), retry, &error]).evidence.retrying);
    let subagent = message(&text("hello")).replace("null", "\"toolu_1\"");
    let partial = r#"{"type":"stream_event","event":{"type":"message_start"}}"#;
    for answer in [message(&text("hello")), subagent, partial.to_owned()] {
        assert!(!claude(&[INIT, retry, &answer]).evidence.retrying, "{answer}");
    }
}

#[test]
fn standard_error_explains_what_never_began() {
    for (stderr, expected) in [
        (
            "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons",
            "ConfigFailure",
        ),
        ("Warning: no stdin data\nError: Input must be provided either through stdin or as a prompt", "ConfigFailure"),
        ("error: unknown option '--wrong'", "ConfigFailure"),
        ("Invalid API key · Please run /login", "AuthFailure"),
        ("Segmentation fault", "Failed"),
        ("", "Unfinished"),
    ] {
        let outcome = format!("{:?}", see(Agent::Claude, [], stderr).evidence.outcome);
        assert!(outcome.starts_with(expected), "{stderr}: {outcome}");
    }
    // Once it began, anything may stand there.
    let seen = see(Agent::Claude, [INIT.as_bytes()], "grep: unknown option '--x'");
    assert_eq!(seen.evidence.outcome, Outcome::Failed { text: "grep: unknown option '--x'".into() });
}

#[test]
fn codex_sessions() {
    let begin = r#"{"type":"thread.started","thread_id":"1"}"#;
    let call =
        r#"{"type":"item.started","item":{"id":"i","type":"command_execution","command":"ls","status":"in_progress"}}"#;
    let output = r#"{"type":"item.completed","item":{"id":"i","type":"command_execution","command":"ls","aggregated_output":"/done","exit_code":0}}"#;
    let edit =
        r#"{"type":"item.completed","item":{"type":"file_change","changes":[{"path":"src/a.rs","kind":"add"}]}}"#;
    let say = |words: &str| {
        format!(r#"{{"type":"item.completed","item":{{"id":"i","type":"agent_message","text":"{words}"}}}}"#)
    };
    let end = r#"{"type":"turn.completed","usage":{"input_tokens":10,"cached_input_tokens":4,"output_tokens":3}}"#;
    let fail = |words: &str| format!(r#"{{"type":"turn.failed","error":{{"message":"{words}"}}}}"#);
    let codex = |lines: &[&str]| see(Agent::Codex, [lines.join("\n").as_bytes()], "");

    let seen = codex(&[begin, &say("Listing."), call, output, edit, &say("All is done.\\n/done"), end]);
    assert!(seen.is_done());
    assert_eq!(seen.text, "Listing.\nAll is done.\n/done\n");
    assert_eq!((seen.evidence.usage.input_tokens, seen.evidence.usage.output_tokens), (Some(10), Some(3)));
    assert_eq!(seen.evidence.usage.cost_usd, None);
    assert_eq!(seen.signs.len(), 4, "{:?}", seen.signs);
    let reasoning = r#"{"type":"item.completed","item":{"type":"reasoning","text":"/done"}}"#;
    for lines in [
        vec![begin, &say("/done")],
        vec![begin, &say("/done"), call, output, end],
        vec![begin, reasoning, end],
        vec![begin, output, end],
        vec![begin, &say("/done"), &fail("stream disconnected before completion")],
    ] {
        assert!(!codex(&lines).is_done(), "{lines:?}");
    }
    let outcome = |words: &str| format!("{:?}", codex(&[begin, &fail(words)]).evidence.outcome);
    let limited = "You've hit your usage limit. Visit https://x to purchase more credits or try again at 3:05 PM.";
    assert!(outcome(limited).starts_with("RateLimited"));
    assert_eq!(codex(&[begin, &fail(limited)]).evidence.limit.unwrap().resets_at, Some(Wall(54_300_000)));
    assert!(outcome("unexpected status 401 Unauthorized").starts_with("AuthFailure"));
    assert!(outcome("stream disconnected before completion").starts_with("Unavailable"));
    assert!(outcome("Your input exceeds the context window of this model").starts_with("ContextTooLong"));
    assert!(outcome("something else").starts_with("Failed"));
    let again = r#"{"type":"error","message":"Reconnecting... 2/5 (timeout)"}"#;
    let seen = codex(&[begin, again]);
    assert!(seen.evidence.retrying && seen.signs[1] == Sign::Retry { attempt: 2, status: None });
}

#[test]
fn gemini_sessions() {
    let begin = r#"{"type":"init","timestamp":"t","session_id":"s","model":"g"}"#;
    let prompt = r#"{"type":"message","role":"user","content":"print\n/done"}"#;
    let say = |words: &str| format!(r#"{{"type":"message","role":"assistant","content":"{words}","delta":true}}"#);
    let call = r#"{"type":"tool_use","tool_name":"shell","tool_id":"1","parameters":{"command":"ls"}}"#;
    let output = r#"{"type":"tool_result","tool_id":"1","status":"success","output":"/done"}"#;
    let end = r#"{"type":"result","status":"success","stats":{"total_tokens":13,"input_tokens":10,"output_tokens":3}}"#;
    let gemini = |lines: &[&str]| see(Agent::Gemini, [lines.join("\n").as_bytes()], "");

    let seen = gemini(&[begin, prompt, &say("List"), &say("ing."), call, output, &say("All.\\n/do"), &say("ne"), end]);
    assert!(seen.is_done());
    assert_eq!(seen.text, "Listing.\nAll.\n/done\n");
    assert_eq!(seen.signs[1], Sign::Tool { name: "shell".into(), what: "ls".into() });
    for lines in [
        vec![begin, prompt, output, end],
        vec![begin, &say("/done"), call, output, end],
        vec![begin, &say("/done"), &say(" is what I say later"), end],
        vec![begin, &say("/done")],
    ] {
        assert!(!gemini(&lines).is_done(), "{lines:?}");
    }
    let failed = r#"{"type":"result","status":"error","error":{"type":"x","message":"API key not valid."}}"#;
    let outcome = gemini(&[begin, &say("/done"), failed]).evidence.outcome;
    assert!(matches!(outcome, Outcome::AuthFailure { .. }), "{outcome:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes, and however it is cut: the same evidence, the same text, the same signs.
    #[test]
    fn chunks_do_not_matter(
        parts in prop::collection::vec(prop_oneof![
            Just(INIT.to_owned()), Just(result("ok\\n/done")), Just(message(&text("hi ä \\ud83d\\ude80\\n"))), "[ -~ä\n]{0,30}",
            Just("\n".to_owned()), Just(text(&"long ".repeat(60_000))), Just(message(&text(&"w\\n".repeat(90_000)))),
            Just(r#"{"type":"assistant","message":{"content":[{"type":"text","text":""#.to_owned()),
        ], 0..12),
        cuts in prop::collection::vec(prop_oneof![1usize..40, 1usize..100_000], 0..40),
        agent in prop::sample::select(Agent::ALL.to_vec()),
    ) {
        let stream = parts.concat().into_bytes();
        let mut rest = stream.as_slice();
        let mut chunks = Vec::new();
        for cut in cuts {
            let (chunk, later) = rest.split_at(cut.min(rest.len()));
            chunks.push(chunk);
            rest = later;
        }
        chunks.push(rest);
        let (whole, cut) = (see(agent, [stream.as_slice()], ""), see(agent, chunks, ""));
        prop_assert_eq!(whole.evidence, cut.evidence);
        prop_assert_eq!(whole.signs, cut.signs);
        prop_assert!(whole.text == cut.text);
    }
}
