//! The parts of one level, in order, where they lie.
//!
//! A walk copies and allocates nothing. It finds parts and their lengths; whether a part holds
//! what it may is asked of the part.

use super::tlv::Tlvs;
use super::unit::{count, enough, length_width, read_length};
use super::{Bits, Form, Nest, Rows, SubField, Tagged, Tags};
use crate::code_page::CodePage;
use crate::coding::hex_value;
use crate::dialect::Bitmap;
use crate::error::{Fault, Part};
use core::ops::Range;

/// The most cells of a row: what a path has room for.
const CELLS_MAX: u16 = 999;

/// A part where it lies, by places in the bytes that were walked.
#[derive(Clone, Debug)]
pub(super) struct Found<'n> {
    pub(super) part: Part,
    /// Its tag and length, or its length alone.
    pub(super) head: Range<usize>,
    pub(super) content: Range<usize>,
    pub(super) definition: Option<&'n SubField>,
}

/// What is wrong on one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// The part it is in, if the dialect or the EMV table knows it: the name of an unknown part
    /// may be content that was taken for a name.
    pub(super) part: Option<Part>,
    pub(super) at: usize,
    pub(super) fault: Fault,
}

/// Walks the parts. After a flaw there is nothing more.
#[derive(Clone)]
pub(super) struct Walk<'n, 'b> {
    nest: &'n Nest,
    bytes: &'b [u8],
    at: usize,
    /// How many parts, groups or bits were passed.
    passed: u16,
    /// The bits that are set, first bit highest; once the bitmaps were read.
    bits: Option<u128>,
    is_over: bool,
}

impl<'n, 'b> Walk<'n, 'b> {
    pub(super) const fn new(nest: &'n Nest, bytes: &'b [u8]) -> Self {
        Self { nest, bytes, at: 0, passed: 0, bits: None, is_over: false }
    }

    /// Ends the walk.
    pub(super) const fn end(&mut self) {
        self.is_over = true;
    }

