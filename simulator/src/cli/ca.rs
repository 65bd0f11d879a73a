//! `simulator ca`: root certificates as files, of a world that runs or of one to be served later.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use simulator::control::WorldState;
use simulator::{AuthorityRoot, ConfigMap};

use super::Failure;
use super::control::{ControlClient, Running};
use super::files::{file_name, write_private};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The world file (YAML) whose authorities get new roots and keys, for `serve --authorities DIR`. Without one, the roots of a
    /// running world are read.
    file: Option<PathBuf>,
    #[command(flatten)]
    running: Running,
    /// The folder to write to: AUTHORITY.pem each.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write AUTHORITY.configmap.yaml too: a Kubernetes ConfigMap named like the authority.
    #[arg(long)]
    configmaps: bool,
    /// The namespace of the ConfigMaps.
    #[arg(long, requires = "configmaps")]
    namespace: Option<String>,
    /// The key of the certificate in the ConfigMaps. Default: ca.crt.
    #[arg(long, requires = "configmaps")]
    key: Option<String>,
}

pub(super) async fn run(options: Options) -> Result<(), Failure> {
    let roots = match &options.file {
        Some(file) => made(file)?,
        None => running(options.running.clone()).await?,
    };
    write(&options, &roots).map_err(Failure::Usage)
}

/// A root certificate, with its key when it was made here.
struct Root {
    authority: String,
    certificate: String,
    key: Option<String>,
}

fn made(file: &Path) -> Result<Vec<Root>, Failure> {
    let generate = |definition: &_| {
        let AuthorityRoot { authority, certificate, key } = AuthorityRoot::generate(definition)?;
        Ok(Root { authority, certificate, key: Some(key) })
    };
    let made: anyhow::Result<_> = super::read(file)?.all_authorities().iter().map(generate).collect();
    made.context("failed to make an authority").map_err(Failure::World)
}

async fn running(running: Running) -> Result<Vec<Root>, Failure> {
    let state: WorldState = ControlClient::new(running)?.get("", &[]).await?;
    let root = |known: simulator::control::Authority| Root {
        authority: known.name,
        certificate: known.certificate,
        key: None,
    };
    Ok(state.authorities.into_iter().map(root).collect())
}

fn write(options: &Options, roots: &[Root]) -> anyhow::Result<()> {
    let folder = &options.out;
    std::fs::create_dir_all(folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
    for Root { authority, certificate, key } in roots {
        let place = |kind: &str| folder.join(file_name(&format!("{authority}{kind}")));
        let said = |path: &Path| println!("{}", path.display());
        let write = |path: PathBuf, text: &str| {
            std::fs::write(&path, text).with_context(|| format!("failed to write {}", path.display()))?;
            said(&path);
            anyhow::Ok(())
        };
        write(place(".pem"), certificate)?;
        if let Some(key) = key {
            let path = place(KEY);
            write_private(&path, key)?;
            said(&path);
        }
        if options.configmaps {
            let (namespace, key) = (options.namespace.clone(), options.key.clone());
            let manifest = ConfigMap { name: authority.clone(), namespace, key }.manifest(certificate)?;
            write(place(".configmap.yaml"), &manifest)?;
        }
    }
    Ok(())
}

/// How the files of keys end.
const KEY: &str = "-key.pem";

/// The root of the authority `name` in a folder: one that `simulator ca` or this left there, or a new one.
pub(super) fn kept_or_new(folder: &Path, name: &str) -> Result<AuthorityRoot, Failure> {
    let definition = simulator::world::Authority::from(name);
    if folder.join(format!("{name}{KEY}")).exists() {
        return kept(folder, &[definition])?.pop().ok_or_else(|| Failure::World(anyhow::anyhow!("no root was kept")));
    }
    let root = AuthorityRoot::generate(&definition).context("failed to make an authority").map_err(Failure::World)?;
    let AuthorityRoot { authority, certificate, key } = &root;
    let write = || {
        std::fs::create_dir_all(folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
        let path = folder.join(format!("{authority}.pem"));
        std::fs::write(&path, certificate).with_context(|| format!("failed to write {}", path.display()))?;
        write_private(&folder.join(format!("{authority}{KEY}")), key)
    };
    write().map_err(Failure::Usage)?;
    Ok(root)
}

/// The roots that `simulator ca` left in a folder, of these authorities.
pub(super) fn kept(folder: &Path, authorities: &[simulator::world::Authority]) -> Result<Vec<AuthorityRoot>, Failure> {
    let read = |path: PathBuf| {
        let context = || format!("failed to read {}", path.display());
        std::fs::read_to_string(&path).with_context(context).map_err(Failure::Usage)
    };
    let mut roots = Vec::new();
    for authority in authorities.iter().map(|authority| &authority.name) {
        let key = folder.join(file_name(&format!("{authority}{KEY}")));
        if key.exists() {
            let certificate = read(folder.join(file_name(&format!("{authority}.pem"))))?;
            roots.push(AuthorityRoot { authority: authority.clone(), certificate, key: read(key)? });
        }
    }
    if roots.is_empty() {
        let context = format!("{} holds no root of this world: make them with `simulator ca --out`", folder.display());
        return Err(Failure::Usage(anyhow::anyhow!(context)));
    }
    Ok(roots)
}
