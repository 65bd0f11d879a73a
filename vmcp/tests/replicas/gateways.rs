//! Replicas of one gateway.

use crate::in_backend::Backend;
use crate::in_support::{Client, Running, config, eventually, initialize_params, start};
use crate::path::Path;
use crate::redis_server::RedisServer;
use http::StatusCode;
use serde_json::{Value, json};
use std::path::PathBuf;
use tempfile::TempDir;

/// A gateway, before its replicas start.
pub(crate) struct Gateway {
    config: String,
    /// Where Redis is.
    address: String,
    folder: TempDir,
    flags: Vec<String>,
}

impl Gateway {
    /// A gateway for anybody to these backends, with a key of its own.
    pub(crate) fn of(redis: &RedisServer, backends: &[(&str, &Backend)]) -> Self {
        Self::configured(redis, &config(backends, ""))
    }

    /// The same with this configuration.
    pub(crate) fn configured(redis: &RedisServer, config: &str) -> Self {
        Self::storing_at(&redis.address(), config)
    }

    /// The same with the Redis at this address.
    pub(crate) fn storing_at(address: &str, config: &str) -> Self {
        let gateway = Self {
            config: config.to_owned(),
            address: address.to_owned(),
            folder: tempfile::tempdir().unwrap(),
            flags: Vec::new(),
        };
        let key: [u8; 32] = rand::random();
        std::fs::write(gateway.file("key"), key).unwrap();
        gateway
    }

    /// The same with another flag.
    pub(crate) fn with(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// A file of the gateway's.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a replica, which need not be ready.
    pub(crate) async fn start(&self) -> Running {
        self.start_at(&self.address).await
    }

    async fn start_at(&self, address: &str) -> Running {
        let storage = json!({"provider": "redis", "address": address, "keyPrefix": "test:"});
        let config = format!("{}\nsessionStorage: {storage}\n", self.config);
        let key = format!("--seal-key-file={}", self.file("key").display());
        let flags: Vec<_> = self.flags.iter().map(String::as_str).chain([key.as_str()]).collect();
        // What starts a gateway is large.
        Box::pin(start(&config, &flags)).await
    }

    /// Starts a replica and waits until it is ready.
    pub(crate) async fn replica(&self) -> Running {
        let replica = self.start().await;
        ready(&replica, StatusCode::OK).await;
        replica
    }

    /// The same of one that reaches Redis by this way.
    pub(crate) async fn replica_by(&self, path: &Path) -> Running {
        let replica = self.start_at(path.address()).await;
        ready(&replica, StatusCode::OK).await;
        replica
    }

    /// Two replicas.
    pub(crate) async fn pair(&self) -> (Running, Running) {
        tokio::join!(self.replica(), self.replica())
    }
}

/// Waits until a replica says with this status whether it is ready.
pub(crate) async fn ready(replica: &Running, status: StatusCode) {
    let client = replica.client();
    eventually(&format!("{status} of /readyz"), async || client.get("/readyz").await.status == status).await;
}

/// The same client at another replica.
pub(crate) fn at(client: &Client, replica: &Running) -> Client {
    let mut there = replica.client();
    there.headers.clone_from(&client.headers);
    there
}

/// Starts a session of a client that can be asked for its roots.
pub(crate) async fn connected(replica: &Running) -> Client {
    let mut client = replica.client();
    let mut params = initialize_params("2025-11-25");
    params["capabilities"] = json!({"roots": {}});
    client.initialize_with(params).await;
    client
}

/// The text that a tool answered with.
pub(crate) fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {answer}"))
}
