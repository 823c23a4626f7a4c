//! The shipped files: complete, documented, true, and fitting each other.

use proptest::prelude::*;
use proptest::sample::Index;
use std::collections::BTreeSet;
use std::path::Path;
use veksel_config::alert::{AlertConfig, Severity, Sink};
use veksel_config::bridge::{BankProfile, CallConfig, Quirks, SecretSource};
use veksel_config::provider::{Header, HeaderText};
use veksel_config::{
    BRIDGE_EXAMPLE, Origin, SANDBOXES, SIMULATOR_EXAMPLE, SWITCH_EXAMPLE, ServiceMode, Settings,
    SocketConfig, Source, TraceConfig, load_simulator, load_switch,
};
use veksel_core::plan::{BankPlan, KycPlan, RouteTo};

const DIALECTS: [&str; 3] = ["cbs-ascii-bin", "cbs-ascii-hex", "cbs-bcd"];

fn switch(text: &str) -> Source {
    Source::text("switch.toml", text).known_dialects(&DIALECTS)
}

fn simulator(text: &str) -> Source {
    Source::text("simulator.toml", text).known_dialects(&DIALECTS)
}

/// The comment lines right above a line, counted from 1, as one text.
fn comment_above(text: &str, line: usize) -> String {
    let lines: Vec<&str> = text.lines().take(line - 1).collect();
    let comment = lines.iter().rev().take_while(|line| line.starts_with("# "));
    comment.map(|line| line[2..].to_owned()).collect::<Vec<_>>().join(" ")
}

/// Every key that the loader asks for stands in the file, with the truth above it.
fn complain(text: &str, settings: &Settings) -> Vec<String> {
    let mut complaints = Vec::new();
    for setting in settings.iter() {
        let Origin::File { line } = setting.origin else {
            complaints.push(format!("{} is not in the example", setting.path));
            continue;
        };
        let comment = comment_above(text, line);
        let promise = match &setting.default {
            Some(default) => format!("Default: {default}."),
            None => "Required.".to_owned(),
        };
        if !comment.ends_with(&promise) || comment.len() < promise.len() + 10 {
            complaints.push(format!("{} is not described: {promise}", setting.path));
        }
        if setting.default.as_ref().is_some_and(|default| *default != setting.value) {
            complaints.push(format!("{} is not at its default", setting.path));
        }
    }
    complaints
}

#[test]
fn examples_cover_every_key() {
    let config = load_switch(switch(SWITCH_EXAMPLE)).unwrap();
    assert_eq!(complain(SWITCH_EXAMPLE, &config.settings), Vec::<String>::new());
    assert!(config.warnings.is_empty(), "{}", config.warnings);
    let config = load_simulator(simulator(SIMULATOR_EXAMPLE)).unwrap();
    assert_eq!(complain(SIMULATOR_EXAMPLE, &config.settings), Vec::<String>::new());
    assert!(config.warnings.is_empty(), "{}", config.warnings);
}

/// The list of sandboxes is that of the sections, so that whoever goes by it forgets none.
#[test]
fn every_sandbox_is_in_the_list() {
    let sections = SIMULATOR_EXAMPLE.lines().filter_map(|line| line.strip_prefix("[sandbox."));
    let sections: BTreeSet<&str> = sections.filter_map(|rest| rest.strip_suffix(']')).collect();
    assert_eq!(sections, SANDBOXES.iter().copied().collect());
}

