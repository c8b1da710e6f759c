//! stub
pub(super) fn run(_m: &clap::ArgMatches) -> super::error::Result<u8> {
    Ok(0)
}
/// stub
pub fn command() -> clap::Command {
    clap::Command::new("done-test")
}
