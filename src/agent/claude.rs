//! Claude Code: `claude -p --output-format stream-json --verbose`.
//!
//! One JSON object a line; the order of keys is not fixed. Tried on recordings of version 2.1.329. What they teach:
//!
//! - The final answer is the `result` of a result line with `is_error` false, or (if such a line has none) the text of the
//!   last message. Without any result line nothing is a claim, whatever the last message says: the agent may have been
//!   killed between "/done" and the tool call that was to follow it.
//! - `subtype` is `success` for API errors as well; `is_error` and `terminal_reason` decide.
//! - A background task that ends opens a turn of its own, with a result line that names its `origin`. The last result
//!   line without one counts.
//! - The words of a message are shown from its `assistant` line, whole; the `stream_event` lines of
//!   `--include-partial-messages` say the same before and are passed over.
//! - A subagent's messages (`parent_tool_use_id`) are shown and are never the final answer.

use super::answer::{Answer, no_more};
use super::done::{DoneRule, Judgement};
use super::reader::{Held, Prose, Protocol, Reader};
use super::shape::{
    Fields,
    Keep::{Each, Prose as Long, Short},
    Wanted,
};
use super::text::shorten;
use super::words::{is_about_money, judge, without_end};
use super::{Closing, Invocation, limits, text};
use crate::model::{Claim, Evidence, LimitNotice, Outcome, Sign, Usage, Wall};
use std::ffi::OsString;

pub(super) const PROGRAM: &str = "claude";

pub(super) fn argv(inv: &Invocation) -> Vec<OsString> {
    let mut argv: Vec<OsString> =
        [PROGRAM, "-p", "--dangerously-skip-permissions", "--output-format", "stream-json", "--verbose"]
            .map(OsString::from)
            .to_vec();
    let mut option = |name: &str, value: String| argv.extend([name.into(), value.into()]);
    if let Some(model) = &inv.model {
        option("--model", model.clone());
    }
    if let Some(turns) = inv.max_turns {
        option("--max-turns", turns.to_string());
    }
    if let Some(budget) = inv.budget_usd {
        option("--max-budget-usd", format!("{:.2}", budget.max(0.01)));
    }
    argv.extend(inv.extra.iter().cloned());
    argv
}

/// A scanner of its output.
pub(super) fn scanner(rule: &DoneRule) -> Reader<Claude> {
    Reader::new(Claude::default(), rule)
}

/// The values that matter.
#[derive(Debug, Clone, Copy)]
enum At {
    Type,
    Subtype,
    Parent,
    // Result lines, and what an API error adds to messages.
    IsError,
    Result,
    TerminalReason,
    StopReason,
    Status,
    ApiError,
    ApiErrorType,
    Error,
    Problem,
    IsApiError,
    Turns,
    Cost,
    Input,
    InputCreated,
    InputCached,
    Output,
    Origin,
    // System lines.
    Model,
    Content,
    Summary,
    Retry,
    RetryStatus,
    // Limits.
    Limit,
    LimitReset,
    LimitType,
    LimitOverage,
    // Messages, block by block.
    Block,
    BlockType,
    BlockText,
    Tool,
    ToolCommand,
    ToolFile,
    ToolNotebook,
    ToolPattern,
    ToolUrl,
    ToolQuery,
    ToolDescription,
    ToolPath,
    ToolSkill,
    ToolPrompt,
}

impl From<At> for usize {
    fn from(at: At) -> usize {
        at as usize
    }
}

/// What of a tool's input tells best what it works on; the first that is there is shown.
const SUBJECTS: [At; 10] = [
    At::ToolCommand,
    At::ToolFile,
    At::ToolNotebook,
    At::ToolPattern,
    At::ToolUrl,
    At::ToolQuery,
    At::ToolDescription,
    At::ToolPath,
    At::ToolSkill,
    At::ToolPrompt,
];

