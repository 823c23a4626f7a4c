//! Linking accounts: a consent is asked for, approved by the customer at the bank, and ends.

use super::{Asked, Asking, BACKGROUND_MS, Caller, Switch, Task, bank_account, since};
use crate::bridge::order;
use crate::bridge::schedule;
use crate::contract::Output;
use crate::enquiry::{
    Addressee, BankAccount, Call, CallId, Confirmed, ConsentState, Enquiry, Failed, Failure, Moved,
    Secret, Told, Verdict,
};
use crate::event::Event;
use crate::fact::{Cached, ConsentStatus, Fact, Linked, PaymentState};
use crate::facts::Subject;
use crate::plan::BankId;
use crate::time::{Now, Utc};

/// How long the customer may take to approve a consent, in milliseconds.
const APPROVAL_MS: u64 = 30 * 60_000;

/// How long a hint about a consent that is valid may wait, in milliseconds.
const HINT_MS: u64 = 60_000;

/// Accounts that are told at one time.
const ACCOUNTS_MAX: usize = 50;

/// How often a consent that is not approved is asked about: first, and at most.
const LOOK_MS: (u64, u64) = (5_000, 120_000);

impl Switch {
    /// Somebody called over HTTP.
    pub(in crate::engine) fn handle_call(&mut self, now: Now, id: CallId, call: Call) {
        self.handle_wish(now, Caller::Http(id), call);
    }

    /// What somebody wants who called, over HTTP or by a message.
    pub(super) fn handle_wish(&mut self, now: Now, id: Caller, call: Call) {
        let is_new = matches!(
            call,
            Call::Link { .. }
                | Call::Unlink { .. }
                | Call::Card { .. }
                | Call::Check { .. }
                | Call::Event(_)
        );
        if is_new && (self.full || self.draining) {
            return self.tell(now, id, Told::Busy, None);
        }
        match call {
            Call::Moved(moved) => self.handle_moved(now, id, moved),
            Call::Event(event) => self.handle_event(now, id, event),
            Call::Link { account, bank, iban, currency, customer } => {
                let wanted =
                    Linked { account, bank, iban, currency, customer, ..Linked::default() };
                self.link(now, id, wanted);
            }
            Call::Linked { account } => {
                let told = match self.durable.facts().linked_or_asked(&account) {
                    Some(linked) => {
                        Told::Linked { linked: Box::new(linked.as_told()), approve: None }
                    }
                    None => Told::Unknown,
                };
                self.tell(now, id, told, None);
            }
            Call::Accounts { customer, after } => {
                let told = self.accounts_of(&customer, &after);
                self.tell(now, id, told, None);
            }
            Call::Unlink { account, customer } => {
                self.unlink(now, id, &account, customer.as_deref());
            }
            Call::Card { account, customer, card, is_over } => {
                self.set_card(now, id, (&account, customer.as_deref()), &card, is_over);
            }
            Call::Approve { link } => self.tell_where(now, id, &link),
            Call::Check { customer, email, phone, level } => {
                self.begin_check(now, id, (customer, email, phone, level));
            }
            Call::Checked { customer } => {
                let told = match self.durable.facts().customer(&customer) {
                    Some(customer) => {
                        Told::Checked { customer: Box::new(customer.clone()), token: None }
                    }
                    None => Told::Unknown,
                };
                self.tell(now, id, told, None);
            }
            Call::Checks { customer } => self.ask_for_checks(now, id, &customer),
        }
    }

    /// Accounts of a customer. What one had is told for as long as its consent is good.
    fn accounts_of(&self, customer: &str, after: &str) -> Told {
        let facts = self.durable.facts();
        let own = facts.accounts_of(customer, after).take(ACCOUNTS_MAX + 1);
        let mut accounts: Vec<_> = own
            .map(|linked| {
                let is_valid = linked.status == ConsentStatus::Valid;
                let seen = facts.balance(&linked.account).filter(|_| is_valid);
                (linked.as_told(), seen.cloned())
            })
            .collect();
        let more = accounts.len() > ACCOUNTS_MAX;
        accounts.truncate(ACCOUNTS_MAX);
        Told::Accounts { accounts, more }
    }

    /// Where the payment or the consent with this link id (`P2`) is approved.
    fn tell_where(&mut self, now: Now, id: Caller, link: &str) {
        let facts = self.durable.facts();
        let told = match facts.behind(link) {
            Some(Subject::Payment(txn)) => match facts.payment(*txn) {
                Some(payment) if payment.state == PaymentState::Pending => {
                    Told::Approve(payment.approve.clone())
                }
                Some(payment) => Told::Payment(payment.state),
                None => Told::Unknown,
            },
            Some(Subject::Account(account)) => match facts.linked(account) {
                Some(linked) if linked.status == ConsentStatus::Waiting => {
                    Told::Approve(linked.approve.clone())
                }
                Some(_) | None => Told::Unknown,
            },
            None => Told::Unknown,
        };
        self.tell(now, id, told, None);
    }

