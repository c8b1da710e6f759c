//! A command of our own (a check, a push, a look at the tree) in a process group of its own: its time is bounded, so is
//! what is kept of its output, and nothing of its group is left when it is over or given up.
//!
//! Not tokio's `Child`: that one reaps behind our back, and a group whose leader is reaped may be anybody's. Here the
//! leader stays a zombie until its group was signalled for the last time.

use super::failpoint;
use super::process::{self, PidFd};
use super::ready::Ready;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, timeout, timeout_at};

/// After TERM it has so long to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// After KILL the kernel has so long to take it away; what is left then is stuck in the kernel.
const CLEARING: Duration = Duration::from_secs(1);

/// What is read at once.
const CHUNK: usize = 16 * 1024;

/// Most that is read after the end. A pipe holds less, unless somebody outside of the group goes on writing.
const DRAIN: usize = 1 << 20;

/// Which of its outputs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// Both, in the order in which they were written.
    Merged,
    /// Standard output; what it says to standard error is nobody's business.
    Output,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By itself, or by a signal that was not ours.
    Exited(ExitStatus),
    /// We ended it: its time was up.
    TimedOut,
}

/// Runs `command`, with nothing on its input, for at most `limit`; its output goes to `each` piece by piece. A dropped
/// call ends the command at once, with everything below it. Must be called inside a tokio runtime.
pub async fn run(command: Command, streams: Streams, limit: Duration, each: impl FnMut(&[u8])) -> io::Result<End> {
    run_with_notice(command, streams, limit, Duration::ZERO, each).await
}

/// The same for a command that must not be cut off: of a dropped call it may first clear up what it locked, for some
/// seconds, in which the drop waits.
pub async fn run_orderly(
    command: Command,
    streams: Streams,
    limit: Duration,
    each: impl FnMut(&[u8]),
) -> io::Result<End> {
    run_with_notice(command, streams, limit, GRACE, each).await
}

async fn run_with_notice(
    mut command: Command,
    streams: Streams,
    limit: Duration,
    notice: Duration,
    mut each: impl FnMut(&[u8]),
) -> io::Result<End> {
    let (reader, writer) = io::pipe()?;
    match streams {
        Streams::Merged => command.stdout(writer.try_clone()?).stderr(writer),
        Streams::Output => command.stdout(writer).stderr(Stdio::null()),
    };
    let output = Receiver::from_owned_fd(reader.into())?;
    let mut group = Group::spawn(command, notice)?;
    if let Ok(status) = timeout(limit, group.attend(&output, &mut each)).await {
        return status.map(End::Exited);
    }
    group.signal(Signal::SIGTERM);
    if timeout(GRACE, group.attend(&output, &mut each)).await.is_err() {
        group.kill();
        // What does not even end now is stuck in the kernel: nobody can wait for that.
        let _ = timeout(CLEARING, group.attend(&output, &mut each)).await;
    }
    Ok(End::TimedOut)
}

/// A running command and its group.
struct Group {
    child: Child,
    ended: Ready<PidFd>,
    reaped: bool,
    /// From TERM to KILL when it is given up.
    notice: Duration,
}

impl Group {
    /// Starts `command` as the leader of a group. Takes it: its ends of our pipes must close here.
    fn spawn(mut command: Command, notice: Duration) -> io::Result<Group> {
        command.process_group(0).stdin(Stdio::null()).env_remove(failpoint::VARIABLE);
        let mut child = command.spawn()?;
        match PidFd::of_pid(child.id().cast_signed()).and_then(Ready::new) {
            Ok(ended) => Ok(Group { child, ended, reaped: false, notice }),
            Err(error) => {
                // It had no time to start anything. The error that led here is the one to tell.
                let _ = child.kill().and_then(|()| child.wait());
                Err(error)
            }
        }
    }

