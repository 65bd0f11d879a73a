//! What installing the operator takes, as YAML.

mod operator;
mod rules;

use serde::Serialize;
use serde_json::Value;

pub use rules::Rules;

use crate::cli::InstallOptions;

/// Why an object cannot be printed.
#[derive(Debug, thiserror::Error)]
#[error("failed to print an object as YAML")]
pub struct RenderError {
    #[from]
    source: RenderCause,
}

#[derive(Debug, thiserror::Error)]
enum RenderCause {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Yaml(#[from] serde_saphyr::ser::Error),
}

/// The CustomResourceDefinitions.
pub fn crds() -> Result<String, RenderError> {
    documents(&operator_api::crds())
}

/// Everything: Namespace, CustomResourceDefinitions, RBAC and Deployment.
pub fn install(options: &InstallOptions) -> Result<String, RenderError> {
    let objects = operator::objects(options);
    let (first, rest) = objects.split_at(1);
    Ok(format!("{}{}{}", documents(first)?, crds()?, documents(rest)?))
}

/// The operator alone, without the CustomResourceDefinitions.
pub fn operator(options: &InstallOptions) -> Result<String, RenderError> {
    documents(&operator::objects(options))
}

/// The operator's rights, by where they are granted: a map of `namespaced`, `cluster` and `leader`.
pub fn rules() -> Result<String, RenderError> {
    documents(&[Rules::current()])
}

/// One YAML document per object.
pub fn documents<T: Serialize>(objects: &[T]) -> Result<String, RenderError> {
    let mut text = String::new();
    for object in objects {
        let value: Value = serde_json::to_value(object).map_err(RenderCause::from)?;
        let yaml = serde_saphyr::to_string(&value).map_err(RenderCause::from)?;
        text.push_str("---\n");
        text.push_str(&yaml);
    }
    Ok(text)
}
