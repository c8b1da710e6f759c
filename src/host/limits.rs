//! What the system lets this process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs::File;
use std::io;

/// How many files this process may have open, after asking for more if `wanted` are, as far as it is allowed to ask. What
/// it starts afterwards inherits the higher limit, so who starts workers wants few.
pub fn open_files(wanted: usize) -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return LEAST };
    let wanted = hard.min(MOST).min(wanted as u64);
    let got = if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() { wanted } else { soft };
    usize::try_from(got).unwrap_or(LEAST).max(LEAST)
}

/// Can so many more files be opened at this moment? To be asked before what panics where they cannot.
pub fn room_for_files(count: usize) -> io::Result<()> {
    let files: io::Result<Vec<File>> = (0..count).map(|_| File::open("/dev/null")).collect();
    files.map(drop)
}

/// What every system gives.
const LEAST: usize = 64;

/// More is never needed, and some kernels give billions.
const MOST: u64 = 16 * 1024;
