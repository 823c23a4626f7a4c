//! Names, texts and account numbers as banks take them.

/// Longest name of a creditor.
const NAME_MAX: usize = 70;
/// Longest remittance text of any product.
const REMITTANCE_MAX: usize = 140;
/// Longest domestic account number (`bban`).
const BBAN_MAX: usize = 30;
/// Letters of the Nordic alphabets that domestic products keep.
const KEPT: &str = "ÆØÅÄÖæøåäö";

/// An account as it stands in a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Account {
    /// With valid check digits.
    Iban(String),
    /// Letters and digits that are no IBAN.
    Bban(String),
}

/// Reads an account number as a channel writes it: with spaces, hyphens and dots or without.
/// `None` if something else is in it.
pub(super) fn account(text: &str) -> Option<Account> {
    let plain: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '/')).collect();
    let is_number = !plain.is_empty() && plain.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_number {
        return None;
    }
    let upper = plain.to_ascii_uppercase();
    if is_iban(&upper) {
        return Some(Account::Iban(upper));
    }
    (plain.len() <= BBAN_MAX).then_some(Account::Bban(plain))
}

/// Whether the check digits of an IBAN are right (ISO 13616: the number, its first four characters
/// moved to the end and letters counted from 10, is 1 modulo 97).
fn is_iban(text: &str) -> bool {
    let Some((head, tail)) = text.split_at_checked(4) else { return false };
    let [a, b, c, d] = head.as_bytes() else { return false };
    let is_shaped = a.is_ascii_uppercase()
        && b.is_ascii_uppercase()
        && c.is_ascii_digit()
        && d.is_ascii_digit()
        && (11..=30).contains(&tail.len());
    let rest = tail.chars().chain(head.chars()).try_fold(0_u32, |rest, character| {
        let value = character.to_digit(36)?;
        let shift = if value < 10 { 10 } else { 100 };
        Some((rest * shift + value) % 97)
    });
    is_shaped && rest == Some(1)
}

/// A name of at most 70 characters of the set that banks take. `None` if nothing is left.
pub(super) fn name(text: &str, keeps_letters: bool) -> Option<String> {
    let name = plain(text, keeps_letters, NAME_MAX);
    (!name.is_empty()).then_some(name)
}

/// A remittance text in the characters that banks take, uncut.
pub(super) fn remittance(text: &str, keeps_letters: bool) -> String {
    plain(text, keeps_letters, usize::MAX)
}

/// How long a remittance text may be where a bank takes so much: never more than any product does.
pub(super) fn most(configured: u16) -> usize {
    usize::from(configured).min(REMITTANCE_MAX)
}

/// Whether a reference has the shape of a Norwegian KID: digits, the last perhaps a hyphen.
pub(super) fn is_kid(text: &str) -> bool {
    let Some((last, digits)) = text.as_bytes().split_last() else { return false };
    (1..=24).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && (last.is_ascii_digit() || *last == b'-')
}

/// The characters that SEPA has (EPC217-08), others in their likeness or as a space; no two spaces
/// together, none at the ends.
fn plain(text: &str, keeps_letters: bool, most: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    for character in text.chars() {
        let mut single = [0; 4];
        let written: &str = match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' => character.encode_utf8(&mut single),
            '/' | '-' | '?' | ':' | '(' | ')' | '.' | ',' | '\'' | '+' => {
                character.encode_utf8(&mut single)
            }
            _ if keeps_letters && KEPT.contains(character) => character.encode_utf8(&mut single),
            _ => likeness(character),
        };
        for written in written.chars() {
            if written == ' ' && (out.is_empty() || out.ends_with(' ')) {
                continue;
            }
            if count == most {
                return out.trim_end().to_owned();
            }
            out.push(written);
            count += 1;
        }
    }
    out.trim_end().to_owned()
}

