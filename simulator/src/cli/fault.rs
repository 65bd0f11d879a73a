//! `simulator fault`: sets and heals the faults of a server in a running world.

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value, json};
use simulator::control::WorldState;

use super::Failure;
use super::control::{ControlClient, Running};

/// Options of `simulator fault`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    running: Running,
    /// The URL of an MCP server, or the issuer identifier of an authorization server.
    server: String,
    /// What it does wrong from now on, as `does` of a world file says it: `hang`, `latency: 2s`, `respond: {status: 503}`. Several
    /// act together. They replace all faults that it has.
    #[arg(required_unless_present = "heal")]
    does: Vec<String>,
    /// Take all its faults away.
    #[arg(long, conflicts_with = "does")]
    heal: bool,
    /// Only on requests with this HTTP method.
    #[arg(long, value_name = "METHOD")]
    http: Option<String>,
    /// Only on requests for this path.
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// Only on this JSON-RPC method.
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Only on calls of this tool.
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Let so many such requests pass first.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    skip: u32,
    /// Act on so many, then no more.
    #[arg(long, value_name = "NUMBER")]
    times: Option<u32>,
}

/// Sets or heals.
pub(super) async fn fault(options: Options) -> Result<(), Failure> {
    let Options { running, server, does, heal, http, path, method, tool, skip, times } = options;
    let on: Map<String, Value> = [("http", http), ("path", path), ("method", method), ("tool", tool)]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), Value::String(value?))))
        .collect();
    let mut faults = Vec::new();
    for text in &does {
        let does: Value = serde_saphyr::from_str(text)
            .with_context(|| format!("`{text}` is not YAML: expected something like `latency: 2s`"))?;
        let mut fault = json!({"on": on, "skip": skip, "does": does});
        if let Some(times) = times {
            fault["times"] = times.into();
        }
        faults.push(fault);
    }
    let change = json!({"setFaults": {"server": server, "faults": faults}});
    ControlClient::new(running)?.post::<WorldState>("changes", &change).await?;
    if heal {
        println!("{server} is healed");
    } else {
        println!("{server} from now on: {}", does.join(", "));
    }
    Ok(())
}
