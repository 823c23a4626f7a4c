//! The endpoints on a socket of this machine, an engine that says what it is told to say, and a
//! client of a few lines that shares no code with the server.

use crate::platform;
use crate::provided::{Post, providers};
use crate::watch::{Watch, search, watch_for};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot};
use veksel_adapters::audit;
use veksel_adapters::oidc::{Alarms, Oidc};
use veksel_adapters::providers::Provides;
use veksel_api::{
    Asked, Bank, Bounds, Caller, Doors, Engine, Exchange, External, Identity, Integration, Secure,
    Seen, Signed, Unwelcome, Webhooks, router, serve,
};
use veksel_config::bridge::{CallerConfig, PERMISSIONS, SecretSource};
use veksel_config::{BRIDGE_EXAMPLE, Source, load_switch};
use veksel_core::enquiry::{Call, Event, Review, Secret, Told};
use veksel_core::{ParticipantId, Utc};

/// Waiting for anything is over after this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What these tests say at doors, and no door says back: keys, tokens, and codes.
const SECRETS: [&str; 3] = ["app-key", "s3cret", "c0de/1"];

type Answers = Arc<Mutex<VecDeque<(Duration, Told)>>>;

pub(crate) struct Rig {
    _runtime: Runtime,
    pub(crate) address: SocketAddr,
    answers: Answers,
    calls: Arc<Mutex<VecDeque<Call>>>,
    counts: Arc<Mutex<Vec<(String, u16)>>>,
    /// The messages that were handed over.
    pub(crate) post: Post,
    /// What the switch says of its health.
    pub(crate) health: Arc<Mutex<Result<(), &'static str>>>,
    stop: Mutex<Option<oneshot::Sender<()>>>,
    _watch: Watch,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Said {
    /// A header's value, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

pub(crate) fn json(said: &Said) -> Value {
    serde_json::from_str(&said.body).unwrap_or_else(|_| panic!("{said:?}"))
}

/// Believes a digest that says so, and takes the body for the kind of the event.
struct Credulous;

impl Webhooks for Credulous {
    fn paths(&self) -> &'static [&'static str] {
        &["/v1/webhooks/sumsub", "/api/kyc/webhook"]
    }

    fn verify(&self, signed: &Signed<'_>, body: &[u8]) -> Result<Event, Unwelcome> {
        match (signed.header("x-payload-digest"), signed.header("x-payload-digest-alg")) {
            (Some("good"), Some("HMAC_SHA256_HEX")) => Ok(Event {
                kind: String::from_utf8(body.to_vec()).unwrap(),
                review: Review {
                    applicant: "63e0".into(),
                    customer: "c-1".into(),
                    status: None,
                    level: String::new(),
                    reviewed: None,
                    document_until: None,
                    born: None,
                },
                at: Utc(1),
                digest: [0; 32],
            }),
            (Some("unreadable"), Some(_)) => Err(Unwelcome::Unreadable),
            _ => Err(Unwelcome::Forged),
        }
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::start(None, None, None, own_platform())
    }

    /// With everything that there can be.
    pub(crate) fn whole(token: &str) -> Self {
        let source = Source::text("bridge.toml", BRIDGE_EXAMPLE).known_dialects(&["cbs-ascii-bin"]);
        let bridge = load_switch(source).unwrap_or_else(|wrong| panic!("{wrong}")).bridge;
        let (http, mut identity) = (bridge.http.unwrap(), bridge.identity.unwrap());
        identity.mock = true;
        let secret = |_: &SecretSource| Ok(Secret::new("secret"));
        let oidc = Oidc::new(&identity, &http, &secret, &audit(64).0, Alarms::default()).unwrap();
        Self::with_people(token, Identity::new(oidc, &identity, &http))
    }

    pub(crate) fn with_token(token: &str) -> Self {
        Self::start(Some(Secret::new(token)), None, None, own_platform())
    }

    /// A card platform of one's own.
    pub(crate) fn with_platform(external: External) -> Self {
        Self::start(None, None, None, external)
    }

    /// People sign in too.
    pub(crate) fn with_people(token: &str, identity: Identity) -> Self {
        Self::start(Some(Secret::new(token)), Some(identity), None, own_platform())
    }

    /// Over TLS, and over nothing else.
    pub(crate) fn secure(secure: Secure) -> Self {
        Self::start(None, None, Some(secure), own_platform())
    }

    fn start(
        token: Option<Secret>,
        identity: Option<Identity>,
        secure: Option<Secure>,
        external: External,
    ) -> Self {
        let watch = watch_for(&SECRETS);
        let runtime = Runtime::new().unwrap();
        let (calling, calls) = mpsc::channel(4);
        let answers = Answers::default();
        let heard = Arc::default();
        runtime.spawn(engine(calls, Arc::clone(&answers), Arc::clone(&heard)));
        let counts: Arc<Mutex<Vec<(String, u16)>>> = Arc::default();
        let counted = Arc::clone(&counts);
        let health = Arc::new(Mutex::new(Ok(())));
        let asked = Arc::clone(&health);
        let (providers, post) = providers();
        let doors = Doors {
            engine: Engine::new(calling),
            webhooks: Some(Arc::new(Credulous)),
            identity,
            banks: vec![
                Bank { name: "nordbank".into(), push_secret: None },
                Bank { name: "sorbank".into(), push_secret: None },
                Bank { name: "signbank".into(), push_secret: Some(Secret::new("push-secret")) },
            ],
            token,
            external: Some(external),
            is_loopback: true,
            body_max: 4_096,
            integration: Some(integration(providers)),
            health: Arc::new(move || *asked.lock().unwrap()),
            count: Arc::new(move |seen: &Seen<'_>| {
                counted.lock().unwrap().push((seen.endpoint.to_owned(), seen.status));
            }),
        };
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let bounds = Bounds { head: Duration::from_millis(400), ..Bounds::default() };
        let until = async { stopped.await.unwrap_or_default() };
        runtime.spawn(serve(listener, secure, router(doors), bounds, until));
        let stop = Mutex::new(Some(stop));
        Self {
            _runtime: runtime,
            address,
            answers,
            calls: heard,
            counts,
            post,
            health,
            stop,
            _watch: watch,
        }
    }

