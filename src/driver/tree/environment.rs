//! The environment of an attempt, as changes to the supervisor's own.

use crate::model::{AttemptId, RunId};
use std::ffi::{OsStr, OsString};

/// A change: a value sets, `None` removes.
type Change = (OsString, Option<OsString>);

/// Settings that git gets through the environment. Without them a commit may start a `git gc` in a session of its own,
/// which outlives the iteration or is killed in the middle of it.
const GIT: [(&str, &str); 2] = [("gc.autoDetach", "false"), ("maintenance.autoDetach", "false")];

/// The agent's own changes, who it is, and [`GIT`].
pub(super) fn of(agent: &[Change], run: &RunId, name: &str, attempt: &AttemptId) -> Vec<Change> {
    let mut changes = agent.to_vec();
    let mut set = |name: &str, value: String| changes.push((name.into(), Some(value.into())));
    set("SWARM_RUN", run.0.clone());
    set("SWARM_WORKER", name.to_owned());
    set("SWARM_ITERATION", attempt.number.to_string());
    changes.extend(git(std::env::var_os("GIT_CONFIG_COUNT").as_deref()));
    changes
}

/// Appends [`GIT`] to the `count` settings that are there already. A count that is no number makes git fail whatever we
/// do: it stays as it is, so that git says so.
fn git(count: Option<&OsStr>) -> Vec<Change> {
    let count = match count.map(OsStr::to_str) {
        None | Some(Some("")) => Some(0),
        Some(text) => text.and_then(|text| text.parse::<u16>().ok()),
    };
    let Some(count) = count.map(usize::from) else { return Vec::new() };
    let mut changes: Vec<Change> = Vec::new();
    let mut set = |name: String, value: &str| changes.push((name.into(), Some(value.into())));
    for (index, (key, value)) in (count..).zip(GIT) {
        set(format!("GIT_CONFIG_KEY_{index}"), key);
        set(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    set("GIT_CONFIG_COUNT".into(), &(count + GIT.len()).to_string());
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_count(count: Option<&str>) -> Vec<(String, String)> {
        let text = |text: OsString| text.into_string().unwrap();
        git(count.map(OsStr::new)).into_iter().map(|(name, value)| (text(name), text(value.unwrap()))).collect()
    }

    #[test]
    fn settings_of_the_user_stay() {
        let changes = of_count(Some("3"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert!(changes.contains(&pair("GIT_CONFIG_KEY_3", "gc.autoDetach")));
        assert!(changes.contains(&pair("GIT_CONFIG_VALUE_4", "false")));
        assert!(changes.contains(&pair("GIT_CONFIG_COUNT", "5")));
        assert_eq!(of_count(None), of_count(Some("")));
        assert!(of_count(None).contains(&pair("GIT_CONFIG_KEY_0", "gc.autoDetach")));
        assert_eq!(of_count(Some("many")), []);
    }
}
