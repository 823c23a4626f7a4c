//! Cards: whether the card of a request may be used for its account.
//!
//! A request without DE2 has no card, and nothing here concerns it. The account need not be the
//! one printed in the card table: a card opens every account of its customer, and DE3 and DE102
//! say which. No PIN and no chip data is looked at.

use veksel_codecs::{Message, ResponseCode, field};
use veksel_core::time::Utc;

use super::Issuer;
use super::draft::Decline;
use crate::directory::CardStatus;

impl Issuer {
    pub(super) fn check_card(
        &self,
        now: Utc,
        message: &Message,
        account: &str,
    ) -> Result<(), Decline> {
        let Some(pan) = message.get(field::PAN) else {
            return Ok(());
        };
        let card = self.directory.card(pan.expose()).ok_or(ResponseCode::INVALID_ACCOUNT)?;
        if card.account != account && !self.is_same_customer(&card.account, account) {
            return Err(ResponseCode::INVALID_ACCOUNT.into());
        }
        match card.status {
            CardStatus::Active => {}
            CardStatus::Blocked => return Err(ResponseCode::RESTRICTED.into()),
            CardStatus::Lost => return Err(ResponseCode::LOST_CARD.into()),
            CardStatus::Stolen => return Err(ResponseCode::STOLEN_CARD.into()),
        }
        let is_other = message.get(field::EXPIRY).is_some_and(|said| said != *card.expiry);
        if is_other || has_expired(now, &card.expiry) {
            return Err(ResponseCode::EXPIRED_CARD.into());
        }
        Ok(())
    }

    pub(super) fn is_same_customer(&self, one: &str, other: &str) -> bool {
        let customer = |number| self.ledger.customer_account(number).map(|(_, _, h)| &h.customer);
        customer(one).is_some_and(|one| customer(other) == Some(one))
    }
}

/// `YYMM` of this century; the last day of the month still counts.
fn has_expired(now: Utc, expiry: &str) -> bool {
    let civil = now.civil();
    let month = format!("{:02}{:02}", civil.year % 100, civil.month);
    expiry < month.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_valid_through_its_month() {
        // 2026-11-30T23:59:59Z and a second later.
        let (last, first) = (Utc(1_796_083_199_000), Utc(1_796_083_200_000));
        assert_eq!(last.to_string(), "2026-11-30T23:59:59.000Z");
        assert!(!has_expired(last, "2611") && has_expired(first, "2611"));
        assert!(has_expired(last, "2512") && !has_expired(first, "2701"));
    }
}
