//! `--detach`: the same command again, in a tmux session of its own.
//!
//! The session's server may have been started by anybody with any environment, so ours goes there through a private file,
//! never through an argument that `ps` shows. The file is gone as soon as it was read.

use super::error::{Error, Result};
use super::{print, runs};
use crate::host::files;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use tmux_interface::{NewSession, Tmux};

/// Starts this command line again without `--detach`, in the session `swarm-<name>`, and says how to look at it.
pub(super) fn run(name: &str, folder: &Path) -> Result<u8> {
    let home = runs::home()?;
    home.create().map_err(|error| Error::cannot_write(format!("cannot make {}: {error}", home.root().display())))?;
    let session = session_name(name);
    let environment = home.root().join(format!("detach-{}.env", std::process::id()));
    write_environment(&environment)
        .map_err(|error| Error::cannot_write(format!("cannot write {}: {error}", environment.display())))?;
    let started = start(&session, folder, &environment);
    if started.is_err() {
        // Nobody will read it now, and it may hold secrets.
        let _ = std::fs::remove_file(&environment);
    }
    started?;
    print::line(&format!("started loop '{name}' in tmux session {session}"));
    print::line(&format!("  watch: tmux attach -t {session}    (leave with Ctrl-b d)"));
    print::line(&format!("  state: swarm loop status {name}"));
    print::line(&format!("  stop:  swarm loop stop {name}"));
    Ok(0)
}

fn start(session: &str, folder: &Path, environment: &Path) -> Result<()> {
    let mut command =
        NewSession::new().detached().session_name(session).start_directory(folder.to_string_lossy()).build();
    for word in command_line(environment)? {
        command.push_param(word);
    }
    let output = Tmux::with_command(command).into_command().output();
    let output = output.map_err(|error| {
        Error::failed(format!("cannot start tmux: {error}"))
            .hint("install tmux, or run without --detach: nohup swarm loop … &")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::failed(format!("cannot make the tmux session {session}: {said}"))
        .hint(format!("if it exists already: tmux attach -t {session}; or choose another --name")))
}

/// Our own command line without `--detach`, and with the environment's file.
fn command_line(environment: &Path) -> Result<Vec<String>> {
    let program =
        std::env::current_exe().map_err(|error| Error::failed(format!("cannot find my own program: {error}")))?;
    let not_text = |word: OsString| Error::usage(format!("{} is not UTF-8, which tmux needs", word.to_string_lossy()));
    let mut words = vec![program.into_os_string()];
    let mut options = true;
    for word in std::env::args_os().skip(1) {
        options &= word != "--";
        // Long options may be shortened: --det is --detach.
        let detach = options && word.len() > 4 && "--detach".as_bytes().starts_with(word.as_bytes());
        if !detach {
            words.push(word);
        }
    }
    // Behind `swarm loop`, where no positional argument can take it for its own.
    words.insert(2, format!("--env-from={}", environment.display()).into());
    words.into_iter().map(|word| word.into_string().map_err(not_text)).collect()
}

/// A name that tmux takes as it is: it gives `.` and `:` a meaning.
fn session_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' };
    format!("swarm-{}", name.chars().map(plain).collect::<String>())
}

fn write_environment(path: &Path) -> std::io::Result<()> {
    let mut file = files::create_private(path)?;
    for (name, value) in std::env::vars_os() {
        file.write_all(&[name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat())?;
    }
    Ok(())
}

/// Takes the environment from `file`, removes the file, and executes ourselves anew with it. Returns only on an error.
pub(super) fn adopt_environment(file: &Path) -> Result<()> {
    let failed =
        |error: std::io::Error| Error::failed(format!("cannot take the environment from {}: {error}", file.display()));
    let bytes = std::fs::read(file).map_err(failed)?;
    std::fs::remove_file(file).map_err(failed)?;
    let variables = bytes.split(|byte| *byte == 0).filter_map(|entry| {
        let at = entry.iter().skip(1).position(|byte| *byte == b'=')? + 1;
        Some((OsString::from_vec(entry[..at].to_vec()), OsString::from_vec(entry[at + 1..].to_vec())))
    });
    // What belongs to the terminal is the new terminal's.
    let terminal: Vec<(OsString, OsString)> = ["TERM", "TMUX", "TMUX_PANE"]
        .into_iter()
        .filter_map(|name| Some((name.into(), std::env::var_os(name)?)))
        .collect();
    let arguments = std::env::args_os().skip(1).filter(|word| !word.as_bytes().starts_with(b"--env-from="));
    let program = std::env::current_exe().map_err(failed)?;
    let error = std::process::Command::new(program).args(arguments).env_clear().envs(variables).envs(terminal).exec();
    Err(failed(error))
}
