//! Every setting of a loop, in one table: flag, environment variable, key in `swarm.toml`, default and help are all made
//! from it. Precedence: flag > environment > `swarm.toml` of the project > user's own `config.toml` > default.

use super::error::{Error, Result};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// What a setting's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Text, several times.
    List,
    /// On or off; the flag takes no value.
    Switch,
    /// A whole number; 0 means no limit.
    Count,
    /// USD.
    Usd,
    /// `90s`, `30m`, `1h30m`, or a number of seconds; 0 means off.
    Duration,
}

/// Which heading of `--help` a setting stands under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// How the agent is called.
    Agent,
    /// What counts as done.
    Done,
    /// What ends the run.
    Limits,
    /// What ends an iteration.
    Clocks,
    /// Everything else.
    Conduct,
}

impl Group {
    /// The heading.
    pub fn heading(self) -> &'static str {
        match self {
            Group::Agent => "The agent",
            Group::Done => "What counts as done",
            Group::Limits => "What ends the run",
            Group::Clocks => "What ends an iteration",
            Group::Conduct => "Conduct",
        }
    }
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name: `--name` on the command line, `name` in a file, `SWARM_NAME` in the environment.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its heading.
    pub group: Group,
    /// Default, spelled as a user would; empty for none.
    pub default: &'static str,
    /// A variable of `loop.sh` that is read as well.
    pub legacy: Option<&'static str>,
    /// A project's file must not set it: it names a program that runs on the operator's behalf.
    pub personal: bool,
    /// One line of help.
    pub help: &'static str,
}

const fn key(name: &'static str, kind: Kind, group: Group, default: &'static str, help: &'static str) -> Key {
    Key { name, kind, group, default, legacy: None, personal: false, help }
}

/// All settings, in the order of `--help` and `config show`.
pub const KEYS: &[Key] = &[
    key("iterations", Kind::Count, Group::Limits, "0", "Iterations of the run; 0 = no limit (the first argument)"),
    key(
        "prompt",
        Kind::Text,
        Group::Agent,
        "PROMPT.md",
        "The prompt file, read afresh for each iteration (the second argument)",
    ),
    key("agent", Kind::Text, Group::Agent, "claude", "claude, codex, gemini or plain; `-- COMMAND` is plain"),
    key("model", Kind::Text, Group::Agent, "", "Passed on to the agent"),
    key("max-turns", Kind::Count, Group::Agent, "0", "Turns an iteration, passed on to the agent; 0 = its own default"),
    key("agent-arg", Kind::List, Group::Agent, "", "One more argument for the agent; may be repeated"),
    Key {
        legacy: Some("DONE_PATTERN"),
        ..key("done-pattern", Kind::Text, Group::Done, "/done", "Regular expression that a whole line must match")
    },
    key(
        "done-match",
        Kind::Text,
        Group::Done,
        "last",
        "last = last line of the final answer, line = any line of it, anywhere",
    ),
    key("plan", Kind::Text, Group::Done, "", "Plan with boxes [default: IMPLEMENTATION_PLAN.md where it exists]"),
    key("require-plan", Kind::Switch, Group::Done, "off", "Refuse a claim of done while the plan has open boxes"),
    key("done-on-plan", Kind::Switch, Group::Done, "off", "A plan without open boxes counts as a claim"),
    key("verify", Kind::Text, Group::Done, "", "Shell command that must exit 0 before a claim of done is accepted"),
    key("verify-timeout", Kind::Duration, Group::Done, "30m", "Time that the check may take"),
    key("max-time", Kind::Duration, Group::Limits, "0", "Time from the run's first start"),
    key("max-cost", Kind::Usd, Group::Limits, "0", "USD over all iterations; what is left is passed on to the agent"),
    key("max-failures", Kind::Count, Group::Limits, "5", "Failures in a row"),
    key(
        "max-stalled",
        Kind::Count,
        Group::Limits,
        "5",
        "Iterations in a row without a commit, a change or a box ticked",
    ),
    key("max-ooms", Kind::Count, Group::Limits, "3", "Confirmed out-of-memory kills in a row"),
    key("max-wait", Kind::Duration, Group::Limits, "6h", "The longest single wait for a rate limit"),
    key("max-outage", Kind::Duration, Group::Limits, "6h", "The longest time without an answer of the API"),
    key("no-limit", Kind::Switch, Group::Limits, "off", "Run without any limit in CI or without a terminal"),
    key("start-timeout", Kind::Duration, Group::Clocks, "2m", "No output at all (agents that print at once)"),
    key("idle-timeout", Kind::Duration, Group::Clocks, "30m", "No output since the last"),
    key("iteration-timeout", Kind::Duration, Group::Clocks, "0", "The whole iteration"),
    key("result-grace", Kind::Duration, Group::Clocks, "10s", "From the final result to TERM"),
    key("grace", Kind::Duration, Group::Clocks, "10s", "From TERM to KILL"),
    key("disk-wait", Kind::Duration, Group::Clocks, "10m", "How long a full disk under the logs is waited out"),
    key("name", Kind::Text, Group::Conduct, "", "Name of the run [default: the folder's name]"),
    key("delay", Kind::Duration, Group::Conduct, "0", "Pause between iterations"),
    key("push", Kind::Switch, Group::Conduct, "off", "git push after each iteration"),
    key("push-timeout", Kind::Duration, Group::Conduct, "60s", "Time that a push may take"),
    Key {
        personal: true,
        ..key(
            "on-event",
            Kind::Text,
            Group::Conduct,
            "",
            "Shell command that gets each end, wait and call for attention as JSON on stdin",
        )
    },
    key("tmux", Kind::Switch, Group::Conduct, "off", "Run the agents in a tmux window, which shows what they say"),
    key("session", Kind::Text, Group::Conduct, "", "The window's tmux session [default: one for this state folder]"),
    key("tmux-socket", Kind::Text, Group::Conduct, "", "The window's tmux server: a socket's name or path"),
    key("format", Kind::Text, Group::Conduct, "human", "human, or json: one event a line on stdout"),
    key("keep-children", Kind::Switch, Group::Conduct, "off", "Leave processes alone that the agent started"),
    key("share-tree", Kind::Switch, Group::Conduct, "off", "Allow another loop in the same work tree"),
    key("exit-zero-on-limit", Kind::Switch, Group::Conduct, "off", "Exit 0, not 3, when the iterations are used up"),
    Key {
        legacy: Some("SANDBOX"),
        ..key("sandbox", Kind::Switch, Group::Conduct, "off", "Run each iteration in a container (not in this version)")
    },
];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// An environment variable.
    Env(String),
    /// A file: the project's or the user's.
    File(PathBuf),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag => f.write_str("command line"),
            Origin::Env(name) => write!(f, "environment, {name}"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A value as it was written, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// As written; one element for all kinds but lists, where it may be any number.
    pub texts: Vec<String>,
    /// Where.
    pub origin: Origin,
}