    fn id(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Reads `output` until the leader has ended, clears the group, and reads what is left in the pipe. Cancel-safe.
    async fn attend(&mut self, output: &Receiver, each: &mut impl FnMut(&[u8])) -> io::Result<ExitStatus> {
        let mut chunk = [0; CHUNK];
        let mut open = true;
        loop {
            tokio::select! {
                // The end comes first: a stranger who holds the pipe and writes on must not keep us.
                biased;
                ended = self.ended.readable() => break ended?,
                readable = output.readable(), if open => {
                    readable?;
                    open = !matches!(read(output, &mut chunk, each), Read::End);
                }
            }
        }
        self.clear().await;
        let mut drained = 0;
        while let Read::Some(count) = read(output, &mut chunk, each) {
            drained += count;
            if drained > DRAIN {
                break;
            }
        }
        self.reaped = true;
        self.child.wait()
    }

    /// Signals the whole group.
    fn signal(&self, signal: Signal) {
        if !self.reaped {
            // The leader is our child and not reaped: the number is its group's. Nobody may be left in it.
            let _ = killpg(self.id(), signal);
        }
    }

    /// Ends the group and everything below its leader, `setsid` children included. It stands still before: a parent that
    /// sees its child die would begin to clear up, and be killed in the middle of that.
    fn kill(&self) {
        if !self.reaped {
            self.signal(Signal::SIGSTOP);
            process::signal_descendants(self.id().as_raw(), Signal::SIGKILL, &|_| false);
            self.signal(Signal::SIGKILL);
        }
    }

    /// Blocks until the leader and everybody in its group has ended, at most so long.
    fn wait_for_all(&self, within: Duration) {
        let deadline = Instant::now() + within;
        self.ended.get().wait(within);
        let leader = self.id().as_raw();
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let others = pids.filter(|pid| *pid != leader && process::stat(*pid).is_ok_and(|stat| stat.group == leader));
        for other in others.filter_map(|pid| PidFd::of_pid(pid).ok()) {
            other.wait(deadline.saturating_duration_since(Instant::now()));
        }
    }

    /// Ends what the leader left in its group, and reaps it: a supervisor inherits what its children leave behind.
    async fn clear(&self) {
        let deadline = Instant::now() + CLEARING;
        loop {
            self.signal(Signal::SIGKILL);
            let left = self.left();
            if left.is_empty() || Instant::now() >= deadline {
                return;
            }
            for (pid, ended) in left {
                let _ = timeout_at(deadline, ended.readable()).await;
                let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
            }
        }
    }

    /// Members of the group that are now our own children.
    fn left(&self) -> Vec<(Pid, Ready<PidFd>)> {
        let leader = self.id().as_raw();
        process::children(std::process::id().cast_signed())
            .into_iter()
            .filter(|pid| *pid != leader && process::stat(*pid).is_ok_and(|stat| stat.group == leader))
            .filter_map(|pid| Some((Pid::from_raw(pid), PidFd::of_pid(pid).and_then(Ready::new).ok()?)))
            .collect()
    }
}

impl Drop for Group {
    /// Given up: the killed leader is reaped by somebody who may wait for the kernel.
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        if !self.notice.is_zero() {
            self.signal(Signal::SIGTERM);
            self.wait_for_all(self.notice);
        }
        self.kill();
        let leader = self.id();
        let reap = move || while waitpid(leader, None) == Err(nix::errno::Errno::EINTR) {};
        // Without a thread it stays a zombie until our own end.
        let _ = std::thread::Builder::new().name("reaper".into()).spawn(reap);
    }
}

/// What a read gave.
enum Read {
    Some(usize),
    Nothing,
    End,
}

