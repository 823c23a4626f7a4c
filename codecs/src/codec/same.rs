//! Tests only: the fast walks agree with the exact ones, on what is right and on what is broken.

use super::Codec;
use crate::content::Content;
use crate::dialect::{Dialect, SHIPPED};
use crate::error::FieldNumber;
use crate::message::{Form, Message};
use crate::mti::Mti;
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;

/// Every kind of length and of packing that no shipped dialect has.
const RARE: &str = r#"
name = "rare"
title = "what is rare"
extends = "cbs-bcd"

[fields]
2 = { name = "a", format = "LL n..19", digits = "bcd-right" }
22 = { name = "b", format = "n3", digits = "bcd-right" }
23 = { name = "c", format = "n5", digits = "bcd-right" }
24 = { name = "d", format = "n3" }
28 = { name = "e", format = "x+n8" }
34 = { name = "f", format = "LL a..28", length = "ascii" }
35 = { name = "g", format = "LL z..37", length = "ascii" }
44 = { name = "h", format = "L an..9", length = "binary" }
48 = { name = "i", format = "LLLL ans..1200", length = "ascii" }
60 = { name = "j", format = "LLL ans..200", length = "binary" }
61 = { name = "k", format = "LLL n..200", length = "ascii", digits = "ascii" }
66 = { name = "l", format = "a5" }
"#;

/// Every encoding that the fast walks leave to the exact ones.
const CODED: &str = r#"
name = "coded"
title = "what is coded"
[encoding]
mti = "ebcdic"
bitmap = "ebcdic-hex"
digits = "bcd-f"
track = "bcd-right-f"
text = "ebcdic"
signed = "ebcdic-bcd"
binary = "ebcdic-hex"
length = "ebcdic"
[fields]
2 = { name = "a", format = "LL n..19" }
3 = { name = "b", format = "n6" }
4 = { name = "c", format = "n5" }
5 = { name = "d", format = "n5", digits = "bcd-right-f" }
6 = { name = "e", format = "LL n..19", count = "bytes", digits = "bcd-right-f" }
7 = { name = "f", format = "LL n..18", count = "bytes" }
8 = { name = "g", format = "LL n..19", count = "bytes", digits = "bcd" }
9 = { name = "h", format = "LL n..11", inclusive = true, digits = "ebcdic" }
10 = { name = "i", format = "LLL n..11", inclusive = true, digits = "ascii", length = "hex" }
11 = { name = "j", format = "n6", digits = "ebcdic" }
28 = { name = "k", format = "x+n8" }
29 = { name = "l", format = "x+n7", signed = "bcd" }
30 = { name = "m", format = "x+n8", signed = "ebcdic", code_page = "1047" }
31 = { name = "n", format = "LL x+n..9" }
32 = { name = "n", format = "LL x+n..9", count = "bytes" }
35 = { name = "o", format = "LL z..37" }
36 = { name = "p", format = "LL z..37", track = "bcd", count = "bytes" }
37 = { name = "q", format = "an12", code_page = "500" }
38 = { name = "r", format = "an6", fill = "left-zero" }
41 = { name = "s", format = "ans8", text = "ascii", fill = "left-space" }
42 = { name = "t", format = "n7", digits = "ascii", fill = "right-zero" }
43 = { name = "u", format = "a9", code_page = "1047" }
48 = { name = "v", format = "LLLLL ans..1200", length = "bcd" }
49 = { name = "w", format = "LLLLLL ans..1200", length = "binary", inclusive = true }
52 = { name = "x", format = "b8" }
53 = { name = "y", format = "b8", binary = "hex" }
55 = { name = "z", format = "LLL b..255" }
56 = { name = "1", format = "LL b..99", length = "hex", count = "bytes" }
57 = { name = "2", format = "LL b..99", length = "binary", binary = "binary", inclusive = true }
58 = { name = "3", format = "n5", fill = "right-zero" }
128 = { name = "4", format = "LL an..9", length = "ascii" }
129 = { name = "5", format = "n4" }
192 = { name = "6", format = "LL an..9" }
"#;

/// Two bitmaps always.
const FIXED: &str = r#"
name = "fixed"
title = "bitmap of fixed length"
extends = "cbs-bcd"
[encoding]
bitmap_bytes = 16
"#;

