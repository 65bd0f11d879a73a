//! `/healthz` and `/readyz`.

use axum::{Router, extract::State, http::StatusCode, routing::get};

use crate::runtime::observed::Shared;

/// The process lives; it is ready when its caches have been filled once.
pub(crate) fn router(shared: Shared) -> Router {
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready)).with_state(shared)
}

async fn ready(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if shared.read().synced() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the objects of the cluster have not been listed yet\n")
    }
}
