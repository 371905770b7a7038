//! Puts the document together.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::{account, control, data, headers, parameters, parts, problems};
use crate::domain::refusal::Code;
use crate::http::problem::{Body, face_of};

/// One method of one path.
pub(super) struct Operation {
    /// The method, in capitals.
    pub method: &'static str,
    /// The path as OpenAPI writes it.
    pub path: String,
    /// Its name, for programs.
    pub id: &'static str,
    /// The group that it is shown in.
    pub tag: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What else there is to know.
    pub description: &'static str,
    /// Parameters besides those in the path, by their ids in `parts`.
    pub parameters: Vec<&'static str>,
    /// The body of the request.
    pub body: Option<Value>,
    /// Successes, and answers that are no problems.
    pub answers: Vec<Answer>,
    /// The codes that it can answer.
    pub problems: Vec<Code>,
    /// Whether the caller must say who it is.
    pub secured: bool,
}

/// An answer that is no problem.
pub(super) struct Answer {
    /// Its status.
    pub status: u16,
    /// What it is.
    pub says: &'static str,
    /// Its headers, by their ids in `parts`.
    pub headers: Vec<&'static str>,
    /// Media types and their forms.
    pub content: Value,
    /// Where what it names can be used.
    pub links: Value,
}

/// An operation that still has to say what it answers.
pub(super) fn operation(
    method: &'static str,
    path: &str,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    description: &'static str,
) -> Operation {
    let (parameters, answers, problems) = (vec!["dryRun"], Vec::new(), problems::ANY.to_vec());
    Operation {
        method,
        path: path.to_owned(),
        id,
        tag,
        summary,
        description,
        parameters,
        body: None,
        answers,
        problems,
        secured: false,
    }
}

impl Operation {
    /// Takes parameters.
    pub(super) fn takes(mut self, parameters: &[&'static str]) -> Self {
        self.parameters.extend(parameters);
        self
    }

    /// Takes a body of one of these media types.
    pub(super) fn body(mut self, required: bool, content: Value) -> Self {
        self.body = Some(json!({"required": required, "content": content}));
        self
    }

    /// Answers so.
    pub(super) fn answers(mut self, status: u16, says: &'static str, headers: &[&'static str], content: Value) -> Self {
        self.answers.push(Answer {
            status,
            says,
            headers: [&["environment"], headers].concat(),
            content,
            links: Value::Null,
        });
        self
    }

    /// Says of its answers where what they name can be used.
    pub(super) fn links(mut self, links: &Value) -> Self {
        self.answers.iter_mut().for_each(|answer| answer.links = links.clone());
        self
    }

    /// Can answer these problems.
    pub(super) fn refuses(mut self, families: &[&[Code]]) -> Self {
        self.problems.extend(families.concat());
        self.problems.sort_by_key(|code| code.as_str());
        self.problems.dedup();
        self
    }

    /// Wants a credential.
    pub(super) fn secured(mut self) -> Self {
        self.secured = true;
        self.refuses(&[problems::AUTHENTICATED])
    }

    fn names(&self) -> Vec<&str> {
        let in_path = self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let in_path = in_path.map(|name| match name {
            "key" if self.path.contains("/r2/") => "objectKey",
            "key" => "kvKey",
            name => name,
        });
        in_path.chain(self.parameters.iter().copied()).collect()
    }