/// Of the sections about third parties every key stands at one place, since a bank of one kind has
/// keys that another has not.
fn complain_of_bridge(text: &str, settings: &Settings) -> Vec<String> {
    /// The key of a setting of these sections, whichever of them it is in.
    fn name(path: &str) -> Option<String> {
        let mut parts: Vec<&str> = path.split('.').collect();
        match *parts.first()? {
            "aspsp" => drop(parts.remove(1)),
            "caller" => drop(parts.remove(1)),
            "kyc" | "http" | "identity" | "extauth" => {}
            "bill" | "sms" | "email" | "push" | "notices" => {}
            payee if payee.starts_with("payee[") => parts[0] = "payee",
            _ => return None,
        }
        Some(parts.join("."))
    }
    let mut complaints = std::collections::BTreeMap::new();
    for setting in settings.iter() {
        let Some(name) = name(&setting.path) else { continue };
        let promise = match &setting.default {
            Some(default) => format!("Default: {default}."),
            None => "Required.".to_owned(),
        };
        let is_there = match setting.origin {
            Origin::File { line } => {
                let lines: Vec<&str> = text.lines().take(line - 1).collect();
                let comment = lines.iter().rev().take_while(|line| line.starts_with("# "));
                let mut comment: Vec<&str> = comment.map(|line| &line[2..]).collect();
                comment.reverse();
                let comment = comment.join(" ");
                comment.ends_with(&promise) && comment.len() >= promise.len() + 10
            }
            _ => false,
        };
        *complaints.entry(name).or_insert(false) |= is_there;
    }
    assert!(complaints.len() > 70, "{} keys", complaints.len());
    complaints.into_iter().filter(|(_, there)| !there).map(|(name, _)| name).collect()
}

#[test]
fn the_example_of_a_bridge_covers_every_key_of_it() {
    let config = load_switch(switch(BRIDGE_EXAMPLE)).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!(complain_of_bridge(BRIDGE_EXAMPLE, &config.settings), Vec::<String>::new());
    let missing = [
        "caller \"app\" has no key and no token",
        "bank \"droppay\" knows callers by a certificate, and there is none",
    ];
    assert_eq!(warned(&config), missing);
    // Taking one out is noticed.
    let without = BRIDGE_EXAMPLE.replace("unattended_max = 4\n", "");
    let config = load_switch(switch(&without)).unwrap();
    let complaints = complain_of_bridge(&without, &config.settings);
    assert_eq!(complaints, ["aspsp.unattended_max"]);
}

fn warned(config: &veksel_config::SwitchConfig) -> Vec<&str> {
    config.warnings.0.iter().map(|it| it.message.as_str()).collect()
}

/// Nobody is heard as a caller without a key, and nobody at `DropPay` without a certificate.
#[test]
fn what_others_know_us_or_are_known_by_is_missed() {
    // Files that are named have to be there; any will do.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let warned_of = |text: &str| {
        let config = load_switch(switch(text)).unwrap_or_else(|wrong| panic!("{wrong}"));
        let said = warned(&config).join("; ");
        (said.contains("bank \"droppay\""), said.contains("caller \"app\""))
    };
    assert_eq!(warned_of(BRIDGE_EXAMPLE), (true, true));
    let keyed = BRIDGE_EXAMPLE.replacen("\nkey_env = \"\"", "\nkey_env = \"APP_KEY\"", 1);
    assert_eq!(warned_of(&keyed), (true, false));
    let mut tokens = BRIDGE_EXAMPLE.to_owned();
    for (key, value) in [("token_keys", file), ("token_issuer", "x"), ("token_audience", "x")] {
        tokens = tokens.replace(&format!("{key} = \"\""), &format!("{key} = \"{value}\""));
    }
    assert_eq!(warned_of(&tokens), (true, false));
    let (before, droppay) = BRIDGE_EXAMPLE.split_once("profile = \"droppay\"\n").unwrap();
    let identity = format!("certificate = \"{file}\"\nkey = \"{file}\"\n");
    let known = format!("{before}profile = \"droppay\"\n{identity}{droppay}");
    assert_eq!(warned_of(&known), (false, true));
}

/// Whoever checks may not be whoever runs it, so it is no error.
#[test]
fn a_secret_that_is_not_there_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("app.key");
    let text = BRIDGE_EXAMPLE
        .replacen("\nkey_file = \"\"", &format!("\nkey_file = {key:?}"), 1)
        .replace("webhook_secret_files = []", &format!("webhook_secret_files = [{key:?}]"));
    let missed = || {
        let config = load_switch(switch(&text)).unwrap_or_else(|wrong| panic!("{wrong}"));
        let said = warned(&config).into_iter().filter(|said| said.ends_with("is not there"));
        said.map(str::to_owned).collect::<Vec<_>>()
    };
    let names = ["key_file", "webhook_secret_files"];
    assert_eq!(missed(), names.map(|key| format!("`{key}` names a file that is not there")));
    std::fs::write(&key, "x").unwrap();
    assert_eq!(missed(), Vec::<String>::new());
}

