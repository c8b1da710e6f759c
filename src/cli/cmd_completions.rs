//! `swarm completions SHELL`: the script that makes a shell complete `swarm`.

use super::error::{Error, Result};
use super::{complete, print};
use clap::{Arg, ArgMatches, Command};
use clap_complete::env::Shells;
use std::path::Path;

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

const AFTER_HELP: &str = "\
bash: source <(swarm completions bash)      in ~/.bashrc
zsh:  source <(swarm completions zsh)       in ~/.zshrc, behind compinit
fish: swarm completions fish | source       in ~/.config/fish/config.fish";

/// The grammar of the verb.
pub(super) fn command() -> Command {
    let shell =
        Arg::new("shell").value_name("SHELL").required(true).value_parser(SHELLS).help("The shell that loads it");
    Command::new("completions")
        .about("The script that makes a shell complete swarm, with the names of workers and loops")
        .after_help(AFTER_HELP)
        .arg(shell)
}

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let name = matches.get_one::<String>("shell").map(String::as_str).unwrap_or_default();
    let shells = Shells::builtins();
    let shell = shells.completer(name).ok_or_else(|| Error::usage(format!("no completions for {name}")))?;
    let mut script = Vec::new();
    shell
        .write_registration(complete::VARIABLE, "swarm", "swarm", &program(), &mut script)
        .map_err(|error| Error::failed(format!("cannot write the script: {error}")))?;
    print::raw(&script);
    Ok(0)
}

/// The program that the shell asks: `swarm` by its name, so that the next version answers for itself; or the file that was
/// named here, if the scripts can name it (they quote nothing).
fn program() -> String {
    let called = std::env::args().next().filter(|called| called.contains('/'));
    let path = called.and_then(|called| std::path::absolute(Path::new(&called)).ok());
    let plain = |path: &String| path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c));
    path.and_then(|path| path.into_os_string().into_string().ok()).filter(plain).unwrap_or_else(|| "swarm".to_owned())
}
