//! The controller of [`DatabaseUser`]s: creates the user in the database, keeps its password in an owned Secret, replaces
//! the password when its time has come, and removes the user before the object goes.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::finalizer::{self, finalizer};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use serde_json::json;

use super::api::DatabaseUser;
use super::database::{Account, Database};

/// The field manager, and who reports events.
const CONTROLLER: &str = "database-user-controller";

/// Holds an object until its user has left the database.
const FINALIZER: &str = "db.example.com/user";

/// The key of the password in the Secret.
pub(crate) const PASSWORD: &str = "password";

/// How soon a failed reconciliation is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What a reconciliation needs.
pub(crate) struct Context {
    client: Client,
    recorder: Recorder,
    database: Database,
    /// The present moment; tests under paused time have their own.
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Why a reconciliation failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The API server refused a request.
    #[error("a request failed")]
    Api(#[from] kube::Error),
    /// The work between finalizer and deletion failed.
    #[error("failed to follow the object's life")]
    Finalizer(#[source] Box<finalizer::Error<Error>>),
}

/// Runs the controller in every namespace until it is dropped.
pub(crate) async fn run(client: Client, database: Database, now: impl Fn() -> Timestamp + Send + Sync + 'static) {
    let reporter = Reporter { controller: CONTROLLER.to_owned(), instance: None };
    let recorder = Recorder::new(client.clone(), reporter);
    let context = Arc::new(Context { client: client.clone(), recorder, database, now: Box::new(now) });
    Controller::new(Api::<DatabaseUser>::all(client.clone()), watcher::Config::default())
        .owns(Api::<Secret>::all(client), watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(RETRY), context)
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn reconcile(user: Arc<DatabaseUser>, context: Arc<Context>) -> Result<Action, Error> {
    let users = Api::namespaced(context.client.clone(), &user.namespace().unwrap_or_default());
    let outcome = finalizer(&users, FINALIZER, user, |event| async {
        match event {
            finalizer::Event::Apply(user) => context.apply(&users, &user).await,
            finalizer::Event::Cleanup(user) => context.clean_up(&user).await,
        }
    });
    outcome.await.map_err(|error| Error::Finalizer(Box::new(error)))
}

impl Context {
    /// Brings database, Secret and status in line with the object; looks again when the password's time is over.
    async fn apply(&self, users: &Api<DatabaseUser>, user: &DatabaseUser) -> Result<Action, Error> {
        let name = user.name_any();
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &user.namespace().unwrap_or_default());
        let now = (self.now)();
        let kept = match user.password_remains(now) {
            Some(_) => secrets.get_opt(&name).await?.as_ref().and_then(password),
            None => None,
        };
        let is_new = kept.is_none();
        let password = kept.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
        let manager = PatchParams::apply(CONTROLLER).force();
        // The Secret first: whoever finds the status finds the password that goes with it.
        secrets.patch(&name, &manager, &Patch::Apply(secret(user, &password))).await?;
        self.database.set_user(&database_name(user), Account { password, role: user.spec.role });
        let rotated_at = match &user.status {
            Some(status) if !is_new => status.rotated_at.clone(),
            _ => Some(now.to_string()),
        };
        let status = json!({
            "apiVersion": DatabaseUser::api_version(&()),
            "kind": DatabaseUser::kind(&()),
            "status": {"observedGeneration": user.metadata.generation, "rotatedAt": rotated_at},
        });
        let user = users.patch_status(&name, &manager, &Patch::Apply(status)).await?;
        if is_new {
            self.report(&user, "PasswordReplaced", "Replace", format!("A new password is in the Secret {name}"))
                .await?;
        }
        let next = user.password_remains(now).and_then(|remains| Duration::try_from(remains).ok());
        Ok(Action::requeue(next.unwrap_or(RETRY)))
    }

    /// Removes the user from the database. The Secret goes with its owner.
    async fn clean_up(&self, user: &DatabaseUser) -> Result<Action, Error> {
        self.database.drop_user(&database_name(user));
        self.report(user, "UserRemoved", "Remove", "The user has left the database".to_owned()).await?;
        Ok(Action::await_change())
    }

    async fn report(&self, user: &DatabaseUser, reason: &str, action: &str, note: String) -> Result<(), Error> {
        let event = Event {
            type_: EventType::Normal,
            reason: reason.to_owned(),
            note: Some(note),
            action: action.to_owned(),
            secondary: None,
        };
        Ok(self.recorder.publish(&event, &user.object_ref(&())).await?)
    }
}

/// The user's name in the database, of which all namespaces share one.
pub(crate) fn database_name(user: &DatabaseUser) -> String {
    format!("{}_{}", user.namespace().unwrap_or_default(), user.name_any())
}

fn secret(user: &DatabaseUser, password: &str) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(user.name_any()),
            owner_references: user.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        data: Some([(PASSWORD.to_owned(), ByteString(password.as_bytes().to_vec()))].into()),
        ..Secret::default()
    }
}

fn password(secret: &Secret) -> Option<String> {
    let value = secret.data.as_ref()?.get(PASSWORD)?;
    String::from_utf8(value.0.clone()).ok()
}
