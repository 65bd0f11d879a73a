//! Addresses for worlds: each world listens on one of its own, as long as the pool has more than one.

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::Ipv4Net;

/// Where worlds may listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressPool {
    /// All worlds share this address and differ by port.
    Shared(IpAddr),
    /// Each world gets the lowest free address of the block.
    Block(Ipv4Net),
}

impl Default for AddressPool {
    fn default() -> Self {
        Self::Shared(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }
}

impl From<Ipv4Net> for AddressPool {
    fn from(block: Ipv4Net) -> Self {
        Self::Block(block)
    }
}

/// The trap beside a world's address: a loopback address that differs from it in one bit, and thus is as much the world's own, where
/// nobody connects who may connect to the block of worlds alone.
pub(crate) fn trap_beside(address: IpAddr) -> IpAddr {
    let [_, second, third, fourth] = match address {
        IpAddr::V4(address) if address.is_loopback() => address.octets(),
        IpAddr::V4(_) | IpAddr::V6(_) => Ipv4Addr::LOCALHOST.octets(),
    };
    Ipv4Addr::new(127, second ^ 0x80, third, fourth).into()
}

/// Why an address cannot be listened on, and what to do.
pub(crate) fn why_not(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "something listens there already: end it, or take another port".to_owned(),
        _ => error.to_string(),
    }
}

/// Hands out the addresses of a pool, each to one holder at a time.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pool: AddressPool,
    taken: Arc<Mutex<BTreeSet<Ipv4Addr>>>,
}

impl Addresses {
    pub(crate) fn new(pool: AddressPool) -> Self {
        Self { pool, taken: Arc::default() }
    }

    /// A free address, or `None` when the block is used up.
    pub(crate) fn lease(&self) -> Option<AddressLease> {
        let block = match &self.pool {
            AddressPool::Shared(address) => {
                return Some(AddressLease { address: *address, taken: None });
            }
            AddressPool::Block(block) => block,
        };
        let mut taken = self.taken.lock();
        let address = block.hosts().find(|address| !taken.contains(address))?;
        taken.insert(address);
        Some(AddressLease { address: address.into(), taken: Some(Arc::clone(&self.taken)) })
    }
}

/// An address that goes back to the pool when dropped.
#[derive(Debug)]
pub(crate) struct AddressLease {
    address: IpAddr,
    taken: Option<Arc<Mutex<BTreeSet<Ipv4Addr>>>>,
}

impl AddressLease {
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }
}

impl Drop for AddressLease {
    fn drop(&mut self) {
        if let (Some(taken), IpAddr::V4(address)) = (&self.taken, self.address) {
            taken.lock().remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn worlds_of_different_addresses_have_different_traps() {
        for (address, trap) in
            [("127.64.32.7", "127.192.32.7"), ("127.127.255.1", "127.255.255.1"), ("10.0.0.1", "127.128.0.1")]
        {
            assert_eq!(trap_beside(address.parse().unwrap()).to_string(), trap);
        }
    }

    #[test]
    fn an_address_is_free_again_when_its_lease_ends() {
        let addresses = Addresses::new(AddressPool::Block("127.70.0.0/30".parse().unwrap()));
        let first = addresses.lease().unwrap();
        let second = addresses.lease().unwrap();
        assert_ne!(first.address(), second.address());
        assert!(addresses.lease().is_none());
        let freed = first.address();
        drop(first);
        assert_eq!(addresses.lease().unwrap().address(), freed);
    }
}
