//! Which faults there are, how often, and how they are written down.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What happens to frames, of a thousand each. Requests go to the destination, answers come from
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Frames that wait up to `delay_max`, and everything behind them.
    pub delay: u16,
    /// The longest delay.
    pub delay_max: Duration,
    /// Frames that are written byte by byte.
    pub slice: u16,
    /// Frames in whose middle the connection ends, half of the time by a reset.
    pub drop: u16,
    /// Frames with which a direction begins to swallow everything, up to `blackhole_max`.
    pub blackhole: u16,
    /// The longest time a direction swallows everything.
    pub blackhole_max: Duration,
    /// Answers that come twice.
    pub duplicate: u16,
    /// Answers that come after the next one.
    pub swap: u16,
    /// Frames of which one bit is turned over. Without a MAC nobody can tell that from the truth,
    /// so no example of ours has it.
    pub corrupt: u16,
}

/// A text that says no faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// It is not `name=number`.
    #[error("`{0}` is not written as name=number")]
    Shape(String),
    /// There is no such fault.
    #[error(
        "there is no fault `{0}`; there are delay, delay_ms, slice, drop, blackhole, \
         blackhole_ms, duplicate, swap and corrupt"
    )]
    Name(String),
    /// The number is no number or too large.
    #[error("`{name}` takes a number up to {most}, not `{value}`")]
    Number {
        /// The fault.
        name: String,
        /// What was given.
        value: String,
        /// The largest that is taken.
        most: u16,
    },
}

impl Faults {
    /// None at all: a good network.
    pub const NONE: Self = Self {
        delay: 0,
        delay_max: Duration::from_millis(500),
        slice: 0,
        drop: 0,
        blackhole: 0,
        blackhole_max: Duration::from_secs(1),
        duplicate: 0,
        swap: 0,
        corrupt: 0,
    };

    /// A network nobody would want, in which something still gets through.
    pub const ROUGH: Self =
        Self { delay: 20, slice: 30, drop: 4, blackhole: 2, duplicate: 20, swap: 20, ..Self::NONE };
}

/// Of a thousand.
const SHARE_MAX: u16 = 1_000;

/// Milliseconds.
const TIME_MAX: u16 = 60_000;

/// `none`, `rough`, or `name=number,…`: of a thousand frames, or milliseconds for `delay_ms` and
/// `blackhole_ms`. A name that is left out stands for 0.
impl FromStr for Faults {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        match text.trim() {
            "none" | "" => return Ok(Self::NONE),
            "rough" => return Ok(Self::ROUGH),
            _ => {}
        }
        let mut faults = Self::NONE;
        for part in text.split(',').map(str::trim) {
            let shape = || FaultError::Shape(part.to_owned());
            let (name, value) = part.split_once('=').ok_or_else(shape)?;
            let number = |most: u16| {
                let parsed = value.parse::<u16>().ok().filter(|number| *number <= most);
                let (name, value) = (name.to_owned(), value.to_owned());
                parsed.ok_or(FaultError::Number { name, value, most })
            };
            let time = || Ok(Duration::from_millis(number(TIME_MAX)?.into()));
            match name {
                "delay" => faults.delay = number(SHARE_MAX)?,
                "delay_ms" => faults.delay_max = time()?,
                "slice" => faults.slice = number(SHARE_MAX)?,
                "drop" => faults.drop = number(SHARE_MAX)?,
                "blackhole" => faults.blackhole = number(SHARE_MAX)?,
                "blackhole_ms" => faults.blackhole_max = time()?,
                "duplicate" => faults.duplicate = number(SHARE_MAX)?,
                "swap" => faults.swap = number(SHARE_MAX)?,
                "corrupt" => faults.corrupt = number(SHARE_MAX)?,
                _ => return Err(FaultError::Name(name.to_owned())),
            }
        }
        Ok(faults)
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delay, slice, drop, blackhole, duplicate, swap, corrupt, .. } = self;
        let (delay_ms, blackhole_ms) = (self.delay_max.as_millis(), self.blackhole_max.as_millis());
        write!(
            f,
            "delay={delay},delay_ms={delay_ms},slice={slice},drop={drop},blackhole={blackhole},\
             blackhole_ms={blackhole_ms},duplicate={duplicate},swap={swap},corrupt={corrupt}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for faults in [Faults::NONE, Faults::ROUGH, Faults { corrupt: 7, ..Faults::ROUGH }] {
            assert_eq!(faults.to_string().parse(), Ok(faults));
        }
        assert_eq!("none".parse(), Ok(Faults::NONE));
        assert_eq!("rough".parse(), Ok(Faults::ROUGH));
        let some = Faults { drop: 5, delay_max: Duration::from_millis(30), ..Faults::NONE };
        assert_eq!("drop=5, delay_ms=30".parse(), Ok(some));
    }

    #[test]
    fn nothing_is_corrupted_unless_it_is_asked_for() {
        assert_eq!((Faults::NONE.corrupt, Faults::ROUGH.corrupt), (0, 0));
    }

    #[test]
    fn mistakes_are_told_apart() {
        let error = |text: &str| text.parse::<Faults>().unwrap_err().to_string();
        assert_eq!(error("drop"), "`drop` is not written as name=number");
        assert!(error("dorp=1").starts_with("there is no fault `dorp`; there are delay"));
        assert_eq!(error("drop=1001"), "`drop` takes a number up to 1000, not `1001`");
        assert_eq!(error("drop=x"), "`drop` takes a number up to 1000, not `x`");
    }
}
