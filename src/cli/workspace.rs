//! Builds the tree that a loop's agents work in from the run's settings.

use super::error::Result;
use super::loop_settings::LoopSettings;
use super::runs;
use crate::driver::tree::{AgentCalls, Check, LoopTree, TreeSettings};
use crate::host::git::Push;
use crate::journal::{RunFolder, RunRecord};
use std::rc::Rc;

/// The tree of the run that `record` tells of.
pub(super) fn build(folder: &RunFolder, record: &RunRecord, settings: &LoopSettings) -> Result<LoopTree> {
    let (agent, rule) = (settings.agent(), settings.rule()?);
    let called = settings.clone();
    let calls = AgentCalls {
        argv: Rc::new(move |budget| called.argv(budget)),
        env: agent.env(),
        scanner: Rc::new(move || agent.scanner(&rule)),
    };
    let check = settings.verify.clone().map(|command| Check { command, timeout: settings.verify_timeout });
    Ok(LoopTree::new(TreeSettings {
        folder: record.folder.clone(),
        logs: runs::log_folder(&record.folder),
        run_folder: folder.path().to_owned(),
        run: record.id.clone(),
        name: record.name.clone(),
        prompt: settings.prompt.clone(),
        plan: settings.plan.clone(),
        check,
        push: Push { timeout: settings.push_timeout.duration() },
        keep_children: settings.keep_children,
        agent: calls,
    }))
}
