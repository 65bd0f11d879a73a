//! The status of a pod, computed from those of its containers.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::downward::Placement;

/// Why a pod failed that ran too long: the reason of its status and of the event.
pub(crate) const DEADLINE_EXCEEDED: &str = "DeadlineExceeded";

/// The same for people.
pub(crate) const DEADLINE_MESSAGE: &str = "Pod was active on the node longer than the specified deadline";

/// What the node saw of a pod.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The statuses of init containers, in their order.
    pub(crate) init: Vec<ContainerStatus>,
    /// The statuses of containers, in their order.
    pub(crate) containers: Vec<ContainerStatus>,
    /// The volumes are mounted and the address is given.
    pub(crate) sandbox: bool,
    /// When the node took the pod on.
    pub(crate) since: Option<Timestamp>,
    /// The pod ran longer than its `activeDeadlineSeconds`.
    pub(crate) overdue: bool,
}

/// Computes the whole status. What others write into it stays: the condition of the scheduler, readiness gates, the class
/// of service.
pub(crate) fn status(pod: &Pod, seen: &Seen, placement: &Placement, now: Timestamp) -> PodStatus {
    let spec = pod.spec.clone().unwrap_or_default();
    let previous = pod.status.clone().unwrap_or_default();
    let phase = if seen.overdue { "Failed" } else { phase(&spec, seen) };
    let finished = matches!(phase, "Succeeded" | "Failed");
    let initialized = is_initialized(&spec, seen);
    let unready: Vec<&str> =
        seen.containers.iter().filter(|status| !status.ready).map(|status| status.name.as_str()).collect();
    let containers_ready = if finished {
        Verdict::no(if phase == "Succeeded" { "PodCompleted" } else { "PodFailed" }, "")
    } else if !initialized || !unready.is_empty() {
        let names = if initialized { unready } else { names(&spec) };
        Verdict::no("ContainersNotReady", &format!("containers with unready status: [{}]", names.join(" ")))
    } else {
        Verdict::yes()
    };
    let ready = if containers_ready.value { gates(&spec, &previous) } else { containers_ready.clone() };
    let initialized = if initialized || finished {
        if phase == "Succeeded" {
            Verdict { value: true, reason: "PodCompleted".to_owned(), ..Verdict::yes() }
        } else {
            Verdict::yes()
        }
    } else {
        let incomplete: Vec<&str> =
            seen.init.iter().filter(|status| !has_succeeded(status)).map(|status| status.name.as_str()).collect();
        let message = format!("containers with incomplete status: [{}]", incomplete.join(" "));
        Verdict::no("ContainersNotInitialized", &message)
    };
    let sandbox = Verdict { value: seen.sandbox && !finished, ..Verdict::default() };

    let generation = pod.metadata.generation;
    let mut conditions = Vec::new();
    for (kind, verdict) in [
        ("PodReadyToStartContainers", sandbox),
        ("Initialized", initialized),
        ("Ready", ready),
        ("ContainersReady", containers_ready),
    ] {
        conditions.push(verdict.condition(kind, &previous, generation, now));
    }
    for condition in previous.conditions.iter().flatten() {
        if !conditions.iter().any(|own| own.type_ == condition.type_) {
            conditions.push(condition.clone());
        }
    }
    let previous = if seen.overdue {
        let (reason, message) = (Some(DEADLINE_EXCEEDED.to_owned()), Some(DEADLINE_MESSAGE.to_owned()));
        PodStatus { reason, message, ..previous }
    } else {
        previous
    };
    PodStatus {
        observed_generation: generation,
        phase: Some(phase.to_owned()),
        conditions: Some(conditions),
        host_ip: Some(placement.host_address.to_string()),
        host_ips: Some(vec![HostIP { ip: placement.host_address.to_string() }]),
        pod_ip: seen.sandbox.then(|| placement.pod_address.to_string()),
        pod_ips: seen.sandbox.then(|| vec![PodIP { ip: placement.pod_address.to_string() }]),
        start_time: seen.since.map(Time),
        init_container_statuses: (!seen.init.is_empty()).then(|| seen.init.clone()),
        container_statuses: Some(seen.containers.clone()),
        ..previous
    }
}

#[derive(Clone, Debug, Default)]
struct Verdict {
    value: bool,
    reason: String,
    message: String,
}

impl Verdict {
    fn yes() -> Self {
        Self { value: true, ..Self::default() }
    }

    fn no(reason: &str, message: &str) -> Self {
        Self { value: false, reason: reason.to_owned(), message: message.to_owned() }
    }

    fn condition(self, kind: &str, previous: &PodStatus, generation: Option<i64>, now: Timestamp) -> PodCondition {
        let status = if self.value { "True" } else { "False" };
        let unchanged = previous
            .conditions
            .iter()
            .flatten()
            .find(|condition| condition.type_ == kind && condition.status == status)
            .and_then(|condition| condition.last_transition_time.clone());
        let text = |text: String| (!text.is_empty()).then_some(text);
        PodCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: text(self.reason),
            message: text(self.message),
            observed_generation: generation,
            last_transition_time: Some(unchanged.unwrap_or(Time(now))),
            last_probe_time: None,
        }
    }
}

fn names(spec: &PodSpec) -> Vec<&str> {
    spec.containers.iter().map(|container| container.name.as_str()).collect()
}

/// The readiness gates, conditions that others write.
fn gates(spec: &PodSpec, previous: &PodStatus) -> Verdict {
    let missing = spec.readiness_gates.iter().flatten().find(|gate| {
        !previous
            .conditions
            .iter()
            .flatten()
            .any(|condition| condition.type_ == gate.condition_type && condition.status == "True")
    });
    match missing {
        Some(gate) => Verdict::no(
            "ReadinessGatesNotReady",
            &format!("the status of pod readiness gate {:?} is not \"True\"", gate.condition_type),
        ),
        None => Verdict::yes(),
    }
}

