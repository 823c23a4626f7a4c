//! Dialects made up at random: every encoding with every length, count, filler and bitmap.
//!
//! What is written is held against bytes put together here a character at a time, so that a
//! mistake made both ways is seen, too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bytes::BytesMut;
use core::fmt::Write;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;
use veksel_codecs::{CodePage, Codec, Dialect, FieldNumber, Message, Mti};

const DIGITS: &[&str] = &["ascii", "bcd", "bcd-right", "bcd-f", "bcd-right-f", "ebcdic"];
const CHARACTERS: &[&str] = &["ascii", "ebcdic"];
const SIGNED: &[&str] = &["ascii", "ebcdic", "bcd", "ebcdic-bcd"];
const BINARY: &[&str] = &["binary", "hex", "ebcdic-hex"];
const LENGTHS: &[&str] = &["ascii", "bcd", "binary", "hex", "ebcdic"];
const PAGES: &[&str] = &["037", "500", "1047"];
const CLASSES: &[&str] = &["n", "a", "an", "ans", "b", "z", "x+n"];
const FILLS: &[&str] = &["left-zero", "right-zero", "left-space", "right-space"];

/// How fields are written, as the dialect says it for all or a field for itself.
#[derive(Clone, Debug)]
struct Keys {
    digits: &'static str,
    track: &'static str,
    text: &'static str,
    signed: &'static str,
    binary: &'static str,
    code_page: &'static str,
    length: &'static str,
    bytes: bool,
    inclusive: bool,
    /// Of digits and of text.
    fills: (&'static str, &'static str),
}

#[derive(Clone, Debug)]
struct Head {
    mti: &'static str,
    bitmap: &'static str,
    bitmap_bytes: u8,
    keys: Keys,
}

/// A field: its class, the digits of its length, its length, and its own keys if it has any.
#[derive(Clone, Debug)]
struct Spec {
    class: &'static str,
    length_digits: u8,
    most: usize,
    own: Option<Keys>,
    /// What its value is made of: how long it is and which characters.
    noise: (u16, u64),
}

fn keys() -> impl Strategy<Value = Keys> {
    let digits = (select(DIGITS), select(DIGITS));
    let others = (select(CHARACTERS), select(SIGNED), select(BINARY), select(PAGES));
    let lengths = (select(LENGTHS), any::<bool>(), prop::bool::weighted(0.3));
    let fills = (select(&FILLS[..2]), select(FILLS));
    (digits, others, lengths, fills).prop_map(|(digits, others, lengths, fills)| Keys {
        digits: digits.0,
        track: digits.1,
        text: others.0,
        signed: others.1,
        binary: others.2,
        code_page: others.3,
        length: lengths.0,
        bytes: lengths.1,
        inclusive: lengths.2,
        fills,
    })
}

fn head() -> impl Strategy<Value = Head> {
    let bytes = select(&[0u8, 0, 8, 16, 24]);
    (select(DIGITS), select(BINARY), bytes, keys())
        .prop_map(|(mti, bitmap, bitmap_bytes, keys)| Head { mti, bitmap, bitmap_bytes, keys })
}

fn spec() -> impl Strategy<Value = Spec> {
    let most = prop_oneof![3 => 1..24usize, 1 => 24..400usize];
    (select(CLASSES), 0..5u8, most, prop::option::of(keys()), any::<(u16, u64)>()).prop_map(
        |(class, length_digits, most, own, noise)| Spec { class, length_digits, most, own, noise },
    )
}

