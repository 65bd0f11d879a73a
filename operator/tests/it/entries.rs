//! Entries from creation to repair.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use operator_api::{
    EntryCondition, EntryPhase, MCPExternalAuthConfig, MCPGroup, MCPServerEntry, find_condition, is_true,
};
use serde_json::json;

use crate::cluster::TestCluster;

const GROUP: &str = "
apiVersion: toolhive.stacklok.dev/v1alpha1
kind: MCPGroup
metadata: {name: engineering-tools}
spec: {description: Engineering team MCP servers}
";

const AUTH: &str = "
apiVersion: toolhive.stacklok.dev/v1alpha1
kind: MCPExternalAuthConfig
metadata: {name: remote-auth}
spec:
  type: tokenExchange
  tokenExchange:
    tokenUrl: https://auth.company.com/protocol/openid-connect/token
    clientId: remote-mcp-client
    clientSecretRef: {name: remote-mcp-secret, key: client-secret}
    audience: https://mcp.partner.example.com
";

const ENTRY: &str = "
apiVersion: toolhive.stacklok.dev/v1alpha1
kind: MCPServerEntry
metadata: {name: partner-tools}
spec:
  groupRef: {name: engineering-tools}
  remoteUrl: https://mcp.partner.example.com/mcp
  transport: streamable-http
  externalAuthConfigRef: {name: remote-auth}
  caBundleRef: {configMapRef: {name: partner-ca-bundle, key: ca.crt}}
  headerForward:
    addPlaintextHeaders: {X-Tenant-ID: engineering}
    addHeadersFromSecret:
    - headerName: X-Api-Key
      valueSecretRef: {name: api-key, key: value}
";

const CA_BUNDLE: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: partner-ca-bundle}
data: {ca.crt: '-----BEGIN CERTIFICATE-----'}
";

const API_KEY: &str = "
apiVersion: v1
kind: Secret
metadata: {name: api-key}
stringData: {value: s3cr3t}
";

/// The reason of each condition, by type.
fn reasons(entry: &MCPServerEntry) -> Vec<(String, String)> {
    let conditions = entry.status.iter().flat_map(|status| &status.conditions);
    conditions.map(|condition| (condition.type_.clone(), condition.reason.clone())).collect()
}

fn phase(entry: &MCPServerEntry) -> Option<EntryPhase> {
    entry.status.as_ref().and_then(|status| status.phase)
}

