//! Codecs: a dialect compiled into tables, and the two directions between bytes and messages.
//!
//! Reading checks every length, every content class and that nothing follows the last field, in
//! one pass and without allocating once the message's buffers are warm. It gives a value or an
//! error for any bytes. Writing copies the fields nobody touched as they came and encodes the
//! others.

use crate::content::{Content, Sensitivity};
use crate::dialect::{Bitmap, Dialect, Digits, Field, LengthDigits};
use crate::error::{DecodeError, EncodeError, Fault, FieldNumber, FieldPath};
use crate::field;
use crate::message::{FieldSet, Form, Message, Raw, Slot};
use crate::mti::{Class, Mti};
use crate::presence::Rule;
use bytes::BytesMut;
use core::sync::atomic::{AtomicU32, Ordering};

/// No frame is longer, whatever its framing.
const MESSAGE_MAX: usize = 65_535;

/// Tells codecs apart, so that a message knows which one read it.
static NEXT_ID: AtomicU32 = AtomicU32::new(1);

/// A dialect ready for use.
#[derive(Debug)]
pub struct Codec {
    id: u32,
    dialect: Dialect,
    /// By field number.
    layouts: Vec<Option<Layout>>,
}

/// A field as the inner loops need it.
#[derive(Clone, Copy, Debug)]
struct Layout {
    content: Content,
    form: Form,
    prefix: Prefix,
    most: u16,
}

/// The length in front of a field's content.
#[derive(Clone, Copy, Debug)]
enum Prefix {
    /// None: the content always has the longest length.
    Fixed,
    /// So many ASCII digits.
    Ascii(u8),
    /// So many bytes of two digits.
    Packed(u8),
    /// So many bytes, big-endian.
    Binary(u8),
}

/// Why a well-framed request is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be read, or lacks or has a field against its presence rule: format error.
    Format(DecodeError),
    /// Its type has no meaning on this link.
    UnknownType,
    /// Its type is known, its processing code is not.
    UnknownCode,
}

impl Prefix {
    const fn width(self) -> u8 {
        match self {
            Self::Fixed => 0,
            Self::Ascii(width) | Self::Packed(width) | Self::Binary(width) => width,
        }
    }
}

impl Layout {
    fn new(field: &Field, dialect: &Dialect) -> Self {
        let digits = field.digits.unwrap_or(dialect.encoding.digits);
        let form = match (field.content, digits) {
            (Content::Binary, _) => Form::Raw,
            (Content::Digits, Digits::Bcd) => Form::PackedLeft,
            (Content::Digits, Digits::BcdRight) => Form::PackedRight,
            _ => Form::Text,
        };
        let length = field.length.unwrap_or(dialect.encoding.length);
        let packed_width = field.length_digits.div_ceil(2);
        let prefix = match (field.length_digits, length) {
            (0, _) => Prefix::Fixed,
            (digits, LengthDigits::Ascii) => Prefix::Ascii(digits),
            (_, LengthDigits::Bcd) => Prefix::Packed(packed_width),
            (_, LengthDigits::Binary) => Prefix::Binary(packed_width),
        };
        Self { content: field.content, form, prefix, most: field.most }
    }

    /// Bytes that so many characters or digits take.
    #[inline]
    const fn width(self, units: u16) -> u16 {
        match self.form {
            Form::Text | Form::Raw => units,
            Form::PackedLeft | Form::PackedRight => units.div_ceil(2),
        }
    }