fn pack(nibbles: &[u8]) -> Vec<u8> {
    nibbles.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn nibble(character: u8) -> u8 {
    match character {
        b'=' => 13,
        b'F' => 15,
        digit => digit - b'0',
    }
}

fn hex(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect()
}

impl Keys {
    fn page(&self) -> CodePage {
        match self.code_page {
            "037" => CodePage::P037,
            "500" => CodePage::P500,
            _ => CodePage::P1047,
        }
    }

    fn ebcdic(&self, text: &[u8]) -> Vec<u8> {
        text.iter().map(|character| self.page().encode(*character)).collect()
    }

    /// Digits in a kind of writing.
    fn digits(&self, kind: &str, value: &[u8]) -> Vec<u8> {
        match kind {
            "ascii" => return value.to_vec(),
            "ebcdic" => return self.ebcdic(value),
            _ => {}
        }
        let mut nibbles: Vec<u8> = value.iter().map(|c| nibble(*c)).collect();
        if value.len() % 2 == 1 {
            let place = if kind.contains("right") { nibbles.len() } else { 0 };
            nibbles.insert(place, if kind.ends_with("-f") { 15 } else { 0 });
        }
        pack(&nibbles)
    }

    /// The content of a field of a class.
    fn content(&self, class: &str, value: &[u8]) -> Vec<u8> {
        match class {
            "n" => self.digits(self.digits, value),
            "z" => self.digits(self.track, value),
            "x+n" => match (self.signed, value) {
                ("bcd", [sign, digits @ ..]) => {
                    [&[*sign][..], &self.digits("bcd", digits)].concat()
                }
                ("ebcdic-bcd", [sign, digits @ ..]) => {
                    [self.ebcdic(&[*sign]), self.digits("bcd", digits)].concat()
                }
                (kind, value) => self.digits(kind, value),
            },
            "b" => match self.binary {
                "binary" => value.to_vec(),
                "hex" => hex(value),
                _ => self.ebcdic(&hex(value)),
            },
            _ if self.text == "ascii" => value.to_vec(),
            _ => self.ebcdic(value),
        }
    }

    /// Bytes of a length of so many `L`, and the largest number it says.
    fn length(&self, digits: u8) -> (usize, u64) {
        let (digits, pairs) = (u32::from(digits), u32::from(digits.div_ceil(2)));
        match self.length {
            "ascii" | "ebcdic" => (digits as usize, 10u64.pow(digits) - 1),
            "bcd" => (pairs as usize, 10u64.pow(digits) - 1),
            "binary" => (pairs as usize, 256u64.pow(pairs) - 1),
            _ => (digits as usize, 16u64.pow(digits) - 1),
        }
    }

    fn written_length(&self, width: usize, number: usize) -> Vec<u8> {
        match self.length {
            "ascii" => format!("{number:0width$}").into_bytes(),
            "ebcdic" => self.ebcdic(format!("{number:0width$}").as_bytes()),
            "bcd" => {
                let digits = width * 2;
                self.digits("bcd", format!("{number:0digits$}").as_bytes())
            }
            "binary" => number.to_be_bytes()[8 - width..].to_vec(),
            _ => format!("{number:0width$X}").into_bytes(),
        }
    }

    fn counted(&self, class: &str, value: &[u8]) -> usize {
        if self.bytes { self.content(class, value).len() } else { value.len() }
    }

    /// How a short value of a class is filled up.
    fn fill(&self, class: &str) -> &'static str {
        match class {
            "n" | "z" => self.fills.0,
            "x+n" => "left-zero",
            "a" if self.fills.1.contains("zero") => "right-space",
            _ => self.fills.1,
        }
    }
}

impl Spec {
    fn keys<'k>(&'k self, head: &'k Head) -> &'k Keys {
        self.own.as_ref().unwrap_or(&head.keys)
    }

