//! What a container's file system and network namespace would do, done to its command, arguments and environment.
//!
//! A local process sees the machine's files and all of loopback. So a path below a mountPath is replaced by the folder
//! that the node keeps for that volume, and the bind host `0.0.0.0`, which would take the port of every pod, by the
//! pod's own address. The content of files is never touched.

use std::net::Ipv4Addr;
use std::path::PathBuf;

/// The replacements of one container.
#[derive(Clone, Debug)]
pub(crate) struct Rewrite {
    /// mountPath and folder, the longest path first.
    mounts: Vec<(String, PathBuf)>,
    address: Ipv4Addr,
}

const ANY_ADDRESS: &str = "0.0.0.0";

impl Rewrite {
    pub(crate) fn new(mounts: impl IntoIterator<Item = (String, PathBuf)>, address: Ipv4Addr) -> Self {
        let mut mounts: Vec<_> = mounts
            .into_iter()
            .map(|(path, folder)| (path.trim_end_matches('/').to_owned(), folder))
            .filter(|(path, _)| !path.is_empty())
            .collect();
        mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Self { mounts, address }
    }

    /// The folder that stands for a mountPath.
    pub(crate) fn folder(&self, mount_path: &str) -> Option<&PathBuf> {
        let wanted = mount_path.trim_end_matches('/');
        self.mounts.iter().find(|(path, _)| path == wanted).map(|(_, folder)| folder)
    }

    /// Applies the replacements to one value.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            let before = &text[..text.len() - rest.len()];
            if let Some((path, folder)) = self.mount_at(before, rest) {
                result.push_str(&folder.to_string_lossy());
                rest = &rest[path.len()..];
            } else if is_any_address(before, rest) {
                result.push_str(&self.address.to_string());
                rest = &rest[ANY_ADDRESS.len()..];
            } else {
                result.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        result
    }

    fn mount_at(&self, before: &str, rest: &str) -> Option<&(String, PathBuf)> {
        let begins = before.ends_with("file://") || !before.ends_with(is_path_character);
        if !begins || !rest.starts_with('/') {
            return None;
        }
        self.mounts.iter().find(|(path, _)| {
            rest.strip_prefix(path.as_str())
                .is_some_and(|after| after.starts_with('/') || !after.starts_with(is_path_character))
        })
    }
}

fn is_path_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '/' | '.' | '-' | '_')
}

/// A host, and neither a part of a longer number nor the network 0.0.0.0/0.
fn is_any_address(before: &str, rest: &str) -> bool {
    let continues = |character: char| character.is_ascii_digit() || character == '.';
    rest.strip_prefix(ANY_ADDRESS)
        .is_some_and(|after| !before.ends_with(continues) && !after.starts_with(continues) && !is_prefix_length(after))
}

fn is_prefix_length(after: &str) -> bool {
    after.strip_prefix('/').is_some_and(|length| length.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(text: &str) -> String {
        let mounts = [
            ("/etc/app", "/pods/1/volumes/config"),
            ("/etc/app/tls/", "/pods/1/volumes/tls"),
            ("/", "/pods/1/volumes/root"),
        ];
        let mounts = mounts.map(|(path, folder)| (path.to_owned(), PathBuf::from(folder)));
        Rewrite::new(mounts, Ipv4Addr::new(127, 80, 0, 20)).text(text)
    }

    #[test]
    fn paths_below_a_mount_are_replaced_by_its_folder() {
        for (text, expected) in [
            ("/etc/app", "/pods/1/volumes/config"),
            ("/etc/app/config.yaml", "/pods/1/volumes/config/config.yaml"),
            ("--config=/etc/app/config.yaml", "--config=/pods/1/volumes/config/config.yaml"),
            ("/etc/app/tls/ca.crt:/etc/app/x", "/pods/1/volumes/tls/ca.crt:/pods/1/volumes/config/x"),
            ("file:///etc/app/x", "file:///pods/1/volumes/config/x"),
            ("cat /etc/app/x", "cat /pods/1/volumes/config/x"),
            ("/etc/application", "/etc/application"),
            ("/etc/app-2/x", "/etc/app-2/x"),
            ("/srv/etc/app/x", "/srv/etc/app/x"),
            ("https://host/etc/app", "https://host/etc/app"),
            ("ümlaut /etc/app", "ümlaut /pods/1/volumes/config"),
        ] {
            assert_eq!(rewrite(text), expected);
        }
    }

    #[test]
    fn the_bind_host_of_all_addresses_is_the_pods_own() {
        for (text, expected) in [
            ("0.0.0.0", "127.80.0.20"),
            ("--listen=0.0.0.0:8081", "--listen=127.80.0.20:8081"),
            ("http://0.0.0.0:80/x", "http://127.80.0.20:80/x"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("10.0.0.0", "10.0.0.0"),
            ("10.0.0.0.0", "10.0.0.0.0"),
        ] {
            assert_eq!(rewrite(text), expected);
        }
    }
}
