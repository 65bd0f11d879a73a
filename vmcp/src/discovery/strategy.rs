//! The gateway's own outgoing authentication (`outgoingAuth` of the configuration).
//!
//! For one backend the first of these counts: the strategy that the configuration names for it, what its own object
//! refers to, the default of the configuration. The type `discovered` stands for the object's own.

use std::collections::BTreeMap;
use std::sync::Arc;

use operator_api::SecretKeyReference;
use url::Url;
use vmcp_config::{HeaderInjection, OutgoingStrategy, Secret, TokenExchange as TokenExchangeConfig, server_url};

use crate::egress::Trust;
use crate::outgoing::{
    ClientCredentials, HeaderError, OutgoingAuth, TokenExchange, TokenType, parse_name, parse_value,
};

/// The strategies of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Strategies {
    default: Option<Strategy>,
    backends: BTreeMap<String, Strategy>,
}

/// One strategy.
#[derive(Debug, Clone)]
pub enum Strategy {
    /// What the backend's own object refers to, else none.
    Discovered,
    /// This one.
    Fixed(OutgoingAuth),
    /// As the `MCPExternalAuthConfig` of this name says.
    ExternalAuthConfig(String),
    /// A header with the value of a Secret.
    SecretHeader {
        /// Where the value is.
        secret: SecretKeyReference,
        /// The header, and how its value is made of the secret.
        header: HeaderInjection,
    },
    /// One that cannot be used: a backend that needs it is left out.
    Unusable(StrategyError),
}

/// What authenticates the gateway to one backend.
#[derive(Debug, Clone, Copy)]
pub enum Choice<'a> {
    /// Nothing.
    Nothing,
    /// What the backend's own object refers to.
    Own,
    /// A strategy of the configuration, which is not [`Strategy::Discovered`].
    Configured(&'a Strategy),
}

/// Why a strategy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StrategyError {
    /// A block or a value is missing.
    #[error("{place} needs {what}")]
    Missing {
        /// The key of the strategy.
        place: String,
        /// What is missing.
        what: String,
    },
    /// The environment does not have a value.
    #[error("{place} needs the environment variable {variable}")]
    Variable {
        /// The key of the strategy.
        place: String,
        /// The variable.
        variable: String,
    },
    /// A value cannot be used.
    #[error("{place}: {reason}")]
    Invalid {
        /// The key of the strategy.
        place: String,
        /// Why not.
        reason: String,
    },
    /// The type is not served.
    #[error(
        "{place}.type {kind:?} is not supported by this release: \
         use unauthenticated, header_injection, token_exchange, external_auth_config or discovered"
    )]
    Unsupported {
        /// The key of the strategy.
        place: String,
        /// Its type.
        kind: String,
    },
}

impl Strategies {
    /// Reads the strategies; `environment` looks up the variables that they name.
    pub fn read(config: Option<&vmcp_config::OutgoingAuth>, environment: impl Fn(&str) -> Option<String>) -> Self {
        let Some(config) = config else { return Self::default() };
        let read = |place: &str, strategy| {
            let read = Reader { place, environment: &environment }.strategy(strategy);
            read.unwrap_or_else(Strategy::Unusable)
        };
        let backends = config.backends.iter().flatten();
        Self {
            default: config.default.as_ref().map(|strategy| read("outgoingAuth.default", strategy)),
            backends: backends
                .map(|(name, strategy)| (name.clone(), read(&format!("outgoingAuth.backends.{name}"), strategy)))
                .collect(),
        }
    }

