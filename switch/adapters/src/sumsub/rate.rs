//! How often Sumsub may be asked: 50 POST and 300 other requests within any five seconds
//! (http-contracts 2.1). Who waits here is not refused there. Time is an argument.

use std::collections::VecDeque;

/// POST requests within [`WINDOW_MS`].
const POSTS_MAX: usize = 50;
/// Other requests within [`WINDOW_MS`].
const GETS_MAX: usize = 300;
/// The window, in milliseconds.
const WINDOW_MS: u64 = 5_000;

/// When requests were made within the last window.
#[derive(Debug, Default)]
pub(super) struct Rates {
    posts: VecDeque<u64>,
    gets: VecDeque<u64>,
}

impl Rates {
    /// Takes a place for a request at this millisecond, or says after how many milliseconds one
    /// may be free.
    pub(super) fn admit(&mut self, is_post: bool, now: u64) -> Result<(), u64> {
        let (recent, most) = match is_post {
            true => (&mut self.posts, POSTS_MAX),
            false => (&mut self.gets, GETS_MAX),
        };
        while recent.front().is_some_and(|at| at.saturating_add(WINDOW_MS) <= now) {
            recent.pop_front();
        }
        match recent.front() {
            Some(oldest) if recent.len() >= most => {
                Err(oldest.saturating_add(WINDOW_MS).saturating_sub(now))
            }
            Some(_) | None => {
                recent.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_of_five_seconds_has_more_than_is_allowed() {
        for (is_post, most) in [(true, 50), (false, 300)] {
            let mut rates = Rates::default();
            let made: Vec<u64> =
                (0..20_000).filter(|ms| rates.admit(is_post, *ms).is_ok()).collect();
            assert_eq!(made.iter().filter(|ms| **ms < 5_000).count(), most);
            for start in 0..15_000 {
                let within = made.iter().filter(|ms| (start..start + 5_000).contains(*ms)).count();
                assert!(within <= most, "{start}: {within}");
            }
        }
    }

    #[test]
    fn who_must_wait_is_told_how_long() {
        let mut rates = Rates::default();
        assert!((0..50).all(|_| rates.admit(true, 100).is_ok()));
        assert_eq!(rates.admit(true, 1_100), Err(4_000));
        assert_eq!(rates.admit(false, 1_100), Ok(()), "POST and GET are counted apart");
        assert_eq!(rates.admit(true, 5_100), Ok(()));
    }
}
