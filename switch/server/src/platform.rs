//! The card platform of `[extauth]`: what its door works with.
//!
//! The journal is read for it on a thread of its own, beside the one that reads for the engine, so
//! that neither waits for the other.

use crate::material::secret;
use crate::observe::Metrics;
use crate::outside::write_down;
use crate::start::StartError;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use veksel_adapters::{KeyHost, audit};
use veksel_api::{
    Directory, Doubt, Exchange, External, Fetching, KeySource, LIFE_MAX, Lives, Looking, Notice,
    NotifyClient, Watcher,
};
use veksel_config::{NotifyClientConfig, SwitchConfig};
use veksel_core::{Stored, Unreadable};
use veksel_store::{FIND_MAX, Journal, Lookup, StoreError};

/// Questions that may wait for the journal to be read.
const QUESTIONS_MAX: usize = 1_024;

/// Whoever is given fewer has them all.
const _: () = assert!(FIND_MAX >= LIFE_MAX);

/// Calls whose audit line waits to be written.
const AUDIT_MAX: usize = 256;

/// What is configured of it, with everything else that it needs; `None` if nothing is.
pub(crate) fn external(
    config: &SwitchConfig,
    exchange: Exchange,
    journal: Option<Box<dyn Journal>>,
    metrics: &Metrics,
    handle: &Handle,
) -> Result<Option<External>, StartError> {
    let Some((extauth, journal)) = config.bridge.extauth.as_ref().zip(journal) else {
        return Ok(None);
    };
    let caller = config.bridge.callers.get(usize::from(extauth.caller));
    let Some(caller) = caller else {
        return Err(StartError::Outside("[extauth] names no caller".to_owned()));
    };
    let participant = config.plan.participants.get(usize::from(caller.participant.0));
    let (sink, events) = audit(AUDIT_MAX);
    let keys = KeyHost::new("extauth", &extauth.keys, sink)
        .map_err(|error| StartError::Outside(error.to_string()))?;
    handle.spawn(write_down(events, metrics.clone(), None));
    let directory = match &extauth.directory {
        None => None,
        Some(path) => {
            let part = || format!("`directory` of [extauth], {}", path.display());
            let text = fs::read_to_string(path)
                .map_err(|error| StartError::Outside(format!("{}: {error}", part())))?;
            let read = Directory::parse(&text)
                .map_err(|wrong| StartError::Outside(format!("{}: {wrong}", part())))?;
            Some(read)
        }
    };
    let notify_token = match &extauth.notify_token {
        None => None,
        Some(source) => {
            let part = "the token of notifications of [extauth]".to_owned();
            Some(secret(source).map_err(|why| StartError::Secret { part, why })?)
        }
    };
    let notify_client = extauth.notify_client.as_ref().map(client).transpose()?;
    Ok(Some(External {
        config: extauth.clone(),
        acquirer: caller.acquirer.clone(),
        participant: participant.map(|own| own.name.clone()).unwrap_or_default(),
        exchange,
        lives: Arc::new(Reader::spawn(journal)?),
        digest_key: config.plan.digest_key.clone(),
        keys: Arc::new(Published(keys)),
        directory,
        notify_token,
        notify_client,
        watcher: Arc::new(Counted(metrics.clone())),
    }))
}

/// As whom it fetches tokens. The secret is read now.
fn client(config: &NotifyClientConfig) -> Result<NotifyClient, StartError> {
    let wrong = |why: String| {
        let part = "the client secret of notifications of [extauth]".to_owned();
        StartError::Secret { part, why }
    };
    let secret = secret(&config.secret).map_err(wrong)?;
    let life = Duration::from_millis(config.token_ms);
    NotifyClient::new(&config.id, &secret, life).map_err(|short| wrong(short.to_string()))
}

/// Keys over HTTP.
struct Published(KeyHost);

impl KeySource for Published {
    fn fetch(&self) -> Fetching<'_> {
        Box::pin(self.0.fetch())
    }
}

/// What is asked of the journal, and where the answer goes.
struct Question {
    rrn: String,
    key: Option<[u8; 16]>,
    reply: oneshot::Sender<Result<Vec<Stored>, Unreadable>>,
}

/// Reads the journal on a thread of its own.
struct Reader(mpsc::Sender<Question>);

