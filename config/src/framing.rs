//! The `framing` table of a listener, a group or a simulator: text to [`Framing`].

use crate::findings::Found;
use crate::section::{Missing, Section};
use crate::unit::{parse_hex, show_hex};
use veksel_codecs::{BASE1_WIDTH, Framing, Header, KeepAlive, LengthForm};

const LENGTHS: [(&str, LengthForm); LengthForm::ALL.len()] = [
    ("binary2", LengthForm::Binary2),
    ("binary3", LengthForm::Binary3),
    ("binary4", LengthForm::Binary4),
    ("ascii2", LengthForm::Ascii2),
    ("ascii3", LengthForm::Ascii3),
    ("ascii4", LengthForm::Ascii4),
    ("ascii5", LengthForm::Ascii5),
    ("ascii6", LengthForm::Ascii6),
    ("bcd2", LengthForm::Bcd2),
    ("bcd3", LengthForm::Bcd3),
    ("hex4", LengthForm::Hex4),
    ("none", LengthForm::None),
    ("message", LengthForm::Message),
];
const KEEP_ALIVES: [(&str, KeepAlive); 3] =
    [("ignore", KeepAlive::Ignore), ("echo", KeepAlive::Echo), ("reject", KeepAlive::Reject)];

/// Longest fixed header in bytes.
const HEADER_MAX: usize = 32;
/// Most bytes of a marker, of what is reserved, and of a trailer.
const EDGE_MAX: usize = 8;

/// Reads a whole framing. Without a table it is the commonest one.
pub(crate) fn framing(mut section: Section<'_>) -> Framing {
    let default = Framing::binary2();
    let length = section.choice("length", default.length, &LENGTHS);
    let counts_itself = section.boolean("counts_itself", default.counts_itself);
    let counts_header = section.boolean("counts_header", default.counts_header);
    let header = bytes(&mut section, "header", "`none` or 1 to 32 bytes in hexadecimal", |bytes| {
        (1..=HEADER_MAX).contains(&bytes.len()).then(|| bytes.to_vec())
    });
    let tpdu = bytes(&mut section, "tpdu", "`none` or 5 bytes in hexadecimal", |bytes| {
        <[u8; 5]>::try_from(bytes).ok()
    });
    let base1 = "`none` or 22 bytes in hexadecimal, the first of them 16";
    let base1 = bytes(&mut section, "base1", base1, |bytes| {
        // It says how long it is; a peer refuses any other.
        let is_own_length = bytes.first().copied().map(usize::from) == Some(BASE1_WIDTH);
        <[u8; BASE1_WIDTH]>::try_from(bytes).ok().filter(|_| is_own_length)
    });
    let counts_trailer = section.boolean("counts_trailer", default.counts_trailer);
    let edge = |section: &mut Section<'_>, key| {
        bytes(section, key, "`none` or 1 to 8 bytes in hexadecimal", |bytes| {
            (1..=EDGE_MAX).contains(&bytes.len()).then(|| bytes.to_vec())
        })
    };
    let marker = edge(&mut section, "marker");
    let reserved = edge(&mut section, "reserved");
    let trailer = edge(&mut section, "trailer");
    let keep_alive = section.choice("keep_alive", default.keep_alive, &KEEP_ALIVES);
    let frame_max = section.integer("frame_max", default.frame_max, 1..=65_535);
    let headers = [
        ("header", header.value.is_some(), header.place),
        ("tpdu", tpdu.value.is_some(), tpdu.place),
        ("base1", base1.value.is_some(), base1.place),
    ];
    let mut given = headers.into_iter().filter(|(_, is_given, _)| *is_given);
    if let Some((first, _, first_place)) = given.next() {
        for (key, _, place) in given {
            let help = format!("`{first}` is set too, {}", section.findings.words(first_place));
            let message = format!("`{key}` and `{first}` exclude each other");
            section.findings.error(place, message, help);
        }
    }
    let length_is_none = length.is_sound() && length.value == LengthForm::None;
    if length_is_none && trailer.is_sound() && trailer.value.is_none() {
        let help = "set `trailer`, such as \"03\"";
        let message = "frames without a length end with a trailer, and there is none";
        section.findings.error(length.place, message, help);
    }
    if length.is_sound() && length.value == LengthForm::Message {
        let counts = [
            ("counts_itself", &counts_itself),
            ("counts_header", &counts_header),
            ("counts_trailer", &counts_trailer),
        ];
        for (key, counts) in counts.into_iter().filter(|(_, counts)| counts.value) {
            let message = format!("`{key}` without a length that could count");
            section.findings.error(counts.place, message, "the message tells where it ends");
        }
        if keep_alive.is_sound() && keep_alive.value == KeepAlive::Echo {
            let message = "without a length there is no frame of length zero to send back";
            let help = "leave it out; echoes are messages (0800)";
            section.findings.error(keep_alive.place, message, help);
        }
    }
    let sound = header.is_sound()
        && tpdu.is_sound()
        && base1.is_sound()
        && trailer.is_sound()
        && length.is_sound();
    let header = match (header.value, tpdu.value, base1.value) {
        (_, _, Some(base1)) => Header::Base1(base1),
        (_, Some(tpdu), None) => Header::Tpdu(tpdu),
        (Some(header), None, None) => Header::Fixed(header),
        (None, None, None) => Header::None,
    };
    let framing = Framing {
        length: length.value,
        counts_itself: counts_itself.value,
        counts_header: counts_header.value,
        counts_trailer: counts_trailer.value,
        marker: marker.value.unwrap_or_default(),
        reserved: reserved.value.unwrap_or_default(),
        header,
        trailer: trailer.value.unwrap_or_default(),
        keep_alive: keep_alive.value,
        frame_max: frame_max.value,
    };
    let most = message_most(&framing);
    if sound && frame_max.is_sound() && u64::from(framing.frame_max) > most {
        let place = frame_max.place.or(length.place);
        let message =
            format!("`frame_max` {} is more than this length can say, {most}", framing.frame_max);
        section.findings.error(place, message, format!("at most {most}"));
    }
    framing
}

/// The longest message whose length can be written.
fn message_most(framing: &Framing) -> u64 {
    framing.length.most().saturating_sub(u64::try_from(framing.overhead()).unwrap_or(u64::MAX))
}

fn bytes<T: AsRef<[u8]>>(
    section: &mut Section<'_>,
    key: &'static str,
    expected: &str,
    fit: impl Fn(&[u8]) -> Option<T>,
) -> Found<Option<T>> {
    let parse = |text: &str| match text {
        "none" => Ok(None),
        text => {
            let bytes = parse_hex(text)?;
            fit(&bytes).map(Some).ok_or_else(|| format!("these are {} bytes", bytes.len()))
        }
    };
    let show = |bytes: &Option<T>| {
        bytes.as_ref().map_or_else(|| "none".to_owned(), |bytes| show_hex(bytes.as_ref()))
    };
    section.parsed(key, Missing::Default(None), expected, parse, show)
}
