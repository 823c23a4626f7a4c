//! The console: what its pages are served with, what they may do, what they say in two languages,
//! and what they ask of the other endpoints.

use crate::people::{Browser, IBAN, Stage, code, linked};
use crate::rig::{Rig, Said, json};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use veksel_core::Utc;
use veksel_core::enquiry::{Call, Told};
use veksel_core::fact::{Cached, ConsentStatus, KycStatus, Linked};

const FILES: [&str; 10] = [
    "/console/accounts.js",
    "/console/api.js",
    "/console/check.js",
    "/console/console.css",
    "/console/console.js",
    "/console/icon.svg",
    "/console/view.js",
    "/console/words.js",
    "/console/words/en.json",
    "/console/words/nb.json",
];

fn is_strict(said: &Said) {
    let policy = said.header("content-security-policy");
    let mut parts: Vec<&str> = policy.split("; ").collect();
    parts.sort_unstable();
    let wanted = [
        "base-uri 'none'",
        "default-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ];
    assert_eq!(parts, wanted);
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(said.header(name), value, "{name}");
    }
}

#[test]
fn every_file_is_served_strictly_and_loads_nothing_from_elsewhere() {
    let stage = Stage::new();
    let mut texts = BTreeMap::new();
    for path in ["/console", "/console/"].iter().chain(&FILES) {
        let said = stage.rig.get(path);
        assert_eq!(said.status, 200, "{path}");
        is_strict(&said);
        let kind = match path.rsplit_once('.') {
            Some((_, "js")) => "text/javascript; charset=utf-8",
            Some((_, "css")) => "text/css; charset=utf-8",
            Some((_, "json")) => "application/json",
            Some((_, "svg")) => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(said.header("content-type"), kind, "{path}");
        let cache = if kind.starts_with("text/html") { "no-store" } else { "no-cache" };
        assert_eq!(said.header("cache-control"), cache, "{path}");
        // Names of namespaces are no addresses.
        let text = said.body.replace("http://www.w3.org/2000/svg", "");
        for foreign in
            ["http://", "https://", "\"//", "@import", "innerHTML", "outerHTML", "eval(", "<style"]
        {
            assert!(!text.contains(foreign), "{path}: {foreign}");
        }
        texts.insert(*path, text);
    }
    assert_eq!(texts["/console"], texts["/console/"]);
    let page = &texts["/console"];
    for inline in [" onclick", " onload", " style=", "javascript:", "<script>"] {
        assert!(!page.contains(inline), "{inline}");
    }
    // What one loads is there.
    let mut asked = BTreeSet::new();
    for text in texts.values() {
        for quoted in text.split('"').filter(|part| part.starts_with("/console/")) {
            asked.insert(quoted.to_owned());
        }
        for module in text.split("from \"./").skip(1) {
            asked.insert(format!("/console/{}", module.split('"').next().unwrap()));
        }
    }
    assert!(asked.len() >= 7, "{asked:?}");
    for path in &asked {
        assert!(FILES.contains(&path.as_str()), "{path}");
    }
}

#[test]
fn without_a_provider_there_is_no_console() {
    let rig = Rig::new();
    for path in ["/console", "/console/", "/console/console.js"] {
        assert_eq!(code(&rig.get(path)), "not_found", "{path}");
    }
}

#[test]
fn the_document_describes_the_console_and_the_rest_of_what_people_ask() {
    let stage = Stage::new();
    let document = json(&stage.rig.get("/api/openapi.json"));
    let paths = document["paths"].as_object().unwrap();
    let mut names = BTreeSet::new();
    for said in paths.values().flat_map(|methods| methods.as_object().unwrap().values()) {
        assert!(names.insert(said["operationId"].as_str().unwrap()), "{said}");
    }
    let pages = ["/console", "/console/", "/api/auth/me", "/api/banks", "/api/accounts"];
    for path in pages.iter().chain(&FILES) {
        assert!(paths[*path]["get"]["responses"]["200"].is_object(), "{path}");
        assert_ne!(stage.rig.get(path).status, 405, "{path}");
        assert_eq!(stage.rig.send("PATCH", path, &[], "").status, 405, "{path}");
    }
}

fn words(rig: &Rig, language: &str) -> BTreeMap<String, String> {
    let said = rig.get(&format!("/console/words/{language}.json"));
    serde_json::from_str(&said.body).unwrap()
}

/// What stands in place of a value.
fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect()
}

