//! Streams to running pods, with the client of kube-rs: in memory and over TLS.

use embedded_cluster::cluster::Cluster;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams, AttachedProcess};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::node_support::{SHELL, api, bounded, cluster, create, wait};

fn is_ready(pod: Option<&Pod>) -> bool {
    let statuses = pod.and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref());
    statuses.is_some_and(|statuses| statuses.iter().all(|status| status.ready))
}

/// A running pod, and its address.
async fn start(cluster: &Cluster, script: &str) -> std::net::Ipv4Addr {
    let container = json!({"name": "main", "image": SHELL, "args": ["-c", script]});
    let spec = json!({"containers": [container], "terminationGracePeriodSeconds": 0});
    create::<Pod>(cluster, json!({"metadata": {"name": "web"}, "spec": spec})).await;
    let pod = wait(cluster, "web", is_ready).await.unwrap();
    pod.status.unwrap().pod_ip.unwrap().parse().unwrap()
}

/// The pods of the namespace, over TLS.
async fn over_tls(cluster: &Cluster) -> Api<Pod> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let kubeconfig = Kubeconfig::from_yaml(&cluster.kubeconfig()).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    Api::namespaced(Client::try_from(config).unwrap(), "default")
}

#[tokio::test]
async fn ports_of_a_pod_are_forwarded() {
    let cluster = cluster().await;
    let address = start(&cluster, "exec sleep 600").await;
    // The machine's loopback is the pods' network: the test answers in the pod's place.
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let echo = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut line = [0; 5];
            stream.read_exact(&mut line).await.unwrap();
            stream.write_all(&[&line[..], b", world"].concat()).await.unwrap();
        }
    });
    for pods in [api::<Pod>(&cluster), over_tls(&cluster).await] {
        let mut forwarder = bounded(pods.portforward("web", &[port, 1])).await.unwrap();
        let mut stream = forwarder.take_stream(port).unwrap();
        stream.write_all(b"hello").await.unwrap();
        let mut answer = String::new();
        // The server closes when the pod's last connection has ended.
        bounded(stream.read_to_string(&mut answer)).await.unwrap();
        assert_eq!(answer, "hello, world");
        let refused = bounded(forwarder.take_error(1).unwrap()).await.unwrap();
        assert!(refused.contains(&format!("failed to connect to {address}:1")), "{refused}");
    }
    echo.abort();
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_large_transfer_arrives_whole() {
    let cluster = cluster().await;
    let address = start(&cluster, "exec sleep 600").await;
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let data: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let sent = data.clone();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&sent).await.unwrap();
    });
    let mut forwarder = bounded(over_tls(&cluster).await.portforward("web", &[port])).await.unwrap();
    let mut received = Vec::new();
    bounded(forwarder.take_stream(port).unwrap().read_to_end(&mut received)).await.unwrap();
    assert!(received == data, "{} of {} bytes", received.len(), data.len());
    serving.await.unwrap();
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_stream_that_cannot_be_is_refused_with_a_status() {
    let cluster = cluster().await;
    let missing = api::<Pod>(&cluster).portforward("nobody", &[80]).await;
    assert!(matches!(&missing, Err(kube::Error::Api(status)) if status.code == 404), "{:?}", missing.err());
    let request = http::Request::get("/api/v1/namespaces/default/pods/web/portforward?ports=80");
    start(&cluster, "exec sleep 600").await;
    let plain = cluster.client().request_text(request.body(Vec::new()).unwrap()).await;
    assert!(
        matches!(&plain, Err(kube::Error::Api(status)) if status.message == "Upgrade request required"),
        "{plain:?}"
    );
    cluster.shutdown().await;
}

/// What a process wrote, and its exit code.
async fn finish(mut process: AttachedProcess) -> (String, String, Option<String>) {
    let (mut out, mut err) = (String::new(), String::new());
    let (mut stdout, mut stderr) = (process.stdout().unwrap(), process.stderr().unwrap());
    let status = process.take_status().unwrap();
    let read = async { tokio::try_join!(stdout.read_to_string(&mut out), stderr.read_to_string(&mut err)).unwrap() };
    let (_, status) = bounded(async { tokio::join!(read, status) }).await;
    let status = status.unwrap();
    assert_eq!(status.status.as_deref() == Some("Success"), status.reason.is_none());
    let causes = status.details.and_then(|details| details.causes).unwrap_or_default();
    let code = causes.into_iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
    (out, err, code.and_then(|cause| cause.message))
}

