//! Messages one after another, which themselves tell where they end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use std::fs;
use std::path::Path;
use veksel_codecs::dialect::SHIPPED;
use veksel_codecs::{
    BASE1_WIDTH, Codec, Dialect, Fault, FrameError, Framing, Header, LengthForm, Message, Mti,
    Step, field,
};

fn bare() -> Framing {
    Framing { length: LengthForm::Message, ..Framing::binary2() }
}

/// The sample messages of a shipped dialect.
fn samples(dialect: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("dialects/samples");
    let text = fs::read_to_string(path.join(format!("{dialect}.txt"))).unwrap();
    let mut samples: Vec<Vec<u8>> = Vec::new();
    for line in text.lines() {
        match (line, line.strip_prefix("  ")) {
            ("wire", _) => samples.push(Vec::new()),
            (_, Some(digits)) => {
                let pairs = digits.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
                let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap());
                samples.last_mut().unwrap().extend(bytes);
            }
            _ => {}
        }
    }
    assert!(samples.len() >= 3, "{dialect} has {} samples", samples.len());
    samples
}

fn shipped() -> Vec<(Codec, Vec<Vec<u8>>)> {
    let one =
        |(name, _): &(&str, &str)| (Codec::new(Dialect::shipped(name).unwrap()), samples(name));
    SHIPPED.iter().map(one).collect()
}

/// What may stand around a message: nothing, and everything that there is.
fn surroundings() -> Vec<Framing> {
    let headers = [
        Header::None,
        Header::Fixed(b"ISO025".to_vec()),
        Header::Tpdu([0x60, 0, 1, 0, 2]),
        Header::Base1(core::array::from_fn(|at| if at == 0 { 22 } else { 0 })),
    ];
    let dressed = headers.map(|header| Framing {
        header,
        marker: vec![0xD0, 0x4A],
        reserved: vec![0, 0],
        trailer: b"\r\n".to_vec(),
        ..bare()
    });
    let headed = Framing { header: Header::Tpdu([0x60, 0, 1, 0, 2]), ..bare() };
    let ended = Framing { trailer: vec![3], ..bare() };
    [bare(), headed, ended].into_iter().chain(dressed).collect()
}

fn stream(framing: &Framing, messages: &[&Vec<u8>]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for message in messages {
        let written = framing.encode(&[], &mut out, |out| {
            out.extend_from_slice(message);
            Ok::<(), FrameError>(())
        });
        written.unwrap();
    }
    out.to_vec()
}

/// What comes of a stream in pieces, and how much of it is left.
fn fed(
    framing: &Framing,
    codec: &Codec,
    pieces: &[&[u8]],
) -> (Vec<Vec<u8>>, Result<usize, FrameError>) {
    let (mut buffer, mut seen) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match framing.decode_with(codec, &buffer) {
                Err(error) => return (seen, Err(error)),
                Ok(Step::Incomplete) => break,
                Ok(Step::KeepAlive { .. }) => panic!("there are none"),
                Ok(Step::Frame { header, message, consumed }) => {
                    assert_eq!(header.len(), framing.header_width());
                    seen.push(message.to_vec());
                    buffer.drain(..consumed);
                }
            }
        }
    }
    (seen, Ok(buffer.len()))
}

