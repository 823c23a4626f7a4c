//! Routing: which group a request goes to.
//!
//! Routes are tried in the order of the plan and the first that fits decides, so what is tried
//! first is what the file says first. A route fits by message type, processing code, beginning
//! of the account, beginning of the card, participant, and whether the account is linked.

use crate::plan::{GroupId, ParticipantId, Plan, RoutePlan, RouteTo};
use veksel_codecs::{Message, field};

/// What a route to a group decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Index into the plan's routes.
    pub index: usize,
    /// Where it leads.
    pub group: GroupId,
}

/// What a route decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Taken {
    /// To a group.
    Group(Route),
    /// To the bank that the account is linked to, by this route.
    Bank(usize),
}

impl Taken {
    /// Index into the plan's routes.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Group(route) => route.index,
            Self::Bank(index) => index,
        }
    }

    /// The route, if it leads to a group.
    #[must_use]
    pub const fn group(self) -> Option<Route> {
        match self {
            Self::Group(route) => Some(route),
            Self::Bank(_) => None,
        }
    }
}

impl Plan {
    /// The route of a request, or `None` if no route fits. `is_linked` says whether the account
    /// that a request is about is linked to a bank; it is asked only where a route wants to know.
    #[must_use]
    pub fn route(
        &self,
        message: &Message,
        participant: ParticipantId,
        is_linked: impl Fn(&Message) -> bool,
    ) -> Option<Taken> {
        let fits = |route: &RoutePlan| fits(route, message, participant, &is_linked);
        let index = self.routes.iter().position(fits)?;
        Some(match self.routes.get(index)?.to {
            RouteTo::Group(group) => Taken::Group(Route { index, group }),
            RouteTo::Bank => Taken::Bank(index),
        })
    }

    /// The first route that fits and leads to a group: where a request goes that no bank takes.
    #[must_use]
    pub fn route_past_banks(
        &self,
        message: &Message,
        participant: ParticipantId,
        is_linked: impl Fn(&Message) -> bool,
    ) -> Option<Route> {
        self.routes.iter().enumerate().find_map(|(index, route)| match route.to {
            RouteTo::Group(group) if fits(route, message, participant, &is_linked) => {
                Some(Route { index, group })
            }
            RouteTo::Group(_) | RouteTo::Bank => None,
        })
    }
}

fn fits(
    route: &RoutePlan,
    message: &Message,
    participant: ParticipantId,
    is_linked: impl Fn(&Message) -> bool,
) -> bool {
    if !(route.participants.is_empty() || route.participants.contains(&participant)) {
        return false;
    }
    if !(route.mti.is_empty() || route.mti.contains(&message.mti().original())) {
        return false;
    }
    let code_fits = || {
        let code = message.get(field::PROCESSING_CODE);
        let start = code.as_ref().and_then(|code| code.as_bytes().first_chunk::<2>());
        start.is_some_and(|start| route.codes.contains(start))
    };
    if !(route.codes.is_empty() || code_fits()) {
        return false;
    }
    let begins = |number: Option<&str>, prefixes: &[String]| {
        prefixes.is_empty()
            || number.is_some_and(|number| prefixes.iter().any(|p| number.starts_with(p.as_str())))
    };
    if !route.account_prefixes.is_empty() {
        // A deposit has no account to debit; it is routed by the one it credits.
        let account = message.get(field::ACCOUNT).or_else(|| message.get(field::COUNTER_ACCOUNT));
        if !begins(account.as_ref().map(field::Account::expose), &route.account_prefixes) {
            return false;
        }
    }
    if route.linked.is_some_and(|wanted| is_linked(message) != wanted) {
        return false;
    }
    if !route.card_prefixes.is_empty() {
        let card = message.get(field::PAN);
        return begins(card.as_ref().map(field::Pan::expose), &route.card_prefixes);
    }
    true
}
