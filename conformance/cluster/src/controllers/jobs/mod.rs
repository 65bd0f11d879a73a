//! Jobs: pods that run until enough of them have succeeded.
//!
//! What to do is decided in [`plan`]; this module reads, acts and writes. What this controller does not do is refused
//! by an event: the Job stays as it is.

mod back_off;
mod conditions;
mod indexes;
mod orphans;
mod plan;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, Pod};
use kube::api::{DeleteParams, Patch, Preconditions};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::conditions::ended_at;
use self::plan::{Plan, plan};
use self::tally::TRACKING;
use super::claims::{claimed, concerned};
use super::events::EventType;
use super::pod_control::{self, BURST, pod_of};
use super::runtime::{Context, ControllerError, drive, has_code, patch, post};

/// The name by which a Job names this controller; others are theirs who name themselves.
const MANAGED_BY: &str = "kubernetes.io/job-controller";

pub(super) async fn run(context: Arc<Context>, back_off: Duration, stop: CancellationToken) {
    let client = context.client.clone();
    let controller = Controller::new(Api::<Job>::all(client.clone()), watcher::Config::default());
    let of_pod = concerned(controller.store(), |job: &Job| job.spec.as_ref().and_then(|spec| spec.selector.clone()));
    let controller = controller.watches(Api::<Pod>::all(client), watcher::Config::default(), of_pod);
    let counting =
        drive(controller, context.clone(), stop.clone(), move |job, context| reconcile(job, context, back_off));
    tokio::join!(counting, orphans::run(context, stop));
}

pub(super) fn is_indexed(job: &Job) -> bool {
    job.spec.as_ref().and_then(|spec| spec.completion_mode.as_deref()) == Some("Indexed")
}

/// The field of a Job that this controller does not know.
fn unsupported(spec: &JobSpec) -> Option<&'static str> {
    [
        ("spec.podFailurePolicy", spec.pod_failure_policy.is_some()),
        ("spec.successPolicy", spec.success_policy.is_some()),
        ("spec.backoffLimitPerIndex", spec.backoff_limit_per_index.is_some()),
        ("spec.maxFailedIndexes", spec.max_failed_indexes.is_some()),
    ]
    .into_iter()
    .find_map(|(field, is_set)| is_set.then_some(field))
}

async fn reconcile(seen: Arc<Job>, context: Arc<Context>, back_off: Duration) -> Result<Action, ControllerError> {
    let namespace = seen.namespace().unwrap_or_default();
    let jobs = Api::<Job>::namespaced(context.client.clone(), &namespace);
    let Some(job) = jobs.get_opt(&seen.name_any()).await? else {
        return Ok(Action::await_change());
    };
    let spec = job.spec.clone().unwrap_or_default();
    if spec.managed_by.as_deref().is_some_and(|manager| manager != MANAGED_BY) {
        return Ok(Action::await_change());
    }
    if let Some(field) = unsupported(&spec) {
        let message = format!("{field} is not supported by the embedded controllers: remove it");
        context.recorder.record(&job, EventType::Warning, "Unsupported", message);
        return Ok(Action::await_change());
    }
    let pods = Api::<Pod>::namespaced(context.client.clone(), &namespace);
    let own = claimed(&pods, &job, &spec.selector.clone().unwrap_or_default(), |_| true).await?;
    let plan = plan(&job, &own, context.now(), back_off);
    let next = plan.next;
    perform(&context, &job, &own, plan).await?;
    let expiry = expiry(&context, &jobs, &job).await?;
    let next = next.into_iter().chain(expiry).min();
    Ok(next.map_or_else(Action::await_change, Action::requeue))
}

