//! The switch file value by value: types, bounds and defaults, each with its place. What depends
//! on more than one value is not looked at here.

use super::alert::alert;
use super::identity::allow;
use super::outside::Outside;
use super::trace::trace;
use super::{LogFormat, LogLevel, ServiceMode, TcpKeepAlive, TraceConfig};
use crate::address::{Destination, DialectName, parse_listen};
use crate::alert::AlertConfig;
use crate::cidr::Cidr;
use crate::findings::{Findings, Found, Place};
use crate::framing::framing;
use crate::mac::{MacConfig, mac};
use crate::section::{Missing, Section, as_name, quoted};
use crate::tls::{Clients, DialTls, ListenTls, Pin, San, dial_tls, grant, listen_tls, pins, sans};
use crate::unit::show_duration;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use veksel_codecs::{Framing, Mti};
use veksel_core::plan::{
    Answers, BreakerPlan, ChannelSessionPlan, Deadlines, Grants, Limits, ParticipantPlan, Policy,
    ReversalPlan, SessionPlan,
};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const KIB: u32 = 1_024;

/// Most elements of a `[[…]]` section; an index of a link, a group and so on is 16 bits wide.
const PARTICIPANTS_MAX: usize = 1_024;
const LISTENERS_MAX: usize = 256;
const GROUPS_MAX: usize = 256;
const ROUTES_MAX: usize = 1_024;
const ADDRESSES_MAX: usize = 16;

const UNDOING: [(&str, Mti); 2] = [("0420", Mti::known(b"0420")), ("0400", Mti::known(b"0400"))];
const POLICIES: [(&str, Policy); 4] = [
    ("least_outstanding", Policy::LeastOutstanding),
    ("round_robin", Policy::RoundRobin),
    ("primary_backup", Policy::PrimaryBackup),
    ("sticky", Policy::Sticky),
];
const ANSWERS: [(&str, Answers); 2] = [("same", Answers::Same), ("any", Answers::Any)];
const SERVICE_MODES: [(&str, ServiceMode); 3] = [
    ("mock", ServiceMode::Mock),
    ("sandbox", ServiceMode::Sandbox),
    ("production", ServiceMode::Production),
];
const TOLD_BY: [(&str, Mti); 2] =
    [("0620", ParticipantPlan::TOLD_BY), ("0220", ParticipantPlan::TOLD_BY_COMPLETION)];
const LINKED: [(&str, Option<bool>); 3] = [("any", None), ("yes", Some(true)), ("no", Some(false))];
const ENDS: [(&str, End); 2] = [("group", End::Group), ("bank", End::Bank)];
const FORMATS: [(&str, LogFormat); 3] =
    [("pretty", LogFormat::Pretty), ("json", LogFormat::Json), ("auto", LogFormat::Auto)];
const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

/// The whole file.
pub(super) struct Switch {
    pub(super) name: Found<String>,
    pub(super) institution: Found<String>,
    pub(super) record_inquiries: Found<bool>,
    pub(super) drain: Found<u64>,
    pub(super) service_mode: Found<ServiceMode>,
    pub(super) allow_mock: Found<bool>,
    pub(super) log_format: Found<LogFormat>,
    pub(super) log_level: Found<LogLevel>,
    pub(super) alert: AlertConfig,
    pub(super) trace: TraceConfig,
    pub(super) admin: Found<SocketAddr>,
    pub(super) store: Store,
    pub(super) limits: Limits,
    pub(super) connections_max: Found<u32>,
    pub(super) participants: Vec<Participant>,
    pub(super) listeners: Vec<Listener>,
    pub(super) groups: Vec<Group>,
    pub(super) routes: Vec<Route>,
    pub(super) outside: Outside,
}

pub(super) struct Store {
    pub(super) path: Found<PathBuf>,
    pub(super) keys: Found<PathBuf>,
    pub(super) queue_max: Found<u32>,
    pub(super) keep: Found<u64>,
    pub(super) records_max: Found<u32>,
}

