//! A panic anywhere in the process is told in the channel, by its place alone. In a file of its
//! own, because the hook is the process's.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../../cli/tests/canary/watch.rs"]
mod watch;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use veksel_config::{SWITCH_EXAMPLE, Source, load_switch};
use veksel_server::{Stopped, report_panics, start_with};
use veksel_simulator::sandbox::notify::Notify;
use veksel_simulator::sandbox::{Clock, Mount, start};
use veksel_store::MemoryStore;
use watch::{search, watch_for};

#[test]
fn a_panic_is_told_by_its_place_and_not_by_what_it_says() {
    let _watch = watch_for(&["4761739001010010", "hook-of-a-channel"]);
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::default();
    let notify = Notify::new(clock.clone());
    let mount = Mount {
        name: "notify".to_owned(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: None,
        sandbox: Arc::new(notify.clone()),
    };
    let sandboxes = start(vec![mount], clock).unwrap();
    let url =
        format!("http://{}/services/T0/B0/hook-of-a-channel", sandboxes.address("notify").unwrap());
    let file = folder.path().join("slack");
    std::fs::write(&file, url).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let flags = [
        ("listener.channels.listen", "127.0.0.1:0"),
        ("admin.listen", "127.0.0.1:0"),
        ("alert.slack_url_env", ""),
        ("alert.slack_url_file", "slack"),
        ("alert.allow_private", "true"),
    ];
    let source = Source::text("test", SWITCH_EXAMPLE).folder(folder.path()).flags(flags);
    let config = load_switch(source.known_dialects(&["cbs-ascii-bin"])).unwrap();
    let running = start_with(config, Box::new(MemoryStore::new())).unwrap();
    report_panics();
    report_panics();
    let panicking = std::thread::Builder::new().name("clumsy".to_owned());
    let ended = panicking.spawn(|| panic!("the card is 4761739001010010")).unwrap().join();
    assert!(ended.is_err());
    let begun = Instant::now();
    let said = loop {
        let said = notify.messages().into_iter().find(|one| one.text.contains("exception"));
        if let Some(said) = said {
            break said.text;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing was said");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(said.contains("Alert \u{2014} Critical\nTitle: Unhandled exception\n"), "{said}");
    assert!(said.contains("clumsy") && said.contains("panics.rs:"), "{said}");
    search("an alarm", said);
    assert_eq!(running.stop(), Stopped::Asked);
}
