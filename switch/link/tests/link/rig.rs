//! What every test needs: wires with a runtime, a driver, bare peers and messages.

use crate::watch::{search_shown, watch};
use bytes::BytesMut;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use veksel_codecs::{Codec, Dialect, FieldNumber, Framing, Message, Mti, ResponseCode, field};
use veksel_config::{Destination, DialConfig, DialectName, ListenConfig, TcpKeepAlive};
use veksel_core::plan::{ConnectionId, LinkId};
use veksel_core::record::TxnId;
use veksel_core::{Input, Leg, Tag};
use veksel_link::{LinkStats, Wires};

pub(crate) const CHANNEL: LinkId = LinkId(0);
pub(crate) const HOST: LinkId = LinkId(1);

/// Nothing a test waits for takes so long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a test as a shard runs.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let _watch = watch();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        tokio::time::timeout(6 * PATIENCE, test).await.expect("the test hangs");
    });
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(crate) fn listen_config() -> ListenConfig {
    ListenConfig {
        address: "127.0.0.1:0".parse().unwrap(),
        dialect: DialectName::Shipped("cbs-ascii-bin".to_owned()),
        framing: Framing::binary2(),
        mac: None,
        tls: None,
        identities: None,
        allow: None,
        connections_max: 16,
        in_flight_max: 64,
        frame_deadline_ms: 5_000,
        tcp_user_timeout_ms: 20_000,
        tcp_keep_alive: TcpKeepAlive::default(),
        idle_ms: 0,
        outbound_max: 262_144,
        malformed_max: 3,
        malformed_window_ms: 60_000,
        channel_timeout_ms: 20_000,
        strict: false,
    }
}

pub(crate) fn dial_config(address: SocketAddr) -> DialConfig {
    DialConfig {
        destination: Destination { host: address.ip().to_string(), port: address.port() },
        connections: 1,
        dialect: DialectName::Shipped("cbs-ascii-bin".to_owned()),
        framing: Framing::binary2(),
        mac: None,
        tls: None,
        connect_timeout_ms: 3_000,
        reconnect_ms_min: 10,
        reconnect_ms_max: 50,
        tcp_user_timeout_ms: 20_000,
        tcp_keep_alive: TcpKeepAlive::default(),
        frame_deadline_ms: 5_000,
        outbound_max: 262_144,
        exclusive: None,
    }
}

/// The wires of a shard and its driver.
pub(crate) struct Rig {
    pub(crate) wires: Wires,
    pub(crate) codec: Rc<Codec>,
    pub(crate) origin: Instant,
    pub(crate) address: SocketAddr,
}

impl Rig {
    pub(crate) fn new(inbox_max: usize) -> Self {
        let origin = Instant::now();
        Self {
            wires: Wires::new(inbox_max, origin, 7),
            codec: Rc::new(Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap())),
            origin,
            address: "127.0.0.1:0".parse().unwrap(),
        }
    }

    /// With a listener.
    pub(crate) fn listening(config: &ListenConfig) -> Self {
        let rig = Self::new(1_024);
        let address = rig.wires.listen(CHANNEL, config, Rc::clone(&rig.codec)).unwrap();
        Self { address, ..rig }
    }

    pub(crate) fn stats(&self) -> LinkStats {
        self.wires.stats(CHANNEL)
    }

    /// The next input.
    pub(crate) async fn input(&self) -> Input {
        let next = async {
            loop {
                if let Some(input) = self.wires.poll_input() {
                    search_shown("an input", &input);
                    return input;
                }
                self.wires.ready().await;
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("an input")
    }

    pub(crate) async fn link_up(&self) -> ConnectionId {
        match self.input().await {
            Input::LinkUp(connection) => connection,
            other => panic!("not LinkUp: {other:?}"),
        }
    }

    pub(crate) async fn link_down(&self) -> ConnectionId {
        match self.input().await {
            Input::LinkDown(connection) => connection,
            other => panic!("not LinkDown: {other:?}"),
        }
    }

    pub(crate) async fn received(&self) -> (ConnectionId, Message) {
        match self.input().await {
            Input::Received { connection, message } => (connection, message),
            other => panic!("not Received: {other:?}"),
        }
    }

    /// A peer that has connected, and its connection here.
    pub(crate) async fn peer(&self) -> (Peer, ConnectionId) {
        let peer = Peer::connect(self.address).await;
        (peer, self.link_up().await)
    }

    pub(crate) fn send(&self, connection: ConnectionId, message: &Message, number: Option<u64>) {
        self.wires.send(connection, message, number.map(tag), None);
    }

    /// Answers a request.
    pub(crate) fn answer(&self, connection: ConnectionId, request: &Message) {
        self.wires.send(connection, &answer_to(request), None, None);
        self.wires.flush();
    }

    /// A message as it goes over the wire.
    pub(crate) fn wire(&self, framing: &Framing, message: &Message) -> Vec<u8> {
        let mut out = BytesMut::new();
        framing.encode(&[], &mut out, |out| self.codec.encode(message, out)).unwrap();
        out.to_vec()
    }
}

/// A bare socket.
pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let read = self.0.read_exact(&mut bytes);
        tokio::time::timeout(PATIENCE, read).await.expect("bytes in time").expect("bytes");
        bytes
    }

    /// One frame with a length of two bytes.
    pub(crate) async fn read_frame(&mut self) -> Vec<u8> {
        let length = self.read(2).await;
        self.read(usize::from(u16::from_be_bytes([length[0], length[1]]))).await
    }

    /// Everything until the other side closes; a reset is an end too.
    /// Says that it will write no more, and reads on.
    pub(crate) async fn end(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = self.0.read_to_end(&mut bytes);
        let _ = tokio::time::timeout(PATIENCE, read).await.expect("the end in time");
        bytes
    }
}

pub(crate) fn tag(number: u64) -> Tag {
    Tag { txn: TxnId(number), leg: Leg::Request }
}

/// An echo request with this trace number.
pub(crate) fn echo(stan: u64) -> Message {
    let mut message = Message::of(Mti::known(b"0800"));
    message.set(field::TRANSMISSION, "1120142807");
    message.set(field::STAN, stan);
    message.set(field::ACQUIRER, "123456");
    message.set(field::NETWORK_CODE, 301);
    message
}

/// The same with so many characters more, up to 999.
pub(crate) fn long_echo(stan: u64, width: usize) -> Message {
    let mut message = echo(stan);
    message.set_text(FieldNumber::new(48).unwrap(), &"x".repeat(width));
    message
}

pub(crate) fn answer_to(request: &Message) -> Message {
    let mut answer = request.clone();
    answer.set_mti(request.mti().response().unwrap());
    answer.set(field::RESPONSE_CODE, ResponseCode::APPROVED);
    answer
}

pub(crate) fn stan(message: &Message) -> u64 {
    message.get(field::STAN).unwrap()
}
