//! What a worker does: a script that follows from the seed and the attempt alone, so that a run with crashes and its
//! unbroken twin meet the same workers. Its words are real recordings of the agent.

use crate::random::Random;
use swarm::engine::Policy;
use swarm::model::{AttemptId, Ending, Exit, Oom, Status};

/// A recording among the fixtures.
macro_rules! recording {
    ($name:literal) => {
        include_bytes!(concat!("../fixtures/transcripts/", $name, ".jsonl"))
    };
}

/// One thing that a worker does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// Prints.
    Print(Vec<u8>),
    /// Prints a refusal that ends so many seconds after it is printed.
    PrintLimit(u64),
    /// Commits; `true` ticks a box of the plan.
    Commit(bool),
    /// Leaves something uncommitted.
    Scribble,
    /// Ends.
    Exit(Exit),
    /// Ends, and its shim with it: there is no record.
    Vanish,
}

/// What it does when it is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnTerm {
    /// Ends with this status after so many milliseconds.
    Ends(Status, u64),
    /// Nothing.
    Ignores,
}

/// Endings without what they carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Done,
    Clean,
    LaunchFailed,
    CannotLaunch,
    LogFull,
    OutputLimit,
    Refusal,
    Stopped,
    Failed,
    Killed,
    Oom,
    OomInside,
    StartTimeout,
    IdleTimeout,
    WallTimeout,
    LimitedUntil,
    Limited,
    Overloaded,
    AuthFailure,
    ConfigFailure,
    ContextTooLong,
    OwnLimit,
    Interrupted,
    Lost,
}

impl Kind {
    /// Every ending that a loop of bare processes can reach.
    pub(crate) const ALL: [Kind; 24] = [
        Kind::Done,
        Kind::Clean,
        Kind::LaunchFailed,
        Kind::CannotLaunch,
        Kind::LogFull,
        Kind::OutputLimit,
        Kind::Refusal,
        Kind::Stopped,
        Kind::Failed,
        Kind::Killed,
        Kind::Oom,
        Kind::OomInside,
        Kind::StartTimeout,
        Kind::IdleTimeout,
        Kind::WallTimeout,
        Kind::LimitedUntil,
        Kind::Limited,
        Kind::Overloaded,
        Kind::AuthFailure,
        Kind::ConfigFailure,
        Kind::ContextTooLong,
        Kind::OwnLimit,
        Kind::Interrupted,
        Kind::Lost,
    ];

    /// `None` for the endings that need a container.
    pub(crate) fn of(ending: &Ending) -> Option<Kind> {
        Some(match ending {
            Ending::Done => Kind::Done,
            Ending::Clean => Kind::Clean,
            Ending::LaunchFailed { permanent: false, .. } => Kind::LaunchFailed,
            Ending::LaunchFailed { permanent: true, .. } => Kind::CannotLaunch,
            Ending::LogFull => Kind::LogFull,
            Ending::OutputLimit => Kind::OutputLimit,
            Ending::Refusal => Kind::Refusal,
            Ending::Stopped => Kind::Stopped,
            Ending::EngineLost | Ending::ContainerRemoved => return None,
            Ending::Failed { .. } => Kind::Failed,
            Ending::Killed { .. } => Kind::Killed,
            Ending::Oom => Kind::Oom,
            Ending::OomInside => Kind::OomInside,
            Ending::StartTimeout => Kind::StartTimeout,
            Ending::IdleTimeout => Kind::IdleTimeout,
            Ending::WallTimeout => Kind::WallTimeout,
            Ending::RateLimited { until: Some(_) } => Kind::LimitedUntil,
            Ending::RateLimited { until: None } => Kind::Limited,
            Ending::Overloaded => Kind::Overloaded,
            Ending::AuthFailure { .. } => Kind::AuthFailure,
            Ending::ConfigFailure { .. } => Kind::ConfigFailure,
            Ending::ContextTooLong => Kind::ContextTooLong,
            Ending::OwnLimit => Kind::OwnLimit,
            Ending::Interrupted => Kind::Interrupted,
            Ending::Lost => Kind::Lost,
        })
    }
}

/// What a seed's workers are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Mostly at work.
    Steady,
    /// Anything.
    Wild,
    /// The API never answers.
    Outage,
    /// Always the same misfortune.
    Stuck(u64),
}

/// A worker to be.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// It cannot be started; `true` for good.
    pub(crate) launch_error: Option<bool>,
    /// Each act comes so many milliseconds after the one before.
    pub(crate) acts: Vec<(u64, Act)>,
    pub(crate) on_term: OnTerm,
    /// Its ending if nobody interferes; `None` if it never ends by itself.
    pub(crate) expected: Option<Kind>,
    /// Its final answer claims by the rule that everything is done.
    pub(crate) claims: bool,
}

impl Script {
    /// How many kinds of workers there are.
    pub(crate) const KINDS: u64 = 27;

