//! `swarm send`.

use super::error::{Error, Result};
use clap::ArgMatches;

/// Runs the verb and returns the exit code.
pub(super) fn run(_matches: &ArgMatches) -> Result<u8> {
    Err(Error::usage("being written"))
}
