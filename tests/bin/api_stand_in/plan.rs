//! The worker of a plan, as the prompt of a loop asks for it: a conversation does the first open task, ticks its box and
//! commits; its last words are the done word only when no box is open any more. Before that the word stands in prose,
//! where it must not count.

use crate::scenario::{Bash, Step};

/// Does, ticks and commits the first open task, and prints how many are left.
const NEXT_TASK: &str = r#"set -e
plan=IMPLEMENTATION_PLAN.md
open='^[[:space:]]*- \[ \]'
line=$(grep -nE "$open" "$plan" | head -1 | cut -d: -f1)
if [ -n "$line" ]; then
  sed -i "${line}s/- \[ \]/- [x]/" "$plan"
  echo "implemented the task on line $line" >> work.txt
  git add -A && git commit -q -m "task on line $line"
fi
echo "OPEN=$(grep -cE "$open" "$plan" || true)""#;

/// The answer to a conversation whose last tool said `output`; `None` before the first tool.
pub(crate) fn answer(output: Option<&str>) -> Step {
    let Some(output) = output else {
        let bash = Bash { command: NEXT_TASK.to_owned(), background: false };
        return Step { say: "Picking the next open task.".to_owned(), bash: Some(bash) };
    };
    let say = match open_tasks(output) {
        Some(0) => "Every box is ticked and committed.\n\n/done".to_owned(),
        Some(open) => format!("Committed one task; {open} open. When none is left I will print /done as told."),
        None => format!("The task could not be done: {output}"),
    };
    Step { say, bash: None }
}

/// The count that [`NEXT_TASK`] prints.
fn open_tasks(output: &str) -> Option<u32> {
    output.lines().find_map(|line| line.strip_prefix("OPEN=")?.trim().parse().ok())
}
