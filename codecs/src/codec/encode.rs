//! From a message to bytes: a fast walk, and an exact one that tells what is wrong.
//!
//! The fast walk gathers neighbouring fields that are written alike, and values that are checked
//! alike, into runs. Where it gives up the exact walk begins anew; only its word counts.

use super::rare::{self, encode_length};
use super::step::{Check, Kind, Lead};
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

/// Neighbouring bytes of a message's buffer that stand side by side in the frame, too.
#[derive(Clone, Copy, Debug)]
struct Run {
    kind: Kind,
    from: usize,
    to: usize,
}

impl Run {
    #[inline(always)]
    fn flush(self, bytes: &[u8], out: &mut BytesMut) -> Option<()> {
        let bytes = bytes.get(self.from..self.to)?;
        if !bytes.is_empty() {
            match self.kind {
                Kind::Copy => out.extend_from_slice(bytes),
                Kind::Pack => pack(bytes, out),
                Kind::PackRight => pack_right(bytes, out),
            }
        }
        Some(())
    }
}

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
        let mti = message.mti?;
        self.write_head(mti, message.present, out);
        let bytes = message.bytes.as_slice();
        let received = if message.codec == self.id { message.frame_end } else { 0 };
        let mut slots = message.slots.iter();
        let mut run = Run { kind: Kind::Copy, from: 0, to: 0 };
        // Characters that were passed and are not checked yet.
        let (mut check, mut unchecked) = (Check::Free, 0..0);
        let [first, second, third] = message.present.bitmaps();
        if third != 0 {
            return None;
        }
        let halves = [(first & (u64::MAX >> 1), 1), (second, 65u8)];
        for ((bits, base), steps) in halves.into_iter().zip(self.steps.iter()) {
            let mut bits = bits.reverse_bits();
            while bits != 0 {
                let place = bits.trailing_zeros() & 63;
                let number = || FieldNumber::new(base.wrapping_add(place as u8));
                bits &= bits.wrapping_sub(1);
                let slot = *slots.next()?;
                let step = *steps.get(place as usize)?;
                let start = slot.start as usize;
                let joins_run = slot.shape == step.plain && run.kind == step.kind;
                let joins_check = step.characters == check && start == unchecked.end;
                if joins_run && joins_check && run.to == start && start >= received {
                    let end = start.wrapping_add(slot.shape.units.into());
                    (run.to, unchecked.end) = (end, end);
                    continue;
                }
                let content = slot.content();
                if start < received {
                    if run.kind != Kind::Copy || run.to != start {
                        run.flush(bytes, out)?;
                        run = Run { kind: Kind::Copy, from: start, to: start };
                    }
                    run.to = content.end;
                    continue;
                }
                let (units, most) = (slot.shape.units, step.shape.units);
                let of_kind = match slot.shape.form {
                    Form::Text => step.shape.form != Form::Raw,
                    Form::Raw => step.shape.form == Form::Raw,
                    _ => false,
                };
                let exact = step.lead != Lead::Fixed || units == most;
                if !of_kind || !exact || step.characters == Check::Signed {
                    run.flush(bytes, out)?;
                    run.from = run.to;
                    let number = number()?;
                    let raw = message.expose(number)?;
                    self.encode_value(mti, number, raw, out).ok()?;
                    continue;
                }
                if step.characters != check || content.start != unchecked.end {
                    if !check.passes(bytes.get(unchecked)?) {
                        return None;
                    }
                    (check, unchecked) = (step.characters, content.start..content.start);
                }
                unchecked.end = content.end;
                let kind = match step.shape.form {
                    Form::Text | Form::Raw => Kind::Copy,
                    Form::PackedRight if units & 1 == 1 => Kind::PackRight,
                    _ => Kind::Pack,
                };
                let whole_bytes = kind == Kind::Copy || units & 1 == 0;
                let joins = step.lead == Lead::Fixed && whole_bytes && run.kind == kind;
                if !joins || run.to != content.start {
                    run.flush(bytes, out)?;
                    run = Run { kind, from: content.start, to: content.start };
                    if units > most {
                        return None;
                    }
                    write_length(step.lead, units, out);
                    if step.lead == Lead::Other {
                        let layout = self.layout(number()?)?;
                        let (from, width) = (out.len(), usize::from(layout.prefix.width()));
                        out.resize(from.wrapping_add(width), 0);
                        encode_length(layout.prefix, layout.declared(units), out.get_mut(from..)?);
                    }
                }
                run.to = content.end;
            }
        }
        run.flush(bytes, out)?;
        check.passes(bytes.get(unchecked)?).then_some(())
    }

    #[cold]
    pub(super) fn encode_exactly(
        &self,
        message: &Message,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let fail = |field, fault| EncodeError::Field { path: FieldPath::whole(field), fault };
        let mti = message.mti.ok_or_else(|| fail(FieldNumber::MTI, Fault::Missing))?;
        self.write_head(mti, message.present, out);
        let own = message.codec == self.id;
        for (number, slot) in message.present.iter().zip(&message.slots) {
            let start = slot.start as usize;
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

    /// Appends the message type and the bitmaps.
    #[inline(always)]
    fn write_head(&self, mti: Mti, present: FieldSet, out: &mut BytesMut) {
        match self.dialect.encoding.mti {
            Digits::Ascii => out.extend_from_slice(mti.digits()),
            Digits::Bcd | Digits::BcdRight | Digits::BcdF | Digits::BcdRightF => {
                pack(mti.digits(), out);
            }
            Digits::Ebcdic => ebcdic(mti.digits(), out),
        }
        let [first, second, third] = present.bitmaps();
        if third != 0 || self.always_second != 0 {
            return self.write_bitmaps([first, second, third], out);
        }
        let first_bit = if second == 0 { 0 } else { 1u64 << 63 };
        self.write_bitmap(first | first_bit, out);
        if second != 0 {
            self.write_bitmap(second, out);
        }
    }

    /// Appends bitmaps of a fixed length, or three of them.
    #[cold]
    #[inline(never)]
    fn write_bitmaps(&self, [first, second, third]: [u64; 3], out: &mut BytesMut) {
        let more = 1u64 << 63;
        match self.dialect.encoding.bitmap_bytes {
            0 => {
                for bitmap in [first | more, second | more, third] {
                    self.write_bitmap(bitmap, out);
                }
            }
            bytes => {
                for bitmap in [first, second, third].into_iter().take(usize::from(bytes / 8)) {
                    self.write_bitmap(bitmap, out);
                }
            }
        }
    }

    #[inline(always)]
    fn write_bitmap(&self, bits: u64, out: &mut BytesMut) {
        let bytes = bits.to_be_bytes();
        if self.dialect.encoding.bitmap == Bitmap::Binary {
            return out.extend_from_slice(&bytes);
        }
        let [a, b, c, d, e, f, g, h] = bytes;
        let halves = [words::unpack([a, b, c, d]), words::unpack([e, f, g, h])];
        if self.dialect.encoding.bitmap == Bitmap::Hex {
            return out.extend_from_slice(halves.as_flattened());
        }
        ebcdic(halves.as_flattened(), out);
    }
}

/// Appends digits or hexadecimal characters, which are the same in every page.
#[cold]
#[inline(never)]
fn ebcdic(characters: &[u8], out: &mut BytesMut) {
    characters
        .iter()
        .for_each(|character| out.extend_from_slice(&[CodePage::P037.encode(*character)]));
}

/// Appends ASCII digits, two in a byte; an odd number of them after a zero.
#[inline]
fn pack(digits: &[u8], out: &mut BytesMut) {
    let byte = |high: u8, low: u8| (high << 4) | (low & 15);
    let (first, even) = digits.split_at(digits.len() & 1);
    if let [first] = first {
        out.extend_from_slice(&[first & 15]);
    }
    let (chunks, rest) = even.as_chunks::<16>();
    for chunk in chunks {
        let [high, low] = chunk.as_chunks::<8>().0 else { return };
        out.extend_from_slice([words::pack(*high), words::pack(*low)].as_flattened());
    }
    let (chunks, rest) = rest.as_chunks::<8>();
    for chunk in chunks {
        out.extend_from_slice(&words::pack(*chunk));
    }
    match *rest {
        [a, b, c, d, e, f] => out.extend_from_slice(&[byte(a, b), byte(c, d), byte(e, f)]),
        [a, b, c, d] => out.extend_from_slice(&[byte(a, b), byte(c, d)]),
        [a, b, ..] => out.extend_from_slice(&[byte(a, b)]),
        _ => {}
    }
}

/// Appends ASCII digits, two in a byte; an odd number of them before a zero.
fn pack_right(digits: &[u8], out: &mut BytesMut) {
    let (even, last) = digits.split_at(digits.len() & !1);
    pack(even, out);
    if let [last] = last {
        out.extend_from_slice(&[last << 4]);
    }
}

/// Appends a length of one of the usual kinds; nothing for the others.
#[inline(always)]
fn write_length(lead: Lead, units: u16, out: &mut BytesMut) {
    let (tens, ones) = (units / 10, units % 10);
    let (hundreds, tens) = (tens / 10, tens % 10);
    let digit = |digit: u16| (digit as u8).wrapping_add(b'0');
    let pair = |high: u16, low: u16| (high.wrapping_mul(16) | low) as u8;
    match lead {
        Lead::Fixed | Lead::Other | Lead::Rare | Lead::Undefined => {}
        Lead::AsciiTwo => out.extend_from_slice(&[digit(tens), digit(ones)]),
        Lead::AsciiThree => out.extend_from_slice(&[digit(hundreds), digit(tens), digit(ones)]),
        Lead::PackedOne => out.extend_from_slice(&[pair(tens, ones)]),
        Lead::PackedTwo => {
            let thousands = hundreds / 10;
            out.extend_from_slice(&[pair(thousands, hundreds % 10), pair(tens, ones)]);
        }
    }
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
