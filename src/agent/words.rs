//! What the words of an error message mean, for agents (and moments) that give no better sign. Messages change from
//! version to version: only phrases that leave little doubt are listed, and what none of them fits is a plain failure.

use super::Closing;
use super::limits::reset_from_text;
use super::text::{last_line, shorten};
use crate::model::{LimitNotice, Outcome};

/// So much of an agent's words is passed on, characters.
pub(super) const MAX_WORDS: usize = 300;

/// Money: never waited for.
const MONEY: [&str; 11] = [
    "specified api usage limits",
    "regain access",
    "credit balance",
    "spend limit",
    "spending limit",
    "spending cap",
    "out of credits",
    "insufficient_quota",
    "insufficient credits",
    "billing",
    "payment required",
];

const AUTH: [&str; 14] = [
    "not logged in",
    "/login",
    "please log in",
    "please login",
    "codex login",
    "invalid api key",
    "incorrect api key",
    "api key not valid",
    "set an auth method",
    "api_key environment variable",
    "401 unauthorized",
    "failed to authenticate",
    "authentication failed",
    "permission_denied",
];

const LIMIT: [&str; 7] =
    ["usage limit", "rate limit", "rate_limit", "too many requests", "hit your", "resource_exhausted", "quota"];

const CONTEXT: [&str; 5] =
    ["prompt is too long", "context window", "context length", "context_length_exceeded", "input token count"];

const CONFIG: [&str; 10] = [
    "cannot be used with root",
    "input must be provided",
    "unknown option",
    "unknown argument",
    "unexpected argument",
    "invalid value",
    "not inside a trusted directory",
    "model_not_found",
    "model is not supported",
    "selected model",
];

const UNAVAILABLE: [&str; 13] = [
    "overloaded",
    "internal server error",
    "server_error",
    "service unavailable",
    "bad gateway",
    "gateway timeout",
    "timed out",
    "stream disconnected",
    "connection",
    "econnrefused",
    "econnreset",
    "fetch failed",
    "network error",
];

/// What an error message means, and the limit that it speaks of.
pub(super) fn judge(text: &str, closing: &Closing) -> (Outcome, Option<LimitNotice>) {
    let lower = text.to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    let text = shorten(text.trim(), MAX_WORDS);
    let resets_at = reset_from_text(&text, closing.now, closing.zone);
    let outcome = if is_about_money(&lower) || says(&AUTH) {
        Outcome::AuthFailure { text: text.clone() }
    } else if says(&CONTEXT) {
        Outcome::ContextTooLong { text: text.clone() }
    } else if says(&CONFIG) {
        Outcome::ConfigFailure { text: text.clone() }
    } else if says(&LIMIT) {
        Outcome::RateLimited
    } else if says(&UNAVAILABLE) {
        Outcome::Unavailable { text: text.clone() }
    } else {
        Outcome::Failed { text: text.clone() }
    };
    let limit = (outcome == Outcome::RateLimited).then_some(LimitNotice { resets_at, text });
    (outcome, limit)
}

/// Does it speak of money? Then a person must act, and no reset time helps.
pub(super) fn is_about_money(text: &str) -> bool {
    let lower = text.to_lowercase();
    MONEY.iter().any(|phrase| lower.contains(phrase))
}

/// What the end of a session was whose protocol has a final line, and none came. Standard error explains it; but once the
/// session began, anything may stand there, so that it is quoted and not believed.
pub(super) fn without_end(began: bool, closing: &Closing) -> Outcome {
    let text = last_line(closing.stderr_tail, MAX_WORDS);
    if text.is_empty() {
        return Outcome::Unfinished;
    }
    match judge(&String::from_utf8_lossy(closing.stderr_tail), closing).0 {
        Outcome::AuthFailure { .. } if !began => Outcome::AuthFailure { text },
        Outcome::ConfigFailure { .. } if !began => Outcome::ConfigFailure { text },
        _ => Outcome::Failed { text },
    }
}

/// How a session ended whose protocol tells it in words: `end` is its final line (well, or why not), `error` the last
/// error before.
pub(super) fn told(
    end: Option<Result<(), String>>,
    error: Option<String>,
    began: bool,
    closing: &Closing,
) -> (Outcome, Option<LimitNotice>) {
    match (end, error) {
        (Some(Ok(())), _) => (Outcome::Completed, None),
        (Some(Err(words)), _) | (None, Some(words)) => judge(&words, closing),
        (None, None) => (without_end(began, closing), None),
    }
}
