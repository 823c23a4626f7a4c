//! What all peers in Rust share: lines of JSON in and out, the check of values, the clock.
//!
//! A peer may panic; that is its answer. The lines are described in `../../interop/README.md`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(30);

/// Any error of a peer, in words.
pub type Answer<T> = Result<T, String>;

/// A message.
#[derive(Deserialize, Serialize)]
pub struct Line {
    /// Tells lines apart.
    pub id: String,
    /// Four digits.
    pub mti: String,
    /// Text, or an object with `hex`.
    pub fields: BTreeMap<u8, Value>,
    /// Hexadecimal.
    pub frame: String,
}

impl Line {
    /// The values as text, bytes as hexadecimal digits.
    pub fn texts(&self) -> impl Iterator<Item = (u8, &str)> {
        self.fields.iter().map(|(number, value)| {
            let text = value.as_str().or_else(|| value.get("hex").and_then(Value::as_str));
            (*number, text.unwrap_or_default())
        })
    }
}

/// An implementation.
pub trait Peer {
    /// A message in its own form, before it is written.
    type Message;
    /// Reads a frame and drops the result.
    fn decode(&self, frame: &[u8]) -> Answer<()>;
    /// Reads a frame and gives the type and all values.
    fn read(&self, frame: &[u8]) -> Answer<(String, BTreeMap<u8, String>)>;
    /// Makes a message of values.
    fn build(&self, line: &Line) -> Answer<Self::Message>;
    /// Writes it.
    fn encode(&self, message: &Self::Message) -> Answer<Vec<u8>>;
    /// Whether `decode` leaves work for whoever reads the values.
    const LAZY: bool;
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    })
}

fn bytes(hex: &str) -> Answer<Vec<u8>> {
    let pair = |at| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(pair).collect();
    bytes.ok_or_else(|| "not hexadecimal".to_owned())
}

/// A panic becomes an error.
fn guarded<T>(call: impl FnOnce() -> Answer<T>) -> Answer<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

fn measure(mut call: impl FnMut()) -> f64 {
    let mut calls = 64u32;
    loop {
        let begun = Instant::now();
        (0..calls).for_each(|_| call());
        if begun.elapsed() >= ROUND || calls >= u32::MAX / 2 {
            break;
        }
        calls *= 2;
    }
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            (0..calls).for_each(|_| call());
            begun.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn check<P: Peer>(peer: &P, line: &Line, frame: &[u8]) -> Answer<()> {
    let (mti, fields) = guarded(|| peer.read(frame))?;
    if mti != line.mti || fields.len() != line.fields.len() {
        return Err("type or number of fields differs".into());
    }
    for (number, value) in line.texts() {
        if !fields.get(&number).is_some_and(|found| found.eq_ignore_ascii_case(value)) {
            return Err(format!("field {number} differs"));
        }
    }
    Ok(())
}

fn bench<P: Peer>(peer: &P, line: &Line) -> Answer<Vec<Value>> {
    let frame = bytes(&line.frame)?;
    let mut figures = Vec::new();
    let mut figure = |direction: &str, ns: Answer<f64>| {
        figures.push(match ns {
            Ok(ns) => json!({ "id": line.id, "direction": direction, "ns": ns }),
            Err(error) => json!({ "id": line.id, "direction": direction, "error": error }),
        });
    };
    let decode = || measure(|| drop(black_box(peer.decode(black_box(&frame)))));
    let read = || measure(|| drop(black_box(peer.read(black_box(&frame)))));
    let checked = check(peer, line, &frame);
    figure("decode", checked.clone().map(|()| decode()));
    if P::LAZY {
        figure("read", checked.map(|()| read()));
    }
    let message = guarded(|| peer.build(line));
    let encode = message.and_then(|message| {
        let written = guarded(|| peer.encode(&message))?;
        if written != frame {
            return Err("the bytes differ".into());
        }
        Ok(measure(|| drop(black_box(peer.encode(black_box(&message))))))
    });
    let composed = encode.is_ok();
    figure("encode", encode);
    if composed {
        let compose =
            || measure(|| drop(black_box(peer.build(line).and_then(|m| peer.encode(&m)))));
        figure("compose", Ok(compose()));
    }
    Ok(figures)
}

/// Does what the arguments say: mode, input and output are those after the specification.
pub fn run<P: Peer>(peer: &P, mode: &str, input: &str, output: &str) -> Result<(), Box<dyn Error>> {
    std::panic::set_hook(Box::new(|_| ()));
    let mut out = String::new();
    for text in fs::read_to_string(input)?.lines().filter(|text| !text.is_empty()) {
        let line: Line = serde_json::from_str(text)?;
        let id = &line.id;
        let answers = match mode {
            "parse" => {
                let frame = bytes(&line.frame)?;
                match guarded(|| peer.read(&frame)) {
                    Ok((mti, fields)) => vec![json!({ "id": id, "mti": mti, "fields": fields })],
                    Err(error) => vec![json!({ "id": id, "error": error })],
                }
            }
            "assemble" => match guarded(|| peer.encode(&peer.build(&line)?)) {
                Ok(frame) => vec![json!({ "id": id, "frame": hex(&frame) })],
                Err(error) => vec![json!({ "id": id, "error": error })],
            },
            "bench" => bench(peer, &line)?,
            _ => return Err(format!("no mode {mode}").into()),
        };
        for answer in answers {
            let _ = writeln!(out, "{answer}");
        }
    }
    fs::write(output, out)?;
    Ok(())
}
