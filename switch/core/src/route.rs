//! Routing: which group a request goes to.
//!
//! Routes are tried in the order of the plan and the first that fits decides, so what is tried
//! first is what the file says first. A route fits by message type, processing code, beginning
//! of the account, beginning of the card, and participant.

use crate::plan::{GroupId, ParticipantId, Plan, RoutePlan, RouteTo};
use veksel_codecs::{Message, field};

/// What a route decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Index into the plan's routes.
    pub index: usize,
    /// Where it leads.
    pub group: GroupId,
}

impl Plan {
    /// The route of a request, or `None` if no route fits.
    #[must_use]
    pub fn route(&self, message: &Message, participant: ParticipantId) -> Option<Route> {
        let index = self.routes.iter().position(|route| fits(route, message, participant))?;
        let RouteTo::Group(group) = self.routes.get(index)?.to else { return None };
        Some(Route { index, group })
    }
}

fn fits(route: &RoutePlan, message: &Message, participant: ParticipantId) -> bool {
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
    if !route.card_prefixes.is_empty() {
        let card = message.get(field::PAN);
        return begins(card.as_ref().map(field::Pan::expose), &route.card_prefixes);
    }
    true
}
