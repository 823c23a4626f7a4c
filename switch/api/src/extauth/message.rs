//! The messages that requests of the platform become (CBS-ISO/1).
//!
//! Their numbers are made of what the platform says and of nothing else, so that after a restart
//! too the same request is the same message: DE37 of the id of the hold, DE11 and DE41 of the
//! idempotency key within the key that signed it, DE42 of the whole request. What names an earlier
//! message shares its terminal, as ISO 8583 wants it.

use super::life::{Held, Numbers, STANS};
use super::outcome::Direction;
use crate::digest::digest_of;
use crate::exchange::Spoken;
use aws_lc_rs::hmac;
use veksel_codecs::structured::{OriginalData, tags};
use veksel_codecs::{FieldNumber, Key as FieldKey, Mti, field};
use veksel_core::Utc;
use veksel_core::plan::DigestKey;
use veksel_core::record::{CallerKey, DuplicateKey, Intent};

/// Digits of numbers that are made of digests.
const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Merchants of no other kind (ISO 18245), keyed in by nobody, under normal conditions.
const CATEGORY: &str = "5999";
const ENTRY_MODE: &str = "000";
const CONDITION: &str = "00";

/// Of a purchase, and of money that comes in.
const DEBIT: &str = "000000";
const CREDIT: &str = "210000";

/// How much, of what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Amount {
    /// Minor units, above zero.
    pub(super) minor: u64,
    /// ISO 4217 numeric.
    pub(super) currency: u16,
    /// Which way.
    pub(super) direction: Direction,
}

/// Whose account, and with which card.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// DE102.
    pub(super) account: String,
    /// DE2.
    pub(super) card: Option<String>,
}

/// What a request is known by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Identity {
    /// For what is remembered.
    pub(super) key: [u8; 32],
    /// Of everything that must be the same when it comes again.
    pub(super) content: [u8; 32],
    /// DE37 of its life.
    pub(super) rrn: String,
    /// Its own numbers.
    pub(super) numbers: Numbers,
    /// What the journal keeps of key and content. `None` without an idempotency key: then they are
    /// one, and can never be at odds.
    pub(super) caller_key: Option<CallerKey>,
}

impl Identity {
    /// Of a request to `path` about the hold or transaction `id`. Without an idempotency key its
    /// content is what it is known by.
    pub(super) fn of(
        secret: &DigestKey,
        kid: &str,
        idempotency: &str,
        path: &str,
        id: &str,
        body: &[u8],
    ) -> Self {
        let content = digest_of(&[b"content", path.as_bytes(), body]);
        let key = match idempotency {
            "" => digest_of(&[b"key", b"", &content]),
            key => digest_of(&[b"key", kid.as_bytes(), key.as_bytes()]),
        };
        let numbers = Numbers {
            stan: stan_of(&key),
            terminal: letters(&digest_of(&[b"terminal", &key]), 8),
            acceptor: letters(&content, 15),
        };
        let caller_key = (!idempotency.is_empty()).then(|| CallerKey {
            key: kept(secret, b"caller key", &key),
            content: kept(secret, b"caller content", &content),
        });
        Self { key, content, rrn: rrn_of(id), numbers, caller_key }
    }
}

/// What the journal keeps of a digest. A body may hold the number of a card, which is soon guessed
/// from a digest that everybody can make (PCI DSS 3.5.1.1).
fn kept(secret: &DigestKey, what: &[u8], digest: &[u8; 32]) -> [u8; 16] {
    let mut signing = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &secret.0));
    for part in [what, &[0], digest] {
        signing.update(part);
    }
    signing.sign().as_ref().first_chunk().copied().unwrap_or_default()
}

/// DE37 of everything about one id of the platform.
pub(super) fn rrn_of(id: &str) -> String {
    letters(&digest_of(&[b"life", id.as_bytes()]), 12)
}

/// 1 to 999999.
fn stan_of(digest: &[u8; 32]) -> u32 {
    let seed = digest.iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    u32::try_from(seed % 999_999).unwrap_or(0) + 1
}

/// The first so many digits, base 36, of a digest.
fn letters(digest: &[u8; 32], most: usize) -> String {
    let digit = |byte: &u8| DIGITS.get(usize::from(*byte) % 36).copied().map_or('0', char::from);
    digest.iter().rev().take(most).map(digit).collect()
}

/// What all messages of the platform have in common.
pub(super) struct Desk<'d> {
    /// DE32.
    pub(super) acquirer: &'d str,
    /// DE37.
    pub(super) rrn: &'d str,
    /// DE7.
    pub(super) transmission: &'d str,
}

/// DE7 of now, in UTC.
pub(super) fn transmission(now_ms: i64) -> String {
    let now = Utc(now_ms.unsigned_abs()).transmission();
    String::from_utf8_lossy(&now).into_owned()
}

