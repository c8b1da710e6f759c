//! The connections: a thread and one request each.

use crate::answer;
use crate::fault;
use crate::http::{self, Request};
use crate::log::{Entry, Log};
use crate::message::Reply;
use crate::scenario::{Fault, Scenario, Step};
use serde_json::{Value, json};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A client that is silent for longer in the middle of its request is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// The scenario being played.
pub(crate) struct StandIn {
    scenario: Scenario,
    log: Log,
    /// Model requests so far.
    asked: AtomicUsize,
    /// The sessions of the CLI in the order of their first request.
    sessions: Mutex<Vec<String>>,
}

impl StandIn {
    /// Plays `scenario` from its beginning.
    pub(crate) fn new(scenario: Scenario, log: Log) -> Arc<StandIn> {
        Arc::new(StandIn { scenario, log, asked: AtomicUsize::new(0), sessions: Mutex::default() })
    }

    /// Answers until the process ends. A connection that fails is the client's business.
    pub(crate) fn serve(self: &Arc<StandIn>, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            let stand_in = Arc::clone(self);
            std::thread::spawn(move || stand_in.answer(stream));
        }
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = Request::read(&stream)?;
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/v1/messages") => self.model_request(&mut stream, &request),
            ("POST", "/v1/messages/count_tokens") => {
                self.harmless(&mut stream, &request, &json!({"input_tokens": 1200}))
            }
            ("GET", "/v1/models") => self.harmless(&mut stream, &request, &json!({"data": [], "has_more": false})),
            ("HEAD", _) => self.head(&mut stream, &request),
            _ => self.harmless(&mut stream, &request, &json!({})),
        }
    }

    fn model_request(&self, stream: &mut TcpStream, request: &Request) -> io::Result<()> {
        let body: Value = serde_json::from_slice(&request.body)?;
        let session = self.session(request.header("x-claude-code-session-id").unwrap_or_default());
        let fault = answer::fault(&self.scenario, self.asked.fetch_add(1, Ordering::Relaxed));
        let step = answer::step(&self.scenario, session, &body);
        self.note(request, Some(session + 1), gets(fault, &step))?;
        let turn = body["messages"].as_array().map_or(0, |messages| answer::answers_given(messages));
        let as_events = body["stream"] == true;
        let reply = Reply { step: &step, model: &body["model"], as_events, session, turn };
        match fault {
            Some(fault) => fault::perform(fault, stream, &reply),
            None => send(stream, &reply),
        }
    }

    /// The number of a session, from 0.
    fn session(&self, id: &str) -> usize {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().position(|known| known == id).unwrap_or_else(|| {
            sessions.push(id.to_owned());
            sessions.len() - 1
        })
    }

    /// Whatever else the CLI wants to know.
    fn harmless(&self, stream: &mut TcpStream, request: &Request, body: &Value) -> io::Result<()> {
        self.note(request, None, "harmless".to_owned())?;
        http::send_json(stream, 200, &[], body)
    }

    fn head(&self, stream: &mut TcpStream, request: &Request) -> io::Result<()> {
        self.note(request, None, "harmless".to_owned())?;
        http::send_head(stream, 200, "application/json", &[])
    }

    fn note(&self, request: &Request, session: Option<usize>, gets: String) -> io::Result<()> {
        let at_ms = self.log.now_ms();
        self.log.add(&Entry { at_ms, method: &request.method, path: &request.path, session, gets })
    }
}

/// What the log calls it.
fn gets(fault: Option<Fault>, step: &Step) -> String {
    match fault {
        Some(fault) => format!("{fault:?}"),
        None if step.bash.is_some() => "tool".to_owned(),
        None => "answer".to_owned(),
    }
}

/// The answer as it should be.
fn send(stream: &mut TcpStream, reply: &Reply<'_>) -> io::Result<()> {
    if !reply.as_events {
        return http::send_json(stream, 200, &[], &reply.whole());
    }
    http::begin_events(stream)?;
    reply.events().iter().try_for_each(|event| http::send_event(stream, event))
}
