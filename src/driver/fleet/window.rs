//! The window of one worker, without a look at all the others: most often the registry knows it, and the record, which only
//! a living shim holds, says that the worker runs. Whether the pane is the one that is meant, tmux sees for itself.

use super::Fleet;
use super::rebuild::is_held;
use crate::model::Standing;
use crate::runtime::tmux::{Server, Target};

impl Fleet {
    /// Where the worker of that name runs. `None` if only a look at what is real can tell: it has no window, it has ended, a
    /// spawn is under way, the predecessor started it, or the registry is damaged.
    pub fn window(&self, name: &str) -> Option<(Server, Target)> {
        let reading = self.registry.read().ok().filter(|reading| reading.damage.is_none())?;
        let entry = reading.state.find(name).filter(|entry| entry.status == Standing::Running)?;
        let (run, window) = (entry.run.as_ref()?, entry.tmux.as_ref()?);
        let target = Target::of_run(window.window_id.as_deref()?, window.pane_id.as_deref()?, &run.0)?;
        is_held(&self.home.worker(run)).then(|| (Server::new(window.socket.as_deref()), target))
    }
}
