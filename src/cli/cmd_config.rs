//! `swarm config show`: each setting, its value, and where it came from.

use super::error::Result;
use super::settings::{Flags, KEYS, Settings, Sources, env_name};
use super::{print, runs};
use clap::ArgMatches;

/// Runs the verb and returns the exit code.
pub(super) fn run(matches: &ArgMatches) -> Result<u8> {
    let sources = Sources::real(Flags::new(), &runs::current_folder()?);
    let settings = Settings::resolve(&sources)?;
    if matches.get_flag("json") {
        let entries = KEYS.iter().map(|key| {
            let value = settings.value(key.name);
            let entry = serde_json::json!({ "value": value.texts, "from": value.origin.to_string(), "env": env_name(key), "help": key.help });
            (key.name.to_owned(), entry)
        });
        let json = serde_json::json!({ "schema": 1, "loop": entries.collect::<serde_json::Map<_, _>>() });
        print::line(&json.to_string());
        return Ok(0);
    }
    let width = KEYS.iter().map(|key| key.name.len()).max().unwrap_or(0);
    for key in KEYS {
        let value = settings.value(key.name);
        let shown = value.texts.join(" ");
        let shown = if shown.is_empty() { "-".to_owned() } else { shown };
        print::line(&format!("{:width$}  {shown:<20}  {}", key.name, value.origin));
    }
    Ok(0)
}
