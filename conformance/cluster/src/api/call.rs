//! One request for a resource, with everything its handler needs.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::USER_AGENT;
use jiff::Timestamp;
use serde_json::Value;

use super::negotiate::Representation;
use super::object::Object;
use super::options::FieldValidation;
use super::registry::{Resource, Version};
use super::request::{Query, ResourcePath};
use super::state::Server;
use super::status::{ApiError, ApiResult};
use crate::access::User;

/// A request for a resource that exists.
pub(crate) struct Call<'a> {
    pub(crate) server: &'a Arc<Server>,
    /// Who sends it.
    pub(crate) user: &'a User,
    pub(crate) resource: Arc<Resource>,
    pub(crate) version: Arc<Version>,
    pub(crate) path: &'a ResourcePath,
    pub(crate) query: &'a Query,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    pub(crate) representation: Representation,
    pub(crate) now: Timestamp,
    pub(crate) warnings: RefCell<Vec<String>>,
}

impl Call<'_> {
    /// The path's namespace; none for cluster-scoped kinds.
    pub(crate) fn namespace(&self) -> Option<&str> {
        if self.resource.namespaced { self.path.namespace.as_deref() } else { None }
    }

    /// The path's object name.
    pub(crate) fn name(&self) -> &str {
        self.path.name.as_deref().unwrap_or_default()
    }

    /// The path's subresource.
    pub(crate) fn subresource(&self) -> Option<&str> {
        self.path.subresource.as_deref()
    }

    /// The client's user agent.
    pub(crate) fn user_agent(&self) -> Option<&str> {
        self.headers.get(USER_AGENT).and_then(|value| value.to_str().ok())
    }

    /// The apiVersion of the path.
    pub(crate) fn api_version(&self) -> String {
        self.resource.api_version(&self.version)
    }

    /// Adds a `Warning` header to the answer.
    pub(crate) fn warn(&self, warning: impl Into<String>) {
        let warning = warning.into();
        let mut warnings = self.warnings.borrow_mut();
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// 404 for the path's object.
    pub(crate) fn not_found(&self) -> ApiError {
        ApiError::not_found(&self.resource.group, &self.resource.plural, self.name())
    }

    /// 409 for a stale write to the path's object.
    pub(crate) fn modified(&self) -> ApiError {
        ApiError::modified(&self.resource.group, &self.resource.plural, self.name())
    }

    /// 409 with a reason.
    pub(crate) fn conflict(&self, why: impl std::fmt::Display) -> ApiError {
        ApiError::conflict(&self.resource.group, &self.resource.plural, self.name(), why)
    }

    /// Does with a strict reader's complaints what the client asked for.
    pub(crate) fn complain(&self, validation: FieldValidation, complaints: &[String]) -> ApiResult<()> {
        if complaints.is_empty() {
            return Ok(());
        }
        match validation {
            FieldValidation::Ignore => Ok(()),
            FieldValidation::Warn => {
                for complaint in complaints {
                    self.warn(complaint.clone());
                }
                Ok(())
            }
            FieldValidation::Strict => {
                let (kind, version) = (&self.resource.kind, &self.version.name);
                let list = complaints.join(", ");
                Err(ApiError::bad_request(format!(
                    "{kind} in version \"{version}\" cannot be handled as a {kind}: strict decoding error: {list}"
                )))
            }
        }
    }

    /// A stored object in the version of the path.
    pub(crate) fn present(&self, stored: &Arc<Value>) -> Arc<Value> {
        super::convert::to_version(&self.resource, &self.version, stored)
    }

    /// A stored object in the fields of the version of the path.
    pub(crate) fn present_object(&self, stored: &Arc<Object>) -> Arc<Object> {
        super::convert::to_fields_of(&self.resource, &self.version, stored)
    }
}
