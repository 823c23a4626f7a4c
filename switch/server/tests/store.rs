//! A switch on a store of the caller's: it records there, and the store outlives it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use veksel_config::{SWITCH_EXAMPLE, Source, load_switch};
use veksel_core::{Record, RecordId};
use veksel_server::{Stopped, start_with};
use veksel_store::{Journal, MemoryStore};

#[test]
fn a_switch_records_in_the_store_it_is_given() {
    let _watch = watch::watch();
    // Nobody answers at the host's address; a start does not need him.
    let flags = [
        ("listener.channels.listen", "127.0.0.1:0"),
        ("admin.listen", "127.0.0.1:0"),
        ("group.cbs.connect", "127.0.0.1:9"),
    ];
    let source = Source::text("test", SWITCH_EXAMPLE).flags(flags);
    let config = load_switch(source.known_dialects(&["cbs-ascii-bin"])).unwrap();
    let mut store = MemoryStore::new();
    let running = start_with(config, Box::new(store.clone())).unwrap();
    assert!(running.address("channels").is_some() && !running.is_ready());
    watch::search_page(running.admin().unwrap(), "/metrics");
    assert_eq!(running.stop(), Stopped::Asked);
    let actions =
        store.page(RecordId(0), 10).unwrap().into_iter().map(|(_, record)| match record {
            Record::Notice(notice) => notice.action,
            other => panic!("{other:?}"),
        });
    assert_eq!(actions.collect::<Vec<_>>(), ["start", "stop"]);
}
