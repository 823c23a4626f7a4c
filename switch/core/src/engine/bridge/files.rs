//! Linking accounts and beginning identity checks by message (0302), for channels that have no
//! HTTP: DE101 says what, DE48 for whom. The 0312 says how far it came, never a secret: where a
//! consent is approved is found by its link id.

use super::{Caller, Held, Switch, date, put};
use crate::answer::{Decline, Noted, decline, note};
use crate::bridge::said::{Private, response};
use crate::engine::duplicate::Seeking;
use crate::enquiry::{Call, Told};
use crate::event::Kind;
use crate::fact::{ConsentStatus, KycStatus};
use crate::plan::BankId;
use crate::record::{CardNumber, Reason, RecordId, TxnId, Verdict as Certainty};
use crate::time::Now;
use veksel_codecs::structured::tags;
use veksel_codecs::{ResponseCode, field};

/// What DE101 may say.
const LINK: &str = "LINK";
const UNLINK: &str = "UNLINK";
const CARD: &str = "CARD";
const UNCARD: &str = "UNCARD";
const CHECK: &str = "KYC";

/// How long a channel waits for the bank or the provider, in milliseconds.
const WAIT_MS: u64 = 10_000;

impl Switch {
    /// A file action (0302): who may not ask for one hears 57.
    pub(in crate::engine) fn handle_file_action(&mut self, now: Now, seeking: Seeking) {
        let place = usize::from(seeking.participant.0);
        let may = self.plan.participants.get(place).is_some_and(|plan| plan.file_actions);
        let call =
            if may { self.call_of(&seeking) } else { Err(ResponseCode::NOT_PERMITTED_TO_CUSTOMER) };
        let call = match call {
            Ok(call) => call,
            Err(response) => {
                return self.answer_from_here(now, seeking, None, response, &Private::default());
            }
        };
        let txn = self.durable.next_txn();
        let received = Now { tick: seeking.arrived, utc: now.utc };
        let deadline = seeking.arrived.after_ms(WAIT_MS);
        let linked = crate::fact::Linked::default();
        self.hold(seeking, (txn, usize::MAX), &linked, BankId(u16::MAX), (received, deadline));
        self.handle_wish(now, Caller::Channel(txn), call);
    }

    /// What is wanted, or the code that says what is missing.
    fn call_of(&self, seeking: &Seeking) -> Result<Call, ResponseCode> {
        let message = &seeking.message;
        let additional = message.get(field::ADDITIONAL_DATA);
        let text = additional.as_deref().unwrap_or_default();
        let tag = |tag| tags::find(text, tag).map(str::trim).unwrap_or_default().to_owned();
        let needed = |value: String| {
            Some(value).filter(|value| !value.is_empty()).ok_or(ResponseCode::FORMAT_ERROR)
        };
        let account = message.get(field::ACCOUNT);
        let account = account.as_ref().map(field::Account::expose).unwrap_or_default();
        let account = needed(account.trim().to_owned());
        let file = message.get(field::FILE_NAME);
        match file.as_deref().map(str::trim) {
            Some(LINK) => {
                let account = account?;
                let iban = Some(tag(tags::IBAN)).filter(|iban| !iban.is_empty());
                let currency = tag(tags::CURRENCY).parse().ok();
                let of_message = message.get(field::CURRENCY).and_then(|c| u16::try_from(c).ok());
                Ok(Call::Link {
                    iban: iban.unwrap_or_else(|| account.clone()),
                    account,
                    bank: needed(tag(tags::BANK))?,
                    currency: currency.or(of_message).ok_or(ResponseCode::FORMAT_ERROR)?,
                    customer: needed(tag(tags::CUSTOMER))?,
                })
            }
            Some(UNLINK) => {
                let customer = Some(tag(tags::CUSTOMER)).filter(|customer| !customer.is_empty());
                Ok(Call::Unlink { account: account?, customer })
            }
            Some(action @ (CARD | UNCARD)) => {
                let card = message.get(field::PAN).ok_or(ResponseCode::FORMAT_ERROR)?;
                let card = CardNumber::new(card.expose());
                let customer = Some(tag(tags::CUSTOMER)).filter(|customer| !customer.is_empty());
                let is_over = action == UNCARD;
                if !is_over && customer.is_none() {
                    return Err(ResponseCode::FORMAT_ERROR);
                }
                Ok(Call::Card { account: account?, customer, card, is_over })
            }
            Some(CHECK) => Ok(Call::Check {
                customer: needed(tag(tags::CUSTOMER))?,
                email: None,
                phone: Some(tag(tags::PHONE)).filter(|phone| !phone.is_empty()),
                level: String::new(),
            }),
            Some(_) | None => Err(ResponseCode::NOT_SUPPORTED),
        }
    }

    /// A channel hears what a caller over HTTP would be told.
    pub(super) fn tell_channel(
        &mut self,
        now: Now,
        txn: TxnId,
        told: &Told,
        after: Option<RecordId>,
    ) {
        let Some(held) = self.release(txn) else { return };
        let (response, said) = Self::in_words(told);
        let Held { ref request, .. } = held;
        let mut message = request.clone();
        match Noted::of(told).filter(|_| response.is_approval()) {
            Some(noted) => note(&mut message, noted),
            None => decline(&mut message, Decline::of(response)),
        }
        message.set(field::SETTLEMENT_DATE, &date(now.utc));
        put(&mut message, &said);
        self.count_answer(now, &held, response, Certainty::Answered, Reason::Host);
        self.send(held.channel, message, after, None, None);
        self.recycle(held.request);
    }

    /// DE39 and DE48 of what is told.
    fn in_words(told: &Told) -> (ResponseCode, Private) {
        let nothing = Private::default();
        match told {
            Told::Noted => (ResponseCode::APPROVED, nothing),
            Told::Linked { linked, approve } => {
                let is_valid = linked.status == ConsentStatus::Valid;
                let code =
                    if is_valid { ResponseCode::APPROVED } else { ResponseCode::IN_PROGRESS };
                let approve = approve.as_ref().map(|_| linked.link.clone()).unwrap_or_default();
                (code, Private { payment: linked.consent.clone(), approve, ..nothing })
            }
            Told::Checked { customer, .. } => {
                let code = match customer.status {
                    KycStatus::Approved => ResponseCode::APPROVED,
                    _ => ResponseCode::IN_PROGRESS,
                };
                (code, Private { payment: customer.applicant.clone(), ..nothing })
            }
            Told::Failed(failure) => {
                (response(failure.why), Private { code: failure.code.clone(), ..nothing })
            }
            Told::Busy => (ResponseCode::HOST_UNAVAILABLE, nothing),
            Told::Unknown
            | Told::Payment(_)
            | Told::Approve(_)
            | Told::Accounts { .. }
            | Told::Checks { .. } => (ResponseCode::NOT_FOUND, nothing),
        }
    }

    /// Whether what is held is a file action.
    pub(super) fn is_file_action(held: &Held) -> bool {
        held.kind == Kind::Inquiry && held.route == usize::MAX
    }
}
