//! How the length in front of a frame is written.

use super::FrameError;
use crate::coding::{hex_digit, hex_value};

/// How the length in front of a frame is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthForm {
    /// There is none: the frame ends with its trailer.
    None,
    /// Big-endian binary in 2 bytes.
    Binary2,
    /// Big-endian binary in 3 bytes.
    Binary3,
    /// Big-endian binary in 4 bytes.
    Binary4,
    /// Two ASCII digits.
    Ascii2,
    /// Three ASCII digits.
    Ascii3,
    /// Four ASCII digits.
    Ascii4,
    /// Five ASCII digits.
    Ascii5,
    /// Six ASCII digits.
    Ascii6,
    /// Four decimal digits packed in 2 bytes.
    Bcd2,
    /// Six decimal digits packed in 3 bytes.
    Bcd3,
    /// Four hexadecimal characters; lower case is written, either is read.
    Hex4,
    /// There is none: the frame ends where the message ends, which its dialect tells, and the
    /// trailer.
    Message,
}

/// Bytes of the widest length.
pub(super) const WIDTH_MAX: usize = 6;

impl LengthForm {
    /// Every form, for configuration and tests.
    pub const ALL: [Self; 13] = [
        Self::None,
        Self::Binary2,
        Self::Binary3,
        Self::Binary4,
        Self::Ascii2,
        Self::Ascii3,
        Self::Ascii4,
        Self::Ascii5,
        Self::Ascii6,
        Self::Bcd2,
        Self::Bcd3,
        Self::Hex4,
        Self::Message,
    ];

    /// Bytes the length takes.
    #[must_use]
    pub const fn width(self) -> usize {
        match self {
            Self::None | Self::Message => 0,
            Self::Binary2 | Self::Ascii2 | Self::Bcd2 => 2,
            Self::Binary3 | Self::Ascii3 | Self::Bcd3 => 3,
            Self::Binary4 | Self::Ascii4 | Self::Hex4 => 4,
            Self::Ascii5 => 5,
            Self::Ascii6 => WIDTH_MAX,
        }
    }

    /// The largest number it can say; without a length there is no such limit.
    #[must_use]
    pub const fn most(self) -> u64 {
        match self {
            Self::None | Self::Message => u64::MAX,
            Self::Binary2 | Self::Hex4 => 0xFFFF,
            Self::Binary3 => 0xFF_FFFF,
            Self::Binary4 => 0xFFFF_FFFF,
            Self::Ascii2 => 99,
            Self::Ascii3 => 999,
            Self::Ascii4 | Self::Bcd2 => 9_999,
            Self::Ascii5 => 99_999,
            Self::Ascii6 | Self::Bcd3 => 999_999,
        }
    }

    /// Reads the number; `bytes` has the form's width.
    pub(super) fn read(self, bytes: &[u8]) -> Result<u32, FrameError> {
        match self {
            Self::None | Self::Message => Ok(0),
            Self::Binary2 | Self::Binary3 | Self::Binary4 => {
                Ok(bytes.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
            }
            Self::Ascii2 | Self::Ascii3 | Self::Ascii4 | Self::Ascii5 | Self::Ascii6 => {
                decimal(bytes.iter().map(|byte| byte.wrapping_sub(b'0')))
            }
            Self::Bcd2 | Self::Bcd3 => {
                decimal(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]))
            }
            Self::Hex4 => bytes.iter().try_fold(0, |number, character| {
                let digit = hex_value(*character).ok_or(FrameError::NotDigits)?;
                Ok((number << 4) | u32::from(digit))
            }),
        }
    }

    /// Writes the number into `out`, which has the form's width. The number is at most `most`.
    pub(super) fn write(self, number: u64, out: &mut [u8]) {
        let mut rest = number;
        for byte in out.iter_mut().rev() {
            let (above, digit) = match self {
                Self::None | Self::Message => (0, 0),
                Self::Binary2 | Self::Binary3 | Self::Binary4 => (rest >> 8, rest & 0xFF),
                Self::Ascii2 | Self::Ascii3 | Self::Ascii4 | Self::Ascii5 | Self::Ascii6 => {
                    (rest / 10, (rest % 10) | u64::from(b'0'))
                }
                Self::Bcd2 | Self::Bcd3 => (rest / 100, ((rest / 10 % 10) << 4) | (rest % 10)),
                Self::Hex4 => {
                    let digit = hex_digit((rest & 15) as u8).to_ascii_lowercase();
                    (rest >> 4, digit.into())
                }
            };
            *byte = u8::try_from(digit).unwrap_or(0);
            rest = above;
        }
    }
}

/// The number that decimal digits, most significant first, stand for.
fn decimal(mut digits: impl Iterator<Item = u8>) -> Result<u32, FrameError> {
    digits.try_fold(0u32, |number, digit| {
        let digit = (digit < 10).then_some(digit).ok_or(FrameError::NotDigits)?;
        Ok(number.saturating_mul(10).saturating_add(u32::from(digit)))
    })
}
