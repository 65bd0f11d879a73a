//! The table columns of built-in kinds, as `kubectl get` shows them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Builtin;
use crate::api::table::{Cell, Column, duration};
use crate::api::write::scale::selector_text;

/// A computed column: name, type, description, priority, computation.
type Computed = (&'static str, &'static str, &'static str, i64, fn(&Value, Timestamp) -> Value);

/// The columns of a kind; a kind without its own shows name and age.
pub(crate) fn of(builtin: &Builtin) -> Vec<Column> {
    let (before_age, after_age): (&[Computed], &[Computed]) = match (builtin.group, builtin.kind) {
        ("", "Pod") => (PODS, PODS_WIDE),
        ("", "Service") => (SERVICES, SERVICES_WIDE),
        ("", "ConfigMap") => (CONFIG_MAPS, &[]),
        ("", "Secret") => (SECRETS, &[]),
        ("", "Namespace") => (NAMESPACES, &[]),
        ("", "Node") => (NODES, &[]),
        ("", "Event") => return events(),
        ("apps", "Deployment") => (DEPLOYMENTS, WORKLOADS_WIDE),
        ("apps", "ReplicaSet") => (REPLICA_SETS, WORKLOADS_WIDE),
        ("apps", "StatefulSet") => (STATEFUL_SETS, &WORKLOADS_WIDE[..2]),
        ("batch", "Job") => (JOBS, WORKLOADS_WIDE),
        ("coordination.k8s.io", _) => (LEASES, &[]),
        ("policy", _) => (DISRUPTION_BUDGETS, &[]),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => (BINDINGS, &[]),
        ("apiextensions.k8s.io" | "rbac.authorization.k8s.io", _) => return created_at(),
        _ => (&[], &[]),
    };
    let mut columns = vec![Column::name()];
    columns.extend(before_age.iter().map(computed));
    columns.push(Column::age());
    columns.extend(after_age.iter().map(computed));
    columns
}

fn computed((name, kind, description, priority, compute): &Computed) -> Column {
    Column::new(name, kind, description, *priority, Cell::Computed(*compute))
}

fn created_at() -> Vec<Column> {
    let created = Cell::Path(".metadata.creationTimestamp".into());
    vec![Column::name(), Column::new("Created At", "date-time", crate::api::table::CREATED, 0, created)]
}

fn events() -> Vec<Column> {
    let last_seen: Computed = (
        "Last Seen",
        "string",
        "The time at which the most recent occurrence of this event was recorded.",
        0,
        |event, now| {
            let times = [
                &event["series"]["lastObservedTime"],
                &event["lastTimestamp"],
                &event["eventTime"],
                &event["firstTimestamp"],
            ];
            let time = times.into_iter().find(|time| time.is_string()).unwrap_or(&Value::Null);
            crate::api::table::age(time, now)
        },
    );
    let rest: &[Computed] = &[
        ("Type", "string", "Type of this event (Normal, Warning).", 0, |event, _| event["type"].clone()),
        ("Reason", "string", "Why the event was recorded, for programs.", 0, |event, _| event["reason"].clone()),
        ("Object", "string", "The object that the event is about.", 0, |event, _| {
            let object = &event["involvedObject"];
            format!("{}/{}", text(&object["kind"]).to_lowercase(), text(&object["name"])).into()
        }),
        ("Message", "string", "What happened, for people.", 0, |event, _| text(&event["message"]).trim().into()),
    ];
    let mut columns = vec![computed(&last_seen)];
    columns.extend(rest.iter().map(computed));
    let mut name = Column::name();
    name.priority = 1;
    columns.push(name);
    columns
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn joined<'a>(items: impl Iterator<Item = &'a str>) -> Value {
    let joined = items.collect::<Vec<_>>().join(",");
    if joined.is_empty() { "<none>".into() } else { joined.into() }
}

/// How many of how many.
fn ratio(ready: &Value, wanted: &Value) -> Value {
    format!("{}/{}", number(ready), number(wanted)).into()
}

fn size(value: &Value) -> i64 {
    i64::try_from(value.as_object().map_or(0, serde_json::Map::len)).unwrap_or(i64::MAX)
}

fn or_none(value: &Value) -> Value {
    if text(value).is_empty() { "<none>".into() } else { value.clone() }
}

const CONFIG_MAPS: &[Computed] = &[(
    "Data",
    "string",
    "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or '.'. Values with \
     non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap with the keys in the \
     BinaryData field, this is enforced during validation process.",
    0,
    |map, _| (size(&map["data"]) + size(&map["binaryData"])).into(),
)];

const SECRETS: &[Computed] = &[
    ("Type", "string", "Used to facilitate programmatic handling of secret data.", 0, |secret, _| {
        secret["type"].clone()
    }),
    ("Data", "string", "How many keys the secret has.", 0, |secret, _| size(&secret["data"]).into()),
];

const NAMESPACES: &[Computed] =
    &[("Status", "string", "The status of the namespace", 0, |namespace, _| namespace["status"]["phase"].clone())];

const NODES: &[Computed] = &[
    ("Status", "string", "The status of the node", 0, |node, _| {
        let ready = list(&node["status"]["conditions"]).find(|condition| condition["type"] == "Ready");
        let ready = match ready.map(|condition| text(&condition["status"])) {
            Some("True") => "Ready",
            Some(_) => "NotReady",
            None => "Unknown",
        };
        let cordoned = if node["spec"]["unschedulable"] == true { ",SchedulingDisabled" } else { "" };
        format!("{ready}{cordoned}").into()
    }),
    ("Roles", "string", "The roles of the node", 0, |node, _| {
        let labels = node["metadata"]["labels"].as_object();
        joined(labels.into_iter().flatten().filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/")))
    }),
    ("Version", "string", "Kubelet Version reported by the node.", 0, |node, _| {
        node["status"]["nodeInfo"]["kubeletVersion"].clone()
    }),
];

const PODS: &[Computed] = &[
    ("Ready", "string", "The aggregate readiness state of this pod for accepting traffic.", 0, |pod, _| {
        let ready = list(&pod["status"]["containerStatuses"]).filter(|status| status["ready"] == true).count();
        format!("{ready}/{}", list(&pod["spec"]["containers"]).count()).into()
    }),
    ("Status", "string", "The aggregate status of the containers in this pod.", 0, |pod, _| pod_status(pod).into()),
    (
        "Restarts",
        "string",
        "The number of times the containers in this pod have been restarted and when the last container in this pod has \
         restarted.",
        0,
        |pod, _| {
            list(&pod["status"]["containerStatuses"])
                .map(|status| number(&status["restartCount"]))
                .sum::<i64>()
                .to_string()
                .into()
        },
    ),
];

const PODS_WIDE: &[Computed] = &[
    ("IP", "string", "The address of the pod.", 1, |pod, _| or_none(&pod["status"]["podIP"])),
    ("Node", "string", "The node that runs the pod.", 1, |pod, _| or_none(&pod["spec"]["nodeName"])),
    ("Nominated Node", "string", "The node that the pod waits for.", 1, |pod, _| {
        or_none(&pod["status"]["nominatedNodeName"])
    }),
    ("Readiness Gates", "string", "The conditions that readiness waits for.", 1, |_, _| "<none>".into()),
];

fn pod_status(pod: &Value) -> String {
    let status = &pod["status"];
    let mut reason = text(if status["reason"].is_string() { &status["reason"] } else { &status["phase"] }).to_owned();
    for container in list(&status["containerStatuses"]) {
        let state = &container["state"];
        if let Some(waiting) = state["waiting"]["reason"].as_str() {
            waiting.clone_into(&mut reason);
        } else if let Some(terminated) = state["terminated"]["reason"].as_str() {
            terminated.clone_into(&mut reason);
        }
    }
    if pod["metadata"]["deletionTimestamp"].is_string() { "Terminating".into() } else { reason }
}

const SERVICES: &[Computed] = &[
    ("Type", "string", "How the Service is exposed.", 0, |service, _| service["spec"]["type"].clone()),
    ("Cluster-IP", "string", "The address of the Service in the cluster.", 0, |service, _| {
        or_none(&service["spec"]["clusterIP"])
    }),
    ("External-IP", "string", "The addresses of the Service outside the cluster.", 0, |service, _| {
        let spec = &service["spec"];
        match text(&spec["type"]) {
            "LoadBalancer" => {
                let addresses = list(&service["status"]["loadBalancer"]["ingress"]);
                let joined = joined(addresses.map(|ingress| {
                    text(if ingress["ip"].is_string() { &ingress["ip"] } else { &ingress["hostname"] })
                }));
                if joined == "<none>" { "<pending>".into() } else { joined }
            }
            "ExternalName" => spec["externalName"].clone(),
            _ => joined(list(&spec["externalIPs"]).map(text)),
        }
    }),
    ("Port(s)", "string", "The ports of the Service.", 0, |service, _| {
        let ports: Vec<String> = list(&service["spec"]["ports"])
            .map(|port| match port["nodePort"].as_i64() {
                Some(node_port) => format!("{}:{node_port}/{}", port["port"], text(&port["protocol"])),
                None => format!("{}/{}", port["port"], text(&port["protocol"])),
            })
            .collect();
        joined(ports.iter().map(String::as_str))
    }),
];

const SERVICES_WIDE: &[Computed] =
    &[("Selector", "string", "The labels of the pods behind the Service.", 1, |service, _| {
        let selector = selector_text(&json!({"matchLabels": service["spec"]["selector"]}));
        if selector.is_empty() { "<none>".into() } else { selector.into() }
    })];

const DEPLOYMENTS: &[Computed] = &[
    ("Ready", "string", "Number of the pod with ready state", 0, |deployment, _| {
        ratio(&deployment["status"]["readyReplicas"], &deployment["spec"]["replicas"])
    }),
    (
        "Up-to-date",
        "string",
        "Total number of non-terminating pods targeted by this deployment that have the desired template spec.",
        0,
        |deployment, _| number(&deployment["status"]["updatedReplicas"]).into(),
    ),
    (
        "Available",
        "string",
        "Total number of available non-terminating pods (ready for at least minReadySeconds) targeted by this deployment.",
        0,
        |deployment, _| number(&deployment["status"]["availableReplicas"]).into(),
    ),
];

const WORKLOADS_WIDE: &[Computed] = &[
    ("Containers", "string", "Names of each container in the template.", 1, |workload, _| {
        joined(list(&workload["spec"]["template"]["spec"]["containers"]).map(|container| text(&container["name"])))
    }),
    ("Images", "string", "Images referenced by each container in the template.", 1, |workload, _| {
        joined(list(&workload["spec"]["template"]["spec"]["containers"]).map(|container| text(&container["image"])))
    }),
    (
        "Selector",
        "string",
        "Label selector for pods. Existing ReplicaSets whose pods are selected by this will be the ones affected by this \
         deployment. It must match the pod template's labels.",
        1,
        |workload, _| selector_text(&workload["spec"]["selector"]).into(),
    ),
];

const REPLICA_SETS: &[Computed] = &[
    ("Desired", "integer", "How many pods are wanted.", 0, |set, _| number(&set["spec"]["replicas"]).into()),
    ("Current", "integer", "How many pods there are.", 0, |set, _| number(&set["status"]["replicas"]).into()),
    ("Ready", "integer", "How many pods are ready.", 0, |set, _| number(&set["status"]["readyReplicas"]).into()),
];

const STATEFUL_SETS: &[Computed] = &[("Ready", "string", "Number of the pod with ready state", 0, |set, _| {
    ratio(&set["status"]["readyReplicas"], &set["spec"]["replicas"])
})];

const JOBS: &[Computed] = &[
    ("Status", "string", "Status of the job.", 0, |job, _| job_status(job).into()),
    ("Completions", "string", "Number of the pod completions.", 0, |job, _| {
        let (spec, succeeded) = (&job["spec"], number(&job["status"]["succeeded"]));
        match (spec["completions"].as_i64(), number(&spec["parallelism"])) {
            (Some(completions), _) => format!("{succeeded}/{completions}").into(),
            (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}").into(),
            (None, _) => format!("{succeeded}/1").into(),
        }
    }),
    ("Duration", "string", "Time required to complete the job.", 0, |job, now| {
        let status = &job["status"];
        duration(&status["startTime"], &status["completionTime"], now).unwrap_or_default().into()
    }),
];

fn job_status(job: &Value) -> &'static str {
    let is_true = |kind: &str| {
        list(&job["status"]["conditions"]).any(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    match () {
        () if is_true("Complete") => "Complete",
        () if is_true("Failed") => "Failed",
        () if job["metadata"]["deletionTimestamp"].is_string() => "Terminating",
        () if is_true("Suspended") => "Suspended",
        () if is_true("FailureTarget") => "FailureTarget",
        () if is_true("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    }
}

const LEASES: &[Computed] =
    &[("Holder", "string", "Who holds the lease.", 0, |lease, _| lease["spec"]["holderIdentity"].clone())];

const DISRUPTION_BUDGETS: &[Computed] = &[
    ("Min Available", "string", "The minimum number of pods that must be available.", 0, |budget, _| {
        or_unset(&budget["spec"]["minAvailable"])
    }),
    ("Max Unavailable", "string", "The maximum number of pods that can be unavailable.", 0, |budget, _| {
        or_unset(&budget["spec"]["maxUnavailable"])
    }),
    ("Allowed Disruptions", "integer", "How many more pods may be disrupted.", 0, |budget, _| {
        number(&budget["status"]["disruptionsAllowed"]).into()
    }),
];

fn or_unset(value: &Value) -> Value {
    match value {
        Value::Null => "N/A".into(),
        Value::String(_) => value.clone(),
        other => other.to_string().into(),
    }
}

const BINDINGS: &[Computed] = &[("Role", "string", "The role that is granted.", 0, |binding, _| {
    format!("{}/{}", text(&binding["roleRef"]["kind"]), text(&binding["roleRef"]["name"])).into()
})];
