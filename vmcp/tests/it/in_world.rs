//! Simulated servers behind a gateway or a proxy of this process: they are strict, of any revision, and keep a journal.

use crate::in_support::{ANONYMOUS, PATIENCE, Running, start};
use crate::proxy_support;
use serde_json::{Value, json};
use simulator::{JournalEntry, Simulator, SimulatorOptions, WorldChange, WorldHandle};
use std::sync::Arc;

/// The server at `http://mcp.example.com/mcp`, as a backend that is called `b`.
pub(crate) const BACKENDS: &str =
    "\nbackends: [{name: b, url: 'http://mcp.example.com/mcp', transport: streamable-http}]\n";

/// A world, and the simulator that serves it.
pub(crate) struct World {
    _simulator: Simulator,
    handle: WorldHandle,
}

impl World {
    /// A world of these servers.
    pub(crate) async fn start(yaml: &str) -> Self {
        // Another test may have been first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let world = simulator::World::from_yaml("world.yaml", yaml).unwrap_or_else(|error| panic!("{error}"));
        let options = SimulatorOptions { dns: Some(([127, 0, 0, 1], 0).into()), ..SimulatorOptions::default() };
        let simulator = Simulator::start(options).await.unwrap();
        let handle = simulator.add_world(world).await.unwrap();
        Self { _simulator: simulator, handle }
    }

    /// A gateway before the server at `http://mcp.example.com/mcp`, whose backend is called `b`, configured with these blocks.
    pub(crate) async fn gateway(&self, more: &str) -> Running {
        self.gateway_of(&format!("{ANONYMOUS}{BACKENDS}{more}"), &[]).await
    }

    /// A gateway with this configuration and these flags beside those that lead to the server.
    pub(crate) async fn gateway_of(&self, config: &str, more: &[&str]) -> Running {
        let flags = self.flags();
        let flags: Vec<_> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
        start(config, &flags).await
    }

    /// The flags that lead a gateway to the server.
    pub(crate) fn flags(&self) -> [String; 6] {
        let (dns, dialed) = self.ways();
        ["--dns-server", &dns, "--connect-to", &dialed, "--egress-allow", "127.0.0.0/8"].map(str::to_owned)
    }

    /// A proxy of that server, whose configuration has these keys.
    pub(crate) async fn proxy(&self, keys: Value) -> Running {
        let (dns, dialed) = self.ways();
        let config = proxy_support::config_of("http://mcp.example.com/mcp", keys);
        let flags = ["--dns-server", &dns, "--connect-to", &dialed];
        proxy_support::try_start_with(&config, None, &flags).await.unwrap()
    }

    /// The values of the flags that lead to the server.
    fn ways(&self) -> (String, String) {
        let names = self.handle.names();
        let dialed = names.iter().find(|name| name.host == "mcp.example.com").unwrap().ports[&80];
        (self.handle.name_server().unwrap().to_string(), format!("mcp.example.com:80={dialed}"))
    }

    /// Changes something.
    pub(crate) async fn change(&self, yaml: &str) {
        self.handle.update(serde_saphyr::from_str::<WorldChange>(yaml).unwrap()).await.unwrap();
    }

    /// How many requests of a method arrived.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.of(method).len()
    }

    /// The requests of a method.
    pub(crate) fn of(&self, method: &str) -> Vec<Arc<JournalEntry>> {
        let entries = self.handle.journal().entries();
        entries.into_iter().filter(|entry| entry.method.as_deref() == Some(method) && entry.cancels.is_none()).collect()
    }

    /// Waits until something arrives that fits.
    pub(crate) async fn saw(&self, fits: impl Fn(&JournalEntry) -> bool) -> Arc<JournalEntry> {
        tokio::time::timeout(PATIENCE, self.handle.journal().wait_for(fits)).await.unwrap()
    }

    /// Why requests were refused.
    pub(crate) fn refusals(&self) -> Vec<Value> {
        let entries = self.handle.journal().entries();
        let refused = entries.iter().filter(|entry| entry.verdict.is_some());
        refused.map(|entry| json!([entry.method, entry.verdict, entry.body.text()])).collect()
    }
}
