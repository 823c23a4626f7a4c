//! Comparing what runs with what was read: what changes, what that takes, and what is left.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write;
use veksel_config::{
    BRIDGE_EXAMPLE, Change, Effect, Reload, SWITCH_EXAMPLE, Socket, SocketConfig, Source,
    SwitchConfig, load_switch, reload,
};
use veksel_core::plan::{GroupId, LinkRole, ParticipantId, RouteTo};

fn load(text: &str) -> SwitchConfig {
    load_switch(Source::text("switch.toml", text)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The example with one text in the place of another.
fn changed(from: &str, to: &str) -> String {
    assert!(SWITCH_EXAMPLE.contains(from), "{from}");
    SWITCH_EXAMPLE.replacen(from, to, 1)
}

fn compared(text: &str) -> Reload {
    reload(&load(SWITCH_EXAMPLE), &load(text))
}

fn effects(reload: &Reload) -> Vec<(&str, Effect)> {
    reload.changes.iter().map(|change| (change.path.as_str(), change.effect)).collect()
}

/// The table operators are promised, key by key. `UPDATE_GOLDEN=1` writes it anew.
#[test]
fn every_key_has_the_effect_that_is_written_down() {
    let mut table = String::new();
    for setting in load(SWITCH_EXAMPLE).settings.iter() {
        writeln!(table, "{:<9} {}", Effect::of(&setting.path).word(), setting.path).unwrap();
    }
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reload.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden, &table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(golden).unwrap_or_default(), table);
}

#[test]
fn the_same_file_changes_nothing() {
    let same = compared(SWITCH_EXAMPLE);
    assert_eq!(same.changes, []);
    assert_eq!(same.sockets, [Socket::Same, Socket::Same]);
}

#[test]
fn what_needs_a_restart_stays_and_is_named_every_time() {
    let text = changed("queue_max = 8192", "queue_max = 100")
        .replace("127.0.0.1:8583\"", "127.0.0.1:9999\"")
        .replace("message = \"0420\"", "message = \"0400\"")
        .replace("reserved_percent = 25", "reserved_percent = 30");
    let first = compared(&text);
    let expected = [
        ("store.queue_max", Effect::Restart),
        ("limits.reserved_percent", Effect::Live),
        ("listener.channels.listen", Effect::Restart),
        ("group.cbs.reversals.message", Effect::Restart),
    ];
    assert_eq!(effects(&first), expected);
    assert_eq!(first.config.store.queue_max, 8_192);
    assert_eq!(first.config.plan.limits.reserved_percent, 30);
    let SocketConfig::Listen(listen) = &first.config.sockets[0] else { panic!("no listener") };
    assert_eq!(listen.address.port(), 8583);
    assert_eq!(first.config.plan.groups[0].reversals.mti.to_string(), "0420");
    assert_eq!(first.sockets, [Socket::Same, Socket::Same]);
    let second = reload(&first.config, &load(&text));
    let restart: Vec<_> = expected.iter().filter(|(_, e)| *e == Effect::Restart).copied().collect();
    assert_eq!(effects(&second), restart);
    let back = reload(&first.config, &load(SWITCH_EXAMPLE));
    assert_eq!(effects(&back), [("limits.reserved_percent", Effect::Live)]);
}

#[test]
fn only_what_makes_connections_renews_them() {
    for (from, to, sockets) in [
        ("connections = 4", "connections = 5", [Socket::Same, Socket::Renewed]),
        ("idle = \"0s\"", "idle = \"1m\"", [Socket::Renewed, Socket::Same]),
        ("sign_on = true", "sign_on = false", [Socket::Same, Socket::Renewed]),
        ("echo_idle = \"1m\"", "echo_idle = \"2m\"", [Socket::Same, Socket::Same]),
        ("inquiry = \"8s\"", "inquiry = \"7s\"", [Socket::Same, Socket::Same]),
        ("failures_max = 5\n# The sliding", "failures_max = 6\n# The sliding", [Socket::Same; 2]),
    ] {
        let compared = compared(&changed(from, to));
        assert_eq!(compared.sockets, sockets, "{from}");
        let is_renewed = sockets.contains(&Socket::Renewed);
        let expected = if is_renewed { Effect::Reconnect } else { Effect::Live };
        let effects: Vec<_> = compared.changes.iter().map(|change| change.effect).collect();
        assert_eq!(effects, [expected], "{from}");
    }
}

#[test]
fn known_parts_keep_their_places_whatever_the_order_of_the_file() {
    let more = "\n[[participant]]\nname = \"branch\"\n[[listener]]\nname = \"branch\"\n\
                listen = \"127.0.0.1:8600\"\nparticipant = \"branch\"\n[[group]]\nname = \"a\"\n\
                connect = [\"127.0.0.1:8700\", \"127.0.0.1:8701\"]\n\
                [[route]]\nname = \"last\"\ngroup = \"a\"\nparticipants = [\"branch\"]\n";
    let grown = compared(&format!("{SWITCH_EXAMPLE}{more}"));
    let names = |config: &SwitchConfig| -> Vec<String> {
        config.plan.links.iter().map(|link| link.name.clone()).collect()
    };
    assert_eq!(names(&grown.config), ["channels", "cbs.1", "branch", "a.1", "a.2"]);
    assert_eq!(grown.config.plan.links[2].role, LinkRole::Channel(ParticipantId(1)));
    assert_eq!(grown.config.plan.links[4].role, LinkRole::Host(GroupId(1)));
    assert_eq!(grown.sockets[..2], [Socket::Same, Socket::Same]);
    assert_eq!(grown.sockets[2..], [Socket::New, Socket::New, Socket::New]);
    assert!(grown.changes.iter().all(|change| change.effect == Effect::Live));
    let route = &grown.config.plan.routes[1];
    assert_eq!(
        (route.to, route.participants.as_slice()),
        (RouteTo::Group(GroupId(1)), &[ParticipantId(1)][..])
    );
    // The other way round in the file: the same places.
    let mut turned = load(&format!("{SWITCH_EXAMPLE}{more}"));
    turned.plan.groups.reverse();
    turned.plan.participants.reverse();
    turned.plan.links.reverse();
    turned.sockets.reverse();
    for link in &mut turned.plan.links {
        link.role = match link.role {
            LinkRole::Channel(id) => LinkRole::Channel(ParticipantId(1 - id.0)),
            LinkRole::Identified => LinkRole::Identified,
            LinkRole::Host(id) => LinkRole::Host(GroupId(1 - id.0)),
        };
    }
    for route in &mut turned.plan.routes {
        if let RouteTo::Group(group) = &mut route.to {
            group.0 = 1 - group.0;
        }
        route.participants.iter_mut().for_each(|id| *id = ParticipantId(1 - id.0));
    }
    let same = reload(&grown.config, &turned);
    assert_eq!(names(&same.config), names(&grown.config));
    assert_eq!(same.sockets, [Socket::Same; 5]);
    assert_eq!(same.config.plan.routes[1].to, RouteTo::Group(GroupId(1)));
    assert_eq!(same.config.plan.routes[1].participants, [ParticipantId(1)]);
}

#[test]
fn what_is_gone_from_the_file_stays_until_a_restart_but_for_routes_and_addresses() {
    let two = changed("connect = [\"127.0.0.1:8593\"]", "connect = [\"a:1\", \"b:2\"]");
    let grown = reload(&load(SWITCH_EXAMPLE), &load(&two));
    assert_eq!(grown.sockets, [Socket::Same, Socket::Renewed, Socket::New]);
    let shrunk = reload(&grown.config, &load(SWITCH_EXAMPLE));
    assert_eq!(shrunk.sockets, [Socket::Same, Socket::Renewed, Socket::Renewed]);
    let SocketConfig::Dial(dial) = &shrunk.config.sockets[2] else { panic!("no address") };
    assert_eq!(dial.connections, 0, "what it carries ends and it is let go");
    let again = reload(&shrunk.config, &load(&two));
    assert_eq!(again.sockets, [Socket::Same, Socket::Renewed, Socket::Renewed]);
    let other = SWITCH_EXAMPLE.replace("name = \"everything\"", "name = \"all\"");
    let other =
        other.replace("name = \"channels\"\n# Its requests", "name = \"atms\"\n# Its requests");
    let other = other.replace("participant = \"channels\"", "participant = \"atms\"");
    let gone = compared(&other);
    let is_gone = |path: &str| {
        let change = gone.changes.iter().find(|change| change.path == path);
        change.map(|Change { after, effect, .. }| (after.clone(), *effect))
    };
    assert_eq!(is_gone("route.everything.group"), Some((None, Effect::Live)));
    assert_eq!(is_gone("participant.channels.in_flight_max"), Some((None, Effect::Restart)));
    assert_eq!(gone.config.plan.participants.len(), 2);
    assert_eq!(gone.config.plan.routes.len(), 1);
    assert_eq!(gone.config.plan.links[0].role, LinkRole::Channel(ParticipantId(1)));
}

#[test]
fn another_order_of_routes_is_a_change() {
    let more = "[[route]]\nname = \"second\"\ngroup = \"cbs\"\nmti = [\"0200\"]\n";
    let before = load(&SWITCH_EXAMPLE.replace("\n[[route]]", &format!("\n{more}[[route]]")));
    let mut after = before.clone();
    after.plan.routes.reverse();
    let compared = reload(&before, &after);
    assert_eq!(effects(&compared), [("route", Effect::Live)]);
    assert_eq!(compared.config.plan.routes[0].name, after.plan.routes[0].name);
}

/// Two participants of one listener, told apart by the names in their certificates. What stands in
/// the files is not looked at here.
fn identified(participants: [&str; 2]) -> String {
    let mut text = SWITCH_EXAMPLE.to_owned();
    let tls = "[listener.tls]\n# Whether connections are encrypted. Default: false.\nenabled = ";
    let whole = |from: &str, to: &str, text: &mut String| {
        assert!(text.contains(from), "{from}");
        *text = text.replacen(from, to, 1);
    };
    whole(&format!("{tls}false"), &format!("{tls}true"), &mut text);
    let files =
        [("certificate", "\"Cargo.toml\""), ("key", "\"Cargo.toml\""), ("ca", "[\"Cargo.toml\"]")];
    for (key, value) in files {
        let empty = if key == "ca" { "[]" } else { "\"\"" };
        whole(&format!("\n{key} = {empty}"), &format!("\n{key} = {value}"), &mut text);
    }
    whole("sans = []", "sans = [\"URI:urn:channels\"]", &mut text);
    whole("\nparticipants = []", "\nparticipants = [\"a\", \"b\"]", &mut text);
    for name in participants {
        writeln!(text, "[[participant]]\nname = \"{name}\"\nsans = [\"URI:urn:{name}\"]").unwrap();
    }
    text
}

#[test]
fn who_a_certificate_names_does_not_depend_on_the_order_of_the_file() {
    let running = load(&identified(["a", "b"]));
    let turned = reload(&running, &load(&identified(["b", "a"])));
    let names = |config: &SwitchConfig| -> Vec<(String, String)> {
        let SocketConfig::Listen(listen) = &config.sockets[0] else { panic!("no listener") };
        let known = &listen.identities.as_ref().unwrap().known;
        let name = |id: ParticipantId| config.plan.participants[usize::from(id.0)].name.clone();
        let mut names: Vec<_> =
            known.iter().map(|one| (name(one.participant), one.sans[0].to_string())).collect();
        names.sort();
        names
    };
    assert_eq!(names(&turned.config), names(&running));
    for (name, san) in names(&running) {
        assert_eq!(san, format!("URI:urn:{name}"));
    }
}

#[test]
fn how_participants_are_told_apart_waits_for_a_restart() {
    let running = load(SWITCH_EXAMPLE);
    let other = reload(&running, &load(&identified(["a", "b"])));
    assert_eq!(other.config.plan.links[0].role, LinkRole::Channel(ParticipantId(0)));
    assert_eq!(other.sockets[0], Socket::Same);
    assert_eq!(other.config.sockets[0], running.sockets[0]);
    let of_listener = |change: &&Change| change.path.starts_with("listener.");
    let changes: Vec<_> = other.changes.iter().filter(of_listener).collect();
    assert!(changes.len() >= 4, "{changes:?}");
    assert!(changes.iter().all(|change| change.effect == Effect::Restart), "{changes:?}");
}

/// Whoever asks a bank was made for it at the start; payees are only looked up.
#[test]
fn third_parties_wait_for_a_restart_and_payees_do_not() {
    let text = BRIDGE_EXAMPLE
        .replace("calls_max = 64", "calls_max = 65")
        .replacen("mode = \"pending\"", "mode = \"wait_inline\"", 1)
        .replace("years_min = 18", "years_min = 20")
        .replace("body_max = \"64KiB\"", "body_max = \"32KiB\"")
        .replace("holder = \"Kiosk AS\"", "holder = \"Kiosk Nord AS\"");
    let (running, wanted) = (load(BRIDGE_EXAMPLE), load(&text));
    let reload = reload(&running, &wanted);
    let mut found = effects(&reload);
    found.sort_unstable();
    let expected = [
        ("aspsp.nordbank.calls_max", Effect::Restart),
        ("aspsp.nordbank.mode", Effect::Restart),
        ("bill.calls_max", Effect::Restart),
        ("http.body_max", Effect::Restart),
        ("identity.calls_max", Effect::Restart),
        ("identity.years_min", Effect::Restart),
        ("kyc.calls_max", Effect::Restart),
        ("kyc.years_min", Effect::Restart),
        ("payee[0].holder", Effect::Live),
        ("push.calls_max", Effect::Restart),
        ("sms.calls_max", Effect::Restart),
    ];
    assert_eq!(found, expected);
    let (before, after) = (&running.plan, &reload.config.plan);
    assert_eq!(format!("{:?}", after.banks), format!("{:?}", before.banks));
    assert_eq!((&after.kyc, &reload.config.bridge), (&before.kyc, &running.bridge));
    assert_eq!(after.payees[0].name, "Kiosk Nord AS");
}
