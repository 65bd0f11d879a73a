//! Whether the objects of a definition need to be rewritten, and as what.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ApiResource;
use operator_api::{GROUP, MIGRATE_LABEL};

/// What there is to rewrite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// The objects, in the version that is stored.
    pub(super) resource: ApiResource,
    /// The versions in which they may be stored now.
    pub(super) stored: Vec<String>,
}

/// What there is to rewrite of `definition`; `None` when it is none of ours, does not ask for it or needs nothing.
pub(super) fn plan(definition: &CustomResourceDefinition) -> Option<Plan> {
    let spec = &definition.spec;
    let labels = definition.metadata.labels.iter().flatten();
    let asked = labels.into_iter().any(|(name, value)| name == MIGRATE_LABEL && value == "true");
    if spec.group != GROUP || !asked {
        return None;
    }
    let storage = &spec.versions.iter().find(|version| version.storage)?.name;
    let stored = definition.status.as_ref()?.stored_versions.clone().unwrap_or_default();
    if stored.iter().all(|version| version == storage) {
        return None;
    }
    let resource = ApiResource {
        group: spec.group.clone(),
        version: storage.clone(),
        api_version: format!("{}/{storage}", spec.group),
        kind: spec.names.kind.clone(),
        plural: spec.names.plural.clone(),
    };
    Some(Plan { resource, stored })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionStatus;

    use super::*;

    fn definition(stored: &[&str]) -> CustomResourceDefinition {
        let mut definition = operator_api::crds().remove(0);
        let stored_versions = Some(stored.iter().map(ToString::to_string).collect());
        definition.status = Some(CustomResourceDefinitionStatus { stored_versions, ..Default::default() });
        definition
    }

    #[test]
    fn what_may_be_stored_in_an_old_version_is_rewritten_in_the_storage_version() {
        assert_eq!(plan(&definition(&["v1beta1"])), None);
        assert_eq!(plan(&definition(&[])), None);
        let plan = plan(&definition(&["v1alpha1", "v1beta1"])).unwrap();
        assert_eq!(plan.resource.api_version, "toolhive.stacklok.dev/v1beta1");
        assert_eq!(plan.stored, ["v1alpha1", "v1beta1"]);
    }

    #[test]
    fn definitions_of_others_and_those_that_do_not_ask_are_left_alone() {
        let mut other = definition(&["v1alpha1", "v1beta1"]);
        other.spec.group = "example.com".to_owned();
        assert_eq!(plan(&other), None);
        let mut silent = definition(&["v1alpha1", "v1beta1"]);
        silent.metadata.labels = None;
        assert_eq!(plan(&silent), None);
    }
}
