//! What stands inside fields: parts, found by path where they lie, and set by path.
//!
//! A dialect says under `[nested]`, by field or by path, what stands inside. The forms are:
//!
//! | `form` | what it is | a part in a path |
//! |---|---|---|
//! | `positional` | one after another; with `repeat` groups of them | position: `3.2`, `54.1.3` |
//! | `tagged` | tag, length, value; or the length first | tag: `48.61` |
//! | `ber-tlv` | BER-TLV as EMV uses it | tag: `55.9F26`, `55.72.86` |
//! | `bitmapped` | a bitmap, then the parts that it names | bit from 1: `127.22` |
//! | `data-sets` | ISO 8583:2003: identifier (1), length (2), data | identifier: `34.01` |
//! | `table` | rows, and cells in them, told apart by marks | row and cell: `114.2.7` |
//!
//! Positions, groups, rows and bits are counted from 1; `54.1.3` is part 3 of group 1. What
//! stands in front of the first tag is `0`, and so is the row that names the columns. BER tags
//! and identifiers are hexadecimal. What a data set holds is said for its path,
//! `[nested."34.01"]`, as for any other part.
//!
//! ```toml
//! check_nested = true                  # a field with bad parts is a format error; default false
//!
//! [nested.3]
//! form = "positional"
//! [nested.3.parts]
//! 1 = { name = "transaction type", format = "n2" }
//! 2 = { name = "from account type", format = "n2" }
//! 3 = { name = "to account type", format = "n2" }
//!
//! [nested.54]
//! form = "positional"
//! repeat = 6                           # up to six groups; parts must have a fixed length
//! [nested.54.parts]
//! 1 = { name = "account type", format = "n2" }
//! 2 = { name = "amount", format = "x+n12" }
//!
//! [nested.48]
//! form = "tagged"
//! layout = "TT LL"                     # or "LLL TT" for a length in front of the tag
//! counts_tag = false                   # whether that length counts the tag, too
//! lead = { name = "category", format = "a1" }
//! check = true                         # this field only, whatever check_nested says
//! [nested.48.parts]                    # other tags are read, kept and as closed as the field
//! 61 = { name = "point of service data", format = "ans..5", sensitive = "none" }
//!
//! [nested.55]
//! form = "ber-tlv"                     # EMV tags are known
//! [nested.55.parts]
//! DF01 = { name = "loyalty number", format = "b..8", sensitive = "secret" }
//!
//! [nested.127]
//! form = "bitmapped"
//! bits = 64                            # 16, 64 or 128
//! chained = false                      # whether bit 1 says that another bitmap follows
//! [nested.127.parts]
//! 2 = { name = "switch key", format = "LL ans..32" }
//! 22 = { name = "structured data", format = "LLLL ans..9999" }
//!
//! [nested.114]
//! form = "table"
//! rows = "~"                           # the mark behind each row; the last may lack it
//! cells = "|"                          # between cells; without it the parts are positions
//! header = true                        # whether the first row names the columns, `114.0`
//! repeat = 40                          # up to forty rows
//! [nested.114.parts]                   # rows may have fewer cells, or more
//! 1 = { name = "date and time", format = "n14" }
//! 7 = { name = "narration", format = "ans..25" }
//!
//! [nested."127.22"]                    # parts of a part
//! form = "tagged"
//! layout = "LLL TT"
//! ```
//!
//! `format` is the notation of fields. Where the form itself says how long a part is (`tagged`,
//! `ber-tlv`, `data-sets`, `table`, the last part of `positional`), `ans..5` without `L` bounds
//! it. A part is as closed as what it stands in unless it says `sensitive`. Parts are those of a
//! field's value, so that in a field of characters everything is characters, whatever these are
//! written in, and what `[encoding]` says does not hold inside fields. In a field of class `b`
//! four keys say other than ASCII: `digits`, `length` and `bitmap` with the words of a dialect,
//! and `tags` (`ascii`, `bcd` or `binary`, two `T` in a byte). Text, tracks and signed amounts
//! inside are always ASCII. The digits of `ber-tlv` are always packed.
//!
//! Of an object of BER-TLV that the dialect does not define the EMV table says who may see it,
//! but what stands in a closed object that the dialect defines is at least as closed. What cannot
//! be read to its end may be something else: if it is closed, nothing of it is shown as open, and
//! no tag of it that is not known. Errors never name such a tag, nor what is within it.
//!
//! A content without any mark of a row is no table but something else that the field holds at
//! times: it has no parts, and nothing is wrong with it.
//!
//! A path names the first of several parts of the same name; walking finds them all.
//!
//! Reading a message does not look inside fields. Parts are read when they are asked for, in
//! place and without allocating, and what is wrong with them is reported with the whole path and
//! the offset. [`crate::Codec::check`] looks at all of them if the dialect says so.
//!
//! ```
//! use veksel_codecs::{Codec, Dialect, Message, Mti, field};
//!
//! let codec = Codec::new(Dialect::shipped("cbs-ascii-bin")?);
//! let mut message = Message::of(Mti::parse("0200").unwrap());
//! message.set(field::ICC, b"\x9F\x26\x02\xAA\xBB\xDF\x01\x01\x07");
//! message.set_part(field::ICC.number(), "9F36", b"\x00\x05", &codec)?;
//! let chip = message.nested(field::ICC.number(), &codec).unwrap();
//! assert_eq!(chip.get("9F26")?.unwrap().bytes(), b"\xAA\xBB");
//! assert_eq!(chip.get("9F36")?.unwrap().bytes(), b"\x00\x05");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::content::{Content, Sensitivity};
use crate::dialect::{Bitmap, Digits, LengthDigits};
use crate::error::Part;
use std::collections::BTreeMap;

