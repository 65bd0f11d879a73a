//! What several need and one attempt at a time makes: an open session, what a server says of itself.
//!
//! The attempt is a task of its own. It goes on when whoever began it gives up, and those who come later join it: where the way is
//! slow, impatient requests get there too, one after the other, in place of beginning anew each time.

use std::fmt;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::error::{Cause, EgressError};
use super::http_client::broken;

/// How long an attempt goes on for which nobody waits: as long as a call waits for its answer, where nobody says otherwise. Whoever
/// waits keeps it alive beyond that, and has a bound of their own.
const UNWAITED: Duration = Duration::from_secs(30);

/// A value that is made when it is needed and kept until it is lost. Dropping it ends the attempt that is under way.
pub(super) struct SingleFlight<T>(Mutex<State<T>>);

enum State<T> {
    Absent,
    UnderWay(Attempt<T>),
    Present(T),
}

/// What comes of an attempt; nothing yet while it is under way.
type Outcome<T> = Option<Result<T, EgressError>>;

struct Attempt<T> {
    outcome: watch::Receiver<Outcome<T>>,
    /// Those who wait subscribe to it.
    wanted: watch::Sender<()>,
    /// Takes it back. The handle of its task would do so too, and keep the memory of the task beyond its end: 8 KiB for a session.
    _unless_dropped: DropGuard,
}

/// Someone who waits for an attempt.
struct Waiting<T> {
    outcome: watch::Receiver<Outcome<T>>,
    _wanted: watch::Receiver<()>,
}

impl<T: Clone + Send + Sync + 'static> SingleFlight<T> {
    /// The value; unless it is there and `is_good`, that of the attempt under way, else of a new one, which does what `make` returns.
    ///
    /// A failure is told to all who wait, but for one that has to do with what is the maker's own, such as its credentials: then the
    /// others make attempts of their own.
    pub(super) async fn get<F>(&self, is_good: impl Fn(&T) -> bool, make: impl Fn() -> F) -> Result<T, EgressError>
    where
        F: Future<Output = Result<T, EgressError>> + Send + 'static,
    {
        loop {
            let (waiting, is_own) = {
                let mut state = self.current();
                match &*state {
                    State::Present(value) if is_good(value) => return Ok(value.clone()),
                    State::UnderWay(attempt) => (attempt.join(), false),
                    State::Present(_) | State::Absent => {
                        let attempt = Attempt::begin(make());
                        let waiting = attempt.join();
                        *state = State::UnderWay(attempt);
                        (waiting, true)
                    }
                }
            };
            let ended = waiting.end().await;
            // The channels of the attempt need not stay with a value that may then idle for long.
            drop(self.current());
            match ended {
                Some(Err(error)) if !is_own && is_of_its_maker(&error) => {}
                Some(outcome) => return outcome,
                None if is_own => return Err(broken()),
                // Somebody has taken it back.
                None => {}
            }
        }
    }

    /// Looks at the value, if there is one.
    pub(super) fn look<R>(&self, at: impl FnOnce(Option<&T>) -> R) -> R {
        match &*self.current() {
            State::Present(value) => at(Some(value)),
            State::Absent | State::UnderWay(_) => at(None),
        }
    }

    /// The value, or what comes of the attempt under way; nothing without either.
    pub(super) async fn settled(&self) -> Option<T> {
        let waiting = match &*self.current() {
            State::Present(value) => return Some(value.clone()),
            State::UnderWay(attempt) => attempt.join(),
            State::Absent => return None,
        };
        waiting.end().await?.ok()
    }

    /// Puts a value in place that was made elsewhere.
    pub(super) fn put(&self, value: T) {
        *self.current() = State::Present(value);
    }

    /// Discards the value if it is such.
    pub(super) fn discard(&self, is_such: impl FnOnce(&T) -> bool) {
        let mut state = self.current();
        if matches!(&*state, State::Present(value) if is_such(value)) {
            *state = State::Absent;
        }
    }

    /// Takes the value, or takes the attempt back that would have made it.
    pub(super) fn take(&self) -> Option<T> {
        match std::mem::replace(&mut *self.current(), State::Absent) {
            State::Present(value) => Some(value),
            State::Absent | State::UnderWay(_) => None,
        }
    }

    /// The state as it is now: an attempt that has ended has left its value, or nothing.
    fn current(&self) -> MutexGuard<'_, State<T>> {
        let mut state = self.0.lock();
        if let State::UnderWay(attempt) = &*state
            && let Some(ended) = attempt.ended()
        {
            *state = ended;
        }
        state
    }
}

