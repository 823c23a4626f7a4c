//! Dialects for people: the words of a dialect file for what a dialect does.

use crate::code_page::CodePage;
use crate::content::Content;
use crate::dialect::{Count, Dialect, Field, Fill, Resolved};
use crate::response_code::Edition;
use core::fmt::Debug;

/// A key of a dialect file and its word.
type Said = (&'static str, String);

impl Dialect {
    /// What holds unless a field has its own: every key and word of `[encoding]`.
    #[must_use]
    pub fn encodings(&self) -> Vec<Said> {
        let encoding = &self.encoding;
        vec![
            ("mti", word(&encoding.mti)),
            ("bitmap", word(&encoding.bitmap)),
            ("bitmap_bytes", encoding.bitmap_bytes.to_string()),
            ("digits", word(&encoding.digits)),
            ("track", word(&encoding.track)),
            ("text", word(&encoding.text)),
            ("signed", word(&encoding.signed)),
            ("binary", word(&encoding.binary)),
            ("code_page", page(encoding.code_page)),
            ("length", word(&encoding.length)),
            ("count", count(encoding.count, true)),
            ("inclusive", encoding.inclusive.to_string()),
            ("fill_digits", word(&encoding.fill_digits)),
            ("fill_text", word(&encoding.fill_text)),
            ("response_codes", edition(encoding.response_codes)),
        ]
    }

    /// The encodings that count for a field, its own or those of the dialect: how its value is
    /// written, its code page if that is EBCDIC, and its length if it has one. What the length
    /// counts, whether it counts itself, and how a short value is filled stand there only if it is
    /// not the length of the value, no, and as its class usually is.
    #[must_use]
    pub fn encodings_of(&self, field: &Field) -> Vec<Said> {
        let resolved = field.resolve(&self.encoding);
        let Resolved { digits, text, signed, binary, code_page, length, inclusive, fill, .. } =
            resolved;
        let value = match field.content {
            Content::Digits => ("digits", word(&digits)),
            Content::Track => ("track", word(&digits)),
            Content::Letters | Content::Alphanumeric | Content::Printable => ("text", word(&text)),
            Content::SignedDigits => ("signed", word(&signed)),
            Content::Binary => ("binary", word(&binary)),
        };
        let has_page = value.1 == "ebcdic";
        let mut said = vec![value];
        if has_page {
            said.push(("code_page", page(code_page)));
        }
        if field.length_digits > 0 {
            said.push(("length", word(&length)));
            if resolved.count == Count::Bytes {
                said.push(("count", count(resolved.count, true)));
            }
            if inclusive {
                said.push(("inclusive", inclusive.to_string()));
            }
            return said;
        }
        let usual = if field.content.is_text() { Fill::RightSpace } else { Fill::LeftZero };
        if fill != usual {
            said.push(("fill", word(&fill)));
        }
        said
    }
}

impl Field {
    /// The encodings that the field has for itself: key and word of a dialect file.
    #[must_use]
    pub fn own_encodings(&self) -> Vec<Said> {
        let own = &self.own;
        let numeric =
            matches!(self.content, Content::Digits | Content::Track | Content::SignedDigits);
        let all = [
            ("digits", self.digits.as_ref().map(word)),
            ("track", own.track.as_ref().map(word)),
            ("text", own.text.as_ref().map(word)),
            ("signed", own.signed.as_ref().map(word)),
            ("binary", own.binary.as_ref().map(word)),
            ("code_page", own.code_page.map(page)),
            ("length", self.length.as_ref().map(word)),
            ("count", own.count.map(|it| count(it, numeric))),
            ("inclusive", own.inclusive.map(|it| it.to_string())),
            ("fill", own.fill.as_ref().map(word)),
        ];
        all.into_iter().filter_map(|(key, word)| Some((key, word?))).collect()
    }
}

fn page(page: CodePage) -> String {
    let word = match page {
        CodePage::P037 => "037",
        CodePage::P500 => "500",
        CodePage::P1047 => "1047",
    };
    word.to_owned()
}

/// Digits and characters of the value are the same to a codec.
fn count(count: Count, of_digits: bool) -> String {
    let word = match count {
        Count::Bytes => "bytes",
        Count::Value if of_digits => "digits",
        Count::Value => "chars",
    };
    word.to_owned()
}

fn edition(edition: Edition) -> String {
    let word = match edition {
        Edition::Of1987 => "1987",
        Edition::Of1993 => "1993",
        Edition::Of2003 => "2003",
    };
    word.to_owned()
}

/// `BcdRight` is `bcd-right`: variants are named after the words.
fn word(variant: &impl Debug) -> String {
    let mut out = String::new();
    for (place, character) in format!("{variant:?}").chars().enumerate() {
        if character.is_ascii_uppercase() && place > 0 {
            out.push('-');
        }
        out.push(character.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a file that say this.
    fn lines(said: &[Said]) -> String {
        let line = |(key, word): &Said| match *key {
            "bitmap_bytes" | "inclusive" => format!("{key} = {word}\n"),
            _ => format!("{key} = \"{word}\"\n"),
        };
        said.iter().map(line).collect()
    }

    fn dialect(encodings: &str, fields: &[&str]) -> Dialect {
        let mut text = format!("name = \"x\"\n[encoding]\n{encodings}[fields]\n");
        for (field, number) in fields.iter().zip(2..) {
            text.push_str(&format!("{number} = {{ name = \"a\", {field} }}\n"));
        }
        Dialect::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn words_are_those_that_are_read() {
        for encodings in [
            [
                "ascii",
                "binary",
                "0",
                "bcd-right",
                "bcd-right-f",
                "ascii",
                "bcd",
                "hex",
                "037",
                "bcd",
                "bytes",
                "false",
                "left-space",
                "left-zero",
                "1987",
            ],
            [
                "bcd",
                "ebcdic-hex",
                "16",
                "ebcdic",
                "bcd",
                "ebcdic",
                "ebcdic-bcd",
                "ebcdic-hex",
                "500",
                "hex",
                "digits",
                "true",
                "right-zero",
                "right-space",
                "1993",
            ],
            [
                "bcd-right-f",
                "hex",
                "24",
                "bcd-f",
                "bcd-right",
                "ascii",
                "ebcdic",
                "binary",
                "1047",
                "ebcdic",
                "bytes",
                "true",
                "left-zero",
                "left-space",
                "2003",
            ],
        ] {
            let plain = dialect("", &[]).encodings();
            let keys = plain.iter().map(|(key, _)| *key);
            let said: Vec<Said> = keys.zip(encodings).map(|(key, w)| (key, w.to_owned())).collect();
            // Numbers cannot be filled with spaces.
            let said: Vec<Said> = said
                .into_iter()
                .map(|(key, word)| match key {
                    "fill_digits" => (key, word.replace("space", "zero")),
                    _ => (key, word),
                })
                .collect();
            assert_eq!(dialect(&lines(&said), &[]).encodings(), said);
        }
    }

    #[test]
    fn what_a_field_has_for_itself() {
        let cases = [
            ("LL n..12", "digits = 'ascii', length = 'bcd', count = 'digits', inclusive = true"),
            ("LL z..12", "track = 'bcd-f', length = 'binary', count = 'bytes'"),
            ("ans4", "text = 'ebcdic', code_page = '500', fill = 'left-zero'"),
            ("LL an..4", "count = 'chars'"),
            ("x+n4", "signed = 'ebcdic-bcd'"),
            ("b4", "binary = 'ebcdic-hex'"),
            ("n4", ""),
        ];
        for (format, keys) in cases {
            let rest = if keys.is_empty() { String::new() } else { format!(", {keys}") };
            let dialect = dialect("", &[&format!("format = '{format}'{rest}")]);
            let (_, field) = dialect.fields().next().unwrap();
            let found = lines(&field.own_encodings()).trim_end().replace('\n', ", ");
            assert_eq!(found.replace('"', "'"), keys, "{format}");
        }
    }

    #[test]
    fn what_counts_for_a_field() {
        let encodings = "digits = \"bcd\"\ntext = \"ebcdic\"\ncount = \"bytes\"\n";
        let cases = [
            ("format = 'n4'", "digits bcd"),
            (
                "format = 'LL n..4', digits = 'ebcdic'",
                "digits ebcdic, code_page 037, length ascii, count bytes",
            ),
            (
                "format = 'LL z..4', inclusive = true, count = 'digits'",
                "track ascii, length ascii, inclusive true",
            ),
            ("format = 'ans4', fill = 'left-space'", "text ebcdic, code_page 037, fill left-space"),
            ("format = 'x+n4'", "signed ascii"),
            ("format = 'b4'", "binary binary"),
        ];
        for (field, expected) in cases {
            let dialect = dialect(encodings, &[field]);
            let (_, field) = dialect.fields().next().unwrap();
            let said = dialect.encodings_of(field);
            let words: Vec<_> = said.iter().map(|(key, word)| format!("{key} {word}")).collect();
            assert_eq!(words.join(", "), expected);
        }
    }
}
