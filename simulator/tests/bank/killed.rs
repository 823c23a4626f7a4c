//! A bank that dies by SIGKILL under load knows everything it has answered.
//!
//! The child is this test program, told by its environment to be a bank.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use veksel_codecs::Message;

use crate::rig::*;

const CHILD: &str = "VEKSEL_BANK_CHILD";
const ROUNDS: u64 = 4;

#[test]
fn child_is_a_bank_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let bank = start(&folder);
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nlistening {}", bank.address()).unwrap();
    out.flush().unwrap();
    // Long after its parent has lost patience.
    let _ = bank.wait(Duration::from_secs(60));
}

#[test]
fn kill_forgets_nothing_that_was_answered() {
    let folder = tempfile::tempdir().unwrap();
    let mut answered: Vec<(Message, Message)> = Vec::new();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::child_is_a_bank_until_it_is_killed", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().unwrap_or_else(|| panic!("the child ended")).unwrap();
            if let Some(address) = line.strip_prefix("listening ") {
                break address.parse().unwrap();
            }
        };
        let mut client = Client::signed_on(address);
        let requests: Vec<_> =
            (0..300).map(|n| request("001000", 1 + round * 1_000 + n, 100)).collect();
        let frames: Vec<u8> = requests.iter().flat_map(|asked| client.wire(asked)).collect();
        client.stream.write_all(&frames).unwrap();
        for asked in requests.iter().take(40 + usize::try_from(round).unwrap() * 50) {
            answered.push((asked.clone(), client.receive().unwrap()));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let bank = start(folder.path());
    let before = bank.summary().unwrap();
    assert!(before.conserved && before.transfers_by_message >= answered.len() as u64);
    let mut client = Client::signed_on(bank.address());
    for (asked, answer) in &answered {
        assert_eq!(&client.ask(asked), answer);
    }
    // The balance is what the transfers say; a lost or doubled one would show.
    let paid = before.transfers_by_message * 100;
    assert_eq!(client.balance(999_999)[8..20], format!("{:012}", 4_523_000 - paid));
    let after = bank.stop().unwrap();
    assert_eq!((after.transfers, after.replays), (before.transfers, answered.len() as u64));
}
