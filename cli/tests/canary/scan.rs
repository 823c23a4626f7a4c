//! Looks for secrets in what a run left behind, however they are written.
//!
//! The suites of all crates share it, so it names none of our crates: cards and persons are read
//! from where the simulator has them.

use aho_corasick::{AhoCorasick, MatchKind};
use std::io::{Cursor, Read as _};
use std::path::Path;

/// Something that must be nowhere.
#[derive(Clone, Debug)]
pub(crate) struct Secret {
    /// What it is, for the complaint, which does not repeat it.
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

impl Secret {
    pub(crate) fn new(name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// The numbers of all cards that the bank's seed tables have.
pub(crate) fn seeds() -> Vec<Secret> {
    let cards = include_str!("../../../simulator/seeds/cards.csv");
    let pans = cards.lines().skip(1).filter_map(|line| line.split(',').next());
    pans.map(|pan| Secret::new(format!("card number ending in {}", &pan[12..]), pan)).collect()
}

/// The national ids of everybody who can sign in at the sandbox.
pub(crate) fn people() -> Vec<Secret> {
    let source = include_str!("../../../simulator/src/sandbox/oidc/persons.rs");
    let person = |text: &str| {
        let (key, rest) = text.split_once('"')?;
        let (_, pid) = rest.split_once("pid: \"")?;
        let (pid, _) = pid.split_once('"')?;
        Some(Secret::new(format!("national id of {key}"), pid))
    };
    let people: Vec<Secret> = source.split("key: \"").skip(1).filter_map(person).collect();
    assert!(people.len() > 3, "{} can sign in", people.len());
    people
}

/// What opens the doors of sandboxes, and of the switches that suites put before them.
pub(crate) fn doors() -> Vec<Secret> {
    let doors = [
        "key-of-app-1",
        "key-of-shop-1",
        "push-secret",
        "sandbox-client-secret",
        "sandbox-key",
        "sandbox-password",
        "sandbox-secret-key",
        "sandbox-webhook-secret",
        "secret-of-the-platform",
        "token-of-events",
    ];
    doors.map(|door| Secret::new(door, door)).to_vec()
}

/// The files of the journals in a folder. Cards are sealed in them; the book of the bank, which is
/// no journal, has those that the bank has issued.
pub(crate) fn journals(folder: &Path) -> Vec<Artefact> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if ["veksel.db", "journal.db"].iter().any(|own| name.starts_with(own)) {
            // Who is about to stop may take one away.
            let Ok(bytes) = std::fs::read(path) else { continue };
            found.push(Artefact { name, bytes });
        }
    }
    found
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Artefact {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

impl Artefact {
    /// What is packed in it, if it is an archive as workbooks are.
    pub(crate) fn unpacked(&self) -> Vec<Self> {
        if !self.bytes.starts_with(b"PK\x03\x04") {
            return Vec::new();
        }
        let mut archive = zip::ZipArchive::new(Cursor::new(&self.bytes)).unwrap();
        let mut entries = Vec::new();
        for place in 0..archive.len() {
            let mut entry = archive.by_index(place).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let name = format!("{} in {}", entry.name().unwrap(), self.name);
            entries.push(Self { name, bytes });
        }
        entries
    }
}

/// Finds any of the secrets, in any of the [`encodings`].
pub(crate) struct Scanner {
    automaton: AhoCorasick,
    /// Of each pattern: which secret, and how it is written.
    meanings: Vec<(String, &'static str)>,
}

impl Scanner {
    pub(crate) fn new(secrets: &[Secret]) -> Self {
        let (mut patterns, mut meanings) = (Vec::new(), Vec::new());
        for secret in secrets {
            for (encoding, pattern) in encodings(&secret.value) {
                patterns.push(pattern);
                meanings.push((secret.name.clone(), encoding));
            }
        }
        // Hexadecimal and escapes are written in either case.
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostFirst)
            .build(&patterns)
            .unwrap();
        Self { automaton, meanings }
    }

    /// A line for each find: where, what and how. Never the secret itself. What is a workbook, or
    /// packed in the same way, is looked into.
    pub(crate) fn scan(&self, artefact: &Artefact) -> Vec<String> {
        let mut found = self.scan_bytes(artefact);
        found.extend(artefact.unpacked().iter().flat_map(|entry| self.scan_bytes(entry)));
        found
    }

    fn scan_bytes(&self, artefact: &Artefact) -> Vec<String> {
        let found = self.automaton.find_iter(&artefact.bytes).take(20);
        found
            .map(|found| {
                let (secret, encoding) = &self.meanings[found.pattern().as_usize()];
                let Artefact { name, .. } = artefact;
                let at = found.start();
                let before = artefact.bytes[at.saturating_sub(100)..at].escape_ascii();
                format!("{name} at {at}: {secret} as {encoding}, after \"{before}\"")
            })
            .collect()
    }
}

/// Every way in which a value is looked for. What is too short to mean anything in one of them is
/// not looked for in that.
pub(crate) fn encodings(value: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut found: Vec<(&'static str, Vec<u8>)> = vec![("plain", value.to_vec())];
    let text = |name, write: &dyn Fn(u8) -> String| {
        let text: String = value.iter().map(|byte| write(*byte)).collect();
        (name, text.trim_end_matches([',', ' ']).as_bytes().to_vec())
    };
    found.push(text("hexadecimal", &|byte| format!("{byte:02x}")));
    found.push(text("spaced hexadecimal", &|byte| format!("{byte:02x} ")));
    found.push(text("percent escapes", &|byte| format!("%{byte:02x}")));
    // Within text that is quoted once more, as in a line of JSON, the backslash is doubled.
    for slash in ["\\", "\\\\"] {
        found.push(text("\\x escapes", &|byte| format!("{slash}x{byte:02x}")));
        found.push(text("\\u escapes", &|byte| format!("{slash}u{byte:04x}")));
    }
    found.push(text("a list of numbers", &|byte| format!("{byte}, ")));
    found.push(text("a tight list of numbers", &|byte| format!("{byte},")));
    let wide = |order: fn(u16) -> [u8; 2]| {
        value.iter().flat_map(|byte| order(u16::from(*byte))).collect::<Vec<u8>>()
    };
    found.push(("UTF-16 little endian", wide(u16::to_le_bytes)));
    found.push(("UTF-16 big endian", wide(u16::to_be_bytes)));
    // Wherever it stands within the text that was encoded.
    let standard = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let url = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for shift in 0..3 {
        found.push(("base64", base64(value, shift, standard)));
        found.push(("base64url", base64(value, shift, url)));
    }
    if value.iter().all(u8::is_ascii_digit) {
        for separator in [" ", "-"] {
            let groups: Vec<String> =
                value.chunks(4).map(|group| String::from_utf8_lossy(group).into_owned()).collect();
            found.push(("groups of four", groups.join(separator).into_bytes()));
        }
        let ebcdic: Vec<u8> = value.iter().map(|digit| digit + 0xC0).collect();
        let hex: String = ebcdic.iter().map(|byte| format!("{byte:02x}")).collect();
        found.push(("EBCDIC", ebcdic));
        found.push(("EBCDIC in hexadecimal", hex.into_bytes()));
        // Of an odd number either end may be filled up; what is between is always there.
        let nibbles: Vec<u8> = value.iter().map(|digit| digit - b'0').collect();
        for start in [0, 1] {
            let (pairs, _) = nibbles[start.min(nibbles.len())..].as_chunks::<2>();
            let packed: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
            let list = packed.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
            if packed.len() >= 5 {
                found.push(("packed digits", packed));
                found.push(("a list of packed digits", list.into_bytes()));
            }
        }
    }
    found.retain(|(_, pattern)| pattern.len() >= 5);
    found
}

/// What is sure to stand in base64 of any text that has the value after `shift` bytes (mod 3).
fn base64(value: &[u8], shift: usize, alphabet: &[u8; 64]) -> Vec<u8> {
    let bits = |at: usize| value.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1);
    let skipped = (6 - shift * 8 % 6) % 6;
    let whole = (value.len() * 8 - skipped) / 6;
    let digit = |place: usize| {
        let start = skipped + place * 6;
        (start..start + 6).fold(0, |digit, at| digit << 1 | usize::from(bits(at)))
    };
    (0..whole).map(|place| alphabet[digit(place)]).collect()
}