    /// A redirect came back, or a bank pushed: a hint, and the bank is asked.
    fn handle_moved(&mut self, now: Now, id: Caller, moved: Moved) {
        let facts = self.durable.facts();
        let named = |bank: BankId, name: &str| {
            let bank = self.plan.banks.get(usize::from(bank.0))?;
            facts.named(&bank.name, name)
        };
        let subject = match &moved {
            Moved::State(state) | Moved::Code { state, .. } => facts.subject(state),
            Moved::Payment { bank, payment } => {
                named(*bank, payment).filter(|found| matches!(found, Subject::Payment(_)))
            }
            Moved::Consent { bank, consent } => {
                named(*bank, consent).filter(|found| matches!(found, Subject::Account(_)))
            }
        };
        let subject = subject.cloned();
        let told = match &subject {
            None => Told::Unknown,
            Some(Subject::Payment(txn)) => {
                let state = facts.payment(*txn).map(|payment| payment.state);
                state.map_or(Told::Unknown, Told::Payment)
            }
            Some(Subject::Account(account)) => match facts.linked(account) {
                Some(linked) => Told::Linked { linked: Box::new(linked.as_told()), approve: None },
                None => Told::Unknown,
            },
        };
        self.tell(now, id, told, None);
        match (subject, moved) {
            (Some(Subject::Payment(txn)), Moved::Code { state, code }) => {
                self.confirm_payment(now, txn, state, code);
            }
            (Some(Subject::Account(account)), Moved::Code { state, code }) => {
                self.confirm_consent(now, account, state, code);
            }
            (Some(Subject::Payment(txn)), _) => self.look_curiously(now, txn),
            (Some(Subject::Account(account)), _) => self.look_soon(now, account),
            (None, _) => {}
        }
    }

    /// The redirect of a consent brought a code back, by which the bank takes it as given.
    fn confirm_consent(&mut self, now: Now, account: String, state: [u8; 16], code: Secret) {
        let linked = self.durable.facts().linked(&account).cloned();
        let waiting = linked.filter(|linked| linked.status == ConsentStatus::Waiting);
        let bank = waiting.as_ref().and_then(|linked| self.bank_named(&linked.bank));
        let (Some(linked), Some(bank)) = (waiting, bank) else {
            return self.look_soon(now, account);
        };
        let subject = Box::new(Confirmed::Consent(bank_account(&linked)));
        let verifier = order::verifier(&self.plan.digest_key, &state);
        let enquiry = Enquiry::Confirm { subject, code, state, verifier };
        let asked = Asked::ConsentStatus(Asking { account, state: linked.state, bank });
        self.ask(asked, Addressee::Bank(bank), enquiry, BACKGROUND_MS, None);
    }

    /// A consent that waits for its customer is asked about at once, any other once in a while:
    /// whoever knows its name could make us ask for ever.
    fn look_soon(&mut self, now: Now, account: String) {
        let Some(linked) = self.durable.facts().linked(&account) else { return };
        let status = linked.status;
        let is_asked = self.bridge.asks.values().any(
            |asked| matches!(asked, Asked::ConsentStatus(asking) if asking.account == account),
        );
        let task = Task::Consent(account);
        match status {
            _ if is_asked => {}
            ConsentStatus::Waiting => {
                self.bridge.tries.remove(&task);
                self.bridge.plan(task, now.tick);
            }
            ConsentStatus::Valid if !self.bridge.due.contains_key(&task) => {
                self.bridge.plan(task, now.tick.after_ms(HINT_MS));
            }
            _ => {}
        }
    }