    fn rest(&self) -> &'b [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn flaw(&self, part: Option<Part>, at: usize, fault: Fault) -> Flaw {
        let part = part.filter(|part| self.nest.names(*part));
        Flaw { part, at, fault }
    }

    /// What lies behind the last part.
    fn trailing(&self) -> Option<Result<Found<'n>, Flaw>> {
        let extra = count(self.rest().len());
        (extra > 0).then(|| Err(self.flaw(None, self.at, Fault::Trailing { extra })))
    }

    /// A part that knows its own length.
    fn own(&mut self, part: Part, definition: &'n SubField) -> Result<Found<'n>, Flaw> {
        let measure = definition.measure(self.rest());
        let measure = measure.map_err(|fault| self.flaw(Some(part), self.at, fault))?;
        let content = self.at.saturating_add(measure.head);
        let end = content.saturating_add(measure.width);
        let head = self.at..content;
        self.at = end;
        Ok(Found { part, head, content: content..end, definition: Some(definition) })
    }

    fn positional(&mut self) -> Option<Result<Found<'n>, Flaw>> {
        if self.rest().is_empty() && self.passed > 0 {
            return None;
        }
        let part = Part::Number(self.passed.saturating_add(1));
        let Some(definition) = self.nest.parts.get(&part) else { return self.trailing() };
        self.passed = self.passed.saturating_add(1);
        Some(self.own(part, definition))
    }

    fn group(
        &mut self,
        most: u16,
        width: usize,
        group: &'n SubField,
    ) -> Option<Result<Found<'n>, Flaw>> {
        if self.rest().is_empty() {
            return None;
        }
        if self.passed >= most {
            return self.trailing();
        }
        self.passed = self.passed.saturating_add(1);
        let part = Part::Number(self.passed);
        let start = self.at;
        if let Err(fault) = enough(width, self.rest()) {
            return Some(Err(self.flaw(Some(part), start, fault)));
        }
        self.at = start.saturating_add(width);
        let content = start..self.at;
        Some(Ok(Found { part, head: start..start, content, definition: Some(group) }))
    }

    /// What lies before the next mark, or all that is left; and whether there is a mark.
    fn before(&self, mark: u8) -> (Range<usize>, bool) {
        let rest = self.rest();
        let width = rest.iter().position(|byte| *byte == mark);
        let end = self.at.saturating_add(width.unwrap_or(rest.len()));
        (self.at..end, width.is_some())
    }

    fn row(&mut self, rows: &'n Rows) -> Option<Result<Found<'n>, Flaw>> {
        let is_table = self.at > 0 || self.bytes.contains(&rows.mark);
        if self.rest().is_empty() || !is_table {
            return None;
        }
        let header = rows.header.as_ref().filter(|_| self.passed == 0);
        let headers = u16::from(rows.header.is_some());
        if self.passed >= rows.most.saturating_add(headers) {
            return self.trailing();
        }
        self.passed = self.passed.saturating_add(1);
        let (content, is_marked) = self.before(rows.mark);
        self.at = content.end.saturating_add(is_marked.into());
        let part = Part::Number(self.passed.saturating_sub(headers));
        let definition = Some(header.unwrap_or(&rows.row));
        Some(Ok(Found { part, head: content.start..content.start, content, definition }))
    }

    fn cell(&mut self, mark: u8) -> Option<Result<Found<'n>, Flaw>> {
        // Behind a mark there is one more cell, if only an empty one.
        let is_last_behind = self.passed > 0 && self.at <= self.bytes.len();
        if self.bytes.is_empty() || !(self.passed == 0 || is_last_behind) {
            return None;
        }
        if self.passed >= CELLS_MAX {
            return self.trailing();
        }
        self.passed = self.passed.saturating_add(1);
        let (content, _) = self.before(mark);
        // Behind the mark, or behind everything.
        self.at = content.end.saturating_add(1);
        let part = Part::Number(self.passed);
        let definition = self.nest.parts.get(&part);
        Some(Ok(Found { part, head: content.start..content.start, content, definition }))
    }

    fn tagged(&mut self, form: Tagged) -> Option<Result<Found<'n>, Flaw>> {
        let lead = Part::Number(0);
        if self.at == 0 && self.passed == 0 {
            self.passed = 1;
            if let Some(definition) = self.nest.parts.get(&lead) {
                return Some(self.own(lead, definition));
            }
        }
        // A sender may have filled the field with spaces.
        let is_filler = form.tags == Tags::Ascii && self.rest().iter().all(|byte| *byte == b' ');
        if self.rest().is_empty() || is_filler {
            return None;
        }
        Some(self.tag(form))
    }

    fn tag(&mut self, form: Tagged) -> Result<Found<'n>, Flaw> {
        let start = self.at;
        let length_width = length_width(form.length, form.length_digits);
        let head = form.tag_width.saturating_add(length_width);
        let (first, second) = match form.length_first {
            false => (form.tag_width, length_width),
            true => (length_width, form.tag_width),
        };
        let rest = self.rest();
        let Some((first, second)) = rest
            .get(..head)
            .and_then(|head| head.split_at_checked(first))
            .filter(|(_, b)| b.len() == second)
        else {
            let fault = Fault::Short { needed: count(head), available: count(rest.len()) };
            return Err(self.flaw(None, start, fault));
        };
        let first_end = start.saturating_add(first.len());
        let (tag, tag_at, length, length_at) = match form.length_first {
            false => (first, start, second, first_end),
            true => (second, first_end, first, start),
        };
        let part = form.part(tag).ok_or_else(|| self.flaw(None, tag_at, Fault::Tag))?;
        let fail = |fault| self.flaw(Some(part), length_at, fault);
        let mut length = read_length(form.length, length).map_err(fail)?;
        if form.counts_tag {
            let short = Fault::Short { needed: count(form.tag_width), available: length };
            length = length.checked_sub(count(form.tag_width)).ok_or_else(|| fail(short))?;
        }
        let content = start.saturating_add(head);
        let after = self.bytes.get(content..).unwrap_or_default();
        let width = usize::try_from(length).unwrap_or(usize::MAX);
        enough(width, after).map_err(fail)?;
        let definition = self.nest.parts.get(&part);
        self.at = content.saturating_add(width);
        Ok(Found { part, head: start..content, content: content..self.at, definition })
    }

    fn data_set(&mut self) -> Option<Result<Found<'n>, Flaw>> {
        let (start, rest) = (self.at, self.rest());
        let [identifier, high, low] = match (rest, rest.first_chunk::<3>()) {
            ([], _) => return None,
            (_, Some(head)) => *head,
            (_, None) => {
                let fault = Fault::Short { needed: 3, available: count(rest.len()) };
                return Some(Err(self.flaw(None, start, fault)));
            }
        };
        // 00 and FF are reserved: neither begins a data set.
        if matches!(identifier, 0 | 0xFF) {
            return Some(Err(self.flaw(None, start, Fault::Tag)));
        }
        let part = Part::Tag(identifier.into());
        let width = usize::from(u16::from_be_bytes([high, low]));
        let content = start.saturating_add(3);
        if let Err(fault) = enough(width, self.bytes.get(content..).unwrap_or_default()) {
            return Some(Err(self.flaw(Some(part), start.saturating_add(1), fault)));
        }
        self.at = content.saturating_add(width);
        let definition = self.nest.parts.get(&part);
        Some(Ok(Found { part, head: start..content, content: content..self.at, definition }))
    }

    fn object(&mut self) -> Option<Result<Found<'n>, Flaw>> {
        let start = self.at;
        let place = |at: usize| start.saturating_add(at);
        Some(match Tlvs::new(self.rest()).next()? {
            Ok(object) => {
                let part = Part::Tag(object.tag.get());
                self.at = place(object.end());
                let head = place(object.start)..place(object.value_start);
                let definition = self.nest.parts.get(&part);
                Ok(Found { part, head, content: place(object.value_start)..self.at, definition })
            }
            Err(error) => {
                let part = error.tag.map(|tag| Part::Tag(tag.get()));
                Err(self.flaw(part, place(error.at), error.fault))
            }
        })
    }

    fn bit(&mut self, form: Bits) -> Option<Result<Found<'n>, Flaw>> {
        let bits = match self.bits {
            Some(bits) => bits,
            None => match form.read(self.bytes) {
                Ok((bits, end)) => {
                    self.at = end;
                    bits
                }
                Err((at, fault)) => return Some(Err(self.flaw(None, at, fault))),
            },
        };
        let place = bits.leading_zeros();
        self.bits = Some(bits & !(1u128 << 127).wrapping_shr(place));
        if bits == 0 {
            return self.trailing();
        }
        let part = Part::Number(u16::try_from(place).unwrap_or(0).saturating_add(1));
        let Some(definition) = self.nest.parts.get(&part) else {
            // The number of a bit is no content, so that it may be named all the same.
            return Some(Err(Flaw { part: Some(part), at: self.at, fault: Fault::Undefined }));
        };
        Some(self.own(part, definition))
    }
}

