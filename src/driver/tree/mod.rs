//! The real tree that a loop's agents work in, and what is done there around an attempt: the prompt composed, the logs
//! numbered, the tree looked at, a claim checked, the branch pushed.

mod check;
mod environment;
mod logs;
mod prompt;

pub use check::Check;

use super::seams::{Ready, Workspace};
use crate::agent::Scan;
use crate::engine::Problem;
use crate::engine::board::Open;
use crate::host::git::{Push, Repository};
use crate::host::{failpoint, files};
use crate::model::{
    AttemptId, Boxes, Exit, Launch, LaunchError, Note, RunId, Show, Status, Streams, Survey, Tree, Wall,
};
use logs::{Logs, Notes};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A longer plan is none.
const MAX_PLAN: u64 = 16 << 20;

/// How one agent is called and read: closures, so that the tree knows no agent.
#[derive(Clone)]
pub struct AgentCalls {
    /// Its command line when so many USD are left.
    pub argv: Rc<dyn Fn(Option<f64>) -> Vec<OsString>>,
    /// Changes to its environment: a value sets, `None` removes.
    pub env: Vec<(OsString, Option<OsString>)>,
    /// A fresh reader of its output.
    pub scanner: Rc<dyn Fn() -> Box<dyn Scan + Send>>,
}

/// All that a [`LoopTree`] is made of. Paths are absolute.
#[derive(Clone)]
pub struct TreeSettings {
    /// Where the agents run.
    pub folder: PathBuf,
    /// Where the logs lie.
    pub logs: PathBuf,
    /// The run's own folder; composed prompts are kept there.
    pub run_folder: PathBuf,
    /// The run.
    pub run: RunId,
    /// Its name, which the agents are told as theirs.
    pub name: String,
    /// The prompt file.
    pub prompt: PathBuf,
    /// The plan, if there is one.
    pub plan: Option<PathBuf>,
    /// What a claim must pass.
    pub check: Option<Check>,
    /// How the branch is pushed.
    pub push: Push,
    /// Leave descendants of a worker alone.
    pub keep_children: bool,
    /// The agent.
    pub agent: AgentCalls,
}

/// The tree of one loop.
#[derive(Clone)]
pub struct LoopTree(Rc<TreeSettings>);

impl LoopTree {
    /// Touches nothing yet.
    pub fn new(settings: TreeSettings) -> LoopTree {
        LoopTree(Rc::new(settings))
    }

    fn logs(&self) -> Logs<'_> {
        Logs::at(&self.0.logs)
    }

    fn notes<'a>(&'a self, attempt: &'a AttemptId) -> Notes<'a> {
        Notes { run: &self.0.run_folder, attempt }
    }

    /// The attempt's own folder; the runtime keeps its files there too.
    fn attempt(&self, attempt: &AttemptId) -> PathBuf {
        self.0.run_folder.join("attempts").join(attempt.folder())
    }

    /// Prompt and logs, in this order: a missing prompt takes no number.
    fn reserve(&self, attempt: &AttemptId, log: Option<u32>, refused: Option<&str>) -> Result<Ready, Problem> {
        let check = self.0.check.as_ref().map_or("", |check| check.command.as_str());
        let refusal = refused.map(|said| prompt::Refusal { check, said });
        let composed = prompt::compose(&self.0.prompt, refusal).map_err(Problem::PromptGone)?;
        let folder = self.attempt(attempt);
        keep_prompt(&folder, &composed).map_err(cannot_write(&folder))?;
        self.reserve_log(attempt, log).map_err(cannot_write(&self.0.logs))
    }

    fn reserve_log(&self, attempt: &AttemptId, log: Option<u32>) -> io::Result<Ready> {
        let logs = self.logs();
        failpoint::hit("prepare-before-log")?;
        logs.make_folder()?;
        let log = match log {
            Some(log) => logs.reuse(log, &self.notes(attempt))?,
            None => logs.reserve(&self.notes(attempt))?,
        };
        failpoint::hit("prepare-after-log")?;
        let (raw_from, text_from) = (logs::size(&logs.raw(log)), logs::size(&logs.text(log)));
        Ok(Ready { log, raw_from, text_from, survey: Survey::default() })
    }

    /// The tree before an attempt. What git says of uncommitted work is asked once at the run's beginning, then carried
    /// over, or not known: it is asked after an attempt, where it matters.
    async fn survey_before(&self, before: Option<Survey>) -> Survey {
        let repository = Repository::around(&self.0.folder);
        let (head, boxes) = (head(&repository).await, self.boxes());
        let tree = match (before, repository) {
            // The run's first look: what lies there uncommitted already is nobody's progress.
            (None, Some(repository)) => repository.status().await,
            (Some(before), _) if before.head == head && before.boxes == boxes => before.tree,
            _ => Tree::Unknown,
        };
        Survey { head, boxes, tree }
    }

    /// The tree after an attempt. A commit or a ticked box is progress enough: git status costs, and is left out then.
    async fn survey_after(&self, before: &Survey) -> Survey {
        let repository = Repository::around(&self.0.folder);
        let (head, boxes) = (head(&repository).await, self.boxes());
        let ticked = done(&boxes) > done(&before.boxes);
        let tree = match repository.filter(|_| head == before.head && !ticked) {
            Some(repository) => repository.status().await,
            None => Tree::Unknown,
        };
        Survey { head, boxes, tree }
    }

    fn boxes(&self) -> Option<Boxes> {
        let text = files::read_plain(self.0.plan.as_ref()?, MAX_PLAN).ok()?;
        Some(Boxes::count(&String::from_utf8_lossy(&text)))
    }

    /// Removes the git locks of an attempt that was ended in the middle of something. Only where nothing of it lives.
    fn clear_locks(&self, open: &Open, exit: &Exit) -> Vec<Note> {
        let by_itself = matches!(exit.status, Status::Code(code) if code < 128) && open.stopping.is_none();
        if by_itself || self.0.keep_children || !exit.left.is_empty() {
            return Vec::new();
        }
        let Some(repository) = Repository::around(&self.0.folder) else { return Vec::new() };
        let removed = repository.remove_stale_locks(self.began(open));
        removed.into_iter().map(|path| Note::RemovedLock { path: path.display().to_string() }).collect()
    }

    /// When the attempt began, by the clock that dates files. After a reboot the board only knows when it was resumed;
    /// the composed prompt is as old as the attempt.
    fn began(&self, open: &Open) -> Wall {
        use std::os::unix::fs::MetadataExt;
        let prompt = self.attempt(&open.attempt).join(PROMPT).metadata();
        let composed = prompt.map(|file| Wall(file.mtime() * 1000 + file.mtime_nsec() / 1_000_000));
        composed.map_or(open.opened.wall, |composed| composed.min(open.opened.wall))
    }

    fn environment(&self, attempt: &AttemptId) -> Vec<(OsString, Option<OsString>)> {
        environment::of(&self.0.agent.env, &self.0.run, &self.0.name, attempt)
    }
}

