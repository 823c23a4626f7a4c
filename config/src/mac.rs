//! The `mac` table of a listener, a group or a simulator: text to [`MacConfig`].
//!
//! Only what the file says is looked at; the keys themselves are read by who uses them.

use crate::findings::Found;
use crate::section::{Missing, Section};
use std::path::{Path, PathBuf};

/// How the messages of a link are authenticated (DE64 or DE128).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacConfig {
    /// How a MAC is made.
    pub algorithm: MacAlgorithm,
    /// How the message is filled up to whole blocks.
    pub padding: MacPadding,
    /// Bytes of the MAC that count, 4 to 8; the rest of the field is zero.
    pub width: u8,
    /// Files with the keys under which the peer's messages are accepted; more than one while a
    /// key is changed. Empty does not check them.
    pub accept: Vec<PathBuf>,
    /// File with the key for messages to the peer; `None` sends them without.
    pub make: Option<PathBuf>,
    /// File with the key of the peer's messages that follows when the peer asks for a change of
    /// keys (0800/101); `None` if there is none.
    pub next_accept: Option<PathBuf>,
    /// The same for messages to the peer.
    pub next_make: Option<PathBuf>,
    /// How long the old keys of the peer's messages are still accepted after a change, in
    /// milliseconds.
    pub overlap_ms: u64,
    /// Whether network management (0800, 0810) carries one too.
    pub network: bool,
    /// More messages with a wrong MAC than these, within a minute, close a connection.
    pub failures_max: u32,
}

/// How a MAC is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacAlgorithm {
    /// ISO 9797-1 algorithm 1 with DES (ANSI X9.9).
    DesCbc,
    /// ISO 9797-1 algorithm 1 with triple DES (ISO 16609).
    TdesCbc,
    /// ISO 9797-1 algorithm 3 with DES (ANSI X9.19, the retail MAC).
    Retail,
    /// CMAC with AES (RFC 4493), cut to the field.
    AesCmac,
    /// HMAC with SHA-256 (RFC 2104), cut to the field.
    HmacSha256,
}

impl MacAlgorithm {
    /// Whether a message is filled up by one of [`MacPadding`].
    #[must_use]
    pub const fn pads(self) -> bool {
        matches!(self, Self::DesCbc | Self::TdesCbc | Self::Retail)
    }
}

/// How a message is filled up to whole blocks (ISO 9797-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacPadding {
    /// Method 1: zero bytes, if any are needed. A message and the same one with zeros at its end
    /// have one MAC.
    Zeros,
    /// Method 2: a bit that is set, then zeros.
    Bit,
}

const ALGORITHMS: [(&str, Option<MacAlgorithm>); 6] = [
    ("none", None),
    ("des-cbc", Some(MacAlgorithm::DesCbc)),
    ("tdes-cbc", Some(MacAlgorithm::TdesCbc)),
    ("retail", Some(MacAlgorithm::Retail)),
    ("aes-cmac", Some(MacAlgorithm::AesCmac)),
    ("hmac-sha256", Some(MacAlgorithm::HmacSha256)),
];
const PADDINGS: [(&str, MacPadding); 2] = [("zeros", MacPadding::Zeros), ("bit", MacPadding::Bit)];

/// Keys that may be in use at once while one follows another.
const KEYS_MAX: usize = 4;

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;

