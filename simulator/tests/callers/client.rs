//! A client of a few lines that shares no code with the server.

use crate::rig::PATIENCE;
use crate::watch::search;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

/// An answer.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Value,
}

impl Said {
    /// The code of an error.
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// Who asks where.
#[derive(Clone, Copy)]
pub(crate) struct Client<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) key: &'a str,
}

impl Client<'_> {
    /// A request that was written, and whose answer nobody has read.
    pub(crate) fn begin(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let Self { address, key } = self;
        let length = body.len();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-length: {length}\r\n"
        );
        if !body.is_empty() {
            head.push_str("content-type: application/json\r\n");
        }
        if !key.is_empty() {
            head.push_str(&format!("x-api-key: {key}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        stream
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Said {
        let mut stream = self.begin(method, path, headers, body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        search("an answer", bytes.as_slice());
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        Said { status: status.unwrap_or_default(), head: head.to_owned(), body }
    }

    /// `POST /api/v1/integration/<path>`.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Said {
        self.send("POST", &format!("/api/v1/integration/{path}"), &[], &body.to_string())
    }

    /// The same with a key.
    pub(crate) fn pay(&self, key: &str, body: &Value) -> Said {
        let path = "/api/v1/integration/payments";
        self.send("POST", path, &[("idempotency-key", key)], &body.to_string())
    }

    pub(crate) fn transaction(&self, id: &str) -> Said {
        self.send("GET", &format!("/api/v1/integration/transactions/{id}"), &[], "")
    }
}
