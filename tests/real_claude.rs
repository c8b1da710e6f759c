//! The real agent CLI under `swarm loop`, against the stand-in of the API: what the loop promises of an agent, kept with
//! the agent that people use. Each test has a repository, a HOME and a network of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper panics as its test would")]

#[path = "support/api.rs"]
mod api;
#[path = "support/claude.rs"]
mod claude;
#[path = "support/meeting.rs"]
mod meeting;
#[path = "support/running.rs"]
mod running;

use claude::Site;
use meeting::Meeting;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use running::{Finished, Running};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

/// `swarm loop` on the site's repository.
fn swarm_loop(site: &Site, arguments: &[&str]) -> Command {
    let mut command = site.command(env!("CARGO_BIN_EXE_swarm"));
    command.args(["loop", "--format", "json"]).args(arguments);
    command
}

/// Goes on with the loop that was started there, which keeps its own settings.
fn swarm_resume(site: &Site) -> Command {
    let mut command = site.command(env!("CARGO_BIN_EXE_swarm"));
    command.args(["loop", "--resume"]);
    command
}

/// Runs it to its end, after which nothing that it started may be left.
fn finish(site: &Site, command: Command) -> Finished {
    end(site, Running::start(command))
}

fn end(site: &Site, running: Running) -> Finished {
    let finished = running.finish();
    assert_eq!(site.processes(), [], "left behind: {finished:#?}");
    finished
}

/// How many iterations have a log: a repeated try has no log of its own.
fn logs(site: &Site) -> usize {
    let names = std::fs::read_dir(site.repo().join(".loop-logs")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".log.raw")).count()
}

/// A session that ends at once by the rule.
fn done() -> Value {
    json!({"steps": [{"say": "All is done.\n\n/done"}]})
}

#[test]
fn four_tasks_are_four_commits_and_done_by_the_rule() {
    let Some(site) = Site::new(&json!({"sessions": ["plan"]})) else { return };
    let run = finish(&site, swarm_loop(&site, &["8", "PROMPT.md"]));
    assert_eq!(run.code, 0, "{run:#?}");
    assert_eq!(run.endings(), ["clean", "clean", "clean", "done"], "the word in prose is not the end");
    assert_eq!(site.commits(), ["task on line 3", "task on line 4", "task on line 5", "task on line 6"]);
    assert_eq!(logs(&site), 4);
    assert_eq!(site.git(&["ls-files", ".loop-logs"]), "", "the agent's `git add` took the logs");
}

#[test]
fn a_usage_limit_is_waited_for_and_costs_no_iteration() {
    let limit = json!({"times": 1, "fault": {"usage_limit": {"resets_in_s": 4}}});
    let Some(site) = Site::new(&json!({"faults": [limit], "sessions": [done()]})) else { return };
    let mut command = swarm_loop(&site, &["1", "PROMPT.md"]);
    command.env_remove("ANTHROPIC_API_KEY").env("CLAUDE_CODE_OAUTH_TOKEN", "sk-ant-oat01-dummy");
    command.env("SWARM_LIMIT_MARGIN", "2");
    let run = finish(&site, command);
    assert_eq!(run.code, 0, "{run:#?}");
    assert_eq!(run.endings(), ["rate_limited", "done"]);
    assert_eq!(logs(&site), 1);
    let times = site.api.times();
    assert!(times[1] - times[0] >= Duration::from_secs(5), "asked again before the reset: {times:?}");
}

#[test]
fn an_overloaded_api_is_asked_again_by_the_same_iteration() {
    let Some(site) = Site::new(&json!({"faults": [{"times": 2, "fault": "overloaded"}], "sessions": [done()]})) else {
        return;
    };
    let mut command = swarm_loop(&site, &["1", "PROMPT.md"]);
    command.env("CLAUDE_CODE_MAX_RETRIES", "0");
    let run = finish(&site, command);
    assert_eq!(run.code, 0, "{run:#?}");
    assert_eq!(run.endings(), ["overloaded", "overloaded", "done"]);
    assert_eq!(logs(&site), 1);
    assert_eq!(site.api.served(), ["Overloaded", "Overloaded", "answer"]);
}

#[test]
fn a_key_that_is_refused_needs_a_person() {
    let Some(site) = Site::new(&json!({"faults": [{"times": 99, "fault": "unauthorized"}], "sessions": ["plan"]}))
    else {
        return;
    };
    let mut command = swarm_loop(&site, &["5", "PROMPT.md"]);
    command.env("CLAUDE_CODE_MAX_RETRIES", "0");
    let run = finish(&site, command);
    assert_eq!(run.code, 10, "{run:#?}");
    assert_eq!(run.endings(), ["auth_failure"]);
    assert!(run.words.contains("Invalid API key"), "{}", run.words);
    assert_eq!(site.api.served(), ["Unauthorized"]);
}

/// A session that starts a task in the background and then ends by the rule.
fn background() -> Value {
    let server = json!({"say": "Starting a server.", "bash": {"command": "exec sleep 300", "background": true}});
    json!({"steps": [server, {"say": "It runs.\n\n/done"}]})
}

#[test]
fn the_loop_forbids_background_tasks() {
    let Some(site) = Site::new(&json!({"sessions": [background()]})) else { return };
    let run = finish(&site, swarm_loop(&site, &["1", "PROMPT.md", "--result-grace", "50s"]));
    assert_eq!(run.code, 0, "{run:#?}");
    assert_eq!(run.endings(), ["done"]);
    assert!(!told(&run, "hung_after_result"), "it ended by itself: {run:#?}");
}

