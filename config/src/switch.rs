//! The switch file: what `veksel run` needs to know, complete and consistent.
//!
//! Opens nothing. The key that digests are made with is a secret and stands in no configuration:
//! `plan.digest_key` is all zeros here, and the server sets it from the file at `store.keys`.

mod alert;
mod between;
mod build;
mod checks;
mod identity;
mod outside;
mod raw;
mod standing;
mod trace;

pub(crate) use outside::read_api;

use crate::address::{Destination, DialectName};
use crate::alert::AlertConfig;
use crate::bridge::BridgeConfig;
use crate::cidr::Cidr;
use crate::findings::Findings;
use crate::mac::MacConfig;
use crate::overlay::{Layout, Shape, is_of_another, lay};
use crate::problem::Problems;
use crate::section::Section;
use crate::settings::Settings;
use crate::simulator;
use crate::source::Source;
use crate::tls::{DialTls, Identities, ListenTls};
use crate::tree;
use std::net::SocketAddr;
use std::path::PathBuf;
use veksel_codecs::Framing;
use veksel_core::plan::Plan;

/// The sections of a switch file.
pub(crate) const LAYOUT: Layout = &[
    ("switch", Shape::One),
    ("log", Shape::One),
    ("alert", Shape::One),
    ("trace", Shape::One),
    ("admin", Shape::One),
    ("store", Shape::One),
    ("limits", Shape::One),
    ("participant", Shape::Many),
    ("listener", Shape::Many),
    ("group", Shape::Many),
    ("route", Shape::Many),
    ("aspsp", Shape::Many),
    ("kyc", Shape::One),
    ("http", Shape::One),
    ("caller", Shape::Many),
    ("extauth", Shape::One),
    ("identity", Shape::One),
    ("payee", Shape::Many),
    ("bill", Shape::One),
    ("sms", Shape::One),
    ("email", Shape::One),
    ("push", Shape::One),
    ("notices", Shape::One),
];

/// The link of those who call over HTTP, and what their listener is called beside links.
pub const HTTP: &str = "http";

/// How much earlier than the channel the switch must give up, in milliseconds
/// (guarantees 4.2): the answer has to travel, and so has the reversal.
const DEADLINE_MARGIN_MS: u64 = 2_000;

/// A whole switch, checked. The fields are plain and guard nothing: whoever changes one after
/// [`load_switch`] answers for it.
#[derive(Clone, Debug)]
pub struct SwitchConfig {
    /// For people: logs, the console.
    pub name: String,
    /// How long a stop waits for requests in flight, in milliseconds.
    pub drain_ms: u64,
    /// Whether third parties are pretended, try-outs, or real.
    pub mode: ServiceMode,
    /// Whether a production switch may ask pretended third parties.
    pub allow_mock: bool,
    /// What the engine is told; its `digest_key` is still zero.
    pub plan: Plan,
    /// The socket of each link: as many as `plan.links`, in the same order.
    pub sockets: Vec<SocketConfig>,
    /// Third parties: how they are reached, and where we are.
    pub bridge: BridgeConfig,
    /// The HTTP listener for operators.
    pub admin: AdminConfig,
    /// Where records go.
    pub store: StoreConfig,
    /// What is written to standard error.
    pub log: LogConfig,
    /// Alarms for people.
    pub alert: AlertConfig,
    /// Which calls are recorded as traces, and where these go.
    pub trace: TraceConfig,
    /// Every value that was read, for people.
    pub settings: Settings,
    /// What is probably not meant, though it works.
    pub warnings: Problems,
}

/// What third parties are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceMode {
    /// Sandboxes of ours.
    Mock,
    /// Sandboxes of theirs.
    Sandbox,
    /// The real ones.
    Production,
}

/// The socket of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketConfig {
    /// Channels connect to it.
    Listen(ListenConfig),
    /// The switch connects to it.
    Dial(DialConfig),
    /// There is none: the channels of this link call over HTTP, and their requests become
    /// messages here.
    Port(PortConfig),
}

/// What a link without a socket is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortConfig {
    /// What its messages are made in.
    pub dialect: DialectName,
}

impl SocketConfig {
    /// What is spoken there.
    #[must_use]
    pub const fn dialect(&self) -> &DialectName {
        match self {
            Self::Listen(listen) => &listen.dialect,
            Self::Dial(dial) => &dial.dialect,
            Self::Port(port) => &port.dialect,
        }
    }

    /// How its messages are authenticated.
    #[must_use]
    pub const fn mac(&self) -> Option<&MacConfig> {
        match self {
            Self::Listen(listen) => listen.mac.as_ref(),
            Self::Dial(dial) => dial.mac.as_ref(),
            Self::Port(_) => None,
        }
    }
}

/// A listening socket and what its peers may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenConfig {
    /// Port 0 lets the system choose.
    pub address: SocketAddr,
    /// What its peers speak.
    pub dialect: DialectName,
    /// How their messages are delimited.
    pub framing: Framing,
    /// How its messages are authenticated.
    pub mac: Option<MacConfig>,
    /// How its connections are encrypted; `None` is plaintext.
    pub tls: Option<ListenTls>,
    /// Who its peers are, if their certificates say so.
    pub identities: Option<Identities>,
    /// Who may connect; `None` is everybody, an empty list nobody.
    pub allow: Option<Vec<Cidr>>,
    /// Connections beyond these are closed at once.
    pub connections_max: u32,
    /// Unanswered requests on one connection after which it is not read.
    pub in_flight_max: u32,
    /// From the first byte of a frame to its last, in milliseconds.
    pub frame_deadline_ms: u64,
    /// `TCP_USER_TIMEOUT`, in milliseconds: sent bytes the peer never confirms; also how long
    /// waiting bytes may make no progress.
    pub tcp_user_timeout_ms: u64,
    /// Questions of the system to a silent peer.
    pub tcp_keep_alive: TcpKeepAlive,
    /// Silence after which a connection is closed, in milliseconds; 0 is never.
    pub idle_ms: u64,
    /// Unsent bytes after which a connection is closed.
    pub outbound_max: u32,
    /// Frames without a readable message, within the window, after which it is closed.
    pub malformed_max: u32,
    /// The window for `malformed_max`, in milliseconds.
    pub malformed_window_ms: u64,
    /// How long its peers wait for an answer, in milliseconds.
    pub channel_timeout_ms: u64,
    /// Whether a field that the presence matrix does not name is a format error.
    pub strict: bool,
}

