//! The way of a message to the engine and of its answer back, for callers who do not speak
//! ISO 8583: a request over HTTP becomes a message of the dialect of the port, goes in where
//! messages of channels go in, and is timed out, deduplicated and reversed as they are.

use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use veksel_core::record::CallerKey;

/// Which of the configured callers speaks. Each is a participant of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallerId(pub u16);

/// A message as it is said over HTTP: its type and its fields in canonical form, by their number.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Spoken {
    /// Four digits.
    pub mti: [u8; 4],
    /// Ascending; no number twice.
    pub fields: Vec<(u8, Vec<u8>)>,
}

impl Spoken {
    /// The value of a field, if it is there.
    #[must_use]
    pub fn get(&self, number: u8) -> Option<&[u8]> {
        let place = self.fields.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.fields.get(place).map(|(_, value)| value.as_slice())
    }

    /// Sets a field, in place of what it was.
    pub fn set(&mut self, number: u8, value: impl Into<Vec<u8>>) {
        match self.fields.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(place) => {
                if let Some((_, old)) = self.fields.get_mut(place) {
                    *old = value.into();
                }
            }
            Err(place) => self.fields.insert(place, (number, value.into())),
        }
    }
}

/// Values may be card numbers: only what is there is shown, not what it is.
impl std::fmt::Debug for Spoken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers: Vec<u8> = self.fields.iter().map(|(number, _)| *number).collect();
        write!(f, "Spoken({} {numbers:?})", String::from_utf8_lossy(&self.mti))
    }
}

/// What came of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replied {
    /// The switch answered; DE39 says how it went.
    Answered(Spoken),
    /// A field is missing or is not what the dialect says: the number, and what is wrong.
    Malformed(u8, String),
    /// Not taken in: too many wait, or the switch is stopping. Nothing was done.
    Busy,
    /// No answer within the time. What was asked is taken back if it had an effect.
    Late,
}

/// A message, and where its answer goes. Who does not wait any more does not get it, and an
/// approval that nobody gets is taken back.
#[derive(Debug)]
pub struct Posted {
    /// Whose it is.
    pub caller: CallerId,
    /// The request.
    pub message: Spoken,
    /// What the caller knows the request by that it is of, if that is to be recorded.
    pub caller_key: Option<CallerKey>,
    /// Who waits.
    pub reply: oneshot::Sender<Replied>,
}

/// The engine, as far as messages over HTTP reach it. A clone is the same.
#[derive(Clone, Debug)]
pub struct Exchange {
    posts: mpsc::Sender<Posted>,
}

impl Exchange {
    /// Messages go into this queue; who holds its other end answers them.
    #[must_use]
    pub const fn new(posts: mpsc::Sender<Posted>) -> Self {
        Self { posts }
    }

    /// Sends a message in, and waits for its answer no longer than `most`.
    pub async fn exchange(
        &self,
        caller: CallerId,
        message: Spoken,
        caller_key: Option<CallerKey>,
        most: Duration,
    ) -> Replied {
        let (reply, mut replied) = oneshot::channel();
        if self.posts.try_send(Posted { caller, message, caller_key, reply }).is_err() {
            return Replied::Busy;
        }
        match timeout(most, &mut replied).await {
            Ok(Ok(replied)) => replied,
            // It ended with this in its hands: whether it was carried out is not known here.
            Ok(Err(_)) => Replied::Late,
            Err(_) => {
                // What was said by now counts as heard; nothing can be said any more.
                replied.close();
                replied.try_recv().unwrap_or(Replied::Late)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Builder;

    #[test]
    fn a_full_queue_is_busy_and_says_so_at_once() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (posting, mut posts) = mpsc::channel(1);
        let exchange = Exchange::new(posting);
        let say = |exchange: Exchange, most: Duration| async move {
            exchange.exchange(CallerId(0), Spoken::default(), None, most).await
        };
        let long = Duration::from_secs(60);
        let waiting = runtime.spawn(say(exchange.clone(), long));
        while posts.is_empty() {
            runtime.block_on(tokio::task::yield_now());
        }
        assert_eq!(runtime.block_on(say(exchange.clone(), long)), Replied::Busy);
        let posted = posts.try_recv().unwrap();
        posted.reply.send(Replied::Answered(Spoken::default())).unwrap();
        assert_eq!(runtime.block_on(waiting).unwrap(), Replied::Answered(Spoken::default()));
        // Whoever has given up is not answered any more.
        assert_eq!(runtime.block_on(say(exchange.clone(), Duration::ZERO)), Replied::Late);
        assert!(posts.try_recv().unwrap().reply.send(Replied::Busy).is_err());
        drop(posts);
        assert_eq!(runtime.block_on(say(exchange, long)), Replied::Busy);
    }

    #[test]
    fn fields_stand_in_order_and_their_values_are_not_shown() {
        let mut spoken = Spoken { mti: *b"0200", ..Spoken::default() };
        for (number, value) in [(4, "1"), (2, "4111111111111111"), (102, "a"), (4, "2")] {
            spoken.set(number, value);
        }
        let numbers: Vec<u8> = spoken.fields.iter().map(|(number, _)| *number).collect();
        assert_eq!((numbers, spoken.get(4)), (vec![2, 4, 102], Some(&b"2"[..])));
        assert_eq!(spoken.get(3), None);
        assert_eq!(format!("{spoken:?}"), "Spoken(0200 [2, 4, 102])");
    }
}
