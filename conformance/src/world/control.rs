//! A client of a simulator's control API.

use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt};
use reqwest::{Client, Method, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use simulator::JournalEntry;
use simulator::control::WorldState;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

use crate::causes::chain;

/// How long the simulator may take for an answer.
const LIMIT: Duration = Duration::from_secs(15);
/// The longest line of a journal: a body of the largest size, three times written and escaped.
const LONGEST_LINE: usize = 128 * 1024 * 1024;

/// A request that the simulator refuses, or does not answer.
#[derive(Debug, thiserror::Error)]
#[error("{request} of the simulator's control API: {reason}")]
pub struct ControlError {
    request: String,
    reason: String,
    /// Whether there is no such world.
    is_unknown: bool,
}

impl ControlError {
    /// Whether there is no such world, any more.
    pub fn is_unknown(&self) -> bool {
        self.is_unknown
    }
}

#[derive(Deserialize)]
struct Issued {
    token: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// The control API at a URL.
#[derive(Clone, Debug)]
pub struct ControlClient {
    client: Client,
    url: String,
}

impl ControlClient {
    /// A client of the API at `url`, such as `http://127.0.0.1:9901`. Sends nothing.
    ///
    /// # Errors
    ///
    /// When no HTTP client can be made.
    pub fn new(url: &str) -> Result<Self, ControlError> {
        let failed = |error: reqwest::Error| ControlError {
            request: "the use".to_owned(),
            reason: chain(&error),
            is_unknown: false,
        };
        let client = Client::builder().no_proxy().connect_timeout(LIMIT).build().map_err(failed)?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned() })
    }

    /// The names of the worlds.
    pub(super) async fn ask(&self) -> Result<(), ControlError> {
        self.send(Method::GET, "/worlds", None).await.map(drop)
    }

    pub(super) async fn make(&self, name: &str, world: &Value) -> Result<WorldState, ControlError> {
        self.json(Method::PUT, &format!("/worlds/{name}"), Some(world)).await
    }

    pub(super) async fn state(&self, name: &str) -> Result<WorldState, ControlError> {
        self.json(Method::GET, &format!("/worlds/{name}"), None).await
    }

    pub(super) async fn change(&self, name: &str, change: &Value) -> Result<WorldState, ControlError> {
        self.json(Method::POST, &format!("/worlds/{name}/changes"), Some(change)).await
    }

    pub(super) async fn token(&self, name: &str, request: &Value) -> Result<String, ControlError> {
        let issued: Issued = self.json(Method::POST, &format!("/worlds/{name}/tokens"), Some(request)).await?;
        Ok(issued.token)
    }

    pub(super) async fn remove(&self, name: &str) -> Result<(), ControlError> {
        self.send(Method::DELETE, &format!("/worlds/{name}"), None).await.map(drop)
    }

    /// The entries from number `since` on, as they come, until the world or the connection ends.
    pub(super) async fn follow(
        &self,
        name: &str,
        since: u64,
    ) -> Result<impl Stream<Item = Result<JournalEntry, String>> + Send + use<>, ControlError> {
        let path = format!("/worlds/{name}/journal?follow=true&since={since}");
        let answer = self.answer(Method::GET, &path, None).await?;
        let bytes = answer.bytes_stream().map_err(std::io::Error::other);
        let lines = FramedRead::new(StreamReader::new(bytes), LinesCodec::new_with_max_length(LONGEST_LINE));
        Ok(lines.map(|line| {
            let line = line.map_err(|error| error.to_string())?;
            serde_json::from_str(&line).map_err(|error| error.to_string())
        }))
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, ControlError> {
        let request = format!("{method} {path}");
        let text = self.send(method, path, body).await?;
        serde_json::from_str(&text).map_err(|error| ControlError {
            request,
            reason: format!("the answer is not understood: {error}"),
            is_unknown: false,
        })
    }

    /// Sends a request and reads the whole answer.
    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<String, ControlError> {
        let request = format!("{method} {path}");
        let failed = |reason: String| ControlError { request, reason, is_unknown: false };
        let answer =
            async { self.answer(method, path, body).await?.text().await.map_err(|error| failed(chain(&error))) };
        tokio::time::timeout(LIMIT, answer).await.unwrap_or_else(|_| {
            Err(ControlError {
                request: path.to_owned(),
                reason: format!("no answer within {LIMIT:?}"),
                is_unknown: false,
            })
        })
    }

    /// Sends a request and waits for the begin of a good answer.
    async fn answer(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Response, ControlError> {
        let described = format!("{method} {path}");
        let failed = |reason, is_unknown| ControlError { request: described.clone(), reason, is_unknown };
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| failed(chain(&error), false))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.unwrap_or_default();
        let reason = serde_json::from_str(&text).map_or(text, |refusal: Refusal| refusal.error);
        Err(failed(format!("{status}: {reason}"), status == reqwest::StatusCode::NOT_FOUND))
    }
}
