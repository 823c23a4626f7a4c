//! Parts set and taken out: the field is put together anew around them.
//!
//! What is not touched stays as it came, byte for byte: other parts, unknown tags, filler, and the
//! form of a length that still says the truth.

use super::tlv::{self, Tag};
use super::unit::{count, length_most, length_width, read_length, write_length};
use super::walk::{Found, Walk};
use super::{Bits, Form, Nest, SubField, Tagged};
use crate::code_page::CodePage;
use crate::codec::Codec;
use crate::coding::hex_digit;
use crate::content::Content;
use crate::dialect::{Bitmap, LengthDigits};
use crate::error::{EncodeError, Fault, FieldNumber, FieldPath, Part};
use crate::message::Message;

/// Which part, and why it cannot be set.
type Refused = (FieldPath, Fault);

impl Message {
    /// Sets a part of a field by its path within the field, as `9F26` or `22.A1`. The value is
    /// canonical: characters, or bytes for a part of class `b` and for a BER object that the
    /// dialect does not define. A part that was not there is added: tags last, bits in their
    /// order, positions and groups next after the last. An absent field begins with every fixed
    /// part filled.
    ///
    /// # Errors
    /// If the field has no such part, its other parts cannot be read, or the value does not fit.
    /// The message is then as it was. Whether the field as a whole fits is known when a codec
    /// writes the message.
    pub fn set_part(
        &mut self,
        number: FieldNumber,
        path: &str,
        value: &[u8],
        codec: &Codec,
    ) -> Result<(), EncodeError> {
        self.edit_part(number, path, Some(value), codec)
    }

    /// Takes a part out. That one is absent already is no error.
    ///
    /// # Errors
    /// If the field has no such part, its other parts cannot be read, or it stands in a position
    /// that cannot be empty.
    pub fn remove_part(
        &mut self,
        number: FieldNumber,
        path: &str,
        codec: &Codec,
    ) -> Result<(), EncodeError> {
        self.edit_part(number, path, None, codec)
    }

    fn edit_part(
        &mut self,
        number: FieldNumber,
        path: &str,
        value: Option<&[u8]>,
        codec: &Codec,
    ) -> Result<(), EncodeError> {
        let whole = FieldPath::whole(number);
        let fail = |(path, fault)| EncodeError::Field { path, fault };
        let nest = codec.dialect().nested(number).ok_or_else(|| fail((whole, Fault::Undefined)))?;
        let old = match self.expose(number) {
            None if value.is_none() => return Ok(()),
            None => nest.blank(),
            Some(raw) => raw.canonical().as_bytes().to_vec(),
        };
        let steps: Vec<&str> = path.split('.').collect();
        let new = nest.edit(&old, &steps, value, whole).map_err(fail)?;
        let definition = codec.dialect().field(number);
        let is_binary = definition.is_some_and(|field| field.content == Content::Binary);
        match core::str::from_utf8(&new) {
            _ if is_binary => self.set_binary(number, &new),
            Ok(text) => self.set_text(number, text),
            Err(_) => return Err(fail((whole, Fault::Value))),
        }
        Ok(())
    }
}

impl Nest {
    /// The content with one part of it set, or without it.
    fn edit(
        &self,
        bytes: &[u8],
        steps: &[&str],
        value: Option<&[u8]>,
        path: FieldPath,
    ) -> Result<Vec<u8>, Refused> {
        let undefined = (path, Fault::Undefined);
        let (step, deeper) = steps.split_first().ok_or(undefined)?;
        let part = self.step(step).ok_or(undefined)?;
        let inner_path = path.join(part).ok_or((path, Fault::TooDeep))?;
        let (mut found, mut last_end, mut parts) = (None, None, 0u16);
        for walked in Walk::new(self, bytes) {
            let walked = walked.map_err(|flaw| {
                let path = flaw.part.map_or(Some(path), |part| path.join(part));
                (path.unwrap_or(inner_path), flaw.fault)
            })?;
            (last_end, parts) = (Some(walked.content.end), parts.saturating_add(1));
            if walked.part == part && found.is_none() {
                found = Some(walked);
            }
        }
        let value = match (deeper, value, &found) {
            ([], None, _) | (_, None, None) => None,
            ([], Some(value), _) => Some(value.to_vec()),
            (deeper, value, found) => {
                let nest = self.within(part).ok_or((inner_path, Fault::Undefined))?;
                let old = found.as_ref().and_then(|found| bytes.get(found.content.clone()));
                let old = old.map_or_else(|| nest.blank(), <[u8]>::to_vec);
                Some(nest.edit(&old, deeper, value, inner_path)?)
            }
        };
        let place = Place { part, found, end: last_end, parts };
        let refused = |fault| (inner_path, fault);
        match value {
            Some(value) => self.with(bytes, place, &value).map_err(refused),
            None => self.without(bytes, place).map_err(refused),
        }
    }

