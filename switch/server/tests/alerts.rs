//! Alarms and figures of a running switch: what reaches the channel, what stands on the page of
//! metrics, and when it calls itself healthy. The channel is the sandbox of the simulator, over
//! real sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use veksel_adapters::providers::Providers;
use veksel_adapters::{Certificate, Circuit};
use veksel_config::{BRIDGE_EXAMPLE, Source, SwitchConfig, load_switch};
use veksel_core::enquiry::{Ask, Failed, Failure, Verdict};
use veksel_core::fact::{Cached, Fact, Linked};
use veksel_core::record::Known;
use veksel_core::{Record, RecordId, Utc};
use veksel_server::{Answering, Asks, Outside, Running, Stopped, start_between, start_with};
use veksel_simulator::sandbox::notify::Notify;
use veksel_simulator::sandbox::oidc::{Oidc, OidcConfig};
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};
use veksel_store::{MemoryStore, Store as _};
use watch::{Watch, search, watch_for};

/// What stands in the files that the switch reads its secrets from.
const TOKEN: &str = "sbx:token-of-the-checks";
const SECRET: &str = "secret-of-checks-and-identity";

fn watching() -> Watch {
    watch_for(&[TOKEN, SECRET, "hushhush"])
}

/// Third parties that stand as the test wants them to.
#[derive(Default)]
struct Played {
    circuits: Mutex<Vec<Circuit>>,
    certificates: Mutex<Vec<Certificate>>,
}

impl Asks for Played {
    fn ask(&self, _: Ask) -> Answering<'_> {
        Box::pin(async { Verdict::Failed(Failure::before(Failed::Unavailable)) })
    }

    fn circuits(&self) -> Vec<Circuit> {
        self.circuits.lock().unwrap().clone()
    }

    fn certificates(&self) -> Vec<Certificate> {
        self.certificates.lock().unwrap().clone()
    }
}

/// A channel for alarms, and what was said in it.
struct Channel {
    _running: RunningSandboxes,
    notify: Notify,
    address: SocketAddr,
}

impl Channel {
    fn open() -> Self {
        let clock = Clock::default();
        let notify = Notify::new(clock.clone());
        let mount = Mount {
            name: "notify".to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            sandbox: Arc::new(notify.clone()),
        };
        let running = start(vec![mount], clock).unwrap();
        let address = running.address("notify").unwrap();
        Self { _running: running, notify, address }
    }

    fn said(&self, channel: &str) -> Vec<String> {
        let messages = self.notify.messages().into_iter();
        let messages = messages.inspect(|one| search("a message", one.text.as_str()));
        messages.filter(|one| one.channel == channel).map(|one| one.text).collect()
    }

    #[track_caller]
    fn wait_for(&self, part: &str) -> String {
        until(part, || self.said("slack").into_iter().find(|text| text.contains(part)))
    }
}

