//! The command line.

use std::{fmt, net::SocketAddr, str::FromStr};

use clap::{Args, Parser, Subcommand};
use ipnet::IpNet;

/// Reconciles the toolhive.stacklok.dev kinds.
#[derive(Debug, Parser)]
#[command(name = "operator", version, about)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watches the cluster of KUBECONFIG, or the one that this pod runs in, and reconciles it.
    ///
    /// RUST_LOG says what is logged, such as info,operator=debug. With OTEL_EXPORTER_OTLP_ENDPOINT, traces are exported there.
    Run(RunOptions),
    /// Prints the CustomResourceDefinitions.
    Crds,
    /// Prints everything that installing takes: Namespace, CustomResourceDefinitions, RBAC and Deployment.
    Manifests(InstallOptions),
}

/// Options of `operator run`.
#[derive(Debug, Clone, Args)]
pub struct RunOptions {
    /// What the gateways' pods get.
    #[command(flatten)]
    pub gateway: GatewayOptions,
    /// Reconcile these namespaces alone; all when absent or empty.
    #[arg(long, value_name = "NS", env = "WATCH_NAMESPACE", value_delimiter = ',', value_parser = namespace)]
    pub watch_namespace: Vec<String>,
    /// Where /healthz and /readyz are served.
    #[arg(long, value_name = "ADDR:PORT", default_value = "0.0.0.0:8081")]
    pub health_address: SocketAddr,
    /// Where /metrics is served, for Prometheus; nowhere when absent.
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics_address: Option<SocketAddr>,
    /// Work only while this replica holds the Lease toolhive-operator-leader-election.
    #[arg(long)]
    pub leader_elect: bool,
    /// Namespace of the Lease.
    #[arg(long, value_name = "NS", env = "POD_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// Name of this replica in the Lease; no two replicas may share one.
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    pub pod_name: Option<String>,
}

/// Options of `operator manifests`.
#[derive(Debug, Clone, Args)]
pub struct InstallOptions {
    /// Namespace of the operator.
    #[arg(long, value_name = "NS", default_value = "toolhive-system")]
    pub namespace: String,
    /// Image of the operator.
    #[arg(long, value_name = "IMAGE", default_value = concat!("ghcr.io/waggle/operator:", env!("CARGO_PKG_VERSION")))]
    pub image: String,
    /// Reconcile these namespaces alone, with a Role in each and no rights in others; all when absent.
    #[arg(long, value_name = "NS", value_delimiter = ',', value_parser = namespace)]
    pub watch_namespace: Vec<String>,
    /// What the gateways' pods get.
    #[command(flatten)]
    pub gateway: GatewayOptions,
}

/// What the gateways' pods get.
#[derive(Debug, Clone, Args)]
pub struct GatewayOptions {
    /// Image of the gateways.
    #[arg(long, value_name = "IMAGE", env = "VMCP_IMAGE",
        default_value = concat!("ghcr.io/waggle/vmcp:", env!("CARGO_PKG_VERSION")))]
    pub vmcp_image: String,
    /// A range that gateways may connect to although it is private or local; of one class of URLs, or of all.
    #[arg(long, value_name = "[CLASS=]CIDR")]
    pub vmcp_egress_allow: Vec<EgressAllowance>,
}

impl Default for InstallOptions {
    fn default() -> Self {
        match Arguments::try_parse_from(["operator", "manifests"]) {
            Ok(Arguments { command: Command::Manifests(options) }) => options,
            _ => unreachable!("every option has a default"),
        }
    }
}

/// The name of a namespace. An empty one, as of an empty environment variable, stands for none.
fn namespace(text: &str) -> Result<String, String> {
    let text = text.trim();
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if text.len() > 63 || !text.chars().all(|c| inner(c) || c == '-') || text.starts_with('-') || text.ends_with('-') {
        return Err("not the name of a namespace: expected at most 63 of a-z, 0-9 and -, such as team-a".to_owned());
    }
    Ok(text.to_owned())
}

/// A range of addresses that the administrator lets gateways connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressAllowance {
    class: Option<&'static str>,
    range: IpNet,
}

/// The classes of URLs that a gateway tells apart.
const CLASSES: [&str; 6] = ["remote", "proxied", "oidc", "token", "otlp", "workload"];

impl FromStr for EgressAllowance {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (class, range) = match text.split_once('=') {
            Some((class, range)) => {
                let known = CLASSES.into_iter().find(|known| *known == class);
                let known =
                    known.ok_or_else(|| format!("no class {class:?}: expected one of {}", CLASSES.join(", ")))?;
                (Some(known), range)
            }
            None => (None, text),
        };
        let range = range.parse().map_err(|_| format!("{range:?} is not a range such as 10.0.0.0/8"))?;
        Ok(Self { class, range })
    }
}

impl fmt::Display for EgressAllowance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(class) = self.class {
            write!(f, "{class}=")?;
        }
        write!(f, "{}", self.range)
    }
}
