//! Which answer a request gets. The conversation is its own memory: each request carries all of it, so a repeated request
//! gets the same answer again.

use crate::plan;
use crate::scenario::{Fault, Scenario, Session, Step};
use serde_json::Value;

/// The misbehaviour due to the `n`-th model request, from 0.
pub(crate) fn fault(scenario: &Scenario, n: usize) -> Option<Fault> {
    let mut before = 0;
    scenario.faults.iter().find_map(|spell| {
        before += spell.times;
        (n < before).then_some(spell.fault)
    })
}

/// The answer to `request`, a body of `/v1/messages`, of the `session`-th session, from 0.
pub(crate) fn step(scenario: &Scenario, session: usize, request: &Value) -> Step {
    let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    match &scenario.sessions[session.min(scenario.sessions.len() - 1)] {
        Session::Plan => plan::answer(last_tool_output(messages).as_deref()),
        Session::Steps(steps) => steps[answers_given(messages).min(steps.len() - 1)].clone(),
    }
}

/// How many answers the conversation holds already.
pub(crate) fn answers_given(messages: &[Value]) -> usize {
    messages.iter().filter(|message| message["role"] == "assistant").count()
}

/// What the last tool of the conversation printed.
fn last_tool_output(messages: &[Value]) -> Option<String> {
    let blocks = messages.iter().rev().filter_map(|message| message["content"].as_array()).flatten();
    let result = blocks.into_iter().find(|block| block["type"] == "tool_result")?;
    match &result["content"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(parts.iter().filter_map(|part| part["text"].as_str()).collect()),
        _ => Some(String::new()),
    }
}
