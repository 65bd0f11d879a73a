//! A configuration file that changes while a gateway or a proxy serves: what it says then counts for new calls, all of it or nothing.
//!
//! The file is looked at, since notifications get lost on network and container file systems, and a change is taken when two
//! looks in a row find the same: a file that is being written is not half a configuration. Volumes of ConfigMaps, which are
//! swapped by a link, and editors that rename are no different. A change that cannot be used, or that takes a new process,
//! leaves everything as it was.

mod file;

pub use file::{ConfigFile, Configuration};

use crate::discovery::{Discovery, ProxyDiscovery};
use crate::egress::HttpClient;
use crate::policy::Policy;
use crate::settings::Pending;
use std::error::Error;
use vmcp_config::proxy::ProxyConfig;
use vmcp_config::{Config, LogLevel};

/// Sets how much is logged.
pub type SetLogLevel = Box<dyn Fn(Option<LogLevel>) + Send>;

/// Somebody who goes by a configuration that may change.
pub(crate) trait Reload: Send {
    /// The configuration.
    type Configuration: Configuration;

    /// Goes by another configuration from now on, or says why not; then nothing has changed.
    fn take(&mut self, config: &Self::Configuration) -> Result<(), Pending>;

    /// Goes by the same configuration as before, and tells who asks why.
    fn keep(&mut self, pending: Pending);
}

/// Keeps `user` up to date with `file`, for ever.
pub(crate) async fn follow<R: Reload>(mut file: ConfigFile<R::Configuration>, mut user: R) {
    loop {
        let read = file.changed().await;
        let taken = read.map_err(|error| refused(&error)).and_then(|config| user.take(&config));
        let name = file.path().display();
        match taken {
            Ok(()) => tracing::info!(file = %name, "the changed configuration is taken in"),
            Err(pending) => {
                tracing::error!(file = %name, "{pending}; the previous one stays in force");
                user.keep(pending);
            }
        }
    }
}

/// A gateway.
pub(crate) struct GatewayReload {
    /// What it was started with.
    pub(crate) started: Config,
    /// What everyone who serves goes by.
    pub(crate) discovery: Discovery,
    /// Fetches the keys of issuers.
    pub(crate) client: HttpClient,
    /// Sets how much is logged.
    pub(crate) set_log_level: SetLogLevel,
}

impl Reload for GatewayReload {
    type Configuration = Config;

    fn take(&mut self, config: &Config) -> Result<(), Pending> {
        let policy = Policy::configured(config.incoming_auth.as_ref(), self.client.clone());
        let policy = policy.map_err(|error| refused(&error))?;
        restartless(self.started.needs_restart(config))?;
        self.discovery.configure(config, policy).map_err(|error| refused(&error))?;
        (self.set_log_level)(config.operational.as_ref().and_then(|operational| operational.log_level));
        Ok(())
    }

    fn keep(&mut self, pending: Pending) {
        self.discovery.keep(pending);
    }
}

/// A proxy.
pub(crate) struct ProxyReload {
    /// What it was started with.
    pub(crate) started: ProxyConfig,
    /// What everyone who serves goes by.
    pub(crate) discovery: ProxyDiscovery,
    /// Fetches the keys of issuers.
    pub(crate) client: HttpClient,
}

impl Reload for ProxyReload {
    type Configuration = ProxyConfig;

    fn take(&mut self, config: &ProxyConfig) -> Result<(), Pending> {
        let policy = Policy::of_proxy(&config.incoming, self.client.clone()).map_err(|error| refused(&error))?;
        restartless(self.started.needs_restart(config))?;
        self.discovery.configure(config, policy).map_err(|error| refused(&error))
    }

    /// A proxy has no page for its state: its log says why.
    fn keep(&mut self, _pending: Pending) {}
}

fn restartless(keys: Vec<String>) -> Result<(), Pending> {
    if keys.is_empty() { Ok(()) } else { Err(Pending::Restart(keys)) }
}

/// Why a configuration is refused, in one line.
fn refused(error: &dyn Error) -> Pending {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    Pending::Refused(text.lines().collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::discovery;
    use crate::egress::guard::Guard;
    use crate::egress::{DnsResolver, HttpOptions, Way};
    use serde_json::{Value, json};
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    fn proxy(keys: &Value) -> ProxyConfig {
        let mut config = json!({
            "name": "p", "url": "https://a.example.com/mcp", "transport": "streamable-http", "class": "proxied",
            "incoming": {"type": "anonymous"},
        });
        config.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    }

    #[tokio::test]
    async fn a_proxy_takes_all_of_a_configuration_or_nothing() {
        let started = proxy(&json!({}));
        let way = Way::new(Arc::new(DnsResolver::with_server("127.0.0.1:53".parse().unwrap()).unwrap()));
        let client = HttpClient::new(HttpOptions::new(Guard::default(), way));
        let discovery = discovery::start_proxy(&started, Policy::Anonymous, None, CancellationToken::new()).unwrap();
        let mut snapshots = discovery.snapshots();
        let before = snapshots.borrow_and_update().clone();
        let mut reload = ProxyReload { started, discovery, client };
        let headers = json!({"plain": {"X-Tenant": "a"}});
        let selection = json!({"filter": ["a"]});
        for (wrong, reason) in [
            (json!({"headers": headers, "incoming": {"type": "oidc"}}), "incomingAuth.oidc is missing"),
            (json!({"tools": selection, "headers": {"plain": {"Host": "evil.example"}}}), "headers.plain"),
            (
                json!({"tools": selection, "headers": {"fromSecret": [{"header": "A", "secret": "s", "key": "k"}]}}),
                "names Secrets",
            ),
            (
                json!({"tools": selection, "name": "other", "url": "https://b.example.com"}),
                "takes a restart: name, url",
            ),
        ] {
            let pending = reload.take(&proxy(&wrong)).unwrap_err().to_string();
            assert!(pending.contains(reason), "{pending}");
        }
        reload.take(&proxy(&json!({"tools": selection, "headers": headers}))).unwrap();
        snapshots.changed().await.unwrap();
        let now = snapshots.borrow_and_update().clone();
        assert_ne!(
            (&now.backends, &now.settings),
            (&before.backends, &before.settings),
            "the first change is this one"
        );
    }
}
