//! Keys: which message this is, and whether two messages say the same.
//!
//! A [`Key`] names a message, a [`Trace`] is the key without the parts a terminal may re-stamp,
//! a [`Digest`] stands for the content. None of them says anything about money.

/// First two digits of the MTI that matter here. A repeat (x201, x421) has its original's class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// 0100, 0101, 0120, 0121.
    Authorization,
    /// 0200, 0201, 0220, 0221.
    Financial,
    /// 0400, 0401, 0420, 0421.
    Reversal,
}

impl Class {
    /// By digit.
    pub const ALL: [Self; 3] = [Self::Authorization, Self::Financial, Self::Reversal];

    /// The MTI's second digit.
    #[must_use]
    pub const fn digit(self) -> u8 {
        match self {
            Self::Authorization => 1,
            Self::Financial => 2,
            Self::Reversal => 4,
        }
    }

    /// `None` for the classes that move no money.
    #[must_use]
    pub fn from_digit(digit: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.digit() == digit)
    }
}

/// The fields a key is built from, as the message carries them; an absent field is empty.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyParts<'a> {
    /// DE7, `MMDDhhmmss`.
    pub transmitted: &'a [u8],
    /// DE11.
    pub stan: &'a [u8],
    /// DE32. Zeros on the left do not count, because DE90 pads it to 11 digits.
    pub acquirer: &'a [u8],
    /// DE37.
    pub rrn: &'a [u8],
    /// DE41. Spaces on the right do not count.
    pub terminal: &'a [u8],
    /// DE42. Spaces on the right do not count.
    pub acceptor: &'a [u8],
}

/// Names one message. For a reversal the host builds a second one, of the original, from DE90
/// and the DE37, DE41 and DE42 that a reversal shares with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The repeat digit of the MTI is not part of a key.
    pub class: Class,
    /// DE7.
    pub transmitted: [u8; 10],
    /// DE11.
    pub stan: [u8; 6],
    /// DE32, zeros on the left.
    pub acquirer: [u8; 11],
    /// DE37, spaces on the right.
    pub rrn: [u8; 12],
    /// DE41, spaces on the right.
    pub terminal: [u8; 8],
    /// DE42, spaces on the right.
    pub acceptor: [u8; 15],
}

impl Key {
    /// `None` when a part is longer than ISO 8583 lets it be, because cutting it would make two
    /// messages one, or is not printable ASCII, because the book keeps keys as text.
    #[must_use]
    pub fn new(class: Class, parts: KeyParts<'_>) -> Option<Self> {
        Some(Self {
            class,
            transmitted: left_padded(parts.transmitted)?,
            stan: left_padded(parts.stan)?,
            acquirer: left_padded(parts.acquirer)?,
            rrn: right_padded(parts.rrn)?,
            terminal: right_padded(parts.terminal)?,
            acceptor: right_padded(parts.acceptor)?,
        })
    }

    /// What survives a terminal that re-stamps DE7 on a repeat.
    #[must_use]
    pub const fn trace(&self) -> Trace {
        Trace {
            class: self.class,
            stan: self.stan,
            acquirer: self.acquirer,
            rrn: self.rrn,
            terminal: self.terminal,
        }
    }
}

/// Finds the original of a repeat or a reversal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trace {
    class: Class,
    stan: [u8; 6],
    acquirer: [u8; 11],
    rrn: [u8; 12],
    terminal: [u8; 8],
}

/// Stands for the content of a message: account, amount, currency, type. FNV-1a, 128 bits: it
/// tells apart messages of honest senders and is no defence against one who looks for collisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// Each part counts with its length, so that `["1", "23"]` and `["12", "3"]` differ.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let mut hash = OFFSET;
        let mut eat = |byte: u8| hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
        for part in parts {
            (part.len() as u64).to_be_bytes().into_iter().for_each(&mut eat);
            part.iter().copied().for_each(&mut eat);
        }
        Self(hash.to_be_bytes())
    }
}

fn left_padded<const N: usize>(part: &[u8]) -> Option<[u8; N]> {
    let zeros = part.iter().take_while(|byte| **byte == b'0').count();
    let digits = part.get(zeros..).filter(|digits| is_printable(digits))?;
    let mut padded = [b'0'; N];
    let start = N.checked_sub(digits.len())?;
    padded.get_mut(start..)?.copy_from_slice(digits);
    Some(padded)
}

fn is_printable(part: &[u8]) -> bool {
    part.iter().all(|byte| *byte == b' ' || byte.is_ascii_graphic())
}

fn right_padded<const N: usize>(part: &[u8]) -> Option<[u8; N]> {
    let text = Some(part.trim_ascii_end()).filter(|text| is_printable(text))?;
    let mut padded = [b' '; N];
    padded.get_mut(..text.len())?.copy_from_slice(text);
    Some(padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>() -> KeyParts<'a> {
        KeyParts {
            transmitted: b"1120083000",
            stan: b"000123",
            acquirer: b"123456",
            rrn: b"605410000123",
            terminal: b"TERM0001",
            acceptor: b"MERCHANT0000001",
        }
    }

    #[test]
    fn padding_does_not_make_another_message() {
        let plain = Key::new(Class::Financial, parts());
        let padded = KeyParts { acquirer: b"00000123456", ..parts() };
        assert_eq!(plain, Key::new(Class::Financial, padded));
        let short = Key::new(Class::Financial, KeyParts { terminal: b"T1", ..parts() });
        let spaced = Key::new(Class::Financial, KeyParts { terminal: b"T1      ", ..parts() });
        assert_eq!(short, spaced);
    }

    #[test]
    fn every_part_makes_another_message() {
        let key = Key::new(Class::Financial, parts()).unwrap();
        let others = [
            KeyParts { transmitted: b"1120083001", ..parts() },
            KeyParts { stan: b"000124", ..parts() },
            KeyParts { acquirer: b"123457", ..parts() },
            KeyParts { rrn: b"605410000124", ..parts() },
            KeyParts { terminal: b"TERM0002", ..parts() },
            KeyParts { acceptor: b"MERCHANT0000002", ..parts() },
        ];
        for other in others {
            assert_ne!(Some(key), Key::new(Class::Financial, other), "{other:?}");
        }
        assert_ne!(Some(key), Key::new(Class::Authorization, parts()));
    }

    #[test]
    fn too_long_a_part_is_refused_not_cut() {
        let parts = KeyParts { terminal: b"TERM00011", ..parts() };
        assert_eq!(Key::new(Class::Financial, parts), None);
        let parts = KeyParts { terminal: b"TERM\xff", ..self::parts() };
        assert_eq!(Key::new(Class::Financial, parts), None);
    }

    #[test]
    fn a_trace_forgets_only_the_time_and_the_acceptor() {
        let key = Key::new(Class::Financial, parts()).unwrap();
        let restamped = KeyParts { transmitted: b"1120093000", acceptor: b"X", ..parts() };
        assert_eq!(key.trace(), Key::new(Class::Financial, restamped).unwrap().trace());
        let other = KeyParts { rrn: b"1", ..parts() };
        assert_ne!(key.trace(), Key::new(Class::Financial, other).unwrap().trace());
    }

    #[test]
    fn a_digest_keeps_parts_apart() {
        assert_ne!(Digest::of(&[b"1", b"23"]), Digest::of(&[b"12", b"3"]));
        assert_ne!(Digest::of(&[b""]), Digest::of(&[]));
        assert_eq!(Digest::of(&[b"100", b"578"]), Digest::of(&[b"100", b"578"]));
    }
}
