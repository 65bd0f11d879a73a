//! Every range with its neighbours, in every spelling.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

/// Hosts that the gateway's egress guard must refuse, or let through, in every spelling.
const CORPUS: &str = include_str!("../../../vmcp/tests/egress-corpus.yaml");

#[derive(Deserialize)]
struct Corpus {
    kinds: BTreeMap<String, Kind>,
    families: Vec<Family>,
}

#[derive(Deserialize)]
struct Kind {
    operator: Judgement,
}

#[derive(Deserialize)]
struct Family {
    title: String,
    is: String,
    hosts: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Judgement {
    Allowed,
    Private,
    Never,
}
use Judgement::{Allowed, Never, Private};

fn judged(host: &str) -> Judgement {
    let url = format!("https://{host}/mcp");
    match (RemoteUrl::judge(&url, false).is_ok(), RemoteUrl::judge(&url, true).is_ok()) {
        (true, true) => Allowed,
        (false, true) => Private,
        (false, false) => Never,
        (true, false) => panic!("{url}: allowPrivateEndpoint forbids it"),
    }
}

#[test]
fn the_hosts_of_the_egress_guard_are_judged_as_the_gateway_judges_them() {
    let Corpus { kinds, families } = serde_saphyr::from_str(CORPUS).unwrap();
    let mut wrong = Vec::new();
    for Family { title, is, hosts } in families {
        for host in hosts {
            // Credentials are refused whatever the host is.
            let expected = if host.contains('@') { Never } else { kinds[&is].operator };
            let judgement = judged(&host);
            if judgement != expected {
                wrong.push(format!("{title}: {host:?} is {judgement:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ranges_end_where_they_end() {
    for (host, expected) in [
        ("126.255.255.255", Allowed),
        ("127.0.0.0", Never),
        ("127.0.0.1", Never),
        ("127.255.255.255", Never),
        ("128.0.0.0", Allowed),
        ("169.253.255.255", Allowed),
        ("169.254.0.0", Never),
        ("169.254.169.254", Never),
        ("169.254.170.2", Never),
        ("169.254.255.255", Never),
        ("169.255.0.0", Allowed),
        ("9.255.255.255", Allowed),
        ("10.0.0.0", Private),
        ("10.255.255.255", Private),
        ("11.0.0.0", Allowed),
        ("172.15.255.255", Allowed),
        ("172.16.0.0", Private),
        ("172.31.255.255", Private),
        ("172.32.0.0", Allowed),
        ("192.167.255.255", Allowed),
        ("192.168.0.0", Private),
        ("192.168.255.255", Private),
        ("192.169.0.0", Allowed),
        ("100.63.255.255", Allowed),
        ("100.64.0.0", Private),
        ("100.100.100.200", Never),
        ("100.127.255.255", Private),
        ("100.128.0.0", Allowed),
        ("198.17.255.255", Allowed),
        ("198.18.0.0", Private),
        ("198.19.255.255", Private),
        ("198.20.0.0", Allowed),
        ("0.0.0.0", Never),
        ("0.255.255.255", Never),
        ("1.0.0.0", Allowed),
        ("223.255.255.255", Allowed),
        ("224.0.0.1", Never),
        ("239.255.255.255", Never),
        ("240.0.0.0", Private),
        ("255.255.255.254", Private),
        ("255.255.255.255", Never),
        ("168.63.129.16", Never),
        ("192.0.0.192", Never),
        ("[::1]", Never),
        ("[::]", Never),
        ("[::2]", Never),
        ("[fe80::1]", Never),
        ("[febf::1]", Never),
        ("[fec0::1]", Private),
        ("[fbff::1]", Allowed),
        ("[fc00::1]", Private),
        ("[fdff::1]", Private),
        ("[fd00:ec2::254]", Never),
        ("[fe00::1]", Allowed),
        ("[ff02::1]", Never),
        ("[2606:4700::1111]", Allowed),
    ] {
        assert_eq!(judged(host), expected, "{host}");
    }
}

#[test]
fn an_address_is_judged_in_every_spelling() {
    for (host, expected) in [
        ("2130706433", Never),
        ("0x7f000001", Never),
        ("0x7f.0.0.1", Never),
        ("017700000001", Never),
        ("0177.0.0.1", Never),
        ("127.1", Never),
        ("127.0.1", Never),
        ("127.0.0.1.", Never),
        ("%31%32%37.0.0.1", Never),
        ("１２７.0.0.1", Never),
        ("127。0。0。1", Never),
        ("167772161", Private),
        ("0xa.0.0.1", Private),
        ("012.0.0.1", Private),
        ("[::ffff:127.0.0.1]", Never),
        ("[::ffff:7f00:1]", Never),
        ("[::ffff:10.0.0.1]", Private),
        ("[::ffff:8.8.8.8]", Allowed),
        ("[::127.0.0.1]", Never),
        ("[::ffff:0:127.0.0.1]", Never),
        ("[64:ff9b::169.254.169.254]", Never),
        ("[64:ff9b::10.0.0.1]", Private),
        ("[64:ff9b::8.8.8.8]", Allowed),
        ("[64:ff9b:1::127.0.0.1]", Never),
        ("[2002:7f00:1::]", Never),
        ("[2002:a00:1::]", Private),
        ("[2002:808:808::]", Allowed),
        ("[2001:0:7f00:1::]", Never),
        ("[2001:0:808:808::80ff:fffe]", Never),
        ("[2001:0:808:808::f7f7:f7f7]", Allowed),
        ("[2606:4700::5efe:127.0.0.1]", Never),
    ] {
        assert_eq!(judged(host), expected, "{host}");
    }
}

#[test]
fn names_of_the_pod_the_cloud_and_the_cluster_are_judged() {
    for (host, expected) in [
        ("localhost", Never),
        ("LOCALHOST", Never),
        ("localhost.", Never),
        ("a.localhost", Never),
        ("notlocalhost.example.com", Allowed),
        ("metadata.google.internal", Never),
        ("metadata.google.internal.", Never),
        ("metadata", Never),
        ("metadata.example.com", Allowed),
        ("kubernetes", Never),
        ("kubernetes.default", Never),
        ("kubernetes.default.svc", Never),
        ("kubernetes.default.svc.cluster.local", Never),
        ("kubernetes.default.svc.corp.internal", Never),
        ("kubernetes.example.com", Allowed),
        ("backend.team.svc.cluster.local", Private),
        ("backend.team.svc.cluster.local.", Private),
        ("backend.team.svc", Private),
        ("backend", Private),
        ("mycluster.local", Allowed),
        ("mcp.example.com", Allowed),
        ("mcp.example.com.", Allowed),
    ] {
        assert_eq!(judged(host), expected, "{host}");
    }
}

#[test]
fn what_is_no_plain_http_url_is_refused() {
    for url in [
        "",
        "mcp.example.com",
        "ftp://mcp.example.com",
        "https://",
        "https://user@mcp.example.com/",
        "https://user:secret@mcp.example.com/",
        "https://mcp.example.com@127.0.0.1/",
        "https://[fe80::1%25eth0]/",
        "https://exa mple.com/",
        "https://256.0.0.1/",
        "https://mcp.example.com:99999/",
    ] {
        assert!(RemoteUrl::judge(url, true).is_err(), "{url}");
    }
}

#[test]
fn messages_say_what_where_and_what_to_do() {
    let message = |url| RemoteUrl::judge(url, false).unwrap_err().to_string();
    insta::assert_snapshot!(message("http://127.1/mcp"), @"remoteUrl points to 127.0.0.1, which is in the loopback range 127.0.0.0/8: use the URL of a server outside of the cluster");
    insta::assert_snapshot!(message("http://10.1.2.3/mcp"), @"remoteUrl points to 10.1.2.3, which is in the private range 10.0.0.0/8: use the URL of a server outside of the cluster, or set allowPrivateEndpoint");
    insta::assert_snapshot!(message("http://169.254.169.254/"), @"remoteUrl points to 169.254.169.254, which is a cloud metadata endpoint: use the URL of a server outside of the cluster");
    insta::assert_snapshot!(message("http://[64:ff9b::7f00:1]/"), @"remoteUrl points to [64:ff9b::7f00:1], which is an IPv6 form of an address in the loopback range 127.0.0.0/8: use the URL of a server outside of the cluster");
    assert!(!message("https://user:s3cr3t@mcp.example.com/").contains("s3cr3t"));
}

proptest! {
    #[test]
    fn no_text_panics(text in ".*", allow in any::<bool>()) {
        let _ = RemoteUrl::judge(&text, allow);
    }

    #[test]
    fn every_spelling_of_an_address_is_judged_alike(number in any::<u32>()) {
        let address = Ipv4Addr::from(number);
        let plain = judged(&address.to_string());
        let [a, b, c, d] = address.octets();
        for spelling in [
            number.to_string(),
            format!("{number:#x}"),
            format!("0{number:o}"),
            format!("{a:#x}.0{b:o}.{c}.{d:#x}"),
            format!("{address}."),
            format!("[::ffff:{address}]"),
            format!("[64:ff9b::{address}]"),
            format!("[2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1]"),
        ] {
            prop_assert_eq!(judged(&spelling), plain, "{}", spelling);
        }
    }
}
