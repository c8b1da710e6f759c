//! The binary: the shim if it was started as one, else the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    // Before everything else: a shim is started with every iteration, and its start counts.
    if arguments.next().is_some_and(|verb| verb == "shim") {
        return swarm::host::shim::main(arguments.next().as_deref());
    }
    swarm::cli::main().into()
}
