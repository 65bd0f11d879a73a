//! VirtualMCPServers and the objects of their gateways.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Pod, Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{Role, RoleBinding},
};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
};
use operator_api::{MCPOIDCConfig, MCPRemoteProxy, VirtualMCPServer, VirtualServerPhase, find_condition, is_true};
use serde_json::json;

use crate::cluster::TestCluster;

const GROUP: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPGroup
metadata: {name: tools}
";

const ENTRY: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServerEntry
metadata: {name: partner}
spec:
  groupRef: {name: tools}
  remoteUrl: https://mcp.partner.example.com/mcp
  transport: streamable-http
  externalAuthConfigRef: {name: auth}
  caBundleRef: {configMapRef: {name: partner-ca}}
";

const AUTH: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPExternalAuthConfig
metadata: {name: auth}
spec:
  type: headerInjection
  headerInjection:
    headerName: X-Api-Key
    valueSecretRef: {name: api-key, key: value}
";

const SERVER: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {name: engineering}
spec:
  groupRef: {name: tools}
  incomingAuth: {type: anonymous}
";

const PROXY: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPRemoteProxy
metadata: {name: analytics}
spec:
  groupRef: {name: tools}
  remoteUrl: https://mcp.analytics.example.com/mcp
  externalAuthConfigRef: {name: auth}
";

fn phase(server: &VirtualMCPServer) -> Option<VirtualServerPhase> {
    server.status.as_ref().and_then(|status| status.phase)
}

fn reason(server: &VirtualMCPServer, kind: &str) -> Option<String> {
    let conditions = &server.status.as_ref()?.conditions;
    find_condition(conditions, kind).map(|condition| condition.reason.clone())
}

/// The Secrets that a gateway may read.
async fn secrets(cluster: &TestCluster) -> Vec<String> {
    let role: Role = cluster.get("vmcp-engineering").await;
    let rules = role.rules.unwrap_or_default().into_iter();
    let of_secrets = rules.filter(|rule| rule.resources.iter().flatten().any(|resource| resource == "secrets"));
    of_secrets.flat_map(|rule| rule.resource_names.unwrap_or_default()).collect()
}