#[test]
fn a_bank_that_wants_its_customer_there_is_not_read_without() {
    let reads = |word: &str| {
        let words = format!("psu_headers = \"{word}\"");
        let text = BRIDGE_EXAMPLE.replace("psu_headers = \"if_present\"", &words);
        assert!(text.contains(&words));
        let plan = load_switch(switch(&text)).unwrap().plan;
        plan.banks.iter().map(|bank| (bank.unattended_max, bank.refresh_ms > 0)).collect::<Vec<_>>()
    };
    assert_eq!(reads("if_present")[0], (4, true));
    assert_eq!(reads("forbidden")[0], (4, true));
    assert_eq!(reads("required")[0], (0, false));
}

#[test]
fn defaults_of_the_bridge_are_those_of_the_engine_and_the_adapters() {
    let config = load_switch(switch(BRIDGE_EXAMPLE)).unwrap();
    let (plan, bridge) = (&config.plan, &config.bridge);
    for (plan, config) in plan.banks.iter().zip(&bridge.banks) {
        assert_eq!(format!("{plan:?}"), format!("{:?}", BankPlan::named(&config.name)));
        assert_eq!(config.quirks, Quirks::default());
        let call = CallConfig { allow_private: true, ..CallConfig::at(&config.call.url) };
        assert_eq!(config.call, call);
    }
    assert_eq!(plan.banks.len(), 3);
    assert_eq!(plan.kyc, KycPlan { required: true, ..KycPlan::default() });
    assert!(matches!(plan.routes[0].to, RouteTo::Bank) && plan.routes[0].linked == Some(true));
    assert_eq!(plan.payees.len(), 1);
    let kyc = bridge.kyc.as_ref().unwrap();
    assert_eq!(kyc.app_token, SecretSource::Env("SUMSUB_APP_TOKEN".into()));
    assert_eq!(bridge.http.as_ref().unwrap().token, None);
    let resolved = config.settings.to_string();
    let again = load_switch(switch(&resolved)).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert_eq!(again.bridge, config.bridge);
}

/// Whoever says nothing about it forgets no hold that may still be completed.
#[test]
fn the_journal_keeps_holds_for_as_long_as_they_may_be_asked_about() {
    const HOUR: u64 = 3_600_000;
    let kept = |text: &str| {
        let config = load_switch(switch(text)).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(config.plan.keep_ms, config.store.keep_ms);
        let shown = config.settings.get("store.keep").unwrap().clone();
        let same = load_switch(switch(&config.settings.to_string())).unwrap();
        assert_eq!(same.store.keep_ms, config.store.keep_ms);
        (config.store.keep_ms / HOUR, shown.value, shown.origin == Origin::Default)
    };
    let life = |life: &str| BRIDGE_EXAMPLE.replace("hold_life = \"720h\"", life);
    assert_eq!(kept(BRIDGE_EXAMPLE), (720, "\"720h\"".to_owned(), true));
    assert_eq!(kept(&life("")), (720, "\"720h\"".to_owned(), true));
    assert_eq!(kept(&life("hold_life = \"168h\"")), (168, "\"168h\"".to_owned(), true));
    assert_eq!(kept(&life("hold_life = \"8784h\"")), (8_784, "\"8784h\"".to_owned(), true));
    let set = format!("{BRIDGE_EXAMPLE}\n[store]\nkeep = \"1000h\"\n");
    assert_eq!(kept(&set), (1_000, "\"1000h\"".to_owned(), false));
    // Who has written how long goes on, and hears what that means for holds.
    let old = format!("{}\n[store]\nkeep = \"168h\"\n", life(""));
    let config = load_switch(switch(&old)).unwrap();
    assert_eq!(config.store.keep_ms, 168 * HOUR);
    let warned = config.warnings.to_string();
    assert!(warned.contains("holds of [extauth] may be asked about for 720h"), "{warned}");
    let keys = kept(SWITCH_EXAMPLE);
    assert_eq!((keys.0, keys.1), (168, "\"168h\"".to_owned()));
}