fn cut<'s>(stream: &'s [u8], cuts: &[usize]) -> Vec<&'s [u8]> {
    let (mut rest, mut pieces) = (stream, Vec::new());
    for width in cuts.iter().cycle().take(stream.len()) {
        let (piece, after) = rest.split_at((*width).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// Every dialect can be delimited: no cut of its samples, one after another, changes them.
#[test]
fn samples_one_after_another_are_told_apart_however_they_are_cut() {
    for (codec, samples) in shipped() {
        let name = codec.dialect().name();
        for framing in surroundings() {
            let messages: Vec<_> = samples.iter().collect();
            let stream = stream(&framing, &messages);
            let expected = (samples.clone(), Ok(0));
            for width in [1, 2, 7, stream.len()] {
                let found = fed(&framing, &codec, &cut(&stream, &[width]));
                assert_eq!(found, expected, "{name} in pieces of {width}");
            }
            let step = if framing == bare() { 1 } else { 5 };
            for at in (0..stream.len()).step_by(step) {
                let (before, behind) = stream.split_at(at);
                assert_eq!(fed(&framing, &codec, &[before, behind]), expected, "{name} at {at}");
            }
        }
    }
}

#[test]
fn a_message_is_measured_when_its_last_byte_is_there() {
    for (codec, samples) in shipped() {
        for sample in &samples {
            let longer = [sample, &b"0800"[..]].concat();
            for end in 0..=longer.len() {
                let whole = (end >= sample.len()).then_some(sample.len());
                assert_eq!(codec.measure(&longer[..end], 65_535), Ok(whole), "{end}");
            }
            let exact = sample.len();
            assert_eq!(codec.measure(&longer, exact), Ok(Some(exact)));
            let over = codec.measure(&longer, exact - 1).unwrap_err();
            assert_eq!(over.fault, Fault::Oversized);
        }
    }
}

/// A length that leads too far is refused before what it announces has come, and whatever comes.
#[test]
fn no_message_is_longer_than_the_link_allows() {
    let codec = Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap());
    let mut message = Message::of(Mti::parse("0800").unwrap());
    message.set(field::TRANSMISSION, "1120142807");
    message.set(field::STAN, 1);
    message.set(field::NETWORK_CODE, 301);
    message.set_text(veksel_codecs::FieldNumber::new(48).unwrap(), &"x".repeat(500));
    let mut wire = BytesMut::new();
    codec.encode(&message, &mut wire).unwrap();
    // The type, two bitmaps, fields 7 and 11, and the length of field 48.
    let told = 4 + 16 + 10 + 6 + 3;
    let short = Framing { frame_max: 400, ..bare() };
    for end in 0..=wire.len() {
        let step = short.decode_with(&codec, &wire[..end]);
        match end < told {
            true => assert_eq!(step, Ok(Step::Incomplete), "{end}"),
            false => {
                let Err(FrameError::Message { field, offset, fault }) = step else {
                    panic!("{step:?} at {end}");
                };
                assert_eq!((field.get(), offset, fault), (48, 36, Fault::Oversized), "{end}");
            }
        }
    }
    for frame_max in 0..20 {
        let tiny = Framing { frame_max, ..bare() };
        assert_eq!(tiny.decode_with(&codec, b""), Ok(Step::Incomplete));
        assert!(tiny.decode_with(&codec, &wire).is_err(), "{frame_max}");
        let (seen, end) = fed(&tiny, &codec, &cut(&wire, &[1]));
        assert_eq!((seen.len(), end), (0, tiny.decode_with(&codec, &wire).map(|_| 0)));
    }
}

#[test]
fn what_no_bytes_can_make_a_message_is_refused_at_once() {
    let codec = Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap());
    let refused = |bytes: &[u8]| match bare().decode_with(&codec, bytes) {
        Err(error @ FrameError::Message { .. }) => error.to_string(),
        step => panic!("{step:?}"),
    };
    assert_eq!(
        refused(b"08X0"),
        "message has no end: message type at offset 0: it is not a number"
    );
    // A length in front, as another framing has it.
    assert!(refused(b"\0\x2D0800").starts_with("message has no end: message type"));
    // Field 2 with a length of 99, which is more than 19.
    assert_eq!(
        refused(b"0200\x40\0\0\0\0\0\0\x0099"),
        "message has no end: field 2 at offset 12: its length 99 exceeds 19"
    );
    assert!(refused(b"0200\x40\0\0\0\0\0\0\0A9").ends_with("its length is not a number"));
    let undefined = (2..=64).find(|number| {
        codec.dialect().field(veksel_codecs::FieldNumber::new(*number).unwrap()).is_none()
    });
    let number = undefined.unwrap();
    let bitmap = (1u64 << (64 - u32::from(number))).to_be_bytes();
    assert_eq!(
        refused(&[b"0200", &bitmap[..]].concat()),
        format!(
            "message has no end: field {number} at offset 12: it is in the bitmap but not in the \
             dialect"
        )
    );
    let ended = Framing { trailer: b"\r\n".to_vec(), ..bare() };
    let message = [&b"0800"[..], &[0; 8]].concat();
    let with = |end: &[u8]| [&message, end].concat();
    assert_eq!(ended.decode_with(&codec, &with(b"\r")), Ok(Step::Incomplete));
    assert_eq!(ended.decode_with(&codec, &with(b"\n")), Err(FrameError::Trailer));
    assert_eq!(ended.decode_with(&codec, &with(b"\r\r")), Err(FrameError::Trailer));
    assert_eq!(bare().decode(&message), Err(FrameError::NoDialect));
}

