//! How often Sumsub may be asked: so many POST and so many other requests within any five seconds,
//! by default 50 and 300, which are its own limits (http-contracts 2.1). Who waits here is not
//! refused there. Time is an argument.

use std::collections::VecDeque;

/// The window, in milliseconds.
const WINDOW_MS: u64 = 5_000;

/// When requests were made within the last window.
#[derive(Debug)]
pub(super) struct Rates {
    posts: VecDeque<u64>,
    gets: VecDeque<u64>,
    posts_max: usize,
    gets_max: usize,
}

impl Rates {
    /// Nothing was asked yet; `posts_max` POST and `gets_max` other requests fit into a window.
    pub(super) fn new(posts_max: u32, gets_max: u32) -> Self {
        let most = |max: u32| usize::try_from(max).unwrap_or(usize::MAX);
        let (posts, gets) = (VecDeque::new(), VecDeque::new());
        Self { posts, gets, posts_max: most(posts_max), gets_max: most(gets_max) }
    }

    /// Takes a place for a request at this millisecond, or says after how many milliseconds one
    /// may be free.
    pub(super) fn admit(&mut self, is_post: bool, now: u64) -> Result<(), u64> {
        let (recent, most) = match is_post {
            true => (&mut self.posts, self.posts_max),
            false => (&mut self.gets, self.gets_max),
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
        for (is_post, most) in [(true, 50), (false, 300), (true, 7), (false, 3)] {
            let (posts, gets) = if is_post { (most, 1) } else { (1, most) };
            let mut rates = Rates::new(posts, gets);
            let most = most as usize;
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
        let mut rates = Rates::new(50, 300);
        assert!((0..50).all(|_| rates.admit(true, 100).is_ok()));
        assert_eq!(rates.admit(true, 1_100), Err(4_000));
        assert_eq!(rates.admit(false, 1_100), Ok(()), "POST and GET are counted apart");
        assert_eq!(rates.admit(true, 5_100), Ok(()));
    }
}
