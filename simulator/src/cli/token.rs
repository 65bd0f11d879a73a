//! `simulator token`: a token, good or faulty, from an authorization server of a running world.

use anyhow::Context as _;
use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Failure;
use super::control::{ControlClient, Running};

/// Options of `simulator token`.
#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(flatten)]
    running: Running,
    /// The authorization server, by host or issuer identifier.
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// One of its users.
    #[arg(long, value_name = "USER")]
    subject: String,
    /// `aud`. Default: the token has none.
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
    /// A scope; may be given several times.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// How long it is valid, e.g. `5m`. Default: an hour.
    #[arg(long, value_name = "DURATION")]
    lifetime: Option<String>,
    /// Further claims as YAML or JSON, e.g. `{groups: [admins]}`; they win over the others.
    #[arg(long, value_name = "CLAIMS")]
    claims: Option<String>,
    /// What is wrong with it: `expired`, `notYetValid`, `wrongKey`, `unknownKey`, `algNone`, `tampered`, `wrongIssuer`,
    /// `wrongAudience`.
    #[arg(long, value_name = "FAULT")]
    fault: Option<String>,
}

/// The answer of the control API.
#[derive(Deserialize)]
struct Given {
    token: String,
}

/// Prints the token alone, so that a script can use it.
pub(super) async fn token(options: Options) -> Result<(), Failure> {
    let Options { running, issuer, subject, audience, scopes, lifetime, claims, fault } = options;
    let mut request = json!({"issuer": issuer, "subject": subject, "scopes": scopes});
    for (key, value) in [("audience", audience), ("lifetime", lifetime), ("fault", fault)] {
        if let Some(value) = value {
            request[key] = value.into();
        }
    }
    if let Some(text) = claims {
        let claims: Map<String, Value> = serde_saphyr::from_str(&text).with_context(|| {
            format!("`{text}` is not a mapping in YAML or JSON: expected something like `{{groups: [admins]}}`")
        })?;
        request["claims"] = claims.into();
    }
    let given: Given = ControlClient::new(running)?.post("tokens", &request).await?;
    println!("{}", given.token);
    Ok(())
}
