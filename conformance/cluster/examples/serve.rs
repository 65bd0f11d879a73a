//! Serves the API server alone, without controllers and node, until interrupted.
//!
//! `cargo run -p embedded-cluster --example serve -- KUBECONFIG` writes a kubeconfig to the file and prints one line,
//! `ready URL`. Then `kubectl --kubeconfig KUBECONFIG get namespaces` works.

use anyhow::Context as _;
use embedded_cluster::{ApiOptions, ApiServer};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let file = std::env::args().nth(1).context("name the file to write the kubeconfig to")?;
    let api = ApiServer::new(ApiOptions::default());
    let served = api.serve(([127, 0, 0, 1], 0).into()).await?;
    std::fs::write(&file, served.kubeconfig(None)).with_context(|| format!("write the kubeconfig to {file}"))?;
    println!("ready {}", served.url());
    tokio::signal::ctrl_c().await?;
    served.shutdown().await;
    Ok(())
}
