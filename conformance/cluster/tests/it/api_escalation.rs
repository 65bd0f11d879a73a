//! Nobody grants more than they have, and who may act as somebody else.

use embedded_cluster::ApiServer;
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenReview};
use k8s_openapi::api::authorization::v1::{LocalSubjectAccessReview, SelfSubjectRulesReview};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::refusal::refusal;

async fn create<K>(client: &Client, object: Value) -> Result<K, kube::Error>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    Api::<K>::default_namespaced(client.clone())
        .create(&PostParams::default(), &serde_json::from_value(object).unwrap())
        .await
}

async fn create_cluster<K>(client: &Client, object: Value) -> Result<K, kube::Error>
where
    K: kube::Resource<Scope = k8s_openapi::ClusterResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    Api::<K>::all(client.clone()).create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await
}

fn role(name: &str, resource: &str, verbs: &[&str]) -> Value {
    let group = if resource.contains("role") { "rbac.authorization.k8s.io" } else { "" };
    json!({"metadata": {"name": name}, "rules": [{"apiGroups": [group], "resources": [resource], "verbs": verbs}]})
}

fn binding(name: &str, kind: &str, role: &str, subject: &str) -> Value {
    json!({"metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": subject, "namespace": "default"}]})
}

/// A service account that may read pods and write every role and binding, and the administrator.
async fn granter() -> (ApiServer, Client, Client) {
    let server = ApiServer::default();
    let admin = server.client("default");
    create::<ServiceAccount>(&admin, json!({"metadata": {"name": "granter"}})).await.unwrap();
    let write = ["create", "update", "patch", "get", "delete"];
    create_cluster::<ClusterRole>(&admin, role("pods", "pods", &["get", "list"])).await.unwrap();
    for resource in ["roles", "rolebindings", "clusterroles", "clusterrolebindings"] {
        create_cluster::<ClusterRole>(&admin, role(resource, resource, &write)).await.unwrap();
        let binding = binding(resource, "ClusterRole", resource, "granter");
        create_cluster::<ClusterRoleBinding>(&admin, binding).await.unwrap();
    }
    create_cluster::<ClusterRoleBinding>(&admin, binding("pods", "ClusterRole", "pods", "granter")).await.unwrap();
    let client = server.client_with_token(&server.issue_token("default", "granter"), "default");
    (server, client, admin)
}

const LACKS_SECRETS: &str = "is forbidden: user \"system:serviceaccount:default:granter\" (groups=[\"system:serviceaccounts\" \
                             \"system:serviceaccounts:default\" \"system:authenticated\"]) is attempting to grant RBAC \
                             permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}";

#[tokio::test(start_paused = true)]
async fn a_role_holds_no_more_than_its_writer_has() {
    let (_server, client, admin) = granter().await;
    create::<Role>(&client, role("same", "pods", &["get"])).await.unwrap();
    let (code, reason, message) = refusal(create::<Role>(&client, role("more", "secrets", &["get", "list"])).await);
    assert_eq!((code, reason.as_str()), (403, "Forbidden"));
    assert_eq!(message, format!("roles.rbac.authorization.k8s.io \"more\" {LACKS_SECRETS}"));
    let refused = create_cluster::<ClusterRole>(&client, role("more", "secrets", &["get", "list"])).await;
    assert_eq!(refusal(refused).2, format!("clusterroles.rbac.authorization.k8s.io \"more\" {LACKS_SECRETS}"));

    // Neither by patch nor by apply.
    let roles = Api::<Role>::default_namespaced(client.clone());
    let grown = json!({"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list"]}]});
    let patched = roles.patch("same", &PatchParams::default(), &Patch::Merge(grown)).await;
    assert_eq!(refusal(patched).2, format!("roles.rbac.authorization.k8s.io \"same\" {LACKS_SECRETS}"));
    let mut applied = role("applied", "secrets", &["get", "list"]);
    applied["apiVersion"] = "rbac.authorization.k8s.io/v1".into();
    applied["kind"] = "Role".into();
    let apply = PatchParams::apply("test");
    assert_eq!(refusal(roles.patch("applied", &apply, &Patch::Apply(&applied)).await).0, 403);

    // Garbage collection may do its part on roles that hold more.
    create::<Role>(&admin, role("more", "secrets", &["get", "list"])).await.unwrap();
    let finalizer = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    roles.patch("more", &PatchParams::default(), &Patch::Merge(finalizer)).await.unwrap();
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(refusal(roles.patch("more", &PatchParams::default(), &Patch::Merge(label)).await).0, 403);
}

