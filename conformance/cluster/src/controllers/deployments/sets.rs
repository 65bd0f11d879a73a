//! The `ReplicaSets` of one Deployment.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::api::{DeleteParams, Patch};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::hash::template_hash;
use super::rolling::{Strategy, existing, wanted};
use super::{HISTORY, REVISION};
use crate::controllers::claims::claimed;
use crate::controllers::runtime::{Context, ControllerError, controller_reference, has_code, patch, post};

const HASH: &str = "pod-template-hash";
/// The replicas of the Deployment when it last gave this set its size.
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// The most pods that the Deployment could have then.
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations of a Deployment that its sets do not take over.
const OWN_ANNOTATIONS: [&str; 4] = [REVISION, DESIRED, MAX, "kubectl.kubernetes.io/last-applied-configuration"];

/// Where the set of the current template comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NewSet {
    Created,
    Found,
}

/// All sets, and which of them has the Deployment's template.
pub(super) struct Sets {
    api: Api<ReplicaSet>,
    list: Vec<ReplicaSet>,
    current: Option<usize>,
}

impl Sets {
    /// Reads them.
    pub(super) async fn of(context: &Context, deployment: &Deployment) -> Result<Self, ControllerError> {
        let namespace = deployment.namespace().unwrap_or_default();
        let api = Api::<ReplicaSet>::namespaced(context.client.clone(), &namespace);
        let selector = deployment.spec.as_ref().map(|spec| spec.selector.clone()).unwrap_or_default();
        let mut list = claimed(&api, deployment, &selector, |_| true).await?;
        list.retain(|set: &ReplicaSet| set.metadata.deletion_timestamp.is_none());
        list.sort_by_key(|set| set.metadata.creation_timestamp.as_ref().map(|time| time.0));
        let template = template_of(deployment);
        let current = list.iter().position(|set| has_template(set, &template));
        Ok(Self { api, list, current })
    }

    pub(super) fn current(&self) -> Option<&ReplicaSet> {
        self.current.map(|index| &self.list[index])
    }

    pub(super) fn all(&self) -> Vec<&ReplicaSet> {
        self.list.iter().collect()
    }

    pub(super) fn old(&self) -> Vec<&ReplicaSet> {
        self.list.iter().enumerate().filter(|(index, _)| Some(*index) != self.current).map(|(_, set)| set).collect()
    }

