//! The binary: the shim or the keeper of a pane's output if it was started as one, else the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before everything else: these two are started with every worker of a fleet, and their start counts.
    match std::env::args_os().nth(1) {
        Some(verb) if verb == "shim" => swarm::host::shim::main(),
        Some(verb) if verb == "pane-log" => swarm::host::pane_log::main(),
        _ => swarm::cli::main().into(),
    }
}
