//! What the world tells the engine and what the engine wants of it.

use crate::enquiry::{self, Ask, AskId, Call, CallId, Told};
use crate::event::Event;
use crate::keys::Stored;
use crate::plan::{ConnectionId, GroupId, LinkId, ParticipantId, Plan};
use crate::record::{CallerKey, DuplicateKey, Record, RecordId, TxnId};
use crate::time::Tick;
use veksel_codecs::{Message, Refusal};

/// Something the world tells the engine.
#[derive(Debug)]
pub enum Input {
    /// A message that its link's codec read whole and, if it is a request from a channel,
    /// found to have the fields it must have.
    Received {
        /// Where it came from.
        connection: ConnectionId,
        /// The message.
        message: Message,
    },
    /// Such a message of a caller over HTTP, on a connection that has no socket.
    Posted {
        /// Which caller.
        connection: ConnectionId,
        /// The message.
        message: Message,
        /// What the caller knows the request by that it is of, for [`crate::record::Intent`].
        caller_key: Option<CallerKey>,
    },
    /// A frame that is not such a message.
    Malformed {
        /// Where it came from.
        connection: ConnectionId,
        /// As much of it as could be read.
        message: Message,
        /// What is wrong.
        refusal: Refusal,
    },
    /// A connection was made.
    LinkUp(ConnectionId),
    /// The peer of a connection was made sure of and is this participant. Comes after `LinkUp` and
    /// before any message, on links whose role is [`Identified`](crate::plan::LinkRole).
    Identified {
        /// The connection.
        connection: ConnectionId,
        /// Who acts on it from now on.
        participant: ParticipantId,
    },
    /// A connection is gone. Every `Written` of it came before; what was not written by now
    /// never will be.
    LinkDown(ConnectionId),
    /// The first byte of a tagged message was handed to the system.
    Written(Tag),
    /// A tagged message was dropped before its first byte was written.
    Unsent {
        /// Which message.
        tag: Tag,
        /// Why.
        why: Unsent,
    },
    /// All records up to this one are durable.
    Committed {
        /// The last of them.
        upto: RecordId,
        /// Transactions whose intent the store refused; a `Conflict` follows for each.
        refused: Vec<TxnId>,
    },
    /// The store refused an intent because it holds another with the same key. What waited for
    /// the intent was dropped.
    Conflict {
        /// The transaction that was refused.
        txn: TxnId,
        /// The one that is stored; `None` if it could not be read.
        stored: Option<Box<Stored>>,
    },
    /// What the store found for [`Output::Find`].
    Found {
        /// Who asked.
        txn: TxnId,
        /// Every transaction with that DE37, if they could be read.
        stored: Result<Vec<Stored>, Unreadable>,
    },
    /// The journal holds as much as it may, or no longer does. While it does, new payments and
    /// holds are refused; what is under way is finished.
    Full(bool),
    /// The connection over which a tagged message was written, and which carried nothing else, is
    /// gone without an answer.
    Lost(Tag),
    /// A person decides about something that is to be undone or delivered.
    Operator(Command),
    /// A person decides about a group or a link.
    Control(Control),
    /// What came of [`Output::Rekey`].
    Rekeyed {
        /// Who asked for other keys.
        connection: ConnectionId,
        /// The request.
        message: Message,
        /// Whether its check value is that of the next key, which is accepted from now on.
        taken: bool,
    },
    /// Connections of a link with a lower serial were made by settings that are no longer those
    /// of the link. Each is given up once another connection of its group can do its work.
    Renewed {
        /// Which link.
        link: LinkId,
        /// The first serial that a connection with the new settings can have.
        since: u64,
    },
    /// Go on by another plan. Links, groups and participants that are known keep their places;
    /// new ones stand behind them. A plan that moves or drops one is not taken.
    Replan(Box<Plan>),
    /// What came of [`Output::Ask`].
    Answered {
        /// Which enquiry.
        id: AskId,
        /// What was found.
        verdict: Box<enquiry::Verdict>,
    },
    /// Somebody called over HTTP; answered by [`Output::Tell`].
    Called {
        /// Who waits.
        id: CallId,
        /// What is wanted.
        call: Box<Call>,
    },
    /// Finish what is in flight and take nothing new.
    Drain,
}

