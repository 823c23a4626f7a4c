//! The plan: everything the engine was told before it started, checked and resolved.
//!
//! `config` builds it from text; the engine only reads it. Names are for people and records,
//! indices are for the engine. Every table and queue of the engine takes its limit from here.

pub use crate::grant::{Grant, Grants, Span};
use core::fmt;
use veksel_codecs::Mti;

/// A configured peer: an index into [`Plan::links`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkId(pub u16);

/// A socket of a link. `serial` is never used again while the process lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId {
    /// The peer it belongs to.
    pub link: LinkId,
    /// Counts the connections of the process.
    pub serial: u64,
}

/// A link group: an index into [`Plan::groups`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GroupId(pub u16);

/// A bank reached over HTTP: an index into [`Plan::banks`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BankId(pub u16);

/// A participant: an index into [`Plan::participants`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ParticipantId(pub u16);

/// Everything the engine knows of its surroundings.
#[derive(Clone, Debug)]
pub struct Plan {
    /// DE32 of the network messages the switch itself sends, up to 11 digits.
    pub institution: String,
    /// Listeners and hosts; a [`LinkId`] is an index here.
    pub links: Vec<LinkPlan>,
    /// Link groups; a [`GroupId`] is an index here.
    pub groups: Vec<GroupPlan>,
    /// Who may send; a [`ParticipantId`] is an index here.
    pub participants: Vec<ParticipantPlan>,
    /// Tried in order, the first that fits decides.
    pub routes: Vec<RoutePlan>,
    /// Banks reached over HTTP; a [`BankId`] is an index here.
    pub banks: Vec<BankPlan>,
    /// Who is paid behind an acceptor (DE42) or a biller (DE48 tag 10).
    pub payees: Vec<PayeePlan>,
    /// Whether there is somebody who knows what customers of billers owe, and is asked before a
    /// bill is paid from an account at a bank.
    pub asks_billers: bool,
    /// Who may pay from a linked account.
    pub kyc: KycPlan,
    /// Bounds of the engine's tables.
    pub limits: Limits,
    /// Whether an inquiry leaves a record too. It never waits for it.
    pub record_inquiries: bool,
    /// How long what is settled can be found again, in milliseconds: what a channel takes back
    /// later than that is for a person to look at.
    pub keep_ms: u64,
    /// Keys the digests that tell a duplicate from a different message.
    pub digest_key: DigestKey,
}

/// One configured peer.
#[derive(Clone, Debug)]
pub struct LinkPlan {
    /// As the configuration names it.
    pub name: String,
    /// Which side of the switch it is on.
    pub role: LinkRole,
    /// How sessions of channels on it live; of a host link its group says that.
    pub session: ChannelSessionPlan,
}

/// What the switch asks of channels besides requests. Nothing, by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelSessionPlan {
    /// Whether a channel must sign on (0800/001) before its requests are taken.
    pub sign_on: bool,
    /// How long an echo may stay unanswered, in milliseconds.
    pub answer_ms: u64,
    /// Silence after which the channel is sent an echo, in milliseconds; 0 sends none.
    pub echo_idle_ms: u64,
    /// Unanswered echoes in a row after which the connection is closed.
    pub echo_misses_max: u32,
}

impl ChannelSessionPlan {
    /// As the session of a host that signs on and is never signed on to.
    pub(crate) const fn as_session(self) -> Option<SessionPlan> {
        let Self { sign_on, answer_ms, echo_idle_ms, echo_misses_max } = self;
        if !sign_on && echo_idle_ms == 0 {
            return None;
        }
        let (peer_signs_on, sign_on) = (sign_on, false);
        Some(SessionPlan { sign_on, peer_signs_on, answer_ms, echo_idle_ms, echo_misses_max })
    }
}

impl Default for ChannelSessionPlan {
    fn default() -> Self {
        Self { sign_on: false, answer_ms: 10_000, echo_idle_ms: 0, echo_misses_max: 3 }
    }
}

/// Which side of the switch a link is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkRole {
    /// Channels connect to it; they act as this participant.
    Channel(ParticipantId),
    /// Channels connect to it; who each is, [`crate::Input::Identified`] says before its first
    /// message.
    Identified,
    /// The switch connects to it; it is a destination of this group.
    Host(GroupId),
}

