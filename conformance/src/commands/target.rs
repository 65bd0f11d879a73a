//! The options that choose a target, and its start.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use conformance::report::Progress;
use conformance::target::{Connection, Embedded, EmbeddedOptions, Existing, Programs, Target, TargetError};

use super::{HARNESS, WRONG_USAGE, consent};

#[derive(Debug, Args)]
pub(crate) struct TargetArguments {
    /// Where scenarios are played
    #[arg(long, value_enum, default_value_t = TargetName::Embedded)]
    target: TargetName,
    /// embedded: use the programs operator and vmcp of this folder, and build nothing
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// kubeconfig: the context to use instead of the current one
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// kubeconfig: do not ask before the cluster is touched
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TargetName {
    /// A Kubernetes in this process, with our operator and gateway
    Embedded,
    /// The cluster of KUBECONFIG, with the implementation that is installed there
    Kubeconfig,
}

impl TargetArguments {
    /// Checks that each option belongs to the target.
    fn check(&self) -> Result<(), TargetError> {
        let options = [
            ("--programs", self.programs.is_some(), TargetName::Embedded),
            ("--context", self.context.is_some(), TargetName::Kubeconfig),
            ("--yes", self.yes, TargetName::Kubeconfig),
        ];
        let stray = options.into_iter().find(|(_, given, target)| *given && *target != self.target);
        let Some((option, _, target)) = stray else {
            return Ok(());
        };
        let target = target.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        Err(TargetError::Usage(format!("{option} belongs to --target {target}")))
    }

    /// Finds what the target needs, and starts it.
    pub(super) async fn start(&self, progress: &Progress) -> Result<Box<dyn Target>, TargetError> {
        self.check()?;
        match self.target {
            TargetName::Embedded => {
                let programs = self.programs(progress).await?;
                progress.stage("starting the cluster");
                Ok(Box::new(Embedded::start(EmbeddedOptions { programs }).await?))
            }
            TargetName::Kubeconfig => {
                let connection = Connection::open(self.context.as_deref()).await?;
                progress.suspended(consent::ask(&connection, self.yes)).await?;
                progress.stage(&format!("looking at {connection}"));
                Ok(Box::new(Existing::start(connection).await?))
            }
        }
    }

    async fn programs(&self, progress: &Progress) -> Result<Programs, TargetError> {
        if let Some(folder) = &self.programs {
            return Ok(Programs::in_folder(folder)?);
        }
        progress.stage("building operator and vmcp");
        let found = tokio::task::spawn_blocking(Programs::find).await;
        Ok(found.map_err(|error| TargetError::Cluster(error.to_string()))??)
    }
}

/// The exit code of a target that did not start.
pub(super) fn exit_code(error: &TargetError) -> u8 {
    if matches!(error, TargetError::Usage(_)) { WRONG_USAGE } else { HARNESS }
}
