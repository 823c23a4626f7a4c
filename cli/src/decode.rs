//! `veksel decode`: bytes in, fields out, and for bytes that are no message where and why.
//!
//! Reading is the codec's work. Here is what surrounds it: finding the input and the frames in it,
//! and showing what was found without showing what is sensitive.

use crate::arguments::Decode;
use crate::hex;
use crate::link::Link;
use crate::masking::Shown;
use crate::output::{Exit, Failure, Output, Tone};
use crate::words;
use complaint::Complaint;
use serde_json::{Value, json};
use std::fmt::Write;
use std::io::Read;
use veksel_codecs::{
    Codec, DecodeError, Fault, FieldNumber, FrameError, Framing, KeepAlive, Line, Message, Step,
};

mod complaint;

/// More than this is not a message somebody wants to read, but a log.
const INPUT_MAX: u64 = 16 << 20;

/// Reads the input and prints what is in it.
///
/// # Errors
/// When there is no input, or the flags make no sense.
pub(crate) fn decode(arguments: &Decode, output: Output) -> Result<Exit, Failure> {
    let link = Link::of(&arguments.link, None, None)?;
    let input = Input::of(arguments)?;
    let mut frames = Vec::new();
    for block in &input.blocks {
        frames.extend(split(block, arguments, &link));
    }
    let decoded: Vec<_> = frames.into_iter().map(|frame| Decoded::of(frame, &link.codec)).collect();
    let is_valid = decoded.iter().all(Decoded::is_valid);
    if output.json {
        let frames = decoded.iter().map(|decoded| decoded.json(&link.codec, arguments.clear));
        let frames: Vec<_> = frames.collect();
        output.print_json(&json!({
            "valid": is_valid,
            "dialect": link.codec.dialect().name(),
            "input": input.note,
            "frames": frames,
        }))?;
    } else {
        for (decoded, number) in decoded.iter().zip(1..) {
            let gap = if number > 1 { "\n" } else { "" };
            let text = decoded.text(&link.codec, arguments.clear, number, output);
            output.print(format!("{gap}{text}"))?;
        }
        if let Some(note) = input.note.filter(|_| !is_valid) {
            output.print(format!("   = note: the input was read as raw bytes: {note}\n"))?;
        }
    }
    Ok(if is_valid { Exit::Yes } else { Exit::No })
}

/// The bytes to read.
struct Input {
    blocks: Vec<Vec<u8>>,
    /// Why the input was taken as raw bytes, if nobody said that it is.
    note: Option<String>,
}

impl Input {
    fn of(arguments: &Decode) -> Result<Self, Failure> {
        let inline = arguments.hex.join(" ");
        if !inline.is_empty() && inline != "-" {
            let blocks = hex::parse(&inline).map_err(|error| {
                let failure = Failure::usage(error.to_string());
                failure.help("what stands in a file is read with --file, or from standard input")
            })?;
            return Ok(Self { blocks, note: None });
        }
        let (name, mut bytes) = (arguments.file.as_deref(), Vec::new());
        let read = match name {
            Some(path) => std::fs::File::open(path)
                .and_then(|file| file.take(INPUT_MAX + 1).read_to_end(&mut bytes)),
            None => std::io::stdin().lock().take(INPUT_MAX + 1).read_to_end(&mut bytes),
        };
        if bytes.len() as u64 > INPUT_MAX {
            let mib = INPUT_MAX >> 20;
            return Err(Failure::no("input", format!("it is longer than {mib} MiB; cut it up")));
        }
        read.map_err(|error| {
            let name = name.map_or("standard input".into(), |path| path.to_string_lossy());
            Failure::no("input", format!("{name} cannot be read: {error}"))
        })?;
        Self::of_bytes(bytes, arguments.raw)
    }

    fn of_bytes(bytes: Vec<u8>, raw: bool) -> Result<Self, Failure> {
        if bytes.is_empty() {
            let failure = Failure::no("input", "the input is empty");
            return Err(failure.help("give hexadecimal as an argument, a --file or standard input"));
        }
        if raw {
            return Ok(Self { blocks: vec![bytes], note: None });
        }
        let text = str::from_utf8(&bytes).ok();
        let is_text = |text: &&str| text.chars().all(|c| !c.is_control() || c.is_whitespace());
        match text.filter(is_text).map(hex::parse) {
            Some(Ok(blocks)) => Ok(Self { blocks, note: None }),
            Some(Err(error)) => {
                // A file of characters ends with a newline that is not of the message.
                let end = bytes.trim_ascii_end().len().max(1);
                let blocks = vec![bytes.get(..end).unwrap_or(&bytes).to_vec()];
                Ok(Self { blocks, note: Some(error.to_string()) })
            }
            None => Ok(Self { blocks: vec![bytes], note: None }),
        }
    }
}