fn exit_code(status: &ContainerStatus) -> Option<i32> {
    status.state.as_ref().and_then(|state| state.terminated.as_ref()).map(|terminated| terminated.exit_code)
}

fn is_running(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some())
}

fn has_succeeded(status: &ContainerStatus) -> bool {
    exit_code(status) == Some(0) || (is_running(status) && status.started == Some(true))
}

fn is_initialized(spec: &PodSpec, seen: &Seen) -> bool {
    let expected = spec.init_containers.as_ref().map_or(0, Vec::len);
    seen.init.len() == expected && seen.init.iter().all(has_succeeded)
}

fn phase(spec: &PodSpec, seen: &Seen) -> &'static str {
    let restarts = spec.restart_policy.as_deref().unwrap_or("Always");
    if restarts == "Never" && seen.init.iter().any(|status| exit_code(status).is_some_and(|code| code != 0)) {
        return "Failed";
    }
    let codes: Vec<Option<i32>> = seen.containers.iter().map(exit_code).collect();
    let all_ended = !codes.is_empty() && codes.iter().all(Option::is_some);
    let all_succeeded = codes.iter().all(|code| *code == Some(0));
    match restarts {
        "Never" if all_ended => return if all_succeeded { "Succeeded" } else { "Failed" },
        "OnFailure" if all_ended && all_succeeded => return "Succeeded",
        _ => {}
    }
    let has_started = |status: &ContainerStatus| {
        is_running(status)
            || exit_code(status).is_some()
            || status.last_state.as_ref().is_some_and(|last| last.terminated.is_some())
    };
    if is_initialized(spec, seen) && !seen.containers.is_empty() && seen.containers.iter().all(has_started) {
        "Running"
    } else {
        "Pending"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::Ipv4Addr;

    use serde_json::{Value, json};

    use super::*;

    fn compute(spec: Value, init: Value, containers: Value) -> PodStatus {
        let mut spec = spec;
        spec["containers"] = json!([{"name": "c"}]);
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "web", "generation": 1}, "spec": spec,
            "status": {"qosClass": "BestEffort", "conditions": [{"type": "PodScheduled", "status": "True"}]}}))
        .unwrap();
        let seen = Seen {
            init: serde_json::from_value(init).unwrap(),
            containers: serde_json::from_value(containers).unwrap(),
            sandbox: true,
            ..Seen::default()
        };
        let placement = Placement {
            node: "node".into(),
            pod_address: Ipv4Addr::new(127, 80, 0, 20),
            host_address: Ipv4Addr::LOCALHOST,
        };
        status(&pod, &seen, &placement, Timestamp::UNIX_EPOCH)
    }

    fn container(state: &Value, ready: bool) -> Value {
        json!([{"name": "c", "image": "i", "imageID": "", "ready": ready, "restartCount": 0, "started": true,
                "state": state}])
    }

    fn condition(status: &PodStatus, kind: &str) -> (String, Option<String>, Option<String>) {
        let condition = status.conditions.iter().flatten().find(|condition| condition.type_ == kind).unwrap();
        (condition.status.clone(), condition.reason.clone(), condition.message.clone())
    }

    #[test]
    fn a_pod_is_ready_when_its_containers_are() {
        let running = json!({"running": {}});
        let status = compute(json!({}), json!([]), container(&running, true));
        assert_eq!(status.phase.as_deref(), Some("Running"));
        assert_eq!(condition(&status, "Ready").0, "True");
        assert_eq!(condition(&status, "PodScheduled").0, "True");
        assert_eq!((status.pod_ip.as_deref(), status.qos_class.as_deref()), (Some("127.80.0.20"), Some("BestEffort")));

        let status = compute(json!({}), json!([]), container(&running, false));
        let expected =
            ("False".into(), Some("ContainersNotReady".into()), Some("containers with unready status: [c]".into()));
        assert_eq!(condition(&status, "Ready"), expected);
        assert_eq!(condition(&status, "ContainersReady"), expected);
    }

    #[test]
    fn a_readiness_gate_is_a_condition_of_others() {
        let status = compute(
            json!({"readinessGates": [{"conditionType": "x"}]}),
            json!([]),
            container(&json!({"running": {}}), true),
        );
        assert_eq!(condition(&status, "ContainersReady").0, "True");
        assert_eq!(condition(&status, "Ready").1.as_deref(), Some("ReadinessGatesNotReady"));
    }

    #[test]
    fn the_phase_follows_restart_policy_and_exit_codes() {
        let ended = |code: i32| json!({"terminated": {"exitCode": code}});
        for (policy, state, phase) in [
            ("Never", ended(0), "Succeeded"),
            ("Never", ended(1), "Failed"),
            ("OnFailure", ended(0), "Succeeded"),
            ("OnFailure", ended(1), "Running"),
            ("Always", ended(0), "Running"),
            ("Always", json!({"waiting": {"reason": "ContainerCreating"}}), "Pending"),
        ] {
            let status = compute(json!({"restartPolicy": policy}), json!([]), container(&state, false));
            assert_eq!(status.phase.as_deref(), Some(phase), "{policy} {state}");
        }
    }

    #[test]
    fn a_pod_waits_for_its_init_containers() {
        let spec = json!({"initContainers": [{"name": "i"}]});
        let init = json!([{"name": "i", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                           "state": {"running": {}}, "started": false}]);
        let status = compute(spec, init, container(&json!({"waiting": {"reason": "PodInitializing"}}), false));
        assert_eq!(status.phase.as_deref(), Some("Pending"));
        assert_eq!(condition(&status, "Initialized").1.as_deref(), Some("ContainersNotInitialized"));
    }
}
