//! What a change of the configuration brings, and when: who may call, and the credentials of backends.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Arc;

use serde_json::{Value, json};

use super::strategies::strategies;
use super::{configured, contents, fixed_backend, names};
use crate::backend::Backend;
use crate::discovery::configured::Configured;
use crate::discovery::decide::{Decide, Decider, Objects};
use crate::discovery::fixed;
use crate::discovery::in_force::InForce;
use crate::discovery::member::MemberKind;
use crate::discovery::resolve::Lookup;
use crate::egress::guard::Guard;
use crate::egress::{DnsResolver, HttpClient, HttpOptions, Way};
use crate::outgoing::OutgoingAuth;
use crate::policy::Policy;

/// The backends `a`, with the value of this Secret in a header, and `b`.
fn with_secret(name: &str) -> Configured {
    let backend = |name: &str| {
        fixed_backend(json!({"name": name, "url": format!("http://{name}/mcp"), "transport": "streamable-http"}))
    };
    let header = json!({"headerName": "X-Key", "headerValueSecret": {"name": name, "key": "key"}});
    let strategies = strategies(
        json!({"source": "inline", "backends": {"a": {"type": "header_injection", "headerInjection": header}}}),
    );
    configured(strategies, fixed::backends(&[backend("a"), backend("b")], |_| None))
}

/// The same for users of an issuer.
fn for_users(configured: Configured) -> Configured {
    let way = Way::new(Arc::new(DnsResolver::with_server("127.0.0.1:53".parse().unwrap()).unwrap()));
    let client = HttpClient::new(HttpOptions::new(Guard::default(), way));
    let incoming: Value =
        json!({"type": "oidc", "oidc": {"issuer": "https://issuer.example.com", "clientId": "c", "audience": "a"}});
    let policy = Policy::configured(Some(&serde_json::from_value(incoming).unwrap()), client).unwrap();
    Configured { policy: Arc::new(policy), ..configured }
}

fn key(backend: &Backend) -> &str {
    let OutgoingAuth::HeaderInjection { value, .. } = &backend.auth else { panic!("{:?}", backend.auth) };
    value.to_str().unwrap()
}

fn objects() -> Objects {
    let mut objects = Objects {
        members: MemberKind::ALL.map(|kind| (kind, std::collections::BTreeMap::new())).into(),
        auth_configs: Some(std::collections::BTreeMap::new()),
        ..Objects::default()
    };
    objects.referenced.secrets.insert("old".to_owned(), contents(&[("key", "old")]));
    objects
}

fn not_permitted() -> Lookup<super::Contents> {
    Lookup::Waiting("the gateway's Role does not permit reading it yet".to_owned())
}

#[tokio::test]
async fn a_backend_whose_credentials_are_on_their_way_serves_nobody_who_could_not_call_before() {
    let mut objects = objects();
    let mut decider = Decider::new(with_secret("old"));
    assert_eq!(key(&decider.decide(&objects).backends["a"]), "old");
    objects.referenced.secrets.insert("new".to_owned(), not_permitted());
    decider.configure(with_secret("new"));
    assert_eq!(key(&decider.decide(&objects).backends["a"]), "old", "the previous one stays");

    decider.configure(for_users(with_secret("new")));
    let snapshot = decider.decide(&objects);
    assert!(matches!(*snapshot.policy, Policy::Oidc(_)), "one backend keeps nothing else of the file back");
    assert_eq!(names(&snapshot), ["b"]);
    assert!(snapshot.left_out["a"].contains("does not permit"), "{:?}", snapshot.left_out);
    assert_eq!(names(&decider.decide(&objects)), ["b"], "nor later");

    objects.referenced.secrets.insert("new".to_owned(), contents(&[("key", "new")]));
    assert_eq!(key(&decider.decide(&objects).backends["a"]), "new");
}

#[tokio::test]
async fn a_configuration_counts_as_a_whole_when_what_it_refers_to_was_read() {
    let mut objects = objects();
    let mut in_force = InForce::new(Decider::new(with_secret("old")));
    in_force.accept(&objects);
    let before = in_force.decide(&objects);
    in_force.configure(for_users(with_secret("new")));
    let needed = in_force.accept(&objects);
    assert_eq!(needed.secrets.iter().collect::<Vec<_>>(), ["new", "old"]);
    assert_eq!(in_force.decide(&objects), before);

    objects.referenced.secrets.insert("old".to_owned(), contents(&[("key", "rotated")]));
    in_force.accept(&objects);
    assert_eq!(key(&in_force.decide(&objects).backends["a"]), "rotated", "the one in force is followed like before");

    objects.referenced.secrets.insert("new".to_owned(), contents(&[("key", "new")]));
    let needed = in_force.accept(&objects);
    assert_eq!(needed.secrets.iter().collect::<Vec<_>>(), ["new"]);
    let after = in_force.decide(&objects);
    assert!(matches!(*after.policy, Policy::Oidc(_)));
    assert_eq!(key(&after.backends["a"]), "new");
}

#[tokio::test]
async fn what_cannot_be_read_for_now_keeps_no_configuration_of_many_backends_back() {
    let mut objects = objects();
    let mut in_force = InForce::new(Decider::new(with_secret("old")));
    in_force.accept(&objects);
    in_force.decide(&objects);
    in_force.configure(for_users(with_secret("new")));
    in_force.accept(&objects);
    objects.referenced.secrets.insert("new".to_owned(), not_permitted());
    in_force.accept(&objects);
    let snapshot = in_force.decide(&objects);
    assert!(matches!(*snapshot.policy, Policy::Oidc(_)));
    assert_eq!(names(&snapshot), ["b"]);
}
