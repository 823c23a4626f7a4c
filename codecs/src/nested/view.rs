//! Parts as they are asked for: by path, one after another, all at once for a check or for people.

use super::unit::count;
use super::walk::{Flaw, Found, Walk};
use super::{Form, Nest, emv, tlv};
use crate::codec::{Codec, Line};
use crate::coding::Coding;
use crate::content::Sensitivity;
use crate::error::{DecodeError, Fault, FieldNumber, FieldPath, Part};
use crate::message::{Message, Raw, Text};

/// A field of a message with what its dialect says of its parts.
pub struct Nested<'m> {
    content: Text<'m>,
    level: Level<'m>,
}

/// Where parts stand: of which form, in which part, and where that lies in the frame.
#[derive(Clone, Copy)]
struct Level<'m> {
    nest: &'m Nest,
    path: FieldPath,
    /// As much of the path as the dialect or the EMV table knows: an unknown tag may be content
    /// that was taken for a tag, so that no error names it or what is in it.
    known: FieldPath,
    /// Who may see a part that is not known.
    sensitivity: Sensitivity,
    /// Who may see a part of a closed object that the dialect defines.
    closed: Sensitivity,
    origin: Origin,
}

/// How places in a content become offsets in the frame.
#[derive(Clone, Copy)]
struct Origin {
    /// Where the field's content begins.
    start: u32,
    /// How the field is written.
    coding: Coding,
    /// Where the level begins in the field's canonical value.
    base: usize,
}

impl Origin {
    fn offset(self, at: usize) -> u32 {
        let place = self.base.saturating_add(at);
        self.start.saturating_add(count(self.coding.byte_of(place)))
    }

    /// The origin of what lies at a place.
    const fn at(self, at: usize) -> Self {
        Self { base: self.base.saturating_add(at), ..self }
    }
}

impl<'m> Level<'m> {
    fn values<'v>(self, bytes: &'v [u8]) -> Values<'v>
    where
        'm: 'v,
    {
        Values { walk: Walk::new(self.nest, bytes), level: self, bytes }
    }

    fn error(self, flaw: Flaw) -> DecodeError {
        let path = flaw.part.map_or(self.known, |part| self.known_with(part));
        DecodeError { path, offset: self.origin.offset(flaw.at), fault: flaw.fault }
    }

    fn known_with(self, part: Part) -> FieldPath {
        let is_known = self.known == self.path && self.nest.names(part);
        self.path.join(part).filter(|_| is_known).unwrap_or(self.known)
    }
}

impl Message {
    /// The parts of a field, by what the codec's dialect says stands inside it. `None` if the
    /// field is absent or has no parts.
    #[must_use]
    pub fn nested<'m>(&'m self, number: FieldNumber, codec: &'m Codec) -> Option<Nested<'m>> {
        let nest = codec.dialect().nested(number)?;
        let raw = self.expose(number)?;
        let (content, coding) = (raw.canonical(), raw.coding());
        let origin = Origin { start: self.content_offset(number), coding, base: 0 };
        let (path, sensitivity) = (FieldPath::whole(number), nest.sensitivity);
        let closed = Sensitivity::Open;
        let level = Level { nest, path, known: path, sensitivity, closed, origin };
        Some(Nested { content, level })
    }
}

impl Nested<'_> {
    /// The parts of the field, one after another.
    #[must_use]
    pub fn values(&self) -> Values<'_> {
        self.level.values(self.content.as_bytes())
    }

    /// The part that a path within the field names, as `9F26` or `22.A1`. Of a tag that stands
    /// there more than once it is the first. `None` if there is none, also if the field's form
    /// cannot have one of that name.
    ///
    /// # Errors
    /// What is wrong with the parts in front of it, which makes its place unknown. Parts behind it
    /// and its own content are not judged.
    pub fn get(&self, path: &str) -> Result<Option<Value<'_>>, DecodeError> {
        let mut values = self.values();
        let mut steps = path.split('.');
        let Some(mut step) = steps.next() else { return Ok(None) };
        loop {
            let Some(part) = values.level.nest.step(step) else { return Ok(None) };
            let value = values.find(|value| !matches!(value, Ok(value) if value.part != part));
            let Some(value) = value.transpose()? else { return Ok(None) };
            let Some(next) = steps.next() else { return Ok(Some(value)) };
            let Some(inner) = value.values() else { return Ok(None) };
            (values, step) = (inner, next);
        }
    }

    /// Whether all parts can be read and hold what the dialect lets them hold. What EMV tags hold
    /// is judged only where the dialect itself defines the tag.
    ///
    /// # Errors
    /// The first thing that is wrong, with its path, and its offset in the frame (or in the
    /// field, if that was set here).
    pub fn check(&self) -> Result<(), DecodeError> {
        check(self.values())
    }

    /// What people may see of the parts: a line for each, outer before inner. If they cannot all
    /// be read, the last line says why.
    #[must_use]
    pub fn describe(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        self.describe_each(&mut |line| lines.push(line));
        lines
    }

    /// The same line by line.
    pub fn describe_each(&self, see: &mut dyn FnMut(Line)) {
        describe(self.values(), see);
    }
}

