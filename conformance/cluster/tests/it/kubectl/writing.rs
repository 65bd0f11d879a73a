//! Apply, patch, edit, replace and delete.

use super::{Kubectl, WEB, WIDGETS};

const MAP: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, labels: {set: one}}, data: {a: '1', b: '2'}}";

#[tokio::test]
async fn apply_changes_diffs_and_prunes() {
    let Some(kubectl) = Kubectl::start().await else { return };
    assert_eq!(kubectl.run_on("apply -f -", MAP).await, "configmap/settings created\n");
    assert_eq!(kubectl.run_on("apply -f -", MAP).await, "configmap/settings unchanged\n");
    // What the manifest no longer has goes.
    let changed = MAP.replace("a: '1', b: '2'", "b: '3'");
    let (code, diff) = kubectl.refused_on("diff -f -", &changed).await;
    assert!(code == 1 && diff.contains("-  b: \"2\"\n+  b: \"3\"\n"), "{diff}");
    assert_eq!(
        kubectl.run_on("apply -f - --dry-run=server", &changed).await,
        "configmap/settings configured (server dry run)\n"
    );
    assert_eq!(kubectl.run_on("apply -f -", &changed).await, "configmap/settings configured\n");
    assert_eq!(kubectl.field("configmap/settings", ".data").await, "{\"b\":\"3\"}");
    assert_eq!(kubectl.run_on("diff -f -", &changed).await, "");
    let next = MAP.replace("settings", "successor");
    let pruned = kubectl.run_on("apply -f - --prune -l set=one --prune-allowlist=core/v1/ConfigMap", &next).await;
    assert_eq!(pruned, "configmap/successor created\nconfigmap/settings pruned\n");
}

#[tokio::test]
async fn apply_on_the_server_tells_who_owns_what() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let applied = kubectl.run_on("apply --server-side -f - --field-manager=one", MAP).await;
    assert_eq!(applied, "configmap/settings serverside-applied\n");
    let changed = MAP.replace("a: '1'", "a: '9'");
    let (code, text) = kubectl.refused_on("apply --server-side -f - --field-manager=two", &changed).await;
    assert!(
        code == 1 && text.starts_with("error: Apply failed with 1 conflict: conflict with \"one\": .data.a\n"),
        "{text}"
    );
    kubectl.run_on("apply --server-side --force-conflicts -f - --field-manager=two", &changed).await;
    assert_eq!(kubectl.field("configmap/settings", ".data.a").await, "9");
    // Nobody owns b once both have dropped it.
    let smaller = MAP.replace(", b: '2'", "");
    kubectl.run_on("apply --server-side --force-conflicts -f - --field-manager=one", &smaller).await;
    kubectl.run_on("apply --server-side --force-conflicts -f - --field-manager=two", &smaller).await;
    assert_eq!(kubectl.field("configmap/settings", ".data").await, "{\"a\":\"1\"}");
    let (_, text) = kubectl.refused_on("create -f - --validate=strict", &MAP.replace("data:", "date:")).await;
    assert!(text.contains("strict decoding error: unknown field \"date\""), "{text}");
}

#[tokio::test]
async fn labels_annotations_edits_and_replacement() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.run_on("create -f -", MAP).await;
    assert_eq!(kubectl.run("label configmap settings tier=front").await, "configmap/settings labeled\n");
    let (_, text) = kubectl.refused("label configmap settings tier=back").await;
    assert!(text.contains("'tier' already has a value (front), and --overwrite is false"), "{text}");
    kubectl.run("label configmap settings tier=back --overwrite set-").await;
    assert_eq!(kubectl.field("configmap/settings", ".metadata.labels").await, "{\"tier\":\"back\"}");
    assert_eq!(kubectl.run("annotate configmap settings note=seen").await, "configmap/settings annotated\n");
    let mut edit = kubectl.command("edit configmap settings");
    edit.env("EDITOR", "sed -i 's/note: seen/note: edited/'");
    let output = kubectl.output(edit, "").await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "configmap/settings edited\n");
    assert_eq!(kubectl.field("configmap/settings", ".metadata.annotations.note").await, "edited");
    assert_eq!(kubectl.run_on("replace -f -", MAP).await, "configmap/settings replaced\n");
    assert_eq!(kubectl.field("configmap/settings", ".metadata.labels").await, "{\"set\":\"one\"}");
    assert!(kubectl.run_on("replace --force -f -", MAP).await.ends_with("configmap/settings replaced\n"));
}

