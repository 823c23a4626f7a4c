//! Events: what happened, for metrics, logs and the curious.
//!
//! The engine counts nothing itself. One file of the server turns these values into metrics; a
//! label can only come from a closed set or from the plan, never from a message.

use crate::breaker::Position;
use crate::engine::{Nearest, Rrn, Seen};
use crate::enquiry::{Addressee, Failed};
use crate::fact::{Case, ConsentStatus, KycStatus, PaymentState};
use crate::plan::{BankId, ConnectionId, GroupId, LinkId, ParticipantId};
use crate::record::{Reason, TxnId, Verdict};
use crate::session::State;
use veksel_codecs::{Class, Fault, FieldNumber, Mti, ResponseCode};

/// Something that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// A request arrived.
    Received {
        /// Over which link.
        link: LinkId,
        /// Of which kind.
        kind: Kind,
    },
    /// A request took a route.
    Routed {
        /// Over which link it came.
        link: LinkId,
        /// Its index into the plan's routes.
        route: usize,
    },
    /// A request got its answer.
    Answered {
        /// Over which link.
        link: LinkId,
        /// Of which kind.
        kind: Kind,
        /// From which group, if it got that far.
        group: Option<GroupId>,
        /// With which code.
        response: ResponseCode,
        /// How certain the switch is.
        verdict: Verdict,
        /// Why.
        reason: Reason,
        /// From its arrival, in nanoseconds.
        elapsed: u64,
    },
    /// The same for who keeps traces; said only if the engine was told to
    /// ([`Switch::say_carried`](crate::Switch::say_carried)).
    Carried(Carried),
    /// A host answered, whatever came of it.
    HostAnswered {
        /// Which group.
        group: GroupId,
        /// From handing the request over, in nanoseconds.
        elapsed: u64,
    },
    /// A frame that is not a request the switch can carry was answered with a refusal.
    Refused {
        /// Over which link.
        link: LinkId,
        /// With which code.
        response: ResponseCode,
        /// What was wrong, if it was the format.
        fault: Option<Fault>,
    },
    /// A request claimed to be from somebody or somewhere its participant is not granted. A
    /// `Refused` follows.
    Ungranted {
        /// Over which link.
        link: LinkId,
        /// Whose certificate or listener it came by.
        participant: ParticipantId,
        /// The first field that is outside its grant.
        field: FieldNumber,
        /// Whether it was recorded; the next one soon after is only counted.
        recorded: bool,
    },
    /// A bank or the provider of identity checks was asked, and answered or did not.
    Asked {
        /// Whom.
        to: Addressee,
        /// What went wrong, if something did.
        failed: Option<Failed>,
    },
    /// A request about a linked account was declined here, without asking its bank.
    Declined {
        /// Whose account it is.
        bank: BankId,
        /// With which code.
        response: ResponseCode,
    },
    /// A balance was given as it was last seen.
    Cached {
        /// Which bank could not be asked.
        bank: BankId,
        /// How old it is, in milliseconds.
        age: u64,
        /// Whether it is old enough for an alarm.
        is_stale: bool,
    },
    /// A payment at a bank came to stand like this.
    Payment {
        /// Which bank.
        bank: BankId,
        /// How.
        state: PaymentState,
    },
    /// A person must look at a payment at a bank.
    Case {
        /// Which payment.
        txn: TxnId,
        /// Why.
        case: Case,
    },
    /// A consent came to stand like this.
    Consent {
        /// At which bank.
        bank: BankId,
        /// How.
        status: ConsentStatus,
    },
    /// A customer's identity check came to stand like this.
    Checked {
        /// How.
        status: KycStatus,
    },
    /// An advice about a payment was sent to a channel.
    Advised {
        /// Over which link.
        link: LinkId,
        /// How often before.
        attempt: u32,
    },
    /// An advice about a payment is sent no more: no channel took it for too long.
    Unadvised {
        /// Which payment.
        txn: TxnId,
    },
    /// A frame was dropped without an answer.
    Dropped {
        /// Over which link.
        link: LinkId,
        /// Why.
        why: Dropped,
    },
    /// Why a frame was dropped, as far as can be told. Follows `Dropped`, a few times a second at
    /// most.
    Explained {
        /// Where it came from.
        connection: ConnectionId,
        /// Why.
        why: Dropped,
        /// What it said of itself.
        seen: Seen,
        /// The request it comes nearest to, if it is an answer and one is near.
        nearest: Option<Nearest>,
        /// Explanations that were left out since the last one, because there were too many.
        withheld: u32,
    },
    /// A request was written and not answered in time. A few times a second at most.
    TimedOut {
        /// Where it went.
        connection: ConnectionId,
        /// Which.
        txn: TxnId,
        /// DE11 the host was given.
        stan: u32,
        /// DE37.
        rrn: Option<Rrn>,
        /// Nanoseconds since it was written.
        waited: u64,
        /// Nanoseconds since the host last said anything on that connection; `None` if it is
        /// gone.
        quiet: Option<u64>,
        /// As in `Explained`.
        withheld: u32,
    },
    /// An answer to a channel could not be delivered.
    Undelivered {
        /// Over which link.
        link: LinkId,
        /// Whether it was an approval.
        approved: bool,
    },
    /// A request has the key of another and different content: somebody numbers badly, or plays
    /// foul.
    Clash {
        /// Over which link.
        link: LinkId,
    },
    /// A duplicate was recognised and not executed.
    Recognised {
        /// Over which link.
        link: LinkId,
        /// Whether its original was still in flight.
        in_flight: bool,
    },
    /// A reversal was recorded, or an advice that was taken over: both are sent until they are
    /// settled.
    ReversalQueued {
        /// For which group.
        group: GroupId,
        /// Whether it is an advice, or a channel's own reversal.
        is_taken_over: bool,
    },
    /// A reversal was sent.
    ReversalSent {
        /// To which group.
        group: GroupId,
        /// Whether it was sent before.
        repeat: bool,
    },
    /// The host confirmed that nothing is left to reverse.
    ReversalSettled {
        /// Which group.
        group: GroupId,
        /// With which code.
        response: ResponseCode,
    },
    /// A host compared the totals of a settlement date with its own and they differ. What it said
    /// is in the journal; a person must look.
    OutOfBalance {
        /// Which group.
        group: GroupId,
    },
    /// A reversal cannot be settled by repeating it; a person must look.
    ReversalParked {
        /// Of which group.
        group: GroupId,
        /// Why.
        why: Parking,
    },
    /// The session of a host connection changed.
    Session {
        /// Which connection.
        connection: ConnectionId,
        /// To which state.
        state: State,
    },
    /// A request was turned away with 91 because there is more than can be carried.
    Shed {
        /// Who sent it.
        participant: ParticipantId,
        /// What was full.
        why: Shedding,
    },
    /// The breaker of one link of a group changed.
    LinkBreaker {
        /// Which link.
        link: LinkId,
        /// To which position.
        position: Position,
    },
    /// A peer asked for a change of keys.
    KeyChange {
        /// Over which link.
        link: LinkId,
        /// Whether it named the next key, which is in use now.
        taken: bool,
    },
    /// A host closed its business date.
    CutOver {
        /// Which group.
        group: GroupId,
        /// The date from now on, `MMDD`.
        date: [u8; 4],
    },
    /// The engine was given another plan.
    Replanned {
        /// Whether it goes by it now.
        taken: bool,
    },
    /// The breaker of a group changed.
    Breaker {
        /// Which group.
        group: GroupId,
        /// To which position.
        position: Position,
    },
}

