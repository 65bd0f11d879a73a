//! Lists of ten thousand objects, as text: what a client makes of it is not the server's time.

use std::time::Instant;

use anyhow::Context as _;
use embedded_cluster::ApiServer;
use http::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, PostParams};
use serde::Deserialize;

use crate::objects;
use crate::report::{Figure, Unit};

const OBJECTS: usize = 10_000;

const PATH: &str = "/api/v1/namespaces/default/configmaps";

/// The whole list, its pages, and what a selector finds in it.
pub(crate) async fn list() -> anyhow::Result<Vec<Figure>> {
    let api = ApiServer::default();
    let client = api.client("default");
    let config_maps = Api::<ConfigMap>::default_namespaced(client.clone());
    for number in 0..OBJECTS {
        config_maps.create(&PostParams::default(), &objects::config_map(number)?).await?;
    }
    let begin = Instant::now();
    get(&client, PATH).await?;
    let whole = begin.elapsed();
    let begin = Instant::now();
    pages(&client).await?;
    let paged = begin.elapsed();
    let begin = Instant::now();
    get(&client, &format!("{PATH}?labelSelector=example.com/shelf%3Ds3")).await?;
    let selected = begin.elapsed();
    let figure =
        |name: &str, took: std::time::Duration| Figure::new(name, took.as_secs_f64() * 1000.0, Unit::Milliseconds);
    Ok(vec![
        figure("list of 10,000 ConfigMaps, whole", whole),
        figure("list of 10,000 ConfigMaps, in pages of 500", paged),
        figure("list of 1,000 of 10,000 by label", selected),
    ])
}

async fn pages(client: &Client) -> anyhow::Result<()> {
    let mut path = format!("{PATH}?limit=500");
    let mut pages = 1;
    while let Some(token) = continue_token(&get(client, &path).await?)? {
        path = format!("{PATH}?limit=500&continue={token}");
        pages += 1;
    }
    anyhow::ensure!(pages == OBJECTS / 500, "the list came in {pages} pages");
    Ok(())
}

async fn get(client: &Client, path: &str) -> anyhow::Result<String> {
    Ok(client.request_text(Request::get(path).body(Vec::new())?).await?)
}

/// The token of the next page, which stands before the items.
fn continue_token(list: &str) -> anyhow::Result<Option<String>> {
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(rename = "continue")]
        token: Option<String>,
    }
    let (_, rest) = list.split_once("\"metadata\":").context("a list has metadata")?;
    let metadata = serde_json::Deserializer::from_str(rest).into_iter::<Metadata>().next().context("metadata")??;
    Ok(metadata.token.filter(|token| !token.is_empty()))
}
