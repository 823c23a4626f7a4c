//! Frames that end where their message ends.

use super::{FrameError, Framing, Header, Step, base1_width};
use crate::codec::Codec;

impl Framing {
    /// A frame without a length whose message is measured; `rest` follows the marker.
    #[inline(never)]
    pub(super) fn decode_bare<'a>(
        &self,
        codec: Option<&Codec>,
        input: &'a [u8],
        rest: &'a [u8],
    ) -> Result<Step<'a>, FrameError> {
        let codec = codec.ok_or(FrameError::NoDialect)?;
        let Some((_, rest)) = rest.split_at_checked(self.reserved.len()) else {
            return Ok(Step::Incomplete);
        };
        let header_width = match (&self.header, rest.first()) {
            (Header::Base1(_), Some(found)) => base1_width(*found)?,
            _ => self.header_width(),
        };
        let Some((header, rest)) = rest.split_at_checked(header_width) else {
            return Ok(Step::Incomplete);
        };
        let most = usize::try_from(self.frame_max).unwrap_or(usize::MAX);
        let measured = codec.measure(rest, most).map_err(|error| FrameError::Message {
            field: error.path.field,
            offset: error.offset,
            fault: error.fault,
        })?;
        let Some((message, rest)) = measured.and_then(|width| rest.split_at_checked(width)) else {
            return Ok(Step::Incomplete);
        };
        let Some(rest) = rest.strip_prefix(self.trailer.as_slice()) else {
            // What cannot become the trailer is refused at once.
            return match self.trailer.starts_with(rest) {
                true => Ok(Step::Incomplete),
                false => Err(FrameError::Trailer),
            };
        };
        Ok(Step::Frame { header, message, consumed: input.len().saturating_sub(rest.len()) })
    }
}
