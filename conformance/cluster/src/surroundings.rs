//! What pods know of machines outside the cluster: names that a namespace resolves, variables that its containers get, and
//! images that it may use. So a program beside the cluster can simulate such machines, in this process or in another one.

use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::Ipv4Net;

use crate::dns::Dns;
use crate::node::Program;

/// The loopback addresses of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Blocks {
    /// Of pods.
    pub pods: Ipv4Net,
    /// Of Services.
    pub services: Ipv4Net,
    /// Free for the caller: to simulate machines outside the cluster.
    pub world: Ipv4Net,
}

/// What pods know of machines outside. Cheap to clone.
#[derive(Clone)]
pub struct Surroundings {
    blocks: Blocks,
    dns: Dns,
    environments: Arc<RwLock<BTreeMap<String, BTreeMap<String, String>>>>,
    images: Arc<RwLock<BTreeMap<String, BTreeMap<String, Program>>>>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("blocks", &self.blocks).finish_non_exhaustive()
    }
}

impl Surroundings {
    pub(crate) fn new(blocks: Blocks, dns: Dns) -> Self {
        Self { blocks, dns, environments: Arc::default(), images: Arc::default() }
    }

    /// The addresses of the cluster.
    pub fn blocks(&self) -> Blocks {
        self.blocks
    }

    /// The resolver of a namespace's pods. The first call opens its sockets, which may fail.
    pub fn resolver(&self, namespace: &str) -> io::Result<SocketAddr> {
        self.dns.view(namespace)
    }

    /// Replaces the extra names that a namespace resolves, beside those of Services.
    pub fn set_names(&self, namespace: &str, names: BTreeMap<String, IpAddr>) -> io::Result<()> {
        self.dns.set_names(namespace, names)
    }

    /// Replaces the names of a namespace that name servers of the caller's answer for, each with its server.
    pub fn delegate(&self, namespace: &str, names: BTreeMap<String, SocketAddr>) -> io::Result<()> {
        self.dns.delegate(namespace, names)
    }

    /// Replaces the variables that every container of a namespace gets when it starts. What the program of its image,
    /// `envFrom` and `env` say wins.
    pub fn set_environment(&self, namespace: &str, environment: BTreeMap<String, String>) {
        let mut all = self.environments.write();
        all.insert(namespace.to_owned(), environment);
    }

    /// Replaces the programs of images in a namespace, which count before those of the cluster.
    pub fn set_images(&self, namespace: &str, images: BTreeMap<String, Program>) {
        let mut all = self.images.write();
        all.insert(namespace.to_owned(), images);
    }

    /// The program of an image in a namespace.
    pub(crate) fn program(&self, namespace: &str, image: &str) -> Option<Program> {
        let all = self.images.read();
        all.get(namespace)?.get(image).cloned()
    }

    /// The variables of a namespace.
    pub(crate) fn environment(&self, namespace: &str) -> BTreeMap<String, String> {
        let all = self.environments.read();
        all.get(namespace).cloned().unwrap_or_default()
    }
}
