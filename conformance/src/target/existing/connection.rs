//! Which cluster is meant, and how it is reached.

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use crate::causes::chain;
use crate::target::TargetError;

/// A context of the user's KUBECONFIG.
#[derive(Clone)]
pub struct Connection {
    context: String,
    url: String,
    client: Client,
    kubeconfig: Kubeconfig,
}

impl Connection {
    /// Opens a context of the files of `KUBECONFIG` (or of `~/.kube/config`); without a name the current one. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`TargetError::Usage`] when there is no such file or context, or it cannot be used.
    pub async fn open(context: Option<&str>) -> Result<Self, TargetError> {
        let kubeconfig = Kubeconfig::read().map_err(|error| unreadable(&error))?;
        Self::of(kubeconfig, context).await
    }

    /// Opens a context of a kubeconfig.
    ///
    /// # Errors
    ///
    /// [`TargetError::Usage`] when there is no such context, or it cannot be used.
    pub async fn of(mut kubeconfig: Kubeconfig, context: Option<&str>) -> Result<Self, TargetError> {
        let current = kubeconfig.current_context.clone().filter(|name| !name.is_empty());
        let Some(context) = context.map(str::to_owned).or(current) else {
            return Err(TargetError::Usage(
                "the kubeconfig has no current context: name one with --context".to_owned(),
            ));
        };
        if !kubeconfig.contexts.iter().any(|known| known.name == context) {
            let known: Vec<&str> = kubeconfig.contexts.iter().map(|known| known.name.as_str()).collect();
            let message = format!("the kubeconfig has no context `{context}`; it has: {}", known.join(", "));
            return Err(TargetError::Usage(message));
        }
        let unusable = |reason: String| {
            TargetError::Usage(format!("the context `{context}` of the kubeconfig cannot be used: {reason}"))
        };
        kubeconfig.current_context = Some(context.clone());
        let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let mut config = Config::from_custom_kubeconfig(kubeconfig.clone(), &options)
            .await
            .map_err(|error| unusable(chain(&error)))?;
        // Scenarios look at each answer, also at those that say to ask again later.
        config.default_retry = false;
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = Client::try_from(config).map_err(|error| unusable(chain(&error)))?;
        Ok(Self { context, url, client, kubeconfig })
    }

    /// The name of the context.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// The URL of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The client.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// The kubeconfig with this context as the current one.
    pub(super) fn kubeconfig(&self) -> String {
        serde_saphyr::to_string(&self.kubeconfig).unwrap_or_default()
    }
}

impl std::fmt::Display for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the cluster {} (context {})", self.url, self.context)
    }
}

fn unreadable(error: &KubeconfigError) -> TargetError {
    TargetError::Usage(match error {
        KubeconfigError::FindPath => "there is no kubeconfig: set KUBECONFIG to a file".to_owned(),
        KubeconfigError::ReadConfig(reason, path) => {
            format!("the kubeconfig {} cannot be read: {reason}; set KUBECONFIG to a file", path.display())
        }
        other => format!("the kubeconfig cannot be read: {}", chain(other)),
    })
}