    /// The content with this part of this value.
    fn with(&self, bytes: &[u8], place: Place<'_>, value: &[u8]) -> Result<Vec<u8>, Fault> {
        let part = place.part;
        let unit = match self.part(part) {
            Some(definition) => {
                let mut unit = Vec::new();
                definition.write(value, &mut unit)?;
                unit
            }
            None if matches!(self.form, Form::Positional | Form::Bitmapped(_)) => {
                return Err(Fault::Undefined);
            }
            None => value.to_vec(),
        };
        // A mark within a part would end it.
        if self.mark().is_some_and(|mark| unit.contains(&mark)) {
            return Err(Fault::Value);
        }
        if let Some(found) = &place.found {
            let old = bytes.get(found.head.clone()).unwrap_or_default();
            // A length that still says the truth stays, also in hexadecimal of lower case.
            let rest = self.own_length(part).and_then(|written| {
                let (new, rest) = unit.split_at_checked(old.len())?;
                (read_length(written, old) == read_length(written, new)).then_some(rest)
            });
            let same = found.content.len() == unit.len() && self.own_length(part).is_none();
            if let Some(kept) = rest.or(same.then_some(&unit)) {
                return Ok(spliced(bytes, found.content.clone(), kept));
            }
            let new = self.headed(part, &unit)?;
            return Ok(spliced(bytes, found.head.start..found.content.end, &new));
        }
        let end = place.end.unwrap_or(0);
        match &self.form {
            Form::Positional | Form::Repeated { .. } => {
                let is_next = part == Part::Number(place.parts.saturating_add(1));
                if !is_next
                    || matches!(&self.form, Form::Repeated { most, .. } if place.parts >= *most)
                {
                    return Err(Fault::Value);
                }
                Ok(spliced(bytes, end..end, &unit))
            }
            Form::Rows(rows) => {
                let headers = u16::from(rows.header.is_some());
                let is_next =
                    part == Part::Number(place.parts.saturating_add(1).saturating_sub(headers));
                if !is_next || place.parts >= rows.most.saturating_add(headers) {
                    return Err(Fault::Value);
                }
                let mark = [rows.mark];
                let before: &[u8] =
                    if bytes.last().is_some_and(|last| *last != rows.mark) { &mark } else { &[] };
                Ok([bytes, before, &unit, &mark].concat())
            }
            Form::Cells { mark } => {
                if part != Part::Number(place.parts.saturating_add(1)) {
                    return Err(Fault::Value);
                }
                let before: &[u8] = if place.parts > 0 { &[*mark] } else { &[] };
                Ok([bytes, before, &unit].concat())
            }
            // Only a lead has number 0, and without one nothing can be in front of the tags.
            Form::Tagged(_) if part == Part::Number(0) => Err(Fault::Undefined),
            Form::Tagged(_) | Form::Ber | Form::DataSets => {
                Ok(spliced(bytes, end..end, &self.headed(part, &unit)?))
            }
            Form::Bitmapped(form) => {
                let (bits, start) = form.bits_of(bytes);
                let Part::Number(number) = part else { return Err(Fault::Undefined) };
                let at = Walk::new(self, bytes)
                    .filter_map(Result::ok)
                    .take_while(|found| found.part < part)
                    .last()
                    .map_or(start, |found| found.content.end);
                let rest = spliced(bytes, at..at, &unit);
                let mut out = form.write(bits | bit(number));
                out.extend_from_slice(rest.get(start..).unwrap_or_default());
                Ok(out)
            }
        }
    }

    /// The content without this part.
    fn without(&self, bytes: &[u8], place: Place<'_>) -> Result<Vec<u8>, Fault> {
        let Some(found) = place.found else { return Ok(bytes.to_vec()) };
        let whole = found.head.start..found.content.end;
        match (&self.form, found.part) {
            (Form::Positional | Form::Cells { .. }, _)
            | (Form::Tagged(_) | Form::Rows(_), Part::Number(0)) => Err(Fault::Missing),
            (Form::Rows(rows), _) => {
                let is_marked = bytes.get(whole.end) == Some(&rows.mark);
                let end = whole.end.saturating_add(is_marked.into());
                Ok(spliced(bytes, whole.start..end, &[]))
            }
            (Form::Bitmapped(form), Part::Number(number)) => {
                let (bits, start) = form.bits_of(bytes);
                let mut out = form.write(bits & !bit(number));
                let rest = spliced(bytes, whole, &[]);
                out.extend_from_slice(rest.get(start..).unwrap_or_default());
                Ok(out)
            }
            _ => Ok(spliced(bytes, whole, &[])),
        }
    }

    /// What may not stand in a part, because it ends it.
    const fn mark(&self) -> Option<u8> {
        match &self.form {
            Form::Rows(rows) => Some(rows.mark),
            Form::Cells { mark } => Some(*mark),
            _ => None,
        }
    }

    /// How a part's length is written if it is its own affair: it then is in what its definition
    /// writes.
    fn own_length(&self, part: Part) -> Option<LengthDigits> {
        let definition = self.part(part)?;
        (definition.length_digits > 0).then_some(definition.length)
    }

