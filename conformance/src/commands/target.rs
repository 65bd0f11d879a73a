//! The options that choose a target, and its start.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use conformance::report::Progress;
use conformance::target::{
    Connection, Embedded, EmbeddedOptions, Existing, Interruption, KindOptions, Programs, Target, TargetError, dry_run,
    start_kind,
};
use futures::FutureExt as _;

use super::{HARNESS, INTERRUPTED, PASSED, WRONG_USAGE, consent};

/// What the options of kind are when they are not given.
const CLUSTER: &str = "waggle-conformance";
const IMAGE_TAG: &str = env!("CARGO_PKG_VERSION");
const CHART: &str = "deploy/chart";

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
    /// kubeconfig: run this image of the simulator in the cluster, for scenarios with a world
    #[arg(long, value_name = "IMAGE")]
    simulator_image: Option<String>,
    /// kind: the name of the cluster to make, instead of waggle-conformance
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// kind: the tag of the images that deploy/images.sh built, instead of this version
    #[arg(long, value_name = "TAG")]
    image_tag: Option<String>,
    /// kind: the chart, instead of deploy/chart of a checkout
    #[arg(long, value_name = "CHART")]
    chart: Option<String>,
    /// kind: print the commands that would be run, and run none
    #[arg(long)]
    dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TargetName {
    /// A Kubernetes in this process, with our operator and gateway
    Embedded,
    /// The cluster of KUBECONFIG, with the implementation that is installed there
    Kubeconfig,
    /// A kind cluster made for the run, with our images and chart; it needs docker, kind and helm
    Kind,
}

impl TargetArguments {
    /// Checks that each option belongs to the target.
    fn check(&self) -> Result<(), TargetError> {
        let options = [
            ("--programs", self.programs.is_some(), TargetName::Embedded),
            ("--context", self.context.is_some(), TargetName::Kubeconfig),
            ("--yes", self.yes, TargetName::Kubeconfig),
            ("--simulator-image", self.simulator_image.is_some(), TargetName::Kubeconfig),
            ("--cluster", self.cluster.is_some(), TargetName::Kind),
            ("--image-tag", self.image_tag.is_some(), TargetName::Kind),
            ("--chart", self.chart.is_some(), TargetName::Kind),
            ("--dry-run", self.dry_run, TargetName::Kind),
        ];
        let stray = options.into_iter().find(|(_, given, target)| *given && *target != self.target);
        let Some((option, _, target)) = stray else {
            return Ok(());
        };
        let target = target.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        Err(TargetError::Usage(format!("{option} belongs to --target {target}")))
    }

    /// Ends the command where nothing is to be started: with the commands that would be run, when that is all that was asked
    /// for, or with what is wrong with the options. The error is the exit code.
    pub(super) fn proceed(&self) -> Result<(), u8> {
        match self.check() {
            Ok(()) if self.dry_run => {
                print!("{}", dry_run(&self.kind()));
                Err(PASSED)
            }
            Ok(()) => Ok(()),
            Err(error) => {
                eprintln!("{error}");
                Err(exit_code(&error))
            }
        }
    }

    /// Finds what the target needs, and starts it. Ctrl-C ends what was started.
    pub(super) async fn start(&self, progress: &Progress) -> Result<Box<dyn Target>, TargetError> {
        let interruption = Interruption::by_ctrl_c();
        match self.target {
            TargetName::Embedded => interruption.or(self.embedded(progress).boxed()).await,
            TargetName::Kubeconfig => self.existing(progress, &interruption).boxed().await,
            // It must delete its cluster after Ctrl-C, and so listens for that itself.
            TargetName::Kind => Ok(Box::new(start_kind(self.kind(), |what| progress.stage(what)).boxed_local().await?)),
        }
    }

    async fn embedded(&self, progress: &Progress) -> Result<Box<dyn Target>, TargetError> {
        let programs = self.programs(progress).await?;
        progress.stage("starting the cluster");
        Ok(Box::new(Embedded::start(EmbeddedOptions { programs }).await?))
    }

    async fn existing(&self, progress: &Progress, interruption: &Interruption) -> Result<Box<dyn Target>, TargetError> {
        let asking = async {
            let connection = Connection::open(self.context.as_deref()).await?;
            progress.suspended(consent::ask(&connection, self.yes, self.simulator_image.is_some())).await?;
            Ok(connection)
        };
        let connection = interruption.or(asking).await?;
        progress.stage(&format!("looking at {connection}"));
        Ok(Box::new(Existing::start(connection, self.simulator_image.as_deref(), interruption).await?))
    }

    fn kind(&self) -> KindOptions {
        let or = |given: &Option<String>, usual: &str| given.clone().unwrap_or_else(|| usual.to_owned());
        KindOptions {
            cluster: or(&self.cluster, CLUSTER),
            image_tag: or(&self.image_tag, IMAGE_TAG),
            chart: or(&self.chart, CHART),
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
    match error {
        TargetError::Usage(_) => WRONG_USAGE,
        TargetError::Interrupted => INTERRUPTED,
        _ => HARNESS,
    }
}
