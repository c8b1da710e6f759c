//! Places where a test may end or fail the program: one between every two durable steps.
//!
//! `SWARM_FAILPOINT=name:abort` kills the process there as `kill -9` would; `name:err` makes the step fail;
//! `name@3:abort` waits for the third time. Several are separated by commas. Without the feature `testing` the whole
//! mechanism is an inlined `Ok(())`.

use std::io;

/// The environment variable that names the point. A worker never inherits it.
pub const VARIABLE: &str = "SWARM_FAILPOINT";

/// Every point there is. A test compares this list with the sources, so that none is forgotten.
pub const ALL: &[&str] = &[
    "launch-before-record",
    "launch-before-shim",
    "launch-before-handover",
    "launch-after-handover",
    "launch-before-return",
    "window-before-open",
    "window-after-open",
    "window-before-handover",
    "shim-before-starting",
    "shim-before-worker",
    "shim-before-running",
    "shim-before-exited",
    "shim-before-ended",
    "shim-after-ended",
    "prepare-before-prompt",
    "prepare-before-log",
    "prepare-after-log",
    "journal-append",
    "journal-appended",
    "worktree-after-folder",
    "worktree-after-branch",
    "worktree-after-checkout",
    "files-before-rename",
    "files-after-rename",
    "registry-quarantined",
    "registry-before-write",
    "spawn-reserved",
    "spawn-worktree-added",
    "spawn-launched",
    "spawn-recorded",
];

/// Passes through the point `name`; an error only if a test asked for one.
#[cfg(not(feature = "testing"))]
#[inline(always)]
pub fn hit(_name: &str) -> io::Result<()> {
    Ok(())
}

/// Passes through the point `name`; an error only if a test asked for one.
#[cfg(feature = "testing")]
pub fn hit(name: &str) -> io::Result<()> {
    match armed::due(name) {
        None => Ok(()),
        Some(armed::Action::Fail) => Err(io::Error::other(format!("failpoint {name}"))),
        Some(armed::Action::Abort) => {
            // Not abort(): no handler may run and no buffer be written, as with a kill -9 from outside.
            nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL)?;
            Ok(())
        }
    }
}

#[cfg(feature = "testing")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Action {
        Abort,
        Fail,
    }

    pub(super) struct Point {
        name: String,
        action: Action,
        left: AtomicU32,
    }

    static POINTS: OnceLock<Vec<Point>> = OnceLock::new();

    /// What the environment asks for at this passing of `name`.
    pub(super) fn due(name: &str) -> Option<Action> {
        let points = POINTS.get_or_init(|| parse(&std::env::var(super::VARIABLE).unwrap_or_default()));
        points.iter().find_map(|point| point.pass(name))
    }

    /// `name[@n]:abort|err`, separated by commas; what is malformed is not armed.
    pub(super) fn parse(text: &str) -> Vec<Point> {
        text.split(',').filter_map(parse_one).collect()
    }

    fn parse_one(text: &str) -> Option<Point> {
        let (place, action) = text.split_once(':')?;
        let (name, nth) = place.split_once('@').unwrap_or((place, "1"));
        let action = match action {
            "abort" => Action::Abort,
            "err" => Action::Fail,
            _ => return None,
        };
        Some(Point { name: name.to_owned(), action, left: AtomicU32::new(nth.parse().ok()?) })
    }

    impl Point {
        /// Counts a passing; the action is due at the n-th one only.
        pub(super) fn pass(&self, name: &str) -> Option<Action> {
            (self.name == name && self.left.fetch_sub(1, Ordering::Relaxed) == 1).then_some(self.action)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    #[cfg(feature = "testing")]
    fn the_nth_passing_is_hit() {
        let points = armed::parse("a@2:err,b:abort,c:nonsense");
        assert_eq!(points.len(), 2);
        assert_eq!(points[0].pass("a"), None);
        assert_eq!(points[0].pass("b"), None);
        assert_eq!(points[0].pass("a"), Some(armed::Action::Fail));
        assert_eq!(points[0].pass("a"), None);
    }

    #[test]
    fn the_list_names_every_point_of_the_sources() {
        let mut found = BTreeSet::new();
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert_eq!(found, ALL.iter().map(|name| name.to_string()).collect());
    }

    /// The names of all points that are passed through below `folder`.
    fn collect(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let calls = text.split(concat!("failpoint::", "hit(\"")).skip(1);
            found.extend(calls.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()));
        }
    }
}
