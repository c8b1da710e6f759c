//! The grammar of the verbs for workers. It is the predecessor's, so it also takes options behind positional arguments.

use super::args::{flag, json};
use clap::builder::{NonEmptyStringValueParser, ValueParser};
use clap::{Arg, ArgAction, Command};
use std::ffi::{OsStr, OsString};

/// The verbs, in the order in which the help lists them.
pub(super) fn commands() -> Vec<Command> {
    vec![
        spawn(),
        Command::new("ls")
            .about("All workers, and the loops that run")
            .arg(
                Arg::new("status")
                    .long("status")
                    .value_parser(["running", "stopped", "all"])
                    .default_value("all")
                    .help("Only these"),
            )
            .arg(Arg::new("tag").long("tag").value_name("TAG").help("Only those with this tag"))
            .arg(
                Arg::new("format")
                    .long("format")
                    .value_parser(["table", "json", "names"])
                    .default_value("table")
                    .help("How they are shown"),
            ),
        Command::new("status")
            .about("How one worker is doing, or how it ended")
            .after_help("Exit codes: 0 running · 1 stopped · 2 not found")
            .arg(name("Worker or running loop").required(true))
            .arg(json()),
        Command::new("peek")
            .about("The last lines that a worker printed, without attaching to it")
            .after_help("Exit codes: 0 shown · 1 not running (see --last) · 2 not found")
            .arg(name("Worker or running loop"))
            .arg(all("Every running worker, each below a line with its name"))
            .arg(
                Arg::new("lines")
                    .short('n')
                    .long("lines")
                    .value_name("N")
                    .value_parser(clap::value_parser!(u32).range(1..))
                    .default_value("30")
                    .allow_hyphen_values(true)
                    .help("How many lines"),
            )
            .arg(flag("last", "Of a stopped worker too: what it printed last"))
            .arg(json()),
        Command::new("send")
            .about("Types a text into a worker's window, and Enter")
            .arg(
                Arg::new("words")
                    .value_names(["NAME", "TEXT"])
                    .num_args(1..=2)
                    .required(true)
                    .value_parser(ValueParser::os_string())
                    .help("Worker and text; with --all only the text"),
            )
            .arg(all("To every running worker in a window"))
            .arg(flag("no-enter", "Do not press Enter behind it"))
            .arg(flag("raw", "Do not clear the input line before it"))
            .arg(flag("escape", "Press Escape before it; this interrupts an agent that is busy")),
        Command::new("interrupt")
            .about("Presses Ctrl-C in a worker's window")
            .arg(name("Worker"))
            .arg(all("In the window of every running worker")),
        Command::new("eof").about("Presses Ctrl-D in a worker's window").arg(name("Worker").required(true)),
        Command::new("attach")
            .about("Shows a worker's window in this terminal, to watch and type")
            .arg(name("Worker").required(true))
            .arg(flag("read-only", "Only to watch")),
        Command::new("logs")
            .about("All that a worker printed")
            .arg(name("Worker or loop").required(true))
            .arg(flag("follow", "Go on as it grows, until the worker ends").short('f'))
            .arg(flag("history", "Of a worker in a window: what scrolled off as well"))
            .arg(
                Arg::new("lines")
                    .long("lines")
                    .value_name("N")
                    .value_parser(clap::value_parser!(u32).range(1..))
                    .help("At most so many of the last lines [default: 1000 with --history]"),
            )
            .arg(flag("stderr", "What it wrote to standard error"))
            .arg(flag("raw", "Of a worker in a window: the bytes as its terminal got them")),
        Command::new("wait")
            .about("Waits until workers have ended")
            .arg(names("Workers or running loops"))
            .arg(all("Every running worker"))
            .arg(
                Arg::new("timeout")
                    .long("timeout")
                    .value_name("SECONDS")
                    .allow_hyphen_values(true)
                    .help("Give up after so long"),
            )
            .arg(json()),
        Command::new("kill")
            .about("Ends workers and everything that they started")
            .arg(names("Workers or running loops"))
            .arg(all("Every running worker"))
            .arg(flag("rm-worktree", "Remove their worktrees"))
            .arg(force_dirty())
            .arg(
                Arg::new("grace")
                    .long("grace")
                    .value_name("TIME")
                    .allow_hyphen_values(true)
                    .help("From TERM to KILL [default: that of each worker, 10s]"),
            ),
        Command::new("clean")
            .about("Forgets stopped workers: entry, logs and worktree")
            .arg(names("Workers"))
            .arg(all("Every stopped worker"))
            .arg(flag("rm-worktree", "Remove their worktrees (the default)").conflicts_with("no-rm-worktree"))
            .arg(flag("no-rm-worktree", "Leave their worktrees"))
            .arg(force_dirty()),
        Command::new("respawn")
            .about("Starts a worker again as it was: command, folder, environment, tags, window, worktree")
            .arg(name("Worker").required(true))
            .arg(flag("clean-first", "Remove its worktree first, and make it anew"))
            .arg(force_dirty()),
        Command::new("doctor")
            .about("Is everything there that workers need? And what is left that is nobody's?")
            .after_help("Exit codes: 0 all is well, or warnings only · 1 a problem, or a leak")
            .arg(flag(
                "leaks",
                "Processes, windows, worktrees and files that nobody owns, each with the command that removes it",
            ))
            .arg(json()),
        Command::new("ralph").hide(true).about("Comes later").arg(anything()),
        Command::new("heartbeat").hide(true).about("Comes later").arg(anything()),
    ]
}

