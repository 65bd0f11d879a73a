//! The rules of the guard. What each host is, in whatever spelling, is said by the corpus of the integration tests.
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