/// Why a request was turned away with 91.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Shedding {
    /// Its participant sends more than its rate.
    Rate,
    /// Its participant has too many in flight.
    InFlight,
    /// The switch has too many in flight.
    Full,
    /// Its group has too many waiting.
    Queue,
    /// It waited for room at its group for as long as it may.
    Waited,
    /// It waited too long before the switch came to look at it.
    Late,
}

impl Shedding {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 6] =
        [Self::Rate, Self::InFlight, Self::Full, Self::Queue, Self::Waited, Self::Late];

    /// The word that metrics use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::InFlight => "in_flight",
            Self::Full => "full",
            Self::Queue => "queue",
            Self::Waited => "waited",
            Self::Late => "late",
        }
    }
}

/// A request that was carried, from its arrival to its answer. Nothing of its content but what
/// kind of message it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Carried {
    /// Over which link it came.
    pub link: LinkId,
    /// Of which kind.
    pub kind: Kind,
    /// Its message type.
    pub mti: Mti,
    /// Its transaction, if it became one.
    pub txn: Option<TxnId>,
    /// Its route, an index into the plan's routes, if it took one.
    pub route: Option<usize>,
    /// What its answer says.
    pub response: ResponseCode,
    /// How certain the switch is.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// From its arrival, in nanoseconds.
    pub elapsed: u64,
    /// The trace that it names (DE59).
    pub named: Option<Named>,
}

