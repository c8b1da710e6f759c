//! What the system lets this process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How many files this process may have open, after asking for as many as it is allowed to ask for. Only for commands that
/// start nothing: what they start would inherit the higher limit.
pub fn open_files() -> usize {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return LEAST };
    let wanted = hard.min(MOST);
    let got = if soft < wanted && setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok() { wanted } else { soft };
    usize::try_from(got).unwrap_or(LEAST).max(LEAST)
}

/// What every system gives.
const LEAST: usize = 64;

/// More is never needed, and some kernels give billions.
const MOST: u64 = 16 * 1024;
