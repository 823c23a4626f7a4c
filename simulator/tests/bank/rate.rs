//! How fast a bank is. Figures are printed, not asserted, because another machine has others:
//! `cargo test --release -p veksel-simulator --test bank rate -- --nocapture`.

use std::io::{Read, Write};
use std::time::Instant;

use crate::rig::*;

const CONNECTIONS: u64 = 4;
const EACH: u64 = if cfg!(debug_assertions) { 1_000 } else { 25_000 };

fn rate(code: &'static str, minor: u64) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let bank = start(folder.path());
    let address = bank.address();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|place| {
            let client = Client::signed_on(address);
            let stans = (0..EACH).map(|n| 1 + place * EACH + n);
            let frames: Vec<u8> =
                stans.flat_map(|stan| client.wire(&request(code, stan, minor))).collect();
            (client, frames)
        })
        .collect();
    let begun = Instant::now();
    let workers: Vec<_> = clients
        .into_iter()
        .map(|(client, frames)| {
            let mut writer = client.stream.try_clone().unwrap();
            let mut reader = client.stream;
            std::thread::spawn(move || writer.write_all(&frames).unwrap());
            std::thread::spawn(move || {
                let (mut bytes, mut buffer) = (Vec::new(), vec![0; 65_536]);
                let mut count = 0;
                while count < EACH {
                    let read = reader.read(&mut buffer).unwrap();
                    assert!(read > 0, "closed");
                    bytes.extend_from_slice(&buffer[..read]);
                    let mut rest = &bytes[..];
                    while let [high, low, body @ ..] = rest {
                        let length = usize::from(u16::from_be_bytes([*high, *low]));
                        let Some(after) = body.get(length..) else { break };
                        rest = after;
                        count += 1;
                    }
                    let taken = bytes.len() - rest.len();
                    bytes.drain(..taken);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    let seconds = begun.elapsed().as_secs_f64();
    let summary = bank.stop().unwrap();
    assert!(summary.conserved && summary.answers == summary.requests);
    (CONNECTIONS * EACH) as f64 / seconds
}

#[test]
fn payments_and_inquiries_by_the_second() {
    for (name, code, minor) in
        [("balance", "311000", 0), ("purchase", "001000", 1), ("statement", "381000", 0)]
    {
        let rate = rate(code, minor);
        writeln!(std::io::stdout(), "{name}: {rate:.0} requests/s").unwrap();
    }
}