    fn describe(&self, shared: &mut Shared) -> Value {
        let mut described = Map::new();
        let mut set = |name: &str, value: Value| described.insert(name.to_owned(), value);
        set("operationId", self.id.into());
        set("tags", json!([self.tag]));
        set("summary", self.summary.into());
        if !self.description.is_empty() {
            set("description", self.description.into());
        }
        set("security", if self.secured { json!([{"bearer": []}]) } else { json!([]) });
        set(
            "parameters",
            self.names().iter().map(|name| json!({"$ref": format!("#/components/parameters/{name}")})).collect(),
        );
        if let Some(body) = &self.body {
            set("requestBody", body.clone());
        }
        let mut responses: BTreeMap<u16, Value> =
            self.answers.iter().map(|answer| (answer.status, answer.describe())).collect();
        for (status, codes) in self.by_status() {
            let problem = shared.problem(status, &codes, self.method == "HEAD", self.tag);
            match responses.get_mut(&status) {
                // A status that has an answer of another form, too: either of them.
                Some(answer) => {
                    let form = match answer["content"]["application/json"]["schema"].take() {
                        Value::Null => problem_form(status, &codes),
                        form => json!({"anyOf": [form, problem_form(status, &codes)]}),
                    };
                    answer["content"]["application/json"]["schema"] = form;
                    let known = if codes.contains(&Code::Misconfigured) { "environmentIfKnown" } else { "environment" };
                    answer["headers"] = headers::header_references(&[known, "problemIfAny"]).into();
                }
                None => _ = responses.insert(status, problem),
            }
        }
        set(
            "responses",
            responses
                .into_iter()
                .map(|(status, response)| (status.to_string(), response))
                .collect::<Map<_, _>>()
                .into(),
        );
        Value::Object(described)
    }

    fn by_status(&self) -> BTreeMap<u16, Vec<Code>> {
        let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for code in &self.problems {
            by_status.entry(face_of(*code).status).or_default().push(*code);
        }
        by_status
    }
}

impl Answer {
    fn describe(&self) -> Value {
        let mut described = Map::new();
        described.insert("description".into(), self.says.into());
        described.insert("headers".into(), headers::header_references(&self.headers).into());
        if !self.content.is_null() {
            described.insert("content".into(), self.content.clone());
        }
        if !self.links.is_null() {
            described.insert("links".into(), self.links.clone());
        }
        Value::Object(described)
    }
}

fn problem_form(status: u16, codes: &[Code]) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    json!({"allOf": [{"$ref": "#/components/schemas/Problem"}, {"properties": {"status": {"const": status}, "code": {"enum": names}}}]})
}

/// Answers that several operations share, each with its name.
#[derive(Default)]
struct Shared {
    responses: Vec<(String, Value)>,
}

impl Shared {
    /// A reference to the answer of these problems.
    fn problem(&mut self, status: u16, codes: &[Code], is_head: bool, tag: &str) -> Value {
        let bodiless = is_head || status == 304;
        let retry = codes.iter().filter(|code| face_of(**code).retry).count();
        let mut headers = match retry {
            0 => vec!["problem", "noRetry"],
            all if all == codes.len() => vec!["problem", "retryAfter"],
            _ => vec!["problem", "noRetryIfSo", "retryAfterIfSo"],
        };
        headers.insert(0, if codes.contains(&Code::Misconfigured) { "environmentIfKnown" } else { "environment" });
        if codes.contains(&Code::Unauthenticated) {
            headers.push("authenticate");
        }
        if codes.contains(&Code::MethodNotAllowed) {
            headers.push("allow");
        }
        if data::TAGS.contains(&tag) || tag == "not offered" {
            headers.extend(["runIdIfKnown", "operationIfAny", "dryRun"]);
        }
        let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        let mut response = json!({"description": format!("`{}`.", names.join("`, `")), "headers": headers::header_references(&headers)});
        if bodiless {
            response["description"] = format!("`{}`, without a body.", names.join("`, `")).into();
            response["headers"]["Problem"] =
                json!({"required": true, "description": "Why.", "schema": {"enum": names}});
        } else {
            response["content"] = json!({"application/json": {"schema": problem_form(status, codes)}});
        }
        let name = match self.responses.iter().find(|(_, known)| *known == response) {
            Some((name, _)) => name.clone(),
            None => {
                let number =
                    self.responses.iter().filter(|(name, _)| name.starts_with(&format!("problem{status}"))).count() + 1;
                let name = format!("problem{status}_{number}");
                self.responses.push((name.clone(), response));
                name
            }
        };
        json!({"$ref": format!("#/components/responses/{name}")})
    }
}

