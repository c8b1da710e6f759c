//! The order that a shim is given, in a file of memory that is handed over open: a command line can be read by everybody,
//! values of the environment are often secrets, and so they never reach a disk. Fields end with NUL, which no path,
//! argument or variable can hold, so all other bytes pass unchanged.

use super::failpoint;
use crate::model::{Launch, Show, Streams};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The variable by which a worker and all that it starts can be told from everybody else: the path of the attempt's
/// folder. It finds them again when their shim was killed.
pub const MARK: &str = "SWARM_ATTEMPT";

/// First field; another one is not for us.
const VERSION: &str = "swarm-order-3";

/// Where the shim was started, and so what it has by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site<'a> {
    /// Below its supervisor: the supervisor's environment, and its cgroup with this counter of memory kills.
    Bare(Option<&'a Path>),
    /// Below a tmux server, which anybody may have started anywhere: what it has is the pane's, and no more of use.
    Window,
}

/// The environment that is not the supervisor's: what says which terminal this is.
const OF_THE_PANE: [&str; 4] = ["TERM", "COLORTERM", "TMUX", "TMUX_PANE"];

/// All that a shim must know. Paths are absolute: the shim does not stay in its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The attempt's folder: the worker's [`MARK`].
    pub folder: PathBuf,
    /// This boot, so that the shim need not ask.
    pub boot_id: String,
    /// The counter of memory kills of the cgroup that both live in.
    pub oom_counter: Option<PathBuf>,
    /// Of its own environment the shim passes on what is the pane's; else all.
    pub in_window: bool,
    /// Leave descendants alone.
    pub keep_children: bool,
    /// The worker's folder.
    pub cwd: PathBuf,
    /// Its standard streams.
    pub streams: Streams,
    /// Program and arguments.
    pub argv: Vec<OsString>,
    /// Changes to what the shim passes on of its environment.
    pub env: Vec<(OsString, Option<OsString>)>,
}

impl Order {
    /// The order for `launch` in `folder`; an error names what no operating system would take.
    pub fn new(launch: &Launch, folder: &Path, boot_id: &str, site: Site<'_>) -> io::Result<Order> {
        check(launch)?;
        let (mut env, oom_counter) = match site {
            Site::Bare(counter) => (Vec::new(), counter),
            Site::Window => (our_environment(), None),
        };
        env.extend_from_slice(&launch.env);
        Ok(Order {
            folder: folder.to_owned(),
            boot_id: boot_id.to_owned(),
            oom_counter: oom_counter.map(Path::to_owned),
            in_window: site == Site::Window,
            keep_children: launch.keep_children,
            cwd: std::path::absolute(&launch.cwd)?,
            streams: absolute(&launch.streams)?,
            argv: launch.argv.clone(),
            env,
        })
    }