pub mod emv;
pub mod tlv;
mod unit;
mod view;
mod walk;
mod write;

pub use view::{Nested, Value, Values};

/// What stands inside a field or a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nest {
    pub(crate) form: Form,
    /// The parts that are known. Of `tagged`, `ber-tlv` and `data-sets` there may be others.
    pub(crate) parts: BTreeMap<Part, SubField>,
    /// Whether a check of the message looks inside; `None` follows the dialect.
    pub(crate) check: Option<bool>,
    /// Who may see a part that is not known.
    pub(crate) sensitivity: Sensitivity,
}

/// How parts are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// By position.
    Positional,
    /// Groups of the same width, each in the form of the one part that is known.
    Repeated { most: u16, width: usize, group: Box<SubField> },
    /// By tag and length.
    Tagged(Tagged),
    /// By BER tag and length.
    Ber,
    /// By bits.
    Bitmapped(Bits),
    /// By identifier and length of ISO 8583:2003.
    DataSets,
    /// Rows that each end in a mark.
    Rows(Box<Rows>),
    /// Cells of a row with a mark between them.
    Cells { mark: u8 },
}

/// The rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    /// What stands behind each row.
    pub(crate) mark: u8,
    /// How many there may be, that of the columns not counted.
    pub(crate) most: u16,
    /// The row that names the columns, part 0.
    pub(crate) header: Option<SubField>,
    /// Any other row.
    pub(crate) row: SubField,
}

/// How tags and lengths are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tagged {
    /// Bytes of a tag.
    pub(crate) tag_width: usize,
    /// How they are written.
    pub(crate) tags: Tags,
    /// How many digits of length there are.
    pub(crate) length_digits: u8,
    /// How they are written.
    pub(crate) length: LengthDigits,
    /// Whether the length stands before the tag.
    pub(crate) length_first: bool,
    /// Whether the length counts the tag.
    pub(crate) counts_tag: bool,
}

/// How the tags of a tagged field are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tags {
    /// A character for each `T`.
    Ascii,
    /// Two digits in a byte.
    Bcd,
    /// Bytes.
    Binary,
}

/// A bitmap in front of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bits {
    /// 16, 64 or 128.
    pub(crate) count: u16,
    /// Whether the first bit of a bitmap says that another follows, up to 128 bits in all.
    pub(crate) chained: bool,
    pub(crate) written: Bitmap,
}

