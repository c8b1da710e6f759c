//! The text of `state.json`: `{"version": 1, "workers": […]}` and whatever other versions put beside them.

use super::{State, VERSION, salvage};
use crate::model::Entry;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Number, Value};
use std::fmt;
use std::io;

/// What the bytes of a state file are.
#[derive(Debug)]
pub(super) enum Parsed {
    /// All of it is well.
    Whole(State),
    /// Written by a later version: not ours to judge.
    Newer(Number),
    /// Not all of it is well.
    Damaged {
        /// What is.
        state: State,
        /// What is not.
        why: String,
    },
}

#[derive(Deserialize)]
struct Document {
    version: Number,
    workers: Vec<Entry>,
    #[serde(flatten)]
    other: Map<String, Value>,
}

/// Reads a state file.
pub(super) fn read(bytes: &[u8]) -> Parsed {
    // The version comes first: what a later one means by the rest we cannot know.
    let document = parse(bytes);
    let version = match &document {
        Ok(document) => Some(document.version.clone()),
        Err(_) => version_in(bytes),
    };
    if let Some(version) = version.filter(is_newer) {
        return Parsed::Newer(version);
    }
    match document {
        Ok(document) if document.version.as_u64() == Some(VERSION) => checked(document),
        Ok(document) => Parsed::Damaged { why: format!("version {}", document.version), state: salvage::all(bytes) },
        Err(why) => Parsed::Damaged { why, state: salvage::all(bytes) },
    }
}

/// As text: that it is UTF-8 is found out faster for all of it at once than for each string.
fn parse(bytes: &[u8]) -> Result<Document, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn checked(document: Document) -> Parsed {
    let mut state = State { workers: document.workers, other: document.other };
    match state.drop_doubles() {
        None => Parsed::Whole(state),
        Some(name) => Parsed::Damaged { state, why: format!("the name {name:?} is there twice") },
    }
}

fn is_newer(version: &Number) -> bool {
    version.as_f64().is_some_and(|version| version > VERSION as f64)
}

/// The version that a damaged file says it has, if the damage is behind it.
fn version_in(bytes: &[u8]) -> Option<Number> {
    let mut probe = Probe(None);
    // The damage ends the reading, and what was met before it counts.
    let _ = serde_json::Deserializer::from_slice(bytes).deserialize_map(&mut probe);
    probe.0
}

struct Probe(Option<Number>);

impl<'de> Visitor<'de> for &mut Probe {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if let ("version", Value::Number(version)) = (key.as_str(), map.next_value()?) {
                self.0 = Some(version);
            }
        }
        Ok(())
    }
}

/// The bytes of a state file: indented by two, for people.
pub(super) fn write(state: &State) -> io::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Document<'a> {
        version: u64,
        workers: &'a [Entry],
        #[serde(flatten)]
        other: &'a Map<String, Value>,
    }
    let document = Document { version: VERSION, workers: &state.workers, other: &state.other };
    let mut bytes = Vec::with_capacity(1024 * (state.workers.len() + 1));
    serde_json::to_writer_pretty(&mut bytes, &document)?;
    bytes.push(b'\n');
    Ok(bytes)
}
