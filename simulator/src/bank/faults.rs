//! Misbehaviour on purpose: which messages meet which fault, and what a wrong answer looks like.
//!
//! It only chooses and counts; the host loop acts. The choice depends on the seed and on how many
//! messages came before, never on time or content, so that a sequence of requests meets the same
//! faults again.

use veksel_codecs::{Class, Message, ResponseCode, field};

pub use veksel_config::Faults;

use crate::terminals::random::Random;

/// What is done to one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Executed, and not answered.
    AnswerNever,
    /// Executed, and answered late.
    AnswerLate,
    /// Executed, and answered twice.
    AnswerTwice,
    /// Executed, and answered with a field of something else.
    AnswerWrong(Wrong),
    /// Answered with this, and not executed.
    Unavailable(ResponseCode),
    /// Neither executed nor answered.
    DropRequest,
    /// Executed, and the connection is closed.
    Disconnect,
}

/// What is wrong with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// DE11 of the next request, which may be waiting too.
    Stan,
    /// DE4 is another by one minor unit.
    Amount,
    /// The last character of DE37 is another.
    Rrn,
}

/// How often a bank misbehaved on purpose since its process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultCounts {
    /// Executed, and not answered.
    pub answer_never: u64,
    /// Executed, and answered late.
    pub answer_late: u64,
    /// Executed, and answered twice.
    pub answer_twice: u64,
    /// Executed, and answered with a field of something else.
    pub answer_wrong: u64,
    /// Answered 91 or 96, and not executed.
    pub host_fault: u64,
    /// Neither executed nor answered.
    pub drop_request: u64,
    /// Executed, and the connection was closed.
    pub disconnect: u64,
}

/// Chooses faults. One is chosen for each message that can have one.
#[derive(Debug, Clone)]
pub(super) struct Chooser {
    faults: Faults,
    random: Random,
}

impl Chooser {
    pub(super) const fn new(faults: Faults) -> Self {
        Self { faults, random: Random::new(faults.seed) }
    }

    /// The fault of the next request; network management never has one.
    pub(super) fn choose(&mut self, request: &Message) -> Option<Fault> {
        let mti = request.mti();
        if self.faults.total() == 0 || mti.class() == Class::Network || !mti.is_request() {
            return None;
        }
        // Two draws for every message, so that one share does not move the faults of another.
        let (percent, detail) = (self.random.below(100), self.random.next());
        let wrong = match detail % 3 {
            0 => Wrong::Stan,
            1 => Wrong::Amount,
            _ => Wrong::Rrn,
        };
        let code = match detail % 2 {
            0 => ResponseCode::HOST_UNAVAILABLE,
            _ => ResponseCode::SYSTEM_MALFUNCTION,
        };
        let faults = &self.faults;
        let mut passed = 0;
        [
            (faults.answer_never, Fault::AnswerNever),
            (faults.answer_late, Fault::AnswerLate),
            (faults.answer_twice, Fault::AnswerTwice),
            (faults.answer_wrong, Fault::AnswerWrong(wrong)),
            (faults.host_fault, Fault::Unavailable(code)),
            (faults.drop_request, Fault::DropRequest),
            (faults.disconnect, Fault::Disconnect),
        ]
        .into_iter()
        .find(|(share, _)| {
            passed += u64::from(*share);
            percent < passed
        })
        .map(|(_, fault)| fault)
    }
}

impl Wrong {
    /// Makes the answer one to something else. What has no such field gets another trace number.
    pub(super) fn spoil(self, answer: &mut Message) {
        let amount = answer.get(field::AMOUNT).filter(|_| self == Self::Amount);
        let rrn = answer.get(field::RRN).filter(|_| self == Self::Rrn);
        let rrn = rrn.map(|text| text.to_string());
        match (amount, rrn) {
            (Some(minor), _) => answer.set(field::AMOUNT, minor ^ 1),
            (None, Some(rrn)) => {
                let last = if rrn.ends_with('0') { '1' } else { '0' };
                let kept = rrn.get(..rrn.len().saturating_sub(1)).unwrap_or_default();
                answer.set(field::RRN, &format!("{kept}{last}"));
            }
            (None, None) => {
                let stan = answer.get(field::STAN).unwrap_or_default();
                answer.set(field::STAN, stan % STAN_MAX + 1);
            }
        }
    }
}

impl FaultCounts {
    pub(super) const fn count(&mut self, fault: Fault) {
        let counter = match fault {
            Fault::AnswerNever => &mut self.answer_never,
            Fault::AnswerLate => &mut self.answer_late,
            Fault::AnswerTwice => &mut self.answer_twice,
            Fault::AnswerWrong(_) => &mut self.answer_wrong,
            Fault::Unavailable(_) => &mut self.host_fault,
            Fault::DropRequest => &mut self.drop_request,
            Fault::Disconnect => &mut self.disconnect,
        };
        *counter = counter.saturating_add(1);
    }