    /// The engine says these, one after the other, to the next calls.
    pub(crate) fn tell_all(&self, all: impl IntoIterator<Item = Told>) {
        let mut answers = self.answers.lock().unwrap();
        answers.clear();
        answers.extend(all.into_iter().map(|told| (Duration::ZERO, told)));
        self.calls.lock().unwrap().clear();
    }

    /// The engine says this to the next call.
    pub(crate) fn tell(&self, told: Told) {
        self.tell_after(Duration::ZERO, told);
    }

    pub(crate) fn tell_after(&self, wait: Duration, told: Told) {
        let mut answers = self.answers.lock().unwrap();
        // What was not asked for is forgotten.
        answers.clear();
        answers.push_back((wait, told));
    }

    /// The last call that came.
    pub(crate) fn heard(&self) -> Option<Call> {
        self.calls.lock().unwrap().pop_front()
    }

    pub(crate) fn wait_for_call(&self) {
        let until = Instant::now() + PATIENCE;
        while self.calls.lock().unwrap().is_empty() {
            assert!(Instant::now() < until, "no call came");
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn counted(&self, endpoint: &str, status: u16) -> usize {
        let counts = self.counts.lock().unwrap();
        counts.iter().filter(|(known, other)| known == endpoint && *other == status).count()
    }

    pub(crate) fn get(&self, path: &str) -> Said {
        self.send("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Said {
        self.send("POST", path, &[("content-type", "application/json")], body)
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Said {
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let address = self.address;
        let mut peer = self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
             content-length: {length}\r\n{headers}\r\n{body}"
        ));
        said(&peer.read_to_end())
    }

    /// Sends a request with a body and does not wait for its answer.
    pub(crate) fn begin(&self, method: &str, path: &str, body: &str) -> Peer {
        let (address, length) = (self.address, body.len());
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        ))
    }

    /// Sends bytes.
    pub(crate) fn raw(&self, text: &str) -> Peer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Who is refused early may find the other end closed.
        let _ = stream.write_all(text.as_bytes());
        Peer(stream)
    }

    pub(crate) fn stop(&self) {
        drop(self.stop.lock().unwrap().take());
    }

    /// Whether nobody listens any more, once there was time to stop.
    pub(crate) fn is_closed(&self) -> bool {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_ok() {
            if Instant::now() > until {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

pub(crate) struct Peer(TcpStream);

impl Peer {
    /// Everything that comes until the other end is closed.
    pub(crate) fn read_to_end(&mut self) -> String {
        let mut bytes = Vec::new();
        // A connection that is reset says no more.
        let _ = self.0.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub(crate) fn finish(mut self) -> Said {
        said(&self.read_to_end())
    }
}

pub(crate) fn said(text: &str) -> Said {
    search("an answer", text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{head}"));
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Said { status, headers, body: body.to_owned() }
}

/// Has tokens that live for ten minutes.
fn own_platform() -> External {
    platform::external(Some(platform::client(Duration::from_secs(600))))
}

/// Callers without an engine: nothing they ask is taken in. Their keys are their names: `app-key`
/// may ask for everything, and for each permission there is one who has it alone and one who has
/// all others.
fn integration(providers: Arc<dyn Provides>) -> Integration {
    let caller = |name: String, permissions: Vec<&str>| {
        let config = CallerConfig {
            name: name.clone(),
            participant: ParticipantId(0),
            key: None,
            permissions: permissions.into_iter().map(str::to_owned).collect(),
            acquirer: "500001".into(),
            terminal: "HTTP0001".into(),
            acceptor: "HTTP".into(),
            currency: "578".into(),
        };
        Arc::new(Caller { config, key: Some(Secret::new(name)) })
    };
    let mut callers = vec![caller("app-key".to_owned(), PERMISSIONS.to_vec())];
    for permission in PERMISSIONS {
        let others = PERMISSIONS.iter().filter(|other| **other != permission).copied();
        callers.push(caller(format!("only-{permission}"), vec![permission]));
        callers.push(caller(format!("all-but-{permission}"), others.collect()));
    }
    Integration {
        exchange: Exchange::new(mpsc::channel(1).0),
        callers,
        tokens: None,
        providers,
        handed: Arc::default(),
        answer: Duration::from_secs(1),
    }
}

async fn engine(
    mut calls: mpsc::Receiver<Asked>,
    answers: Answers,
    heard: Arc<Mutex<VecDeque<Call>>>,
) {
    while let Some(Asked { call, reply }) = calls.recv().await {
        heard.lock().unwrap().push_back(call);
        let answer = answers.lock().unwrap().pop_front();
        if let Some((wait, told)) = answer {
            tokio::time::sleep(wait).await;
            let _ = reply.send(told);
        }
    }
}
