//! What is whole in a damaged state file.
//!
//! Nothing of its outer shape is relied on: every object that is a whole entry counts, wherever it stands.

use super::State;
use crate::model::Entry;
use serde_json::{Map, Value};

/// All that can be saved of `bytes`.
pub(super) fn all(bytes: &[u8]) -> State {
    let mut state = State { workers: entries(bytes), other: beside(bytes) };
    state.drop_doubles();
    state
}

/// Every whole entry, in order. An object that is none is searched for entries inside; a brace inside of a string begins no
/// object, for the quotes behind it are escaped.
fn entries(bytes: &[u8]) -> Vec<Entry> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(brace) = bytes.get(at..).and_then(|rest| memchr::memchr(b'{', rest)) {
        at += brace;
        at += match entry_at(&bytes[at..]) {
            Some((entry, length)) => {
                found.push(entry);
                length
            }
            None => 1,
        };
    }
    found
}

/// The entry at the beginning of `bytes`, and its length.
fn entry_at(bytes: &[u8]) -> Option<(Entry, usize)> {
    let mut objects = serde_json::Deserializer::from_slice(bytes).into_iter::<Entry>();
    let entry = objects.next()?.ok()?;
    Some((entry, objects.byte_offset()))
}

/// The keys of other versions beside `workers`, if the file is an object and all of it can be read as JSON.
fn beside(bytes: &[u8]) -> Map<String, Value> {
    let Ok(Value::Object(mut keys)) = serde_json::from_slice(bytes) else { return Map::new() };
    keys.retain(|key, _| key != "version" && key != "workers");
    keys
}
