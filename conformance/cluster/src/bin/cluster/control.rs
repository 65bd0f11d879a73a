//! The commands that make a running cluster fail, from another terminal: requests to its `/embedded/` paths with the
//! administrator's kubeconfig.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use embedded_cluster::faults::RequestFault;
use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

/// Which cluster is meant.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// The kubeconfig that `cluster serve` wrote.
    #[arg(long, value_name = "FILE", env = "KUBECONFIG")]
    kubeconfig: PathBuf,
}

/// What to do to a running cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum Control {
    /// Make requests fail, wait or hang; list such faults; end them.
    #[command(subcommand)]
    Fault(Fault),
    /// Forget the history: a watch that resumes, and a list that goes on, get 410.
    Compact {
        #[command(flatten)]
        target: Target,
    },
    /// End open watches, as a restart of the API server does.
    DropWatches {
        /// The resource whose watches end, such as pods or deployments.apps; without, all.
        resource: Option<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Pause a controller: it does nothing until it is resumed. `cluster fault list` tells the names.
    Pause {
        /// Its name, such as garbage-collector-controller.
        controller: String,
        #[command(flatten)]
        target: Target,
    },
    /// Resume a paused controller, which catches up.
    Resume {
        /// Its name.
        controller: String,
        #[command(flatten)]
        target: Target,
    },
    /// Kill the processes of a pod with SIGKILL.
    Kill {
        /// The pod.
        #[arg(value_name = "NAMESPACE/POD", value_parser = pod)]
        pod: (String, String),
        /// The one container to kill; without, all.
        #[arg(long, value_name = "NAME")]
        container: Option<String>,
        /// Tell the end as the out-of-memory killer's, with the reason `OOMKilled`.
        #[arg(long)]
        out_of_memory: bool,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Fault {
    /// Add a fault, such as latency=200ms,resource=pods,verb=list, and print its id.
    Add {
        /// EFFECT[,KEY=VALUE]..., see `cluster serve --help`.
        fault: RequestFault,
        #[command(flatten)]
        target: Target,
    },
    /// List the faults of requests, and the controllers.
    List {
        #[command(flatten)]
        target: Target,
    },
    /// End a fault by its id, or all.
    Clear {
        /// The id that `add` printed and `list` shows.
        id: Option<u64>,
        #[command(flatten)]
        target: Target,
    },
}

fn pod(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, pod)) if !namespace.is_empty() && !pod.is_empty() && !pod.contains('/') => {
            Ok((namespace.to_owned(), pod.to_owned()))
        }
        _ => Err("expected NAMESPACE/POD".to_owned()),
    }
}

/// Does it, and prints what there is to tell.
#[tokio::main]
pub(crate) async fn run(control: Control) -> anyhow::Result<()> {
    let (target, method, path, body) = match control {
        Control::Fault(Fault::Add { fault, target }) => {
            (target, Method::POST, "faults".to_owned(), json!({"fault": fault.to_string()}))
        }
        Control::Fault(Fault::List { target }) => (target, Method::GET, "faults".to_owned(), Value::Null),
        Control::Fault(Fault::Clear { id: Some(id), target }) => {
            (target, Method::DELETE, format!("faults/{id}"), Value::Null)
        }
        Control::Fault(Fault::Clear { id: None, target }) => (target, Method::DELETE, "faults".to_owned(), Value::Null),
        Control::Compact { target } => (target, Method::POST, "compact".to_owned(), Value::Null),
        Control::DropWatches { resource, target } => {
            (target, Method::POST, "drop-watches".to_owned(), json!({"resource": resource}))
        }
        Control::Pause { controller, target } => {
            (target, Method::POST, format!("controllers/{controller}/pause"), Value::Null)
        }
        Control::Resume { controller, target } => {
            (target, Method::POST, format!("controllers/{controller}/resume"), Value::Null)
        }
        Control::Kill { pod: (namespace, pod), container, out_of_memory, target } => {
            let body = json!({"container": container, "outOfMemory": out_of_memory});
            (target, Method::POST, format!("pods/{namespace}/{pod}/kill"), body)
        }
    };
    let answer = send(&target, method, &path, &body).await?;
    print(&answer);
    Ok(())
}

async fn send(target: &Target, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
    let file = target.kubeconfig.display();
    let kubeconfig =
        Kubeconfig::read_from(&target.kubeconfig).with_context(|| format!("failed to read the kubeconfig {file}"))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("failed to use the kubeconfig {file}"))?;
    let client = Client::try_from(config).with_context(|| format!("failed to use the kubeconfig {file}"))?;
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder().method(method).uri(format!("/embedded/{path}")).body(body)?;
    match client.request(request).await {
        Ok(answer) => Ok(answer),
        Err(kube::Error::Api(status)) if status.message.contains("page not found") => {
            anyhow::bail!("{file} leads to a cluster that is not an embedded one: it has no control of faults")
        }
        Err(kube::Error::Api(status)) => anyhow::bail!("{}", status.message),
        Err(error) => Err(error).with_context(|| format!("failed to reach the cluster of {file}")),
    }
}

/// One line per fact.
fn print(answer: &Value) {
    for (key, value) in answer.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("faults", Value::Array(faults)) => {
                for fault in faults {
                    println!("fault {}  {}  met by {}", fault["id"], text(&fault["fault"]), fault["met"]);
                }
            }
            ("controllers", Value::Array(controllers)) => {
                for controller in controllers {
                    let state = if controller["paused"] == true { "paused" } else { "running" };
                    println!("controller {}  {state}", text(&controller["name"]));
                }
            }
            (_, Value::Array(values)) => {
                println!("{key} {}", values.iter().map(text).collect::<Vec<_>>().join(", "));
            }
            (_, value) => println!("{key} {value}"),
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
