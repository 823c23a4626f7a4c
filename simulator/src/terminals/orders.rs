//! What terminals send: a sequence of orders that the seed decides, and the message for each.
//!
//! The sequence depends on the seed, the mix and the tables, and on nothing else: not on the
//! clock, the connection or the answers. Those come in when an order is made a message.

use veksel_codecs::structured::tags;
use veksel_codecs::{Message, Mti, field};

use super::numbers::{Rrn, Stamp};
use super::pool::{Market, Payer, Pool, amounts};
use super::random::Random;
use super::{Kind, Mix};
use crate::directory::Biller;
use crate::magic;
use crate::money::{Currency, Money};

/// DE32 of everything terminals send: the switch is their acquirer.
pub(crate) const ACQUIRER: &str = "500001";

/// DE42, 15 characters.
const ACCEPTOR: &str = "VEKSELTERMINALS";

/// Every request is one; there are no holds and no completions in the mix.
const REQUEST: Mti = Mti::known(b"0200");

/// What a shop is: DE18 and DE43.
struct Shop {
    category: &'static str,
    name: &'static str,
}

const SHOPS: [Shop; 5] = [
    Shop { category: "5411", name: "FJORD DAGLIGVARE         OSLO         NO" },
    Shop { category: "5541", name: "BENSIN E6                TRONDHEIM    NO" },
    Shop { category: "5812", name: "KAFE BRYGGEN             BERGEN       NO" },
    Shop { category: "5942", name: "BOKHANDEL SENTRUM        STAVANGER    NO" },
    Shop { category: "4111", name: "NORDBUSS BILLETT         BODO         NO" },
];

/// One request before it has a time, a number and a terminal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order<'p> {
    payer: &'p Payer,
    currency: Currency,
    /// Minor units; 0 for an inquiry.
    amount: u64,
    /// DE60.
    channel: &'static str,
    task: Task<'p>,
}

/// What only one kind has.
#[derive(Clone, Debug, PartialEq)]
enum Task<'p> {
    Balance,
    Statement { lines: u64 },
    Purchase { shop: usize },
    Transfer { to: &'p Payer },
    Bill { biller: &'p Biller, reference: String, bill: u64 },
}

/// What a message needs besides its order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'e> {
    pub(crate) stan: u64,
    pub(crate) rrn: Rrn,
    pub(crate) terminal: &'e str,
    pub(crate) stamp: &'e Stamp,
}

/// The sequence.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    random: Random,
    mix: Mix,
    magic_percent: u8,
}

impl Orders {
    /// So many of a hundred payments have an amount that provokes an answer.
    pub(crate) const fn new(seed: u64, mix: Mix, magic_percent: u8) -> Self {
        Self { random: Random::new(seed), mix, magic_percent }
    }

    /// The next order. `None` only if the pool has nobody for a kind of the mix, which
    /// [`Pool::new`] refuses.
    pub(crate) fn next<'p>(&mut self, pool: &'p Pool) -> Option<Order<'p>> {
        let kind = self.kind()?;
        self.order(kind, pool)
    }

    /// An order of a kind, whatever its share is.
    pub(crate) fn order<'p>(&mut self, kind: Kind, pool: &'p Pool) -> Option<Order<'p>> {
        let (market, place) = pool.pick(&mut self.random, kind)?;
        let payer = market.payers.get(place)?;
        let channel = *self.random.pick(channels(kind))?;
        let amount = if kind.moves_money() { self.amount(market.currency) } else { 0 };
        let task = self.task(kind, market, place)?;
        Some(Order { payer, currency: market.currency, amount, channel, task })
    }

    fn kind(&mut self) -> Option<Kind> {
        let total = Kind::ALL.iter().map(|kind| u64::from(kind.share(&self.mix))).sum();
        let mut drawn = self.random.below(total);
        Kind::ALL.into_iter().find(|kind| {
            let share = u64::from(kind.share(&self.mix));
            let is_it = drawn < share;
            drawn = drawn.saturating_sub(share);
            is_it
        })
    }

    fn task<'p>(&mut self, kind: Kind, market: &'p Market, place: usize) -> Option<Task<'p>> {
        Some(match kind {
            Kind::Balance => Task::Balance,
            Kind::Statement => Task::Statement { lines: 1 + self.random.below(10) },
            Kind::Purchase => Task::Purchase { shop: self.random.place(SHOPS.len()) },
            Kind::Transfer => {
                // Anybody but the payer himself.
                let others = market.payers.len().checked_sub(1)?;
                let step = 1 + self.random.place(others);
                let to = market.payers.get((place + step) % market.payers.len())?;
                Task::Transfer { to }
            }
            Kind::Bill => {
                let biller = self.random.pick(&market.billers)?;
                let width = usize::from(biller.reference_digits);
                let most = 10_u64.saturating_pow(u32::from(biller.reference_digits));
                let digits = self.random.below(most);
                let reference = format!("{digits:0width$}");
                Task::Bill { biller, reference, bill: self.random.below(1_000_000_000) }
            }
        })
    }

    fn amount(&mut self, currency: Currency) -> u64 {
        let range = amounts(currency);
        let amount = range.start() + self.random.below(range.end() - range.start() + 1);
        if self.random.below(100) < u64::from(self.magic_percent) {
            let ending = if self.random.below(2) == 0 { 51 } else { 91 };
            return amount - amount % 100 + ending;
        }
        // 0 is never magic, so this ends.
        (0..=amount).rev().find(|amount| magic::find(*amount).is_none()).unwrap_or(amount)
    }
}

