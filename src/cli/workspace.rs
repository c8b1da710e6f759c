//! Builds the tree of a loop from its settings.

use super::error::Result;
use super::loop_settings::LoopSettings;
use super::runs;
use crate::driver::tree::{AgentCalls, Check, LoopTree, TreeSettings};
use crate::host::git::Push;
use crate::journal::{RunFolder, RunRecord};
use std::rc::Rc;

/// The tree of the run in `folder`.
pub(super) fn build(folder: &RunFolder, record: &RunRecord, settings: &LoopSettings) -> Result<LoopTree> {
    let timeout = settings.verify_timeout;
    Ok(LoopTree::new(TreeSettings {
        folder: record.folder.clone(),
        logs: runs::log_folder(&record.folder),
        run_folder: folder.path().to_owned(),
        run: record.id.clone(),
        name: record.name.clone(),
        prompt: settings.prompt.clone(),
        plan: settings.plan.clone(),
        check: settings.verify.clone().map(|command| Check { command, timeout }),
        push: Push { timeout: settings.push_timeout.duration() },
        keep_children: settings.keep_children,
        agent: agent(settings)?,
    }))
}

fn agent(settings: &LoopSettings) -> Result<AgentCalls> {
    let (agent, rule) = (settings.agent(), settings.rule()?);
    let settings = settings.clone();
    Ok(AgentCalls {
        argv: Rc::new(move |budget| settings.argv(budget)),
        env: agent.env(),
        scanner: Rc::new(move || agent.scanner(&rule)),
    })
}
