//! The bodies of requests and answers, as clients write and read them.

mod fields;

pub(crate) use fields::refused;

use http_server::Field;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{
    Change, Credentials, Password, PasswordRules, RecipientView, Registration, UserStatus, UserView,
};
use crate::store::Written;
use api_error::ApiError;

/// A registration.
// Without `Debug`: it has a password in it.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"name": "Ani Putri", "email": "ani@example.com", "phone": "081298765432", "password": "correct horse"}))]
pub(crate) struct RegisterRequest {
    /// The full name. It has something to see in it, and no control characters.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*$")]
    name: Field<String>,
    /// An address that nobody has registered with. Upper and lower case are the same.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 3, max_length = 254, format = Email)]
    email: Field<String>,
    /// A telephone number.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 32, pattern = r"^[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*$")]
    phone: Field<String>,
    /// At least 8 characters, and at most 1024 bytes. None that attackers try first, and not the user's own name, address or number.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 8, max_length = 1024, pattern = r"\S", format = Password)]
    password: Field<String>,
}

impl RegisterRequest {
    pub(crate) fn parse(self, rules: PasswordRules) -> Result<Registration, ApiError> {
        fields::registration([self.name, self.email, self.phone, self.password], rules)
    }
}

/// An address and a password.
// Without `Debug`: it has a password in it.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "john@example.com", "password": "password123"}))]
pub(crate) struct LoginRequest {
    /// The address that was registered.
    #[serde(default)]
    #[schema(value_type = String, required, pattern = r"\S")]
    email: Field<String>,
    /// The password.
    #[serde(default)]
    #[schema(value_type = String, required, max_length = 1024, pattern = r"\S", format = Password)]
    password: Field<String>,
}

impl LoginRequest {
    pub(crate) fn parse(self) -> Result<Credentials, ApiError> {
        fields::credentials(self.email, self.password)
    }
}

/// An object without fields: the session is the token's.
// The original system did not have this route, so that an unknown field is a mistake.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogoutRequest {}

/// The fields that a user changes. A field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"phone": "081200000000"}))]
pub(crate) struct UpdateRequest {
    /// The full name. It has something to see in it, and no control characters.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*$")]
    name: Field<String>,
    /// A telephone number.
    #[serde(default)]
    #[schema(value_type = String, required = false, min_length = 1, max_length = 32, pattern = r"^[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*$")]
    phone: Field<String>,
}

impl UpdateRequest {
    pub(crate) fn parse(self) -> Result<Change, ApiError> {
        fields::change(self.name, self.phone)
    }
}

/// The password of now, and the one to come.
// Without `Debug`: it has passwords in it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"old_password": "correct horse", "new_password": "battery staple"}))]
pub(crate) struct PasswordRequest {
    /// The password of now.
    #[serde(default)]
    #[schema(value_type = String, required, max_length = 1024, pattern = r"\S", format = Password)]
    old_password: Field<String>,
    /// At least 8 characters, and at most 1024 bytes. None that attackers try first, and not the user's own name, address or number.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 8, max_length = 1024, pattern = r"\S", format = Password)]
    new_password: Field<String>,
}

impl PasswordRequest {
    /// The old password, and what is to be the new one.
    pub(crate) fn parse(self) -> Result<(Password, String), ApiError> {
        fields::passwords(self.old_password, self.new_password)
    }
}

/// One session of a user.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionView {
    /// The id.
    #[schema(example = "5f0c6d3c9a4e4b0e8d3f6a1b2c3d4e5f")]
    pub(crate) id: String,
    /// When it began.
    #[schema(format = DateTime, example = "2026-11-22T08:15:30.123456Z")]
    pub(crate) created_at: String,
    /// When it ends by itself.
    #[schema(format = DateTime, example = "2026-11-23T08:15:30.000000Z")]
    pub(crate) expires_at: String,
    /// True for the session of the token that asks.
    pub(crate) current: bool,
    /// The program that began it, as that called itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, max_length = 200, example = "Mozilla/5.0 (X11; Linux x86_64)")]
    pub(crate) user_agent: Option<String>,
    /// The address on the network that it began from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "203.0.113.7")]
    pub(crate) address: Option<String>,
}

