//! How many handshakes of one address may be under way: a share of all, so that whoever begins many
//! and finishes none keeps places for himself only.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of all handshakes one address has this part, but never fewer than these: a peer may well come
/// with fifty at once, and what it does not finish must leave others room.
const PART: usize = 2;
const SHARE_MIN: usize = 16;

/// See the module. An address is in the table only while one of its handshakes is under way, so
/// that the table is never larger than their number.
#[derive(Debug)]
pub(super) struct Crowd {
    share: usize,
    under_way: Mutex<HashMap<IpAddr, usize>>,
}

/// A handshake that is under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Entered<'c> {
    crowd: &'c Crowd,
    subscriber: IpAddr,
}

impl Crowd {
    /// For so many handshakes of all addresses.
    pub(super) fn new(handshakes_max: usize) -> Self {
        Self { share: (handshakes_max / PART).max(SHARE_MIN), under_way: Mutex::default() }
    }

    /// How many one address may have.
    pub(super) const fn share(&self) -> usize {
        self.share
    }

    /// One more of this address; `None` if it has its share.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Entered<'_>> {
        let subscriber = subscriber(address);
        let mut under_way = self.under_way();
        let count = under_way.entry(subscriber).or_default();
        // An entry that was made now is at zero, and no share is.
        if *count >= self.share {
            return None;
        }
        *count += 1;
        Some(Entered { crowd: self, subscriber })
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn under_way(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut under_way = self.crowd.under_way();
        if let Some(count) = under_way.get_mut(&self.subscriber) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                under_way.remove(&self.subscriber);
            }
        }
    }
}

/// What stands for whoever has an address: of IPv6 the half that one subscriber has for himself.
#[must_use]
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share_and_leaves_the_rest() {
        for (handshakes_max, share) in [(1, 16), (34, 17), (256, 128), (65_536, 32_768)] {
            assert_eq!(Crowd::new(handshakes_max).share(), share, "{handshakes_max}");
        }
        let crowd = Crowd::new(32);
        let first = address("127.0.0.1");
        let mut entered: Vec<_> = (0..16).map(|_| crowd.enter(first).unwrap()).collect();
        assert!(crowd.enter(first).is_none());
        assert!(crowd.enter(address("::ffff:127.0.0.1")).is_none(), "the same, written otherwise");
        let other = crowd.enter(address("127.0.0.2")).unwrap();
        drop(entered.pop());
        entered.push(crowd.enter(first).unwrap());
        assert!(crowd.enter(first).is_none());
        drop((entered, other));
        assert!(crowd.under_way().is_empty(), "nobody is remembered");
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_whatever_his_last_bits_are() {
        let crowd = Crowd::new(32);
        let own = |last: u16| address(&format!("2001:db8:0:1::{last:x}"));
        let entered: Vec<_> = (0..16).map(|last| crowd.enter(own(last)).unwrap()).collect();
        assert!(crowd.enter(own(99)).is_none());
        assert!(crowd.enter(address("2001:db8:0:2::1")).is_some());
        drop(entered);
    }
}
