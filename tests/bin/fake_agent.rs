//! A fake agent: it does what a script tells it, so that each fault has a test.
//!
//! The script is `FAKE_AGENT`, or, with `FAKE_AGENT_DIR`, the file in that folder that is named after the number of this
//! start (`1`, `2`, …; the file `count` keeps it), else the file `default`. `FAKE_AGENT_TRACE` names a file to which each
//! start and each end that the script reaches appends a line, so that a test can count what was really started.
//!
//! Steps are separated by `;` or line ends, and done in order; after the last one the agent exits with 0. A step is
//! `name` or `name:argument`; in arguments `\n`, `\t`, `\0`, `\xHH`, `\;` and `\\` are understood. Times are `5ms` or
//! `2s`, sizes `10`, `4KB` or `1MB`.
//!
//! | step | what it does |
//! |---|---|
//! | `text:WORDS` | a line on standard output |
//! | `raw:BYTES` | the same without a line end |
//! | `every:TIME:N:WORDS` | N lines, one each TIME |
//! | `stderr:WORDS` | a line on standard error |
//! | `bytes:SIZE` | SIZE letters on standard output, `a` to `z` again and again, no line end |
//! | `invalid-utf8` | invalid UTF-8, NUL and the escape of a lone surrogate, with a line end |
//! | `env:NAME`, `cwd`, `fds`, `signals` | a line with the variable, the folder, the open descriptors, the masks |
//! | `echo-stdin`, `read-stdin` | copies standard input to standard output; reads it and keeps it |
//! | `claude:init`, `claude:say:WORDS`, `claude:tool:COMMAND`, `claude:tool-result:WORDS` | lines of claude's stream |
//! | `claude:retry:STATUS`, `claude:limit:EPOCH` | its retry, its rejection by a usage limit |
//! | `claude:error:STATUS:WORDS` | its result line after an API error |
//! | `result:WORDS` | its result line after success |
//! | `claude-stream:SIZE` | about SIZE of assistant lines |
//! | `sleep:TIME`, `hang` | waits; for ever, that is until the watchdog |
//! | `keys:PATH` | asks its terminal for raw input and bracketed paste, says `ready`, keeps every byte that is typed in PATH |
//! | `touch:PATH`, `append:PATH:WORDS`, `wait-file:PATH` | a file made, a line added to it, a file waited for |
//! | `run:COMMAND` | a shell command |
//! | `child:TIME`, `setsid-child:TIME` | a child that sleeps, in our group or in a session of its own; no output |
//! | `hold-stdout:TIME` | a `setsid` child that keeps standard output open |
//! | `stubborn-child:TIME` | a `setsid` child that ignores TERM |
//! | `chatty-child:TIME` | a `setsid` child that prints a line each 20 ms on our standard output |
//! | `ignore-term` | ignores TERM from now on |
//! | `term-exit:CODE`, `int-exit:CODE` | exits with CODE on TERM, on INT |
//! | `stop-self` | SIGSTOP to itself |
//! | `memory:SIZE` | takes that much memory and touches it |
//! | `exit:CODE`, `signal:NUMBER` | ends |
//!
//! Nothing lasts: a watchdog ends the agent and each of its children after 120 s (code 99).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what is wrong by panicking"
)]
#![allow(clippy::exit, reason = "an agent that ends in the middle of a script is what this program is for")]

use nix::sys::signal::{Signal, raise};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio, exit};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The end of everything that hangs.
const WATCHDOG: Duration = Duration::from_secs(120);

/// First argument of a child that this program starts of itself.
const CHILD: &str = "--as-child";

const SESSION: &str = "00000000-0000-4000-8000-00000000fa4e";
const MODEL: &str = "fake-model-1";

fn main() {
    std::thread::spawn(|| {
        sleep(WATCHDOG);
        finish(99, "watchdog");
    });
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let result = match arguments.get(1) {
        Some(first) if first == CHILD => child(&arguments),
        _ => agent(&arguments),
    };
    if let Err(error) = result {
        trace(&format!("end error={error}"));
        exit(98);
    }
}

fn agent(arguments: &[OsString]) -> io::Result<()> {
    let names: Vec<String> = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    let cwd = std::env::current_dir()?;
    trace(&format!("start argv={arguments:?} cwd={} env={}", cwd.display(), names.join(",")));
    for step in split(&script()?) {
        perform(&step)?;
    }
    finish(0, "script")
}

fn finish(code: i32, why: &str) -> ! {
    trace(&format!("end code={code} why={why}"));
    exit(code)
}

