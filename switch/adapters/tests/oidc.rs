//! Signing in against the sandbox, over real sockets: the way of a person, every fault of the
//! provider, and keys that change.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "wire/trail.rs"]
mod trail;
#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use trail::trail;
use veksel_adapters::AdapterError;
use veksel_adapters::oidc::{Alarm, Alarms, Claim, NotSigned, Oidc, Person, Returned, Wish};
use veksel_config::alert::Severity;
use veksel_config::bridge::{ClientAuth, ClientKey, IdHash, IdentityConfig, SecretSource};
use veksel_config::{Source, load_switch};
use veksel_core::enquiry::Secret;
use veksel_simulator::sandbox::oidc::{Oidc as Provider, OidcConfig};
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};
use watch::{Watch, never, search_shown, watch_for};

fn watching() -> Watch {
    watch_for(&["17829000025"])
}

const BACK: &str = "http://127.0.0.1:8581/api/auth/bankid/callback";

/// The first test person of the sandbox.
const PID: &str = "17829000024";

struct Rig {
    provider: Provider,
    running: RunningSandboxes,
    oidc: Oidc,
    raised: Raised,
}

/// Alarms, in the order in which they were raised.
type Raised = Arc<Mutex<Vec<Alarm>>>;

fn configured(url: &str) -> IdentityConfig {
    let text = format!(
        "[[participant]]\nname = \"a\"\n[[listener]]\nname = \"a\"\nlisten = \"127.0.0.1:1\"\n\
         participant = \"a\"\n[[group]]\nname = \"b\"\nconnect = [\"127.0.0.1:2\"]\n\
         [[route]]\nname = \"c\"\ngroup = \"b\"\n[http]\n[identity]\nurl = \"{url}\"\n\
         allow_private = true\npepper_env = \"PEPPER\"\nbreaker_failures = 10000\n\
         retry_wait = \"10ms\"\nretries = 1\nread = \"5s\"\n"
    );
    let config = load_switch(Source::text("a.toml", &text)).unwrap_or_else(|e| panic!("{e}"));
    let mut config = config.bridge.identity.unwrap();
    config.client_id = SecretSource::Env("sandbox-client".to_owned());
    config.client_secret = SecretSource::Env("sandbox-client-secret".to_owned());
    config.jwks_floor_ms = 0;
    config
}

/// A secret stands where it is named.
fn secret(source: &SecretSource) -> Result<Secret, AdapterError> {
    match source {
        SecretSource::Env(text) => Ok(Secret::new(text.as_str())),
        SecretSource::File(path) => panic!("{}", path.display()),
    }
}

fn relying(config: &IdentityConfig, raised: &Raised) -> Oidc {
    let text = "[[participant]]\nname = \"a\"\n[[listener]]\nname = \"a\"\n\
                listen = \"127.0.0.1:1\"\nparticipant = \"a\"\n[[group]]\nname = \"b\"\n\
                connect = [\"127.0.0.1:2\"]\n[[route]]\nname = \"c\"\ngroup = \"b\"\n[http]\n";
    let http = load_switch(Source::text("a.toml", text)).unwrap().bridge.http.unwrap();
    let raised = Arc::clone(raised);
    let alarms = Alarms::new(move |alarm| raised.lock().unwrap().push(alarm.clone()));
    Oidc::new(config, &http, &secret, &trail(), alarms).unwrap()
}

impl Rig {
    fn new() -> Self {
        Self::with(OidcConfig::default(), |_| {})
    }

    fn with(settings: OidcConfig, change: impl FnOnce(&mut IdentityConfig)) -> Self {
        let clock = Clock::default();
        let provider = Provider::new(settings, clock.clone()).unwrap();
        let mount = Mount {
            name: "oidc".to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            sandbox: Arc::new(provider.clone()),
        };
        let running = start(vec![mount], clock).unwrap();
        let address = running.address("oidc").unwrap();
        let mut config = configured(&format!("http://{address}/auth/realms/current"));
        change(&mut config);
        // The default of discovery follows the address.
        if !config.discovery_url.contains(&address.to_string()) && !config.mock {
            config.discovery_url = config.discovery_url.replace("HOST", &address.to_string());
        }
        let raised = Raised::default();
        let oidc = relying(&config, &raised);
        Self { provider, running, oidc, raised }
    }

