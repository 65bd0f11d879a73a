//! `pods/log`: hands the request to whoever runs the containers.

use std::sync::Arc;

use axum::body::Body;
use futures::StreamExt as _;
use jiff::SignedDuration;

use super::options::parse_int;
use super::request::{Query, ResourcePath};
use super::respond::Answer;
use super::state::Server;
use super::status::{ApiError, ApiResult};
use crate::logs::{LogError, LogOptions};

/// Handles `GET` on a pod's log.
pub(crate) async fn stream(server: &Arc<Server>, path: &ResourcePath, query: &Query) -> ApiResult<Answer> {
    let namespace = path.namespace.as_deref().unwrap_or_default();
    let name = path.name.as_deref().unwrap_or_default();
    if server.lock().store.object("pods", &format!("{namespace}/{name}")).is_none() {
        return Err(ApiError::not_found("", "pods", name));
    }
    let size = |parameter: &str| -> ApiResult<Option<usize>> {
        let number = query.value(parameter).map(parse_int).transpose()?;
        Ok(number.and_then(|number| usize::try_from(number).ok()))
    };
    let seconds = query.value("sinceSeconds").map(parse_int).transpose()?;
    let since = match query.value("sinceTime") {
        Some(time) => {
            let parsed = time.parse();
            Some(parsed.map_err(|_| ApiError::bad_request(format!("sinceTime \"{time}\" is not an RFC 3339 time")))?)
        }
        None => seconds.and_then(|seconds| server.clock.now().checked_sub(SignedDuration::from_secs(seconds)).ok()),
    };
    let options = LogOptions {
        follow: query.flag("follow"),
        tail_lines: size("tailLines")?,
        previous: query.flag("previous"),
        since,
        limit_bytes: size("limitBytes")?,
        timestamps: query.flag("timestamps"),
    };
    let source = server.logs.read().clone();
    let Some(source) = source else { return Err(refused(&LogError::NoNode)) };
    let stream =
        source.logs(namespace, name, query.value("container"), options).await.map_err(|error| refused(&error))?;
    let body = Body::from_stream(stream.map(Ok::<_, std::convert::Infallible>));
    Ok(Answer::Stream { body, content_type: "text/plain" })
}

fn refused(error: &LogError) -> ApiError {
    match error {
        LogError::NotAvailable(message) => ApiError::bad_request(message.clone()),
        LogError::NoNode => ApiError::not_implemented("logs without a node"),
    }
}
