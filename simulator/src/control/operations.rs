//! What the control API can do: one table, of which both its routes and its description in OpenAPI are made.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::routing::{self, MethodRouter};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::answers::Refused;
use super::worlds::{IssuedToken, WorldList, Worlds};
use super::{JournalPage, WorldState, authorities, journal, worlds};
use crate::{ClientCertificateRequest, IssuedCertificate, TokenRequest, World, WorldChange};

type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One request and its answer.
struct Operation {
    /// The HTTP method, in lower case.
    method: &'static str,
    path: &'static str,
    id: &'static str,
    summary: &'static str,
    /// Names and meanings of the fields of the query, with their schemas.
    query: Vec<(&'static str, &'static str, Value)>,
    body: Option<SchemaOf>,
    /// The status when all is well, and what is answered then.
    status: u16,
    answer: Option<(&'static str, SchemaOf)>,
    /// Statuses of refusals.
    refusals: &'static [u16],
    handler: MethodRouter<Arc<Worlds>>,
}

fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

const JSON: &str = "application/json";
pub(super) const PEM: &str = "application/x-pem-file";
pub(super) const YAML: &str = "application/yaml";

/// Everything that the API does.
fn operations() -> Vec<Operation> {
    let operation = |method, path, id, summary, handler| Operation {
        method,
        path,
        id,
        summary,
        query: Vec::new(),
        body: None,
        status: 200,
        answer: None,
        refusals: &[404],
        handler,
    };
    let state: Option<(&'static str, SchemaOf)> = Some((JSON, schema_of::<WorldState>));
    vec![
        Operation {
            answer: Some((JSON, |_| true.into())),
            refusals: &[],
            ..operation("get", "/openapi.json", "describe", "This description.", routing::get(describe))
        },
        Operation {
            answer: Some((JSON, schema_of::<WorldList>)),
            refusals: &[],
            ..operation("get", "/worlds", "listWorlds", "The names of the worlds.", routing::get(worlds::list))
        },
        Operation {
            body: Some(schema_of::<World>),
            status: 201,
            answer: state,
            refusals: &[409, 415, 422],
            ..operation("put", "/worlds/{name}", "makeWorld", "Makes a world.", routing::put(worlds::make))
        },
        Operation {
            answer: state,
            ..operation("get", "/worlds/{name}", "readWorld", "What a world is like now.", routing::get(worlds::state))
        },
        Operation {
            status: 204,
            ..operation("delete", "/worlds/{name}", "endWorld", "Ends a world.", routing::delete(worlds::remove))
        },
        Operation {
            answer: Some((PEM, schema_of::<String>)),
            ..operation(
                "get",
                "/worlds/{name}/authorities/{file}",
                "readRoot",
                "The root certificate of an authority.",
                routing::get(authorities::pem),
            )
        },
        Operation {
            query: config_map_query(),
            answer: Some((YAML, schema_of::<String>)),
            refusals: &[400, 404],
            ..operation(
                "get",
                "/worlds/{name}/authorities/{authority}/configmap",
                "readRootAsConfigMap",
                "The root certificate of an authority as the manifest of a Kubernetes ConfigMap.",
                routing::get(authorities::config_map),
            )
        },
        Operation {
            body: Some(schema_of::<WorldChange>),
            answer: state,
            refusals: &[400, 404, 415, 422],
            ..operation(
                "post",
                "/worlds/{name}/changes",
                "changeWorld",
                "Changes a world. When it is answered, the next request to the world sees the change.",
                routing::post(worlds::change),
            )
        },
        Operation {
            body: Some(schema_of::<TokenRequest>),
            answer: Some((JSON, schema_of::<IssuedToken>)),
            refusals: &[400, 404, 415, 422],
            ..operation(
                "post",
                "/worlds/{name}/tokens",
                "issueToken",
                "A token of one of the world's authorization servers, good or faulty.",
                routing::post(worlds::token),
            )
        },
        Operation {
            body: Some(schema_of::<ClientCertificateRequest>),
            answer: Some((JSON, schema_of::<IssuedCertificate>)),
            refusals: &[400, 404, 415, 422],
            ..operation(
                "post",
                "/worlds/{name}/certificates",
                "issueCertificate",
                "A client certificate of one of the world's authorities, good or faulty, and its key.",
                routing::post(worlds::client_certificate),
            )
        },
        Operation {
            query: journal_query(),
            answer: Some((JSON, schema_of::<JournalPage>)),
            refusals: &[400, 404],
            ..operation(
                "get",
                "/worlds/{name}/journal",
                "readJournal",
                "The requests that arrived. With `follow`, one JSON object per line (application/x-ndjson) as they come, until the world ends. With `wait`, 404 when not enough of them arrive in that time.",
                routing::get(journal::read),
            )
        },
        Operation {
            status: 204,
            ..operation(
                "delete",
                "/worlds/{name}/journal",
                "clearJournal",
                "Forgets the requests that arrived. Their numbers go on.",
                routing::delete(journal::clear),
            )
        },
    ]
}

fn config_map_query() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("name", "Its name; required.", json!({"type": "string"})),
        ("namespace", "Its namespace. Default: whichever it is applied to.", json!({"type": "string"})),
        ("key", "The key of the certificate.", json!({"type": "string", "default": "ca.crt"})),
    ]
}

