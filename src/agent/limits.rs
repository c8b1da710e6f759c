//! When a limit ends, out of the words that agents use for it.