/// A trace that a message names (W3C Trace Context).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Named {
    /// The trace.
    pub trace: [u8; 16],
    /// Who asked, and whether the trace is recorded; `None` if the message does not say.
    pub parent: Option<([u8; 8], bool)>,
}

/// What a request is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A balance or another short inquiry.
    Inquiry,
    /// A statement.
    Statement,
    /// Whatever moves money.
    Payment,
    /// A hold.
    Hold,
    /// A completion, a reconciliation or another advice.
    Advice,
    /// A reversal.
    Reversal,
    /// Network management.
    Network,
}

impl Kind {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 7] = [
        Self::Inquiry,
        Self::Statement,
        Self::Payment,
        Self::Hold,
        Self::Advice,
        Self::Reversal,
        Self::Network,
    ];

    /// What a message of this class and processing code is about. `None` for a class that the
    /// switch does not carry.
    #[must_use]
    pub fn of(mti: Mti, code: [u8; 2]) -> Option<Self> {
        let advice = mti.is_advice();
        Some(match (mti.class(), code) {
            (Class::Network, _) => Self::Network,
            (Class::Reversal, _) => Self::Reversal,
            // 30 to 39 ask, 90 to 97 order paper or ask: neither moves money.
            (Class::Financial | Class::Authorisation, [b'3', b'5' | b'8']) => Self::Statement,
            (Class::Financial | Class::Authorisation, [b'3' | b'9', _]) => Self::Inquiry,
            (Class::Financial | Class::Authorisation, _) if advice => Self::Advice,
            (Class::Authorisation, _) => Self::Hold,
            (Class::Financial, _) => Self::Payment,
            (Class::Reconciliation, _) if advice => Self::Advice,
            (
                Class::FileAction
                | Class::Reconciliation
                | Class::Administrative
                | Class::Fee
                | Class::Reserved,
                _,
            ) => return None,
        })
    }

    /// Whether it can move or hold money, or tells of that, so that it is recorded before it
    /// leaves.
    #[must_use]
    pub const fn moves_money(self) -> bool {
        match self {
            Self::Payment | Self::Hold | Self::Advice | Self::Reversal => true,
            Self::Inquiry | Self::Statement | Self::Network => false,
        }
    }

    /// The word that metrics use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Inquiry => "inquiry",
            Self::Statement => "statement",
            Self::Payment => "payment",
            Self::Hold => "hold",
            Self::Advice => "advice",
            Self::Reversal => "reversal",
            Self::Network => "network",
        }
    }
}

/// Why a reversal or an advice waits for a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parking {
    /// The host answered with a code that repeating cannot change.
    Answer(ResponseCode),
    /// Its host's dialect cannot say it.
    Unencodable,
    /// It was tried for as long as it may be.
    Age,
    /// Nobody can tell what it takes back: that is older than the journal, or not named.
    Unknown,
}

impl Parking {
    /// Its words in the audit and in logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Answer(_) => "refused by the host",
            Self::Unencodable => "the host's dialect cannot say it",
            Self::Age => "tried for as long as it may be",
            Self::Unknown => "what it takes back is not known, perhaps older than the journal",
        }
    }
}

/// Why a frame was dropped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Dropped {
    /// A channel sent an answer. Answering it would start a loop.
    AnswerFromChannel,
    /// A host sent a request the switch does not take from hosts.
    RequestFromHost,
    /// It could not be read far enough to answer it.
    Unreadable,
    /// An answer matches nothing that was asked.
    Unmatched,
    /// An answer matches something already given up.
    Late,
    /// An answer has the trace number of a request and contradicts it elsewhere.
    Mismatch,
    /// Its MAC is missing or wrong.
    Unauthentic,
    /// An answer came over another link than its request went.
    Elsewhere,
}

impl Dropped {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::AnswerFromChannel,
        Self::RequestFromHost,
        Self::Unreadable,
        Self::Unmatched,
        Self::Late,
        Self::Mismatch,
        Self::Unauthentic,
        Self::Elsewhere,
    ];

    /// The word that metrics use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::AnswerFromChannel => "answer_from_channel",
            Self::RequestFromHost => "request_from_host",
            Self::Unreadable => "unreadable",
            Self::Unmatched => "unmatched",
            Self::Late => "late",
            Self::Mismatch => "mismatch",
            Self::Unauthentic => "unauthentic",
            Self::Elsewhere => "elsewhere",
        }
    }
}