#[tokio::test(start_paused = true)]
async fn an_entry_fails_for_each_missing_reference_and_recovers_untouched() {
    let cluster = TestCluster::start().await;
    cluster.apply(ENTRY).await;
    cluster.quiet().await;

    let entry: MCPServerEntry = cluster.get("partner-tools").await;
    assert_eq!(phase(&entry), Some(EntryPhase::Failed));
    let expected = [
        ("RemoteURLValidated", "RemoteURLValid"),
        ("GroupRefValidated", "GroupRefNotFound"),
        ("ExternalAuthConfigValidated", "AuthConfigNotFound"),
        ("CABundleRefValidated", "CABundleRefNotFound"),
        ("HeaderSecretRefsValidated", "HeaderSecretNotFound"),
        ("Valid", "ConfigInvalid"),
    ];
    assert_eq!(reasons(&entry), expected.map(|(kind, reason)| (kind.to_owned(), reason.to_owned())));

    for (repair, kind) in [
        (GROUP, EntryCondition::GroupRefValidated),
        (AUTH, EntryCondition::ExternalAuthConfigValidated),
        (CA_BUNDLE, EntryCondition::CABundleRefValidated),
        (API_KEY, EntryCondition::HeaderSecretRefsValidated),
    ] {
        cluster.apply(repair).await;
        cluster.quiet().await;
        let entry: MCPServerEntry = cluster.get("partner-tools").await;
        assert!(is_true(&entry.status.unwrap().conditions, kind.as_str()), "{kind}");
    }
    let entry: MCPServerEntry = cluster.get("partner-tools").await;
    assert_eq!(phase(&entry), Some(EntryPhase::Valid));
    let status = entry.status.unwrap();
    assert_eq!(status.observed_generation, Some(1));
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(1)));
    let group: MCPGroup = cluster.get("engineering-tools").await;
    let status = group.status.unwrap();
    assert_eq!((status.entries, status.entry_count), (Some(vec!["partner-tools".to_owned()]), Some(1)));
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn keys_that_go_missing_fail_an_entry_and_their_return_repairs_it() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, AUTH, CA_BUNDLE, API_KEY, ENTRY].join("\n---")).await;
    cluster.quiet().await;
    assert_eq!(phase(&cluster.get("partner-tools").await), Some(EntryPhase::Valid));

    let merge = PatchParams::default();
    let no_key = Patch::Merge(json!({"data": {"ca.crt": null, "ca.pem": "-----BEGIN CERTIFICATE-----"}}));
    cluster.all::<ConfigMap>().patch("partner-ca-bundle", &merge, &no_key).await.unwrap();
    cluster.quiet().await;
    let entry: MCPServerEntry = cluster.get("partner-tools").await;
    assert_eq!(phase(&entry), Some(EntryPhase::Failed));
    let conditions = entry.status.unwrap().conditions;
    let condition = find_condition(&conditions, "CABundleRefValidated").unwrap();
    assert_eq!(condition.reason, "CABundleRefInvalid");
    assert!(condition.message.contains("\"ca.crt\"") && condition.message.contains("ca.pem"), "{}", condition.message);
    cluster.apply(CA_BUNDLE).await;
    let key = Patch::Merge(json!({"data": {"ca.crt": "-----BEGIN CERTIFICATE-----"}}));
    cluster.all::<ConfigMap>().patch("partner-ca-bundle", &merge, &key).await.unwrap();

    cluster.all::<Secret>().delete("api-key", &DeleteParams::default()).await.unwrap();
    cluster.quiet().await;
    assert_eq!(phase(&cluster.get("partner-tools").await), Some(EntryPhase::Failed));
    cluster.apply(API_KEY).await;
    cluster.quiet().await;
    let entry: MCPServerEntry = cluster.get("partner-tools").await;
    assert_eq!(phase(&entry), Some(EntryPhase::Valid));
    let status = serde_json::to_string(&entry.status).unwrap();
    assert!(!status.contains("s3cr3t"), "secrets stay out of the status");
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_moves_leaves_its_old_group() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, &GROUP.replace("engineering-tools", "other")].join("\n---")).await;
    cluster.apply(&ENTRY.replace("X-Api-Key", "X-Key")).await;
    cluster.quiet().await;
    let moved = Patch::Merge(json!({"spec": {"groupRef": {"name": "other"}}}));
    cluster.all::<MCPServerEntry>().patch("partner-tools", &PatchParams::default(), &moved).await.unwrap();
    cluster.quiet().await;
    for (group, count) in [("engineering-tools", 0), ("other", 1)] {
        let group: MCPGroup = cluster.get(group).await;
        assert_eq!(group.status.unwrap().entry_count, Some(count));
    }
    cluster.all::<MCPServerEntry>().delete("partner-tools", &DeleteParams::default()).await.unwrap();
    cluster.quiet().await;
    let group: MCPGroup = cluster.get("other").await;
    assert_eq!(group.status.unwrap().entries, None);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_auth_config_stays_while_an_entry_refers_to_it() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, AUTH, ENTRY].join("\n---")).await;
    cluster.quiet().await;
    let configs = cluster.all::<MCPExternalAuthConfig>();
    configs.delete("remote-auth", &DeleteParams::default()).await.unwrap();
    cluster.quiet().await;
    let config: MCPExternalAuthConfig = cluster.get("remote-auth").await;
    let conditions = config.status.unwrap().conditions;
    let blocked = find_condition(&conditions, "DeletionBlocked").unwrap();
    assert_eq!((blocked.status.as_str(), blocked.reason.as_str()), ("True", "ReferencedByWorkloads"));
    assert!(blocked.message.contains("MCPServerEntry/partner-tools"), "{}", blocked.message);

    cluster.all::<MCPServerEntry>().delete("partner-tools", &DeleteParams::default()).await.unwrap();
    cluster.quiet().await;
    assert!(configs.get_opt("remote-auth").await.unwrap().is_none(), "nothing refers to it any more");
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_auth_config_that_is_not_valid_fails_its_entries() {
    let cluster = TestCluster::start().await;
    let bad = AUTH.replace("https://auth.company.com", "ftp://auth.company.com");
    cluster.apply(&[GROUP, &bad, CA_BUNDLE, API_KEY, ENTRY].join("\n---")).await;
    cluster.quiet().await;
    let entry: MCPServerEntry = cluster.get("partner-tools").await;
    let conditions = entry.status.unwrap().conditions;
    let condition = find_condition(&conditions, "ExternalAuthConfigValidated").unwrap();
    assert_eq!(condition.reason, "AuthConfigInvalid");
    assert!(condition.message.contains("tokenUrl"), "{}", condition.message);
    cluster.apply(AUTH).await;
    cluster.quiet().await;
    assert_eq!(phase(&cluster.get("partner-tools").await), Some(EntryPhase::Valid));
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_when_nothing_changes() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, AUTH, CA_BUNDLE, API_KEY, ENTRY].join("\n---")).await;
    cluster.quiet().await;
    let before = cluster.version().await;
    tokio::time::sleep(Duration::from_hours(1)).await;
    cluster.quiet().await;
    assert_eq!(cluster.version().await, before);

    // A change that concerns nobody.
    cluster.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: unrelated}, data: {a: b}}").await;
    let before = cluster.version().await;
    cluster.quiet().await;
    assert_eq!(cluster.version().await, before);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_pending_until_an_operator_sees_it() {
    let mut cluster = TestCluster::without_operator().await;
    cluster.apply(ENTRY).await;
    assert_eq!(phase(&cluster.get("partner-tools").await), Some(EntryPhase::Pending));
    cluster.start_operator().await;
    assert_eq!(phase(&cluster.get("partner-tools").await), Some(EntryPhase::Failed));
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn both_versions_serve_the_same_entry() {
    let cluster = TestCluster::start().await;
    cluster.apply(&[GROUP, &ENTRY.replace("v1alpha1", "v1beta1")].join("\n---")).await;
    cluster.quiet().await;
    let entries = cluster.all::<MCPServerEntry>().list(&ListParams::default()).await.unwrap();
    assert_eq!(entries.items.len(), 1);
    cluster.stop().await;
}
