//! The operating system
pub mod clock;
pub mod failpoint;
pub mod files;
pub mod inotify;
pub mod lock;
pub mod process;
pub mod ready;
