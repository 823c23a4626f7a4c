//! Every framing of the field: its wire form, and that a stream means the same however it is cut.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use veksel_codecs::{BASE1_WIDTH, FrameError, Framing, Header, KeepAlive, LengthForm, Step};

fn of(length: LengthForm) -> Framing {
    Framing { length, ..Framing::binary2() }
}

fn frame(framing: &Framing, header: &[u8], message: &[u8]) -> Result<Vec<u8>, FrameError> {
    let mut out = BytesMut::from(&b"before"[..]);
    let result = framing.encode(header, &mut out, |out| {
        out.extend_from_slice(message);
        Ok::<(), FrameError>(())
    });
    assert_eq!(&out[..6], b"before");
    assert!(result.is_ok() || out.len() == 6, "a refused message leaves nothing");
    result.map(|()| out[6..].to_vec())
}

const BASE1: [u8; BASE1_WIDTH] =
    [22, 1, 2, 0, 0, 0x12, 0x34, 0x56, 0x65, 0x43, 0x21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Every row that has a stream of frames: its name, its parameters, what stands before and behind
/// a message of 63 bytes.
fn rows() -> Vec<(&'static str, Framing, Vec<u8>, Vec<u8>)> {
    let plain = Framing::binary2;
    let tpdu = Header::Tpdu([0x60, 0, 1, 0, 0]);
    let etx = || vec![0x03];
    let vap = [&[0x00, 0x55, 0x00, 0x00, 22, 1, 2, 0, 85][..], &BASE1[5..]].concat();
    let row = |name, framing, start: &[u8]| (name, framing, start.to_vec(), Vec::new());
    let mut rows = vec![
        row("2 bytes", plain(), &[0x00, 0x3F]),
        row("2 bytes, inclusive", Framing { counts_itself: true, ..plain() }, &[0x00, 0x41]),
        row(
            "2 bytes, TPDU",
            Framing { header: tpdu.clone(), counts_header: true, ..plain() },
            &[0x00, 0x44, 0x60, 0x00, 0x01, 0x00, 0x00],
        ),
        row("4 packed digits", of(LengthForm::Bcd2), &[0x00, 0x63]),
        row("6 packed digits", of(LengthForm::Bcd3), &[0x00, 0x00, 0x63]),
        row("2 digits", of(LengthForm::Ascii2), b"63"),
        row("3 digits", of(LengthForm::Ascii3), b"063"),
        row("4 digits", of(LengthForm::Ascii4), b"0063"),
        row("5 digits", of(LengthForm::Ascii5), b"00063"),
        row("6 digits", of(LengthForm::Ascii6), b"000063"),
        row("hexadecimal", of(LengthForm::Hex4), b"003f"),
        row("VMLH", Framing { reserved: vec![0, 0], ..plain() }, &[0x00, 0x3F, 0x00, 0x00]),
        row("GICC", Framing { marker: vec![0, 0], ..plain() }, &[0x00, 0x00, 0x00, 0x3F]),
        row("4 bytes", of(LengthForm::Binary4), &[0x00, 0x00, 0x00, 0x3F]),
        row(
            "4 bytes, inclusive",
            Framing { counts_itself: true, ..of(LengthForm::Binary4) },
            &[0x00, 0x00, 0x00, 0x43],
        ),
        row(
            "4 bytes, TPDU",
            Framing { header: tpdu, ..of(LengthForm::Binary4) },
            &[0x00, 0x00, 0x00, 0x3F, 0x60, 0x00, 0x01, 0x00, 0x00],
        ),
        row("3 bytes", of(LengthForm::Binary3), &[0x00, 0x00, 0x3F]),
        row(
            "VAP",
            Framing {
                header: Header::Base1(BASE1),
                counts_header: true,
                reserved: vec![0, 0],
                ..plain()
            },
            &vap,
        ),
        row(
            "RBP",
            Framing { marker: vec![0xD0, 0x4A], reserved: vec![0, 0], ..plain() },
            &[0xD0, 0x4A, 0x00, 0x3F, 0x00, 0x00],
        ),
    ];
    let counted = Framing { trailer: etx(), counts_trailer: true, ..plain() };
    rows.push(("2 bytes, ETX", counted, vec![0x00, 0x40], etx()));
    rows.push(("ETX", Framing { trailer: etx(), ..of(LengthForm::None) }, Vec::new(), etx()));
    let uncounted = Framing { trailer: b"\r\n".to_vec(), ..of(LengthForm::Ascii4) };
    rows.push(("4 digits, CR LF", uncounted, b"0063".to_vec(), b"\r\n".to_vec()));
    rows
}

#[test]
fn wire_forms_of_63_bytes() {
    for (name, framing, before, behind) in rows() {
        let message = [b'x'; 63];
        let wire = frame(&framing, &[], &message).unwrap();
        assert_eq!(wire, [&before[..], &message, &behind].concat(), "{name}");
        let Ok(Step::Frame { message: read, consumed, .. }) = framing.decode(&wire) else {
            panic!("{name}");
        };
        assert_eq!((read, consumed), (&message[..], wire.len()), "{name}");
        for cut in 0..wire.len() {
            assert_eq!(framing.decode(&wire[..cut]), Ok(Step::Incomplete), "{name} at {cut}");
        }
    }
}

/// Nothing wraps: the longest message that can be said is written, one byte more is refused.
#[test]
fn a_length_is_refused_rather_than_wrapped() {
    for (name, framing, ..) in rows() {
        let framing = Framing { frame_max: 200_000, ..framing };
        let most = framing.length.most().saturating_sub(framing.overhead() as u64).min(200_000);
        let most = match &framing.header {
            Header::Base1(_) => most.min(0xFFFF - 22),
            _ => most,
        };
        let most = usize::try_from(most).unwrap();
        let wire = frame(&framing, &[], &vec![b'x'; most]).unwrap();
        let Ok(Step::Frame { message, .. }) = framing.decode(&wire) else { panic!("{name}") };
        assert_eq!(message.len(), most, "{name}");
        let refused = frame(&framing, &[], &vec![b'x'; most + 1]);
        assert!(matches!(refused, Err(FrameError::TooLong { .. })), "{name}: {refused:?}");
    }
}

#[test]
fn keep_alives_of_every_framing_are_read_as_they_are_written() {
    for (name, framing, ..) in rows() {
        let mut out = BytesMut::new();
        framing.encode_keep_alive(&mut out);
        assert!(!out.is_empty(), "{name}");
        assert_eq!(framing.decode(&out), Ok(Step::KeepAlive { consumed: out.len() }), "{name}");
        for cut in 0..out.len() {
            assert_eq!(framing.decode(&out[..cut]), Ok(Step::Incomplete), "{name} at {cut}");
        }
        let reject = Framing { keep_alive: KeepAlive::Reject, ..framing };
        assert_eq!(reject.decode(&out), Err(FrameError::Empty), "{name}");
    }
}

#[test]
fn stations_of_a_base_header_are_exchanged_and_its_total_is_written() {
    let framing =
        Framing { header: Header::Base1(BASE1), counts_header: true, ..of(LengthForm::Binary2) };
    let wire = frame(&framing, &[], b"0800").unwrap();
    let Ok(Step::Frame { header, .. }) = framing.decode(&wire) else { panic!() };
    let mut answer = Vec::new();
    framing.answer_header(header, &mut answer);
    assert_eq!(answer[5..11], [0x65, 0x43, 0x21, 0x12, 0x34, 0x56]);
    let wire = frame(&framing, &answer, b"0810 longer").unwrap();
    assert_eq!(wire[2..7], [22, 1, 2, 0, 33]);
    assert_eq!(wire[7..13], [0x65, 0x43, 0x21, 0x12, 0x34, 0x56]);
}

#[test]
fn a_reject_has_four_bytes_more_and_its_answer_has_not() {
    let framing =
        Framing { header: Header::Base1(BASE1), counts_header: true, ..of(LengthForm::Binary2) };
    let mut reject = BASE1.to_vec();
    reject[0] = 26;
    reject.extend([0xC0, 0x00, 0x00, 0x02]);
    let wire = frame(&framing, &reject, b"0800").unwrap();
    assert_eq!(wire[..3], [0, 30, 26]);
    let Ok(Step::Frame { header, message, consumed }) = framing.decode(&wire) else { panic!() };
    assert_eq!((header.len(), message, consumed), (26, &b"0800"[..], wire.len()));
    let mut answer = Vec::new();
    framing.answer_header(header, &mut answer);
    assert_eq!((answer.len(), answer[0]), (22, 22));
    let mut other = wire.clone();
    other[2] = 27;
    assert_eq!(framing.decode(&other), Err(FrameError::Header { found: 27 }));
    // A length that has room for 22 bytes but not for 26.
    let short = [&[0, 24], &wire[2..26]].concat();
    assert_eq!(framing.decode(&short), Err(FrameError::TooShort { declared: 24, least: 27 }));
}

/// The four bytes of a reject are no part of the message, which may be as long as any other.
#[test]
fn the_longest_message_may_be_rejected() {
    for counts_header in [false, true] {
        let header = Header::Base1(BASE1);
        let framing = Framing { header, counts_header, frame_max: 8, ..of(LengthForm::Binary2) };
        let mut reject = BASE1.to_vec();
        reject[0] = 26;
        reject.extend([0; 4]);
        let wire = frame(&framing, &reject, b"08001234").unwrap();
        let read = framing.decode(&wire);
        let frame = Step::Frame { header: &wire[2..28], message: b"08001234", consumed: 36 };
        assert_eq!(read, Ok(frame), "{counts_header}");
        for cut in 0..wire.len() {
            assert_eq!(framing.decode(&wire[..cut]), Ok(Step::Incomplete), "{cut}");
        }
        let mut longer = wire.clone();
        longer[1] += 1;
        let is_refused =
            |wire: &[u8]| matches!(framing.decode(wire), Err(FrameError::TooLong { most: 8, .. }));
        assert!(is_refused(&longer), "{counts_header}");
        let mut usual = wire.clone();
        usual[1] = if counts_header { 31 } else { 9 };
        usual[2] = 22;
        assert!(is_refused(&usual), "{counts_header}");
    }
}

#[test]
fn what_does_not_begin_or_end_as_it_must_is_refused() {
    let rbp = Framing { marker: vec![0xD0, 0x4A], ..Framing::binary2() };
    assert_eq!(rbp.decode(&[0xD0]), Ok(Step::Incomplete));
    assert_eq!(rbp.decode(&[0xD1]), Err(FrameError::Marker));
    assert_eq!(rbp.decode(&[0xD0, 0x4B, 0, 1, b'x']), Err(FrameError::Marker));
    let etx = Framing { trailer: vec![3], counts_trailer: true, ..Framing::binary2() };
    assert_eq!(etx.decode(&[0, 2, b'x', 4]), Err(FrameError::Trailer));
    assert_eq!(etx.decode(&[0, 1, 3]), Err(FrameError::TooShort { declared: 1, least: 2 }));
}

#[test]
fn a_message_that_holds_its_own_end_is_refused() {
    let etx = Framing { trailer: vec![3], ..of(LengthForm::None) };
    assert_eq!(frame(&etx, &[], b"08\x0300"), Err(FrameError::TrailerInside));
    let twins = Framing { trailer: b"aa".to_vec(), ..of(LengthForm::None) };
    assert_eq!(frame(&twins, &[], b"08a"), Err(FrameError::TrailerInside));
    assert_eq!(frame(&twins, &[], b"0a8").unwrap(), b"0a8aa");
    let long = Framing { trailer: vec![3], frame_max: 4, ..of(LengthForm::None) };
    assert_eq!(
        long.decode(b"0800\x03"),
        Ok(Step::Frame { header: &[], message: b"0800", consumed: 5 })
    );
    assert_eq!(long.decode(b"0800"), Ok(Step::Incomplete));
    assert_eq!(long.decode(b"08001"), Err(FrameError::TooLong { declared: 5, most: 4 }));
    assert_eq!(long.decode(b"08001\x03"), Err(FrameError::TooLong { declared: 5, most: 4 }));
}

/// What a stream gives, fed piece by piece as a connection would.
fn steps(framing: &Framing, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let (mut buffer, mut seen) = (Vec::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            let consumed = match framing.decode(&buffer) {
                Err(error) => return (seen, Some(error)),
                Ok(Step::Incomplete) => break,
                Ok(Step::KeepAlive { consumed }) => {
                    seen.push(Vec::new());
                    consumed
                }
                Ok(Step::Frame { header, message, consumed }) => {
                    seen.push([header, b"|", message].concat());
                    consumed
                }
            };
            assert!(consumed > 0, "a step took nothing: the reader would spin");
            buffer.drain(..consumed);
        }
    }
    (seen, None)
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

proptest! {
    /// Frames and keep-alives, then anything: the same however it is cut into reads.
    #[test]
    fn the_cuts_of_a_stream_mean_nothing(
        messages in vec(vec(b' '..=b'~', 0..90), 1..6),
        rest in vec(any::<u8>(), 0..40),
        cuts in vec(1..70usize, 1..8),
    ) {
        for (name, framing, ..) in rows() {
            let framing = Framing { frame_max: 80, ..framing };
            let (mut stream, mut expected) = (BytesMut::new(), 0);
            for message in &messages {
                if message.is_empty() {
                    framing.encode_keep_alive(&mut stream);
                    expected += 1;
                } else if let Ok(wire) = frame(&framing, &[], message) {
                    stream.extend_from_slice(&wire);
                    expected += 1;
                }
            }
            prop_assert_eq!(steps(&framing, &[&stream]).0.len(), expected, "{}", name);
            stream.extend_from_slice(&rest);
            let whole = steps(&framing, &[&stream]);
            prop_assert_eq!(&steps(&framing, &cut(&stream, &cuts)), &whole, "{}", name);
            prop_assert_eq!(&steps(&framing, &cut(&stream, &[1])), &whole, "{}", name);
        }
    }
}
