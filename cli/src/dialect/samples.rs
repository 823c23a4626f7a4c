//! `veksel dialect infer` and `test`: messages put to dialects.
//!
//! What is printed names fields and places and never a value.

use super::{bytes, listed, load};
use crate::arguments::dialect::{Infer, Test};
use crate::hex;
use crate::output::{Exit, Failure, Output, Tone};
use bytes::BytesMut;
use serde_json::{Map, Value, json};
use std::path::Path;
use veksel_codecs::dialect::SHIPPED;
use veksel_codecs::{Codec, FieldNumber, Framing, LengthForm, Message, Step};

/// Complaints that are printed.
const SHOWN: usize = 50;

/// A message and what it is said to hold.
pub(super) struct Sample {
    pub(super) frame: Vec<u8>,
    pub(super) mti: Option<String>,
    pub(super) fields: Option<Map<String, Value>>,
}

/// The samples of a file: lines of JSON, as those of the shipped dialects are written, hexadecimal,
/// or one message as raw bytes.
fn samples(path: &Path) -> Result<Vec<Sample>, Failure> {
    let bytes = bytes(path)?;
    let plain = |frame| Sample { frame, mti: None, fields: None };
    let refused = |what: String| Failure::no("input", format!("{}: {what}", path.display()));
    let text = str::from_utf8(&bytes).ok();
    let text = text.filter(|text| text.chars().all(|c| !c.is_control() || c.is_whitespace()));
    let Some(text) = text else { return Ok(vec![plain(bytes)]) };
    if listed::is_listed(text) {
        return listed::read(text).map_err(|(line, what)| refused(format!("line {line}: {what}")));
    }
    if !text.trim_start().starts_with('{') {
        return match hex::parse(text) {
            Ok(blocks) => Ok(blocks.into_iter().map(plain).collect()),
            Err(hex::NotHex::Empty) => Err(refused("there is no message".to_owned())),
            // A message in hexadecimal begins with digits only, one in ASCII does so too.
            Err(_) => Ok(vec![plain(text.trim_end().as_bytes().to_vec())]),
        };
    }
    let mut found = Vec::new();
    for (line, number) in text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        let at = |what: String| refused(format!("line {number}: {what}"));
        let value: Value = serde_json::from_str(line).map_err(|error| at(error.to_string()))?;
        let frame = value.get("frame").and_then(Value::as_str);
        let frame = frame.ok_or_else(|| at("it has no `frame`".to_owned()))?;
        let blocks = hex::parse(frame).map_err(|error| at(format!("`frame`: {error}")))?;
        let mti = value.get("mti").and_then(Value::as_str).map(str::to_owned);
        let fields = value.get("fields").and_then(Value::as_object).cloned();
        found.push(Sample { frame: blocks.concat(), mti, fields });
    }
    Ok(found)
}

/// What the message of a frame may be: all of it, or what follows one of the lengths that a link
/// may put in front, if that is as long as the length says.
fn messages(frame: &[u8]) -> Vec<&[u8]> {
    let mut found = vec![frame];
    // Without a length the whole is the message.
    for length in LengthForm::ALL.into_iter().filter(|length| length.width() > 0) {
        for counts_itself in [false, true] {
            let frame_max = u16::MAX.into();
            let framing = Framing { length, counts_itself, frame_max, ..Framing::binary2() };
            if let Ok(Step::Frame { message, consumed, .. }) = framing.decode(frame)
                && consumed == frame.len()
            {
                found.push(message);
            }
        }
    }
    found
}

/// Reads the message of a frame; gives it, or how far it could be read at best and what then was
/// wrong.
fn read<'f>(
    codec: &Codec,
    frame: &'f [u8],
    message: &mut Message,
) -> Result<&'f [u8], (usize, String)> {
    let mut best: Option<(usize, String)> = None;
    for bytes in messages(frame) {
        match codec.decode_into(bytes, message) {
            Ok(()) => return Ok(bytes),
            Err(error) => {
                let offset = usize::try_from(error.offset).unwrap_or(usize::MAX).min(bytes.len());
                if best.as_ref().is_none_or(|(reach, _)| offset > *reach) {
                    best = Some((offset, error.to_string()));
                }
            }
        }
    }
    Err(best.unwrap_or_default())
}

/// How a dialect did on messages.
struct Fit {
    name: String,
    read: usize,
    error: Option<String>,
    /// Bytes that it made sense of, over all messages.
    reach: usize,
}

