//! The options of writes and deletions, from the query and the body.

use serde_json::Value;

use super::request::Query;
use super::status::{ApiError, ApiResult, Cause};

/// What to do about fields that a kind does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// Drop them in silence.
    Ignore,
    /// Drop them and say so in `Warning` headers: the default.
    Warn,
    /// Refuse the request.
    Strict,
}

/// The options of create, update and patch.
#[derive(Debug, Clone)]
pub(crate) struct WriteOptions {
    pub(crate) dry_run: bool,
    pub(crate) manager: String,
    pub(crate) force: bool,
    pub(crate) field_validation: FieldValidation,
}

/// What happens to the objects that an object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// The options of delete and deletecollection.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) dry_run: bool,
    pub(crate) propagation: Option<Propagation>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) grace_period_seconds: Option<i64>,
}

impl WriteOptions {
    /// Reads and checks the query; `kind` is the options' kind for messages, such as `CreateOptions`.
    pub(crate) fn parse(query: &Query, kind: &str, user_agent: Option<&str>, apply: bool) -> ApiResult<Self> {
        let mut causes = Vec::new();
        if query.flag("force") && kind == "PatchOptions" && !apply {
            causes.push(Cause::forbidden("force", "may not be specified for non-apply patch"));
        }
        let manager = query.value("fieldManager");
        if apply && manager.is_none() {
            causes.push(Cause::required("fieldManager", "is required for apply patch"));
        }
        if let Some(manager) = manager.filter(|manager| manager.len() > 128) {
            let value = Value::from(manager);
            causes.push(Cause::new(
                "FieldValueTooLong",
                format!("Too long: {value}: may not be more than 128 bytes"),
                "fieldManager",
            ));
        }
        let dry_run = dry_run(query.all("dryRun"), &mut causes);
        let field_validation = match query.value("fieldValidation") {
            None | Some("Warn") => FieldValidation::Warn,
            Some("Ignore") => FieldValidation::Ignore,
            Some("Strict") => FieldValidation::Strict,
            Some(other) => {
                let supported = ["", "Ignore", "Strict", "Warn"];
                causes.push(Cause::unsupported("fieldValidation", &other.into(), &supported));
                FieldValidation::Warn
            }
        };
        refuse(kind, causes)?;
        let manager = manager.map_or_else(|| manager_of(user_agent), str::to_owned);
        Ok(Self { dry_run, manager, force: query.flag("force"), field_validation })
    }
}

impl DeleteOptions {
    /// Reads the body, if there is one, and else the query.
    pub(crate) fn parse(query: &Query, body: Option<&Value>) -> ApiResult<Self> {
        let mut causes = Vec::new();
        let mut options = Self::default();
        let policy = if let Some(body) = body {
            let dry = body["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str);
            options.dry_run = dry_run(dry, &mut causes);
            options.uid = body["preconditions"]["uid"].as_str().map(str::to_owned);
            options.resource_version = body["preconditions"]["resourceVersion"].as_str().map(str::to_owned);
            options.grace_period_seconds = body["gracePeriodSeconds"].as_i64();
            let legacy = body["orphanDependents"].as_bool().map(|orphan| if orphan { "Orphan" } else { "Background" });
            body["propagationPolicy"].as_str().or(legacy)
        } else {
            None
        };
        if query.value("dryRun").is_some() {
            options.dry_run = dry_run(query.all("dryRun"), &mut causes);
        }
        if let Some(seconds) = query.value("gracePeriodSeconds") {
            options.grace_period_seconds = Some(parse_int(seconds)?);
        }
        let legacy = query
            .value("orphanDependents")
            .map(|_| if query.flag("orphanDependents") { "Orphan" } else { "Background" });
        options.propagation = match policy.or(query.value("propagationPolicy")).or(legacy) {
            None => None,
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Orphan") => Some(Propagation::Orphan),
            Some(other) => {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                causes.push(Cause::unsupported("propagationPolicy", &other.into(), &supported));
                None
            }
        };
        refuse("DeleteOptions", causes)?;
        Ok(options)
    }
}

/// Reads an integer with Go's error message.
pub(crate) fn parse_int(text: &str) -> ApiResult<i64> {
    text.parse().map_err(|_| ApiError::bad_request(format!("strconv.ParseInt: parsing \"{text}\": invalid syntax")))
}

/// Refuses options with causes, in the real words.
pub(crate) fn refuse(kind: &str, causes: Vec<Cause>) -> ApiResult<()> {
    if causes.is_empty() { Ok(()) } else { Err(ApiError::invalid("meta.k8s.io", kind, "", causes)) }
}

fn dry_run<'a>(values: impl Iterator<Item = &'a str>, causes: &mut Vec<Cause>) -> bool {
    let values: Vec<&str> = values.filter(|value| !value.is_empty()).collect();
    if values.iter().any(|value| *value != "All") {
        let shown = Value::from(values.clone());
        causes.push(Cause::unsupported("dryRun", &shown, &["All"]));
    }
    !values.is_empty()
}

/// The field manager of clients that name none: the first word of their user agent.
fn manager_of(user_agent: Option<&str>) -> String {
    let prefix = user_agent.unwrap_or_default().split('/').next().unwrap_or_default();
    let prefix: String = prefix.chars().filter(|c| !c.is_control()).take(128).collect();
    if prefix.is_empty() { "unknown".into() } else { prefix }
}