impl<'n> Iterator for Walk<'n, '_> {
    type Item = Result<Found<'n>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let nest = self.nest;
        let found = match &nest.form {
            Form::Positional => self.positional(),
            Form::Repeated { most, width, group } => self.group(*most, *width, group),
            Form::Tagged(form) => self.tagged(*form),
            Form::Ber => self.object(),
            Form::Bitmapped(form) => self.bit(*form),
            Form::DataSets => self.data_set(),
            Form::Rows(rows) => self.row(rows),
            Form::Cells { mark } => self.cell(*mark),
        };
        self.is_over = !matches!(found, Some(Ok(_)));
        found
    }
}

impl Nest {
    /// Whether the name of a part can be told: it is of the dialect or of EMV, not of the bytes.
    pub(super) fn names(&self, part: Part) -> bool {
        let is_emv = |tag| super::tlv::Tag::from_number(tag).and_then(super::emv::entry).is_some();
        match (&self.form, part) {
            (
                Form::Positional
                | Form::Repeated { .. }
                | Form::Bitmapped(_)
                | Form::Rows(_)
                | Form::Cells { .. },
                _,
            ) => true,
            (Form::Ber, Part::Tag(tag)) if is_emv(tag) => true,
            _ => self.parts.contains_key(&part),
        }
    }
}

impl Tagged {
    /// The part that a tag names; `None` if its bytes are no tag.
    fn part(self, tag: &[u8]) -> Option<Part> {
        let number = || tag.iter().fold(0u32, |number, byte| (number << 8) | u32::from(*byte));
        let are_digits = || tag.iter().all(|byte| byte >> 4 <= 9 && byte & 15 <= 9);
        match self.tags {
            Tags::Ascii => Part::named(tag),
            Tags::Bcd => are_digits().then(|| Part::Tag(number())),
            Tags::Binary => Some(Part::Tag(number())),
        }
    }
}

impl Bits {
    /// Bytes of one bitmap.
    pub(super) fn width(self) -> usize {
        let bytes = usize::from(self.count / 8);
        match self.written {
            Bitmap::Binary => bytes,
            Bitmap::Hex | Bitmap::EbcdicHex => bytes.saturating_mul(2),
        }
    }

    /// The bits that are set, first bit highest, without those that only say that another bitmap
    /// follows, and where the bitmaps end.
    pub(super) fn read(self, bytes: &[u8]) -> Result<(u128, usize), (usize, Fault)> {
        let (mut bits, mut end, mut place) = (0u128, 0usize, 0u16);
        loop {
            let (start, rest) = (end, bytes.get(end..).unwrap_or_default());
            enough(self.width(), rest).map_err(|fault| (start, fault))?;
            let map = self.bits(rest.get(..self.width()).unwrap_or_default());
            let mut map = map.map_err(|at| (start.saturating_add(at), Fault::NotANumber))?;
            end = end.saturating_add(self.width());
            let has_next = self.chained && map >> 127 == 1;
            if self.chained {
                map &= u128::MAX >> 1;
            }
            bits |= map.wrapping_shr(place.into());
            place = place.saturating_add(self.count);
            if !has_next {
                return Ok((bits, end));
            }
            if place >= 128 {
                return Err((start, Fault::Value));
            }
        }
    }

    /// One bitmap, first bit highest; the error is the place of a character that is none.
    fn bits(self, bytes: &[u8]) -> Result<u128, usize> {
        let (width, mask) = match self.written {
            Bitmap::Binary => (8, 0xFF),
            Bitmap::Hex | Bitmap::EbcdicHex => (4, 15),
        };
        let mut bits = 0u128;
        for (at, byte) in bytes.iter().enumerate() {
            let value = match self.written {
                Bitmap::Binary => u32::from(*byte),
                Bitmap::Hex => hex_value(*byte).ok_or(at)?.into(),
                // The digits and the letters A to F are the same in every page.
                Bitmap::EbcdicHex => hex_value(CodePage::P037.decode(*byte)).ok_or(at)?.into(),
            };
            bits = bits.wrapping_shl(width) | u128::from(value & mask);
        }
        Ok(bits.wrapping_shl(128u32.saturating_sub(self.count.into())))
    }
}