/// What the CLI prints as the user's words after SIGINT.
const INTERRUPTED: &str = "[Request interrupted by user";
/// A result line with this origin is of a turn that a background task opened.
const BACKGROUND: &str = "task-notification";

/// What was read of a session.
#[derive(Default)]
pub(super) struct Claude {
    /// The text of the current block.
    text: Option<Prose>,
    /// The current line's blocks: did one of them call a tool, say something, say that the user interrupted?
    blocks: Blocks,
    /// The current line's `result`.
    result: Option<Prose>,
    began: bool,
    answer: Answer,
    /// The last user line says that the user interrupted.
    interrupted: bool,
    /// Retries since the last answer.
    retrying: bool,
    /// The API error that the last message reports.
    error: Option<String>,
    /// The limit that refused the last request, and when it ends.
    refused: Option<LimitNotice>,
    end: Option<End>,
    usage: Usage,
}

#[derive(Default)]
struct Blocks {
    tool: bool,
    interrupted: bool,
    said: Option<Judgement>,
}

/// A result line, and what was known when it came.
struct End {
    is_error: Option<bool>,
    subtype: Option<String>,
    terminal_reason: Option<String>,
    stop_reason: Option<String>,
    status: Option<u64>,
    api_error: Option<String>,
    api_error_type: Option<String>,
    /// The `error` of the message before.
    error: Option<String>,
    /// The agent's words, one line.
    text: String,
    /// The client had retried before.
    retried: bool,
    claim: Claim,
}

