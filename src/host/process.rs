//! Processes: who one is, whether it lives, what it started, and signals that reach nobody else.
//!
//! A pid alone identifies nothing: it is used again. Whatever is signalled here is either our own child, not yet reaped
//! (its pid cannot be used again), or held by a pidfd whose identity was compared after it was opened.

use crate::model::{ProcessId, Wall};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The parts of `/proc/<pid>/stat` that we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Ended, and its parent has not looked yet.
    pub zombie: bool,
    /// Its parent now.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// Clock ticks from boot to its start.
    pub start_time: u64,
}

/// This boot's id; every boot has another.
pub fn boot_id() -> io::Result<&'static str> {
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    if let Some(id) = BOOT_ID.get() {
        return Ok(id);
    }
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(BOOT_ID.get_or_init(|| id.trim_end().to_owned()))
}

/// What the kernel says of `pid`; an error of kind `NotFound` when there is no such process.
pub fn stat(pid: i32) -> io::Result<Stat> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).map_err(not_found)?;
    parse_stat(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat")))
}

/// A process that ends while its file is read gives ESRCH: the same as not being there.
fn not_found(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ESRCH) => io::ErrorKind::NotFound.into(),
        _ => error,
    }
}

/// The name in parentheses may hold anything, parentheses and blanks too: the fields begin after the last one.
fn parse_stat(text: &[u8]) -> Option<Stat> {
    let rest = text.get(text.iter().rposition(|&byte| byte == b')')? + 1..)?;
    let fields: Vec<&str> = std::str::from_utf8(rest).ok()?.split_ascii_whitespace().collect();
    Some(Stat {
        zombie: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        start_time: fields.get(19)?.parse().ok()?,
    })
}

/// The identity of the process that has `pid` now.
pub fn identify(pid: i32) -> io::Result<ProcessId> {
    Ok(ProcessId { pid, start_time: stat(pid)?.start_time, boot_id: boot_id()?.to_owned() })
}

/// When a process was started, by the wall clock as it is set now; to a hundredth of a second.
pub fn started(id: &ProcessId) -> io::Result<Wall> {
    let stat = std::fs::read_to_string("/proc/stat")?;
    let booted = stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<i64>().ok());
    let booted = booted.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/stat names no boot time"))?;
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.unwrap_or(100).max(1);
    let since = i64::try_from(id.start_time).unwrap_or(i64::MAX).saturating_mul(1000) / ticks;
    Ok(Wall(booted.saturating_mul(1000).saturating_add(since)))
}

/// Does exactly this process still run? One that ended and was not reaped does not.
pub fn is_alive(id: &ProcessId) -> bool {
    is_this_boot(id) && stat(id.pid).is_ok_and(|stat| stat.start_time == id.start_time && !stat.zombie)
}

fn is_this_boot(id: &ProcessId) -> bool {
    boot_id().is_ok_and(|boot| boot == id.boot_id)
}

/// A process held in the hand: readable once it has ended, and signals through it reach it or nobody.
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Takes hold of exactly this process; `None` if it has ended.
    pub fn open(id: &ProcessId) -> io::Result<Option<PidFd>> {
        if !is_this_boot(id) {
            return Ok(None);
        }
        let fd = match PidFd::of_pid(id.pid) {
            Ok(fd) => fd,
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            Err(error) => return Err(error),
        };
        // After the opening: the pid now cannot be anybody else's without the descriptor being of a dead process.
        Ok(is_alive(id).then_some(fd))
    }

    /// Takes hold of whoever has `pid` now. Only for our own children that are not reaped yet, or with a check after it.
    pub fn of_pid(pid: i32) -> io::Result<PidFd> {
        #[allow(unsafe_code, reason = "neither std nor nix offers pidfd_open")]
        // SAFETY: the call takes two integers and touches no memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = Errno::result(fd)?;
        #[allow(unsafe_code, reason = "the descriptor comes from a raw call")]
        // SAFETY: the kernel has just made it for us, and nobody else knows it. It fits: descriptors are C ints.
        Ok(PidFd(unsafe { OwnedFd::from_raw_fd(fd as i32) }))
    }

    /// Sends a signal; `false` if the process has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        let (fd, none) = (self.0.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
        #[allow(unsafe_code, reason = "neither std nor nix offers pidfd_send_signal")]
        // SAFETY: a null siginfo is allowed and means what kill() would fill in.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal as i32, none, 0) };
        match Errno::result(result) {
            Ok(_) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl PidFd {
    /// Has it ended, all its threads with it?
    pub fn has_ended(&self) -> bool {
        self.wait(Duration::ZERO)
    }

    /// Waits at most `within` for its end; did it come?
    pub fn wait(&self, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Err(Errno::EINTR) => {}
                ready => return ready.is_ok_and(|ready| ready > 0),
            }
        }
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What a process was started with; what is no UTF-8 in it is replaced.
pub fn command_line(pid: i32) -> io::Result<Vec<String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline"))?;
    let words = bytes.strip_suffix(b"\0").unwrap_or(&bytes).split(|&byte| byte == 0);
    Ok(words.map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

/// A variable of the environment that a process was started with; `None` where it has none, or we may not look.
pub fn variable(pid: i32, name: &str) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = |field: &[u8]| field.strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::to_vec);
    String::from_utf8(bytes.split(|&byte| byte == 0).find_map(value)?).ok()
}