impl<T: Clone + Send + Sync + 'static> Attempt<T> {
    fn begin(work: impl Future<Output = Result<T, EgressError>> + Send + 'static) -> Self {
        let (told, outcome) = watch::channel(None);
        let wanted = watch::Sender::new(());
        let still_wanted = wanted.clone();
        let taken_back = CancellationToken::new();
        let unless_dropped = taken_back.clone().drop_guard();
        tokio::spawn(async move {
            let unwanted = async {
                tokio::time::sleep(UNWAITED).await;
                still_wanted.closed().await;
            };
            tokio::select! {
                biased;
                () = taken_back.cancelled() => {}
                outcome = work => {
                    told.send_replace(Some(outcome));
                }
                () = unwanted => {}
            }
        });
        Self { outcome, wanted, _unless_dropped: unless_dropped }
    }

    fn join(&self) -> Waiting<T> {
        Waiting { outcome: self.outcome.clone(), _wanted: self.wanted.subscribe() }
    }

    /// What it has left, if it has ended.
    fn ended(&self) -> Option<State<T>> {
        // Read first: it says nothing more after that.
        let is_over = self.outcome.has_changed().is_err();
        match &*self.outcome.borrow() {
            Some(Ok(value)) => Some(State::Present(value.clone())),
            Some(Err(_)) => Some(State::Absent),
            None => is_over.then_some(State::Absent),
        }
    }
}

impl<T: Clone> Waiting<T> {
    /// What comes of the attempt; nothing if it was taken back.
    async fn end(mut self) -> Outcome<T> {
        let ended = self.outcome.wait_for(Option::is_some).await;
        ended.ok()?.clone()
    }
}

/// Whether others might have had another outcome: credentials are each one's own, trust and guard those of one backend.
fn is_of_its_maker(error: &EgressError) -> bool {
    error.is_at_token_endpoint() || matches!(error.cause(), Cause::Unauthorized | Cause::Tls | Cause::Blocked)
}

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self(Mutex::new(State::Absent))
    }
}

