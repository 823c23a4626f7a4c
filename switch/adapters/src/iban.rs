//! International bank account numbers (ISO 13616).

/// Whether a text without separators is an IBAN: its form, and check digits by ISO 7064
/// mod 97-10.
pub(crate) fn is_iban(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has_form = (15..=34).contains(&bytes.len())
        && bytes.iter().take(2).all(u8::is_ascii_uppercase)
        && bytes.iter().skip(2).take(2).all(u8::is_ascii_digit)
        && bytes.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    let turned = bytes.iter().skip(4).chain(bytes.iter().take(4));
    let rest = turned.fold(0_u32, |rest, byte| match byte {
        b'A'..=b'Z' => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
        _ => (rest * 10 + u32::from(byte.wrapping_sub(b'0') % 10)) % 97,
    });
    has_form && rest == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ibans_have_check_digits() {
        for (text, wanted) in [
            ("NO9386011117947", true),
            ("DE89370400440532013000", true),
            ("IT86M3606400001393351234567", true),
            ("IT89M3606400001I05034550166", true),
            ("NO9386011117948", false),
            ("no9386011117947", false),
            ("NO93 8601 1117 947", false),
            ("86011117947", false),
            ("NO93", false),
            ("", false),
            ("ÆØ9386011117947", false),
        ] {
            assert_eq!(is_iban(text), wanted, "{text}");
        }
    }
}