impl Protocol for Claude {
    const WANTED: &'static [Wanted] = &[
        (At::Type as usize, "type", Short),
        (At::Subtype as usize, "subtype", Short),
        (At::Parent as usize, "parent_tool_use_id", Short),
        (At::IsError as usize, "is_error", Short),
        (At::Result as usize, "result", Long),
        (At::TerminalReason as usize, "terminal_reason", Short),
        (At::StopReason as usize, "stop_reason", Short),
        (At::Status as usize, "api_error_status", Short),
        (At::ApiError as usize, "api_error", Short),
        (At::ApiErrorType as usize, "api_error_type", Short),
        (At::Error as usize, "error", Short),
        (At::Problem as usize, "errors[]", Short),
        (At::IsApiError as usize, "is_api_error_message", Short),
        (At::Turns as usize, "num_turns", Short),
        (At::Cost as usize, "total_cost_usd", Short),
        (At::Input as usize, "usage.input_tokens", Short),
        (At::InputCreated as usize, "usage.cache_creation_input_tokens", Short),
        (At::InputCached as usize, "usage.cache_read_input_tokens", Short),
        (At::Output as usize, "usage.output_tokens", Short),
        (At::Origin as usize, "origin.kind", Short),
        (At::Model as usize, "model", Short),
        (At::Content as usize, "content", Short),
        (At::Summary as usize, "summary", Short),
        (At::Retry as usize, "attempt", Short),
        (At::RetryStatus as usize, "error_status", Short),
        (At::Limit as usize, "rate_limit_info.status", Short),
        (At::LimitReset as usize, "rate_limit_info.resetsAt", Short),
        (At::LimitType as usize, "rate_limit_info.rateLimitType", Short),
        (At::LimitOverage as usize, "rate_limit_info.isUsingOverage", Short),
        (At::Block as usize, "message.content[]", Each),
        (At::BlockType as usize, "message.content[].type", Short),
        (At::BlockText as usize, "message.content[].text", Long),
        (At::Tool as usize, "message.content[].name", Short),
        (At::ToolCommand as usize, "message.content[].input.command", Short),
        (At::ToolFile as usize, "message.content[].input.file_path", Short),
        (At::ToolNotebook as usize, "message.content[].input.notebook_path", Short),
        (At::ToolPattern as usize, "message.content[].input.pattern", Short),
        (At::ToolUrl as usize, "message.content[].input.url", Short),
        (At::ToolQuery as usize, "message.content[].input.query", Short),
        (At::ToolDescription as usize, "message.content[].input.description", Short),
        (At::ToolPath as usize, "message.content[].input.path", Short),
        (At::ToolSkill as usize, "message.content[].input.skill", Short),
        (At::ToolPrompt as usize, "message.content[].input.prompt", Short),
    ];

    fn is_shown(&self, fields: &Fields, field: usize) -> bool {
        field == At::BlockText as usize && fields.is(At::Type, "assistant") && fields.is(At::BlockType, "text")
    }

    fn prose(&mut self, field: usize, prose: Prose) {
        if field == At::Result as usize {
            self.result = Some(prose);
        } else {
            self.text = Some(prose);
        }
    }

    fn each(&mut self, fields: &Fields, held: &mut Held) {
        let text = self.text.take();
        if fields.is(At::BlockType, "tool_use") {
            self.blocks.tool = true;
            held.push(tool(fields));
        } else if fields.is(At::BlockType, "text")
            && let Some(mut prose) = text
        {
            self.blocks.said = Some(prose.watch.finish());
            self.blocks.interrupted |= prose.text.starts_with(INTERRUPTED);
            held.push_message(prose);
        }
    }

    fn line(&mut self, fields: &Fields, number: u64, held: &mut Held, signs: &mut Vec<Sign>) -> bool {
        let blocks = std::mem::take(&mut self.blocks);
        let result = self.result.take();
        let Some(kind) = fields.bytes(At::Type) else { return false };
        match kind {
            b"assistant" => {
                held.release(signs);
                self.message(fields, blocks, number);
            }
            b"user" => self.interrupted = blocks.interrupted,
            b"system" => self.system(fields, signs),
            b"result" => self.result_line(fields, result, number, signs),
            b"rate_limit_event" => self.limit(fields, signs),
            b"stream_event" => self.retrying = false,
            _ => return false,
        }
        true
    }

    fn void(&mut self) {
        (self.text, self.result) = (None, None);
        self.blocks = Blocks::default();
    }

    fn sum_up(&mut self, closing: &Closing) -> Evidence {
        let usage = std::mem::take(&mut self.usage);
        let Some(end) = self.end.take() else {
            let interrupted = self.interrupted.then_some(Outcome::Interrupted);
            let outcome = interrupted.unwrap_or_else(|| without_end(self.began, closing));
            let claim = no_more(self.answer.last(), "in a message that no result line confirms");
            let limit = self.refused.take();
            return Evidence { claim, outcome, limit, retrying: self.retrying, usage, ..Evidence::default() };
        };
        let (outcome, limit) = end.outcome(self.refused.take(), closing);
        let claim = match outcome {
            Outcome::Completed => end.claim,
            _ => no_more(end.claim, "in a session that did not end well"),
        };
        Evidence { claim, outcome, concluded: true, limit, usage, ..Evidence::default() }
    }
}

impl Claude {
    /// An `assistant` line.
    fn message(&mut self, fields: &Fields, blocks: Blocks, number: u64) {
        let is_error = fields.bool(At::IsApiError) == Some(true) || fields.bytes(At::Error).is_some();
        let is_subagent = fields.bytes(At::Parent).is_some();
        if !is_error {
            (self.refused, self.retrying) = (None, false);
        }
        if is_subagent {
            return;
        }
        self.interrupted = false;
        self.error = is_error.then(|| fields.text(At::Error).unwrap_or_default());
        if is_error {
            return;
        }
        if let Some(judgement) = blocks.said {
            self.answer.say(judgement, number);
        }
        if blocks.tool {
            self.answer.withdraw();
        }
    }

