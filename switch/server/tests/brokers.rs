//! There is no message broker: calls go straight over HTTP, and what must not be lost is in the
//! journal. No client of one is in the tree, of whatever crate.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

/// Words that are in the names of clients of brokers, and of nothing else here.
const BROKERS: &[&str] = &[
    "activemq",
    "amqp",
    "amqprs",
    "fe2o3",
    "iggy",
    "jetstream",
    "kafka",
    "lapin",
    "mqtt",
    "nats",
    "nsq",
    "pulsar",
    "rabbitmq",
    "redis",
    "rumqtt",
    "stomp",
    "zeromq",
    "zmq",
];

/// Names of all crates of a lock file that are a client of a broker.
fn brokers(lock: &str) -> Vec<&str> {
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = "));
    let names = names.map(|name| name.trim_matches('"'));
    let is_one = |name: &&str| {
        name.split(['-', '_']).any(|word| BROKERS.iter().any(|broker| word.contains(broker)))
    };
    names.filter(is_one).collect()
}

#[test]
fn no_client_of_a_broker_is_in_the_tree() {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    let lock = fs::read_to_string(lock).unwrap();
    assert!(lock.contains("name = \"veksel-server\""), "this is not our lock file");
    assert_eq!(brokers(&lock), Vec::<&str>::new());
}

#[test]
fn a_client_of_a_broker_would_be_seen() {
    let lock = "name = \"rdkafka-sys\"\nname = \"serde\"\nname = \"async-nats\"\n\
                name = \"rumqttc\"\nname = \"tokio\"\nname = \"redis\"\n";
    assert_eq!(brokers(lock), ["rdkafka-sys", "async-nats", "rumqttc", "redis"]);
}
