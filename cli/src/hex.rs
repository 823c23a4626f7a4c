//! Hexadecimal as people paste it, and hexadecimal for people to read.
//!
//! Reading knows nothing of messages: it takes dumps and listings apart and gives bytes.

use std::fmt::Write;

/// Bytes in a line of a dump.
const WIDTH: usize = 16;

/// Why text is not hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotHex {
    /// Line and character, both from 1.
    Stranger(usize, usize),
    /// There are no digits.
    Empty,
    /// There is one digit too many or too few.
    Odd,
}

impl std::fmt::Display for NotHex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stranger(line, column) => {
                write!(f, "not hexadecimal at line {line}, column {column}")
            }
            Self::Empty => f.write_str("there is nothing to read"),
            Self::Odd => f.write_str("an odd number of hexadecimal digits"),
        }
    }
}

/// The bytes that hexadecimal text stands for, one item for each block between blank lines.
pub(crate) fn parse(text: &str) -> Result<Vec<Vec<u8>>, NotHex> {
    let mut blocks = Vec::new();
    let mut nibbles = Vec::new();
    let numbered = text.lines().zip(1..);
    for (line, number) in numbered {
        if line.trim().is_empty() {
            blocks.extend(block(&mut nibbles)?);
        } else {
            digits(line, &mut nibbles).map_err(|column| NotHex::Stranger(number, column))?;
        }
    }
    blocks.extend(block(&mut nibbles)?);
    if blocks.is_empty() { Err(NotHex::Empty) } else { Ok(blocks) }
}

fn block(nibbles: &mut Vec<u8>) -> Result<Option<Vec<u8>>, NotHex> {
    let nibbles = std::mem::take(nibbles);
    let (pairs, rest) = nibbles.as_chunks::<2>();
    match (pairs.is_empty(), rest.is_empty()) {
        (true, true) => Ok(None),
        (_, false) => Err(NotHex::Odd),
        (false, true) => Ok(Some(pairs.iter().map(|[high, low]| (high << 4) | low).collect())),
    }
}

/// Adds the digits of one line. The error is the column of the first character that is none.
fn digits(line: &str, nibbles: &mut Vec<u8>) -> Result<(), usize> {
    let (skipped, body) = dump_body(line);
    let mut rest = body.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        let is_prefix = matches!(character, '0' | '\\')
            && rest.peek().is_some_and(|(_, next)| matches!(next, 'x' | 'X'));
        if is_prefix {
            rest.next();
            continue;
        }
        if character.is_whitespace() || matches!(character, ',' | ':' | '-' | ';') {
            continue;
        }
        let digit = character.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        nibbles.push(digit.ok_or_else(|| skipped.saturating_add(at).saturating_add(1))?);
    }
    Ok(())
}

