//! Google's Gemini CLI: `gemini --yolo --output-format stream-json`; headless because standard input is no terminal.
//!
//! Not tried on the real program. From its public event types: `init`, `message` (user or assistant, the latter in pieces),
//! `tool_use`, `tool_result`, `error`, `result` with status and statistics. The final answer is what the assistant said
//! after the last tool call.

use super::answer::{Answer, no_more};
use super::done::{DoneRule, Watch};
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
use std::sync::Arc;

pub(super) const PROGRAM: &str = "gemini";

pub(super) fn argv(inv: &Invocation) -> Vec<OsString> {
    let mut argv: Vec<OsString> = [PROGRAM, "--yolo", "--output-format", "stream-json"].map(OsString::from).to_vec();
    if let Some(model) = &inv.model {
        argv.extend(["--model".into(), model.into()]);
    }
    argv.extend(inv.extra.iter().cloned());
    argv
}

/// A scanner of its output.
pub(super) fn scanner(rule: &DoneRule) -> Reader<Gemini> {
    Reader::new(Gemini::default(), rule)
}

/// The values that matter.
#[derive(Debug, Clone, Copy)]
enum At {
    Type,
    Model,
    Role,
    Content,
    Tool,
    ToolCommand,
    ToolFile,
    ToolPattern,
    ToolQuery,
    ToolPath,
    Message,
    Status,
    Failure,
    Input,
    Output,
}

impl From<At> for usize {
    fn from(at: At) -> usize {
        at as usize
    }
}

/// What of a tool's parameters tells best what it works on; the first that is there is shown.
const SUBJECTS: [At; 5] = [At::ToolCommand, At::ToolFile, At::ToolPattern, At::ToolQuery, At::ToolPath];

/// What was read of a session.
#[derive(Default)]
pub(super) struct Gemini {
    /// The current line's text.
    text: Option<Prose>,
    /// The message that is being said, piece by piece.
    message: Option<Watch>,
    /// It does not end in a newline so far.
    in_line: bool,
    began: bool,
    answer: Answer,
    /// The last `error` line.
    error: Option<String>,
    /// How it ended: well, or with these words.
    end: Option<Result<(), String>>,
    usage: Usage,
}

impl Protocol for Gemini {
    const WANTED: &'static [Wanted] = &[
        (At::Type as usize, "type", Short),
        (At::Model as usize, "model", Short),
        (At::Role as usize, "role", Short),
        (At::Content as usize, "content", Long),
        (At::Tool as usize, "tool_name", Short),
        (At::ToolCommand as usize, "parameters.command", Short),
        (At::ToolFile as usize, "parameters.file_path", Short),
        (At::ToolPattern as usize, "parameters.pattern", Short),
        (At::ToolQuery as usize, "parameters.query", Short),
        (At::ToolPath as usize, "parameters.path", Short),
        (At::Message as usize, "message", Short),
        (At::Status as usize, "status", Short),
        (At::Failure as usize, "error.message", Short),
        (At::Input as usize, "stats.input_tokens", Short),
        (At::Output as usize, "stats.output_tokens", Short),
    ];

    fn watch(&self, rule: &Arc<DoneRule>) -> Watch {
        self.message.clone().unwrap_or_else(|| Watch::new(rule))
    }

    fn is_shown(&self, fields: &Fields, _field: usize) -> bool {
        fields.is(At::Type, "message") && fields.is(At::Role, "assistant")
    }

    fn prose(&mut self, _field: usize, prose: Prose) {
        self.text = Some(prose);
    }

    fn line(&mut self, fields: &Fields, number: u64, held: &mut Held, signs: &mut Vec<Sign>) -> bool {
        let text = self.text.take();
        let Some(kind) = fields.bytes(At::Type) else { return false };
        match kind {
            b"init" => {
                self.began = true;
                signs.push(Sign::Began { model: fields.text(At::Model) });
            }
            b"message" if fields.is(At::Role, "assistant") => {
                if let Some(prose) = text {
                    self.in_line = !prose.is_at_line_start();
                    self.message = Some(prose.watch.clone());
                    held.push_text(prose);
                    held.release(signs);
                }
            }
            b"message" | b"tool_result" => {}
            b"tool_use" => {
                self.end_message(number, signs);
                self.answer.withdraw();
                signs.push(tool(fields));
            }
            b"error" => {
                let words = one_line(fields.bytes(At::Message).unwrap_or_default(), 300);
                signs.push(Sign::Remark(words.clone()));
                self.error = Some(words);
            }
            b"result" => {
                self.end_message(number, signs);
                self.result(fields);
                signs.push(Sign::Final);
            }
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
        Evidence { claim, outcome, concluded, limit, usage, ..Evidence::default() }
    }
}

impl Gemini {
    /// The message is over: something else comes.
    fn end_message(&mut self, number: u64, signs: &mut Vec<Sign>) {
        if let Some(mut watch) = self.message.take() {
            self.answer.say(watch.finish(), number.saturating_sub(1));
        }
        if std::mem::take(&mut self.in_line) {
            signs.push(Sign::Text("\n".into()));
        }
    }

    fn result(&mut self, fields: &Fields) {
        self.usage.input_tokens = fields.count(At::Input);
        self.usage.output_tokens = fields.count(At::Output);
        let failure = fields.text(At::Failure);
        self.end = Some(match failure {
            None if fields.is(At::Status, "success") => Ok(()),
            failure => Err(failure.or_else(|| self.error.take()).unwrap_or_default()),
        });
    }
}

/// One line for a tool call.
fn tool(fields: &Fields) -> Sign {
    let subject = SUBJECTS.into_iter().find_map(|at| fields.bytes(at));
    let what = subject.map(|bytes| one_line(bytes, 200)).unwrap_or_default();
    Sign::Tool { name: shorten(&fields.text(At::Tool).unwrap_or_default(), 80), what }
}
