//! Dropped frames and timeouts in the log, with what is known of their reason.

use super::Observer;
use serde_json::{Value, json};
use veksel_codecs::FieldNumber;
use veksel_core::{Dropped, Event, LinkId, Rrn};

impl Observer {
    /// What was dropped since the start, for `veksel status`.
    pub(crate) fn dropped(&self) -> Vec<Value> {
        let entry = |((link, why), count): (&(LinkId, Dropped), &u64)| {
            let (link, reason) = (self.link(*link), why.word());
            json!({ "link": link, "reason": reason, "count": count })
        };
        self.dropped.iter().map(entry).collect()
    }

    /// Says why, to whoever looks for the reason of a timeout. The engine keeps these few.
    pub(super) fn explain(&self, event: Event) {
        match event {
            Event::Explained { connection, why, seen, nearest, withheld } => {
                let link = self.link(connection.link);
                let field = nearest.map_or_else(|| "none".to_owned(), |near| named(near.differs));
                self.metrics.explained.with_label_values(&[link, why.word(), &field]).inc();
                let (connection, why, mti) = (connection.serial, why.word(), seen.mti);
                let rrn = seen.rrn.as_ref().map(Rrn::as_str);
                let (stan, error) = (seen.stan, seen.error.map(|error| error.to_string()));
                let Some(near) = nearest else {
                    tracing::warn!(
                        link, connection, why, %mti, stan, rrn, error, withheld, "frame dropped"
                    );
                    return;
                };
                let waited_ms = near.waited / 1_000_000;
                tracing::warn!(
                    link, connection, why, %mti, stan, rrn, withheld,
                    nearest_txn = near.txn.0, nearest_mti = %near.mti, nearest_stan = near.stan,
                    nearest_rrn = near.rrn.as_ref().map(Rrn::as_str), waited_ms,
                    "frame dropped: it would answer the nearest request if {field} were the same"
                );
            }
            Event::TimedOut { connection, txn, stan, rrn, waited, quiet, withheld } => {
                let link = self.link(connection.link);
                let rrn = rrn.as_ref().map(Rrn::as_str);
                let (waited_ms, quiet_ms) = (waited / 1_000_000, quiet.map(|ns| ns / 1_000_000));
                let why = match quiet {
                    None => "the connection it went over is gone",
                    Some(quiet) if quiet >= waited => "the host said nothing on that connection",
                    Some(_) => "the host answered others on that connection",
                };
                tracing::warn!(
                    link,
                    connection = connection.serial,
                    txn = txn.0,
                    stan,
                    rrn,
                    waited_ms,
                    quiet_ms,
                    withheld,
                    "no answer in time: {why}"
                );
            }
            _ => {}
        }
    }
}

/// A field as a label: `DE37`, or `MTI`.
fn named(field: FieldNumber) -> String {
    if field == FieldNumber::MTI { "MTI".to_owned() } else { format!("DE{}", field.get()) }
}
