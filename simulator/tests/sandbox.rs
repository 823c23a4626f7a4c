//! The frame of sandboxes over real sockets: ports, TLS, control, log, limits and the end.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "sandbox/client.rs"]
mod client;
#[path = "../../cli/tests/canary/watch.rs"]
mod watch;

use axum::extract::{Extension, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Router, body::Bytes};
use client::{Caller, call, call_tls};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use veksel_simulator::sandbox::ca::{Authority, Clients, Purpose, Role, Wanted};
use veksel_simulator::sandbox::{
    Clock, Mount, Peer, Remark, RunningSandboxes, Sandbox, SandboxError, start,
};
use watch::{Watch, never_key, search, watch_for};

/// What opens nothing.
const BEARER: &str = "Bearer of-a-door-that-is-not-there";

/// Says back what came and counts.
#[derive(Default)]
struct Echo {
    resets: AtomicU64,
    turned_ms: Arc<AtomicU64>,
}

impl Sandbox for Echo {
    fn router(&self) -> Router {
        let said = |Extension(peer): Extension<Peer>, body: Bytes| async move {
            let roles = peer.certificate.map_or_else(String::new, |certificate| {
                certificate.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(",")
            });
            format!("tls={} roles={roles} bytes={}", peer.is_tls, body.len())
        };
        let refused = |_: Request| async move {
            let mut response: Response = StatusCode::UNAUTHORIZED.into_response();
            response.extensions_mut().insert(Remark("no token".to_owned()));
            response
        };
        let silent = |_: Request| std::future::pending::<StatusCode>();
        Router::new()
            .route("/say", any(said))
            .route("/refuse", any(refused))
            .route("/silent", any(silent))
    }

    fn reset(&self) {
        self.resets.fetch_add(1, Ordering::Relaxed);
    }

