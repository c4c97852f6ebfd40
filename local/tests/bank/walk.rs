//! Walks every call of the API's document with bad input of each kind: an answer has a status that the document names for the call, and a
//! failed one has the fields of every error, with a code that the document names for that status.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use testing::{Answer, TestClient};

use crate::support::{Customer, TestBank, every_bank};

/// A body, and the headers that it comes with.
type WrongBody = (Vec<u8>, Vec<(&'static str, &'static str)>);

const DOCUMENT: &str = include_str!("../../../docs/openapi.json");
const JSON: (&str, &str) = ("content-type", "application/json");

/// Any request can be told these, so that calls do not name them.
const OF_ANY_REQUEST: [(&str, &str); 4] = [
    ("404", "endpoint_not_found"),
    ("405", "method_not_allowed"),
    ("413", "body_too_large"),
    ("431", "headers_too_large"),
];

#[tokio::test]
async fn bad_input_of_each_kind_is_answered_as_the_document_says() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let calls = calls(&document);
    assert!(calls.len() > 20, "{}", calls.len());
    for bank in every_bank().await {
        let mut seen = BTreeSet::new();
        for (number, call) in calls.iter().enumerate() {
            // Each its own, so that a call that did something shows.
            let user = bank.customer(&format!("walker{number}"), 1_000).await;
            let walk = Walk::new(&document, &bank, call, &user);
            for answer in walk.answers().await {
                seen.insert(walk.check(&answer));
            }
            walk.other_methods(&calls).await;
            // The session, the user and the money are as before.
            assert_eq!(user.balance().await, 1_000, "{}", call.path);
        }
        // What the kinds of input are for.
        for code in [
            "invalid_body",
            "missing_fields",
            "invalid_amount",
            "invalid_query",
            "invalid_idempotency_key",
            "token_missing",
            "token_invalid",
            "wallet_not_found",
            "payment_not_found",
            "transaction_not_found",
            "user_not_found",
            "body_too_large",
            "unsupported_media_type",
            "unsupported_charset",
            "unsupported_content_encoding",
        ] {
            assert!(seen.contains(code), "{code} was never answered: {seen:?}");
        }
        bank.assert_whole().await;
    }
}

/// One call of the document.
struct Call {
    method: Method,
    path: String,
    operation: Value,
}

fn calls(document: &Value) -> Vec<Call> {
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            calls.push(Call {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                operation: operation.clone(),
            });
        }
    }
    calls
}

/// The walk over one call.
struct Walk<'a> {
    document: &'a Value,
    call: &'a Call,
    nobody: TestClient,
    user: TestClient,
    /// The path with the user's own ids in it.
    path: String,
}

