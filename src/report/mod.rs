//! Facts into words: what people and machines read of a run. Lines on the terminal, the text log of each iteration,
//! `loop.log`, events, tables, explanations.
//!
//! Nothing here decides anything, and nothing here can fail a run: a full disk, a removed folder, a closed pipe or a
//! hung-up terminal cost words, never work. What is lost is in the raw log and in the journal.
//!
//! | module | what it makes |
//! |---|---|
//! | [`reporter`] | the audience of a running loop: hands everything to the four below |
//! | `terminal` | banner, headers, the agent's words and tools, endings, warnings |
//! | `text_log` | `iteration-N.log` |
//! | [`loop_log`] | `loop.log` |
//! | [`events`] | `--format json` and `--on-event` |
//! | [`status`], [`table`], [`explain`] | what `swarm loop status`, `swarm loop ls` and `swarm explain` print |
//! | [`workers`] | what `swarm ls`, `swarm status` and `swarm peek` print |
//! | [`doctor`] | what `swarm doctor` prints |
//! | [`words`] | the words for all of them |

mod columns;
pub mod doctor;
pub mod events;
pub mod explain;
mod figures;
pub mod loop_log;
mod masks;
pub mod outlet;
mod page;
pub mod reporter;
pub mod status;
mod story;
pub mod table;
mod terminal;
mod text_log;
pub mod when;
pub mod words;
pub mod workers;

pub use events::{Event, Who};
pub use explain::Explanation;
pub use loop_log::LoopLog;
pub use masks::Masks;
pub use outlet::{Outlet, Weight};
pub use reporter::{Format, Reporter, Settings};
pub use status::{Status, Vitals};
pub use terminal::Banner;
pub use text_log::{Part, Rescan};