    /// The kind that runs out of memory.
    pub(crate) const OUT_OF_MEMORY: u64 = 24;

    /// The script of `attempt`. After some tries of one iteration the API has mercy, but in an outage.
    pub(crate) fn of(seed: u64, attempt: &AttemptId, mood: Mood, policy: &Policy) -> Script {
        let mut random = Random::part(seed, &format!("worker {}.{}", attempt.number, attempt.tries));
        let kind = match mood {
            Mood::Outage => 13 + random.below(2),
            Mood::Stuck(kind) if attempt.tries < 5 => kind,
            Mood::Stuck(_) => 0,
            Mood::Steady if attempt.tries > 3 || random.percent(60) => random.pick(&[0, 0, 0, 1, 2, 3, 4, 5, 7]),
            Mood::Wild if attempt.tries > 4 => random.below(4),
            Mood::Steady | Mood::Wild => random.below(Script::KINDS),
        };
        let mut script = Script::of_kind(kind, &mut random, policy);
        if script.expected.is_some() && random.percent(10) {
            script.acts.insert(0, (random.below(2000), Act::Print(garbage(&mut random))));
        }
        script
    }

    fn of_kind(kind: u64, random: &mut Random, policy: &Policy) -> Script {
        use Kind as K;
        match kind {
            0 => Script::speaking(recording!("plan_step"), 0, K::Clean, random).working(random),
            1 => Script::speaking(recording!("plan_last"), 0, K::Done, random).working(random).claiming(),
            2 => Script::speaking(recording!("done_in_tool_result"), 0, K::Clean, random).working(random),
            3 => Script::speaking(recording!("done_in_prose"), 0, K::Clean, random),
            4 => Script::speaking(recording!("done_then_more"), 0, K::Clean, random),
            5 => Script::speaking(recording!("tool_done"), 0, K::Done, random).claiming(),
            6 => Script::speaking(recording!("tool_done"), 0, K::Done, random).claiming().staying(random),
            7 => Script::speaking(recording!("text"), 0, K::Clean, random),
            8 => Script::silent(random),
            9 => Script::speaking(recording!("plan_step"), 0, K::Clean, random).falling_silent(random),
            10 => Script::speaking(recording!("text"), 143, K::Clean, random).staying(random),
            11 => Script::limited(random, policy),
            12 => Script::speaking(recording!("rate_limit_429_long"), 1, K::Limited, random),
            13 => Script::speaking(recording!("overloaded_fast"), 1, K::Overloaded, random),
            14 => Script::speaking(recording!("connection_reset"), 1, K::Overloaded, random),
            15 => Script::speaking(recording!("auth_401_fast"), 1, K::AuthFailure, random),
            16 => Script::speaking(recording!("model_404"), 1, K::ConfigFailure, random),
            17 => Script::speaking(recording!("prompt_too_long"), 1, K::ContextTooLong, random),
            18 => Script::speaking(recording!("max_output"), 1, K::OutputLimit, random),
            19 => Script::speaking(recording!("refusal"), 1, K::Refusal, random),
            20 => Script::speaking(recording!("max_turns"), 1, K::OwnLimit, random),
            21 => Script::speaking(recording!("sigint_in_tool"), 0, K::Interrupted, random),
            22 => Script::ending(Exit::plain(Status::Signal(random.pick(&[9, 11, 15]))), K::Killed, random),
            23 => Script::ending(Exit::plain(Status::Code(random.pick(&[0, 1, 3]))), K::Failed, random),
            Script::OUT_OF_MEMORY => Script::out_of_memory(random),
            25 => Script::unlaunchable(random),
            _ => Script { expected: Some(K::Lost), ..Script::ending(Exit::plain(Status::Lost), K::Lost, random) }
                .vanishing(),
        }
    }

    /// Prints a recording, in pieces, and exits.
    fn speaking(words: &[u8], code: i32, expected: Kind, random: &mut Random) -> Script {
        let words = retold(words, random);
        let mut acts = Vec::new();
        let mut rest = words.as_slice();
        while !rest.is_empty() {
            let end = if random.percent(30) { rest.len() } else { random.between(1, rest.len() as u64) as usize };
            let (piece, later) = rest.split_at(end);
            acts.push((random.below(9_000), Act::Print(piece.to_vec())));
            rest = later;
        }
        acts.push((random.below(3_000), Act::Exit(Exit::plain(Status::Code(code)))));
        let on_term = if random.percent(20) {
            OnTerm::Ignores
        } else {
            OnTerm::Ends(random.pick(&[Status::Code(143), Status::Signal(15)]), random.below(8_000))
        };
        Script { launch_error: None, acts, on_term, expected: Some(expected), claims: false }
    }

    fn claiming(self) -> Script {
        Script { claims: true, ..self }
    }

