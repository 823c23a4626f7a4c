//! The order a payment becomes, the key that is the same at every try of it, and the secrets by
//! which its customer is known when he comes back.

use crate::enquiry::{BankAccount, Billed, Money, Order, Secret};
use crate::fact::{Linked, Payment};
use crate::plan::{DigestKey, Plan};
use crate::record::{DuplicateKey, Intent, TxnId};
use core::fmt::Write as _;
use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use veksel_codecs::structured::tags;
use veksel_codecs::{FieldNumber, field};

/// UUIDv5(URL, `urn:iso8583-switch:idempotency:v1`) (http-contracts 4.5).
const NAMESPACE: [u8; 16] = [
    0xc7, 0x43, 0x1e, 0xa7, 0xe1, 0x14, 0x53, 0x3f, 0xbd, 0xe8, 0x4b, 0x6d, 0x55, 0xbf, 0x41, 0x7c,
];

/// Characters of a link id (DE48 `P2`).
const LINK_ID: usize = 12;

/// What an approval code is written with: no letter is taken for a digit.
const LETTERS: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// The stable payment key: a UUID of version 5 over what makes a request the same as another.
pub(crate) fn payment_key(key: &DuplicateKey, forwarder: &str) -> [u8; 16] {
    let class = char::from(key.class);
    let canonical = format!(
        "v1|acq={:0>11}|fwd={forwarder}|term={}|mch={}|stan={:06}|rrn={}|dt={}|cls=0{class}00",
        key.acquirer, key.terminal, key.acceptor, key.stan, key.rrn, key.transmission,
    );
    let digest = Sha1::new().chain_update(NAMESPACE).chain_update(canonical).finalize();
    let mut uuid = [0; 16];
    for (to, from) in uuid.iter_mut().zip(digest) {
        *to = from;
    }
    uuid[6] = uuid[6] & 0x0f | 0x50;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

/// 128 bits that only who was given them knows: of a payment or a link, by the switch's key.
pub(crate) fn token(secret: &DigestKey, purpose: &str, about: &[u8]) -> [u8; 16] {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(&secret.0) else { return [0; 16] };
    let digest = mac.chain_update(purpose).chain_update([0]).chain_update(about).finalize();
    let mut token = [0; 16];
    for (to, from) in token.iter_mut().zip(digest.into_bytes()) {
        *to = from;
    }
    token
}

/// What a card is known by: a digest of its number that only who has the switch's key can make, so
/// that nobody who reads the journal finds it by trying numbers (PCI DSS 3.5.1.1).
pub(crate) fn card(secret: &DigestKey, number: &str) -> [u8; 32] {
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(&secret.0) else { return [0; 32] };
    mac.chain_update("card").chain_update([0]).chain_update(number).finalize().into_bytes().into()
}

/// What proves that who exchanges a code is who asked for it (RFC 7636 4.1): 256 bits that follow
/// from the switch's key alone, so that a restart between the two knows it too.
pub(crate) fn verifier(secret: &DigestKey, state: &[u8; 16]) -> Secret {
    let halves = ["verifier", "verifier too"].map(|purpose| token(secret, purpose, state));
    Secret::new(halves.map(|half| hexadecimal(&half)).concat())
}

/// The short id under which the portal finds where a payment is approved. Nothing of the token
/// that the redirect brings back can be told from it.
pub(crate) fn link_id(secret: &DigestKey, txn: TxnId) -> String {
    let mut id = hexadecimal(&token(secret, "approve", &txn.0.to_be_bytes()));
    id.truncate(LINK_ID);
    id
}

/// The same for a consent, by what its redirect brings back.
pub(crate) fn consent_link_id(secret: &DigestKey, state: &[u8; 16]) -> String {
    let mut id = hexadecimal(&token(secret, "approve consent", state));
    id.truncate(LINK_ID);
    id
}

/// DE38 of an approved payment: six characters from its key.
pub(crate) fn approval(key: &[u8; 16]) -> String {
    key.iter().rev().take(6).copied().map(letter).collect()
}

/// What tells a payment from every other in an account ([`Order::mark`]).
pub(crate) fn mark(key: &[u8; 16]) -> String {
    key.iter().rev().take(8).copied().map(letter).collect()
}

fn letter(byte: u8) -> char {
    char::from(LETTERS[usize::from(byte) % LETTERS.len()])
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Who is paid, and what the bill is, if it is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Payee {
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) reference: String,
}

/// Why nobody can be paid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unpayable {
    /// The code is not of a payment to somebody else: a deposit or a refund.
    Direction,
    /// No code of a payment.
    Code,
    /// Nobody is known behind the acceptor (DE42).
    Acceptor,
    /// Nobody is known behind the biller (DE48 tag 10).
    Biller,
    /// There is no account to be credited (DE103).
    Account,
}

