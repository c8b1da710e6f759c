//! The settings of one loop, typed and checked: what the run's record keeps and a resumed run starts from.

use super::error::{Error, Result};
use super::loop_window;
use super::settings::Settings;
use crate::agent::{Agent, DoneMatch, DoneRule, Invocation, resembles};
use crate::driver::fleet::TmuxWish;
use crate::engine::Policy;
use crate::host::program;
use crate::model::Span;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How events are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text for people.
    Human,
    /// One event a line.
    Json,
}

/// Everything that a loop's supervisor needs beside the work tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoopSettings {
    /// The prompt file, absolute.
    pub prompt: PathBuf,
    /// The agent's `--agent` word.
    pub agent: String,
    /// The command after `--`, or a program that speaks the agent's protocol in its place.
    pub command: Vec<String>,
    /// Passed on.
    pub model: Option<String>,
    /// Passed on.
    pub max_turns: Option<u32>,
    /// Passed on.
    pub agent_args: Vec<String>,
    /// The done pattern.
    pub done_pattern: String,
    /// Where it counts: `last`, `line`, `anywhere`.
    pub done_match: String,
    /// The plan, absolute.
    pub plan: Option<PathBuf>,
    /// The check of a claim.
    pub verify: Option<String>,
    /// Its time.
    pub verify_timeout: Span,
    /// A push's time.
    pub push_timeout: Span,
    /// Gets events on stdin.
    pub on_event: Option<String>,
    /// Leave the agent's children alone.
    pub keep_children: bool,
    /// The agents run in a window there.
    pub tmux: Option<TmuxWish>,
    /// Exit 0 when the iterations are used up.
    pub exit_zero_on_limit: bool,
    /// How events are told.
    pub format: Format,
    /// The engine's rules.
    pub policy: Policy,
}

/// The plan that is taken when none is named and it exists.
const DEFAULT_PLAN: &str = "IMPLEMENTATION_PLAN.md";

impl LoopSettings {
    /// Checks `settings` for a loop in `folder`, with the command after `--` (empty for none). Reads nothing but whether
    /// a default plan exists.
    pub fn new(settings: &Settings, folder: &Path, command: Vec<String>) -> Result<LoopSettings> {
        if settings.switch("sandbox")? {
            return Err(Error::usage(
                "the sandbox is not in this version, and a run that asks for it is not started bare",
            )
            .hint("unset SANDBOX (or --sandbox) to run the agent as a bare process"));
        }
        let agent = agent(settings, &command)?;
        let policy = policy(settings, agent)?;
        let span = |name| Ok::<Span, Error>(settings.duration(name)?.unwrap_or(Span::ZERO));
        let settings = LoopSettings {
            prompt: folder.join(settings.text("prompt").unwrap_or_default()),
            agent: agent.name().to_owned(),
            command,
            model: settings.text("model"),
            max_turns: settings.count("max-turns")?,
            agent_args: settings.list("agent-arg"),
            done_pattern: settings.text("done-pattern").unwrap_or_default(),
            done_match: settings.text("done-match").unwrap_or_default(),
            plan: plan(settings, folder)?,
            verify: settings.text("verify"),
            verify_timeout: span("verify-timeout")?,
            push_timeout: span("push-timeout")?,
            on_event: settings.text("on-event"),
            keep_children: settings.switch("keep-children")?,
            tmux: loop_window::wish(settings, folder)?,
            exit_zero_on_limit: settings.switch("exit-zero-on-limit")?,
            format: format(settings)?,
            policy,
        };
        settings.rule()?;
        Ok(settings)
    }

    /// The agent.
    pub fn agent(&self) -> Agent {
        Agent::named(&self.agent).unwrap_or(Agent::Plain)
    }

    /// The done rule.
    pub fn rule(&self) -> Result<DoneRule> {
        let which = DoneMatch::named(&self.done_match).ok_or_else(|| {
            Error::usage(format!("done-match: `{}` is none of the rules", self.done_match))
                .hint("use last, line or anywhere")
        })?;
        DoneRule::new(&self.done_pattern, which).map_err(|error| {
            Error::usage(format!("done-pattern: `{}` is no regular expression: {error}", self.done_pattern))
                .hint("a plain word such as /done needs no escaping; see https://docs.rs/regex for the syntax")
        })
    }

    /// The agent's command line when `budget` USD are left.
    pub fn argv(&self, budget: Option<f64>) -> Vec<OsString> {
        let invocation = Invocation {
            command: self.command.iter().map(OsString::from).collect(),
            model: self.model.clone(),
            max_turns: self.max_turns,
            budget_usd: budget,
            extra: self.agent_args.iter().map(OsString::from).collect(),
        };
        let argv = self.agent().argv(&invocation);
        if self.agent() == Agent::Plain || self.command.is_empty() {
            return argv;
        }
        // Another program in the agent's place, which speaks its protocol: it gets the arguments that follow the name.
        invocation.command.into_iter().chain(argv.into_iter().skip(1)).collect()
    }