#[tokio::test(start_paused = true)]
async fn the_verb_escalate_lifts_the_check() {
    let (_server, client, admin) = granter().await;
    create_cluster::<ClusterRole>(&admin, role("escalators", "roles", &["escalate"])).await.unwrap();
    create::<RoleBinding>(&admin, binding("escalators", "ClusterRole", "escalators", "granter")).await.unwrap();
    create::<Role>(&client, role("more", "secrets", &["get", "list"])).await.unwrap();
    let refused = create_cluster::<ClusterRole>(&client, role("more", "secrets", &["get", "list"])).await;
    assert_eq!(refusal(refused).0, 403);
}

#[tokio::test(start_paused = true)]
async fn a_binding_gives_no_more_than_its_writer_has() {
    let (_server, client, admin) = granter().await;
    create::<RoleBinding>(&client, binding("readers", "ClusterRole", "pods", "other")).await.unwrap();
    create_cluster::<ClusterRole>(&admin, role("secrets", "secrets", &["get", "list"])).await.unwrap();
    let bound = binding("keys", "ClusterRole", "secrets", "granter");
    let refused = create::<RoleBinding>(&client, bound.clone()).await;
    assert_eq!(refusal(refused).2, format!("rolebindings.rbac.authorization.k8s.io \"keys\" {LACKS_SECRETS}"));
    let refused = create_cluster::<ClusterRoleBinding>(&client, bound.clone()).await;
    assert_eq!(refusal(refused).2, format!("clusterrolebindings.rbac.authorization.k8s.io \"keys\" {LACKS_SECRETS}"));
    let (code, _, message) = refusal(create::<RoleBinding>(&client, binding("none", "Role", "none", "granter")).await);
    assert_eq!((code, message.as_str()), (404, "roles.rbac.authorization.k8s.io \"none\" not found"));

    let mut bind = role("binders", "clusterroles", &["bind"]);
    bind["rules"][0]["resourceNames"] = json!(["secrets"]);
    create_cluster::<ClusterRole>(&admin, bind).await.unwrap();
    create::<RoleBinding>(&admin, binding("binders", "ClusterRole", "binders", "granter")).await.unwrap();
    create::<RoleBinding>(&client, bound.clone()).await.unwrap();
    // The right to bind is of the namespace.
    assert_eq!(refusal(create_cluster::<ClusterRoleBinding>(&client, bound).await).0, 403);
}

