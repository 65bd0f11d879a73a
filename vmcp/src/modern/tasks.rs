//! What clients call the tasks of backends: the task and its backend, sealed for the user. So any replica finds the way, two
//! backends may use the same id, and to another user the task does not exist.

use crate::backend::Caller;
use crate::catalog::Task;
use crate::jsonrpc::{ErrorObject, code};
use crate::seal::{Binding, LONGEST, Sealer};
use crate::stateless::tasks::declaration;
use parking_lot::Mutex;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// The name of `task` for `caller`. How long there is a task to find by it is for its backend to say.
pub(super) fn name(sealer: &Sealer, caller: &Caller, task: &Task) -> Result<String, ErrorObject> {
    let failed = |error: &dyn std::fmt::Display| {
        ErrorObject::new(code::INTERNAL_ERROR, format!("the id of a task could not be sealed: {error}"))
    };
    let text = serde_json::to_vec(task).map_err(|error| failed(&error))?;
    sealer.seal(&binding(caller), &text, SystemTime::now() + LONGEST).map_err(|error| failed(&error))
}

/// The task of this name, if `caller` was given it.
pub(super) fn named(sealer: &Sealer, caller: &Caller, name: &str) -> Result<Task, ErrorObject> {
    let unknown = || {
        let message = "params.taskId names a task that is not known here: it belongs to somebody else, or the gateway has another key now";
        ErrorObject::new(code::INVALID_PARAMS, message)
    };
    let text = sealer.open(&binding(caller), name, SystemTime::now()).map_err(|_| unknown())?;
    serde_json::from_slice(&text).map_err(|_| unknown())
}

fn binding(caller: &Caller) -> Binding {
    Binding::to("taskId").and_principal(caller.principal.as_ref())
}

/// The error for a request about tasks that does not declare the extension.
pub(super) fn undeclared() -> ErrorObject {
    let message = "the request is about tasks, and its client has not declared the extension for them";
    ErrorObject::new(code::MISSING_CLIENT_CAPABILITY, message)
        .with_data(json!({ "requiredCapabilities": declaration() }))
}

/// The tasks of which a stream tells, and what its client calls them.
#[derive(Debug, Default)]
pub(super) struct Followed(Mutex<BTreeMap<Task, String>>);

impl Followed {
    /// These tasks, before their backends have agreed. What is not known here is nobody's to follow.
    pub(super) fn of(sealer: &Sealer, caller: &Caller, names: Vec<String>) -> Self {
        let tasks = names.into_iter().filter_map(|name| Some((named(sealer, caller, &name).ok()?, name)));
        Self(Mutex::new(tasks.collect()))
    }

    /// The tasks.
    pub(super) fn tasks(&self) -> Vec<Task> {
        self.0.lock().keys().cloned().collect()
    }

    /// Keeps those of which their backends have agreed to tell, and returns what the client calls them.
    pub(super) fn keep(&self, agreed: &BTreeSet<Task>) -> Vec<String> {
        let mut followed = self.0.lock();
        followed.retain(|task, _| agreed.contains(task));
        followed.values().cloned().collect()
    }

    /// What the client calls the task of `backend` that it calls `id`.
    pub(super) fn name(&self, backend: &str, id: &str) -> Option<String> {
        let followed = self.0.lock();
        let found = followed.iter().find(|(task, _)| task.backend == backend && task.id == id);
        found.map(|(_, name)| name.clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::backend::Backend;

    #[test]
    fn a_task_has_its_name_for_one_user_alone() {
        let (key, b) = (Sealer::random().unwrap(), Backend::at("http://b.example/mcp"));
        let task = Task::of(&b, "its own".to_owned());
        let alice = Caller::named("alice");
        let sealed = name(&key, &alice, &task).unwrap();
        assert_eq!(named(&key, &alice, &sealed).unwrap(), task);
        for (key, caller, brought) in [
            (&key, Caller::named("bob"), sealed.as_str()),
            (&key, Caller::anonymous(), &sealed),
            (&key, alice.clone(), "its own"),
            (&key, alice.clone(), ""),
            (&Sealer::random().unwrap(), alice.clone(), &sealed),
        ] {
            assert_eq!(named(key, &caller, brought).unwrap_err().code, code::INVALID_PARAMS, "{brought}");
        }
    }

    #[test]
    fn a_stream_tells_of_tasks_to_whose_telling_backends_agreed() {
        let (key, alice) = (Sealer::random().unwrap(), Caller::named("alice"));
        let backend = Backend::at("http://b.example/mcp");
        let tasks = ["1", "2"].map(|id| Task::of(&backend, id.to_owned()));
        let names = tasks.each_ref().map(|task| name(&key, &alice, task).unwrap());
        let foreign = name(&key, &Caller::named("bob"), &tasks[0]).unwrap();
        let followed = Followed::of(&key, &alice, vec![names[0].clone(), names[1].clone(), foreign, "x".to_owned()]);
        assert_eq!(followed.tasks(), tasks);
        assert_eq!(followed.keep(&BTreeSet::from([tasks[1].clone()])), [names[1].clone()]);
        assert_eq!(followed.name("b", "2"), Some(names[1].clone()));
        assert_eq!((followed.name("b", "1"), followed.name("c", "2")), (None, None));
    }
}
