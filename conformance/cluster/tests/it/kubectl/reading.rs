//! Discovery, documentation, and every form of `get` and `describe`.

use super::{Kubectl, WIDGETS, columns};

#[tokio::test]
async fn kubectl_finds_what_the_server_serves() {
    let Some(kubectl) = Kubectl::start().await else { return };
    assert!(kubectl.run("version").await.contains("Server Version: v1."));
    let resources = kubectl.run("api-resources --no-headers").await;
    let deployments = resources.lines().find(|line| line.starts_with("deployments ")).unwrap();
    assert_eq!(columns(deployments), ["deployments", "deploy", "apps/v1", "true", "Deployment"]);
    let clustered = kubectl.run("api-resources --namespaced=false --verbs=list --api-group= -o name").await;
    assert_eq!(clustered.lines().collect::<Vec<_>>()[..2], ["namespaces", "nodes"]);
    let versions = kubectl.run("api-versions").await;
    assert!(versions.lines().any(|line| line == "rbac.authorization.k8s.io/v1"), "{versions}");
    assert!(kubectl.run("cluster-info").await.contains("Kubernetes control plane"));
    assert_eq!(kubectl.run("get --raw /readyz").await, "ok");
}

#[tokio::test]
async fn explain_knows_built_in_and_custom_kinds() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let image = kubectl.run("explain pods.spec.containers.image").await;
    assert!(image.starts_with("KIND:       Pod\nVERSION:    v1\n\nFIELD: image <string>\n"), "{image}");
    let all = kubectl.run("explain deployment.spec.strategy --recursive").await;
    assert!(all.contains("  rollingUpdate\t<RollingUpdateDeployment>\n    maxSurge\t<IntOrString>"), "{all}");
    kubectl.run_on("apply -f -", WIDGETS).await;
    kubectl.run("wait --for=condition=Established crd/widgets.shop.example.com").await;
    insta::assert_snapshot!(kubectl.run("explain widget.spec").await);
    let (code, text) = kubectl.refused("explain widget.spec.colour").await;
    assert!(code == 1 && text.ends_with("error: field \"colour\" does not exist\n"), "{text}");
}

#[tokio::test]
async fn get_prints_every_form() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.deploy_web().await;
    let wide = kubectl.run("get deployments -o wide").await;
    let rows: Vec<Vec<&str>> = wide.lines().map(columns).collect();
    let heads = ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"];
    assert_eq!(rows[0], heads);
    assert_eq!(
        (&rows[1][..4], &rows[1][5..]),
        (&["web", "1/1", "1", "1"][..], &["main", "example.com/shell:1", "app=web"][..])
    );
    assert_eq!(kubectl.run("get deployments -o name").await, "deployment.apps/web\n");
    let yaml = kubectl.run("get deployment web -o yaml").await;
    assert!(yaml.starts_with("apiVersion: apps/v1\nkind: Deployment\n") && !yaml.contains("managedFields"), "{yaml}");
    let json = kubectl.run("get deployment web -o json --show-managed-fields").await;
    let object: serde_json::Value = serde_json::from_str(&json).unwrap();
    let managers = object["metadata"]["managedFields"].as_array().unwrap();
    assert!(managers.iter().any(|entry| entry["manager"] == "kubectl-client-side-apply"), "{json}");
    assert_eq!(kubectl.field("deployment/web", ".status.readyReplicas").await, "1");
    let custom = kubectl.run("get deployments -o custom-columns=WHO:.metadata.name,HOW:.spec.replicas").await;
    assert_eq!(custom, "WHO   HOW\nweb   1\n");
    let all = kubectl.run("get all -o name").await;
    let kinds: Vec<&str> = all.lines().filter_map(|line| line.split('/').next()).collect();
    assert_eq!(kinds, ["pod", "service", "deployment.apps", "replicaset.apps"]);
}

