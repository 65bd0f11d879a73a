//! Configurations: their status, who keeps them from being deleted, and whom a change reaches.

use k8s_openapi::api::events::v1::Event;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
};
use operator_api::{
    MCPExternalAuthConfig, MCPToolConfig, VirtualMCPCompositeToolDefinition, VirtualMCPServer, WorkflowValidation,
    is_true,
};
use serde_json::{Value, json};

use crate::cluster::{NAMESPACE, TestCluster};

/// One object of each kind that can be used, all named `shared`.
const CONFIGS: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPExternalAuthConfig
metadata: {name: shared}
spec: {type: headerInjection, headerInjection: {headerName: X-Api-Key, valueSecretRef: {name: key, key: value}}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPOIDCConfig
metadata: {name: shared}
spec: {type: inline, inline: {issuer: 'https://idp.example.com'}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPToolConfig
metadata: {name: shared}
spec: {toolsFilter: [create_issue]}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPTelemetryConfig
metadata: {name: shared}
spec: {openTelemetry: {enabled: true, endpoint: 'otel:4318', tracing: {enabled: true}}}
---
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPCompositeToolDefinition
metadata: {name: shared}
spec: {name: workflow, description: does a thing, steps: [{id: one, tool: echo}]}
";

/// A gateway that refers to one object of each kind.
const GATEWAY: &str = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: VirtualMCPServer
metadata: {name: engineering}
spec:
  groupRef: {name: tools}
  incomingAuth: {type: oidc, oidcConfigRef: {name: shared, audience: engineering}}
  outgoingAuth: {backends: {github: {type: externalAuthConfigRef, externalAuthConfigRef: {name: shared}}}}
  telemetryConfigRef: {name: shared}
  config:
    aggregation: {tools: [{workload: github, toolConfigRef: {name: shared}}]}
    compositeToolRefs: [{name: shared}]
";

/// The kinds, and the condition that says whether an object can be used.
const KINDS: [(&str, &str); 5] = [
    ("MCPExternalAuthConfig", "Valid"),
    ("MCPOIDCConfig", "Valid"),
    ("MCPToolConfig", "Valid"),
    ("MCPTelemetryConfig", "Valid"),
    ("VirtualMCPCompositeToolDefinition", "WorkflowValidated"),
];

fn api(cluster: &TestCluster, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(operator_api::GROUP, operator_api::VERSION, kind);
    let plural = format!("{}s", kind.kind.to_lowercase());
    Api::namespaced_with(cluster.client.clone(), NAMESPACE, &ApiResource::from_gvk_with_plural(&kind, &plural))
}

/// The condition `kind` of `object`.
fn condition<'a>(object: &'a DynamicObject, kind: &str) -> &'a Value {
    let conditions = object.data["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

#[tokio::test(start_paused = true)]
async fn a_configuration_in_use_stays_until_the_last_reference_is_gone() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[CONFIGS, GATEWAY].join("\n---")).await;
    cluster.quiet().await;
    for (kind, usable) in KINDS {
        let configs = api(&cluster, kind);
        let config = configs.get("shared").await.unwrap();
        assert_eq!(condition(&config, usable)["status"], "True", "{kind}");
        assert_eq!(config.metadata.finalizers.as_ref().map(Vec::len), Some(1), "{kind}");
        assert_eq!(config.data["status"]["observedGeneration"], 1, "{kind}");
        configs.delete("shared", &DeleteParams::default()).await.unwrap();
    }
    cluster.quiet().await;
    for (kind, _) in KINDS {
        let config = api(&cluster, kind).get("shared").await.unwrap();
        let blocked = condition(&config, "DeletionBlocked");
        assert_eq!(
            (&blocked["status"], &blocked["reason"]),
            (&json!("True"), &json!("ReferencedByWorkloads")),
            "{kind}"
        );
        assert!(blocked["message"].as_str().unwrap().contains("VirtualMCPServer/engineering"), "{kind}: {blocked}");
    }
    let workflow: VirtualMCPCompositeToolDefinition = cluster.get("shared").await;
    assert_eq!(workflow.status.unwrap().referencing_virtual_servers, Some(vec!["engineering".to_owned()]));

    cluster.all::<VirtualMCPServer>().delete("engineering", &DeleteParams::default()).await.unwrap();
    cluster.quiet().await;
    for (kind, _) in KINDS {
        assert!(
            api(&cluster, kind).get_opt("shared").await.unwrap().is_none(),
            "nothing refers to the {kind} any more"
        );
    }
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_nothing_refers_to_goes_at_once() {
    let cluster = TestCluster::start().await;
    cluster.apply(CONFIGS).await;
    cluster.quiet().await;
    for (kind, _) in KINDS {
        api(&cluster, kind).delete("shared", &DeleteParams::default()).await.unwrap();
    }
    cluster.quiet().await;
    for (kind, _) in KINDS {
        assert!(api(&cluster, kind).get_opt("shared").await.unwrap().is_none(), "{kind}");
    }
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_reaches_who_refers_to_it_and_nobody_else() {
    let cluster = TestCluster::start().await;
    let other = [CONFIGS, GATEWAY].join("\n---").replace("name: shared", "name: other");
    let other = other.replace("name: engineering", "name: sales");
    cluster.apply(&[CONFIGS, GATEWAY, &other].join("\n---")).await;
    cluster.quiet().await;
    let version = async |name: &str| {
        let server: VirtualMCPServer = cluster.get(name).await;
        server.metadata.resource_version
    };
    let (engineering, sales) = (version("engineering").await, version("sales").await);
    let hash = async |name: &str| cluster.get::<MCPToolConfig>(name).await.status.unwrap().config_hash;
    let (shared, untouched) = (hash("shared").await, hash("other").await);

    cluster.apply(&CONFIGS.replace("https://idp", "ftp://idp").replace("create_issue", "list_issues")).await;
    cluster.quiet().await;
    assert_ne!(version("engineering").await, engineering, "its OpenID provider is not Valid any more");
    assert_eq!(version("sales").await, sales, "nothing that it refers to has changed");
    assert_ne!(hash("shared").await, shared);
    assert_eq!(hash("other").await, untouched);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn events_tell_what_comes_to_fail_and_what_holds_again() {
    let cluster = TestCluster::start().await;
    cluster.apply(CONFIGS).await;
    cluster.quiet().await;
    let reasons = async || {
        let events = cluster.all::<Event>().list(&ListParams::default()).await.unwrap();
        let mut reasons: Vec<_> = events
            .into_iter()
            .map(|event| {
                (event.regarding.and_then(|object| object.kind).unwrap_or_default(), event.reason.unwrap_or_default())
            })
            .collect();
        reasons.sort();
        reasons
    };
    assert_eq!(reasons().await, [], "holding from the first is no news");
    let bad = CONFIGS
        .replace("X-Api-Key", "Host")
        .replace("https://idp", "ftp://idp")
        .replace("[create_issue]", "['']")
        .replace("otel:4318", "ftp://otel")
        .replace("tool: echo", "tool: no tool");
    cluster.apply(&bad).await;
    cluster.quiet().await;
    let expected = |reason: &str| {
        let mut expected: Vec<_> = KINDS.iter().map(|(kind, _)| ((*kind).to_owned(), reason.to_owned())).collect();
        expected.sort();
        expected
    };
    assert_eq!(reasons().await, expected("ConfigInvalid"));
    let workflow: VirtualMCPCompositeToolDefinition = cluster.get("shared").await;
    let status = workflow.status.unwrap();
    assert_eq!(status.validation_status, Some(WorkflowValidation::Invalid));
    assert!(status.validation_errors.unwrap()[0].starts_with("steps[0].tool: "));

    cluster.apply(CONFIGS).await;
    cluster.quiet().await;
    let mut both = [expected("ConfigInvalid"), expected("ConfigValid")].concat();
    both.sort();
    assert_eq!(reasons().await, both);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_and_a_gateway_both_keep_an_auth_config() {
    let cluster = TestCluster::start().await;
    let entry = "
apiVersion: toolhive.stacklok.dev/v1beta1
kind: MCPServerEntry
metadata: {name: partner}
spec:
  groupRef: {name: tools}
  remoteUrl: https://mcp.example.com/mcp
  transport: sse
  externalAuthConfigRef: {name: shared}
";
    cluster.apply(&[CONFIGS, GATEWAY, entry].join("\n---")).await;
    cluster.all::<MCPExternalAuthConfig>().delete("shared", &DeleteParams::default()).await.unwrap();
    cluster.quiet().await;
    let config = api(&cluster, "MCPExternalAuthConfig").get("shared").await.unwrap();
    let message = condition(&config, "DeletionBlocked")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("MCPServerEntry/partner, VirtualMCPServer/engineering"), "{message}");

    let none = Patch::Merge(json!({"spec": {"outgoingAuth": null}}));
    cluster.all::<VirtualMCPServer>().patch("engineering", &PatchParams::default(), &none).await.unwrap();
    cluster.quiet().await;
    let config: MCPExternalAuthConfig = cluster.get("shared").await;
    assert!(is_true(&config.status.unwrap().conditions, "DeletionBlocked"), "the entry still refers to it");
    let none = Patch::Merge(json!({"spec": {"externalAuthConfigRef": null}}));
    cluster.all::<operator_api::MCPServerEntry>().patch("partner", &PatchParams::default(), &none).await.unwrap();
    cluster.quiet().await;
    assert!(cluster.all::<MCPExternalAuthConfig>().get_opt("shared").await.unwrap().is_none());
    cluster.stop().await;
}