    /// Whether the bytes hold what the field may hold; `units` tells an odd number of digits.
    #[inline]
    fn holds(self, bytes: &[u8], units: u16) -> bool {
        match self.form {
            Form::Text => self.content.holds(bytes),
            Form::Raw => true,
            Form::PackedLeft | Form::PackedRight => {
                let digits = are_packed_digits(bytes);
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

/// Whether all nibbles are 0 to 9, eight bytes at a time.
#[inline]
fn are_packed_digits(bytes: &[u8]) -> bool {
    // A nibble over 9 shows in its top bit when 6 is added; masking the other nibbles first keeps
    // carries inside a byte.
    let (chunks, rest) = bytes.as_chunks::<8>();
    let low_mask = 0x0F0F_0F0F_0F0F_0F0F_u64;
    let six = 0x0606_0606_0606_0606_u64;
    let strangers = chunks.iter().fold(0u64, |strangers, chunk| {
        let word = u64::from_le_bytes(*chunk);
        let low = (word & low_mask).wrapping_add(six);
        let high = ((word >> 4) & low_mask).wrapping_add(six);
        strangers | ((low | high) & !low_mask)
    });
    let rest = rest.iter().fold(false, |bad, byte| bad | (byte & 15 > 9) | (byte >> 4 > 9));
    strangers == 0 && !rest
}

/// The value of a hexadecimal character of either case.
const fn hex_value(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(character.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(character.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
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
            Bitmap::Hex => self.take(16)?.iter().try_fold(0u64, |bits, character| {
                Ok((bits << 4) | u64::from(hex_value(*character).ok_or(Fault::NotANumber)?))
            }),
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
    /// Compiles a dialect.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let layout = |number| {
            let field = dialect.field(FieldNumber::new(number)?)?;
            Some(Layout::new(field, &dialect))
        };
        let layouts = (0..=128).map(layout).collect();
        Self { id: NEXT_ID.fetch_add(1, Ordering::Relaxed), dialect, layouts }
    }

    /// What it was compiled from.
    #[must_use]
    pub const fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    #[inline]
    fn layout(&self, number: FieldNumber) -> Option<Layout> {
        self.layouts.get(usize::from(number.get())).copied().flatten()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// The first thing that is wrong. `message` then holds what could be read: a field with a
    /// bad content is left out and reading goes on; after a bad length it cannot.
    pub fn decode_into(&self, frame: &[u8], message: &mut Message) -> Result<(), DecodeError> {
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
                let width = layout.width(units);
                Ok((units, width, cursor.take(width.into())?))
            });
            let (units, width, content) = match read {
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
            let prefix = layout.prefix.width();
            message.slots.push(Slot { start, width, units, prefix, form: layout.form });
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
        Ok(FieldSet::from_bits((u128::from(first) << 64) | u128::from(second)))
    }

    /// Whether a request is one this link knows and has the fields it must have.
    /// `strict` also refuses fields that its rule does not list.
    ///
    /// # Errors
    /// Why it is not passed on.
    pub fn check(&self, message: &Message, strict: bool) -> Result<(), Refusal> {
        let rule = self.rule(message)?;
        rule.check(message, strict).map_err(Refusal::Format)
    }

    /// The presence rule for a request.
    ///
    /// # Errors
    /// Whether its type or only its processing code has no rule. A message of a known type whose
    /// rules depend on DE3 and that has none lacks a mandatory field.
    pub fn rule(&self, message: &Message) -> Result<&Rule, Refusal> {
        let code = message.get(field::PROCESSING_CODE);
        let code = code.as_ref().and_then(|code| code.as_bytes().first_chunk::<2>().copied());
        let mti = message.mti();
        let mut rules = self.dialect.rules.values();
        if let Some(rule) = rules.clone().find(|rule| rule.fits(mti, code)) {
            return Ok(rule);
        }
        if !rules.any(|rule| rule.mti.contains(&mti.original())) {
            return Err(Refusal::UnknownType);
        }
        if code.is_some() {
            return Err(Refusal::UnknownCode);
        }
        let end = u32::try_from(message.frame().len()).unwrap_or(u32::MAX);
        Err(Refusal::Format(error(field::PROCESSING_CODE.number(), end, Fault::Missing)))
    }

    /// Appends a message to `out`.
    ///
    /// # Errors
    /// The first field that does not fit its definition; `out` is then as it was before.
    pub fn encode(&self, message: &Message, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        let result = self.encode_whole(message, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn encode_whole(&self, message: &Message, out: &mut BytesMut) -> Result<(), EncodeError> {
        let fail = |field, fault| EncodeError::Field { path: FieldPath::whole(field), fault };
        let mti = message.mti.ok_or_else(|| fail(FieldNumber::MTI, Fault::Missing))?;
        match self.dialect.encoding.mti {
            Digits::Ascii => out.extend_from_slice(mti.digits()),
            Digits::Bcd | Digits::BcdRight => pack(mti.digits(), 0, out),
        }
        let bits = message.present.bits();
        let second = bits & u128::from(u64::MAX);
        let first_bit = if second == 0 { 0 } else { 1u128 << 127 };
        self.encode_bitmap(((bits | first_bit) >> 64) as u64, out);
        if second != 0 {
            self.encode_bitmap(second as u64, out);
        }
        let own = message.codec == self.id;
        for (number, slot) in message.present.iter().zip(&message.slots) {
            let start = slot.start as usize;
            if own && start < message.frame_end {
                let width = usize::from(slot.prefix).saturating_add(slot.width.into());
                let as_received = message.bytes.get(start..start.saturating_add(width));
                out.extend_from_slice(as_received.unwrap_or_default());
                continue;
            }
            let layout = self.layout(number).ok_or_else(|| fail(number, Fault::Undefined))?;
            let raw = message.expose(number).ok_or_else(|| fail(number, Fault::Missing))?;
            encode_field(layout, raw, out).map_err(|fault| fail(number, fault))?;
        }
        Ok(())
    }

    fn encode_bitmap(&self, bits: u64, out: &mut BytesMut) {
        match self.dialect.encoding.bitmap {
            Bitmap::Binary => out.extend_from_slice(&bits.to_be_bytes()),
            Bitmap::Hex => {
                let mut characters = [0u8; 16];
                for (place, character) in characters.iter_mut().rev().enumerate() {
                    let nibble = bits.wrapping_shr(u32::try_from(place).unwrap_or(0) << 2) & 15;
                    let nibble = u8::try_from(nibble).unwrap_or(0);
                    *character = crate::message::nibble_character(nibble);
                }
                out.extend_from_slice(&characters);
            }
        }
    }

    /// What people may see of a message: a line per field.
    #[must_use]
    pub fn describe(&self, message: &Message) -> Vec<Line> {
        let line = |number: FieldNumber| {
            let field = self.dialect.field(number)?;
            let raw = message.expose(number)?;
            let value = match raw.binary() {
                Some(bytes) => bytes.iter().map(|byte| format!("{byte:02X}")).collect(),
                None => raw.text().map(|text| text.as_str().to_owned()).unwrap_or_default(),
            };
            Some(Line {
                number,
                name: field.name.clone(),
                masked: field.sensitivity.mask(&value),
                clear: value,
                sensitivity: field.sensitivity,
                offset: message.offset(number),
            })
        };
        message.fields().iter().filter_map(line).collect()
    }

    /// The likely cause of an error, in words, where the bytes give it away.
    #[cold]
    #[must_use]
    pub fn likely_cause(&self, frame: &[u8], error: &DecodeError) -> Option<&'static str> {
        let header = frame.get(..12).unwrap_or(frame);
        let is_mti = |bytes: &[u8]| {
            bytes.len() == 4
                && matches!(bytes.first(), Some(b'0'..=b'2'))
                && bytes.iter().all(u8::is_ascii_digit)
        };
        if error.path.field == FieldNumber::MTI {
            if header.iter().take(4).all(|byte| (0xF0..=0xF9).contains(byte)) {
                return Some("the digits are EBCDIC; this dialect is ASCII");
            }
            if header.iter().skip(1).count() > 3 && header.windows(4).skip(1).any(is_mti) {
                return Some("a header stands before the message type; set it in the framing");
            }
            let packed = matches!(header, [0x01..=0x09 | 0x10..=0x19 | 0x20..=0x29, ..]);
            if packed && self.dialect.encoding.mti == Digits::Ascii {
                return Some("the message type is packed; this dialect has it in ASCII");
            }
        }
        let hex = |bytes: &[u8]| bytes.len() == 8 && bytes.iter().all(u8::is_ascii_hexdigit);
        let bitmap = frame.get(4..12).unwrap_or_default();
        match (self.dialect.encoding.bitmap, self.dialect.encoding.mti) {
            (Bitmap::Binary, Digits::Ascii) if hex(bitmap) => {
                Some("the bitmap looks like hexadecimal characters; this dialect has it in binary")
            }
            (Bitmap::Hex, Digits::Ascii) if error.path.field == FieldNumber::BITMAP => {
                Some("the bitmap looks binary; this dialect has it in hexadecimal characters")
            }
            _ if matches!(error.fault, Fault::LengthNotDigits | Fault::TooLong { .. }) => {
                Some("the field before it may be longer or shorter than this dialect says")
            }
            _ => None,
        }
    }
}

/// A field of a message, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The field.
    pub number: FieldNumber,
    /// Its name.
    pub name: String,
    /// Its value as far as anybody may see it.
    pub masked: String,
    /// Its value. Only for those who are entitled.
    pub clear: String,
    /// Who is.
    pub sensitivity: Sensitivity,
    /// Where it begins in the frame, if it came in one.
    pub offset: Option<usize>,
}

const fn error(field: FieldNumber, offset: u32, fault: Fault) -> DecodeError {
    DecodeError { path: FieldPath::whole(field), offset, fault }
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

/// Appends ASCII digits, two in a byte, after `fill` zeros.
fn pack(digits: &[u8], fill: usize, out: &mut BytesMut) {
    let nibbles = core::iter::repeat_n(0, fill).chain(digits.iter().map(|digit| digit & 15));
    let mut high = None;
    for nibble in nibbles {
        match high.take() {
            None => high = Some(nibble << 4),
            Some(high) => out.extend_from_slice(&[high | nibble]),
        }
    }
    if let Some(high) = high {
        out.extend_from_slice(&[high]);
    }
}

/// Appends one field: its length, then its content filled to a fixed length.
fn encode_field(layout: Layout, raw: Raw<'_>, out: &mut BytesMut) -> Result<(), Fault> {
    let text;
    let value = match raw {
        Raw::Binary(bytes) | Raw::Text(bytes) => bytes,
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
            encode_length(layout.prefix, units, out);
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
            let digits = units.saturating_add(fill);
            pack(value, usize::from(fill.saturating_add(digits & 1)), out);
        }
        Form::PackedRight => pack(value, usize::from(fill), out),
    }
    Ok(())
}

fn encode_length(prefix: Prefix, units: u16, out: &mut BytesMut) {
    let mut rest = units;
    let mut bytes = [0u8; 4];
    for byte in bytes.iter_mut().rev() {
        let (above, digit) = match prefix {
            Prefix::Fixed => (0, 0),
            Prefix::Ascii(_) => (rest / 10, (rest % 10) | u16::from(b'0')),
            Prefix::Packed(_) => (rest / 100, ((rest / 10 % 10) << 4) | (rest % 10)),
            Prefix::Binary(_) => (rest >> 8, rest & 0xFF),
        };
        *byte = u8::try_from(digit).unwrap_or(0);
        rest = above;
    }
    let from = bytes.len().saturating_sub(prefix.width().into());
    out.extend_from_slice(bytes.get(from..).unwrap_or_default());
}

/// Whether the class of a message type is one that ISO 8583:1987 defines, so that an unknown
/// type of it is a function that is not supported rather than a type that means nothing.
#[must_use]
pub fn is_known_class(mti: Mti) -> bool {
    mti.class() != Class::Reserved && mti.digits().first() == Some(&b'0')
}
