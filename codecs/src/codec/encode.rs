//! From a message to bytes: a fast walk, and an exact one that tells what is wrong.
//!
//! The fast walk gathers neighbouring fields that are written alike, and values that are checked
//! alike, into runs. Where it gives up the exact walk begins anew; only its word counts.

use super::rare::{self, encode_length};
use super::room::{Room, pack, pack_right};
use super::step::{Check, Family, Kind, Lead, Plain};
use super::{Codec, Layout, Prefix};
use crate::code_page::CodePage;
use crate::content::Content;
use crate::dialect::{Bitmap, Digits};
use crate::error::{EncodeError, Fault, FieldNumber, FieldPath};
use crate::field;
use crate::message::{FieldSet, Form, Message, Raw};
use crate::mti::Mti;
use crate::response_code::ResponseCode;
use crate::words;
use bytes::BytesMut;

/// Bytes of the longest message type with its bitmaps: characters, and three bitmaps in
/// hexadecimal.
const HEAD_MAX: usize = 4 + 3 * 16;

impl Codec {
    /// Appends a message to `out`.
    ///
    /// # Errors
    /// The first field that does not fit its definition; `out` is then as it was before.
    pub fn encode(&self, message: &Message, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        if self.write(message, out).is_some() {
            return Ok(());
        }
        out.truncate(start);
        let result = self.encode_exactly(message, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    /// The same as [`Codec::encode`] for a message that fits; `None` for any other, and then `out`
    /// has more than it had.
    pub(super) fn write(&self, message: &Message, out: &mut BytesMut) -> Option<()> {
        match message.frame_end {
            received @ 1.. if message.codec == self.id => {
                self.compose::<true>(message, received, out)
            }
            _ => self.compose::<false>(message, 0, out),
        }
    }

    /// The fast walk. Apart for messages that have no frame of this dialect, which it is simpler
    /// for.
    fn compose<const FRAME: bool>(
        &self,
        message: &Message,
        received: usize,
        out: &mut BytesMut,
    ) -> Option<()> {
        let mti = message.mti?;
        let [first, second, third] = message.present.bitmaps();
        if third != 0 {
            return None;
        }
        let source = message.bytes.as_slice();
        let mut room = Room::new(out, HEAD_MAX.saturating_add(source.len()));
        self.write_head(mti, message.present, &mut room)?;
        let mut slots = message.slots.iter();
        // The run from `copy_from` to `to` is not written yet, that from `check_from` to `to` not
        // checked.
        let (mut copy_from, mut check_from, mut to) = (0, 0, 0);
        let (mut kind, mut check, mut family) = (Kind::Copy, Check::Free, Family::NONE);
        let [near, far] = &*self.steps;
        let (mut steps, mut base, mut later) = (near, 1u8, second);
        let mut bits = (first & (u64::MAX >> 1)).reverse_bits();
        loop {
            // Fields of the frame, one behind another as they came.
            while FRAME && family == Family::RECEIVED && bits != 0 {
                let slot = *slots.as_slice().first()?;
                if slot.start() != to || to >= received {
                    break;
                }
                to = slot.content().end;
                bits &= bits.wrapping_sub(1);
                slots.next();
            }
            // Neighbours that are written alike.
            let mut plain = Plain::begin(to, family, check);
            while bits != 0 {
                let step = steps.get((bits.trailing_zeros() & 63) as usize)?;
                let slot = *slots.as_slice().first()?;
                let difference = plain.differs(slot, step);
                if !difference.is_none() {
                    if !difference.is_check() {
                        break;
                    }
                    let end = plain.end();
                    if !check.passes(source.get(check_from..end)?) {
                        return None;
                    }
                    (plain, check, check_from) = (plain.checked(difference), step.characters, end);
                }
                plain = plain.and(slot.units());
                bits &= bits.wrapping_sub(1);
                slots.next();
            }
            to = plain.end();
            if bits == 0 {
                if later == 0 {
                    break;
                }
                (steps, base, bits, later) = (far, 65, later.reverse_bits(), 0);
                continue;
            }
            let place = bits.trailing_zeros() & 63;
            bits &= bits.wrapping_sub(1);
            let number = || FieldNumber::new(base.wrapping_add(place as u8));
            let step = steps.get(place as usize)?;
            let slot = *slots.next()?;
            let (start, units, shape) = (slot.start(), slot.units(), slot.shape());
            let is_received = FRAME && start < received;
            let is_usual =
                shape.form == step.value && (step.least..=step.shape.units).contains(&units);
            let (mut from, mut lead) = (start, Lead::Fixed);
            let (mut characters, mut next) = (Check::Free, Kind::Copy);
            if is_received {
                family = Family::RECEIVED;
            } else if is_usual {
                from = start.wrapping_add(shape.prefix.into());
                (characters, next, lead, family) =
                    (step.characters, step.kind, step.lead, step.family);
                if units & 1 == 1 && step.shape.form == Form::PackedRight {
                    (next, family) = (Kind::PackRight, Family::NONE);
                }
            } else {
                family = Family::NONE;
                (from, lead) = (to, Lead::Rare);
            }
            if characters != check || from != to {
                if !check.passes(source.get(check_from..to)?) {
                    return None;
                }
                (check, check_from) = (characters, from);
            }
            let is_whole = next == Kind::Copy || units & 1 == 0;
            if lead != Lead::Fixed || from != to || next != kind || !is_whole {
                room.run(kind, source, copy_from, to)?;
                (kind, copy_from) = (next, from);
                room.length(lead, units)?;
                if lead == Lead::Rare {
                    self.write_rare(mti, number()?, message, &mut room)?;
                    continue;
                }
                if lead == Lead::Other {
                    let layout = self.layout(number()?)?;
                    let width = usize::from(layout.prefix.width());
                    encode_length(layout.prefix, layout.declared(units), room.take(width)?);
                }
            }
            to = if is_received { slot.content().end } else { from.wrapping_add(units.into()) };
        }
        room.run(kind, source, copy_from, to)?;
        room.leave();
        check.passes(source.get(check_from..to)?).then_some(())
    }

    /// Writes one field that the fast walk does not know, or whose value has to be filled up.
    #[inline(never)]
    fn write_rare(
        &self,
        mti: Mti,
        number: FieldNumber,
        message: &Message,
        room: &mut Room<'_>,
    ) -> Option<()> {
        let raw = message.expose(number)?;
        room.append(|out| self.encode_value(mti, number, raw, out)).ok()
    }

    #[cold]
    pub(super) fn encode_exactly(
        &self,
        message: &Message,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let fail = |field, fault| EncodeError::Field { path: FieldPath::whole(field), fault };
        let mti = message.mti.ok_or_else(|| fail(FieldNumber::MTI, Fault::Missing))?;
        let mut room = Room::new(out, HEAD_MAX);
        self.write_head(mti, message.present, &mut room)
            .ok_or_else(|| fail(FieldNumber::MTI, Fault::Oversized))?;
        room.leave();
        let own = message.codec == self.id;
        for (number, slot) in message.present.iter().zip(&message.slots) {
            let start = slot.start();
            if own && start < message.frame_end {
                let as_received = message.bytes.get(start..slot.content().end);
                out.extend_from_slice(as_received.unwrap_or_default());
                continue;
            }
            let raw = message.expose(number).ok_or_else(|| fail(number, Fault::Missing))?;
            self.encode_value(mti, number, raw, out).map_err(|fault| fail(number, fault))?;
        }
        Ok(())
    }

    /// Appends one field, a response code in the edition of the dialect.
    fn encode_value(
        &self,
        mti: Mti,
        number: FieldNumber,
        raw: Raw<'_>,
        out: &mut BytesMut,
    ) -> Result<(), Fault> {
        let layout = self.layout(number).ok_or(Fault::Undefined)?;
        if number == field::RESPONSE_CODE.number()
            && let Some(text) = raw.text()
        {
            let edition = self.dialect.encoding.response_codes;
            let is_other =
                matches!(text.len(), 2..=4) && text.len() != usize::from(edition.width());
            if let Some(code) = ResponseCode::parse_any(&text).filter(|_| is_other) {
                let code = code.of_edition(edition, mti.class());
                return encode_field(layout, Raw::Text(code.as_str().as_bytes()), out);
            }
        }
        encode_field(layout, raw, out)
    }

    /// Writes the message type and the bitmaps.
    #[inline(always)]
    fn write_head(&self, mti: Mti, present: FieldSet, room: &mut Room<'_>) -> Option<()> {
        let digits = *mti.digits();
        let [a, b, c, d] = digits;
        match self.dialect.encoding.mti {
            Digits::Ascii => room.put(digits)?,
            Digits::Bcd | Digits::BcdRight | Digits::BcdF | Digits::BcdRightF => {
                room.put([(a << 4) | (b & 15), (c << 4) | (d & 15)])?;
            }
            Digits::Ebcdic => room.put(ebcdic(digits))?,
        }
        let [first, second, third] = present.bitmaps();
        if third != 0 || self.always_second != 0 {
            return self.write_bitmaps([first, second, third], room);
        }
        let first_bit = if second == 0 { 0 } else { 1u64 << 63 };
        self.write_bitmap(first | first_bit, room)?;
        if second == 0 { Some(()) } else { self.write_bitmap(second, room) }
    }

    /// Writes bitmaps of a fixed length, or three of them.
    #[cold]
    #[inline(never)]
    fn write_bitmaps(&self, [first, second, third]: [u64; 3], room: &mut Room<'_>) -> Option<()> {
        let more = 1u64 << 63;
        let (bitmaps, count) = match self.dialect.encoding.bitmap_bytes {
            0 => ([first | more, second | more, third], 3),
            bytes => ([first, second, third], bytes / 8),
        };
        let mut bitmaps = bitmaps.into_iter().take(count.into());
        bitmaps.try_for_each(|bitmap| self.write_bitmap(bitmap, room))
    }

    #[inline(always)]
    fn write_bitmap(&self, bits: u64, room: &mut Room<'_>) -> Option<()> {
        let bytes = bits.to_be_bytes();
        if self.dialect.encoding.bitmap == Bitmap::Binary {
            return room.put(bytes);
        }
        let [a, b, c, d, e, f, g, h] = bytes;
        for half in [words::unpack([a, b, c, d]), words::unpack([e, f, g, h])] {
            match self.dialect.encoding.bitmap {
                Bitmap::EbcdicHex => room.put(ebcdic(half))?,
                Bitmap::Hex | Bitmap::Binary => room.put(half)?,
            }
        }
        Some(())
    }
}

/// Digits or hexadecimal characters, which are the same in every page.
#[cold]
#[inline(never)]
fn ebcdic<const WIDTH: usize>(characters: [u8; WIDTH]) -> [u8; WIDTH] {
    characters.map(|character| CodePage::P037.encode(character))
}

/// Appends one field: its length, then its content filled to a fixed length.
fn encode_field(layout: Layout, raw: Raw<'_>, out: &mut BytesMut) -> Result<(), Fault> {
    if layout.is_rare || (layout.counts_otherwise() && !matches!(layout.prefix, Prefix::Fixed)) {
        return rare::encode(layout, raw, out);
    }
    let text;
    let value = match raw {
        Raw::Binary(bytes) | Raw::Text(bytes) => bytes,
        Raw::Coded { .. } => return rare::encode(layout, raw, out),
        Raw::Packed { .. } => {
            text = raw.text();
            text.as_ref().map(crate::message::Text::as_bytes).unwrap_or_default()
        }
    };
    let is_binary = matches!(raw, Raw::Binary(_));
    if is_binary != (layout.form == Form::Raw) {
        return Err(Fault::Value);
    }
    let too_long = Fault::TooLong {
        length: u32::try_from(value.len()).unwrap_or(u32::MAX),
        most: layout.most.into(),
    };
    let units = u16::try_from(value.len()).map_err(|_| too_long)?;
    let fill = layout.most.checked_sub(units).ok_or(too_long)?;
    if !layout.content.holds(value) {
        let at = layout.content.first_stranger(value).unwrap_or(0);
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        return Err(Fault::Content { expected: layout.content, at });
    }
    let fill = match layout.prefix {
        Prefix::Fixed => fill,
        _ => {
            let (from, width) = (out.len(), usize::from(layout.prefix.width()));
            out.resize(from.saturating_add(width), 0);
            encode_length(layout.prefix, units.into(), out.get_mut(from..).unwrap_or_default());
            0
        }
    };
    match layout.form {
        Form::Raw if fill > 0 => {
            return Err(Fault::Truncated { needed: layout.most.into(), available: units.into() });
        }
        Form::Raw => out.extend_from_slice(value),
        Form::Text if layout.content.is_text() => {
            out.extend_from_slice(value);
            out.resize(out.len().saturating_add(fill.into()), b' ');
        }
        Form::Text if layout.content == Content::SignedDigits => {
            let (sign, digits) = value.split_at_checked(1).unwrap_or_default();
            out.extend_from_slice(sign);
            out.resize(out.len().saturating_add(fill.into()), b'0');
            out.extend_from_slice(digits);
        }
        Form::Text => {
            out.resize(out.len().saturating_add(fill.into()), b'0');
            out.extend_from_slice(value);
        }
        Form::PackedLeft => {
            let whole = units.saturating_add(fill).div_ceil(2).wrapping_sub(units.div_ceil(2));
            out.resize(out.len().saturating_add(whole.into()), 0);
            pack(value, out);
        }
        // The other forms are rare and went another way.
        _ => {
            out.resize(out.len().saturating_add(usize::from(fill / 2)), 0);
            let (half, rest) = value.split_at(usize::from(fill & 1).min(value.len()));
            match half {
                // The last zero shares a byte with the first digit.
                [first] => out.extend_from_slice(&[first & 15]),
                _ if fill & 1 == 1 => out.extend_from_slice(&[0]),
                _ => {}
            }
            pack_right(rest, out);
        }
    }
    Ok(())
}
