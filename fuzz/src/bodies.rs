//! The two bodies: framing and codecs. A finding is a panic.
//!
//! This file is compiled twice: into the fuzz targets and, by its path, into a test of `codecs`.
//! So it names nothing but the public API of `veksel-codecs` and `bytes`.

use bytes::BytesMut;
use std::collections::LinkedList;
use std::sync::OnceLock;
use veksel_codecs::dialect::{Bitmap, Digits, SHIPPED};
use veksel_codecs::{
    Codec, Content, DecodeError, Dialect, Fault, FieldNumber, FrameError, Framing, Header,
    KeepAlive, LengthForm, Message, Sensitivity, Step,
};

/// A step of a stream, with its bytes.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Frame { header: Vec<u8>, message: Vec<u8> },
    KeepAlive,
}

/// Framing. The first six bytes choose the parameters and the cuts, the rest is the stream. Where
/// the message itself tells its end, the first byte also chooses its dialect.
///
/// The same stream gives the same frames and ends with the same error however it is cut into
/// reads; a frame written again is the bytes it was read from; no frame is longer than allowed, and
/// one that tells its own end is a message but for its content.
pub fn frame(data: &[u8]) {
    let Some((&[form, flags, width, limit_high, limit_low, cuts], stream)) =
        data.split_first_chunk::<6>()
    else {
        return;
    };
    // The first four are those of the oldest seeds.
    let first = [LengthForm::Binary2, LengthForm::Binary4, LengthForm::Ascii4, LengthForm::Bcd2];
    let is_other = |form: &LengthForm| !first.contains(form) && *form != LengthForm::Message;
    let others = LengthForm::ALL.into_iter().filter(is_other);
    let lengths: Vec<_> = first.into_iter().chain(others).collect();
    let codec = &codecs()[usize::from(form & 0x3F) % codecs().len()];
    let length = match form & 0x80 {
        0 => lengths[usize::from(form) % lengths.len()],
        _ => LengthForm::Message,
    };
    let has_trailer = flags & 0x80 != 0 || length == LengthForm::None;
    let framing = Framing {
        length,
        counts_itself: flags & 1 != 0,
        counts_header: flags & 2 != 0,
        counts_trailer: form & 0x40 != 0,
        marker: if flags & 0x40 != 0 { vec![0xD0, 0x4A] } else { Vec::new() },
        reserved: Vec::new(),
        trailer: if has_trailer { vec![3] } else { Vec::new() },
        header: match flags >> 2 & 3 {
            // The total it is written with may be the trailer that ends a frame without a length.
            1 if length != LengthForm::None => {
                Header::Base1(core::array::from_fn(|at| if at == 0 { 22 } else { 0 }))
            }
            0 | 1 => Header::None,
            2 => Header::Fixed(vec![0xA5; usize::from(width % 32)]),
            _ => Header::Tpdu([0x60, 0, 1, 0, 2]),
        },
        keep_alive: [KeepAlive::Ignore, KeepAlive::Echo, KeepAlive::Reject]
            [usize::from(flags >> 4 & 3) % 3],
        frame_max: u32::from(u16::from_be_bytes([limit_high, limit_low])),
    };
    let whole = steps(&framing, codec, [stream]);
    let mut random = u32::from(cuts) + 1;
    let mut rest = stream;
    let cut = core::iter::from_fn(|| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let most = if cuts & 1 == 0 { 3 } else { 64 };
        let width = usize::try_from(random >> 24).unwrap_or(0) % most;
        let (piece, after) = rest.split_at(width.min(rest.len()));
        let more = !rest.is_empty();
        rest = after;
        more.then_some(piece)
    });
    assert_eq!(steps(&framing, codec, cut), whole, "the cuts of a stream changed its frames");
    written_again(&framing, codec, stream, &whole.0);
}

/// Feeds a stream piece by piece, as a connection would.
fn steps<'a>(
    framing: &Framing,
    codec: &Codec,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (LinkedList<Seen>, Option<FrameError>) {
    // A list, so that what is seen of a stream of keep-alives is no large allocation of its own.
    let (mut buffer, mut seen) = (Vec::new(), LinkedList::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut read = 0;
        loop {
            let consumed = match framing.decode_with(codec, &buffer[read..]) {
                Err(error) => return (seen, Some(error)),
                Ok(Step::Incomplete) => break,
                Ok(Step::KeepAlive { consumed }) => {
                    seen.push_back(Seen::KeepAlive);
                    consumed
                }
                Ok(Step::Frame { header, message, consumed }) => {
                    assert!(message.len() <= framing.frame_max as usize && !message.is_empty());
                    if framing.length == LengthForm::Message {
                        measured(codec, message);
                    }
                    let (header, message) = (header.to_vec(), message.to_vec());
                    seen.push_back(Seen::Frame { header, message });
                    consumed
                }
            };
            assert!(consumed > 0, "a step took nothing: the reader would spin");
            read += consumed;
        }
        buffer.drain(..read);
    }
    (seen, None)
}

