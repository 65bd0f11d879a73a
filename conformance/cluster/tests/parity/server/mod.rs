//! The servers that cases run on.

pub(crate) mod assets;
pub(crate) mod real;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use embedded_cluster::ApiServer;
use embedded_cluster::controllers::{ControllerOptions, Controllers};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, PostParams};
use tokio::runtime::{Builder, Runtime};

use crate::case::Need;
use crate::documents;
use crate::world::{World, generated};
use real::Real;

/// Where a case runs.
pub(crate) enum Server {
    /// A server of the case's own, in this process and under paused time.
    Embedded,
    /// The real server of this run.
    Real(Arc<Real>),
}

/// Why a case cannot begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The server does not do what the case is about.
    #[error("{0}")]
    Lacks(String),
    /// The real server cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// The case's own objects cannot be made.
    #[error("failed to prepare the case: {0}")]
    Prepare(#[from] kube::Error),
}

impl Server {
    /// The first part of its trials' names.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Real(_) => "real",
        }
    }

    /// Why a case with these needs is not even begun.
    pub(crate) fn ignores(&self, needs: &[Need]) -> Option<String> {
        match self {
            Self::Embedded => None,
            Self::Real(real) => {
                real.absent().or_else(|| needs.iter().find_map(|need| need.never_real()).map(str::to_owned))
            }
        }
    }

    /// How long a case may take; under paused time a case that waits in vain fails at once.
    pub(crate) fn limit(&self) -> Duration {
        match self {
            Self::Embedded => Duration::from_hours(2),
            Self::Real(_) => Duration::from_mins(2),
        }
    }

    /// A runtime for one case.
    pub(crate) fn runtime(&self) -> io::Result<Runtime> {
        let mut builder = Builder::new_current_thread();
        builder.enable_all();
        if matches!(self, Self::Embedded) {
            builder.start_paused(true);
        }
        builder.build()
    }

    /// The world of a case.
    pub(crate) async fn world(&self, needs: &[Need]) -> Result<World, StartError> {
        match self {
            Self::Embedded => embedded().await,
            Self::Real(real) => real.world(needs).await,
        }
    }
}

async fn embedded() -> Result<World, StartError> {
    let api = ApiServer::default();
    let client = api.client("default");
    let suffix = generated();
    let resource = documents::resource("print.example.com");
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &documents::definition(&resource.group)).await?;
    let controllers = Controllers::start(&client, ControllerOptions::default());
    Ok(World::new(client, &suffix, resource, Some((api, controllers))).await?)
}