/// The arguments of the process, with those of `send` put in order: options, `--`, worker and text. What is no option of
/// it is text, also if it begins with a dash; a clap that takes such values takes its own options for them as well.
pub(super) fn with_text_behind(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    if arguments.get(1).is_none_or(|verb| verb != "send") {
        return arguments;
    }
    let given = arguments.split_off(2);
    let end = given.iter().position(|word| word == "--").unwrap_or(given.len());
    let (options, mut words): (Vec<OsString>, Vec<OsString>) =
        given[..end].iter().cloned().partition(|word| is_send_option(word));
    words.extend(given.into_iter().skip(end + 1));
    arguments.extend(options);
    arguments.push("--".into());
    arguments.extend(words);
    arguments
}

/// Options may be shortened.
fn is_send_option(word: &OsStr) -> bool {
    let options = ["--all", "--no-enter", "--raw", "--escape", "--help"];
    let long = word.to_str().filter(|word| word.len() > 2);
    word == "-h" || long.is_some_and(|word| options.iter().any(|option| option.starts_with(word)))
}

fn spawn() -> Command {
    Command::new("spawn")
        .about("Starts a worker: a bare process, or a tmux window, in a git worktree if wished")
        .after_help(AFTER_SPAWN)
        .arg(
            Arg::new("name")
                .long("name")
                .value_name("NAME")
                .required(true)
                .allow_hyphen_values(true)
                .help("Its name: letters, digits, _ - . ; at most 64"),
        )
        .arg(flag("tmux", "In a tmux window"))
        .arg(
            Arg::new("session")
                .long("session")
                .value_name("NAME")
                .value_parser(NonEmptyStringValueParser::new())
                .help("The tmux session [default: one for this state folder]"),
        )
        .arg(
            Arg::new("tmux-socket")
                .long("tmux-socket")
                .value_name("SOCKET")
                .value_parser(NonEmptyStringValueParser::new())
                .help("The tmux server: a socket's name or path"),
        )
        .arg(flag("worktree", "In a git worktree of its own"))
        .arg(
            Arg::new("branch")
                .long("branch")
                .value_name("BRANCH")
                .value_parser(NonEmptyStringValueParser::new())
                .help("The worktree's branch [default: the worker's name]"),
        )
        .arg(
            Arg::new("worktree-dir")
                .long("worktree-dir")
                .value_name("DIR")
                .value_parser(ValueParser::path_buf())
                .help("The folder that the worktree is made in [default: <repository>-worktrees beside it]"),
        )
        .arg(
            Arg::new("tag")
                .long("tag")
                .value_name("TAG")
                .action(ArgAction::Append)
                .help("A label to find it by; may be given again"),
        )
        .arg(
            Arg::new("env")
                .long("env")
                .value_name("KEY=VAL")
                .value_parser(ValueParser::os_string())
                .allow_hyphen_values(true)
                .action(ArgAction::Append)
                .help("A variable of its environment; may be given again"),
        )
        .arg(
            Arg::new("env-file")
                .long("env-file")
                .value_name("FILE")
                .value_parser(ValueParser::path_buf())
                .action(ArgAction::Append)
                .help("The same from a file: KEY=VAL lines; keeps them out of `ps` and of the shell's history"),
        )
        .arg(
            Arg::new("cwd")
                .long("cwd")
                .value_name("DIR")
                .value_parser(ValueParser::path_buf())
                .help("Its folder [default: this one; with --worktree: the worktree]"),
        )
        .arg(flag("ready-wait", "Return when it is ready for input"))
        .arg(
            Arg::new("ready-timeout")
                .long("ready-timeout")
                .value_name("SECONDS")
                .allow_hyphen_values(true)
                .default_value("120")
                .help("How long to wait for that"),
        )
        .arg(
            Arg::new("ready-pattern")
                .long("ready-pattern")
                .value_name("REGEX")
                .help("What its screen shows when it is ready [default: known for claude and shells]"),
        )
        .arg(
            Arg::new("grace")
                .long("grace")
                .value_name("TIME")
                .allow_hyphen_values(true)
                .default_value("10s")
                .help("From TERM to KILL when it is ended"),
        )
        .arg(json())
        .arg(Arg::new("heartbeat").long("heartbeat").hide(true).num_args(0..=1))
        .arg(Arg::new("heartbeat-expire").long("heartbeat-expire").hide(true).num_args(0..=1))
        .arg(Arg::new("heartbeat-message").long("heartbeat-message").hide(true).num_args(0..=1))
        .arg(
            Arg::new("CMD")
                .trailing_var_arg(true)
                .num_args(0..)
                .value_parser(ValueParser::os_string())
                .help("Its program and arguments, behind --"),
        )
}

