//! The fields of requests about users: what is missing or wrong is said in the API's words.

use api_error::ApiError;
use http_server::{FIELD_CHARS_MAX, Field, text};

use crate::domain::{
    Change, Credentials, Email, Owner, Password, PasswordRefused, PasswordRules, Registration,
    UserStatus,
};

const PHONE_CHARS_MAX: usize = 32;

/// Checks the four fields of a registration: first that all are there, then each.
pub(super) fn registration(
    [name, email, phone, password]: [Field<String>; 4],
    rules: PasswordRules,
) -> Result<Registration, ApiError> {
    let required = [
        ("name", &name),
        ("email", &email),
        ("phone", &phone),
        ("password", &password),
    ];
    for (field, value) in required {
        if is_blank(value) {
            return Err(
                ApiError::bad_request("All fields required", "missing_fields").field(field),
            );
        }
    }
    let name = parse_name(&given("name", name)?)?;
    let email = Email::parse(&given("email", email)?).ok_or_else(|| {
        invalid(
            "email",
            "email is an address such as ani@example.com".into(),
        )
    })?;
    let phone = parse_phone(&given("phone", phone)?)?;
    let owner = Owner {
        name: &name,
        email: email.as_str(),
        phone: &phone,
    };
    let password = Password::choose(&given("password", password)?, owner, rules)
        .map_err(|why| refused("password", why))?;
    Ok(Registration {
        name,
        email,
        phone,
        password,
    })
}

pub(super) fn credentials(
    email: Field<String>,
    password: Field<String>,
) -> Result<Credentials, ApiError> {
    if is_blank(&email) || is_blank(&password) {
        return Err(ApiError::bad_request(
            "Email and password required",
            "missing_fields",
        ));
    }
    let text = given("email", email)?;
    let email = Email::parse(&text);
    let account = email.as_ref().map(Email::key);
    Ok(Credentials {
        account: account.unwrap_or_else(|| text.trim().to_lowercase()),
        email,
        password: Password::attempt(&given("password", password)?)
            .map_err(|why| refused("password", why))?,
    })
}

pub(super) fn change(name: Field<String>, phone: Field<String>) -> Result<Change, ApiError> {
    let changed = |field, value: Field<String>, parse: fn(&str) -> Result<String, ApiError>| {
        let value = value.optional(|| invalid(field, format!("{field} is a text")))?;
        value.map(|value| parse(&value)).transpose()
    };
    Ok(Change {
        name: changed("name", name, parse_name)?,
        phone: changed("phone", phone, parse_phone)?,
    })
}

/// The two fields of a password change, of which only the first is a password yet.
pub(super) fn passwords(
    old: Field<String>,
    new: Field<String>,
) -> Result<(Password, String), ApiError> {
    for (field, value) in [("old_password", &old), ("new_password", &new)] {
        if is_blank(value) {
            return Err(
                ApiError::bad_request("All fields required", "missing_fields").field(field),
            );
        }
    }
    let old = Password::attempt(&given("old_password", old)?)
        .map_err(|why| refused("old_password", why))?;
    Ok((old, given("new_password", new)?))
}

/// The two fields of a change of status.
pub(super) fn status(
    status: Field<String>,
    reason: Field<String>,
) -> Result<(UserStatus, String), ApiError> {
    let wrong = || {
        ApiError::bad_request("Invalid status", "invalid_status")
            .field("status")
            .message("status is active or suspended")
    };
    let status = status.or_errors(wrong, wrong)?;
    let status = UserStatus::parse(&status).ok_or_else(wrong)?;
    let missing = || {
        ApiError::bad_request("Missing required fields", "missing_fields")
            .field("reason")
            .message("reason says why; it is kept in the audit log")
    };
    if is_blank(&reason) {
        return Err(missing());
    }
    Ok((
        status,
        text(&given("reason", reason)?, "reason", FIELD_CHARS_MAX)?,
    ))
}

/// The answer to a password that cannot be chosen.
pub(crate) fn refused(field: &'static str, why: PasswordRefused) -> ApiError {
    let code = if why.is_weak() {
        "weak_password"
    } else {
        "invalid_field"
    };
    ApiError::bad_request("Invalid field", code)
        .field(field)
        .message(format!("{field} {why}"))
}

fn parse_name(value: &str) -> Result<String, ApiError> {
    text(value, "name", FIELD_CHARS_MAX)
}

fn parse_phone(value: &str) -> Result<String, ApiError> {
    text(value, "phone", PHONE_CHARS_MAX)
}

/// Missing, null, or nothing but spaces.
fn is_blank(value: &Field<String>) -> bool {
    match value {
        Field::Missing | Field::Null => true,
        Field::Wrong => false,
        Field::Given(value) => value.trim().is_empty(),
    }
}

fn given(field: &'static str, value: Field<String>) -> Result<String, ApiError> {
    let wrong = || invalid(field, format!("{field} is a text"));
    value.or_errors(wrong, wrong)
}

fn invalid(field: &'static str, message: String) -> ApiError {
    ApiError::bad_request("Invalid field", "invalid_field")
        .field(field)
        .message(message)
}
