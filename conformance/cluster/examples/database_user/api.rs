//! The kind `DatabaseUser`: a user of a database, with a password that is replaced from time to time.

use jiff::{SignedDuration, Timestamp};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A user of the database, whose password stands in the Secret of the same name.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "db.example.com", version = "v1", kind = "DatabaseUser", namespaced, status = "DatabaseUserStatus")]
#[kube(shortname = "dbuser")]
#[kube(printcolumn(name = "Role", type_ = "string", json_path = ".spec.role"))]
#[kube(printcolumn(name = "Rotated", type_ = "date", json_path = ".status.rotatedAt"))]
#[serde(rename_all = "camelCase")]
pub(crate) struct DatabaseUserSpec {
    /// What the user may do.
    pub(crate) role: Role,
    /// After how many hours the password is replaced.
    #[serde(default = "one_day")]
    #[schemars(range(min = 1, max = 8760))]
    pub(crate) rotation_hours: u32,
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Role {
    /// Read.
    Reader,
    /// Read and write.
    Writer,
}

/// What was done for a user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DatabaseUserStatus {
    /// The generation of the spec that the database has.
    pub(crate) observed_generation: Option<i64>,
    /// When the password was last replaced, in RFC 3339.
    pub(crate) rotated_at: Option<String>,
}

fn one_day() -> u32 {
    24
}

impl DatabaseUser {
    /// How long the password may still be used; nothing if it has to be replaced, or there is none.
    pub(crate) fn password_remains(&self, now: Timestamp) -> Option<SignedDuration> {
        let rotated_at: Timestamp = self.status.as_ref()?.rotated_at.as_ref()?.parse().ok()?;
        let ends = rotated_at + SignedDuration::from_hours(self.spec.rotation_hours.into());
        Some(ends.duration_since(now)).filter(SignedDuration::is_positive)
    }
}
