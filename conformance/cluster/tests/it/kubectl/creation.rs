//! What `kubectl` makes of flags alone: it sends these objects in binary form.

use super::Kubectl;

#[tokio::test]
async fn configuration_is_created_of_flags() {
    let Some(kubectl) = Kubectl::start().await else { return };
    assert_eq!(kubectl.run("create namespace shop").await, "namespace/shop created\n");
    let map = "create configmap settings --from-literal=a=1 --from-literal=b= -n shop";
    assert_eq!(kubectl.run(map).await, "configmap/settings created\n");
    assert_eq!(kubectl.field("configmap/settings -n shop", ".data").await, r#"{"a":"1","b":""}"#);
    let (_, text) = kubectl.refused(map).await;
    assert_eq!(text, "error: failed to create configmap: configmaps \"settings\" already exists\n");
    assert_eq!(kubectl.run("create secret generic key --from-literal=k=v").await, "secret/key created\n");
    assert_eq!(kubectl.field("secret/key", ".data").await, r#"{"k":"dg=="}"#);
    assert_eq!(kubectl.field("secret/key", ".type").await, "Opaque");
    std::fs::write(kubectl.home().join("raw"), [0, 255]).unwrap();
    kubectl.run("create configmap binary --from-file=raw").await;
    assert_eq!(kubectl.field("configmap/binary", ".binaryData").await, r#"{"raw":"AP8="}"#);
    assert_eq!(kubectl.run("create serviceaccount robot").await, "serviceaccount/robot created\n");
    let (_, text) = kubectl.refused("create configmap Wrong_Name").await;
    assert!(text.contains("a lowercase RFC 1123 subdomain must consist of"), "{text}");
    kubectl.run("delete namespace shop --timeout=40s").await;
}

#[tokio::test]
async fn workloads_are_created_of_flags() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let deployment = "create deployment web --image=example.com/shell:1 --replicas=2 -- /bin/sh -c";
    // The rest of the line is the command: the shell reads its input until it is stopped.
    assert_eq!(kubectl.run(deployment.trim_end_matches(" -c")).await, "deployment.apps/web created\n");
    assert_eq!(kubectl.field("deployment/web", ".spec.replicas").await, "2");
    assert_eq!(kubectl.field("deployment/web", ".spec.template.spec.containers[0].command").await, r#"["/bin/sh"]"#);
    assert_eq!(kubectl.field("deployment/web", ".spec.strategy.rollingUpdate.maxSurge").await, "25%");
    kubectl.run("create deployment none --image=example.com/shell:1 --replicas=0").await;
    assert_eq!(kubectl.field("deployment/none", ".spec.replicas").await, "0");
    let run = "run once --image=example.com/shell:1 --restart=Never --env=WHO=me --labels=a=b --port=80 -- -c env";
    assert_eq!(kubectl.run(run).await, "pod/once created\n");
    kubectl.run("wait pod/once --for=jsonpath={.status.phase}=Succeeded --timeout=40s").await;
    assert!(kubectl.run("logs once").await.contains("WHO=me\n"));
    assert_eq!(
        kubectl.field("pod/once", ".spec.containers[0].ports").await,
        r#"[{"containerPort":80,"protocol":"TCP"}]"#
    );
    assert_eq!(kubectl.run("expose pod once --port=80 --target-port=web").await, "service/once exposed\n");
    assert_eq!(kubectl.field("service/once", ".spec.ports[0].targetPort").await, "web");
    kubectl.run("create service clusterip plain --tcp=80:8080").await;
    assert_eq!(kubectl.field("service/plain", ".spec.ports[0].targetPort").await, "8080");
    let budget = "create poddisruptionbudget budget --selector=app=web --min-available=50%";
    assert_eq!(kubectl.run(budget).await, "poddisruptionbudget.policy/budget created\n");
    assert_eq!(kubectl.field("pdb/budget", ".spec.minAvailable").await, "50%");
    let ingress = "create ingress door --rule=shop.example.com/*=web:80";
    assert_eq!(kubectl.run(ingress).await, "ingress.networking.k8s.io/door created\n");
    assert_eq!(kubectl.field("ingress/door", ".spec.rules[0].http.paths[0].pathType").await, "Prefix");
    kubectl.run("create job sum --image=example.com/shell:1 -- /bin/sh").await;
    assert_eq!(kubectl.field("job/sum", ".spec.template.spec.restartPolicy").await, "Never");
}