/// A stretch of the input.
enum Frame {
    /// A message, with the bytes of length and header in front of it.
    Message { front: usize, bytes: Vec<u8>, is_cut: bool },
    /// A frame of length zero.
    KeepAlive,
    /// What cannot be the beginning of a frame.
    Broken(String),
}

/// Finds the frames of a block, by the framing that was given or the one that fits.
fn split(block: &[u8], arguments: &Decode, link: &Link) -> Vec<Frame> {
    let whole = || vec![Frame::Message { front: 0, bytes: block.to_vec(), is_cut: false }];
    if arguments.no_frame {
        return whole();
    }
    let roomy = Framing { frame_max: 65_535, ..link.framing.clone() };
    let framing = if arguments.link.framing.is_some() { &link.framing } else { &roomy };
    let frames = split_by(block, framing, &link.codec);
    let fits = |frame: &Frame| match frame {
        Frame::Message { is_cut, .. } => !is_cut,
        Frame::KeepAlive => true,
        Frame::Broken(_) => false,
    };
    if arguments.link.framing.is_some() || frames.iter().all(fits) {
        return frames;
    }
    // A length that does not fit the rest is a length all the same if a type follows it.
    match frames.first() {
        Some(Frame::Message { front, .. })
            if starts_with_type(block.get(*front..)) && !starts_with_type(Some(block)) =>
        {
            frames
        }
        _ => whole(),
    }
}

/// Whether bytes begin like a message: four digits, the first of them a version.
fn starts_with_type(bytes: Option<&[u8]>) -> bool {
    let start = bytes.and_then(|bytes| bytes.first_chunk::<4>());
    start.is_some_and(|start| {
        matches!(start, [b'0'..=b'2', ..]) && start.iter().all(u8::is_ascii_digit)
    })
}

fn split_by(block: &[u8], framing: &Framing, codec: &Codec) -> Vec<Frame> {
    let framing = Framing { keep_alive: KeepAlive::Ignore, ..framing.clone() };
    let edges = framing.marker.len().saturating_add(framing.reserved.len());
    let front = framing.length.width().saturating_add(framing.header_width());
    let front = front.saturating_add(edges);
    let mut frames = Vec::new();
    let mut rest = block;
    while !rest.is_empty() {
        let consumed = match framing.decode_with(codec, rest) {
            Ok(Step::Frame { message, consumed, .. }) => {
                frames.push(Frame::Message { front, bytes: message.to_vec(), is_cut: false });
                consumed
            }
            Ok(Step::KeepAlive { consumed }) => {
                frames.push(Frame::KeepAlive);
                consumed
            }
            Ok(Step::Incomplete) => {
                let bytes = rest.get(front..).unwrap_or_default().to_vec();
                frames.push(Frame::Message { front, bytes, is_cut: true });
                rest.len()
            }
            // Reading the message tells more, but not that the link wants a shorter one.
            Err(FrameError::Message { fault, .. }) if fault != Fault::Oversized => {
                let bytes = rest.get(front..).unwrap_or_default().to_vec();
                frames.push(Frame::Message { front, bytes, is_cut: false });
                rest.len()
            }
            Err(error) => {
                frames.push(Frame::Broken(error.to_string()));
                rest.len()
            }
        };
        rest = rest.get(consumed..).unwrap_or_default();
    }
    frames
}

/// A frame and what the codec made of it.
struct Decoded {
    frame: Frame,
    message: Message,
    lines: Vec<Line>,
    /// Why the frame cannot be read.
    error: Option<DecodeError>,
    /// What is wrong with the parts of its fields, if the dialect has them looked at.
    inside: Option<DecodeError>,
}

impl Decoded {
    fn of(frame: Frame, codec: &Codec) -> Self {
        let mut message = Message::new();
        let error = match &frame {
            Frame::Message { bytes, .. } => codec.decode_into(bytes, &mut message).err(),
            Frame::KeepAlive | Frame::Broken(_) => None,
        };
        let lines = codec.describe(&message);
        let is_read = error.is_none();
        let inside = codec.check_nested(&message).err().filter(|_| is_read);
        Self { frame, message, lines, error, inside }
    }

