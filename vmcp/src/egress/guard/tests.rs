#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use url::{Host, Url};

use super::*;

/// What the guard says to the host of a URL before any name is resolved: `ok`, `resolve` for a name that has to be
/// resolved, else the reason.
fn judge(guard: &Guard, reach: Reach, host: &str) -> String {
    let Ok(url) = Url::parse(&format!("http://{host}/mcp")) else { return "no url".to_owned() };
    let outcome = match url.host().unwrap() {
        Host::Ipv4(address) => guard.judge_address(address.into(), reach).map(|()| "ok"),
        Host::Ipv6(address) => guard.judge_address(address.into(), reach).map(|()| "ok"),
        Host::Domain(name) => guard.judge_name(name, reach).map(|()| "resolve"),
    };
    outcome.map_or_else(|refusal| refusal.to_string(), str::to_owned)
}

const LOOPBACK: &str = "a loopback address";
const PRIVATE: &str = "in a private network";
const LINK_LOCAL: &str = "a link-local address";
const METADATA: &str = "the metadata service of a cloud";
const UNSPECIFIED: &str = "the unspecified address";
const MULTICAST: &str = "a multicast address";
const BROADCAST: &str = "the broadcast address";

/// Hosts as URLs spell them, and what class remote hears about them.
const CORPUS: &[(&str, &str)] = &[
    // Public neighbours of everything below.
    ("1.1.1.1", "ok"),
    ("9.255.255.255", "ok"),
    ("11.0.0.0", "ok"),
    ("100.63.255.255", "ok"),
    ("100.128.0.0", "ok"),
    ("126.255.255.255", "ok"),
    ("128.0.0.0", "ok"),
    ("169.253.255.255", "ok"),
    ("169.255.0.0", "ok"),
    ("172.15.255.255", "ok"),
    ("172.32.0.0", "ok"),
    ("192.167.255.255", "ok"),
    ("192.169.0.0", "ok"),
    ("198.17.255.255", "ok"),
    ("198.20.0.0", "ok"),
    ("223.255.255.255", "ok"),
    ("[2001:4860:4860::8888]", "ok"),
    ("[fbff:ffff::1]", "ok"),
    // Loopback and its encodings.
    ("127.0.0.1", LOOPBACK),
    ("127.0.0.0", LOOPBACK),
    ("127.255.255.255", LOOPBACK),
    ("127.1", LOOPBACK),
    ("127.0.1", LOOPBACK),
    ("2130706433", LOOPBACK),
    ("0x7f000001", LOOPBACK),
    ("0x7f.1", LOOPBACK),
    ("0x7F.0x0.0x0.0x1", LOOPBACK),
    ("0177.0.0.1", LOOPBACK),
    ("0177.0x0.0.1", LOOPBACK),
    ("017700000001", LOOPBACK),
    ("00000177.1", LOOPBACK),
    ("127.0.0.1.", LOOPBACK),
    ("%31%32%37.0.0.1", LOOPBACK),
    ("\u{ff11}\u{ff12}\u{ff17}.0.0.1", LOOPBACK),
    ("\u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460}", LOOPBACK),
    ("127\u{3002}0\u{ff0e}0\u{ff61}1", LOOPBACK),
    ("user:password@127.0.0.1", LOOPBACK),
    ("mcp.example.com@127.0.0.1", LOOPBACK),
    ("127.0.0.1:8080", LOOPBACK),
    ("[::1]", LOOPBACK),
    ("[0:0:0:0:0:0:0:1]", LOOPBACK),
    ("[0000::0001]", LOOPBACK),
    ("[::127.0.0.1]", "embeds a loopback address (IPv4-compatible)"),
    ("[::ffff:127.0.0.1]", "embeds a loopback address (IPv4-mapped)"),
    ("[::ffff:7f00:1]", "embeds a loopback address (IPv4-mapped)"),
    ("[::FFFF:7F00:0001]", "embeds a loopback address (IPv4-mapped)"),
    ("[::ffff:0:127.0.0.1]", "embeds a loopback address (IPv4-translated)"),
    ("[64:ff9b::127.0.0.1]", "embeds a loopback address (NAT64)"),
    ("[64:ff9b::7f00:1]", "embeds a loopback address (NAT64)"),
    ("[64:ff9b:1::127.0.0.1]", "embeds a loopback address (NAT64)"),
    ("[64:ff9b:1:7f00:0:100::]", "embeds a loopback address (NAT64)"),
    ("[64:ff9b:1:7f:0:1::]", "embeds a loopback address (NAT64)"),
    ("[64:ff9b:1:0:7f:0:100:0]", "embeds a loopback address (NAT64)"),
    ("[2002:7f00:1::]", "embeds a loopback address (6to4)"),
    ("[2002:7f00:1::1]", "embeds a loopback address (6to4)"),
    ("[2001:0:7f00:1::]", "embeds a loopback address (Teredo)"),
    ("[2001:0:808:808:0:0:80ff:fffe]", "embeds a loopback address (Teredo)"),
    ("[2001:db8::5efe:127.0.0.1]", "embeds a loopback address (ISATAP)"),
    ("[2001:db8::200:5efe:127.0.0.1]", "embeds a loopback address (ISATAP)"),
    // The unspecified address leads to this machine too.
    ("0.0.0.0", UNSPECIFIED),
    ("0", UNSPECIFIED),
    ("0x0", UNSPECIFIED),
    ("0.1.2.3", UNSPECIFIED),
    ("[::]", UNSPECIFIED),
    ("[::ffff:0.0.0.0]", "embeds the unspecified address (IPv4-mapped)"),
    // Link-local and metadata.
    ("169.254.0.0", LINK_LOCAL),
    ("169.254.255.255", LINK_LOCAL),
    ("[fe80::1]", LINK_LOCAL),
    ("[febf::1]", LINK_LOCAL),
    ("169.254.169.254", METADATA),
    ("169.254.43518", METADATA),
    ("2852039166", METADATA),
    ("0xa9fea9fe", METADATA),
    ("0xA9.0xFE.0xA9.0xFE", METADATA),
    ("0251.0376.0251.0376", METADATA),
    ("169.254.169.254.", METADATA),
    ("169.254.170.2", METADATA),
    ("169.254.170.23", METADATA),
    ("100.100.100.200", METADATA),
    ("192.0.0.192", METADATA),
    ("168.63.129.16", METADATA),
    ("[fd00:ec2::254]", METADATA),
    ("[fd00:ec2::23]", METADATA),
    ("[fd20:ce::254]", METADATA),
    ("[fd00:c1::a9fe:a9fe]", METADATA),
    ("[fd00:42::42]", METADATA),
    ("[fe80::a9fe:a9fe]", METADATA),
    ("[::ffff:169.254.169.254]", "embeds the metadata service of a cloud (IPv4-mapped)"),
    ("[64:ff9b::a9fe:a9fe]", "embeds the metadata service of a cloud (NAT64)"),
    ("[2002:a9fe:a9fe::]", "embeds the metadata service of a cloud (6to4)"),
    // Private networks.
    ("10.0.0.0", PRIVATE),
    ("10.255.255.255", PRIVATE),
    ("0xa.1", PRIVATE),
    ("012.0.0.1", PRIVATE),
    ("167772161", PRIVATE),
    ("172.16.0.0", PRIVATE),
    ("172.31.255.255", PRIVATE),
    ("192.168.0.0", PRIVATE),
    ("192.168.255.255", PRIVATE),
    ("192.168.257", PRIVATE),
    ("100.64.0.0", PRIVATE),
    ("100.127.255.255", PRIVATE),
    ("198.18.0.0", PRIVATE),
    ("198.19.255.255", PRIVATE),
    ("240.0.0.0", PRIVATE),
    ("255.255.255.254", PRIVATE),
    ("[fc00::]", PRIVATE),
    ("[fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]", PRIVATE),
    ("[fec0::1]", PRIVATE),
    ("[::ffff:10.0.0.1]", "embeds in a private network (IPv4-mapped)"),
    ("[::10.0.0.1]", "embeds in a private network (IPv4-compatible)"),
    ("[64:ff9b::192.168.1.1]", "embeds in a private network (NAT64)"),
    ("[2002:ac10:1::]", "embeds in a private network (6to4)"),
    // Multicast and broadcast.
    ("224.0.0.0", MULTICAST),
    ("239.255.255.255", MULTICAST),
    ("[ff02::1]", MULTICAST),
    ("255.255.255.255", BROADCAST),
    ("0xffffffff", BROADCAST),
    // What embeds a public address is public.
    ("[::ffff:8.8.8.8]", "ok"),
    ("[64:ff9b::8.8.8.8]", "ok"),
    ("[64:ff9b:1::8.8.8.8]", "ok"),
    ("[2002:808:808::1]", "ok"),
    ("[2001:0:808:808:0:0:f7f7:f7f7]", "ok"),
    // Names that are not resolved at all.
    ("metadata.google.internal", "that of the metadata service of a cloud"),
    ("METADATA.google.internal.", "that of the metadata service of a cloud"),
    ("metadata", "that of the metadata service of a cloud"),
    ("instance-data.ec2.internal", "that of the metadata service of a cloud"),
    ("kubernetes", "that of the Kubernetes API"),
    ("kubernetes.default", "that of the Kubernetes API"),
    ("kubernetes.default.svc", "that of the Kubernetes API"),
    ("Kubernetes.Default.svc.cluster.local.", "that of the Kubernetes API"),
    ("kubernetes.default.svc.corp.example", "that of the Kubernetes API"),
    ("mcp", "a name of the cluster"),
    ("mcp.tools.svc", "a name of the cluster"),
    ("mcp.tools.svc.cluster.local", "a name of the cluster"),
    ("10-0-0-1.tools.pod.cluster.local", "a name of the cluster"),
    // Names that are resolved, and judged by their addresses.
    ("mcp.example.com", "resolve"),
    ("localhost", "resolve"),
    ("svc.example.com", "resolve"),
    ("cluster.local.example.com", "resolve"),
    ("kubernetes.default.example.com", "that of the Kubernetes API"),
    ("127.0.0.1.nip.io", "resolve"),
    ("xn--mnchen-3ya.example", "resolve"),
    // Not hosts at all.
    ("127.0.0.1.5", "no url"),
    ("256.0.0.1", "no url"),
    ("0x100000000", "no url"),
    ("[::1", "no url"),
    ("a b", "no url"),
];

