//! The headers that go on: all but those that are for one hop (RFC 9110, section 7.6.1), and those that the next hop makes itself.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION,
    TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method};

/// For one hop, whether `Connection` names them or not.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// The headers that go on to the service.
pub(crate) fn for_service(mut headers: HeaderMap) -> HeaderMap {
    drop_hop_by_hop(&mut headers);
    // Only the gateway says where a client is.
    client_address::forget_claims(&mut headers);
    // The address decides the host, the buffered body its length; and the client was told to continue by this server.
    for name in [HOST, CONTENT_LENGTH, EXPECT] {
        headers.remove(name);
    }
    headers
}

/// The headers that go back to the client.
pub(crate) fn for_client(method: &Method, mut headers: HeaderMap) -> HeaderMap {
    drop_hop_by_hop(&mut headers);
    // To HEAD it says how long the answer to GET would be; otherwise the body that is sent has its own.
    if method != Method::HEAD {
        headers.remove(CONTENT_LENGTH);
    }
    headers
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn what_is_for_one_hop_stays_behind() {
        let headers = for_service(map(&[
            ("connection", "close, X-One-Hop"),
            ("x-one-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("proxy-authorization", "Basic x"),
            ("host", "wallet.example.com"),
            ("content-length", "3"),
            ("expect", "100-continue"),
            ("x-client-address", "127.0.0.1"),
            ("x-client-address-proof", "x"),
            ("authorization", "Bearer x"),
            ("idempotency-key", "k"),
            ("x-other", "kept"),
        ]));
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "idempotency-key", "x-other"]);
    }

    #[test]
    fn only_an_answer_without_a_body_keeps_its_length() {
        let answer = || map(&[("content-length", "12"), ("connection", "close")]);
        assert_eq!(for_client(&Method::GET, answer()).len(), 0);
        assert_eq!(for_client(&Method::HEAD, answer()).len(), 1);
    }
}
