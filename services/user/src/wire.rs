//! The bodies of requests and answers, as clients write and read them.

use http_server::Field;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Change, Credentials, Registration, UserView};
use api_error::ApiError;

/// A registration.
// Without `Debug`: it has a password in it.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"name": "Ani Putri", "email": "ani@example.com", "phone": "081298765432", "password": "correct horse"}))]
pub(crate) struct RegisterRequest {
    /// The full name, 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 200)]
    name: Field<String>,
    /// An address that nobody has registered with; upper and lower case are the same.
    #[serde(default)]
    #[schema(value_type = String, required, max_length = 254)]
    email: Field<String>,
    /// A telephone number, 1 to 32 characters.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 32)]
    phone: Field<String>,
    /// At least 8 characters.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 8, max_length = 1024, format = Password)]
    password: Field<String>,
}

impl RegisterRequest {
    pub(crate) fn parse(self) -> Result<Registration, ApiError> {
        Registration::parse(self.name, self.email, self.phone, self.password)
    }
}

/// An address and a password.
// Without `Debug`: it has a password in it.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "john@example.com", "password": "password123"}))]
pub(crate) struct LoginRequest {
    /// The address that was registered.
    #[serde(default)]
    #[schema(value_type = String, required)]
    email: Field<String>,
    /// The password.
    #[serde(default)]
    #[schema(value_type = String, required, format = Password)]
    password: Field<String>,
}

impl LoginRequest {
    pub(crate) fn parse(self) -> Result<Credentials, ApiError> {
        Credentials::parse(self.email, self.password)
    }
}

/// Nothing: the session is the token's. A route that the original system did not have, so that an unknown field is a mistake.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogoutRequest {}

/// What a user changes; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"phone": "081200000000"}))]
pub(crate) struct UpdateRequest {
    /// The full name, 1 to 200 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    name: Field<String>,
    /// A telephone number, 1 to 32 characters.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 32)]
    phone: Field<String>,
}

impl UpdateRequest {
    pub(crate) fn parse(self) -> Result<Change, ApiError> {
        Change::parse(self.name, self.phone)
    }
}

/// A session that has begun.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionBody {
    /// The token for `Authorization: Bearer`, good for 24 hours.
    #[schema(example = "eyJhbGciOiJFZERTQSIsImtpZCI6Ii4uLiJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJl")]
    pub(crate) token: String,
    /// Who it is for.
    pub(crate) user: UserView,
}

/// One user.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserBody {
    /// The user.
    pub(crate) user: UserView,
}

/// Users, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct UsersBody {
    /// The users of this page.
    pub(crate) users: Vec<UserView>,
    /// What `before` is for the next page; left out after the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<i64>,
}

/// It was done.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"message": "User deleted successfully"}))]
pub(crate) struct MessageBody {
    /// What was done.
    pub(crate) message: &'static str,
}
