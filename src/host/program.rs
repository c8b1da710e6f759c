//! Programs: where the shell would find one.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where the C library looks for programs when there is no `PATH` at all.
const WITHOUT_PATH: &str = "/bin:/usr/bin";

/// Where the shell would find `program`: a path as it is, a name on the `PATH`. `None` when it would not.
pub fn find(program: &OsStr) -> Option<PathBuf> {
    let runs = |path: &Path| path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    if program.is_empty() {
        return None;
    }
    if program.to_string_lossy().contains('/') {
        return Some(PathBuf::from(program)).filter(|path| runs(path));
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| WITHOUT_PATH.into());
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| runs(path))
}