/// The definition of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubField {
    /// For people.
    pub name: String,
    /// What it may hold.
    pub content: Content,
    /// Digits of a length of its own in front of it; 0 for none.
    pub length_digits: u8,
    /// Whether it always has its longest length.
    pub is_fixed: bool,
    /// The longest it may be, in characters, digits or (for `b`) bytes.
    pub most: u16,
    /// Who may see it.
    pub sensitivity: Sensitivity,
    /// What the dialect says of that; `None` follows what it stands in.
    pub(crate) said: Option<Sensitivity>,
    /// How its digits are written.
    pub(crate) digits: Digits,
    /// How its own length is written.
    pub(crate) length: LengthDigits,
    /// What stands inside.
    pub(crate) nest: Option<Nest>,
}

impl SubField {
    /// Its format, who may see it and how it is written.
    fn outline(&self) -> String {
        let Self { content, most, digits, length, sensitivity, .. } = self;
        let prefix = match self.length_digits {
            0 => String::new(),
            digits => format!("{} ", "L".repeat(digits.into())),
        };
        let up_to = if self.is_fixed { "" } else { ".." };
        let text = format!(
            "{prefix}{content}{up_to}{most}, {sensitivity:?}, digits {digits:?}, length {length:?}"
        );
        let (format, rest) = text.split_once(", ").unwrap_or((&text, ""));
        format!("{format}, {}", rest.to_lowercase())
    }
}

impl Nest {
    /// What it says, for people: its form under an empty path, then each part under its path,
    /// parts of parts included. Names are not said.
    #[must_use]
    pub fn outline(&self) -> Vec<(String, String)> {
        let word = |value: &dyn core::fmt::Debug| format!("{value:?}").to_lowercase();
        let form = match &self.form {
            Form::Positional => "positional".to_owned(),
            Form::Repeated { most, .. } => format!("positional, up to {most} groups"),
            Form::Tagged(tagged) => {
                let Tagged { tag_width, tags, length_digits, length, .. } = tagged;
                let order = if tagged.length_first { ", length first" } else { "" };
                let counted = if tagged.counts_tag { ", counts the tag" } else { "" };
                let (tags, length) = (word(tags), word(length));
                format!(
                    "tagged, {tag_width} bytes of {tags} tag, {length_digits} digits of {length} \
                     length{order}{counted}"
                )
            }
            Form::Ber => "ber-tlv".to_owned(),
            Form::Bitmapped(Bits { count, chained, written }) => {
                let more = if *chained { ", chained" } else { "" };
                format!("bitmapped, {count} bits, {}{more}", word(written))
            }
            Form::DataSets => "data-sets".to_owned(),
            Form::Rows(rows) => {
                let header =
                    if rows.header.is_some() { ", the first names the columns" } else { "" };
                format!(
                    "table, up to {} rows behind `{}`{header}",
                    rows.most,
                    char::from(rows.mark)
                )
            }
            Form::Cells { mark } => format!("cells between `{}`", char::from(*mark)),
        };
        let check = match self.check {
            None => "",
            Some(true) => ", checked",
            Some(false) => ", not checked",
        };
        let mut lines = vec![(String::new(), format!("{form}{check}"))];
        let mut add = |path: String, part: &SubField| {
            lines.push((path.clone(), part.outline()));
            for (inner, text) in part.nest.iter().flat_map(Self::outline) {
                let end = if inner.is_empty() { "parts".to_owned() } else { inner };
                lines.push((format!("{path}.{end}"), text));
            }
        };
        match &self.form {
            Form::Repeated { group, .. } => add("each".to_owned(), group),
            Form::Rows(rows) => add("each".to_owned(), &rows.row),
            Form::Positional
            | Form::Tagged(_)
            | Form::Ber
            | Form::Bitmapped(_)
            | Form::DataSets
            | Form::Cells { .. } => {}
        }
        self.parts.iter().for_each(|(part, field)| add(part.to_string(), field));
        lines
    }