    /// The first strategy that cannot be used is an error. Without a `cluster`, those that look into it cannot.
    pub fn check(&self, cluster: bool) -> Result<(), StrategyError> {
        let named = self.backends.iter().map(|(name, strategy)| (format!("outgoingAuth.backends.{name}"), strategy));
        let default = self.default.iter().map(|strategy| ("outgoingAuth.default".to_owned(), strategy));
        for (place, strategy) in default.chain(named) {
            match strategy {
                Strategy::Unusable(error) => return Err(error.clone()),
                Strategy::ExternalAuthConfig(_) | Strategy::SecretHeader { .. } if !cluster => {
                    let what = "a Kubernetes cluster to read from: run in a pod of the operator".to_owned();
                    return Err(StrategyError::Missing { place, what });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What counts for a backend; `own` says whether its own object refers to an auth config.
    pub fn choose(&self, backend: &str, own: bool) -> Choice<'_> {
        match (self.backends.get(backend), &self.default) {
            (None | Some(Strategy::Discovered), _) if own => Choice::Own,
            (Some(Strategy::Discovered), _) | (None, None | Some(Strategy::Discovered)) => Choice::Nothing,
            (Some(strategy), _) | (None, Some(strategy)) => Choice::Configured(strategy),
        }
    }

    /// The `MCPExternalAuthConfig` that counts for a backend whose own object refers to `own`, if one does.
    pub fn auth_config<'a>(&'a self, backend: &str, own: Option<&'a str>) -> Option<&'a str> {
        match self.choose(backend, own.is_some()) {
            Choice::Own => own,
            Choice::Configured(Strategy::ExternalAuthConfig(name)) => Some(name),
            _ => None,
        }
    }
}

struct Reader<'a, F> {
    place: &'a str,
    environment: &'a F,
}

impl<F: Fn(&str) -> Option<String>> Reader<'_, F> {
    fn strategy(&self, strategy: &OutgoingStrategy) -> Result<Strategy, StrategyError> {
        Ok(Strategy::Fixed(match strategy.kind.as_str() {
            "discovered" => return Ok(Strategy::Discovered),
            "external_auth_config" => {
                let block = strategy.external_auth_config.as_ref().ok_or_else(|| self.missing("externalAuthConfig"))?;
                return Ok(Strategy::ExternalAuthConfig(block.name.clone()));
            }
            "unauthenticated" => OutgoingAuth::Unauthenticated,
            "header_injection" => {
                let block = strategy.header_injection.as_ref().ok_or_else(|| self.missing("headerInjection"))?;
                if let Some(secret) = &block.header_value_secret {
                    let secret = SecretKeyReference { name: secret.name.clone(), key: secret.key.clone() };
                    return Ok(Strategy::SecretHeader { secret, header: block.clone() });
                }
                self.header_injection(block)?
            }
            "token_exchange" => {
                let block = strategy.token_exchange.as_ref().ok_or_else(|| self.missing("tokenExchange"))?;
                OutgoingAuth::TokenExchange(Arc::new(self.token_exchange(block)?))
            }
            kind => {
                return Err(StrategyError::Unsupported { place: self.place.to_owned(), kind: kind.to_owned() });
            }
        }))
    }

    fn header_injection(&self, block: &HeaderInjection) -> Result<OutgoingAuth, StrategyError> {
        let value = self
            .secret(block.header_value.as_ref(), block.header_value_env.as_deref())?
            .ok_or_else(|| self.missing("headerInjection.headerValue or headerValueEnv"))?;
        injected(block, &value).map_err(|error| self.invalid(&error))
    }

    fn token_exchange(&self, block: &TokenExchangeConfig) -> Result<TokenExchange, StrategyError> {
        if block.subject_provider_name.is_some() {
            return Err(self.invalid(&"tokenExchange.subjectProviderName is not supported by this release"));
        }
        let secret = self.secret(block.client_secret.as_ref(), block.client_secret_env.as_deref())?;
        let kind = block.subject_token_type.as_deref().unwrap_or_default();
        Ok(TokenExchange {
            source: self.place.to_owned(),
            token_url: token_url(&block.token_url).map_err(|reason| self.invalid(&reason))?,
            trust: Trust::system(),
            client: client(block.client_id.as_deref(), secret).map_err(|reason| self.invalid(&reason))?,
            audience: block.audience.clone().filter(|audience| !audience.is_empty()),
            scopes: block.scopes.clone().unwrap_or_default(),
            subject_token_type: TokenType::parse(kind)
                .ok_or_else(|| self.invalid(&format!("{kind:?} is not a subject token type")))?,
        })
    }

    fn secret(&self, value: Option<&Secret>, variable: Option<&str>) -> Result<Option<String>, StrategyError> {
        match (value, variable) {
            (Some(value), _) => Ok(Some(value.expose().to_owned())),
            (None, Some(variable)) => (self.environment)(variable)
                .map(Some)
                .ok_or_else(|| StrategyError::Variable { place: self.place.to_owned(), variable: variable.to_owned() }),
            (None, None) => Ok(None),
        }
    }

    fn missing(&self, what: &str) -> StrategyError {
        StrategyError::Missing { place: self.place.to_owned(), what: what.to_owned() }
    }

    fn invalid(&self, reason: &dyn ToString) -> StrategyError {
        StrategyError::Invalid { place: self.place.to_owned(), reason: reason.to_string() }
    }
}

/// The header that `block` describes, with the secret `token`.
pub(super) fn injected(block: &HeaderInjection, token: &str) -> Result<OutgoingAuth, HeaderError> {
    let name = parse_name(&block.header_name)?;
    let value = parse_value(&name, &block.format(token))?;
    Ok(OutgoingAuth::HeaderInjection { name, value })
}

/// Reads a token URL.
pub(super) fn token_url(text: &str) -> Result<Url, String> {
    server_url(text).map_err(|reason| format!("the token URL {reason}"))
}

/// A client of a token endpoint. A secret without an id cannot authenticate anybody.
pub(super) fn client(id: Option<&str>, secret: Option<String>) -> Result<Option<ClientCredentials>, &'static str> {
    match (id.filter(|id| !id.is_empty()), secret) {
        (Some(id), secret) => Ok(Some(ClientCredentials { id: id.to_owned(), secret: secret.map(Arc::from) })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err("there is a client secret but no client id"),
    }
}
