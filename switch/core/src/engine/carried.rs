//! What is said of a request when it is answered: always what metrics count, and for who keeps
//! traces which message it was and which trace it named. Never what stood in it.

use super::Switch;
use super::bridge::named_by;
use crate::event::{Carried, Event};
use crate::record::TxnId;
use veksel_codecs::{Message, Mti};

impl Switch {
    /// From now on each request that is answered is told of as [`Event::Carried`], too.
    pub const fn say_carried(&mut self) {
        self.says_carried = true;
    }

    /// Counts an answer to this request, which may already be made of it.
    pub(super) fn count_answered(
        &mut self,
        answered: Event,
        request: &Message,
        part: (Option<TxnId>, Option<usize>),
    ) {
        self.count(answered);
        if let Some(carried) = self.carried(answered, request, part) {
            self.count(carried);
        }
    }

    /// What is said of it beside that, if anything is.
    pub(super) fn carried(
        &self,
        answered: Event,
        request: &Message,
        (txn, route): (Option<TxnId>, Option<usize>),
    ) -> Option<Event> {
        let Event::Answered { link, kind, group: _, response, verdict, reason, elapsed } = answered
        else {
            return None;
        };
        self.says_carried.then(|| {
            let (mti, named) = (asked(request.mti()), named_by(request));
            Event::Carried(Carried {
                link,
                kind,
                mti,
                txn,
                route,
                response,
                verdict,
                reason,
                elapsed,
                named,
            })
        })
    }
}

/// The type of the request that an answer is to; any other is itself.
fn asked(mti: Mti) -> Mti {
    let [a, b, c, d] = *mti.digits();
    Mti::from_ascii([a, b, c & !1, d]).unwrap_or(mti)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_a_request_is_known_from_its_answer() {
        for (seen, request) in
            [("0200", "0200"), ("0210", "0200"), ("0430", "0420"), ("0201", "0201")]
        {
            assert_eq!(asked(Mti::parse(seen).unwrap()).as_str(), request, "{seen}");
        }
    }
}
