//! OpenAI's Codex: `codex exec --json`, the prompt on standard input (`-`).
//!
//! Not tried on the real program. From its public event types: `thread.started`, `turn.started`, `item.started` and
//! `item.completed` (agent_message, reasoning, command_execution, file_change, mcp_tool_call, web_search, error, …),
//! `turn.completed` with usage, `turn.failed` with an error, `error`. The final answer is the last agent_message before
//! `turn.completed`. Errors are told in words only.

use super::answer::{Answer, no_more};
use super::done::DoneRule;
use super::reader::{Held, Prose, Protocol, Reader};
use super::shape::{
    Fields,
    Keep::{Prose as Long, Short},
    Wanted,
};
use super::text::{one_line, shorten};
use super::words::told;
use super::{Closing, Invocation};
use crate::model::{Evidence, Outcome, Sign, Usage};
use std::ffi::OsString;

pub(super) const PROGRAM: &str = "codex";

pub(super) fn argv(inv: &Invocation) -> Vec<OsString> {
    let mut argv: Vec<OsString> =
        [PROGRAM, "exec", "--json", "--dangerously-bypass-approvals-and-sandbox"].map(OsString::from).to_vec();
    if let Some(model) = &inv.model {
        argv.extend(["--model".into(), model.into()]);
    }
    argv.extend(inv.extra.iter().cloned());
    argv.push("-".into());
    argv
}

/// A scanner of its output.
pub(super) fn scanner(rule: &DoneRule) -> Reader<Codex> {
    Reader::new(Codex::default(), rule)
}

/// The values that matter.
#[derive(Debug, Clone, Copy)]
enum At {
    Type,
    Message,
    Failure,
    Input,
    Output,
    Item,
    Text,
    Command,
    Path,
    Server,
    Tool,
    Query,
    ItemMessage,
}

impl From<At> for usize {
    fn from(at: At) -> usize {
        at as usize
    }
}

/// What was read of a session.
#[derive(Default)]
pub(super) struct Codex {
    /// The current line's text.
    text: Option<Prose>,
    began: bool,
    answer: Answer,
    retrying: bool,
    /// The last `error` line.
    error: Option<String>,
    /// How the turn ended: well, or with these words.
    end: Option<Result<(), String>>,
    usage: Usage,
}

impl Protocol for Codex {
    const WANTED: &'static [Wanted] = &[
        (At::Type as usize, "type", Short),
        (At::Message as usize, "message", Short),
        (At::Failure as usize, "error.message", Short),
        (At::Input as usize, "usage.input_tokens", Short),
        (At::Output as usize, "usage.output_tokens", Short),
        (At::Item as usize, "item.type", Short),
        (At::Text as usize, "item.text", Long),
        (At::Command as usize, "item.command", Short),
        (At::Path as usize, "item.changes[].path", Short),
        (At::Server as usize, "item.server", Short),
        (At::Tool as usize, "item.tool", Short),
        (At::Query as usize, "item.query", Short),
        (At::ItemMessage as usize, "item.message", Short),
    ];

    fn is_shown(&self, fields: &Fields, _field: usize) -> bool {
        fields.is(At::Type, "item.completed") && fields.is(At::Item, "agent_message")
    }

    fn prose(&mut self, _field: usize, prose: Prose) {
        self.text = Some(prose);
    }

    fn line(&mut self, fields: &Fields, number: u64, held: &mut Held, signs: &mut Vec<Sign>) -> bool {
        let text = self.text.take();
        let Some(kind) = fields.bytes(At::Type) else { return false };
        match kind {
            b"thread.started" => {
                self.began = true;
                signs.push(Sign::Began { model: None });
            }
            b"turn.started" | b"item.updated" => {}
            b"item.started" => self.item_started(fields, signs),
            b"item.completed" => {
                self.item_completed(fields, text, number, held);
                held.release(signs);
            }
            b"turn.completed" => {
                self.usage.turns = Some(self.usage.turns.unwrap_or(0) + 1);
                self.usage.input_tokens = fields.count(At::Input);
                self.usage.output_tokens = fields.count(At::Output);
                self.end = Some(Ok(()));
                signs.push(Sign::Final);
            }
            b"turn.failed" => {
                self.end = Some(Err(fields.text(At::Failure).unwrap_or_default()));
                signs.push(Sign::Final);
            }
            b"error" => self.error(fields, signs),
            _ => return false,
        }
        true
    }

    fn void(&mut self) {
        self.text = None;
    }

    fn sum_up(&mut self, closing: &Closing) -> Evidence {
        let usage = std::mem::take(&mut self.usage);
        let concluded = self.end.is_some();
        let (outcome, limit) = told(self.end.take(), self.error.take(), self.began, closing);
        let claim = match outcome {
            Outcome::Completed => self.answer.last(),
            _ => no_more(self.answer.last(), "in a session that did not end well"),
        };
        let retrying = self.retrying && !concluded;
        Evidence { claim, outcome, concluded, limit, retrying, usage, ..Evidence::default() }
    }
}

impl Codex {
    fn item_started(&mut self, fields: &Fields, signs: &mut Vec<Sign>) {
        let call = match fields.bytes(At::Item).unwrap_or_default() {
            b"command_execution" => call("shell", fields.bytes(At::Command)),
            b"mcp_tool_call" => call(&fields.text(At::Server).unwrap_or_default(), fields.bytes(At::Tool)),
            _ => return,
        };
        self.answer.withdraw();
        signs.push(call);
    }

    fn item_completed(&mut self, fields: &Fields, text: Option<Prose>, number: u64, held: &mut Held) {
        self.retrying = false;
        match fields.bytes(At::Item).unwrap_or_default() {
            b"agent_message" => {
                if let Some(mut prose) = text {
                    self.answer.say(prose.watch.finish(), number);
                    held.push_message(prose);
                }
                return;
            }
            b"file_change" => held.push(call("edit", fields.bytes(At::Path))),
            b"web_search" => held.push(call("web_search", fields.bytes(At::Query))),
            b"error" => held.push(Sign::Remark(one_line(fields.bytes(At::ItemMessage).unwrap_or_default(), 300))),
            b"command_execution" | b"mcp_tool_call" => {}
            _ => return,
        }
        self.answer.withdraw();
    }

    /// An `error` line: the end of the session, or (`Reconnecting... 2/5`) only a retry.
    fn error(&mut self, fields: &Fields, signs: &mut Vec<Sign>) {
        let words = one_line(fields.bytes(At::Message).unwrap_or_default(), 300);
        if words.starts_with("Reconnecting") {
            self.retrying = true;
            let digits: String =
                words.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
            signs.push(Sign::Retry { attempt: digits.parse().unwrap_or(1), status: None });
        } else {
            signs.push(Sign::Remark(words.clone()));
            self.error = Some(words);
        }
    }
}

/// One line for a tool call.
fn call(name: &str, what: Option<&[u8]>) -> Sign {
    Sign::Tool { name: shorten(name, 80), what: one_line(what.unwrap_or_default(), 200) }
}
