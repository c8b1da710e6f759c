//! The binary: the shim if it was started as one, else the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before everything else: a shim is started with every worker of a fleet, and its start counts.
    if std::env::args_os().nth(1).is_some_and(|verb| verb == "shim") {
        return swarm::host::shim::main();
    }
    swarm::cli::main().into()
}
