//! Typed calls of one service to another.

use api_error::{ApiError, ErrorBody};
use auth::ServiceIdentity;
use http::{Method, StatusCode};
use reqwest_middleware::{ClientWithMiddleware, RequestBuilder};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    AfterUnclear, BodyError, ConnectOptions, Failure, Repeatable, RetryCounters, connect, read_body,
};

/// The largest answer that is read. Lists are bounded, so a larger one is a mistake.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The prefix of the codes of a service whose database cannot be written. The caller's client is told the same code.
const CANNOT_WRITE: &str = "storage_";

/// Why a call to another service gave no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No connection, or it broke before the answer: whether the call was carried out is unknown.
    #[error("{service} cannot be reached")]
    Unreachable {
        /// The service that was called.
        service: &'static str,
        /// Why, for the log.
        #[source]
        cause: reqwest_middleware::Error,
    },
    /// No answer in time: whether the call was carried out is unknown.
    #[error("{service} did not answer in time")]
    Timeout {
        /// The service that was called.
        service: &'static str,
    },
    /// The service answered with an error.
    #[error("{service} answered {status}")]
    Refused {
        /// The service that was called.
        service: &'static str,
        /// The status of the answer.
        status: StatusCode,
        /// The body of the answer, as far as it was an error body.
        body: Box<ErrorBody>,
    },
    /// It was refused, but an attempt before may have arrived, and may still be carried out.
    #[error("{service} refused a repeat of a call that may still be carried out")]
    Unclear {
        /// The service that was called.
        service: &'static str,
    },
    /// The answer is not what the caller understands.
    #[error("{service} gave an answer that is not understood")]
    Malformed {
        /// The service that was called.
        service: &'static str,
    },
}

impl CallError {
    /// The service that was called.
    pub fn service(&self) -> &'static str {
        match *self {
            CallError::Unreachable { service, .. }
            | CallError::Timeout { service }
            | CallError::Refused { service, .. }
            | CallError::Unclear { service }
            | CallError::Malformed { service } => service,
        }
    }

    /// Returns whether the call cannot have arrived, so that nothing will come of it.
    pub fn was_not_sent(&self) -> bool {
        matches!(self, CallError::Unreachable { cause, .. } if Failure::of(cause) == Failure::NotConnected)
    }
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> ApiError {
        ApiError::from(&error)
    }
}

impl From<&CallError> for ApiError {
    /// The error for a client whose request made a call that failed. It is logged here, once.
    fn from(error: &CallError) -> ApiError {
        if let CallError::Refused { status, body, .. } = error
            && *status == StatusCode::SERVICE_UNAVAILABLE
            && body.code.starts_with(CANNOT_WRITE)
        {
            // The service has logged it, once for all who meet it.
            let mut told = ApiError::unavailable(body.message.clone().unwrap_or_default());
            told.body.code = body.code.clone();
            return told;
        }
        tracing::warn!(
            upstream = error.service(),
            error = error as &dyn std::error::Error,
            "a call to another service failed"
        );
        match error {
            CallError::Timeout { service } => {
                ApiError::timeout(format!("{service} did not answer in time"))
            }
            CallError::Unreachable { service, .. } | CallError::Unclear { service } => {
                ApiError::unavailable(format!("Could not connect to {service}"))
            }
            CallError::Refused {
                service, status, ..
            } if *status == StatusCode::SERVICE_UNAVAILABLE => {
                ApiError::unavailable(format!("{service} cannot serve now"))
            }
            CallError::Refused {
                service, status, ..
            } if *status == StatusCode::GATEWAY_TIMEOUT => {
                ApiError::timeout(format!("{service} did not answer in time"))
            }
            CallError::Refused { .. } | CallError::Malformed { .. } => ApiError::internal(),
        }
    }
}

/// The answer to a call that may have been made more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered<T> {
    /// The answer.
    pub value: T,
    /// True if an attempt before may have arrived, too: what it does is done once, but a refusal is not the last word.
    pub after_unclear: bool,
}

/// A client for the internal API of one service.
#[derive(Clone)]
pub struct ServiceClient {
    service: &'static str,
    base_url: String,
    http: ClientWithMiddleware,
    identity: ServiceIdentity,
}

impl ServiceClient {
    /// A client for `service` at `base_url`, that says it is `identity`. `retries` counts its repeats; without, nothing is repeated.
    pub fn new(
        service: &'static str,
        base_url: &str,
        identity: ServiceIdentity,
        options: &ConnectOptions,
        retries: Option<&RetryCounters>,
    ) -> anyhow::Result<ServiceClient> {
        Ok(ServiceClient {
            service,
            base_url: base_url.trim_end_matches('/').to_owned(),
            http: connect(service, options, retries)?,
            identity,
        })
    }

    /// Reads.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &(impl Serialize + ?Sized),
    ) -> Result<T, CallError> {
        let request = self
            .http
            .get(format!("{}{path}", self.base_url))
            .query(query);
        Ok(self.send(request).await?.value)
    }

    /// Has something done that may be asked for twice: what it does carries its own key.
    pub async fn post_repeatable<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answered<T>, CallError> {
        let request = self
            .http
            .request(Method::POST, format!("{}{path}", self.base_url))
            .with_extension(Repeatable)
            .json(body);
        self.send(request).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<Answered<T>, CallError> {
        let service = self.service;
        let token = self
            .identity
            .token()
            .map_err(|_| CallError::Malformed { service })?;
        let failed = |cause: reqwest_middleware::Error| match Failure::of(&cause) {
            Failure::TimedOut => CallError::Timeout { service },
            Failure::NotConnected | Failure::Broken => CallError::Unreachable { service, cause },
        };
        let response = request.bearer_auth(token).send().await.map_err(failed)?;
        let status = response.status();
        let after_unclear = AfterUnclear::marks(&response);
        let body = read_body(response, ANSWER_BYTES_MAX).await;
        let body = body.map_err(|error| match error {
            BodyError::TooLarge { .. } => CallError::Malformed { service },
            BodyError::Broken(error) => failed(reqwest_middleware::Error::Reqwest(error)),
        })?;
        if status.is_success() {
            let value =
                serde_json::from_slice(&body).map_err(|_| CallError::Malformed { service })?;
            return Ok(Answered {
                value,
                after_unclear,
            });
        }
        let body = serde_json::from_slice(&body).unwrap_or_else(|_| ErrorBody {
            error: "Internal server error".into(),
            code: "internal".into(),
            message: None,
            field: None,
            trace_id: None,
            details: Default::default(),
        });
        Err(CallError::Refused {
            service,
            status,
            body: Box::new(body),
        })
    }
}
