//! Where earlier requests went: the trace number that a host knows them by.
//!
//! A completion or reversal names its original in DE90 by the channel's numbers; the host knows it
//! by the switch's. This table translates. It is bounded and forgets the oldest first; what it
//! does not know is passed on as it came, and the host may still find the original by DE37.

use crate::map::Table;
use crate::plan::ParticipantId;
use std::collections::VecDeque;
use veksel_codecs::structured::OriginalData;
use veksel_codecs::{Message, Mti, field};

/// What a channel calls a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Name {
    participant: ParticipantId,
    mti: Mti,
    stan: u64,
    transmission: [u8; 10],
}

/// Requests passed on not long ago.
#[derive(Debug)]
pub(crate) struct Originals {
    most: usize,
    stans: Table<Name, u32>,
    order: VecDeque<Name>,
}

impl Originals {
    pub(crate) fn new(most: u32) -> Self {
        Self { most: most as usize, stans: Table::default(), order: VecDeque::new() }
    }

    /// Remembers that the host knows this request by `stan`.
    pub(crate) fn remember(&mut self, participant: ParticipantId, request: &Message, stan: u32) {
        let transmission = request.get(field::TRANSMISSION);
        let transmission = transmission.as_ref().and_then(|t| t.as_bytes().try_into().ok());
        let (Some(number), Some(transmission)) = (request.get(field::STAN), transmission) else {
            return;
        };
        let mti = request.mti().original();
        let name = Name { participant, mti, stan: number, transmission };
        if self.stans.insert(name, stan).is_none() {
            self.order.push_back(name);
        }
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.stans.remove(&oldest);
        }
    }

    /// DE90 as the host understands it; `None` if the original is not known here.
    pub(crate) fn translate(&self, participant: ParticipantId, original: &str) -> Option<String> {
        let original = OriginalData::parse(original)?;
        let transmission = original.transmission.as_bytes().try_into().ok()?;
        let (mti, stan) = (original.mti.original(), u64::from(original.stan));
        let stan = *self.stans.get(&Name { participant, mti, stan, transmission })?;
        Some(OriginalData { stan, ..original }.format())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(stan: u64) -> Message {
        let mut request = Message::of(Mti::known(b"0200"));
        request.set(field::STAN, stan);
        request.set(field::TRANSMISSION, "1120142807");
        request
    }

    fn original(stan: u32) -> String {
        let (mti, transmission) = (Mti::known(b"0200"), "1120142807".to_owned());
        let (acquirer, forwarder) = ("500001".to_owned(), String::new());
        OriginalData { mti, stan, transmission, acquirer, forwarder }.format()
    }

    #[test]
    fn the_trace_number_is_translated_for_the_same_participant_only() {
        let mut originals = Originals::new(4);
        originals.remember(ParticipantId(0), &request(7), 900);
        let translated = originals.translate(ParticipantId(0), &original(7)).unwrap();
        assert_eq!(translated, original(900));
        assert_eq!(originals.translate(ParticipantId(1), &original(7)), None);
        assert_eq!(originals.translate(ParticipantId(0), &original(8)), None);
        assert_eq!(originals.translate(ParticipantId(0), "x"), None);
    }

    #[test]
    fn it_forgets_the_oldest() {
        let mut originals = Originals::new(4);
        for stan in 1..=10 {
            originals.remember(ParticipantId(0), &request(stan), 100);
        }
        assert_eq!((originals.stans.len(), originals.order.len()), (4, 4));
        assert_eq!(originals.translate(ParticipantId(0), &original(6)), None);
        assert!(originals.translate(ParticipantId(0), &original(7)).is_some());
    }
}