    /// The worker's environment, made of the shim's own. A failpoint is for us alone.
    pub fn environment(&self, shims: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<OsString, OsString> {
        let passed_on = |(name, _): &(OsString, OsString)| !self.in_window || is_of_the_pane(name);
        let mut all: BTreeMap<OsString, OsString> = shims.filter(passed_on).collect();
        for (name, value) in &self.env {
            match value {
                Some(value) => all.insert(name.clone(), value.clone()),
                None => all.remove(name),
            };
        }
        all.remove(OsStr::new(failpoint::VARIABLE));
        all.insert(MARK.into(), self.folder.clone().into());
        all
    }

    /// A file without a name that holds the order, ready to be read from its beginning.
    pub fn in_memory(&self) -> io::Result<File> {
        let mut file = File::from(memfd_create(c"swarm-order", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(&self.encode())?;
        file.rewind()?;
        Ok(file)
    }

    /// Reads an order that was handed over.
    pub fn read(mut file: File) -> io::Result<Order> {
        let mut bytes = Vec::with_capacity(4096);
        file.read_to_end(&mut bytes)?;
        Order::decode(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an order"))
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        let counter = self.oom_counter.as_deref().unwrap_or(Path::new(""));
        let keep = if self.keep_children { "keep" } else { "end" };
        let site = if self.in_window { "window" } else { "bare" };
        let head = [VERSION, &self.boot_id, site, keep];
        let paths = [&self.folder, counter, &self.cwd];
        head.iter().for_each(|text| field(&mut out, text.as_bytes()));
        paths.iter().for_each(|path| field(&mut out, path.as_os_str().as_bytes()));
        encode_streams(&self.streams, &mut out);
        field(&mut out, self.argv.len().to_string().as_bytes());
        self.argv.iter().for_each(|word| field(&mut out, word.as_bytes()));
        for (name, value) in &self.env {
            field(&mut out, name.as_bytes());
            field(&mut out, &value.as_ref().map_or(b"-".to_vec(), |value| [b"=", value.as_bytes()].concat()));
        }
        out
    }

    /// The reverse; `None` for anything that [`Order::encode`] did not write.
    pub fn decode(bytes: &[u8]) -> Option<Order> {
        let mut fields = bytes.strip_suffix(&[0])?.split(|&byte| byte == 0);
        let mut text = || fields.next().and_then(|field| std::str::from_utf8(field).ok());
        (text()? == VERSION).then_some(())?;
        let boot_id = text()?.to_owned();
        let in_window = text()? == "window";
        let keep_children = text()? == "keep";
        let mut path = || fields.next().map(|field| PathBuf::from(os(field)));
        let folder = path()?;
        let oom_counter = path().map(some_path)?;
        let cwd = path()?;
        let streams = decode_streams(&mut fields)?;
        let count: usize = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let argv: Vec<OsString> = fields.by_ref().take(count).map(os).collect();
        (argv.len() == count && count > 0).then_some(())?;
        let mut env = Vec::new();
        while let Some(name) = fields.next() {
            let value = fields.next()?;
            env.push((os(name), value.strip_prefix(b"=").map(os)));
        }
        Some(Order { folder, boot_id, oom_counter, in_window, keep_children, cwd, streams, argv, env })
    }
}

/// What the streams are, by name, and the paths that belong to it.
fn encode_streams(streams: &Streams, out: &mut Vec<u8>) {
    match streams {
        Streams::Terminal => field(out, b"terminal"),
        Streams::Files { stdin, out: log, err, show } => {
            field(out, b"files");
            let (shown, from) = show.as_ref().map_or((Path::new(""), 0), |show| (&show.log, show.from));
            for path in [stdin, log, err, shown] {
                field(out, path.as_os_str().as_bytes());
            }
            field(out, from.to_string().as_bytes());
        }
    }
}

fn decode_streams<'a>(fields: &mut impl Iterator<Item = &'a [u8]>) -> Option<Streams> {
    let kind = fields.next()?;
    let mut path = || fields.next().map(|field| PathBuf::from(os(field)));
    match kind {
        b"terminal" => Some(Streams::Terminal),
        b"files" => {
            let (stdin, out, err, shown) = (path()?, path()?, path()?, path().map(some_path)?);
            let from: u64 = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
            Some(Streams::Files { stdin, out, err, show: shown.map(|log| Show { log, from }) })
        }
        _ => None,
    }
}

/// An empty path stands for none.
fn some_path(path: PathBuf) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then_some(path)
}

fn absolute(streams: &Streams) -> io::Result<Streams> {
    let Streams::Files { stdin, out, err, show } = streams else { return Ok(Streams::Terminal) };
    Ok(Streams::Files {
        stdin: std::path::absolute(stdin)?,
        out: std::path::absolute(out)?,
        err: std::path::absolute(err)?,
        show: show.as_ref().map(absolute_show).transpose()?,
    })
}

fn absolute_show(show: &Show) -> io::Result<Show> {
    Ok(Show { log: std::path::absolute(&show.log)?, from: show.from })
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.push(0);
}

fn os(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

/// All of ours but what is the pane's to say.
fn our_environment() -> Vec<(OsString, Option<OsString>)> {
    let ours = std::env::vars_os().filter(|(name, _)| !is_of_the_pane(name));
    ours.map(|(name, value)| (name, Some(value))).collect()
}

fn is_of_the_pane(name: &OsStr) -> bool {
    OF_THE_PANE.iter().any(|of_the_pane| name == *of_the_pane)
}

fn check(launch: &Launch) -> io::Result<()> {
    let files: &[Option<&PathBuf>] = match &launch.streams {
        Streams::Files { stdin, out, err, show } => {
            &[Some(stdin), Some(out), Some(err), show.as_ref().map(|show| &show.log)]
        }
        Streams::Terminal => &[],
    };
    let paths = files.iter().flatten().copied().chain([&launch.cwd]).map(|path| path.as_os_str());
    let names = launch.env.iter().map(|(name, _)| name.as_os_str());
    let values = launch.env.iter().filter_map(|(_, value)| value.as_deref());
    let mut all = paths.chain(launch.argv.iter().map(OsString::as_os_str)).chain(names).chain(values);
    if all.any(|text| text.as_bytes().contains(&0)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "an argument, variable or path holds a NUL byte"));
    }
    if launch.argv.first().is_none_or(|program| program.is_empty()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program to start"));
    }
    let bad = |name: &OsStr| name.is_empty() || name.as_bytes().contains(&b'=');
    match launch.env.iter().find(|(name, _)| bad(name)) {
        Some((name, _)) => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("bad variable name {name:?}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AttemptId, RunId, TaskId};

    fn order() -> Order {
        let odd = os(b"a\xff\n \"=");
        Order {
            folder: "/run/attempts/1.1".into(),
            boot_id: "boot".into(),
            oom_counter: None,
            in_window: false,
            keep_children: true,
            cwd: odd.clone().into(),
            streams: Streams::Files {
                stdin: "/in".into(),
                out: "/out".into(),
                err: "/err".into(),
                show: Some(Show { log: "/show".into(), from: 7 }),
            },
            argv: vec!["".into(), odd.clone(), "".into()],
            env: vec![("A".into(), Some(odd.clone())), ("B".into(), None), ("C".into(), Some("".into()))],
        }
    }

    #[test]
    fn every_byte_comes_back() {
        let order = order();
        assert_eq!(Order::decode(&order.encode()), Some(order));
        let other = Order {
            oom_counter: Some("/c".into()),
            in_window: true,
            keep_children: false,
            env: vec![],
            streams: Streams::Terminal,
            ..self::order()
        };
        assert_eq!(Order::read(other.in_memory().unwrap()).unwrap(), other);
    }

    #[test]
    fn a_window_passes_on_what_is_the_panes_and_nothing_of_its_server() {
        let attempt = AttemptId { run: RunId("r".into()), task: TaskId("t".into()), number: 1, tries: 1 };
        let launch = Launch {
            attempt,
            argv: vec!["x".into()],
            cwd: "/".into(),
            env: vec![("PATH".into(), Some("/mine".into())), ("HOME".into(), None)],
            streams: Streams::Terminal,
            keep_children: false,
        };
        let pair = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
        let shims = [pair("TERM", "screen"), pair("TMUX_PANE", "%1"), pair("OF_SERVER", "1"), pair("HOME", "/h")];
        let order = Order::new(&launch, Path::new("/f"), "boot", Site::Window).unwrap();
        let window = order.environment(shims.clone().into_iter());
        assert_eq!(window.get(OsStr::new("TERM")), Some(&"screen".into()));
        assert_eq!(window.get(OsStr::new("TMUX_PANE")), Some(&"%1".into()));
        assert_eq!(window.get(OsStr::new("PATH")), Some(&"/mine".into()));
        assert_eq!(window.get(OsStr::new(MARK)), Some(&"/f".into()));
        assert!(!window.contains_key(OsStr::new("OF_SERVER")) && !window.contains_key(OsStr::new("HOME")));
        let inherited = std::env::vars_os().find(|(name, _)| name.as_bytes().starts_with(b"CARGO"));
        assert!(inherited.is_some_and(|(name, value)| window.get(&name) == Some(&value)), "ours goes along");
        let bare = Order::new(&launch, Path::new("/f"), "boot", Site::Bare(None)).unwrap();
        let bare: Vec<OsString> = bare.environment(shims.into_iter()).into_keys().collect();
        assert_eq!(bare, ["OF_SERVER", "PATH", MARK, "TERM", "TMUX_PANE"]);
    }

    #[test]
    fn a_cut_order_never_becomes_another_program() {
        let bytes = order().encode();
        for at in 0..bytes.len() {
            let cut = Order::decode(&bytes[..at]);
            assert!(cut.is_none_or(|cut| cut.argv == order().argv), "cut at {at}");
        }
    }
}
