//! From bytes to a message: a fast walk, and an exact one that tells what is wrong.
//!
//! The fast walk checks everything and explains nothing. Where it gives up the exact walk begins
//! anew; only its word counts.

use super::step::{Check, Lead, pair};
use super::{Codec, Layout, Prefix, error};
use crate::dialect::{Bitmap, Digits};
use crate::error::{DecodeError, Fault, FieldNumber};
use crate::message::{FieldSet, Form, Message, Shape, Slot};
use crate::mti::Mti;
use crate::words;

/// No frame is longer, whatever its framing.
const MESSAGE_MAX: usize = 65_535;

impl Layout {
    fn shape(self, units: u16) -> Shape {
        Shape { units, prefix: self.prefix.width(), form: self.form }
    }

    /// Whether the bytes hold what the field may hold; `units` tells an odd number of digits.
    fn holds(self, bytes: &[u8], units: u16) -> bool {
        match self.form {
            Form::Text => self.content.holds(bytes),
            Form::Raw => true,
            Form::PackedLeft | Form::PackedRight => {
                let digits = words::all(bytes, words::packed_strangers);
                let filler = match (self.form, units & 1) {
                    (Form::PackedLeft, 1) => bytes.first().map_or(0, |byte| byte >> 4),
                    (Form::PackedRight, 1) => bytes.last().map_or(0, |byte| byte & 15),
                    _ => 0,
                };
                digits && filler == 0
            }
        }
    }
}

/// What is left to read of a frame.
struct Cursor<'f> {
    rest: &'f [u8],
    length: usize,
}

impl<'f> Cursor<'f> {
    #[inline]
    fn at(&self) -> u32 {
        // Frames are at most MESSAGE_MAX long.
        self.length.wrapping_sub(self.rest.len()) as u32
    }

    #[inline]
    fn take(&mut self, width: usize) -> Result<&'f [u8], Fault> {
        match self.rest.split_at_checked(width) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(Fault::Truncated {
                needed: u32::try_from(width).unwrap_or(u32::MAX),
                available: u32::try_from(self.rest.len()).unwrap_or(u32::MAX),
            }),
        }
    }

    fn mti(&mut self, digits: Digits) -> Result<Mti, Fault> {
        let ascii = match digits {
            Digits::Ascii => <[u8; 4]>::try_from(self.take(4)?).unwrap_or_default(),
            Digits::Bcd | Digits::BcdRight => {
                let [a, b] = <[u8; 2]>::try_from(self.take(2)?).unwrap_or_default();
                [a >> 4, a & 15, b >> 4, b & 15].map(|nibble| nibble.wrapping_add(b'0'))
            }
        };
        Mti::from_ascii(ascii).ok_or(Fault::NotANumber)
    }

    fn bitmap(&mut self, form: Bitmap) -> Result<u64, Fault> {
        match form {
            Bitmap::Binary => {
                let bytes = <[u8; 8]>::try_from(self.take(8)?).unwrap_or_default();
                Ok(u64::from_be_bytes(bytes))
            }
            Bitmap::Hex => {
                let characters = self.take(16)?.as_chunks::<8>().0;
                let mut halves = characters.iter().map(|half| words::from_hex(*half));
                match (halves.next().flatten(), halves.next().flatten()) {
                    (Some(high), Some(low)) => Ok((u64::from(high) << 32) | u64::from(low)),
                    _ => Err(Fault::NotANumber),
                }
            }
        }
    }

    /// Reads a length and checks it.
    #[inline]
    fn units(&mut self, layout: Layout) -> Result<u16, Fault> {
        let units = match layout.prefix {
            Prefix::Fixed => return Ok(layout.most),
            Prefix::Ascii(width) => {
                let digits = self.take(width.into())?;
                digits.iter().try_fold(0u32, |number, digit| {
                    let digit = digit.wrapping_sub(b'0');
                    if digit > 9 {
                        return Err(Fault::LengthNotDigits);
                    }
                    Ok(number.wrapping_mul(10).wrapping_add(digit.into()))
                })?
            }
            Prefix::Packed(width) => {
                let bytes = self.take(width.into())?;
                bytes.iter().try_fold(0u32, |number, byte| {
                    let (high, low) = (byte >> 4, byte & 15);
                    if high > 9 || low > 9 {
                        return Err(Fault::LengthNotDigits);
                    }
                    let pair = u32::from(high).wrapping_mul(10).wrapping_add(low.into());
                    Ok(number.wrapping_mul(100).wrapping_add(pair))
                })?
            }
            Prefix::Binary(width) => {
                let bytes = self.take(width.into())?;
                bytes.iter().fold(0u32, |number, byte| (number << 8) | u32::from(*byte))
            }
        };
        match u16::try_from(units) {
            Ok(units) if units <= layout.most => Ok(units),
            _ => Err(Fault::TooLong { length: units, most: layout.most.into() }),
        }
    }
}

