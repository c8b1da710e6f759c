//! Programs: our own, git, the agents; and the Docker daemon, which is no program but a socket.

use crate::agent::Agent;
use crate::host::group::{self, End, Streams, Tail};
use crate::host::program;
use crate::host::words::words;
use crate::report::doctor::Check;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// A program says its version within so long. Claude Code takes a second on a cold disk.
const PATIENCE: Duration = Duration::from_secs(10);

/// A daemon that lives answers a connection at once.
const CONNECTED: Duration = Duration::from_secs(2);

/// Where Docker listens unless somebody says otherwise.
const DOCKER: &str = "/var/run/docker.sock";

/// The first git whose `config` has `--show-scope`, by which a wrong `core.bare` is found.
const OLDEST_GIT: (u32, u32) = (2, 26);

/// What is true of Docker whatever it answers.
const NOT_NEEDED: &str = "not needed: the sandbox is not in this version";

/// Our own version, and which program it is.
pub(super) fn swarm() -> Check {
    let version = env!("CARGO_PKG_VERSION");
    match std::env::current_exe() {
        Ok(program) => Check::ok("swarm", format!("{version} ({})", program.display())),
        Err(error) => Check::problem(
            "swarm",
            format!("{version}, and its own program cannot be found: {}", words(&error)),
            "mount /proc: shims are started through it",
        ),
    }
}

/// Git, Docker and the agents.
pub(super) async fn checks() -> Vec<Check> {
    let [claude, codex, gemini] = [Agent::Claude, Agent::Codex, Agent::Gemini].map(agent);
    let (git, docker, claude, codex, gemini) = tokio::join!(git(), docker(), claude, codex, gemini);
    vec![git, docker, claude, codex, gemini]
}

async fn git() -> Check {
    let todo = "install git 2.26 or later (apt-get install git)";
    let Some(path) = program::find("git".as_ref()) else {
        return Check::problem("git", "not on PATH: no worktrees, and loops do not see commits", todo);
    };
    match version(Command::new(path)).await {
        Err(why) => Check::problem("git", why, todo),
        Ok(said) => {
            let said = said.strip_prefix("git version ").unwrap_or(&said).to_owned();
            match numbers(&said) {
                Some(version) if version < OLDEST_GIT => Check::warning("git", format!("{said} is old"), todo),
                _ => Check::ok("git", said),
            }
        }
    }
}

/// `2.39.5 (Debian)` begins with 2 and 39.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

async fn docker() -> Check {
    let host = std::env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    let path = match &host {
        None => PathBuf::from(DOCKER),
        Some(host) => match host.strip_prefix("unix://") {
            Some(path) => PathBuf::from(path),
            None => return Check::ok("docker", format!("DOCKER_HOST is {host}, which was not tried; {NOT_NEEDED}")),
        },
    };
    let connected = timeout(CONNECTED, UnixStream::connect(&path)).await;
    let says = match connected {
        Ok(Ok(_)) => "a daemon listens at".to_owned(),
        Ok(Err(error)) => format!("no daemon ({}) at", words(&error)),
        Err(_) => "a daemon that does not answer at".to_owned(),
    };
    Check::ok("docker", format!("{says} {}; {NOT_NEEDED}", path.display()))
}

async fn agent(agent: Agent) -> Check {
    let name = agent.name();
    let adapter = if agent.verified() { "" } else { "; the adapter is unverified" };
    match program::find(agent.program().as_ref()) {
        Some(path) => installed(agent, &path).await,
        None if agent == Agent::Claude => Check::warning(
            name,
            "not on PATH",
            "npm install -g @anthropic-ai/claude-code, or give loops a command of your own behind --",
        ),
        None => Check::ok(name, format!("not on PATH{adapter}")),
    }
}

async fn installed(agent: Agent, path: &Path) -> Check {
    let name = agent.name();
    let mut command = Command::new(path);
    for (variable, value) in agent.env() {
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
    }
    match version(command).await {
        Err(why) => Check::warning(name, format!("{}: {why}", path.display()), format!("try: {name} --version")),
        Ok(said) if agent.verified() => Check::ok(name, format!("{said} ({})", path.display())),
        Ok(said) => Check::warning(
            name,
            format!(
                "{said} ({}); the adapter is unverified: it was not tried on recordings of this CLI",
                path.display()
            ),
            "read the log of its first runs yourself",
        ),
    }
}

/// The first line that a program prints when it is asked for its version, or why it printed none.
async fn version(mut command: Command) -> Result<String, String> {
    command.arg("--version");
    let mut said = Tail::new(4096);
    match group::run(command, Streams::Output, PATIENCE, |bytes| said.push(bytes)).await {
        Err(error) => Err(format!("cannot be run: {}", words(&error))),
        Ok(End::TimedOut) => Err(format!("did not say its version within {} s", PATIENCE.as_secs())),
        Ok(End::Exited(status)) if !status.success() => Err(format!("does not say its version: {status}")),
        Ok(End::Exited(_)) => Ok(said.text().lines().next().unwrap_or("no version").to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_begins_with_two_numbers() {
        assert_eq!(numbers("2.39.5 (Debian)"), Some((2, 39)));
        assert_eq!(numbers("2.9-rc1"), Some((2, 9)));
        assert_eq!(numbers("master"), None);
        assert!(numbers("2.9").unwrap() < OLDEST_GIT);
    }

    fn shell(script: &str) -> Command {
        // `--version` becomes the script's $0.
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn a_version_is_one_line_or_a_reason() {
        assert_eq!(version(shell("printf '1.2\\nmore\\n'")).await, Ok("1.2".to_owned()));
        assert_eq!(version(shell("")).await, Ok("no version".to_owned()));
        assert!(version(shell("exit 3")).await.unwrap_err().contains("exit status: 3"));
        assert!(version(Command::new("/no/such/program")).await.unwrap_err().starts_with("cannot be run"));
    }
}