/// Sessions, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionsBody {
    /// Every session that goes on: at most 100.
    pub(crate) sessions: Vec<SessionView>,
}

/// A session that has begun.
#[derive(Serialize, ToSchema)]
pub(crate) struct SessionBody {
    /// The token for `Authorization: Bearer`, good for 24 hours.
    #[schema(example = "eyJhbGciOiJFZERTQSIsImtpZCI6Ii4uLiJ9.eyJ1c2VyX2lkIjoxfQ.c2lnbmF0dXJl")]
    pub(crate) token: String,
    /// The user of the session.
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
    /// `before` of the next page. Left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 42)]
    pub(crate) next: Option<i64>,
}

/// A user's status to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"status": "suspended", "reason": "Reported as stolen"}))]
pub(crate) struct UserStatusRequest {
    /// Whether the user can log in.
    #[serde(default)]
    #[schema(value_type = UserStatus, required)]
    status: Field<String>,
    /// Why. It is kept in the audit log.
    #[serde(default)]
    #[schema(value_type = String, required, min_length = 1, max_length = 200, pattern = r"^[^\x00-\x1f\x7f-\x9f]*\S[^\x00-\x1f\x7f-\x9f]*$")]
    reason: Field<String>,
}

impl UserStatusRequest {
    pub(crate) fn parse(self) -> Result<(UserStatus, String), ApiError> {
        fields::status(self.status, self.reason)
    }
}

/// A recipient who was looked up.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecipientBody {
    /// The recipient.
    pub(crate) user: RecipientView,
}

/// One act, as the audit log has it.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(crate) struct ActView {
    /// The id: a later act has a larger one.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub(crate) id: i64,
    /// When it was.
    #[schema(format = DateTime, example = "2026-11-22T08:15:30.123456Z")]
    pub(crate) at: String,
    /// The user who acted. Left out where it was a service, or where nobody proved who they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub(crate) actor_id: Option<i64>,
    /// In which role: `user`, `admin`, `service`, `nobody`.
    #[schema(example = "admin")]
    pub(crate) actor_role: String,
    /// What was done, such as `log_in`, `change_password`, `suspend_user`, `freeze_wallet`. More words may come.
    #[schema(example = "suspend_user")]
    pub(crate) act: String,
    /// The kind of thing that it was done to: `user`, `wallet`.
    #[schema(example = "user")]
    pub(crate) object_kind: String,
    /// Its id. Left out at a log-in with an unknown address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "2")]
    pub(crate) object_id: Option<String>,
    /// `done` or `refused`.
    #[schema(example = "done")]
    pub(crate) result: String,
    /// What was said about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "Reported as stolen")]
    pub(crate) reason: Option<String>,
    /// The address on the network that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "203.0.113.7")]
    pub(crate) address: Option<String>,
    /// The trace of the request, as in its answer's `X-Trace-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    pub(crate) trace_id: Option<String>,
}

impl From<Written> for ActView {
    fn from(row: Written) -> ActView {
        ActView {
            id: row.id,
            at: row.at.rfc3339(),
            actor_id: row.actor_id,
            actor_role: row.actor_role,
            act: row.act,
            object_kind: row.object_kind,
            object_id: row.object_id,
            result: row.result,
            reason: row.reason,
            address: row.address,
            trace_id: row.trace_id,
        }
    }
}

/// Acts, the newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditBody {
    /// The acts of this page.
    pub(crate) entries: Vec<ActView>,
    /// `before` of the next page. Left out on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false, minimum = 1, maximum = 9_007_199_254_740_991_i64, example = 42)]
    pub(crate) next: Option<i64>,
}

/// An answer that has nothing to show.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"message": "User deleted successfully"}))]
pub(crate) struct MessageBody {
    /// A sentence that says so.
    pub(crate) message: &'static str,
}
