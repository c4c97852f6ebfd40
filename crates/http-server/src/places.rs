//! The places that connections take: so many in all, and so many for one address, so that one client cannot take those of all others.
//!
//! A network of IPv6 (/64) counts as one address: its owner has 2^64 of them. Unless the operator says a number, addresses of this machine
//! have no limit of their own: a proxy that runs beside the server brings everybody from there. The table of addresses is never longer than
//! the number of places.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bits of an IPv6 address that name the network.
const NETWORK_V6: u128 = u128::MAX << 64;

/// The places that one address may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AddressLimit {
    pub(crate) max: usize,
    /// False if this machine's addresses have no limit.
    pub(crate) is_for_own_machine: bool,
}

impl AddressLimit {
    fn holds_for(self, address: IpAddr) -> bool {
        self.is_for_own_machine || !address.is_loopback()
    }
}

/// The places of one listener.
pub(crate) struct Places {
    all: Arc<Semaphore>,
    addresses: Arc<Addresses>,
}

struct Addresses {
    limit: Mutex<AddressLimit>,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection, until it is dropped.
pub(crate) struct Place {
    _of_all: OwnedSemaphorePermit,
    of_address: Option<(Arc<Addresses>, IpAddr)>,
}

impl Places {
    pub(crate) fn new(max: usize, limit: AddressLimit) -> Places {
        Places {
            all: Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))),
            addresses: Arc::new(Addresses {
                limit: Mutex::new(limit),
                taken: Mutex::default(),
            }),
        }
    }

    /// Waits for a place. `None` when there will be none.
    pub(crate) async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        self.all.clone().acquire_owned().await.ok()
    }

    /// Gives a place to a connection of this address. `None` where the address has all that it may have.
    pub(crate) fn take(&self, of_all: OwnedSemaphorePermit, address: IpAddr) -> Option<Place> {
        let limit = self.addresses.limit();
        let mut place = Place {
            _of_all: of_all,
            of_address: None,
        };
        if limit.holds_for(address) {
            let network = network(address);
            if !self.addresses.count(network, limit.max) {
                return None;
            }
            place.of_address = Some((self.addresses.clone(), network));
        }
        Some(place)
    }
}

impl Addresses {
    fn limit(&self) -> AddressLimit {
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, network: IpAddr, max: usize) -> bool {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(network).or_default();
        let has_room = *count < max;
        if has_room {
            *count = count.saturating_add(1);
        } else if *count == 0 {
            taken.remove(&network);
        }
        has_room
    }

    fn give_back(&self, network: IpAddr) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = taken.entry(network) {
            let left = entry.get().saturating_sub(1);
            if left == 0 {
                entry.remove();
            } else {
                *entry.get_mut() = left;
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((addresses, network)) = self.of_address.take() {
            addresses.give_back(network);
        }
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & NETWORK_V6).into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    fn places(max: usize, of_address: usize) -> Places {
        let limit = AddressLimit {
            max: of_address,
            is_for_own_machine: false,
        };
        Places::new(max, limit)
    }

    fn take(places: &Places, address: &str) -> Option<Place> {
        let of_all = places.all.clone().try_acquire_owned().ok()?;
        places.take(of_all, address.parse().unwrap())
    }

    #[test]
    fn an_address_has_its_own_places_and_leaves_the_others_theirs() {
        let places = places(6, 2);
        let first = take(&places, "192.0.2.1").unwrap();
        let second = take(&places, "192.0.2.1").unwrap();
        assert!(take(&places, "192.0.2.1").is_none());
        // A refusal takes no place.
        assert_eq!(places.all.available_permits(), 4);
        let _other = take(&places, "192.0.2.2").unwrap();
        drop(first);
        let _again = take(&places, "192.0.2.1").unwrap();
        assert!(take(&places, "192.0.2.1").is_none());
        drop(second);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let places = places(6, 2);
        let _first = take(&places, "2001:db8::1").unwrap();
        let _second = take(&places, "2001:db8::ffff:2").unwrap();
        assert!(take(&places, "2001:db8::3").is_none());
        assert!(take(&places, "2001:db8:0:1::3").is_some());
    }

    #[test]
    fn this_machine_has_a_limit_only_where_one_is_set() {
        let places = places(5, 1);
        let held: Vec<_> = ["127.0.0.1", "127.0.0.1", "::1", "127.0.0.9", "::1"]
            .map(|address| take(&places, address).unwrap())
            .into();
        assert!(take(&places, "127.0.0.1").is_none(), "all are taken");
        drop(held);
        assert_eq!(places.all.available_permits(), 5);
        let limit = AddressLimit {
            max: 1,
            is_for_own_machine: true,
        };
        let places = Places::new(5, limit);
        let _only = take(&places, "127.0.0.1").unwrap();
        assert!(take(&places, "127.0.0.1").is_none());
    }

    #[test]
    fn who_has_left_is_forgotten() {
        let places = places(100, 1);
        for host in 0..50_u8 {
            let address = format!("192.0.2.{host}");
            let place = take(&places, &address).unwrap();
            assert!(take(&places, &address).is_none());
            drop(place);
        }
        assert!(places.addresses.taken.lock().unwrap().is_empty());
    }
}
