//! A case of the suite, and how it becomes a trial on a server.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use libtest_mimic::{Completion, Failed, Trial};

use crate::server::{Server, StartError};
use crate::world::World;

/// What a case needs beyond an API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Controllers that collect garbage and empty namespaces.
    ControllerManager,
    /// That all history is forgotten on demand.
    Compaction,
    /// That time passes when nothing happens.
    PausedTime,
}

impl Need {
    /// Why a real server ignores the case, as far as that is known before it is asked.
    pub(crate) fn never_real(self) -> Option<&'static str> {
        match self {
            Self::ControllerManager => None,
            Self::Compaction => Some("a client cannot compact the history of a real server"),
            Self::PausedTime => Some("the time of a real server cannot be paused"),
        }
    }
}

type Run = fn(Arc<World>) -> LocalBoxFuture<'static, ()>;

/// One rule of the API, and how it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    name: &'static str,
    needs: Vec<Need>,
    run: Run,
}

impl Case {
    pub(crate) fn new(name: &'static str, run: Run) -> Self {
        Self { name, needs: Vec::new(), run }
    }

    pub(crate) fn needs(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }
}

/// The cases of a module: functions that take an `Arc<World>`, each named as its rule.
macro_rules! cases {
    ($group:literal: $($name:ident $(needs $need:ident)?),* $(,)?) => {
        pub(crate) fn cases() -> Vec<$crate::case::Case> {
            vec![$(
                $crate::case::Case::new(concat!($group, "/", stringify!($name)), |world| Box::pin($name(world)))
                    $(.needs($crate::case::Need::$need))?
            ),*]
        }
    };
}
pub(crate) use cases;

/// The trial of a case on a server.
pub(crate) fn trial(case: &Case, server: &Arc<Server>) -> Trial {
    let (case, server) = (case.clone(), server.clone());
    let name = format!("{}/{}", server.name(), case.name);
    Trial::ignorable_test(name, move || run(&case, &server))
}

fn run(case: &Case, server: &Server) -> Result<Completion, Failed> {
    if let Some(reason) = server.ignores(&case.needs) {
        return Ok(Completion::ignored_with(reason));
    }
    let runtime = server.runtime().map_err(|error| format!("failed to start a runtime: {error}"))?;
    runtime.block_on(async {
        let world = match server.world(&case.needs).await {
            Ok(world) => Arc::new(world),
            Err(StartError::Lacks(reason)) => return Ok(Completion::ignored_with(reason)),
            Err(error) => return Err(Failed::from(error.to_string())),
        };
        let running = tokio::time::timeout(server.limit(), (case.run)(world.clone()));
        let outcome = AssertUnwindSafe(running).catch_unwind().await;
        let left = world.finish().await;
        match outcome {
            Ok(Ok(())) => {
                left.map(|()| Completion::Completed).map_err(|error| format!("failed to clean up: {error}").into())
            }
            Ok(Err(_)) => Err(Failed::from(format!("it was not done within {:?}", server.limit()))),
            Err(panic) => Err(Failed::from(message(panic.as_ref()))),
        }
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the case panicked").to_owned()
}
