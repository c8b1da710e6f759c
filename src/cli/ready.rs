//! `--ready-wait`.

use super::error::{Error, Result};
use crate::driver::fleet::Fleet;
use crate::model::Entry;
use clap::ArgMatches;

/// What is waited for.
pub(super) struct Wish;

impl Wish {
    pub(super) fn of(matches: &ArgMatches, _cmd: &[String]) -> Result<Option<Wish>> {
        Ok(matches.get_flag("ready-wait").then_some(Wish))
    }
}

pub(super) fn wait(_fleet: &Fleet, _entry: &Entry, _wish: &Wish) -> Result<u8> {
    Err(Error::usage("being written"))
}