#[test]
fn variables_of_other_programs_say_what_nothing_else_says() {
    let load = |text: &str, variables: &[(&str, &str)]| {
        load_switch(switch(text).environment(variables.iter().copied()))
            .unwrap_or_else(|wrong| panic!("{wrong}"))
    };
    let bare = BRIDGE_EXAMPLE
        .replace("service_mode = \"mock\"\n", "")
        .replace("url = \"http://127.0.0.1:8603\"\n", "");
    let url =
        |config: &veksel_config::SwitchConfig| config.bridge.kyc.as_ref().unwrap().call.url.clone();
    let sandbox = ("SUMSUB_API_URL", "http://127.0.0.1:1");
    let mock = ("SERVICE_MODE", "mock");
    let alias = ("NEXT_PUBLIC_SERVICE_MODE", "production");
    let config = load(&bare, &[sandbox, mock, alias]);
    assert_eq!((config.mode, url(&config)), (ServiceMode::Mock, "http://127.0.0.1:1".into()));
    let config = load(&bare, &[]);
    assert_eq!(
        (config.mode, url(&config)),
        (ServiceMode::Sandbox, "https://api.sumsub.com".into())
    );
    let config = load(BRIDGE_EXAMPLE, &[sandbox, alias]);
    assert_eq!((config.mode, url(&config)), (ServiceMode::Mock, "http://127.0.0.1:8603".into()));
    let mut ignored = warned(&config);
    ignored.retain(|message| message.contains("ignored"));
    assert_eq!(
        ignored,
        [
            "`NEXT_PUBLIC_SERVICE_MODE` is ignored: `service_mode` of [switch] says otherwise",
            "`SUMSUB_API_URL` is ignored: `url` of [kyc] says otherwise",
        ]
    );
    // Whoever is on this machine is pretended, whatever the switch is.
    let of = |config: &veksel_config::SwitchConfig, name: &str| {
        let all = config.third_parties();
        all.iter().find(|(known, _)| known == name).map(|(_, standing)| standing.word())
    };
    for name in ["sumsub", "identity", "extauth", "bill", "sms", "email", "push", "bank nordbank"] {
        assert_eq!(of(&config, name), Some("mock"), "{name}");
    }
    let config = load(&bare, &[]);
    assert_eq!((of(&config, "sumsub"), of(&config, "bill")), (Some("sandbox"), Some("mock")));
    // What says the same, or what an empty text leaves open, needs no word.
    let (same, issuer) = (("SERVICE_MODE", "mock"), ("BANKID_ISSUER", "http://127.0.0.1:1"));
    let config = load(BRIDGE_EXAMPLE, &[same, issuer]);
    assert!(warned(&config).iter().all(|message| !message.contains("ignored")));
    let said = config.bridge.identity.unwrap().issuer;
    assert_eq!(said.as_deref(), Some("http://127.0.0.1:1"));
    let named = ("VEKSEL_SWITCH__SERVICE_MODE", "sandbox");
    assert_eq!(load(&bare, &[named, mock]).mode, ServiceMode::Sandbox);
    let config = load(
        &BRIDGE_EXAMPLE
            .lines()
            .filter(|line| !line.starts_with("mock = ") && !line.contains("_url = \"\""))
            .filter(|line| {
                let keys = ["issuer = ", "callback_url_mobile = ", "client_id_", "client_secret_"];
                !keys.iter().any(|key| line.starts_with(key))
            })
            .collect::<Vec<_>>()
            .join("\n"),
        &[
            ("BANKID_AUTHORIZE_URL", "http://127.0.0.1:1/auth"),
            ("BANKID_CALLBACK_URL", "http://127.0.0.1:8581/api/auth/bankid/callback"),
            ("BANKID_CALLBACK_URL_MOBILE", "drop://auth/callback"),
            ("BANKID_CLIENT_ID_FILE", "id"),
            ("BANKID_CLIENT_SECRET_FILE", "secret"),
            ("BANKID_DISCOVERY_URL", "http://127.0.0.1:1/discovery"),
            ("BANKID_ISSUER", "http://127.0.0.1:1"),
            ("BANKID_JWKS_URL", "http://127.0.0.1:1/certs"),
            ("BANKID_MOCK", "true"),
            ("BANKID_TOKEN_URL", "http://127.0.0.1:1/token"),
        ],
    );
    let identity = config.bridge.identity.unwrap();
    assert!(identity.mock);
    assert_eq!(identity.discovery_url, "http://127.0.0.1:1/discovery");
    assert_eq!(identity.issuer.as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(identity.authorize_url.as_deref(), Some("http://127.0.0.1:1/auth"));
    assert_eq!(identity.token_url.as_deref(), Some("http://127.0.0.1:1/token"));
    assert_eq!(identity.jwks_url.as_deref(), Some("http://127.0.0.1:1/certs"));
    assert_eq!(
        identity.callback_url.as_deref(),
        Some("http://127.0.0.1:8581/api/auth/bankid/callback")
    );
    assert_eq!(identity.callback_url_mobile.as_deref(), Some("drop://auth/callback"));
    assert!(matches!(&identity.client_id, SecretSource::File(path) if path.ends_with("id")));
    let secret = &identity.client_secret;
    assert!(matches!(secret, SecretSource::File(path) if path.ends_with("secret")));
    let config = load(BRIDGE_EXAMPLE, &[]);
    let identity = config.bridge.identity.unwrap();
    assert_eq!(identity.client_id, SecretSource::Env("BANKID_CLIENT_ID".into()));
    assert_eq!(identity.client_secret, SecretSource::Env("BANKID_CLIENT_SECRET".into()));
    // Without the section there is nothing to say it of.
    assert!(load(SWITCH_EXAMPLE, &[("BANKID_MOCK", "true")]).bridge.identity.is_none());
    assert!(load(SWITCH_EXAMPLE, &[sandbox]).bridge.kyc.is_none());
    let error = load_switch(switch(&bare).environment([("SERVICE_MODE", "prod")])).unwrap_err();
    assert!(error.to_string().contains("SERVICE_MODE"), "{error}");
}

#[test]
fn variables_say_of_one_bank_and_of_all_what_the_file_does_not() {
    let load = |text: &str, variables: &[(&str, &str)]| {
        let source = switch(text).environment(variables.iter().copied());
        // A secret is not looked at: only that there is one.
        assert!(!format!("{source:?}").contains("hush"));
        load_switch(source).unwrap_or_else(|wrong| panic!("{wrong}"))
    };
    let bare = BRIDGE_EXAMPLE
        .replace("callback_url = \"\"\n", "")
        .replace("push_secret_env = \"\"\n", "")
        .replace("client_id_env = \"OPENBANKING_CLIENT_ID\"\n", "");
    let bank = |config: &veksel_config::SwitchConfig, place: usize| {
        let bank = config.bridge.banks[place].clone();
        (bank.callback_url, bank.push_secret)
    };
    let env = |name: &str| Some(SecretSource::Env(name.into()));
    let all = [
        ("OPENBANKING_CALLBACK_URL", "https://all.example/back"),
        ("OPENBANKING_WEBHOOK_SECRET", "hush"),
        ("OB_FJORDBANK_CALLBACK_URL", "https://fjord.example/back"),
        ("OB_FJORDBANK_CLIENT_ID", "hush"),
        ("OB_NORDBANK_WEBHOOK_SECRET", "hush"),
    ];
    let config = load(&bare, &all);
    let all_back = Some("https://all.example/back".to_owned());
    assert_eq!(bank(&config, 0), (all_back, env("OB_NORDBANK_WEBHOOK_SECRET")));
    // Neonomics pushes nothing, and at DropPay nobody is sent anywhere.
    assert_eq!(bank(&config, 1), (Some("https://fjord.example/back".to_owned()), None));
    assert_eq!(bank(&config, 2), (None, None));
    let BankProfile::Neonomics { oauth, .. } = &config.bridge.banks[1].profile else { panic!() };
    assert_eq!(Some(oauth.client_id.clone()), env("OB_FJORDBANK_CLIENT_ID"));
    // The file says something else, and without variables there is nothing.
    let said =
        BRIDGE_EXAMPLE.replace("callback_url = \"\"", "callback_url = \"https://file.example/x\"");
    assert_eq!(bank(&load(&said, &all), 0).0.as_deref(), Some("https://file.example/x"));
    assert_eq!(bank(&load(&bare, &[]), 0), (None, None));
    let wrong = switch(&bare).environment([("OPENBANKING_CALLBACK_URL", "nowhere")]);
    assert!(load_switch(wrong).unwrap_err().to_string().contains("OPENBANKING_CALLBACK_URL"));
}

#[test]
fn a_key_taken_out_of_an_example_is_noticed() {
    for (text, is_switch) in [(SWITCH_EXAMPLE, true), (SIMULATOR_EXAMPLE, false)] {
        let load = |text: &str| match is_switch {
            true => load_switch(switch(text)).map(|config| config.settings),
            false => load_simulator(simulator(text)).map(|config| config.settings),
        };
        let lines: Vec<&str> = text.lines().collect();
        let mut removed = 0;
        for (index, _) in lines.iter().enumerate().filter(|(_, line)| {
            line.starts_with(|c: char| c.is_ascii_lowercase()) && line.contains(" = ")
        }) {
            let mut rest = lines.clone();
            rest.remove(index);
            let rest = rest.join("\n");
            let noticed = match load(&rest) {
                Ok(settings) => !complain(&rest, &settings).is_empty(),
                Err(problems) => {
                    problems.to_string().contains("missing key")
                        || problems.to_string().contains("must not be empty")
                }
            };
            assert!(noticed, "{}", lines[index]);
            removed += 1;
        }
        assert!(removed > 20, "{removed} keys");
    }
}

#[test]
fn the_examples_meet() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = Source::read(folder.join("switch.toml")).unwrap().known_dialects(&DIALECTS);
    let switch = load_switch(source).unwrap();
    assert_eq!(switch.store.path, folder.join("veksel.db"));
    let source = Source::read(folder.join("simulator.toml")).unwrap().known_dialects(&DIALECTS);
    let bank = load_simulator(source).unwrap().bank;
    assert_eq!(switch.plan.links.len(), switch.sockets.len());
    let dials: Vec<_> = switch
        .sockets
        .iter()
        .filter_map(|socket| match socket {
            SocketConfig::Dial(dial) => Some(dial),
            SocketConfig::Listen(_) | SocketConfig::Port(_) => None,
        })
        .collect();
    let [dial] = dials.as_slice() else { panic!("{} addresses", dials.len()) };
    assert_eq!(dial.destination.to_string(), bank.listen.to_string());
    assert_eq!((&dial.dialect, &dial.framing), (&bank.dialect, &bank.framing));
}

