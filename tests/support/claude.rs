//! A place of its own for one test of the real agent CLI: a repository with a plan, a scratch HOME, the stand-in of the
//! API, and a network that has nothing else in it.
//!
//! The tests run as root, where the CLI wants `IS_SANDBOX=1`: it is set in the environment that the loop is started in,
//! and the loop passes it on. A second user would need a checkout that he can read and would tell us no more.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper of a test panics as the test would")]

use crate::api::Api;
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where `scripts/setup` puts the CLI.
const CLAUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/claude/node_modules/.bin/claude");

/// The plan that every repository starts with.
const PLAN: &str = "# Plan\n\n- [ ] first\n- [ ] second\n- [ ] third\n- [ ] fourth\n";

/// The prompt; what the agent answers comes from the scenario.
const PROMPT: &str = "Do the first open task of IMPLEMENTATION_PLAN.md, tick it, commit. None open: end with /done\n";

/// Everything that one test needs, and its end.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    pub(crate) api: Api,
}

impl Site {
    /// Sets it up and moves the calling thread (a test has its own) into a network where only the stand-in is.
    /// `None` where the CLI is missing by permission: the test is not run.
    pub(crate) fn new(scenario: &Value) -> Option<Site> {
        if !claude_is_there() {
            return None;
        }
        isolate_network();
        let folder = tempfile::tempdir().unwrap();
        let api = Api::start(folder.path(), scenario);
        let site = Site { folder, api };
        for name in ["repo", "home", "tmp"] {
            std::fs::create_dir(site.path(name)).unwrap();
        }
        std::fs::write(site.repo().join("IMPLEMENTATION_PLAN.md"), PLAN).unwrap();
        std::fs::write(site.repo().join("PROMPT.md"), PROMPT).unwrap();
        site.git(&["init", "--quiet", "--initial-branch=main"]);
        site.git(&["config", "user.name", "Tester"]);
        site.git(&["config", "user.email", "tester@localhost"]);
        site.git(&["add", "--all"]);
        site.git(&["commit", "--quiet", "--message=start"]);
        Some(site)
    }

    /// A path inside the site's folder, outside of the repository.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The work tree.
    pub(crate) fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    /// `program` in the repository, with nothing of the tester's own environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let tools = Path::new(CLAUDE).parent().unwrap().display().to_string();
        let path = format!("{tools}:{}", std::env::var("PATH").unwrap());
        let mut command = Command::new(program);
        command.current_dir(self.repo()).stdin(Stdio::null()).env_clear();
        command.env("PATH", path).env("HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
        command.env("LANG", "C.UTF-8").env("IS_SANDBOX", "1").env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("CLAUDE_CONFIG_DIR", self.path("home/.claude")).env("SWARM_HOME", self.path("home/.swarm"));
        command.env("ANTHROPIC_BASE_URL", self.api.url()).env("ANTHROPIC_API_KEY", "dummy");
        command.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1").env("DISABLE_AUTOUPDATER", "1");
        command.env("DISABLE_TELEMETRY", "1").env("DISABLE_ERROR_REPORTING", "1");
        command
    }

    /// What a git command prints.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = self.command("git").args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The subjects of the commits after the first, oldest first.
    pub(crate) fn commits(&self) -> Vec<String> {
        let log = self.git(&["log", "--reverse", "--format=%s"]);
        log.lines().skip(1).map(str::to_owned).collect()
    }

    /// Every process that was started from this site, known by its HOME.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let home = format!("HOME={}", self.path("home").display());
        let entries =
            std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let pids = entries.filter_map(|name| name.parse().ok());
        pids.filter(|pid| has_variable(*pid, home.as_bytes())).map(Pid::from_raw).collect()
    }

    /// The agent's own process, if it runs.
    pub(crate) fn agent(&self) -> Option<Pid> {
        let program = std::fs::canonicalize(CLAUDE).unwrap();
        let is_agent = |pid: &Pid| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
        self.processes().into_iter().find(is_agent)
    }
}

impl Drop for Site {
    /// A test that failed in the middle leaves processes; each is ended by its id.
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

fn has_variable(pid: i32, variable: &[u8]) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == variable)
}

/// Is the CLI installed? If not, that is a failure, or by permission a loud word past the test harness.
fn claude_is_there() -> bool {
    if Path::new(CLAUDE).exists() {
        return true;
    }
    let allowed = std::env::var("SWARM_ALLOW_MISSING").unwrap_or_default();
    assert!(
        allowed.split(',').any(|name| name == "claude"),
        "the claude CLI is missing: run scripts/setup (or scripts/test --allow-missing=claude, which leaves these tests out)"
    );
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    // Past the test harness, which hides what is printed by a test that passes.
    io::stderr().write_all(format!("NOT RUN for want of the claude CLI: {name}\n").as_bytes()).unwrap();
    false
}

/// Moves the calling thread, and what it starts from now on, into a network with a loopback interface and nothing else.
fn isolate_network() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network of its own for the agent CLI; run the tests as root");
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("ip, which scripts/setup installs");
    assert!(up.success(), "no loopback interface");
}