const AFTER_SPAWN: &str = "\
Example:
  swarm spawn --name fixer --tmux --worktree -- claude

Exit codes: 0 it runs · 1 it could not be started, and nothing is left behind
2 usage · 73 held by another · 74 state cannot be written";

fn name(help: &'static str) -> Arg {
    Arg::new("name").value_name("NAME").value_parser(NonEmptyStringValueParser::new()).help(help)
}

fn names(help: &'static str) -> Arg {
    Arg::new("name").value_name("NAME").num_args(0..).value_parser(NonEmptyStringValueParser::new()).help(help)
}

fn all(help: &'static str) -> Arg {
    flag("all", help)
}

fn force_dirty() -> Arg {
    flag("force-dirty", "Remove a worktree with uncommitted or unmerged work, which is lost then")
}

/// What a verb of a later version would take.
fn anything() -> Arg {
    Arg::new("anything").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(words: &[&str]) -> Vec<String> {
        let words = ["swarm"].iter().chain(words).map(OsString::from);
        with_text_behind(words).into_iter().skip(1).map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn a_text_may_look_like_an_option() {
        assert_eq!(ordered(&["send", "one", "-1 is a number"]), ["send", "--", "one", "-1 is a number"]);
        assert_eq!(ordered(&["send", "one", "-", "--no-e"]), ["send", "--no-e", "--", "one", "-"]);
        assert_eq!(ordered(&["send", "--raw", "one", "--", "--all"]), ["send", "--raw", "--", "one", "--all"]);
        assert_eq!(ordered(&["send", "one", "--", "--"]), ["send", "--", "one", "--"]);
        assert_eq!(ordered(&["send", "-h"]), ["send", "-h", "--"]);
        assert_eq!(ordered(&["peek", "one", "-n", "3"]), ["peek", "one", "-n", "3"]);
        assert_eq!(ordered(&[]), [""; 0]);
    }
}