    /// A value of a length, with every character of its class that is read as it was written.
    fn value(&self, length: usize) -> Vec<u8> {
        let alphabet: Vec<u8> = match self.class {
            "n" | "x+n" => (b'0'..=b'9').collect(),
            "a" => b"ABYZabyz ".to_vec(),
            "an" => b"09AZaz 5".to_vec(),
            "ans" => (b' '..=b'~').collect(),
            "b" => (0..=255).collect(),
            _ => b"0123456789=F".to_vec(),
        };
        let mut state = self.noise.1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            alphabet[(state >> 33) as usize % alphabet.len()]
        };
        let mut value: Vec<u8> = (0..length).map(|_| next()).collect();
        // At either end of a track of variable length F is what fills it up.
        if self.class == "z" && self.length_digits > 0 {
            for end in [0, length.saturating_sub(1)] {
                value[..]
                    .get_mut(end)
                    .into_iter()
                    .for_each(|c| *c = if *c == b'F' { b'7' } else { *c });
            }
        }
        if self.class == "x+n" {
            value.splice(..value.len().min(1), [if self.noise.1 & 1 == 0 { b'C' } else { b'D' }]);
        }
        value
    }

    /// The longest value in the units of the class; of a signed amount the sign is one more.
    fn most(&self) -> usize {
        self.most + usize::from(self.class == "x+n")
    }

    /// What is set, which may be shorter than the field.
    fn set(&self) -> Vec<u8> {
        let least = usize::from(self.class == "x+n");
        let short = (usize::from(self.noise.0) % (self.most() + 1)).max(least);
        let is_whole =
            self.noise.1.is_multiple_of(3) || (self.class == "b" && self.length_digits == 0);
        self.value(if is_whole { self.most() } else { short })
    }

    /// Makes the longest value short enough for its length; a field that cannot be is fixed.
    fn fit(&mut self, head: &Head) {
        // There is no word by which a binary field of its own counts values.
        if let (Some(own), "b") = (&mut self.own, self.class) {
            own.bytes |= head.keys.bytes;
        }
        if self.length_digits > 0 {
            let keys = self.keys(head).clone();
            let (width, largest) = keys.length(self.length_digits);
            let itself = if keys.inclusive { width } else { 0 };
            let fits = |most: &usize| {
                let most = *most + usize::from(self.class == "x+n");
                (keys.counted(self.class, &vec![b'1'; most]) + itself) as u64 <= largest
            };
            match (1..=self.most).rev().find(fits) {
                Some(most) => self.most = most,
                None => self.length_digits = 0,
            }
        }
    }

    /// What is written, the length included, and what is read.
    fn written(&self, head: &Head) -> (Vec<u8>, Vec<u8>) {
        let (keys, mut value) = (self.keys(head), self.set());
        if self.length_digits == 0 {
            let missing = self.most() - value.len();
            let fill = keys.fill(self.class);
            let byte = if fill.ends_with("zero") { b'0' } else { b' ' };
            let place = match fill.starts_with("left") {
                true => usize::from(self.class == "x+n"),
                false => value.len(),
            };
            value.splice(place..place, vec![byte; missing]);
            return (keys.content(self.class, &value), value);
        }
        let width = keys.length(self.length_digits).0;
        let itself = if keys.inclusive { width } else { 0 };
        let length = keys.written_length(width, keys.counted(self.class, &value) + itself);
        let written = [length, keys.content(self.class, &value)].concat();
        // A length in bytes does not tell an odd number of digits from a filler of zero.
        let kind = match self.class {
            "n" => keys.digits,
            "z" => keys.track,
            "x+n" if keys.signed.ends_with("bcd") => "bcd",
            _ => "",
        };
        let sign = usize::from(self.class == "x+n");
        let is_odd = (value.len() - sign.min(value.len())) % 2 == 1;
        if keys.bytes && is_odd && value.len() < self.most() {
            match kind {
                "bcd" => value.insert(sign, b'0'),
                "bcd-right" => value.push(b'0'),
                _ => {}
            }
        }
        (written, value)
    }

    fn line(&self, number: u8) -> String {
        let letters = "L".repeat(self.length_digits.into());
        let dots = if self.length_digits > 0 { ".." } else { "" };
        let mut line = format!(
            "{number} = {{ name = 'f', format = '{letters} {}{dots}{}'",
            self.class, self.most
        );
        if let Some(own) = &self.own {
            let count =
                if own.bytes { "bytes" } else { if self.class == "b" { "" } else { "chars" } };
            for (key, word, class) in [
                ("digits", own.digits, "n"),
                ("track", own.track, "z"),
                ("text", own.text, "a an ans"),
                ("signed", own.signed, "x+n"),
                ("binary", own.binary, "b"),
            ] {
                if class.split(' ').any(|class| class == self.class) {
                    write!(line, ", {key} = '{word}'").unwrap();
                }
            }
            if !count.is_empty() {
                write!(line, ", count = '{count}'").unwrap();
            }
            if self.class != "b" {
                write!(line, ", fill = '{}'", own.fill(self.class)).unwrap();
            }
            write!(line, ", code_page = '{}', length = '{}'", own.code_page, own.length).unwrap();
            write!(line, ", inclusive = {}", own.inclusive).unwrap();
        }
        line + " }\n"
    }
}

impl Head {
    fn text(&self) -> String {
        let keys = &self.keys;
        let mut text = format!("name = 's'\n[encoding]\nmti = '{}'\n", self.mti);
        for (key, word) in [
            ("bitmap", self.bitmap),
            ("digits", keys.digits),
            ("track", keys.track),
            ("text", keys.text),
            ("signed", keys.signed),
            ("binary", keys.binary),
            ("code_page", keys.code_page),
            ("length", keys.length),
            ("count", if keys.bytes { "bytes" } else { "digits" }),
            ("fill_digits", keys.fills.0),
            ("fill_text", keys.fills.1),
        ] {
            writeln!(text, "{key} = '{word}'").unwrap();
        }
        writeln!(
            text,
            "inclusive = {}\nbitmap_bytes = {}\n[fields]",
            keys.inclusive, self.bitmap_bytes
        )
        .unwrap();
        text
    }

