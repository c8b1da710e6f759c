//! The stand-in of the Messages API itself, without any agent: what it answers, how it fails, and that it ends.

#![allow(clippy::unwrap_used, reason = "a helper of a test that cannot go on panics as the test would")]

#[path = "support/api.rs"]
mod api;

use api::Api;
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends one request and returns all that comes back.
fn ask(api: &Api, method: &str, path: &str, session: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(api.url().trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\ncontent-length: {length}\r\nX-Claude-Code-Session-Id: {session}\r\n\r\n");
    stream.write_all((head + body).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Asks the model and returns the parsed body of the answer.
fn message(api: &Api, session: &str, conversation: &Value) -> Value {
    let body = json!({"model": "m", "messages": conversation}).to_string();
    let answer = ask(api, "POST", "/v1/messages?beta=true", session, &body).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn started(scenario: Value) -> (tempfile::TempDir, Api) {
    let folder = tempfile::tempdir().unwrap();
    let api = Api::start(folder.path(), &scenario);
    (folder, api)
}

const STREAMED: &str = r#"{"model":"m","stream":true,"messages":[]}"#;

#[test]
fn a_session_gets_its_steps_by_what_its_conversation_holds() {
    let tool = json!({"say": "First.", "bash": {"command": "true", "background": true}});
    let (_folder, api) = started(json!({"sessions": [
        {"steps": [tool, {"say": "Second."}]},
        {"steps": [{"say": "Other."}]},
    ]}));
    let user = json!({"role": "user", "content": "go"});
    let assistant = json!({"role": "assistant", "content": []});
    let first = message(&api, "a", &json!([user]));
    assert_eq!(first["content"][1]["input"]["run_in_background"], true);
    assert_eq!(first["stop_reason"], "tool_use");
    assert_eq!(first, message(&api, "a", &json!([user])), "the same request, the same answer");
    let second = message(&api, "a", &json!([user, assistant, user]));
    assert_eq!(second["content"], json!([{"type": "text", "text": "Second."}]));
    assert_eq!(message(&api, "b", &json!([user]))["content"][0]["text"], "Other.");
    assert_eq!(message(&api, "c", &json!([user]))["content"][0]["text"], "Other.", "the last entry again");
    assert_eq!(api.served(), ["tool", "tool", "answer", "answer", "answer"]);
}

#[test]
fn the_plan_says_the_done_word_alone_only_when_no_box_is_open() {
    let (_folder, api) = started(json!({"sessions": ["plan"]}));
    let after = |output: Value| {
        let result = json!({"role": "user", "content": [{"type": "tool_result", "content": output}]});
        message(&api, "a", &json!([result]))["content"][0]["text"].as_str().unwrap().to_owned()
    };
    assert!(after(json!("OPEN=2")).ends_with("I will print /done as told."));
    assert!(after(json!([{"type": "text", "text": "warning\nOPEN=0"}])).ends_with("\n/done"));
    assert!(!after(json!("fatal: not a repository")).contains("/done"));
}

#[test]
fn a_stream_brings_the_same_message_in_pieces() {
    let (_folder, api) = started(json!({"sessions": [{"steps": [{"say": "Hi.", "bash": {"command": "ls"}}]}]}));
    let answer = ask(&api, "POST", "/v1/messages", "a", STREAMED).unwrap();
    let events: Vec<Value> =
        answer.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let block = ["content_block_start", "content_block_delta", "content_block_stop"];
    assert_eq!(types, [&["message_start"], &block[..], &block[..], &["message_delta", "message_stop"]].concat());
    assert_eq!(events[2]["delta"]["text"], "Hi.");
    let input: Value = serde_json::from_str(events[5]["delta"]["partial_json"].as_str().unwrap()).unwrap();
    assert_eq!(input["command"], "ls");
}

#[test]
fn faults_are_used_up_in_their_order() {
    let (_folder, api) = started(json!({
        "faults": [
            {"times": 2, "fault": "overloaded"},
            {"times": 1, "fault": {"rate_limited": {"retry_after_s": 7}}},
            {"times": 1, "fault": {"usage_limit": {"resets_in_s": 60}}},
            {"times": 1, "fault": "cut"},
            {"times": 1, "fault": "reset"},
            {"times": 1, "fault": {"silence": {"seconds": 1}}},
            {"times": 1, "fault": {"stall": {"seconds": 1}}},
        ],
        "sessions": ["plan"],
    }));
    let next = || ask(&api, "POST", "/v1/messages", "a", STREAMED);
    assert!(next().unwrap().starts_with("HTTP/1.1 529 "));
    assert!(next().unwrap().contains("overloaded_error"));
    assert!(next().unwrap().contains("\r\nretry-after: 7\r\n"));
    assert!(next().unwrap().contains("\r\nanthropic-ratelimit-unified-status: rejected\r\n"));
    assert!(is_cut(&next().unwrap()));
    assert_eq!(next().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(next().unwrap(), "");
    assert!(is_cut(&next().unwrap()));
    assert!(next().unwrap().contains("message_stop"), "afterwards all is well");
    let times = api.times();
    assert!(times[7] - times[6] >= Duration::from_secs(1), "silence lasts");
    assert!(times[8] - times[7] >= Duration::from_secs(1), "a stall lasts");
}

#[test]
fn a_document_is_cut_as_well() {
    let (_folder, api) = started(json!({"faults": [{"times": 1, "fault": "cut"}], "sessions": ["plan"]}));
    let answer = ask(&api, "POST", "/v1/messages", "a", r#"{"model":"m","messages":[]}"#).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 ") && !head.contains(&format!("content-length: {}\r", body.len())),
        "{head}"
    );
    assert!(serde_json::from_str::<Value>(body).is_err(), "{body}");
}

fn is_cut(answer: &str) -> bool {
    answer.contains("message_start") && !answer.contains("message_stop")
}

#[test]
fn each_refusal_has_its_status() {
    for (fault, status) in
        [("server_error", 500), ("unauthorized", 401), ("forbidden", 403), ("no_credit", 400), ("overloaded", 529)]
    {
        let (_folder, api) = started(json!({"faults": [{"times": 1, "fault": fault}], "sessions": ["plan"]}));
        let answer = ask(&api, "POST", "/v1/messages", "a", STREAMED).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{fault}: {answer}");
    }
}

#[test]
fn anything_else_is_answered_harmlessly_and_uses_up_no_fault() {
    let (_folder, api) = started(json!({"faults": [{"times": 1, "fault": "overloaded"}], "sessions": ["plan"]}));
    for (method, path) in [("HEAD", "/"), ("GET", "/api/hello"), ("GET", "/v1/models"), ("POST", "/api/event")] {
        assert!(ask(&api, method, path, "a", "").unwrap().starts_with("HTTP/1.1 200 "), "{method} {path}");
    }
    assert!(ask(&api, "POST", "/v1/messages/count_tokens", "a", "{}").unwrap().ends_with("{\"input_tokens\":1200}"));
    assert!(api.served().is_empty());
    assert!(ask(&api, "POST", "/v1/messages", "a", STREAMED).unwrap().starts_with("HTTP/1.1 529 "));
}

#[test]
fn it_ends_with_its_holder() {
    let (_folder, api) = started(json!({"sessions": ["plan"]}));
    let address = api.url().trim_start_matches("http://").to_owned();
    drop(api); // waits for its end
    assert!(TcpStream::connect(address).is_err());
}
