//! A configuration file that changes while a gateway or a proxy serves: what it says then counts for new calls, all of it or nothing.
//!
//! The file is looked at, since notifications get lost on network and container file systems, and a change is taken when two
//! looks in a row find the same: a file that is being written is not half a configuration. Volumes of ConfigMaps, which are
//! swapped by a link, and editors that rename are no different. A change that cannot be used, or that takes a new process,
//! leaves everything as it was.

mod file;

pub use file::{ConfigFile, Configuration};

use crate::discovery::Discovery;
use crate::egress::HttpClient;
use crate::policy::Policy;
use crate::relay::Relay;
use crate::selection::ToolSelection;
use crate::settings::Pending;
use std::error::Error;
use std::sync::Arc;
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
            Ok(()) => tracing::info!(file = %name, "the changed configuration counts from now on"),
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
        Policy::configured(config.incoming_auth.as_ref(), self.client.clone()).map_err(|error| refused(&error))?;
        restartless(self.started.needs_restart(config))?;
        self.discovery.configure(config).map_err(|error| refused(&error))?;
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
    /// What shows its tools.
    pub(crate) relay: Arc<Relay>,
}

impl Reload for ProxyReload {
    type Configuration = ProxyConfig;

    fn take(&mut self, config: &ProxyConfig) -> Result<(), Pending> {
        restartless(self.started.needs_restart(config))?;
        self.relay.select(ToolSelection::of_proxy(config));
        Ok(())
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
