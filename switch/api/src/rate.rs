//! How often one address may knock: so many requests within a window, counted exactly, for a
//! bounded number of addresses.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};
use veksel_link::subscriber;

/// Addresses that are remembered. One more takes the place of the one that was quiet for longest.
const ADDRESSES_MAX: usize = 10_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Rate {
    most: usize,
    window: Duration,
    /// When the last requests came that were let through, oldest first.
    seen: HashMap<Key, VecDeque<Instant>>,
}

/// An endpoint and an address: of IPv6 the half that one subscriber has for himself.
type Key = (&'static str, IpAddr);

impl Rate {
    pub(crate) fn new(most: u32, window: Duration) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        Self { most, window, seen: HashMap::new() }
    }

    /// Lets a request through, or says how long to wait. Who is not let through is not counted.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        endpoint: &'static str,
        address: IpAddr,
    ) -> Result<(), Duration> {
        if let Some(wait) = self.wait(now, endpoint, address) {
            return Err(wait);
        }
        let key = (endpoint, subscriber(address));
        if !self.seen.contains_key(&key) && self.seen.len() >= ADDRESSES_MAX {
            self.make_room(now);
        }
        self.seen.entry(key).or_default().push_back(now);
        Ok(())
    }

    /// How long an address has to wait that would not be let through; it is not counted.
    pub(crate) fn wait(
        &mut self,
        now: Instant,
        endpoint: &'static str,
        address: IpAddr,
    ) -> Option<Duration> {
        let times = self.seen.get_mut(&(endpoint, subscriber(address)))?;
        let is_over = |at: &Instant| now.saturating_duration_since(*at) >= self.window;
        while times.front().is_some_and(is_over) {
            times.pop_front();
        }
        let first = times.front().filter(|_| times.len() >= self.most)?;
        Some(self.window.saturating_sub(now.saturating_duration_since(*first)))
    }

    fn make_room(&mut self, now: Instant) {
        let window = self.window;
        let is_fresh = |at: &Instant| now.saturating_duration_since(*at) < window;
        self.seen.retain(|_, times| times.back().is_some_and(is_fresh));
        if self.seen.len() < ADDRESSES_MAX {
            return;
        }
        let quietest = self.seen.iter().min_by_key(|(_, times)| times.back().copied());
        if let Some(key) = quietest.map(|(key, _)| *key) {
            self.seen.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn no_window_has_more_than_ten() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut rate = Rate::new(10, MINUTE);
        let mut knock = |now, who: &str| rate.admit(now, "x", address(who));
        for second in 0..10 {
            assert_eq!(knock(at(second), "10.0.0.1"), Ok(()));
        }
        assert_eq!(knock(at(10), "10.0.0.1"), Err(Duration::from_secs(50)));
        assert_eq!(knock(at(59), "::ffff:10.0.0.1"), Err(Duration::from_secs(1)));
        assert_eq!(knock(at(59), "10.0.0.2"), Ok(()), "another address");
        assert_eq!(knock(at(60), "10.0.0.1"), Ok(()));
        assert_eq!(knock(at(60), "10.0.0.1"), Err(Duration::from_secs(1)));
        assert_eq!(rate.admit(at(60), "y", address("10.0.0.1")), Ok(()), "another endpoint");
        // To ask how long to wait is no request.
        for _ in 0..20 {
            assert_eq!(rate.wait(at(62), "x", address("10.0.0.2")), None);
            let wait = rate.wait(at(62), "x", address("10.0.0.1"));
            assert_eq!(wait, None, "the second of its requests is over a minute ago");
        }
        assert_eq!(rate.admit(at(62), "x", address("10.0.0.1")), Ok(()));
        assert_eq!(rate.admit(at(62), "x", address("10.0.0.1")), Ok(()));
        let wait = rate.wait(at(62), "x", address("10.0.0.1"));
        assert_eq!(wait, Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_subscriber_of_ipv6_is_one_whatever_his_last_bits_are() {
        let now = Instant::now();
        let mut rate = Rate::new(1, MINUTE);
        assert_eq!(rate.admit(now, "x", address("2001:db8:0:1::1")), Ok(()));
        assert!(rate.admit(now, "x", address("2001:db8:0:1:ffff::2")).is_err());
        assert_eq!(rate.admit(now, "x", address("2001:db8:0:2::1")), Ok(()));
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_quietest() {
        let start = Instant::now();
        let mut rate = Rate::new(1, MINUTE);
        let number = |n: usize| IpAddr::from(u32::try_from(n).unwrap().to_be_bytes());
        for n in 0..ADDRESSES_MAX + 5 {
            let now = start + Duration::from_millis(u64::try_from(n).unwrap());
            assert_eq!(rate.admit(now, "x", number(n)), Ok(()));
            assert!(rate.seen.len() <= ADDRESSES_MAX);
        }
        let now = start + Duration::from_secs(30);
        assert!(rate.admit(now, "x", number(ADDRESSES_MAX + 4)).is_err(), "the newest is known");
        assert_eq!(rate.admit(now, "x", number(0)), Ok(()), "the oldest was forgotten");
        let later = start + Duration::from_secs(120);
        assert_eq!(rate.admit(later, "x", number(3_000_000)), Ok(()));
        assert_eq!(rate.seen.len(), 1, "those whose window is over made room");
    }
}
