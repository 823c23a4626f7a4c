//! Where one record ends and the next begins in a stream of TLS, so that a peer can be held to
//! finish what it began: inside a record that is not whole there is nothing to read yet.

/// Bytes in front of every record: its type, a version and a length (RFC 8446 5.1).
const HEADER: usize = 5;

/// Follows the bytes of one direction from the first on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Records {
    /// Of the header of the next record.
    seen: usize,
    length: u16,
    /// Bytes of the record that did not come yet.
    left: usize,
}

impl Records {
    /// Takes in what came.
    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.left > 0 {
                let passed = self.left.min(bytes.len());
                self.left = self.left.saturating_sub(passed);
                bytes = bytes.get(passed..).unwrap_or_default();
                continue;
            }
            self.length = match self.seen {
                0..3 => 0,
                _ => (self.length << 8) | u16::from(*byte),
            };
            self.seen = self.seen.saturating_add(1);
            if self.seen == HEADER {
                self.left = usize::from(self.length);
                self.seen = 0;
            }
            bytes = rest;
        }
    }

    /// Whether a record was begun and is not whole.
    pub(super) const fn is_within(&self) -> bool {
        self.seen > 0 || self.left > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_followed_however_they_are_cut() {
        let mut stream = Vec::new();
        let mut ends = vec![0];
        for width in [0_u16, 1, 7, 300, 16_640] {
            stream.extend([23, 3, 3]);
            stream.extend(width.to_be_bytes());
            stream.extend(vec![0xFF; usize::from(width)]);
            ends.push(stream.len());
        }
        for piece in [1, 2, 3, 5, 6, 299, 4_096, stream.len()] {
            let mut records = Records::default();
            let mut at = 0;
            for bytes in stream.chunks(piece) {
                records.take(bytes);
                at += bytes.len();
                assert_eq!(records.is_within(), !ends.contains(&at), "{at} by {piece}");
            }
        }
    }
}
