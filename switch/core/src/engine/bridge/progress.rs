//! What a bank's word about a payment means (http-contracts 4.3).

use crate::enquiry::Progress;
use crate::fact::PaymentStatus;
use crate::plan::Acceptance;

/// How a payment stands by what its bank says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stand {
    /// Its customer has not approved it, or the bank has not done enough yet.
    Waiting,
    /// It will be executed.
    Accepted,
    /// It is executed.
    Settled,
    /// Refused; whether for lack of money.
    Rejected(bool),
    /// Its customer refused it, and the bank still has it; whether it lacks money.
    Unapproved(bool),
    /// Taken back by its customer or the bank.
    Cancelled,
    /// What cannot be of a single payment.
    Odd,
}

impl Stand {
    /// Judges a word by the threshold of its bank: it has come at least as far as the earliest
    /// status that counts.
    pub(crate) fn of(accept: &Acceptance, progress: Progress) -> Self {
        let first = accept.statuses.iter().map(|status| rank(*status)).min();
        let is_in_process = rank(progress.status) >= rank(PaymentStatus::InProcess);
        // What is in process was approved, or need not be.
        let is_approved = progress.is_approved || !accept.needs_approval || is_in_process;
        let is_enough = first.is_some_and(|first| rank(progress.status) >= first) && is_approved;
        match progress.status {
            PaymentStatus::Rejected => Self::Rejected(progress.lacks_funds),
            PaymentStatus::Cancelled => Self::Cancelled,
            PaymentStatus::Partial => Self::Odd,
            // The debtor's money has moved, whatever the threshold says.
            PaymentStatus::Settled | PaymentStatus::Credited => Self::Settled,
            _ if is_enough => Self::Accepted,
            _ if progress.is_failed => Self::Unapproved(progress.lacks_funds),
            _ => Self::Waiting,
        }
    }
}

/// How far a payment has come on its way; 0 for what is on none.
const fn rank(status: PaymentStatus) -> u8 {
    match status {
        PaymentStatus::Partial | PaymentStatus::Rejected | PaymentStatus::Cancelled => 0,
        PaymentStatus::Received => 1,
        PaymentStatus::Pending => 2,
        PaymentStatus::PartlyAuthorised => 3,
        PaymentStatus::Technical => 4,
        PaymentStatus::FundsChecked => 5,
        PaymentStatus::CustomerProfile => 6,
        PaymentStatus::WithChange => 7,
        PaymentStatus::WithoutPosting => 8,
        PaymentStatus::InProcess => 9,
        PaymentStatus::Settled => 10,
        PaymentStatus::Credited => 11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(status: PaymentStatus) -> Progress {
        Progress { status, is_approved: false, is_failed: false, lacks_funds: false }
    }

    #[test]
    fn by_default_money_moves_when_it_is_in_process() {
        let shown: String = PaymentStatus::ALL
            .iter()
            .map(|status| {
                let stand = Stand::of(&Acceptance::default(), progress(*status));
                format!("{} {stand:?}\n", status.word())
            })
            .collect();
        let expected = "RCVD Waiting\nPDNG Waiting\nPATC Waiting\nACTC Waiting\nACFC Waiting\n\
                        ACCP Waiting\nACWC Waiting\nACWP Waiting\nACSP Accepted\nACSC Settled\n\
                        ACCC Settled\nPART Odd\nRJCT Rejected(false)\nCANC Cancelled\n";
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_batch_bank_needs_the_approval_too() {
        let statuses = vec![PaymentStatus::CustomerProfile, PaymentStatus::Technical];
        let accept = Acceptance { statuses, needs_approval: true };
        let waiting = progress(PaymentStatus::CustomerProfile);
        assert_eq!(Stand::of(&accept, waiting), Stand::Waiting);
        let approved = Progress { is_approved: true, ..waiting };
        assert_eq!(Stand::of(&accept, approved), Stand::Accepted);
        let failed = Progress { is_failed: true, ..waiting };
        assert_eq!(Stand::of(&accept, failed), Stand::Unapproved(false));
        // Whoever looks late sees more than the threshold, and nobody's approval any more.
        assert_eq!(Stand::of(&accept, progress(PaymentStatus::InProcess)), Stand::Accepted);
        assert_eq!(Stand::of(&accept, progress(PaymentStatus::Settled)), Stand::Settled);
    }
}
