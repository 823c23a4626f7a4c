//! The description of the API (`OpenAPI` 3.1), made from the endpoints that are served: an
//! endpoint is its path, what handles it and what is said of it, in one value, so that none can be
//! served and not described, or the reverse.

mod page;

use crate::door::Desk;
use crate::identity::SESSION_COOKIE;
use crate::integration::admitted::Permission;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use axum::{Extension, Router};
pub(crate) use page::{document_of, page, script, style};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;
use veksel_config::ExtAuthConfig;

/// Statuses that any endpoint may answer with, and when.
const ERRORS: &[(&str, &str)] = &[
    ("400", "The request is not what it must be."),
    ("401", "Nobody is known by what was given."),
    ("403", "Whoever asks may not."),
    ("404", "It is not known here."),
    ("405", "The path is not asked like that."),
    ("408", "The request took too long to come in, or to be answered."),
    ("409", "It contradicts something that is there."),
    ("413", "The body is too large, or broken off."),
    ("415", "The body is not application/json."),
    ("422", "The other side says no."),
    ("429", "Too often; `Retry-After` says when to try again."),
    ("500", "A defect."),
    ("502", "The other side answered with something that is no answer."),
    ("503", "It cannot be done now; `Retry-After` says when to try again."),
    ("504", "No answer came in time: the outcome is not known; ask again under the same key."),
];

/// How a path is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

impl Method {
    const fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }

    const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// How somebody proves who he is where no permission is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ways {
    /// Programs must know the token of `[http]`.
    pub(crate) token: bool,
    /// People sign in.
    pub(crate) session: bool,
}

/// An endpoint and what is said of it.
pub(crate) struct Endpoint {
    path: &'static str,
    method: Method,
    handler: MethodRouter<Desk>,
    said: Value,
    schemas: BTreeMap<String, Value>,
}

impl Endpoint {
    pub(crate) fn new<H, T>(method: Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Desk>,
        T: 'static,
    {
        let mut said = json!({ "responses": {}, "parameters": [] });
        said["operationId"] = operation_id(method, path).into();
        for (status, when) in ERRORS {
            said["responses"][*status] = json!({
                "description": when,
                "content": { "application/json": { "schema": reference("Error") } },
            });
        }
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')) {
            let name = name.trim_end_matches('}');
            add(
                &mut said["parameters"],
                parameter("path", name, true, json!({ "type": "string" })),
            );
        }
        let handler = on(method.filter(), handler);
        Self { path, method, handler, said, schemas: BTreeMap::new() }
    }

    /// What it is for.
    pub(crate) fn about(mut self, tag: &str, summary: &str) -> Self {
        self.said["tags"] = json!([tag]);
        self.said["summary"] = summary.into();
        self
    }

    /// More about it.
    pub(crate) fn more(mut self, description: &str) -> Self {
        self.said["description"] = description.into();
        self
    }

    /// A caller with this permission may ask; `Admitted` lets nobody else in.
    pub(crate) fn permitted(mut self, permission: &'static str) -> Self {
        self.handler = self.handler.route_layer(Extension(Permission(permission)));
        self.said["security"] = json!([{ "apiKey": [] }, { "bearer": [permission] }]);
        self.said["x-permission"] = permission.into();
        self
    }

    /// Whoever has the token of `[http]` may ask, or is signed in; without a token, programs of
    /// this machine.
    pub(crate) fn guarded(mut self, ways: Ways) -> Self {
        if ways.token {
            let session = ways.session.then(|| json!({ "session": [] }));
            let all: Vec<Value> = [json!({ "token": [] })].into_iter().chain(session).collect();
            self.said["security"] = all.into();
        }
        if ways.session && self.method != Method::Get {
            let schema = json!({
                "type": "string",
                "description": "Of whoever is signed in: what `/api/auth/me` says.",
            });
            return self.parameter("header", "x-csrf-token", false, schema);
        }
        self
    }

    /// Whoever is known by one of these schemes may ask.
    pub(crate) fn secured(mut self, schemes: Value) -> Self {
        self.said["security"] = schemes;
        self
    }

    pub(crate) fn parameter(
        mut self,
        place: &str,
        name: &str,
        needed: bool,
        schema: Value,
    ) -> Self {
        add(&mut self.said["parameters"], parameter(place, name, needed, schema));
        self
    }

    /// A part of the path is one of these words.
    pub(crate) fn one_of(mut self, name: &str, words: &[&str]) -> Self {
        let parameters = self.said["parameters"].as_array_mut();
        for parameter in parameters.into_iter().flatten().filter(|it| it["name"] == name) {
            parameter["schema"]["enum"] = json!(words);
        }
        self
    }

    /// The body, as a type of ours.
    pub(crate) fn takes<T: ToSchema>(mut self) -> Self {
        let schema = self.named::<T>();
        self.takes_json(schema)
    }