/// Who is paid by a request: DE103 of a transfer, who stands behind DE42 of a purchase, who behind
/// the biller of a bill (http-contracts 4.1).
pub(crate) fn payee(plan: &Plan, intent: &Intent) -> Result<Payee, Unpayable> {
    let carried = |number: u8| {
        let found = intent.carried.iter().find(|(field, _)| *field == number);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let additional = carried(field::ADDITIONAL_DATA.number().get());
    let tag = |tag| tags::find(additional, tag).map(str::trim).unwrap_or_default().to_owned();
    let known = |id: &str| plan.payees.iter().find(|payee| payee.id == id);
    match intent.code.get(..2).unwrap_or_default() {
        "40" => {
            let account = intent.counter_account.trim().to_owned();
            if account.is_empty() {
                return Err(Unpayable::Account);
            }
            let name = tag(tags::NAME);
            let directory = known(&account).map(|payee| payee.name.clone());
            let named = Some(name).filter(|name| !name.is_empty()).or(directory);
            let name = named.unwrap_or_else(|| account.clone());
            Ok(Payee { account, name, reference: String::new() })
        }
        "00" | "01" | "09" => {
            let payee = known(&intent.key.acceptor).ok_or(Unpayable::Acceptor)?;
            // DE43 begins with the name; 22 characters of it in most networks.
            let shown: String =
                carried(field::ACCEPTOR_NAME.number().get()).chars().take(22).collect();
            let shown = shown.trim();
            let name = if payee.name.is_empty() { shown } else { &payee.name };
            let (account, name) = (payee.account.clone(), name.to_owned());
            Ok(Payee { account, name, reference: String::new() })
        }
        "50" => {
            let Billed { biller, reference, number } = billed(intent).unwrap_or_default();
            let payee = known(&biller).ok_or(Unpayable::Biller)?;
            let reference = if number.is_empty() { reference } else { number };
            Ok(Payee { account: payee.account.clone(), name: payee.name.clone(), reference })
        }
        "20" | "21" => Err(Unpayable::Direction),
        _ => Err(Unpayable::Code),
    }
}

/// The bill that a request pays (DE3 50), as DE48 names it; `None` if it pays none. A telephone is
/// topped up by paying its operator, whose customer is known by the number.
pub(crate) fn billed(intent: &Intent) -> Option<Billed> {
    if intent.code.get(..2) != Some("50") {
        return None;
    }
    let additional = field::ADDITIONAL_DATA.number().get();
    let additional = intent.carried.iter().find(|(number, _)| *number == additional);
    let text = additional.map(|(_, text)| text.as_str()).unwrap_or_default();
    let tag = |tag| tags::find(text, tag).map(str::trim).unwrap_or_default().to_owned();
    let reference = Some(tag(tags::REFERENCE)).filter(|reference| !reference.is_empty());
    let reference = reference.unwrap_or_else(|| tag(tags::PHONE));
    Some(Billed { biller: tag(tags::BILLER), reference, number: tag(tags::BILL) })
}

/// A linked account as its bank is asked about it.
pub(crate) fn account(linked: &Linked) -> BankAccount {
    BankAccount {
        iban: linked.iban.clone(),
        resource: linked.resource.clone(),
        consent: linked.consent.clone(),
        customer: linked.customer.clone(),
    }
}

/// The order of a payment, the same at every try: all of it is in its intent and its fact.
pub(crate) fn order(secret: &DigestKey, intent: &Intent, payment: &Payment) -> Order {
    let text = |number: FieldNumber| {
        let carried = intent.carried.iter().find(|(carried, _)| *carried == number.get());
        carried.map(|(_, text)| text.trim()).filter(|text| !text.is_empty())
    };
    let narration = text(field::NARRATION.number()).or_else(|| text(field::RECORD_DATA.number()));
    let narration = narration.unwrap_or_default();
    let mark = mark(&payment.key);
    let words = [&intent.key.rrn, mark.as_str(), &intent.key.terminal, narration];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    Order {
        key: payment.key,
        debtor: payment.debtor.clone(),
        creditor: payment.creditor.clone(),
        creditor_name: payment.creditor_name.clone(),
        amount: Money { minor: intent.amount, currency: intent.currency },
        remittance: words.join(" "),
        rrn: intent.key.rrn.clone(),
        mark,
        reference: payment.reference.clone(),
        state: payment.token,
        verifier: verifier(secret, &payment.token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> DuplicateKey {
        DuplicateKey {
            participant: "atm".into(),
            class: b'2',
            transmission: "0223143000".into(),
            stan: 123,
            acquirer: "12345".into(),
            rrn: "605410000123".into(),
            terminal: "TERM0001".into(),
            acceptor: "MERCHANT0000001".into(),
        }
    }

    #[test]
    fn the_payment_key_is_that_of_the_contract() {
        let text = hexadecimal(&payment_key(&key(), ""));
        assert_eq!(text, "91ba7c0959bb54a484ff2".replace("84ff2", "8ff2") + "8f2a2fb4e688");
    }

    #[test]
    fn a_token_depends_on_secret_purpose_and_subject() {
        let (one, two) = (DigestKey([1; 32]), DigestKey([2; 32]));
        let token_of = |secret, purpose, about: &[u8]| token(secret, purpose, about);
        let first = token_of(&one, "approve", b"1");
        assert_eq!(first, token_of(&one, "approve", b"1"));
        for other in [
            token_of(&two, "approve", b"1"),
            token_of(&one, "return", b"1"),
            token_of(&one, "approve", b"2"),
        ] {
            assert_ne!(first, other);
        }
        assert_eq!(link_id(&one, TxnId(7)).len(), LINK_ID);
    }

    #[test]
    fn approval_codes_are_six_plain_characters() {
        let code = approval(&payment_key(&key(), ""));
        assert_eq!(code.len(), 6);
        assert!(code.bytes().all(|letter| LETTERS.contains(&letter)), "{code}");
    }
}
