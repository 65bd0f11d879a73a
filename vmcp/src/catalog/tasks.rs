//! Tasks of backends without sessions: a request about a task goes to the backend that made it, and to nobody else.

use super::ask::Request;
use super::{Catalog, ClientView, Conversation, error};
use crate::backend::{Backend, Caller};
use crate::egress::Reply;
use crate::jsonrpc::{ErrorObject, Object, raw};
use crate::stateless::tasks::TASK_ID;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A task, and who made it. Another server under the backend's name has nothing to do with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Task {
    /// The backend.
    pub backend: String,
    /// Where the backend was.
    url: String,
    /// What the backend calls the task.
    pub id: String,
}

impl Task {
    /// The task of `backend` that it calls `id`.
    pub fn of(backend: &Backend, id: String) -> Self {
        Self { backend: backend.name.clone(), url: backend.url.to_string(), id }
    }
}

impl Catalog {
    /// Asks the backend of `task` about it. `params` are those of the client's request.
    pub async fn ask_about_task(
        &self,
        view: &ClientView,
        caller: &Caller,
        method: &str,
        task: &Task,
        params: Object<'_>,
        conversation: &dyn Conversation,
    ) -> Result<Reply, ErrorObject> {
        let backend = self.maker(task).ok_or_else(|| error::gone(&task.backend))?;
        let request = Request::new(method, params.with(TASK_ID, raw(&task.id)));
        self.ask(view, caller, &backend, request, conversation).await
    }

    /// Has backends tell from now on how these tasks of theirs fare. Returns those of which they have agreed to.
    pub async fn follow_tasks(
        &self,
        view: &ClientView,
        caller: &Caller,
        tasks: impl IntoIterator<Item = Task>,
    ) -> BTreeSet<Task> {
        let mut of_backends: BTreeMap<String, (Arc<Backend>, BTreeSet<String>)> = BTreeMap::new();
        for task in tasks {
            if let Some(backend) = self.maker(&task) {
                let of_backend = of_backends.entry(task.backend).or_insert_with(|| (backend, BTreeSet::new()));
                of_backend.1.insert(task.id);
            }
        }
        let followed = of_backends.into_values().map(|(backend, ids)| async move {
            let session = view.session(&self.egress, &backend, caller);
            let agreed = session.follow_tasks(caller, ids, self.timeout(&backend)).await.unwrap_or_else(|error| {
                tracing::debug!(backend = backend.name, %error, "a backend does not tell how tasks fare");
                BTreeSet::new()
            });
            agreed.into_iter().map(|id| Task::of(&backend, id)).collect::<Vec<_>>()
        });
        futures::future::join_all(followed).await.into_iter().flatten().collect()
    }

    /// Whether a backend has tasks, or may have some because nothing is known of it yet.
    pub fn may_have_tasks(&self) -> bool {
        self.backends().values().any(|backend| self.offered.of(backend).is_none_or(|offers| offers.tasks))
    }

    /// The backend that made a task, if it is still there.
    fn maker(&self, task: &Task) -> Option<Arc<Backend>> {
        self.backends().get(&task.backend).filter(|backend| backend.url.as_str() == task.url).cloned()
    }
}
