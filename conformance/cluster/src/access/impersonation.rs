//! Acting as somebody else: the headers `Impersonate-User`, `-Group`, `-Uid` and `-Extra-…`.

use std::fmt;

use http::HeaderMap;

use super::rbac::{self, Attributes};
use super::reviews::AUTHENTICATION;
use super::{ANONYMOUS, User};
use crate::api::request::percent_decode;
use crate::api::state::State;
use crate::api::status::{ApiError, ApiResult};

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";

/// One thing that the requestor wants to be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    ServiceAccount { namespace: String, name: String },
    User(String),
    Group(String),
    Extra { key: String, value: String },
    Uid(String),
}

/// Who a request is judged as: whoever the headers name, if the requestor may be each part of that, or the requestor.
pub(crate) fn impersonate(state: &State, requestor: User, headers: &HeaderMap) -> ApiResult<User> {
    let wishes = wishes(headers);
    let Some(first) = wishes.first() else { return Ok(requestor) };
    if !matches!(first, Wish::ServiceAccount { .. } | Wish::User(_)) {
        let list: Vec<String> = wishes.iter().map(Wish::to_string).collect();
        return Err(ApiError::bad_request(format!("requested [{}] without impersonating a user", list.join(" "))));
    }
    for wish in &wishes {
        let wanted = wish.attributes();
        if rbac::allowed_by(state, &requestor, &wanted).is_none() {
            return Err(rbac::forbidden(&requestor, &wanted));
        }
    }
    Ok(fulfil(wishes))
}

fn wishes(headers: &HeaderMap) -> Vec<Wish> {
    let texts = |name: &str| -> Vec<String> {
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    let one = |name: &str| texts(name).into_iter().next().filter(|value| !value.is_empty());
    let mut wishes: Vec<Wish> = one(USER).map(Wish::user).into_iter().collect();
    wishes.extend(texts(GROUP).into_iter().map(Wish::Group));
    let keys = headers.keys().filter_map(|name| name.as_str().strip_prefix(EXTRA).map(|key| (name, key)));
    for (name, key) in keys {
        let key = percent_decode(key);
        wishes.extend(texts(name.as_str()).into_iter().map(|value| Wish::Extra { key: key.clone(), value }));
    }
    wishes.extend(one(UID).map(Wish::Uid));
    wishes
}

/// The user that the wishes add up to.
fn fulfil(wishes: Vec<Wish>) -> User {
    let mut user = User::default();
    let has_groups = wishes.iter().any(|wish| matches!(wish, Wish::Group(_)));
    for wish in wishes {
        match wish {
            Wish::ServiceAccount { namespace, name } => {
                user.name = format!("system:serviceaccount:{namespace}:{name}");
                if !has_groups {
                    user.groups =
                        vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
                }
            }
            Wish::User(name) => user.name = name,
            Wish::Group(group) => user.groups.push(group),
            Wish::Extra { key, value } => user.extra.entry(key).or_default().push(value),
            Wish::Uid(uid) => user.uid = uid,
        }
    }
    let (authenticated, unauthenticated) = ("system:authenticated", "system:unauthenticated");
    let has = |group: &str| user.groups.iter().any(|own| own == group);
    if user.name == ANONYMOUS {
        if !has(unauthenticated) {
            user.groups.push(unauthenticated.to_owned());
        }
    } else if !has(authenticated) && !has(unauthenticated) {
        user.groups.push(authenticated.to_owned());
    }
    user
}

impl Wish {
    fn user(name: String) -> Self {
        let account = name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
        match account {
            Some((namespace, account)) if !namespace.is_empty() && !account.is_empty() && !account.contains(':') => {
                Self::ServiceAccount { namespace: namespace.to_owned(), name: account.to_owned() }
            }
            _ => Self::User(name),
        }
    }

    /// What the requestor must be allowed.
    fn attributes(&self) -> Attributes {
        let (group, resource, name) = match self {
            Self::ServiceAccount { name, .. } => ("", "serviceaccounts".to_owned(), name),
            Self::User(name) => ("", "users".to_owned(), name),
            Self::Group(name) => ("", "groups".to_owned(), name),
            Self::Extra { key, value } => (AUTHENTICATION, format!("userextras/{key}"), value),
            Self::Uid(uid) => (AUTHENTICATION, "uids".to_owned(), uid),
        };
        let namespace = match self {
            Self::ServiceAccount { namespace, .. } => Some(namespace.clone()),
            _ => None,
        };
        Attributes {
            verb: "impersonate".to_owned(),
            group: group.to_owned(),
            resource,
            name: name.clone(),
            namespace,
            path: None,
        }
    }
}

/// As the real server shows it: a reference of kind, namespace, name, uid, version, revision and field.
impl fmt::Display for Wish {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceAccount { namespace, name } => write!(formatter, "{{ServiceAccount {namespace} {name}    }}"),
            Self::User(name) => write!(formatter, "{{User  {name}    }}"),
            Self::Group(name) => write!(formatter, "{{Group  {name}    }}"),
            Self::Extra { key, value } => write!(formatter, "{{UserExtra  {value}  {AUTHENTICATION}/v1  {key}}}"),
            Self::Uid(uid) => write!(formatter, "{{UID  {uid}  {AUTHENTICATION}/v1  }}"),
        }
    }
}
