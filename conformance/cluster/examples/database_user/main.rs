//! A controller of another domain, written against kube-rs as for any cluster, on an embedded cluster in the same process.
//!
//! `cargo run -p embedded-cluster --example database_user` follows a user of a database from its creation to its end,
//! through a fault. The same controller is tested under paused time in the crate's integration tests, where its days
//! pass in milliseconds.

mod api;
mod controller;
mod database;

use anyhow::Context as _;
use embedded_cluster::cluster::{Cluster, ClusterOptions};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, PostParams};
use kube::runtime::wait::{await_condition, conditions};
use kube::{CustomResourceExt, ResourceExt};

use crate::api::{DatabaseUser, DatabaseUserSpec, Role};
use crate::database::Database;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cluster = Cluster::start(ClusterOptions::default()).await?;
    let (client, database) = (cluster.client(), Database::default());
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &DatabaseUser::crd()).await?;
    let controller = tokio::spawn(controller::run(client.clone(), database.clone(), Timestamp::now));

    let users: Api<DatabaseUser> = Api::default_namespaced(client.clone());
    // The first list of the Secrets fails; the controller has to try again.
    let fault = cluster.faults().add("status=503,resource=secrets,times=1".parse()?);
    let spec = DatabaseUserSpec { role: Role::Reader, rotation_hours: 24 };
    users.create(&PostParams::default(), &DatabaseUser::new("ada", spec)).await?;
    let is_served = |user: Option<&DatabaseUser>| user.is_some_and(|user| user.status.is_some());
    let user = await_condition(users.clone(), "ada", is_served).await?.context("the user is there")?;
    drop(fault);
    let account = database.user(&controller::database_name(&user)).context("the database knows the user")?;
    println!("{} is a {:?} with a password of {} characters", user.name_any(), account.role, account.password.len());

    users.delete("ada", &DeleteParams::default()).await?;
    let uid = user.uid().unwrap_or_default();
    await_condition(users, "ada", conditions::is_deleted(&uid)).await?;
    await_condition(Api::<Secret>::default_namespaced(client), "ada", |secret: Option<&Secret>| secret.is_none())
        .await?;
    println!("ada has left: {}", database.user(&controller::database_name(&user)).is_none());
    controller.abort();
    cluster.shutdown().await;
    Ok(())
}
