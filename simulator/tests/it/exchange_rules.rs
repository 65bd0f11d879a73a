//! Token exchange beyond the usual: delegation, other token types, and the rules of the world file.

use serde_json::{Value, json};
use simulator::{TokenRequest, WorldChange, WorldHandle};

use crate::client::{client, url, world};

const WORLD: &str = "
authorizationServers:
  - host: idp.example.com
    users: [alice, bob, {name: agent, claims: {kind: service}}, {name: carol, claims: {may_act: {sub: agent}}}]
  - host: auth.company.com
    trusts: [idp.example.com]
    clients: [{id: gateway, secret: s3cr3t}, {id: narrow, secret: s3cr3t, grants: [token-exchange]}]
    exchange:
      - {when: {subject: bob, audience: https://a.example.com}, answer: {error: invalid_target, description: not for bob}}
      - {when: {audience: https://b.example.com}, answer: {error: temporarily_unavailable, status: 503}}
      - {when: {scope: admin}, answer: {scope: read, lifetime: 30s}}
      - {when: {client: narrow}, answer: {claims: {aud: elsewhere}, merge: {token_type: N_A, expires_in: null, issued_token_type: 'urn:x'}}}
      - {when: {actor: bob}, answer: {error: invalid_request}}
";

fn of_type(name: &str) -> String {
    format!("urn:ietf:params:oauth:token-type:{name}")
}

fn user_token(handle: &WorldHandle, name: &str) -> String {
    handle.token(&TokenRequest::new("idp.example.com", name, "gateway")).unwrap()
}

async fn exchange(handle: &WorldHandle, subject: &str, more: &[(&str, &str)]) -> (u16, Value) {
    let (subject, kind) = (user_token(handle, subject), of_type("access_token"));
    let mut form = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", subject.as_str()),
        ("subject_token_type", kind.as_str()),
        ("client_secret", "s3cr3t"),
    ];
    if !more.iter().any(|(name, _)| *name == "client_id") {
        form.push(("client_id", "gateway"));
    }
    form.extend(more);
    let endpoint = url(handle, "https://auth.company.com/protocol/openid-connect/token");
    let response = client(handle, &["public"]).post(endpoint).form(&form).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn claims(body: &Value) -> Value {
    use base64::Engine as _;
    let part = body["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn the_token_of_a_delegation_names_who_acts() {
    let (_simulator, handle) = world(WORLD).await;
    let (agent, jwt) = (user_token(&handle, "agent"), of_type("jwt"));
    let acting = [("actor_token", agent.as_str()), ("actor_token_type", jwt.as_str())];
    let (status, body) = exchange(&handle, "alice", &acting).await;
    assert_eq!(status, 200, "{body}");
    let first = claims(&body);
    assert_eq!(first["sub"], "alice");
    assert_eq!(first["act"], json!({"sub": "agent", "iss": "https://idp.example.com"}));

    // A second delegation keeps the first inside (RFC 8693, 4.1).
    let request = TokenRequest {
        claims: json!({"act": first["act"]}).as_object().unwrap().clone(),
        ..TokenRequest::new("idp.example.com", "alice", "x")
    };
    let (delegated, kind) = (handle.token(&request).unwrap(), of_type("access_token"));
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", delegated.as_str()),
        ("subject_token_type", kind.as_str()),
        ("actor_token", agent.as_str()),
        ("actor_token_type", jwt.as_str()),
        ("client_id", "gateway"),
        ("client_secret", "s3cr3t"),
    ];
    let endpoint = url(&handle, "https://auth.company.com/protocol/openid-connect/token");
    let body: Value =
        client(&handle, &["public"]).post(endpoint).form(&form).send().await.unwrap().json().await.unwrap();
    assert_eq!(claims(&body)["act"]["act"], first["act"]);
}

#[tokio::test]
async fn a_subject_token_says_who_may_act() {
    let (_simulator, handle) = world(WORLD).await;
    let jwt = of_type("jwt");
    for (actor, status) in [("agent", 200), ("alice", 400)] {
        let actor = user_token(&handle, actor);
        let (got, body) = exchange(&handle, "carol", &[("actor_token", &actor), ("actor_token_type", &jwt)]).await;
        assert_eq!(got, status, "{body}");
    }
}

#[tokio::test]
async fn other_types_of_tokens_are_no_access_tokens() {
    let (_simulator, handle) = world(WORLD).await;
    let (_, identity) = exchange(&handle, "alice", &[("requested_token_type", &of_type("id_token"))]).await;
    assert_eq!(
        (identity["token_type"].as_str(), &identity["issued_token_type"]),
        (Some("N_A"), &json!(of_type("id_token")))
    );
    assert_eq!(claims(&identity)["aud"], "gateway");

    let wanted = [("requested_token_type", of_type("refresh_token")), ("resource", "https://a.example.com".to_owned())];
    let wanted: Vec<(&str, &str)> = wanted.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, refresh) = exchange(&handle, "agent", &wanted).await;
    assert_eq!((status, refresh["token_type"].as_str()), (200, Some("N_A")), "{refresh}");
    let refused = [("requested_token_type", wanted[0].1), ("client_id", "narrow")];
    assert_eq!(exchange(&handle, "alice", &refused).await.1["error"], "invalid_request");
}

#[tokio::test]
async fn a_refresh_token_got_by_exchange_brings_access_tokens() {
    let description = WORLD.replace("- host: auth.company.com", "- host: auth.company.com\n    users: [alice]");
    let (_simulator, handle) = world(&description).await;
    let wanted = of_type("refresh_token");
    let more = [("requested_token_type", wanted.as_str()), ("resource", "https://a.example.com")];
    let (_, got) = exchange(&handle, "alice", &more).await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", got["access_token"].as_str().unwrap()),
        ("client_id", "gateway"),
        ("client_secret", "s3cr3t"),
    ];
    let endpoint = url(&handle, "https://auth.company.com/protocol/openid-connect/token");
    let body: Value =
        client(&handle, &["public"]).post(endpoint).form(&form).send().await.unwrap().json().await.unwrap();
    assert_eq!((&claims(&body)["sub"], &claims(&body)["aud"]), (&json!("alice"), &json!("https://a.example.com")));
}

#[tokio::test]
async fn the_first_rule_that_fits_decides() {
    let (_simulator, handle) = world(WORLD).await;
    let (status, body) = exchange(&handle, "bob", &[("audience", "https://a.example.com")]).await;
    assert_eq!((status, body), (400, json!({"error": "invalid_target", "error_description": "not for bob"})));
    assert_eq!(exchange(&handle, "alice", &[("audience", "https://a.example.com")]).await.0, 200);
    let (status, body) = exchange(&handle, "alice", &[("resource", "https://b.example.com")]).await;
    assert_eq!((status, body["error"].as_str()), (503, Some("temporarily_unavailable")));

    let (_, narrowed) = exchange(&handle, "alice", &[("scope", "write admin")]).await;
    assert_eq!((narrowed["scope"].as_str(), narrowed["expires_in"].as_u64()), (Some("read"), Some(30)));
    let scoped = claims(&narrowed);
    assert_eq!(
        (scoped["scope"].as_str(), scoped["exp"].as_i64().unwrap() - scoped["iat"].as_i64().unwrap()),
        (Some("read"), 30)
    );

    let (_, merged) =
        exchange(&handle, "alice", &[("client_id", "narrow"), ("audience", "https://c.example.com")]).await;
    assert_eq!((merged["token_type"].as_str(), merged["issued_token_type"].as_str()), (Some("N_A"), Some("urn:x")));
    assert!(merged.get("expires_in").is_none());
    assert_eq!(claims(&merged)["aud"], "elsewhere");

    let (actor, jwt) = (user_token(&handle, "bob"), of_type("jwt"));
    let acting = [("actor_token", actor.as_str()), ("actor_token_type", jwt.as_str())];
    assert_eq!(exchange(&handle, "alice", &acting).await.1["error"], "invalid_request");
}

#[tokio::test]
async fn several_targets_are_one_audience() {
    let (_simulator, handle) = world(WORLD).await;
    let targets = [("audience", "one"), ("audience", "two"), ("resource", "https://c.example.com")];
    let (_, body) = exchange(&handle, "alice", &targets).await;
    assert_eq!(claims(&body)["aud"], json!(["one", "two", "https://c.example.com"]));
}

#[tokio::test]
async fn the_rules_are_replaced_while_the_world_runs() {
    let (_simulator, handle) = world(WORLD).await;
    let change = |text: &str| serde_saphyr::from_str::<WorldChange>(text).unwrap();
    let rules = "setExchange: {authorizationServer: auth.company.com, exchange: [{answer: {error: invalid_grant}}]}";
    handle.update(change(rules)).await.unwrap();
    assert_eq!(exchange(&handle, "alice", &[]).await.1["error"], "invalid_grant");
    let nonsense = "setExchange: {authorizationServer: auth.company.com, exchange: [{answer: {error: x, scope: y}}]}";
    let refused = handle.update(change(nonsense)).await.unwrap_err().to_string();
    assert!(refused.contains("exchange[0].answer"), "{refused}");
    let clients = "setClients: {authorizationServer: auth.company.com, clients: [{id: gateway, secret: s3cr3t, grants: [client-credentials]}]}";
    handle.update(change(clients)).await.unwrap();
    assert_eq!(exchange(&handle, "alice", &[]).await.1["error"], "unauthorized_client");
    assert_eq!(exchange(&handle, "alice", &[("client_id", "narrow")]).await.1["error"], "invalid_client");
}
