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
    /// Taken back by its customer or the bank.
    Cancelled,
    /// What cannot be of a single payment.
    Odd,
}

impl Stand {
    /// Judges a word by the threshold of its bank.
    pub(crate) fn of(accept: &Acceptance, progress: Progress) -> Self {
        let is_enough = accept.statuses.contains(&progress.status)
            && (progress.is_approved || !accept.needs_approval);
        match progress.status {
            PaymentStatus::Rejected => Self::Rejected(progress.lacks_funds),
            PaymentStatus::Cancelled => Self::Cancelled,
            PaymentStatus::Partial => Self::Odd,
            PaymentStatus::Settled | PaymentStatus::Credited if is_enough => Self::Settled,
            _ if is_enough => Self::Accepted,
            // What was settled is never refused, whatever the approval says.
            PaymentStatus::Settled | PaymentStatus::Credited => Self::Waiting,
            _ if progress.is_failed => Self::Rejected(progress.lacks_funds),
            _ => Self::Waiting,
        }
    }

    /// Whether money moved, or will.
    pub(crate) const fn has_moved(self) -> bool {
        matches!(self, Self::Accepted | Self::Settled)
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
        assert_eq!(Stand::of(&accept, failed), Stand::Rejected(false));
    }
}