    /// Makes the set of the current template, or gives the one that is there the newest revision.
    pub(super) async fn ensure_new(
        &mut self,
        context: &Context,
        deployment: &mut Deployment,
    ) -> Result<NewSet, ControllerError> {
        let newest = self.old().into_iter().map(revision).max().unwrap_or_default();
        if let Some(index) = self.current {
            let set = &self.list[index];
            let next = if revision(set) > newest { revision(set) } else { newest + 1 };
            if revision(set) != next {
                let change = json!({"metadata": {"annotations": {REVISION: next.to_string()}}});
                self.list[index] = self.api.patch(&set.name_any(), &patch(), &Patch::Merge(change)).await?;
            }
            return Ok(NewSet::Found);
        }
        loop {
            let collisions = deployment.status.as_ref().and_then(|status| status.collision_count).unwrap_or_default();
            let set = Self::build(deployment, collisions, newest + 1, &self.old());
            match self.api.create(&post(), &set).await {
                Ok(set) => {
                    let size = wanted(&set);
                    if size > 0 {
                        let message = format!("Scaled up replica set {} from 0 to {size}", set.name_any());
                        let kind = crate::controllers::events::EventType::Normal;
                        context.recorder.record(deployment, kind, "ScalingReplicaSet", message);
                    }
                    self.list.push(set);
                    self.current = Some(self.list.len() - 1);
                    return Ok(NewSet::Created);
                }
                // Another template has the same hash.
                Err(error) if has_code(&error, 409) => {
                    let change = json!({"status": {"collisionCount": collisions + 1}});
                    let api = Api::<Deployment>::namespaced(
                        context.client.clone(),
                        &deployment.namespace().unwrap_or_default(),
                    );
                    *deployment = api.patch_status(&deployment.name_any(), &patch(), &Patch::Merge(change)).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn build(deployment: &Deployment, collisions: i32, revision: i64, old: &[&ReplicaSet]) -> ReplicaSet {
        let spec = deployment.spec.clone().unwrap_or_default();
        let mut template = template_of(deployment);
        let hash = template_hash(&template, collisions);
        let metadata = template.metadata.get_or_insert_default();
        metadata.labels.get_or_insert_default().insert(HASH.to_owned(), hash.clone());
        let labels = metadata.labels.clone();
        let mut selector: LabelSelector = spec.selector;
        selector.match_labels.get_or_insert_default().insert(HASH.to_owned(), hash.clone());

        let replicas = spec.replicas.unwrap_or(1);
        let strategy = Strategy::of(deployment);
        let mut annotations: BTreeMap<String, String> = deployment.annotations().clone();
        annotations.retain(|name, _| !OWN_ANNOTATIONS.contains(&name.as_str()));
        annotations.insert(REVISION.to_owned(), revision.to_string());
        annotations.insert(DESIRED.to_owned(), replicas.to_string());
        annotations.insert(MAX.to_owned(), strategy.max_replicas(replicas).to_string());
        let empty = ReplicaSet {
            spec: Some(ReplicaSetSpec { replicas: Some(0), ..ReplicaSetSpec::default() }),
            ..ReplicaSet::default()
        };
        let size = super::next_sizes(replicas, strategy, &empty, old).0;
        ReplicaSet {
            metadata: ObjectMeta {
                name: Some(format!("{}-{hash}", deployment.name_any())),
                namespace: deployment.namespace(),
                labels,
                annotations: Some(annotations),
                owner_references: Some(vec![controller_reference(deployment)]),
                ..ObjectMeta::default()
            },
            spec: Some(ReplicaSetSpec {
                replicas: Some(size),
                min_ready_seconds: spec.min_ready_seconds,
                selector,
                template: Some(template),
            }),
            status: None,
        }
    }

    /// Gives a set its size, and the annotations that tell the Deployment's; the old size if it changes.
    pub(super) async fn scale(
        &mut self,
        name: &str,
        size: i32,
        desired: i32,
        max: i32,
    ) -> Result<Option<i32>, ControllerError> {
        let Some(index) = self.list.iter().position(|set| set.name_any() == name) else {
            return Ok(None);
        };
        let set = &self.list[index];
        let before = wanted(set);
        let annotations = json!({DESIRED: desired.to_string(), MAX: max.to_string()});
        let is_annotated = [(DESIRED, desired), (MAX, max)]
            .iter()
            .all(|(name, value)| set.annotations().get(*name) == Some(&value.to_string()));
        let is_unused = before == 0 && size == 0;
        if before == size && (is_annotated || is_unused) {
            return Ok(None);
        }
        let change = json!({"metadata": {"annotations": annotations}, "spec": {"replicas": size}});
        self.list[index] = self.api.patch(name, &patch(), &Patch::Merge(change)).await?;
        Ok((before != size).then_some(before))
    }

    /// Deletes the oldest sets without pods, beyond those that the history keeps.
    pub(super) async fn remove_history(&self, deployment: &Deployment) -> Result<(), ControllerError> {
        let limit = deployment.spec.as_ref().and_then(|spec| spec.revision_history_limit).unwrap_or(HISTORY);
        let mut unused = self.old();
        unused.retain(|set| wanted(set) == 0 && existing(set) == 0);
        unused.sort_by_key(|set| revision(set));
        let surplus = unused.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        for set in unused.into_iter().take(surplus) {
            match self.api.delete(&set.name_any(), &DeleteParams::background()).await {
                Err(error) if !has_code(&error, 404) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The number of a set's revision; 0 when it has none.
pub(super) fn revision(set: &ReplicaSet) -> i64 {
    set.annotations().get(REVISION).and_then(|revision| revision.parse().ok()).unwrap_or_default()
}

fn template_of(deployment: &Deployment) -> PodTemplateSpec {
    deployment.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default()
}

/// Whether a set has this template, but for the label that the controller adds.
fn has_template(set: &ReplicaSet, template: &PodTemplateSpec) -> bool {
    let Some(mut own) = set.spec.as_ref().and_then(|spec| spec.template.clone()) else {
        return false;
    };
    let mut template = template.clone();
    for template in [&mut own, &mut template] {
        if let Some(labels) = template.metadata.as_mut().and_then(|metadata| metadata.labels.as_mut()) {
            labels.remove(HASH);
        }
        let metadata = template.metadata.get_or_insert_default();
        metadata.labels = metadata.labels.take().filter(|labels| !labels.is_empty());
    }
    own == template
}