    /// Of every kind together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.answer_never
            .saturating_add(self.answer_late)
            .saturating_add(self.answer_twice)
            .saturating_add(self.answer_wrong)
            .saturating_add(self.host_fault)
            .saturating_add(self.drop_request)
            .saturating_add(self.disconnect)
    }
}

/// `answer_never 5 %, disconnect 1 %`, for a log.
pub(super) fn described(faults: &Faults) -> String {
    let shares = faults.shares().into_iter().filter(|(_, share)| *share > 0);
    let words: Vec<_> = shares.map(|(key, share)| format!("{key} {share} %")).collect();
    words.join(", ")
}

const STAN_MAX: u64 = 999_999;

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_codecs::Mti;

    const EVERYTHING: Faults = Faults {
        seed: 7,
        answer_never: 10,
        answer_late: 10,
        answer_twice: 10,
        answer_wrong: 10,
        host_fault: 10,
        drop_request: 10,
        disconnect: 10,
    };

    fn message(mti: &str) -> Message {
        let mut message = Message::of(Mti::parse(mti).unwrap());
        message.set(field::STAN, 999_999);
        message.set(field::AMOUNT, 100);
        message.set(field::RRN, "000000000120");
        message
    }

    fn chosen(faults: Faults, count: usize) -> Vec<Option<Fault>> {
        let mut chooser = Chooser::new(faults);
        let request = message("0200");
        (0..count).map(|_| chooser.choose(&request)).collect()
    }

    #[test]
    fn a_seed_decides_and_shares_are_kept() {
        let all = chosen(EVERYTHING, 10_000);
        assert_eq!(all, chosen(EVERYTHING, 10_000));
        assert_ne!(all, chosen(Faults { seed: 8, ..EVERYTHING }, 10_000));
        let mut counts = FaultCounts::default();
        all.into_iter().flatten().for_each(|fault| counts.count(fault));
        let FaultCounts { answer_never, answer_late, answer_twice, answer_wrong, .. } = counts;
        let FaultCounts { host_fault, drop_request, disconnect, .. } = counts;
        let each = [answer_never, answer_late, answer_twice, answer_wrong];
        let each = each.into_iter().chain([host_fault, drop_request, disconnect]);
        assert!(each.clone().all(|count| (850..1_150).contains(&count)), "{counts:?}");
        assert_eq!(counts.total(), each.sum::<u64>());
    }

    #[test]
    fn every_wrong_field_and_both_codes_are_reached() {
        let only = Faults { answer_wrong: 50, host_fault: 50, ..Faults::NONE };
        let all = chosen(only, 1_000);
        for wanted in [
            Fault::AnswerWrong(Wrong::Stan),
            Fault::AnswerWrong(Wrong::Amount),
            Fault::AnswerWrong(Wrong::Rrn),
            Fault::Unavailable(ResponseCode::HOST_UNAVAILABLE),
            Fault::Unavailable(ResponseCode::SYSTEM_MALFUNCTION),
        ] {
            assert!(all.contains(&Some(wanted)), "{wanted:?}");
        }
        assert!(all.iter().all(Option::is_some));
    }

    #[test]
    fn network_management_and_answers_have_no_faults() {
        let mut chooser = Chooser::new(Faults { drop_request: 100, ..Faults::NONE });
        for (mti, has_fault) in [("0800", false), ("0210", false), ("0100", true), ("0421", true)] {
            assert_eq!(chooser.choose(&message(mti)).is_some(), has_fault, "{mti}");
        }
        assert_eq!(Chooser::new(Faults::NONE).choose(&message("0200")), None);
    }

    #[test]
    fn a_spoilt_answer_differs_in_one_field() {
        for (wrong, stan, amount, rrn) in [
            (Wrong::Stan, 1, 100, "000000000120"),
            (Wrong::Amount, 999_999, 101, "000000000120"),
            (Wrong::Rrn, 999_999, 100, "000000000121"),
        ] {
            let mut answer = message("0210");
            wrong.spoil(&mut answer);
            assert_eq!(answer.get(field::STAN), Some(stan));
            assert_eq!(answer.get(field::AMOUNT), Some(amount));
            assert_eq!(answer.get(field::RRN).unwrap(), rrn);
        }
        let mut bare = Message::of(Mti::parse("0210").unwrap());
        Wrong::Rrn.spoil(&mut bare);
        assert_eq!(bare.get(field::STAN), Some(1));
    }

    #[test]
    fn only_what_is_on_is_described() {
        let some = Faults { answer_never: 5, disconnect: 1, ..Faults::NONE };
        assert_eq!(described(&some), "answer_never 5 %, disconnect 1 %");
        assert_eq!(described(&Faults::NONE), "");
    }
}