/// What tells its own end is a message to this end, whatever its fields hold.
fn measured(codec: &Codec, message: &[u8]) {
    match codec.decode_into(message, &mut Message::new()) {
        Ok(()) => {}
        Err(error) => assert!(matches!(error.fault, Fault::Content { .. }), "{error}"),
    }
}

/// What was read is written as the same bytes, but for the total in a BASE I header.
fn written_again(framing: &Framing, codec: &Codec, stream: &[u8], seen: &LinkedList<Seen>) {
    let mut out = BytesMut::new();
    for step in seen {
        match step {
            Seen::KeepAlive => framing.encode_keep_alive(&mut out),
            Seen::Frame { header, message } => {
                let written = framing.encode(header, &mut out, |out| {
                    out.extend_from_slice(message);
                    Ok::<(), FrameError>(())
                });
                written.expect("a frame that was read can be written");
                let (mut answer, mut back) = (Vec::new(), Vec::new());
                framing.answer_header(header, &mut answer);
                framing.answer_header(&answer, &mut back);
                // The answer to a reject is no reject.
                if header.len() != 26 {
                    assert_eq!(&back, header, "an answer to the answer goes to the first sender");
                }
            }
        }
    }
    if let Header::Base1(_) = framing.header {
        let (again, error) = steps(framing, codec, [&out[..]]);
        assert_eq!(error, None, "what was written is read");
        let with_total = |step: &Seen| match step {
            Seen::KeepAlive => Seen::KeepAlive,
            Seen::Frame { header, message } => {
                let (mut header, message) = (header.clone(), message.clone());
                let total = u16::try_from(header.len() + message.len()).unwrap_or(0);
                header[3..5].copy_from_slice(&total.to_be_bytes());
                Seen::Frame { header, message }
            }
        };
        assert_eq!(again, seen.iter().map(with_total).collect::<LinkedList<_>>());
        return;
    }
    let same = match framing.length {
        // Either case is read.
        LengthForm::Hex4 => {
            stream.get(..out.len()).is_some_and(|start| start.eq_ignore_ascii_case(&out))
        }
        _ => stream.starts_with(&out),
    };
    assert!(same, "frames are not written as they were read");
}

/// The shipped dialects, compiled once, by name.
fn codecs() -> &'static [Codec] {
    static CODECS: OnceLock<Vec<Codec>> = OnceLock::new();
    CODECS.get_or_init(|| {
        let codec = |(name, _): &(&str, &str)| {
            Codec::new(Dialect::shipped(name).expect("a shipped dialect is valid"))
        };
        SHIPPED.iter().map(codec).collect()
    })
}

/// Codecs. The first byte chooses the dialect, the rest is the frame.
///
/// Any bytes give a message or an error within the frame. A message is written as the bytes it
/// was read from, whether its fields are passed on or set anew, and is the same message in every
/// other shipped dialect. Nothing shows what is sensitive.
pub fn decode(data: &[u8]) {
    let Some((choice, frame)) = data.split_first() else { return };
    let codecs = codecs();
    let codec = &codecs[usize::from(*choice) % codecs.len()];
    let mut message = Message::new();
    let result = codec.decode_into(frame, &mut message);
    masked(codec, &message);
    let _ = (codec.check(&message, true), codec.check(&message, false));
    match result {
        Err(error) => refused(codec, frame, &error),
        Ok(()) => {
            let canonical = with_canonical_bitmap(codec, frame);
            assert_eq!(encoded(codec, &message), canonical, "passed on, but not as it came");
            let mut anew = Message::of(message.mti());
            message.fields().iter().for_each(|number| anew.copy_field(&message, number));
            // Binary fields in hexadecimal may have come in lower case.
            let same = encoded(codec, &anew).eq_ignore_ascii_case(&canonical);
            assert!(same, "set anew, it is written differently");
            for other in codecs.iter().filter(|o| same_fields(codec.dialect(), o.dialect())) {
                let mut read = Message::new();
                let written = encoded(other, &message);
                assert_eq!(other.decode_into(&written, &mut read), Ok(()));
                // A packed separator is read as `=`, whichever character it was.
                for number in tracks(codec) {
                    for message in [&mut message, &mut read] {
                        let track = message.expose(number).and_then(|raw| raw.text());
                        if let Some(track) = track.map(|track| track.replace('D', "=")) {
                            message.set_text(number, &track);
                        }
                    }
                }
                assert_eq!(read, message, "{} changed a value", other.dialect().name());
            }
        }
    }
}