/// What stands for a letter in a set that does not have it.
fn likeness(character: char) -> &'static str {
    match character {
        'Æ' => "AE",
        'æ' => "ae",
        'Œ' => "OE",
        'œ' => "oe",
        'ß' => "ss",
        'Þ' => "Th",
        'þ' => "th",
        'À'..='Å' | 'Ā' | 'Ă' | 'Ą' => "A",
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'Ç' | 'Ć' | 'Ĉ' | 'Ċ' | 'Č' => "C",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'Ð' | 'Ď' | 'Đ' => "D",
        'ð' | 'ď' | 'đ' => "d",
        'È'..='Ë' | 'Ē' | 'Ĕ' | 'Ė' | 'Ę' | 'Ě' => "E",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'Ğ' | 'Ģ' => "G",
        'ğ' | 'ģ' => "g",
        'Ì'..='Ï' | 'Ī' | 'Į' | 'İ' => "I",
        'ì'..='ï' | 'ī' | 'į' | 'ı' => "i",
        'Ķ' => "K",
        'ķ' => "k",
        'Ĺ' | 'Ļ' | 'Ľ' | 'Ł' => "L",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'Ñ' | 'Ń' | 'Ņ' | 'Ň' => "N",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'Ò'..='Ö' | 'Ø' | 'Ō' | 'Ő' => "O",
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => "o",
        'Ŕ' | 'Ř' => "R",
        'ŕ' | 'ř' => "r",
        'Ś' | 'Ş' | 'Š' | 'Ș' => "S",
        'ś' | 'ş' | 'š' | 'ș' => "s",
        'Ţ' | 'Ť' | 'Ț' => "T",
        'ţ' | 'ť' | 'ț' => "t",
        'Ù'..='Ü' | 'Ū' | 'Ů' | 'Ű' | 'Ų' => "U",
        'ù'..='ü' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'Ý' | 'Ÿ' => "Y",
        'ý' | 'ÿ' => "y",
        'Ź' | 'Ż' | 'Ž' => "Z",
        'ź' | 'ż' | 'ž' => "z",
        '&' => "+",
        _ => " ",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_ibans_if_their_check_digits_are_right() {
        for (text, expected) in [
            ("NO93 8601 1117 947", Some(Account::Iban("NO9386011117947".into()))),
            ("no9386011117947", Some(Account::Iban("NO9386011117947".into()))),
            ("NO9486011117947", Some(Account::Bban("NO9486011117947".into()))),
            ("DE40100100103307118608", Some(Account::Iban("DE40100100103307118608".into()))),
            ("8601.11.17947", Some(Account::Bban("86011117947".into()))),
            ("265-1234567-89", Some(Account::Bban("265123456789".into()))),
            ("86011117947;", None),
            ("8601\n", None),
            ("ø", None),
            (" - ", None),
            ("", None),
            ("1234567890123456789012345678901", None),
        ] {
            assert_eq!(account(text), expected, "{text}");
        }
    }

    #[test]
    fn names_keep_to_the_set_of_the_product() {
        for (text, keeps, expected) in [
            ("Kiosk Oslo S", true, Some("Kiosk Oslo S")),
            ("Blåbærgrøt & Sønn", true, Some("Blåbærgrøt + Sønn")),
            ("Blåbærgrøt & Sønn", false, Some("Blabaergrot + Sonn")),
            ("  Žižka\t\"Café\"  ", false, Some("Zizka Cafe")),
            ("株式会社 1", false, Some("1")),
            ("株式会社", false, None),
            ("", true, None),
        ] {
            assert_eq!(name(text, keeps).as_deref(), expected, "{text}");
        }
        let long = "Ångström ".repeat(20);
        assert_eq!(name(&long, false).unwrap().chars().count(), 70);
        assert_eq!(name(&long, true).unwrap().chars().count(), 70);
    }

    #[test]
    fn remittance_keeps_to_the_set_and_its_length_to_the_products() {
        assert_eq!(remittance("605410000123 \tTERM0001 ", true), "605410000123 TERM0001");
        assert_eq!(remittance("ÆÆ", false), "AEAE");
        assert_eq!((most(999), most(35)), (140, 35));
    }

    #[test]
    fn a_kid_is_digits() {
        for (text, expected) in
            [("2345676", true), ("234567-", true), ("1", false), ("12a", false), ("", false)]
        {
            assert_eq!(is_kid(text), expected, "{text}");
        }
        assert!(!is_kid(&"1".repeat(26)));
    }
}