    fn written(&self, fields: impl Iterator<Item = u8> + Clone, has_third: bool) -> Vec<u8> {
        let mut bits = [0u8; 24];
        for number in fields.clone() {
            bits[usize::from(number - 1) / 8] |= 0x80 >> ((number - 1) % 8);
        }
        let highest = fields.max().unwrap_or(0);
        let width = match self.bitmap_bytes {
            0 if highest > 128 => 24,
            0 if highest > 64 => 16,
            0 => 8,
            fixed => usize::from(fixed),
        };
        if self.bitmap_bytes == 0 {
            bits[0] |= if width > 8 { 0x80 } else { 0 };
            bits[8] |= if width > 16 && has_third { 0x80 } else { 0 };
        }
        let bitmap = match self.bitmap {
            "binary" => bits[..width].to_vec(),
            "hex" => hex(&bits[..width]),
            _ => self.keys.ebcdic(&hex(&bits[..width])),
        };
        [self.keys.digits(self.mti, b"0200"), bitmap].concat()
    }
}

fn put(message: &mut Message, number: FieldNumber, class: &str, value: &[u8]) {
    match class {
        "b" => message.set_binary(number, value),
        _ => message.set_text(number, core::str::from_utf8(value).unwrap()),
    }
}

fn encoded(codec: &Codec, message: &Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    codec.encode(message, &mut out).unwrap_or_else(|error| panic!("{error}"));
    out.to_vec()
}

/// The same message with every value set anew.
fn set_anew(message: &Message) -> Message {
    let mut anew = Message::of(message.mti());
    for number in message.fields().iter() {
        anew.copy_field(message, number);
    }
    anew
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_dialect_writes_the_right_bytes_and_reads_them(
        head in head(),
        mut fields in btree_map(2..=192u8, spec(), 1..8),
        absent in any::<u64>(),
        broken in vec((any::<u16>(), 1..=255u8), 4),
    ) {
        let last = match head.bitmap_bytes { 0 => 192, bytes => bytes * 8 };
        // A response code is translated, and bit 65 may announce a third bitmap.
        fields.retain(|number, _| *number <= last && ![39, 65].contains(number));
        fields.values_mut().for_each(|spec| spec.fit(&head));
        let lines: String = fields.iter().map(|(number, spec)| spec.line(*number)).collect();
        let text = head.text() + &lines;
        let codec = Codec::new(Dialect::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}")));
        let has_third = fields.keys().any(|number| *number > 128);
        let present: BTreeMap<_, _> =
            fields.iter().filter(|(number, _)| absent >> (*number % 64) & 3 > 0).collect();
        let mut message = Message::of(Mti::parse("0200").unwrap());
        let mut expected = Message::of(Mti::parse("0200").unwrap());
        let mut frame = head.written(present.keys().map(|n| **n), has_third);
        for (number, spec) in &present {
            let number = FieldNumber::new(**number).unwrap();
            let (bytes, value) = spec.written(&head);
            put(&mut message, number, spec.class, &spec.set());
            put(&mut expected, number, spec.class, &value);
            frame.extend(bytes);
        }
        prop_assert_eq!(encoded(&codec, &message), frame.clone(), "{}", text);
        let mut read = Message::new();
        codec.decode_into(&frame, &mut read).unwrap_or_else(|error| panic!("{error}\n{text}"));
        for number in read.fields().iter() {
            prop_assert_eq!(
                read.expose(number).and_then(|raw| raw.text()),
                expected.expose(number).and_then(|raw| raw.text()), "{} of {}", number, text);
        }
        prop_assert_eq!(&read, &expected, "{}", text);
        prop_assert_eq!(encoded(&codec, &read), frame.clone(), "{}", text);
        prop_assert_eq!(encoded(&codec, &set_anew(&read)), frame.clone(), "{}", text);
        for (at, mask) in broken {
            let mut changed = frame.clone();
            let at = usize::from(at) % changed.len();
            changed[at] ^= mask;
            match codec.decode_into(&changed, &mut read) {
                Err(error) => prop_assert!(error.offset as usize <= changed.len(), "{}", error),
                Ok(()) => {
                    let mut again = Message::new();
                    codec.decode_into(&encoded(&codec, &set_anew(&read)), &mut again).unwrap();
                    prop_assert_eq!(&again, &read, "{}", text);
                }
            }
            prop_assert!(codec.decode_into(&frame[..at], &mut read).is_err());
        }
    }
}
