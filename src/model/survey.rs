//! What stands in the work tree: the ground for "did this iteration get anywhere?".

use serde::{Deserialize, Serialize};

/// The work tree as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Survey {
    /// The commit of HEAD; `None` outside a repository or before the first commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// What git says of uncommitted work; asked only where nothing else shows progress.
    #[serde(default)]
    pub tree: Tree,
    /// The plan's boxes, if there is a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boxes: Option<Boxes>,
}

/// Uncommitted work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tree {
    /// Not asked, or there is no repository.
    #[default]
    Unknown,
    /// Nothing uncommitted.
    Clean,
    /// Something uncommitted; the fingerprint is over paths, states, sizes and times.
    Dirty(u64),
}

/// A plan's boxes, counted as the runbook's own `grep` does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Boxes {
    /// `- [x]`.
    pub done: u32,
    /// `- [ ]`.
    pub open: u32,
    /// Text of the first open box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_open: Option<String>,
    /// Lines that look like boxes but are spelled so that the count misses them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub misspelled: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Boxes {
    /// Counts the boxes of a plan. The two patterns are the runbook's: `^\s*-\s*\[x\]` and `^\s*-\s*\[ \]`. Lines such as
    /// `* [x]`, `- [X]` or `1. [ ]` are counted as misspelled.
    pub fn count(plan: &str) -> Boxes {
        let mut boxes = Boxes::default();
        for line in plan.lines() {
            let line = line.trim_start();
            match line.strip_prefix('-').map(str::trim_start) {
                Some(rest) if rest.starts_with("[x]") => boxes.done += 1,
                Some(rest) if rest.starts_with("[ ]") => {
                    boxes.open += 1;
                    boxes.first_open.get_or_insert_with(|| rest[3..].trim().to_owned());
                }
                Some(rest) => boxes.misspelled += u32::from(looks_like_box(rest)),
                None => boxes.misspelled += u32::from(looks_like_box(after_list_mark(line))),
            }
        }
        boxes
    }

    /// All boxes.
    pub fn total(&self) -> u32 {
        self.done + self.open
    }
}

/// `[X]`, `[]`, `[ x ]`, `[x ]`: a box to a person, not to the pattern.
fn looks_like_box(text: &str) -> bool {
    let Some((inside, _)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) else { return false };
    inside.len() <= 3 && matches!(inside.trim(), "" | "x" | "X")
}

/// What stands behind `* `, `+ ` or `1. `; nothing for a line that is no list item.
fn after_list_mark(line: &str) -> &str {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let marks: &[char] = if rest.len() < line.len() { &['.', ')'] } else { &['*', '+'] };
    rest.strip_prefix(marks).map_or("", str::trim_start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_the_runbook_greps() {
        let boxes = Boxes::count(
            "# Plan\n- [x] one\n  - [ ] two\n-[ ]three\n* [x] star\n- [X] upper\n1. [ ] number\n- [link](x)\n",
        );
        assert_eq!((boxes.done, boxes.open, boxes.misspelled), (1, 2, 3));
        assert_eq!(boxes.first_open.as_deref(), Some("two"));
        assert_eq!(boxes.total(), 3);
    }
}
