//! Frames without a length, which end with their trailer.

use super::{BASE1_WIDTH, FrameError, Framing, Header, KeepAlive, Step, base1_width};

impl Framing {
    /// A frame that ends with its trailer; `rest` follows the marker.
    pub(super) fn decode_to_trailer<'a>(
        &self,
        input: &'a [u8],
        rest: &'a [u8],
    ) -> Result<Step<'a>, FrameError> {
        let before = self.reserved.len().saturating_add(self.header_width());
        let most = usize::try_from(self.frame_max).unwrap_or(usize::MAX).saturating_add(before);
        // Whether a trailer comes in time does not depend on what follows it.
        let look_at = most.saturating_add(self.trailer.len());
        let seen = rest.get(..look_at).unwrap_or(rest);
        let Some(body_width) = find(seen, &self.trailer) else {
            return match rest.len() < look_at {
                true => Ok(Step::Incomplete),
                false => Err(FrameError::TooLong {
                    declared: u64::from(self.frame_max).saturating_add(1),
                    most: self.frame_max,
                }),
            };
        };
        let (body, rest) = rest.split_at_checked(body_width).unwrap_or((rest, &[]));
        let rest = rest.get(self.trailer.len()..).unwrap_or_default();
        let consumed = input.len().saturating_sub(rest.len());
        if body.is_empty() {
            return match self.keep_alive {
                KeepAlive::Reject => Err(FrameError::Empty),
                KeepAlive::Ignore | KeepAlive::Echo => Ok(Step::KeepAlive { consumed }),
            };
        }
        let declared = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let least = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
        let header = body.split_at_checked(self.reserved.len()).and_then(|(_, body)| {
            body.split_at_checked(self.header_width()).filter(|(_, message)| !message.is_empty())
        });
        let Some((header, message)) = header else {
            return Err(FrameError::TooShort { declared, least });
        };
        if let (Header::Base1(_), Some(found)) = (&self.header, header.first()) {
            // The header of a reject has bytes more that a trailer may stand in.
            base1_width(*found).and_then(|width| match width {
                BASE1_WIDTH => Ok(()),
                _ => Err(FrameError::Header { found: *found }),
            })?;
        }
        Ok(Step::Frame { header, message, consumed })
    }
}

/// Where the trailer first stands. An empty one is never found.
pub(super) fn find(bytes: &[u8], trailer: &[u8]) -> Option<usize> {
    if trailer.is_empty() {
        return None;
    }
    bytes.windows(trailer.len()).position(|window| window == trailer)
}
