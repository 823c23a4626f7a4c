//! The tags of EMV chip data (EMV 4.3 Book 3 annex A, and those of contactless kernels that
//! appear in messages): name, format and who may see them.
//!
//! A table for showing and masking, not for refusing: terminals fill values in many ways, and
//! what a switch passes on is the issuer's to judge. A tag that is not here, and that the dialect
//! does not define either, is as closed as the field it stands in.

use super::tlv::Tag;
use crate::content::Sensitivity::{self, Account, Open, Pan, Private, Secret};

/// How the value of a tag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Bytes, shown in hexadecimal.
    Bytes,
    /// `n`: packed digits, filled with zeros on the left.
    Digits,
    /// `cn`: packed digits, filled with `F` on the right.
    Compressed,
    /// `a`, `an`, `ans`: characters.
    Text,
    /// Objects.
    Objects,
}

/// What is known of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The tag.
    pub tag: u32,
    /// For people.
    pub name: &'static str,
    /// How its value is written.
    pub format: Format,
    /// Who may see it.
    pub sensitivity: Sensitivity,
}

/// What is known of a tag; `None` if nothing is.
#[must_use]
pub fn entry(tag: Tag) -> Option<&'static Entry> {
    let place = TAGS.binary_search_by_key(&tag.get(), |entry| entry.tag).ok()?;
    TAGS.get(place)
}

/// Who may see what a tag holds; `None` if nothing is known of it.
pub(crate) fn sensitivity(tag: u32) -> Option<Sensitivity> {
    Some(entry(Tag::from_number(tag)?)?.sensitivity)
}

use Format::{Bytes, Compressed, Digits, Objects, Text};

macro_rules! tags {
    ($($tag:literal $format:ident $sensitivity:ident $name:literal;)*) => {
        /// Every tag that is known, in ascending order.
        pub const TAGS: &[Entry] = &[$(Entry {
            tag: $tag, name: $name, format: $format, sensitivity: $sensitivity,
        },)*];
    };
}