    fn turn(&self, now_ms: u64) {
        self.turned_ms.store(now_ms, Ordering::Relaxed);
    }
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn echo(tls: Option<(&Authority, Clients)>) -> (Watch, Arc<Echo>, RunningSandboxes) {
    let watch = watch_for(&[BEARER]);
    let sandbox = Arc::new(Echo::default());
    let tls = tls.map(|(ca, clients)| ca.server(&["localhost", "127.0.0.1"], clients).unwrap());
    let shared = Arc::<Echo>::clone(&sandbox);
    let mount = Mount { name: "echo".to_owned(), listen: local(), tls, sandbox: shared };
    (watch, sandbox, start(vec![mount], Clock::default()).unwrap())
}

#[test]
fn requests_are_answered_logged_and_forgotten() {
    let (_watch, sandbox, running) = echo(None);
    let address = running.address("echo").unwrap();
    let answer = call(address, "POST", "/say?a=1", &[("X-Request-ID", "abc")], b"12345");
    assert_eq!((answer.status, answer.text().as_str()), (200, "tls=false roles= bytes=5"));
    assert_eq!(call(address, "GET", "/refuse", &[("Authorization", BEARER)], b"").status, 401);
    assert_eq!(call(address, "GET", "/nowhere", &[], b"").status, 404);
    let entries = running.log("echo").unwrap().entries();
    let seen: Vec<_> = entries.iter().map(|entry| (entry.path.as_str(), entry.status)).collect();
    assert_eq!(seen, [("/say?a=1", Some(200)), ("/refuse", Some(401)), ("/nowhere", Some(404))]);
    assert_eq!(entries[0].header("x-request-id"), Some("abc"));
    assert_eq!(entries[1].remark.as_deref(), Some("no token"));
    assert!(entries[1].headers.is_empty(), "{:?}", entries[1].headers);
    let shown = call(address, "GET", "/__sandbox/log", &[], b"").json();
    search("the log of the sandbox", shown.to_string());
    assert_eq!(shown.as_array().unwrap().len(), 3);
    assert_eq!(call(address, "POST", "/__sandbox/reset", &[], b"").status, 204);
    assert_eq!(sandbox.resets.load(Ordering::Relaxed), 1);
    assert!(running.log("echo").unwrap().entries().is_empty());
    assert_eq!(running.address("other"), None);
}

#[test]
fn its_time_moves_forward_on_demand() {
    let (_watch, sandbox, running) = echo(None);
    let address = running.address("echo").unwrap();
    let before = running.clock().now_ms();
    assert_eq!(call(address, "POST", "/__sandbox/clock?advance_ms=86400000", &[], b"").status, 200);
    let late = before + 86_400_000;
    assert!(running.clock().now_ms() >= late);
    let deadline = Instant::now() + Duration::from_secs(10);
    while sandbox.turned_ms.load(Ordering::Relaxed) < late {
        assert!(Instant::now() < deadline, "no turn at the new time");
        std::thread::sleep(Duration::from_millis(5));
    }
    for wrong in ["", "?advance_ms=", "?advance_ms=-1", "?other=1"] {
        let path = format!("/__sandbox/clock{wrong}");
        assert_eq!(call(address, "POST", &path, &[], b"").status, 400, "{wrong}");
    }
}

#[test]
fn a_caller_is_known_by_its_certificate() {
    let ca = Authority::new().unwrap();
    let (_watch, _, running) = echo(Some((&ca, Clients::Optional)));
    let address = running.address("echo").unwrap();
    assert!(running.places()[0].is_tls);
    let qwac = ca.issue(&Wanted::of(Purpose::Web, &[Role::AccountInformation])).unwrap();
    never_key("the key of a caller", &qwac.key);
    let known = Caller::new(ca.pem()).showing(&qwac);
    let answer = call_tls(address, &known, "GET", "/say", &[], b"").unwrap();
    assert_eq!(answer.text(), "tls=true roles=PSP_AI bytes=0");
    let answer = call_tls(address, &Caller::new(ca.pem()), "GET", "/say", &[], b"").unwrap();
    assert_eq!(answer.text(), "tls=true roles= bytes=0");
    let stranger = Authority::new().unwrap();
    let forged = stranger.issue(&Wanted::of(Purpose::Web, &Role::ALL)).unwrap();
    let forged = Caller::new(ca.pem()).showing(&forged);
    assert!(call_tls(address, &forged, "GET", "/say", &[], b"").is_err());
    assert!(call_tls(address, &Caller::new(stranger.pem()), "GET", "/say", &[], b"").is_err());
}

#[test]
fn where_a_certificate_is_required_there_is_no_talk_without() {
    let ca = Authority::new().unwrap();
    let (_watch, _, running) = echo(Some((&ca, Clients::Required)));
    let address = running.address("echo").unwrap();
    assert!(call_tls(address, &Caller::new(ca.pem()), "GET", "/say", &[], b"").is_err());
    let qwac = ca.issue(&Wanted::of(Purpose::Web, &Role::ALL)).unwrap();
    never_key("the key of a caller", &qwac.key);
    let known = Caller::new(ca.pem()).showing(&qwac);
    assert_eq!(call_tls(address, &known, "GET", "/say", &[], b"").unwrap().status, 200);
    assert!(running.log("echo").unwrap().entries().len() == 1);
}

#[test]
fn what_is_never_answered_keeps_nobody_from_stopping() {
    let (_watch, _, running) = echo(None);
    let address = running.address("echo").unwrap();
    let hanging = client::send(address, "GET", "/silent", &[], b"");
    let deadline = Instant::now() + Duration::from_secs(10);
    while running.log("echo").unwrap().entries().is_empty() {
        assert!(Instant::now() < deadline, "the request did not arrive");
        std::thread::sleep(Duration::from_millis(5));
    }
    let log = running.log("echo").unwrap().clone();
    running.stop();
    assert_eq!(log.entries()[0].status, None);
    assert!(client::receive(hanging).is_err());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_port_in_use_is_told_by_name() {
    let taken = std::net::TcpListener::bind(local()).unwrap();
    let mount = |name: &str, listen| Mount {
        name: name.to_owned(),
        listen,
        tls: None,
        sandbox: Arc::new(Echo::default()),
    };
    let mounts = vec![mount("free", local()), mount("taken", taken.local_addr().unwrap())];
    match start(mounts, Clock::default()) {
        Err(SandboxError::Listen { name, .. }) => assert_eq!(name, "taken"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn too_large_a_body_is_refused() {
    let (_watch, _, running) = echo(None);
    let address = running.address("echo").unwrap();
    let most = vec![b'x'; 1 << 20];
    assert_eq!(call(address, "POST", "/say", &[], &most).status, 200);
    let more = vec![b'x'; (1 << 20) + 1];
    assert_eq!(call(address, "POST", "/say", &[], &more).status, 413);
}