#[test]
fn class_remote_reaches_public_servers_and_nothing_else() {
    let guard = Guard::default();
    for (host, expected) in CORPUS {
        let judged = judge(&guard, EgressClass::Remote.into(), host);
        let fits = match *expected {
            "ok" | "resolve" | "no url" => judged == *expected,
            reason => judged.contains(reason),
        };
        assert!(fits, "{host}: expected {expected:?}, got {judged:?}");
    }
}

#[test]
fn each_class_has_its_own_limits() {
    use EgressClass::{Oidc, Otlp, Proxied, Remote, Token, Workload};
    // address, the classes that may reach it by default
    let cases: &[(&str, &[EgressClass])] = &[
        ("8.8.8.8", &EgressClass::ALL),
        ("10.1.2.3", &[Proxied, Token, Otlp, Workload]),
        ("fd12::1", &[Proxied, Token, Otlp, Workload]),
        ("::ffff:10.1.2.3", &[Proxied, Token, Otlp, Workload]),
        ("127.0.0.1", &[Workload]),
        ("::1", &[Workload]),
        ("::ffff:127.0.0.1", &[Workload]),
        ("0.0.0.0", &[]),
        ("169.254.1.1", &[]),
        ("169.254.169.254", &[]),
        ("fd00:ec2::254", &[]),
        ("224.0.0.1", &[]),
        ("10.96.0.1", &[]),
        ("::ffff:10.96.0.1", &[]),
    ];
    let guard = Guard { api_servers: vec!["10.96.0.1".parse().unwrap()], ..Guard::default() };
    for (address, reachable) in cases {
        for class in [Remote, Proxied, Oidc, Token, Otlp, Workload] {
            let judged = guard.judge_address(address.parse().unwrap(), class.into());
            assert_eq!(judged.is_ok(), reachable.contains(&class), "{class} {address}: {judged:?}");
        }
    }
}