/// Says that one pod of the gateway is ready, as the Deployment's controller would.
async fn pod_is_ready(cluster: &TestCluster) {
    let status = json!({"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 1}});
    let patch = Patch::Merge(status);
    cluster.all::<Deployment>().patch_status("vmcp-engineering", &PatchParams::default(), &patch).await.unwrap();
}

/// Says what the gateway would say of its backends.
async fn gateway_says(cluster: &TestCluster, backends: serde_json::Value) {
    let status = json!({
        "apiVersion": "toolhive.stacklok.dev/v1beta1",
        "kind": "VirtualMCPServer",
        "status": {"discoveredBackends": backends, "backendCount": backends.as_array().unwrap().len()}
    });
    let servers = cluster.all::<VirtualMCPServer>();
    servers.patch_status("engineering", &PatchParams::apply("vmcp").force(), &Patch::Apply(status)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_gateway_gets_its_objects_and_becomes_ready() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, AUTH, ENTRY, SERVER].join("\n---")).await;
    cluster.quiet().await;

    let server: VirtualMCPServer = cluster.get("engineering").await;
    assert_eq!(phase(&server), Some(VirtualServerPhase::Pending));
    assert_eq!(reason(&server, "Ready").as_deref(), Some("DeploymentNotReady"));
    let url = server.status.as_ref().and_then(|status| status.url.clone());
    assert_eq!(url.as_deref(), Some("http://vmcp-engineering.tools.svc.cluster.local:4483"));

    let _: ServiceAccount = cluster.get("vmcp-engineering").await;
    let _: RoleBinding = cluster.get("vmcp-engineering").await;
    let service: Service = cluster.get("vmcp-engineering").await;
    let ports = service.spec.unwrap().ports.unwrap();
    assert_eq!((ports[0].port, ports[0].name.as_deref()), (4483, Some("http")));
    let role: Role = cluster.get("vmcp-engineering").await;
    let rules = serde_json::to_string(&role.rules).unwrap();
    assert!(rules.contains("\"resourceNames\":[\"api-key\"]"), "{rules}");
    assert!(rules.contains("\"resourceNames\":[\"partner-ca\"]"), "{rules}");
    let config: ConfigMap = cluster.get("engineering-vmcp-config").await;
    let text = &config.data.unwrap()["config.yaml"];
    vmcp_config::parse(text, "config.yaml").unwrap();

    pod_is_ready(&cluster).await;
    for status in ["unknown", "ready"] {
        cluster.quiet().await;
        let server: VirtualMCPServer = cluster.get("engineering").await;
        assert_eq!(phase(&server), Some(VirtualServerPhase::Pending));
        assert_eq!(reason(&server, "Ready").as_deref(), Some("BackendsPending"));
        gateway_says(&cluster, json!([{"name": "partner", "status": status}])).await;
    }
    cluster.quiet().await;
    let server: VirtualMCPServer = cluster.get("engineering").await;
    assert_eq!(phase(&server), Some(VirtualServerPhase::Ready));
    assert!(is_true(&server.status.unwrap().conditions, "Ready"));
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_phase_follows_the_backends_that_the_gateway_reports() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, SERVER].join("\n---")).await;
    cluster.quiet().await;
    gateway_says(&cluster, json!([{"name": "a", "status": "unavailable"}])).await;
    cluster.quiet().await;
    let server: VirtualMCPServer = cluster.get("engineering").await;
    assert_eq!(phase(&server), Some(VirtualServerPhase::Pending), "no replica is ready, so it does not count");
    pod_is_ready(&cluster).await;
    for (backends, expected, why) in [
        (json!([{"name": "a", "status": "unavailable"}]), VirtualServerPhase::Failed, "BackendsUnavailable"),
        (
            json!([{"name": "a", "status": "unavailable"}, {"name": "b", "status": "ready"}]),
            VirtualServerPhase::Degraded,
            "BackendsDegraded",
        ),
        (
            json!([{"name": "a", "status": "unauthenticated"}, {"name": "b", "status": "ready"}]),
            VirtualServerPhase::Ready,
            "DeploymentReady",
        ),
    ] {
        gateway_says(&cluster, backends).await;
        cluster.quiet().await;
        let server: VirtualMCPServer = cluster.get("engineering").await;
        assert_eq!(phase(&server), Some(expected));
        assert_eq!(reason(&server, "Ready").as_deref(), Some(why));
    }
    let server: VirtualMCPServer = cluster.get("engineering").await;
    assert_eq!(server.status.unwrap().backend_count, Some(2), "the gateway's fields are left to it");

    let before = cluster.version().await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    cluster.quiet().await;
    assert_eq!(cluster.version().await, before, "quiet means quiet");
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_others_change_is_repaired_and_what_is_theirs_is_left() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, SERVER].join("\n---")).await;
    cluster.quiet().await;
    let merge = PatchParams::default();
    let edit = Patch::Merge(json!({"metadata": {"labels": {"theirs": "1"}}, "spec": {"selector": {"app": "other"}}}));
    cluster.all::<Service>().patch("vmcp-engineering", &merge, &edit).await.unwrap();
    cluster.all::<ConfigMap>().delete("engineering-vmcp-config", &DeleteParams::default()).await.unwrap();
    cluster.quiet().await;
    let service: Service = cluster.get("vmcp-engineering").await;
    let selector = service.spec.unwrap().selector.unwrap();
    assert_eq!(selector.get("app.kubernetes.io/instance").map(String::as_str), Some("engineering"));
    assert_eq!(service.metadata.labels.unwrap().get("theirs").map(String::as_str), Some("1"));
    let _: ConfigMap = cluster.get("engineering-vmcp-config").await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_waits_for_its_group_and_its_provider() {
    let cluster = TestCluster::start().await;
    let server =
        SERVER.replace("{type: anonymous}", "{type: oidc, oidcConfigRef: {name: idp, audience: engineering-vmcp}}");
    cluster.apply(&server).await;
    cluster.quiet().await;
    let server: VirtualMCPServer = cluster.get("engineering").await;
    assert_eq!(phase(&server), Some(VirtualServerPhase::Failed));
    assert_eq!(reason(&server, "GroupRefValidated").as_deref(), Some("GroupRefNotFound"));
    assert_eq!(reason(&server, "OIDCConfigRefValidated").as_deref(), Some("OIDCConfigRefNotFound"));
    assert!(cluster.all::<Deployment>().get_opt("vmcp-engineering").await.unwrap().is_none());

    cluster.apply(GROUP).await;
    cluster
        .apply(
            "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPOIDCConfig
metadata: {name: idp}
spec: {type: inline, inline: {issuer: 'https://idp.example.com'}}
",
        )
        .await;
    cluster.quiet().await;
    let server: VirtualMCPServer = cluster.get("engineering").await;
    assert_eq!(phase(&server), Some(VirtualServerPhase::Pending));
    let hash = server.status.unwrap().oidc_config_hash;
    let config: MCPOIDCConfig = cluster.get("idp").await;
    assert!(hash.is_some());
    assert_eq!(hash, config.status.unwrap().config_hash);
    let config: ConfigMap = cluster.get("engineering-vmcp-config").await;
    let config = vmcp_config::parse(&config.data.unwrap()["config.yaml"], "config.yaml").unwrap();
    let oidc = config.incoming_auth.unwrap().oidc.unwrap();
    assert_eq!((oidc.issuer.as_str(), oidc.audience.as_str()), ("https://idp.example.com", "engineering-vmcp"));
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_says_so_and_does_not_hide_others() {
    let cluster = TestCluster::start().await;
    let config = "  config: {operational: {timeouts: {default: 99999999999h}}}\n";
    let unreadable = format!("{}{config}", SERVER.replace("engineering", "unreadable"));
    cluster.apply(&[GROUP, SERVER, &unreadable].join("\n---")).await;
    cluster.quiet().await;
    let objects = Api::<DynamicObject>::namespaced_with(
        cluster.client.clone(),
        "tools",
        &ApiResource::erase::<VirtualMCPServer>(&()),
    );
    let object = objects.get("unreadable").await.unwrap();
    let status = &object.data["status"];
    assert_eq!((&status["phase"], &status["observedGeneration"]), (&json!("Failed"), &json!(1)));
    let message = status["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("99999999999h"), "{message}");
    assert_eq!(phase(&cluster.get("engineering").await), Some(VirtualServerPhase::Pending));

    let before = cluster.version().await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    cluster.quiet().await;
    assert_eq!(cluster.version().await, before);

    cluster.apply(&unreadable.replace("99999999999h", "10s")).await;
    cluster.quiet().await;
    assert_eq!(phase(&cluster.get("unreadable").await), Some(VirtualServerPhase::Pending));
    cluster.stop().await;
}

/// A pod of the gateway, whose container waits with a reason.
async fn pod_waits(cluster: &TestCluster, waiting: serde_json::Value, last: serde_json::Value) {
    let labels = json!({
        "app.kubernetes.io/name": "vmcp", "app.kubernetes.io/instance": "engineering",
        "app.kubernetes.io/managed-by": "toolhive-operator"
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "vmcp-engineering-1", "labels": labels},
        "spec": {"serviceAccountName": "vmcp-engineering", "containers": [{"name": "vmcp", "image": "vmcp"}]}
    });
    let pods = cluster.all::<Pod>();
    let parameters = PatchParams::apply("test").force();
    pods.patch("vmcp-engineering-1", &parameters, &Patch::Apply(&pod)).await.unwrap();
    let status = json!({"status": {"containerStatuses": [{
        "name": "vmcp", "image": "vmcp", "imageID": "", "ready": false, "restartCount": 1,
        "state": {"waiting": waiting}, "lastState": last
    }]}});
    pods.patch_status("vmcp-engineering-1", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
    cluster.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_whose_pod_does_not_come_to_run_is_failed_at_once_with_the_reason() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, SERVER].join("\n---")).await;
    cluster.quiet().await;
    pod_waits(&cluster, json!({"reason": "ContainerCreating"}), json!({})).await;
    assert_eq!(phase(&cluster.get("engineering").await), Some(VirtualServerPhase::Pending));

    let ended = json!({"terminated": {"exitCode": 2, "reason": "Error", "message": "the configuration is wrong\n"}});
    pod_waits(&cluster, json!({"reason": "CrashLoopBackOff"}), ended).await;
    let server: VirtualMCPServer = cluster.get("engineering").await;
    assert_eq!(phase(&server), Some(VirtualServerPhase::Failed));
    assert_eq!(reason(&server, "Ready").as_deref(), Some("DeploymentFailed"));
    let message = server.status.unwrap().message.unwrap();
    assert!(message.contains("CrashLoopBackOff") && message.contains("the configuration is wrong"), "{message}");

    pod_is_ready(&cluster).await;
    gateway_says(&cluster, json!([{"name": "a", "status": "ready"}])).await;
    cluster.quiet().await;
    assert_eq!(phase(&cluster.get("engineering").await), Some(VirtualServerPhase::Ready), "another pod serves");
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn several_pods_have_a_disruption_budget_and_one_has_none() {
    let cluster = TestCluster::start().await;
    let scaled = format!("{}  replicas: 3\n", SERVER.trim_end_matches(' '));
    cluster.apply(&[GROUP, &scaled].join("\n---")).await;
    cluster.quiet().await;
    let budgets = cluster.all::<PodDisruptionBudget>();
    assert!(budgets.get_opt("vmcp-engineering").await.unwrap().is_some());
    let server: VirtualMCPServer = cluster.get("engineering").await;
    assert_eq!(reason(&server, "SessionStorageWarning").as_deref(), Some("SessionStorageMissingForReplicas"));

    cluster.apply(&scaled.replace("replicas: 3", "replicas: 1")).await;
    cluster.quiet().await;
    assert!(budgets.get_opt("vmcp-engineering").await.unwrap().is_none());
    let deployment: Deployment = cluster.get("vmcp-engineering").await;
    assert_eq!(deployment.spec.unwrap().replicas, Some(1));
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_may_read_what_signs_it_in_at_the_proxies_of_its_group() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, SERVER, PROXY].join("\n---")).await;
    cluster.quiet().await;
    assert_eq!(secrets(&cluster).await, Vec::<String>::new());
    cluster.apply(AUTH).await;
    cluster.quiet().await;
    assert_eq!(secrets(&cluster).await, ["api-key"]);
    cluster.apply(&AUTH.replace("api-key", "other-key")).await;
    cluster.quiet().await;
    assert_eq!(secrets(&cluster).await, ["other-key"]);
    let leave = Patch::Merge(json!({"spec": {"groupRef": null}}));
    cluster.all::<MCPRemoteProxy>().patch("analytics", &PatchParams::default(), &leave).await.unwrap();
    cluster.quiet().await;
    assert_eq!(secrets(&cluster).await, Vec::<String>::new());
}
