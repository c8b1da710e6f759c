//! hedge: replaced by the real one
use super::error::Result;
use super::loop_settings::LoopSettings;
use crate::agent::{DoneRule, Scan};
use crate::driver::seams::*;
use crate::engine::Problem;
use crate::engine::board::Open;
use crate::host::files;
use crate::journal::*;
use crate::model::*;
use std::path::PathBuf;
pub(super) struct Ws {
    run: PathBuf,
    folder: PathBuf,
    logs: PathBuf,
    settings: LoopSettings,
    rule: DoneRule,
}
pub(super) fn build(folder: &RunFolder, record: &RunRecord, settings: &LoopSettings) -> Result<Ws> {
    Ok(Ws {
        run: folder.path().to_owned(),
        folder: record.folder.clone(),
        logs: record.folder.join(".loop-logs"),
        settings: settings.clone(),
        rule: settings.rule()?,
    })
}
impl Ws {
    fn survey(&self) -> Survey {
        let boxes = self.settings.plan.as_ref().and_then(|p| std::fs::read_to_string(p).ok()).map(|t| Boxes::count(&t));
        let out = std::process::Command::new("git").args(["rev-parse", "HEAD"]).current_dir(&self.folder).output();
        let head =
            out.ok().filter(|o| o.status.success()).map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
        Survey { head, tree: Tree::Unknown, boxes }
    }
    fn prep(&self, attempt: &AttemptId, log: Option<u32>, refused: Option<String>) -> std::io::Result<Ready> {
        let mut prompt = std::fs::read(&self.settings.prompt)?;
        if let Some(refused) = refused {
            prompt.extend_from_slice(b"\n\nRefused: ");
            prompt.extend_from_slice(refused.as_bytes());
        }
        let dir = self.run.join("attempts").join(attempt.folder());
        files::create_folder(&dir)?;
        std::fs::write(dir.join("prompt"), prompt)?;
        files::create_folder(&self.logs)?;
        let log = match log {
            Some(log) => log,
            None => {
                let mut n = 1;
                while self.logs.join(format!("iteration-{n}.log")).exists() {
                    n += 1;
                }
                files::create_private(&self.logs.join(format!("iteration-{n}.log")))?;
                n
            }
        };
        let size = |s: &str| {
            std::fs::metadata(self.logs.join(format!("iteration-{log}.log{s}"))).map(|m| m.len()).unwrap_or(0)
        };
        Ok(Ready { log, raw_from: size(".raw"), text_from: size(""), survey: self.survey() })
    }
}
impl Workspace for Ws {
    fn prepare(
        &self,
        attempt: &AttemptId,
        log: Option<u32>,
        refused: Option<String>,
        _before: Option<Survey>,
    ) -> impl Future<Output = std::result::Result<Ready, Problem>> + 'static {
        let r = self
            .prep(attempt, log, refused)
            .map_err(|e| Problem::PromptGone(format!("{}: {e}", self.settings.prompt.display())));
        async move { r }
    }
    fn launch(&self, open: &Open) -> std::result::Result<Launch, LaunchError> {
        Ok(Launch {
            attempt: open.attempt.clone(),
            argv: self.settings.argv(open.budget),
            cwd: self.folder.clone(),
            env: self.settings.agent().env(),
            stdin: self.run.join("attempts").join(open.attempt.folder()).join("prompt"),
            out: self.raw_log(open.log),
            err: self.logs.join(format!("iteration-{}.err", open.log)),
            keep_children: self.settings.keep_children,
        })
    }
    fn raw_log(&self, log: u32) -> PathBuf {
        self.logs.join(format!("iteration-{log}.log.raw"))
    }
    fn scanner(&self) -> Box<dyn Scan + Send> {
        self.settings.agent().scanner(&self.rule)
    }
    fn last_words(&self, _open: &Open) -> Vec<u8> {
        vec![]
    }
    fn after(&self, _open: &Open, _exit: &Exit) -> impl Future<Output = (Survey, Vec<Note>)> + 'static {
        let s = self.survey();
        async move { (s, vec![]) }
    }
    fn push(&self) -> impl Future<Output = Option<String>> + 'static {
        async { Some("no push yet".to_owned()) }
    }
    fn verify(&self, _attempt: &AttemptId) -> impl Future<Output = (bool, String)> + 'static {
        async { (true, String::new()) }
    }
}
