//! The journal and the clock of this machine, behind the driver's seams.

use super::seams::{Clock, Journal};
use crate::engine::{Stamped, Wake};
use crate::host::clock;
use crate::journal::FileJournal;
use crate::model::{Now, Span, Tick};
use jiff::tz::TimeZone;
use std::io;

/// The facts' file.
#[derive(Debug)]
pub struct FactsFile(FileJournal);

impl FactsFile {
    /// Facts are appended to what the journal holds.
    pub fn new(journal: FileJournal) -> FactsFile {
        FactsFile(journal)
    }

    /// Appends facts; when it returns, they survive a power cut.
    pub fn write(&mut self, facts: &[Stamped]) -> io::Result<()> {
        let lines = facts.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        self.0.append(lines.iter().map(String::as_str))
    }
}

impl Journal for FactsFile {
    async fn append(&mut self, facts: &[Stamped]) -> io::Result<()> {
        self.write(facts)
    }
}

/// The machine's clocks.
#[derive(Debug)]
pub struct RealClock {
    zone: TimeZone,
    timer: clock::WallTimer,
}

impl RealClock {
    /// In the machine's own time zone. Must be called inside a tokio runtime.
    pub fn new() -> io::Result<RealClock> {
        Ok(RealClock { zone: clock::zone(), timer: clock::WallTimer::new()? })
    }
}

impl Clock for RealClock {
    fn now(&self) -> Now {
        clock::now()
    }

    fn zone(&self) -> &TimeZone {
        &self.zone
    }

    async fn until(&self, wake: Wake) {
        let tick = async {
            match wake.tick {
                Some(tick) => tokio::time::sleep(left(tick).duration()).await,
                None => std::future::pending().await,
            }
        };
        let wall = async {
            match wake.wall {
                Some(wall) => self.timer.until(wall).await.unwrap_or_else(|error| tracing::warn!(%error, "wall timer")),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tick => {}
            () = wall => {}
        }
    }
}

/// The time until `tick`.
fn left(tick: Tick) -> Span {
    tick - clock::now().tick
}