    fn is_valid(&self) -> bool {
        match &self.frame {
            Frame::Message { is_cut, .. } => {
                !is_cut && self.error.is_none() && self.inside.is_none()
            }
            Frame::KeepAlive => true,
            Frame::Broken(_) => false,
        }
    }

    /// What is wrong, and the same in words.
    fn complaint(&self, codec: &Codec, shown: &Shown<'_>) -> Option<(DecodeError, Complaint)> {
        let of_frame = self.error.map(|error| {
            let complaint = Complaint::of(codec, &self.message, shown, &error);
            (error, complaint)
        });
        of_frame.or_else(|| {
            let error = self.inside?;
            Some((error, Complaint::inside(codec, &self.message, shown, &error)))
        })
    }

    /// The type in words, unless not even that was read.
    fn title(&self) -> Option<String> {
        let mti = self.message.mti();
        let unread = self.error.is_some_and(|error| error.path.field == FieldNumber::MTI);
        (!unread).then(|| format!("{mti} {}", words::mti(mti)))
    }

    fn json(&self, codec: &Codec, clear: bool) -> Value {
        let (front, is_cut) = match &self.frame {
            Frame::Message { front, is_cut, .. } => (*front, *is_cut),
            Frame::KeepAlive => return json!({ "keep_alive": true, "valid": true }),
            Frame::Broken(error) => {
                return json!({ "valid": false, "error": { "kind": "frame", "message": error } });
            }
        };
        let shown = Shown::of(codec, &self.message, self.error.as_ref(), clear);
        let title = self.title();
        let error = self.complaint(codec, &shown).map(|(error, complaint)| {
            json!({
                "kind": error.fault.word(),
                "message": format!("{} at offset {}: {}", error.path, error.offset, complaint.why),
                "path": error.path.short(),
                "field": error.path.field.get(),
                "name": codec.dialect().field(error.path.field).map(|field| &field.name),
                "offset": error.offset,
                "expected": complaint.expected,
                "found": complaint.found,
                "likely_cause": complaint.cause,
                "de44": error.additional_response(),
            })
        });
        json!({
            "valid": self.is_valid(),
            "mti": title.is_some().then(|| self.message.mti().to_string()),
            "meaning": title.is_some().then(|| words::mti(self.message.mti())),
            "front": front,
            "length": self.message.frame().len(),
            "cut": is_cut,
            "fields": words::fields(&self.lines, &shown, clear),
            "error": error,
        })
    }

    fn text(&self, codec: &Codec, clear: bool, number: usize, output: Output) -> String {
        let (front, is_cut) = match &self.frame {
            Frame::Message { front, is_cut, .. } => (*front, *is_cut),
            Frame::KeepAlive => return format!("frame {number}: keep-alive\n"),
            Frame::Broken(error) => {
                let head = output.paint(Tone::Bad, "error");
                return format!("{head}: {error}\n  --> frame {number}\n");
            }
        };
        let length = self.message.frame().len();
        let title = self.title().unwrap_or_else(|| "unreadable".to_owned());
        let framed = match front {
            0 => String::new(),
            front => format!(" after {front} of length and header"),
        };
        let mut text = format!("frame {number}: {title}, {length} bytes{framed}\n");
        let shown = Shown::of(codec, &self.message, self.error.as_ref(), clear);
        if !self.lines.is_empty() {
            let rows = words::field_rows(&self.lines, &shown, clear);
            text.push_str(&output.table(words::FIELD_HEADER, rows));
        }
        let head = output.paint(Tone::Bad, "error");
        if is_cut {
            let _ = writeln!(text, "{head}: frame {number} is longer than the input");
        }
        let Some((error, complaint)) = self.complaint(codec, &shown) else { return text };
        let bytes: Vec<_> = shown.bytes().collect();
        let offset = usize::try_from(error.offset).unwrap_or(usize::MAX).min(bytes.len());
        let Complaint { field, why, expected, found, cause } = complaint;
        let _ = writeln!(text, "{head}: {field}: {why}");
        let _ = writeln!(text, "  --> frame {number}, offset {offset} (0x{offset:02x})");
        text.push_str(&hex::window(&bytes, offset));
        let _ = writeln!(text, "   = expected: {expected}");
        if let Some(found) = found {
            let _ = writeln!(text, "   = found: {found}");
        }
        if let Some(cause) = cause {
            let _ = writeln!(text, "   = likely cause: {cause}");
        }
        text
    }
}
