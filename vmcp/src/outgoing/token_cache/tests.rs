#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{advance, sleep};
use url::Url;

use super::*;
use crate::egress::Trust;
use crate::outgoing::TokenType;

const HOUR: Duration = Duration::from_hours(1);

fn exchange(audience: &str) -> Arc<TokenExchange> {
    Arc::new(TokenExchange {
        source: "uid".to_owned(),
        token_url: Url::parse("https://auth.example.com/token").unwrap(),
        trust: Trust::system(),
        client: None,
        audience: Some(audience.to_owned()),
        scopes: vec![],
        subject_token_type: TokenType::AccessToken,
    })
}

fn key(audience: &str, subject: &str) -> CacheKey {
    CacheKey::new(&exchange(audience), &SubjectToken::new(subject.to_owned(), SystemTime::now() + HOUR))
}

/// A cache, and a token endpoint that counts.
struct World {
    cache: TokenCache,
    exchanges: Arc<AtomicUsize>,
}

impl World {
    fn new(longest_use: Duration) -> Self {
        Self { cache: TokenCache::new(longest_use), exchanges: Arc::default() }
    }

    /// Asks for a token of `lifetime`, on behalf of a subject token that ends in `subject`.
    async fn get(&self, key: &CacheKey, lifetime: Option<Duration>, subject: Duration) -> Outcome {
        let exchanges = Arc::clone(&self.exchanges);
        let exchange = move || async move {
            let number = exchanges.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(ExchangedToken::new(&format!("token-{number}"), lifetime).unwrap())
        };
        self.cache.get(key, SystemTime::now() + subject, exchange).await
    }

    async fn fail(&self, key: &CacheKey) -> EgressError {
        let exchanges = Arc::clone(&self.exchanges);
        let exchange = move || async move {
            exchanges.fetch_add(1, Ordering::SeqCst);
            Err(EgressError::new(Cause::Unauthorized, "invalid_client"))
        };
        self.cache.get(key, SystemTime::now() + HOUR, exchange).await.unwrap_err()
    }

    fn exchanges(&self) -> usize {
        self.exchanges.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_used_until_the_earliest_of_its_bounds() {
    let seconds = Duration::from_secs;
    // issued lifetime, longest use, rest of the subject token: seconds of use
    for (lifetime, longest_use, subject, used) in [
        (Some(seconds(3600)), seconds(300), HOUR, 300),
        (Some(seconds(200)), seconds(300), HOUR, 170),
        (Some(seconds(40)), seconds(300), HOUR, 30),
        (None, seconds(300), HOUR, 300),
        (Some(seconds(3600)), seconds(300), seconds(60), 60),
        (Some(seconds(3600)), seconds(10), HOUR, 10),
    ] {
        let world = World::new(longest_use);
        let key = key("a", "alice");
        world.get(&key, lifetime, subject).await.unwrap();
        advance(seconds(used - 1)).await;
        world.get(&key, lifetime, subject).await.unwrap();
        assert_eq!(world.exchanges(), 1, "{lifetime:?} {longest_use:?} {subject:?}");
        advance(seconds(1) + Duration::from_millis(10)).await;
        world.get(&key, lifetime, subject).await.unwrap();
        assert_eq!(world.exchanges(), 2, "{lifetime:?} {longest_use:?} {subject:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_without_lifetime_left_serves_the_one_request() {
    let world = World::new(HOUR);
    let key = key("a", "alice");
    for expected in 1..=3 {
        world.get(&key, Some(Duration::ZERO), HOUR).await.unwrap();
        assert_eq!(world.exchanges(), expected);
    }
}

#[tokio::test]
async fn an_expired_subject_token_renews_nothing() {
    let world = World::new(HOUR);
    let outcome = world.cache.get(&key("a", "alice"), SystemTime::UNIX_EPOCH, || async { Err(abandoned()) }).await;
    assert_eq!(outcome.unwrap_err().to_string(), "the caller's token has expired");
}

#[tokio::test(start_paused = true)]
async fn failures_are_remembered_from_one_to_thirty_seconds() {
    let world = World::new(HOUR);
    let key = key("a", "alice");
    for (number, remembered) in [1, 2, 4, 8, 16, 30, 30].into_iter().enumerate() {
        world.fail(&key).await;
        assert_eq!(world.exchanges(), number + 1);
        advance(Duration::from_millis(remembered * 1000 - 1)).await;
        world.fail(&key).await;
        assert_eq!(world.exchanges(), number + 1, "remembered for {remembered} s");
        advance(Duration::from_millis(2)).await;
    }
    world.get(&key, None, HOUR).await.unwrap();
    advance(HOUR).await;
    let before = world.exchanges();
    world.fail(&key).await;
    advance(Duration::from_millis(1001)).await;
    world.fail(&key).await;
    assert_eq!(world.exchanges(), before + 2, "a success starts over");
}

#[tokio::test(start_paused = true)]
async fn configurations_and_subjects_are_apart() {
    let world = World::new(HOUR);
    for (audience, subject) in [("a", "alice"), ("a", "bob"), ("b", "alice")] {
        world.get(&key(audience, subject), None, HOUR).await.unwrap();
    }
    assert_eq!(world.exchanges(), 3);
    world.cache.retain_configurations(&[OutgoingAuth::TokenExchange(exchange("a")).identity()]);
    for (audience, subject) in [("a", "alice"), ("a", "bob"), ("b", "alice")] {
        world.get(&key(audience, subject), None, HOUR).await.unwrap();
    }
    assert_eq!(world.exchanges(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_late_rejection_does_not_evict_the_token_that_came_after() {
    let world = World::new(HOUR);
    let key = key("a", "alice");
    let first = world.get(&key, None, HOUR).await.unwrap();
    world.cache.evict(&key, &first);
    let second = world.get(&key, None, HOUR).await.unwrap();
    world.cache.evict(&key, &first);
    assert!(Arc::ptr_eq(&second, &world.get(&key, None, HOUR).await.unwrap()));
    assert_eq!(world.exchanges(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_evicted_during_an_exchange_is_not_kept() {
    let world = World::new(HOUR);
    let key = key("a", "alice");
    let slow = || async {
        sleep(Duration::from_secs(1)).await;
        Ok(ExchangedToken::new("slow", None).unwrap())
    };
    let (outcome, ()) = tokio::join!(world.cache.get(&key, SystemTime::now() + HOUR, slow), async {
        sleep(Duration::from_millis(500)).await;
        world.cache.retain_configurations(&[]);
    });
    assert!(outcome.is_ok(), "who waited is served");
    world.get(&key, None, HOUR).await.unwrap();
    assert_eq!(world.exchanges(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_number_of_tokens_is_bounded() {
    let world = World::new(HOUR);
    for number in 0..CAPACITY + 10 {
        world.get(&key("a", &number.to_string()), None, HOUR).await.unwrap();
    }
    assert!(world.cache.0.lock().by_key.len() <= CAPACITY);
}

#[test]
fn tokens_do_not_show() {
    let token = ExchangedToken::new("s3cr3t", None).unwrap();
    assert!(!format!("{token:?} {:?}", token.bearer).contains("s3cr3t"));
}
