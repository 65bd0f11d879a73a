//! What makes no sense about scripted answers of the name server.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Problem, is_subject_name};
use crate::world::{DnsAnswer, DnsName};

/// More do not fit into an answer.
const MOST_ADDRESSES: usize = 500;
/// The longest that records can be kept (RFC 2181, 8).
const LONGEST_TTL: Duration = Duration::from_secs((1 << 31) - 1);

/// What is wrong with all the scripted names of a world.
pub(super) fn names_problems(names: &BTreeMap<String, DnsName>) -> Vec<Problem> {
    names.iter().flat_map(|(name, script)| dns_problems(&format!("dns[\"{name}\"]"), name, script)).collect()
}

/// What is wrong with one scripted name.
pub(crate) fn dns_problems(path: &str, name: &str, script: &DnsName) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add = |path: String, message: String| found.push(Problem { path, message });
    if !is_host_name(name) {
        add(path.to_owned(), format!("`{name}` is not a host name"));
    }
    if script.answers.is_empty() {
        add(format!("{path}.answers"), "a name needs at least one answer: `[silent]` gives none at all".to_owned());
    }
    for (index, answer) in script.answers.iter().enumerate() {
        let path = format!("{path}.answers[{index}]");
        match answer {
            DnsAnswer::Addresses(addresses) if addresses.len() > MOST_ADDRESSES => {
                add(path, format!("an answer holds at most {MOST_ADDRESSES} addresses"));
            }
            DnsAnswer::Alias(alias) if !is_host_name(&alias.cname) => {
                add(format!("{path}.cname"), format!("`{}` is not a host name", alias.cname));
            }
            _ => {}
        }
    }
    if script.ttl > LONGEST_TTL {
        add(format!("{path}.ttl"), "answers can be kept for 68 years at most".to_owned());
    }
    found
}

fn is_host_name(name: &str) -> bool {
    is_subject_name(name) && !name.starts_with("*.") && name.parse::<std::net::IpAddr>().is_err()
}
