//! What tmux knows about every pane, in one answer.
//!
//! Names and titles are whatever somebody chose, so each is preceded by its length in bytes: nothing in it can look like
//! the next field or the next line. Every field costs the server its time for each pane, so there is none too many.

use super::Server;
use super::error::TmuxError;
use super::list::List;
use super::target::{Target, is_id};
use tmux_interface::{DisplayMessage, ListPanes};

/// One life of one server: its numbers of windows and panes mean something only within it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLife {
    /// The server's process.
    pub pid: i32,
    /// When it started, seconds since 1970.
    pub started: i64,
}

/// One pane of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pane {
    /// Of the server that told.
    pub life: ServerLife,
    /// The session's id, `$0`.
    pub session_id: String,
    /// The session's name. A window that is linked into several sessions appears in each.
    pub session: String,
    /// Whether the session was made for our windows (`@swarm_session`).
    pub session_is_ours: bool,
    /// The window's id, `@3`.
    pub window_id: String,
    /// The window's name.
    pub window_name: String,
    /// The pane's id, `%5`.
    pub pane_id: String,
    /// The process that tmux started in it.
    pub pane_pid: i32,
    /// Its terminal, `/dev/pts/7`.
    pub tty: String,
    /// The process has ended and the pane was kept (`remain-on-exit`).
    pub dead: bool,
    /// The exit code of a dead pane, if it was one.
    pub dead_status: Option<i32>,
    /// The title that the program gave it.
    pub title: String,
    /// The program draws on the alternate screen.
    pub alternate_on: bool,
    /// Its output is piped (into its log, where it is ours).
    pub pipe: bool,
    /// The worker that it was opened for (`@swarm_worker`).
    pub worker: Option<String>,
    /// The run that it was opened for (`@swarm_run`).
    pub run: Option<String>,
}

impl Pane {
    /// This pane and no other, as long as this server lives.
    pub fn target(&self) -> Target {
        Target::of_life(&self.window_id, &self.pane_id, &self.life)
    }
}

/// The pane that was opened for this run, and whose program is the process `program`. The options alone do not tell: tmux
/// shows those of a window in every pane of it, also in one that a person made by splitting it.
pub fn find<'a>(panes: &'a [Pane], run: &str, program: i32) -> Option<&'a Pane> {
    panes.iter().find(|pane| pane.pane_pid == program && pane.run.as_deref() == Some(run))
}

/// What is asked once.
const LIFE: &str = "#{pid} #{start_time}";

/// What is asked of each pane: what tmux chose, then what people choose, each with its length.
const FORMAT: &str = concat!(
    "#{session_id} #{window_id} #{pane_id} #{pane_pid} #{pane_tty} #{pane_dead} #{pane_dead_status} #{alternate_on} ",
    "#{pane_pipe} #{?@swarm_session,1,0} #{n:session_name}:#{session_name} #{n:window_name}:#{window_name} ",
    "#{n:pane_title}:#{pane_title} #{n:@swarm_worker}:#{@swarm_worker} #{n:@swarm_run}:#{@swarm_run}",
);