#[tokio::test]
async fn get_selects_by_labels_and_fields() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.deploy_web().await;
    assert_eq!(kubectl.run("get pods -l app=web,app!=api -o name").await.lines().count(), 1);
    assert_eq!(kubectl.run("get pods -l app!=web -o name").await, "");
    assert_eq!(kubectl.run("get pods --field-selector=status.phase=Running -o name").await.lines().count(), 1);
    assert_eq!(kubectl.run("get pods --field-selector=status.phase!=Running -o name").await, "");
    assert_eq!(kubectl.run("get namespaces --chunk-size=1 -o name").await.lines().count(), 4);
    assert!(kubectl.run("get pods -A --show-labels").await.contains("app=web"));
    let sorted = kubectl.run("get namespaces --sort-by=.metadata.name -o name").await;
    assert!(sorted.starts_with("namespace/default\n"), "{sorted}");
    let (code, text) = kubectl.refused("get configmap missing").await;
    assert_eq!((code, text.as_str()), (1, "Error from server (NotFound): configmaps \"missing\" not found\n"));
    let (_, text) = kubectl.refused("get gadgets").await;
    assert_eq!(text, "error: the server doesn't have a resource type \"gadgets\"\n");
}

#[tokio::test]
async fn get_goes_on_with_what_changes() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let mut watch = kubectl.follow("get configmaps -w --output-watch-events");
    watch.line_with("kube-root-ca.crt").await;
    kubectl.run_on("apply -f -", "{apiVersion: v1, kind: ConfigMap, metadata: {name: seen}}").await;
    assert!(watch.line_with("seen").await.starts_with("ADDED "));
    kubectl.run("label configmap seen a=b").await;
    assert!(watch.line_with("seen").await.starts_with("MODIFIED "));
    kubectl.run("delete configmap seen").await;
    assert!(watch.line_with("seen").await.starts_with("DELETED "));
}

#[tokio::test]
async fn describe_tells_of_objects_and_their_events() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.deploy_web().await;
    let deployment = kubectl.run("describe deployment web").await;
    assert!(deployment.contains("1 desired | 1 updated | 1 total | 1 available | 0 unavailable"), "{deployment}");
    assert!(deployment.contains("ScalingReplicaSet"), "{deployment}");
    let pod = kubectl.run("describe pods -l app=web").await;
    for told in ["Controlled By:  ReplicaSet/web-", "Status:           Running", "Scheduled", "Pulled", "Started"] {
        assert!(pod.contains(told), "{told}: {pod}");
    }
    kubectl.run("expose deployment web --port=80").await;
    let service = kubectl.run("describe service web").await;
    assert!(service.contains("Selector:                 app=web") && service.contains("Port:"), "{service}");
    let node = kubectl.run("describe node embedded-node").await;
    assert!(node.lines().any(|line| columns(line).starts_with(&["Ready", "True"])), "{node}");
    assert!(kubectl.run("describe namespace default").await.contains("Status:       Active"));
}

#[tokio::test]
async fn custom_resources_are_described_with_their_events() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.run_on("apply -f -", WIDGETS).await;
    kubectl.run("wait --for=condition=Established crd/widgets.shop.example.com").await;
    let widget = "{apiVersion: shop.example.com/v1, kind: Widget, metadata: {name: cog}, spec: {size: m, count: 1}}";
    assert_eq!(kubectl.run_on("create -f -", widget).await, "widget.shop.example.com/cog created\n");
    assert_eq!(kubectl.run("get wd cog").await, "NAME   SIZE\ncog    m\n");
    let uid = kubectl.field("widget/cog", ".metadata.uid").await;
    let event = format!(
        "{{apiVersion: v1, kind: Event, metadata: {{name: cog.1}}, reason: Polished, message: It shines., type: Normal, \
         involvedObject: {{apiVersion: shop.example.com/v1, kind: Widget, name: cog, namespace: default, uid: {uid}}}}}"
    );
    kubectl.run_on("create -f -", &event).await;
    let told = kubectl.run("describe widget cog").await;
    assert!(told.contains("Spec:\n  Count:  1\n  Size:   m\n"), "{told}");
    assert!(told.contains("Polished") && told.contains("It shines."), "{told}");
    let (_, text) =
        kubectl.refused_on("create -f -", &widget.replace("size: m", "size: xl").replace("cog", "big")).await;
    assert!(text.contains("spec.size: Unsupported value: \"xl\": supported values: \"s\", \"m\", \"l\""), "{text}");
}