impl Order<'_> {
    pub(crate) const fn kind(&self) -> Kind {
        match self.task {
            Task::Balance => Kind::Balance,
            Task::Statement { .. } => Kind::Statement,
            Task::Purchase { .. } => Kind::Purchase,
            Task::Transfer { .. } => Kind::Transfer,
            Task::Bill { .. } => Kind::Bill,
        }
    }

    /// DE4 and DE49. Zero for an inquiry.
    pub(crate) fn money(&self) -> Money {
        Money::new(i64::try_from(self.amount).unwrap_or(0), self.currency)
    }

    /// DE3.
    pub(crate) fn code(&self) -> String {
        let to = match &self.task {
            Task::Transfer { to } => to.product,
            Task::Balance | Task::Statement { .. } | Task::Purchase { .. } | Task::Bill { .. } => {
                "00"
            }
        };
        format!("{}{}{to}", self.kind().code(), self.payer.product)
    }

    /// Makes `message`, whose memory is used again, the request for this order.
    pub(crate) fn write(&self, envelope: Envelope<'_>, message: &mut Message) {
        message.clear();
        message.set_mti(REQUEST);
        message.set(field::PROCESSING_CODE, &self.code());
        message.set(field::AMOUNT, self.amount);
        message.set(field::TRANSMISSION, &envelope.stamp.transmission);
        message.set(field::STAN, envelope.stan);
        message.set(field::LOCAL_TIME, &envelope.stamp.time);
        message.set(field::LOCAL_DATE, &envelope.stamp.date);
        message.set(field::ACQUIRER, ACQUIRER);
        message.set(field::RRN, envelope.rrn.as_str());
        message.set(field::TERMINAL, envelope.terminal);
        message.set(field::ACCEPTOR, ACCEPTOR);
        message.set(field::CURRENCY, self.currency.numeric().into());
        message.set(field::CHANNEL, self.channel);
        message.set(field::ACCOUNT, &self.payer.number);
        self.write_task(message);
    }

    fn write_task(&self, message: &mut Message) {
        match &self.task {
            Task::Balance => {}
            Task::Statement { lines } => {
                let lines = format!("{lines:02}");
                let text = tags::format([(tags::LINES_MAX, lines.as_str())]);
                message.set(field::ADDITIONAL_DATA, &text);
            }
            Task::Purchase { shop } => self.write_purchase(*shop, message),
            Task::Transfer { to } => {
                message.set(field::COUNTER_ACCOUNT, &to.number);
                message.set(field::NARRATION, "TERMINAL TRANSFER");
            }
            Task::Bill { biller, reference, bill } => {
                let bill = format!("{bill:09}");
                let tags = tags::format([
                    (tags::BILLER, biller.id.as_str()),
                    (tags::REFERENCE, reference.as_str()),
                    (tags::BILL, bill.as_str()),
                ]);
                message.set(field::ADDITIONAL_DATA, &tags);
                message.set(field::COUNTER_ACCOUNT, &biller.id);
            }
        }
    }

    fn write_purchase(&self, shop: usize, message: &mut Message) {
        if let Some(shop) = SHOPS.get(shop) {
            message.set(field::CATEGORY, shop.category);
            message.set(field::ACCEPTOR_NAME, shop.name);
        }
        message.set(field::CONDITION, "00");
        match &self.payer.card {
            Some(card) => {
                message.set(field::PAN, &card.pan);
                message.set(field::EXPIRY, &card.expiry);
                // Chip, and the terminal takes a PIN.
                message.set(field::ENTRY_MODE, "051");
            }
            None => message.set(field::ENTRY_MODE, "010"),
        }
    }
}