impl Reader {
    fn spawn(mut journal: Box<dyn Journal>) -> std::io::Result<Self> {
        let (questions, mut asked) = mpsc::channel::<Question>(QUESTIONS_MAX);
        thread::Builder::new().name("lives".into()).spawn(move || {
            while let Some(Question { rrn, key, reply }) = asked.blocking_recv() {
                // Who does not wait any more needs no answer.
                if reply.is_closed() {
                    continue;
                }
                let found = look(&mut *journal, rrn, key).map_err(|error| {
                    tracing::error!(%error, "the journal could not be read");
                    Unreadable
                });
                let _ = reply.send(found.and_then(|found| found.ok_or(Unreadable)));
            }
        })?;
        Ok(Self(questions))
    }
}

/// Everything with this DE37, and everything of a request that its caller knows by this key. Most
/// of it is the same. `None` if there is more with this DE37 than a look-up finds, and nobody can
/// say of what.
fn look(
    journal: &mut dyn Journal,
    rrn: String,
    key: Option<[u8; 16]>,
) -> Result<Option<Vec<Stored>>, StoreError> {
    let mut found = journal.find(&Lookup::Rrn(rrn))?;
    // Inquiries count as well, whoever made them, and are left out below.
    let number = found.iter().filter_map(|(_, record)| record.txn()).collect::<BTreeSet<_>>().len();
    let known = Stored::gather(found.iter().map(|(_, record)| record)).len();
    if number >= FIND_MAX && known < FIND_MAX {
        tracing::error!("a DE37 of a hold is that of too many inquiries to look at");
        return Ok(None);
    }
    if let Some(key) = key {
        found.extend(journal.find(&Lookup::CallerKey(key))?);
        found.sort_by_key(|(id, _)| *id);
        found.dedup_by_key(|(id, _)| *id);
    }
    Ok(Some(Stored::gather(found.iter().map(|(_, record)| record))))
}

impl Lives for Reader {
    fn life(&self, rrn: String, key: Option<[u8; 16]>) -> Looking<'_> {
        Box::pin(async move {
            let (reply, found) = oneshot::channel();
            self.0.try_send(Question { rrn, key, reply }).map_err(|_| Unreadable)?;
            found.await.unwrap_or(Err(Unreadable))
        })
    }
}

/// Into the metrics.
struct Counted(Metrics);

impl Watcher for Counted {
    fn doubted(&self, doubt: Doubt) {
        self.0.platform_doubts.with_label_values(&[doubt.word()]).inc();
    }

    fn skewed(&self, ms: i64) {
        self.0.platform_skew.set(ms);
    }

    fn keys_age(&self, age: Duration) {
        self.0.platform_keys_age.set(i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
    }

    fn noticed(&self, notice: &Notice) {
        self.0.platform_notices.with_label_values(&[notice.kind]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veksel_codecs::{Mti, ResponseCode};
    use veksel_core::record::{Inquiry, Reason, Record, RecordId, TxnId, Verdict};
    use veksel_core::time::Utc;
    use veksel_store::{MemoryStore, Store};

    fn asked(number: u64) -> Record {
        Record::Inquiry(Box::new(Inquiry {
            txn: TxnId(number),
            utc: Utc(number),
            participant: "atm".to_owned(),
            link: "atm".to_owned(),
            route: "all".to_owned(),
            mti: Mti::known(b"0200"),
            code: "310000".to_owned(),
            stan: 1,
            rrn: "HOLD00000001".to_owned(),
            terminal: String::new(),
            account: String::new(),
            verdict: Verdict::Answered,
            response: ResponseCode::APPROVED,
            reason: Reason::Host,
        }))
    }

    /// Whoever asks for balances under the number of a hold does not hide it.
    #[test]
    fn a_number_of_too_many_inquiries_is_no_life() {
        let mut store = MemoryStore::new();
        let most = u64::try_from(FIND_MAX).unwrap();
        let records: Vec<_> = (1..most).map(|n| (RecordId(n), asked(n))).collect();
        store.append(&records).unwrap();
        let look = |store: &mut MemoryStore| look(store, "HOLD00000001".to_owned(), None).unwrap();
        assert!(look(&mut store).is_some_and(|found| found.is_empty()));
        store.append(&[(RecordId(most), asked(most))]).unwrap();
        assert!(look(&mut store).is_none());
    }
}
