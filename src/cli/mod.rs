//! The command line: a file per verb, settings, exit codes.

pub mod cmd_done_test;
pub mod error;