/// Looks again and again, for as long as a loaded machine may need.
#[track_caller]
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn secret(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The example, on ports of its own, with its secrets in this folder.
fn config(folder: &Path, more: &[(&str, &str)]) -> SwitchConfig {
    secret(folder, "kyc", TOKEN);
    secret(folder, "key", SECRET);
    let flags = [
        ("listener.channels.listen", "127.0.0.1:0"),
        ("admin.listen", "127.0.0.1:0"),
        ("http.listen", "127.0.0.1:0"),
        ("group.cbs.connect", "127.0.0.1:9"),
        ("kyc.app_token_file", "kyc"),
        ("kyc.secret_key_file", "key"),
        ("kyc.webhook_secret_files", "key"),
        ("identity.client_id_file", "key"),
        ("identity.client_secret_file", "key"),
        ("identity.pepper_file", "key"),
        ("alert.slack_url_env", ""),
    ];
    let text = BRIDGE_EXAMPLE
        .replace("app_token_env = \"SUMSUB_APP_TOKEN\"\n", "")
        .replace("secret_key_env = \"SUMSUB_SECRET_KEY\"\n", "")
        .replace("client_id_env = \"BANKID_CLIENT_ID\"\n", "")
        .replace("client_secret_env = \"BANKID_CLIENT_SECRET\"\n", "")
        .replace("pepper_env = \"BANKID_PEPPER\"\n", "")
        .replace("api_key_env = \"DIDIT_API_KEY\"\n", "");
    let source = Source::text("test", text).folder(folder).flags(flags);
    let source = source.flags(more.iter().copied());
    load_switch(source.known_dialects(&["cbs-ascii-bin"])).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn ask(address: SocketAddr, head: &str, body: &str) -> String {
    ask_with(address, head, "", body)
}

/// The same with a cookie.
fn ask_with(address: SocketAddr, head: &str, cookie: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         cookie: {cookie}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    search("an answer", said.as_str());
    said
}

fn page(running: &Running) -> String {
    ask(running.admin().unwrap(), "GET /metrics", "")
}

#[track_caller]
fn wait_for_line(running: &Running, line: &str) {
    let is_there = || page(running).lines().any(|one| one == line).then_some(());
    until(line, is_there);
}

/// Third parties that are played, and no billers or messengers.
fn outside(played: Arc<Played>) -> Outside {
    Outside { asks: played, webhooks: None, providers: Arc::new(Providers::default()) }
}

#[test]
fn start_trouble_and_stop_are_told_in_the_channel() {
    let _watch = watching();
    let folder = tempfile::tempdir().unwrap();
    let channel = Channel::open();
    let at = channel.address;
    secret(folder.path(), "slack", &format!("http://{at}/services/T0/B0/hushhush\n"));
    secret(folder.path(), "beat", &format!("http://{at}/api/v1/heartbeat/hushhush"));
    let config = config(
        folder.path(),
        &[
            ("alert.slack_url_file", "slack"),
            ("alert.heartbeat_url_file", "beat"),
            ("alert.heartbeat_every", "1s"),
            ("alert.allow_private", "true"),
            ("alert.product", "Drop"),
            ("alert.owner", "@ida"),
            ("switch.service_mode", "sandbox"),
        ],
    );
    let played = Arc::new(Played::default());
    let outside = outside(Arc::<Played>::clone(&played));
    let running = start_between(config, Box::new(MemoryStore::new()), outside).unwrap();
    let said = channel.wait_for("App startup");
    assert!(
        said.starts_with("\u{2139}\u{fe0f} Drop Sandbox Alert \u{2014} Info\nTitle: "),
        "{said}"
    );
    until("a heartbeat", || (channel.said("heartbeat").len() >= 2).then_some(()));
    wait_for_line(&running, "pisp_circuit_open 0");
    let circuit = |is_open| Circuit { provider: "dnb".to_owned(), service: "payments", is_open };
    *played.circuits.lock().unwrap() = vec![circuit(true)];
    let soon = Instant::now();
    let said = channel.wait_for("PISP circuit breaker open");
    assert!(said.contains("Alert \u{2014} Critical\n") && said.contains("dnb payments"), "{said}");
    assert!(said.ends_with("\nOwner: @ida"), "{said}");
    wait_for_line(&running, "pisp_circuit_open 1");
    let breaker = "veksel_provider_breaker_open{provider=\"dnb\",service=\"payments\"}";
    wait_for_line(&running, &format!("{breaker} 1"));
    let mine = r#"{"operator":"ida","severity":"medium","title":"Disk","message":"full"}"#;
    let said = ask(running.admin().unwrap(), "POST /alerts", mine);
    assert!(said.starts_with("HTTP/1.1 202 "), "{said}");
    let said = channel.wait_for("Title: Disk\nMessage: full (ida)\n");
    assert!(said.contains("Alert \u{2014} Medium\n"), "{said}");
    *played.circuits.lock().unwrap() = vec![circuit(false)];
    wait_for_line(&running, "pisp_circuit_open 0");
    wait_for_line(&running, &format!("{breaker} 0"));
    assert!(soon.elapsed() < Duration::from_secs(300), "not long enough for the other alarm");
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let not_after = i64::try_from(unix.as_secs()).unwrap() + 3 * 86_400;
    let held = Certificate { provider: "dnb".to_owned(), usage: "qwac", not_after };
    *played.certificates.lock().unwrap() = vec![held];
    let said = channel.wait_for("Certificate ends: dnb qwac");
    assert!(said.contains("Alert \u{2014} High\n"), "{said}");
    let gauge = "tls_client_cert_not_after_seconds{provider=\"dnb\",usage=\"qwac\"}";
    wait_for_line(&running, &format!("{gauge} {not_after}"));
    assert_eq!(running.stop(), Stopped::Asked);
    // The end waits for what is said of it.
    assert!(channel.said("slack").iter().any(|text| text.contains("Title: App shutdown")));
    let all = channel.said("slack");
    assert_eq!(all.iter().filter(|text| text.contains("PISP")).count(), 1, "{all:?}");
}

#[test]
fn a_channel_that_is_gone_or_silent_keeps_nobody_waiting() {
    let _watch = watching();
    let folder = tempfile::tempdir().unwrap();
    let channel = Channel::open();
    for (name, url) in [
        ("gone", format!("http://{}/services/T0/B0/gone", channel.address)),
        ("nobody", "http://127.0.0.1:9/services/hushhush".to_owned()),
    ] {
        secret(folder.path(), name, &url);
        let flags = [("alert.slack_url_file", name), ("alert.allow_private", "true")];
        let outside = outside(Arc::new(Played::default()));
        let store = Box::new(MemoryStore::new());
        let running = start_between(config(folder.path(), &flags), store, outside).unwrap();
        until(name, || {
            let page = page(&running);
            let failed = page
                .lines()
                .any(|line| line.starts_with("veksel_alerts_failed_total{sink=\"slack\"}"));
            // What the channel does not hear stands on standard error.
            let shown = "veksel_alerts_total{severity=\"info\",sink=\"console\"} 1";
            (failed && page.contains(shown)).then_some(())
        });
        assert_eq!(running.stop(), Stopped::Asked);
    }
}

#[test]
fn an_address_of_a_channel_that_is_none_is_said_at_the_start_and_not_shown() {
    let _watch = watching();
    let folder = tempfile::tempdir().unwrap();
    secret(folder.path(), "slack", "http://127.0.0.1:9/hushhush");
    for flags in [
        [("alert.slack_url_file", "slack"), ("alert.owner", "")],
        [("alert.slack_url_file", "missing"), ("alert.owner", "")],
    ] {
        let outside = outside(Arc::new(Played::default()));
        let store = Box::new(MemoryStore::new());
        let error = start_between(config(folder.path(), &flags), store, outside).err().unwrap();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hushhush"), "{shown}");
    }
}

/// Nobody but the listeners: of other third parties no secrets are here, and nobody asks them.
fn alone(mut config: SwitchConfig) -> SwitchConfig {
    config.bridge.banks.clear();
    config.bridge.providers = veksel_config::bridge::ProvidersConfig::default();
    config
}

/// A journal in which an account is linked whose balance was seen so long ago.
fn stale(hours: u64) -> MemoryStore {
    let unix = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = u64::try_from(unix.as_millis()).unwrap();
    let linked = Linked {
        account: "10000000001".to_owned(),
        bank: "dnb".to_owned(),
        iban: "NO9386011117947".to_owned(),
        currency: 578,
        customer: "c-1".to_owned(),
        ..Linked::default()
    };
    let cached = Cached {
        account: linked.account.clone(),
        currency: 578,
        synced: Utc(now - hours * 3_600_000),
        ..Cached::default()
    };
    let record = |fact| Record::Fact(Box::new(Known { utc: Utc(now), fact }));
    let mut store = MemoryStore::new();
    store.open().unwrap();
    let batch =
        [(RecordId(1), record(Fact::Linked(linked))), (RecordId(2), record(Fact::Balance(cached)))];
    assert_eq!(store.append(&batch).unwrap(), []);
    store
}

#[test]
fn a_forged_webhook_and_an_old_balance_are_figures_and_alarms() {
    let _watch = watching();
    let folder = tempfile::tempdir().unwrap();
    let channel = Channel::open();
    let url = format!("http://{}/services/T0/B0/hushhush", channel.address);
    secret(folder.path(), "slack", &url);
    let flags = [("alert.slack_url_file", "slack"), ("alert.allow_private", "true")];
    let config = alone(config(folder.path(), &flags));
    let running = start_with(config, Box::new(stale(13))).unwrap();
    wait_for_line(&running, "sumsub_webhook_failures_total 0");
    let said = ask(running.http().unwrap(), "POST /v1/webhooks/sumsub", "{}");
    assert!(said.starts_with("HTTP/1.1 401 "), "{said}");
    wait_for_line(&running, "sumsub_webhook_failures_total 1");
    let said = channel.wait_for("Title: Webhook failures");
    assert!(said.contains("Alert \u{2014} High\n"), "{said}");
    let said = channel.wait_for("Title: Balances are stale");
    assert!(said.contains("Alert \u{2014} Medium\n") && said.contains("13 h"), "{said}");
    let page = page(&running);
    let hours = page.lines().find_map(|line| line.strip_prefix("aisp_balance_staleness_hours "));
    let hours: f64 = hours.unwrap().parse().unwrap();
    assert!((13.0..14.0).contains(&hours), "{hours}");
    assert!(!page.contains("hushhush"));
    assert_eq!(running.stop(), Stopped::Asked);
}

#[test]
fn a_forged_webhook_of_the_other_provider_has_its_figure_and_the_same_alarm() {
    let _watch = watching();
    let folder = tempfile::tempdir().unwrap();
    let channel = Channel::open();
    let url = format!("http://{}/services/T0/B0/hushhush", channel.address);
    secret(folder.path(), "slack", &url);
    let flags = [
        ("alert.slack_url_file", "slack"),
        ("alert.allow_private", "true"),
        ("kyc.provider", "didit"),
        ("kyc.didit.workflow", "w-1"),
        ("kyc.didit.api_key_file", "key"),
    ];
    let config = alone(config(folder.path(), &flags));
    let running = start_with(config, Box::new(MemoryStore::new())).unwrap();
    wait_for_line(&running, "didit_webhook_failures_total 0");
    for path in ["/v1/webhooks/didit", "/api/kyc/webhook"] {
        let said = ask(running.http().unwrap(), &format!("POST {path}"), "{}");
        assert!(said.starts_with("HTTP/1.1 401 "), "{path}: {said}");
    }
    wait_for_line(&running, "didit_webhook_failures_total 2");
    wait_for_line(&running, "sumsub_webhook_failures_total 0");
    let said = channel.wait_for("Title: Webhook failures");
    assert!(said.contains("Alert \u{2014} High\n"), "{said}");
    assert_eq!(running.stop(), Stopped::Asked);
}

/// The value of a line of an answer's head.
fn header(said: &str, name: &str) -> String {
    let mut lines = said.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.unwrap_or_else(|| panic!("no {name}: {said}")).1.to_owned()
}

/// What of an address is asked for, at whatever place.
fn path_of(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}

/// A person goes to the provider, says who it is and comes back: what the switch says then.
fn sign_in(switch: SocketAddr, provider: SocketAddr) -> String {
    let begun = ask(switch, "GET /api/auth/bankid", "");
    let cookie = header(&begun, "set-cookie");
    let cookie = cookie.split(';').next().unwrap();
    let page = path_of(&header(&begun, "location"));
    let decided = ask(provider, &format!("GET {page}&auto=kari"), "");
    let back = path_of(&header(&decided, "location"));
    ask_with(switch, &format!("GET {back}"), cookie, "")
}

#[test]
fn that_the_provider_does_not_know_us_is_told_once_however_many_try_to_sign_in() {
    let _watch = watching();
    let folder = tempfile::tempdir().unwrap();
    let channel = Channel::open();
    let clock = Clock::default();
    let provider = Oidc::new(OidcConfig::default(), clock.clone()).unwrap();
    let mount = Mount {
        name: "oidc".to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: None,
        sandbox: Arc::new(provider.clone()),
    };
    let oidc = start(vec![mount], clock).unwrap();
    let address = oidc.address("oidc").unwrap();
    secret(folder.path(), "slack", &format!("http://{}/services/T0/B0/hushhush", channel.address));
    secret(folder.path(), "client-id", "sandbox-client");
    secret(folder.path(), "client-secret", "sandbox-client-secret");
    let realm = format!("http://{address}/auth/realms/current");
    let flags = [
        ("alert.slack_url_file", "slack"),
        ("alert.allow_private", "true"),
        ("identity.url", realm.as_str()),
        ("identity.client_id_file", "client-id"),
        ("identity.client_secret_file", "client-secret"),
    ];
    let config = alone(config(folder.path(), &flags));
    let running = start_with(config, Box::new(MemoryStore::new())).unwrap();
    let switch = running.http().unwrap();
    let said = sign_in(switch, address);
    assert!(said.starts_with("HTTP/1.1 303 "), "{said}");
    assert!(provider.break_with("unauthorized_client"));
    for _ in 0..4 {
        let said = sign_in(switch, address);
        assert!(said.starts_with("HTTP/1.1 502 "), "{said}");
        assert!(said.contains("token_exchange_failed"), "{said}");
    }
    let said = channel.wait_for("Title: client id invalid");
    assert!(said.contains("Alert \u{2014} Critical\n"), "{said}");
    // And what is less bad, once.
    let breaker = "veksel_provider_breaker_open{provider=\"bankid\",service=\"token\"}";
    wait_for_line(&running, &format!("{breaker} 0"));
    assert!(provider.break_with("token_down"));
    for _ in 0..3 {
        let said = sign_in(switch, address);
        assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    }
    let said = channel.wait_for("Title: identity provider unreachable");
    assert!(said.contains("Alert \u{2014} High\n"), "{said}");
    wait_for_line(&running, &format!("{breaker} 1"));
    assert_eq!(running.stop(), Stopped::Asked);
    let all = channel.said("slack");
    for title in ["client id invalid", "identity provider unreachable"] {
        let told = all.iter().filter(|text| text.contains(&format!("Title: {title}\n")));
        assert_eq!(told.count(), 1, "{all:?}");
    }
}

#[test]
fn health_is_told_on_both_listeners_until_the_switch_stops() {
    let _watch = watching();
    let folder = tempfile::tempdir().unwrap();
    let outside = outside(Arc::new(Played::default()));
    let store = Box::new(MemoryStore::new());
    let running = start_between(config(folder.path(), &[]), store, outside).unwrap();
    for address in [running.admin().unwrap(), running.http().unwrap()] {
        for path in ["/health", "/api/health", "/v1/health"] {
            let said = ask(address, &format!("GET {path}"), "");
            assert!(said.starts_with("HTTP/1.1 200 "), "{path}: {said}");
            assert!(said.ends_with(r#"{"status":"ok"}"#), "{path}: {said}");
        }
    }
    // No host is there, so it is healthy and not ready.
    let said = ask(running.admin().unwrap(), "GET /ready", "");
    assert!(said.starts_with("HTTP/1.1 503 ") && said.contains(r#""health":"ok""#), "{said}");
    assert!(ask(running.admin().unwrap(), "GET /live", "").ends_with("alive\n"));
    wait_for_line(&running, "veksel_healthy 1");
    assert_eq!(running.stop(), Stopped::Asked);
}

#[test]
fn a_full_journal_is_not_healthy_and_says_so() {
    let _watch = watching();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), &[]);
    config.store.records_max = 1;
    let outside = outside(Arc::new(Played::default()));
    let running = start_between(config, Box::new(stale(1)), outside).unwrap();
    for address in [running.admin().unwrap(), running.http().unwrap()] {
        let said = until("503", || {
            let said = ask(address, "GET /health", "");
            said.starts_with("HTTP/1.1 503 ").then_some(said)
        });
        assert!(said.contains(r#""reason":"the journal is full""#), "{said}");
        assert!(!said.contains(r#""status":"ok""#), "{said}");
    }
    wait_for_line(&running, "veksel_healthy 0");
    assert_eq!(running.stop(), Stopped::Asked);
}