/// One line, written at once, so that several agents do not mix theirs.
fn trace(what: &str) {
    let Some(path) = std::env::var_os("FAKE_AGENT_TRACE") else { return };
    let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) else { return };
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
    let _ = file.write_all(format!("{millis} pid={} {what}\n", std::process::id()).as_bytes());
}

fn script() -> io::Result<Vec<u8>> {
    let Some(folder) = std::env::var_os("FAKE_AGENT_DIR") else {
        use std::os::unix::ffi::OsStringExt;
        return Ok(std::env::var_os("FAKE_AGENT").unwrap_or_default().into_vec());
    };
    let folder = Path::new(&folder);
    let number = count(&folder.join("count"))?;
    std::fs::read(folder.join(number.to_string())).or_else(|_| std::fs::read(folder.join("default")))
}

/// Which start this is, from 1.
fn count(path: &Path) -> io::Result<u64> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    file.lock()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let number = text.trim().parse().unwrap_or(0) + 1;
    std::os::unix::fs::FileExt::write_all_at(&file, number.to_string().as_bytes(), 0)?;
    Ok(number)
}

/// The steps of a script, escapes still in them but those of the separator.
fn split(script: &[u8]) -> Vec<Vec<u8>> {
    let mut steps = vec![Vec::new()];
    let mut bytes = script.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b';' | b'\n' => steps.push(Vec::new()),
            b'\\' if bytes.peek() == Some(&b';') => push(&mut steps, bytes.next().unwrap_or(b';')),
            b'\\' => {
                push(&mut steps, byte);
                if let Some(next) = bytes.next() {
                    push(&mut steps, next);
                }
            }
            _ => push(&mut steps, byte),
        }
    }
    steps.into_iter().map(|step| step.trim_ascii().to_vec()).filter(|step| !step.is_empty()).collect()
}

fn push(steps: &mut [Vec<u8>], byte: u8) {
    if let Some(step) = steps.last_mut() {
        step.push(byte);
    }
}

fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = if byte == b'\\' { tail.split_first() } else { None };
        let Some((&kind, tail)) = escaped else {
            out.push(byte);
            continue;
        };
        rest = tail;
        match kind {
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'0' => out.push(0),
            b'x' if tail.len() >= 2 => {
                let digits = std::str::from_utf8(&tail[..2]).unwrap_or("3f");
                out.push(u8::from_str_radix(digits, 16).unwrap_or(b'?'));
                rest = &tail[2..];
            }
            other => out.push(other),
        }
    }
    out
}

fn perform(step: &[u8]) -> io::Result<()> {
    let at = step.iter().position(|&byte| byte == b':').unwrap_or(step.len());
    let name = String::from_utf8_lossy(&step[..at]).into_owned();
    let bytes = unescape(step.get(at + 1..).unwrap_or_default());
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match name.as_str() {
        "text" => print(&[&bytes[..], b"\n"].concat()),
        "raw" => print(&bytes),
        "every" => every(&text),
        "stderr" => io::stderr().write_all(&[&bytes[..], b"\n"].concat()),
        "bytes" => letters(size(&text)),
        "invalid-utf8" => print(b"\xff\xfe \xe2\x82 \0 {\"text\":\"\\ud800\"} end\n"),
        "env" => print(format!("{}\n", std::env::var(&text).unwrap_or("(unset)".into())).as_bytes()),
        "cwd" => print(format!("{}\n", std::env::current_dir()?.display()).as_bytes()),
        "fds" => print(format!("{}\n", descriptors()?).as_bytes()),
        "signals" => print(signal_masks()?.as_bytes()),
        "echo-stdin" => io::copy(&mut io::stdin(), &mut io::stdout()).and_then(|_| io::stdout().flush()),
        "read-stdin" => io::copy(&mut io::stdin(), &mut io::sink()).map(drop),
        "claude" => claude(&text),
        "result" => result_line(&text, 0),
        "claude-stream" => claude_stream(size(&text)),
        "sleep" => pause(time(&text)),
        "hang" => pause(WATCHDOG * 2),
        "keys" => keys(Path::new(&text)),
        "touch" => File::create(&text).map(drop),
        "append" => append(&text),
        "wait-file" => wait_file(&text),
        "run" => Command::new("sh").arg("-c").arg(&text).status().map(drop),
        "child" | "setsid-child" | "hold-stdout" | "stubborn-child" | "chatty-child" => start_child(&name, &text),
        "ignore-term" => on_signal(Signal::SIGTERM, None),
        "term-exit" => on_signal(Signal::SIGTERM, text.parse().ok()),
        "int-exit" => on_signal(Signal::SIGINT, text.parse().ok()),
        "stop-self" => Ok(raise(Signal::SIGSTOP)?),
        "memory" => take_memory(size(&text)),
        "exit" => finish(text.parse().unwrap_or(97), "exit"),
        "signal" => end_by_signal(text.parse().unwrap_or(9)),
        _ => Err(io::Error::other(format!("unknown step {name}"))),
    }
}

