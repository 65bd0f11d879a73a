//! The command line.
//!
//! Exit codes: 0 when all is well, 1 when a world file has mistakes or a running simulator does not do what is asked, 2 for
//! wrong usage and unreadable files.

mod ca;
mod control;
mod control_tls;
mod fault;
mod files;
mod journal;
mod line;
mod serve;
mod token;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::Ipv4Net;
use simulator::world::{ReadError, WorldFileError};
use simulator::{AddressPool, SimulatorOptions, World};

/// Name of the file's world in the control API.
const WORLD: &str = "default";

/// Simulated remote MCP servers, authorization servers and certificate authorities.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the world of a file until interrupted.
    Serve(Serve),
    /// Show what arrived in a running world.
    Journal(journal::Options),
    /// Set or heal the faults of a server in a running world.
    Fault(fault::Options),
    /// Print a token for a user of an authorization server in a running world.
    Token(token::Options),
    /// Print the JSON Schema of world files, for editors.
    Schema,
    /// Print the description of the control API (OpenAPI 3.1).
    Openapi,
    /// Write the root certificates of a world.
    Ca(ca::Options),
    /// Say what is wrong with a world file.
    Check {
        /// The world file (YAML), or `builtin:NAME`.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Serve {
    /// The world file (YAML), or `builtin:NAME` for a world that comes with the simulator. Without one, worlds are made by the
    /// control API alone.
    #[arg(required_unless_present = "control")]
    file: Option<PathBuf>,
    /// Serve the control API here; without TLS on a loopback address only.
    #[arg(long, value_name = "ADDRESS:PORT")]
    control: Option<SocketAddr>,
    #[command(flatten)]
    control_tls: control_tls::Options,
    /// Listen on the first address of this block of loopback addresses.
    #[arg(long, value_name = "CIDR", conflicts_with = "listen")]
    listen_block: Option<Ipv4Net>,
    /// Listen on this address. With a port: the servers whose URLs name this machine are there, whatever port they name.
    #[arg(long, value_name = "ADDRESS[:PORT]", default_value = "127.0.0.1")]
    listen: Listen,
    /// Let servers speak only their revisions with a handshake, up to 2025-11-25, or only those without.
    #[arg(long)]
    era: Option<Era>,
    /// Listen on the very ports of the URLs, not on free ones, whatever name a request calls: for a container, whose ports
    /// are its own and whose names others give.
    #[arg(long)]
    exact_ports: bool,
    /// Write the root certificates here, one PEM file per authority. Default: a new folder below the system's temporary one.
    #[arg(long, value_name = "DIR")]
    ca_dir: Option<PathBuf>,
    /// Use the roots of authorities that `simulator ca` wrote here; authorities without one get new roots.
    #[arg(long, value_name = "DIR", requires = "file")]
    authorities: Option<PathBuf>,
    /// Serve DNS for the world's names here; port 0 takes a free one, and 0.0.0.0 is the address of each world.
    #[arg(long, value_name = "ADDRESS:PORT")]
    dns: Option<SocketAddr>,
    /// Write a token for this audience per user of each authorization server beside the root certificates.
    #[arg(long, value_name = "AUDIENCE")]
    tokens_for: Option<String>,
}

/// Where to listen.
#[derive(Clone, Copy, Debug)]
struct Listen {
    address: IpAddr,
    port: Option<u16>,
}

impl FromStr for Listen {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { address: address.ip(), port: Some(address.port()) });
        }
        text.parse().map(|address| Self { address, port: None })
    }
}

/// The two kinds of revisions of MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Era {
    Legacy,
    Modern,
}

/// How a run failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The world file has mistakes.
    Mistakes(WorldFileError),
    /// A world does not start, or a running one does not do what is asked.
    World(anyhow::Error),
    /// The program was called wrongly, or a file cannot be read.
    Usage(anyhow::Error),
}

impl Failure {
    /// Says it on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        let (error, code) = match self {
            Self::Mistakes(error) => {
                // Each begins with its place, as editors expect.
                eprintln!("{error}");
                return ExitCode::from(1);
            }
            Self::World(error) => (error, 1),
            Self::Usage(error) => (error, 2),
        };
        eprintln!("simulator: {error:#}");
        ExitCode::from(code)
    }
}

/// What is no wrong usage.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::World(error)
    }
}

/// Runs the command.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Openapi => {
            println!("{:#}", simulator::control::openapi());
            Ok(())
        }
        Command::Journal(options) => journal::journal(options).await,
        Command::Fault(options) => fault::fault(options).await,
        Command::Token(options) => token::token(options).await,
        Command::Schema => {
            println!("{:#}", simulator::world::schema());
            Ok(())
        }
        Command::Ca(options) => ca::run(options).await,
        Command::Check { file } => {
            let world = read(&file)?;
            println!(
                "{}: {} servers, {} authorization servers, {} private authorities",
                file.display(),
                world.servers.len(),
                world.authorization_servers.len(),
                world.authorities.len()
            );
            Ok(())
        }
        Command::Serve(options) => {
            let world = options.file.as_deref().map(|file| options.world(file)).transpose()?;
            let addresses =
                options.listen_block.map_or(AddressPool::Shared(options.listen.address), AddressPool::Block);
            let authorities = match &options.authorities {
                Some(folder) => ca::kept(folder, &world.as_ref().map_or_else(Vec::new, World::all_authorities))?,
                None => Vec::new(),
            };
            let simulator = SimulatorOptions {
                addresses,
                exact_ports: options.exact_ports,
                dns: options.dns,
                authorities,
                ..SimulatorOptions::default()
            };
            let control = match options.control {
                Some(address) => Some(serve::ControlAt { address, tls: options.control_tls.read(address)? }),
                None => None,
            };
            serve::serve(world, simulator, control, options.ca_dir, options.tokens_for.as_deref()).await
        }
    }
}

impl Serve {
    /// The world as these options want it.
    fn world(&self, file: &Path) -> Result<World, Failure> {
        let mut world = read(file)?;
        if let Some(port) = self.listen.port
            && !world.move_to(SocketAddr::new(self.listen.address, port))
        {
            return Err(Failure::Usage(anyhow::anyhow!(
                "--listen names a port, but no server of {} is at a URL of this machine: leave the port out",
                file.display()
            )));
        }
        if let Some(era) = self.era {
            world.keep_versions(|version| version.is_modern() == (era == Era::Modern));
        }
        Ok(world)
    }
}

fn read(file: &Path) -> Result<World, Failure> {
    if let Some(name) = file.to_str().and_then(|name| name.strip_prefix("builtin:")) {
        let known = || World::built_in_names().collect::<Vec<_>>().join(", ");
        return World::built_in(name)
            .ok_or_else(|| {
                Failure::Usage(anyhow::anyhow!("there is no built-in world `{name}`: expected {}", known()))
            })?
            .map_err(|error| Failure::World(error.into()));
    }
    World::from_file(file).map_err(|error| match error {
        ReadError::Unreadable { .. } => Failure::Usage(error.into()),
        ReadError::Mistaken(mistakes) => Failure::Mistakes(mistakes),
    })
}

/// Help and version go to standard output; a mistake is one sentence on standard error.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        print!("{error}");
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let sentence = text.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    eprintln!("simulator: {} (see `simulator --help`)", sentence.trim_start_matches("error: "));
    ExitCode::from(2)
}
