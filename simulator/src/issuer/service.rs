//! What a request asks for, by its type and the first two digits of DE3 (cbs-interface.md 6.2,
//! 6.3 and 6.12).
//!
//! Which of these a link speaks is said by the presence rules of its dialect; a service without a
//! rule there (32, 90 and 91 in the shipped ones) is waiting for a dialect that has one.

use veksel_codecs::{Class, Message, field};

/// A thing the bank does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Network,
    Balance,
    Statement(Span),
    Name,
    LinkedAccounts,
    BillInquiry,
    /// Cheque book or statement by post: taken note of, nothing more.
    Order,
    Customers,
    Accounts,
    Details,
    Operator,
    Banks,
    Beneficiary,
    Payment(Payment),
    Hold,
    Completion,
    Reversal,
    Reconciliation,
}

/// How much of a statement is wanted when the request does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// 38: the newest few.
    Mini,
    /// 35: as many as fit.
    Full,
}

/// A posting of DE4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payment {
    Purchase,
    Withdrawal,
    CashBack,
    Refund,
    Deposit,
    Transfer,
    Bill,
}

impl Service {
    /// `None` for a combination the bank does not know, whatever a dialect says.
    pub(super) fn of(message: &Message) -> Option<Self> {
        let mti = message.mti();
        let code = message.get(field::PROCESSING_CODE);
        let code = code.as_ref().and_then(|code| code.as_bytes().first_chunk::<2>());
        match (mti.class(), is_request_proper(message), mti.is_advice()) {
            (Class::Network, true, _) => Some(Self::Network),
            (Class::Reversal, true, _) | (Class::Reversal, _, true) => Some(Self::Reversal),
            (Class::Reconciliation, _, true) => Some(Self::Reconciliation),
            (Class::Financial, true, _) => Self::financial(*code?),
            (Class::Financial, _, true) => match code? {
                b"00" | b"01" => Some(Self::Completion),
                b"20" => Some(Self::Payment(Payment::Refund)),
                _ => None,
            },
            (Class::Authorisation, _, true) => match code? {
                b"00" | b"01" => Some(Self::Hold),
                _ => None,
            },
            (Class::Authorisation, true, _) => match code? {
                b"00" | b"01" => Some(Self::Hold),
                b"33" => Some(Self::Name),
                _ => None,
            },
            _ => None,
        }
    }

    fn financial(code: [u8; 2]) -> Option<Self> {
        Some(match &code {
            b"00" => Self::Payment(Payment::Purchase),
            b"01" => Self::Payment(Payment::Withdrawal),
            b"09" => Self::Payment(Payment::CashBack),
            b"20" => Self::Payment(Payment::Refund),
            b"21" => Self::Payment(Payment::Deposit),
            b"40" => Self::Payment(Payment::Transfer),
            b"50" => Self::Payment(Payment::Bill),
            b"30" | b"31" => Self::Balance,
            b"32" => Self::BillInquiry,
            b"33" => Self::Name,
            b"35" => Self::Statement(Span::Full),
            b"38" => Self::Statement(Span::Mini),
            b"39" => Self::LinkedAccounts,
            b"90" | b"91" => Self::Order,
            b"92" => Self::Customers,
            b"93" => Self::Accounts,
            b"94" => Self::Details,
            b"95" => Self::Operator,
            b"96" => Self::Banks,
            b"97" => Self::Beneficiary,
            _ => return None,
        })
    }
}

/// `xx0x`: neither an advice nor a notification.
fn is_request_proper(message: &Message) -> bool {
    matches!(message.mti().digits(), [_, _, b'0', _])
}

impl Payment {
    /// First two digits of DE3, as statements and the ledger name it.
    pub(super) const fn tran_type(self) -> u8 {
        match self {
            Self::Purchase => 0,
            Self::Withdrawal => 1,
            Self::CashBack => 9,
            Self::Refund => 20,
            Self::Deposit => 21,
            Self::Transfer => 40,
            Self::Bill => 50,
        }
    }

    /// On the statement, when the message has neither DE104 nor DE43.
    pub(super) const fn narration(self) -> &'static str {
        match self {
            Self::Purchase => "PURCHASE",
            Self::Withdrawal => "ATM WDL",
            Self::CashBack => "PURCHASE WITH CASH",
            Self::Refund => "REFUND",
            Self::Deposit => "DEPOSIT",
            Self::Transfer => "TRANSFER",
            Self::Bill => "BILL PAYMENT",
        }
    }
}