    fn system(&mut self, fields: &Fields, signs: &mut Vec<Sign>) {
        let line = |at: At| fields.bytes(at).map(|bytes| text::one_line(bytes, 300)).filter(|line| !line.is_empty());
        match fields.bytes(At::Subtype).unwrap_or_default() {
            b"init" if !self.began => {
                self.began = true;
                signs.push(Sign::Began { model: fields.text(At::Model) });
            }
            b"api_retry" => {
                self.retrying = true;
                let attempt = fields.count(At::Retry).and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
                let status = fields.count(At::RetryStatus).and_then(|count| u16::try_from(count).ok());
                signs.push(Sign::Retry { attempt, status });
            }
            b"compact_boundary" => signs.push(Sign::Remark("the conversation was compacted".into())),
            b"informational" => signs.extend(line(At::Content).map(Sign::Remark)),
            b"task_notification" => signs.extend(line(At::Summary).map(Sign::Remark)),
            _ => {}
        }
    }

    fn limit(&mut self, fields: &Fields, signs: &mut Vec<Sign>) {
        let name = fields.text(At::LimitType).unwrap_or_default().replace('_', " ");
        let name = if name.is_empty() { "usage".to_owned() } else { name };
        if fields.is(At::Limit, "rejected") && fields.bool(At::LimitOverage) != Some(true) {
            let text = format!("the {name} limit is reached");
            signs.push(Sign::Limit(text.clone()));
            self.refused = Some(LimitNotice { resets_at: fields.count(At::LimitReset).and_then(seconds), text });
        } else if fields.is(At::Limit, "rejected") {
            signs.push(Sign::Remark(format!("the {name} limit is reached; going on with extra usage")));
        } else if fields.is(At::Limit, "allowed_warning") {
            signs.push(Sign::Remark(format!("the {name} limit is near")));
        }
    }

    fn result_line(&mut self, fields: &Fields, result: Option<Prose>, number: u64, signs: &mut Vec<Sign>) {
        self.account(fields);
        if fields.is(At::Origin, BACKGROUND) {
            return;
        }
        signs.push(Sign::Final);
        // A `result` that is no string, or was overwritten by one that is none, is not there.
        let result = result.filter(|_| fields.bytes(At::Result).is_some());
        let (words, claim) = match result {
            Some(mut prose) => (prose.text, self.answer.given(prose.watch.finish(), number)),
            None => (fields.text(At::Problem).unwrap_or_default(), self.answer.last()),
        };
        self.end = Some(End {
            is_error: fields.bool(At::IsError),
            subtype: fields.text(At::Subtype),
            terminal_reason: fields.text(At::TerminalReason),
            stop_reason: fields.text(At::StopReason),
            status: fields.count(At::Status),
            api_error: fields.text(At::ApiError),
            api_error_type: fields.text(At::ApiErrorType),
            error: self.error.clone(),
            text: text::one_line(words.as_bytes(), 300),
            retried: self.retrying,
            claim,
        });
    }

    /// Adds up what a result line says was used. The cost is that of the whole session so far, the rest that of the turn.
    fn account(&mut self, fields: &Fields) {
        let add = |sum: &mut Option<u64>, more: Option<u64>| {
            if let Some(more) = more {
                *sum = Some(sum.unwrap_or(0).saturating_add(more));
            }
        };
        self.usage.cost_usd = fields.number(At::Cost).or(self.usage.cost_usd);
        add(&mut self.usage.turns, fields.count(At::Turns));
        add(&mut self.usage.output_tokens, fields.count(At::Output));
        for at in [At::Input, At::InputCreated, At::InputCached] {
            add(&mut self.usage.input_tokens, fields.count(at));
        }
    }
}

