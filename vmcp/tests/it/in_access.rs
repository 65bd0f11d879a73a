//! Who may call changes while a gateway serves: what was verified before counts for nothing, and no call is lost.

use crate::in_backend::Backend;
use crate::in_changes::call_until;
use crate::in_oidc::{AUDIENCE, Issuer, verdict, with_token};
use crate::in_support::{Client, Events, File, PATIENCE, Running, config, following, status};
use crate::out_support::Authority;
use http::StatusCode;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const OTHER_AUDIENCE: &str = "other";

/// The name of the group in the configuration of all tests; each change has another.
const GROUP: &str = "engineering-tools";

/// A gateway of one backend, whose configuration says who may call.
struct Changing {
    gateway: Running,
    file: File,
    backend: Backend,
}

impl Changing {
    async fn start(incoming: &Value) -> Self {
        let backend = Backend::start(&["echo", "hang"]).await;
        let file = File::new(&text(&backend, incoming));
        let gateway = following(&file, None, &["--egress-allow", "oidc=127.0.0.0/8"]).await;
        Self { gateway, file, backend }
    }

    /// Lets those call whom `incoming` names, and returns when it is so. No two changes of a test have the same `name`.
    async fn to(&self, incoming: &Value, name: &str) {
        self.file.write(&text(&self.backend, incoming).replace(GROUP, name));
        status(&self.gateway, name, |status| status["group_ref"] == name).await;
    }

    async fn connected(&self, token: &str) -> Client {
        let mut client = with_token(&self.gateway.client(), token);
        client.initialize().await;
        client
    }
}

fn text(backend: &Backend, incoming: &Value) -> String {
    config(&[("a", backend)], "").replace("{type: anonymous}", &incoming.to_string())
}

fn anonymous() -> Value {
    json!({"type": "anonymous"})
}

fn oidc(issuer: &Issuer, audience: &str, more: Value) -> Value {
    let mut oidc = json!({"issuer": issuer.url, "audience": audience, "insecureAllowHttp": true});
    let Value::Object(more) = more else { panic!("not an object: {more}") };
    oidc.as_object_mut().unwrap().extend(more);
    json!({"type": "oidc", "oidc": oidc})
}

async fn ping(client: &Client) -> StatusCode {
    client.request("ping", json!({})).await.status
}

/// Whether a stream has ended without another message.
async fn ends(mut stream: Events) -> bool {
    tokio::time::timeout(PATIENCE, stream.next()).await.unwrap().is_none()
}