/// Tries the shipped dialects on messages. The answer is no if none reads them all.
pub(super) fn infer(arguments: &Infer, output: Output) -> Result<Exit, Failure> {
    let mut frames = Vec::new();
    for file in &arguments.files {
        for (sample, number) in samples(file)?.into_iter().zip(1..) {
            frames.push((format!("{}, message {number}", file.display()), sample.frame));
        }
    }
    let shipped = SHIPPED.iter().map(|(name, _)| (*name).to_owned());
    let mut fits = Vec::new();
    for name in shipped.chain(arguments.with.iter().cloned()) {
        let codec = Codec::new(load(&name)?);
        fits.push(fit(name, &codec, &frames));
    }
    fits.sort_by_key(|fit| std::cmp::Reverse((fit.read, fit.reach)));
    let exit = if fits.iter().any(|fit| fit.error.is_none()) { Exit::Yes } else { Exit::No };
    if output.json {
        let one = |fit: &Fit| {
            let Fit { name, read, error, reach } = fit;
            json!({ "dialect": name, "read": read, "of": frames.len(), "error": error, "bytes": reach })
        };
        output.print_json(&fits.iter().map(one).collect())?;
        return Ok(exit);
    }
    let row = |fit: Fit| {
        let word = if fit.error.is_none() { "fits" } else { "does not" };
        let read = format!("{} of {}", fit.read, frames.len());
        vec![fit.name, word.to_owned(), read, fit.error.unwrap_or_default()]
    };
    let rows = fits.into_iter().map(row).collect();
    output.print(output.table(&["dialect", "result", "read", "first error"], rows))?;
    Ok(exit)
}

fn fit(name: String, codec: &Codec, frames: &[(String, Vec<u8>)]) -> Fit {
    let mut message = Message::new();
    let mut fit = Fit { name, read: 0, error: None, reach: 0 };
    for (place, frame) in frames {
        match read(codec, frame, &mut message) {
            Ok(bytes) => {
                fit.read = fit.read.saturating_add(1);
                fit.reach = fit.reach.saturating_add(bytes.len());
            }
            Err((reach, error)) => {
                fit.reach = fit.reach.saturating_add(reach);
                fit.error.get_or_insert_with(|| format!("{place}: {error}"));
            }
        }
    }
    fit
}

/// Reads samples, compares, and writes them again. The answer is no if one is not as it should be.
pub(super) fn test(arguments: &Test, output: Output) -> Result<Exit, Failure> {
    let codec = Codec::new(load(&arguments.dialect)?);
    let samples = samples(&arguments.samples)?;
    let mut complaints = Vec::new();
    for (sample, number) in samples.iter().zip(1..) {
        complaints.extend(check(&codec, sample).into_iter().map(|what| (number, what)));
    }
    let exit = if complaints.is_empty() { Exit::Yes } else { Exit::No };
    if output.json {
        let one = |(number, what): &(usize, String)| json!({ "sample": number, "what": what });
        output.print_json(&json!({
            "passed": complaints.is_empty(),
            "samples": samples.len(),
            "complaints": complaints.iter().map(one).collect::<Value>(),
        }))?;
        return Ok(exit);
    }
    let head = output.paint(Tone::Bad, "error");
    for (number, what) in complaints.iter().take(SHOWN) {
        output.print(format!("{head}: sample {number}: {what}\n"))?;
    }
    let count = samples.len();
    match complaints.len() {
        0 => output.print(format!("{count} samples read and written again\n"))?,
        bad => output.print(format!("{bad} complaints about {count} samples\n"))?,
    }
    Ok(exit)
}

/// What is wrong with a sample.
fn check(codec: &Codec, sample: &Sample) -> Vec<String> {
    let mut message = Message::new();
    let frame = match read(codec, &sample.frame, &mut message) {
        Ok(frame) => frame,
        Err((_, error)) => return vec![error],
    };
    let mut found = Vec::new();
    let mti = message.mti().to_string();
    if let Some(expected) = sample.mti.as_ref().filter(|expected| **expected != mti) {
        found.push(format!("its type is {mti} and not {expected}"));
    }
    for (key, value) in sample.fields.iter().flatten() {
        let number = key.parse().ok().and_then(FieldNumber::new);
        let raw = number.and_then(|number| message.expose(number));
        let text = raw.map(|raw| match raw.binary() {
            Some(bytes) => bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
            None => raw.text().map(|text| text.as_str().to_owned()).unwrap_or_default(),
        });
        let expected = value.as_str().map(str::to_owned);
        let bytes = value.get("hex").and_then(Value::as_str).map(str::to_uppercase);
        match (text, expected.or(bytes)) {
            (None, _) => found.push(format!("field {key} is not there")),
            (Some(text), Some(expected)) if text == expected => (),
            (Some(_), _) => found.push(format!("field {key} has another value")),
        }
    }
    if let Some(fields) = &sample.fields {
        let extra = message.fields().iter().filter(|n| !fields.contains_key(&n.get().to_string()));
        found.extend(extra.map(|number| format!("{number} is not expected")));
    }
    // From the values alone: a message that was read keeps its bytes.
    let mut made = Message::of(message.mti());
    for number in message.fields().iter() {
        let Some(raw) = message.expose(number) else { continue };
        match (raw.binary(), raw.text()) {
            (Some(bytes), _) => made.set_binary(number, &bytes),
            (None, Some(text)) => made.set_text(number, text.as_str()),
            (None, None) => (),
        }
    }
    let mut out = BytesMut::new();
    match codec.encode(&made, &mut out) {
        Ok(()) if out == frame => (),
        Ok(()) => {
            let at = out.iter().zip(frame).take_while(|(a, b)| a == b).count();
            found.push(format!("written again it differs from offset {at}"));
        }
        Err(error) => found.push(format!("it cannot be written again: {error}")),
    }
    found
}
