//! MCPRemoteProxies and the objects of their pods.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::Role,
};
use kube::api::{DeleteParams, Patch, PatchParams};
use operator_api::{MCPExternalAuthConfig, MCPGroup, MCPRemoteProxy, ProxyPhase, find_condition, is_true};
use serde_json::{Value, json};

use crate::cluster::TestCluster;

const GROUP: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
";

const AUTH: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPExternalAuthConfig
metadata: {name: auth}
spec:
  type: bearerToken
  bearerToken: {tokenSecretRef: {name: api-token, key: value}}
";

const PROXY: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPRemoteProxy
metadata: {name: analytics}
spec:
  remoteUrl: https://mcp.analytics.example.com/mcp
  groupRef: {name: tools}
  externalAuthConfigRef: {name: auth}
  replicas: 2
";

fn phase(proxy: &MCPRemoteProxy) -> Option<ProxyPhase> {
    proxy.status.as_ref().and_then(|status| status.phase)
}

fn reason(proxy: &MCPRemoteProxy, kind: &str) -> Option<String> {
    let conditions = &proxy.status.as_ref()?.conditions;
    find_condition(conditions, kind).map(|condition| condition.reason.clone())
}

async fn merge(cluster: &TestCluster, spec: Value) {
    let patch = Patch::Merge(json!({"spec": spec}));
    cluster.all::<MCPRemoteProxy>().patch("analytics", &PatchParams::default(), &patch).await.unwrap();
    cluster.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_gets_its_objects_and_becomes_ready() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, AUTH, PROXY].join("\n---")).await;
    cluster.quiet().await;
    let proxy: MCPRemoteProxy = cluster.get("analytics").await;
    assert_eq!(phase(&proxy), Some(ProxyPhase::Pending));
    let url = proxy.status.as_ref().and_then(|status| status.url.clone());
    assert_eq!(url.as_deref(), Some("http://mcp-analytics-remote-proxy.tools.svc.cluster.local:8080"));
    let hash = proxy.status.and_then(|status| status.external_auth_config_hash);
    assert!(hash.is_some_and(|hash| !hash.is_empty()));

    let _: ServiceAccount = cluster.get("analytics-remote-proxy-runner").await;
    let _: PodDisruptionBudget = cluster.get("analytics").await;
    let _: Service = cluster.get("mcp-analytics-remote-proxy").await;
    let role: Role = cluster.get("analytics-remote-proxy-runner").await;
    let rules = serde_json::to_string(&role.rules).unwrap();
    assert!(rules.contains("\"resourceNames\":[\"api-token\"]"), "{rules}");
    let config: ConfigMap = cluster.get("analytics-runconfig").await;
    vmcp_config::proxy::ProxyConfig::parse(&config.data.unwrap()["runconfig.json"], "runconfig.json").unwrap();
    let group: MCPGroup = cluster.get("tools").await;
    let members = group.status.unwrap();
    assert_eq!((members.remote_proxy_count, members.remote_proxies), (Some(1), Some(vec!["analytics".to_owned()])));

    let status = json!({"status": {"replicas": 2, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 2}});
    let deployments = cluster.all::<Deployment>();
    deployments.patch_status("analytics", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    cluster.quiet().await;
    let proxy: MCPRemoteProxy = cluster.get("analytics").await;
    assert_eq!(phase(&proxy), Some(ProxyPhase::Ready));
    assert!(is_true(&proxy.status.unwrap().conditions, "Ready"));
    let before = cluster.version().await;
    tokio::time::sleep(std::time::Duration::from_hours(1)).await;
    assert_eq!(cluster.version().await, before, "quiet means quiet");
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_spec_no_longer_wants_goes_and_what_others_own_stays() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[AUTH, PROXY].join("\n---")).await;
    cluster.quiet().await;
    let restart =
        json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}});
    let deployments = cluster.all::<Deployment>();
    deployments.patch("analytics", &PatchParams::default(), &Patch::Merge(restart)).await.unwrap();
    merge(&cluster, json!({"replicas": null, "serviceAccount": "theirs"})).await;
    assert!(cluster.all::<PodDisruptionBudget>().get_opt("analytics").await.unwrap().is_none());
    assert!(cluster.all::<Role>().get_opt("analytics-remote-proxy-runner").await.unwrap().is_none());
    assert!(cluster.all::<ServiceAccount>().get_opt("analytics-remote-proxy-runner").await.unwrap().is_none());

    let scale = json!({"spec": {"replicas": 5}});
    deployments.patch("analytics", &PatchParams::default(), &Patch::Merge(scale)).await.unwrap();
    merge(&cluster, json!({"trustProxyHeaders": true})).await;
    let spec = deployments.get("analytics").await.unwrap().spec.unwrap();
    assert_eq!(spec.replicas, Some(5), "without a number the field is an autoscaler's");
    let annotations = spec.template.metadata.unwrap().annotations.unwrap();
    assert_eq!(annotations.get("kubectl.kubernetes.io/restartedAt").map(String::as_str), Some("now"));
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_follows_what_it_refers_to_and_keeps_it() {
    let cluster = TestCluster::start().await;
    cluster.apply(PROXY).await;
    cluster.quiet().await;
    let proxy: MCPRemoteProxy = cluster.get("analytics").await;
    assert_eq!(phase(&proxy), Some(ProxyPhase::Failed));
    assert_eq!(reason(&proxy, "ConfigurationValid").as_deref(), Some("ExternalAuthConfigFetchError"));
    assert_eq!(reason(&proxy, "GroupRefValidated").as_deref(), Some("GroupRefNotFound"));
    assert_eq!(proxy.status.as_ref().and_then(|status| status.observed_generation), proxy.metadata.generation);
    assert!(cluster.all::<Deployment>().get_opt("analytics").await.unwrap().is_none());

    cluster.apply(&[GROUP, AUTH].join("\n---")).await;
    cluster.quiet().await;
    let proxy: MCPRemoteProxy = cluster.get("analytics").await;
    assert_eq!(phase(&proxy), Some(ProxyPhase::Pending));
    assert_eq!(reason(&proxy, "GroupRefValidated").as_deref(), Some("GroupRefIsValid"));

    cluster.all::<MCPExternalAuthConfig>().delete("auth", &DeleteParams::default()).await.unwrap();
    cluster.quiet().await;
    let config: MCPExternalAuthConfig = cluster.get("auth").await;
    let conditions = config.status.unwrap().conditions;
    let blocked = find_condition(&conditions, "DeletionBlocked").unwrap();
    assert!(blocked.message.contains("MCPRemoteProxy/analytics"), "{}", blocked.message);
    merge(&cluster, json!({"externalAuthConfigRef": null})).await;
    assert!(cluster.all::<MCPExternalAuthConfig>().get_opt("auth").await.unwrap().is_none());
    cluster.stop().await;
}