#[tokio::test]
async fn patches_of_three_types() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.run_on("create -f -", &WEB.replace("replicas: 1", "replicas: 0")).await;
    let strategic = r#"{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"example.com/shell:1"}]}}}}"#;
    assert_eq!(kubectl.run(&format!("patch deployment web -p {strategic}")).await, "deployment.apps/web patched\n");
    assert_eq!(kubectl.field("deployment/web", ".spec.template.spec.containers[*].name").await, "side main");
    kubectl.run(r#"patch deployment web --type=merge -p {"metadata":{"labels":{"app":null,"x":"y"}}}"#).await;
    assert_eq!(kubectl.field("deployment/web", ".metadata.labels").await, "{\"x\":\"y\"}");
    let json = r#"[{"op":"test","path":"/metadata/labels/x","value":"y"},{"op":"remove","path":"/metadata/labels/x"}]"#;
    kubectl.run(&format!("patch deployment web --type=json -p {json}")).await;
    let (_, text) = kubectl.refused(&format!("patch deployment web --type=json -p {json}")).await;
    assert!(text.contains("the server rejected our request"), "{text}");
    kubectl.run(r#"patch deployment web --subresource=scale --type=merge -p {"spec":{"replicas":0}}"#).await;
    let unchanged = kubectl.run(r#"patch deployment web -p {"spec":{"replicas":0}}"#).await;
    assert_eq!(unchanged, "deployment.apps/web patched (no change)\n");
}

#[tokio::test]
async fn custom_resources_are_scaled_and_their_status_is_apart() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.run_on("apply -f -", WIDGETS).await;
    kubectl.run("wait --for=condition=Established crd/widgets.shop.example.com").await;
    let widget = "{apiVersion: shop.example.com/v1, kind: Widget, metadata: {name: cog}, spec: {size: m, count: 1}}";
    kubectl.run_on("apply -f -", widget).await;
    assert_eq!(kubectl.run("scale widget cog --replicas=3").await, "widget.shop.example.com/cog scaled\n");
    assert_eq!(kubectl.field("widget/cog", ".spec.count").await, "3");
    kubectl.run(r#"patch widget cog --type=merge --subresource=status -p {"status":{"phase":"Done"}}"#).await;
    kubectl.run("wait widget/cog --for=jsonpath={.status.phase}=Done --timeout=40s").await;
    let (_, text) = kubectl.refused(r#"patch widget cog -p {"spec":{"size":"s"}}"#).await;
    assert!(text.contains("application/strategic-merge-patch+json"), "{text}");
}

#[tokio::test]
async fn deletion_cascades_as_it_is_told() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.deploy_web().await;
    let pod = kubectl.run("get pods -l app=web -o name").await;
    kubectl.run("delete deployment web --cascade=orphan").await;
    assert_eq!(kubectl.run("get replicasets -l app=web -o name").await.lines().count(), 1);
    assert_eq!(kubectl.run("get pods -l app=web -o name").await, pod);
    kubectl.run("delete replicasets -l app=web --cascade=foreground --timeout=40s").await;
    assert_eq!(kubectl.run("get pods -l app=web -o name").await, "");
    kubectl.deploy_web().await;
    kubectl.run("delete deployment web --cascade=foreground --timeout=40s").await;
    assert_eq!(kubectl.run("get replicasets,pods -l app=web -o name").await, "");
    kubectl.deploy_web().await;
    let pod = kubectl.run("get pods -l app=web -o name").await;
    assert_eq!(kubectl.run("delete deployment web --cascade=background").await, "deployment.apps \"web\" deleted\n");
    kubectl.run(&format!("wait --for=delete {} --timeout=40s", pod.trim())).await;
    assert_eq!(kubectl.run("delete configmap missing --ignore-not-found").await, "");
    kubectl.run_on("create -f -", MAP).await;
    assert_eq!(kubectl.run("delete configmaps -l set=one").await, "configmap \"settings\" deleted\n");
}