/// Who sends through a listener.
#[derive(Clone, Debug)]
pub struct ParticipantPlan {
    /// As the configuration names it; part of the duplicate key and of every record.
    pub name: String,
    /// Requests in flight before the next is answered 91.
    pub in_flight_max: u32,
    /// What its messages may say of who they are from; anything else is answered 58.
    pub grants: Grants,
    /// Requests a second in the long run; 0 is no limit. Reversals and advices do not count.
    pub rate: u32,
    /// Requests that may come at once; 0 is as many as in a second.
    pub burst: u32,
    /// Whether it may link accounts and begin identity checks by message (0302).
    pub file_actions: bool,
    /// By what it is told how a payment at a bank ended: 0620, or 0220 if it knows no 06xx.
    pub told_by: Mti,
    /// Whether what it sends again has another DE7 although it does not say that it is a repeat:
    /// then every request of it that moves money is looked for without DE7 (http-contracts 4.5).
    pub stamps_anew: bool,
}

/// Hosts that do the same work, each a link with N connections, taken as one destination.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    /// As the configuration names it.
    pub name: String,
    /// Which of its links gets a request.
    pub policy: Policy,
    /// On which link an answer is taken.
    pub answers: Answers,
    /// How long a link that comes back beside others gets less than its share, in milliseconds.
    pub warm_up_ms: u64,
    /// Requests that may wait for room in the window; 0 lets none wait.
    pub queue_max: u32,
    /// How long each of them may, in milliseconds.
    pub queue_ms: u64,
    /// How sessions on its connections live.
    pub session: SessionPlan,
    /// How long a request may take, by service.
    pub deadlines: Deadlines,
    /// When the group is taken out of use.
    pub breaker: BreakerPlan,
    /// How what must be undone is undone.
    pub reversals: ReversalPlan,
    /// Requests in flight at the host before the next is answered 91.
    pub window_max: u32,
    /// How long a late answer is still recognised, in milliseconds.
    pub tombstone_ms: u64,
}

/// Which link of a group gets a request. Among the connections of a link it is always the one
/// with the fewest requests in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The one with the fewest requests in flight.
    LeastOutstanding,
    /// Each in turn.
    RoundRobin,
    /// The first in the order of the plan that can be used.
    PrimaryBackup,
    /// Always the same for one account, as long as it can be used.
    Sticky,
}

/// On which link the answer to a request is taken (switch semantics 21).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// On any connection of the link the request went over.
    Same,
    /// On any link of the group: its hosts share their queues.
    Any,
}

/// Sign-on and echo of a host connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionPlan {
    /// Whether 0800/001 must be accepted before anything else is sent.
    pub sign_on: bool,
    /// Whether the host must send an 0800/001 of its own before anything else is sent. If it need
    /// not and does all the same, that counts as accepting ours (switch semantics 39).
    pub peer_signs_on: bool,
    /// How long any 0800 may stay unanswered, in milliseconds.
    pub answer_ms: u64,
    /// Idle time after which an echo is sent, in milliseconds; 0 sends none.
    pub echo_idle_ms: u64,
    /// Unanswered echoes in a row after which the connection is closed.
    pub echo_misses_max: u32,
}

/// Milliseconds from receiving a request to giving up on the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Whatever moves or holds money.
    pub payment_ms: u64,
    /// Balance and other short inquiries.
    pub inquiry_ms: u64,
    /// Statements (35, 38).
    pub statement_ms: u64,
}

/// When a breaker trips and how it recovers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPlan {
    /// Failures in a row that open it.
    pub failures_max: u32,
    /// The sliding window over which rates are judged, in milliseconds.
    pub window_ms: u64,
    /// Calls in the window below which rates are not judged.
    pub calls_min: u32,
    /// Failed calls in the window, in percent, that open it.
    pub failure_percent: u32,
    /// A call at least this long is slow, in milliseconds.
    pub slow_ms: u64,
    /// Slow calls in the window, in percent, that open it.
    pub slow_percent: u32,
    /// First time it stays open, in milliseconds; doubles until `open_ms_max`.
    pub open_ms: u64,
    /// Longest time it stays open, in milliseconds.
    pub open_ms_max: u64,
    /// Good probes in a row that close it.
    pub probes: u32,
}

/// How reversals are sent until they are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReversalPlan {
    /// 0420, an advice, or 0400 where a network wants requests (switch semantics 28). Its repeats
    /// are 0421 or 0401.
    pub mti: Mti,
    /// How long a 0420 may stay unanswered, in milliseconds.
    pub answer_ms: u64,
    /// First wait before it is repeated, in milliseconds; doubles until `retry_ms_max`.
    pub retry_ms: u64,
    /// Longest wait, in milliseconds.
    pub retry_ms_max: u64,
    /// "Not found" is believed of a repeat sent this long after the reversal was queued, in
    /// milliseconds: by then the original cannot be on its way any more.
    pub guard_ms: u64,
    /// Reversals in flight at the host.
    pub window_max: u32,
    /// Age from which an unsettled reversal raises an alarm, in milliseconds.
    pub alarm_ms: u64,
    /// Age at which it is sent no more and waits for a person, in milliseconds (switch semantics
    /// 30, 45).
    pub age_ms_max: u64,
}