#[tokio::test]
async fn a_command_runs_with_the_environment_and_mounts_of_its_container() {
    let cluster = cluster().await;
    let container = json!({"name": "main", "image": SHELL, "args": ["-c", "exec sleep 600"],
        "env": [{"name": "COLOR", "value": "blue"}], "volumeMounts": [{"name": "state", "mountPath": "/state"}]});
    let spec = json!({"containers": [container], "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "state", "emptyDir": {}}]});
    create::<Pod>(&cluster, json!({"metadata": {"name": "web"}, "spec": spec})).await;
    wait(&cluster, "web", is_ready).await;
    let params = AttachParams::default();
    for pods in [api::<Pod>(&cluster), over_tls(&cluster).await] {
        let script = "echo $COLOR > /state/file; cat /state/file; echo oops >&2; exit 3";
        let process = bounded(pods.exec("web", ["sh", "-c", script], &params)).await.unwrap();
        assert_eq!(finish(process).await, ("blue\n".into(), "oops\n".into(), Some("3".into())));
        let process = bounded(pods.exec("web", ["true"], &params)).await.unwrap();
        assert_eq!(finish(process).await, (String::new(), String::new(), None));

        let mut process = bounded(pods.exec("web", ["cat"], &AttachParams::default().stdin(true))).await.unwrap();
        let mut stdin = process.stdin().unwrap();
        stdin.write_all(b"from outside").await.unwrap();
        stdin.shutdown().await.unwrap();
        assert_eq!(finish(process).await.0, "from outside");
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_command_that_cannot_run_says_so() {
    let cluster = cluster().await;
    start(&cluster, "exec sleep 600").await;
    let pods = api::<Pod>(&cluster);
    let mut process = pods.exec("web", ["no-such-program"], &AttachParams::default()).await.unwrap();
    let status = bounded(process.take_status().unwrap()).await.unwrap();
    let message = status.message.unwrap();
    assert_eq!(status.reason.as_deref(), Some("InternalError"));
    assert!(message.ends_with("exec: \"no-such-program\": executable file not found in $PATH"), "{message}");
    for (params, code, text) in [
        (AttachParams::default().container("other"), 400, "container other is not valid for pod web"),
        (AttachParams::interactive_tty(), 501, "leave tty (-t) out"),
    ] {
        match pods.exec("web", ["true"], &params).await {
            Err(kube::Error::Api(status)) => {
                assert!(status.code == code && status.message.contains(text), "{status:?}");
            }
            other => panic!("{:?}", other.err()),
        }
    }
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_command_ends_with_its_container() {
    let cluster = cluster().await;
    start(&cluster, "exec sleep 600").await;
    let pods = api::<Pod>(&cluster);
    let mut process = pods.exec("web", ["sh", "-c", "echo begun; sleep 600"], &AttachParams::default()).await.unwrap();
    let mut begun = [0; 6];
    bounded(process.stdout().unwrap().read_exact(&mut begun)).await.unwrap();
    let status = process.take_status().unwrap();
    pods.delete("web", &kube::api::DeleteParams::default()).await.unwrap();
    let status = bounded(status).await.unwrap();
    assert_eq!(status.reason.as_deref(), Some("NonZeroExitCode"));
    cluster.shutdown().await;
}

#[tokio::test]
async fn attaching_shows_what_a_container_writes() {
    let cluster = cluster().await;
    start(&cluster, "while :; do echo tick; sleep 0.05; done").await;
    let mut process = api::<Pod>(&cluster).attach("web", &AttachParams::default()).await.unwrap();
    let mut line = [0; 5];
    bounded(process.stdout().unwrap().read_exact(&mut line)).await.unwrap();
    assert_eq!(&line, b"tick\n");
    cluster.shutdown().await;
}
