//! `swarm demo`: the loop at work within seconds, in a scratch project, with a small program in the agent's place. It costs
//! nothing, needs no network, and what it shows is the real loop: the command is printed.

use super::assemble::block_on;
use super::cmd_demo_agent::TASKS;
use super::error::{Error, Result};
use super::print;
use super::settings::KEYS;
use crate::model::Boxes;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the agent is told.
const PROMPT: &str = "\
Read IMPLEMENTATION_PLAN.md. Do the first open task, and only that one; tick its box; commit.
When no open task is left, end your answer with /done on a line of its own.
";

/// First line of the plan. The demo's agent works on no other plan than the demo's.
pub(super) const MARK: &str = "<!-- made by swarm demo -->";

/// What must pass before the claim to be done is accepted.
const CHECK: &str = "sh test.sh";

/// More iterations than there are tasks: the loop ends because the work is done.
const ITERATIONS: &str = "8";

/// No more demos than these lie around at once.
const MAX_FOLDERS: u32 = 1000;

/// Runs the verb and returns the loop's exit code.
pub(super) fn run() -> Result<u8> {
    find_git()?;
    let demo = Demo { folder: make_folder()? };
    // Half a project is of no use to anybody.
    demo.make_project().inspect_err(|_| drop(std::fs::remove_dir_all(&demo.folder)))?;
    demo.announce();
    let status = block_on(demo.run_loop())??;
    demo.tell();
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Before anything is made.
fn find_git() -> Result<()> {
    git(&std::env::temp_dir(), &["--version"]).stdout(Stdio::null()).status().map(drop).map_err(no_git)
}

fn no_git(error: io::Error) -> Error {
    Error::failed(format!("cannot start git: {error}"))
        .hint("install git (apt-get install git); the demo works in a repository")
}

/// A git in which nothing of the user's settings is heard: no signing, no hooks, no templates.
pub(super) fn git(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    isolate(&mut command);
    command.args(["-c", "user.name=swarm demo", "-c", "user.email=demo@localhost", "-c", "init.defaultBranch=main"]);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

fn isolate(command: &mut Command) {
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TEMPLATE_DIR", "");
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"].iter().for_each(|name| _ = command.env_remove(name));
}

/// One demo: everything lies in its folder, and stays there to be looked at.
struct Demo {
    folder: PathBuf,
}

impl Demo {
    fn project(&self) -> PathBuf {
        self.folder.join("project")
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    fn make_project(&self) -> Result<()> {
        let project = self.project();
        let boxes: String = TASKS.iter().map(|task| format!("- [ ] {}\n", task.title)).collect();
        let write = || {
            std::fs::create_dir(&project)?;
            std::fs::write(project.join("PROMPT.md"), PROMPT)?;
            std::fs::write(project.join("IMPLEMENTATION_PLAN.md"), format!("{MARK}\n# Plan\n\n{boxes}"))
        };
        write().map_err(|error| cannot_write(&project, &error))?;
        self.git(&["init", "--quiet"])?;
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message=A prompt and a plan"]).map(drop)
    }

    /// What a git command prints.
    fn git(&self, arguments: &[&str]) -> Result<String> {
        let output = git(&self.project(), arguments).output().map_err(no_git)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::failed(format!("git {} failed: {said}", arguments.join(" "))))
    }

    fn announce(&self) {
        print::line(&format!("A scratch project: {}", self.project().display()));
        print::line(
            "It holds a prompt and a plan with four tasks. A small program plays the agent: no cost, no network.",
        );
        print::line(&format!(
            "$ swarm loop {ITERATIONS} PROMPT.md --verify '{CHECK}' --agent claude -- swarm demo-agent\n"
        ));
    }

    /// The loop as a process of its own: what it finds in its environment must not be what the user has there.
    async fn run_loop(&self) -> Result<ExitStatus> {
        let failed = |error: io::Error| Error::failed(format!("cannot run the loop: {error}"));
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(&program);
        command.args(["loop", ITERATIONS, "PROMPT.md", "--name", "demo", "--verify", CHECK, "--agent", "claude", "--"]);
        command.arg(&program).arg("demo-agent").current_dir(self.project()).stdin(Stdio::null());
        isolate(&mut command);
        for key in KEYS {
            command.env_remove(super::settings::env_name(key));
            key.legacy.into_iter().for_each(|name| _ = command.env_remove(name));
        }
        command.env("SWARM_HOME", self.state()).env("XDG_CONFIG_HOME", self.folder.join("config"));
        let signals = Signals::new().map_err(failed)?;
        let child = command.spawn().map_err(failed)?;
        signals.wait_for(child).await.map_err(failed)
    }

    /// What happened, and what to do next.
    fn tell(&self) {
        let project = self.project();
        let plan = std::fs::read_to_string(project.join("IMPLEMENTATION_PLAN.md")).unwrap_or_default();
        let boxes = Boxes::count(&plan);
        print::line(&format!(
            "\nWhat happened: {} of {} boxes are ticked, by these commits:",
            boxes.done,
            boxes.total()
        ));
        let log = self.git(&["log", "--oneline", "--reverse"]).unwrap_or_default();
        log.lines().for_each(|line| print::line(&format!("  {line}")));
        let (state, shown) = (self.state().display().to_string(), project.display().to_string());
        print::line(&format!("\nLook at it:\n  cd {shown}"));
        print::line("  cat .loop-logs/iteration-1.log          what the agent said (.log.raw: its own stream)");
        print::line(&format!("  SWARM_HOME={state} swarm explain       why each iteration ended, and the run"));
        print::line("\nWith a real agent, in a repository of yours, with a prompt like this PROMPT.md:");
        print::line(
            "  swarm loop 15 PROMPT.md                 needs `claude` (npm install -g @anthropic-ai/claude-code)",
        );
        print::line(&format!("\nAll of this demo is gone with: rm -r {}", self.folder.display()));
    }
}

/// Signals to the demo while its loop runs. The terminal sends them to both; then the loop ends in its own time, and the
/// demo must still be there. One that was sent to the demo alone is passed on.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn wait_for(mut self, mut child: Child) -> io::Result<ExitStatus> {
        let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
        let mut ended = signal(SignalKind::child())?;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            let passed = tokio::select! {
                _ = ended.recv() => continue,
                _ = self.interrupt.recv() => continue,
                _ = self.terminate.recv() => nix::sys::signal::Signal::SIGTERM,
                _ = self.hang_up.recv() => nix::sys::signal::Signal::SIGHUP,
            };
            // Our own child, not yet reaped: nobody else has its number.
            nix::sys::signal::kill(pid, passed)?;
        }
    }
}

/// A fresh private folder in the system's own for temporary things.
fn make_folder() -> Result<PathBuf> {
    let parent = std::env::temp_dir();
    for number in 1..=MAX_FOLDERS {
        let folder = parent.join(format!("swarm-demo-{number}"));
        match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot_write(&folder, &error)),
        }
    }
    Err(Error::failed(format!("there are {MAX_FOLDERS} demos in {}", parent.display()))
        .hint(format!("remove them: rm -r {}/swarm-demo-*", parent.display())))
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    Error::cannot_write(format!("cannot write {}: {error}", path.display()))
        .hint("set TMPDIR to a folder that can be written")
}
