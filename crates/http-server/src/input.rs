//! Input of clients beyond JSON's own syntax: fields that may be missing or of a wrong type, ids in paths, pages,
//! idempotency keys. Each has a bound.

use api_error::ApiError;
use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use serde::{Deserialize, Deserializer};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Required, Schema, SchemaFormat, Type};
use utoipa::{IntoParams, PartialSchema};

/// The longest idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// The largest id: 2^53 - 1, the largest integer that every JSON reader keeps exactly (RFC 8259, section 6).
const ID_MAX: i64 = 9_007_199_254_740_991;

/// A field of a request's body: use it with `#[serde(default)]`. A wrong type is kept until the handler asks, because each
/// call has its own sentence for it. `null` counts as missing where the field is required, and as wrong where it may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Not there.
    #[default]
    Missing,
    /// `null`.
    Null,
    /// There, but not what it should be.
    Wrong,
    /// There.
    Given(T),
}

impl<T> Field<T> {
    /// The value, or `missing` or `wrong`.
    pub fn or_errors(
        self,
        missing: impl FnOnce() -> ApiError,
        wrong: impl FnOnce() -> ApiError,
    ) -> Result<T, ApiError> {
        match self {
            Field::Missing | Field::Null => Err(missing()),
            Field::Wrong => Err(wrong()),
            Field::Given(value) => Ok(value),
        }
    }

    /// The value of a field that may be left out, or `wrong`, also for `null`.
    pub fn optional(self, wrong: impl FnOnce() -> ApiError) -> Result<Option<T>, ApiError> {
        match self {
            Field::Missing => Ok(None),
            Field::Null | Field::Wrong => Err(wrong()),
            Field::Given(value) => Ok(Some(value)),
        }
    }

    /// The field, with a value that is not `good` taken as wrong.
    #[must_use]
    pub fn filter(self, good: impl FnOnce(&T) -> bool) -> Field<T> {
        match self {
            Field::Given(value) if !good(&value) => Field::Wrong,
            other => other,
        }
    }

    /// Returns whether a required field is missing: `null` is nothing, too.
    pub fn is_missing(&self) -> bool {
        matches!(self, Field::Missing | Field::Null)
    }
}

impl<'de, T: serde::de::DeserializeOwned> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Any JSON value is syntactically fine here; whether it is a `T` is asked second.
        let value = serde_json::Value::deserialize(deserializer)?;
        if value.is_null() {
            return Ok(Field::Null);
        }
        Ok(serde_json::from_value(value).map_or(Field::Wrong, Field::Given))
    }
}

/// The id in a path, such as `/wallets/{id}`: `None` for whatever is not a positive integer, which no resource has as its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathId(pub Option<i64>);

impl PathId {
    /// The id that a part of a path is, for a path with more than one parameter.
    pub fn parse(text: &str) -> PathId {
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let id = text.parse::<i64>().ok().filter(|id| is_digits && *id > 0);
        PathId(id)
    }

    /// The id, or the error of a resource that is not there.
    pub fn or(self, not_found: impl Into<ApiError>) -> Result<i64, ApiError> {
        self.0
            .ok_or_else(|| not_found.into().message("An id is a positive whole number"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        Ok(text.map_or(PathId(None), |Path(text)| PathId::parse(&text)))
    }
}

/// `"id" = inline(PathId)` in a route's parameters.
impl PartialSchema for PathId {
    fn schema() -> RefOr<Schema> {
        // The demo user has one of each with this id, so that the pages at /docs begin with what works.
        whole_number(ID_MAX).examples([1]).into()
    }
}

impl utoipa::ToSchema for PathId {}

fn whole_number(max: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(1))
        .maximum(Some(max))
}

/// The part of a list that is asked for: `?limit=50&before=1234`. The answer names the next page's `before` as `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The largest number of items: from 1 to [`Page::LIMIT_MAX`].
    pub limit: i64,
    /// Only what has a smaller id; the largest number for the newest page.
    pub before: i64,
}

impl Page {
    /// The largest page.
    pub const LIMIT_MAX: i64 = 200;
    /// The page of a call that names none.
    pub const LIMIT_DEFAULT: i64 = 100;
    /// The largest `before`: no id is larger.
    pub const BEFORE_MAX: i64 = ID_MAX;