/// Connections to one address of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialConfig {
    /// Looked up at every attempt.
    pub destination: Destination,
    /// How many are kept open.
    pub connections: u32,
    /// What the host speaks.
    pub dialect: DialectName,
    /// How its messages are delimited.
    pub framing: Framing,
    /// How its messages are authenticated.
    pub mac: Option<MacConfig>,
    /// How the connections are encrypted; `None` is plaintext.
    pub tls: Option<DialTls>,
    /// For one attempt, in milliseconds.
    pub connect_timeout_ms: u64,
    /// First wait after a failed attempt, in milliseconds; doubles up to `reconnect_ms_max`.
    pub reconnect_ms_min: u64,
    /// Longest wait, in milliseconds.
    pub reconnect_ms_max: u64,
    /// `TCP_USER_TIMEOUT`, in milliseconds: sent bytes the host never confirms.
    pub tcp_user_timeout_ms: u64,
    /// Questions of the system to a silent host.
    pub tcp_keep_alive: TcpKeepAlive,
    /// From the first byte of a frame to its last, in milliseconds.
    pub frame_deadline_ms: u64,
    /// Unsent bytes beyond which a send is refused.
    pub outbound_max: u32,
    /// If the host takes one request at a time on a connection.
    pub exclusive: Option<ExclusiveConfig>,
}

/// How connections are lent, each to one request at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExclusiveConfig {
    /// DE32 of the sign-on, up to 11 digits.
    pub institution: String,
    /// Whether 0800/001 must be accepted on a connection before it carries anything.
    pub sign_on: bool,
    /// How long an 0800 may stay unanswered, in milliseconds.
    pub answer_ms: u64,
    /// Idle time after which a connection is thrown away rather than used, in milliseconds; 0 is
    /// never.
    pub idle_ms: u64,
    /// How long a request may wait for a connection, in milliseconds.
    pub wait_ms: u64,
    /// Requests that may have a connection or wait for one.
    pub waiting_max: u32,
}

/// How often the system asks whether a silent peer is still there (switch semantics 41).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpKeepAlive {
    /// Silence after which it asks, in milliseconds, in whole seconds; 0 never asks.
    pub idle_ms: u64,
    /// Time between questions, in milliseconds, in whole seconds.
    pub interval_ms: u64,
    /// Questions without an answer after which the connection is dead.
    pub probes: u32,
}

impl Default for TcpKeepAlive {
    fn default() -> Self {
        Self { idle_ms: 15_000, interval_ms: 5_000, probes: 3 }
    }
}

/// The HTTP listener for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Without authentication, so loopback unless something else guards it.
    pub listen: SocketAddr,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The `SQLite` file.
    pub path: PathBuf,
    /// The file with the secret keys; made at the first start.
    pub keys: PathBuf,
    /// Records waiting for the committer before new payments are refused.
    pub queue_max: u32,
    /// How long what is settled stays, and its duplicates are recognised, in milliseconds.
    pub keep_ms: u64,
    /// Records held before new payments are refused; nothing is forgotten for them.
    pub records_max: u32,
}

/// What is written to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// For a person or for a program.
    pub format: LogFormat,
    /// The least important level written.
    pub level: LogLevel,
}

/// Traces of calls to third parties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceConfig {
    /// Where they are posted (OTLP over HTTP), whole; `None` for nowhere.
    pub endpoint: Option<String>,
    /// Of a hundred, so many are recorded.
    pub percent: u32,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    Pretty,
    /// One object a line.
    Json,
    /// Pretty on a terminal, else JSON.
    Auto,
}

/// How important a log line must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// A person must act.
    Error,
    /// We coped.
    Warn,
    /// Life cycle.
    Info,
    /// Per connection.
    Debug,
    /// Per message, masked.
    Trace,
}

/// Reads and checks a switch file.
///
/// # Errors
/// Everything that is wrong with it, and the warnings too. Mistakes of TOML syntax are reported
/// alone: what stands after one cannot be judged.
pub fn load_switch(source: Source) -> Result<SwitchConfig, Problems> {
    let mut findings = Findings::new(source);
    let Some(mut table) = tree::parse(&mut findings) else {
        return Err(findings.into_problems());
    };
    let words =
        ("this is the file of a simulator", "`veksel simulate` takes it; a switch has [[group]]");
    if is_of_another(&table, &mut findings, (LAYOUT, simulator::LAYOUT), words) {
        return Err(findings.into_problems());
    }
    lay(&mut table, &mut findings, LAYOUT, simulator::LAYOUT);
    let raw = raw::Switch::read(Section::root(&mut findings, &table));
    checks::check(&raw, &mut findings);
    between::check(&raw, &mut findings);
    let config = build::build(raw, &mut findings);
    let (settings, warnings) = findings.into_outcome()?;
    Ok(SwitchConfig { settings, warnings, ..config })
}
