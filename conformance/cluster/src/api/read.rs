//! Get and list: resource version modes, selectors, pages.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Value, json};

use super::call::Call;
use super::object::Object;
use super::options::{parse_int, refuse};
use super::selector::{FieldSelector, LabelSelector};
use super::state::State;
use super::status::{ApiError, ApiResult, Cause, Details};
use super::store;

/// A page of objects in the fields of the path's version.
pub(crate) struct Page {
    pub(crate) items: Vec<Arc<Object>>,
    pub(crate) revision: u64,
    pub(crate) next: Option<String>,
    pub(crate) remaining: Option<usize>,
}

/// What restricts a list or a watch.
pub(crate) struct Filter {
    pub(crate) namespace: Option<String>,
    pub(crate) labels: LabelSelector,
    pub(crate) fields: FieldSelector,
}

impl Filter {
    /// Reads the path and the query.
    pub(crate) fn parse(call: &Call<'_>) -> ApiResult<Self> {
        Ok(Self {
            namespace: call.namespace().map(str::to_owned),
            labels: LabelSelector::parse(call.query.value("labelSelector").unwrap_or_default())?,
            fields: FieldSelector::parse(
                call.query.value("fieldSelector").unwrap_or_default(),
                &call.version.field_labels,
            )?,
        })
    }

    /// Whether an object in the fields of the path's version passes.
    pub(crate) fn admits(&self, key: &str, object: &Object) -> bool {
        if self.namespace.is_some() && self.namespace.as_deref() != store::namespace_of(key) {
            return false;
        }
        if !self.is_selective() {
            return true; // without a look into the object, which may be packed
        }
        let object = object.value();
        self.labels.matches(&object) && self.fields.matches(&object)
    }

    fn is_selective(&self) -> bool {
        !self.labels.is_empty() || !self.fields.is_empty()
    }
}

/// Reads one object.
pub(crate) fn get(call: &Call<'_>, state: &State) -> ApiResult<Arc<Value>> {
    if let Some(revision) = revision_parameter(call)? {
        check_reached(revision, state.store.revision())?;
    }
    let stored = state.stored(&call.resource, call.namespace(), call.name()).ok_or_else(|| call.not_found())?;
    Ok(call.present(&stored))
}

/// Reads a page of a collection.
pub(crate) fn list(call: &Call<'_>, state: &State) -> ApiResult<Page> {
    let filter = Filter::parse(call)?;
    let limit = call.query.value("limit").map(parse_int).transpose()?.unwrap_or(0);
    let limit = usize::try_from(limit).unwrap_or(0);
    let token = call.query.value("continue");
    check_modes(call, token.is_some())?;
    let requested = match revision_parameter(call) {
        Err(error) if token.is_none() => {
            return Err(ApiError::bad_request(format!("invalid resource version: {}", error.message)));
        }
        requested => requested.ok().flatten(),
    };
    let current = state.store.revision();
    if let Some(revision) = requested {
        check_reached(revision, current)?;
    }
    let position = token.map(PageToken::decode).transpose()?;
    if position.is_some() && !matches!(call.query.value("resourceVersion"), None | Some("0")) {
        return Err(ApiError::bad_request("specifying resource version is not allowed when using continue"));
    }
    let exact = call.query.value("resourceVersionMatch") == Some("Exact");
    let revision = match (&position, requested) {
        (Some(position), _) => position.revision,
        (None, Some(revision)) if exact || (limit > 0 && revision > 0 && legacy_exact(call)) => revision,
        _ => current,
    };
    let Some(collection) = state.store.collection(&call.resource.collection) else {
        return Ok(Page { items: Vec::new(), revision, next: None, remaining: None });
    };
    let past;
    let objects = if revision == current {
        collection.objects()
    } else {
        past = collection.at(revision).ok_or_else(|| match &position {
            Some(position) => expired_token(position, current),
            None => ApiError::expired(format!("too old resource version: {revision} ({})", collection.floor())),
        })?;
        &past
    };
    let start = position.map(|position| position.start).unwrap_or_default();
    let mut items = Vec::new();
    let (mut next, mut remaining) = (None, 0);
    let mut last_key = "";
    for (key, stored) in objects.range(start..) {
        let object = call.present_object(stored);
        if !filter.admits(key, &object) {
            continue;
        }
        if limit > 0 && items.len() == limit {
            next.get_or_insert_with(|| PageToken { revision, start: format!("{last_key}\0") }.encode());
            remaining += 1;
            if filter.is_selective() {
                break;
            }
            continue;
        }
        last_key = key;
        items.push(object);
    }
    let remaining = (next.is_some() && !filter.is_selective()).then_some(remaining);
    Ok(Page { items, revision, next, remaining })
}