async fn perform(context: &Context, job: &Job, own: &[Pod], plan: Plan) -> Result<(), ControllerError> {
    let namespace = job.namespace().unwrap_or_default();
    let pods = Api::<Pod>::namespaced(context.client.clone(), &namespace);
    pod_control::delete(context, &pods, job, &plan.delete).await?;
    let new = plan.create.iter().take(BURST).map(|index| new_pod(job, *index)).collect();
    pod_control::create(context, &pods, job, new).await?;
    if job.status.as_ref() != Some(&plan.status) {
        let changed = Job { status: Some(plan.status), ..job.clone() };
        let jobs = Api::<Job>::namespaced(context.client.clone(), &namespace);
        jobs.replace_status(&job.name_any(), &post(), &changed).await?;
    }
    for (kind, reason, message) in plan.events {
        context.recorder.record(job, kind, reason, message);
    }
    for pod in own.iter().filter(|pod| plan.release.contains(&pod.name_any())) {
        release(&pods, pod).await?;
    }
    Ok(())
}

/// Takes the tracking finalizer off a pod.
async fn release(pods: &Api<Pod>, pod: &Pod) -> Result<(), ControllerError> {
    let finalizers: Vec<&String> = pod.finalizers().iter().filter(|finalizer| *finalizer != TRACKING).collect();
    let finalizers = if finalizers.is_empty() { json!(null) } else { json!(finalizers) };
    let metadata = json!({"uid": pod.uid(), "resourceVersion": pod.resource_version(), "finalizers": finalizers});
    match pods.patch(&pod.name_any(), &patch(), &Patch::Merge(json!({"metadata": metadata}))).await {
        Err(error) if !has_code(&error, 404) => Err(error.into()),
        _ => Ok(()),
    }
}

fn new_pod(job: &Job, index: Option<i32>) -> Pod {
    let template = job.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let mut pod = pod_of(job, template);
    let name = job.name_any();
    pod.metadata.finalizers.get_or_insert_default().push(TRACKING.to_owned());
    pod.metadata.generate_name = Some(format!("{name}-"));
    let Some(index) = index else { return pod };
    pod.metadata.generate_name = Some(format!("{name}-{index}-"));
    pod.metadata.annotations.get_or_insert_default().insert(indexes::INDEX.to_owned(), index.to_string());
    pod.metadata.labels.get_or_insert_default().insert(indexes::INDEX.to_owned(), index.to_string());
    if let Some(spec) = &mut pod.spec {
        spec.hostname.get_or_insert_with(|| format!("{name}-{index}"));
        for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
            let variables = container.env.get_or_insert_default();
            if !variables.iter().any(|variable| variable.name == "JOB_COMPLETION_INDEX") {
                variables.push(index_variable());
            }
        }
    }
    pod
}

fn index_variable() -> EnvVar {
    let field = ObjectFieldSelector {
        field_path: format!("metadata.labels['{}']", indexes::INDEX),
        ..ObjectFieldSelector::default()
    };
    EnvVar {
        name: "JOB_COMPLETION_INDEX".to_owned(),
        value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
        ..EnvVar::default()
    }
}

/// Deletes a Job that ended long enough ago; else the time until then.
async fn expiry(context: &Context, jobs: &Api<Job>, job: &Job) -> Result<Option<Duration>, ControllerError> {
    let ttl = job.spec.as_ref().and_then(|spec| spec.ttl_seconds_after_finished);
    let ended = job.status.as_ref().and_then(ended_at);
    let (Some(ttl), Some(ended), None) = (ttl, ended, &job.metadata.deletion_timestamp) else {
        return Ok(None);
    };
    let age = context.now().duration_since(ended);
    let left = jiff::SignedDuration::from_secs(ttl.into()) - age;
    if let Ok(left) = Duration::try_from(left)
        && !left.is_zero()
    {
        return Ok(Some(left));
    }
    let preconditions = Preconditions { uid: job.uid(), resource_version: job.resource_version() };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::foreground() };
    match jobs.delete(&job.name_any(), &params).await {
        Err(error) if !has_code(&error, 404) => Err(error.into()),
        _ => Ok(None),
    }
}
