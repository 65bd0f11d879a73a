//! Pods whose processes are killed.

use embedded_cluster::faults::Kill;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use serde_json::json;

use crate::node_support::{SHELL, cluster, create, wait};

/// The last end of the pod's container, once it has had so many and runs again.
fn restarted(times: i32) -> impl Fn(Option<&Pod>) -> bool {
    move |pod: Option<&Pod>| {
        let status = pod.and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref()?.first().cloned());
        status.is_some_and(|status| status.ready && status.restart_count == times)
    }
}

fn last_end(pod: Option<Pod>) -> ContainerStateTerminated {
    pod.unwrap().status.unwrap().container_statuses.unwrap().remove(0).last_state.unwrap().terminated.unwrap()
}

#[tokio::test]
async fn a_killed_container_ends_with_137_and_is_restarted() {
    let cluster = cluster().await;
    let container = json!({"name": "main", "image": SHELL, "args": ["-c", "sleep 600"]});
    let pod = json!({"metadata": {"name": "victim"}, "spec": {"containers": [container]}});
    create::<Pod>(&cluster, pod).await;
    wait::<Pod>(&cluster, "victim", restarted(0)).await;

    assert_eq!(cluster.faults().kill("default", "victim", &Kill::default()).unwrap(), ["main"]);
    let end = last_end(wait::<Pod>(&cluster, "victim", restarted(1)).await);
    assert_eq!((end.exit_code, end.reason.as_deref()), (137, Some("Error")));

    let kill = Kill { container: Some("main".to_owned()), out_of_memory: true };
    cluster.faults().kill("default", "victim", &kill).unwrap();
    let end = last_end(wait::<Pod>(&cluster, "victim", restarted(2)).await);
    assert_eq!((end.exit_code, end.reason.as_deref()), (137, Some("OOMKilled")));

    let kill = Kill { container: Some("side".to_owned()), out_of_memory: false };
    let error = cluster.faults().kill("default", "victim", &kill).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no process of default/victim/side runs; the containers that run are default/victim/main"
    );
    cluster.shutdown().await;
}
