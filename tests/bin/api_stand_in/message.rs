//! An answer in the words of the Messages API: whole, or as the events of a stream.

use crate::scenario::{Bash, Step};
use serde_json::{Value, json};

/// Who answers what; names are made of the numbers, so that none occurs twice.
pub(crate) struct Reply<'a> {
    pub(crate) step: &'a Step,
    /// The model that was asked for.
    pub(crate) model: &'a Value,
    /// As a stream of events, or else as one document.
    pub(crate) as_events: bool,
    /// Of the stand-in, from 0.
    pub(crate) session: usize,
    /// Of the conversation, from 0.
    pub(crate) turn: usize,
}

impl Reply<'_> {
    /// The whole message.
    pub(crate) fn whole(&self) -> Value {
        let mut message = self.envelope();
        message["content"] = self.blocks().into();
        message["stop_reason"] = self.stop_reason().into();
        message
    }

    /// The same as a stream of server-sent events, each with its name.
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events = vec![self.start()];
        for (index, block) in self.blocks().iter().enumerate() {
            let (empty, delta) = taken_apart(block);
            events.push(json!({"type": "content_block_start", "index": index, "content_block": empty}));
            events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
            events.push(json!({"type": "content_block_stop", "index": index}));
        }
        let delta = json!({"stop_reason": self.stop_reason(), "stop_sequence": null});
        events.push(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 40}}));
        events.push(json!({"type": "message_stop"}));
        events
    }

    /// The first event alone.
    pub(crate) fn start(&self) -> Value {
        json!({"type": "message_start", "message": self.envelope()})
    }

    fn envelope(&self) -> Value {
        json!({
            "id": format!("msg_{:08}_{:08}", self.session, self.turn),
            "type": "message", "role": "assistant", "model": self.model, "content": [],
            "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": 1200, "cache_creation_input_tokens": 300, "cache_read_input_tokens": 9000,
                      "output_tokens": 1, "service_tier": "standard"},
        })
    }

    fn blocks(&self) -> Vec<Value> {
        let text = json!({"type": "text", "text": self.step.say});
        let tool = self.step.bash.as_ref().map(|bash| self.tool_use(bash));
        std::iter::once(text).chain(tool).collect()
    }

    fn tool_use(&self, bash: &Bash) -> Value {
        let mut input = json!({"command": bash.command, "description": "the stand-in's command"});
        if bash.background {
            input["run_in_background"] = true.into();
        }
        let id = format!("toolu_{:08}_{:08}", self.session, self.turn);
        json!({"type": "tool_use", "id": id, "name": "Bash", "input": input})
    }

    fn stop_reason(&self) -> &'static str {
        if self.step.bash.is_some() { "tool_use" } else { "end_turn" }
    }
}

/// A block as a stream brings it: an empty one, and the delta that fills it.
fn taken_apart(block: &Value) -> (Value, Value) {
    let mut empty = block.clone();
    if block["type"] == "tool_use" {
        empty["input"] = json!({});
        (empty, json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}))
    } else {
        empty["text"] = "".into();
        (empty, json!({"type": "text_delta", "text": block["text"]}))
    }
}
