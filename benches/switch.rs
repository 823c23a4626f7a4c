//! The real switch as a part: the shipped example configuration with a few settings.

use crate::nothing::Nothing;
use crate::waiting::Waiting;
use crate::{Failure, part};
use std::path::PathBuf;
use std::sync::Arc;
use veksel_config::{SWITCH_EXAMPLE, Source, load_switch};
use veksel_server::{init_tracing, start, start_with};
use veksel_store::{Keys, MemoryStore, SqliteStore};

/// The listener in the example file.
const LISTENER: &str = "channels";

/// A second listener, whose participant has a rate.
const SECOND: &str = r#"
[[participant]]
name = "greedy"
rate = RATE
burst = 50
[[listener]]
name = "greedy"
listen = "127.0.0.1:0"
participant = "greedy"
"#;

/// `host folder store record_inquiries more`, where more is settings (`key=value`), or
/// `greedy=RATE` for a second listener whose participant has that rate; the store being `sqlite`,
/// `waiting`, `memory` or `nothing`.
pub(crate) fn play(arguments: &[String]) -> Result<(), Failure> {
    let host: String = part::argument(arguments, 0)?;
    let folder: PathBuf = part::argument(arguments, 1)?;
    let store: String = part::argument(arguments, 2)?;
    let inquiries: bool = part::argument(arguments, 3)?;
    let mut text = SWITCH_EXAMPLE.to_owned();
    let mut more = Vec::new();
    for setting in arguments.get(4..).unwrap_or_default() {
        match setting.split_once('=') {
            Some(("greedy", rate)) => text.push_str(&SECOND.replace("RATE", rate)),
            Some((key, value)) => more.push((key, value.to_owned())),
            None => {}
        }
    }
    let settings = [
        ("switch.record_inquiries", inquiries.to_string()),
        ("listener.channels.listen", "127.0.0.1:0".to_owned()),
        ("admin.listen", "127.0.0.1:0".to_owned()),
        ("group.cbs.connect", host),
        // The host of the benchmarks knows no network management.
        ("group.cbs.session.sign_on", "false".to_owned()),
        ("group.cbs.session.echo_idle", "0s".to_owned()),
        ("group.cbs.window_max", "1024".to_owned()),
        ("participant.channels.in_flight_max", "1024".to_owned()),
        ("log.level", "warn".to_owned()),
    ];
    let waiting = folder.join("waiting.db");
    let settings = settings.into_iter().chain(more);
    let source = Source::text("bench", text).folder(folder).flags(settings);
    let config = load_switch(source.known_dialects(&["cbs-ascii-bin"]))
        .map_err(|problems| format!("{problems:?}"))?;
    init_tracing(&config.log)?;
    let running = match store.as_str() {
        "sqlite" => start(config)?,
        "waiting" => {
            let store = SqliteStore::open(&waiting, Arc::new(Keys::new(&[7; 32])?))?;
            start_with(config, Box::new(Waiting(store)))?
        }
        "memory" => start_with(config, Box::new(MemoryStore::new()))?,
        "nothing" => start_with(config, Box::new(Nothing))?,
        other => return Err(format!("there is no store {other}").into()),
    };
    let address = running.address(LISTENER).ok_or("the switch does not listen")?;
    while !running.is_ready() {
        if let Some(stopped) = running.wait(std::time::Duration::from_millis(10)) {
            return Err(format!("the switch stopped: {stopped:?}").into());
        }
    }
    let admin = running.admin().map(|admin| admin.to_string()).unwrap_or_default();
    let second = running.address("greedy").map(|second| second.to_string()).unwrap_or_default();
    part::work(format!("{address} {admin} {second}").trim_end())?;
    match running.stop() {
        veksel_server::Stopped::Asked => Ok(()),
        stopped => Err(format!("the switch stopped: {stopped:?}").into()),
    }
}