pub(super) struct Participant {
    pub(super) name: Found<String>,
    pub(super) in_flight_max: Found<u32>,
    pub(super) pins: Found<Vec<Pin>>,
    pub(super) sans: Found<Vec<San>>,
    pub(super) grants: Grants,
    pub(super) rate: Found<u32>,
    pub(super) burst: Found<u32>,
    pub(super) file_actions: Found<bool>,
    pub(super) told_by: Found<Mti>,
}

pub(super) struct Listener {
    pub(super) name: Found<String>,
    pub(super) listen: Found<SocketAddr>,
    pub(super) participant: Found<String>,
    pub(super) participants: Found<Vec<Found<String>>>,
    pub(super) allow: Found<Option<Vec<Cidr>>>,
    pub(super) allow_plaintext: Found<bool>,
    pub(super) tls: Found<Option<ListenTls>>,
    pub(super) dialect: Found<DialectName>,
    pub(super) framing: Framing,
    pub(super) mac: Option<MacConfig>,
    pub(super) connections_max: Found<u32>,
    pub(super) in_flight_max: Found<u32>,
    pub(super) frame_deadline: Found<u64>,
    pub(super) tcp_user_timeout: Found<u64>,
    pub(super) tcp_keep_alive: TcpKeepAlive,
    pub(super) idle: Found<u64>,
    pub(super) outbound_max: Found<u32>,
    pub(super) malformed_max: Found<u32>,
    pub(super) malformed_window: Found<u64>,
    pub(super) channel_timeout: Found<u64>,
    pub(super) strict: Found<bool>,
    pub(super) session: ChannelSessionPlan,
}

pub(super) struct Group {
    pub(super) name: Found<String>,
    pub(super) connect: Found<Vec<Found<Destination>>>,
    pub(super) connections: Found<u32>,
    pub(super) exclusive: Found<bool>,
    pub(super) policy: Found<Policy>,
    pub(super) answers: Found<Answers>,
    pub(super) warm_up: Found<u64>,
    pub(super) dialect: Found<DialectName>,
    pub(super) framing: Framing,
    pub(super) mac: Option<MacConfig>,
    pub(super) tls: Option<DialTls>,
    pub(super) window_max: Found<u32>,
    pub(super) queue_max: Found<u32>,
    pub(super) queue_age: Found<u64>,
    pub(super) tombstone: Found<u64>,
    pub(super) connect_timeout: Found<u64>,
    pub(super) reconnect_min: Found<u64>,
    pub(super) reconnect_max: Found<u64>,
    pub(super) tcp_user_timeout: Found<u64>,
    pub(super) tcp_keep_alive: TcpKeepAlive,
    pub(super) frame_deadline: Found<u64>,
    pub(super) outbound_max: Found<u32>,
    pub(super) session: SessionPlan,
    pub(super) deadlines: GroupDeadlines,
    pub(super) breaker: Breaker,
    pub(super) reversals: Reversals,
}

pub(super) struct Reversals {
    pub(super) message: Found<Mti>,
    pub(super) answer: Found<u64>,
    pub(super) retry: Found<u64>,
    pub(super) retry_max: Found<u64>,
    pub(super) guard: Found<u64>,
    pub(super) window_max: Found<u32>,
    pub(super) alarm: Found<u64>,
    pub(super) age_max: Found<u64>,
}

pub(super) struct GroupDeadlines {
    pub(super) payment: Found<u64>,
    pub(super) inquiry: Found<u64>,
    pub(super) statement: Found<u64>,
}

pub(super) struct Breaker {
    pub(super) failures_max: Found<u32>,
    pub(super) window: Found<u64>,
    pub(super) calls_min: Found<u32>,
    pub(super) failure_percent: Found<u32>,
    pub(super) slow: Found<u64>,
    pub(super) slow_percent: Found<u32>,
    pub(super) open: Found<u64>,
    pub(super) open_max: Found<u64>,
    pub(super) probes: Found<u32>,
}

pub(super) struct Route {
    pub(super) name: Found<String>,
    pub(super) to: Found<End>,
    /// Empty if it leads to banks.
    pub(super) group: Found<String>,
    pub(super) linked: Found<Option<bool>>,
    pub(super) mti: Found<Vec<Found<Mti>>>,
    pub(super) codes: Found<Vec<Found<[u8; 2]>>>,
    pub(super) account_prefixes: Found<Vec<Found<String>>>,
    pub(super) card_prefixes: Found<Vec<Found<String>>>,
    pub(super) participants: Found<Vec<Found<String>>>,
}

