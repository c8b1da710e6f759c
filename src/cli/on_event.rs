//! `--on-event CMD`: the operator's own command gets each end, wait and call for attention as JSON on standard input.
//!
//! It runs beside the loop and never holds it up; each call has a bounded time, and only the run's end waits for those
//! that are still running.

use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// What one call may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The command and its calls under way.
pub(super) struct OnEvent {
    command: Option<String>,
    calls: JoinSet<()>,
}

impl OnEvent {
    /// For that command line, run by `sh -c`; `None` does nothing.
    pub(super) fn new(command: Option<String>) -> OnEvent {
        OnEvent { command, calls: JoinSet::new() }
    }

    /// Calls the command with one line of JSON. Needs a tokio runtime.
    pub(super) fn tell(&mut self, json: String) {
        let Some(command) = self.command.clone() else { return };
        // What has ended leaves nothing behind.
        while self.calls.try_join_next().is_some() {}
        self.calls.spawn(async move {
            match timeout(PATIENCE, call(&command, json)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "--on-event failed"),
                Err(_) => tracing::warn!("--on-event took too long and was ended"),
            }
        });
    }

    /// Waits for the calls that are under way.
    pub(super) async fn finish(&mut self) {
        while self.calls.join_next().await.is_some() {}
    }
}

async fn call(command: &str, json: String) -> std::io::Result<()> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that does not read its input is its own matter.
        let _ = stdin.write_all(format!("{json}\n").as_bytes()).await;
    }
    let status = child.wait().await?;
    if status.success() { Ok(()) } else { Err(std::io::Error::other(format!("it ended with {status}"))) }
}
