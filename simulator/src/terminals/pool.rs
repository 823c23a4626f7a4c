//! Who pays whom: the accounts, cards and billers of the seed tables that traffic may use.
//!
//! Only accounts that can be expected to have money: active ones with a good balance. The first
//! eight accounts are left alone, because documents and tests rely on their balances while
//! traffic runs. The balances are those of the tables; the bank's own are not asked.

use std::fmt;
use std::ops::RangeInclusive;

use veksel_codecs::mask_pan;

use super::random::Random;
use super::{Kind, Mix};
use crate::directory::{Biller, CardStatus};
use crate::ledger::{Owner, Status};
use crate::money::Currency;
use crate::seeds::{SeedAccount, Seeds};

/// Accounts whose figures README and tests quote.
const DOCUMENTED: RangeInclusive<&str> = "10000000001"..="10000000008";

/// An account must be good for so many of the largest amounts.
const AMOUNTS_MIN: i64 = 100;

/// A card that is valid. Its number shows masked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Plastic {
    pub(crate) pan: String,
    /// DE14.
    pub(crate) expiry: String,
}

impl fmt::Debug for Plastic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_pan(&self.pan))
    }
}

/// An account that can be debited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payer {
    /// DE102.
    pub(crate) number: String,
    /// Account type in DE3, two digits.
    pub(crate) product: &'static str,
    pub(crate) card: Option<Plastic>,
}

/// Those who can pay each other, because they share a currency.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    pub(crate) currency: Currency,
    pub(crate) payers: Vec<Payer>,
    pub(crate) billers: Vec<Biller>,
}

impl Market {
    fn new(currency: Currency, seeds: &Seeds, month: &str) -> Self {
        let payers = seeds.accounts().iter().filter_map(|account| {
            let payer = payer(account, currency)?;
            let card = seeds.rows().cards.iter().find(|card| {
                card.account == payer.number
                    && card.status == CardStatus::Active
                    && card.expiry.as_str() >= month
            });
            let plastic = |pan: &String, expiry: &String| Plastic {
                pan: pan.clone(),
                expiry: expiry.clone(),
            };
            Some(Payer { card: card.map(|card| plastic(&card.pan, &card.expiry)), ..payer })
        });
        let billers = seeds.rows().billers.iter().filter(|biller| biller.currency == currency);
        Self { currency, payers: payers.collect(), billers: billers.cloned().collect() }
    }

    /// Whether a request of this kind can be made here.
    pub(crate) fn serves(&self, kind: Kind) -> bool {
        match kind {
            Kind::Balance | Kind::Statement | Kind::Purchase => !self.payers.is_empty(),
            Kind::Transfer => self.payers.len() > 1,
            Kind::Bill => !self.payers.is_empty() && !self.billers.is_empty(),
        }
    }
}

/// Everybody who takes part.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    markets: Vec<Market>,
}

impl Pool {
    /// `month` is the current one as `YYMM`: cards that expired before it are not used.
    ///
    /// # Errors
    /// A kind of the mix for which there is nobody.
    pub(crate) fn new(seeds: &Seeds, mix: &Mix, month: &str) -> Result<Self, Kind> {
        let markets = Currency::ALL.map(|currency| Market::new(currency, seeds, month));
        let pool = Self { markets: markets.into() };
        let is_served = |kind: &Kind| pool.markets.iter().any(|market| market.serves(*kind));
        match Kind::ALL.into_iter().find(|kind| kind.share(mix) > 0 && !is_served(kind)) {
            Some(kind) => Err(kind),
            None => Ok(pool),
        }
    }

    /// A market and a payer's place in it; every payer who can do this is as likely as another.
    pub(crate) fn pick(&self, random: &mut Random, kind: Kind) -> Option<(&Market, usize)> {
        let markets = || self.markets.iter().filter(|market| market.serves(kind));
        let mut place = random.place(markets().map(|market| market.payers.len()).sum());
        for market in markets() {
            if place < market.payers.len() {
                return Some((market, place));
            }
            place -= market.payers.len();
        }
        None
    }
}

/// `None` if it is of another currency or not to be used.
fn payer(account: &SeedAccount, currency: Currency) -> Option<Payer> {
    let Owner::Customer(holder) = &account.new.owner else { return None };
    let number = account.new.number.as_str();
    let dearest = i64::try_from(*amounts(currency).end()).unwrap_or(i64::MAX);
    let is_rich = account.balance - account.hold >= dearest * AMOUNTS_MIN;
    let is_usable = account.new.currency == currency && holder.status == Status::Active;
    (is_usable && is_rich && !DOCUMENTED.contains(&number)).then(|| Payer {
        number: number.to_owned(),
        product: holder.product.code(),
        card: None,
    })
}

/// What one payment may be, in minor units: about the price of a lunch.
pub(crate) const fn amounts(currency: Currency) -> RangeInclusive<u64> {
    match currency {
        Currency::Nok | Currency::Sek => 500..=20_000,
        Currency::Eur | Currency::Usd => 100..=4_000,
        Currency::Jpy => 100..=5_000,
        Currency::Kwd => 200..=10_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIX: Mix = Mix { balance: 1, statement: 1, purchase: 1, transfer: 1, bill: 1 };

    #[test]
    fn nobody_takes_part_who_would_be_declined_or_is_in_the_documents() {
        let seeds = Seeds::embedded().unwrap();
        let pool = Pool::new(&seeds, &MIX, "2611").unwrap();
        let payers = || pool.markets.iter().flat_map(|market| &market.payers);
        assert!(payers().count() > 100);
        for number in ["10000000001", "10000000008", "10000000059", "10000000080", "10000000095"] {
            assert!(payers().all(|payer| payer.number != number), "{number}");
        }
        // Lost, stolen, blocked and expired.
        for account in ["10000000035", "10000000047", "10000000058", "10000000070"] {
            assert!(payers().any(|payer| payer.number == account && payer.card.is_none()));
        }
        assert!(payers().filter(|payer| payer.card.is_some()).count() > 40);
    }

    #[test]
    fn every_currency_has_payers_and_billers() {
        let pool = Pool::new(&Seeds::embedded().unwrap(), &MIX, "2611").unwrap();
        assert_eq!(pool.markets.len(), Currency::ALL.len());
        for market in &pool.markets {
            for kind in Kind::ALL {
                assert!(market.serves(kind), "{kind:?} in {}", market.currency);
            }
        }
    }

    #[test]
    fn a_card_shows_masked() {
        let pool = Pool::new(&Seeds::embedded().unwrap(), &MIX, "2611").unwrap();
        let shown = format!("{pool:?}");
        let cards = pool.markets.iter().flat_map(|market| &market.payers);
        for card in cards.filter_map(|payer| payer.card.as_ref()) {
            assert!(!shown.contains(&card.pan));
        }
    }
}