impl Codec {
    /// Reads a message.
    ///
    /// # Errors
    /// The first thing that is wrong. `message` then holds what could be read: a field with a
    /// bad content is left out and reading goes on; after a bad length it cannot.
    pub fn decode_into(&self, frame: &[u8], message: &mut Message) -> Result<(), DecodeError> {
        if self.walk(frame, message).is_some() {
            return Ok(());
        }
        self.decode_exactly(frame, message)
    }

    /// The same as [`Codec::decode_into`] for a message that is well formed and has no rare
    /// lengths; `None` for any other, and then `message` holds anything.
    pub(super) fn walk(&self, frame: &[u8], message: &mut Message) -> Option<()> {
        if frame.len() > MESSAGE_MAX {
            return None;
        }
        let mut head = Cursor { rest: frame, length: frame.len() };
        let mti = head.mti(self.dialect.encoding.mti).ok()?;
        let form = self.dialect.encoding.bitmap;
        let first = head.bitmap(form).ok()?;
        let second = if first >> 63 == 1 { head.bitmap(form).ok()? } else { 0 };
        // The bit of field 1 only says that there is a second bitmap.
        let first = first & (u64::MAX >> 1);
        message.clear_for(frame);
        let count = first.count_ones().wrapping_add(second.count_ones());
        message.slots.resize(count as usize, Slot::EMPTY);
        let mut slots = message.slots.iter_mut();
        let mut at = frame.len().wrapping_sub(head.rest.len());
        // Bytes that were passed and are not checked yet.
        let (mut check, mut unchecked) = (Check::Free, at);
        for ((bits, base), steps) in [(first, 1), (second, 65u8)].into_iter().zip(self.steps.iter())
        {
            let mut bits = bits.reverse_bits();
            while bits != 0 {
                let place = bits.trailing_zeros() & 63;
                let step = *steps.get(place as usize)?;
                bits &= bits.wrapping_sub(1);
                let start = at;
                let mut shape = step.shape;
                if step.lead != Lead::Fixed {
                    shape.units = match step.lead {
                        Lead::Other => {
                            self.rare_length(base.wrapping_add(place as u8), frame.get(at..)?)?
                        }
                        lead => length(lead, frame.get(at..)?)?,
                    };
                    if shape.units > step.shape.units {
                        return None;
                    }
                    at = at.wrapping_add(shape.prefix.into());
                }
                if step.joins != check {
                    if !check.passes(frame.get(unchecked..start)?) {
                        return None;
                    }
                    (check, unchecked) = (step.bytes, at);
                }
                let end = at.wrapping_add(shape.width().into());
                if step.bytes == Check::Packed && shape.units & 1 == 1 {
                    let filler = match shape.form {
                        Form::PackedRight => frame.get(end.wrapping_sub(1))? & 15,
                        Form::PackedLeft | Form::Text | Form::Raw => frame.get(at)? >> 4,
                    };
                    if filler != 0 {
                        return None;
                    }
                }
                at = end;
                // Frames are at most MESSAGE_MAX long.
                *slots.next()? = Slot { start: start as u32, shape };
            }
        }
        if at != frame.len() || !check.passes(frame.get(unchecked..)?) {
            return None;
        }
        message.mti = Some(mti);
        message.codec = self.id;
        message.present = FieldSet::from_halves([first, second]);
        Some(())
    }

    /// The length of a field whose kind of length has no fast way.
    fn rare_length(&self, number: u8, bytes: &[u8]) -> Option<u16> {
        let layout = self.layout(FieldNumber::new(number)?)?;
        Cursor { rest: bytes, length: bytes.len() }.units(layout).ok()
    }

