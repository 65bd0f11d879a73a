//! Deployments that roll, pods that log, and the node.

use super::{Kubectl, WEB};

#[tokio::test]
async fn a_rollout_goes_forth_and_back() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.deploy_web().await;
    assert_eq!(kubectl.run("scale deployment web --replicas=2").await, "deployment.apps/web scaled\n");
    kubectl.run("wait deployment/web --for=jsonpath={.status.readyReplicas}=2 --timeout=40s").await;
    let (_, text) = kubectl.refused("scale deployment web --current-replicas=9 --replicas=1").await;
    assert_eq!(text, "error: Expected replicas to be 9, was 2\n");
    assert_eq!(kubectl.run("set env deployment/web GREETING=hi").await, "deployment.apps/web env updated\n");
    kubectl.run("rollout status deployment/web --timeout=40s").await;
    assert_eq!(kubectl.run("rollout restart deployment/web").await, "deployment.apps/web restarted\n");
    kubectl.run("rollout status deployment/web --timeout=40s").await;
    let history = kubectl.run("rollout history deployment/web").await;
    assert_eq!(history.lines().filter(|line| line.ends_with("<none>")).count(), 3, "{history}");
    assert!(kubectl.run("rollout history deployment/web --revision=2").await.contains("GREETING:\thi"));
    assert_eq!(kubectl.run("rollout undo deployment/web --to-revision=1").await, "deployment.apps/web rolled back\n");
    kubectl.run("rollout status deployment/web --timeout=40s").await;
    assert_eq!(kubectl.field("deployment/web", ".spec.template.spec.containers[0].env").await, "");
    assert_eq!(kubectl.run("rollout pause deployment/web").await, "deployment.apps/web paused\n");
    kubectl.run("set image deployment/web main=example.com/other:1").await;
    assert!(kubectl.refused("rollout undo deployment/web").await.1.contains("cannot rollback a paused deployment"));
    assert_eq!(kubectl.run("rollout resume deployment/web").await, "deployment.apps/web resumed\n");
}

#[tokio::test]
async fn waits_end_when_conditions_hold() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.run_on("apply -f -", WEB).await;
    let condition = kubectl.run("wait --for=condition=Available deployment/web --timeout=40s").await;
    assert_eq!(condition, "deployment.apps/web condition met\n");
    kubectl.run("wait --for=condition=Ready pods -l app=web --timeout=40s").await;
    kubectl.run("wait --for=jsonpath={.status.phase}=Running pods -l app=web --timeout=40s").await;
    kubectl.run("wait --for=create deployment/web --timeout=40s").await;
    let (_, text) = kubectl.refused("wait --for=condition=Progressing=False deployment/web --timeout=1s").await;
    assert_eq!(text, "error: timed out waiting for the condition on deployments/web\n");
}

#[tokio::test]
async fn logs_are_followed_and_kept() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.deploy_web().await;
    assert_eq!(kubectl.run("logs deployment/web").await, "hello\n");
    assert_eq!(kubectl.run("logs -l app=web --prefix=false --tail=1").await, "hello\n");
    let pod = r#"{apiVersion: v1, kind: Pod, metadata: {name: teller}, spec: {terminationGracePeriodSeconds: 1, containers:
        [{name: main, image: "example.com/shell:1", args: ["-c", "echo begun; while [ ! -e /tmp/go ]; do sleep 0.1; done; echo ended; exit 3"],
          volumeMounts: [{name: tmp, mountPath: /tmp}]}], volumes: [{name: tmp, configMap: {name: signals, optional: true}}]}}"#;
    kubectl.run_on("apply -f -", pod).await;
    kubectl.run("wait --for=jsonpath={.status.phase}=Running pod/teller --timeout=40s").await;
    let mut follower = kubectl.follow("logs -f teller");
    follower.line_with("begun").await;
    kubectl.run_on("apply -f -", "{apiVersion: v1, kind: ConfigMap, metadata: {name: signals}, data: {go: ''}}").await;
    follower.line_with("ended").await;
    kubectl.run("wait pod/teller --for=jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}=3 --timeout=40s").await;
    assert!(kubectl.run("logs teller --previous").await.ends_with("ended\n"));
    let events = kubectl.run("events --for=pod/teller --types=Normal").await;
    assert!(events.contains("Started") && !events.contains("Pod/web"), "{events}");
    let (_, text) = kubectl.refused("logs teller -c other").await;
    assert!(text.contains("container other is not valid for pod teller"), "{text}");
}

#[tokio::test]
async fn commands_run_in_containers() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.deploy_web().await;
    assert_eq!(kubectl.run("exec deployment/web -- expr 2 + 3").await, "5\n");
    assert!(kubectl.run_on("exec -i deployment/web -- cat", "typed").await.ends_with("typed"));
    let (code, text) = kubectl.refused_on("exec -i deployment/web -- sh", "exit 3").await;
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("command terminated with exit code 3"), "{text}");
    let (_, text) = kubectl.refused("exec deployment/web -- no-such-program").await;
    assert!(text.contains("no-such-program"), "{text}");
    let (_, text) = kubectl.refused("exec deployment/web -c other -- true").await;
    assert!(text.contains("container other is not valid for pod web-"), "{text}");
}

#[tokio::test]
async fn the_node_is_cordoned_and_tainted() {
    let Some(kubectl) = Kubectl::start().await else { return };
    assert_eq!(kubectl.run("cordon embedded-node").await, "node/embedded-node cordoned\n");
    assert!(kubectl.run("get nodes --no-headers").await.contains("Ready,SchedulingDisabled"));
    assert_eq!(kubectl.run("uncordon embedded-node").await, "node/embedded-node uncordoned\n");
    assert_eq!(kubectl.run("taint node embedded-node a=b:NoSchedule").await, "node/embedded-node tainted\n");
    assert_eq!(kubectl.field("node/embedded-node", ".spec.taints[0].effect").await, "NoSchedule");
    assert_eq!(kubectl.run("taint node embedded-node a-").await, "node/embedded-node untainted\n");
}