/// What the command line says: name → values.
pub type Flags = BTreeMap<&'static str, Vec<String>>;

/// All settings with their origins.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    values: BTreeMap<&'static str, Value>,
}

/// Where settings are looked for.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The command line.
    pub flags: Flags,
    /// The environment.
    pub env: BTreeMap<OsString, OsString>,
    /// `swarm.toml` of the project.
    pub project: Option<PathBuf>,
    /// The user's own file.
    pub user: Option<PathBuf>,
}

impl Sources {
    /// The real ones, for the project in `folder`.
    pub fn real(flags: Flags, folder: &Path) -> Sources {
        let env: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        let config = env.get("XDG_CONFIG_HOME".as_ref() as &std::ffi::OsStr).filter(|path| !path.is_empty());
        let config = config.map(PathBuf::from).or_else(|| {
            let home = env.get("HOME".as_ref() as &std::ffi::OsStr).filter(|path| !path.is_empty())?;
            Some(Path::new(home).join(".config"))
        });
        Sources {
            flags,
            project: Some(folder.join("swarm.toml")),
            user: config.map(|config| config.join("swarm").join("config.toml")),
            env,
        }
    }
}

impl Settings {
    /// Looks every setting up. A file that cannot be read, is no TOML, or holds an unknown key is an error; so is a
    /// project's file that sets what only the user may.
    pub fn resolve(sources: &Sources) -> Result<Settings> {
        let project = read_file(sources.project.as_deref())?;
        let user = read_file(sources.user.as_deref())?;
        if let Some((path, table)) = &project
            && let Some(key) = KEYS.iter().find(|key| key.personal && table.contains_key(key.name))
        {
            return Err(Error::usage(format!("{}: `{}` may not be set by a project", path.display(), key.name))
                .hint(format!("give --{} on the command line or put it into your own config.toml", key.name)));
        }
        let mut values = BTreeMap::new();
        for key in KEYS {
            let from_file = |file: &Option<(PathBuf, Table)>| {
                let (path, table) = file.as_ref()?;
                Some(Value { texts: table.get(key.name)?.clone(), origin: Origin::File(path.clone()) })
            };
            let value = match sources.flags.get(key.name) {
                Some(texts) => Value { texts: texts.clone(), origin: Origin::Flag },
                None => match from_env(key, &sources.env)? {
                    Some(value) => value,
                    None => from_file(&project).or_else(|| from_file(&user)).unwrap_or_else(|| Value {
                        texts: if key.kind == Kind::List { Vec::new() } else { vec![key.default.to_owned()] },
                        origin: Origin::Default,
                    }),
                },
            };
            values.insert(key.name, value);
        }
        Ok(Settings { values })
    }

