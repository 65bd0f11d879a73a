//! Requests that fail, wait and hang.

use std::time::Duration;

use embedded_cluster::faults::RequestFault;
use http::Request;
use http::header::RETRY_AFTER;
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams};
use serde_json::Value;
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::api_support::{document, documents, refusal};

fn fault(text: &str) -> RequestFault {
    text.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_fault_stands_until_its_guard_is_dropped_and_concerns_what_it_selects() {
    let (server, documents) = documents().await;
    let guard = server.faults().add(fault("status=503,verb=create,resource=documents.print.example.com"));
    let created = documents.create(&PostParams::default(), &document("a", 1)).await;
    let (code, reason, message) = refusal(created);
    assert_eq!((code, reason.as_str()), (503, "ServiceUnavailable"));
    assert_eq!(message, "injected fault 1: status=503,verb=create,resource=documents.print.example.com");
    // A request that failed did nothing.
    assert!(documents.list(&ListParams::default()).await.unwrap().items.is_empty());
    drop(guard);
    documents.create(&PostParams::default(), &document("a", 1)).await.unwrap();
}

#[tokio::test]
async fn a_retry_after_stands_in_the_header_and_in_the_status() {
    let (server, _documents) = documents().await;
    let _guard = server.faults().add(fault("status=429,retry-after=7,path=/api/v1"));
    let request = Request::get("/api/v1/namespaces/default/configmaps").body(axum::body::Body::empty()).unwrap();
    let response = server.service().oneshot(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()[RETRY_AFTER].to_str().unwrap()), (429, "7"));
    let status: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!((&status["kind"], &status["reason"]), (&"Status".into(), &"TooManyRequests".into()));
    assert_eq!(status["details"]["retryAfterSeconds"], 7);
    assert_eq!(status["details"]["kind"], "configmaps");
}

#[tokio::test(start_paused = true)]
async fn a_fault_ends_after_its_times_or_its_duration() {
    let (server, documents) = documents().await;
    let faults = server.faults();
    let id = faults.add(fault("status=500,verb=list,times=2")).keep();
    for _ in 0..2 {
        assert_eq!(refusal(documents.list(&ListParams::default()).await).1, "InternalError");
    }
    documents.list(&ListParams::default()).await.unwrap();
    assert_eq!(faults.list()[0].met, 2);
    assert!(faults.clear(id) && !faults.clear(id));

    faults.add(fault("status=500,verb=list,for=10s")).keep();
    assert_eq!(refusal(documents.list(&ListParams::default()).await).0, 500);
    tokio::time::sleep(Duration::from_secs(10)).await;
    documents.list(&ListParams::default()).await.unwrap();
    assert_eq!(faults.list(), []);
}

#[tokio::test(start_paused = true)]
async fn latencies_add_up_before_the_answer() {
    let (server, documents) = documents().await;
    let faults = server.faults();
    faults.add(fault("latency=200ms,verb=list")).keep();
    faults.add(fault("latency=3s,resource=documents")).keep();
    faults.add(fault("status=500,verb=list")).keep();
    let begin = Instant::now();
    assert_eq!(refusal(documents.list(&ListParams::default()).await).0, 500);
    assert_eq!(begin.elapsed(), Duration::from_millis(3200));
    assert_eq!(faults.clear_all(), 3);
    documents.list(&ListParams::default()).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::from_millis(3200));
}

#[tokio::test(start_paused = true)]
async fn a_request_hangs_until_the_fault_ends_and_then_goes_on() {
    let (server, documents) = documents().await;
    let guard = server.faults().add(fault("hang,verb=create"));
    let create = {
        let documents = documents.clone();
        tokio::spawn(async move { documents.create(&PostParams::default(), &document("a", 1)).await })
    };
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert!(!create.is_finished() && documents.get_opt("a").await.unwrap().is_none());
    drop(guard);
    create.await.unwrap().unwrap();
    assert!(documents.get_opt("a").await.unwrap().is_some());

    let begin = Instant::now();
    server.faults().add(fault("hang,verb=list,for=90s")).keep();
    documents.list(&ListParams::default()).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::from_secs(90));
}

#[tokio::test]
async fn a_fault_can_concern_one_user_alone() {
    let (server, documents) = documents().await;
    let account: k8s_openapi::api::core::v1::ServiceAccount =
        serde_json::from_value(serde_json::json!({"metadata": {"name": "printer"}})).unwrap();
    Api::default_namespaced(server.client("default")).create(&PostParams::default(), &account).await.unwrap();
    let token = server.issue_token("default", "printer");
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client_with_token(&token, "default"));
    let _guard = server.faults().add(fault("status=504,user=system:serviceaccount:default:printer"));
    assert_eq!(refusal(maps.list(&ListParams::default()).await).1, "Timeout");
    documents.list(&ListParams::default()).await.unwrap();
}
