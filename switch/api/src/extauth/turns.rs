//! Whose turn it is: requests about one hold go one after another, in the order in which they
//! came; those about different holds never wait for each other.
//!
//! A turn is a value that is handed on, and not a lock: the table is locked to look and never while
//! anything is awaited. Whoever drops a turn, or gives up waiting for one, at any point, gives it
//! to the next in line. The table holds who is under way and nobody else.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

/// Those who wait, by the number in the order in which they came.
type Line = BTreeMap<u64, oneshot::Sender<Turn>>;

/// Whose turn it is, hold by hold. A clone is the same.
#[derive(Clone, Default)]
pub(super) struct Turns(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    /// Of each hold that somebody has the turn of, who waits for it.
    lines: HashMap<String, Line>,
    /// The number of the last who came.
    last: u64,
}

/// The right to ask about a hold. It goes to the next in line when it is dropped.
pub(super) struct Turn {
    turns: Turns,
    /// Which hold; `None` once it is handed on.
    id: Option<String>,
}

/// A place in a line, left when it is dropped.
struct Place<'p> {
    turns: &'p Turns,
    id: &'p str,
    number: u64,
}

impl Turns {
    /// Waits for the turn of a hold, no longer than this. `None` if it did not come in time.
    pub(super) async fn take(&self, id: &str, until: Instant) -> Option<Turn> {
        let (turn, number) = match self.enter(id) {
            Ok(turn) => return Some(turn),
            Err(place) => place,
        };
        let _place = Place { turns: self, id, number };
        // One that came at the last moment and is not taken is dropped, and so goes on.
        timeout_at(until, turn).await.ok()?.ok()
    }

    /// The turn, if nobody has it; else a place at the end of the line.
    fn enter(&self, id: &str) -> Result<Turn, (oneshot::Receiver<Turn>, u64)> {
        let mut table = self.table();
        table.last = table.last.wrapping_add(1);
        let number = table.last;
        match table.lines.entry(id.to_owned()) {
            Entry::Vacant(line) => {
                line.insert(Line::new());
                Ok(Turn { turns: self.clone(), id: Some(id.to_owned()) })
            }
            Entry::Occupied(mut line) => {
                let (turn, waiting) = oneshot::channel();
                line.get_mut().insert(number, turn);
                Err((waiting, number))
            }
        }
    }

    /// Who is next; if nobody is, nobody has the turn any more.
    fn next(&self, id: &str) -> Option<oneshot::Sender<Turn>> {
        let mut table = self.table();
        let next = table.lines.get_mut(id).and_then(Line::pop_first);
        if next.is_none() {
            table.lines.remove(id);
        }
        next.map(|(_, next)| next)
    }