/// Whom the example of a bridge asks is whom the example of a simulator plays, with what he takes:
/// a port that is changed in one of the two files is noticed.
#[test]
fn the_example_of_a_bridge_meets_the_sandboxes() {
    let bridge = load_switch(switch(BRIDGE_EXAMPLE)).unwrap().bridge;
    let sandbox = load_simulator(simulator(SIMULATOR_EXAMPLE)).unwrap().sandbox.unwrap();
    let plain = |listen: std::net::SocketAddr| format!("http://{listen}");
    let [bank, aggregator, wallet] = bridge.banks.as_slice() else { panic!() };
    let aspsp = sandbox.aspsp.unwrap();
    let (address, name) = bank.call.url.rsplit_once('/').unwrap();
    assert_eq!(address, plain(aspsp.listen));
    assert!(aspsp.banks.iter().any(|played| played == name), "{name}");
    let neonomics = plain(sandbox.neonomics.unwrap().listen);
    assert_eq!(aggregator.call.url, neonomics);
    let BankProfile::Neonomics { oauth, .. } = &aggregator.profile else { panic!() };
    assert!(oauth.token_url.starts_with(&format!("{neonomics}/")), "{}", oauth.token_url);
    let tls = sandbox.droppay.unwrap().tls_listen;
    assert_eq!(wallet.call.url, format!("https://{tls}"));
    assert_eq!(bridge.kyc.unwrap().call.url, plain(sandbox.sumsub.unwrap().listen));
    let (http, oidc) = (bridge.http.unwrap(), sandbox.oidc.unwrap());
    let realm = format!("{}/auth/realms/current", plain(oidc.listen));
    assert_eq!(bridge.identity.unwrap().call.url, realm);
    let back = format!("{}/api/auth/bankid/callback", http.public_url);
    assert!(oidc.redirect_uris.contains(&back), "{back}");
    let shaype = sandbox.shaype.unwrap();
    let keys = format!("{}/authentication/keys", plain(shaype.listen));
    assert_eq!(bridge.extauth.unwrap().keys.url, keys);
    assert_eq!(shaype.client_url, plain(http.listen));
    let (bill, biller) = (bridge.providers.bill.unwrap(), sandbox.biller.unwrap());
    assert_eq!((bill.call.url, bill.signing), (plain(biller.listen), None));
    assert_eq!(biller.hmac_key, "");
    let ((sms, _), gateway) = (bridge.providers.sms.unwrap(), sandbox.sms.unwrap());
    assert_eq!(sms.call.url, plain(gateway.listen));
    // One variable holds the key of both.
    assert_eq!(biller.api_key, gateway.api_key);
    let key = SecretSource::Env("PROVIDER_API_KEY".to_owned());
    let shown = HeaderText::Secret(String::new(), key);
    let shown = vec![Header { name: "x-api-key".to_owned(), value: shown }];
    assert_eq!((bill.headers, sms.headers), (shown.clone(), shown));
    let (email, mail) = (bridge.providers.email.unwrap(), sandbox.mail.unwrap());
    assert_eq!(format!("{}:{}", email.host, email.port), mail.smtp_listen.to_string());
    assert_eq!(bridge.providers.push.unwrap().call.url, plain(sandbox.fcm.unwrap().listen));
}

