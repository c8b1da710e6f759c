//! The grammar of the command line. The loop's options are made from the table of settings.

use super::settings::{Flags, KEYS, Key, Kind, env_name};
use super::worker_args;
use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

/// The whole grammar.
pub(super) fn command() -> Command {
    Command::new("swarm")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Runs, watches and recovers coding agents that nobody is looking at")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .infer_long_args(true)
        .subcommand(loop_command())
        .subcommands(worker_args::commands())
        .subcommand(
            Command::new("explain")
                .about("Why each iteration of a run ended, and why the run did")
                .arg(run_name("RUN").help("Name or id of the run [default: the latest of this folder]"))
                .arg(json()),
        )
        .subcommand(
            Command::new("config")
                .about("Settings")
                .subcommand_required(true)
                .subcommand(Command::new("show").about("Each setting, its value, and where it came from").arg(json())),
        )
        .subcommand(<super::cmd_done_test::DoneTest as clap::Args>::augment_args(Command::new("done-test")))
        .subcommand(super::cmd_init::command())
        .subcommand(super::cmd_completions::command())
        .subcommand(super::cmd_man::command())
        .subcommand(
            Command::new("demo")
                .about("The loop at work in a scratch project, without a real agent: a few seconds, no cost"),
        )
        .subcommand(demo_agent())
}

/// Called by the demo's loop with what it would give to claude.
fn demo_agent() -> Command {
    let ignored = Arg::new("arguments").num_args(0..).trailing_var_arg(true).allow_hyphen_values(true);
    Command::new("demo-agent").hide(true).arg(ignored)
}

fn loop_command() -> Command {
    let run = Command::new("loop")
        .about("Runs fresh agents on one prompt until the work is done")
        .after_help(AFTER_HELP)
        .args_conflicts_with_subcommands(true)
        .arg(Arg::new("ITERATIONS").allow_hyphen_values(true).help("Iterations of the run; 0 = no limit [default: 0]"))
        .arg(Arg::new("PROMPT_FILE").help("Prompt, read afresh for each iteration [default: PROMPT.md]"))
        .arg(Arg::new("AGENT").last(true).num_args(1..).help("Any command in the agent's place: prompt on stdin, text on stdout"))
        .arg(
            Arg::new("resume")
                .long("resume")
                .value_name("NAME")
                .num_args(0..=1)
                .default_missing_value("")
                .help("Go on with a run whose supervisor died or stopped: a live worker is adopted [default: the latest of this folder]"),
        )
        .arg(flag("restart", "End the live worker of an unfinished run here, then start a new run").conflicts_with("resume"))
        .arg(flag("detach", "Run in a tmux session of its own; prints how to attach").conflicts_with("resume"))
        .arg(Arg::new("env-from").long("env-from").value_name("FILE").hide(true));
    KEYS.iter()
        .filter(|key| !matches!(key.name, "iterations" | "prompt"))
        .fold(run, |command, key| command.arg(option(key)))
        .subcommand(Command::new("ls").about("All loops").arg(json()))
        .subcommand(Command::new("status").about("How a loop is doing").arg(run_name("NAME")).arg(json()))
        .subcommand(Command::new("pause").about("Start no further iteration").arg(run_name("NAME")))
        .subcommand(Command::new("resume").about("Start iterations again after `pause`").arg(run_name("NAME")))
        .subcommand(
            Command::new("stop")
                .about("End a loop after its iteration")
                .arg(run_name("NAME"))
                .arg(flag("now", "At once: TERM to the agent, then KILL")),
        )
        .subcommand(
            Command::new("logs")
                .about("The latest iteration's log")
                .arg(run_name("NAME"))
                .arg(flag("follow", "Go on as it grows, and over iterations").short('f'))
                .arg(flag("raw", "The agent's own stream"))
                .arg(Arg::new("iteration").long("iteration").short('n').value_name("LOG").help("That log number")),
        )
}

const AFTER_HELP: &str = "\
Every option is also an environment variable (--max-time: SWARM_MAX_TIME)
and a key in swarm.toml, table [loop].
Durations: 90s, 30m, 1h30m, or a number of seconds.

Exit codes: 0 done · 1 failed · 2 usage · 3 iterations used up
4 time or cost limit · 5 no progress · 6 repeated OOM · 10 a person must act
73 another supervisor holds it · 74 cannot write logs or state · 75 try later
130/143/129 after a signal";

fn option(key: &Key) -> Arg {
    let variable = match key.legacy {
        Some(legacy) => format!("{} or {legacy}", env_name(key)),
        None => env_name(key),
    };
    let default = if key.default.is_empty() { String::new() } else { format!(" [default: {}]", key.default) };
    let arg = Arg::new(key.name)
        .long(key.name)
        .help(format!("{}{default}", key.help))
        .long_help(format!("{}{default}\n[env: {variable}]", key.help))
        .help_heading(key.group.heading());
    match key.kind {
        Kind::Switch => arg
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("on")
            .value_name("on|off")
            .hide_possible_values(true),
        Kind::List => arg.action(ArgAction::Append).allow_hyphen_values(true).value_name("ARG"),
        Kind::Text => arg.value_name("TEXT"),
        Kind::Count => arg.value_name("N").allow_hyphen_values(true),
        Kind::Usd => arg.value_name("USD").allow_hyphen_values(true),
        Kind::Duration => arg.value_name("TIME").allow_hyphen_values(true),
    }
}

pub(super) fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

pub(super) fn json() -> Arg {
    flag("json", "As JSON")
}

fn run_name(value: &'static str) -> Arg {
    Arg::new("run")
        .value_name(value)
        .value_parser(NonEmptyStringValueParser::new())
        .help("Name or id of the loop [default: the one of this folder]")
}

/// What the command line says of the settings.
pub(super) fn flags(matches: &ArgMatches) -> Flags {
    let texts = |id: &str| -> Option<Vec<String>> {
        let values = matches.try_get_many::<String>(id).ok().flatten()?;
        Some(values.cloned().collect())
    };
    KEYS.iter()
        .filter_map(|key| {
            let id = match key.name {
                "iterations" => "ITERATIONS",
                "prompt" => "PROMPT_FILE",
                name => name,
            };
            Some((key.name, texts(id)?))
        })
        .collect()
}

/// Prints clap's own answer: help and version on stdout with 0, an error in our form with 2.
pub(super) fn complain(error: &clap::Error) -> u8 {
    use clap::error::ErrorKind;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            super::print::text(&error.to_string());
            0
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            super::print::text(&error.to_string());
            2
        }
        _ => {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
            let (message, rest) = text.split_once("\n\n").unwrap_or((text, ""));
            let tip = rest.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("see `swarm --help`");
            let hint = tip.strip_prefix("tip: ").unwrap_or(tip);
            super::print::error(&super::error::Error::usage(message.replace('\n', " ")).hint(hint));
            2
        }
    }
}