/// DE60: where customers do this.
const fn channels(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Balance | Kind::Statement => &["ATM", "MOB", "WEB", "BRN"],
        Kind::Purchase => &["POS"],
        Kind::Transfer => &["MOB", "WEB", "BRN"],
        Kind::Bill => &["MOB", "WEB"],
    }
}

#[cfg(test)]
mod tests {
    use super::super::numbers::{Numbers, stan, terminal};
    use super::*;
    use crate::seeds::Seeds;
    use bytes::BytesMut;
    use proptest::prelude::*;
    use std::sync::LazyLock;
    use veksel_codecs::{Codec, Dialect};

    const MIX: Mix = Mix { balance: 40, statement: 10, purchase: 20, transfer: 20, bill: 10 };
    static POOL: LazyLock<Pool> =
        LazyLock::new(|| Pool::new(&Seeds::embedded().unwrap(), &MIX, "2611").unwrap());

    fn sequence(seed: u64, magic_percent: u8, count: usize) -> Vec<Order<'static>> {
        let mut orders = Orders::new(seed, MIX, magic_percent);
        (0..count).map(|_| orders.next(&POOL).unwrap()).collect()
    }

    #[test]
    fn a_seed_decides_the_sequence() {
        assert_eq!(sequence(7, 0, 2_000), sequence(7, 0, 2_000));
        assert_ne!(sequence(7, 0, 20), sequence(8, 0, 20));
    }

    #[test]
    fn kinds_come_in_the_proportions_of_the_mix() {
        let orders = sequence(3, 0, 10_000);
        for kind in Kind::ALL {
            let count = orders.iter().filter(|order| order.kind() == kind).count();
            let expected = usize::try_from(kind.share(&MIX)).unwrap() * 100;
            assert!(count.abs_diff(expected) < 250, "{kind:?}: {count} of {expected}");
        }
    }

    #[test]
    fn amounts_provoke_nothing_unless_they_are_asked_to() {
        for order in sequence(5, 0, 20_000) {
            let minor = order.money().minor;
            assert_eq!(minor > 0, order.kind().moves_money());
            assert_eq!(magic::find(minor.unsigned_abs()), None, "{minor}");
        }
        let provoking = sequence(5, 30, 20_000);
        let paying = provoking.iter().filter(|order| order.kind().moves_money());
        let ending = |n| paying.clone().filter(|order| order.money().minor % 100 == n).count();
        assert!((1_200..1_800).contains(&ending(51)), "{}", ending(51));
        assert!((1_200..1_800).contains(&ending(91)), "{}", ending(91));
        assert_eq!(ending(68), 0);
    }

    #[test]
    fn nobody_pays_himself() {
        for order in sequence(11, 0, 5_000) {
            if let Task::Transfer { to } = order.task {
                assert_ne!(order.payer.number, to.number);
            }
        }
    }

    #[test]
    fn an_order_shows_no_card_number() {
        let orders = sequence(13, 0, 500);
        let shown = format!("{orders:?}");
        let pans = orders.iter().filter_map(|order| order.payer.card.as_ref());
        assert!(pans.clone().count() > 100);
        assert!(pans.into_iter().all(|card| !shown.contains(&card.pan)));
    }

    proptest! {
        #[test]
        fn every_request_is_what_its_dialect_asks_for(
            seed in any::<u64>(),
            serial in 1..78_364_164_096_u64,
            second in 0..4_000_000_000_i64,
            connection in 0..10_000_usize,
            name in prop_oneof!["cbs-ascii-bin", "cbs-ascii-hex", "cbs-bcd"].no_shrink(),
        ) {
            let codec = Codec::new(Dialect::shipped(&name).unwrap());
            let mut orders = Orders::new(seed, MIX, 10);
            let (mut message, mut read) = (Message::new(), Message::new());
            let stamp = Stamp::at(jiff::Timestamp::from_second(second).unwrap());
            let terminal = terminal(connection);
            for serial in serial..serial + 40 {
                let rrn = Numbers::new(seed).rrn(serial);
                let envelope =
                    Envelope { stan: stan(serial), rrn, terminal: &terminal, stamp: &stamp };
                let order = orders.next(&POOL).unwrap();
                order.write(envelope, &mut message);
                prop_assert_eq!(codec.check(&message, true), Ok(()));
                let mut bytes = BytesMut::new();
                codec.encode(&message, &mut bytes).unwrap();
                codec.decode_into(&bytes, &mut read).unwrap();
                prop_assert_eq!(codec.check(&read, true), Ok(()));
                prop_assert_eq!(read.get(field::STAN), Some(stan(serial)));
                prop_assert_eq!(read.get(field::AMOUNT), Some(order.amount));
            }
        }
    }
}