fn read(output: &Receiver, chunk: &mut [u8], each: &mut impl FnMut(&[u8])) -> Read {
    match output.try_read(chunk) {
        Ok(0) => Read::End,
        Ok(count) => {
            each(&chunk[..count]);
            Read::Some(count)
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Read::Nothing,
        Err(_) => Read::End,
    }
}

/// The end of a stream: memory stays bounded whatever comes.
#[derive(Debug)]
pub struct Tail {
    limit: usize,
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    /// Keeps the last `limit` bytes.
    pub fn new(limit: usize) -> Tail {
        Tail { limit, bytes: Vec::new(), cut: false }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let fits = &bytes[bytes.len().saturating_sub(self.limit)..];
        self.bytes.extend_from_slice(fits);
        self.cut |= fits.len() < bytes.len() || self.bytes.len() > self.limit;
        // Moved once a `limit`, not once a call.
        if self.bytes.len() > 2 * self.limit {
            self.bytes.drain(..self.bytes.len() - self.limit);
        }
    }

    /// As text, without blanks at the end. Where the beginning is missing, the torn line is left out too (unless it is
    /// all there is).
    pub fn text(&self) -> String {
        let kept = &self.bytes[self.bytes.len().saturating_sub(self.limit)..];
        let whole = match kept.iter().position(|&byte| byte == b'\n') {
            Some(newline) if self.cut && newline + 1 < kept.len() => &kept[newline + 1..],
            _ => kept,
        };
        String::from_utf8_lossy(whole).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::unix::pipe;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        command
    }

    async fn tail_of(script: &str, limit: Duration) -> (End, String) {
        // As every supervisor does.
        nix::sys::prctl::set_child_subreaper(true).unwrap();
        let mut tail = Tail::new(1000);
        let end = run(shell(script), Streams::Merged, limit, |bytes| tail.push(bytes)).await.unwrap();
        (end, tail.text())
    }

    /// Processes in the group `leader`, zombies too.
    fn members(leader: i32) -> usize {
        let pids =
            std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
        pids.filter(|pid| process::stat(*pid).is_ok_and(|stat| stat.group == leader)).count()
    }

    #[tokio::test]
    async fn both_streams_in_their_order_and_the_exit_code() {
        let (end, text) = tail_of("echo a; echo b >&2; echo c; exit 3", LONG).await;
        assert_eq!(text, "a\nb\nc");
        let End::Exited(status) = end else { panic!("{end:?}") };
        assert_eq!(status.code(), Some(3));
    }

    #[tokio::test]
    async fn what_it_leaves_in_its_group_is_ended_and_never_waited_for() {
        let (end, text) = tail_of("sleep 300 & echo $$", LONG).await;
        assert!(matches!(end, End::Exited(status) if status.success()));
        assert_eq!(members(text.parse().unwrap()), 0);
    }

    #[tokio::test]
    async fn time_is_bounded_also_for_those_who_ignore_term() {
        let (end, text) =
            tail_of("trap '' TERM; echo $$; while :; do sleep 300; done", Duration::from_millis(200)).await;
        assert_eq!(end, End::TimedOut);
        assert_eq!(members(text.parse().unwrap()), 0);
    }

    #[tokio::test]
    async fn a_dropped_call_ends_everything_below_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut fifo = pipe::OpenOptions::new().read_write(true).open_receiver(&path).unwrap();
        // Both hold the fifo for writing.
        let script = format!("exec >{}; setsid sleep 300 & echo ready; wait", path.display());
        {
            let running = run(shell(&script), Streams::Output, LONG, |_| {});
            let mut ready = [0; 6];
            tokio::select! {
                _ = running => panic!("it waits"),
                read = fifo.read_exact(&mut ready) => read.unwrap(),
            };
        }
        let mut alone = pipe::OpenOptions::new().open_receiver(&path).unwrap();
        drop(fifo);
        let mut rest = Vec::new();
        let ended = timeout(LONG, alone.read_to_end(&mut rest)).await;
        assert_eq!(ended.expect("everybody who could write is gone").unwrap(), 0);
    }

    #[tokio::test]
    async fn a_dropped_call_that_is_orderly_clears_up_first() {
        let folder = tempfile::tempdir().unwrap();
        let (fifo, lock) = (folder.path().join("fifo"), folder.path().join("lock"));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut begun = pipe::OpenOptions::new().read_write(true).open_receiver(&fifo).unwrap();
        let script = format!(
            "(trap 'sleep 0.1; rm {lock}; exit' TERM; touch {lock}; echo ready >{fifo}; sleep 300 & wait) & wait",
            lock = lock.display(),
            fifo = fifo.display()
        );
        let mut ready = [0; 6];
        tokio::select! {
            _ = run_orderly(shell(&script), Streams::Output, LONG, |_| {}) => panic!("it waits"),
            read = begun.read_exact(&mut ready) => read.unwrap(),
        };
        assert!(!lock.exists());
    }

    proptest! {
        #[test]
        fn a_tail_is_the_end(pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(vec![b'a', b'\n', 0xff]), 0..40), 0..40)) {
            let mut tail = Tail::new(16);
            pieces.iter().for_each(|piece| tail.push(piece));
            prop_assert!(tail.bytes.len() <= 32);
            let all = String::from_utf8_lossy(&pieces.concat()).trim_end().to_owned();
            prop_assert!(all.ends_with(&tail.text()));
        }
    }
}
