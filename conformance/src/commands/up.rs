//! `conformance up`

use std::path::{Path, PathBuf};

use conformance::play::{Stage, perform};
use conformance::report::Progress;
use conformance::target::Target;

use super::target::{TargetArguments, exit_code};
use super::{FAILED, HARNESS, INTERRUPTED, LibraryArguments, PASSED, WRONG_USAGE};

/// The first message of a session.
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}"#;

/// Plays a scenario and leaves everything running until Ctrl-C.
pub(crate) async fn up(subject: &str, library: &LibraryArguments, target: TargetArguments) -> u8 {
    let library = match library.open() {
        Ok(library) => library,
        Err(code) => return code,
    };
    let Some(scenario) = library.find(subject) else {
        eprintln!("there is no scenario `{subject}`: `conformance list` shows all ids");
        return WRONG_USAGE;
    };
    if let Err(code) = target.proceed() {
        return code;
    }
    let progress = Progress::new(1);
    let started = target.start(&progress).await;
    let target = match started {
        Ok(target) => target,
        Err(error) => {
            eprintln!("{error}");
            return exit_code(&error);
        }
    };
    if let Some(reason) = target.cannot_play(scenario) {
        progress.finish();
        eprintln!("{} cannot be played here: {reason}", scenario.id);
        target.end().await;
        return WRONG_USAGE;
    }
    let kubeconfig = Kubeconfig::write(&target.kubeconfig());
    let code = {
        progress.stage(&format!("playing {}", scenario.id));
        let playing = async {
            let stage = Stage::set(target.as_ref(), &library, scenario).await.map_err(|error| error.to_string())?;
            let outcome = perform(&stage).await;
            progress.finish();
            Ok::<_, String>((stage, outcome))
        };
        let played = tokio::select! {
            played = playing => Some(played),
            _ = tokio::signal::ctrl_c() => None,
        };
        match played {
            None => INTERRUPTED,
            Some(Err(error)) => {
                eprintln!("{error}");
                HARNESS
            }
            Some(Ok((stage, outcome))) => {
                if let Some(message) = &outcome {
                    println!("\nnot all of {} holds: {message}", scenario.id);
                }
                print_ways_in(target.as_ref(), &stage, &kubeconfig).await;
                let _ = tokio::signal::ctrl_c().await;
                if outcome.is_some() { FAILED } else { PASSED }
            }
        }
    };
    target.end().await;
    code
}

async fn print_ways_in(target: &dyn Target, stage: &Stage<'_>, kubeconfig: &Kubeconfig) {
    println!("\nThe cluster runs until Ctrl-C.\n");
    match &kubeconfig.path {
        Some(path) => println!(
            "kubectl:\n  export KUBECONFIG={}\n  kubectl get mcpgroups,mcpserverentries,mcpremoteproxies,virtualmcpservers,pods -n {}",
            path.display(),
            stage.namespace()
        ),
        None => println!("kubectl: the kubeconfig could not be written"),
    }
    let token = stage.default_token().await;
    for (name, url) in stage.gateways().await {
        let Some(address) = address_of(target, stage.namespace(), &url).await else {
            continue;
        };
        let endpoint = format!("http://{address}/mcp");
        println!("\n{name}, in the cluster {url}, from here {endpoint}");
        let header = token.as_ref().map_or_else(String::new, |token| format!(" -H 'Authorization: Bearer {token}'"));
        println!(
            "curl:\n  curl -i {endpoint}{header} -H 'Content-Type: application/json' -H 'Accept: application/json, \
             text/event-stream' -d '{INITIALIZE}'"
        );
        let header =
            token.as_ref().map_or_else(String::new, |token| format!(" --header 'Authorization: Bearer {token}'"));
        println!(
            "MCP Inspector:\n  npx @modelcontextprotocol/inspector@latest --cli {endpoint} --transport http --method \
             tools/list{header}"
        );
    }
}

async fn address_of(target: &dyn Target, namespace: &str, url: &str) -> Option<std::net::SocketAddr> {
    let url = url::Url::parse(url).ok()?;
    let port = url.port_or_known_default()?;
    target.dial(namespace, url.host_str()?, port).await
}

/// A kubeconfig file that goes when the command ends.
struct Kubeconfig {
    path: Option<PathBuf>,
}

impl Kubeconfig {
    fn write(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("conformance-{}.kubeconfig", std::process::id()));
        Self { path: write_private(&path, text).is_ok().then_some(path) }
    }
}

impl Drop for Kubeconfig {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// It holds an administrator's token: nobody else may read it.
pub(super) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