    /// The definition of a part; `None` if it is not known.
    #[must_use]
    pub fn part(&self, part: Part) -> Option<&SubField> {
        match (&self.form, part) {
            (Form::Repeated { group, .. }, _) => Some(group),
            (Form::Rows(rows), Part::Number(0)) => rows.header.as_ref(),
            (Form::Rows(rows), _) => Some(&rows.row),
            _ => self.parts.get(&part),
        }
    }

    /// The part that a step of a path names, in the form that this nest names its parts.
    pub(crate) fn step(&self, text: &str) -> Option<Part> {
        match &self.form {
            Form::Rows(rows) if text == "0" => rows.header.as_ref().map(|_| Part::Number(0)),
            Form::Positional
            | Form::Repeated { .. }
            | Form::Bitmapped(_)
            | Form::Rows(_)
            | Form::Cells { .. } => number(text),
            Form::Ber => tlv::Tag::parse(text).map(|tag| Part::Tag(tag.get())),
            // 00 and FF are reserved.
            Form::DataSets => {
                hexadecimal(text, 1).filter(|part| !matches!(part, Part::Tag(0 | 0xFF)))
            }
            Form::Tagged(tagged) => match tagged.tags {
                _ if text == "0" && self.has_lead() => Some(Part::Number(0)),
                Tags::Ascii if text.len() == tagged.tag_width => Part::named(text.as_bytes()),
                Tags::Ascii => None,
                Tags::Binary => hexadecimal(text, tagged.tag_width),
                Tags::Bcd if !text.bytes().all(|byte| byte.is_ascii_digit()) => None,
                Tags::Bcd => hexadecimal(text, tagged.tag_width),
            },
        }
    }

    /// Whether something stands in front of the first tag.
    fn has_lead(&self) -> bool {
        self.parts.contains_key(&Part::Number(0))
    }

    /// Gives all parts that do not say who may see them what follows from what they stand in, and
    /// closes those that would show a part within them. Gives what the whole may show.
    pub(crate) fn inherit(&mut self, outer: Sensitivity) -> Sensitivity {
        self.sensitivity = outer;
        let is_ber = self.form == Form::Ber;
        let [header, group] = match &mut self.form {
            Form::Repeated { group, .. } => [None, Some((Part::Number(1), group.as_mut()))],
            Form::Rows(rows) => {
                let Rows { header, row, .. } = rows.as_mut();
                [header.as_mut().map(|row| (Part::Number(0), row)), Some((Part::Number(1), row))]
            }
            _ => [None, None],
        };
        // The EMV table closes some tags.
        let mut closest = if is_ber { Sensitivity::Private } else { outer };
        let parts = self.parts.iter_mut().map(|(part, definition)| (*part, definition));
        for (part, definition) in parts.chain(header).chain(group) {
            let usual = match part {
                Part::Tag(tag) if is_ber && outer.shows_more(Sensitivity::Private) => {
                    emv::sensitivity(tag)
                }
                _ => None,
            };
            definition.sensitivity = definition.said.or(usual).unwrap_or(outer);
            if let Some(nest) = &mut definition.nest {
                definition.sensitivity = nest.inherit(definition.sensitivity);
            }
            closest = closest.or_closer(definition.sensitivity);
        }
        // Nothing is in clear of what only shows its length.
        if outer.shows_more(closest) { outer.or_closer(Sensitivity::Private) } else { outer }
    }
}

/// A number of a path: 1 to 999, without leading zeros.
fn number(text: &str) -> Option<Part> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|number| is_plain && *number < 1_000).map(Part::Number)
}

/// A tag of a path: hexadecimal, two characters for each byte; zeros in front may be left out.
fn hexadecimal(text: &str, width: usize) -> Option<Part> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let fits = is_hex && text.len().is_multiple_of(2) && text.len() <= width.saturating_mul(2);
    u32::from_str_radix(text, 16).ok().filter(|_| fits).map(Part::Tag)
}
