//! A place of its own for one test of the command line: a repository, a scratch HOME and state folder, nothing of the
//! tester's environment.
#![allow(dead_code, reason = "each test program uses its own part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The folders, gone with the value.
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// With a repository that holds a prompt and nothing else.
    pub(crate) fn new() -> Scratch {
        let scratch = Scratch { folder: tempfile::tempdir().unwrap() };
        for name in ["repo", "home", "tmp"] {
            std::fs::create_dir(scratch.path(name)).unwrap();
        }
        std::fs::write(scratch.repo().join("PROMPT.md"), "Do it. At the end say /done\n").unwrap();
        scratch.git(&["init", "--quiet", "--initial-branch=main"]);
        scratch.git(&["config", "user.name", "Tester"]);
        scratch.git(&["config", "user.email", "tester@localhost"]);
        scratch.git(&["add", "--all"]);
        scratch.git(&["commit", "--quiet", "--message=start"]);
        scratch
    }

    /// A path inside the scratch folder, outside of the repository.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The work tree.
    pub(crate) fn repo(&self) -> PathBuf {
        self.path("repo")
    }

    /// The state folder; made by the first run.
    pub(crate) fn state(&self) -> PathBuf {
        self.path("home/.swarm")
    }

    /// The file of the log folder.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.repo().join(".loop-logs").join(name)
    }

    /// `program` in the repository.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.repo()).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::var("PATH").unwrap()).env("LANG", "C.UTF-8").env("TZ", "UTC");
        command.env("HOME", self.path("home")).env("TMPDIR", self.path("tmp")).env("GIT_CONFIG_NOSYSTEM", "1");
        command
    }

    /// `swarm` with these arguments.
    pub(crate) fn swarm(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_swarm"));
        command.args(arguments);
        command
    }

    /// What a git command prints.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = self.command("git").args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Everything below `folder`, relative, sorted; nothing if it is missing.
    pub(crate) fn below(&self, folder: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut todo = vec![folder.to_owned()];
        while let Some(next) = todo.pop() {
            for entry in std::fs::read_dir(&next).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() && !path.is_symlink() {
                    todo.push(path.clone());
                }
                found.push(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
        found.sort();
        found
    }
}

/// Standard error as text.
pub(crate) fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
