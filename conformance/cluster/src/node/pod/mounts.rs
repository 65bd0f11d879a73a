//! The volumes of a running pod: mounted before its containers start, kept up to date until it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{
    BoundObjectReference, TokenRequest as TokenRequestObject, TokenRequestSpec,
};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount, Volume};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use tokio::sync::watch;
use tokio::time::Instant;

use super::scope::Scope;
use crate::controllers::events::EventType;
use crate::node::sources::{References, Sources};
use crate::node::volumes::{self, TokenRequest, Tokens};

/// How long a refused mount waits when nothing changes.
const RETRY: Duration = Duration::from_secs(10);

/// A token is renewed when this part of its life has passed: four fifths.
const RENEWED_AFTER: (u32, u32) = (4, 5);

/// Mounts the volumes of one pod.
pub(super) struct Mounts {
    scope: Arc<Scope>,
    tokens: Tokens,
    renewals: BTreeMap<TokenRequest, Instant>,
}

impl Mounts {
    pub(super) fn new(scope: Arc<Scope>) -> Self {
        Self { scope, tokens: Tokens::new(), renewals: BTreeMap::new() }
    }

    /// Mounts, says so, and follows every change until it is dropped.
    pub(super) async fn keep(mut self, mounted: watch::Sender<bool>) {
        let mut sources = self.scope.sources.clone();
        let mut pod = self.scope.pod.clone();
        loop {
            sources.mark_unchanged();
            let described = Arc::clone(&pod.borrow_and_update());
            let retry = match self.refresh().await {
                Ok(()) => {
                    mounted.send_replace(true);
                    None
                }
                Err((volume, error)) => {
                    let message = format!("MountVolume.SetUp failed for volume {volume:?} : {error}");
                    self.scope.pod_event(EventType::Warning, "FailedMount", message);
                    Some(Instant::now() + RETRY)
                }
            };
            let wake = self.renewals.values().copied().chain(retry).min();
            tokio::select! {
                Ok(()) = sources.changed() => {}
                () = described_anew(&mut pod, &described) => {}
                () = sleep_until(wake) => {}
                else => std::future::pending().await,
            }
        }
    }

    /// Brings every volume up to date; the name of the volume that could not be, and why.
    async fn refresh(&mut self) -> Result<(), (String, String)> {
        let pod = self.scope.object();
        let Some(spec) = &pod.spec else { return Ok(()) };
        let namespace = pod.namespace().unwrap_or_default();
        let all = |error: String| (String::from("*"), error);
        let names = References::of_volumes(spec);
        let sources =
            Sources::read(&self.scope.node.client, &namespace, &names).await.map_err(|error| all(error.to_string()))?;
        self.renew_tokens(&pod).await.map_err(|error| all(format!("failed to fetch token: {error}")))?;
        let volumes: Vec<Volume> = spec.volumes.clone().unwrap_or_default();
        let scope = Arc::clone(&self.scope);
        let tokens = self.tokens.clone();
        // Files are small, but their writing must not hold up the other pods.
        let written = tokio::task::spawn_blocking(move || {
            let placement = scope.placement();
            volumes.iter().try_for_each(|volume| {
                volumes::write(&scope.folder, volume, &pod, &placement, &sources, &tokens)
                    .map_err(|error| (volume.name.clone(), error.to_string()))
            })?;
            volumes::create_sub_paths(&scope.folder, &pod)
        });
        written.await.unwrap_or_else(|error| Err(all(error.to_string())))
    }

    async fn renew_tokens(&mut self, pod: &Pod) -> kube::Result<()> {
        let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone());
        let account = account.unwrap_or_else(|| "default".to_owned());
        let api =
            Api::<ServiceAccount>::namespaced(self.scope.node.client.clone(), &pod.namespace().unwrap_or_default());
        for request in volumes::token_requests(pod) {
            if self.renewals.get(&request).is_some_and(|renewal| *renewal > Instant::now()) {
                continue;
            }
            let audience = Some(request.audience.clone()).filter(|audience| !audience.is_empty());
            let spec = TokenRequestSpec {
                audiences: audience.map(|audience| vec![audience]),
                expiration_seconds: Some(request.expiration),
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: Some(pod.name_any()),
                    uid: pod.uid(),
                }),
            };
            let object = TokenRequestObject { spec: Some(spec), ..TokenRequestObject::default() };
            let answer = api.create_token_request(&account, &PostParams::default(), &object).await?;
            let Some(status) = answer.status else {
                continue;
            };
            let expiration = status.expiration_timestamp.map_or_else(jiff::Timestamp::now, |time| time.0);
            let lifetime = Duration::try_from(expiration.duration_since(jiff::Timestamp::now())).unwrap_or_default();
            let (part, whole) = RENEWED_AFTER;
            self.tokens.insert(request.clone(), status.token.unwrap_or_default());
            self.renewals.insert(request, Instant::now() + (lifetime * part / whole).max(RETRY));
        }
        Ok(())
    }
}

/// Waits until the labels or annotations of a pod change: the downward API makes files of them.
async fn described_anew(pod: &mut watch::Receiver<Arc<Pod>>, before: &Pod) {
    let is_other = |now: &Arc<Pod>| now.labels() != before.labels() || now.annotations() != before.annotations();
    if pod.wait_for(is_other).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
