//! What of an error of somebody else is passed on to logs, answers and the journal: its code, if it
//! is one. A sentence never is, and neither is what could name an account, a card, a telephone or
//! a person: some providers write into their codes whom they refuse.

/// Longest code.
const CODE_MAX: usize = 48;

/// Most digits of a code that follow each other, whatever stands between them. The longest of the
/// providers we know have four.
const DIGITS_MAX: usize = 5;

/// The code, if it has the form of one: letters, digits and `-_.`, and no number in it.
pub(crate) fn passed_on(text: &str) -> Option<&str> {
    let mut digits = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'z' | b'A'..=b'Z' => digits = 0,
            // Numbers are written in groups, too.
            b'-' | b'_' | b'.' => {}
            _ => return None,
        }
        if digits > DIGITS_MAX {
            return None;
        }
    }
    (1..=CODE_MAX).contains(&text.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_word_and_no_number() {
        let longest = "x".repeat(CODE_MAX);
        for code in ["NO_FUNDS", "1426", "a-b.c", "E12345", "ISO_8583", "AM04", &longest] {
            assert_eq!(passed_on(code), Some(code));
        }
        for text in [
            "",
            "a sentence",
            "<b>",
            "æ",
            &format!("{longest}x"),
            "123456",
            "UNKNOWN_17829000024",
            "REFUSED.4111-1111-1111-1111",
            "NO_BILL_1234567890",
            "NO9386011117947",
            "93860_11117947x",
        ] {
            assert_eq!(passed_on(text), None, "{text}");
        }
    }
}
