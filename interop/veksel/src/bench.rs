//! Our own figures, measured as the peers measure theirs.

use crate::Result;
use crate::messages::{Form, Value, four};
use bytes::BytesMut;
use serde_json::json;
use std::hint::black_box;
use std::time::{Duration, Instant};
use veksel_codecs::{Codec, FieldNumber, Message};

/// Rounds of a figure, which is their median.
const ROUNDS: usize = 15;
/// Each round takes about this long.
const ROUND: Duration = Duration::from_millis(30);

/// The wire form of a name.
pub(crate) fn form(word: &str) -> Result<Form> {
    let found = Form::ALL.into_iter().find(|form| form.word() == word);
    found.ok_or_else(|| format!("`{word}` is none of ahex, abin, bcd").into())
}

/// How much further into its buffer each round writes. Where a frame crosses from one page of
/// memory into the next it costs a third more, and whether it does is luck of the addresses.
const FURTHER: usize = 272;

/// Nanoseconds per call, the median of the rounds after two of warming up. A call is told the
/// number of its round; the first has the highest.
fn measure(mut call: impl FnMut(usize)) -> f64 {
    let mut calls = 64u32;
    loop {
        let begun = Instant::now();
        (0..calls).for_each(|_| call(ROUNDS));
        if begun.elapsed() >= ROUND || calls >= u32::MAX / 2 {
            break;
        }
        calls *= 2;
    }
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .rev()
        .map(|round| {
            let begun = Instant::now();
            (0..calls).for_each(|_| call(round));
            begun.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds.get(ROUNDS / 2).copied().unwrap_or(f64::NAN)
}

/// Prints a line of JSON for each message and direction. `read` is decoding and then looking at
/// the value of every field, `compose` is setting every field of an empty message and encoding it.
pub(crate) fn bench(word: &str) -> Result<()> {
    let form = form(word)?;
    let codec: Codec = form.codec();
    for (name, sample) in four() {
        let frame = sample.encode(&codec);
        let message = sample.message();
        let mut read = Message::new();
        codec.decode_into(&frame, &mut read)?;
        for (number, value) in &sample.fields {
            let field = FieldNumber::new(*number).ok_or("not a field")?;
            let raw = read.expose(field).ok_or("a field is missing")?;
            let text = raw.text().map(|text| text.as_bytes().to_vec());
            let found = raw.binary().map(|bytes| bytes.to_vec()).or(text);
            if found.as_deref() != Some(value.as_bytes()) {
                return Err(format!("{name} {word}: field {number} differs").into());
            }
        }
        let mut out = BytesMut::new();
        codec.encode(&message, &mut out)?;
        if out != frame {
            return Err(format!("{name} {word}: the bytes differ").into());
        }
        let print = |direction: &str, ns: f64| {
            println!("{}", json!({ "id": name, "direction": direction, "ns": ns }));
        };
        print(
            "decode",
            measure(|_| {
                let _ = black_box(codec.decode_into(black_box(&frame), &mut read));
                black_box(&read);
            }),
        );
        print(
            "read",
            measure(|_| {
                let _ = black_box(codec.decode_into(black_box(&frame), &mut read));
                for (_, raw) in read.values() {
                    match raw.text() {
                        Some(text) => black_box(text.as_bytes().len()),
                        None => black_box(raw.binary().map_or(0, |bytes| bytes.len())),
                    };
                }
            }),
        );
        out.resize(ROUNDS * FURTHER, 0);
        print(
            "encode",
            measure(|round| {
                out.truncate(round * FURTHER);
                let _ = black_box(codec.encode(black_box(&message), &mut out));
                black_box(&out);
            }),
        );
        let mut made = Message::new();
        out.resize(ROUNDS * FURTHER, 0);
        print(
            "compose",
            measure(|round| {
                made.clear();
                made.set_mti(message.mti());
                for (number, value) in black_box(&sample.fields) {
                    let Some(number) = FieldNumber::new(*number) else { continue };
                    match value {
                        Value::Text(text) => made.set_text(number, text),
                        Value::Binary(bytes) => made.set_binary(number, bytes),
                    }
                }
                out.truncate(round * FURTHER);
                let _ = black_box(codec.encode(&made, &mut out));
                black_box(&out);
            }),
        );
    }
    Ok(())
}