/// The commit that HEAD is at.
async fn head(repository: &Option<Repository>) -> Option<String> {
    repository.as_ref()?.head().await
}

/// Name of the composed prompt in the attempt's folder.
const PROMPT: &str = "prompt";

/// Keeps the composed prompt, private. Not synced, which would cost more than all else here together: a power cut in the
/// moment before the launch leaves it empty, and the launch looks.
fn keep_prompt(folder: &Path, composed: &[u8]) -> io::Result<()> {
    files::create_folder(folder)?;
    failpoint::hit("prepare-before-prompt")?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(folder.join(PROMPT))?.write_all(composed)
}

fn cannot_write(folder: &Path) -> impl FnOnce(io::Error) -> Problem {
    move |error| Problem::CannotWrite(format!("{}: {error}", folder.display()))
}

fn done(boxes: &Option<Boxes>) -> u32 {
    boxes.as_ref().map_or(0, |boxes| boxes.done)
}

impl Workspace for LoopTree {
    fn prepare(
        &self,
        attempt: &AttemptId,
        log: Option<u32>,
        refused: Option<String>,
        before: Option<Survey>,
    ) -> impl Future<Output = Result<Ready, Problem>> + 'static {
        let (tree, attempt) = (self.clone(), attempt.clone());
        async move {
            // The logs first: once their folder ignores itself, they are not taken for somebody's uncommitted work.
            let ready = tree.reserve(&attempt, log, refused.as_deref())?;
            Ok(Ready { survey: tree.survey_before(before).await, ..ready })
        }
    }

    fn launch(&self, open: &Open) -> Result<Launch, LaunchError> {
        let (logs, prompt) = (self.logs(), self.attempt(&open.attempt).join(PROMPT));
        if logs::size(&prompt) == 0 {
            let message = format!("the composed prompt {} was lost", prompt.display());
            return Err(LaunchError { message, permanent: false });
        }
        Ok(Launch {
            attempt: open.attempt.clone(),
            argv: (self.0.agent.argv)(open.budget),
            cwd: self.0.folder.clone(),
            env: self.environment(&open.attempt),
            streams: Streams::Files {
                stdin: prompt,
                out: logs.raw(open.log),
                err: logs.words(open.log),
                // From the header on, which stands there already.
                show: Some(Show { log: logs.text(open.log), from: open.text_from }),
            },
            keep_children: self.0.keep_children,
        })
    }

    fn raw_log(&self, log: u32) -> PathBuf {
        self.logs().raw(log)
    }

    fn scanner(&self) -> Box<dyn Scan + Send> {
        (self.0.agent.scanner)()
    }

    fn last_words(&self, open: &Open) -> Vec<u8> {
        self.logs().last_words(open.log, &self.notes(&open.attempt))
    }

    fn after(&self, open: &Open, exit: &Exit) -> impl Future<Output = (Survey, Vec<Note>)> + 'static {
        let (tree, open, exit) = (self.clone(), open.clone(), exit.clone());
        async move {
            let notes = tree.clear_locks(&open, &exit);
            (tree.survey_after(&open.survey).await, notes)
        }
    }

    fn push(&self) -> impl Future<Output = Option<String>> + 'static {
        let tree = self.clone();
        async move { tree.0.push.run(&tree.0.folder).await }
    }

    fn verify(&self, attempt: &AttemptId) -> impl Future<Output = (bool, String)> + 'static {
        let (tree, environment) = (self.clone(), self.environment(attempt));
        async move {
            match &tree.0.check {
                Some(check) => check.run(&tree.0.folder, &environment).await,
                None => (true, String::new()),
            }
        }
    }
}
