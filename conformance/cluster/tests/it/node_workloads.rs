//! Deployments whose pods are processes.

use std::time::Instant;

use embedded_cluster::cluster::Cluster;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod, Secret, Service};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, LogParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::node_support::{SHELL, api, bounded, cluster, create, wait};

fn deployment(name: &str, container: Value) -> Value {
    let mut container = container;
    container["name"] = "main".into();
    container["image"] = SHELL.into();
    let labels = json!({"app": name});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container],
                "terminationGracePeriodSeconds": 1}}}})
}

fn is_available(deployment: Option<&Deployment>) -> bool {
    let generation = deployment.and_then(|deployment| deployment.metadata.generation);
    let status = deployment.and_then(|deployment| deployment.status.as_ref());
    status.is_some_and(|status| {
        status.observed_generation == generation
            && status.available_replicas == Some(1)
            && status.updated_replicas == Some(1)
            && status.replicas == Some(1)
    })
}

async fn pods(cluster: &Cluster, app: &str) -> Vec<Pod> {
    let list = api::<Pod>(cluster).list(&ListParams::default().labels(&format!("app={app}"))).await.unwrap().items;
    list.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect()
}

#[tokio::test]
async fn a_deployment_becomes_a_process_with_the_environment_of_its_pod() {
    let cluster = cluster().await;
    let config = json!({"metadata": {"name": "settings"}, "data": {"level": "debug", "file.txt": "from a file"}});
    create::<ConfigMap>(&cluster, config).await;
    create::<Secret>(&cluster, json!({"metadata": {"name": "keys"}, "stringData": {"token": "s3cr3t"}})).await;
    let script = "echo level=$LEVEL token=$TOKEN pod=$POD file=$(cat /etc/settings/file.txt) bind=$BIND; \
                  echo config=$KUBECONFIG; trap 'exit 0' TERM; while :; do sleep 0.02; done";
    let container = json!({"command": ["/bin/sh", "-c", script],
        "env": [{"name": "LEVEL", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "level"}}},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "token"}}},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "BIND", "value": "0.0.0.0:8080"}],
        "volumeMounts": [{"name": "settings", "mountPath": "/etc/settings"}]});
    let mut object = deployment("web", container);
    object["spec"]["template"]["spec"]["volumes"] = json!([{"name": "settings", "configMap": {"name": "settings"}}]);
    let begin = Instant::now();
    create::<Deployment>(&cluster, object).await;
    wait(&cluster, "web", is_available).await;
    println!("available after {:?}", begin.elapsed());

    let [pod] = &pods(&cluster, "web").await[..] else { panic!("one pod") };
    let status = pod.status.clone().unwrap();
    let address: std::net::Ipv4Addr = status.pod_ip.unwrap().parse().unwrap();
    assert!(cluster.pod_block().contains(&address));
    let log = async {
        loop {
            let log = api::<Pod>(&cluster).logs(&pod.name_any(), &LogParams::default()).await.unwrap();
            if log.contains("config=") {
                return log;
            }
            tokio::task::yield_now().await;
        }
    };
    let log = bounded(log).await;
    let expected = format!("level=debug token=s3cr3t pod={} file=from a file bind={address}:8080\n", pod.name_any());
    assert!(log.starts_with(&expected), "{log}");
    assert!(cluster.logs("default", &pod.name_any()).await.contains("[main] level=debug"));

    let path = log.lines().find_map(|line| line.strip_prefix("config=")).unwrap();
    let kubeconfig = kube::config::Kubeconfig::read_from(path).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await;
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let client = kube::Client::try_from(config.unwrap()).unwrap();
    let refused = kube::Api::<Pod>::default_namespaced(client).list(&ListParams::default()).await.unwrap_err();
    assert!(refused.to_string().contains("system:serviceaccount:default:default"), "{refused}");

    api::<Deployment>(&cluster).delete("web", &DeleteParams::foreground()).await.unwrap();
    wait::<Deployment>(&cluster, "web", |deployment: Option<&Deployment>| deployment.is_none()).await;
    assert!(pods(&cluster, "web").await.is_empty());
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_service_leads_to_ready_pods_only() {
    let cluster = cluster().await;
    let container = json!({"args": ["-c", "exec sleep 600"], "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 1}});
    create::<Deployment>(&cluster, deployment("web", container)).await;
    let service = json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"},
        "ports": [{"name": "http", "port": 80, "targetPort": "http"}, {"name": "alt", "port": 8000, "targetPort": 8080}]}});
    create::<Service>(&cluster, service).await;
    let alternative = cluster.resolve("default", "web", 8000).await.unwrap();
    assert!(TcpStream::connect(alternative).await.is_err(), "no pod is ready");

    let set = bounded(async {
        loop {
            if let [pod] = &pods(&cluster, "web").await[..]
                && let Some(address) = pod.status.as_ref().and_then(|status| status.pod_ip.clone())
            {
                return address;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let listener = TcpListener::bind(format!("{set}:8080")).await.unwrap();
    let server = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"hello").await;
        }
    });
    wait(&cluster, "web", is_available).await;
    let names = [("web", 80), ("web.default", 8000), ("web.default.svc.cluster.local", 80)];
    for (name, port) in names {
        let address = cluster.resolve("default", name, port).await.unwrap();
        assert!(address.port() >= 1024);
        let text = bounded(async {
            loop {
                // The proxy follows the endpoints by a watch of its own.
                let Ok(mut stream) = TcpStream::connect(address).await else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let mut text = String::new();
                stream.read_to_string(&mut text).await.unwrap();
                return text;
            }
        });
        assert_eq!(text.await, "hello");
    }
    let known = cluster.dns().lookup("other", "web.default.svc.cluster.local");
    assert!(matches!(known, Some(std::net::IpAddr::V4(address)) if cluster.service_block().contains(&address)));
    assert_eq!(cluster.resolve("other", "web", 80).await, None);
    server.abort();
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_changed_template_is_rolled_out_and_the_old_pod_ends() {
    let cluster = cluster().await;
    let container = json!({"args": ["-c", "trap 'exit 0' TERM; while :; do sleep 0.02; done"]});
    create::<Deployment>(&cluster, deployment("web", container)).await;
    wait(&cluster, "web", is_available).await;
    let [first] = &pods(&cluster, "web").await[..] else { panic!("one pod") };
    let restart =
        json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "x"}}}}});
    api::<Deployment>(&cluster).patch("web", &PatchParams::default(), &Patch::Merge(restart)).await.unwrap();
    let done = wait(&cluster, "web", is_available).await.unwrap();
    wait::<Pod>(&cluster, &first.name_any(), |pod: Option<&Pod>| pod.is_none()).await;
    assert_eq!(done.annotations()["deployment.kubernetes.io/revision"], "2");
    let sets = api::<ReplicaSet>(&cluster).list(&ListParams::default()).await.unwrap().items;
    let mut sizes: Vec<_> = sets.iter().map(|set| set.spec.as_ref().unwrap().replicas).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [Some(0), Some(1)]);
    cluster.shutdown().await;
}