/// The parts of one level, in order. After an error there is nothing more.
#[derive(Clone)]
pub struct Values<'v> {
    walk: Walk<'v, 'v>,
    level: Level<'v>,
    bytes: &'v [u8],
}

impl<'v> Iterator for Values<'v> {
    type Item = Result<Value<'v>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let level = self.level;
        Some(match self.walk.next()? {
            Err(flaw) => Err(level.error(flaw)),
            Ok(Found { part, head, content, definition }) => match level.path.join(part) {
                None => {
                    self.walk.end();
                    Err(level.error(Flaw { part: None, at: head.start, fault: Fault::TooDeep }))
                }
                Some(path) => Ok(Value {
                    path,
                    part,
                    head: self.bytes.get(head.clone()).unwrap_or_default(),
                    content: self.bytes.get(content.clone()).unwrap_or_default(),
                    definition,
                    level,
                    start: level.origin.offset(head.start),
                    origin: level.origin.at(content.start),
                }),
            },
        })
    }
}

/// A part where it lies. Its `Debug` shows neither what it holds nor a tag that is not known.
#[derive(Clone, Copy)]
pub struct Value<'v> {
    path: FieldPath,
    part: Part,
    head: &'v [u8],
    content: &'v [u8],
    definition: Option<&'v super::SubField>,
    level: Level<'v>,
    start: u32,
    origin: Origin,
}

impl core::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let path = self.level.known_with(self.part);
        write!(f, "Value({path}, {} bytes)", self.content.len())
    }
}

impl<'v> Value<'v> {
    /// Where it stands.
    #[must_use]
    pub const fn path(&self) -> FieldPath {
        self.path
    }

    /// Its name or number on its own level.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }

    /// Its bytes as they lie in the field, without tag and length. In a field that is not written
    /// in plain characters or bytes they are those of its canonical value.
    #[must_use]
    pub const fn bytes(&self) -> &'v [u8] {
        self.content
    }

    /// Its canonical value by its definition, or by the EMV table. What does not hold what it
    /// should, or is not known, is bytes.
    #[must_use]
    pub fn raw(&self) -> Raw<'v> {
        let bytes = Raw::Binary(self.content);
        match (self.definition, self.entry()) {
            (Some(definition), _) => definition.raw(self.head, self.content),
            (None, Some(entry)) => match entry.format {
                emv::Format::Digits => digits(self.content, self.content.len().saturating_mul(2)),
                emv::Format::Compressed => compressed(self.content),
                emv::Format::Text => Some(Raw::Text(self.content)).filter(|_| self.is_printable()),
                emv::Format::Bytes | emv::Format::Objects => None,
            }
            .unwrap_or(bytes),
            // In a field of characters everything is characters.
            (None, None) if self.is_of_characters() && self.is_printable() => {
                Raw::Text(self.content)
            }
            (None, None) => bytes,
        }
    }

    /// Its characters; `None` if it has none.
    #[must_use]
    pub fn text(&self) -> Option<Text<'v>> {
        self.raw().text()
    }

    /// What the dialect or the EMV table calls it; empty if neither knows it.
    #[must_use]
    pub fn name(&self) -> &'v str {
        match (self.definition, self.entry()) {
            (Some(definition), _) => &definition.name,
            (None, Some(entry)) => entry.name,
            (None, None) => "",
        }
    }

    /// Who may see it.
    #[must_use]
    pub fn sensitivity(&self) -> Sensitivity {
        match (self.definition, self.entry()) {
            (Some(definition), _) => definition.sensitivity,
            (None, Some(entry)) => entry.sensitivity.or_closer(self.level.closed),
            (None, None) => self.level.sensitivity,
        }
    }

    /// Where it begins, with its tag and length: in the frame if its field came in one, otherwise
    /// in its field.
    #[must_use]
    pub const fn offset(&self) -> u32 {
        self.start
    }

    /// The parts within it; `None` if it has none.
    #[must_use]
    pub fn values(&self) -> Option<Values<'v>> {
        let Level { nest: outer, sensitivity, closed, .. } = self.level;
        let nest = outer.within(self.part)?;
        let has_own = self.definition.is_some_and(|definition| definition.nest.is_some());
        let (sensitivity, closed) = match self.definition {
            _ if has_own => (nest.sensitivity, Sensitivity::Open),
            Some(part) => (part.sensitivity, part.sensitivity.or_closer(closed)),
            None => (sensitivity.or_closer(self.sensitivity()), closed),
        };
        let (path, known, origin) = (self.path, self.level.known_with(self.part), self.origin);
        let level = Level { nest, path, known, sensitivity, closed, origin };
        Some(level.values(self.content))
    }

    fn entry(&self) -> Option<&'static emv::Entry> {
        let Part::Tag(tag) = self.part else { return None };
        emv::entry(tlv::Tag::from_number(tag)?).filter(|_| self.level.nest.form == Form::Ber)
    }

    fn is_of_characters(&self) -> bool {
        match &self.level.nest.form {
            Form::Tagged(form) => form.tags == super::Tags::Ascii,
            Form::Cells { .. } => true,
            _ => false,
        }
    }

    fn is_printable(&self) -> bool {
        crate::Content::Printable.holds(self.content)
    }

    fn line(&self) -> Line {
        let raw = self.raw();
        let clear = match raw.text() {
            Some(text) => text.as_str().to_owned(),
            None => self.content.iter().map(|byte| format!("{byte:02X}")).collect(),
        };
        let sensitivity = self.sensitivity();
        let masked = match sensitivity {
            // Something else than digits: then nothing says which of it may be shown.
            Sensitivity::Pan | Sensitivity::Account if raw.binary().is_some() => {
                Sensitivity::Secret.mask(&clear)
            }
            _ => sensitivity.mask(&clear),
        };
        Line {
            number: self.path.field,
            path: self.path,
            name: self.name().to_owned(),
            masked,
            clear,
            sensitivity,
            offset: usize::try_from(self.start).ok(),
        }
    }
}