    /// The value of `next`, given the ids of the page: the last id of a full page, nothing after the end.
    pub fn next(&self, ids: impl ExactSizeIterator<Item = i64>) -> Option<i64> {
        if i64::try_from(ids.len()).is_ok_and(|length| length < self.limit) {
            return None;
        }
        ids.last()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let wrong = |field: &'static str, message: String| {
            ApiError::bad_request("Invalid query", "invalid_query")
                .field(field)
                .message(message)
        };
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, state)
            .await
            .map_err(|_| wrong("limit", "The query is not readable".to_owned()))?;
        refuse_other_paging(&pairs)?;
        let once = |field: &'static str| {
            let mut values = pairs.iter().filter(|(name, _)| name == field);
            match (values.next(), values.next()) {
                (_, Some(_)) => Err(wrong(field, format!("{field} comes once"))),
                (value, None) => Ok(value.map(|(_, value)| value.as_str())),
            }
        };
        let number = |field, text: Option<&str>, default: i64, max: i64| match text {
            None => Ok(default),
            Some(text) => text
                .parse::<i64>()
                .ok()
                .filter(|number| (1..=max).contains(number))
                .ok_or_else(|| wrong(field, format!("{field} is a whole number from 1 to {max}"))),
        };
        Ok(Page {
            limit: number(
                "limit",
                once("limit")?,
                Self::LIMIT_DEFAULT,
                Self::LIMIT_MAX,
            )?,
            before: number("before", once("before")?, i64::MAX, Self::BEFORE_MAX)?,
        })
    }
}

/// `params(Page)` in a route.
impl IntoParams for Page {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |name: &str, description: &str, schema: ObjectBuilder| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(description))
                .schema(Some(schema))
                .build()
        };
        vec![
            parameter(
                "limit",
                "The page has at most this many.",
                whole_number(Self::LIMIT_MAX).default(Some(Self::LIMIT_DEFAULT.into())),
            ),
            parameter(
                "before",
                "The page begins after the one with this id: `next` of the page before.",
                whole_number(Self::BEFORE_MAX),
            ),
        ]
    }
}

/// Parameters by which other APIs page. Who sends one of these would read the newest page again and again, and take it for the next one.
const OTHER_PAGING: [&str; 7] = [
    "page",
    "offset",
    "skip",
    "cursor",
    "after",
    "per_page",
    "page_size",
];

/// Fields that nobody knows are ignored, but not those of another way to page.
fn refuse_other_paging(pairs: &[(String, String)]) -> Result<(), ApiError> {
    let other = OTHER_PAGING
        .iter()
        .find(|name| pairs.iter().any(|(given, _)| given == *name));
    match other {
        None => Ok(()),
        Some(name) => Err(ApiError::bad_request("Invalid query", "unknown_parameter")
            .field(*name)
            .message(format!(
                "There is no {name}: a page is asked for with limit and before, and names the next one's before as next"
            ))),
    }
}

/// The client's `Idempotency-Key`, if it sent one (draft-ietf-httpapi-idempotency-key-header).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let mut values = parts.headers.get_all("idempotency-key").iter();
        let Some(value) = values.next() else {
            return Ok(IdempotencyKey(None));
        };
        if values.next().is_some() {
            return Err(wrong_key());
        }
        let key = value.to_str().map_err(|_| wrong_key())?;
        idempotency_key_of(key).map(|key| IdempotencyKey(Some(key)))
    }
}

/// An idempotency key from another place than its header.
pub fn idempotency_key_of(key: &str) -> Result<String, ApiError> {
    let is_one = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_graphic());
    is_one.then(|| key.to_owned()).ok_or_else(wrong_key)
}

fn wrong_key() -> ApiError {
    ApiError::bad_request("Invalid idempotency key", "invalid_idempotency_key")
        .message("An Idempotency-Key is 1 to 255 visible ASCII characters, sent once")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        amount: Field<i64>,
    }

    #[test]
    fn a_field_tells_missing_from_wrong() {
        let read = |text: &str| {
            serde_json::from_str::<Body>(text)
                .map(|body| body.amount)
                .ok()
        };
        assert_eq!(read("{}"), Some(Field::Missing));
        assert_eq!(read(r#"{"amount":null}"#), Some(Field::Null));
        assert_eq!(read(r#"{"amount":7,"amount":7}"#), None);
        assert_eq!(read(r#"{"amount":7,"more":[]}"#), Some(Field::Given(7)));
        assert_eq!(read(r#"{"amount":7}"#), Some(Field::Given(7)));
        for wrong in [
            "1.5",
            "\"10\"",
            "1e3",
            "9223372036854775808",
            "true",
            "[]",
            "{}",
        ] {
            assert_eq!(
                read(&format!(r#"{{"amount":{wrong}}}"#)),
                Some(Field::Wrong),
                "{wrong}"
            );
        }
    }
}