tags! {
    0x42 Digits Open "issuer identification number";
    0x4F Bytes Open "application identifier (card)";
    0x50 Text Open "application label";
    0x56 Bytes Secret "track 1 data";
    0x57 Bytes Secret "track 2 equivalent data";
    0x5A Compressed Pan "application PAN";
    0x61 Objects Private "application template";
    0x6F Objects Private "FCI template";
    0x70 Objects Private "record template";
    0x71 Objects Private "issuer script template 1";
    0x72 Objects Private "issuer script template 2";
    0x73 Objects Private "directory discretionary template";
    0x77 Objects Private "response template 2";
    0x80 Bytes Private "response template 1";
    0x81 Bytes Open "amount, authorised (binary)";
    0x82 Bytes Open "application interchange profile";
    0x83 Bytes Private "command template";
    0x84 Bytes Open "dedicated file name";
    0x86 Bytes Secret "issuer script command";
    0x87 Bytes Open "application priority indicator";
    0x88 Bytes Open "short file identifier";
    0x89 Text Open "authorisation code";
    0x8A Text Open "authorisation response code";
    0x8C Bytes Open "card risk management data object list 1";
    0x8D Bytes Open "card risk management data object list 2";
    0x8E Bytes Open "cardholder verification method list";
    0x8F Bytes Open "certification authority public key index";
    0x90 Bytes Private "issuer public key certificate";
    0x91 Bytes Open "issuer authentication data";
    0x92 Bytes Private "issuer public key remainder";
    0x93 Bytes Private "signed static application data";
    0x94 Bytes Open "application file locator";
    0x95 Bytes Open "terminal verification results";
    0x98 Bytes Open "transaction certificate hash value";
    0x99 Bytes Secret "transaction PIN data";
    0x9A Digits Open "transaction date";
    0x9B Bytes Open "transaction status information";
    0x9C Digits Open "transaction type";
    0x9D Bytes Open "directory definition file name";
    0xA5 Objects Private "FCI proprietary template";
    0x5F20 Text Private "cardholder name";
    0x5F24 Digits Open "application expiration date";
    0x5F25 Digits Open "application effective date";
    0x5F28 Digits Open "issuer country code";
    0x5F2A Digits Open "transaction currency code";
    0x5F2D Text Open "language preference";
    0x5F30 Digits Open "service code";
    0x5F34 Digits Open "application PAN sequence number";
    0x5F36 Digits Open "transaction currency exponent";
    0x5F50 Text Open "issuer URL";
    0x5F53 Text Account "IBAN";
    0x5F54 Text Open "bank identifier code";
    0x5F55 Text Open "issuer country code (alpha 2)";
    0x5F56 Text Open "issuer country code (alpha 3)";
    0x5F57 Digits Open "account type";
    0x9F01 Digits Open "acquirer identifier";
    0x9F02 Digits Open "amount, authorised";
    0x9F03 Digits Open "amount, other";
    0x9F04 Bytes Open "amount, other (binary)";
    0x9F05 Bytes Private "application discretionary data";
    0x9F06 Bytes Open "application identifier (terminal)";
    0x9F07 Bytes Open "application usage control";
    0x9F08 Bytes Open "application version number (card)";
    0x9F09 Bytes Open "application version number (terminal)";
    0x9F0B Text Private "cardholder name, extended";
    0x9F0D Bytes Open "issuer action code, default";
    0x9F0E Bytes Open "issuer action code, denial";
    0x9F0F Bytes Open "issuer action code, online";
    0x9F10 Bytes Open "issuer application data";
    0x9F11 Digits Open "issuer code table index";
    0x9F12 Text Open "application preferred name";
    0x9F13 Bytes Open "last online transaction counter";
    0x9F14 Bytes Open "lower consecutive offline limit";
    0x9F15 Digits Open "merchant category code";
    0x9F16 Text Open "merchant identifier";
    0x9F17 Bytes Open "PIN try counter";
    0x9F18 Bytes Open "issuer script identifier";
    0x9F19 Bytes Private "token requestor identifier";
    0x9F1A Digits Open "terminal country code";
    0x9F1B Bytes Open "terminal floor limit";
    0x9F1C Text Open "terminal identification";
    0x9F1D Bytes Open "terminal risk management data";
    0x9F1E Text Open "interface device serial number";
    0x9F1F Bytes Secret "track 1 discretionary data";
    0x9F20 Bytes Secret "track 2 discretionary data";
    0x9F21 Digits Open "transaction time";
    0x9F22 Bytes Open "certification authority public key index (terminal)";
    0x9F23 Bytes Open "upper consecutive offline limit";
    0x9F24 Text Private "payment account reference";
    0x9F25 Bytes Private "last four digits of PAN";
    0x9F26 Bytes Open "application cryptogram";
    0x9F27 Bytes Open "cryptogram information data";
    0x9F2D Bytes Private "ICC PIN encipherment public key certificate";
    0x9F32 Bytes Open "issuer public key exponent";
    0x9F33 Bytes Open "terminal capabilities";
    0x9F34 Bytes Open "cardholder verification method results";
    0x9F35 Digits Open "terminal type";
    0x9F36 Bytes Open "application transaction counter";
    0x9F37 Bytes Open "unpredictable number";
    0x9F38 Bytes Open "processing options data object list";
    0x9F39 Digits Open "point of service entry mode";
    0x9F3A Bytes Open "amount, reference currency";
    0x9F3B Digits Open "application reference currency";
    0x9F3C Digits Open "transaction reference currency code";
    0x9F3D Digits Open "transaction reference currency exponent";
    0x9F40 Bytes Open "additional terminal capabilities";
    0x9F41 Digits Open "transaction sequence counter";
    0x9F42 Digits Open "application currency code";
    0x9F43 Digits Open "application reference currency exponent";
    0x9F44 Digits Open "application currency exponent";
    0x9F45 Bytes Open "data authentication code";
    0x9F46 Bytes Private "ICC public key certificate";
    0x9F47 Bytes Open "ICC public key exponent";
    0x9F48 Bytes Private "ICC public key remainder";
    0x9F49 Bytes Open "dynamic data authentication data object list";
    0x9F4A Bytes Open "static data authentication tag list";
    0x9F4B Bytes Private "signed dynamic application data";
    0x9F4C Bytes Open "ICC dynamic number";
    0x9F4D Bytes Open "log entry";
    0x9F4E Text Open "merchant name and location";
    0x9F4F Bytes Open "log format";
    0x9F53 Bytes Open "transaction category code";
    0x9F5B Bytes Open "issuer script results";
    0x9F66 Bytes Open "terminal transaction qualifiers";
    0x9F6B Bytes Secret "track 2 data (contactless)";
    0x9F6C Bytes Open "card transaction qualifiers";
    0x9F6E Bytes Open "form factor or third-party data";
    0x9F7C Bytes Private "customer exclusive data";
    0xBF0C Objects Private "FCI issuer discretionary data";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_ascend_are_tags_and_are_constructed_as_they_say() {
        for pair in TAGS.windows(2) {
            assert!(pair[0].tag < pair[1].tag, "{:X}", pair[1].tag);
        }
        for entry in TAGS {
            let tag = Tag::from_number(entry.tag).unwrap_or_else(|| panic!("{:X}", entry.tag));
            assert_eq!(tag.is_constructed(), entry.format == Objects, "{tag}");
            assert_eq!(super::entry(tag), Some(entry));
        }
    }

    #[test]
    fn what_names_a_card_or_a_person_is_closed() {
        for tag in [0x57, 0x5A, 0x56, 0x9F6B, 0x9F1F, 0x99, 0x5F20, 0x9F20, 0x9F0B, 0x5F53] {
            let entry = entry(Tag::from_number(tag).unwrap()).unwrap();
            assert_ne!(entry.sensitivity, Open, "{tag:X}");
        }
        assert_eq!(entry(Tag::from_number(0xDF01).unwrap()), None);
    }
}
