//! Tells customers that their identity check or their payment came to an end: by text message, by a
//! notice in an app, or by letter, whichever of them the list of contacts has, in their language.
//!
//! It is best effort. What is told is durable by then; nothing waits for it, what does not fit the
//! queue is dropped and counted, and whoever could not be told hears nothing. The switch keeps no
//! addresses: they come from a list that the bank exports, and are shown in no log.

mod contacts;
mod words;

use crate::start::StartError;
use contacts::{Contact, Contacts};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use veksel_adapters::providers::{Email, Issuer, Provides, Push, Sms, Within};
use veksel_config::bridge::NoticesConfig;
use veksel_core::Record;
use veksel_core::enquiry::Failure;
use veksel_core::fact::{Fact, KycStatus, PaymentState};
use words::Said;

/// Pieces of news that are remembered as told.
const TOLD_MAX: usize = 10_000;

/// Customers that are told something at one time.
const TELLING_MAX: usize = 8;

/// Something that a customer is to hear.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct News {
    customer: String,
    said: Said,
    /// The same for the same news, also after a restart.
    key: String,
}

/// The shard's end.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    queue: Option<mpsc::Sender<News>>,
    told: BTreeSet<String>,
    order: VecDeque<String>,
    dropped: Arc<AtomicU64>,
}

impl Notifier {
    /// Tells by these providers, on the runtime of `handle`.
    ///
    /// # Errors
    ///
    /// If the list of contacts cannot be read.
    pub(crate) fn start(
        config: &NoticesConfig,
        providers: Arc<dyn Provides>,
        handle: &Handle,
    ) -> Result<Self, StartError> {
        let contacts = Contacts::read(&config.contacts).map_err(StartError::Outside)?;
        let (queue, news) = mpsc::channel(usize::try_from(config.queue_max).unwrap_or(1));
        handle.spawn(tell_all(news, providers, contacts, config.within_ms));
        Ok(Self { queue: Some(queue), ..Self::default() })
    }

    /// What is to be told once this record is durable, if anything is.
    pub(crate) fn news(&mut self, record: &Record) -> Option<News> {
        self.queue.as_ref()?;
        let Record::Fact(known) = record else { return None };
        let news = news(&known.fact)?;
        if !self.told.insert(news.key.clone()) {
            return None;
        }
        self.order.push_back(news.key.clone());
        if self.order.len() > TOLD_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.told.remove(&oldest);
        }
        Some(news)
    }

    /// Tells it, if there is room.
    pub(crate) fn tell(&self, news: News) {
        let Some(queue) = &self.queue else { return };
        if queue.try_send(news).is_err() {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            tracing::warn!(dropped, "too many customers are being told something; one is not");
        }
    }
}

/// What a fact is news of. Only ends are: what may still change is not told.
fn news(fact: &Fact) -> Option<News> {
    match fact {
        Fact::Customer(customer) => {
            // An approval counts once the provider has confirmed it.
            let said = match customer.status {
                KycStatus::Approved if customer.is_unconfirmed => return None,
                KycStatus::Approved => Said::Approved,
                KycStatus::Resubmit => Said::Resubmit,
                // Why somebody is a risk is told to nobody (S1-48).
                KycStatus::Rejected | KycStatus::Risk => Said::Rejected,
                KycStatus::None | KycStatus::Pending | KycStatus::OnHold => return None,
            };
            let at = customer.reviewed.0;
            let key = format!("kyc-{}-{at}", customer.status.word());
            Some(News::of(&customer.customer, said, &key))
        }
        Fact::Payment(payment) if payment.is_over => {
            let said = match payment.state {
                PaymentState::Settled | PaymentState::Accepted | PaymentState::Late => Said::Paid,
                PaymentState::Rejected => Said::Refused,
                PaymentState::Cancelled => Said::Cancelled,
                PaymentState::Expired => Said::Expired,
                PaymentState::Initiating
                | PaymentState::Unknown
                | PaymentState::Pending
                | PaymentState::Expiring
                | PaymentState::Cancelling => return None,
            };
            let key = format!("payment-{}-{}", payment.txn.0, payment.utc.0);
            Some(News::of(&payment.debtor.customer, said, &key))
        }
        Fact::Payment(_) | Fact::Linked(_) | Fact::Card(_) | Fact::Balance(_) | Fact::Reads(_) => {
            None
        }
    }
}

impl News {
    fn of(customer: &str, said: Said, key: &str) -> Self {
        // Names of customers are theirs; what stands in a key is shown to providers and in logs.
        let mark = contacts::mark(customer);
        Self { customer: customer.to_owned(), said, key: format!("{key}-{mark}") }
    }
}

async fn tell_all(
    mut news: mpsc::Receiver<News>,
    providers: Arc<dyn Provides>,
    contacts: Contacts,
    within_ms: u64,
) {
    let room = Arc::new(Semaphore::new(TELLING_MAX));
    while let Some(one) = news.recv().await {
        let Some(contact) = contacts.find(&one.customer).cloned() else {
            tracing::debug!(key = one.key, "nobody knows how to tell this customer");
            continue;
        };
        // It is never closed.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let providers = Arc::clone(&providers);
        tokio::spawn(async move {
            tell(providers.as_ref(), &contact, &one, within_ms).await;
            drop(place);
        });
    }
}

/// By the first way that works.
async fn tell(providers: &dyn Provides, contact: &Contact, news: &News, within_ms: u64) {
    let (title, text) = words::of(news.said, contact.language);
    let within = || Within { ms: within_ms, trace: news.key.clone() };
    let key = || news.key.clone();
    let mut failed: Option<Failure> = None;
    let mut ways = 0;
    if !contact.sms.is_empty() && providers.has(Issuer::Sms) {
        ways += 1;
        let sms = Sms { to: contact.sms.clone(), text: text.to_owned(), key: key() };
        match providers.sms(within(), sms).await {
            Ok(_) => return told("sms", news),
            Err(failure) => failed = Some(failure),
        }
    }
    if !contact.push.is_empty() && providers.has(Issuer::Push) {
        ways += 1;
        let (to, title, body) = (contact.push.clone(), title.to_owned(), text.to_owned());
        let push = Push { to, title, body, data: Vec::new(), key: key() };
        match providers.push(within(), push).await {
            Ok(_) => return told("push", news),
            Err(failure) => failed = Some(failure),
        }
    }
    if !contact.email.is_empty() && providers.has(Issuer::Email) {
        ways += 1;
        let (to, subject, text) = (contact.email.clone(), title.to_owned(), format!("{text}\n"));
        match providers.email(within(), Email { to, subject, text, key: key() }).await {
            Ok(_) => return told("email", news),
            Err(failure) => failed = Some(failure),
        }
    }
    let code = failed.as_ref().map_or("", |failure| failure.code.as_str());
    let why = failed.as_ref().map_or("no_way", |failure| failure.why.word());
    tracing::warn!(key = news.key, ways, why, code, "a customer could not be told");
}

fn told(way: &'static str, news: &News) {
    tracing::info!(key = news.key, way, "a customer was told");
}

#[cfg(test)]
mod tests;
