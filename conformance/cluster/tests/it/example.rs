//! The example's controller under paused time: days of its life in milliseconds, with faults.

#[path = "../../examples/database_user/api.rs"]
mod api;
#[path = "../../examples/database_user/controller.rs"]
mod controller;
#[path = "../../examples/database_user/database.rs"]
mod database;

use std::sync::Arc;
use std::time::Duration;

use embedded_cluster::api::{Clock, TokioClock};
use embedded_cluster::controllers::{ControllerOptions, Controllers};
use embedded_cluster::{ApiOptions, ApiServer};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, CustomResourceExt, ResourceExt};
use serde_json::json;
use tokio::time::{Instant, sleep};

use self::api::{DatabaseUser, DatabaseUserSpec, Role};
use self::controller::{PASSWORD, database_name};
use self::database::Database;

/// A server, the example's controller, and one user who has been served.
struct World {
    server: ApiServer,
    client: Client,
    database: Database,
    users: Api<DatabaseUser>,
    secrets: Api<Secret>,
    example: tokio::task::JoinHandle<()>,
}

const NAME: &str = "ada";

impl Drop for World {
    fn drop(&mut self) {
        self.example.abort();
    }
}

impl World {
    async fn start() -> Self {
        let clock = Arc::new(TokioClock::default());
        let server = ApiServer::new(ApiOptions { clock: clock.clone(), ..ApiOptions::default() });
        let client = server.client("default");
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        definitions.create(&PostParams::default(), &DatabaseUser::crd()).await.unwrap();
        let database = Database::default();
        let example = tokio::spawn(controller::run(client.clone(), database.clone(), move || clock.now()));
        let users = Api::default_namespaced(client.clone());
        let secrets = Api::default_namespaced(client.clone());
        let world = Self { server, client, database, users, secrets, example };
        let spec = DatabaseUserSpec { role: Role::Reader, rotation_hours: 24 };
        world.users.create(&PostParams::default(), &DatabaseUser::new(NAME, spec)).await.unwrap();
        world.observed(1).await;
        world
    }

    /// The user, once the controller has seen this generation of it.
    async fn observed(&self, generation: i64) -> DatabaseUser {
        let is_observed = |user: Option<&DatabaseUser>| {
            let status = user.and_then(|user| user.status.as_ref());
            status.is_some_and(|status| status.observed_generation == Some(generation))
        };
        await_condition(self.users.clone(), NAME, is_observed).await.unwrap().unwrap()
    }

    /// The password in the Secret, which is the one in the database.
    async fn password(&self) -> String {
        let secret = self.secrets.get(NAME).await.unwrap();
        let password = String::from_utf8(secret.data.unwrap()[PASSWORD].0.clone()).unwrap();
        let account = self.database.user("default_ada").unwrap();
        assert!(account.password == password, "Secret and database agree");
        password
    }

    async fn set_role(&self, role: Role) {
        let patch = Patch::Merge(json!({"spec": {"role": role}}));
        self.users.patch(NAME, &PatchParams::default(), &patch).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_is_replaced_every_day() {
    let world = World::start().await;
    let begin = Instant::now();
    let mut passwords = vec![world.password().await];
    for _ in 0..3 {
        sleep(Duration::from_hours(23)).await;
        assert_eq!(&world.password().await, passwords.last().unwrap(), "not before its time");
        sleep(Duration::from_hours(1) + Duration::from_secs(10)).await;
        let password = world.password().await;
        assert!(!passwords.contains(&password), "after its time");
        passwords.push(password);
    }
    assert!(begin.elapsed() > Duration::from_hours(72));
    let events: Api<Event> = Api::default_namespaced(world.client.clone());
    let replaced = events.list(&ListParams::default()).await.unwrap().items.into_iter().filter(|event| {
        event.reason.as_deref() == Some("PasswordReplaced")
            && event.regarding.as_ref().is_some_and(|object| object.name.as_deref() == Some(NAME))
    });
    assert!(replaced.count() >= 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_secret_is_made_again_and_belongs_to_the_user() {
    let world = World::start().await;
    let password = world.password().await;
    let uid = world.secrets.get(NAME).await.unwrap().uid().unwrap();
    world.secrets.delete(NAME, &DeleteParams::default()).await.unwrap();
    let is_new = |secret: Option<&Secret>| secret.is_some_and(|secret| secret.uid().as_deref() != Some(uid.as_str()));
    let secret = await_condition(world.secrets.clone(), NAME, is_new).await.unwrap().unwrap();
    assert_eq!(secret.owner_references()[0].uid, world.observed(1).await.uid().unwrap());
    sleep(Duration::from_secs(1)).await;
    assert_ne!(world.password().await, password);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_seen_though_the_watch_was_lost_and_the_history_forgotten() {
    let world = World::start().await;
    let faults = world.server.faults();
    let fault = faults.add("status=503,verb=watch,resource=databaseusers".parse().unwrap());
    assert!(faults.drop_watches_of("databaseusers").unwrap() >= 1);
    world.set_role(Role::Writer).await;
    faults.compact();
    sleep(Duration::from_mins(1)).await;
    let role = |world: &World| world.database.user("default_ada").unwrap().role;
    assert_eq!(role(&world), Role::Reader, "nothing was seen yet");
    drop(fault);
    world.observed(2).await;
    assert_eq!(role(&world), Role::Writer);
}

#[tokio::test(start_paused = true)]
async fn a_user_leaves_the_database_before_the_object_goes_and_the_secret_after_it() {
    let world = World::start().await;
    // The cluster's garbage collector deletes the Secret.
    let controllers = Controllers::start(&world.client, ControllerOptions::default());
    let user = world.users.get(NAME).await.unwrap();
    // The finalizer cannot be taken away for now.
    let fault = world.server.faults().add("status=500,verb=patch,resource=databaseusers".parse().unwrap());
    world.users.delete(NAME, &DeleteParams::default()).await.unwrap();
    sleep(Duration::from_mins(1)).await;
    assert!(world.database.user(&database_name(&user)).is_none());
    assert!(world.users.get(NAME).await.unwrap().metadata.deletion_timestamp.is_some());
    drop(fault);
    await_condition(world.users.clone(), NAME, conditions::is_deleted(&user.uid().unwrap())).await.unwrap();
    let is_gone = |secret: Option<&Secret>| secret.is_none();
    await_condition(world.secrets.clone(), NAME, is_gone).await.unwrap();
    controllers.stop().await;
}
