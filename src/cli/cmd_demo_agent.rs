//! `swarm demo-agent` (hidden): plays the agent of `swarm demo`. It reads its prompt from standard input, does the first
//! open task of the plan, ticks the box, commits, and tells about it in the stream that claude speaks.

use super::cmd_demo::{MARK, git};
use super::error::{Error, Result};
use super::{print, runs};
use crate::model::Boxes;
use serde_json::{Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So that a person can follow.
const PAUSE: Duration = Duration::from_millis(120);

/// The prompt is read so far.
const MAX_PROMPT: u64 = 1 << 20;

/// One task of the demo's plan, and how it is done.
pub(super) struct Task {
    /// Its line in the plan.
    pub(super) title: &'static str,
    file: &'static str,
    text: &'static str,
}

/// The plan.
pub(super) const TASKS: [Task; 4] = [
    Task { title: "greet.sh says hello", file: "greet.sh", text: "#!/bin/sh\necho \"Hello, world!\"\n" },
    Task { title: "greet.sh takes a name", file: "greet.sh", text: "#!/bin/sh\necho \"Hello, ${1:-world}!\"\n" },
    Task { title: "test.sh checks both", file: "test.sh", text: TEST },
    Task { title: "README.md says how to use it", file: "README.md", text: README },
];

const TEST: &str = "\
#!/bin/sh
set -e
test \"$(sh greet.sh)\" = 'Hello, world!'
test \"$(sh greet.sh Ada)\" = 'Hello, Ada!'
echo 'both greetings are right'
";

const README: &str = "# A greeting\n\n    sh greet.sh [NAME]\n\nTests: `sh test.sh`\n";

/// Does one task in the current folder and returns the exit code.
pub(super) fn run() -> Result<u8> {
    let begun = Instant::now();
    let agent = Agent { folder: runs::current_folder()? };
    let plan = agent.read_plan()?;
    let mut prompt = String::new();
    std::io::stdin().take(MAX_PROMPT).read_to_string(&mut prompt).map_err(|error| failed("read the prompt", &error))?;
    say(json!({"type": "system", "subtype": "init", "model": "demo", "cwd": agent.folder, "tools": ["Write", "Bash"]}));
    let open = Boxes::count(&plan).first_open;
    if let Some(title) = &open {
        agent.work(title, &plan)?;
    }
    let left = Boxes::count(&agent.read_plan()?).open;
    let answer = match left {
        0 => "Every box is ticked, and the test passes.\n\n/done".to_owned(),
        _ => format!("{} is done; tasks left: {left}.", open.unwrap_or_default()),
    };
    say_text(&answer);
    say(json!({
        "type": "result", "subtype": "success", "is_error": false, "result": answer, "terminal_reason": "completed",
        "num_turns": 3, "total_cost_usd": 0.0, "duration_ms": begun.elapsed().as_millis() as u64,
        "usage": {"input_tokens": prompt.len() as u64 / 4, "output_tokens": answer.len() as u64 / 4},
    }));
    Ok(0)
}

/// Works in one folder.
struct Agent {
    folder: PathBuf,
}

impl Agent {
    fn plan(&self) -> PathBuf {
        self.folder.join("IMPLEMENTATION_PLAN.md")
    }

    /// The plan, if it is the demo's: this agent asks nobody before it writes and commits.
    fn read_plan(&self) -> Result<String> {
        let text = std::fs::read_to_string(self.plan()).map_err(|error| failed("read the plan", &error))?;
        if text.lines().next() != Some(MARK) {
            return Err(Error::usage("this is not the project of a demo").hint("run `swarm demo`; it makes one"));
        }
        Ok(text)
    }

    /// Does the task `title`, ticks its box in `plan`, commits.
    fn work(&self, title: &str, plan: &str) -> Result<()> {
        let Some(task) = TASKS.iter().find(|task| task.title == title) else {
            return Err(Error::failed(format!("the demo has no task `{title}`")));
        };
        say_text(&format!("The first open task: {title}."));
        self.write(&self.folder.join(task.file), task.text)?;
        self.write(&self.plan(), &plan.replacen("- [ ]", "- [x]", 1))?;
        self.commit(title)
    }

    fn write(&self, path: &Path, text: &str) -> Result<()> {
        std::fs::write(path, text).map_err(|error| failed("write", &error))?;
        say_tool("Write", json!({"file_path": path, "content": text}), "written");
        Ok(())
    }

    fn commit(&self, title: &str) -> Result<()> {
        let message = format!("--message={title}");
        for arguments in [&["add", "--all"][..], &["commit", "--quiet", &message]] {
            let output = git(&self.folder, arguments).output().map_err(|error| failed("start git", &error))?;
            if !output.status.success() {
                return Err(Error::failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
            }
        }
        say_tool("Bash", json!({"command": format!("git add --all && git commit --message='{title}'")}), "committed");
        Ok(())
    }
}

fn failed(what: &str, error: &std::io::Error) -> Error {
    Error::failed(format!("cannot {what}: {error}"))
}

/// A line of the stream.
fn say(line: Value) {
    print::line(&line.to_string());
    std::thread::sleep(PAUSE);
}

fn say_text(text: &str) {
    say_block(json!({"type": "text", "text": text}));
}

/// A tool call and its result.
fn say_tool(name: &str, input: Value, result: &str) {
    say_block(json!({"type": "tool_use", "id": "toolu_demo", "name": name, "input": input}));
    let block = json!({"type": "tool_result", "tool_use_id": "toolu_demo", "content": result});
    say(json!({"type": "user", "message": {"role": "user", "content": [block]}, "parent_tool_use_id": null}));
}

fn say_block(block: Value) {
    let message = json!({"type": "message", "role": "assistant", "model": "demo", "content": [block]});
    say(json!({"type": "assistant", "message": message, "parent_tool_use_id": null}));
}