/// A wrong character does not move the end, so that the link goes on behind the message.
#[test]
fn content_does_not_tell_where_a_message_ends() {
    for (codec, samples) in shipped() {
        let mut stream = samples.concat();
        let mut read = Message::new();
        codec.decode_into(&samples[0], &mut read).unwrap();
        // No digits in any encoding.
        stream[read.offset(field::STAN.number()).unwrap()] = 0xFF;
        let (seen, left) = fed(&bare(), &codec, &[&stream]);
        assert_eq!((seen.len(), left), (samples.len(), Ok(0)), "{}", codec.dialect().name());
        assert_eq!(seen[1..], samples[1..]);
        let refused = codec.decode_into(&seen[0], &mut read).unwrap_err();
        assert!(matches!(refused.fault, Fault::Content { .. }), "{refused}");
    }
}

#[test]
fn there_are_no_frames_of_length_zero() {
    let mut out = BytesMut::new();
    surroundings().iter().for_each(|framing| framing.encode_keep_alive(&mut out));
    assert!(out.is_empty());
}

#[test]
fn a_reject_tells_the_width_of_its_header() {
    let codec = Codec::new(Dialect::shipped("cbs-ascii-bin").unwrap());
    let own: [u8; BASE1_WIDTH] = core::array::from_fn(|at| if at == 0 { 22 } else { 0 });
    let framing = Framing { header: Header::Base1(own), ..bare() };
    let message = [&b"0800"[..], &[0; 8]].concat();
    let reject = [&[26][..], &[0; 25], &message].concat();
    let Ok(Step::Frame { header, message: read, consumed }) = framing.decode_with(&codec, &reject)
    else {
        panic!();
    };
    assert_eq!((header.len(), read, consumed), (26, &message[..], reject.len()));
    assert_eq!(framing.decode_with(&codec, &[27]), Err(FrameError::Header { found: 27 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Samples in any order, then anything: exactly the samples, and the same however it is cut.
    #[test]
    fn the_cuts_of_a_stream_of_messages_mean_nothing(
        which in vec(any::<prop::sample::Index>(), 1..6),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        rest in vec(any::<u8>(), 0..40),
        cuts in vec(1..90usize, 1..8),
        around in any::<prop::sample::Index>(),
    ) {
        let framings = surroundings();
        let framing = around.get(&framings);
        for (codec, samples) in shipped() {
            let name = codec.dialect().name();
            let messages: Vec<_> = which.iter().map(|index| index.get(&samples)).collect();
            let mut wire = stream(framing, &messages);
            let (seen, left) = fed(framing, &codec, &cut(&wire, &cuts));
            prop_assert_eq!(seen.iter().collect::<Vec<_>>(), messages, "{}", name);
            prop_assert_eq!(left, Ok(0), "{}", name);
            wire.extend_from_slice(&rest);
            for (place, byte) in &flips {
                let place = place.index(wire.len());
                wire[place] = *byte;
            }
            let whole = fed(framing, &codec, &[&wire]);
            prop_assert_eq!(&fed(framing, &codec, &cut(&wire, &cuts)), &whole, "{}", name);
            prop_assert_eq!(&fed(framing, &codec, &cut(&wire, &[1])), &whole, "{}", name);
        }
    }

    /// What is read whole is measured whole, and what is measured is read but for its content.
    #[test]
    fn measuring_and_reading_agree(
        which in any::<prop::sample::Index>(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for (codec, samples) in shipped() {
            let mut bytes = which.get(&samples).clone();
            for (place, byte) in &flips {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            let read = codec.decode_into(&bytes, &mut Message::new());
            let measured = codec.measure(&bytes, 65_535);
            if read.is_ok() {
                prop_assert_eq!(measured, Ok(Some(bytes.len())));
            }
            match measured {
                Ok(Some(width)) => {
                    let read = codec.decode_into(&bytes[..width], &mut Message::new());
                    let faults = read.map_err(|error| error.fault);
                    let is_content = matches!(faults, Ok(()) | Err(Fault::Content { .. }));
                    prop_assert!(is_content);
                }
                Ok(None) => {
                    let is_cut = read.is_err();
                    prop_assert!(is_cut);
                }
                Err(_) => prop_assert!(read.is_err()),
            }
            for end in 0..bytes.len() {
                let part = codec.measure(&bytes[..end], 65_535);
                prop_assert!(part == Ok(None) || part == measured, "{:?} at {}", part, end);
            }
        }
    }
}