impl<T> fmt::Debug for SingleFlight<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SingleFlight").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::{Instant, timeout};

    use super::*;

    /// Something that takes its time to make; `begun` and `left` count the attempts.
    #[derive(Clone, Default)]
    struct Workshop {
        begun: Arc<AtomicUsize>,
        left: Arc<AtomicUsize>,
    }

    struct Leaving(Arc<AtomicUsize>);

    impl Drop for Leaving {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Workshop {
        fn make<T: Send + 'static>(
            &self,
            seconds: u64,
            outcome: Result<T, EgressError>,
        ) -> impl Future<Output = Result<T, EgressError>> + Send + use<T> {
            self.begun.fetch_add(1, Ordering::SeqCst);
            let leaving = Leaving(Arc::clone(&self.left));
            async move {
                let _leaving = leaving;
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                outcome
            }
        }

        fn counts(&self) -> (usize, usize) {
            (self.begun.load(Ordering::SeqCst), self.left.load(Ordering::SeqCst))
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_impatient_began_is_there_for_those_who_come_later() {
        let (flight, workshop) = (SingleFlight::default(), Workshop::default());
        let made = || flight.get(|_| true, || workshop.make(10, Ok(7)));
        for _ in 0..3 {
            assert!(timeout(seconds(3), made()).await.is_err());
        }
        assert_eq!((made().await, made().await), (Ok(7), Ok(7)));
        assert_eq!(workshop.counts(), (1, 1));
        assert_eq!(flight.get(|value| *value != 7, || workshop.make(0, Ok(8))).await, Ok(8), "the other one is lost");
        assert_eq!((flight.take(), flight.look(|value| value.is_some())), (Some(8), false));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_and_nothing_goes_on_for_nobody() {
        let (flight, workshop) = (SingleFlight::default(), Workshop::default());
        let (made, started) = (|| flight.get(|_| true, || workshop.make(50, Ok(7))), Instant::now());
        assert!(timeout(seconds(1), made()).await.is_err());
        tokio::time::sleep_until(started + UNWAITED - seconds(1)).await;
        assert_eq!(workshop.counts(), (1, 0));
        tokio::time::sleep(seconds(2)).await;
        assert_eq!(workshop.counts(), (1, 1), "nobody waits for it");
        assert_eq!(timeout(seconds(60), made()).await.unwrap(), Ok(7), "somebody waits for it");
        assert_eq!(workshop.counts(), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_stays_of_an_attempt_but_its_value() {
        let (flight, workshop) = (SingleFlight::default(), Workshop::default());
        assert_eq!(flight.get(|_| true, || workshop.make(1, Ok(7))).await, Ok(7));
        assert!(matches!(&*flight.0.lock(), State::Present(7)));
    }

    #[test]
    fn an_attempt_that_ended_keeps_no_memory_although_nobody_looks() {
        // A task that is still in memory keeps its runtime there, and with it what the runtime holds.
        let held = Arc::new(());
        let watched = Arc::downgrade(&held);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .on_thread_park(move || drop(Arc::clone(&held)))
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (flight, workshop) = (SingleFlight::default(), Workshop::default());
        runtime.block_on(async {
            assert!(timeout(seconds(1), flight.get(|_| true, || workshop.make(2, Ok(7)))).await.is_err());
            tokio::time::sleep(seconds(2)).await;
        });
        assert_eq!((workshop.counts(), watched.strong_count()), ((1, 1), 1));
        drop(runtime);
        assert_eq!(watched.strong_count(), 0, "the task is still there");
        assert!(flight.look(|value| value == Some(&7)));
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_its_owner() {
        let (flight, workshop) = (SingleFlight::default(), Workshop::default());
        assert!(timeout(seconds(1), flight.get(|_| true, || workshop.make(9, Ok(7)))).await.is_err());
        drop(flight);
        tokio::task::yield_now().await;
        assert_eq!(workshop.counts(), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_everyones_but_for_one_that_is_the_makers_own() {
        for (cause, attempts) in
            [(Cause::Refused, 1), (Cause::Protocol, 1), (Cause::Unauthorized, 4), (Cause::Tls, 4), (Cause::Blocked, 4)]
        {
            let (flight, workshop) = (SingleFlight::<u8>::default(), Workshop::default());
            let failed = EgressError::new(cause, "why");
            let made = || flight.get(|_| true, || workshop.make(1, Err(failed.clone())));
            let outcomes = futures::future::join_all((0..4).map(|_| made())).await;
            assert_eq!((outcomes, workshop.counts().0), (vec![Err(failed.clone()); 4], attempts), "{cause}");
            assert_eq!(flight.settled().await, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_back_is_made_by_those_who_still_need_it() {
        let (flight, workshop) = (SingleFlight::default(), Workshop::default());
        assert!(timeout(seconds(1), flight.get(|_| true, || workshop.make(9, Ok(7)))).await.is_err());
        let (made, _) = tokio::join!(flight.get(|_| true, || workshop.make(9, Ok(8))), async { flight.take() });
        assert_eq!((made, workshop.counts()), (Ok(8), (2, 2)));
    }
}