impl Server {
    /// Every pane of the server, in one call whatever their number. None when no server runs.
    pub fn panes(&self) -> Result<Vec<Pane>, TmuxError> {
        let life = DisplayMessage::new().print().message(LIFE).build();
        match self.ask(&List::of(life).then(ListPanes::new().all().format(FORMAT).build()), &[]) {
            Ok(out) => parse(&out).ok_or_else(|| TmuxError::Failed("tmux listed its panes in an unknown form".into())),
            // One that was about to end when we asked has ended; one that has nothing complains about that.
            Err(TmuxError::NoServer(_) | TmuxError::Lost(_) | TmuxError::Gone(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn parse(answer: &[u8]) -> Option<Vec<Pane>> {
    let mut fields = Fields(answer);
    let life = ServerLife { pid: fields.number()?, started: fields.number()? };
    let mut panes = Vec::new();
    while !fields.0.is_empty() {
        panes.push(pane(&life, &mut fields)?);
    }
    Some(panes)
}

fn pane(life: &ServerLife, fields: &mut Fields<'_>) -> Option<Pane> {
    let session_id = fields.word()?.to_owned();
    let window_id = fields.id('@')?;
    let pane_id = fields.id('%')?;
    let pane_pid = fields.number()?;
    let tty = fields.word()?.to_owned();
    let (dead, dead_status) = (fields.flag()?, fields.word()?.parse().ok());
    let (alternate_on, pipe, session_is_ours) = (fields.flag()?, fields.flag()?, fields.flag()?);
    let (session, window_name, title) = (fields.text()?, fields.text()?, fields.text()?);
    let (worker, run) = (fields.text()?, fields.text()?);
    Some(Pane {
        life: life.clone(),
        session_id,
        session,
        session_is_ours,
        window_id,
        window_name,
        pane_id,
        pane_pid,
        tty,
        dead,
        dead_status,
        title,
        alternate_on,
        pipe,
        worker: Some(worker).filter(|worker| !worker.is_empty()),
        run: Some(run).filter(|run| !run.is_empty()),
    })
}

/// What is still to be read.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    /// Up to the next blank or the end of the line.
    pub(super) fn word(&mut self) -> Option<&str> {
        let end = self.0.iter().position(|byte| matches!(byte, b' ' | b'\n'))?;
        let (word, rest) = self.0.split_at(end);
        self.0 = &rest[1..];
        std::str::from_utf8(word).ok()
    }

    pub(super) fn number<N: std::str::FromStr>(&mut self) -> Option<N> {
        self.word()?.parse().ok()
    }

    pub(super) fn id(&mut self, sign: char) -> Option<String> {
        self.word().filter(|word| is_id(word, sign)).map(str::to_owned)
    }

    /// tmux says 1, 0, or nothing.
    fn flag(&mut self) -> Option<bool> {
        self.word().map(|word| word == "1")
    }

    /// `<bytes>:<text>`, and the blank or line end behind it. A text that is not UTF-8 is shown as well as can be.
    fn text(&mut self) -> Option<String> {
        let colon = self.0.iter().position(|byte| *byte == b':')?;
        let length: usize = std::str::from_utf8(&self.0[..colon]).ok()?.parse().ok()?;
        let text = self.0.get(colon + 1..)?.get(..length)?;
        self.0 = self.0.get(colon + 1 + length + 1..)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: &[u8] = b"7 9\n$0 @1 %2 33 /dev/pts/1 1 3 0 1 1 3:a b 5:2:a\n9 0: 1:w 1:r\n";

    #[test]
    fn a_name_cannot_look_like_the_next_field() {
        let panes = parse(LINE).unwrap();
        assert_eq!(panes.len(), 1);
        let pane = &panes[0];
        assert_eq!((pane.session.as_str(), pane.window_name.as_str()), ("a b", "2:a\n9"));
        assert_eq!((pane.dead, pane.dead_status, pane.pipe, pane.session_is_ours), (true, Some(3), true, true));
        assert_eq!((pane.worker.as_deref(), pane.run.as_deref()), (Some("w"), Some("r")));
        assert!(find(&panes, "r", 33).is_some());
        assert!(find(&panes, "other", 33).is_none());
        assert!(find(&panes, "r", 34).is_none(), "somebody split the window");
    }

    #[test]
    fn what_a_living_pane_has_no_status_for_is_empty() {
        let panes = parse(b"7 9\n$0 @1 %2 33 /dev/pts/1 0  1 0 0 1:s 0: 0: 0: 0:\n").unwrap();
        assert_eq!((panes[0].dead, panes[0].dead_status, panes[0].alternate_on), (false, None, true));
        assert_eq!((&panes[0].worker, &panes[0].run), (&None, &None));
    }

    #[test]
    fn an_answer_that_is_cut_is_not_believed() {
        for end in 5..LINE.len() {
            assert_eq!(parse(&LINE[..end]), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }
    }
}