    async fn begin(&self) -> Result<(String, String), NotSigned> {
        let wish = Wish { binding: None, return_to: "/there", person: 0, trace: "t" };
        let begun = self.oidc.begin(wish).await?;
        Ok((begun.location, begun.binding.expose().to_owned()))
    }

    /// The whole way of a person.
    async fn sign_in(&self, who: &str) -> Result<(Person, String), NotSigned> {
        let (page, binding) = self.begin().await?;
        let back = decided(&page, who);
        self.finish(&back, &binding).await
    }

    async fn finish(&self, back: &str, binding: &str) -> Result<(Person, String), NotSigned> {
        let value = |name| value(back, name);
        let (state, code, error, issuer) =
            (value("state"), value("code"), value("error"), value("iss"));
        let back = Returned {
            state: state.as_deref(),
            code: code.as_deref(),
            error: error.as_deref(),
            issuer: issuer.as_deref(),
            binding: Some(binding),
            trace: "t",
        };
        if let Some(code) = back.code.filter(|code| code.len() > 4) {
            never("a code that comes back", code);
        }
        search_shown("what comes back", &(&back.state, &back.error));
        let signed = self.oidc.finish(back).await;
        search_shown("who is signed in", &signed.as_ref().err());
        signed
    }

    async fn refused(&self, fault: &str) -> NotSigned {
        assert!(self.provider.break_with(fault), "{fault}");
        let refused = self.sign_in("kari").await.unwrap_err();
        assert!(self.provider.break_with(""));
        refused
    }
}

/// Where the provider sends a person back to, once it is decided on its page.
fn decided(page: &str, who: &str) -> String {
    let (status, location) = get(&format!("{page}&auto={who}"));
    assert_eq!(status, 303, "{page}");
    assert!(location.starts_with(BACK), "{location}");
    location
}

/// Status and `Location`.
fn get(url: &str) -> (u16, String) {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    let location = text.lines().find_map(|line| line.strip_prefix("location: "));
    (status, location.unwrap_or_default().to_owned())
}

fn value(url: &str, name: &str) -> Option<String> {
    let query = url.split_once('?')?.1;
    let found = query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}=")))?;
    let mut bytes = Vec::new();
    let mut rest = found.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let text = std::str::from_utf8(&after[..2]).unwrap();
            bytes.push(u8::from_str_radix(text, 16).unwrap());
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    Some(String::from_utf8(bytes).unwrap())
}

#[tokio::test]
async fn a_person_signs_in_and_is_known_by_a_hash() {
    let _watch = watching();
    let rig = Rig::new();
    let (person, to) = rig.sign_in("kari").await.unwrap();
    assert_eq!(to, "/there");
    assert_eq!(person.name.whole, "Kari Nordmann");
    assert_eq!((person.name.given.as_str(), person.name.family.as_str()), ("Kari", "Nordmann"));
    assert_eq!(
        (person.acr.as_str(), person.amr.as_slice()),
        ("urn:bankid:bid;LOA=4", &["BID".to_owned()][..])
    );
    // printf 17829000024 | openssl dgst -sha256 -hmac PEPPER
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"PEPPER");
    let tag = aws_lc_rs::hmac::sign(&key, PID.as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(person.customer, hex);
    let (again, _) = rig.sign_in("kari").await.unwrap();
    assert_eq!(again.customer, person.customer);
    let (other, _) = rig.sign_in("ola").await.unwrap();
    assert_ne!(other.customer, person.customer);
    assert_eq!(other.amr, ["BIS"]);
    // The document is kept for a day, the keys for five minutes.
    assert_eq!((rig.provider.asked("discovery"), rig.provider.asked("certs")), (1, 1));
    assert!(!format!("{person:?} {:?}", rig.oidc).contains("Kari"));
}

