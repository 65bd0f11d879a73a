//! The database that the controller looks after: here it is a map in memory.

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;

use super::api::Role;

/// A database with users; clones are the same database.
#[derive(Clone, Default)]
pub(crate) struct Database {
    users: Arc<Mutex<BTreeMap<String, Account>>>,
}

/// A user as the database knows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) password: String,
    pub(crate) role: Role,
}

impl Database {
    /// Creates a user, or changes the one that is there.
    pub(crate) fn set_user(&self, name: &str, account: Account) {
        self.lock().insert(name.to_owned(), account);
    }

    /// Removes a user, if it is there.
    pub(crate) fn drop_user(&self, name: &str) {
        self.lock().remove(name);
    }

    /// A user.
    pub(crate) fn user(&self, name: &str) -> Option<Account> {
        self.lock().get(name).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Account>> {
        self.users.lock()
    }
}
