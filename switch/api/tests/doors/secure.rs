//! TLS on the listener, over real sockets and with certificates of a test CA: who is served, who is
//! not, and whom a peer that does not finish holds up.

use crate::rig::{PATIENCE, Rig, Said, said};
use crate::watch::never_key;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpSocket;
use veksel_api::Secure;
use veksel_config::{Clients, DialTls, ListenTls};
use veksel_link::{HandshakeFault, TlsClient, TlsServer};
use veksel_simulator::sandbox::ca::{Authority, Purpose, Wanted};

/// How handshakes ended.
type Heard = Arc<Mutex<Vec<Result<(), HandshakeFault>>>>;

/// A CA with a folder for what it issues.
struct Papers {
    folder: TempDir,
    authority: Authority,
}

impl Papers {
    fn new() -> Self {
        let papers =
            Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new().unwrap() };
        fs::write(papers.file("ca.pem"), papers.authority.pem()).unwrap();
        papers.issue("own");
        papers
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for this machine and its key, in place of those of this name.
    fn issue(&self, name: &str) -> (PathBuf, PathBuf) {
        let wanted = Wanted { organization: None, ..Wanted::of(Purpose::Web, &[]) };
        let issued = self.authority.issue(&wanted).unwrap();
        let (certificate, key) =
            (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")));
        fs::write(&certificate, issued.certificate).unwrap();
        never_key(name, &issued.key);
        fs::write(&key, issued.key).unwrap();
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        (certificate, key)
    }

    fn listen(&self) -> ListenTls {
        ListenTls {
            certificate: self.file("own.pem"),
            key: self.file("own.key"),
            clients: Clients::None,
            ca: Vec::new(),
            crls: Vec::new(),
            handshake_ms: 30_000,
            handshakes_max: 256,
        }
    }

    /// Who believes this CA, and shows this certificate.
    fn client(&self, own: Option<(PathBuf, PathBuf)>) -> TlsClient {
        let dial = DialTls {
            ca: vec![self.file("ca.pem")],
            crls: Vec::new(),
            pins: Vec::new(),
            name: None,
            own,
            handshake_ms: 20_000,
        };
        TlsClient::load(&dial, "127.0.0.1").unwrap()
    }
}

fn start(tls: &ListenTls) -> (Rig, TlsServer, Heard) {
    let (server, heard) = (TlsServer::load("http", tls).unwrap(), Heard::default());
    let noted = Arc::clone(&heard);
    let shaken = Arc::new(move |how| noted.lock().unwrap().push(how));
    (Rig::secure(Secure { tls: server.clone(), shaken }), server, heard)
}

/// Waits until a handshake has ended so.
fn until_heard(heard: &Heard, how: Result<(), HandshakeFault>) {
    until_count(heard, how, 1);
}

/// Waits until so many have.
fn until_count(heard: &Heard, how: Result<(), HandshakeFault>, least: usize) {
    let until = Instant::now() + PATIENCE;
    while heard.lock().unwrap().iter().filter(|other| **other == how).count() < least {
        assert!(Instant::now() < until, "{how:?} in {:?}", heard.lock().unwrap());
        thread::sleep(Duration::from_millis(2));
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// What is answered to a request over TLS; nothing if the two sides do not agree.
fn ask(client: &TlsClient, address: SocketAddr, request: &str) -> Option<Said> {
    ask_over(client, connect(address), request)
}

fn ask_over(client: &TlsClient, stream: TcpStream, request: &str) -> Option<Said> {
    let mut stream = client.blocking(stream).ok()?;
    stream.sock.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    // With TLS 1.3 a server says only now that it does not believe who connected.
    stream.read_to_end(&mut bytes).ok()?;
    Some(said(&String::from_utf8(bytes).unwrap()))
}

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

fn health(client: &TlsClient, address: SocketAddr) -> Option<u16> {
    ask(client, address, HEALTH).map(|said| said.status)
}

/// The same from another address of this machine.
fn health_from(from: &str, client: &TlsClient, address: SocketAddr) -> Option<u16> {
    ask_over(client, connect_from(from, address), HEALTH).map(|said| said.status)
}

/// Everything that comes until the other end is closed. One that is not closed fails.
fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => bytes,
        Err(error) => panic!("the connection is still there: {error}"),
    }
}

#[test]
fn who_speaks_tls_is_served_and_nobody_else() {
    let papers = Papers::new();
    let (rig, _, heard) = start(&papers.listen());
    let client = papers.client(None);
    assert_eq!(health(&client, rig.address), Some(200));
    // A body, and two requests on one connection.
    let body = "{\"account\":\"1\"}";
    let request = format!(
        "GET /live HTTP/1.1\r\nhost: x\r\n\r\n\
         POST /api/v1/integration/account/balance HTTP/1.1\r\nhost: x\r\nx-api-key: app-key\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let said = ask(&client, rig.address, &request).unwrap();
    assert_eq!(said.status, 404, "{said:?}");
    assert!(said.body.contains("HTTP/1.1 503"), "{said:?}");
    assert_eq!(heard.lock().unwrap().as_slice(), [Ok(()), Ok(())]);

    // Whoever speaks anything else hears no HTTP and is closed.
    for bytes in ["GET /health HTTP/1.1\r\nhost: x\r\n\r\n", "\0\x02\x08\x00", "\x16\x03\x01"] {
        let mut stream = connect(rig.address);
        stream.write_all(bytes.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = rest(&mut stream);
        assert!(!answer.starts_with(b"HTTP"), "{bytes:?}: {answer:?}");
    }
    until_heard(&heard, Err(HandshakeFault::Protocol));
    until_heard(&heard, Err(HandshakeFault::Gone));
    assert_eq!(health(&client, rig.address), Some(200), "the others are served as before");
}

#[test]
fn without_a_good_certificate_nobody_gets_in_where_one_is_wanted() {
    let papers = Papers::new();
    let tls = ListenTls {
        clients: Clients::Required,
        ca: vec![papers.file("ca.pem")],
        ..papers.listen()
    };
    let (rig, _, heard) = start(&tls);
    let good = papers.issue("client");
    assert_eq!(health(&papers.client(Some(good)), rig.address), Some(200));
    assert_eq!(health(&papers.client(None), rig.address), None);
    until_heard(&heard, Err(HandshakeFault::NoCertificate));
    let stranger = Papers::new().authority.issue(&Wanted::of(Purpose::Web, &[])).unwrap();
    let (certificate, key) = papers.issue("stranger");
    fs::write(&certificate, stranger.certificate).unwrap();
    fs::write(&key, stranger.key).unwrap();
    assert_eq!(health(&papers.client(Some((certificate, key))), rig.address), None);
    until_heard(&heard, Err(HandshakeFault::Certificate));
    assert_eq!(rig.counted("/health", 200), 1, "one request has reached a handler");
}

/// A peer that begins a handshake and does not go on keeps its place among the handshakes, and
/// nothing else; when all places are taken the next waits until one is given up.
#[test]
fn a_handshake_that_is_not_finished_holds_up_nobody() {
    let papers = Papers::new();
    let client = papers.client(None);
    let begin = |rig: &Rig| {
        let mut stream = connect(rig.address);
        // The head of a record of 512 bytes, which never come.
        stream.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
        stream
    };
    let (rig, _, heard) = start(&ListenTls { handshakes_max: 3, ..papers.listen() });
    let slow = [begin(&rig), begin(&rig)];
    for _ in 0..3 {
        assert_eq!(health(&client, rig.address), Some(200));
    }
    assert_eq!(heard.lock().unwrap().as_slice(), [Ok(()); 3], "the slow ones are still at it");
    // A stop waits for none of them: this is over long before their time.
    rig.stop();
    assert!(rig.is_closed());
    for mut stream in slow {
        assert_eq!(rest(&mut stream), b"");
    }

    let tls = ListenTls { handshakes_max: 2, handshake_ms: 300, ..papers.listen() };
    let (rig, _, heard) = start(&tls);
    let mut slow: Vec<TcpStream> = (0..5).map(|_| begin(&rig)).collect();
    assert_eq!(health(&client, rig.address), Some(200));
    until_heard(&heard, Err(HandshakeFault::Timeout));
    for stream in &mut slow {
        rest(stream);
    }
}

/// Connects from another address of this machine.
fn connect_from(from: &str, address: SocketAddr) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{from}:0").parse().unwrap()).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Whoever begins handshakes and finishes none keeps the places of his address and no others: what
/// goes beyond that is closed at once, and whoever comes from elsewhere does not wait.
#[test]
fn an_address_has_a_share_of_the_handshakes() {
    const SHARE: u32 = 16;
    let share = SHARE as usize;
    let papers = Papers::new();
    let client = papers.client(None);
    let tls = ListenTls { handshakes_max: 2 * SHARE, handshake_ms: 120_000, ..papers.listen() };
    let (rig, _, heard) = start(&tls);
    let begun = (0..2 * SHARE).map(|_| {
        let mut stream = connect_from("127.0.0.2", rig.address);
        // The head of a record of 512 bytes, which never come. Who is closed early may miss it.
        let _ = stream.write_all(&[22, 3, 1, 2, 0, 1]);
        stream
    });
    let begun: Vec<TcpStream> = begun.collect();
    let crowded = Err(HandshakeFault::Crowded);
    until_count(&heard, crowded, share);
    assert_eq!(health_from("127.0.0.3", &client, rig.address), Some(200));
    assert_eq!(health_from("127.0.0.2", &client, rig.address), None);
    until_count(&heard, crowded, share + 1);
    let agreed = heard.lock().unwrap().iter().filter(|how| how.is_ok()).count();
    assert_eq!((agreed, heard.lock().unwrap().len()), (1, share + 2), "nothing else has ended");
    // When they have gone, the address has its share again.
    drop(begun);
    until_count(&heard, Err(HandshakeFault::Gone), share);
    assert_eq!(health_from("127.0.0.2", &client, rig.address), Some(200));
}

#[test]
fn other_files_are_used_without_a_restart_and_whole_or_not_at_all() {
    let papers = Papers::new();
    let (rig, server, _) = start(&papers.listen());
    let client = papers.client(None);
    let shown = || {
        let stream = client.blocking(connect(rig.address)).unwrap();
        stream.conn.peer_certificates().unwrap()[0].as_ref().to_vec()
    };
    let first = shown();
    assert!(server.expires().is_some());
    // The key of another certificate than the one that is there.
    let (_, key) = papers.issue("other");
    fs::copy(key, papers.file("own.key")).unwrap();
    let wrong = server.certificates().check(&[]).unwrap_err();
    let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].starts_with("http: the key in ") && wrong[0].contains("own.key"), "{wrong:?}");
    assert!(server.certificates().renew().is_err());
    assert_eq!(shown(), first);
    papers.issue("own");
    assert_eq!(server.certificates().renew().unwrap(), 1);
    assert_ne!(shown(), first);
}