/// The hexadecimal part of a line of `xxd` or `hexdump -C`, and how many bytes stand before it;
/// any other line is hexadecimal as a whole.
fn dump_body(line: &str) -> (usize, &str) {
    let is_offset = |text: &str| {
        (4..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if let Some((offset, body)) = line.split_once(": ")
        && is_offset(offset.trim())
    {
        let body_start = line.len().saturating_sub(body.len());
        let hex = body.trim_start();
        let skipped = body_start.saturating_add(body.len().saturating_sub(hex.len()));
        return (skipped, hex.split_once("  ").map_or(hex, |(hex, _)| hex));
    }
    if let Some((offset, body)) = line.split_once("  ")
        && offset.len() == 8
        && is_offset(offset)
        && body.contains('|')
    {
        let skipped = line.len().saturating_sub(body.len());
        return (skipped, body.split_once('|').map_or(body, |(hex, _)| hex));
    }
    // The last line of `hexdump -C` is an offset without bytes, which only a `|` above can tell
    // from data; such input ends in a harmless decode error instead of a guess.
    (0, line)
}

/// Upper-case digits without spaces; `**` for a byte that must not be shown.
pub(crate) fn line(bytes: impl Iterator<Item = Option<u8>>) -> String {
    let mut text = String::new();
    bytes.for_each(|byte| push(&mut text, byte));
    text
}

/// A dump in lines of 16 with offset and characters; `**` for a byte that must not be shown.
pub(crate) fn dump(bytes: &[Option<u8>]) -> String {
    let mut text = String::new();
    for (chunk, number) in bytes.chunks(WIDTH).zip(0..) {
        push_line(&mut text, "", chunk, number);
    }
    text
}

/// The lines around an offset, with carets under the byte there, which may be just past the end.
pub(crate) fn window(bytes: &[Option<u8>], at: usize) -> String {
    let mut text = String::from("     |\n");
    let row = at / WIDTH;
    let first = row.saturating_sub(1);
    for number in first..=row.saturating_add(1) {
        let start = number.saturating_mul(WIDTH);
        let end = start.saturating_add(WIDTH).min(bytes.len());
        let chunk = bytes.get(start..end).unwrap_or_default();
        if chunk.is_empty() && number != row {
            continue;
        }
        push_line(&mut text, "", chunk, number);
        if number == row {
            let pad = " ".repeat((at % WIDTH).saturating_mul(3));
            let place = if at < bytes.len() { "here" } else { "the message ends here" };
            let _ = writeln!(text, "     | {pad}^^ {place}");
        }
    }
    text
}

fn push_line(text: &mut String, indent: &str, chunk: &[Option<u8>], number: usize) {
    let _ = write!(text, "{indent}{:04x} |", number.saturating_mul(WIDTH));
    for byte in chunk {
        text.push(' ');
        push(text, *byte);
    }
    text.push_str(&"   ".repeat(WIDTH.saturating_sub(chunk.len())));
    text.push_str(" | ");
    text.extend(chunk.iter().map(|byte| match byte {
        Some(byte) if byte.is_ascii_graphic() || *byte == b' ' => char::from(*byte),
        Some(_) => '.',
        None => '*',
    }));
    text.truncate(text.trim_end_matches(' ').len());
    text.push('\n');
}

fn push(text: &mut String, byte: Option<u8>) {
    let _ = match byte {
        Some(byte) => write!(text, "{byte:02X}"),
        None => write!(text, "**"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: &[u8] = b"0123456789:;<=>?@A";

    #[test]
    fn the_ways_people_write_hexadecimal() {
        for text in [
            "303132333435363738393a3b3c3d3e3f4041",
            "30 31 32 33 34 35 36 37 38 39 3A 3B 3C 3D 3E 3F 40 41\n",
            "0x30,0x31,0x32,0x33,0x34,0x35,0x36,0x37,0x38 0x39 0x3a3b3c3d3e3f4041",
            "\\x30\\x31\\x32\\x3334353637\r\n38393a3b\n3c3d3e3f4041",
            "00000000: 3031 3233 3435 3637 3839 3a3b 3c3d 3e3f  0123456789:;<=>?\n\
             00000010: 4041                                     @A\n",
            "00000000  30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  |0123456789:;<=>?|\n\
             00000010  40 41                                             |@A|\n",
        ] {
            assert_eq!(parse(text), Ok(vec![BYTES.to_vec()]), "{text}");
        }
    }

    #[test]
    fn blank_lines_separate() {
        assert_eq!(parse("\n30\n31\n\n\n32\n"), Ok(vec![b"01".to_vec(), b"2".to_vec()]));
    }

    #[test]
    fn what_is_not_hexadecimal() {
        assert_eq!(parse("30\n3x"), Err(NotHex::Stranger(2, 2)));
        assert_eq!(parse("0000: 30 3x"), Err(NotHex::Stranger(1, 11)));
        assert_eq!(parse("303"), Err(NotHex::Odd));
        assert_eq!(parse(" \n"), Err(NotHex::Empty));
    }

    #[test]
    fn carets_stand_under_the_byte() {
        let bytes: Vec<_> = BYTES.iter().map(|byte| Some(*byte).filter(|b| *b != b'1')).collect();
        let expected = "     |\n\
            0000 | 30 ** 32 33 34 35 36 37 38 39 3A 3B 3C 3D 3E 3F | 0*23456789:;<=>?\n\
            0010 | 40 41                                           | @A\n     \
                 |    ^^ here\n";
        assert_eq!(window(&bytes, 17), expected);
        assert!(window(&bytes, 18).contains("|       ^^ the message ends here"));
    }
}
