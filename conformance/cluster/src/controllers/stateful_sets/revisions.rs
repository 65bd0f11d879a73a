//! The revisions of a StatefulSet's template, kept as `ControllerRevisions`.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use kube::api::{DeleteParams, Patch};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::controllers::claims::claimed;
use crate::controllers::hashes::{fnv32, safe};
use crate::controllers::runtime::{Context, ControllerError, controller_reference, has_code, patch, post};

/// The label with a revision's hash.
const HASH: &str = "controller.kubernetes.io/hash";

/// How many revisions without pods are kept when the spec does not say.
const HISTORY: i32 = 10;

/// A revision's name and template.
#[derive(Clone, Debug)]
pub(super) struct Revision {
    pub(super) name: String,
    pub(super) template: PodTemplateSpec,
}

/// The revisions of one set, the one that its pods shall have and the one that they had before.
#[derive(Debug)]
pub(super) struct Revisions {
    api: Api<ControllerRevision>,
    all: Vec<ControllerRevision>,
    pub(super) current: Revision,
    pub(super) update: Revision,
    pub(super) collisions: i32,
}

impl Revisions {
    /// Reads them, and writes one for a template that has none.
    pub(super) async fn of(context: &Context, set: &StatefulSet) -> Result<Self, ControllerError> {
        let spec = set.spec.clone().unwrap_or_default();
        let api = Api::<ControllerRevision>::namespaced(context.client.clone(), &set.namespace().unwrap_or_default());
        let mut all = claimed(&api, set, &spec.selector, |_| true).await?;
        all.sort_by_key(|revision| (revision.revision, revision.name_any()));
        let status = set.status.clone().unwrap_or_default();
        let mut collisions = status.collision_count.unwrap_or_default();
        let next = all.last().map_or(1, |last| last.revision + 1);
        let wanted = data(&spec.template);
        let update = match all.iter().rposition(|revision| revision.data.as_ref().is_some_and(|data| data.0 == wanted))
        {
            Some(index) if index + 1 == all.len() => all[index].clone(),
            // Back to an older template: its revision becomes the newest.
            Some(index) => {
                let change = Patch::Merge(json!({"revision": next}));
                let renewed = api.patch(&all[index].name_any(), &patch(), &change).await?;
                all.remove(index);
                all.push(renewed.clone());
                renewed
            }
            None => {
                let created = create(&api, set, &wanted, next, &mut collisions).await?;
                all.push(created.clone());
                created
            }
        };
        let current = all.iter().find(|revision| status.current_revision == Some(revision.name_any()));
        let current = read(current.unwrap_or(&update), &spec.template);
        let update = Revision { name: update.name_any(), template: spec.template };
        Ok(Self { api, all, current, update, collisions })
    }

    /// Deletes the oldest revisions that no pod has, beyond those that the history keeps.
    pub(super) async fn remove_history(
        &self,
        set: &StatefulSet,
        used: &BTreeSet<String>,
    ) -> Result<(), ControllerError> {
        let limit = set.spec.as_ref().and_then(|spec| spec.revision_history_limit).unwrap_or(HISTORY);
        let is_live = |name: &String| used.contains(name) || *name == self.current.name || *name == self.update.name;
        let unused: Vec<String> = self.all.iter().map(ResourceExt::name_any).filter(|name| !is_live(name)).collect();
        let surplus = unused.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
        for name in unused.iter().take(surplus) {
            match self.api.delete(name, &DeleteParams::default()).await {
                Err(error) if !has_code(&error, 404) => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

async fn create(
    api: &Api<ControllerRevision>,
    set: &StatefulSet,
    data: &Value,
    number: i64,
    collisions: &mut i32,
) -> Result<ControllerRevision, ControllerError> {
    loop {
        let revision = build(set, data, number, *collisions);
        match api.create(&post(), &revision).await {
            // Another template has the same hash.
            Err(error) if has_code(&error, 409) => *collisions += 1,
            other => return Ok(other?),
        }
    }
}

fn build(set: &StatefulSet, data: &Value, number: i64, collisions: i32) -> ControllerRevision {
    let hash = hash(data, collisions);
    let template = set.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let mut labels = template.metadata.and_then(|metadata| metadata.labels).unwrap_or_default();
    labels.insert(HASH.to_owned(), hash.clone());
    ControllerRevision {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", set.name_any())),
            namespace: set.namespace(),
            labels: Some(labels),
            annotations: set.metadata.annotations.clone(),
            owner_references: Some(vec![controller_reference(set)]),
            ..ObjectMeta::default()
        },
        data: Some(RawExtension(data.clone())),
        revision: number,
    }
}

/// What a revision keeps: a patch that brings a set to its template, with sorted fields.
fn data(template: &PodTemplateSpec) -> Value {
    let mut template = json!(template);
    template["$patch"] = "replace".into();
    let mut data = json!({"spec": {"template": template}});
    data.sort_all_objects();
    data
}

/// The hash in a revision's name: that of a real controller, which takes it from the same text.
fn hash(data: &Value, collisions: i32) -> String {
    // Go writes these characters of JSON as escapes.
    let text = data.to_string().replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    safe(fnv32(text.bytes().chain(collisions.to_string().bytes())))
}

fn read(revision: &ControllerRevision, fallback: &PodTemplateSpec) -> Revision {
    let data = revision.data.as_ref().map(|data| data.0["spec"]["template"].clone()).unwrap_or_default();
    let template = serde_json::from_value(data).unwrap_or_else(|_| fallback.clone());
    Revision { name: revision.name_any(), template }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_revision_gives_back_its_template_and_is_named_by_it() {
        let template: PodTemplateSpec = serde_json::from_value(
            json!({"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "c", "args": ["a<b"]}]}}),
        )
        .unwrap();
        let set: StatefulSet = serde_json::from_value(json!({"metadata": {"name": "db", "uid": "1"},
            "spec": {"selector": {}, "serviceName": "db", "template": template}}))
        .unwrap();
        let data = data(&template);
        let text = r#"{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"db"}},"spec":{"containers":[{"args":["a<b"],"name":"c"}]}}}}"#;
        assert_eq!(data.to_string(), text);
        let revision = build(&set, &data, 1, 0);
        let name = revision.name_any();
        assert_eq!(name, format!("db-{}", revision.labels()[HASH]));
        assert_eq!(revision.labels()["app"], "db");
        assert_eq!(read(&revision, &PodTemplateSpec::default()).template, template);
        assert_ne!(name, build(&set, &data, 1, 1).name_any());
    }
}
