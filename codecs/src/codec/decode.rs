//! From bytes to a message: a fast walk, and an exact one that tells what is wrong.
//!
//! The fast walk checks everything and explains nothing. Where it gives up the exact walk begins
//! anew; only its word counts.

use super::step::{Check, Lead, pair};
use super::{Codec, Layout, Prefix, error};
use crate::code_page::CodePage;
use crate::coding::hex_value;
use crate::dialect::{Bitmap, Digits, Encodings};
use crate::error::{DecodeError, Fault, FieldNumber};
use crate::message::{FieldSet, Form, Message, Shape, Slot};
use crate::mti::Mti;
use crate::words;

/// No frame is longer, whatever its framing.
pub(super) const MESSAGE_MAX: usize = 65_535;

/// What is left to read of a frame.
pub(super) struct Cursor<'f> {
    pub(super) rest: &'f [u8],
    pub(super) length: usize,
}

impl<'f> Cursor<'f> {
    #[inline]
    pub(super) fn at(&self) -> u32 {
        // Frames are at most MESSAGE_MAX long.
        self.length.wrapping_sub(self.rest.len()) as u32
    }

    #[inline]
    pub(super) fn take(&mut self, width: usize) -> Result<&'f [u8], Fault> {
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

    #[inline(always)]
    pub(super) fn mti(&mut self, digits: Digits) -> Result<Mti, Fault> {
        let ascii = match digits {
            Digits::Ascii => <[u8; 4]>::try_from(self.take(4)?).unwrap_or_default(),
            Digits::Ebcdic => self.ebcdic_mti()?,
            Digits::Bcd | Digits::BcdRight | Digits::BcdF | Digits::BcdRightF => {
                let [a, b] = <[u8; 2]>::try_from(self.take(2)?).unwrap_or_default();
                [a >> 4, a & 15, b >> 4, b & 15].map(|nibble| nibble.wrapping_add(b'0'))
            }
        };
        Mti::from_ascii(ascii).ok_or(Fault::NotANumber)
    }

