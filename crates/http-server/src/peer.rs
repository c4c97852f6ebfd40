//! The other end of a connection: what limits by address begin with.

use std::net::SocketAddr;

/// The socket address of whoever holds the connection that a request came by: a client, or the proxy in front of it. It is in the extensions
/// of every request that came over a socket, and in none that another service of the process passes on without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl Peer {
    /// An IPv4 address has one form, also where the socket listens for both families.
    pub(crate) fn of(address: SocketAddr) -> Peer {
        Peer(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_in_ipv6_is_the_ipv4_address() {
        let of = |text: &str| Peer::of(text.parse().unwrap()).0.to_string();
        assert_eq!(of("[::ffff:192.0.2.7]:4000"), "192.0.2.7:4000");
        assert_eq!(of("192.0.2.7:4000"), "192.0.2.7:4000");
        assert_eq!(of("[2001:db8::7]:4000"), "[2001:db8::7]:4000");
    }
}
