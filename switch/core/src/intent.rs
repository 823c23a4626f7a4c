//! What of a request is recorded, and the digest that tells a repeat from a different message.

use crate::pending::Txn;
use crate::plan::{GroupId, LinkId, ParticipantId, Plan};
use crate::record::{CallerKey, CardNumber, DuplicateKey, Inquiry, Intent, Reason, TxnId, Verdict};
use crate::time::Utc;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use veksel_codecs::field::{Account, Characters, Key, Pan};
use veksel_codecs::structured::{OriginalData, tags};
use veksel_codecs::{Class, FieldNumber, Message, ResponseCode, field};

fn text(message: &Message, key: Key<Characters>) -> String {
    message.get(key).map(|text| text.trimmed().to_owned()).unwrap_or_default()
}

fn account(message: &Message, key: Key<field::AccountType>) -> String {
    message.get(key).as_ref().map(Account::expose).unwrap_or_default().to_owned()
}

fn number(message: &Message, key: Key<field::Number>) -> u64 {
    message.get(key).unwrap_or_default()
}

/// What makes a request the same as another.
pub(crate) fn key(plan: &Plan, participant: ParticipantId, request: &Message) -> DuplicateKey {
    let participant = plan.participants.get(usize::from(participant.0));
    DuplicateKey {
        participant: participant.map(|participant| participant.name.clone()).unwrap_or_default(),
        class: request.mti().digits()[1],
        transmission: text(request, field::TRANSMISSION),
        stan: u32::try_from(number(request, field::STAN)).unwrap_or_default(),
        acquirer: text(request, field::ACQUIRER),
        rrn: text(request, field::RRN),
        terminal: text(request, field::TERMINAL),
        acceptor: text(request, field::ACCEPTOR),
    }
}

/// The key of the message that DE90 names. It shares everything with the message that names it
/// but its type, DE7 and DE11 (switch semantics 18, 19).
pub(crate) fn original_key(key: &DuplicateKey, request: &Message) -> Option<DuplicateKey> {
    original_of(key, &request.get(field::ORIGINAL_DATA)?)
}

/// The same by what DE90 says.
pub(crate) fn original_of(key: &DuplicateKey, original: &str) -> Option<DuplicateKey> {
    let original = OriginalData::parse(original)?;
    let class = original.mti.digits()[1];
    let OriginalData { stan, transmission, .. } = original;
    Some(DuplicateKey { class, stan, transmission, ..key.clone() })
}

/// Where a request comes from and goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) link: LinkId,
    pub(crate) route: usize,
    pub(crate) group: GroupId,
    /// DE11 the host sees.
    pub(crate) stan: u32,
    /// What a caller over HTTP knows it by.
    pub(crate) caller_key: Option<CallerKey>,
}