/// Something the engine wants done, in this order.
#[derive(Debug)]
pub enum Output {
    /// Append a record. Those wanted by one call of the engine are durable together or not at
    /// all.
    Persist {
        /// Its place in the journal.
        id: RecordId,
        /// The fact.
        record: Record,
    },
    /// Look for recorded transactions; answered by [`Input::Found`].
    Find {
        /// Who asks.
        txn: TxnId,
        /// DE37, the same for the whole life of a transaction.
        rrn: String,
        /// The keys that are looked for. A terminal may give many transactions one DE37, so that
        /// looking by it alone would miss the old ones.
        keys: Vec<DuplicateKey>,
    },
    /// Accept the next key of a link beside those in use, if the check value is its; answered by
    /// [`Input::Rekeyed`].
    Rekey {
        /// Who asked.
        connection: ConnectionId,
        /// The request, which is given back.
        message: Message,
        /// Six hexadecimal digits, as the peer wrote them.
        check_value: String,
    },
    /// Make MACs of a link with the next key, after what was sent before this.
    UseNextKey(LinkId),
    /// Write a message.
    Send {
        /// Not before this record is durable; never if the store refuses it.
        after: Option<RecordId>,
        /// Where to.
        connection: ConnectionId,
        /// The message. Give it back with [`crate::Switch::recycle`].
        message: Message,
        /// Whether to report what became of it.
        tag: Option<Tag>,
        /// Drop it rather than begin to write it at this time or later.
        expires: Option<Tick>,
    },
    /// Ask a third party; answered by [`Input::Answered`].
    Ask {
        /// Not before this record is durable; never if the store refuses it.
        after: Option<RecordId>,
        /// What is asked.
        ask: Box<Ask>,
    },
    /// Answer somebody who called.
    Tell {
        /// Not before this record is durable.
        after: Option<RecordId>,
        /// Who.
        id: CallId,
        /// What is said.
        told: Box<Told>,
    },
    /// Close a connection; what is already in its buffer may still be written.
    Close {
        /// Which.
        connection: ConnectionId,
        /// Why, for the log.
        why: Closing,
    },
    /// Count and log.
    Count(Event),
}

/// What a person may decide. Each is recorded with who decided it and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// The transaction whose reversal or delivery it is about.
    pub txn: TxnId,
    /// Who.
    pub operator: String,
    /// Why.
    pub reason: String,
    /// What.
    pub action: Action,
}

/// What is to happen to a reversal or an advice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send it again now, parked or not.
    Retry,
    /// Send it no more until somebody decides otherwise.
    Park,
    /// It is settled outside the switch and never sent again.
    Resolve,
}

/// What a person may decide about a group or one of its links. Recorded with who and why. It is
/// forgotten when the process ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Control {
    /// What it is about.
    pub target: Target,
    /// Who.
    pub operator: String,
    /// Why.
    pub reason: String,
    /// What.
    pub order: Order,
    /// For how long, in milliseconds; [`Order::Judge`] has no end.
    pub for_ms: u64,
}

/// What a breaker stands before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    /// A whole group.
    Group(GroupId),
    /// One link of a group.
    Link(LinkId),
}

/// How a breaker shall stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// Open: only reversals and echoes pass.
    ForceOpen,
    /// Closed: requests pass however they end.
    ForceClosed,
    /// Out of use: nothing new goes there, not even reversals; what is in flight may end.
    Disable,
    /// As it judges itself.
    Judge,
}

impl Order {
    /// The word for it in the audit trail and in the commands.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ForceOpen => "force-open",
            Self::ForceClosed => "force-closed",
            Self::Disable => "disable",
            Self::Judge => "judge",
        }
    }
}

/// The store could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unreadable;

/// Names a message whose fate the engine wants to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    /// The transaction it belongs to.
    pub txn: TxnId,
    /// Which message of the transaction it is.
    pub leg: Leg,
}

/// The messages of a transaction that the engine sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Leg {
    /// The request to the host.
    Request,
    /// The answer to the channel.
    Answer,
    /// What undoes it at the host, or the advice itself.
    Reversal,
}

/// Why a message was dropped before its first byte was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unsent {
    /// The connection is gone.
    Closed,
    /// No connection could be made for it: its host does not answer, or refused the sign-on.
    Unreachable,
    /// It expired while it waited.
    Expired,
    /// The connection's buffer is full: the peer does not read.
    Full,
    /// It does not fit the dialect or the framing of the link.
    Unencodable,
}

/// Why the engine closes a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closing {
    /// Its sign-on was refused or not answered.
    SignOn,
    /// Its echoes were not answered.
    Echo,
    /// There are more connections than the plan allows.
    TooMany,
    /// Others with the settings that hold now have taken its place.
    Renewed,
}