#[test]
fn defaults_are_those_of_the_engine() {
    let plan = load_switch(switch(SWITCH_EXAMPLE)).unwrap().plan;
    assert_eq!(plan.limits, Default::default());
    assert_eq!(plan.groups[0].breaker, Default::default());
    assert_eq!(plan.groups[0].deadlines, Default::default());
    assert_eq!(plan.groups[0].session, Default::default());
    assert_eq!(plan.digest_key.0, [0; 32]);
}

#[test]
fn resolved_settings_are_a_configuration_that_means_the_same() {
    let flags = [("group.cbs.connect", "10.0.0.1:1,10.0.0.2:2"), ("switch.name", "a \"b\" \\c")];
    let first = load_switch(switch(SWITCH_EXAMPLE).flags(flags)).unwrap();
    let second = load_switch(switch(&first.settings.to_string())).unwrap();
    let debug = |config: &veksel_config::SwitchConfig| {
        format!("{} {:?} {:?}", config.name, config.plan, config.sockets)
    };
    assert_eq!(debug(&first), debug(&second));
}

#[test]
fn lines_of_the_examples_fit() {
    for text in [SWITCH_EXAMPLE, SIMULATOR_EXAMPLE, BRIDGE_EXAMPLE] {
        assert!(text.lines().all(|line| line.chars().count() <= 100));
    }
    let load = load_switch(switch(SWITCH_EXAMPLE)).unwrap();
    let paths: BTreeSet<_> = load.settings.iter().map(|setting| &setting.path).collect();
    assert_eq!(paths.len(), load.settings.iter().count(), "every path means one setting");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        changes in prop::collection::vec((any::<Index>(), any::<u8>(), 0..3u8), 1..24),
        tokens in prop::collection::vec((any::<Index>(), 0..12usize), 0..4),
    ) {
        const TOKENS: [&[u8]; 12] = [
            b"[[", b"]]", b"=", b"\"\"\"", b"{", b"}\n", b"\n[group]\n", b"\xC3\xA5", b"-1", b"\0",
            b"9999999999999999999", b"\nname = \"cbs\"\n",
        ];
        for example in [SWITCH_EXAMPLE, SIMULATOR_EXAMPLE, BRIDGE_EXAMPLE] {
            let mut bytes = example.as_bytes().to_vec();
            for (index, byte, kind) in &changes {
                let at = index.index(bytes.len());
                match kind {
                    0 => bytes[at] = *byte,
                    1 => bytes.insert(at, *byte),
                    _ => { bytes.remove(at); }
                }
            }
            for (index, token) in &tokens {
                let at = index.index(bytes.len());
                bytes.splice(at..at, TOKENS[*token].iter().copied());
            }
            let text = String::from_utf8_lossy(&bytes);
            let shown = match load_switch(switch(&text)) {
                Ok(config) => config.warnings.to_string(),
                Err(problems) => problems.to_string(),
            };
            prop_assert!(!shown.contains('\0'));
            let _ = load_simulator(simulator(&text)).map_err(|problems| problems.to_string());
        }
    }

    /// Still TOML, so that the checks of single values and between values are reached.
    #[test]
    fn no_values_make_it_panic(
        changes in prop::collection::vec((any::<Index>(), 0..18usize), 1..30),
    ) {
        const VALUES: [&str; 18] = [
            "0", "-1", "1", "65535", "170141183460469231731687303715884105728", "1.5", "true",
            "\"\"", "\"cbs\"", "\"127.0.0.1:8583\"", "\"[::]:8593\"", "\"20s\"", "\"99999999h\"",
            "[]", "[\"0200\", \"cbs\", 1]", "{ name = \"x\" }", "2026-08-01", "[[{ a = [] }]]",
        ];
        for example in [SWITCH_EXAMPLE, SIMULATOR_EXAMPLE, BRIDGE_EXAMPLE] {
            let mut lines: Vec<String> = example.lines().map(str::to_owned).collect();
            let keys: Vec<usize> = (0..lines.len())
                .filter(|&at| !lines[at].starts_with('#') && lines[at].contains(" = "))
                .collect();
            for (index, value) in &changes {
                let line = &mut lines[keys[index.index(keys.len())]];
                let key = line.split(" = ").next().unwrap().to_owned();
                *line = format!("{key} = {}", VALUES[*value]);
            }
            let text = lines.join("\n");
            let result = load_switch(switch(&text)).map(|config| config.settings.to_string());
            if let Ok(resolved) = result {
                prop_assert!(load_switch(switch(&resolved)).is_ok());
            }
            let result = load_simulator(simulator(&text)).map(|config| config.settings.to_string());
            if let Ok(resolved) = result {
                prop_assert!(load_simulator(simulator(&resolved)).is_ok());
            }
        }
    }

    #[test]
    fn no_variable_or_flag_makes_it_panic(path in "[a-zA-Z_.-]{0,40}", value in ".{0,20}") {
        for path in [path.clone(), format!("group.cbs.{path}"), format!("admin.{path}")] {
            let variable = format!("VEKSEL_{}", path.replace('.', "__").to_uppercase());
            let source = switch(SWITCH_EXAMPLE);
            let source = source.environment([(variable, value.clone())]).flags([(path, &value)]);
            let _ = load_switch(source).map_err(|problems| problems.to_string());
        }
    }
}