#[test]
fn everything_has_words_in_both_languages() {
    let stage = Stage::new();
    let (english, norwegian) = (words(&stage.rig, "en"), words(&stage.rig, "nb"));
    assert!(english.keys().eq(norwegian.keys()), "one language has words that the other lacks");
    for (key, text) in &english {
        let other = &norwegian[key];
        assert!(!text.trim().is_empty() && !other.trim().is_empty(), "{key}");
        assert_eq!(places(text), places(other), "{key}");
    }
    let mut wanted = BTreeSet::new();
    for path in ["/console"].iter().chain(&FILES) {
        let text = stage.rig.get(path).body;
        for begin in ["data-word=\"", "word(\"", "button(\""] {
            let found = text.split(begin).skip(1).filter_map(|rest| rest.split('"').next());
            wanted.extend(found.map(str::to_owned));
        }
    }
    assert!(wanted.len() > 40, "{}", wanted.len());
    for status in ConsentStatus::ALL {
        wanted.insert(format!("consent.{}", status.word()));
    }
    for status in ["waiting", "valid", "expired", "gone"] {
        wanted.insert(format!("until.{status}"));
    }
    for status in KycStatus::ALL {
        wanted.insert(format!("check.{}", status.word()));
        wanted.insert(format!("check.text.{}", status.word()));
    }
    for button in ["account.renew_named", "account.unlink_named"] {
        wanted.insert(button.to_owned());
    }
    for code in REFUSALS {
        wanted.insert(format!("problem.{code}"));
    }
    let known: BTreeSet<String> = english.into_keys().collect();
    let lacking: Vec<_> = wanted.difference(&known).collect();
    assert!(lacking.is_empty(), "no words for {lacking:?}");
    let idle: Vec<_> = known.difference(&wanted).collect();
    assert!(idle.is_empty(), "nobody says {idle:?}");
}

/// Every reason why nobody is signed in.
const REFUSALS: [&str; 10] = [
    "invalid_state",
    "invalid_request",
    "bankid_cancelled",
    "provider_error",
    "token_exchange_failed",
    "invalid_id_token",
    "jwks_verification_failed",
    "underage",
    "unavailable",
    "rate_limited",
];

const ACCEPT: [(&str, &str); 2] =
    [("accept", "text/html,application/xhtml+xml"), ("x-request-id", "t-77")];

#[test]
fn who_could_not_sign_in_is_told_why_on_the_console() {
    let stage = Stage::new();
    for (fault, who, status, expected) in [
        ("", "cancel", 400, "bankid_cancelled"),
        ("", "ung", 403, "underage"),
        ("invalid_grant", "kari", 502, "token_exchange_failed"),
        ("wrong_aud", "kari", 401, "invalid_id_token"),
        ("unknown_kid", "kari", 502, "jwks_verification_failed"),
        ("token_down", "kari", 503, "unavailable"),
    ] {
        assert!(stage.provider.break_with(fault));
        let browser = stage.browser();
        let back = Browser::decide(&browser.begin(), who);
        let said = browser.send("GET", &back, &ACCEPT, "");
        assert_eq!(said.status, status, "{said:?}");
        is_strict(&said);
        assert_eq!(said.header("cache-control"), "no-store");
        let mark = format!("data-code=\"{expected}\" data-trace=\"t-77\"");
        assert!(said.body.contains(&mark), "{said:?}");
        assert!(said.body.contains("id=\"sign-in\""), "there is a way to try again");
        assert!(REFUSALS.contains(&expected));
        assert!(stage.provider.break_with(""));
    }
    let said = stage.browser().send("GET", "/api/auth/bankid/callback?state=x", &ACCEPT, "");
    assert!(said.body.contains("data-code=\"invalid_state\""), "{said:?}");
    let calm = stage.rig.get("/console");
    assert!(!calm.body.contains("id=\"problem\""), "nothing has gone wrong");
}

fn told(accounts: Vec<(Linked, Option<Cached>)>, more: bool) -> Told {
    Told::Accounts { accounts, more }
}