    /// The body, as a schema.
    pub(crate) fn takes_json(self, schema: Value) -> Self {
        self.takes_as("application/json", schema)
    }

    /// The body of a form, as a schema.
    pub(crate) fn takes_form(self, schema: Value) -> Self {
        self.takes_as("application/x-www-form-urlencoded", schema)
    }

    fn takes_as(mut self, kind: &str, schema: Value) -> Self {
        let content = json!({ kind: { "schema": schema } });
        self.said["requestBody"] = json!({ "required": true, "content": content });
        self
    }

    /// What it answers if it goes well.
    pub(crate) fn gives<T: ToSchema>(mut self, status: &str, when: &str) -> Self {
        let schema = self.named::<T>();
        self.gives_json(status, when, schema)
    }

    pub(crate) fn gives_json(mut self, status: &str, when: &str, schema: Value) -> Self {
        let content = json!({ "application/json": { "schema": schema } });
        self.said["responses"][status] = json!({ "description": when, "content": content });
        self
    }

    /// An answer that leads elsewhere and says nothing itself.
    pub(crate) fn leads(mut self, when: &str) -> Self {
        self.said["responses"]["303"] = json!({ "description": when });
        self
    }

    /// What is no JSON.
    pub(crate) fn gives_text(mut self, statuses: &[&str], kind: &str, when: &str) -> Self {
        for status in statuses {
            let content = json!({ kind: { "schema": { "type": "string" } } });
            self.said["responses"][*status] = json!({ "description": when, "content": content });
        }
        self
    }

    /// A schema that others may refer to.
    fn named<T: ToSchema>(&mut self) -> Value {
        let mut all = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut all);
        for (name, schema) in all {
            // Every schema of the library can be said in JSON.
            let schema = serde_json::to_value(schema).unwrap_or_default();
            self.schemas.insert(name, schema);
        }
        reference(&T::name())
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn parameter(place: &str, name: &str, needed: bool, schema: Value) -> Value {
    json!({ "in": place, "name": name, "required": needed, "schema": schema })
}

fn add(list: &mut Value, item: Value) {
    if let Value::Array(items) = list {
        items.push(item);
    }
}

/// `post_account_balance`.
fn operation_id(method: Method, path: &str) -> String {
    let path = path.strip_prefix("/api/v1/integration").unwrap_or(path);
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let words: String = path.chars().map(plain).collect();
    let mut words: Vec<&str> = words.split('_').filter(|word| !word.is_empty()).collect();
    if path.ends_with('/') {
        words.push("index");
    }
    format!("{}_{}", method.word(), words.join("_"))
}

/// The document about these endpoints.
pub(crate) fn document(endpoints: &[Endpoint], platform: Option<&ExtAuthConfig>) -> Value {
    let mut paths = json!({});
    let mut schemas = BTreeMap::from([("Error".to_owned(), error())]);
    for endpoint in endpoints {
        paths[endpoint.path][endpoint.method.word()] = endpoint.said.clone();
        schemas.extend(endpoint.schemas.clone());
    }
    let bearer = |what: &str| json!({ "type": "http", "scheme": "bearer", "description": what });
    let mut schemes = json!({
        "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
        "bearer": bearer("The API key of a caller, or a token (JWT) that names it in `sub` and \
                          its permissions in `scope`."),
        "token": bearer("The token of `[http]`."),
        "session": {
            "type": "apiKey", "in": "cookie", "name": SESSION_COOKIE,
            "description": "Of whoever is signed in.",
        },
    });
    if let Some(ExtAuthConfig { headers, base, .. }) = platform {
        let signed = format!(
            "RS256 by a published key of 2,048 bits or more over {}; the body as it is sent.",
            base.words()
        );
        schemes["platform"] = json!({
            "type": "apiKey", "in": "header", "name": headers.signature, "description": signed,
        });
        schemes["events"] = bearer("The lasting token of the platform, or one that it fetched.");
        schemes["client"] = json!({
            "type": "http", "scheme": "basic",
            "description": "The id and the secret of the platform.",
        });
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Veksel",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What channels ask in ISO 8583, and what customers, banks and \
                            providers say over HTTP.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": schemes,
        },
    })
}

/// What every refusal looks like.
fn error() -> Value {
    let text = |what: &str| json!({ "type": "string", "description": what });
    json!({
        "type": "object",
        "required": ["error"],
        "properties": { "error": {
            "type": "object",
            "required": ["code", "message", "traceId"],
            "properties": {
                "code": text("What kind of refusal it is, for programs."),
                "message": text("The same for people."),
                "traceId": text("What logs know the request by; `X-Request-ID` gives one."),
            },
        } },
    })
}

/// What serves these endpoints.
pub(crate) fn serve(endpoints: Vec<Endpoint>) -> Router<Desk> {
    let mut router = Router::new();
    for Endpoint { path, handler, .. } in endpoints {
        router = router.route(path, handler);
    }
    router
}
