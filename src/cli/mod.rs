//! The command line: settings, a file per verb, exit codes, errors with hints.

mod args;
mod assemble;
mod audience;
mod cmd_attach;
mod cmd_clean;
mod cmd_completions;
pub mod cmd_config;
pub mod cmd_demo;
pub mod cmd_demo_agent;
mod cmd_doctor;
pub mod cmd_done_test;
mod cmd_eof;
pub mod cmd_explain;
mod cmd_init;
mod cmd_interrupt;
mod cmd_kill;
mod cmd_logs;
pub mod cmd_loop;
pub mod cmd_loop_ask;
pub mod cmd_loop_logs;
pub mod cmd_loop_ls;
pub mod cmd_loop_status;
mod cmd_ls;
mod cmd_man;
mod cmd_peek;
mod cmd_respawn;
mod cmd_send;
mod cmd_spawn;
mod cmd_status;
mod cmd_wait;
mod complete;
mod detach;
mod env_file;
pub mod error;
mod fleet;
mod follow;
mod follow_pane;
mod init;
pub mod loop_settings;
mod loop_window;
mod loops;
mod on_event;
mod print;
mod ready;
mod runs;
pub mod settings;
mod windows;
mod worker_args;
mod workspace;

use error::Result;

/// Runs the command line that the process was started with and returns its exit code.
pub fn main() -> u8 {
    if complete::answered() {
        return 0;
    }
    start_tracing();
    let matches = match args::command().try_get_matches_from(worker_args::with_text_behind(std::env::args_os())) {
        Ok(matches) => matches,
        Err(error) => return args::complain(&error),
    };
    match dispatch(&matches).and_then(|code| print::lost().map_or(Ok(code), Err)) {
        Ok(code) => code,
        Err(error) => {
            print::error(&error);
            error.code
        }
    }
}

fn dispatch(matches: &clap::ArgMatches) -> Result<u8> {
    match matches.subcommand() {
        Some(("loop", matches)) => match matches.subcommand() {
            Some(("ls", matches)) => cmd_loop_ls::run(matches),
            Some(("status", matches)) => cmd_loop_status::run(matches),
            Some(("logs", matches)) => cmd_loop_logs::run(matches),
            Some((verb @ ("pause" | "resume" | "stop"), matches)) => cmd_loop_ask::run(verb, matches),
            _ => cmd_loop::run(matches),
        },
        Some(("spawn", matches)) => cmd_spawn::run(matches),
        Some(("ls", matches)) => cmd_ls::run(matches),
        Some(("status", matches)) => cmd_status::run(matches),
        Some(("peek", matches)) => cmd_peek::run(matches),
        Some(("send", matches)) => cmd_send::run(matches),
        Some(("interrupt", matches)) => cmd_interrupt::run(matches),
        Some(("eof", matches)) => cmd_eof::run(matches),
        Some(("attach", matches)) => cmd_attach::run(matches),
        Some(("logs", matches)) => cmd_logs::run(matches),
        Some(("wait", matches)) => cmd_wait::run(matches),
        Some(("kill", matches)) => cmd_kill::run(matches),
        Some(("clean", matches)) => cmd_clean::run(matches),
        Some(("respawn", matches)) => cmd_respawn::run(matches),
        Some(("doctor", matches)) => cmd_doctor::run(matches),
        Some((verb @ ("ralph" | "heartbeat"), _)) => Err(comes_later(verb)),
        Some(("explain", matches)) => cmd_explain::run(matches),
        Some(("config", matches)) => cmd_config::run(matches.subcommand_matches("show").unwrap_or(matches)),
        Some(("done-test", matches)) => done_test(matches),
        Some(("init", matches)) => cmd_init::run(matches),
        Some(("completions", matches)) => cmd_completions::run(matches),
        Some(("man", matches)) => cmd_man::run(matches),
        Some(("demo", _)) => cmd_demo::run(),
        Some(("demo-agent", _)) => cmd_demo_agent::run(),
        // Clap asks for a subcommand and knows no other.
        _ => Ok(2),
    }
}

fn done_test(matches: &clap::ArgMatches) -> Result<u8> {
    let args = <cmd_done_test::DoneTest as clap::FromArgMatches>::from_arg_matches(matches)
        .map_err(|error| error::Error::usage(error.to_string()).hint("see `swarm done-test --help`"))?;
    cmd_done_test::run(&args).map(|_| 0)
}

/// A verb of the predecessor that this version does not have.
fn comes_later(verb: &str) -> error::Error {
    error::Error::usage(format!("`swarm {verb}` is not in this version; nothing was done"))
        .hint("`swarm loop` runs an agent again and again; `swarm send` types into a worker's window")
}

/// `SWARM_LOG=debug` shows on stderr what the supervisor itself is doing; without it nothing is written.
fn start_tracing() {
    let Ok(filter) = std::env::var("SWARM_LOG") else { return };
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_default();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