    /// The value of `name`. Every name in [`KEYS`] has one.
    pub fn value(&self, name: &str) -> Value {
        self.values.get(name).cloned().unwrap_or(Value { texts: Vec::new(), origin: Origin::Default })
    }

    /// A text; empty means not set.
    pub fn text(&self, name: &str) -> Option<String> {
        self.value(name).texts.into_iter().next_back().filter(|text| !text.is_empty())
    }

    /// A list.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.value(name).texts
    }

    /// Was it set by anybody?
    pub fn is_set(&self, name: &str) -> bool {
        self.value(name).origin != Origin::Default
    }

    /// Was it given on the command line?
    pub fn is_flag(&self, name: &str) -> bool {
        self.value(name).origin == Origin::Flag
    }

    /// On or off: 1, true, yes, on; 0, false, no, off or empty.
    pub fn switch(&self, name: &str) -> Result<bool> {
        let text = self.text(name).unwrap_or_default();
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "" | "0" | "false" | "no" | "off" => Ok(false),
            _ => Err(self.bad(name, "is neither on nor off", "use 1/true/yes/on or 0/false/no/off")),
        }
    }

    /// A count; 0 and unset are `None`: no limit.
    pub fn count(&self, name: &str) -> Result<Option<u32>> {
        let text = self.value(name).texts.pop().unwrap_or_else(|| "0".to_owned());
        match text.trim().parse::<u32>() {
            Ok(0) => Ok(None),
            Ok(count) => Ok(Some(count)),
            Err(_) => Err(self.bad(name, "is not a whole number", "use 0 (no limit) or a number such as 15")),
        }
    }

    /// USD; 0 and unset are `None`.
    pub fn usd(&self, name: &str) -> Result<Option<f64>> {
        let text = self.text(name).unwrap_or_else(|| "0".to_owned());
        match text.trim().trim_start_matches('$').parse::<f64>() {
            Ok(0.0) => Ok(None),
            Ok(usd) if usd.is_finite() && usd > 0.0 => Ok(Some(usd)),
            _ => Err(self.bad(name, "is not an amount", "use USD such as 5 or 2.50")),
        }
    }

    /// A length of time; 0 and unset are `None`.
    pub fn duration(&self, name: &str) -> Result<Option<crate::model::Span>> {
        let text = self.text(name).unwrap_or_else(|| "0".to_owned());
        match parse_duration(&text) {
            Some(span) if span.0 == 0 => Ok(None),
            Some(span) => Ok(Some(span)),
            None => Err(self.bad(name, "is not a length of time", "use 90s, 30m, 1h30m, 2h, or a number of seconds")),
        }
    }

    /// The error for a value that does not fit.
    pub fn bad(&self, name: &str, what: &str, hint: &str) -> Error {
        let value = self.value(name);
        let text = value.texts.last().cloned().unwrap_or_default();
        Error::usage(format!("{name}: `{text}` {what} (from: {})", value.origin)).hint(hint)
    }
}

/// `90s`, `30m`, `1h30m`, `1.5h`, `2 days`, or a bare number of seconds.
pub fn parse_duration(text: &str) -> Option<crate::model::Span> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        let usable = seconds.is_finite() && (0.0..=1e10).contains(&seconds);
        return usable.then(|| crate::model::Span((seconds * 1000.0).round() as u64));
    }
    let span: jiff::SignedDuration = text.parse().ok()?;
    u64::try_from(span.as_millis()).ok().map(crate::model::Span)
}

/// The length of time that the option `name` was given.
pub fn duration(name: &str, text: &str) -> Result<crate::model::Span> {
    parse_duration(text).ok_or_else(|| {
        Error::usage(format!("{name}: `{text}` is not a length of time"))
            .hint("use 90s, 30m, 1h30m, 2h, or a number of seconds")
    })
}

/// `SWARM_MAX_TIME` for `max-time`.
pub fn env_name(key: &Key) -> String {
    format!("SWARM_{}", key.name.to_ascii_uppercase().replace('-', "_"))
}

fn from_env(key: &Key, env: &BTreeMap<OsString, OsString>) -> Result<Option<Value>> {
    for name in [Some(env_name(key)), key.legacy.map(str::to_owned)].into_iter().flatten() {
        let Some(value) = env.get(&OsString::from(&name)) else { continue };
        let Some(text) = value.to_str() else {
            return Err(
                Error::usage(format!("the environment variable {name} is not UTF-8")).hint("set it to plain text")
            );
        };
        return Ok(Some(Value { texts: vec![text.to_owned()], origin: Origin::Env(name) }));
    }
    Ok(None)
}

type Table = BTreeMap<String, Vec<String>>;

