//! `swarm loop ls`.

use super::columns::aligned;
use super::events::SCHEMA;
use super::status::Status;

/// The columns.
const HEAD: [&str; 7] = ["NAME", "STATE", "ITERATION", "BOXES", "COST", "TIME", "DETAIL"];

/// A table for people: one line a run, columns as wide as their widest cell.
pub fn human(runs: &[Status]) -> String {
    if runs.is_empty() {
        return "no loops\n".to_owned();
    }
    let rows: Vec<[String; 7]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(runs.iter().map(Status::cells)).collect();
    aligned(&rows)
}

/// `{"schema": 1, "loops": […]}`, one line; each loop as in `swarm loop status --format json`.
pub fn json(runs: &[Status]) -> String {
    // Strings, numbers and lists always serialize.
    let loops = serde_json::to_string(runs).unwrap_or_default();
    format!("{{\"schema\":{SCHEMA},\"loops\":{loops}}}\n")
}
