//! Who may do what: service-account tokens and RBAC.

use std::time::Duration;

use embedded_cluster::ApiServer;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenReview};
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

use crate::refusal::refusal;

/// A server with a service account `reader` that may list config maps and get the one named `shown`.
async fn reader() -> (ApiServer, Client) {
    let server = ApiServer::default();
    let client = server.client("default");
    let create = PostParams::default();
    let account: ServiceAccount = serde_json::from_value(json!({"metadata": {"name": "reader"}})).unwrap();
    Api::default_namespaced(client.clone()).create(&create, &account).await.unwrap();
    let role: Role = serde_json::from_value(json!({
        "metadata": {"name": "reader"},
        "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]},
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["shown"]},
        ],
    }))
    .unwrap();
    Api::default_namespaced(client.clone()).create(&create, &role).await.unwrap();
    let binding: RoleBinding = serde_json::from_value(json!({
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "default"}],
    }))
    .unwrap();
    Api::default_namespaced(client.clone()).create(&create, &binding).await.unwrap();
    (server, client)
}

#[tokio::test(start_paused = true)]
async fn a_service_account_may_do_what_its_roles_say_and_nothing_else() {
    let (server, admin) = reader().await;
    let shown: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "shown"}})).unwrap();
    Api::default_namespaced(admin).create(&PostParams::default(), &shown).await.unwrap();
    let client = server.client_with_token(&server.issue_token("default", "reader"), "default");
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    assert_eq!(maps.list(&ListParams::default()).await.unwrap().items.len(), 1);
    maps.get("shown").await.unwrap();
    let (code, reason, message) = refusal(maps.get("hidden").await);
    assert_eq!((code, reason.as_str()), (403, "Forbidden"));
    let expected = "configmaps \"hidden\" is forbidden: User \"system:serviceaccount:default:reader\" cannot get resource \
                    \"configmaps\" in API group \"\" in the namespace \"default\"";
    assert_eq!(message, expected);
    let everywhere: Api<ConfigMap> = Api::all(client);
    assert!(refusal(everywhere.list(&ListParams::default()).await).2.ends_with("at the cluster scope"));
}

#[tokio::test(start_paused = true)]
async fn access_reviews_tell_the_same() {
    let (server, _) = reader().await;
    let client = server.client_with_token(&server.issue_token("default", "reader"), "default");
    for (verb, allowed) in [("list", true), ("delete", false)] {
        let attributes = json!({"namespace": "default", "verb": verb, "group": "", "resource": "configmaps"});
        let review: SelfSubjectAccessReview =
            serde_json::from_value(json!({"metadata": {}, "spec": {"resourceAttributes": attributes}})).unwrap();
        let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await.unwrap();
        assert_eq!(answer.status.unwrap().allowed, allowed, "{verb}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_with_its_time_and_with_its_account() {
    let (server, admin) = reader().await;
    let accounts: Api<ServiceAccount> = Api::default_namespaced(admin.clone());
    let request: TokenRequest =
        serde_json::from_value(json!({"metadata": {}, "spec": {"audiences": [], "expirationSeconds": 600}})).unwrap();
    let issued = accounts.create_token_request("reader", &PostParams::default(), &request).await.unwrap();
    let token = issued.status.unwrap().token.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client_with_token(&token, "default"));
    maps.list(&ListParams::default()).await.unwrap();
    tokio::time::advance(Duration::from_secs(601)).await;
    assert_eq!(refusal(maps.list(&ListParams::default()).await).0, 401);

    let lasting = server.issue_token("default", "reader");
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client_with_token(&lasting, "default"));
    maps.list(&ListParams::default()).await.unwrap();
    accounts.delete("reader", &kube::api::DeleteParams::default()).await.unwrap();
    assert_eq!(refusal(maps.list(&ListParams::default()).await).0, 401);
}

#[tokio::test(start_paused = true)]
async fn a_token_review_names_the_user() {
    let (server, admin) = reader().await;
    let reviews: Api<TokenReview> = Api::all(admin);
    for (token, authenticated) in [(server.issue_token("default", "reader"), true), ("nonsense".to_owned(), false)] {
        let review: TokenReview = serde_json::from_value(json!({"metadata": {}, "spec": {"token": token}})).unwrap();
        let status = reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap();
        assert_eq!(status.authenticated.unwrap_or(false), authenticated);
        let name = authenticated.then(|| "system:serviceaccount:default:reader".to_owned());
        assert_eq!(status.user.unwrap().username, name);
    }
}
