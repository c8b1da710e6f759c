//! How the stand-in misbehaves.

use crate::http;
use crate::message::Reply;
use crate::scenario::Fault;
use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt::Linger};
use serde_json::json;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Fails the request on `stream`, which would have got `reply`.
pub(crate) fn perform(fault: Fault, stream: &mut TcpStream, reply: &Reply<'_>) -> io::Result<()> {
    match fault {
        Fault::RateLimited { retry_after_s } => rate_limited(stream, &[("retry-after", retry_after_s.to_string())]),
        Fault::UsageLimit { resets_in_s } => rate_limited(stream, &used_up(resets_in_s)),
        Fault::Overloaded => refuse(stream, 529, "overloaded_error", "Overloaded"),
        Fault::ServerError => refuse(stream, 500, "api_error", "Internal server error"),
        Fault::Unauthorized => refuse(stream, 401, "authentication_error", "invalid x-api-key"),
        Fault::Forbidden => refuse(stream, 403, "permission_error", "This key may not use the API"),
        Fault::NoCredit => {
            refuse(stream, 400, "invalid_request_error", "Your credit balance is too low to access the API")
        }
        Fault::Stall { seconds } => {
            begin(stream, reply)?;
            hold(stream, seconds)
        }
        Fault::Silence { seconds } => hold(stream, seconds),
        Fault::Cut => begin(stream, reply),
        // A close with lingering time 0 is a reset.
        Fault::Reset => Ok(setsockopt(stream, Linger, &linger { l_onoff: 1, l_linger: 0 })?),
    }
}

fn refuse(stream: &mut TcpStream, status: u16, kind: &str, message: &str) -> io::Result<()> {
    let body = json!({"type": "error", "error": {"type": kind, "message": message}});
    http::send_json(stream, status, &[], &body)
}

fn rate_limited(stream: &mut TcpStream, headers: &[(&str, String)]) -> io::Result<()> {
    let error = json!({"type": "rate_limit_error", "message": "This request would exceed your rate limit."});
    http::send_json(stream, 429, headers, &json!({"type": "error", "error": error}))
}

/// The headers of a subscription whose five hours are used up and begin anew in so many seconds.
fn used_up(resets_in_s: u64) -> Vec<(&'static str, String)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let reset = (now + resets_in_s).to_string();
    vec![
        ("anthropic-ratelimit-unified-status", "rejected".to_owned()),
        ("anthropic-ratelimit-unified-reset", reset.clone()),
        ("anthropic-ratelimit-unified-representative-claim", "five_hour".to_owned()),
        ("anthropic-ratelimit-unified-5h-status", "rejected".to_owned()),
        ("anthropic-ratelimit-unified-5h-reset", reset),
        ("anthropic-ratelimit-unified-5h-utilization", "1.0".to_owned()),
        ("anthropic-ratelimit-unified-overage-status", "rejected".to_owned()),
        ("anthropic-ratelimit-unified-overage-disabled-reason", "org_level_disabled".to_owned()),
    ]
}

/// The beginning of the answer: the first event of a stream, or half of a document.
fn begin(stream: &mut TcpStream, reply: &Reply<'_>) -> io::Result<()> {
    if reply.as_events {
        http::begin_events(stream)?;
        return http::send_event(stream, &reply.start());
    }
    let body = reply.whole().to_string();
    http::send_head(stream, 200, "application/json", &[("content-length", body.len().to_string())])?;
    stream.write_all(&body.as_bytes()[..body.len() / 2])
}

/// Waits until the other side gives up, or so long.
fn hold(stream: &mut TcpStream, seconds: u64) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(seconds)))?;
    match stream.read(&mut [0]) {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}