impl Desk<'_> {
    fn message(&self, mti: [u8; 4], code: &str, minor: u64, currency: u16) -> Spoken {
        let mut message = Spoken { mti, fields: Vec::new() };
        let (date, time) = self.transmission.split_at_checked(4).unwrap_or_default();
        set(&mut message, field::PROCESSING_CODE, code);
        set(&mut message, field::AMOUNT, &format!("{minor:012}"));
        set(&mut message, field::TRANSMISSION, self.transmission);
        set(&mut message, field::LOCAL_TIME, time);
        set(&mut message, field::LOCAL_DATE, date);
        set(&mut message, field::ACQUIRER, self.acquirer);
        set(&mut message, field::RRN, self.rrn);
        set(&mut message, field::CURRENCY, &format!("{currency:03}"));
        message
    }

    fn at_merchant(&self, mti: [u8; 4], code: &str, minor: u64, currency: u16) -> Spoken {
        let mut message = self.message(mti, code, minor, currency);
        set(&mut message, field::CATEGORY, CATEGORY);
        set(&mut message, field::ENTRY_MODE, ENTRY_MODE);
        set(&mut message, field::CONDITION, CONDITION);
        message
    }

    /// 0100: a new hold.
    pub(super) fn hold(&self, numbers: &Numbers, amount: Amount, owner: &Owner) -> Spoken {
        let mut message = self.at_merchant(*b"0100", DEBIT, amount.minor, amount.currency);
        set_numbers(&mut message, numbers);
        set_owner(&mut message, owner);
        message
    }

    /// 0100 that names a hold in DE48: it is of this amount from now on.
    pub(super) fn change(&self, numbers: &Numbers, held: &Held, total: u64) -> Spoken {
        let currency = held.original.currency;
        let mut message = self.at_merchant(*b"0100", DEBIT, total, currency);
        set_numbers(&mut message, numbers);
        set_owner(&mut message, &owner_of(held));
        let named = tags::format([(tags::HOLD, held.tag.as_str())]);
        set(&mut message, field::ADDITIONAL_DATA, &named);
        message
    }

    /// 0200: a transaction without a hold.
    pub(super) fn transaction(&self, numbers: &Numbers, amount: Amount, owner: &Owner) -> Spoken {
        let code = match amount.direction {
            Direction::Debit => DEBIT,
            Direction::Credit => CREDIT,
        };
        let mut message = self.at_merchant(*b"0200", code, amount.minor, amount.currency);
        set_numbers(&mut message, numbers);
        match amount.direction {
            Direction::Debit => set_owner(&mut message, owner),
            Direction::Credit => {
                set(&mut message, field::COUNTER_ACCOUNT, &owner.account);
            }
        }
        message
    }

    /// An earlier message once more, with the numbers it had.
    pub(super) fn again(&self, sent: &Intent, tag: &str) -> Spoken {
        let mti = *sent.mti.original().digits();
        let mut message = self.at_merchant(mti, &sent.code, sent.amount, sent.currency);
        let DuplicateKey { stan, terminal, acceptor, .. } = sent.key.clone();
        set_numbers(&mut message, &Numbers { stan, terminal, acceptor });
        if let Some(card) = &sent.pan {
            set(&mut message, field::PAN, card.expose());
        }
        for (field, value) in [
            (field::ACCOUNT, sent.account.as_str()),
            (field::COUNTER_ACCOUNT, sent.counter_account.as_str()),
        ] {
            if !value.is_empty() {
                set(&mut message, field, value);
            }
        }
        if !tag.is_empty() {
            set(&mut message, field::ADDITIONAL_DATA, &tags::format([(tags::HOLD, tag)]));
        }
        message
    }

    /// 0220: the hold is released and the amount posted.
    pub(super) fn completion(&self, numbers: &Numbers, held: &Held, minor: u64) -> Spoken {
        let mut message = self.at_merchant(*b"0220", DEBIT, minor, held.original.currency);
        set_names(&mut message, numbers, held);
        message
    }

    /// 0400: the hold is released.
    pub(super) fn release(&self, numbers: &Numbers, held: &Held) -> Spoken {
        let (amount, currency) = (held.original.amount, held.original.currency);
        let mut message = self.message(*b"0400", DEBIT, amount, currency);
        set_names(&mut message, numbers, held);
        message
    }
}

/// What an earlier message is taken back with: a 0400 that names it. It has a trace number that is
/// made of its, and otherwise its numbers, so that it is the same whenever it is sent.
pub(super) fn undoing(named: &Spoken) -> Option<Spoken> {
    let text = |key: FieldNumber| Some(str::from_utf8(named.get(key.get())?).ok()?.to_owned());
    let stan: u32 = text(field::STAN.number())?.parse().ok()?;
    let original = OriginalData {
        mti: Mti::from_ascii(named.mti)?,
        stan,
        transmission: text(field::TRANSMISSION.number())?,
        acquirer: text(field::ACQUIRER.number())?,
        forwarder: String::new(),
    };
    let of_request = [
        field::CATEGORY.number(),
        field::ENTRY_MODE.number(),
        field::CONDITION.number(),
        field::ADDITIONAL_DATA.number(),
    ];
    let mut message = named.clone();
    message.mti = *b"0400";
    message.fields.retain(|(number, _)| of_request.iter().all(|field| field.get() != *number));
    // Not the number of a release that the same request may have become.
    set(&mut message, field::STAN, &format!("{:06}", (stan + STANS / 2) % STANS + 1));
    set(&mut message, field::ORIGINAL_DATA, &original.format());
    Some(message)
}