/// Reads the table. Without one there are no MACs.
pub(crate) fn mac(mut section: Section<'_>) -> Option<MacConfig> {
    let folder = section.findings.source().folder.clone();
    let algorithm = section.choice("algorithm", None, &ALGORITHMS);
    let padding = section.choice("padding", MacPadding::Bit, &PADDINGS);
    let width = section.integer("width", 8, 4..=8);
    let file = |text: &str| is_file(&folder, text);
    let accept = section.list("accept", None, "names of files with a key", file, String::clone);
    let make = section.parsed(
        "make",
        Missing::Default(String::new()),
        "the name of a file with a key, or empty",
        |text| if text.is_empty() { Ok(String::new()) } else { file(text) },
        String::clone,
    );
    let next = |section: &mut Section<'_>, key| {
        section.parsed(
            key,
            Missing::Default(String::new()),
            "the name of a file with a key, or empty",
            |text| if text.is_empty() { Ok(String::new()) } else { file(text) },
            String::clone,
        )
    };
    let next_accept = next(&mut section, "next_accept");
    let next_make = next(&mut section, "next_make");
    let overlap = section.duration("overlap", 60 * SECOND, SECOND..=HOUR);
    let network = section.boolean("network", true);
    let failures_max = section.integer("failures_max", 5, 1..=65_536);
    let place = algorithm.place;
    let Some(chosen) = algorithm.value else {
        let names = [&make, &next_accept, &next_make];
        if !accept.value.is_empty() || names.iter().any(|name| !name.value.is_empty()) {
            let place = accept.place.or(make.place).or(next_accept.place).or(next_make.place);
            let help = "choose an `algorithm`, or leave the keys out";
            section.findings.error(place, "keys for MACs, and no MACs", help);
        }
        return None;
    };
    let is_keyless = accept.value.is_empty() && make.value.is_empty();
    if is_keyless && accept.is_sound() && make.is_sound() && algorithm.is_sound() {
        let help = "name the keys in `accept`, for the peer's messages, and `make`, for ours";
        section.findings.error(place, "MACs without a key", help);
    }
    if accept.is_sound() && accept.value.is_empty() && !make.value.is_empty() {
        let help = "name the keys of the peer in `accept`";
        section.findings.warning(
            place,
            "MACs are made, and those of the peer are not checked",
            help,
        );
    }
    if let Some(beyond) = accept.value.get(KEYS_MAX) {
        let message = format!("`accept` has more than {KEYS_MAX} keys");
        section.findings.error(beyond.place, message, "take out those that are no longer used");
    }
    if chosen == MacAlgorithm::DesCbc {
        let help = "DES keys can be searched; take `aes-cmac`, or `tdes-cbc` if the peer must";
        section.findings.warning(place, "`des-cbc` protects nothing any more", help);
    }
    if chosen.pads() && padding.value == MacPadding::Zeros {
        let help = "a message and the same one with zeros at its end have one MAC; \
                    `bit` tells them apart";
        section.findings.warning(padding.place, "`padding` with zeros is ambiguous", help);
    }
    if width.is_sound() && width.value < 8 {
        let help = format!("one in 2^{} guesses is right", u32::from(width.value) * 8);
        section.findings.warning(width.place, "`width` cuts the MAC short", help);
    }
    for (key, next, has_one) in [
        ("next_accept", &next_accept, !accept.value.is_empty()),
        ("next_make", &next_make, !make.value.is_empty()),
    ] {
        if !next.value.is_empty() && !has_one {
            let message = format!("`{key}` follows no key");
            let help = "a key can follow only one that is in use";
            section.findings.error(next.place, message, help);
        }
    }
    let path = |name: Found<String>| {
        Some(name.value).filter(|key| !key.is_empty()).map(|key| folder.join(key))
    };
    Some(MacConfig {
        algorithm: chosen,
        padding: padding.value,
        width: width.value,
        accept: accept.value.into_iter().map(|key| folder.join(key.value)).collect(),
        make: Some(make.value).filter(|key| !key.is_empty()).map(|key| folder.join(key)),
        next_accept: path(next_accept),
        next_make: path(next_make),
        overlap_ms: overlap.value,
        network: network.value,
        failures_max: failures_max.value,
    })
}

fn is_file(folder: &Path, text: &str) -> Result<String, String> {
    let is_file = folder.join(text).is_file();
    is_file.then(|| text.to_owned()).ok_or_else(|| "there is no such file".to_owned())
}
