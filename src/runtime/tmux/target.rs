//! One pane that is meant, and no other. tmux numbers windows and panes anew with each server, so a number alone may name
//! a stranger's window; a target also carries what makes sure.

use super::pane::ServerLife;

/// A window and its pane, with the condition (a tmux format) under which they are the ones that are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    window_id: String,
    pane_id: String,
    condition: String,
}

impl Target {
    /// The pane that was opened with the option `@swarm_run` = `run`. `None` if one of the three cannot be: they may come
    /// from a file that anybody wrote.
    pub fn of_run(window_id: &str, pane_id: &str, run: &str) -> Option<Target> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let run_is_plain = !run.is_empty() && run.chars().all(plain);
        let known = is_id(window_id, '@') && is_id(pane_id, '%') && run_is_plain;
        known.then(|| Target::new(window_id, pane_id, format!("#{{==:#{{@swarm_run}},{run}}}")))
    }

    /// The pane that was seen in this life of the server.
    pub(super) fn of_life(window_id: &str, pane_id: &str, life: &ServerLife) -> Target {
        let condition = format!("#{{==:#{{pid}}-#{{start_time}},{}-{}}}", life.pid, life.started);
        Target::new(window_id, pane_id, condition)
    }

    fn new(window_id: &str, pane_id: &str, condition: String) -> Target {
        // Where there is no such pane, tmux answers for another one.
        let condition = format!("#{{&&:#{{==:#{{pane_id}},{pane_id}}},{condition}}}");
        Target { window_id: window_id.to_owned(), pane_id: pane_id.to_owned(), condition }
    }

    /// The window, `@3`.
    pub fn window_id(&self) -> &str {
        &self.window_id
    }

    /// The pane, `%5`.
    pub fn pane_id(&self) -> &str {
        &self.pane_id
    }

    /// True in the one pane that is meant.
    pub(super) fn condition(&self) -> &str {
        &self.condition
    }
}

/// Is it `sign` and a number?
pub(super) fn is_id(text: &str, sign: char) -> bool {
    let number = text.strip_prefix(sign).unwrap_or_default();
    !number.is_empty() && number.len() <= 10 && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_make_a_target() {
        assert!(Target::of_run("@1", "%2", "w-20260101").is_some());
        for (window, pane, run) in [
            ("1", "%2", "r"),
            ("@", "%2", "r"),
            ("@1", "%2 ; kill-server", "r"),
            ("@1", "=a", "r"),
            ("@1", "%2", ""),
            ("@1", "%2", "r,#{pid}"),
        ] {
            assert_eq!(Target::of_run(window, pane, run), None, "{window} {pane} {run}");
        }
    }
}