/// The numbers of a message that names the one that placed a hold: of its terminal.
pub(super) fn numbers_at(numbers: &Numbers, held: &Held) -> Numbers {
    let key = &held.original.key;
    Numbers { stan: numbers.stan, terminal: key.terminal.clone(), acceptor: key.acceptor.clone() }
}

fn set_names(message: &mut Spoken, numbers: &Numbers, held: &Held) {
    set_numbers(message, &numbers_at(numbers, held));
    set_owner(message, &owner_of(held));
    let original = &held.original;
    let named = OriginalData {
        mti: original.mti.original(),
        stan: original.key.stan,
        transmission: original.key.transmission.clone(),
        acquirer: original.key.acquirer.clone(),
        forwarder: original.forwarder.clone(),
    };
    set(message, field::ORIGINAL_DATA, &named.format());
}

fn owner_of(held: &Held) -> Owner {
    let card = held.original.pan.as_ref().map(|card| card.expose().to_owned());
    Owner { account: held.original.account.clone(), card }
}

fn set_numbers(message: &mut Spoken, numbers: &Numbers) {
    set(message, field::STAN, &format!("{:06}", numbers.stan));
    set(message, field::TERMINAL, &numbers.terminal);
    set(message, field::ACCEPTOR, &numbers.acceptor);
}

fn set_owner(message: &mut Spoken, owner: &Owner) {
    set(message, field::ACCOUNT, &owner.account);
    if let Some(card) = &owner.card {
        set(message, field::PAN, card);
    }
}

fn set<K>(message: &mut Spoken, key: FieldKey<K>, value: &str) {
    message.set(key.number().get(), value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: DigestKey = DigestKey([7; 32]);

    #[test]
    fn numbers_are_made_of_what_the_platform_says_and_of_nothing_else() {
        let of = |kid, key, path, body| Identity::of(&SECRET, kid, key, path, "h-1", body);
        let one = of("kid", "key", "/holds", b"{}");
        assert_eq!(one, of("kid", "key", "/holds", b"{}"));
        assert_eq!(
            (one.rrn.len(), one.numbers.terminal.len(), one.numbers.acceptor.len()),
            (12, 8, 15)
        );
        assert!((1..=999_999).contains(&one.numbers.stan));
        let other_key = of("kid", "other", "/holds", b"{}");
        assert_eq!((other_key.rrn == one.rrn, other_key.key == one.key), (true, false));
        assert_ne!(other_key.numbers.terminal, one.numbers.terminal);
        let other_signer = of("kid2", "key", "/holds", b"{}");
        assert_ne!(other_signer.key, one.key, "a key is one of whoever signed it");
        let other_body = of("kid", "key", "/holds", b"{ }");
        assert_eq!((other_body.key == one.key, other_body.content == one.content), (true, false));
        assert_ne!(other_body.numbers.acceptor, one.numbers.acceptor);
        let other_path = of("kid", "key", "/transactions", b"{}");
        assert_ne!(other_path.content, one.content);
        let keyless = of("kid", "", "/holds", b"{}");
        assert_ne!(keyless.key, of("kid", "", "/holds", b"{ }").key);
    }

    #[test]
    fn what_the_journal_keeps_is_as_equal_as_what_it_is_of_and_nobody_else_can_make_it() {
        let of = |kid, key, path, body| {
            Identity::of(&SECRET, kid, key, path, "h-1", body).caller_key.unwrap()
        };
        let one = of("kid", "key", "/holds", b"{}");
        assert_ne!(one.key, one.content);
        for other in [of("kid", "key", "/holds", b"{ }"), of("kid", "key", "/transactions", b"{}")]
        {
            assert_eq!((other.key == one.key, other.content == one.content), (true, false));
        }
        for other in [of("kid2", "key", "/holds", b"{}"), of("kid", "other", "/holds", b"{}")] {
            assert_eq!((other.key == one.key, other.content == one.content), (false, true));
        }
        let another = DigestKey([8; 32]);
        let foreign = Identity::of(&another, "kid", "key", "/holds", "h-1", b"{}");
        let foreign = foreign.caller_key.unwrap();
        assert!(foreign.key != one.key && foreign.content != one.content);
        let keyless = Identity::of(&SECRET, "kid", "", "/holds", "h-1", b"{}");
        assert_eq!(keyless.caller_key, None);
    }

    #[test]
    fn trace_numbers_are_never_zero() {
        for seed in 0..10_000_u32 {
            let stan = stan_of(&digest_of(&[&seed.to_be_bytes()]));
            assert!((1..=999_999).contains(&stan), "{stan}");
        }
    }
}