#[tokio::test]
async fn another_audience_counts_for_tokens_that_were_good_and_sessions_stay_their_users() {
    let issuer = Issuer::start().await;
    let changing = Changing::start(&oidc(&issuer, "first", json!({}))).await;
    let old = issuer.token_for_audience("alice", "first");
    let alice = changing.connected(&old).await;
    assert_eq!(alice.tool_names().await, ["a_echo", "a_hang"]);

    changing.to(&oidc(&issuer, "second", json!({})), "second").await;
    let refused = (StatusCode::UNAUTHORIZED, "the token is for another audience".to_owned());
    assert_eq!(verdict(&changing.gateway.client(), &old).await, refused, "verified as it was");
    assert_eq!(ping(&alice).await, StatusCode::UNAUTHORIZED);
    let renewed = with_token(&alice, &issuer.token_for_audience("alice", "second"));
    assert_eq!(renewed.tool_names().await, ["a_echo", "a_hang"], "the session has stayed");
    let bob = with_token(&alice, &issuer.token_for_audience("bob", "second"));
    assert_eq!(ping(&bob).await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_users_of_another_issuer_are_others_whatever_their_names() {
    let (one, two) = (Issuer::start().await, Issuer::start().await);
    let changing = Changing::start(&oidc(&one, AUDIENCE, json!({}))).await;
    let alice = changing.connected(&one.token("alice")).await;
    changing.to(&oidc(&two, AUDIENCE, json!({})), "second").await;
    assert_eq!(ping(&alice).await, StatusCode::UNAUTHORIZED, "keys of the issuer that was trusted are not kept");
    assert_eq!(ping(&with_token(&alice, &two.token("alice"))).await, StatusCode::NOT_FOUND);
    changing.connected(&two.token("alice")).await;
}

#[tokio::test]
async fn clients_without_a_token_are_let_in_and_out_and_their_sessions_are_nobody_elses() {
    let issuer = Issuer::start().await;
    let changing = Changing::start(&anonymous()).await;
    let nobody = changing.gateway.connected().await;
    assert_eq!(nobody.tool_names().await, ["a_echo", "a_hang"]);
    let stateless = changing.gateway.client();
    assert_eq!(stateless.ask("tools/list", json!({})).await.status, StatusCode::OK);

    changing.to(&oidc(&issuer, AUDIENCE, json!({})), "known").await;
    assert_eq!(ping(&nobody).await, StatusCode::UNAUTHORIZED);
    assert_eq!(stateless.ask("tools/list", json!({})).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ping(&with_token(&nobody, &issuer.token("alice"))).await, StatusCode::NOT_FOUND);
    let alice = changing.connected(&issuer.token("alice")).await;

    changing.to(&anonymous(), "all").await;
    assert_eq!(ping(&alice).await, StatusCode::NOT_FOUND, "the token is not looked at, and nobody is alice");
    assert_eq!(ping(&nobody).await, StatusCode::OK);
}

#[tokio::test]
async fn streams_end_whose_readers_would_not_be_let_in_any_more() {
    let issuer = Issuer::start().await;
    let changing = Changing::start(&oidc(&issuer, AUDIENCE, json!({}))).await;
    let lasting = changing.connected(&issuer.token("alice")).await;
    lasting.tool_names().await;
    let passing = changing.connected(&issuer.token_for_audience("alice", AUDIENCE)).await;
    let (mut goes_on, stops) = (lasting.listen().await, passing.listen().await);
    let listening = with_token(&changing.gateway.client(), &issuer.token_for_audience("alice", AUDIENCE));
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let mut subscribed = listening.ask_streamed(json!("s"), "subscriptions/listen", wanted).await;
    subscribed.next().await.unwrap();

    changing.to(&oidc(&issuer, OTHER_AUDIENCE, json!({})), "other").await;
    assert!(ends(stops).await);
    assert!(subscribed.next().await.unwrap()["result"].is_object(), "it is told that there is no more");
    assert!(ends(subscribed).await);
    changing.backend.change_tools(&["echo"]).await;
    assert_eq!(goes_on.next().await.unwrap()["method"], "notifications/tools/list_changed");

    changing.to(&anonymous(), "all").await;
    assert!(ends(goes_on).await);
}

#[tokio::test]
async fn no_call_is_lost_while_who_may_call_changes() {
    let issuer = Issuer::start().await;
    let changing = Changing::start(&oidc(&issuer, AUDIENCE, json!({}))).await;
    // One token is good before and after, the other one before.
    let stop = CancellationToken::new();
    let mut callers = Vec::new();
    for user in ["alice", "bob", "carol", "dave"] {
        callers.push(call_until(changing.connected(&issuer.token(user)).await, "a_echo", &stop));
    }
    let passing = changing.connected(&issuer.token_for_audience("erin", AUDIENCE)).await;
    let held = tokio::spawn({
        let passing = passing.clone();
        async move { passing.call("a_hang", json!({})).await.json() }
    });
    changing.backend.saw("tools/call").await;
    for (number, change) in [
        oidc(&issuer, OTHER_AUDIENCE, json!({})),
        oidc(&issuer, AUDIENCE, json!({"scopes": ["openid"]})),
        oidc(&issuer, OTHER_AUDIENCE, json!({"resource": "https://gateway.example.com/mcp"})),
        oidc(&issuer, OTHER_AUDIENCE, json!({"jwksUrl": format!("{}/keys", issuer.url)})),
    ]
    .iter()
    .enumerate()
    {
        changing.to(change, &format!("change-{number}")).await;
    }
    assert_eq!(ping(&passing).await, StatusCode::UNAUTHORIZED);
    changing.backend.release();
    let answer = tokio::time::timeout(PATIENCE, held).await.unwrap().unwrap();
    assert!(answer["result"].is_object(), "a call goes by the policy that it began with: {answer}");
    stop.cancel();
    for caller in callers {
        let (answered, errors) = tokio::time::timeout(PATIENCE, caller).await.unwrap().unwrap();
        assert!(answered > 20, "only {answered} calls");
        assert_eq!(errors, Vec::<String>::new(), "beside {answered} answers");
    }
}

#[tokio::test]
async fn what_is_published_changes_with_it() {
    let issuer = Issuer::start().await;
    let resource = |url: &str| oidc(&issuer, AUDIENCE, json!({"resource": url, "scopes": ["tools"]}));
    let changing = Changing::start(&resource("https://one.example.com")).await;
    let client = changing.gateway.client();
    let published = async || client.get("/.well-known/oauth-protected-resource").await.json()["resource"].clone();
    assert_eq!(published().await, "https://one.example.com");
    changing.to(&resource("https://two.example.com"), "two").await;
    assert_eq!(published().await, "https://two.example.com");
    let challenge = client.get("/mcp").await;
    let metadata = "https://two.example.com/.well-known/oauth-protected-resource";
    let expected = format!("Bearer resource_metadata=\"{metadata}\", scope=\"tools\"");
    assert_eq!(challenge.header("www-authenticate"), expected);
    changing.to(&anonymous(), "all").await;
    assert_eq!(client.get("/.well-known/oauth-protected-resource").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn keys_and_verdicts_outlive_changes_of_everything_else() {
    let issuer = Issuer::start().await;
    let incoming = oidc(&issuer, AUDIENCE, json!({}));
    let changing = Changing::start(&incoming).await;
    let alice = changing.connected(&issuer.token("alice")).await;
    changing.to(&incoming, "other-tools").await;
    assert_eq!(ping(&alice).await, StatusCode::OK);
    assert_eq!(issuer.fetched(), 1);
}

#[tokio::test]
async fn a_change_that_cannot_be_used_lets_in_who_was_let_in_until_it_can() {
    let issuer = Issuer::start().await;
    let changing = Changing::start(&oidc(&issuer, AUDIENCE, json!({}))).await;
    let token = issuer.token_for_audience("alice", AUDIENCE);
    let alice = changing.connected(&token).await;
    let bundle = changing.file.path.with_file_name("ca.crt");
    let refused = [
        json!({"type": "oidc"}),
        json!({"type": "local"}),
        oidc(&issuer, OTHER_AUDIENCE, json!({"insecureAllowHttp": false})),
        oidc(&issuer, OTHER_AUDIENCE, json!({"caBundlePath": bundle})),
    ];
    for (number, incoming) in refused.iter().enumerate() {
        changing.to(&oidc(&issuer, AUDIENCE, json!({})), &format!("good-{number}")).await;
        // Other tools are for other clients: neither half counts alone.
        let hidden = format!("{}aggregation: {{excludeAllTools: true}}\n", text(&changing.backend, incoming));
        changing.file.write(&hidden);
        status(&changing.gateway, "refused", |status| status["configuration"] == "refused").await;
        assert_eq!(alice.tool_names().await, ["a_echo", "a_hang"], "{incoming}");
    }
    std::fs::write(&bundle, Authority::new("issuer").pem()).unwrap();
    status(&changing.gateway, "current", |status| status["configuration"] == "current").await;
    assert_eq!(ping(&alice).await, StatusCode::UNAUTHORIZED);
    let renewed = with_token(&alice, &issuer.token_for_audience("alice", OTHER_AUDIENCE));
    assert_eq!(renewed.tool_names().await, [""; 0]);
}