/// As an agent's input line does it; until the watchdog.
fn keys(path: &Path) -> io::Result<()> {
    let (mut typed, mut input) = (File::create(path)?, io::stdin());
    let mut mode = nix::sys::termios::tcgetattr(&input)?;
    nix::sys::termios::cfmakeraw(&mut mode);
    nix::sys::termios::tcsetattr(&input, nix::sys::termios::SetArg::TCSANOW, &mode)?;
    print(b"\x1b[?2004hready\r\n")?;
    io::copy(&mut input, &mut typed).map(drop)
}

fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

fn pause(span: Duration) -> io::Result<()> {
    sleep(span);
    Ok(())
}

fn every(text: &str) -> io::Result<()> {
    let mut parts = text.splitn(3, ':');
    let (pause, count, words) = (parts.next(), parts.next(), parts.next().unwrap_or(""));
    for _ in 0..count.and_then(|count| count.parse().ok()).unwrap_or(0) {
        print(format!("{words}\n").as_bytes())?;
        sleep(time(pause.unwrap_or("0s")));
    }
    Ok(())
}

fn letters(mut left: usize) -> io::Result<()> {
    let block: Vec<u8> = (b'a'..=b'z').cycle().take(26 * 2520).collect();
    let mut out = io::stdout().lock();
    while left > 0 {
        let piece = left.min(block.len());
        out.write_all(&block[..piece])?;
        left -= piece;
    }
    out.flush()
}

/// The numbers of our open descriptors but that of the look itself.
fn descriptors() -> io::Result<String> {
    let mut all: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    all.sort_unstable();
    all.pop();
    Ok(all.iter().map(i32::to_string).collect::<Vec<_>>().join(" "))
}

fn signal_masks() -> io::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    Ok(status
        .lines()
        .filter(|line| line.starts_with("SigBlk") || line.starts_with("SigIgn"))
        .collect::<Vec<_>>()
        .join(" ")
        + "\n")
}

fn append(text: &str) -> io::Result<()> {
    let (path, words) = text.split_once(':').unwrap_or((text, ""));
    OpenOptions::new().append(true).create(true).open(path)?.write_all(format!("{words}\n").as_bytes())
}

fn wait_file(path: &str) -> io::Result<()> {
    let begun = Instant::now();
    while !Path::new(path).exists() && begun.elapsed() < WATCHDOG {
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn time(text: &str) -> Duration {
    match text.strip_suffix("ms") {
        Some(millis) => Duration::from_millis(millis.parse().unwrap_or(0)),
        None => Duration::from_secs(text.trim_end_matches('s').parse().unwrap_or(0)),
    }
}

/// At most 2 GB: nothing here is without a bound.
fn size(text: &str) -> usize {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "KB" => 1 << 10,
        "MB" => 1 << 20,
        _ => 1,
    };
    digits.parse::<usize>().unwrap_or(0).saturating_mul(unit).min(1 << 31)
}

/// Registers a handler that does nothing, or ends the agent as the real one ends: at once, with a code.
fn on_signal(signal: Signal, code: Option<i32>) -> io::Result<()> {
    match code {
        None => signal_hook::flag::register(signal as i32, Arc::new(AtomicBool::new(false))),
        Some(code) => {
            signal_hook::flag::register_conditional_shutdown(signal as i32, code, Arc::new(AtomicBool::new(true)))
        }
    }
    .map(drop)
}

/// Twice: Rust's own handler of SIGSEGV takes the first one for a fault that would come again.
fn end_by_signal(number: i32) -> io::Result<()> {
    let signal = Signal::try_from(number)?;
    trace(&format!("end signal={number}"));
    raise(signal)?;
    raise(signal)?;
    Ok(())
}

fn take_memory(size: usize) -> io::Result<()> {
    let mut memory = vec![0u8; size];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    print(format!("took {}\n", memory.iter().step_by(4096).map(|byte| usize::from(*byte)).sum::<usize>()).as_bytes())
}

/// Starts a child and returns when it is what it should be. Its standard error is our pipe until then.
fn start_child(kind: &str, time: &str) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([CHILD, kind, time]).stdin(Stdio::null()).stderr(Stdio::piped());
    if !matches!(kind, "hold-stdout" | "chatty-child") {
        command.stdout(Stdio::null());
    }
    let mut child = command.spawn()?;
    trace(&format!("child={} kind={kind}", child.id()));
    let mut line = String::new();
    if let Some(ready) = child.stderr.take() {
        BufReader::new(ready).read_line(&mut line)?;
    }
    Ok(())
}