    /// A panic elsewhere leaves nothing half-written here.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    /// A loop: who has just given up gives the turn back at once, and however many do so one after
    /// another, this goes no deeper.
    fn drop(&mut self) {
        let mut id = self.id.take();
        while let Some(of) = id {
            let Some(next) = self.turns.next(&of) else { return };
            let turn = Self { turns: self.turns.clone(), id: Some(of) };
            // The table is not locked here: who is woken by it may want to look at once.
            id = next.send(turn).err().and_then(|mut back| back.id.take());
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut table = self.turns.table();
        let left = table.lines.get_mut(self.id).and_then(|line| line.remove(&self.number));
        drop(table);
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::{Pin, pin};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;
    use tokio::time::sleep;

    type Taking<'t> = Pin<Box<dyn Future<Output = Option<Turn>> + 't>>;

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(3_600)
    }

    /// Somebody who has come, and waits if he has to.
    fn come<'t>(turns: &'t Turns, id: &'t str) -> Result<Turn, Taking<'t>> {
        let mut taking: Taking<'t> = Box::pin(turns.take(id, far()));
        match look(&mut taking) {
            Poll::Ready(turn) => Ok(turn.unwrap()),
            Poll::Pending => Err(taking),
        }
    }

    fn look(taking: &mut Taking<'_>) -> Poll<Option<Turn>> {
        taking.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn first(turns: &Turns, id: &'static str) -> Turn {
        come(turns, id).unwrap_or_else(|_| panic!("nobody has the turn"))
    }

    fn waits<'t>(turns: &'t Turns, id: &'t str) -> Taking<'t> {
        come(turns, id).err().expect("somebody has the turn")
    }

    /// Holds, and who waits for them.
    fn size(turns: &Turns) -> (usize, usize) {
        let table = turns.table();
        (table.lines.len(), table.lines.values().map(BTreeMap::len).sum())
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_the_order_of_arrival() {
        let turns = Turns::default();
        let mut turn = first(&turns, "h-1");
        let mut line: Vec<Taking<'_>> = (0..5).map(|_| waits(&turns, "h-1")).collect();
        assert_eq!(size(&turns), (1, 5));
        while !line.is_empty() {
            for waiting in &mut line {
                assert!(look(waiting).is_pending());
            }
            drop(turn);
            for later in &mut line[1..] {
                assert!(look(later).is_pending(), "one at a time, the first first");
            }
            let Poll::Ready(Some(next)) = look(&mut line[0]) else { panic!("not handed on") };
            // Whoever comes now is last, although nobody has looked at the turn yet.
            turn = next;
            drop(line.remove(0));
        }
        drop(turn);
        assert_eq!(size(&turns), (0, 0));
        drop(first(&turns, "h-1"));
        assert_eq!(size(&turns), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_between_two_turns_is_behind_those_who_wait() {
        let turns = Turns::default();
        let turn = first(&turns, "h-1");
        let mut second = waits(&turns, "h-1");
        drop(turn);
        let mut third = waits(&turns, "h-1");
        assert!(look(&mut third).is_pending());
        assert!(look(&mut second).is_ready(), "and given back at once");
        assert!(look(&mut third).is_ready());
        drop((second, third));
        assert_eq!(size(&turns), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_another_hold() {
        let turns = Turns::default();
        let ids: Vec<String> = (0..1_000).map(|number| format!("h-{number}")).collect();
        let turn = |id| come(&turns, id).unwrap_or_else(|_| panic!("{id} waits"));
        let mut held: Vec<Turn> = ids.iter().map(|id| turn(id)).collect();
        assert_eq!(size(&turns), (1_000, 0));
        let mut waiting = waits(&turns, "h-7");
        let seventh = held.remove(7);
        drop(held);
        assert!(look(&mut waiting).is_pending());
        drop(seventh);
        assert!(look(&mut waiting).is_ready());
        drop(waiting);
        assert_eq!(size(&turns), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_his_time() {
        let turns = Turns::default();
        let turn = first(&turns, "h-1");
        let began = Instant::now();
        let until = began + Duration::from_millis(350);
        assert!(turns.take("h-1", until).await.is_none());
        assert_eq!(Instant::now(), until);
        assert_eq!(size(&turns), (1, 0), "he is out of the line");
        // Those behind him are not.
        let late = pin!(turns.take("h-1", until + Duration::from_millis(350)));
        let handing_on = async {
            sleep(Duration::from_millis(300)).await;
            drop(turn);
            std::future::pending::<()>().await;
        };
        let handed = tokio::select! {
            handed = late => handed,
            () = handing_on => None,
        };
        assert!(handed.is_some());
        drop(handed);
        assert_eq!(size(&turns), (0, 0));
        // A turn that nobody has is there for whoever has no time as well.
        assert!(turns.take("h-1", began).await.is_some());
    }

    /// A caller that hangs up is dropped wherever he is.
    #[tokio::test(start_paused = true)]
    async fn who_is_dropped_hands_his_turn_on() {
        let turns = Turns::default();
        let turn = first(&turns, "h-1");
        let never_looked = turns.take("h-1", far());
        let (second, third) = (waits(&turns, "h-1"), waits(&turns, "h-1"));
        let (mut fourth, mut fifth) = (waits(&turns, "h-1"), waits(&turns, "h-1"));
        drop(never_looked);
        // While he waits.
        drop(second);
        assert_eq!(size(&turns), (1, 3));
        drop(turn);
        assert_eq!(size(&turns), (1, 2));
        // When it was given to him, and he has not seen it.
        drop(third);
        let Poll::Ready(Some(turn)) = look(&mut fourth) else { panic!("not handed on") };
        assert!(look(&mut fifth).is_pending());
        // With the turn.
        drop(turn);
        assert!(look(&mut fifth).is_ready());
        drop((fourth, fifth));
        assert_eq!(size(&turns), (0, 0));
    }

    /// Those who gave up between two looks at the line are passed over one by one.
    #[test]
    fn however_many_have_given_up_the_turn_goes_on() {
        let turns = Turns::default();
        let Ok(turn) = turns.enter("h-1") else { panic!("nobody has the turn") };
        for _ in 0..200_000 {
            // The receiving end is dropped, and the place is not left.
            assert!(turns.enter("h-1").is_err());
        }
        let Err((mut last, _)) = turns.enter("h-1") else { panic!("somebody has the turn") };
        assert_eq!(size(&turns), (1, 200_001));
        drop(turn);
        let turn = last.try_recv().unwrap();
        assert_eq!(size(&turns), (1, 0));
        drop(turn);
        assert_eq!(size(&turns), (0, 0));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_at_a_time_whoever_gives_up_when() {
        const HOLDS: usize = 3;
        let turns = Turns::default();
        let busy: Arc<[AtomicU32; HOLDS]> = Arc::default();
        let came: Arc<AtomicU32> = Arc::default();
        let mut tasks = Vec::new();
        for number in 0..600_usize {
            let (own, busy, came) = (turns.clone(), Arc::clone(&busy), Arc::clone(&came));
            tasks.push(tokio::spawn(async move {
                let hold = number % HOLDS;
                let id = format!("h-{hold}");
                let Some(turn) = own.take(&id, far()).await else { panic!("waited for ever") };
                assert_eq!(busy[hold].fetch_add(1, Ordering::SeqCst), 0, "two at once");
                for _ in 0..number % 5 {
                    tokio::task::yield_now().await;
                }
                assert_eq!(busy[hold].fetch_sub(1, Ordering::SeqCst), 1);
                came.fetch_add(1, Ordering::SeqCst);
                drop(turn);
            }));
            if number % 4 == 0 {
                // And one who gives up at some moment, with the turn or without.
                let (own, id) = (turns.clone(), format!("h-{}", number % HOLDS));
                let giving_up = tokio::spawn(async move { own.take(&id, far()).await.is_some() });
                if number % 8 == 0 {
                    tokio::task::yield_now().await;
                }
                giving_up.abort();
                tasks.push(tokio::spawn(async move {
                    let _ = giving_up.await;
                }));
            }
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!((came.load(Ordering::SeqCst), size(&turns)), (600, (0, 0)));
    }
}
