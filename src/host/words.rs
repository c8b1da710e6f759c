//! Errors of the operating system as people read them.

use std::io;

/// The system's words without Rust's `(os error 2)` behind them.
pub fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// The same error, with the thing it is about in front of it.
pub fn about(thing: impl std::fmt::Display) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{thing}: {}", words(&error)))
}