fn own(customer: &str, account: &str) -> Linked {
    match linked(customer, ConsentStatus::Valid) {
        Told::Linked { linked, .. } => Linked { account: account.into(), ..*linked },
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_person_is_shown_his_own_accounts_and_a_program_says_whose() {
    let stage = Stage::new();
    let browser = stage.browser();
    let (customer, _) = browser.signed_in("kari");
    let seen = Cached {
        account: IBAN.into(),
        ledger: -150,
        available: 4_523_000,
        currency: 578,
        synced: Utc(1_795_184_887_123),
        ..Cached::default()
    };
    let page = "https://bank.example/sca/1".to_owned();
    let waiting = Linked {
        status: ConsentStatus::Waiting,
        approve: page.clone(),
        state: [0xee; 16],
        ..own(&customer, "B")
    };
    // A page is only shown for as long as something can be done on it.
    let over = Linked { status: ConsentStatus::Gone, approve: page, ..own(&customer, "C") };
    let all = vec![
        (own(&customer, IBAN), Some(seen)),
        (waiting, None),
        (over, None),
        (own("somebody", "D"), None),
    ];
    stage.rig.tell(told(all, true));
    let said = browser.get("/api/accounts?after=A");
    let call = Call::Accounts { customer, after: "A".into() };
    assert_eq!((said.status, stage.rig.heard()), (200, Some(call)));
    assert_eq!(said.header("cache-control"), "no-store");
    assert!(!said.body.contains("eeee"), "states are between the banks and us");
    let shown = json(&said);
    assert_eq!(shown["next"], "D");
    let accounts = shown["accounts"].as_array().unwrap();
    let list: Vec<_> = accounts
        .iter()
        .map(|a| (a["account"].as_str().unwrap(), a["approve"].as_str().unwrap_or_default()))
        .collect();
    assert_eq!(list, [(IBAN, ""), ("B", "https://bank.example/sca/1"), ("C", "")]);
    let balance = &accounts[0]["balance"];
    assert_eq!(
        (&balance["ledgerMinor"], &balance["availableMinor"]),
        (&(-150).into(), &4_523_000.into())
    );
    assert_eq!((&balance["currency"], accounts[1]["balance"].is_null()), (&"578".into(), true));
    assert!(balance["seenAt"].as_str().unwrap().starts_with("2026-11-2"), "{balance}");
    stage.rig.tell(told(vec![], false));
    let said = json(&browser.get("/api/accounts"));
    assert_eq!((&said["next"], &said["accounts"]), (&Value::Null, &Value::Array(vec![])));
    stage.rig.heard();

    for (path, status, expected) in [
        ("/api/accounts?customer=somebody", 403, "forbidden"),
        ("/api/accounts?before=A", 400, "invalid_request"),
        ("/api/accounts?after=A&after=B", 400, "invalid_request"),
    ] {
        let said = browser.get(path);
        assert_eq!((said.status, code(&said).as_str()), (status, expected), "{path}");
        assert_eq!(stage.rig.heard(), None, "{path}");
    }
    // Whose cookie is over is nobody on a page of ours, and no program of this machine.
    let ours = [("sec-fetch-site", "same-origin")];
    let said = stage.browser().send("GET", "/api/accounts", &ours, "");
    assert_eq!((said.status, code(&said).as_str()), (401, "signed_out"));
    assert_eq!(code(&stage.browser().get("/api/accounts")), "unauthorized");
    let program = [("authorization", "Bearer s3cret")];
    let ask = |path: &str| stage.rig.send("GET", path, &program, "");
    assert_eq!(code(&ask("/api/accounts")), "invalid_request");
    stage.rig.tell(told(vec![(own("c-1", "A"), None)], false));
    let said = ask("/api/accounts?customer=c-1");
    assert_eq!((said.status, &json(&said)["accounts"][0]["customer"]), (200, &"c-1".into()));
    stage.rig.heard();
    stage.rig.tell(Told::Busy);
    assert_eq!(ask("/api/accounts?customer=c-1").status, 503);
}

#[test]
fn banks_are_named_to_who_may_link() {
    let stage = Stage::new();
    let browser = stage.browser();
    assert_eq!(browser.get("/api/banks").status, 401);
    browser.signed_in("kari");
    let said = json(&browser.get("/api/banks"));
    let names: Vec<_> =
        said["banks"].as_array().unwrap().iter().map(|bank| bank["name"].as_str()).collect();
    assert_eq!(names, [Some("nordbank"), Some("sorbank"), Some("signbank")]);
    assert!(!said.to_string().contains("push-secret"));
}

#[test]
fn whoever_linked_on_the_console_comes_back_to_it() {
    let stage = Stage::new();
    let browser = stage.browser();
    let (customer, _) = browser.signed_in("kari");
    let back = format!("/api/payments/callback?s={}", "0e".repeat(16));
    stage.rig.tell(linked(&customer, ConsentStatus::Waiting));
    let said = browser.get(&back);
    assert_eq!((said.status, said.header("location")), (303, "/console?from=bank"));
    // Another's link, and nobody who is signed in: the page that everybody sees.
    stage.rig.tell(linked("somebody", ConsentStatus::Waiting));
    assert_eq!(browser.get(&back).status, 200);
    stage.rig.tell(linked(&customer, ConsentStatus::Waiting));
    assert_eq!(stage.browser().get(&back).status, 200);
    stage.rig.tell(Told::Unknown);
    assert_eq!(browser.get(&back).status, 400);
}