fn child(arguments: &[OsString]) -> io::Result<()> {
    let word = |at: usize| arguments.get(at).and_then(|word| word.to_str()).unwrap_or("").to_owned();
    let (kind, span) = (word(2), time(&word(3)));
    if kind != "child" {
        nix::unistd::setsid()?;
    }
    if kind == "stubborn-child" {
        on_signal(Signal::SIGTERM, None)?;
    }
    io::stderr().write_all(b"ready\n")?;
    if kind == "chatty-child" {
        return every(&format!("20ms:{}:chat", span.as_millis() / 20));
    }
    sleep(span.min(WATCHDOG));
    Ok(())
}

fn line(value: Value) -> io::Result<()> {
    print(format!("{value}\n").as_bytes())
}

fn claude(text: &str) -> io::Result<()> {
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    match kind {
        "init" => line(json!({
            "type": "system", "subtype": "init", "cwd": std::env::current_dir()?, "session_id": SESSION,
            "tools": ["Bash", "Edit", "Read"], "mcp_servers": [], "model": MODEL, "permissionMode": "bypassPermissions",
            "apiKeySource": "none", "output_style": "default", "uuid": uuid(),
        })),
        "say" => assistant(json!({"type": "text", "text": rest})),
        "tool" => assistant(json!({
            "type": "tool_use", "id": "toolu_fake", "name": "Bash", "input": {"command": rest, "description": "fake"},
        })),
        "tool-result" => line(json!({
            "type": "user", "parent_tool_use_id": null, "session_id": SESSION, "uuid": uuid(),
            "message": {"role": "user", "content": [
                {"tool_use_id": "toolu_fake", "type": "tool_result", "content": rest, "is_error": false},
            ]},
            "tool_use_result": {"stdout": rest, "stderr": "", "interrupted": false, "isImage": false},
        })),
        "retry" => line(json!({
            "type": "system", "subtype": "api_retry", "attempt": 1, "max_retries": 10, "retry_delay_ms": 500,
            "error_status": rest.parse::<u16>().ok(), "error": "overloaded", "session_id": SESSION, "uuid": uuid(),
        })),
        "limit" => limit(rest.parse().unwrap_or(0)),
        "error" => {
            let (status, words) = rest.split_once(':').unwrap_or((rest, "API Error"));
            result_line(words, status.parse().unwrap_or(500))
        }
        _ => Err(io::Error::other(format!("unknown claude line {kind}"))),
    }
}

fn assistant(content: Value) -> io::Result<()> {
    line(json!({
        "type": "assistant", "parent_tool_use_id": null, "session_id": SESSION, "uuid": uuid(),
        "message": {
            "id": "msg_fake", "type": "message", "role": "assistant", "model": MODEL, "content": [content],
            "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 1200, "output_tokens": 10},
        },
    }))
}

fn limit(resets_at: i64) -> io::Result<()> {
    line(json!({
        "type": "rate_limit_event", "session_id": SESSION, "uuid": uuid(),
        "rate_limit_info": {
            "status": "rejected", "resetsAt": resets_at, "rateLimitType": "five_hour", "overageStatus": "rejected",
            "isUsingOverage": false,
        },
    }))
}

/// The last line; `status` is 0 or that of the API's error.
fn result_line(words: &str, status: u16) -> io::Result<()> {
    let failed = status != 0;
    line(json!({
        "type": "result", "subtype": "success", "is_error": failed, "result": words, "session_id": SESSION,
        "terminal_reason": if failed { "api_error" } else { "completed" }, "num_turns": 2, "duration_ms": 273,
        "duration_api_ms": 75, "stop_reason": if failed { "stop_sequence" } else { "end_turn" },
        "api_error_status": if failed { json!(status) } else { Value::Null },
        "total_cost_usd": if failed { 0.0 } else { 0.018_06 },
        "usage": {
            "input_tokens": 2400, "cache_creation_input_tokens": 600, "cache_read_input_tokens": 18000,
            "output_tokens": 93, "service_tier": "standard",
        },
        "modelUsage": {}, "permission_denials": [], "uuid": uuid(),
    }))
}

fn claude_stream(size: usize) -> io::Result<()> {
    let words = "The next step changes one function and its test. ".repeat(20);
    let mut written = 0;
    while written < size {
        claude(&format!("say:{words}"))?;
        written += words.len() + 330;
    }
    Ok(())
}

/// Unlike any other of this process.
fn uuid() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("00000000-0000-4000-8000-{:012x}", NEXT.fetch_add(1, Ordering::Relaxed))
}
