//! MCPServers and the objects of their pods.

use k8s_openapi::api::{
    apps::v1::{Deployment, StatefulSet},
    core::v1::{ConfigMap, Secret, Service, ServiceAccount},
    rbac::v1::Role,
};
use kube::api::{Patch, PatchParams, PostParams};
use operator_api::{MCPAuthzConfig, MCPGroup, MCPRemoteProxy, MCPServer, ServerPhase, find_condition, is_true};
use serde_json::json;

use crate::cluster::TestCluster;

const GROUP: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
";

const SERVER: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServer
metadata: {name: fetch}
spec:
  image: ghcr.io/stackloklabs/gofetch/server
  transport: streamable-http
  groupRef: {name: tools}
  secrets: [{name: api-key, key: value, targetEnvName: API_KEY}]
";

const SECRET: &str = "
apiVersion: v1
kind: Secret
metadata: {name: api-key}
stringData: {value: s3cr3t}
";

fn phase(server: &MCPServer) -> Option<ServerPhase> {
    server.status.as_ref().and_then(|status| status.phase)
}

#[tokio::test(start_paused = true)]
async fn a_server_gets_its_objects_and_becomes_ready_with_both_of_its_sides() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, SECRET, SERVER].join("\n---")).await;
    cluster.quiet().await;
    let server: MCPServer = cluster.get("fetch").await;
    assert_eq!(phase(&server), Some(ServerPhase::Pending));
    let url = server.status.as_ref().and_then(|status| status.url.clone());
    assert_eq!(url.as_deref(), Some("http://mcp-fetch-proxy.tools.svc.cluster.local:8080"));
    for account in ["fetch-sa", "fetch-proxy-runner"] {
        let _: ServiceAccount = cluster.get(account).await;
    }
    for service in ["mcp-fetch", "mcp-fetch-headless", "mcp-fetch-proxy"] {
        let _: Service = cluster.get(service).await;
    }
    let role: Role = cluster.get("fetch-proxy-runner").await;
    assert_eq!(role.rules.unwrap_or_default(), [], "the proxy reads none of the server's Secrets");
    let set: StatefulSet = cluster.get("fetch").await;
    let text = serde_json::to_string(&set).unwrap();
    assert!(text.contains("secretKeyRef") && !text.contains("s3cr3t"), "{text}");
    let _: ConfigMap = cluster.get("fetch-runconfig").await;
    let group: MCPGroup = cluster.get("tools").await;
    let members = group.status.unwrap();
    assert_eq!((members.server_count, members.servers), (Some(1), Some(vec!["fetch".to_owned()])));

    let status = Patch::Merge(json!({"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}}));
    cluster.all::<Deployment>().patch_status("fetch", &PatchParams::default(), &status).await.unwrap();
    cluster.quiet().await;
    let server: MCPServer = cluster.get("fetch").await;
    assert_eq!(phase(&server), Some(ServerPhase::Pending), "a proxy without its server serves nobody");
    cluster.all::<StatefulSet>().patch_status("fetch", &PatchParams::default(), &status).await.unwrap();
    cluster.quiet().await;
    let server: MCPServer = cluster.get("fetch").await;
    assert_eq!(phase(&server), Some(ServerPhase::Ready));
    let status = server.status.unwrap();
    assert!(is_true(&status.conditions, "Ready"));
    assert_eq!(status.ready_replicas, Some(1));
    let before = cluster.version().await;
    tokio::time::sleep(std::time::Duration::from_hours(1)).await;
    assert_eq!(cluster.version().await, before, "quiet means quiet");
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_objects_that_would_share_a_deployment_do_not_fight_for_it() {
    const PROXY: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPRemoteProxy
metadata: {name: fetch}
spec: {remoteUrl: https://mcp.example.com/mcp}
";
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, SECRET, SERVER].join("\n---")).await;
    cluster.quiet().await;
    let deployment: Deployment = cluster.get("fetch").await;
    cluster.apply(PROXY).await;
    // It is tried again for ever, at growing pauses: the operator is never idle.
    tokio::time::sleep(std::time::Duration::from_mins(1)).await;
    let proxy: MCPRemoteProxy = cluster.get("fetch").await;
    let message = proxy.status.unwrap().message.unwrap_or_default();
    assert!(message.contains("it belongs to MCPServer \"fetch\": rename one of the two"), "{message}");
    let kept: Deployment = cluster.get("fetch").await;
    assert_eq!(kept.metadata.owner_references, deployment.metadata.owner_references);
    let before = cluster.version().await;
    tokio::time::sleep(std::time::Duration::from_hours(1)).await;
    assert_eq!(cluster.version().await, before, "nobody writes again and again");
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_follows_its_secrets() {
    let cluster = TestCluster::start().await;
    cluster.apply(SERVER).await;
    cluster.quiet().await;
    let server: MCPServer = cluster.get("fetch").await;
    assert_eq!(phase(&server), Some(ServerPhase::Failed));
    let conditions = server.status.unwrap().conditions;
    assert_eq!(find_condition(&conditions, "ConfigurationValid").unwrap().reason, "SecretNotFound");
    let secret: Secret = serde_saphyr::from_str(SECRET).unwrap();
    cluster.all::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
    cluster.quiet().await;
    let server: MCPServer = cluster.get("fetch").await;
    assert_eq!(phase(&server), Some(ServerPhase::Pending));
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_checked() {
    const POLICY: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPAuthzConfig
metadata: {name: policy}
spec:
  type: cedarv1
  config: {policies: ['permit(principal, action, resource);']}
";
    let cluster = TestCluster::start().await;
    cluster.apply(POLICY).await;
    cluster.quiet().await;
    let config: MCPAuthzConfig = cluster.get("policy").await;
    let status = config.status.unwrap();
    assert!(is_true(&status.conditions, "Valid"));
    assert!(status.config_hash.is_some());
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_may_read_what_it_authenticates_to_its_servers_with() {
    const GATEWAY: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {name: gateway}
spec:
  groupRef: {name: tools}
  incomingAuth: {type: anonymous}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPExternalAuthConfig
metadata: {name: auth}
spec:
  type: headerInjection
  headerInjection: {headerName: X-Key, valueSecretRef: {name: gateway-key, key: value}}
";
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, SECRET, SERVER, GATEWAY].join("\n---")).await;
    cluster.quiet().await;
    let names = async || {
        let role: Role = cluster.get("vmcp-gateway").await;
        serde_json::to_string(&role.rules).unwrap()
    };
    assert!(!names().await.contains("gateway-key"));
    let patch = Patch::Merge(json!({"spec": {"externalAuthConfigRef": {"name": "auth"}}}));
    cluster.all::<MCPServer>().patch("fetch", &PatchParams::default(), &patch).await.unwrap();
    cluster.quiet().await;
    assert!(names().await.contains("gateway-key"), "{}", names().await);
    cluster.stop().await;
}
