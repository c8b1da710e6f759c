//! .

pub mod verdict;
