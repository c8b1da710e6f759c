//! The worker's standard streams: what it is given as 0, 1 and 2, and what becomes of what it says.

use super::StartError;
use super::pump::Pump;
use super::tty::Tty;
use super::view::View;
use crate::model::Streams;
use nix::poll::{PollFd, PollFlags};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

/// The worker's three descriptors.
pub(super) struct Given {
    pub(super) stdin: OwnedFd,
    pub(super) out: OwnedFd,
    pub(super) err: OwnedFd,
}

/// The output of one worker on its way into its logs.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Of standard output and standard error; none where both are a terminal.
    pumps: Vec<Pump>,
    /// What the window shows of it.
    view: Option<View>,
    /// The size of the raw log before the attempt.
    pub(super) out_from: u64,
    /// The file name of the raw log.
    pub(super) out_name: String,
}

impl Flow {
    /// Opens what the order names. Without a window there is no terminal, and nobody who looks; it shows `before` until now.
    pub(super) fn open(
        streams: &Streams,
        tty: Option<&Tty>,
        before: Option<&View>,
    ) -> Result<(Flow, Given), StartError> {
        let Streams::Files { stdin, out, err, show } = streams else {
            let tty = tty.ok_or_else(StartError::no_terminal)?;
            let [stdin, out, err] = tty.descriptors()?;
            return Ok((Flow::default(), Given { stdin, out, err }));
        };
        let stdin = OwnedFd::from(File::open(stdin).map_err(StartError::permanent("open", stdin))?);
        let (out_pump, out_from, out_end) = Pump::to_log(out).map_err(StartError::with("open", out))?;
        let (err_pump, err_end) = Pump::to_file_with_first_byte(err)?;
        // Nothing to look at is no reason not to work.
        let view = show.as_ref().filter(|_| tty.is_some()).and_then(|show| View::of(show, before).ok());
        let flow = Flow { pumps: vec![out_pump, err_pump], view, out_from, out_name: file_name(out) };
        Ok((flow, Given { stdin, out: out_end, err: err_end }))
    }

    /// What to wait on for more, and for what.
    pub(super) fn waits_on(&self) -> impl Iterator<Item = PollFd<'_>> {
        let pipes = self.pumps.iter().filter_map(Pump::waits_on).map(|pipe| PollFd::new(pipe, PollFlags::POLLIN));
        pipes.chain(self.view.as_ref().map(View::waits_on))
    }

    /// What is left when all is written: somebody may still write the text that the window shows.
    pub(super) fn into_view(self) -> Option<View> {
        self.view
    }

    /// Moves what there is.
    pub(super) fn run(&mut self) {
        self.pumps.iter_mut().for_each(Pump::run);
        View::run_in(&mut self.view);
    }

    /// Why a log cannot be written now.
    pub(super) fn paused(&self) -> Option<&io::Error> {
        self.pumps.iter().find_map(Pump::paused)
    }

    /// When the last byte came, if any did.
    pub(super) fn moved(&self) -> Option<Instant> {
        self.pumps.iter().filter_map(Pump::moved).max()
    }

    /// Is everything written that anybody can ever have said?
    pub(super) fn is_finished(&self) -> bool {
        self.pumps.iter().all(Pump::is_finished)
    }

    /// Puts back what was removed meanwhile. A log that cannot be put back was delivered all the same to a supervisor that
    /// followed it.
    pub(super) fn restore(&mut self) {
        self.pumps.iter_mut().for_each(|pump| drop(pump.restore()));
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
