//! The command line: a file per verb, settings, exit codes.

pub mod error;
pub mod settings;