impl End {
    /// What the session says of its own ending. `refused` is the limit that refused its last request, if one did.
    fn outcome(&self, refused: Option<LimitNotice>, closing: &Closing) -> (Outcome, Option<LimitNotice>) {
        let text = self.text.clone();
        let is = |value: &Option<String>, names: &[&str]| value.as_deref().is_some_and(|value| names.contains(&value));
        let ended_well = self.is_error == Some(false)
            && !self.subtype.as_deref().is_some_and(|subtype| subtype.starts_with("error"))
            && self.terminal_reason.as_deref().is_none_or(|reason| reason == "completed");
        if ended_well {
            return (Outcome::Completed, None);
        }
        let outcome = if is(&self.subtype, &["error_max_turns"]) || is(&self.terminal_reason, &["max_turns"]) {
            Outcome::OwnTurns
        } else if is(&self.subtype, &["error_max_budget_usd"]) || is(&self.terminal_reason, &["budget_exhausted"]) {
            Outcome::OwnBudget
        } else if self.terminal_reason.as_deref().is_some_and(|reason| reason.starts_with("aborted")) {
            Outcome::Interrupted
        } else if is(&self.terminal_reason, &["prompt_too_long", "rapid_refill_breaker"])
            || is(&self.api_error, &["autocompact_thrashing"])
            || is(&self.api_error_type, &["request_too_large"])
        {
            Outcome::ContextTooLong { text }
        } else if is(&self.stop_reason, &["refusal"]) {
            Outcome::Refusal { text }
        } else if is(&self.error, &["max_output_tokens"]) || is(&self.api_error, &["max_output_tokens"]) {
            Outcome::OutputLimit { text }
        } else {
            return self.api_outcome(refused, closing);
        };
        (outcome, None)
    }

    /// The same for errors that the API reported, or that kept it from answering.
    fn api_outcome(&self, refused: Option<LimitNotice>, closing: &Closing) -> (Outcome, Option<LimitNotice>) {
        let text = self.text.clone();
        let error = self.error.as_deref().unwrap_or_default();
        let kind = self.api_error_type.as_deref().unwrap_or_default();
        let outcome = match (error, kind, self.status.unwrap_or(0)) {
            _ if is_about_money(&text) => Outcome::AuthFailure { text },
            ("billing_error" | "authentication_failed" | "oauth_org_not_allowed", ..)
            | (_, "authentication_error" | "permission_error" | "billing_error", _)
            | (_, _, 401..=403) => Outcome::AuthFailure { text },
            ("rate_limit", ..) | (_, "rate_limit_error", _) | (_, _, 429) => return self.rate_limit(refused, closing),
            ("model_not_found", ..) | (_, "not_found_error", _) | (_, _, 404) => Outcome::ConfigFailure { text },
            (_, _, 413) => Outcome::ContextTooLong { text },
            ("server_error" | "overloaded", ..)
            | (_, "overloaded_error" | "api_error" | "timeout_error", _)
            | (_, _, 408 | 500..=599) => Outcome::Unavailable { text },
            _ if self.api_error.as_deref() == Some("connection_failed") => Outcome::Unavailable { text },
            _ => return judge(&text, closing),
        };
        (outcome, None)
    }

    /// A 429. With a reset time, or at once, it is a limit that lasts; if the client had retried and then gave up, it is
    /// a matter of minutes, like an overloaded API.
    fn rate_limit(&self, refused: Option<LimitNotice>, closing: &Closing) -> (Outcome, Option<LimitNotice>) {
        let resets_at = refused
            .as_ref()
            .and_then(|notice| notice.resets_at)
            .or_else(|| limits::reset_from_text(&self.text, closing.now, closing.zone));
        let is_lasting = resets_at.is_some()
            || refused.is_some()
            || self.api_error.as_deref() == Some("usage_limit_reached")
            || !self.retried;
        if is_lasting {
            (Outcome::RateLimited, Some(LimitNotice { resets_at, text: self.text.clone() }))
        } else {
            (Outcome::Unavailable { text: self.text.clone() }, None)
        }
    }
}

/// One line for a tool call.
fn tool(fields: &Fields) -> Sign {
    let subject = SUBJECTS.into_iter().find_map(|at| fields.bytes(at));
    let what = subject.map(|bytes| text::one_line(bytes, 200)).unwrap_or_default();
    Sign::Tool { name: shorten(&fields.text(At::Tool).unwrap_or_default(), 80), what }
}

/// Seconds since 1970.
fn seconds(seconds: u64) -> Option<Wall> {
    i64::try_from(seconds).ok()?.checked_mul(1000).map(Wall)
}
