//! What the registry says: the workers, in the order in which they came.

use crate::model::{Entry, Standing};
use serde_json::{Map, Value};
use std::collections::HashMap;

/// All workers. Every name is there once.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// Oldest first.
    pub workers: Vec<Entry>,
    /// Keys of other versions beside `workers`.
    pub other: Map<String, Value>,
}

impl State {
    /// The worker of that name.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.workers.iter().find(|entry| entry.name == name)
    }

    /// The worker of that name, to be changed.
    pub fn find_mut(&mut self, name: &str) -> Option<&mut Entry> {
        self.workers.iter_mut().find(|entry| entry.name == name)
    }

    /// Adds a worker; `false`, and nothing is changed, when its name is taken.
    #[must_use = "a name that is taken is not overwritten"]
    pub fn insert(&mut self, entry: Entry) -> bool {
        let free = self.find(&entry.name).is_none();
        if free {
            self.workers.push(entry);
        }
        free
    }

    /// Takes a worker out.
    pub fn remove(&mut self, name: &str) -> Option<Entry> {
        let at = self.workers.iter().position(|entry| entry.name == name)?;
        Some(self.workers.remove(at))
    }

    /// Keeps one worker of each name: the first that runs, else the first. Returns a name that was there twice.
    pub(super) fn drop_doubles(&mut self) -> Option<String> {
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(self.workers.len());
        let mut doubles = Vec::new();
        for (at, entry) in self.workers.iter().enumerate() {
            let Some(kept) = places.get_mut(entry.name.as_str()) else {
                places.insert(&entry.name, at);
                continue;
            };
            let better = self.workers[*kept].status == Standing::Stopped && entry.status == Standing::Running;
            doubles.push(if better { std::mem::replace(kept, at) } else { at });
        }
        let name = doubles.first().map(|at| self.workers[*at].name.clone());
        doubles.sort_unstable();
        doubles.iter().rev().for_each(|at| drop(self.workers.remove(*at)));
        name
    }
}
