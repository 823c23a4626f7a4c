//! A person on the console of `veksel demo`, with a real browser: signs in at the provider, links
//! an account on the page of a bank, has the identity checked, and leaves.

use crate::chromium::Browser;
use crate::demo::behind;
use crate::http;
use crate::rig::ACCOUNT;
use crate::stage::{PATIENCE, Process, until, veksel};

/// The first test person of the provider: the name, and what nobody here may be told.
const NAME: &str = "Kari Nordmann";
const PID: &str = "17829000024";

/// An account of the seed tables that the demo does not link.
const IBAN: &str = "NO2110000000001";

const CARD: &str = "#accounts li[data-account=NO2110000000001]";

/// Signs in, after having thought better of it once.
fn sign_in(browser: &Browser, console: &str) {
    browser.go(console);
    browser.read("#welcome", "Sign in with BankID");
    browser.click("#sign-in");
    browser.click("#cancel");
    let why = browser.read("#problem", "Signing in was cancelled.");
    assert!(why.contains("Code: bankid_cancelled") && why.contains("Trace id: "), "{why}");
    assert_eq!(browser.url(), console, "neither state nor error stay in the history");
    browser.click("#language option[value=nb]");
    let why = browser.read("#problem", "Innloggingen ble avbrutt.");
    assert!(why.contains("Kode: bankid_cancelled"), "{why}");
    assert_eq!(browser.run("return document.documentElement.lang"), "nb-NO");
    // The keyboard will do, and the language is remembered.
    browser.run("document.querySelector('#sign-in').focus()");
    browser.press("\u{e007}");
    browser.click("#kari");
    browser.read("#name", "Hei, Kari Nordmann");
    browser.click("#language option[value=en]");
    browser.read("#name", NAME);
    assert_eq!(browser.url(), console);
    assert!(!browser.is_seen("#problem") && !browser.is_seen("#welcome"));
}

fn link(browser: &Browser, iban: &str) {
    browser.click("#bank option[value=dnb]");
    browser.write("#iban", iban);
    browser.click("#link-submit");
}

#[test]
fn a_person_signs_in_links_an_account_and_leaves_on_the_console() {
    let Some(browser) = Browser::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("demo.log");
    let demo = Process::start(&["demo", "--random-ports", "--rate", "5"], &log);
    until("traffic to be shown", PATIENCE, || demo.printed().contains("00: ").then_some(()));
    let banner = demo.printed();
    let console = behind(&banner, "Console for people");
    let (host, _) = console.rsplit_once('/').unwrap();
    let port: u16 = host.rsplit(':').next().unwrap().parse().unwrap();
    let to = behind(&banner, "ISO 8583 (1987 ASCII, 2-byte length)");

    sign_in(&browser, &console);
    let cookie = browser.cookie("veksel_session").unwrap();
    assert_eq!(cookie.len(), 64);
    assert_eq!(browser.run("return document.cookie"), "", "no page reads a cookie");
    browser.read("#accounts-none", "No account is linked yet.");
    browser.read("#check-status", "Not begun");

    // What is refused is said as the API says it, with its trace id.
    link(&browser, ACCOUNT);
    let why = browser.read("#link-errors", "another customer has linked this account");
    assert!(why.contains("Code: linked_elsewhere") && why.contains("Trace id: "), "{why}");
    link(&browser, "NO21 1000 0000 002");
    browser.read("#link-errors", "`iban` is no IBAN");

    // To the bank, and back.
    link(&browser, "NO21 1000 0000 001");
    browser.click("#approve");
    browser.arrive(&console);
    let card = format!("{CARD}[data-status=valid]");
    let shown = browser.read(&card, "Consent is good");
    assert!(shown.contains("NO21 1000 0000 001") && shown.contains("At dnb"), "{shown}");
    assert!(shown.contains("Good until ") && shown.contains("has not been read yet"), "{shown}");

    // A channel asks for the balance, and the page knows how old it is.
    let ran = veksel(&["send", "--to", &to, "balance", "--account", IBAN]);
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(said.starts_with("response 00 approved"), "{said}");
    browser.go(&console);
    let shown = browser.read(&card, "Balance read ");
    assert!(shown.contains("NOK") && shown.contains("Booked "), "{shown}");

    browser.click("#check-begin");
    browser.read("#notices", "The check has begun.");
    until("the identity check to be under way or over", PATIENCE, || {
        (!browser.read("#check-status", "").contains("Not begun")).then_some(())
    });

    // A phone shows all of it and nothing beside it.
    browser.be_a_phone();
    browser.read(&card, "Consent is good");
    let size = |what: &str| browser.run(&format!("return document.documentElement.{what}"));
    assert_eq!((size("clientWidth"), size("scrollWidth")), (360.into(), 360.into()));
    // Whatever can be used has a name.
    let nameless = "return [...document.querySelectorAll('button, a, input, select')].filter(\
                    (node) => !(node.getAttribute('aria-label') ?? node.textContent).trim() \
                    && !(node.labels?.length)).length";
    assert_eq!(browser.run(nameless), 0);
    assert!(!browser.source().contains(PID));

    // Whoever thinks better of it keeps the link; then it is given up.
    browser.click(&format!("{CARD} button"));
    browser.read("#confirm-text", "NO21 1000 0000 001");
    browser.click("#confirm-no");
    assert!(browser.is_seen(CARD));
    browser.click(&format!("{CARD} button"));
    browser.click("#confirm-yes");
    browser.read("#accounts-none", "No account is linked yet.");
    browser.read("#notices", "is removed");

    browser.click("#sign-out");
    browser.read("#welcome", "Sign in with BankID");
    browser.read("#notices", "You are signed out.");
    assert!(!browser.is_seen("#home") && !browser.source().contains(NAME));
    assert_eq!(browser.cookie("veksel_session"), None);
    let cookie = format!("veksel_session={cookie}");
    let me = http::request(port, "GET", "/api/auth/me", &[("Cookie", &cookie)], b"").unwrap();
    assert_eq!(me.status, 401, "the session is gone: {me:?}");
    browser.go(&console);
    browser.read("#welcome", "Sign in with BankID");

    let complaints = browser.log();
    assert!(complaints.iter().any(|line| line.contains("409")), "it notes: {complaints:?}");
    for policy in ["Content Security Policy", "Trusted", "Uncaught", "TypeError"] {
        let found: Vec<_> = complaints.iter().filter(|line| line.contains(policy)).collect();
        assert!(found.is_empty(), "{found:?}");
    }
    demo.signal("TERM");
    assert_eq!(demo.end(PATIENCE), Some(0), "{}", std::fs::read_to_string(&log).unwrap());
}