/// Where a request goes. An empty list fits everything.
#[derive(Clone, Debug)]
pub struct RoutePlan {
    /// As the configuration names it.
    pub name: String,
    /// Message types, without the repeat digit.
    pub mti: Vec<Mti>,
    /// First two digits of DE3.
    pub codes: Vec<[u8; 2]>,
    /// Beginnings of DE102.
    pub account_prefixes: Vec<String>,
    /// Beginnings of DE2.
    pub card_prefixes: Vec<String>,
    /// Who may use it.
    pub participants: Vec<ParticipantId>,
    /// Whether the account (DE102, or without it the one of the card) must be linked to a bank, or
    /// must not be; `None` is either.
    pub linked: Option<bool>,
    /// Where it leads.
    pub to: RouteTo,
}

/// Where a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteTo {
    /// To the hosts of a group.
    Group(GroupId),
    /// Over HTTP to the bank that the account is linked to.
    Bank,
}

/// A bank reached over HTTP, as far as decisions need it. Its address, its ways and its keys are
/// the adapters'.
#[derive(Clone, Debug)]
pub struct BankPlan {
    /// As the configuration names it.
    pub name: String,
    /// From when on a payment counts as accepted.
    pub accept: Acceptance,
    /// What a channel hears before the customer has approved a payment.
    pub mode: crate::fact::ApprovalMode,
    /// DE39 of a soft decline.
    pub soft_decline: veksel_codecs::ResponseCode,
    /// How long a request may take, by service.
    pub deadlines: Deadlines,
    /// How long the customer may take to approve, in milliseconds.
    pub approval_ms: u64,
    /// How old a cached balance may be to be given, in milliseconds.
    pub cache_ms: u64,
    /// The age from which a cached balance that is given raises an alarm, in milliseconds.
    pub stale_ms: u64,
    /// How often a balance is read without its customer, in milliseconds; 0 for never.
    pub refresh_ms: u64,
    /// Whether a cached balance is given although the consent is over.
    pub cache_without_consent: bool,
    /// Reads of one endpoint of an account in 24 hours that its customer did not ask for.
    pub unattended_max: u32,
    /// Who acts for a customer that is there; empty is everybody.
    pub attended: Vec<ParticipantId>,
    /// How long a consent is asked for, in milliseconds.
    pub consent_ms: u64,
    /// Whether the channels are told how a payment ended by an advice (0620 or 0220).
    pub advises: bool,
    /// Whether a lost payment is looked for by repeating its order, because the bank recognises
    /// it, and not by reading the account.
    pub deduplicates: bool,
}

/// From when on a payment counts as accepted: its bank says one of these, and if asked for, the
/// customer's approval is final too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Any of these.
    pub statuses: Vec<crate::fact::PaymentStatus>,
    /// Only with an approval that is final or was not needed.
    pub needs_approval: bool,
}

/// Who is paid behind what a message names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayeePlan {
    /// DE42 of an acceptor, or the id of a biller, trailing spaces removed.
    pub id: String,
    /// IBAN or domestic number.
    pub account: String,
    /// Name on the payment.
    pub name: String,
}

/// Who may pay from a linked account (http-contracts 4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KycPlan {
    /// Whether anybody is asked for.
    pub required: bool,
    /// How old an approval may be, in milliseconds; 0 is any age.
    pub age_ms_max: u64,
    /// How long after its document has expired a customer may still pay, in milliseconds.
    pub document_grace_ms: u64,
    /// Youngest age, in years.
    pub years_min: u32,
    /// The most that one payment may be, by level of the check; a level that is not here has no
    /// limit.
    pub tiers: Vec<TierPlan>,
}

/// The most that one payment may be at a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierPlan {
    /// The level's name.
    pub level: String,
    /// Minor units of `currency`; a payment in another currency is not judged by it.
    pub amount_max: u64,
    /// ISO 4217 numeric.
    pub currency: u16,
}