fn codecs() -> Vec<Codec> {
    let shipped = SHIPPED.iter().map(|(name, _)| Dialect::shipped(name).unwrap());
    let tables = [RARE, CODED, FIXED].map(|text| Dialect::parse(text).unwrap());
    shipped.chain(tables).map(Codec::new).collect()
}

/// A choice of field, what length its value has, and what is in it.
type Choice = (u8, u8, u8);

/// Mostly values that fit, of the longest length or a little less; some that do not.
fn message(codec: &Codec, choices: &[Choice]) -> Message {
    let mut message = Message::of(Mti::known(b"0200"));
    let fields: Vec<_> = codec.dialect().fields().collect();
    for (which, length, noise) in choices {
        let (number, field) = fields[usize::from(*which) % fields.len()];
        // So that twenty of them fit a frame.
        let most = usize::from(field.most.min(1_500));
        let length = match length {
            0..=150 => most,
            151..=250 => most - usize::from(*length) % most.min(24),
            _ => most + 1,
        };
        let digit = |at: usize| b'0' + noise.wrapping_add(at as u8) % 10;
        let mut value: Vec<u8> = (0..length).map(digit).collect();
        match (field.content.notation(), noise) {
            (_, 254..) if length > 0 => value.splice(..1, *b"\x80").for_each(drop),
            ("a", _) => value.iter_mut().for_each(|byte| *byte |= 0x40 | ((*byte & 0x0F) + 1)),
            ("x+n", _) if !value.is_empty() => value.splice(..1, *b"D").for_each(drop),
            ("z", 100..) if length > 3 => value.splice(2..3, *b"=").for_each(drop),
            _ => {}
        }
        let form = match (field.content.notation(), noise) {
            ("b", 253) => Form::Text,
            ("b", _) => Form::Raw,
            _ => Form::Text,
        };
        message.put(number, &value, form);
    }
    message
}

/// What both walks say of a message to be written.
fn check_encode(codec: &Codec, message: &Message) -> Option<Vec<u8>> {
    let (mut fast, mut exact) = (BytesMut::from(&b"x"[..]), BytesMut::from(&b"x"[..]));
    let fits = codec.encode_exactly(message, &mut exact).is_ok();
    let third = message.present.iter().any(|number| number.get() > 128);
    let written = codec.write(message, &mut fast).is_some();
    if third {
        assert!(!written);
        return fits.then(|| exact[1..].to_vec());
    }
    assert_eq!(written, fits, "{}", codec.dialect().name());
    assert!(!fits || fast == exact, "{}: {message:?}", codec.dialect().name());
    fits.then(|| exact[1..].to_vec())
}

/// What both walks say of a frame.
fn check_decode(codec: &Codec, frame: &[u8]) -> Option<Message> {
    let (mut fast, mut exact) = (Message::new(), Message::new());
    let reads = codec.decode_exactly(frame, &mut exact).is_ok();
    let walked = codec.walk(frame, &mut fast).is_some();
    if reads && exact.fields().iter().any(|number| number.get() > 128) {
        assert!(!walked, "{}", codec.dialect().name());
        return Some(exact);
    }
    assert_eq!(walked, reads, "{}", codec.dialect().name());
    if reads {
        let places = |message: &Message| format!("{:?}", message.slots);
        assert_eq!((places(&fast), fast.present), (places(&exact), exact.present));
        assert_eq!((&fast, fast.codec, fast.frame()), (&exact, exact.codec, exact.frame()));
    }
    reads.then_some(fast)
}

