//! The GET stream of a Streamable HTTP session, on which a backend speaks without being asked.

use parking_lot::Mutex;
use std::sync::Arc;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::MAX_MESSAGE;
use super::error::EgressError;
use super::exchange::Exchange;
use super::http_client::broken;
use super::inbound::{self, Inbound};
use super::news::News;
use super::pauses;
use super::questions::Questions;
use super::response::protocol;
use super::sse::SseDecoder;
use super::streamable::{Established, last_event, open_stream, respond, responder, retry};
use crate::backend::Caller;

/// The task that reads the stream, if there is one.
#[derive(Debug, Default)]
pub(super) struct Listener(Mutex<Option<Listening>>);

#[derive(Debug)]
struct Listening {
    session: Arc<Established>,
    task: AbortHandle,
    stands: watch::Sender<bool>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Listens to this session from now on, unless that is already so. A stream that the backend refused is not
    /// asked for again. What is returned becomes true once the backend has offered or refused the stream.
    pub(super) fn follow(
        &self,
        exchange: &Arc<Exchange>,
        session: &Arc<Established>,
        caller: &Caller,
        news: &Arc<News>,
    ) -> watch::Receiver<bool> {
        let mut listening = self.0.lock();
        if let Some(listening) = listening.as_ref().filter(|listening| Arc::ptr_eq(&listening.session, session)) {
            return listening.stands.subscribe();
        }
        let stands = watch::Sender::new(false);
        let stream = Stream {
            exchange: Arc::clone(exchange),
            session: Arc::clone(session),
            caller: caller.clone(),
            news: Arc::clone(news),
            stands: stands.clone(),
        };
        let task = tokio::spawn(stream.run()).abort_handle();
        let offered = stands.subscribe();
        *listening = Some(Listening { session: Arc::clone(session), task, stands });
        offered
    }

    /// Nobody waits for the stream any longer.
    pub(super) fn wait_no_more(&self) {
        if let Some(listening) = &*self.0.lock() {
            listening.stands.send_replace(true);
        }
    }

    /// Stops listening.
    pub(super) fn stop(&self) {
        self.0.lock().take();
    }
}

struct Stream {
    exchange: Arc<Exchange>,
    session: Arc<Established>,
    caller: Caller,
    news: Arc<News>,
    stands: watch::Sender<bool>,
}

impl Stream {
    /// Reads the stream, and opens it again when it ends, until the backend answers with anything else. Of the replicas that share
    /// the session, one reads it; the others wait for their turn.
    async fn run(self) {
        if let Some((shared, ticket)) = self.session.shared(&self.exchange) {
            let others = || {
                self.stands.send_replace(true);
            };
            if !shared.turn_to_listen(ticket, others).await {
                return;
            }
        }
        let mut after = None;
        let (mut stood, mut failures) = (false, 0_u32);
        let mut questions = Questions::default();
        loop {
            let mut decoder = SseDecoder::new(MAX_MESSAGE);
            if self.exchange.is_shut() {
                tokio::time::sleep(retry(&decoder)).await;
                continue;
            }
            let opened = open_stream(&self.exchange, &self.session, &self.caller, after.clone()).await;
            self.stands.send_replace(true);
            match opened {
                Ok(mut body) => {
                    (stood, failures) = (true, 0);
                    if let Err(error) = self.read(&mut body, &mut decoder, &mut questions).await {
                        tracing::debug!(backend = self.exchange.backend.name, %error, "a stream of the backend ended");
                    }
                    after = last_event(&decoder).or(after);
                }
                // It comes back, or what stands before it does.
                Err(error) if error.status().is_none_or(|status| stood && status >= 500) => failures += 1,
                Err(_) => {
                    // Offering a stream is up to the backend; one that has offered it does not know the session any more.
                    if stood {
                        self.news.session_lost();
                    }
                    return;
                }
            }
            tokio::time::sleep(pauses::after(failures, retry(&decoder))).await;
        }
    }

    async fn read(
        &self,
        body: &mut Incoming,
        decoder: &mut SseDecoder,
        questions: &mut Questions,
    ) -> Result<(), EgressError> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| broken())?;
            let Some(piece) = frame.data_ref() else { continue };
            for event in decoder.push(piece).map_err(|error| protocol(&error.to_string()))? {
                if event.event != "message" || event.data.is_empty() {
                    continue;
                }
                self.hear(event.data.as_bytes(), questions).await?;
            }
        }
        Ok(())
    }

    /// Acts on each message of a text.
    async fn hear(&self, text: &[u8], questions: &mut Questions) -> Result<(), EgressError> {
        for message in inbound::messages(text, self.news.revision())? {
            match inbound::read(message, &self.exchange.hearer)? {
                Inbound::Relay(message) => self.exchange.deliver(message),
                Inbound::ListChanged(method) => self.news.list_changed(&method),
                Inbound::Notify(method, message) => {
                    if let Some(peer) = self.exchange.peer() {
                        peer.notified(&method, message).await;
                    }
                }
                Inbound::Ask(id, question) => {
                    if let Some(peer) = self.exchange.peer() {
                        let respond = responder(&self.exchange, &self.session, &self.caller);
                        questions.ask(&self.exchange.questions, Arc::clone(peer), id, question, respond);
                    }
                }
                Inbound::TakenBack(id) => questions.cancel(&id),
                Inbound::Respond(message) => respond(&self.exchange, &self.session, &self.caller, message),
                Inbound::Answer { .. } | Inbound::Ignore => {}
            }
        }
        Ok(())
    }
}