#[tokio::test]
async fn an_unknown_image_and_a_missing_secret_are_told_and_repaired() {
    let cluster = cluster().await;
    let pod = |name: &str, image: &str, env: Value| {
        json!({"metadata": {"name": name}, "spec": {"containers": [
            {"name": "main", "image": image, "args": ["-c", "exec sleep 600"], "env": env}]}})
    };
    let reason = |expected: &'static str| {
        move |pod: Option<&Pod>| {
            let status = pod.and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref()?.first());
            let waiting = status.and_then(|status| status.state.as_ref()?.waiting.as_ref());
            waiting.is_some_and(|waiting| waiting.reason.as_deref() == Some(expected))
        }
    };
    let is_running = |pod: Option<&Pod>| {
        pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref()).is_some_and(|phase| phase == "Running")
    };
    create::<Pod>(&cluster, pod("image", "example.com/unknown", json!([]))).await;
    wait::<Pod>(&cluster, "image", reason("ImagePullBackOff")).await;

    let env = json!([{"name": "T", "valueFrom": {"secretKeyRef": {"name": "late", "key": "token"}}}]);
    create::<Pod>(&cluster, pod("secret", SHELL, env)).await;
    wait::<Pod>(&cluster, "secret", reason("CreateContainerConfigError")).await;
    create::<Secret>(&cluster, json!({"metadata": {"name": "late"}, "stringData": {"token": "x"}})).await;
    wait::<Pod>(&cluster, "secret", is_running).await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn a_container_that_ends_is_restarted_with_back_off_and_its_previous_log_is_kept() {
    let cluster = cluster().await;
    let container = json!({"name": "main", "image": SHELL, "args": ["-c", "echo run $$; exit 3"]});
    create::<Pod>(&cluster, json!({"metadata": {"name": "crash"}, "spec": {"containers": [container]}})).await;
    let pod = wait::<Pod>(&cluster, "crash", |pod: Option<&Pod>| {
        let status = pod.and_then(|pod| pod.status.as_ref()?.container_statuses.as_ref()?.first());
        status.is_some_and(|status| {
            let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref());
            status.restart_count >= 2 && waiting.is_some_and(|w| w.reason.as_deref() == Some("CrashLoopBackOff"))
        })
    })
    .await
    .unwrap();
    let status = pod.status.unwrap().container_statuses.unwrap().remove(0);
    assert_eq!(status.last_state.unwrap().terminated.unwrap().exit_code, 3);
    let previous = LogParams { previous: true, ..LogParams::default() };
    assert!(api::<Pod>(&cluster).logs("crash", &previous).await.unwrap().starts_with("run "));
    bounded(async {
        loop {
            let events = api::<Event>(&cluster).list(&ListParams::default()).await.unwrap().items;
            let reasons: Vec<_> = events.iter().filter_map(|event| event.reason.clone()).collect();
            if ["Scheduled", "Pulled", "Created", "Started", "BackOff"].iter().all(|r| reasons.iter().any(|x| x == r)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    cluster.shutdown().await;
}

#[tokio::test]
async fn init_containers_run_first_and_a_pod_that_succeeds_stays() {
    let cluster = cluster().await;
    let mount = json!([{"name": "data", "mountPath": "/data"}]);
    let init =
        json!({"name": "init", "image": SHELL, "args": ["-c", "echo prepared > /data/x"], "volumeMounts": mount});
    let main = json!({"name": "main", "image": SHELL, "args": ["-c", "cat /data/x"], "volumeMounts": mount});
    let spec = json!({"restartPolicy": "Never", "volumes": [{"name": "data", "emptyDir": {}}],
        "initContainers": [init], "containers": [main]});
    create::<Pod>(&cluster, json!({"metadata": {"name": "job"}, "spec": spec})).await;
    wait::<Pod>(&cluster, "job", |pod: Option<&Pod>| {
        pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref()) == Some("Succeeded")
    })
    .await;
    let main = LogParams { container: Some("main".to_owned()), ..LogParams::default() };
    assert_eq!(api::<Pod>(&cluster).logs("job", &main).await.unwrap(), "prepared\n");
    api::<Pod>(&cluster).delete("job", &DeleteParams::default()).await.unwrap();
    wait::<Pod>(&cluster, "job", |pod: Option<&Pod>| pod.is_none()).await;
    cluster.shutdown().await;
}