/// The `[loop]` table of a file; `None` when there is no file.
fn read_file(path: Option<&Path>) -> Result<Option<(PathBuf, Table)>> {
    let Some(path) = path else { return Ok(None) };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Error::usage(format!("cannot read {}: {error}", path.display()))
                .hint("settings are a text file in TOML; move it away to go on without"));
        }
    };
    let bad = |what: String, hint: &str| Error::usage(format!("{}: {what}", path.display())).hint(hint);
    let file: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        bad(error.to_string().trim_end().to_owned(), "see `swarm config show` for the keys and their spelling")
    })?;
    if let Some(other) = file.keys().find(|name| *name != "loop") {
        return Err(bad(format!("unknown key `{other}`"), "settings of the loop stand in a table: [loop]"));
    }
    let Some(table) = file.get("loop") else { return Ok(Some((path.to_owned(), Table::new()))) };
    let Some(table) = table.as_table() else { return Err(bad("`loop` is not a table".to_owned(), "write [loop]")) };
    let mut values = Table::new();
    for (name, value) in table {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let near = nearest(name)
                .map_or("`swarm config show` lists all keys".to_owned(), |near| format!("did you mean `{near}`?"));
            return Err(bad(format!("unknown key `loop.{name}`"), &near));
        };
        let texts = match value {
            toml::Value::Array(items) if key.kind == Kind::List => items.iter().map(scalar).collect::<Option<Vec<_>>>(),
            other => scalar(other).map(|text| vec![text]),
        };
        let Some(texts) = texts else {
            return Err(bad(
                format!("`loop.{name}` has a value of the wrong kind"),
                "use a text, a number, true or false",
            ));
        };
        values.insert(name.clone(), texts);
    }
    Ok(Some((path.to_owned(), values)))
}

fn scalar(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(switch) => Some(switch.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

/// The known key that is spelled most like `name`, if any is close.
fn nearest(name: &str) -> Option<&'static str> {
    let folded = name.replace('_', "-").to_ascii_lowercase();
    KEYS.iter()
        .map(|key| (distance(&folded, key.name), key.name))
        .min()
        .filter(|(far, _)| *far <= 2)
        .map(|(_, near)| near)
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let change = corner + usize::from(left != *right);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;

    fn sources(flags: &[(&'static str, &str)], env: &[(&str, &str)], project: &str) -> (tempfile::TempDir, Sources) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("swarm.toml");
        std::fs::write(&path, project).unwrap();
        let sources = Sources {
            flags: flags.iter().map(|(name, value)| (*name, vec![(*value).to_owned()])).collect(),
            env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            project: Some(path),
            user: None,
        };
        (folder, sources)
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let (_folder, sources) = sources(
            &[("grace", "1s")],
            &[("SWARM_GRACE", "2s"), ("SWARM_DELAY", "3s")],
            "[loop]\ngrace = 4\ndelay = 5\nmodel = \"m\"\n",
        );
        let settings = Settings::resolve(&sources).unwrap();
        assert_eq!(settings.duration("grace").unwrap(), Some(Span(1000)));
        assert_eq!(settings.duration("delay").unwrap(), Some(Span(3000)));
        assert_eq!(settings.value("delay").origin, Origin::Env("SWARM_DELAY".into()));
        assert_eq!(settings.text("model").as_deref(), Some("m"));
        assert_eq!(settings.count("max-failures").unwrap(), Some(5));
        assert_eq!(settings.value("max-failures").origin, Origin::Default);
    }

    #[test]
    fn legacy_variables_count() {
        let (_folder, sources) = sources(&[], &[("DONE_PATTERN", "ALL DONE"), ("SANDBOX", "1")], "");
        let settings = Settings::resolve(&sources).unwrap();
        assert_eq!(settings.text("done-pattern").as_deref(), Some("ALL DONE"));
        assert!(settings.switch("sandbox").unwrap());
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (file, word) in [
            ("[loop]\nmax_time = 3\n", "did you mean `max-time`?"),
            ("[loop]\nfrobnicate = 3\n", "config show"),
            ("grace = 3\n", "[loop]"),
            ("[loop\n", "config show"),
            ("[loop]\non-event = 'x'\n", "--on-event"),
            ("[loop]\ngrace = [1]\n", "use a text"),
        ] {
            let (_folder, sources) = sources(&[], &[], file);
            let error = Settings::resolve(&sources).unwrap_err();
            assert_eq!(error.code, 2, "{file}");
            assert!(error.to_string().contains(word), "{file}: {error}");
        }
    }

    #[test]
    fn durations() {
        for (text, millis) in [
            ("0", 0),
            ("90", 90_000),
            ("1.5", 1500),
            ("90s", 90_000),
            ("30m", 1_800_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
        ] {
            assert_eq!(parse_duration(text), Some(Span(millis)), "{text}");
        }
        for text in ["", "abc", "-5", "-5s", "5 parsecs", "1e99", "NaN"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
