//! The server on a port, reached by a kubeconfig as any other cluster.

use embedded_cluster::ApiServer;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, ResourceExt};

async fn client(kubeconfig: &str) -> Client {
    // The client takes the process' default provider.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

#[tokio::test]
async fn a_kubeconfig_reaches_the_server_over_tls() {
    let api = ApiServer::default();
    let served = api.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(client(&served.kubeconfig(None)).await);
    let names: Vec<String> =
        namespaces.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);
    let stranger: Api<Namespace> = Api::all(client(&served.kubeconfig(Some("nonsense"))).await);
    assert_eq!(crate::refusal::refusal(stranger.list(&ListParams::default()).await).0, 401);
    served.shutdown().await;
}
