//! How long a message is, told by its own bytes: for streams that nothing else delimits.
//!
//! Bitmaps and lengths say where every field ends, so every dialect can be measured: a field has a
//! fixed length or one in front of it. Content is not looked at. A walk takes a step for each
//! field that the bitmaps name and passes over what it holds, so that walking again with every
//! byte that drips in costs no more than that many steps a byte.

use super::decode::{Cursor, MESSAGE_MAX};
use super::{Codec, error};
use crate::error::{DecodeError, Fault, FieldNumber};

impl Codec {
    /// How many bytes at the start of `input` are one message; `None` if it goes on behind them.
    ///
    /// It is never longer than `most`, nor than 65,535 bytes. What a longer input begins with is
    /// measured as the same: neither a number nor an error changes when more bytes come. Of a
    /// message that was measured [`Codec::decode_into`] may refuse the content, never the length.
    ///
    /// # Errors
    /// When no bytes that may follow make it a message: the type is no number, a bitmap names a
    /// field that the dialect does not define, a length is wrong or leads beyond `most`.
    pub fn measure(&self, input: &[u8], most: usize) -> Result<Option<usize>, DecodeError> {
        // No bytes are the beginning of a message even where none may be so short.
        let most = most.clamp(1, MESSAGE_MAX);
        // Whatever stands behind the longest message has no say.
        let seen = input.get(..most).unwrap_or(input);
        match self.extent(seen, most) {
            Ok(width) => Ok(Some(width)),
            Err(DecodeError { fault: Fault::Truncated { .. }, .. }) if seen.len() < most => {
                Ok(None)
            }
            Err(DecodeError { fault: Fault::Truncated { .. }, path, offset }) => {
                Err(DecodeError { path, offset, fault: Fault::Oversized })
            }
            Err(error) => Err(error),
        }
    }

    /// The bytes of the message that `seen` begins with. It is truncated if they do not tell, or
    /// are not all there.
    fn extent(&self, seen: &[u8], most: usize) -> Result<usize, DecodeError> {
        let mut cursor = Cursor { rest: seen, length: seen.len() };
        let mti = cursor.mti(self.dialect.encoding.mti);
        mti.map_err(|fault| error(FieldNumber::MTI, 0, fault))?;
        let present = self.bitmaps(&mut cursor, &self.dialect.encoding)?;
        if let Some(number) = present.minus(self.defined).first() {
            return Err(error(number, cursor.at(), Fault::Undefined));
        }
        for number in present.iter() {
            let start = cursor.at();
            let passed = self.layout(number).ok_or(Fault::Undefined).and_then(|layout| {
                let width = usize::from(layout.width(cursor.units(layout)?));
                let before = seen.len().saturating_sub(cursor.rest.len());
                if before.saturating_add(width) > most {
                    return Err(Fault::Oversized);
                }
                cursor.take(width)
            });
            passed.map_err(|fault| error(number, start, fault))?;
        }
        Ok(seen.len().saturating_sub(cursor.rest.len()))
    }
}
