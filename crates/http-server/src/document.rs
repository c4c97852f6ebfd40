//! Pieces of the API's document that no derive makes.

use utoipa::openapi::{Object, ObjectBuilder, Type};

/// The schema of a field that is one of these words: for `schema_with`.
pub fn words(description: &str, words: &[&str]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(description))
        .enum_values(Some(words.iter().copied()))
        .build()
}