/// What a route leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Group,
    Bank,
}

impl Switch {
    pub(super) fn read(mut root: Section<'_>) -> Self {
        let mut switch = root.table("switch");
        let name = switch.title("name", "veksel");
        let institution = switch.institution("500001");
        let record_inquiries = switch.boolean("record_inquiries", true);
        let drain = switch.duration("drain", 10 * SECOND, 0..=10 * MINUTE);
        let service_mode = switch.choice("service_mode", ServiceMode::Sandbox, &SERVICE_MODES);
        let allow_mock = switch.boolean("allow_mock_in_prod", false);
        drop(switch);
        let mut log = root.table("log");
        let log_format = log.choice("format", LogFormat::Auto, &FORMATS);
        let log_level = log.choice("level", LogLevel::Info, &LEVELS);
        drop(log);
        let alert = alert(root.table("alert"));
        let trace = trace(root.table("trace"), service_mode.value);
        let admin_default = SocketAddr::from((Ipv4Addr::LOCALHOST, 8580));
        let admin = listen(&mut root.table("admin"), Missing::Default(admin_default));
        let mut store = Store::read(root.table("store"));
        let (limits, connections_max) = limits(root.table("limits"));
        let participants = each(&mut root, "participant", PARTICIPANTS_MAX, Participant::read);
        let listeners = each(&mut root, "listener", LISTENERS_MAX, Listener::read);
        let groups = each(&mut root, "group", GROUPS_MAX, Group::read);
        let routes = each(&mut root, "route", ROUTES_MAX, Route::read);
        let outside = Outside::read(&mut root);
        if let Some(extauth) = &outside.extauth {
            store.keep_holds(&extauth.hold_life, root.findings);
        }
        Self {
            name,
            institution,
            record_inquiries,
            drain,
            service_mode,
            allow_mock,
            log_format,
            log_level,
            alert,
            trace,
            admin,
            store,
            limits,
            connections_max,
            participants,
            listeners,
            groups,
            routes,
            outside,
        }
    }
}

