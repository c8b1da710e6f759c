//! What is done around the one attempt of a worker: its logs are named, and its words are read. It has no prompt, no plan
//! and no check.

use super::environment::Change;
use super::plan::WorkerPlan;
use crate::agent::{Agent, DoneMatch, DoneRule, Scan};
use crate::driver::seams::{Ready, Workspace};
use crate::engine::Problem;
use crate::engine::board::Open;
use crate::host::files;
use crate::journal::WorkerLogs;
use crate::model::{AttemptId, Exit, Launch, LaunchError, Note, Streams, Survey};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The end of standard error that a verdict may need.
const LAST_WORDS: u64 = 64 * 1024;

/// A worker's workspace.
#[derive(Clone)]
pub(super) struct WorkerSpace(Rc<Parts>);

struct Parts {
    plan: WorkerPlan,
    logs: WorkerLogs,
    /// None for a worker that is taken over: that is never started again.
    env: Option<Vec<Change>>,
    rule: DoneRule,
}

/// A pattern that no text matches: a worker is asked for no claim.
const NO_CLAIM: &str = r"[^\s\S]";

impl WorkerSpace {
    /// Touches nothing. Without `env` nothing can be launched.
    pub(super) fn new(plan: WorkerPlan, logs: WorkerLogs, env: Option<Vec<Change>>) -> io::Result<WorkerSpace> {
        let rule = DoneRule::new(NO_CLAIM, DoneMatch::Last).map_err(io::Error::other)?;
        Ok(WorkerSpace(Rc::new(Parts { plan, logs, env, rule })))
    }

    fn in_window(&self) -> bool {
        self.0.plan.entry.tmux.is_some()
    }

    fn streams(&self) -> Streams {
        match self.in_window() {
            true => Streams::Terminal,
            false => {
                Streams::Files { stdin: "/dev/null".into(), out: self.0.logs.out(), err: self.0.logs.err(), show: None }
            }
        }
    }
}

/// Which agent's words a command writes: that of its program, if it is asked for them in the form that we can read.
fn agent_of(cmd: &[String]) -> Agent {
    let program = cmd.first().map(|program| Path::new(program).file_name().unwrap_or_default());
    let streams_json = cmd.iter().any(|word| word == "stream-json" || word == "--output-format=stream-json");
    match program {
        Some(program) if program == Agent::Claude.program() && streams_json => Agent::Claude,
        _ => Agent::Plain,
    }
}

impl Workspace for WorkerSpace {
    fn prepare(
        &self,
        _attempt: &AttemptId,
        _log: Option<u32>,
        _refused: Option<String>,
        _before: Option<Survey>,
    ) -> impl Future<Output = Result<Ready, Problem>> + 'static {
        let size = |log: PathBuf| log.metadata().map_or(0, |log| log.len());
        // A worker has no text log: what is noted there is where its standard error begins. What an earlier life of it wrote
        // says nothing of this one's end.
        let (raw_from, text_from) = (size(self.0.logs.out()), size(self.0.logs.err()));
        async move { Ok(Ready { log: 0, raw_from, text_from, survey: Survey::default() }) }
    }

    fn launch(&self, open: &Open) -> Result<Launch, LaunchError> {
        let entry = &self.0.plan.entry;
        let Some(env) = self.0.env.clone() else {
            let message = "it was started before, and what became of it is not known".to_owned();
            return Err(LaunchError { message, permanent: true });
        };
        Ok(Launch {
            attempt: open.attempt.clone(),
            argv: entry.cmd.iter().map(OsString::from).collect(),
            cwd: entry.cwd.clone().into(),
            env,
            streams: self.streams(),
            keep_children: false,
        })
    }

    fn raw_log(&self, _log: u32) -> PathBuf {
        self.0.logs.out()
    }

    fn scanner(&self) -> Box<dyn Scan + Send> {
        // A worker in a terminal is read by people: what it draws there is no protocol.
        let agent = if self.in_window() { Agent::Plain } else { agent_of(&self.0.plan.entry.cmd) };
        agent.scanner(&self.0.rule)
    }

    fn last_words(&self, open: &Open) -> Vec<u8> {
        files::read_end(&self.0.logs.err(), open.text_from, LAST_WORDS).unwrap_or_default()
    }

    fn after(&self, _open: &Open, _exit: &Exit) -> impl Future<Output = (Survey, Vec<Note>)> + 'static {
        std::future::ready((Survey::default(), Vec::new()))
    }

    fn push(&self) -> impl Future<Output = Option<String>> + 'static {
        std::future::ready(None)
    }

    fn verify(&self, _attempt: &AttemptId) -> impl Future<Output = (bool, String)> + 'static {
        std::future::ready((true, String::new()))
    }
}
