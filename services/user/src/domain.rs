//! The rules about users: who sees what of whom, what an address is, which passwords are good enough. Pure: no I/O, no clock, no HTTP.
//!
//! What must hold: others never get more of a user's address and number than the masks leave, and a [`Password`] has no
//! `Debug`, so that it cannot end up in a log.

mod email;
mod mask;
mod password;
mod phone;

pub(crate) use email::Email;
pub(crate) use password::{DEMO_PASSWORD, Owner, Password, PasswordRefused, PasswordRules};
pub(crate) use phone::phone_key;

use auth::{Caller, Role, UserId};
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
    /// The name under which tries are counted: the address as it is compared, or the text in its place.
    pub(crate) account: String,
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
    pub(crate) status: UserStatus,
}

/// Whether a user can log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum UserStatus {
    /// They can.
    Active,
    /// An administrator has said that they cannot.
    Suspended,
}

impl UserStatus {
    /// The word in the database and in answers.
    pub(crate) fn word(self) -> &'static str {
        match self {
            UserStatus::Active => "active",
            UserStatus::Suspended => "suspended",
        }
    }

    pub(crate) fn parse(word: &str) -> Option<UserStatus> {
        [UserStatus::Active, UserStatus::Suspended]
            .into_iter()
            .find(|status| status.word() == word)
    }
}

/// The user who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Viewer {
    pub(crate) user_id: UserId,
    pub(crate) is_admin: bool,
}

impl From<&Caller> for Viewer {
    fn from(caller: &Caller) -> Viewer {
        Viewer {
            user_id: caller.user_id,
            is_admin: caller.is_admin(),
        }
    }
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
    /// Whether the user can log in. Shown to administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = UserStatus, required = false)]
    pub(crate) status: Option<UserStatus>,
}

/// A recipient who was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = Recipient, example = json!({"id": 2, "name": "Jane S***", "email": "j***@example.com"}))]
pub(crate) struct RecipientView {
    /// The id.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    pub(crate) id: i64,
    /// The first name, and of the others the first letter.
    pub(crate) name: String,
    /// The first letter and the domain.
    pub(crate) email: String,
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
            status: None,
        }
    }

    /// A recipient, as whoever looks them up by address or number may see them: enough to tell a mistake.
    pub(crate) fn into_recipient(self) -> RecipientView {
        RecipientView {
            id: self.id,
            name: mask::name(&self.name),
            email: mask::email(&self.email),
        }
    }

    /// The user as `viewer` may see them.
    pub(crate) fn seen_by(self, viewer: Viewer) -> UserView {
        if viewer.may_manage(self.id) {
            let status = viewer.is_admin.then_some(self.status);
            return UserView {
                status,
                ..self.in_full()
            };
        }
        UserView {
            id: self.id,
            email: mask::email(&self.email),
            phone: mask::phone(&self.phone),
            name: self.name,
            role: None,
            status: None,
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
            status: UserStatus::Active,
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