/// Bounds of the engine's tables. Full is an answer (91), never a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in flight altogether.
    pub in_flight_max: u32,
    /// Share of `in_flight_max` kept for reversals and advices, in percent.
    pub reserved_percent: u32,
    /// How long a request may wait to be looked at before it is answered 91, in milliseconds.
    pub wait_ms: u64,
    /// Late answers that can still be recognised, per group.
    pub tombstones_max: u32,
    /// Reversals and advices not yet settled; beyond it new payments are refused first.
    pub reversals_max: u32,
    /// Recent requests that are recognised without asking the store.
    pub keys_max: u32,
    /// Connections the engine follows.
    pub connections_max: u32,
    /// Payments at banks that are followed; beyond it new ones are answered 91.
    pub payments_max: u32,
    /// Linked accounts, customers and cards, each.
    pub links_max: u32,
}

/// 32 secret bytes. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestKey(pub [u8; 32]);

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(****)")
    }
}

impl BankPlan {
    /// With everything as it is by default.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            accept: Acceptance::default(),
            mode: crate::fact::ApprovalMode::Pending,
            soft_decline: veksel_codecs::ResponseCode::SOFT_DECLINE,
            deadlines: Deadlines { payment_ms: 18_000, inquiry_ms: 8_000, statement_ms: 12_000 },
            approval_ms: 300_000,
            cache_ms: 24 * 3_600_000,
            stale_ms: 12 * 3_600_000,
            refresh_ms: 6 * 3_600_000,
            cache_without_consent: false,
            unattended_max: 4,
            attended: Vec::new(),
            consent_ms: 90 * 24 * 3_600_000,
            advises: true,
            deduplicates: false,
        }
    }
}

impl Default for Acceptance {
    fn default() -> Self {
        let statuses = [
            crate::fact::PaymentStatus::InProcess,
            crate::fact::PaymentStatus::Settled,
            crate::fact::PaymentStatus::Credited,
        ];
        Self { statuses: statuses.to_vec(), needs_approval: false }
    }
}

impl Default for KycPlan {
    fn default() -> Self {
        Self {
            required: false,
            age_ms_max: 0,
            document_grace_ms: 0,
            years_min: 18,
            tiers: Vec::new(),
        }
    }
}

impl LinkPlan {
    /// With everything as it is by default.
    #[must_use]
    pub fn named(name: &str, role: LinkRole) -> Self {
        Self { name: name.to_owned(), role, session: ChannelSessionPlan::default() }
    }
}

impl ParticipantPlan {
    /// What most are told by how a payment at a bank ended.
    pub const TOLD_BY: Mti = Mti::known(b"0620");

    /// What tells of a completion where 06xx is not known.
    pub const TOLD_BY_COMPLETION: Mti = Mti::known(b"0220");

    /// With the limits of guarantees 4.2.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let grants = Grants::default();
        Self {
            name: name.to_owned(),
            in_flight_max: 256,
            grants,
            rate: 0,
            burst: 0,
            file_actions: false,
            told_by: Self::TOLD_BY,
            stamps_anew: false,
        }
    }
}

impl GroupPlan {
    /// With everything as it is by default.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            policy: Policy::LeastOutstanding,
            answers: Answers::Same,
            warm_up_ms: 10_000,
            queue_max: 256,
            queue_ms: 500,
            session: SessionPlan::default(),
            deadlines: Deadlines::default(),
            breaker: BreakerPlan::default(),
            reversals: ReversalPlan::default(),
            window_max: 128,
            tombstone_ms: 300_000,
        }
    }
}

impl Default for SessionPlan {
    fn default() -> Self {
        Self {
            sign_on: true,
            peer_signs_on: false,
            answer_ms: 10_000,
            echo_idle_ms: 60_000,
            echo_misses_max: 3,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { payment_ms: 15_000, inquiry_ms: 8_000, statement_ms: 12_000 }
    }
}

impl Default for BreakerPlan {
    fn default() -> Self {
        Self {
            failures_max: 5,
            window_ms: 30_000,
            calls_min: 20,
            failure_percent: 50,
            slow_ms: 5_000,
            slow_percent: 80,
            open_ms: 5_000,
            open_ms_max: 60_000,
            probes: 3,
        }
    }
}

impl Default for ReversalPlan {
    fn default() -> Self {
        Self {
            mti: Mti::known(b"0420"),
            answer_ms: 15_000,
            retry_ms: 5_000,
            retry_ms_max: 300_000,
            guard_ms: 60_000,
            window_max: 8,
            alarm_ms: 900_000,
            age_ms_max: 3 * 24 * 3_600_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight_max: 4_096,
            reserved_percent: 25,
            wait_ms: 500,
            tombstones_max: 65_536,
            reversals_max: 100_000,
            keys_max: 65_536,
            connections_max: 20_000,
            payments_max: 100_000,
            links_max: 1_000_000,
        }
    }
}