impl Nest {
    /// What stands inside a part: what its definition says, or objects in a constructed object.
    pub(super) fn within(&self, part: Part) -> Option<&Self> {
        if let Some(nest) = self.part(part).and_then(|definition| definition.nest.as_ref()) {
            return Some(nest);
        }
        let Part::Tag(tag) = part else { return None };
        let is_constructed = tlv::Tag::from_number(tag).is_some_and(tlv::Tag::is_constructed);
        (self.form == Form::Ber && is_constructed).then_some(self)
    }
}

/// Packed digits; `None` if they are not only digits.
fn digits(bytes: &[u8], digits: usize) -> Option<Raw<'_>> {
    let mut nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(digits);
    let digits = u16::try_from(digits).ok()?;
    nibbles.all(|nibble| nibble <= 9).then_some(Raw::Packed { bytes, digits, left: false })
}

/// Packed digits with `F` behind the last.
fn compressed(bytes: &[u8]) -> Option<Raw<'_>> {
    let nibbles = bytes.iter().flat_map(|byte| [byte & 15, byte >> 4].into_iter());
    let filled = nibbles.clone().count();
    let backwards = bytes.iter().rev().flat_map(|byte| [byte & 15, byte >> 4]);
    let filler = backwards.take_while(|nibble| *nibble == 15).count();
    digits(bytes, filled.saturating_sub(filler))
}

/// Looks at all parts, however deep. Paths bound how deep that is.
fn check(values: Values<'_>) -> Result<(), DecodeError> {
    for value in values {
        let value = value?;
        if let Some(definition) = value.definition {
            let judged = definition.judge(value.head, value.content);
            judged.map_err(|(at, fault)| DecodeError {
                path: value.level.known_with(value.part),
                offset: value.origin.offset(at),
                fault,
            })?;
        }
        value.values().map_or(Ok(()), check)?;
    }
    Ok(())
}

/// A closed level that cannot be read to its end may be something else: then nothing of it is
/// open, and no tag is shown that is not known.
fn describe(values: Values<'_>, see: &mut dyn FnMut(Line)) {
    let level = values.level;
    let is_closed = level.sensitivity != Sensitivity::Open;
    let is_doubtful = is_closed && values.clone().any(|value| value.is_err());
    for value in values {
        match value {
            Ok(value) if is_doubtful && !level.nest.names(value.part) => {}
            Ok(value) => {
                let mut line = value.line();
                if is_doubtful && line.sensitivity == Sensitivity::Open {
                    line.sensitivity = level.sensitivity.or_closer(Sensitivity::Private);
                    line.masked = line.sensitivity.mask(&line.clear);
                }
                see(line);
                if let Some(inner) = value.values() {
                    describe(inner, see);
                }
            }
            Err(error) => see(Line {
                number: error.path.field,
                path: error.path,
                name: match error.fault {
                    fault if is_closed => format!("cannot be read: {}", fault.without_lengths()),
                    fault => format!("cannot be read: {fault}"),
                },
                masked: String::new(),
                clear: String::new(),
                sensitivity: Sensitivity::Open,
                offset: usize::try_from(error.offset).ok(),
            }),
        }
    }
}
