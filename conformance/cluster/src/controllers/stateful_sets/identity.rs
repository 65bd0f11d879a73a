//! Who a pod of a StatefulSet is: its ordinal, its name, its labels and its place in the DNS.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::revisions::Revision;
use crate::controllers::pod_control::pod_of;

/// The label with the name of a pod's revision.
const REVISION: &str = "controller-revision-hash";
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The ordinal in a pod's name, if it is a name of this set.
pub(super) fn ordinal(set: &StatefulSet, pod: &Pod) -> Option<i32> {
    let name = pod.name_any();
    let text = name.strip_prefix(&format!("{}-", set.name_any()))?;
    let ordinal: i32 = text.parse().ok()?;
    (ordinal.to_string() == text).then_some(ordinal)
}

/// The name of a pod's revision.
pub(super) fn revision(pod: &Pod) -> Option<&String> {
    pod.labels().get(REVISION)
}

/// The pod of an ordinal in a revision.
pub(super) fn pod(set: &StatefulSet, ordinal: i32, revision: &Revision) -> Pod {
    let name = format!("{}-{ordinal}", set.name_any());
    let mut pod = pod_of(set, revision.template.clone());
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert(POD_NAME.to_owned(), name.clone());
    labels.insert(POD_INDEX.to_owned(), ordinal.to_string());
    labels.insert(REVISION.to_owned(), revision.name.clone());
    if let Some(spec) = &mut pod.spec {
        spec.hostname = Some(name.clone());
        spec.subdomain = set.spec.as_ref().and_then(|spec| spec.service_name.clone()).filter(|name| !name.is_empty());
    }
    pod.metadata.name = Some(name);
    pod
}
