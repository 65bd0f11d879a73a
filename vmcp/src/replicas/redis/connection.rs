//! The connections with Redis: one for commands, one on which signals come. Both stand, or the store is away.

use super::RedisOptions;
use crate::egress::{self, Place};
use crate::replicas::Away;
use futures::StreamExt;
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How long Redis may take to answer. Both connections together may take twice as long.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The time between two attempts to connect.
const RETRY: Duration = Duration::from_millis(250);
/// How often a connection is tried on which nothing happens.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The way to Redis, while there is one.
#[derive(Debug, Clone)]
pub(super) struct Link {
    commands: watch::Receiver<Option<Commands>>,
    was_there: Arc<AtomicBool>,
}

/// A connection for commands.
#[derive(Debug, Clone)]
struct Commands {
    connection: MultiplexedConnection,
    /// Cancelled by who finds this connection broken: many may, some of them when there is another one already.
    broken: CancellationToken,
}

/// Why Redis has not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The connection is away, or broke while Redis was asked: it may have done what it was asked.
    Broken,
    /// Redis does not do it.
    Refused,
}

impl From<Unanswered> for Away {
    fn from(_: Unanswered) -> Self {
        Self
    }
}

/// What comes from Redis without being asked for.
#[derive(Debug)]
pub(super) enum Incoming {
    /// The connection stands, for the first time or again: what was told meanwhile was missed.
    Connected,
    /// A message on one of the channels.
    Message(Vec<u8>),
}

impl Link {
    /// Connects, and keeps connecting as long as somebody takes what comes of `channels`.
    pub(super) fn open(options: RedisOptions, channels: Vec<String>) -> (Self, mpsc::Receiver<Incoming>) {
        let (commands, receiver) = watch::channel(None);
        let (incoming, heard) = mpsc::channel(1024);
        let link = Self { commands: receiver, was_there: Arc::default() };
        let was_there = Arc::clone(&link.was_there);
        let place = Place::new(&options.address.host, options.address.port, options.address.tls, options.way.clone());
        tokio::spawn(Connecting { options, place, channels, commands, incoming, was_there }.run());
        (link, heard)
    }

    /// Whether Redis was reached at least once.
    pub(super) fn was_there(&self) -> bool {
        self.was_there.load(Ordering::Relaxed)
    }

    /// Asks Redis something.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, Away> {
        Ok(self.try_to_ask(question).await?)
    }

    /// The same for who asks again where that helps.
    pub(super) async fn try_to_ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, Unanswered> {
        let Some(Commands { mut connection, broken }) = self.commands.borrow().clone() else {
            return Err(Unanswered::Broken);
        };
        question(&mut connection).await.map_err(|error| {
            tracing::warn!(%error, "the session storage failed");
            if !error.is_unrecoverable_error() && !error.is_timeout() {
                return Unanswered::Refused;
            }
            broken.cancel();
            Unanswered::Broken
        })
    }

    /// Waits until Redis can be asked, on a connection that is not known to be broken. Returns false when it never can be any more.
    pub(super) async fn connected(&mut self) -> bool {
        let is_whole = |commands: &Option<Commands>| commands.as_ref().is_some_and(|now| !now.broken.is_cancelled());
        self.commands.wait_for(is_whole).await.is_ok()
    }
}

struct Connecting {
    options: RedisOptions,
    place: Place,
    channels: Vec<String>,
    commands: watch::Sender<Option<Commands>>,
    incoming: mpsc::Sender<Incoming>,
    was_there: Arc<AtomicBool>,
}

impl Connecting {
    async fn run(self) {
        let mut was_there = true;
        while !self.incoming.is_closed() {
            match tokio::time::timeout(TIMEOUT * 2, self.connect()).await {
                Ok(Ok((commands, signals))) => {
                    tracing::info!(address = %self.options.address, "connected with the session storage");
                    was_there = true;
                    self.serve(commands, signals).await;
                    tracing::warn!(address = %self.options.address, "the connection with the session storage is lost");
                }
                failed if was_there => {
                    let error = failed.map_or_else(|_| "it took too long".to_owned(), |failed| reason(failed.err()));
                    tracing::warn!(address = %self.options.address, error, "the session storage cannot be reached");
                    was_there = false;
                }
                _ => {}
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Both connections. The password is read again each time: it may have changed.
    async fn connect(&self) -> Result<(MultiplexedConnection, PubSub), ConnectError> {
        let settings = self.options.connection_settings()?;
        let limits = AsyncConnectionConfig::new().set_response_timeout(Some(TIMEOUT));
        let connection = self.place.connect().await?;
        let (commands, driver) = MultiplexedConnection::new_with_config(&settings, connection, limits).await?;
        // It ends with the last clone of the connection.
        tokio::spawn(driver);
        let mut signals = PubSub::new(&settings, self.place.connect().await?).await?;
        signals.subscribe(&self.channels).await?;
        Ok((commands, signals))
    }

    /// Passes on what comes until a connection breaks.
    async fn serve(&self, connection: MultiplexedConnection, signals: PubSub) {
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let mut probe = connection.clone();
        let (mut sink, mut messages) = signals.split();
        let broken = CancellationToken::new();
        self.commands.send_replace(Some(Commands { connection, broken: broken.clone() }));
        self.was_there.store(true, Ordering::Relaxed);
        if self.incoming.send(Incoming::Connected).await.is_err() {
            return;
        }
        loop {
            tokio::select! {
                message = messages.next() => {
                    let Some(message) = message else { break };
                    if self.incoming.send(Incoming::Message(message.get_payload_bytes().to_vec())).await.is_err() {
                        break;
                    }
                }
                _ = heartbeat.tick() => {
                    let alive = async {
                        redis::cmd("PING").query_async::<()>(&mut probe).await?;
                        sink.ping::<redis::Value>().await
                    };
                    if !matches!(tokio::time::timeout(TIMEOUT, alive).await, Ok(Ok(_))) {
                        break;
                    }
                }
                () = broken.cancelled() => break,
                () = self.incoming.closed() => break,
            }
        }
        self.commands.send_replace(None);
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("failed to read the password in {0}: {1}")]
    Password(String, std::io::Error),
    #[error(transparent)]
    Connection(#[from] egress::ConnectError),
    #[error(transparent)]
    Redis(#[from] RedisError),
}

fn reason(error: Option<ConnectError>) -> String {
    error.map(|error| error.to_string()).unwrap_or_default()
}

impl RedisOptions {
    /// What a connection begins with.
    fn connection_settings(&self) -> Result<RedisConnectionInfo, ConnectError> {
        let mut settings = RedisConnectionInfo::default().set_db(i64::from(self.db));
        if let Some(path) = &self.password_file {
            let password = std::fs::read_to_string(path)
                .map_err(|error| ConnectError::Password(path.display().to_string(), error))?;
            settings = settings.set_password(password.trim_end_matches(['\r', '\n']));
        }
        Ok(settings)
    }
}
