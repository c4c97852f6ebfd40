//! What one client can be told from another by.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The bits of an IPv6 address that name a network. One host can take any address within (RFC 6177).
const IPV6_NETWORK_BITS: u32 = 64;

/// The addresses that count as one client: an IPv4 address, or an IPv6 network of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(IpAddr);

impl Subject {
    /// That of an address. An IPv4 address that is written as an IPv6 one is the same.
    pub fn of(address: IpAddr) -> Subject {
        match address.to_canonical() {
            IpAddr::V4(address) => Subject(IpAddr::V4(address)),
            IpAddr::V6(address) => {
                let host = u128::MAX >> IPV6_NETWORK_BITS;
                Subject(Ipv6Addr::from_bits(address.to_bits() & !host).into())
            }
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(network) => write!(f, "{network}/{IPV6_NETWORK_BITS}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;

    #[test]
    fn an_ipv4_address_counts_alone_and_an_ipv6_network_as_one() {
        for (address, subject) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(Subject::of(address).to_string(), subject);
        }
    }
}
