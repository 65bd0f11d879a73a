//! Addresses that gateways may not connect to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Refusal;

/// A range of addresses, and what it is.
type Range<N> = (N, &'static str);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// Metadata services of clouds: first, since some lie in a range below.
const METADATA_V4: [Range<Ipv4Net>; 4] = [
    (v4(169, 254, 169, 254, 32), "a cloud metadata endpoint"),
    (v4(100, 100, 100, 200, 32), "a cloud metadata endpoint"),
    (v4(192, 0, 0, 192, 32), "a cloud metadata endpoint"),
    (v4(168, 63, 129, 16, 32), "a cloud metadata endpoint"),
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

const METADATA_V6: [Range<Ipv6Net>; 2] = [
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), "a cloud metadata endpoint"),
    (v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128), "a cloud metadata endpoint"),
];

const NEVER_V6: [Range<Ipv6Net>; 4] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "the loopback address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "the unspecified address"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "in the link-local range"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "in the multicast range"),
];

const PRIVATE_V6: [Range<Ipv6Net>; 2] = [
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "in the private range"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "in the former site-local range"),
];

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
    let [a, b, c, d, e, f, g, h] = address.segments();
    let ipv4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let mapped = (a, b, c, d, e) == (0, 0, 0, 0, 0) && (f == 0xffff || f == 0);
    let translated = (a, b, c, d, e, f) == (0, 0, 0, 0, 0xffff, 0);
    // NAT64 of the well-known prefix (RFC 6052) and of the local-use prefix (RFC 8215).
    let nat64 = (a, b) == (0x64, 0xff9b);
    let six_to_four = a == 0x2002;
    let teredo = (a, b) == (0x2001, 0);
    let isatap = (e & !0x0200, f) == (0, 0x5efe);
    [
        (mapped || translated || nat64 || isatap).then(|| ipv4(g, h)),
        six_to_four.then(|| ipv4(b, c)),
        // Teredo: the server as it is, the client inverted (RFC 4380).
        teredo.then(|| ipv4(c, d)),
        teredo.then(|| ipv4(!g, !h)),
    ]
    .into_iter()
    .flatten()
}