#[test]
fn an_object_may_allow_private_networks_and_nothing_more() {
    let guard = Guard::default();
    for (host, allowed) in [
        ("10.1.2.3", true),
        ("[::ffff:192.168.1.1]", true),
        ("mcp.tools.svc.cluster.local", true),
        ("127.0.0.1", false),
        ("169.254.169.254", false),
        ("100.100.100.200", false),
        ("[fd00:ec2::254]", false),
        ("kubernetes.default.svc", false),
    ] {
        let judged = judge(&guard, Reach { class: EgressClass::Remote, allow_private: true }, host);
        assert_eq!(matches!(judged.as_str(), "ok" | "resolve"), allowed, "{host}: {judged}");
    }
}

#[test]
fn loopback_is_a_neighbour_in_a_pod() {
    let in_pod = Guard { in_pod: true, ..Guard::default() };
    let address = "127.0.0.1".parse().unwrap();
    assert!(Guard::default().judge_address(address, EgressClass::Workload.into()).is_ok());
    assert!(in_pod.judge_address(address, EgressClass::Workload.into()).is_err());
}

#[test]
fn a_strict_guard_wants_public_token_endpoints() {
    let strict = Guard { strict: true, ..Guard::default() };
    let address = "10.1.2.3".parse().unwrap();
    for class in [EgressClass::Token, EgressClass::Otlp] {
        assert!(Guard::default().judge_address(address, class.into()).is_ok());
        assert!(strict.judge_address(address, class.into()).is_err());
    }
}

fn allowing(rules: &[&str]) -> Guard {
    Guard {
        allow: rules.iter().map(|rule| rule.parse::<AllowRule>().unwrap()).collect(),
        api_servers: vec!["10.96.0.1".parse().unwrap()],
        ..Guard::default()
    }
}

