//! A stand-in of the Messages API on the loopback interface, for tests that run the real agent CLI.
//!
//! `api-stand-in --scenario FILE --log FILE [--for SECONDS]` prints its base URL as the only line on standard output,
//! then answers until its standard input ends (so it cannot outlive the test that holds the other end) or its time is up.
//! The scenario ([`scenario`]) says what each conversation gets and which requests fail first. Every request leaves one
//! JSON line in the log ([`log`]).
//!
//! Rooms: [`scenario`] what is asked for, [`answer`] which answer a request gets, [`plan`] the worker of a plan,
//! [`message`] an answer in the API's words, [`fault`] the misbehaviour, [`http`] the wire, [`server`] the connections.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what is wrong by panicking"
)]

mod answer;
mod fault;
mod http;
mod log;
mod message;
mod plan;
mod scenario;
mod server;

use clap::Parser;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What to play, where to write it down, and for how long at most.
#[derive(Parser)]
struct Args {
    /// The scenario, a JSON file.
    #[arg(long)]
    scenario: PathBuf,
    /// The request log, appended to.
    #[arg(long)]
    log: PathBuf,
    /// Ends by itself after so many seconds.
    #[arg(long = "for", default_value_t = 300)]
    seconds: u64,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let deadline = Instant::now() + Duration::from_secs(args.seconds);
    let stand_in = server::StandIn::new(scenario::read(&args.scenario)?, log::Log::open(&args.log)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(io::stdout(), "http://{}", listener.local_addr()?)?;
    std::thread::spawn(move || stand_in.serve(&listener));
    until_stdin_ends(deadline)
}

/// Returns when nobody holds the other end of standard input any more, or at the deadline.
fn until_stdin_ends(deadline: Instant) -> io::Result<()> {
    let mut stdin = io::stdin();
    let mut ignored = [0; 256];
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let readable = poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], timeout)? > 0;
        if readable && stdin.read(&mut ignored)? == 0 {
            break;
        }
    }
    Ok(())
}
