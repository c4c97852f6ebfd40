//! The rules about users: who sees what of whom, what an address is, which passwords are good enough. Pure: no I/O, no clock, no HTTP.
//!
//! What must hold: others never get more of a user's address and number than the masks leave, and a [`Password`] has no
//! `Debug`, so that it cannot end up in a log.

mod email;
mod mask;
mod password;

pub(crate) use email::Email;
pub(crate) use password::{DEMO_PASSWORD, Owner, Password, PasswordRefused, PasswordRules};

use auth::{Role, UserId};
use serde::Serialize;

/// The fields of a registration.
#[derive(Clone)]
pub(crate) struct Registration {
    pub(crate) name: String,
    pub(crate) email: Email,
    pub(crate) phone: String,
    pub(crate) password: Password,
}

/// The fields of a log-in. An address that none can be is kept as `None`: it fails like an unknown one.
pub(crate) struct Credentials {
    pub(crate) email: Option<Email>,
    pub(crate) password: Password,
}

/// A change of a user's own data; `None` stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
}

/// A user who was not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) phone: String,
    pub(crate) role: Role,
}

/// The user who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Viewer {
    pub(crate) user_id: UserId,
    pub(crate) is_admin: bool,
}

impl Viewer {
    /// Returns whether this is somebody who may see and change everything about that user.
    pub(crate) fn may_manage(&self, user_id: i64) -> bool {
        self.is_admin || self.user_id.0 == user_id
    }
}

/// A user, as the caller may see them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = User, example = json!({"id": 1, "name": "John Doe", "email": "john@example.com", "phone": "081234567890", "role": "user"}))]
pub(crate) struct UserView {
    /// The id.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub(crate) id: i64,
    /// The full name.
    pub(crate) name: String,
    /// The address; of others only the first letter and the domain.
    pub(crate) email: String,
    /// The number; of others only the last digits.
    pub(crate) phone: String,
    /// The user's rights. Not shown of others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Role, required = false)]
    pub(crate) role: Option<Role>,
}

impl User {
    /// Everything: for the user themselves and for administrators.
    pub(crate) fn in_full(self) -> UserView {
        UserView {
            id: self.id,
            name: self.name,
            email: self.email,
            phone: self.phone,
            role: Some(self.role),
        }
    }

    /// The user as `viewer` may see them.
    pub(crate) fn seen_by(self, viewer: Viewer) -> UserView {
        if viewer.may_manage(self.id) {
            return self.in_full();
        }
        UserView {
            id: self.id,
            email: mask::email(&self.email),
            phone: mask::phone(&self.phone),
            name: self.name,
            role: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_user_and_administrators_see_all() {
        let john = User {
            id: 1,
            name: "John Doe".to_owned(),
            email: "john@example.com".to_owned(),
            phone: "081234567890".to_owned(),
            role: Role::User,
        };
        let viewer = |user_id, is_admin| Viewer {
            user_id: UserId(user_id),
            is_admin,
        };
        assert_eq!(john.clone().seen_by(viewer(1, false)).email, john.email);
        assert_eq!(john.clone().seen_by(viewer(2, true)).phone, john.phone);
        let seen = john.seen_by(viewer(2, false));
        assert_eq!(
            (seen.email.as_str(), seen.phone.as_str(), seen.role),
            ("j***@example.com", "********7890", None)
        );
    }
}