#[tokio::test(start_paused = true)]
async fn only_who_may_do_everything_aggregates_roles() {
    let (_server, client, admin) = granter().await;
    let mut all = json!({"metadata": {"name": "all"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"part": "all"}}]}, "rules": []});
    let refused = create_cluster::<ClusterRole>(&client, all.clone()).await;
    let expected = "clusterroles.rbac.authorization.k8s.io \"all\" is forbidden: must have cluster-admin privileges to use the \
                    aggregationRule";
    assert_eq!(refusal(refused).2, expected);
    create_cluster::<ClusterRole>(&admin, all.take()).await.unwrap();
    let mut part = role("part", "configmaps", &["list"]);
    part["metadata"]["labels"] = json!({"part": "all"});
    create_cluster::<ClusterRole>(&admin, part).await.unwrap();
    create::<RoleBinding>(&admin, binding("all", "ClusterRole", "all", "granter")).await.unwrap();
    Api::<ConfigMap>::default_namespaced(client).list(&ListParams::default()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rules_and_reviews_tell_what_somebody_may() {
    let (_server, client, admin) = granter().await;
    let review: SelfSubjectRulesReview =
        serde_json::from_value(json!({"metadata": {}, "spec": {"namespace": "default"}})).unwrap();
    let reviews = Api::<SelfSubjectRulesReview>::all(client.clone());
    let status = reviews.create(&PostParams::default(), &review).await.unwrap().status.unwrap();
    assert!(status.resource_rules.iter().any(|rule| rule.resources.as_deref() == Some(&["pods".to_owned()])));
    assert!(status.non_resource_rules.iter().any(|rule| rule.verbs == ["get"]));
    let empty: SelfSubjectRulesReview = serde_json::from_value(json!({"metadata": {}, "spec": {}})).unwrap();
    assert_eq!(refusal(reviews.create(&PostParams::default(), &empty).await).2, "no namespace on request");

    let user = "system:serviceaccount:default:granter";
    let wanted = json!({"namespace": "default", "verb": "list", "resource": "pods"});
    let local = json!({"metadata": {"namespace": "default"}, "spec": {"user": user, "resourceAttributes": wanted}});
    let local = create::<LocalSubjectAccessReview>(&admin, local).await.unwrap().status.unwrap();
    // Whoever is asked about without groups has none.
    assert!(local.allowed);
    let neither = json!({"metadata": {"namespace": "default"}, "spec": {"user": user}});
    let refused = create::<LocalSubjectAccessReview>(&admin, neither).await;
    assert!(refusal(refused).2.contains("namespace"));
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_pod_is_for_its_audience_and_ends_with_the_pod() {
    let (server, client, admin) = granter().await;
    drop(client);
    let pod = json!({"metadata": {"name": "web"}, "spec": {"serviceAccountName": "granter",
        "containers": [{"name": "main", "image": "example.com/any:1"}]}});
    create::<Pod>(&admin, pod).await.unwrap();
    let accounts = Api::<ServiceAccount>::default_namespaced(admin.clone());
    let bound = json!({"apiVersion": "v1", "kind": "Pod", "name": "web"});
    let request = json!({"metadata": {}, "spec": {"audiences": ["vault"], "boundObjectRef": bound}});
    let request = serde_json::from_value(request).unwrap();
    let issued = accounts.create_token_request("granter", &PostParams::default(), &request).await.unwrap();
    let token = issued.status.unwrap().token.unwrap();
    let review = async |audiences: Value| {
        let review = json!({"metadata": {}, "spec": {"token": token, "audiences": audiences}});
        let review: TokenReview = serde_json::from_value(review).unwrap();
        Api::<TokenReview>::all(admin.clone()).create(&PostParams::default(), &review).await.unwrap().status.unwrap()
    };
    assert_eq!(review(json!(["vault", "other"])).await.audiences, Some(vec!["vault".to_owned()]));
    assert_eq!(review(json!(["other"])).await.authenticated, None);
    let stranger = server.client_with_token(&token, "default");
    let refused = Api::<ConfigMap>::default_namespaced(stranger).list(&ListParams::default()).await;
    assert_eq!(refusal(refused).0, 401);
    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    Api::<Pod>::default_namespaced(admin.clone()).delete("web", &now).await.unwrap();
    assert_eq!(review(json!(["vault"])).await.authenticated, None);
}

/// A request that acts as somebody else.
async fn who_am_i(client: &Client, headers: &[(&str, &str)]) -> Result<SelfSubjectReview, kube::Error> {
    let mut request = http::Request::post("/apis/authentication.k8s.io/v1/selfsubjectreviews");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    client
        .request(request.header("content-type", "application/json").body(body.to_string().into_bytes()).unwrap())
        .await
}

#[tokio::test(start_paused = true)]
async fn somebody_else_is_who_the_headers_name() {
    let (_server, client, admin) = granter().await;
    let groups = async |headers: &[(&str, &str)]| {
        let user = who_am_i(&admin, headers).await.unwrap().status.unwrap().user_info.unwrap();
        (user.username.unwrap(), user.groups.unwrap().join(" "))
    };
    let user = ("Impersonate-User", "jane");
    assert_eq!(groups(&[user]).await, ("jane".to_owned(), "system:authenticated".to_owned()));
    let group = ("Impersonate-Group", "painters");
    assert_eq!(groups(&[user, group]).await.1, "painters system:authenticated");
    let account = groups(&[("Impersonate-User", "system:serviceaccount:a:b")]).await;
    assert_eq!(account.1, "system:serviceaccounts system:serviceaccounts:a system:authenticated");
    // Nobody in particular may not even ask who they are.
    let nobody = refusal(who_am_i(&admin, &[("Impersonate-User", "system:anonymous"), group]).await);
    assert!(nobody.0 == 403 && nobody.2.contains("User \"system:anonymous\" cannot create"), "{nobody:?}");

    let (code, _, message) = refusal(who_am_i(&admin, &[group]).await);
    assert_eq!((code, message.as_str()), (400, "requested [{Group  painters    }] without impersonating a user"));
    let granter = "User \"system:serviceaccount:default:granter\" cannot impersonate resource";
    for (headers, expected) in [
        (
            &[user][..],
            format!("users \"jane\" is forbidden: {granter} \"users\" in API group \"\" at the cluster scope"),
        ),
        (
            &[("Impersonate-User", "system:serviceaccount:a:b")],
            format!(
                "serviceaccounts \"b\" is forbidden: {granter} \"serviceaccounts\" in API group \"\" in the namespace \"a\""
            ),
        ),
    ] {
        let (code, _, message) = refusal(who_am_i(&client, headers).await);
        assert_eq!((code, message), (403, expected));
    }
    create_cluster::<ClusterRole>(&admin, role("actors", "users", &["impersonate"])).await.unwrap();
    create_cluster::<ClusterRoleBinding>(&admin, binding("actors", "ClusterRole", "actors", "granter")).await.unwrap();
    who_am_i(&client, &[user]).await.unwrap();
    let extra = ("Impersonate-Extra-Team%2fColour", "blue");
    let (_, _, message) = refusal(who_am_i(&client, &[user, extra]).await);
    let expected = "userextras.authentication.k8s.io \"blue\" is forbidden: User \"system:serviceaccount:default:granter\" cannot \
                    impersonate resource \"userextras/team/colour\" in API group \"authentication.k8s.io\" at the cluster scope";
    assert_eq!(message, expected);
}
