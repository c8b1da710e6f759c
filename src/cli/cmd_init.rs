//! `swarm init`: tells the agents of a project how to direct workers, in AGENTS.md or CLAUDE.md of the current folder.

use super::args::flag;
use super::error::{Error, Result};
use super::init::{Deed, Found, Plan, Target};
use super::print;
use crate::host::files;
use clap::{Arg, ArgMatches, Command};
use std::io;
use std::path::{Path, PathBuf};

/// A larger file is no text for an agent.
const MAX_BYTES: u64 = 16 << 20;

/// The grammar of the verb.
pub(super) fn command() -> Command {
    Command::new("init")
        .about("Writes into AGENTS.md or CLAUDE.md how an agent directs workers")
        .arg(flag("dry-run", "Only say what would be done"))
        .arg(
            Arg::new("file")
                .long("file")
                .value_name("FILE")
                .value_parser(Target::ALL.map(Target::name))
                .help("That file [default: the one that has the instructions or exists, else AGENTS.md]"),
        )
        .arg(flag("force", "Replace the instructions that stand there"))
        .arg(flag("with-sandbox", "Also write the files of a sandbox (not in this version)"))
}

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    if matches.get_flag("with-sandbox") {
        return Err(Error::usage("--with-sandbox is not in this version; nothing was written")
            .hint("leave it out to write the instructions"));
    }
    let asked = matches.get_one::<String>("file").and_then(|name| Target::named(name));
    let plan = Plan::of(&look(asked)?, asked, matches.get_flag("force"));
    if matches.get_flag("dry-run") {
        print::line(&plan.intended());
        return Ok(0);
    }
    match &plan.deed {
        Deed::Nothing => {}
        Deed::Create(text) | Deed::Append(text) | Deed::Update(text) => write(plan.target, text)?,
    }
    print::line(&plan.done());
    Ok(0)
}

/// The texts of the files that are looked at: the one asked for, else both.
fn look(asked: Option<Target>) -> Result<Found> {
    let text = |target: Target| match asked {
        Some(asked) if asked != target => Ok(None),
        _ => read(target),
    };
    Ok(Found { agents: text(Target::Agents)?, claude: text(Target::Claude)? })
}

/// The text of a file, if there is one.
fn read(target: Target) -> Result<Option<String>> {
    let name = target.name();
    let bytes = match files::read_plain(Path::new(name), MAX_BYTES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && !Path::new(name).is_symlink() => return Ok(None),
        Err(error) => return Err(Error::failed(format!("cannot read {name}: {error}; nothing was written"))),
        Ok(bytes) => bytes,
    };
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::failed(format!("{name} is not UTF-8 (byte {at}); nothing was written")).hint("convert it, or use --file")
    })?;
    Ok(Some(text))
}

/// Writes the file that the name stands for: the instructions of a link go to where it leads.
fn write(target: Target, text: &str) -> Result<()> {
    let name = target.name();
    let path = std::fs::canonicalize(name).unwrap_or_else(|_| PathBuf::from(name));
    files::rewrite(&path, text.as_bytes()).map_err(|error| Error::failed(format!("cannot write {name}: {error}")))
}
