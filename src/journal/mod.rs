//! What survives a crash: where things are kept, the append-only facts of a run, its settings, the locks.
//!
//! Below `$SWARM_HOME` (default `~/.swarm`):
//!
//! | path | what |
//! |---|---|
//! | `runs/<id>/run.json` | what the run is and the settings it was started with |
//! | `runs/<id>/journal` | its facts, a checksummed line each ([`lines`]) |
//! | `runs/<id>/s` | its supervisor's control socket |
//! | `runs/<id>/attempts/<n>.<t>/` | prompt, launch and record of each attempt |
//! | `state.json`, `state.lock` | the workers ([`registry`]) |
//! | `workers/<id>/` | the run of a spawned worker: the same files, and `env`, the values of its environment |
//! | `logs/<name>.stdout.log`, `.stderr.log` | what a spawned worker printed |
//! | `trees/<hash>.lock` | held by the supervisor of the loop in that work tree |

pub mod file;
pub mod home;
pub mod lines;
pub mod registry;
pub mod run;

pub use file::{FileJournal, Replay};
pub use home::{Home, WorkerLogs};
pub use registry::{Registry, RegistryError, Repair, State};
pub use run::{RunFolder, RunRecord};
