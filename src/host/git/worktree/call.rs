//! One call of git: argv and no shell, in a folder that is given, bounded in time and in what is kept, and repeated when
//! it lost a race against another git.

use super::error::{GitError, reason};
use crate::host::git::MISLEADING;
use crate::host::group::{self, End, Streams, Tail};
use crate::model::Span;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

/// A question takes milliseconds, a look through a large tree some seconds.
const QUESTION: Duration = Duration::from_secs(60);

/// A checkout writes the whole tree, maybe through filters that fetch it from elsewhere.
pub(super) const CHECKOUT: Duration = Duration::from_secs(20 * 60);

/// So much of an answer is kept: thousands of work trees.
const ANSWER: usize = 4 << 20;

/// So much of its complaint. The reason stands at the end.
const WORDS: usize = 4 * 1024;

/// Before the command, always. No daemon is started (it would outlive us), no hook of the repository runs (see the
/// module above), and a look takes no lock.
const ALWAYS: [&str; 5] = ["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];

/// What git says when it met another git half way, and only then: a lock file that will be gone in a moment, or a work
/// tree that is just being written down or removed (its `commondir` is there and still empty; the error behind it is
/// then any earlier one).
const RACES: [(&str, &str); 3] = [
    ("Unable to create '", ".lock': File exists"),
    ("could not lock config file ", ""),
    ("failed to read ", "commondir: "),
];

/// How often a lost race is run again: some three seconds in all, then a lock is no race but a leftover.
pub(super) const TRIES: u32 = 16;

/// The first wait; doubled up to [`LONGEST`]. There is no event for "the other git is past that line".
const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(320);

/// A call that can be made, more than once.
#[derive(Debug, Clone)]
pub(super) struct Call {
    folder: PathBuf,
    arguments: Vec<OsString>,
    limit: Duration,
}

/// How one try went.
enum Try<T> {
    Done(T),
    Failed(ExitStatus),
}

impl Call {
    /// `git <arguments>` in `folder`.
    pub(super) fn new(folder: &Path, arguments: &[&str]) -> Call {
        let arguments = arguments.iter().map(OsString::from).collect();
        Call { folder: folder.to_owned(), arguments, limit: QUESTION }
    }

    /// With one more argument, of any bytes.
    pub(super) fn with(mut self, argument: impl AsRef<OsStr>) -> Call {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// With more arguments.
    pub(super) fn with_all(mut self, arguments: &[&str]) -> Call {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// May take so long.
    pub(super) fn within(mut self, limit: Duration) -> Call {
        self.limit = limit;
        self
    }

    /// Makes a change; nothing is read but a complaint.
    pub(super) async fn run(&self) -> Result<(), GitError> {
        let mut tries = 0;
        loop {
            let mut words = Tail::new(WORDS);
            match self.once(Streams::Merged, |bytes| words.push(bytes)).await? {
                Try::Done(()) => return Ok(()),
                Try::Failed(status) => self.may_repeat(&mut tries, status, &words.text()).await?,
            }
        }
    }

    /// What it prints.
    pub(super) async fn answer(&self) -> Result<Vec<u8>, GitError> {
        self.read(|answer: &mut Vec<u8>, bytes| keep(answer, bytes)).await
    }

    /// What it prints, without the newline at the end; `None` for an exit code of 1, which these commands say "no" with.
    pub(super) async fn ask(&self) -> Result<Option<Vec<u8>>, GitError> {
        match self.answer().await {
            Ok(mut answer) => {
                answer.pop_if(|last| *last == b'\n');
                Ok(Some(answer))
            }
            Err(GitError::Said { code: Some(1), .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What it prints, taken up piece by piece; a repeated try begins anew.
    pub(super) async fn read<T: Default>(&self, mut each: impl FnMut(&mut T, &[u8])) -> Result<T, GitError> {
        let mut tries = 0;
        loop {
            let mut answer = T::default();
            let status = match self.once(Streams::Output, |bytes| each(&mut answer, bytes)).await? {
                Try::Done(()) => return Ok(answer),
                Try::Failed(status) => status,
            };
            // Asked again for its reason: a question changes nothing, and answers must not be mixed with warnings.
            let mut words = Tail::new(WORDS);
            if let Try::Failed(_) = self.once(Streams::Merged, |bytes| words.push(bytes)).await? {
                self.may_repeat(&mut tries, status, &words.text()).await?;
            } else {
                self.wait(&mut tries, status, "").await?;
            }
        }
    }

    /// One try.
    async fn once(&self, streams: Streams, each: impl FnMut(&[u8])) -> Result<Try<()>, GitError> {
        // Without this a missing folder looks like a missing git.
        if !std::fs::metadata(&self.folder).map_err(GitError::at(&self.folder))?.is_dir() {
            return Err(GitError::at(&self.folder)(io::ErrorKind::NotADirectory.into()));
        }
        // A git that is killed leaves its locks in the user's repository, and there every later one fails.
        match group::run_orderly(self.command(), streams, self.limit, each).await {
            Ok(End::Exited(status)) if status.success() => Ok(Try::Done(())),
            Ok(End::Exited(status)) => Ok(Try::Failed(status)),
            Ok(End::TimedOut) => {
                let limit = Span(u64::try_from(self.limit.as_millis()).unwrap_or(u64::MAX));
                Err(GitError::TimedOut { call: self.name(), limit })
            }
            Err(error) => Err(GitError::NoGit(error)),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        MISLEADING.iter().for_each(|name| _ = command.env_remove(name));
        command.current_dir(&self.folder).args(ALWAYS).args(&self.arguments);
        // What it says is compared with known words.
        command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
        command
    }

    /// The error, unless it was a race that may be run again.
    async fn may_repeat(&self, tries: &mut u32, status: ExitStatus, said: &str) -> Result<(), GitError> {
        let lost_a_race = RACES.iter().any(|(begin, end)| said.find(begin).is_some_and(|at| said[at..].contains(end)));
        if lost_a_race { self.wait(tries, status, said).await } else { Err(self.failed(status, said)) }
    }

    /// Waits before the next try, longer each time; the error when there were enough.
    async fn wait(&self, tries: &mut u32, status: ExitStatus, said: &str) -> Result<(), GitError> {
        *tries += 1;
        if *tries >= TRIES {
            return Err(self.failed(status, said));
        }
        pause(*tries).await;
        Ok(())
    }

    fn failed(&self, status: ExitStatus, said: &str) -> GitError {
        GitError::Said { call: self.name(), code: status.code(), words: reason(said) }
    }

    /// What was asked for: `git worktree add`.
    fn name(&self) -> String {
        let words = self.arguments.iter().map(|word| word.to_string_lossy());
        let name: Vec<_> = words.take_while(|word| !word.starts_with('-')).take(2).collect();
        format!("git {}", name.join(" "))
    }
}

/// Waits before try number `tries`, by chance a little longer or shorter: those who lost together must not come back
/// together.
pub(super) async fn pause(tries: u32) {
    let longest = FIRST.saturating_mul(1 << tries.min(16)).min(LONGEST);
    // The standard library's only source of chance: each hasher has keys of its own.
    let chance = RandomState::new().build_hasher().finish() % 128;
    tokio::time::sleep(longest.mul_f64(0.5 + chance as f64 / 256.0)).await;
}

/// Takes `bytes`, as far as there is room.
fn keep(answer: &mut Vec<u8>, bytes: &[u8]) {
    let room = ANSWER.saturating_sub(answer.len());
    answer.extend_from_slice(&bytes[..bytes.len().min(room)]);
}