/// A schema whose descriptions have a line for each paragraph: where a comment in the source is wrapped says nothing.
fn unwrapped(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                *member = match member.as_str().filter(|_| name == "description") {
                    Some(text) if !text.contains('|') => {
                        text.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join("\n\n").into()
                    }
                    _ => unwrapped(member.take()),
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = unwrapped(item.take())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    schema
}

/// Collects the forms of types.
pub(super) struct Forms {
    answers: SchemaGenerator,
    requests: SchemaGenerator,
}

impl Forms {
    fn new() -> Self {
        let settings =
            || SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into());
        Self {
            answers: settings().for_serialize().into_generator(),
            requests: settings().for_deserialize().into_generator(),
        }
    }

    /// The form of a type in answers.
    pub(super) fn answer<T: JsonSchema>(&mut self) -> Value {
        self.answers.subschema_for::<T>().to_value()
    }

    /// The form of a type in requests.
    pub(super) fn request<T: JsonSchema>(&mut self) -> Value {
        self.requests.subschema_for::<T>().to_value()
    }

    fn components(mut self) -> BTreeMap<String, Value> {
        let mut all: BTreeMap<String, Value> =
            parts::schemas().into_iter().map(|(name, form)| (name.to_owned(), form)).collect();
        for (name, form) in
            self.answers.take_definitions(false).into_iter().chain(self.requests.take_definitions(false))
        {
            let form = unwrapped(form);
            let known = all.insert(name.clone(), form.clone());
            assert!(known.is_none_or(|known| known == form), "two types are called {name}");
        }
        all
    }
}

/// A reference to a form in `parts`.
pub(super) fn shared(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A body of JSON.
pub(super) fn json_content(form: Value) -> Value {
    json!({"application/json": {"schema": form}})
}

/// Every operation.
pub(super) fn operations() -> Vec<Operation> {
    described().0
}

fn described() -> (Vec<Operation>, Forms) {
    let mut forms = Forms::new();
    let mut operations = control::operations(&mut forms);
    operations.extend(data::operations(&mut forms));
    operations.extend(account::operations(&mut forms));
    (operations, forms)
}

/// The document.
pub(super) fn document() -> Value {
    let (operations, mut forms) = described();
    forms.answer::<Body<'static>>();
    forms.answer::<crate::domain::run::RunId>();
    let mut shared = Shared::default();
    let mut paths: Map<String, Value> = Map::new();
    for operation in &operations {
        let methods = paths.entry(&operation.path).or_insert_with(|| json!({}));
        methods[operation.method.to_lowercase()] = operation.describe(&mut shared);
    }
    let is_used = |tag: &str| operations.iter().any(|operation| operation.tag == tag);
    let tags: Vec<Value> = control::TAGS_SAY
        .iter()
        .chain(&data::TAGS_SAY)
        .chain(&account::TAGS_SAY)
        .filter(|(name, _)| is_used(name))
        .map(|(name, says)| json!({"name": name, "description": says}))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Dry-run gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": INTRODUCTION,
            "license": {"name": "Apache License 2.0", "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "A key (`drk_…`) or the \
                token of a run (`drt_…`) of this environment."}},
            "parameters": parameters::parameter_components(),
            "headers": headers::header_components(),
            "responses": shared.responses.into_iter().collect::<Map<_, _>>(),
            "schemas": forms.components(),
        },
    })
}

const INTRODUCTION: &str = "\
Agents change D1, KV and R2 through this gateway. In a dry run nothing reaches the real stores, yet the agent reads \
its own writes.

Open a run with `POST /v1/runs`; its token is the API token of any Cloudflare client that takes a base URL. \
Below `/client/v4` requests and answers have Cloudflare's own form.

Whatever was not done is never answered 2xx. Every problem is one JSON object that is an RFC 9457 document and a Cloudflare envelope at once: \
branch on `code`, do what `remedy` says; the schema `Code` lists them all. \
Besides what is listed with an operation, an address that there is not answers 404 `route_not_found` (below \
`/client/v4`: 403 `not_offered`), \
a method that it does not have 405 `method_not_allowed`, and a bug of the gateway 500 `internal` or 403 \
`read_that_writes`.";