#[tokio::test]
async fn what_is_asked_has_state_nonce_and_a_challenge() {
    let _watch = watching();
    let rig = Rig::new();
    let (page, binding) = rig.begin().await.unwrap();
    for (name, expected) in [
        ("client_id", "sandbox-client"),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("scope", "openid profile nnin_altsub"),
        ("code_challenge_method", "S256"),
        ("acr_values", "urn:bankid:bid;LOA=4"),
    ] {
        assert_eq!(value(&page, name).as_deref(), Some(expected), "{name}");
    }
    assert!(page.contains("/precheck/auth?"), "{page}");
    for name in ["state", "nonce"] {
        let found = value(&page, name).unwrap();
        let shape: Vec<usize> = found.split('-').map(str::len).collect();
        assert_eq!(shape, [8, 4, 4, 4, 12], "{name}");
    }
    assert_eq!(value(&page, "code_challenge").unwrap().len(), 43);
    let (other, _) = rig.begin().await.unwrap();
    for name in ["state", "nonce", "code_challenge"] {
        assert_ne!(value(&page, name), value(&other, name), "{name}");
    }
    assert_eq!(binding.len(), 64);
}

#[tokio::test]
async fn every_wrong_token_signs_nobody_in() {
    let _watch = watching();
    let rig = Rig::new();
    for (fault, claim) in [
        ("wrong_iss", Claim::Issuer),
        ("wrong_aud", Claim::Audience),
        ("wrong_azp", Claim::Party),
        ("expired", Claim::Expiry),
        ("future", Claim::Issued),
        ("wrong_nonce", Claim::Nonce),
        ("no_nonce", Claim::Nonce),
        ("low_acr", Claim::Level),
        ("broken_pid", Claim::NationalId),
        ("bad_signature", Claim::Signature),
        ("alg_none", Claim::Form),
        ("alg_hs256", Claim::Form),
    ] {
        assert_eq!(rig.refused(fault).await, NotSigned::Token(claim), "{fault}");
    }
    assert!(rig.sign_in("kari").await.is_ok(), "and then all is well");
}

#[tokio::test]
async fn somebody_whose_national_id_we_may_not_see_signs_in_by_sub() {
    let _watch = watching();
    let rig = Rig::new();
    let (known, _) = rig.sign_in("kari").await.unwrap();
    assert!(rig.provider.break_with("no_pid"));
    let (person, _) = rig.sign_in("kari").await.unwrap();
    let (again, _) = rig.sign_in("kari").await.unwrap();
    assert_eq!((person.customer.len(), &again.customer), (64, &person.customer));
    assert_ne!(known.customer, person.customer);
    // Nothing says how old this one is.
    let refused = rig.sign_in("ola").await.unwrap_err();
    assert_eq!(refused, NotSigned::Token(Claim::Birthdate));
    let strict = Rig::with(OidcConfig::default(), |config| config.falls_back = false);
    assert_eq!(strict.refused("no_pid").await, NotSigned::Token(Claim::NationalId));
}

#[tokio::test]
async fn every_failure_of_the_provider_has_its_name_and_no_code_goes_twice() {
    let _watch = watching();
    let rig = Rig::new();
    assert!(rig.sign_in("kari").await.is_ok());
    for (fault, expected) in [
        ("invalid_grant", NotSigned::Exchange),
        ("unauthorized_client", NotSigned::Exchange),
        ("no_token", NotSigned::Exchange),
        ("token_down", NotSigned::Unavailable),
        ("server_error", NotSigned::Unavailable),
        ("unknown_kid", NotSigned::Keys),
    ] {
        let before = rig.provider.asked("token");
        assert_eq!(rig.refused(fault).await, expected, "{fault}");
        assert_eq!(rig.provider.asked("token"), before + 1, "{fault}: a code was sent again");
    }
    for who in ["ung", "barn"] {
        assert_eq!(rig.sign_in(who).await.unwrap_err(), NotSigned::Underage, "{who}");
    }
    assert_eq!(rig.sign_in("cancel").await.unwrap_err(), NotSigned::Cancelled);
    assert!(rig.sign_in("eva").await.is_ok());
}

