//! People sign in over real sockets: the sandbox of the provider on one side, a browser of a few
//! lines on the other.

use crate::rig::{Rig, Said, json};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use veksel_adapters::audit;
use veksel_adapters::oidc::{Alarms, Oidc};
use veksel_api::Identity;
use veksel_config::bridge::SecretSource;
use veksel_config::{Source, load_switch};
use veksel_core::Utc;
use veksel_core::enquiry::{Call, Secret, Told};
use veksel_core::fact::{ConsentStatus, Customer, KycStatus, Linked};
use veksel_simulator::sandbox::oidc::{Oidc as Provider, OidcConfig};
use veksel_simulator::sandbox::{Clock, Mount, RunningSandboxes, start};

const OWN: &str = "http://127.0.0.1:8581";
pub(crate) const IBAN: &str = "NO9386011117947";
const PID: &str = "17829000024";

pub(crate) struct Stage {
    pub(crate) rig: Rig,
    pub(crate) provider: Provider,
    _running: RunningSandboxes,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with("rate_max = 10000", OWN)
    }

    fn with(settings: &str, public_url: &str) -> Self {
        let clock = Clock::default();
        let back = format!("{public_url}/api/auth/bankid/callback");
        let redirect_uris = vec![back];
        let settings_of = OidcConfig { redirect_uris, ..OidcConfig::default() };
        let provider = Provider::new(settings_of, clock.clone()).unwrap();
        let mount = Mount {
            name: "oidc".to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls: None,
            sandbox: Arc::new(provider.clone()),
        };
        let running = start(vec![mount], clock).unwrap();
        let address = running.address("oidc").unwrap();
        let text = format!(
            "[[participant]]\nname = \"a\"\n[[listener]]\nname = \"a\"\nlisten = \"127.0.0.1:1\"\n\
             participant = \"a\"\n[[group]]\nname = \"b\"\nconnect = [\"127.0.0.1:2\"]\n\
             [[route]]\nname = \"c\"\ngroup = \"b\"\n[http]\npublic_url = \"{public_url}\"\n\
             token_env = \"TOKEN\"\n[identity]\nallow_private = true\npepper_env = \"PEPPER\"\n\
             url = \"http://{address}/auth/realms/current\"\nbreaker_failures = 10000\n\
             retries = 0\n{settings}\n"
        );
        let config = load_switch(Source::text("a.toml", &text)).unwrap_or_else(|e| panic!("{e}"));
        let http = config.bridge.http.unwrap();
        let mut identity = config.bridge.identity.unwrap();
        identity.client_id = SecretSource::Env("sandbox-client".to_owned());
        identity.client_secret = SecretSource::Env("sandbox-client-secret".to_owned());
        let secret = |source: &SecretSource| match source {
            SecretSource::Env(text) => Ok(Secret::new(text.as_str())),
            SecretSource::File(path) => panic!("{}", path.display()),
        };
        let oidc = Oidc::new(&identity, &http, &secret, &audit(64).0, Alarms::default()).unwrap();
        let identity = Identity::new(oidc, &identity, &http);
        let rig = Rig::with_people("s3cret", identity);
        Self { rig, provider, _running: running }
    }

    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser { stage: self, cookies: RefCell::default() }
    }
}

