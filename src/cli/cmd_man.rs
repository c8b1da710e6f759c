//! `swarm man [DIR]`: the manual, out of the grammar.

use super::error::{Error, Result};
use super::{args, print};
use clap::{Arg, ArgMatches, Command, value_parser};
use clap_mangen::Man;
use std::io;
use std::path::{Path, PathBuf};

/// The grammar of the verb.
pub(super) fn command() -> Command {
    let folder = Arg::new("DIR")
        .value_parser(value_parser!(PathBuf))
        .help("Write all pages there, such as ~/.local/share/man/man1");
    Command::new("man").about("The manual: prints swarm.1, or writes a page for each verb").arg(folder)
}

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let grammar = grammar();
    let Some(folder) = matches.get_one::<PathBuf>("DIR") else {
        let page = page(&grammar).map_err(|error| Error::failed(format!("cannot make the page: {error}")))?;
        print::raw(&page);
        return Ok(0);
    };
    let count = std::fs::create_dir_all(folder)
        .and_then(|()| write_pages(&grammar, folder))
        .map_err(|error| Error::failed(format!("cannot write the pages to {}: {error}", folder.display())))?;
    print::line(&format!("wrote {count} pages to {}", folder.display()));
    Ok(0)
}

/// The grammar with every name in full.
fn grammar() -> Command {
    let mut grammar = args::command().disable_help_subcommand(true);
    grammar.build();
    grammar
}

/// A page for a command and for each of those below it; returns how many.
fn write_pages(command: &Command, folder: &Path) -> io::Result<usize> {
    std::fs::write(folder.join(Man::new(command.clone()).get_filename()), page(command)?)?;
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    below.map(|command| write_pages(command, folder)).try_fold(1, |sum, count| Ok(sum + count?))
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(command.clone()).manual("swarm").render(&mut page)?;
    Ok(page)
}