/// The working folder of a process; what is no UTF-8 in it is replaced.
pub fn folder(pid: i32) -> io::Result<String> {
    Ok(std::fs::read_link(format!("/proc/{pid}/cwd"))?.to_string_lossy().into_owned())
}

/// The children of `pid`, by all its threads. Empty when it has ended.
pub fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Everything below `pid` that still runs, parents before their children. A snapshot: who forks meanwhile escapes it.
///
/// Whoever `spared` names is left out, with everything below it.
pub fn descendants(pid: i32, spared: &dyn Fn(i32) -> bool) -> Vec<ProcessId> {
    let mut found = Vec::new();
    visit_descendants(pid, spared, &mut |id, _| found.push(id));
    found
}

/// Sends `signal` to everything below `pid`. A snapshot too: repeat it until nothing is left.
pub fn signal_descendants(pid: i32, signal: Signal, spared: &dyn Fn(i32) -> bool) {
    // A process that ended meanwhile, or belongs to another user, cannot be signalled; both show in the next look.
    visit_descendants(pid, spared, &mut |_, held| drop(held.signal(signal)));
}

/// Shows every living descendant with a descriptor that is surely its own: it was opened before the parent was compared.
fn visit_descendants(root: i32, spared: &dyn Fn(i32) -> bool, visit: &mut dyn FnMut(ProcessId, &PidFd)) {
    let Ok(boot_id) = boot_id() else { return };
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for pid in children(parent) {
            let Ok(held) = PidFd::of_pid(pid) else { continue };
            let Ok(stat) = stat(pid) else { continue };
            if stat.parent != parent || spared(pid) {
                continue;
            }
            if !stat.zombie {
                visit(ProcessId { pid, start_time: stat.start_time, boot_id: boot_id.to_owned() }, &held);
            }
            // A zombie leader may still have threads that own children.
            parents.push(pid);
        }
    }
}

/// Signals the process group of `leader` if that process is still there, ended or not: as long as it is not reaped, its
/// number names no other group. Returns whether it was.
pub fn signal_group(leader: &ProcessId, signal: Signal) -> io::Result<bool> {
    let there = is_this_boot(leader) && stat(leader.pid).is_ok_and(|stat| stat.start_time == leader.start_time);
    if !there {
        return Ok(false);
    }
    match nix::sys::signal::killpg(Pid::from_raw(leader.pid), signal) {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Closes every descriptor from 3 on: what our parent's parent forgot to close is not ours to keep open.
/// Call it before anything else is opened.
pub(super) fn close_inherited() {
    #[allow(unsafe_code, reason = "neither std nor nix offers close_range")]
    // SAFETY: the caller owns no descriptor above 2 yet, so none that something relies on is closed.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn fields_are_counted_after_the_last_parenthesis() {
        let line = b"7 (a) Z ) b) S 3 4 5 0 -1 1 2 3 4 5 6 7 8 9 20 0 1 0 991 0\n";
        let stat = parse_stat(line).unwrap();
        assert_eq!(stat, Stat { zombie: false, parent: 3, group: 4, session: 5, start_time: 991 });
        assert_eq!(parse_stat(b"7 (cut) S 3"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn f06_f07_a_zombie_has_ended_and_a_recycled_pid_is_somebody_else() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let id = identify(child.id() as i32).unwrap();
        assert!(is_alive(&id));
        let other = ProcessId { start_time: id.start_time + 1, ..id.clone() };
        assert!(!is_alive(&other));
        assert!(PidFd::open(&other).unwrap().is_none());
        assert!(!signal_group(&other, Signal::SIGKILL).unwrap());
        let rebooted = ProcessId { boot_id: "another".into(), ..id.clone() };
        assert!(PidFd::open(&rebooted).unwrap().is_none());

        let held = PidFd::open(&id).unwrap().unwrap();
        assert!(descendants(std::process::id() as i32, &|_| false).contains(&id));
        drop(child.stdin.take());
        let mut fds = [PollFd::new(held.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, 10_000u16).unwrap(), 1);
        assert!(!is_alive(&id), "a zombie");
        assert!(child.wait().unwrap().success());
        assert!(!held.signal(Signal::SIGKILL).unwrap());
    }
}
