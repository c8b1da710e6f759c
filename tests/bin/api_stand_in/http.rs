//! As much of HTTP/1.1 as the CLI speaks: one request a connection, a body of a known length, an answer that ends with
//! the connection.

use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// The longest head and the longest body that are taken, in bytes.
const MAX_HEAD: u64 = 64 * 1024;
const MAX_BODY: usize = 64 * 1024 * 1024;

/// One request.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Reads one, or says what is wrong with it.
    pub(crate) fn read(stream: &TcpStream) -> io::Result<Request> {
        let mut head = BufReader::new(stream).take(MAX_HEAD);
        let first = line(&mut head)?;
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(bad("request line")) };
        let path = target.split('?').next().unwrap_or(target);
        let mut request = Request { method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new() };
        loop {
            let line = line(&mut head)?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| bad("header"))?;
            request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        request.body = vec![0; request.body_length()?];
        head.into_inner().read_exact(&mut request.body)?;
        Ok(request)
    }

    /// The value of a header; `name` in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn body_length(&self) -> io::Result<usize> {
        let length = self.header("content-length").map_or(Ok(0), str::parse).map_err(|_| bad("content-length"))?;
        if length > MAX_BODY { Err(bad("body too long")) } else { Ok(length) }
    }
}

/// One line of a head without its end.
fn line(head: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    head.read_line(&mut line)?;
    line.strip_suffix("\r\n").map(str::to_owned).ok_or_else(|| bad("line without end"))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Answers with a whole JSON document.
pub(crate) fn send_json(
    stream: &mut TcpStream,
    status: u16,
    headers: &[(&str, String)],
    body: &Value,
) -> io::Result<()> {
    let body = body.to_string();
    let mut headers = headers.to_vec();
    headers.push(("content-length", body.len().to_string()));
    send_head(stream, status, "application/json", &headers)?;
    stream.write_all(body.as_bytes())
}

/// Answers with the head of a stream of events.
pub(crate) fn begin_events(stream: &mut TcpStream) -> io::Result<()> {
    send_head(stream, 200, "text/event-stream", &[])
}

/// Sends one event of a stream.
pub(crate) fn send_event(stream: &mut TcpStream, event: &Value) -> io::Result<()> {
    let name = event["type"].as_str().unwrap_or_default();
    stream.write_all(format!("event: {name}\ndata: {event}\n\n").as_bytes())
}

/// Sends the head of an answer; the end of the connection ends its body.
pub(crate) fn send_head(stream: &mut TcpStream, status: u16, kind: &str, headers: &[(&str, String)]) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Stand-In\r\ncontent-type: {kind}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}request-id: req_stand_in\r\n\r\n").as_bytes())
}
