//! Durations and sizes as people write them: `"500ms"`, `"5s"`, `"256KiB"`.
//!
//! One number and one unit. No fractions and no sums: `"1.5m"` and `"1m30s"` are both `"90s"`.

const DURATIONS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const SIZES: [(&str, u64); 3] = [("MiB", 1_048_576), ("KiB", 1_024), ("B", 1)];

/// Milliseconds of a duration.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    parse(text, &DURATIONS, "`ms`, `s`, `m` or `h`")
}

/// Bytes of a size.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    parse(text, &SIZES, "`B`, `KiB` or `MiB`")
}

/// The shortest way to write a duration exactly.
pub(crate) fn show_duration(ms: u64) -> String {
    if ms == 0 { "0s".to_owned() } else { show(ms, &DURATIONS) }
}

/// The shortest way to write a size exactly.
pub(crate) fn show_size(bytes: u64) -> String {
    if bytes == 0 { "0B".to_owned() } else { show(bytes, &SIZES) }
}

/// The bytes that an even number of hexadecimal digits stands for.
pub(crate) fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    if !text.len().is_multiple_of(2) {
        return Err("an odd number of digits".to_owned());
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .ok_or_else(|| "not a hexadecimal digit".to_owned())
    };
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Ok((digit(*high)? << 4) | digit(*low)?),
            _ => Err("an odd number of digits".to_owned()),
        })
        .collect()
}

/// Upper-case hexadecimal digits.
pub(crate) fn show_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn parse(text: &str, units: &[(&str, u64)], names: &str) -> Result<u64, String> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    if digits.is_empty() {
        return Err("no number".to_owned());
    }
    let unit = unit.trim_start();
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(match unit {
            "" => format!("a unit is missing: {names}"),
            _ if unit.starts_with(['.', ',']) => "use a whole number and a smaller unit".to_owned(),
            _ => format!("no such unit, use {names}"),
        });
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(*factor))
        .ok_or_else(|| "too large".to_owned())
}

fn show(number: u64, units: &[(&str, u64)]) -> String {
    units
        .iter()
        .find(|(_, factor)| number.is_multiple_of(*factor))
        .map_or_else(|| number.to_string(), |(name, factor)| format!("{}{name}", number / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back() {
        for ms in [0, 1, 500, 1_000, 1_500, 60_000, 90_000, 3_600_000, 86_400_000] {
            assert_eq!(parse_duration(&show_duration(ms)), Ok(ms));
        }
        for bytes in [0, 1, 1_023, 1_024, 262_144, 1_048_576] {
            assert_eq!(parse_size(&show_size(bytes)), Ok(bytes));
        }
        assert_eq!(parse_hex("6000A1"), Ok(vec![0x60, 0x00, 0xA1]));
    }

    #[test]
    fn half_written_values_are_refused() {
        for text in ["", "5", "s", "5 x", "1.5s", "-1s", "1m30s", "99999999999999999999s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        for text in ["6", "6G", "é"] {
            assert!(parse_hex(text).is_err(), "{text}");
        }
        assert!(parse_duration("18446744073709551615h").is_err());
    }
}
