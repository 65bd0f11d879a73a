//! The certificate of the control API, as the command line says.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use simulator::control::ControlTls;

use super::{Failure, ca};

/// The name of the authority, and so of its files.
const AUTHORITY: &str = "control";

/// How the control API speaks TLS, if it does.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Serve the control API by TLS, with a certificate that the root in this folder signs: control.pem, for `--ca` of the
    /// commands, and control-key.pem. Both are made when they are not there.
    #[arg(long = "control-tls", value_name = "DIR", requires = "control")]
    folder: Option<PathBuf>,
    /// A host or an address by which clients call the control API, beside localhost and the address where it listens; may be
    /// given several times.
    #[arg(long = "control-name", value_name = "NAME", requires = "folder")]
    names: Vec<String>,
    /// Serve the control API by TLS, with the certificates in this file (PEM), its own first.
    #[arg(long = "control-certificate", value_name = "FILE", requires_all = ["control", "key"], conflicts_with = "folder")]
    certificate: Option<PathBuf>,
    /// The key (PEM) of `--control-certificate`.
    #[arg(long = "control-key", value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

impl Options {
    /// What the control API shows when it listens on `address`; `None` when it speaks no TLS.
    pub(super) fn read(&self, address: SocketAddr) -> Result<Option<ControlTls>, Failure> {
        if let Some(folder) = &self.folder {
            let root = ca::kept_or_new(folder, AUTHORITY)?;
            let mut names = vec!["localhost".to_owned()];
            if !address.ip().is_unspecified() {
                names.push(address.ip().to_string());
            }
            names.extend(self.names.iter().cloned());
            let made = ControlTls::signed_by(&root, names);
            let made = made.with_context(|| format!("failed to use the root in {}", folder.display()));
            return made.map(Some).map_err(Failure::Usage);
        }
        let (Some(certificate), Some(key)) = (&self.certificate, &self.key) else {
            return Ok(None);
        };
        let tls = ControlTls::from_pem(&contents(certificate)?, &contents(key)?);
        let tls = tls.with_context(|| format!("failed to use {} with {}", certificate.display(), key.display()));
        tls.map(Some).map_err(Failure::Usage)
    }
}

fn contents(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).with_context(|| format!("failed to read {}", file.display())).map_err(Failure::Usage)
}
