//! Dialects for people: the words of a dialect file for what a dialect does.

use crate::dialect::{Dialect, Field};
use core::fmt::Debug;

impl Dialect {
    /// The encodings that hold unless a field has its own: key and word of a dialect file.
    #[must_use]
    pub fn encodings(&self) -> [(&'static str, String); 4] {
        let encoding = &self.encoding;
        [
            ("mti", word(&encoding.mti)),
            ("bitmap", word(&encoding.bitmap)),
            ("digits", word(&encoding.digits)),
            ("length", word(&encoding.length)),
        ]
    }
}

impl Field {
    /// The encodings that the field has for itself: key and word of a dialect file.
    #[must_use]
    pub fn own_encodings(&self) -> Vec<(&'static str, String)> {
        let digits = self.digits.as_ref().map(|digits| ("digits", word(digits)));
        let length = self.length.as_ref().map(|length| ("length", word(length)));
        digits.into_iter().chain(length).collect()
    }
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

    #[test]
    fn words_are_those_that_are_read() {
        let encodings =
            "mti = \"bcd\"\nbitmap = \"hex\"\ndigits = \"bcd-right\"\nlength = \"binary\"\n";
        let field =
            "4 = { name = \"a\", format = \"LL n..12\", digits = \"ascii\", length = \"bcd\" }";
        let text = format!("name = \"x\"\n[encoding]\n{encodings}[fields]\n{field}\n");
        let dialect = Dialect::parse(&text).unwrap();
        let lines = dialect.encodings().map(|(key, word)| format!("{key} = \"{word}\"\n"));
        assert_eq!(lines.concat(), encodings);
        let (_, field) = dialect.fields().next().unwrap();
        let expected = [("digits", "ascii".to_owned()), ("length", "bcd".to_owned())];
        assert_eq!(field.own_encodings(), expected);
    }
}
