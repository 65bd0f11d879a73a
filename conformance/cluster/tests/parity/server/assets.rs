//! An API server that is started from the executables `etcd` and `kube-apiserver`, for one run.

use parking_lot::Mutex;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rcgen::KeyPair;
use serde_json::json;
use tempfile::TempDir;

/// How long the API server may take to be ready.
const READY_WITHIN: Duration = Duration::from_mins(1);

/// How often it is asked whether it is ready: nothing tells.
const ASKED_EVERY: Duration = Duration::from_millis(100);

/// A folder with the executables.
pub(crate) struct Assets {
    folder: PathBuf,
}

/// A running server with its storage; both end with this value.
pub(crate) struct Started {
    programs: Mutex<Vec<Program>>,
    kubeconfig: Kubeconfig,
    folder: TempDir,
}

struct Program {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// Why no server was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssetsError {
    #[error("failed to find {program} in the folder {folder}, which KUBEBUILDER_ASSETS names: {source}")]
    Missing { program: &'static str, folder: PathBuf, source: io::Error },
    #[error("failed to prepare the files of a temporary API server: {0}")]
    Files(#[from] io::Error),
    #[error("failed to make the certificate of a temporary API server: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("failed to use the certificate of a temporary API server: {0}")]
    Client(String),
    #[error("{program} ended with {status} before the API server was ready; its last words: {last}")]
    Ended { program: &'static str, status: ExitStatus, last: String },
    #[error("the API server at {url} was not ready within {READY_WITHIN:?}; the last words of kube-apiserver: {last}")]
    Late { url: String, last: String },
}

impl Assets {
    pub(crate) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Starts both programs on free loopback ports and waits until the API server is ready.
    pub(crate) fn start(&self) -> Result<Started, AssetsError> {
        let (etcd, api_server) = (self.executable("etcd")?, self.executable("kube-apiserver")?);
        let folder = tempfile::Builder::new().prefix("parity-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let (storage, secure) = (free_port()?, free_port()?);
        let storage = format!("http://127.0.0.1:{storage}");
        let url = format!("https://127.0.0.1:{secure}");
        let token = uuid::Uuid::new_v4().simple().to_string();
        let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
        let accounts = KeyPair::generate()?;
        fs::write(path("tls.crt"), certificate.cert.pem())?;
        fs::write(path("tls.key"), certificate.signing_key.serialize_pem())?;
        fs::write(path("accounts.key"), accounts.serialize_pem())?;
        fs::write(path("accounts.pub"), accounts.public_key_pem())?;
        fs::write(path("tokens.csv"), format!("{token},parity,parity,\"system:masters\"\n"))?;
        let kubeconfig = kubeconfig(&url, &token, &certificate.cert.pem());
        let started = Started { programs: Mutex::default(), kubeconfig, folder };
        let file = |flag: &str, path: PathBuf| format!("--{flag}={}", path.display());
        let root = started.folder.path().to_owned();
        let within = |name: &str| root.join(name);
        started.run(
            "etcd",
            &etcd,
            &[
                file("data-dir", within("etcd")),
                format!("--listen-client-urls={storage}"),
                format!("--advertise-client-urls={storage}"),
                "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
                "--unsafe-no-fsync=true".to_owned(),
            ],
        )?;
        started.run(
            "kube-apiserver",
            &api_server,
            &[
                format!("--etcd-servers={storage}"),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={secure}"),
                file("cert-dir", root.clone()),
                file("tls-cert-file", within("tls.crt")),
                file("tls-private-key-file", within("tls.key")),
                file("token-auth-file", within("tokens.csv")),
                "--authorization-mode=RBAC".to_owned(),
                "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                file("service-account-signing-key-file", within("accounts.key")),
                file("service-account-key-file", within("accounts.pub")),
                // Nobody makes service accounts here, and pods shall be accepted all the same.
                "--disable-admission-plugins=ServiceAccount".to_owned(),
            ],
        )?;
        started.wait(&url)?;
        Ok(started)
    }

    fn executable(&self, program: &'static str) -> Result<PathBuf, AssetsError> {
        let path = self.folder.join(program);
        let missing = |source| AssetsError::Missing { program, folder: self.folder.clone(), source };
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(path),
            Ok(_) => Err(missing(io::Error::other("it is no file"))),
            Err(error) => Err(missing(error)),
        }
    }
}

impl Started {
    /// How a client reaches the server as its administrator.
    pub(crate) fn config(&self) -> Result<Config, AssetsError> {
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(self.kubeconfig.clone(), &options);
        // Nothing in this future waits: no file is read and no program run for the token.
        futures::executor::block_on(config).map_err(|error| AssetsError::Client(error.to_string()))
    }

    /// Ends both programs, the API server first.
    pub(crate) fn stop(&self) {
        let mut programs = self.programs.lock();
        while let Some(mut program) = programs.pop() {
            // Their data goes with them, so that there is nothing to be saved.
            let _ = program.child.kill();
            let _ = program.child.wait();
        }
    }

    fn run(&self, name: &'static str, path: &Path, arguments: &[String]) -> Result<(), AssetsError> {
        let log = self.folder.path().join(format!("{name}.log"));
        let output = File::create(&log)?;
        let child = Command::new(path)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .map_err(|source| AssetsError::Missing { program: name, folder: path.to_owned(), source })?;
        self.programs.lock().push(Program { name, child, log });
        Ok(())
    }

    /// A program that has ended already.
    fn ended(&self) -> Result<(), AssetsError> {
        for program in self.programs.lock().iter_mut() {
            if let Some(status) = program.child.try_wait()? {
                return Err(AssetsError::Ended { program: program.name, status, last: last_words(&program.log) });
            }
        }
        Ok(())
    }

    fn wait(&self, url: &str) -> Result<(), AssetsError> {
        let config = self.config()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let waiting = runtime.block_on(async {
            let client = Client::try_from(config).map_err(|error| AssetsError::Client(error.to_string()))?;
            let ready = async {
                let mut interval = tokio::time::interval(ASKED_EVERY);
                loop {
                    interval.tick().await;
                    self.ended()?;
                    let request = http::Request::get("/readyz").body(Vec::new());
                    if let Ok(request) = request
                        && client.request_text(request).await.is_ok()
                    {
                        return Ok(());
                    }
                }
            };
            tokio::time::timeout(READY_WITHIN, ready).await.unwrap_or_else(|_| {
                Err(AssetsError::Late {
                    url: url.to_owned(),
                    last: last_words(&self.folder.path().join("kube-apiserver.log")),
                })
            })
        });
        runtime.shutdown_background();
        waiting
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.stop();
    }
}

fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("none").to_owned()
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?.local_addr()?.port())
}

fn kubeconfig(url: &str, token: &str, certificate: &str) -> Kubeconfig {
    let authority = STANDARD.encode(certificate);
    serde_json::from_value(json!({
        "clusters": [{"name": "parity", "cluster": {"server": url, "certificate-authority-data": authority}}],
        "users": [{"name": "parity", "user": {"token": token}}],
        "contexts": [{"name": "parity", "context": {"cluster": "parity", "user": "parity"}}],
        "current-context": "parity",
    }))
    .unwrap()
}