/// Everything that is said.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<String>>);

#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!("{}={value:?} ", field.name()));
    }
}

impl Subscriber for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.0.lock().unwrap().push_str(&fields.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn alarms_say_what_a_person_must_look_at_and_nobody_says_who_it_was() {
    let _watch = watching();
    let rig = Rig::new();
    let ear = Ear::default();
    let _heard = tracing::subscriber::set_default(ear.clone());
    // While there is one only, the thread that comes to a line first decides for all whether it is
    // ever heard, and other tests hear nothing.
    let _other = tracing::Dispatch::new(Ear::default());
    tracing::callsite::rebuild_interest_cache();
    for (fault, alarm) in [
        ("unauthorized_client", Some(("client id invalid", Severity::Critical))),
        ("unknown_kid", Some(("keys of the identity provider cannot be used", Severity::High))),
        ("token_down", Some(("identity provider unreachable", Severity::High))),
        ("server_error", Some(("identity provider unreachable", Severity::High))),
        ("invalid_grant", None),
        ("broken_pid", None),
        ("wrong_aud", None),
    ] {
        rig.raised.lock().unwrap().clear();
        rig.refused(fault).await;
        let alarms = rig.raised.lock().unwrap().clone();
        let told: Vec<_> = alarms.iter().map(|alarm| (alarm.title(), alarm.severity())).collect();
        assert_eq!(told, alarm.into_iter().collect::<Vec<_>>(), "{fault}");
        for alarm in &alarms {
            assert!(ear.0.lock().unwrap().contains(&alarm.message()), "{fault}: not in the log");
        }
    }
    rig.sign_in("kari").await.unwrap();
    rig.sign_in("ung").await.unwrap_err();
    let said = ear.0.lock().unwrap().clone();
    assert!(said.contains("claim=\"aud\""), "{said}");
    for hidden in [PID, "17829000025", "Nordmann", "sandbox-client-secret", "1990-02-17"] {
        assert!(!said.contains(hidden), "{hidden} in {said}");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_not_a_wrong_token() {
    let _watch = watching();
    let rig = Rig::new();
    assert_eq!(rig.refused("certs_down").await, NotSigned::Keys);
    assert!(rig.sign_in("kari").await.is_ok());
    // Known keys need no provider.
    assert!(rig.provider.break_with("certs_down"));
    assert!(rig.sign_in("kari").await.is_ok());
}

#[tokio::test]
async fn a_provider_that_is_away_is_unavailable_and_one_that_was_there_is_remembered() {
    let _watch = watching();
    let rig = Rig::new();
    assert_eq!(rig.refused("discovery_down").await, NotSigned::Unavailable);
    let (page, binding) = rig.begin().await.unwrap();
    let back = decided(&page, "kari");
    let Rig { running, oidc, provider, raised } = rig;
    running.stop();
    let running = start(Vec::new(), Clock::default()).unwrap();
    let rig = Rig { running, oidc, provider, raised };
    assert_eq!(rig.finish(&back, &binding).await.unwrap_err(), NotSigned::Unavailable);
    // Where people sign in is still known, for a day.
    assert!(rig.begin().await.is_ok());
}

/// Time passes for whoever counts it, and not on the sockets.
async fn pass(seconds: u64) {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(seconds)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn where_things_are_is_asked_again_after_a_day_and_30_seconds_after_a_failure() {
    const DAY: u64 = 24 * 3_600;
    let _watch = watching();
    let rig = Rig::new();
    let found = || rig.provider.asked("discovery");
    // Nobody waits for another document while there is one.
    let renewed = async |count: u64| {
        for _ in 0..6_000 {
            if found() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // By then what was found is written down.
        assert!(rig.sign_in("kari").await.is_ok());
        assert_eq!(found(), count);
    };
    assert!(rig.sign_in("kari").await.is_ok());
    pass(DAY - 300).await;
    assert!(rig.sign_in("kari").await.is_ok());
    assert_eq!(found(), 1, "less than a day");
    pass(300).await;
    assert!(rig.sign_in("kari").await.is_ok());
    renewed(2).await;
    // Something that the document led to fails: not at once, and then once.
    assert_eq!(rig.refused("token_down").await, NotSigned::Unavailable);
    assert!(rig.sign_in("kari").await.is_ok());
    assert_eq!(found(), 2, "a failure soon after it was read");
    pass(30).await;
    assert!(rig.sign_in("kari").await.is_ok());
    renewed(3).await;
    pass(DAY / 2).await;
    assert!(rig.sign_in("kari").await.is_ok());
    assert_eq!(found(), 3, "nothing has failed since");
}

#[tokio::test]
async fn new_keys_are_fetched_when_they_are_first_seen_and_old_ones_stay_good() {
    let _watch = watching();
    let rig = Rig::new();
    assert!(rig.sign_in("kari").await.is_ok());
    for (algorithm, drops) in
        [("RS256", false), ("PS256", false), ("ES256", false), ("ES256", true)]
    {
        let before = rig.provider.asked("certs");
        rig.provider.rotate(algorithm, drops).unwrap();
        assert!(rig.sign_in("kari").await.is_ok(), "{algorithm}");
        assert!(rig.sign_in("kari").await.is_ok(), "{algorithm}");
        assert_eq!(rig.provider.asked("certs"), before + 1, "{algorithm}");
    }
}

#[tokio::test]
async fn unknown_keys_do_not_make_us_ask_all_the_time() {
    let _watch = watching();
    let rig = Rig::with(OidcConfig::default(), |config| config.jwks_floor_ms = 3_600_000);
    assert!(rig.sign_in("kari").await.is_ok());
    for _ in 0..3 {
        assert_eq!(rig.refused("unknown_kid").await, NotSigned::Keys);
    }
    rig.provider.rotate("RS256", true).unwrap();
    assert_eq!(rig.sign_in("kari").await.unwrap_err(), NotSigned::Keys);
    assert_eq!(rig.provider.asked("certs"), 1);
}

#[tokio::test]
async fn keys_are_asked_for_again_when_their_time_is_over() {
    let _watch = watching();
    let rig = Rig::with(OidcConfig::default(), |config| config.jwks_ms = 0);
    for count in 1..4 {
        assert!(rig.sign_in("kari").await.is_ok());
        assert_eq!(rig.provider.asked("certs"), count);
    }
}

#[tokio::test]
async fn a_way_ends_once_and_in_the_browser_it_began_in() {
    let _watch = watching();
    let rig = Rig::new();
    let (page, binding) = rig.begin().await.unwrap();
    let back = decided(&page, "kari");
    let state = value(&back, "state").unwrap();
    for (changed, binding) in [
        (back.replace(&state, "00000000-0000-4000-8000-000000000000"), binding.as_str()),
        (back.replace(&format!("state={state}"), "other=1"), &binding),
        (back.replace(&format!("state={state}"), &format!("state={}", "x".repeat(65))), &binding),
        (back.clone(), "0"),
        (back.clone(), ""),
    ] {
        let refused = rig.finish(&changed, binding).await.unwrap_err();
        assert_eq!(refused, NotSigned::State, "{changed}");
    }
    assert_eq!(rig.provider.asked("token"), 0, "nobody was asked for a stranger");
    assert!(rig.finish(&back, &binding).await.is_ok());
    assert_eq!(rig.finish(&back, &binding).await.unwrap_err(), NotSigned::State);
    // The code of one way is worth nothing on another.
    let (page, binding) = rig.begin().await.unwrap();
    let used = value(&back, "code").unwrap();
    let fresh = decided(&page, "kari");
    let replayed = fresh.replace(&value(&fresh, "code").unwrap(), &used);
    assert_eq!(rig.finish(&replayed, &binding).await.unwrap_err(), NotSigned::Exchange);
}

#[tokio::test]
async fn a_code_that_was_stolen_fits_no_other_way() {
    let _watch = watching();
    let rig = Rig::new();
    let (victims, _) = rig.begin().await.unwrap();
    let stolen = value(&decided(&victims, "kari"), "code").unwrap();
    let (page, binding) = rig.begin().await.unwrap();
    let own = decided(&page, "ola");
    let mixed = own.replace(&value(&own, "code").unwrap(), &stolen);
    // PKCE: the verifier is that of another challenge.
    assert_eq!(rig.finish(&mixed, &binding).await.unwrap_err(), NotSigned::Exchange);
    // And one that says it comes from elsewhere is not taken there.
    let (page, binding) = rig.begin().await.unwrap();
    let back = decided(&page, "kari").replace("iss=http", "iss=https");
    assert_eq!(rig.finish(&back, &binding).await.unwrap_err(), NotSigned::State);
}

#[tokio::test]
async fn of_many_who_come_back_at_once_one_is_signed_in() {
    let _watch = watching();
    let rig = Arc::new(Rig::new());
    let (page, binding) = rig.begin().await.unwrap();
    let back = decided(&page, "kari");
    let mut all = Vec::new();
    for _ in 0..16 {
        let (rig, back, binding) = (Arc::clone(&rig), back.clone(), binding.clone());
        all.push(tokio::spawn(async move { rig.finish(&back, &binding).await.map(drop) }));
    }
    let mut signed = 0;
    for one in all {
        match one.await.unwrap() {
            Ok(()) => signed += 1,
            Err(refused) => assert_eq!(refused, NotSigned::State),
        }
    }
    assert_eq!((signed, rig.provider.asked("token")), (1, 1));
}

#[tokio::test]
async fn two_ways_of_one_browser_do_not_disturb_each_other() {
    let _watch = watching();
    let rig = Rig::new();
    let (first, binding) = rig.begin().await.unwrap();
    let wish = Wish { binding: Some(&binding), return_to: "/b", person: 0, trace: "t" };
    let second = rig.oidc.begin(wish).await.unwrap();
    assert_eq!(second.binding.expose(), binding, "the cookie stays the same");
    let (back, other) = (decided(&first, "kari"), decided(&second.location, "ola"));
    assert_eq!(rig.finish(&other, &binding).await.unwrap().1, "/b");
    assert_eq!(rig.finish(&back, &binding).await.unwrap().1, "/there");
    // A cookie that was made up is not taken over.
    let made_up = "0".repeat(64);
    let wish = Wish { binding: Some(&made_up), return_to: "/", person: 0, trace: "t" };
    assert_ne!(rig.oidc.begin(wish).await.unwrap().binding.expose(), made_up);
}

#[tokio::test]
async fn what_a_provider_says_instead_of_a_code_has_a_name() {
    let _watch = watching();
    let rig = Rig::new();
    for (error, expected) in [
        ("access_denied", NotSigned::Cancelled),
        ("temporarily_unavailable", NotSigned::Unavailable),
        ("server_error", NotSigned::Refused),
        ("anything", NotSigned::Refused),
        ("", NotSigned::Refused),
    ] {
        let (page, binding) = rig.begin().await.unwrap();
        let state = value(&page, "state").unwrap();
        let back = format!("{BACK}?state={state}&error={error}");
        assert_eq!(rig.finish(&back, &binding).await.unwrap_err(), expected, "{error}");
        // That was the end of it.
        assert_eq!(rig.finish(&back, &binding).await.unwrap_err(), NotSigned::State);
    }
    for rest in ["", "&code=", &format!("&code={}", "x".repeat(3_000))] {
        let (page, binding) = rig.begin().await.unwrap();
        let back = format!("{BACK}?state={}{rest}", value(&page, "state").unwrap());
        assert_eq!(rig.finish(&back, &binding).await.unwrap_err(), NotSigned::Request);
    }
    assert_eq!(rig.provider.asked("token"), 0);
}

#[tokio::test]
async fn every_way_to_prove_who_we_are_is_taken() {
    let _watch = watching();
    for auth in [ClientAuth::Post, ClientAuth::Basic] {
        let rig = Rig::with(OidcConfig::default(), |config| config.auths = vec![auth]);
        assert!(rig.sign_in("kari").await.is_ok(), "{auth:?}");
        let wrong = Rig::with(OidcConfig::default(), |config| {
            config.auths = vec![auth];
            config.client_secret = SecretSource::Env("wrong".to_owned());
        });
        assert_eq!(wrong.sign_in("kari").await.unwrap_err(), NotSigned::Exchange, "{auth:?}");
    }
    for algorithm in [&rcgen::PKCS_RSA_SHA256, &rcgen::PKCS_ECDSA_P256_SHA256] {
        let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("client.key");
        std::fs::write(&path, pair.serialize_pem()).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, mode).unwrap();
        let rig = |public: Vec<u8>| {
            let settings = OidcConfig { client_key: Some(public), ..OidcConfig::default() };
            Rig::with(settings, |config| {
                config.auths = vec![ClientAuth::KeyJwt];
                config.client_key = Some(ClientKey { path: path.clone(), id: "k1".to_owned() });
            })
        };
        assert!(
            rig(rcgen::PublicKeyData::subject_public_key_info(&pair)).sign_in("kari").await.is_ok(),
            "{algorithm:?}"
        );
        let other = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let other = rcgen::PublicKeyData::subject_public_key_info(&other);
        assert_eq!(rig(other).sign_in("kari").await.unwrap_err(), NotSigned::Exchange);
    }
}

#[tokio::test]
async fn what_is_asked_can_go_ahead_of_the_person() {
    let _watch = watching();
    let rig = Rig::with(OidcConfig::default(), |config| config.par = true);
    let (page, binding) = rig.begin().await.unwrap();
    assert!(value(&page, "request_uri").is_some() && value(&page, "state").is_none(), "{page}");
    let back = decided(&page, "kari");
    assert!(rig.finish(&back, &binding).await.is_ok());
    assert_eq!(rig.provider.asked("par"), 1);
    assert_eq!(get(&format!("{page}&auto=kari")).0, 400, "it is good once");
    let wrong = Rig::with(OidcConfig::default(), |config| {
        config.par = true;
        config.client_secret = SecretSource::Env("wrong".to_owned());
    });
    assert_eq!(wrong.begin().await.unwrap_err(), NotSigned::Exchange);
}

#[tokio::test]
async fn id_porten_speaks_in_its_own_words() {
    let _watch = watching();
    let rig = Rig::with(OidcConfig::default(), |config| {
        config.discovery_url = "http://HOST/idporten/.well-known/openid-configuration".to_owned();
        config.acr = vec!["idporten-loa-high".to_owned()];
        config.scopes = vec!["openid".to_owned(), "profile".to_owned()];
    });
    // No birthdate there: the age is in the number.
    let (person, _) = rig.sign_in("kari").await.unwrap();
    assert_eq!(person.acr, "idporten-loa-high");
    assert_eq!(rig.sign_in("ung").await.unwrap_err(), NotSigned::Underage);
}

#[tokio::test]
async fn what_is_configured_goes_before_the_document_and_stands_without_it() {
    let _watch = watching();
    let rig = Rig::new();
    let host = rig.running.address("oidc").unwrap();
    let realm = format!("http://{host}/auth/realms/current");
    assert!(rig.provider.break_with("discovery_down"));
    let mut config = configured(&realm);
    config.issuer = Some(realm.clone());
    config.authorize_url = Some(format!("{realm}/precheck/auth"));
    config.token_url = Some(format!("{realm}/protocol/openid-connect/token"));
    config.jwks_url = Some(format!("{realm}/protocol/openid-connect/certs"));
    let rig = Rig { oidc: relying(&config, &rig.raised), ..rig };
    assert!(rig.sign_in("kari").await.is_ok());
    config.issuer = Some("https://somebody.example".to_owned());
    let rig = Rig { oidc: relying(&config, &rig.raised), ..rig };
    let (page, binding) = rig.begin().await.unwrap();
    let back = decided(&page, "kari");
    let back = back.split("&iss=").next().unwrap();
    let refused = rig.finish(back, &binding).await.unwrap_err();
    assert_eq!(refused, NotSigned::Token(Claim::Issuer));
}

#[tokio::test]
async fn a_sign_in_may_not_be_too_long_ago() {
    let _watch = watching();
    let rig = Rig::with(OidcConfig::default(), |config| config.max_age_ms = 60_000);
    let (page, _) = rig.begin().await.unwrap();
    assert_eq!(value(&page, "max_age").as_deref(), Some("60"));
    assert!(rig.sign_in("kari").await.is_ok());
}

#[tokio::test]
async fn without_anybody_to_ask_test_persons_sign_in() {
    let _watch = watching();
    let config = || {
        let mut config = configured("http://127.0.0.1:1");
        config.mock = true;
        config.pepper = None;
        config
    };
    let raised = Raised::default();
    let rig = Rig {
        oidc: relying(&config(), &raised),
        raised,
        provider: Provider::new(OidcConfig::default(), Clock::default()).unwrap(),
        running: start(Vec::new(), Clock::default()).unwrap(),
    };
    let (page, binding) = rig.begin().await.unwrap();
    assert!(page.starts_with(BACK) && page.contains("code=mock"), "{page}");
    let wrong = page.replace("code=mock", "code=other");
    let person = rig.finish(&page, &binding).await.unwrap().0;
    assert_eq!((person.customer.len(), person.amr.as_slice()), (64, &["MOCK".to_owned()][..]));
    assert_eq!(rig.finish(&page, &binding).await.unwrap_err(), NotSigned::State);
    assert_eq!(rig.finish(&wrong, &binding).await.unwrap_err(), NotSigned::State);
    // The same person every time, and another by another number or seed.
    let signed = async |oidc: &Oidc, person: u32| {
        let wish = Wish { binding: None, return_to: "/", person, trace: "t" };
        let begun = oidc.begin(wish).await.unwrap();
        let (state, code) = (value(&begun.location, "state"), value(&begun.location, "code"));
        let back = Returned {
            state: state.as_deref(),
            code: code.as_deref(),
            binding: Some(begun.binding.expose()),
            ..Returned::default()
        };
        oidc.finish(back).await.unwrap().0.customer
    };
    assert_eq!(signed(&rig.oidc, 0).await, person.customer);
    assert_ne!(signed(&rig.oidc, 1).await, person.customer);
    let seeded = relying(&IdentityConfig { mock_seed: 2, ..config() }, &Raised::default());
    assert_ne!(signed(&seeded, 0).await, person.customer);
    let plain = relying(&IdentityConfig { hash: IdHash::Compat, ..config() }, &Raised::default());
    assert_ne!(signed(&plain, 0).await, person.customer);
}

#[tokio::test]
async fn old_records_know_people_by_a_hash_without_a_key() {
    let _watch = watching();
    let rig = Rig::with(OidcConfig::default(), |config| config.hash = IdHash::Compat);
    let (person, _) = rig.sign_in("kari").await.unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, PID.as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(person.customer, hex);
}
