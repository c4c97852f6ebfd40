//! A user service of which only the internal calls are there.

use std::sync::{Arc, Mutex};

use auth::{Claims, Revocation, RevokedSubject, Role, SessionUpdate, SigningKeys, UserId};
use axum::extract::{Path, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use clock::Clock;
use http_server::{Health, Metrics, Service, Workers};
use testing::{SECRET, TestServer};
use user_api::{KnownUser, SessionsQuery};

/// Everybody exists, and has the token that is asked for.
pub struct Users {
    keys: SigningKeys,
    clock: Clock,
    revocations: Revocations,
    server: TestServer,
}

type Revocations = Arc<Mutex<Vec<Revocation>>>;

impl Users {
    pub(crate) async fn start(clock: Clock) -> Users {
        let keys =
            SigningKeys::from_secrets(SECRET, None).unwrap_or_else(|error| panic!("{error}"));
        let revocations = Revocations::default();
        let router = Router::new()
            .route("/internal/sessions", get(sessions))
            .route("/internal/users/{id}", get(find))
            .with_state((keys.clone(), revocations.clone()));
        let service = Service {
            name: user_api::SERVICE,
            router,
            own_health: false,
            health: Health::new(user_api::SERVICE, clock.clone()),
            metrics: Metrics::new().unwrap_or_else(|error| panic!("{error:#}")),
            workers: Workers::default(),
        };
        let (listener, _) = TestServer::listener().await;
        Users {
            keys,
            clock,
            revocations,
            server: TestServer::start(service, listener),
        }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Deletes a user, as far as their tokens go.
    pub fn revoke(&self, user_id: i64) {
        let revocation = Revocation {
            subject: RevokedSubject::User(UserId(user_id)),
            expires_at: i64::MAX,
        };
        self.revocations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(revocation);
    }

    pub(crate) fn keys(&self) -> &SigningKeys {
        &self.keys
    }

    pub(crate) fn token(&self, user_id: i64, role: Role) -> String {
        let session = format!("session of {user_id}");
        let claims = Claims::new(UserId(user_id), role, session, self.clock.now());
        let token = self.keys.sign(&claims);
        token.unwrap_or_else(|error| panic!("{error}"))
    }
}

async fn sessions(
    State((keys, revocations)): State<(SigningKeys, Revocations)>,
    Query(query): Query<SessionsQuery>,
) -> Json<SessionUpdate> {
    let revocations = revocations
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let known = usize::try_from(query.after).unwrap_or(0);
    Json(SessionUpdate {
        jwks: keys.jwks().clone(),
        cursor: i64::try_from(revocations.len()).unwrap_or(0),
        revocations: revocations.iter().skip(known).cloned().collect(),
        ended: Vec::new(),
    })
}

async fn find(Path(id): Path<i64>) -> Json<KnownUser> {
    let name = format!("User {id}");
    Json(KnownUser { id, name })
}