impl<'a> Walk<'a> {
    fn new(document: &'a Value, bank: &TestBank, call: &'a Call, user: &Customer) -> Walk<'a> {
        let nobody = TestClient::new(bank.bank.gateway_url());
        let id = if call.path.contains("/users/") {
            user.user_id
        } else {
            user.wallet_id
        };
        Walk {
            document,
            call,
            user: nobody.with_token(user.token.as_str()),
            nobody,
            path: fill(&call.path, &id.to_string()),
        }
    }

    async fn answers(&self) -> Vec<Answer> {
        let mut answers = Vec::new();
        let needs_token = self.call.operation["security"] != json!([]);
        if needs_token {
            for client in [&self.nobody, &self.nobody.with_token("a.b.c")] {
                let answer = self.send(client, &self.path, &[], &[]).await;
                assert_eq!(answer.status, 401, "{}", answer.request);
                answers.push(answer);
            }
        }
        for path in self.wrong_ids().into_iter().chain(self.wrong_queries()) {
            answers.push(self.send(&self.user, &path, &[], &[]).await);
        }
        for (body, headers) in self.wrong_bodies() {
            answers.push(self.send(&self.user, &self.path, &body, &headers).await);
        }
        answers
    }

    fn parameters(&self, place: &str) -> Vec<&Value> {
        let parameters = self.call.operation["parameters"].as_array();
        let parameters = parameters.into_iter().flatten();
        let resolved = parameters.map(|parameter| resolve(self.document, parameter));
        resolved
            .filter(|parameter| parameter["in"] == place)
            .collect()
    }

    fn wrong_ids(&self) -> Vec<String> {
        if !self.call.path.contains('{') {
            return Vec::new();
        }
        [
            "0",
            "-1",
            "abc",
            "1.5",
            "1e1",
            "+1",
            "%00",
            "1%2F2",
            "99999999",
            "9223372036854775808",
        ]
        .map(|id| fill(&self.call.path, id))
        .to_vec()
    }

    fn wrong_queries(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for parameter in self.parameters("query") {
            let name = parameter["name"].as_str().unwrap();
            for query in [
                format!("{name}="),
                format!("{name}=%20"),
                format!("{name}=-1"),
                format!("{name}=1.5"),
                format!("{name}=9223372036854775808"),
                format!("{name}=%ff"),
                format!("{name}=x&{name}=y"),
            ] {
                paths.push(format!("{}?{query}", self.path));
            }
        }
        if !self.parameters("query").is_empty() {
            paths.push(format!("{}?%zz", self.path));
        }
        paths
    }

    fn wrong_bodies(&self) -> Vec<WrongBody> {
        let Some(schema) = self.body_schema() else {
            return Vec::new();
        };
        let good = example(schema);
        let mut bodies: Vec<Vec<u8>> = ["{", "nonsense", "[]", "null", "7", "\"text\"", "{}{}"]
            .map(|text| text.as_bytes().to_vec())
            .to_vec();
        bodies.push(vec![b'{', 0xff, b'}']);
        bodies.push(format!("{{\"x\":{}1{}}}", "[".repeat(500), "]".repeat(500)).into_bytes());
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            for wrong in wrong_values(field) {
                let mut body = good.clone();
                body[name] = wrong;
                bodies.push(body.to_string().into_bytes());
            }
            if is_required(schema, name) {
                let mut body = good.clone();
                body.as_object_mut().unwrap().remove(name);
                bodies.push(body.to_string().into_bytes());
            }
            let twice = format!("{{\"{name}\":{0},\"{name}\":{0}}}", good[name]);
            bodies.push(twice.into_bytes());
        }
        let mut all: Vec<_> = bodies.into_iter().map(|body| (body, vec![JSON])).collect();
        let good = good.to_string().into_bytes();
        for headers in [
            vec![("content-type", "text/plain")],
            vec![("content-type", "application/x-www-form-urlencoded")],
            vec![("content-type", "application/json; charset=utf-16")],
            vec![JSON, ("content-encoding", "gzip")],
        ] {
            all.push((good.clone(), headers));
        }
        all.push((vec![b' '; 70_000], vec![JSON]));
        if !self.parameters("header").is_empty() {
            for key in ["", "a b", "ключ"] {
                all.push((good.clone(), vec![JSON, ("idempotency-key", key)]));
            }
        }
        all
    }

    fn body_schema(&self) -> Option<&Value> {
        let schema = &self.call.operation["requestBody"]["content"]["application/json"]["schema"];
        schema.is_object().then(|| resolve(self.document, schema))
    }

    async fn send(
        &self,
        client: &TestClient,
        path: &str,
        body: &[u8],
        headers: &[(&str, &str)],
    ) -> Answer {
        let method = self.call.method.clone();
        client.send_raw(method, path, body.to_vec(), headers).await
    }

    /// The code of an answer, which is empty where nothing failed.
    fn check(&self, answer: &Answer) -> String {
        let shown = format!("{}: {} {}", answer.request, answer.status, answer.text());
        let status = answer.status.as_str();
        assert!(!answer.status.is_server_error(), "{shown}");
        let documented = &self.call.operation["responses"][status];
        if !answer.status.is_client_error() {
            assert!(documented.is_object(), "not in the document: {shown}");
            return String::new();
        }
        let body = answer.json();
        for field in ["error", "code", "message"] {
            assert!(
                body[field].as_str().is_some_and(|text| !text.is_empty()),
                "no {field}: {shown}"
            );
        }
        let code = body["code"].as_str().unwrap();
        let examples =
            &resolve(self.document, documented)["content"]["application/json"]["examples"];
        assert!(
            examples[code].is_object() || OF_ANY_REQUEST.contains(&(status, code)),
            "not in the document: {shown}"
        );
        code.to_owned()
    }

    /// Methods that the path does not have are 405, and `Allow` names those that it has.
    async fn other_methods(&self, calls: &[Call]) {
        let has = |method: &Method| {
            let mut same = calls.iter().filter(|call| call.path == self.call.path);
            same.any(|call| call.method == *method)
        };
        for method in [
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::PATCH,
        ] {
            if has(&method) {
                continue;
            }
            let answer = self
                .user
                .send_raw(method, &self.path, Vec::new(), &[])
                .await;
            assert_eq!(answer.expect(405)["code"], "method_not_allowed");
            let allowed = answer.headers["allow"].to_str().unwrap();
            assert!(
                allowed.contains(self.call.method.as_str()),
                "{}: {allowed}",
                answer.request
            );
        }
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(place) => document.pointer(place.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

fn fill(path: &str, id: &str) -> String {
    let filled = path.split('/').map(|segment| {
        if segment.starts_with('{') {
            id
        } else {
            segment
        }
    });
    filled.collect::<Vec<_>>().join("/")
}

fn example(schema: &Value) -> Value {
    if schema["example"].is_object() {
        return schema["example"].clone();
    }
    let fields = schema["properties"].as_object().into_iter().flatten();
    fields
        .map(|(name, field)| {
            let value = [&field["example"], &field["enum"][0]];
            let value = value.into_iter().find(|value| !value.is_null());
            (name.clone(), value.cloned().unwrap_or(json!(1)))
        })
        .collect()
}

fn is_required(schema: &Value, name: &str) -> bool {
    let required = schema["required"].as_array().into_iter().flatten();
    required.into_iter().any(|field| field == name)
}

/// Values that the schema of a field does not allow.
fn wrong_values(field: &Value) -> Vec<Value> {
    let mut wrong = vec![Value::Null, json!(true), json!([]), json!({}), json!(1.5)];
    if field["type"] == "string" {
        wrong.extend([json!(7), json!(""), json!("\u{0}"), json!("a\u{202e}b")]);
        wrong.push(json!("x".repeat(2_000)));
    } else {
        wrong.extend([json!("1"), json!(0), json!(-1), json!(u64::MAX)]);
    }
    wrong
}