#[test]
fn alarms_and_traces_have_the_numbers_of_the_document() {
    let load = |flags: &[(&str, &str)]| {
        load_switch(switch(SWITCH_EXAMPLE).flags(flags.iter().copied()))
            .unwrap_or_else(|wrong| panic!("{wrong}"))
    };
    let config = load(&[]);
    assert_eq!(config.alert, AlertConfig::default());
    assert_eq!(config.trace, TraceConfig { endpoint: None, percent: 100 });
    let real = ("switch.service_mode", "production");
    assert_eq!(load(&[real]).trace.percent, 10);
    let quarter = ("trace.sampling", "25%");
    let collector = ("trace.endpoint", "http://127.0.0.1:4318/v1/traces");
    let config = load(&[real, quarter, collector, ("alert.critical", "slack,console")]);
    assert_eq!((config.trace.percent, config.trace.endpoint.as_deref()), (25, Some(collector.1)));
    assert_eq!(config.alert.sinks(Severity::Critical), [Sink::Slack, Sink::Console]);
    for (key, wrong) in
        [("trace.sampling", "101%"), ("trace.sampling", "some"), ("alert.info", "mail")]
    {
        let source = switch(SWITCH_EXAMPLE).flags([(key, wrong)]);
        let problems = load_switch(source).unwrap_err().to_string();
        assert!(problems.contains(key.split('.').next_back().unwrap()), "{problems}");
    }
}
