//! `swarm doctor`: is everything there that workers need, and as it should be? It only looks: nothing is made, mended or
//! started that stays.
//!
//! | file | what it looks at |
//! |---|---|
//! | `tools.rs` | swarm, git, Docker, the agents' programs |
//! | `windows.rs` | tmux: version, servers, the folder of sockets |
//! | `folder.rs` | the state folder, its disk, `state.json`, who may read what |
//! | `machine.rs` | kernel, limits, evidence of memory kills, root, clocks |
//! | `repositories.rs` | `core.bare` |

mod folder;
mod machine;
mod repositories;
mod tools;
mod windows;

use crate::journal::registry::Reading;
use crate::journal::{Home, Registry, RegistryError};
use crate::model::Entry;
use crate::report::doctor::Check;
use std::path::Path;

/// What is known before anything is looked at.
struct Known<'a> {
    /// The state folder, if the environment names one.
    home: Option<&'a Home>,
    /// What its registry says.
    registry: Option<Result<Reading, RegistryError>>,
    /// The current folder, if there is one.
    here: Option<&'a Path>,
}

impl Known<'_> {
    /// The workers that the registry still knows.
    fn entries(&self) -> &[Entry] {
        match &self.registry {
            Some(Ok(reading)) => &reading.state.workers,
            Some(Err(_)) | None => &[],
        }
    }
}

/// All checks, in the order in which they are told. `home` is the state folder, `here` the current folder, where there
/// are such.
pub async fn examine(home: Option<&Home>, here: Option<&Path>) -> Vec<Check> {
    let known = Known { home, registry: home.map(|home| Registry::at(home).read()), here };
    let mut checks = vec![tools::swarm(), machine::kernel()];
    checks.extend(windows::checks(&known));
    checks.extend(tools::checks().await);
    checks.extend(folder::checks(&known));
    checks.push(repositories::check(&known).await);
    checks.extend(machine::limits());
    checks.extend([machine::memory(), machine::root(), machine::clock(&known)]);
    checks
}