fn choices() -> impl Strategy<Value = Vec<Choice>> {
    vec(any::<Choice>(), 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn both_walks_read_and_write_the_same(
        choices in choices(), later in choices(), at: u16, mask in 1..=255u8,
    ) {
        let codecs = codecs();
        for codec in &codecs {
            let set = message(codec, &choices);
            let Some(frame) = check_encode(codec, &set) else { continue };
            let mut read = check_decode(codec, &frame).expect("what was written is read");
            for other in &codecs {
                check_encode(other, &read);
            }
            // Some fields as they came, some set anew, some taken out.
            let values = message(codec, &later);
            for number in values.fields().iter() {
                read.copy_field(&values, number);
            }
            check_encode(codec, &read);
            read.retain(set.fields().minus(values.fields()));
            check_encode(codec, &read);
            let mut broken = frame.clone();
            let at = usize::from(at) % frame.len();
            broken[at] ^= mask;
            check_decode(codec, &broken);
            check_decode(codec, &frame[..at]);
            broken.push(0x30);
            check_decode(codec, &broken);
        }
    }
}

/// Packs a nibble at a time: so many zeros, the digits, and a zero if a byte is not full.
fn packed(digits: &[u8], zeros: usize) -> Vec<u8> {
    let mut nibbles = vec![0; zeros];
    nibbles.extend(digits.iter().map(|digit| digit & 15));
    nibbles.resize(nibbles.len().next_multiple_of(2), 0);
    nibbles.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn short_numbers_are_filled_in_either_packing() {
    for most in 1..40usize {
        let field = |kind: &str| {
            let field =
                format!("7 = {{ name = \"a\", format = \"n{most}\", digits = \"{kind}\" }}");
            let head = "name = \"a\"\ntitle = \"a\"\nextends = \"cbs-bcd\"\n[fields]\n";
            Codec::new(Dialect::parse(&format!("{head}{field}")).unwrap())
        };
        let (left, right) = (field("bcd"), field("bcd-right"));
        for length in 0..=most {
            let digits = &b"1234567890123456789012345678901234567890"[..length];
            let mut message = Message::of(Mti::known(b"0200"));
            message.put(FieldNumber::known(7), digits, Form::Text);
            let zeros = most - length;
            let expected = [(&left, zeros + (most & 1)), (&right, zeros)];
            for (codec, zeros) in expected {
                let frame = check_encode(codec, &message).unwrap();
                assert_eq!(frame[10..], packed(digits, zeros), "{length} of {most}");
                assert!(check_decode(codec, &frame).is_some());
            }
        }
    }
}

/// The quick check of a coded content says what the slow one says, for every byte at every place.
#[test]
fn quick_and_slow_checks_of_a_content_agree() {
    let codec = Codec::new(Dialect::parse(CODED).unwrap());
    let layouts: Vec<_> = codec.layouts.iter().flatten().filter(|l| !l.form.is_plain()).collect();
    let forms = [
        Form::Ebcdic037,
        Form::Ebcdic500,
        Form::Ebcdic1047,
        Form::Nibbles,
        Form::NibblesLeft,
        Form::NibblesRight,
        Form::Signed,
        Form::SignedOdd,
        Form::SignedEbcdic,
        Form::SignedEbcdicOdd,
    ];
    let mut seen = 0;
    for (layout, form) in layouts.into_iter().flat_map(|layout| forms.map(|form| (layout, form))) {
        let is_signed = layout.content == Content::SignedDigits;
        let (page, fits) = match form {
            Form::Ebcdic037 | Form::Ebcdic500 | Form::Ebcdic1047 => {
                (true, layout.content != Content::Binary)
            }
            Form::Nibbles | Form::NibblesLeft | Form::NibblesRight => {
                (false, matches!(layout.content, Content::Digits | Content::Track))
            }
            _ => (false, is_signed),
        };
        if !fits {
            continue;
        }
        for length in 0..11usize {
            for (at, byte) in (0..length.max(1)).flat_map(|at| (0..=255u8).map(move |b| (at, b))) {
                let mut bytes = vec![if page { 0xF1 } else { 0x11 }; length];
                if let Some(sign) = bytes.first_mut().filter(|_| is_signed) {
                    let is_ascii = matches!(form, Form::Signed | Form::SignedOdd);
                    *sign = if is_ascii { b'C' } else { 0xC3 };
                }
                bytes.get_mut(at).into_iter().for_each(|to| *to = byte);
                let shape = crate::message::Shape { units: length as u16, prefix: 0, form };
                if layout.wrong_filler(form, &bytes).is_some() {
                    continue;
                }
                let slow = layout.coded_stranger(form, &bytes).is_none();
                assert_eq!(layout.check(shape, &bytes).is_ok(), slow, "{form:?} {bytes:02X?}");
                let quick = layout.is_sound(form, &bytes);
                assert_eq!(quick, slow && (quick || length > 0), "{form:?} {bytes:02X?}");
                seen += 1;
            }
        }
    }
    assert!(seen > 100_000, "{seen}");
}