/// What the variable parts of paths mean.
const PARAMETERS: [(&str, &str); 3] =
    [("name", "The world."), ("authority", "The authority."), ("file", "`AUTHORITY.pem`.")];

fn journal_query() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("since", "From this number on.", json!({"type": "integer", "minimum": 0, "default": 0})),
        (
            "where",
            "What an entry must hold: PATH=VALUE, PATH!=VALUE or PATH, e.g. `method=tools/call`. May be given several times; all must hold.",
            json!({"type": "array", "items": {"type": "string"}}),
        ),
        ("follow", "Go on with those that come, without an end.", json!({"type": "boolean", "default": false})),
        ("wait", "Wait so long for `count` entries, e.g. `10s`; at most ten minutes.", json!({"type": "string"})),
        ("count", "For how many entries to wait.", json!({"type": "integer", "minimum": 1, "default": 1})),
    ]
}

/// The routes of the API.
pub(super) fn routes() -> Router<Arc<Worlds>> {
    operations().into_iter().fold(Router::new(), |router, operation| router.route(operation.path, operation.handler))
}

async fn describe() -> Json<Value> {
    Json(openapi())
}

/// The description of the control API in `OpenAPI` 3.1.
#[must_use]
pub fn openapi() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    settings.meta_schema = None;
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for operation in operations() {
        let described = operation.describe(&mut generator);
        if let Some(path) = paths.entry(operation.path).or_insert_with(|| json!({})).as_object_mut() {
            let parameters: Vec<Value> = PARAMETERS
                .iter()
                .filter(|(name, _)| operation.path.contains(&format!("{{{name}}}")))
                .map(|(name, meaning)| json!({"name": name, "in": "path", "required": true, "description": meaning, "schema": {"type": "string"}}))
                .collect();
            if !parameters.is_empty() {
                path.insert("parameters".to_owned(), parameters.into());
            }
            path.insert(operation.method.to_owned(), described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Control API of the simulator",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Simulated worlds are made, read, changed and ended. What is refused is refused whole, with all reasons.",
            "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "http://127.0.0.1:9901", "description": "As `simulator serve --control` says; loopback alone."}],
        "paths": paths,
        "components": {"schemas": generator.take_definitions(true)},
    })
}

impl Operation {
    fn describe(&self, generator: &mut SchemaGenerator) -> Value {
        let mut responses = Map::new();
        let mut answered = json!({"description": if self.answer.is_some() { "The answer." } else { "Done." }});
        if let Some((media, schema)) = self.answer {
            answered["content"] = json!({media: {"schema": schema(generator)}});
        }
        responses.insert(self.status.to_string(), answered);
        for status in self.refusals {
            let refused = json!({JSON: {"schema": schema_of::<Refused>(generator)}});
            responses
                .insert(status.to_string(), json!({"description": "Refused, and nothing done.", "content": refused}));
        }
        let mut described = json!({"operationId": self.id, "summary": self.summary, "responses": responses});
        if !self.query.is_empty() {
            let parameter = |(name, description, schema): &(&str, &str, Value)| json!({"name": name, "in": "query", "description": description, "schema": schema});
            described["parameters"] = self.query.iter().map(parameter).collect();
        }
        if let Some(schema) = self.body {
            described["requestBody"] = json!({"required": true, "content": {JSON: {"schema": schema(generator)}}});
        }
        described
    }
}