    fn link(&mut self, now: Now, id: Caller, mut wanted: Linked) {
        let Some(bank) = self.bank_named(&wanted.bank) else {
            return self.tell(now, id, Told::Unknown, None);
        };
        if Linked::names_claim(&wanted.account) {
            return self.tell(now, id, Told::Unknown, None);
        }
        let Some(name) = self.name_of_wish(&wanted.account, &wanted.customer) else {
            // Whoever else has it must give it up first.
            let failure = Failure::before(Failed::Duplicate);
            return self.tell(now, id, Told::Failed(failure), None);
        };
        wanted.account = name;
        let before = self.durable.facts().linked(&wanted.account);
        let is_new = before.is_none();
        let renews = before.is_some_and(Linked::was_agreed);
        let replaced = before.filter(|before| !before.consent.is_empty() && !before.is_dead());
        let replaced = replaced
            .and_then(|before| Some((self.bank_named(&before.bank)?, bank_account(before))));
        if is_new && self.durable.facts().links_len() >= self.plan.limits.links_max as usize {
            return self.tell(now, id, Told::Busy, None);
        }
        let serial = self.durable.next_record().0.to_be_bytes();
        let about = [wanted.account.as_bytes(), &serial].concat();
        wanted.begin(order::token(&self.plan.digest_key, "consent", &about), renews);
        wanted.status = ConsentStatus::Asking;
        let consent_ms = self.bank(bank).map_or(0, |bank| bank.consent_ms);
        let until = Utc(now.utc.0.saturating_add(consent_ms));
        wanted.link = order::consent_link_id(&self.plan.digest_key, &wanted.state);
        let (state, account) = (wanted.state, wanted.account.clone());
        let enquiry = Enquiry::Consent { account: bank_account(&wanted), state, until };
        let asking = Asking { account, state, bank };
        let after = self.establish(now, Fact::Linked(wanted));
        if let Some((bank, before)) = replaced {
            let to = Addressee::Bank(bank);
            self.ask(Asked::Revoke, to, Enquiry::Revoke(before), BACKGROUND_MS, Some(after));
        }
        let asked = Asked::Consent(asking, Some(id));
        self.ask(asked, Addressee::Bank(bank), enquiry, BACKGROUND_MS, Some(after));
    }

    pub(super) fn handle_consent_asked(
        &mut self,
        now: Now,
        asking: &Asking,
        call: Option<Caller>,
        verdict: Verdict,
    ) {
        let Some(linked) = self.link_of(asking) else {
            // Meanwhile it was given up or linked anew: this consent is nobody's.
            if let Verdict::ConsentAsked { consent, .. } = verdict {
                let account = BankAccount { consent, ..BankAccount::default() };
                let to = Addressee::Bank(asking.bank);
                self.ask(Asked::Revoke, to, Enquiry::Revoke(account), BACKGROUND_MS, None);
            }
            let Some(call) = call else { return };
            return self.tell(now, call, Told::Unknown, None);
        };
        let (told, record) = match verdict {
            Verdict::ConsentAsked { consent, approve } => {
                let until = Utc(now.utc.0.saturating_add(APPROVAL_MS));
                let status = ConsentStatus::Waiting;
                let page = approve.clone().unwrap_or_default();
                let linked = Linked { consent, status, until, approve: page, ..linked };
                let told = Told::Linked { linked: Box::new(linked.as_told()), approve };
                let record = self.set_link(now, linked);
                let at = now.tick.after_ms(LOOK_MS.0);
                self.bridge.plan(Task::Consent(asking.account.clone()), at);
                (told, record)
            }
            other => {
                let failure = match other {
                    Verdict::Failed(failure) => failure,
                    _ => Failure::before(Failed::Malfunction),
                };
                let linked = linked.ended(ConsentStatus::Gone, now.utc);
                (Told::Failed(failure), self.set_link(now, linked))
            }
        };
        if let Some(call) = call {
            self.tell(now, call, told, Some(record));
        }
    }

    /// The link that something was asked for, if it is still that one.
    pub(super) fn link_of(&self, asking: &Asking) -> Option<Linked> {
        let linked = self.durable.facts().linked(&asking.account)?;
        (linked.state == asking.state).then(|| linked.clone())
    }

    /// A consent that is not approved is looked at.
    pub(super) fn look_at_consent(&mut self, now: Now, account: &str) {
        let Some(linked) = self.durable.facts().linked(account).cloned() else { return };
        let Some(bank) = self.bank_named(&linked.bank) else { return };
        if linked.status == ConsentStatus::Asking {
            // The process ended before the bank answered: it is asked again by who wanted it.
            self.set_link(now, linked.ended(ConsentStatus::Gone, now.utc));
            return;
        }
        let enquiry = Enquiry::ConsentStatus(bank_account(&linked));
        let asking = Asking { account: account.to_owned(), state: linked.state, bank };
        let asked = Asked::ConsentStatus(asking);
        self.ask(asked, Addressee::Bank(bank), enquiry, BACKGROUND_MS, None);
    }