/// The list's metadata, as each kind of list shows it.
pub(crate) fn list_metadata(page: &Page, always_continue: bool) -> Value {
    let mut metadata = json!({"resourceVersion": page.revision.to_string()});
    match &page.next {
        Some(token) => metadata["continue"] = token.as_str().into(),
        None if always_continue => metadata["continue"] = "".into(),
        None => {}
    }
    if let Some(remaining) = page.remaining {
        metadata["remainingItemCount"] = remaining.into();
    }
    metadata
}

/// The encoding of page tokens, which like Go's does not mind stray bits at the end.
const TOKEN_ENCODING: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// Where a list goes on.
struct PageToken {
    revision: u64,
    start: String,
}

impl PageToken {
    fn encode(&self) -> String {
        let text = json!({"v": "meta.k8s.io/v1", "rv": self.revision, "start": self.start}).to_string();
        TOKEN_ENCODING.encode(text)
    }

    fn decode(token: &str) -> ApiResult<Self> {
        let invalid = |detail: &str| {
            ApiError::bad_request(format!("invalid continue token: continue key is not valid: {detail}"))
        };
        let bytes = TOKEN_ENCODING.decode(token).map_err(|error| invalid(&error.to_string()))?;
        let value = super::json::parse(&bytes).map_err(|error| invalid(&error))?.value;
        match (value["rv"].as_u64(), value["start"].as_str()) {
            (Some(revision), Some(start)) => Ok(Self { revision, start: start.to_owned() }),
            _ => Err(invalid("the token has no revision or no start")),
        }
    }
}

/// 410 with a token that goes on inconsistently, from the present state.
fn expired_token(position: &PageToken, current: u64) -> ApiError {
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list \
                   without the continue parameter, or use the continue token in this response to retrieve the remainder of \
                   the results. Continuing with the provided token results in an inconsistent list - objects that were \
                   created, modified, or deleted between the time the first chunk was returned and now may show up in the \
                   list.";
    let mut error = ApiError::expired(message);
    error.continue_token = Some(PageToken { revision: current, start: position.start.clone() }.encode());
    error
}

/// `resourceVersion` as a number.
pub(crate) fn revision_parameter(call: &Call<'_>) -> ApiResult<Option<u64>> {
    let Some(text) = call.query.value("resourceVersion") else { return Ok(None) };
    let error = || {
        ApiError::internal(format!(
            "resourceVersion: Invalid value: \"{text}\": strconv.ParseUint: parsing \"{text}\": invalid syntax"
        ))
    };
    text.parse().map(Some).map_err(|_| error())
}

fn check_reached(revision: u64, current: u64) -> ApiResult<()> {
    if revision <= current {
        return Ok(());
    }
    let cause = Cause::new("ResourceVersionTooLarge", "Too large resource version", "");
    let details = Details { causes: vec![cause], retry_after_seconds: Some(1), ..Details::default() };
    Err(ApiError {
        details: Some(Box::new(details)),
        ..ApiError::plain(
            504,
            "Timeout",
            format!("Timeout: Too large resource version: {revision}, current: {current}"),
        )
    })
}

fn legacy_exact(call: &Call<'_>) -> bool {
    call.query.value("resourceVersionMatch").is_none()
}

/// What a list may ask for together.
fn check_modes(call: &Call<'_>, continues: bool) -> ApiResult<()> {
    let field = "resourceVersionMatch";
    let mut causes = Vec::new();
    if let Some(mode) = call.query.value(field) {
        if call.query.value("resourceVersion").is_none() {
            let detail = "resourceVersionMatch is forbidden unless resourceVersion is provided";
            causes.push(Cause::forbidden(field, detail));
        }
        causes.extend(match_causes(mode, continues));
        if mode == "Exact" && call.query.value("resourceVersion") == Some("0") {
            let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            causes.push(Cause::forbidden(field, detail));
        }
    }
    if call.query.value("sendInitialEvents").is_some() {
        causes.push(Cause::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    refuse("ListOptions", causes)
}

/// What is wrong with a `resourceVersionMatch` in a list as well as in a watch.
pub(crate) fn match_causes(mode: &str, continues: bool) -> Vec<Cause> {
    let field = "resourceVersionMatch";
    let mut causes = Vec::new();
    if continues {
        causes.push(Cause::forbidden(field, "resourceVersionMatch is forbidden when continue is provided"));
    }
    if !matches!(mode, "Exact" | "NotOlderThan") {
        causes.push(Cause::unsupported(field, &mode.into(), &["Exact", "NotOlderThan", ""]));
    }
    causes
}