fn encoded(codec: &Codec, message: &Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    codec.encode(message, &mut out).expect("a message that was read can be written");
    out.to_vec()
}

fn tracks(codec: &Codec) -> impl Iterator<Item = FieldNumber> {
    let fields = codec.dialect().fields();
    fields.filter(|(_, field)| field.content == Content::Track).map(|(number, _)| number)
}

/// Whether two dialects have the same fields, however they are written.
fn same_fields(a: &Dialect, b: &Dialect) -> bool {
    let table = |dialect: &Dialect| {
        let fields = dialect.fields();
        fields.map(|(number, field)| (number, field.format())).collect::<Vec<_>>()
    };
    table(a) == table(b)
}

/// The frame as the codec writes it: two things are accepted and not repeated, lower-case
/// hexadecimal in a bitmap and bitmaps without fields behind the first.
fn with_canonical_bitmap(codec: &Codec, frame: &[u8]) -> Vec<u8> {
    let dialect = codec.dialect();
    let mti = match dialect.mti() {
        Digits::Ascii | Digits::Ebcdic => 4,
        Digits::Bcd | Digits::BcdRight | Digits::BcdF | Digits::BcdRightF => 2,
    };
    let (form, fixed) = dialect.bitmap();
    let width = match form {
        Bitmap::Binary => 8,
        Bitmap::Hex => 16,
        Bitmap::EbcdicHex => panic!("no shipped dialect has this bitmap: say here what it is"),
    };
    assert_eq!(fixed, 0, "no shipped dialect has this bitmap: say here what it is");
    let mut out = frame.to_vec();
    let is_set = |byte: u8| match form {
        Bitmap::Binary => byte & 0x80 != 0,
        _ => (byte as char).to_digit(16).is_some_and(|digit| digit & 8 != 0),
    };
    let has_third = dialect.fields().any(|(number, _)| number.get() > 128);
    let bitmaps = match (is_set(out[mti]), has_third) {
        (false, _) => 1,
        (true, true) if is_set(out[mti + width]) => 3,
        (true, _) => 2,
    };
    if form == Bitmap::Hex {
        out[mti..mti + bitmaps * width].make_ascii_uppercase();
    }
    for last in (1..bitmaps).rev() {
        let place = mti + last * width..mti + (last + 1) * width;
        let zero = if form == Bitmap::Hex { b'0' } else { 0 };
        if out[place.clone()].iter().any(|byte| *byte != zero) {
            break;
        }
        out.drain(place.clone());
        let bit = &mut out[place.start - width];
        *bit = match form {
            Bitmap::Hex => b'0' + ((*bit as char).to_digit(16).unwrap_or(0) as u8 & 7),
            _ => *bit & 0x7F,
        };
    }
    out
}

fn refused(codec: &Codec, frame: &[u8], error: &DecodeError) {
    assert!(error.offset as usize <= frame.len(), "{error} is outside of the frame");
    let _ = codec.likely_cause(frame, error);
    let where_and_why = error.additional_response();
    assert_eq!(where_and_why.len(), 4, "{where_and_why} is not three digits and a letter");
    assert!(FieldNumber::new(error.path.field.get()).is_some() || error.path.field.get() < 2);
}

/// What anybody may see, of fields and of their parts, shows no card number, account, track, PIN or
/// key.
pub fn masked(codec: &Codec, message: &Message) {
    codec.describe_each(message, |line| {
        let shown = line.masked.chars().filter(|character| *character != '*').count();
        match line.sensitivity {
            Sensitivity::Open => assert_eq!(line.masked, line.clear),
            Sensitivity::Pan => assert!(shown <= 10 && (line.clear.len() >= 13 || shown == 0)),
            Sensitivity::Account => assert!(shown <= 4 && (line.clear.len() > 4 || shown == 0)),
            Sensitivity::Private => assert!(line.masked.starts_with('<') && shown <= 18),
            Sensitivity::Secret => assert_eq!(line.masked, "****"),
        }
    });
    let shown = format!("{message:?}");
    let digits = shown.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
    assert!(digits <= Some(4), "{shown} shows more than the type and field numbers");
}