    /// Commits, ticks or scribbles somewhere in between.
    fn working(mut self, random: &mut Random) -> Script {
        let act = match random.below(4) {
            0 => Act::Scribble,
            1 => Act::Commit(false),
            _ => Act::Commit(true),
        };
        let at = random.below(self.acts.len() as u64) as usize;
        self.acts.insert(at, (random.below(1_000), act));
        self
    }

    /// Does not go after its last word.
    fn staying(mut self, random: &mut Random) -> Script {
        self.acts.pop();
        if random.percent(30) {
            self.on_term = OnTerm::Ignores;
        }
        self
    }

    /// Stops in the middle, without ending.
    fn falling_silent(mut self, random: &mut Random) -> Script {
        self.acts.truncate(1);
        if let Some((_, Act::Print(words))) = self.acts.first_mut() {
            words.truncate(random.between(1, 1500) as usize);
        }
        Script { expected: None, ..self }
    }

    /// Says nothing at all and does not end.
    fn silent(random: &mut Random) -> Script {
        Script { acts: Vec::new(), expected: None, ..Script::speaking(b"", 0, Kind::Clean, random) }
    }

    /// Is refused until a time that it names.
    fn limited(random: &mut Random, policy: &Policy) -> Script {
        let mut script = Script::speaking(b"", 1, Kind::LimitedUntil, random);
        // Clearly more, or clearly less, than is waited for: what is on the edge is decided by a second of delay.
        let (far, near) = (policy.max_wait.0 / 1000 + 7200, (policy.max_wait.0 - policy.limit_margin.0) / 1000 - 20);
        let seconds = if random.percent(25) { far } else { random.between(1, near) };
        script.acts.insert(0, (random.below(3_000), Act::PrintLimit(seconds)));
        script
    }

    /// Begins well and then ends with `exit`, before its result.
    fn ending(exit: Exit, expected: Kind, random: &mut Random) -> Script {
        let mut script = Script::speaking(first_lines(recording!("plan_step"), 2), 0, expected, random);
        script.acts.pop();
        script.acts.push((random.below(2_000), Act::Exit(exit)));
        script
    }

    fn out_of_memory(random: &mut Random) -> Script {
        let (oom, status, kind) = if random.percent(60) {
            (Oom::Confirmed, Status::Signal(9), Kind::Oom)
        } else {
            (Oom::Inside, Status::Code(1), Kind::OomInside)
        };
        Script::ending(Exit { status, oom, left: Vec::new() }, kind, random)
    }

    fn unlaunchable(random: &mut Random) -> Script {
        let permanent = random.percent(30);
        let kind = if permanent { Kind::CannotLaunch } else { Kind::LaunchFailed };
        let mut script = Script::silent(random);
        (script.launch_error, script.expected) = (Some(permanent), Some(kind));
        script
    }

    fn vanishing(mut self) -> Script {
        self.acts.iter_mut().for_each(|(_, act)| {
            if matches!(act, Act::Exit(_)) {
                *act = Act::Vanish;
            }
        });
        self
    }
}

/// A refusal by a usage limit that ends at `reset`, in seconds since 1970.
pub(crate) fn limit_until(reset: i64) -> Vec<u8> {
    replaced(recording!("usage_limit_reached"), "1767232800", &reset.to_string())
}

/// The recording with another price: most often a sensible one, sometimes one that no agent should name.
fn retold(words: &[u8], random: &mut Random) -> Vec<u8> {
    let Some(start) = find(words, "\"total_cost_usd\":0.") else { return words.to_vec() };
    let from = start + "\"total_cost_usd\":".len();
    let length = words[from..].iter().position(|byte| *byte == b',').unwrap_or(0);
    let price = match random.below(20) {
        0 => "-3.5".to_owned(),
        1 => "1e999".to_owned(),
        2 => "null".to_owned(),
        _ => format!("0.{:03}", random.below(60)),
    };
    [&words[..from], price.as_bytes(), &words[from + length..]].concat()
}

fn replaced(words: &[u8], old: &str, new: &str) -> Vec<u8> {
    String::from_utf8_lossy(words).replace(old, new).into_bytes()
}

fn find(words: &[u8], text: &str) -> Option<usize> {
    words.windows(text.len()).position(|window| window == text.as_bytes())
}

fn first_lines(words: &[u8], count: usize) -> &[u8] {
    let end = words.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(count - 1).map_or(0, |(at, _)| at + 1);
    &words[..end]
}

/// Bytes that are no protocol: text, invalid UTF-8, NUL, an unknown line type.
fn garbage(random: &mut Random) -> Vec<u8> {
    random
        .pick(&[
            b"warning: something of a child\n".as_slice(),
            b"\xff\xfe\x00/done\n",
            b"{\"type\":\"novelty\",\"result\":\"/done\"}\n",
            b"\n\n",
        ])
        .to_vec()
}
