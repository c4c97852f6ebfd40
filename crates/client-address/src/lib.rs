//! The address of the client behind a request, on which limits are counted.
//!
//! A request that comes through proxies has their address on its connection, and the client's in a header. Anybody can write such a
//! header, so it is believed only where whoever wrote it is known: the gateway believes the proxies of `TRUSTED_PROXIES`
//! ([`Proxies`]), and a service believes the gateway, which proves itself in a header beside it ([`ClientAddress`]).
//!
//! What must hold: nobody chooses the address that is counted for them. The gateway drops what a client sent under the names of
//! [`ADDRESS`] and [`PROOF`], and a service without the proof counts the connection's own address.

mod proxies;
mod subject;

pub use proxies::Proxies;
pub use subject::Subject;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use auth::{ServiceIdentity, ServiceKeys};
use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use http_server::Peer;

/// The header in which the gateway hands on the client's address.
pub const ADDRESS: HeaderName = HeaderName::from_static("x-client-address");
/// The header in which the gateway proves that it wrote [`ADDRESS`].
pub const PROOF: HeaderName = HeaderName::from_static("x-client-address-proof");
/// The name of the service that hands addresses on.
const GATEWAY: &str = "api-gateway";

/// The other end of a request's connection. A call within the process has none.
pub fn peer(extensions: &Extensions) -> IpAddr {
    extensions
        .get::<Peer>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip())
}

/// Drops what a client claims about its own address. A client may not speak for the gateway.
pub fn forget_claims(headers: &mut HeaderMap) {
    headers.remove(ADDRESS);
    headers.remove(PROOF);
}

/// Hands the client's address on to a service, with the gateway's proof.
pub fn hand_on(headers: &mut HeaderMap, client: IpAddr, gateway: &ServiceIdentity) {
    let proof = gateway
        .token()
        .ok()
        .and_then(|token| HeaderValue::try_from(&*token).ok());
    let address = HeaderValue::try_from(client.to_string()).ok();
    if let (Some(address), Some(mut proof)) = (address, proof) {
        proof.set_sensitive(true);
        headers.insert(ADDRESS, address);
        headers.insert(PROOF, proof);
    }
}

/// The address of the client, as a service knows it: what the gateway says, or else the other end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    fn handed_on(headers: &HeaderMap, keys: &ServiceKeys) -> Option<ClientAddress> {
        let proof = headers.get(PROOF)?.to_str().ok()?;
        let by = keys.verify(proof).ok()?;
        let address = headers.get(ADDRESS)?.to_str().ok()?.parse().ok()?;
        (&*by == GATEWAY).then_some(ClientAddress(address))
    }
}

impl<S> FromRequestParts<S> for ClientAddress
where
    S: Send + Sync,
    ServiceKeys: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let handed_on = Self::handed_on(&parts.headers, &ServiceKeys::from_ref(state));
        Ok(handed_on.unwrap_or_else(|| ClientAddress(peer(&parts.extensions))))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use auth::ServiceKeyConfig;
    use clock::Clock;

    use super::*;

    const SECRET: &str = "a secret of tests, longer than 32 bytes";

    fn keys(secret: &str) -> ServiceKeys {
        ServiceKeyConfig::from_secret(secret)
            .service_keys(Clock::system())
            .unwrap()
    }

    async fn seen(headers: HeaderMap) -> String {
        let mut request = http::Request::new(());
        *request.headers_mut() = headers;
        request
            .extensions_mut()
            .insert(Peer("192.0.2.1:9".parse().unwrap()));
        let (mut parts, ()) = request.into_parts();
        let seen = ClientAddress::from_request_parts(&mut parts, &keys(SECRET)).await;
        let Ok(ClientAddress(address)) = seen;
        address.to_string()
    }

    fn handed_on(by: &'static str, secret: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let identity = ServiceIdentity::new(by, keys(secret));
        hand_on(&mut headers, "203.0.113.7".parse().unwrap(), &identity);
        headers
    }

    #[tokio::test]
    async fn only_the_gateway_is_believed() {
        assert_eq!(seen(handed_on(GATEWAY, SECRET)).await, "203.0.113.7");
        let other_secret = "another secret of tests, longer than 32";
        for forged in [
            HeaderMap::new(),
            handed_on("payment-service", SECRET),
            handed_on(GATEWAY, other_secret),
        ] {
            assert_eq!(seen(forged).await, "192.0.2.1");
        }
        let mut without_proof = handed_on(GATEWAY, SECRET);
        without_proof.remove(PROOF);
        assert_eq!(seen(without_proof).await, "192.0.2.1");
        let mut nonsense = handed_on(GATEWAY, SECRET);
        nonsense.insert(ADDRESS, HeaderValue::from_static("localhost"));
        assert_eq!(seen(nonsense).await, "192.0.2.1");
    }

    #[test]
    fn what_a_client_claims_is_forgotten() {
        let mut headers = handed_on(GATEWAY, SECRET);
        forget_claims(&mut headers);
        assert!(headers.is_empty());
    }
}