    #[inline(always)]
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
            Bitmap::EbcdicHex => self.ebcdic_bitmap(),
        }
    }

    #[cold]
    #[inline(never)]
    fn ebcdic_mti(&mut self) -> Result<[u8; 4], Fault> {
        let characters = <[u8; 4]>::try_from(self.take(4)?).unwrap_or_default();
        // The digits are the same in every page.
        Ok(characters.map(|character| CodePage::P037.decode(character)))
    }

    #[cold]
    #[inline(never)]
    fn ebcdic_bitmap(&mut self) -> Result<u64, Fault> {
        self.take(16)?.iter().try_fold(0, |bits, character| {
            let value = hex_value(CodePage::P037.decode(*character));
            Ok((bits << 4) | u64::from(value.ok_or(Fault::NotANumber)?))
        })
    }

    /// Reads a length and checks it: the units of the value.
    #[inline]
    pub(super) fn units(&mut self, layout: Layout) -> Result<u16, Fault> {
        let bytes = self.take(layout.prefix.width().into())?;
        let decimal = |number: u32, digit: u8| match digit {
            0..=9 => Ok(number.wrapping_mul(10).wrapping_add(digit.into())),
            _ => Err(Fault::LengthNotDigits),
        };
        let declared = match layout.prefix {
            Prefix::Fixed => return Ok(layout.most),
            Prefix::Ascii(_) => {
                bytes.iter().try_fold(0, |number, byte| decimal(number, byte.wrapping_sub(b'0')))?
            }
            Prefix::Ebcdic(_) => {
                bytes.iter().try_fold(0, |number, byte| decimal(number, byte.wrapping_sub(0xF0)))?
            }
            Prefix::Packed(_) => bytes.iter().try_fold(0, |number, byte| {
                decimal(number, byte >> 4).and_then(|number| decimal(number, byte & 15))
            })?,
            Prefix::Binary(_) => {
                bytes.iter().fold(0u32, |number, byte| (number << 8) | u32::from(*byte))
            }
            Prefix::Hex(_) => bytes.iter().try_fold(0u32, |number, byte| {
                let digit = hex_value(*byte).ok_or(Fault::LengthNotDigits)?;
                Ok((number << 4) | u32::from(digit))
            })?,
        };
        if layout.counts_otherwise() {
            return layout.units_of(declared);
        }
        match u16::try_from(declared) {
            Ok(units) if units <= layout.most => Ok(units),
            _ => Err(Fault::TooLong { length: declared, most: layout.most.into() }),
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

    /// The same as [`Codec::decode_into`] for a message that is well formed and has one or two
    /// bitmaps; `None` for any other, and then `message` holds anything.
    pub(super) fn walk(&self, frame: &[u8], message: &mut Message) -> Option<()> {
        if frame.len() > MESSAGE_MAX {
            return None;
        }
        let mut head = Cursor { rest: frame, length: frame.len() };
        let mti = head.mti(self.dialect.encoding.mti).ok()?;
        let form = self.dialect.encoding.bitmap;
        let first = head.bitmap(form).ok()?;
        let second = match (first >> 63) as u8 | self.always_second {
            0 => 0,
            1 => head.bitmap(form).ok()?,
            _ => return None,
        };
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
                if step.lead == Lead::Rare {
                    if !check.passes(frame.get(unchecked..start)?) {
                        return None;
                    }
                    let number = base.wrapping_add(place as u8);
                    shape = self.rare_field(number, frame.get(at..)?)?;
                    let slot = Slot::new(start as u32, shape);
                    at = slot.content().end;
                    (check, unchecked) = (Check::Free, at);
                    *slots.next()? = slot;
                    continue;
                }
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
                        _ => frame.get(at)? >> 4,
                    };
                    if filler != 0 {
                        return None;
                    }
                }
                at = end;
                // Frames are at most MESSAGE_MAX long.
                *slots.next()? = Slot::new(start as u32, shape);
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

    /// What a field in a form without a fast way looks like, if it is sound.
    #[inline(never)]
    fn rare_field(&self, number: u8, bytes: &[u8]) -> Option<Shape> {
        let layout = self.layout(FieldNumber::new(number)?)?;
        let (shape, content) = Cursor { rest: bytes, length: bytes.len() }.field(layout).ok()?;
        layout.check(shape, content).ok().map(|()| shape)
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
        let present = self.bitmaps(&mut cursor, &self.dialect.encoding)?;
        message.slots.reserve(present.len() as usize);
        let mut first_error = Ok(());
        for number in present.iter() {
            let Some(layout) = self.layout(number) else {
                let undefined = error(number, cursor.at(), Fault::Undefined);
                return first_error.and(Err(undefined));
            };
            let start = cursor.at();
            let (shape, content) = match cursor.field(layout) {
                Ok(read) => read,
                Err(fault) => return first_error.and(Err(error(number, start, fault))),
            };
            if let Err((byte, fault)) = layout.check(shape, content) {
                let offset = start.wrapping_add(shape.prefix.into()).wrapping_add(byte);
                first_error = first_error.and(Err(error(number, offset, fault)));
                continue;
            }
            message.slots.push(Slot::new(start, shape));
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

    /// The fields the bitmaps name. A bitmap without fields is accepted. Where the bitmaps have a
    /// fixed length the bit of field 1 means nothing.
    pub(super) fn bitmaps(
        &self,
        cursor: &mut Cursor<'_>,
        encoding: &Encodings,
    ) -> Result<FieldSet, DecodeError> {
        let form = encoding.bitmap;
        let start = cursor.at();
        let mut bitmap = |is_there: bool| match is_there {
            true => cursor.bitmap(form).map_err(|fault| error(FieldNumber::BITMAP, start, fault)),
            false => Ok(0),
        };
        // The bits of fields 1 and 65 only say that there is another bitmap.
        let rest = u64::MAX >> 1;
        let first = bitmap(true)?;
        let bitmaps = match encoding.bitmap_bytes {
            0 => {
                let second = bitmap(first > rest)?;
                let third = bitmap(self.has_third && second > rest)?;
                let second = if self.has_third { second & rest } else { second };
                [first & rest, second, third]
            }
            bytes => [first & rest, bitmap(bytes > 8)?, bitmap(bytes > 16)?],
        };
        Ok(FieldSet::from_bitmaps(bitmaps))
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
        Lead::Fixed | Lead::Other | Lead::Rare | Lead::Undefined => None,
    }
}
