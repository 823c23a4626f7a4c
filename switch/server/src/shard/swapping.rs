//! The shard goes by another configuration: first all that can fail, then the change.

use super::Turning;
use crate::orders::{Swap, Swapped};
use std::rc::Rc;
use std::time::Duration;
use veksel_codecs::Codec;
use veksel_config::{Socket, SocketConfig};
use veksel_core::{Input, LinkId};
use veksel_link::{KeyChange, Renewal};

impl Turning {
    /// Between two turns, so that no message is handled half by the one and half by the other.
    pub(super) fn swap(&mut self, swap: Swap) -> Result<Swapped, Vec<String>> {
        let Swap { mut config, sockets, dialects, operator, summary, is_trial } = swap;
        let mut wrong = Vec::new();
        let mut swapped = Swapped::default();
        let mut renewals = Vec::new();
        let parts = config.sockets.iter().zip(sockets).zip(dialects);
        for ((place, link), ((socket, fate), dialect)) in (0..).zip(&config.plan.links).zip(parts) {
            match self.prepare(LinkId(place), socket, fate, dialect) {
                Ok(Some(renewal)) => {
                    if let Some(KeyChange { before, after }) = renewal.keys() {
                        let keys = (link.name.clone(), shown(before), shown(after));
                        swapped.keys.push(keys);
                    }
                    renewals.push(renewal);
                }
                Ok(None) => {}
                Err(error) => {
                    let error = error.to_string();
                    if !wrong.contains(&error) {
                        wrong.push(error);
                    }
                }
            }
        }
        let certificates = self.shard.wires.certificates();
        // Those of the others were read when they were prepared.
        let prepared: Vec<LinkId> = renewals
            .iter()
            .filter(|renewal| renewal.is_of_connections())
            .map(Renewal::link)
            .collect();
        if let Err(unusable) = certificates.check(&prepared) {
            wrong.extend(unusable.iter().map(ToString::to_string));
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        if is_trial {
            return Ok(swapped);
        }
        let now = self.shard.clock.now();
        config.plan.digest_key = self.shard.switch.plan().digest_key.clone();
        self.shard.observer.replan(&config.plan);
        self.shard.targets.replan(&config.plan);
        // The engine knows a link before its first connection.
        self.shard.switch.handle(now, Input::Replan(Box::new(config.plan)));
        for renewal in renewals {
            if let Err(error) = self.shard.wires.renew(renewal) {
                tracing::error!(%error, "a new listener does not say its address");
            }
        }
        // Those of links that stay as they are.
        if let Err(unusable) = certificates.renew() {
            for one in unusable {
                tracing::error!(of = %one.holder, error = %one.error, "certificates stay as they were");
            }
        }
        self.shard.drain = Duration::from_millis(config.drain_ms);
        self.shard.switch.note(now, &operator, "reload", summary);
        self.carry_out();
        Ok(swapped)
    }

    fn prepare(
        &self,
        link: LinkId,
        socket: &SocketConfig,
        fate: Socket,
        dialect: veksel_codecs::Dialect,
    ) -> std::io::Result<Option<Renewal>> {
        let wires = &self.shard.wires;
        if let SocketConfig::Port(_) = socket {
            // Who calls over HTTP is known at the start.
            return Ok(None);
        }
        // A dialect is a file that may say something else under the same name.
        let is_other = wires.dialect(link).is_none_or(|known| known != dialect);
        if fate == Socket::Same && !is_other {
            return wires.prepare_keys(link, socket.mac());
        }
        wires.prepare(link, socket, Rc::new(Codec::new(dialect))).map(Some)
    }
}

/// Check values for people: those accepted, then the one MACs are made with.
fn shown((accept, make): &(Vec<String>, Option<String>)) -> String {
    let make = make.as_deref().unwrap_or("none");
    format!(
        "accept {}, make {make}",
        if accept.is_empty() { "any".into() } else { accept.join(" ") }
    )
}
