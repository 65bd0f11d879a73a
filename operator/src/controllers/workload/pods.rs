//! What pods are for, and why they do not serve, from what their containers say.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};

use crate::runtime::{Kind, ObjectKey, Target};

/// The label that says what a pod runs.
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
/// The label that says for which object.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// Pods of a gateway.
pub const GATEWAY: &str = "vmcp";
/// Pods of the proxy of an MCPRemoteProxy.
pub const REMOTE_PROXY: &str = "mcpremoteproxy";
/// Pods of the proxy of an MCPServer.
pub const SERVER_PROXY: &str = "mcpserver";
/// Pods of an MCPServer itself.
pub const SERVER: &str = "mcpserver-workload";
/// The labels by which Deployments and StatefulSets tell their pod templates apart.
const TEMPLATE_LABELS: [&str; 2] = ["pod-template-hash", "controller-revision-hash"];
/// Reasons for which a container waits that are no step on the way: nothing comes of them by waiting alone.
const STUCK: [&str; 8] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
];
/// How much of a container's last words is repeated, in characters: the end counts.
const LAST_WORDS: usize = 500;

/// What `pod` runs, and the name of the object that it runs it for, if it was made for one of ours.
pub fn purpose(pod: &Pod) -> Option<(&str, &str)> {
    let labels = pod.metadata.labels.as_ref()?;
    Some((labels.get(NAME_LABEL)?, labels.get(INSTANCE_LABEL)?))
}

/// The object that `pod` was made for, if it was for one of ours.
pub fn target(pod: &Pod) -> Option<Target> {
    let (runs, instance) = purpose(pod)?;
    let kind = match runs {
        GATEWAY => Kind::VirtualServer,
        REMOTE_PROXY => Kind::RemoteProxy,
        SERVER_PROXY | SERVER => Kind::Server,
        _ => return None,
    };
    Some(Target::new(kind, ObjectKey::of(pod).sibling(instance)))
}

/// Why a container of the newest template of `pods` does not come to run: its reason, and its last words.
pub fn failure<'a>(pods: impl Iterator<Item = &'a Pod>) -> Option<String> {
    let pods: Vec<_> = pods.filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect();
    let template = |pod: &Pod| {
        let labels = pod.metadata.labels.as_ref()?;
        TEMPLATE_LABELS.iter().find_map(|label| labels.get(*label).cloned())
    };
    let newest = pods.iter().max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0))?;
    // Pods of an older template tell of what was already changed.
    let current = pods.iter().filter(|pod| template(pod) == template(newest));
    current.flat_map(|pod| containers(pod)).find_map(container)
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let first = status.and_then(|status| status.init_container_statuses.as_ref());
    let then = status.and_then(|status| status.container_statuses.as_ref());
    first.into_iter().chain(then).flatten()
}

fn container(status: &ContainerStatus) -> Option<String> {
    if status.ready {
        return None;
    }
    let state = status.state.as_ref();
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let stuck = waiting.filter(|waiting| STUCK.contains(&waiting.reason.as_deref().unwrap_or_default()));
    let now = state.and_then(|state| state.terminated.as_ref());
    let before = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let ended = now.or(before).filter(|ended| ended.exit_code != 0);
    if stuck.is_none() && ended.is_none() {
        return None;
    }
    let waits = stuck.map(|waiting| waiting.reason.clone().unwrap_or_default());
    let ends = ended.map(describe);
    let reasons: Vec<_> = waits.into_iter().chain(ends).collect();
    let words =
        ended.and_then(|ended| ended.message.as_deref()).or(stuck.and_then(|waiting| waiting.message.as_deref()));
    let words = words.map(last_words).filter(|words| !words.is_empty());
    let reason = format!("container {:?}: {}", status.name, reasons.join(", "));
    Some(words.map_or_else(|| reason.clone(), |words| format!("{reason}: {words}")))
}

fn describe(ended: &ContainerStateTerminated) -> String {
    match ended.reason.as_deref() {
        Some("Error") | None => format!("it ended with exit code {}", ended.exit_code),
        Some(reason) => format!("it ended with exit code {} ({reason})", ended.exit_code),
    }
}

/// The end of `text`, in one line.
fn last_words(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let skipped = line.chars().count().saturating_sub(LAST_WORDS);
    if skipped == 0 { line } else { format!("...{}", line.chars().skip(skipped).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use serde_json::{Value, json};

    use super::*;

    fn pod(template: &str, created: &str, container: &Value) -> Pod {
        let mut container = container.clone();
        for (key, value) in [("name", json!("vmcp")), ("image", json!("i")), ("imageID", json!(""))] {
            container[key] = value;
        }
        for (key, value) in [("ready", json!(false)), ("restartCount", json!(1))] {
            if container[key].is_null() {
                container[key] = value;
            }
        }
        serde_json::from_value(json!({
            "metadata": {"creationTimestamp": created, "labels": {"pod-template-hash": template}},
            "status": {"containerStatuses": [container]},
        }))
        .unwrap()
    }

    const MORNING: &str = "2026-01-01T08:00:00Z";
    const NOON: &str = "2026-01-01T12:00:00Z";

    #[test]
    fn a_container_that_does_not_come_to_run_says_why() {
        let ended = json!({"terminated": {"exitCode": 2, "reason": "Error", "message": "no such\nfile\n"}});
        let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        for (status, expected) in [
            (json!({"state": {"running": {}}, "ready": true, "lastState": ended}), None),
            (json!({"state": {"running": {}}}), None),
            (json!({"state": {"waiting": {"reason": "ContainerCreating"}}}), None),
            (json!({"state": {"terminated": {"exitCode": 0}}}), None),
            (
                json!({"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}, "lastState": ended}),
                Some("container \"vmcp\": CrashLoopBackOff, it ended with exit code 2: no such file"),
            ),
            (json!({"state": ended}), Some("container \"vmcp\": it ended with exit code 2: no such file")),
            (
                json!({"state": {"running": {}}, "lastState": killed}),
                Some("container \"vmcp\": it ended with exit code 137 (OOMKilled)"),
            ),
            (
                json!({"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no image x"}}}),
                Some("container \"vmcp\": ImagePullBackOff: no image x"),
            ),
        ] {
            assert_eq!(failure([pod("a", NOON, &status)].iter()).as_deref(), expected, "{status}");
        }
    }

    #[test]
    fn pods_of_an_older_template_and_those_that_go_do_not_count() {
        let stuck = json!({"state": {"waiting": {"reason": "ErrImagePull"}}});
        let (old, new) = (pod("old", MORNING, &stuck), pod("new", NOON, &json!({"state": {"running": {}}})));
        assert_eq!(failure([new.clone(), old.clone()].iter()), None);
        assert!(failure([old.clone(), pod("old", NOON, &json!({}))].iter()).is_some());
        let mut gone = pod("newest", NOON, &stuck);
        gone.metadata.deletion_timestamp = gone.metadata.creation_timestamp.clone();
        assert_eq!(failure([gone].iter()), None);
        assert_eq!(failure(std::iter::empty()), None);
    }

    #[test]
    fn of_long_last_words_the_end_is_kept() {
        let ended =
            json!({"state": {"terminated": {"exitCode": 1, "message": format!("{}the end", "x ".repeat(2000))}}});
        let found = failure([pod("a", NOON, &ended)].iter()).unwrap();
        assert!(found.ends_with("the end") && found.chars().count() < 600, "{found}");
    }
}
