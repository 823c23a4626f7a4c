//! Instructions per message, counted by callgrind, beside those of `instructions.txt`.
//!
//! Counts hardly depend on the machine, so that they may fail a run where times may not. Each case
//! is run twice by this same program under valgrind, few times and often; what lies between is the
//! work itself. `cargo bench -p benches --bench instructions`; with `-- write` the file is written
//! anew. `forward` is what a switch does: a frame is read, its trace number replaced, and written.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark fails by panicking")]

use benches::messages::{Form, Sample, four, mixed};
use bytes::BytesMut;
use std::env;
use std::fs;
use std::hint::black_box;
use std::process::{Command, ExitCode};
use veksel_codecs::{Message, field};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");
/// More than this much above the baseline fails, in per cent: compilers differ a little.
const SLACK: u64 = 3;
/// Calls of the short and of the long run. Multiples of the mixed stream's length.
const CALLS: [u64; 2] = [64, 64 + 512];

fn samples(name: &str) -> Vec<Sample> {
    let mut four = four().into_iter();
    four.find(|(known, _)| *known == name).map_or_else(|| mixed(64), |(_, sample)| vec![sample])
}

/// Every case: direction, message and wire form.
fn cases() -> impl Iterator<Item = [&'static str; 3]> {
    let named = |direction| {
        ["a", "b", "c", "d", "mixed"].into_iter().flat_map(move |name| {
            Form::ALL.into_iter().map(move |form| [direction, name, form.word()])
        })
    };
    ["decode", "encode", "forward"].into_iter().flat_map(named)
}

/// The work of one case, so many times.
fn work(direction: &str, name: &str, form: &str, calls: usize) {
    let form = Form::ALL.into_iter().find(|known| known.word() == form).unwrap();
    let codec = form.codec();
    let samples = samples(name);
    let messages: Vec<Message> = samples.iter().map(Sample::message).collect();
    let frames: Vec<Vec<u8>> = samples.iter().map(|sample| sample.encode(&codec)).collect();
    let (mut read, mut out) = (Message::new(), BytesMut::new());
    for turn in 0..calls {
        let (frame, message) = (&frames[turn % frames.len()], &messages[turn % messages.len()]);
        out.clear();
        match direction {
            "decode" => codec.decode_into(black_box(frame), &mut read).unwrap(),
            "encode" => codec.encode(black_box(message), &mut out).unwrap(),
            _ => {
                codec.decode_into(black_box(frame), &mut read).unwrap();
                read.set(field::STAN, 77);
                codec.encode(&read, &mut out).unwrap();
            }
        }
        black_box((&read, &out));
    }
}

/// Instructions of one message.
fn count(case: [&str; 3]) -> u64 {
    let [short, long] = CALLS.map(|calls| {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(env::current_exe().unwrap())
            .arg("work")
            .args(case)
            .arg(calls.to_string())
            .output()
            .unwrap();
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        let collected = report.lines().find_map(|line| line.split_once("Collected : "));
        collected.unwrap_or_else(|| panic!("{report}")).1.trim().parse::<u64>().unwrap()
    });
    (long - short) / (CALLS[1] - CALLS[0])
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [work_word, direction, name, form, calls] = arguments.as_slice()
        && work_word == "work"
    {
        work(direction, name, form, calls.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("valgrind is not installed: nothing is counted");
        return ExitCode::SUCCESS;
    }
    let baseline = fs::read_to_string(BASELINE).unwrap_or_default();
    let (mut lines, mut worse) = (String::new(), 0);
    for case in cases() {
        let (key, found) = (case.join(" "), count(case));
        let before = baseline.lines().find_map(|line| line.strip_prefix(&key)?.trim().parse().ok());
        let before: u64 = before.unwrap_or(u64::MAX / 200);
        let verdict = if found > before + before * SLACK / 100 { "WORSE" } else { "" };
        worse += usize::from(!verdict.is_empty());
        println!("{key:20} {found:6} {before:6} {verdict}");
        lines.push_str(&format!("{key} {found}\n"));
    }
    if arguments.iter().any(|argument| argument == "write") {
        fs::write(BASELINE, lines).unwrap();
        return ExitCode::SUCCESS;
    }
    println!("{worse} of them over the baseline by more than {SLACK} per cent");
    if worse == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