/// The intent of a request that can move or hold money.
pub(crate) fn of(
    plan: &Plan,
    id: TxnId,
    utc: Utc,
    key: DuplicateKey,
    request: &Message,
    way: Way,
) -> Intent {
    let name = |names: Option<&String>| names.cloned().unwrap_or_default();
    let link = plan.links.get(usize::from(way.link.0));
    Intent {
        txn: id,
        utc,
        key,
        digest: digest(plan, request),
        link: name(link.map(|link| &link.name)),
        route: name(plan.routes.get(way.route).map(|route| &route.name)),
        group: name(plan.groups.get(usize::from(way.group.0)).map(|group| &group.name)),
        mti: request.mti(),
        code: text(request, field::PROCESSING_CODE),
        amount: number(request, field::AMOUNT),
        currency: u16::try_from(number(request, field::CURRENCY)).unwrap_or_default(),
        host_stan: way.stan,
        local_time: text(request, field::LOCAL_TIME),
        local_date: text(request, field::LOCAL_DATE),
        forwarder: text(request, field::FORWARDER),
        pan: request.get(field::PAN).as_ref().map(|pan: &Pan<'_>| CardNumber::new(pan.expose())),
        account: account(request, field::ACCOUNT),
        counter_account: account(request, field::COUNTER_ACCOUNT),
        original: text(request, field::ORIGINAL_DATA),
        carried: changed_hold(request),
        caller_key: way.caller_key,
    }
}

/// Which hold a 0100 gives another amount (DE48 tag 30), so that it is never taken for one that
/// places a hold. Nothing of it is sent again: the reversal names the message.
fn changed_hold(request: &Message) -> Vec<(u8, String)> {
    if request.mti().class() != Class::Authorisation {
        return Vec::new();
    }
    let data = request.get(field::ADDITIONAL_DATA);
    let hold = data.as_ref().and_then(|data| tags::find(data.trimmed(), tags::HOLD));
    let number = field::ADDITIONAL_DATA.number().get();
    hold.map(|hold| (number, tags::format([(tags::HOLD, hold)]))).into_iter().collect()
}

/// What an advice carries beside what every intent holds: its open text fields.
pub(crate) fn carried(request: &Message) -> Vec<(u8, String)> {
    let keys = [
        field::SETTLEMENT_DATE,
        field::CAPTURE_DATE,
        field::CATEGORY,
        field::ENTRY_MODE,
        field::CONDITION,
        field::FEE,
        field::APPROVAL,
        field::ACCEPTOR_NAME,
        field::ADDITIONAL_DATA,
        field::ADDITIONAL_AMOUNTS,
        field::ECHO_DATA,
        field::CHANNEL,
        field::REPLACEMENT_AMOUNTS,
        field::NARRATION,
    ];
    let keys = keys.iter().map(|key| key.number());
    let is_reconciliation = request.mti().class() == Class::Reconciliation;
    let totals = totals().filter(|_| is_reconciliation);
    let carried = |number: FieldNumber| {
        Some((number.get(), request.expose(number)?.text()?.as_str().to_owned()))
    };
    keys.chain(totals).filter_map(carried).collect()
}

/// What a reconciliation compares: numbers (74 to 81), amounts (86 to 89) and their net (97), for
/// the institution in DE99.
pub(crate) fn totals() -> impl Iterator<Item = FieldNumber> {
    (74..=81).chain(86..=89).chain([97, 99]).filter_map(FieldNumber::new)
}

/// The record of an inquiry.
pub(crate) fn inquiry(
    plan: &Plan,
    txn: &Txn,
    utc: Utc,
    verdict: Verdict,
    response: ResponseCode,
    reason: Reason,
) -> Inquiry {
    let request = &txn.request;
    let link = plan.links.get(usize::from(txn.channel.link.0));
    let participant = plan.participants.get(usize::from(txn.participant.0));
    Inquiry {
        txn: txn.id,
        utc,
        participant: participant.map(|p| p.name.clone()).unwrap_or_default(),
        link: link.map(|link| link.name.clone()).unwrap_or_default(),
        route: plan.routes.get(txn.route).map(|route| route.name.clone()).unwrap_or_default(),
        mti: request.mti(),
        code: text(request, field::PROCESSING_CODE),
        stan: u32::try_from(number(request, field::STAN)).unwrap_or_default(),
        rrn: text(request, field::RRN),
        terminal: text(request, field::TERMINAL),
        account: account(request, field::ACCOUNT),
        verdict,
        response,
        reason,
    }
}

/// First digits of DE3 of a bill.
const BILL: &str = "50";

/// The length keeps one field's end from being another's beginning.
fn add(mac: &mut Hmac<Sha256>, value: &[u8]) {
    mac.update(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
    mac.update(value);
}

/// Keyed digest of what a duplicate must have in common with its original beside the key: DE2,
/// 3, 4, 49, 102 and 103; of a reconciliation, its date (15) and totals too; of a bill, which one
/// it is (DE48). Keyed, because a card number with a known amount is soon guessed from a plain one
/// (PCI DSS 3.5.1.1).
pub(crate) fn digest(plan: &Plan, request: &Message) -> [u8; 32] {
    keyed(&plan.digest_key.0, request)
}

fn keyed(key: &[u8], request: &Message) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return [0; 32];
    };
    let fields = [
        field::PAN.number(),
        field::PROCESSING_CODE.number(),
        field::AMOUNT.number(),
        field::CURRENCY.number(),
        field::ACCOUNT.number(),
        field::COUNTER_ACCOUNT.number(),
    ];
    let is_reconciliation = request.mti().class() == Class::Reconciliation;
    let date = core::iter::once(field::SETTLEMENT_DATE.number());
    let of_totals = date.chain(totals()).filter(|_| is_reconciliation);
    for number in fields.into_iter().chain(of_totals) {
        let value = request.expose(number).and_then(veksel_codecs::Raw::text);
        let value = value.as_ref().map(|text| text.as_bytes()).unwrap_or_default();
        add(&mut mac, value);
    }
    if text(request, field::PROCESSING_CODE).starts_with(BILL) {
        let data = request.get(field::ADDITIONAL_DATA);
        let data = data.as_ref().map(|data| data.trimmed()).unwrap_or_default();
        for tag in [tags::BILLER, tags::REFERENCE, tags::BILL] {
            add(&mut mac, tags::find(data, tag).unwrap_or_default().as_bytes());
        }
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_codecs::Mti;

    /// Two bills of one biller and one amount are two payments; another narration is none.
    #[test]
    fn a_bill_is_known_by_what_is_paid() {
        let bill = |code: &str, data: &str| {
            let mut request = Message::of(Mti::known(b"0200"));
            request.set_text(field::PROCESSING_CODE.number(), code);
            request.set_text(field::AMOUNT.number(), "000000004500");
            request.set_text(field::ADDITIONAL_DATA.number(), data);
            keyed(b"key", &request)
        };
        let first = bill("500000", "1005B000111100000012345");
        assert_eq!(first, bill("500000", "1005B0001111000000123452102XX"));
        assert_ne!(first, bill("500000", "1005B000111100000012346"));
        assert_ne!(first, bill("500000", "1005B0001111000000123451203777"));
        assert_eq!(bill("400000", "1402AB"), bill("400000", "1402CD"));
    }
}
