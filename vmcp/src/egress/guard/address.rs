//! Kinds of addresses, and the IPv4 addresses that an IPv6 address can embed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What an address is, as far as the guard cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// Anything that is nothing of the below.
    Public,
    /// RFC 1918, shared address space, benchmarking, reserved, unique local and site-local addresses.
    Private,
    /// 127.0.0.0/8 and `::1`.
    Loopback,
    /// 0.0.0.0/8 and `::`.
    Unspecified,
    /// 169.254.0.0/16 and `fe80::/10`.
    LinkLocal,
    /// 224.0.0.0/4 and `ff00::/8`.
    Multicast,
    /// 255.255.255.255.
    Broadcast,
    /// The metadata service of a cloud.
    Metadata,
    /// The Kubernetes API of the gateway's own cluster.
    KubernetesApi,
}

const PRIVATE_V4: [Ipv4Net; 6] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15),
    Ipv4Net::new_assert(Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Unique local addresses, and the site-local ones that they replaced (RFC 4193, RFC 3879).
const PRIVATE_V6: [Ipv6Net; 2] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
];

const METADATA_V4: [Ipv4Addr; 7] = [
    Ipv4Addr::new(169, 254, 169, 254), // AWS, Azure, Google Cloud, Oracle, DigitalOcean, OpenStack
    Ipv4Addr::new(169, 254, 170, 2),   // AWS ECS task credentials
    Ipv4Addr::new(169, 254, 170, 23),  // AWS EKS pod identity
    Ipv4Addr::new(100, 100, 100, 200), // Alibaba Cloud
    Ipv4Addr::new(100, 96, 0, 96),     // Volcano Engine
    Ipv4Addr::new(192, 0, 0, 192),     // Oracle Cloud, classic
    Ipv4Addr::new(168, 63, 129, 16),   // Azure wire server
];

const METADATA_V6: [Ipv6Addr; 8] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),      // AWS
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),       // AWS EKS pod identity
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),       // Google Cloud
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe), // Oracle Cloud
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),        // Scaleway
    Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200),  // Alibaba Cloud
    Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1),    // Akamai (Linode)
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),    // OpenStack
];

impl AddressKind {
    /// The kind of an address as it stands: what it embeds is judged by itself.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        if METADATA_V4.contains(&address) {
            Self::Metadata
        } else if address.octets()[0] == 0 {
            Self::Unspecified
        } else if address.is_loopback() {
            Self::Loopback
        } else if address.is_link_local() {
            Self::LinkLocal
        } else if address.is_multicast() {
            Self::Multicast
        } else if address.is_broadcast() {
            Self::Broadcast
        } else if PRIVATE_V4.iter().any(|range| range.contains(&address)) {
            Self::Private
        } else {
            Self::Public
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if METADATA_V6.contains(&address) {
            Self::Metadata
        } else if address.is_unspecified() {
            Self::Unspecified
        } else if address.is_loopback() {
            Self::Loopback
        } else if address.is_unicast_link_local() {
            Self::LinkLocal
        } else if address.is_multicast() {
            Self::Multicast
        } else if PRIVATE_V6.iter().any(|range| range.contains(&address)) {
            Self::Private
        } else {
            Self::Public
        }
    }
}

impl fmt::Display for AddressKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Public => "a public address",
            Self::Private => "in a private network",
            Self::Loopback => "a loopback address",
            Self::Unspecified => "the unspecified address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Metadata => "the metadata service of a cloud",
            Self::KubernetesApi => "the Kubernetes API",
        })
    }
}

/// A way to carry an IPv4 address in an IPv6 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Embedding {
    /// `::ffff:0:0/96` (RFC 4291, section 2.5.5.2).
    Mapped,
    /// `::/96` (RFC 4291, section 2.5.5.1).
    Compatible,
    /// `::ffff:0:0:0/96` (RFC 2765).
    Translated,
    /// `64:ff9b::/96` and `64:ff9b:1::/48` (RFC 6052, RFC 8215).
    Nat64,
    /// `2002::/16` (RFC 3056).
    SixToFour,
    /// `2001::/32`, its server and its client (RFC 4380).
    Teredo,
    /// An interface identifier `5efe` (RFC 5214).
    Isatap,
}

impl fmt::Display for Embedding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Mapped => "IPv4-mapped",
            Self::Compatible => "IPv4-compatible",
            Self::Translated => "IPv4-translated",
            Self::Nat64 => "NAT64",
            Self::SixToFour => "6to4",
            Self::Teredo => "Teredo",
            Self::Isatap => "ISATAP",
        })
    }
}

/// Every IPv4 address that a router or a translator could read out of `address`.
pub(super) fn embedded(address: Ipv6Addr) -> Vec<(Embedding, Ipv4Addr)> {
    let octets = address.octets();
    let at = |positions: [usize; 4]| Ipv4Addr::from(positions.map(|position| octets[position]));
    let last = at([12, 13, 14, 15]);
    let mut found = Vec::new();
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] => found.push((Embedding::Mapped, last)),
        // `::` and `::1` are addresses of their own.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 || low > 1 => found.push((Embedding::Compatible, last)),
        [0, 0, 0, 0, 0xffff, 0, ..] => found.push((Embedding::Translated, last)),
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => found.push((Embedding::Nat64, last)),
        [0x64, 0xff9b, 1, ..] => found.extend(local_nat64(&octets).into_iter().map(|inner| (Embedding::Nat64, inner))),
        [0x2002, ..] => found.push((Embedding::SixToFour, at([2, 3, 4, 5]))),
        [0x2001, 0, ..] => {
            found.push((Embedding::Teredo, at([4, 5, 6, 7])));
            found.push((Embedding::Teredo, Ipv4Addr::from(last.octets().map(|octet| !octet))));
        }
        _ => {}
    }
    if octets[8] & !0b11 == 0 && octets[9..12] == [0, 0x5e, 0xfe] {
        found.push((Embedding::Isatap, last));
    }
    found
}

/// The readings of an address in `64:ff9b:1::/48`, whose prefix length only the local translator knows
/// (RFC 6052, section 2.2). Translators pass over the octet "u" and the suffix (section 2.3), so that these rule nothing out.
///
/// What begins with a zero is no destination, and is what other lengths leave of an address: it counts where nothing else does.
fn local_nat64(octets: &[u8; 16]) -> Vec<Ipv4Addr> {
    const READINGS: [[usize; 4]; 4] = [[12, 13, 14, 15], [6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12]];
    let readings = READINGS.map(|positions| Ipv4Addr::from(positions.map(|position| octets[position])));
    let (null, real): (Vec<_>, Vec<_>) = readings.into_iter().partition(|reading| reading.octets()[0] == 0);
    if real.is_empty() { null } else { real }
}
