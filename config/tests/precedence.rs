//! File, then environment, then flags; value by value.

use veksel_config::{
    Origin, SIMULATOR_EXAMPLE, SWITCH_EXAMPLE, SocketConfig, Source, SwitchConfig, load_simulator,
    load_switch,
};

fn example() -> Source {
    Source::text("switch.toml", SWITCH_EXAMPLE)
}

fn connections(config: &SwitchConfig) -> Vec<u32> {
    config
        .sockets
        .iter()
        .filter_map(|socket| match socket {
            SocketConfig::Dial(dial) => Some(dial.connections),
            SocketConfig::Listen(_) | SocketConfig::Port(_) => None,
        })
        .collect()
}

#[test]
fn a_flag_beats_the_environment_beats_the_file() {
    let file = load_switch(example()).unwrap();
    assert_eq!(connections(&file), [4]);
    let environment = [("VEKSEL_GROUP__CBS__CONNECTIONS", "8"), ("UNRELATED__X", "1")];
    let both = load_switch(example().environment(environment)).unwrap();
    assert_eq!(connections(&both), [8]);
    let source = example().environment(environment).flags([("group.cbs.connections", "16")]);
    let all = load_switch(source).unwrap();
    assert_eq!(connections(&all), [16]);
    let origin = |config: &SwitchConfig| {
        config.settings.get("group.cbs.connections").unwrap().origin.clone()
    };
    assert!(matches!(origin(&file), Origin::File { .. }));
    assert_eq!(origin(&both), Origin::Environment("VEKSEL_GROUP__CBS__CONNECTIONS".to_owned()));
    assert_eq!(origin(&all), Origin::Flag("group.cbs.connections".to_owned()));
}

#[test]
fn the_last_of_two_flags_counts() {
    let flags = [("admin.listen", "127.0.0.1:1"), ("--admin.listen", "127.0.0.1:2")];
    let config = load_switch(example().flags(flags)).unwrap();
    assert_eq!(config.admin.listen.port(), 2);
}

#[test]
fn a_key_that_the_file_does_not_have_can_be_set() {
    let text = SWITCH_EXAMPLE.replace("[log]", "").replace("format = \"auto\"", "");
    let text = text.replace("level = \"info\"", "");
    let environment = [("VEKSEL_LOG__LEVEL", "debug")];
    let source = Source::text("switch.toml", text).environment(environment);
    let config = load_switch(source).unwrap();
    assert_eq!(config.log.level, veksel_config::LogLevel::Debug);
}

#[test]
fn hyphens_lists_sizes_and_nested_tables_come_from_outside() {
    let text = SWITCH_EXAMPLE.replace("\"cbs\"", "\"core-bank\"");
    let source = Source::text("switch.toml", text).environment([
        ("VEKSEL_GROUP__CORE_BANK__CONNECT", "10.0.0.1:1, [::1]:2,cbs.example:3"),
        ("VEKSEL_GROUP__CORE_BANK__OUTBOUND_MAX", "128KiB"),
        ("VEKSEL_GROUP__CORE_BANK__SESSION__SIGN_ON", "false"),
        ("VEKSEL_GROUP__CORE_BANK__FRAMING__LENGTH", "ascii4"),
        ("VEKSEL_ROUTE__EVERYTHING__CODES", "30,31"),
        ("VEKSEL_SWITCH__INSTITUTION", "42"),
    ]);
    let config = load_switch(source).unwrap();
    let names: Vec<_> = config.plan.links.iter().map(|link| link.name.as_str()).collect();
    assert_eq!(names, ["channels", "core-bank.1", "core-bank.2", "core-bank.3"]);
    assert_eq!(config.plan.routes[0].codes, [*b"30", *b"31"]);
    assert_eq!(config.plan.institution, "42");
    assert!(!config.plan.groups[0].session.sign_on);
    let SocketConfig::Dial(dial) = &config.sockets[3] else { panic!("a listener") };
    assert_eq!((dial.destination.host.as_str(), dial.outbound_max), ("cbs.example", 131_072));
}

#[test]
fn one_environment_serves_both_files() {
    let environment =
        [("VEKSEL_BANK__LISTEN", "127.0.0.1:1"), ("VEKSEL_ADMIN__LISTEN", "127.0.0.1:2")];
    let switch = load_switch(example().environment(environment)).unwrap();
    assert_eq!(switch.admin.listen.port(), 2);
    let source = Source::text("simulator.toml", SIMULATOR_EXAMPLE).environment(environment);
    let simulator = load_simulator(source.flags([("terminals.rate", "50")])).unwrap();
    assert_eq!(simulator.bank.listen.port(), 1);
    assert_eq!(simulator.terminals.unwrap().rate, 50);
}

#[test]
fn a_user_dialect_is_found_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.toml"), "").unwrap();
    let flags = [("group.cbs.dialect", "mine.toml")];
    let source = example().folder(folder.path()).flags(flags).known_dialects(&["cbs-ascii-bin"]);
    let config = load_switch(source).unwrap();
    let SocketConfig::Dial(dial) = &config.sockets[1] else { panic!("a listener") };
    let expected = veksel_config::DialectName::File(folder.path().join("mine.toml"));
    assert_eq!(dial.dialect, expected);
}