/// Reads every element of a `[[…]]` section, of which at least one is needed.
fn each<T>(
    root: &mut Section<'_>,
    key: &'static str,
    most: usize,
    read: impl Fn(Section<'_>) -> T,
) -> Vec<T> {
    let count = root.count(key);
    if count == 0 {
        root.findings.error(Place::Default, format!("no [[{key}]] is configured"), "");
    }
    if count > most {
        root.findings.error(Place::Default, format!("more than {most} [[{key}]]"), "");
    }
    (0..count.min(most)).map(|index| read(root.element(key, index))).collect()
}

fn listen(section: &mut Section<'_>, missing: Missing<SocketAddr>) -> Found<SocketAddr> {
    section.parsed("listen", missing, "IP:port", parse_listen, SocketAddr::to_string)
}

fn limits(mut section: Section<'_>) -> (Limits, Found<u32>) {
    let default = Limits::default();
    let in_flight_max = section.integer("in_flight_max", default.in_flight_max, 1..=1_000_000);
    let reserved_percent = section.integer("reserved_percent", default.reserved_percent, 0..=90);
    let queue_age = section.duration("queue_age", default.wait_ms, 1..=MINUTE);
    let tombstones_max =
        section.integer("tombstones_max", default.tombstones_max, 1_024..=16_777_216);
    let reversals_max = section.integer("reversals_max", default.reversals_max, 16..=16_777_216);
    let keys_max = section.integer("keys_max", default.keys_max, 1_024..=16_777_216);
    let connections_max =
        section.integer("connections_max", default.connections_max, 1..=1_000_000);
    let payments_max = section.integer("payments_max", default.payments_max, 16..=16_777_216);
    let links_max = section.integer("links_max", default.links_max, 16..=16_777_216);
    let limits = Limits {
        in_flight_max: in_flight_max.value,
        reserved_percent: reserved_percent.value,
        wait_ms: queue_age.value,
        tombstones_max: tombstones_max.value,
        reversals_max: reversals_max.value,
        keys_max: keys_max.value,
        connections_max: connections_max.value,
        payments_max: payments_max.value,
        links_max: links_max.value,
    };
    (limits, connections_max)
}

impl Store {
    fn read(mut section: Section<'_>) -> Self {
        Self {
            path: section.path("path", "veksel.db"),
            keys: section.path("keys", "veksel.key"),
            queue_max: section.integer("queue_max", 8_192, 1..=1_000_000),
            keep: section.duration("keep", 168 * HOUR, HOUR..=87_600 * HOUR),
            records_max: section.integer("records_max", 50_000_000, 1_000..=u32::MAX),
        }
    }

    /// If nobody says how long, no hold is forgotten that may still be asked about.
    fn keep_holds(&mut self, life: &Found<u64>, findings: &mut Findings) {
        if self.keep.place == Place::Default && life.is_sound() && self.keep.value < life.value {
            self.keep.value = life.value;
            findings.restate("store.keep", &quoted(&show_duration(life.value)));
        }
    }
}

impl Participant {
    fn read(mut section: Section<'_>) -> Self {
        Self {
            name: section.name("name", "\"channels\""),
            in_flight_max: section.integer("in_flight_max", 256, 1..=1_000_000),
            pins: pins(&mut section),
            sans: sans(&mut section),
            grants: Grants {
                acquirers: grant(&mut section, "acquirers"),
                forwarders: grant(&mut section, "forwarders"),
                terminals: grant(&mut section, "terminals"),
                acceptors: grant(&mut section, "acceptors"),
            },
            rate: section.integer("rate", 0, 0..=1_000_000),
            burst: section.integer("burst", 0, 0..=1_000_000),
            file_actions: section.boolean("file_actions", false),
            told_by: section.choice("told_by", ParticipantPlan::TOLD_BY, &TOLD_BY),
        }
    }
}

impl Listener {
    fn read(mut section: Section<'_>) -> Self {
        let stand_in = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let example = "\"127.0.0.1:8583\"";
        Self {
            name: section.name("name", "\"channels\""),
            listen: listen(&mut section, Missing::Required { example, stand_in }),
            participant: section.name("participant", "\"channels\""),
            participants: section.list("participants", None, "names", as_name, String::clone),
            allow: allow(&mut section),
            allow_plaintext: section.boolean("allow_plaintext", false),
            dialect: section.dialect(),
            connections_max: section.integer("connections_max", 8_192, 1..=1_000_000),
            in_flight_max: section.integer("in_flight_max", 64, 1..=65_536),
            frame_deadline: section.duration("frame_deadline", 5 * SECOND, 100..=MINUTE),
            tcp_user_timeout: tcp_user_timeout(&mut section),
            tcp_keep_alive: tcp_keep_alive(&mut section),
            idle: section.duration("idle", 0, 0..=24 * HOUR),
            outbound_max: section.size("outbound_max", 256 * KIB, 64 * KIB..=65_536 * KIB),
            malformed_max: section.integer("malformed_max", 10, 1..=65_536),
            malformed_window: section.duration("malformed_window", MINUTE, SECOND..=HOUR),
            channel_timeout: section.duration(
                "channel_timeout",
                20 * SECOND,
                3 * SECOND..=10 * MINUTE,
            ),
            strict: section.boolean("strict", false),
            framing: framing(section.table("framing")),
            mac: mac(section.table("mac")),
            tls: listen_tls(section.table("tls"), Clients::Required),
            session: channel_session(section.table("session")),
        }
    }
}

impl Group {
    fn read(mut section: Section<'_>) -> Self {
        Self {
            name: section.name("name", "\"cbs\""),
            connect: addresses(&mut section),
            connections: section.integer("connections", 4, 1..=64),
            exclusive: section.boolean("exclusive", false),
            policy: section.choice("policy", Policy::LeastOutstanding, &POLICIES),
            answers: section.choice("answers", Answers::Same, &ANSWERS),
            warm_up: section.duration("warm_up", 10 * SECOND, 0..=10 * MINUTE),
            dialect: section.dialect(),
            window_max: section.integer("window_max", 128, 1..=65_536),
            queue_max: section.integer("queue_max", 256, 0..=65_536),
            queue_age: section.duration("queue_age", 500, 0..=MINUTE),
            tombstone: section.duration("tombstone", 5 * MINUTE, SECOND..=24 * HOUR),
            connect_timeout: section.duration("connect_timeout", 3 * SECOND, 100..=MINUTE),
            reconnect_min: section.duration("reconnect_min", 500, 10..=10 * MINUTE),
            reconnect_max: section.duration("reconnect_max", 30 * SECOND, 10..=10 * MINUTE),
            tcp_user_timeout: tcp_user_timeout(&mut section),
            tcp_keep_alive: tcp_keep_alive(&mut section),
            frame_deadline: section.duration("frame_deadline", 5 * SECOND, 100..=MINUTE),
            outbound_max: section.size("outbound_max", 256 * KIB, 64 * KIB..=65_536 * KIB),
            framing: framing(section.table("framing")),
            mac: mac(section.table("mac")),
            tls: dial_tls(section.table("tls")),
            session: session(section.table("session")),
            deadlines: GroupDeadlines::read(section.table("deadlines")),
            breaker: Breaker::read(section.table("breaker")),
            reversals: Reversals::read(section.table("reversals")),
        }
    }
}

impl GroupDeadlines {
    fn read(mut section: Section<'_>) -> Self {
        let default = Deadlines::default();
        Self {
            payment: section.duration("payment", default.payment_ms, 100..=10 * MINUTE),
            inquiry: section.duration("inquiry", default.inquiry_ms, 100..=10 * MINUTE),
            statement: section.duration("statement", default.statement_ms, 100..=10 * MINUTE),
        }
    }
}

impl Breaker {
    fn read(mut section: Section<'_>) -> Self {
        let default = BreakerPlan::default();
        Self {
            failures_max: section.integer("failures_max", default.failures_max, 1..=10_000),
            window: section.duration("window", default.window_ms, SECOND..=HOUR),
            calls_min: section.integer("calls_min", default.calls_min, 1..=1_000_000),
            failure_percent: section.integer("failure_percent", default.failure_percent, 1..=100),
            slow: section.duration("slow", default.slow_ms, 1..=10 * MINUTE),
            slow_percent: section.integer("slow_percent", default.slow_percent, 1..=100),
            open: section.duration("open", default.open_ms, 10..=HOUR),
            open_max: section.duration("open_max", default.open_ms_max, 10..=HOUR),
            probes: section.integer("probes", default.probes, 1..=100),
        }
    }
}

impl Reversals {
    fn read(mut section: Section<'_>) -> Self {
        let default = ReversalPlan::default();
        Self {
            message: section.choice("message", default.mti, &UNDOING),
            answer: section.duration("answer", default.answer_ms, 100..=10 * MINUTE),
            retry: section.duration("retry", default.retry_ms, 10..=HOUR),
            retry_max: section.duration("retry_max", default.retry_ms_max, 10..=24 * HOUR),
            guard: section.duration("guard", default.guard_ms, 0..=24 * HOUR),
            window_max: section.integer("window_max", default.window_max, 1..=1_024),
            alarm: section.duration("alarm", default.alarm_ms, SECOND..=24 * HOUR),
            age_max: section.duration("age_max", default.age_ms_max, MINUTE..=8_760 * HOUR),
        }
    }
}

fn tcp_user_timeout(section: &mut Section<'_>) -> Found<u64> {
    section.duration("tcp_user_timeout", 20 * SECOND, SECOND..=10 * MINUTE)
}

/// The system counts these in whole seconds.
fn tcp_keep_alive(section: &mut Section<'_>) -> TcpKeepAlive {
    let default = TcpKeepAlive::default();
    let idle = section.duration("tcp_keep_alive", default.idle_ms, 0..=2 * HOUR);
    let interval =
        section.duration("tcp_keep_alive_interval", default.interval_ms, SECOND..=10 * MINUTE);
    for (key, found) in [("tcp_keep_alive", &idle), ("tcp_keep_alive_interval", &interval)] {
        if found.value % SECOND != 0 {
            let message = format!("`{key}` must be in whole seconds");
            section.findings.error(found.place, message, "the system counts no smaller times");
        }
    }
    TcpKeepAlive {
        idle_ms: idle.value,
        interval_ms: interval.value,
        probes: section.integer("tcp_keep_alive_probes", default.probes, 1..=100).value,
    }
}

fn addresses(section: &mut Section<'_>) -> Found<Vec<Found<Destination>>> {
    let example = Some("[\"127.0.0.1:8593\"]");
    let connect =
        section.list("connect", example, "host:port", Destination::parse, Destination::to_string);
    if let Some(beyond) = connect.value.get(ADDRESSES_MAX) {
        let message = format!("`connect` has more than {ADDRESSES_MAX} addresses");
        section.findings.error(beyond.place, message, "");
    }
    connect
}

fn channel_session(mut section: Section<'_>) -> ChannelSessionPlan {
    let default = ChannelSessionPlan::default();
    ChannelSessionPlan {
        sign_on: section.boolean("sign_on", default.sign_on).value,
        answer_ms: section.duration("answer", default.answer_ms, 100..=10 * MINUTE).value,
        echo_idle_ms: section.duration("echo_idle", default.echo_idle_ms, 0..=HOUR).value,
        echo_misses_max: section.integer("echo_misses_max", default.echo_misses_max, 1..=100).value,
    }
}

fn session(mut section: Section<'_>) -> SessionPlan {
    let default = SessionPlan::default();
    SessionPlan {
        sign_on: section.boolean("sign_on", default.sign_on).value,
        peer_signs_on: section.boolean("peer_signs_on", default.peer_signs_on).value,
        answer_ms: section.duration("answer", default.answer_ms, 100..=10 * MINUTE).value,
        echo_idle_ms: section.duration("echo_idle", default.echo_idle_ms, 0..=HOUR).value,
        echo_misses_max: section.integer("echo_misses_max", default.echo_misses_max, 1..=100).value,
    }
}

impl Route {
    pub(super) fn leads_to_bank(&self) -> bool {
        self.to.value == End::Bank
    }

    fn read(mut section: Section<'_>) -> Self {
        let name = section.name("name", "\"all\"");
        let to = section.choice("to", End::Group, &ENDS);
        let group = match to.value {
            End::Group => section.name("group", "\"cbs\""),
            End::Bank => section.parsed(
                "group",
                Missing::Default(String::new()),
                "left out",
                |text| Ok(text.to_owned()),
                String::clone,
            ),
        };
        Self {
            name,
            to,
            group,
            linked: section.choice("linked", None, &LINKED),
            mti: section.list("mti", None, "four digits of a request", mti, Mti::to_string),
            codes: section.list("codes", None, "the first two digits of DE3", code, |code| {
                code.iter().copied().map(char::from).collect()
            }),
            account_prefixes: section.list(
                "account_prefixes",
                None,
                "beginnings of DE102, 1 to 28 printable characters",
                account_prefix,
                String::clone,
            ),
            card_prefixes: section.list(
                "card_prefixes",
                None,
                "beginnings of DE2, 1 to 11 digits",
                card_prefix,
                String::clone,
            ),
            participants: section.list("participants", None, "names", as_name, String::clone),
        }
    }
}

/// A route is looked up without the repeat digit, and answers are never routed.
fn mti(text: &str) -> Result<Mti, String> {
    let mti = Mti::parse(text).ok_or("these are not four digits")?;
    if !mti.is_request() {
        return Err("this is an answer, which goes back where its request came from".to_owned());
    }
    if mti.is_repeat() {
        return Err(format!("this is a repeat, which goes where \"{}\" goes", mti.original()));
    }
    Ok(mti)
}

fn code(text: &str) -> Result<[u8; 2], String> {
    let digits = <[u8; 2]>::try_from(text.as_bytes()).ok();
    let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_digit));
    digits.ok_or_else(|| "these are not two digits".to_owned())
}

fn account_prefix(text: &str) -> Result<String, String> {
    let fits = (1..=28).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    fits.then(|| text.to_owned()).ok_or_else(|| "no account begins like this".to_owned())
}

/// Eleven digits are more than any range of cards needs and far from a whole number.
fn card_prefix(text: &str) -> Result<String, String> {
    let fits = (1..=11).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| text.to_owned()).ok_or_else(|| "this is no such prefix".to_owned())
}
