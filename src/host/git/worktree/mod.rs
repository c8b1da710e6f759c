//! Git work trees: a worker's own checkout of its repository, added, judged, removed, and taken back when a spawn fails.
//!
//! All of it is done by git itself, in the worker's repository and never in the caller's folder, with nobody to ask and
//! within a time. Three rules stand above the rest:
//!
//! - What git refuses to remove stays. Nothing here deletes a folder that is not empty.
//! - What existed before is never taken back: [`Added`] says at every instant what this call made.
//! - No hook of the repository runs. A `post-checkout` that fails would fail a checkout that is done, and one that
//!   installs things for an hour would hold a spawn, with its lock on the worker's name, for as long.

mod add;
mod bare;
mod call;
mod error;
mod list;
mod remove;
mod repo;
mod undo;
mod unfinished;
mod work;

pub use add::{Added, Made, add, plan};
pub use bare::{CoreBare, core_bare_corruption};
pub use error::GitError;
pub use list::{Listed, list};
pub use remove::{Removed, remove};
pub use repo::{Repo, default_folder, repository};
pub use undo::{Leftover, undo};
pub use work::{Commits, Work, work_in};
