//! Planted bugs: known mistakes that the simulation must catch, to prove that its oracles see.
//!
//! Without the feature `planted-bugs` none of them exists in the program. With it, a test chooses
//! one for its thread; none is chosen at first.

macro_rules! bugs {
    ($($name:ident, $text:literal;)*) => {
        /// A mistake somebody could make.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[cfg_attr(
            not(feature = "planted-bugs"),
            expect(unreachable_pub, dead_code, reason = "only tests choose one")
        )]
        pub enum Bug {
            $(#[doc = $text] $name,)*
        }

        impl Bug {
            /// Every planted bug.
            #[cfg(feature = "planted-bugs")]
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

bugs! {
    AnswerBeforeOutcome, "The channel is answered before the outcome is durable.";
    SendBeforeIntent, "The request leaves before its intent is durable.";
    NoReversalOnTimeout, "A timeout is answered 68 and nothing is reversed.";
    NoReversalOnClose, "A connection that dies leaves what it carried without a reversal.";
    NoReversalOnRestart, "What was in flight at a restart is taken for never sent.";
    NoReversalUndelivered, "An approval that cannot be delivered is forgotten.";
    NotFoundAtOnce, "\"Not found\" is believed of the first reversal.";
    RetryAfterSend, "A request is sent again on another connection after a byte was written.";
    LateSettles, "A late approval ends the reversal: the payment was made after all.";
    Misnamed, "A reversal names its original by the channel's trace number.";
    AmountUnchecked, "An answer with another amount is taken.";
    StanOnly, "An answer is matched by its trace number alone.";
    ReversalForgotten, "A reversal is dropped when its first answer does not come.";
    DuplicateExecuted, "A duplicate of something that is over is executed again.";
    DuplicateInFlight, "A duplicate of something in flight is executed beside it.";
    ClashReplayed, "Other content under the same key gets the stored answer.";
    CommitAssumed, "Records are taken for durable when their commit begins. In the driver.";
    TombstoneSkipped, "A request whose reversal came first is executed.";
}

#[cfg(feature = "planted-bugs")]
mod chosen {
    use super::Bug;
    use std::cell::Cell;

    std::thread_local! {
        static CHOSEN: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Plants a bug in every engine of this thread, or none.
    pub fn plant(bug: Option<Bug>) {
        CHOSEN.set(bug);
    }

    /// Whether this bug is planted in this thread.
    #[must_use]
    pub fn planted(bug: Bug) -> bool {
        CHOSEN.get() == Some(bug)
    }
}

#[cfg(feature = "planted-bugs")]
pub use chosen::{plant, planted};

/// Whether the engine is to make this mistake. It never is in a program people run.
#[cfg(not(feature = "planted-bugs"))]
#[inline]
pub(crate) const fn planted(_: Bug) -> bool {
    false
}