    pub(super) fn handle_consent(&mut self, now: Now, asking: &Asking, verdict: Verdict) {
        let Some(linked) = self.link_of(asking) else { return };
        let is_waiting = linked.status == ConsentStatus::Waiting;
        let Verdict::Consent { state, resource, until } = verdict else {
            return self.look_again(now, &linked);
        };
        let linked = match state {
            ConsentState::Valid => {
                let plan = self.bank(asking.bank);
                let consent_ms = plan.map_or(0, |bank| bank.consent_ms);
                let asked_until = Utc(now.utc.0.saturating_add(consent_ms));
                let resource = if resource.is_empty() { linked.resource.clone() } else { resource };
                let until = until.unwrap_or(if is_waiting { asked_until } else { linked.until });
                let approve = String::new();
                Linked { status: ConsentStatus::Valid, resource, until, approve, ..linked }
            }
            ConsentState::Waiting if is_waiting => return self.look_again(now, &linked),
            ConsentState::Waiting => return,
            ConsentState::Expired => linked.ended(ConsentStatus::Expired, now.utc),
            ConsentState::Gone => linked.ended(ConsentStatus::Gone, now.utc),
        };
        self.bridge.tries.remove(&Task::Consent(asking.account.clone()));
        let is_agreed = linked.status == ConsentStatus::Valid;
        if is_agreed && linked.is_claim() {
            return self.grant_claim(now, linked);
        }
        let before = self.durable.facts().linked(&asking.account);
        if before != Some(&linked) {
            self.set_link(now, linked);
        }
        if is_agreed {
            self.end_claims(now, &asking.account);
        }
    }

    fn look_again(&mut self, now: Now, linked: &Linked) {
        if linked.status != ConsentStatus::Waiting {
            return;
        }
        if linked.until <= now.utc {
            self.set_link(now, linked.clone().ended(ConsentStatus::Expired, now.utc));
            return;
        }
        let task = Task::Consent(linked.account.clone());
        let wait = schedule::retry(self.bridge.try_again(&task), LOOK_MS.0, LOOK_MS.1);
        self.bridge.plan(task, now.tick.after_ms(wait));
    }

    /// A bank said that a consent is over.
    pub(super) fn expire_consent(&mut self, now: Now, linked: Linked) {
        if linked.status == ConsentStatus::Valid {
            self.set_link(now, linked.ended(ConsentStatus::Expired, now.utc));
        }
    }

    /// Gives up the link of an account or, of a customer who is named, what that one has of it or
    /// asks for. Who else asks for it goes on asking: the bank decides.
    fn unlink(&mut self, now: Now, id: Caller, account: &str, customer: Option<&str>) {
        let facts = self.durable.facts();
        let linked = match customer {
            None => facts.linked_or_asked(account),
            Some(customer) => {
                let own = facts.linked(account).filter(|linked| linked.customer == customer);
                own.or_else(|| facts.linked(&Linked::claim(account, customer)))
            }
        };
        let linked = linked.cloned();
        let Some(linked) = linked else {
            return self.tell(now, id, Told::Unknown, None);
        };
        let account = &linked.account.clone();
        let bank = self.bank_named(&linked.bank);
        let enquiry = Enquiry::Revoke(bank_account(&linked));
        let has_consent = !linked.consent.is_empty() && !linked.is_dead();
        self.forget_cards(now, account);
        let record = self.set_link(now, Linked { is_over: true, ..linked });
        let account_of = account.to_owned();
        let cached = Cached { account: account_of, is_over: true, ..Cached::default() };
        self.establish(now, Fact::Balance(cached));
        self.bridge.unplan(&Task::Consent(account.to_owned()));
        if let Some(bank) = bank.filter(|_| has_consent) {
            let to = Addressee::Bank(bank);
            self.ask(Asked::Revoke, to, enquiry, BACKGROUND_MS, Some(record));
        }
        self.tell(now, id, Told::Noted, Some(record));
    }

    /// A claim that comes to nothing leaves nothing.
    pub(super) fn set_link(&mut self, now: Now, mut linked: Linked) -> crate::record::RecordId {
        linked.is_over |= linked.is_claim() && linked.is_dead();
        let (bank, status) = (self.bank_named(&linked.bank), linked.status);
        let account = linked.account.clone();
        let record = self.establish(now, Fact::Linked(linked));
        self.plan_refresh(now, &account);
        if let Some(bank) = bank {
            self.outputs.push_back(Output::Count(Event::Consent { bank, status }));
        }
        record
    }

    /// How old the oldest cached balance of a linked account is, in milliseconds.
    #[must_use]
    pub fn balance_age(&self, now: Now) -> u64 {
        let facts = self.durable.facts();
        let cached = facts.links().filter_map(|linked| facts.balance(&linked.account));
        cached.map(|cached| since(now, cached.synced)).max().unwrap_or_default()
    }
}