    /// Looks at what must be there before anything is made: the prompt, the agent's program, and tmux. Returns warnings.
    pub fn preflight(&self) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        let prompt = read_prompt(&self.prompt)?;
        if !resembles(&prompt, &self.rule()?) {
            warnings.push(format!(
                "nothing in {} resembles the done pattern `{}`; add a line such as: When everything is done, end your answer with {} on a line of its own.",
                self.prompt.display(),
                self.done_pattern,
                self.done_pattern,
            ));
        }
        if !self.agent().verified() {
            warnings.push(format!(
                "the adapter for {} is unverified: it was not tried on recordings of its real CLI",
                self.agent
            ));
        }
        warnings.extend(
            container_variables().map(|name| format!("{name} has no effect: the sandbox is not in this version")),
        );
        if self.model.is_some() && !self.agent().takes_model() {
            warnings.push(format!("--model has no effect: {} cannot be told of it", self.agent));
        }
        if self.max_turns.is_some() && !self.agent().takes_turns() {
            warnings.push(format!("--max-turns has no effect: {} cannot be told of it", self.agent));
        }
        let argv = self.argv(None);
        let program = argv.first().cloned().unwrap_or_default();
        if program::find(&program).is_none() {
            let program = program.to_string_lossy().into_owned();
            let hint = match self.agent() {
                Agent::Claude if self.command.is_empty() => {
                    "install it with `npm install -g @anthropic-ai/claude-code`, or name another command: swarm loop … -- COMMAND".to_owned()
                }
                _ => format!("install {program} or put its folder on PATH"),
            };
            return Err(Error::usage(format!("agent not installed: there is no program `{program}`")).hint(hint));
        }
        self.tmux.as_ref().map_or(Ok(()), loop_window::preflight)?;
        Ok(warnings)
    }
}

/// Variables of `loop.sh` that mean something to its containers alone, as far as they are set.
fn container_variables() -> impl Iterator<Item = &'static str> {
    let names = ["MEMORY_LIMIT", "CPU_LIMIT", "PIDS_LIMIT", "SANDBOX_IMAGE", "SANDBOX_NETWORK"];
    names.into_iter().filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

fn agent(settings: &Settings, command: &[String]) -> Result<Agent> {
    let word = settings.text("agent").unwrap_or_default();
    let agent = Agent::named(&word).ok_or_else(|| {
        settings.bad("agent", "is no agent that I know", "use claude, codex, gemini, plain, or any command after `--`")
    })?;
    match (agent, command.is_empty(), settings.is_set("agent")) {
        (Agent::Plain, true, _) => Err(Error::usage("--agent plain needs a command")
            .hint("write it after `--`: swarm loop 15 PROMPT.md -- my-agent --flag")),
        (_, false, false) => Ok(Agent::Plain),
        (agent, _, _) => Ok(agent),
    }
}

fn policy(settings: &Settings, agent: Agent) -> Result<Policy> {
    let defaults = Policy::default();
    let max_cost = settings.usd("max-cost")?;
    if max_cost.is_some() && !agent.reports_cost() {
        return Err(Error::usage(format!("--max-cost cannot be kept: {} does not report what it costs", agent.name()))
            .hint("use --max-time or a number of iterations"));
    }
    let required = |name| Ok::<Span, Error>(settings.duration(name)?.unwrap_or(Span::ZERO));
    Ok(Policy {
        iterations: settings.count("iterations")?,
        max_time: settings.duration("max-time")?,
        max_cost,
        max_failures: settings.count("max-failures")?,
        max_stalled: settings.count("max-stalled")?,
        max_ooms: settings.count("max-ooms")?,
        max_wait: required("max-wait")?,
        max_outage: required("max-outage")?,
        delay: required("delay")?,
        limit_margin: limit_margin(defaults.limit_margin),
        start_timeout: settings.duration("start-timeout")?.filter(|_| agent.prints_at_once()),
        idle_timeout: settings.duration("idle-timeout")?,
        iteration_timeout: settings.duration("iteration-timeout")?,
        result_grace: required("result-grace")?,
        grace: required("grace")?,
        disk_wait: required("disk-wait")?,
        verify: settings.text("verify").is_some(),
        require_plan: settings.switch("require-plan")?,
        done_on_plan: settings.switch("done-on-plan")?,
        push: settings.switch("push")?,
    })
}

/// The margin behind a reset time. Tests with the real agent cannot wait a minute for it.
#[cfg(feature = "testing")]
fn limit_margin(default: Span) -> Span {
    let text = std::env::var("SWARM_LIMIT_MARGIN").ok();
    text.and_then(|text| super::settings::parse_duration(&text)).unwrap_or(default)
}

/// The margin behind a reset time.
#[cfg(not(feature = "testing"))]
fn limit_margin(default: Span) -> Span {
    default
}

fn format(settings: &Settings) -> Result<Format> {
    match settings.text("format").as_deref() {
        Some("human") | None => Ok(Format::Human),
        Some("json") => Ok(Format::Json),
        Some(_) => Err(settings.bad("format", "is no format", "use human or json")),
    }
}

/// A plan that was named must be there; the default one may be.
fn plan(settings: &Settings, folder: &Path) -> Result<Option<PathBuf>> {
    let Some(named) = settings.text("plan") else {
        let default = folder.join(DEFAULT_PLAN);
        return Ok(default.is_file().then_some(default));
    };
    let path = folder.join(&named);
    if path.is_file() {
        return Ok(Some(path));
    }
    Err(Error::usage(format!("no plan at {}", path.display()))
        .hint("name an existing file with --plan, or leave it out"))
}

/// The prompt's text. Missing, a folder, unreadable or blank: an error with a hint.
fn read_prompt(path: &Path) -> Result<String> {
    let hint = "write what the agent shall do into a file and name it: swarm loop 15 PROMPT.md";
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::usage(format!("no prompt file at {}", path.display())).hint(hint));
        }
        Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
            return Err(Error::usage(format!("the prompt {} is a folder, not a file", path.display())).hint(hint));
        }
        Err(error) => {
            return Err(Error::usage(format!("cannot read the prompt {}: {error}", path.display())).hint(hint));
        }
    };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Error::usage(format!("the prompt {} is empty", path.display())).hint(hint));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
