//! The table of built-in kinds.

use super::Builtin;

/// A kind with the traits that most have.
const fn kind(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short_names: &'static [&'static str],
) -> Builtin {
    Builtin {
        group,
        version,
        kind,
        plural,
        singular,
        short_names,
        categories: &[],
        namespaced: true,
        status: false,
        scale: false,
        generation: false,
        unconditional_update: true,
        create_on_update: false,
        returns_deleted: false,
        delete_collection: true,
        field_labels: &[],
    }
}

impl Builtin {
    const fn cluster(mut self) -> Self {
        self.namespaced = false;
        self
    }

    const fn with_status(mut self) -> Self {
        self.status = true;
        self
    }

    const fn with_scale(mut self) -> Self {
        self.scale = true;
        self
    }

    const fn in_all(mut self) -> Self {
        self.categories = &["all"];
        self
    }

    const fn generations(mut self) -> Self {
        self.generation = true;
        self
    }

    const fn conditional(mut self) -> Self {
        self.unconditional_update = false;
        self
    }

    const fn upsert(mut self) -> Self {
        self.create_on_update = true;
        self
    }

    const fn answers_deleted(mut self) -> Self {
        self.returns_deleted = true;
        self
    }

    const fn fields(mut self, labels: &'static [&'static str]) -> Self {
        self.field_labels = labels;
        self
    }

    const fn categories(mut self, categories: &'static [&'static str]) -> Self {
        self.categories = categories;
        self
    }

    const fn one_by_one(mut self) -> Self {
        self.delete_collection = false;
        self
    }
}

const APPS: &str = "apps";
const RBAC: &str = "rbac.authorization.k8s.io";
const NETWORKING: &str = "networking.k8s.io";

/// The field labels of core events.
const EVENT_FIELDS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
];

/// The field labels of `events.k8s.io` events.
const NEW_EVENT_FIELDS: &[&str] = &[
    "regarding.kind",
    "regarding.namespace",
    "regarding.name",
    "regarding.uid",
    "regarding.apiVersion",
    "regarding.resourceVersion",
    "regarding.fieldPath",
    "reason",
    "reportingController",
    "type",
];

/// The field labels of pods.
const POD_FIELDS: &[&str] = &[
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.hostNetwork",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
];

/// Every built-in kind that is served.
pub(crate) static KINDS: &[Builtin] = &[
    kind("", "v1", "ConfigMap", "configmaps", "configmap", &["cm"]),
    kind("", "v1", "Endpoints", "endpoints", "endpoints", &["ep"]).upsert(),
    kind("", "v1", "Event", "events", "event", &["ev"]).upsert().fields(EVENT_FIELDS),
    kind("", "v1", "Namespace", "namespaces", "namespace", &["ns"])
        .cluster()
        .with_status()
        .one_by_one()
        .fields(&["status.phase"]),
    kind("", "v1", "Node", "nodes", "node", &["no"]).cluster().with_status().fields(&["spec.unschedulable"]),
    kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", &["pvc"])
        .with_status()
        .answers_deleted(),
    kind("", "v1", "Pod", "pods", "pod", &["po"])
        .with_status()
        .in_all()
        .generations()
        .answers_deleted()
        .fields(POD_FIELDS),
    kind("", "v1", "Secret", "secrets", "secret", &[]).fields(&["type"]),
    kind("", "v1", "Service", "services", "service", &["svc"])
        .with_status()
        .in_all()
        .answers_deleted()
        .fields(&["spec.clusterIP", "spec.type"]),
    kind("", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount", &["sa"]).answers_deleted(),
    kind(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "customresourcedefinition",
        &["crd", "crds"],
    )
    .cluster()
    .with_status()
    .generations()
    .conditional()
    .categories(&["api-extensions"]),
    kind(APPS, "v1", "ControllerRevision", "controllerrevisions", "controllerrevision", &[]),
    kind(APPS, "v1", "DaemonSet", "daemonsets", "daemonset", &["ds"]).with_status().in_all().generations(),
    kind(APPS, "v1", "Deployment", "deployments", "deployment", &["deploy"])
        .with_status()
        .with_scale()
        .in_all()
        .generations(),
    kind(APPS, "v1", "ReplicaSet", "replicasets", "replicaset", &["rs"])
        .with_status()
        .with_scale()
        .in_all()
        .generations()
        .fields(&["status.replicas"]),
    kind(APPS, "v1", "StatefulSet", "statefulsets", "statefulset", &["sts"])
        .with_status()
        .with_scale()
        .in_all()
        .generations(),
    kind(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "horizontalpodautoscaler",
        &["hpa"],
    )
    .with_status()
    .in_all(),
    kind("batch", "v1", "Job", "jobs", "job", &[]).with_status().in_all().generations().fields(&["status.successful"]),
    kind("coordination.k8s.io", "v1", "Lease", "leases", "lease", &[]).conditional().upsert(),
    kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice", &[]).generations(),
    kind("events.k8s.io", "v1", "Event", "events", "event", &["ev"]).upsert().fields(NEW_EVENT_FIELDS),
    kind(NETWORKING, "v1", "Ingress", "ingresses", "ingress", &["ing"]).with_status().generations(),
    kind(NETWORKING, "v1", "NetworkPolicy", "networkpolicies", "networkpolicy", &["netpol"]).generations(),
    kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget", &["pdb"])
        .with_status()
        .generations()
        .conditional(),
    kind(RBAC, "v1", "ClusterRole", "clusterroles", "clusterrole", &[]).cluster(),
    kind(RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings", "clusterrolebinding", &[]).cluster(),
    kind(RBAC, "v1", "Role", "roles", "role", &[]),
    kind(RBAC, "v1", "RoleBinding", "rolebindings", "rolebinding", &[]),
];