    /// Reads a message field by field, to tell which one is wrong.
    #[cold]
    pub(super) fn decode_exactly(
        &self,
        frame: &[u8],
        message: &mut Message,
    ) -> Result<(), DecodeError> {
        message.clear();
        let mut cursor = Cursor { rest: frame, length: frame.len() };
        if frame.len() > MESSAGE_MAX {
            return Err(error(FieldNumber::MTI, 0, Fault::Oversized));
        }
        message.bytes.extend_from_slice(frame);
        message.frame_end = frame.len();
        message.codec = self.id;
        let mti = cursor.mti(self.dialect.encoding.mti);
        message.mti = Some(mti.map_err(|fault| error(FieldNumber::MTI, 0, fault))?);
        let present = self.bitmaps(&mut cursor)?;
        message.slots.reserve(present.len() as usize);
        let mut first_error = Ok(());
        for number in present.iter() {
            let Some(layout) = self.layout(number) else {
                let undefined = error(number, cursor.at(), Fault::Undefined);
                return first_error.and(Err(undefined));
            };
            let start = cursor.at();
            let read = cursor.units(layout).and_then(|units| {
                let width = layout.shape(units).width();
                Ok((units, cursor.take(width.into())?))
            });
            let (units, content) = match read {
                Ok(read) => read,
                Err(fault) => return first_error.and(Err(error(number, start, fault))),
            };
            if !layout.holds(content, units) {
                let found = stranger(layout, content, units);
                let offset = start.wrapping_add(layout.prefix.width().into());
                let offset = offset.wrapping_add(match layout.form {
                    Form::Text | Form::Raw => found,
                    Form::PackedLeft | Form::PackedRight => found / 2,
                });
                let fault = Fault::Content { expected: layout.content, at: found };
                first_error = first_error.and(Err(error(number, offset, fault)));
                continue;
            }
            message.slots.push(Slot { start, shape: layout.shape(units) });
            message.present = message.present.with(number);
        }
        first_error?;
        if !cursor.rest.is_empty() {
            let last = present.iter().last().unwrap_or(FieldNumber::BITMAP);
            let extra = u32::try_from(cursor.rest.len()).unwrap_or(u32::MAX);
            return Err(error(last, cursor.at(), Fault::Trailing { extra }));
        }
        Ok(())
    }

    /// The fields the bitmaps name. A second bitmap without fields is accepted.
    fn bitmaps(&self, cursor: &mut Cursor<'_>) -> Result<FieldSet, DecodeError> {
        let form = self.dialect.encoding.bitmap;
        let start = cursor.at();
        let mut bitmap = |at| cursor.bitmap(form).map_err(|fault| error(at, start, fault));
        let first = bitmap(FieldNumber::BITMAP)?;
        let second = if first >> 63 == 1 { bitmap(FieldNumber::BITMAP)? } else { 0 };
        // The bit of field 1 only says that there is a second bitmap.
        Ok(FieldSet::from_halves([first & (u64::MAX >> 1), second]))
    }
}

/// A length at the beginning of `bytes`; `None` if it is not a number or its kind is rare.
#[inline(always)]
fn length(lead: Lead, bytes: &[u8]) -> Option<u16> {
    let digit = |byte: u8| u16::from(byte.wrapping_sub(b'0'));
    match lead {
        Lead::AsciiTwo => {
            let [tens, ones] = bytes.first_chunk::<2>()?.map(digit);
            (tens < 10 && ones < 10).then_some(tens.wrapping_mul(10).wrapping_add(ones))
        }
        Lead::AsciiThree => {
            let [hundreds, tens, ones] = bytes.first_chunk::<3>()?.map(digit);
            let number = hundreds.wrapping_mul(100).wrapping_add(tens.wrapping_mul(10));
            (hundreds < 10 && tens < 10 && ones < 10).then_some(number.wrapping_add(ones))
        }
        Lead::PackedOne => {
            let number = pair(*bytes.first()?);
            (number < 100).then_some(number)
        }
        Lead::PackedTwo => {
            let [high, low] = bytes.first_chunk::<2>()?.map(pair);
            (high < 100 && low < 100).then_some(high.wrapping_mul(100).wrapping_add(low))
        }
        Lead::Fixed | Lead::Other | Lead::Undefined => None,
    }
}

/// Which character or digit of a content is the first outside its class.
#[cold]
fn stranger(layout: Layout, content: &[u8], units: u16) -> u32 {
    let at = match layout.form {
        Form::Text | Form::Raw => layout.content.first_stranger(content),
        Form::PackedLeft | Form::PackedRight => {
            let nibbles = content.iter().flat_map(|byte| [byte >> 4, byte & 15]);
            let mut nibbles = nibbles.enumerate();
            // Only digits, and yet refused: then it is the filler that is not zero.
            let filler = if layout.form == Form::PackedLeft { 0 } else { usize::from(units) };
            nibbles.find(|(_, nibble)| *nibble > 9).map(|(at, _)| at).or(Some(filler))
        }
    };
    u32::try_from(at.unwrap_or(0)).unwrap_or(u32::MAX)
}