#[test]
fn the_administrator_lifts_ranges_by_class() {
    // rules, class, address, whether it may be reached
    let cases: &[(&[&str], EgressClass, &str, bool)] = &[
        (&["127.64.0.0/16"], EgressClass::Remote, "127.64.1.1", true),
        (&["127.64.0.0/16"], EgressClass::Remote, "127.65.1.1", false),
        (&["remote=127.64.0.0/16"], EgressClass::Remote, "127.64.1.1", true),
        (&["token=127.64.0.0/16"], EgressClass::Remote, "127.64.1.1", false),
        (&["token=10.0.0.0/8", "remote=10.1.0.0/16"], EgressClass::Remote, "10.1.0.1", true),
        (&["10.0.0.0/8"], EgressClass::Remote, "::ffff:10.1.0.1", true),
        (&["64:ff9b::/96"], EgressClass::Remote, "64:ff9b::10.1.0.1", true),
        (&["::1"], EgressClass::Remote, "::1", true),
        (&["127.0.0.1"], EgressClass::Remote, "127.0.0.1", true),
        // The API and metadata hide in ranges that are opened for something else.
        (&["10.0.0.0/8"], EgressClass::Remote, "10.96.0.1", false),
        (&["10.96.0.1/32"], EgressClass::Remote, "10.96.0.1", true),
        (&["169.254.0.0/16"], EgressClass::Remote, "169.254.1.1", true),
        (&["169.254.0.0/16"], EgressClass::Remote, "169.254.169.254", false),
        (&["0.0.0.0/0"], EgressClass::Workload, "169.254.169.254", false),
        (&["169.254.169.254/32"], EgressClass::Remote, "169.254.169.254", true),
        (&["64:ff9b::/96"], EgressClass::Remote, "64:ff9b::169.254.169.254", false),
    ];
    for (rules, class, address, reachable) in cases {
        let judged = allowing(rules).judge_address(address.parse().unwrap(), (*class).into());
        assert_eq!(judged.is_ok(), *reachable, "{rules:?} {class} {address}: {judged:?}");
    }
}

#[test]
fn a_wrong_rule_is_refused_with_what_is_right() {
    for (rule, expected) in
        [("10.0.0.0/33", "10.1.0.0/16"), ("mcp=10.0.0.0/8", "remote"), ("remote=", "10.1.0.0/16"), ("", "10.1.0.0/16")]
    {
        let error = rule.parse::<AllowRule>().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!("remote=10.1.2.3/8".parse::<AllowRule>().unwrap().to_string(), "remote=10.0.0.0/8");
}

fn mapped(address: Ipv4Addr) -> Vec<Ipv6Addr> {
    let [a, b, c, d] = address.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    vec![
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, high, low, 0, 0, !0x808, !0x808),
        Ipv6Addr::new(0x2001, 0, 0x808, 0x808, 0, 0, !high, !low),
        Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0x5efe, high, low),
    ]
}

proptest! {
    #[test]
    fn embedding_an_address_never_makes_it_reachable(bits in any::<u32>()) {
        let address = Ipv4Addr::from(bits);
        let guard = Guard { api_servers: vec!["8.8.4.4".parse().unwrap()], ..Guard::default() };
        for class in EgressClass::ALL {
            if guard.judge_address(address.into(), class.into()).is_err() {
                for carrier in mapped(address) {
                    prop_assert!(guard.judge_address(carrier.into(), class.into()).is_err(), "{class} {carrier}");
                }
            }
        }
    }

    #[test]
    fn what_a_tighter_guard_lets_through_a_looser_one_does_too(bits in any::<u128>(), v4 in any::<bool>()) {
        let address = if v4 {
            #[expect(clippy::cast_possible_truncation, reason = "any 32 bits are an IPv4 address")]
            IpAddr::V4(Ipv4Addr::from(bits as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from(bits))
        };
        let tight = Guard { strict: true, in_pod: true, ..Guard::default() };
        let loose = Guard::default();
        for class in EgressClass::ALL {
            let reach = Reach::from(class);
            if tight.judge_address(address, reach).is_ok() {
                prop_assert!(loose.judge_address(address, reach).is_ok());
                let allowing = Reach { allow_private: true, ..reach };
                prop_assert!(loose.judge_address(address, allowing).is_ok());
            }
        }
    }

    #[test]
    fn every_spelling_of_an_address_is_judged_alike(bits in any::<u32>()) {
        let guard = Guard::default();
        let reach = Reach::from(EgressClass::Remote);
        let plain = judge(&guard, reach, &Ipv4Addr::from(bits).to_string());
        for spelling in [format!("{bits}"), format!("{bits:#x}"), format!("0{bits:o}"), format!("{}.", Ipv4Addr::from(bits))] {
            prop_assert_eq!(judge(&guard, reach, &spelling), plain.clone());
        }
    }

    #[test]
    fn no_name_panics(name in ".*") {
        let _ = Guard::default().judge_name(&name, EgressClass::Remote.into());
    }
}
