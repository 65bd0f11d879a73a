//! Addresses that gateways may not connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Refusal;

/// A range of addresses, and what it is.
type Range<N> = (N, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(bits: u128, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), prefix)
}

/// Metadata services of clouds: first, since some lie in a range below.
const METADATA_V4: [Range<Ipv4Net>; 5] = [
    (v4(169, 254, 169, 254, 32), "a cloud metadata endpoint"), // AWS, Azure, Google Cloud, Oracle, DigitalOcean, OpenStack
    (v4(100, 100, 100, 200, 32), "a cloud metadata endpoint"), // Alibaba Cloud
    (v4(100, 96, 0, 96, 32), "a cloud metadata endpoint"),     // Volcano Engine
    (v4(192, 0, 0, 192, 32), "a cloud metadata endpoint"),     // Oracle Cloud, classic
    (v4(168, 63, 129, 16, 32), "a cloud metadata endpoint"),   // Azure wire server
];

const NEVER_V4: [Range<Ipv4Net>; 5] = [
    (v4(127, 0, 0, 0, 8), "in the loopback range"),
    (v4(169, 254, 0, 0, 16), "in the link-local range"),
    (v4(0, 0, 0, 0, 8), "in the unspecified range"),
    (v4(224, 0, 0, 0, 4), "in the multicast range"),
    (v4(255, 255, 255, 255, 32), "the broadcast address"),
];

const PRIVATE_V4: [Range<Ipv4Net>; 6] = [
    (v4(10, 0, 0, 0, 8), "in the private range"),
    (v4(172, 16, 0, 0, 12), "in the private range"),
    (v4(192, 168, 0, 0, 16), "in the private range"),
    (v4(100, 64, 0, 0, 10), "in the shared address range"),
    (v4(198, 18, 0, 0, 15), "in the benchmarking range"),
    (v4(240, 0, 0, 0, 4), "in the reserved range"),
];

const METADATA_V6: [Range<Ipv6Net>; 7] = [
    (v6(0xfd00_0ec2_0000_0000_0000_0000_0000_0254, 128), "a cloud metadata endpoint"), // AWS
    (v6(0xfd00_0ec2_0000_0000_0000_0000_0000_0023, 128), "a cloud metadata endpoint"), // AWS EKS pod identity
    (v6(0xfd20_00ce_0000_0000_0000_0000_0000_0254, 128), "a cloud metadata endpoint"), // Google Cloud
    (v6(0xfd00_00c1_0000_0000_0000_0000_a9fe_a9fe, 128), "a cloud metadata endpoint"), // Oracle Cloud
    (v6(0xfd00_0042_0000_0000_0000_0000_0000_0042, 128), "a cloud metadata endpoint"), // Scaleway
    (v6(0xfd00_0100_0000_0000_0000_0000_0100_0200, 128), "a cloud metadata endpoint"), // Alibaba Cloud
    (v6(0xfd00_a9fe_a9fe_0000_0000_0000_0000_0001, 128), "a cloud metadata endpoint"), // Akamai (Linode)
];

const NEVER_V6: [Range<Ipv6Net>; 4] = [
    (v6(1, 128), "the loopback address"),
    (v6(0, 128), "the unspecified address"),
    (v6(0xfe80 << 112, 10), "in the link-local range"),
    (v6(0xff00 << 112, 8), "in the multicast range"),
];

const PRIVATE_V6: [Range<Ipv6Net>; 2] =
    [(v6(0xfc00 << 112, 7), "in the private range"), (v6(0xfec0 << 112, 10), "in the former site-local range")];

/// Whether, and why, gateways may not connect to `address`.
pub(super) fn judge(address: IpAddr) -> Option<Refusal> {
    match address {
        IpAddr::V4(address) => judge_v4(address),
        IpAddr::V6(address) => judge_v6(address),
    }
}

fn judge_v4(address: Ipv4Addr) -> Option<Refusal> {
    let find = |ranges: &[Range<Ipv4Net>]| {
        let found = ranges.iter().find(|(range, _)| range.contains(&address));
        found.map(|(range, what)| describe((*range).into(), what))
    };
    find(&METADATA_V4)
        .or_else(|| find(&NEVER_V4))
        .map(Refusal::always)
        .or_else(|| find(&PRIVATE_V4).map(Refusal::private))
}

fn judge_v6(address: Ipv6Addr) -> Option<Refusal> {
    let find = |ranges: &[Range<Ipv6Net>]| {
        let found = ranges.iter().find(|(range, _)| range.contains(&address));
        found.map(|(range, what)| describe((*range).into(), what))
    };
    let own = find(&METADATA_V6)
        .or_else(|| find(&NEVER_V6))
        .map(Refusal::always)
        .or_else(|| find(&PRIVATE_V6).map(Refusal::private));
    own.or_else(|| {
        let inner = embedded(address).filter_map(judge_v4).max_by_key(|refusal| refusal.permanent)?;
        Some(Refusal { what: format!("an IPv6 form of an address {}", inner.what), ..inner })
    })
}

fn describe(range: IpNet, what: &str) -> String {
    if range.prefix_len() == range.max_prefix_len() { what.to_owned() } else { format!("{what} {range}") }
}

/// The IPv4 addresses that an IPv6 address stands for: what is sent to it may arrive there.
fn embedded(address: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let bits = address.to_bits();
    // The 32 bits that start at a distance from the end.
    #[expect(clippy::cast_possible_truncation, reason = "the bits above are not meant")]
    let word = |distance: u32| (bits >> distance) as u32;
    let head = bits >> 32;
    let mapped = matches!(head, 0 | 0xffff);
    let translated = head == 0xffff_0000;
    // NAT64 of the well-known prefix (RFC 6052), and of the local-use prefix (RFC 8215).
    let local_nat64 = bits >> 80 == 0x0064_ff9b_0001;
    let nat64 = word(96) == 0x0064_ff9b && !local_nat64;
    let isatap = word(32) & !0x0200_0000 == 0x5efe;
    let six_to_four = bits >> 112 == 0x2002;
    let teredo = word(96) == 0x2001_0000;
    [
        (mapped || translated || nat64 || isatap).then(|| word(0)),
        six_to_four.then(|| word(80)),
        // Teredo: the server as it is, the client inverted (RFC 4380).
        teredo.then(|| word(64)),
        teredo.then(|| !word(0)),
    ]
    .into_iter()
    .flatten()
    .chain(if local_nat64 { local_nat64_readings(bits) } else { Vec::new() })
    .map(Ipv4Addr::from)
}

/// What an address stands for, by each length that the prefix of a local translator may have: it goes around the octet "u" and
/// passes over what follows (RFC 6052, section 2.2).
///
/// What begins with a zero is no destination, and is what other lengths leave of an address: it counts where nothing else does.
fn local_nat64_readings(bits: u128) -> Vec<u32> {
    const READINGS: [[usize; 4]; 4] = [[12, 13, 14, 15], [6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12]];
    let octets = bits.to_be_bytes();
    let readings = READINGS.map(|positions| u32::from_be_bytes(positions.map(|position| octets[position])));
    let (null, real): (Vec<_>, Vec<_>) = readings.into_iter().partition(|reading| reading >> 24 == 0);
    if real.is_empty() { null } else { real }
}
