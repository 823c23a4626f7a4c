//! The `framing` table of a listener, a group or a simulator: text to [`Framing`].

use crate::findings::Found;
use crate::section::{Missing, Section};
use crate::unit::{parse_hex, show_hex};
use veksel_codecs::{Framing, Header, KeepAlive, LengthForm};

const LENGTHS: [(&str, LengthForm); 4] = [
    ("binary2", LengthForm::Binary2),
    ("binary4", LengthForm::Binary4),
    ("ascii4", LengthForm::Ascii4),
    ("bcd2", LengthForm::Bcd2),
];
const KEEP_ALIVES: [(&str, KeepAlive); 3] =
    [("ignore", KeepAlive::Ignore), ("echo", KeepAlive::Echo), ("reject", KeepAlive::Reject)];

/// Longest fixed header in bytes.
const HEADER_MAX: usize = 32;

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
    let keep_alive = section.choice("keep_alive", default.keep_alive, &KEEP_ALIVES);
    let frame_max = section.integer("frame_max", default.frame_max, 1..=65_535);
    if header.value.is_some() && tpdu.value.is_some() {
        let help = format!("`header` is set too, {}", section.findings.words(header.place));
        section.findings.error(tpdu.place, "`tpdu` and `header` exclude each other", help);
    }
    let (header_is_sound, tpdu_is_sound) = (header.is_sound(), tpdu.is_sound());
    let header = match (header.value, tpdu.value) {
        (_, Some(tpdu)) => Header::Tpdu(tpdu),
        (Some(header), None) => Header::Fixed(header),
        (None, None) => Header::None,
    };
    let sound = header_is_sound && tpdu_is_sound && length.is_sound();
    let framing = Framing {
        length: length.value,
        counts_itself: counts_itself.value,
        counts_header: counts_header.value,
        header,
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
    let most: u64 = match framing.length {
        LengthForm::Binary2 => 0xFFFF,
        LengthForm::Binary4 => 0xFFFF_FFFF,
        LengthForm::Ascii4 | LengthForm::Bcd2 => 9_999,
    };
    let itself = if framing.counts_itself { framing.length.width() } else { 0 };
    let header = if framing.counts_header { framing.header_width() } else { 0 };
    most.saturating_sub(u64::try_from(itself + header).unwrap_or(u64::MAX))
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