/// Keeps cookies, and does not follow.
pub(crate) struct Browser<'s> {
    stage: &'s Stage,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl Browser<'_> {
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Said {
        let cookies = self.cookies.borrow().clone();
        let cookies: Vec<String> =
            cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let line = cookies.join("; ");
        let mut all = headers.to_vec();
        if !line.is_empty() {
            all.push(("cookie", &line));
        }
        if !body.is_empty() {
            all.push(("content-type", "application/json"));
        }
        let said = self.stage.rig.send(method, path, &all, body);
        let set = said.header("set-cookie");
        if let Some((name, rest)) = set.split_once('=') {
            let value = rest.split(';').next().unwrap().to_owned();
            match value.is_empty() {
                true => self.cookies.borrow_mut().remove(name),
                false => self.cookies.borrow_mut().insert(name.to_owned(), value),
            };
        }
        assert!(!said.body.contains(PID), "{said:?}");
        said
    }

    pub(crate) fn get(&self, path: &str) -> Said {
        self.send("GET", path, &[], "")
    }

    /// The page of the provider.
    pub(crate) fn begin(&self) -> String {
        let said = self.get("/api/auth/bankid?return_to=%2Fconsole%2F");
        assert_eq!(said.status, 303, "{said:?}");
        said.header("location").to_owned()
    }

    /// What is asked of us when the person comes back.
    pub(crate) fn decide(page: &str, who: &str) -> String {
        let rest = page.strip_prefix("http://").unwrap();
        let (host, path) = rest.split_at(rest.find('/').unwrap());
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let head =
            format!("GET {path}&auto={who} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let back = text.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
        let (_, path) = back.split_once("://").unwrap().1.split_once('/').unwrap();
        format!("/{path}")
    }

    fn come_back(&self, who: &str) -> Said {
        let back = Self::decide(&self.begin(), who);
        self.get(&back)
    }

    /// Signed in; the token of pages.
    pub(crate) fn signed_in(&self, who: &str) -> (String, String) {
        let said = self.come_back(who);
        assert_eq!((said.status, said.header("location")), (303, "/console/"), "{said:?}");
        let me = json(&self.get("/api/auth/me"));
        (text(&me["customer"]), text(&me["csrfToken"]))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

pub(crate) fn code(said: &Said) -> String {
    text(&json(said)["error"]["code"])
}

pub(crate) fn linked(customer: &str, status: ConsentStatus) -> Told {
    let linked = Linked {
        account: IBAN.into(),
        bank: "nordbank".into(),
        iban: IBAN.into(),
        currency: 578,
        customer: customer.into(),
        status,
        ..Linked::default()
    };
    Told::Linked { linked: Box::new(linked), approve: None }
}

#[test]
fn a_person_signs_in_is_known_and_signs_out() {
    let stage = Stage::new();
    let browser = stage.browser();
    assert_eq!(code(&browser.get("/api/auth/me")), "signed_out");
    let (customer, csrf) = browser.signed_in("kari");
    let me = json(&browser.get("/api/auth/me"));
    assert_eq!(me["name"], "Kari Nordmann");
    assert_eq!(me["amr"], serde_json::json!(["BID"]));
    assert_eq!(customer.len(), 64);
    // Another browser of the same person is another session of the same customer.
    let other = stage.browser();
    assert_eq!(other.signed_in("kari").0, customer);
    assert_ne!(stage.browser().signed_in("ola").0, customer);
    for headers in [
        &[][..],
        &[("x-csrf-token", "x")],
        &[("x-csrf-token", csrf.as_str()), ("origin", "https://evil.example")],
        &[("x-csrf-token", csrf.as_str()), ("sec-fetch-site", "cross-site")],
    ] {
        let said = browser.send("POST", "/api/auth/logout", headers, "");
        assert_eq!((said.status, code(&said).as_str()), (403, "csrf"), "{headers:?}");
    }
    let stolen = browser.cookies.borrow().clone();
    let headers = [("x-csrf-token", csrf.as_str()), ("origin", OWN)];
    assert_eq!(browser.send("POST", "/api/auth/logout", &headers, "").status, 200);
    assert_eq!(browser.get("/api/auth/me").status, 401);
    *browser.cookies.borrow_mut() = stolen;
    assert_eq!(browser.get("/api/auth/me").status, 401, "the cookie is worth nothing now");
    assert_eq!(other.get("/api/auth/me").status, 200);
}

#[test]
fn cookies_are_for_the_browser_alone() {
    for (public_url, secure) in [(OWN, ""), ("https://switch.example", "; Secure")] {
        let stage = Stage::with("rate_max = 10000", public_url);
        let browser = stage.browser();
        let begun = browser.get("/api/auth/bankid");
        let shown = |said: &Said| {
            let (name, rest) = said.header("set-cookie").split_once('=').unwrap();
            let (value, rest) = rest.split_once("; ").unwrap();
            assert_eq!(value.len(), 64);
            format!("{name} {rest}")
        };
        let rest = format!("HttpOnly; SameSite=Lax{secure}");
        let expected = format!("bankid_state Path=/api/auth/bankid; Max-Age=600; {rest}");
        assert_eq!(shown(&begun), expected);
        let back = browser.get(&Browser::decide(begun.header("location"), "kari"));
        assert_eq!(shown(&back), format!("veksel_session Path=/; Max-Age=28800; {rest}"));
        assert_eq!(back.header("location"), "/console", "who did not say where");
        assert_eq!(back.header("cache-control"), "no-store");
        assert_eq!(back.header("referrer-policy"), "no-referrer");
    }
}

#[test]
fn every_refusal_has_its_status_and_code() {
    let stage = Stage::new();
    for (fault, who, status, expected) in [
        ("", "cancel", 400, "bankid_cancelled"),
        ("", "ung", 403, "underage"),
        ("", "barn", 403, "underage"),
        ("invalid_grant", "kari", 502, "token_exchange_failed"),
        ("unauthorized_client", "kari", 502, "token_exchange_failed"),
        ("no_token", "kari", 502, "token_exchange_failed"),
        ("wrong_aud", "kari", 401, "invalid_id_token"),
        ("expired", "kari", 401, "invalid_id_token"),
        ("bad_signature", "kari", 401, "invalid_id_token"),
        ("alg_none", "kari", 401, "invalid_id_token"),
        ("unknown_kid", "kari", 502, "jwks_verification_failed"),
        ("token_down", "kari", 503, "unavailable"),
        ("server_error", "kari", 503, "unavailable"),
    ] {
        assert!(stage.provider.break_with(fault));
        let browser = stage.browser();
        let back = Browser::decide(&browser.begin(), who);
        let said = browser.get(&back);
        assert_eq!((said.status, code(&said).as_str()), (status, expected), "{fault} {who}");
        assert_eq!(browser.get("/api/auth/me").status, 401, "{fault} {who}");
        // The way is over, and says so.
        assert_eq!(code(&browser.get(&back)), "invalid_state", "{fault} {who}");
        assert!(stage.provider.break_with(""));
    }
    let fresh = Stage::new();
    assert!(fresh.provider.break_with("certs_down"));
    let said = fresh.browser().come_back("kari");
    assert_eq!((said.status, code(&said).as_str()), (502, "jwks_verification_failed"));
    assert!(fresh.provider.break_with("discovery_down"));
    let away = Stage::new();
    assert!(away.provider.break_with("discovery_down"));
    let said = away.browser().get("/api/auth/bankid");
    assert_eq!((said.status, code(&said).as_str()), (503, "unavailable"));
    assert_eq!(said.header("retry-after"), "1");
    let said = away.browser().get("/api/auth/bankid?return_to=https://evil.example");
    assert_eq!((said.status, code(&said).as_str()), (400, "invalid_request"));
}

#[test]
fn a_person_sees_a_page_and_a_program_the_usual_form() {
    let stage = Stage::new();
    let browser = stage.browser();
    let accept = [("accept", "text/html,application/xhtml+xml")];
    let said = browser.send("GET", "/api/auth/bankid/callback?state=x&code=y", &accept, "");
    assert_eq!(said.status, 400);
    assert!(said.header("content-type").starts_with("text/html"), "{said:?}");
    assert!(said.body.contains("<h2>Not signed in</h2>"), "{said:?}");
    let said = browser.get("/api/auth/bankid/callback?state=x&code=y");
    assert_eq!((said.status, code(&said).as_str()), (400, "invalid_state"));
}

#[test]
fn a_way_is_that_of_its_browser_and_a_page_may_be_loaded_again() {
    let stage = Stage::new();
    let browser = stage.browser();
    let back = Browser::decide(&browser.begin(), "kari");
    // Somebody who only knows the address.
    let said = stage.browser().get(&back);
    assert_eq!((said.status, code(&said).as_str()), (400, "invalid_state"));
    let other = stage.browser();
    other.begin();
    assert_eq!(code(&other.get(&back)), "invalid_state");
    assert_eq!(browser.get(&back).status, 303);
    let again = browser.get(&back);
    assert_eq!((again.status, again.header("location")), (303, "/console/"));
    assert_eq!(again.header("set-cookie"), "", "it is the same session");
    assert_eq!(stage.provider.asked("token"), 1);
    // Without the session it is a replay.
    browser.cookies.borrow_mut().remove("veksel_session");
    assert_eq!(code(&browser.get(&back)), "invalid_state");
}

#[test]
fn who_signs_in_anew_leaves_no_session_behind() {
    let stage = Stage::new();
    let browser = stage.browser();
    let (first, _) = browser.signed_in("kari");
    let old = browser.cookies.borrow()["veksel_session"].clone();
    let (second, _) = browser.signed_in("ola");
    assert_ne!(first, second);
    browser.cookies.borrow_mut().insert("veksel_session".to_owned(), old);
    assert_eq!(browser.get("/api/auth/me").status, 401);
}

#[test]
fn ten_times_a_minute_and_not_more() {
    let stage = Stage::with("", OWN);
    let browser = stage.browser();
    for path in ["/api/auth/bankid", "/api/auth/bankid/callback?state=x"] {
        for time in 0..10 {
            assert_ne!(browser.get(path).status, 429, "{path} {time}");
        }
        let said = browser.get(path);
        assert_eq!((said.status, code(&said).as_str()), (429, "rate_limited"), "{path}");
        let wait: u64 = said.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        // Nobody becomes somebody else by saying so.
        let headers = [("x-forwarded-for", "198.51.100.1")];
        assert_eq!(browser.send("GET", path, &headers, "").status, 429);
    }
    assert_eq!(browser.get("/api/auth/me").status, 401, "other paths have no such limit");
    let stage = Stage::with("proxies = [\"127.0.0.1\"]", OWN);
    let browser = stage.browser();
    for number in 0..30 {
        let address = format!("198.51.100.{number}");
        let headers = [("x-forwarded-for", address.as_str())];
        assert_eq!(browser.send("GET", "/api/auth/bankid", &headers, "").status, 303);
    }
}

#[test]
fn a_person_links_for_himself_only_and_from_our_pages_only() {
    let stage = Stage::new();
    let browser = stage.browser();
    let (customer, csrf) = browser.signed_in("kari");
    let wanted = format!("{{\"bank\":\"nordbank\",\"iban\":\"{IBAN}\",\"currency\":\"578\"");
    let link = |rest: &str, headers: &[(&str, &str)]| {
        browser.send("POST", "/api/accounts", headers, &format!("{wanted}{rest}}}"))
    };
    let ours = [("x-csrf-token", csrf.as_str())];
    for (rest, headers, status, expected) in [
        ("", &[][..], 403, "csrf"),
        ("", &[("x-csrf-token", "guessed")], 403, "csrf"),
        (",\"customer\":\"somebody\"", &ours, 403, "forbidden"),
        (",\"account\":\"4711\"", &ours, 400, "invalid_request"),
        (",\"more\":1", &ours, 400, "invalid_request"),
    ] {
        let said = link(rest, headers);
        assert_eq!((said.status, code(&said).as_str()), (status, expected), "{rest}");
        assert_eq!(stage.rig.heard(), None, "{rest}");
    }
    let own = format!(",\"customer\":\"{customer}\",\"account\":\"{IBAN}\"");
    for (rest, before) in [
        (own.as_str(), Told::Unknown),
        ("", linked(&customer, ConsentStatus::Valid)),
        ("", linked("somebody", ConsentStatus::Waiting)),
        ("", linked("somebody", ConsentStatus::Gone)),
    ] {
        stage.rig.tell_all([before, linked(&customer, ConsentStatus::Waiting)]);
        let said = link(rest, &ours);
        assert_eq!(said.status, 200, "{said:?}");
        assert_eq!(stage.rig.heard(), Some(Call::Linked { account: IBAN.into() }));
        let expected = Call::Link {
            account: IBAN.into(),
            bank: "nordbank".into(),
            iban: IBAN.into(),
            currency: 578,
            customer: customer.clone(),
        };
        assert_eq!(stage.rig.heard(), Some(expected));
    }
    stage.rig.tell_all([linked("somebody", ConsentStatus::Valid)]);
    let said = link("", &ours);
    assert_eq!((said.status, code(&said).as_str()), (409, "linked_elsewhere"));
}

#[test]
fn a_person_sees_and_gives_up_what_is_his() {
    let stage = Stage::new();
    let browser = stage.browser();
    let (customer, csrf) = browser.signed_in("kari");
    let ours = [("x-csrf-token", csrf.as_str())];
    let path = format!("/api/accounts/{IBAN}");
    stage.rig.tell_all([linked(&customer, ConsentStatus::Valid)]);
    assert_eq!(browser.get(&path).status, 200);
    let claim = Linked::claim(IBAN, &customer);
    let theirs = || linked("somebody", ConsentStatus::Waiting);
    stage.rig.tell_all([theirs(), Told::Unknown]);
    assert_eq!(code(&browser.get(&path)), "not_found");
    assert_eq!(code(&browser.send("DELETE", &path, &[], "")), "csrf");
    stage.rig.tell_all([theirs(), Told::Unknown]);
    assert_eq!(code(&browser.send("DELETE", &path, &ours, "")), "not_found");
    assert_eq!(stage.rig.heard(), Some(Call::Linked { account: IBAN.into() }));
    assert_eq!(stage.rig.heard(), Some(Call::Linked { account: claim.clone() }));
    assert_eq!(stage.rig.heard(), None, "nothing was given up");
    // Who waits beside somebody else finds the own claim.
    stage.rig.tell_all([theirs(), linked(&customer, ConsentStatus::Waiting)]);
    assert_eq!(browser.get(&path).status, 200);
    stage.rig.tell_all([theirs(), linked(&customer, ConsentStatus::Waiting), Told::Noted]);
    assert_eq!(browser.send("DELETE", &path, &ours, "").status, 200);
    stage.rig.heard();
    stage.rig.heard();
    assert_eq!(
        stage.rig.heard(),
        Some(Call::Unlink { account: claim, customer: Some(customer.clone()) })
    );
    stage.rig.tell_all([linked(&customer, ConsentStatus::Valid), Told::Noted]);
    assert_eq!(browser.send("DELETE", &path, &ours, "").status, 200);
    stage.rig.heard();
    assert_eq!(
        stage.rig.heard(),
        Some(Call::Unlink { account: IBAN.into(), customer: Some(customer) })
    );
}

#[test]
fn a_person_has_himself_checked_and_nobody_else() {
    let stage = Stage::new();
    let browser = stage.browser();
    let (customer, csrf) = browser.signed_in("kari");
    let ours = [("x-csrf-token", csrf.as_str())];
    let told = |customer: &str| Told::Checked {
        customer: Box::new(Customer {
            customer: customer.into(),
            status: KycStatus::Pending,
            reviewed: Utc(0),
            ..Customer::default()
        }),
        token: None,
    };
    assert_eq!(code(&browser.send("POST", "/api/kyc/initiate", &[], "{}")), "csrf");
    assert_eq!(code(&browser.get("/api/kyc/initiate")), "csrf", "it is no look");
    let other = browser.send("POST", "/api/kyc/initiate", &ours, "{\"customer\":\"somebody\"}");
    assert_eq!(code(&other), "forbidden");
    for level in ["\"enhanced\"", "\"\"", "null", "1"] {
        let body = format!("{{\"level\":{level}}}");
        let said = browser.send("POST", "/api/kyc/initiate", &ours, &body);
        assert_eq!((said.status, code(&said).as_str()), (403, "forbidden"), "{level}");
    }
    let said = browser.send("GET", "/api/kyc/initiate?level=enhanced", &ours, "");
    assert_eq!((said.status, code(&said).as_str()), (403, "forbidden"));
    assert_eq!(stage.rig.heard(), None, "nobody is checked at a level of his own choice");
    stage.rig.tell_all([told(&customer)]);
    assert_eq!(browser.send("POST", "/api/kyc/initiate", &ours, "{}").status, 200);
    let heard = stage.rig.heard();
    let Some(Call::Check { customer: asked, level, .. }) = &heard else { panic!("{heard:?}") };
    assert_eq!((asked, level.as_str()), (&customer, ""), "the level is the configured one");
    assert_eq!(code(&browser.get("/api/kyc/status/somebody")), "forbidden");
    stage.rig.tell_all([told(&customer)]);
    assert_eq!(browser.get(&format!("/api/kyc/status/{customer}")).status, 200);
}

#[test]
fn programs_do_as_before_and_a_cookie_that_is_over_is_not_as_good_as_none() {
    let stage = Stage::new();
    let browser = stage.browser();
    let path = format!("/api/accounts/{IBAN}");
    assert_eq!(code(&browser.get(&path)), "unauthorized");
    let program = [("authorization", "Bearer s3cret")];
    stage.rig.tell_all([linked("somebody", ConsentStatus::Valid)]);
    assert_eq!(browser.send("GET", &path, &program, "").status, 200);
    browser.cookies.borrow_mut().insert("veksel_session".to_owned(), "0".repeat(64));
    assert_eq!(code(&browser.get(&path)), "signed_out");
    stage.rig.tell_all([linked("somebody", ConsentStatus::Valid)]);
    assert_eq!(browser.send("GET", &path, &program, "").status, 200, "a token counts first");
    let wrong = [("authorization", "Bearer wrong")];
    assert_eq!(code(&browser.send("GET", &path, &wrong, "")), "unauthorized");
}

#[test]
fn without_a_provider_nobody_signs_in() {
    let rig = Rig::new();
    for path in ["/api/auth/bankid", "/api/auth/bankid/callback", "/api/auth/me"] {
        assert_eq!(code(&rig.get(path)), "not_found", "{path}");
    }
}