#[test]
fn an_agent_that_stays_for_its_background_task_is_ended_after_its_result() {
    let Some(site) = Site::new(&json!({"sessions": [background()]})) else { return };
    // The CLI's own settings win over the environment that the loop gives it.
    let settings = r#"--agent-arg=--settings={"env":{"CLAUDE_CODE_DISABLE_BACKGROUND_TASKS":"0"}}"#;
    let run = finish(&site, swarm_loop(&site, &["1", "PROMPT.md", "--result-grace", "1s", settings]));
    assert_eq!(run.code, 0, "{run:#?}");
    assert_eq!(run.endings(), ["done"], "the result line gives the verdict");
    assert!(told(&run, "hung_after_result"), "{run:#?}");
}

/// Does any event hold this word?
fn told(run: &Finished, word: &str) -> bool {
    run.events.iter().any(|event| event.to_string().contains(word))
}

#[test]
fn a_silent_stream_runs_into_the_idle_timeout() {
    let stall = json!({"times": 1, "fault": {"stall": {"seconds": 120}}});
    let Some(site) = Site::new(&json!({"faults": [stall], "sessions": [done()]})) else { return };
    let run = finish(&site, swarm_loop(&site, &["2", "PROMPT.md", "--idle-timeout", "10s"]));
    assert_eq!(run.code, 0, "{run:#?}");
    assert_eq!(run.endings(), ["idle_timeout", "done"]);
    assert_eq!(logs(&site), 2, "a used iteration");
}

/// First a session whose tool says `started` and goes on for long, then one that ends at once.
fn long_tool() -> Value {
    let tool = json!({"say": "Testing.", "bash": {"command": "echo $$ > ../started; exec sleep 300"}});
    json!({"sessions": [{"steps": [tool, {"say": "Tested."}]}, done()]})
}

/// A loop whose agent is in the middle of its tool, and the tool.
fn in_the_tool(site: &Site) -> (Running, Pid) {
    let started = Meeting::new(site.path("started"));
    let running = Running::start(swarm_loop(site, &["2", "PROMPT.md"]));
    let tool = started.hear().trim().parse().unwrap();
    (running, Pid::from_raw(tool))
}

/// Processes are known by their HOME; of a tool the CLI might have changed that.
fn assert_gone(process: Pid) {
    assert_eq!(kill(process, None), Err(Errno::ESRCH), "the tool outlived its agent");
}

#[test]
fn an_agent_killed_in_the_middle_of_a_tool_takes_the_tool_with_it() {
    let Some(site) = Site::new(&long_tool()) else { return };
    let (running, tool) = in_the_tool(&site);
    kill(site.agent().expect("the agent runs its tool"), Signal::SIGKILL).unwrap();
    let run = end(&site, running);
    assert_eq!(run.code, 0, "{run:#?}");
    assert_eq!(run.endings(), ["killed", "done"]);
    assert_gone(tool);
}

#[test]
fn an_agent_interrupted_by_somebody_has_failed_although_it_exits_with_0() {
    let Some(site) = Site::new(&long_tool()) else { return };
    let (running, tool) = in_the_tool(&site);
    kill(site.agent().expect("the agent runs its tool"), Signal::SIGINT).unwrap();
    let run = end(&site, running);
    assert_eq!(run.code, 0, "{run:#?}");
    assert_eq!(run.endings(), ["interrupted", "done"]);
    assert_gone(tool);
}

#[test]
fn ctrl_c_in_the_middle_of_a_tool_leaves_nothing() {
    let Some(site) = Site::new(&long_tool()) else { return };
    let (running, tool) = in_the_tool(&site);
    kill(running.pid, Signal::SIGINT).unwrap();
    let run = end(&site, running);
    assert_eq!(run.code, 128 + Signal::SIGINT as i32, "{run:#?}");
    assert_eq!(run.endings(), ["stopped"]);
    assert_gone(tool);
}

#[test]
fn a_supervisor_killed_in_the_middle_of_a_tool_is_replaced() {
    let tool = json!({"say": "Testing.", "bash": {"command": "echo $$ > ../started; cat ../go"}});
    let Some(site) = Site::new(&json!({"sessions": [{"steps": [tool, {"say": "Tested.\n\n/done"}]}]})) else { return };
    let (started, go) = (Meeting::new(site.path("started")), Meeting::new(site.path("go")));
    let first = Running::start(swarm_loop(&site, &["2", "PROMPT.md"]));
    started.hear();
    let agent = site.agent().expect("the agent runs its tool");
    kill(first.pid, Signal::SIGKILL).unwrap();
    assert_eq!(first.finish().code, 128 + Signal::SIGKILL as i32);
    assert_eq!(site.agent(), Some(agent), "the agent went on");
    let mut second = Running::start(swarm_resume(&site));
    second.wait_for(|event| event.to_string().contains("adopted"));
    go.say("go on");
    let run = end(&site, second);
    assert_eq!(run.code, 0, "{run:#?}");
    assert_eq!(run.endings(), ["done"]);
    assert_eq!(site.api.served(), ["tool", "answer"], "one agent, one conversation");
    assert_eq!(logs(&site), 1);
}
