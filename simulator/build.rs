//! Tells the tests which tools this machine has, so that those that need an absent one are reported as ignored.

use std::path::Path;

const TOOLS: [&str; 3] = ["curl", "npm", "openssl"];

fn main() {
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-changed=build.rs");
    let path = std::env::var_os("PATH").unwrap_or_default();
    for tool in TOOLS {
        println!("cargo::rustc-check-cfg=cfg(has_{tool})");
        if std::env::split_paths(&path).any(|folder| Path::new(&folder).join(tool).is_file()) {
            println!("cargo::rustc-cfg=has_{tool}");
        }
    }
}