    /// A part as it stands in this form, with tag and length in front.
    fn headed(&self, part: Part, unit: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        let length = count(unit.len());
        match (&self.form, part) {
            (Form::Ber, Part::Tag(tag)) => {
                tlv::put(&mut out, Tag::from_number(tag).ok_or(Fault::Tag)?, unit);
            }
            (Form::DataSets, Part::Tag(identifier)) => {
                let most = u16::MAX.into();
                let length = u16::try_from(length).map_err(|_| Fault::TooLong { length, most })?;
                out.push(u8::try_from(identifier).map_err(|_| Fault::Tag)?);
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(unit);
            }
            (Form::Tagged(form), Part::Name(_) | Part::Tag(_)) => {
                form.head(part, length, &mut out)?;
                out.extend_from_slice(unit);
            }
            _ => out.extend_from_slice(unit),
        }
        Ok(out)
    }

    /// What stands in an absent field before a part is set.
    fn blank(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let filled = |definition: &SubField, out: &mut Vec<u8>| {
            let blank = match definition.content {
                Content::SignedDigits => b"C".to_vec(),
                Content::Binary if definition.is_fixed => vec![0; definition.most.into()],
                _ => Vec::new(),
            };
            // A filled part is always of its class.
            let _ = definition.write(&blank, out);
        };
        match &self.form {
            Form::Positional => self.parts.values().for_each(|part| filled(part, &mut out)),
            Form::Tagged(_) => {
                if let Some(lead) = self.parts.get(&Part::Number(0)) {
                    filled(lead, &mut out);
                }
            }
            Form::Bitmapped(form) => out = form.write(0),
            Form::Repeated { .. }
            | Form::Ber
            | Form::DataSets
            | Form::Rows(_)
            | Form::Cells { .. } => {}
        }
        out
    }
}

/// Where a part is, or where a new one goes.
struct Place<'n> {
    part: Part,
    found: Option<Found<'n>>,
    /// Where the last part ends.
    end: Option<usize>,
    parts: u16,
}

fn spliced(bytes: &[u8], range: core::ops::Range<usize>, new: &[u8]) -> Vec<u8> {
    let before = bytes.get(..range.start).unwrap_or_default();
    let after = bytes.get(range.end..).unwrap_or_default();
    [before, new, after].concat()
}

/// The bit of a number from 1 to 128.
const fn bit(number: u16) -> u128 {
    (1u128 << 127).wrapping_shr((number as u32).wrapping_sub(1))
}

impl Tagged {
    fn head(self, part: Part, length: u32, out: &mut Vec<u8>) -> Result<(), Fault> {
        let name;
        let number;
        let tag = match part {
            Part::Name(characters) => {
                name = characters;
                name.get(..self.tag_width)
            }
            Part::Tag(tag) => {
                number = tag.to_be_bytes();
                number.get(number.len().saturating_sub(self.tag_width)..)
            }
            Part::Number(_) => None,
        };
        let tag = tag.ok_or(Fault::Tag)?;
        let counted = if self.counts_tag { count(tag.len()) } else { 0 };
        let width = length_width(self.length, self.length_digits);
        let most = length_most(self.length, width).saturating_sub(counted);
        if length > most {
            return Err(Fault::TooLong { length, most });
        }
        let length = length.saturating_add(counted);
        if self.length_first {
            write_length(self.length, width, length, out);
            out.extend_from_slice(tag);
        } else {
            out.extend_from_slice(tag);
            write_length(self.length, width, length, out);
        }
        Ok(())
    }
}

impl Bits {
    /// The bits of a content whose bitmaps can be read, and where the parts begin.
    fn bits_of(self, bytes: &[u8]) -> (u128, usize) {
        self.read(bytes).unwrap_or((0, bytes.len()))
    }

    /// The bitmaps, as many as the bits need.
    fn write(self, bits: u128) -> Vec<u8> {
        let mut out = Vec::new();
        let mut rest = bits;
        loop {
            let keep = u128::MAX.wrapping_shl(128u32.saturating_sub(self.count.into()));
            let after = if self.count >= 128 { 0 } else { rest.wrapping_shl(self.count.into()) };
            let has_next = self.chained && after != 0;
            let map = (rest & keep) | if has_next { 1u128 << 127 } else { 0 };
            let bytes = map.to_be_bytes();
            let bytes = bytes.get(..usize::from(self.count / 8)).unwrap_or_default();
            let characters = bytes.iter().flat_map(|byte| [hex_digit(byte >> 4), hex_digit(*byte)]);
            match self.written {
                Bitmap::Binary => out.extend_from_slice(bytes),
                Bitmap::Hex => out.extend(characters),
                Bitmap::EbcdicHex => out.extend(characters.map(|c| CodePage::P037.encode(c))),
            }
            if !has_next {
                return out;
            }
            rest = after;
        }
    }
}
