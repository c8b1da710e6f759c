//! The operating system, one small room per thing it offers: clocks, processes, files, locks, and the shim that stands
//! between a supervisor and each worker. Knows the model and nothing else of `swarm`.

pub mod clock;
pub mod door;
pub mod failpoint;
pub mod files;
pub mod git;
pub mod group;
pub mod handover;
pub mod inotify;
pub mod limits;
pub mod lock;
pub mod machine;
pub mod marked;
pub mod order;
pub mod pane_log;
pub mod process;
pub mod program;
pub mod ready;
pub mod record;
pub mod shim;
pub mod tail;
pub mod words;
