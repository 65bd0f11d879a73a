//! Images: which local program stands for which container image.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::environment::expand;
use super::rewrite::Rewrite;

/// Additional environment of a pod's processes.
pub type Environment = Arc<dyn Fn(&PodContext) -> Vec<(String, String)> + Send + Sync>;

/// The program that stands for an image: its path is the image's entrypoint.
#[derive(Clone)]
pub struct Program {
    /// The executable file.
    pub path: PathBuf,
    /// Arguments of the image's entrypoint, before those of the container. A container's `command` replaces them too.
    pub arguments: Vec<String>,
    /// Environment variables that each of its processes gets beside those of the pod, computed at each start. The pod's
    /// own win.
    pub environment: Environment,
}

impl Program {
    /// A program without additional environment.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), arguments: Vec::new(), environment: Arc::new(|_| Vec::new()) }
    }

    /// The program with these arguments of its entrypoint.
    #[must_use]
    pub fn with_arguments(mut self, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Program").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The pod for which a program is started.
#[derive(Clone, Debug)]
pub struct PodContext {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its address.
    pub address: IpAddr,
    /// The resolver of its namespace.
    pub dns: SocketAddr,
}

/// A command that stands in no image known here; worded as a container runtime does.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "exec: {command:?}: executable file not found in $PATH: the image stands for the program {program:?}, and a command \
     must begin with that name"
)]
pub(crate) struct UnknownCommand {
    command: String,
    program: String,
}

/// The program and its arguments: `command` replaces the entrypoint, `args` follow.
pub(crate) fn arguments(
    program: &Program,
    command: &[String],
    args: &[String],
    environment: &BTreeMap<String, String>,
    rewrite: &Rewrite,
) -> Result<Vec<OsString>, UnknownCommand> {
    let own_name = program.path.file_name().unwrap_or_default();
    let rest = match command {
        [] => program.arguments.as_slice(),
        [first, rest @ ..] if Path::new(first).file_name() == Some(own_name) => rest,
        [first, ..] => {
            return Err(UnknownCommand { command: first.clone(), program: own_name.to_string_lossy().into_owned() });
        }
    };
    let value = |text: &String| OsString::from(rewrite.text(&expand(text, environment)));
    Ok(rest.iter().chain(args).map(value).collect())
}

/// A command beside the container's own process: the image's program, or one that the machine has on the container's
/// `PATH`. Nothing in it is expanded.
pub(crate) fn command(
    program: &Program,
    command: &[String],
    environment: &BTreeMap<String, String>,
    rewrite: &Rewrite,
) -> Result<(PathBuf, Vec<OsString>), NotFound> {
    let (first, rest) = command.split_first().ok_or_else(|| NotFound { command: String::new() })?;
    let path = if Path::new(first).file_name() == program.path.file_name() {
        Some(program.path.clone())
    } else if first.contains('/') {
        Some(PathBuf::from(rewrite.text(first))).filter(|path| path.is_file())
    } else {
        let folders = environment.get("PATH").map(String::as_str).unwrap_or_default();
        std::env::split_paths(folders).map(|folder| folder.join(first)).find(|path| path.is_file())
    };
    let path = path.ok_or_else(|| NotFound { command: first.clone() })?;
    Ok((path, rest.iter().map(|text| OsString::from(rewrite.text(text))).collect()))
}

/// A command that neither the image nor the machine has; worded as a container runtime does.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("exec: {command:?}: executable file not found in $PATH")]
pub(crate) struct NotFound {
    command: String,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_command_replaces_the_entrypoint_and_must_name_its_program() {
        let program = Program::new("/target/debug/server");
        let environment = BTreeMap::from([("PORT".to_owned(), "8080".to_owned())]);
        let rewrite = Rewrite::new([("/etc/app".to_owned(), "/pods/1/app".into())], Ipv4Addr::new(127, 80, 0, 20));
        let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let run = |command: &[&str], args: &[&str]| {
            arguments(&program, &strings(command), &strings(args), &environment, &rewrite)
        };
        let expected = ["serve", "--config=/pods/1/app/c", "--listen=127.80.0.20:8080"];
        let args = ["--config=/etc/app/c", "--listen=0.0.0.0:$(PORT)"];
        assert_eq!(run(&["/server", "serve"], &args).unwrap(), expected);
        assert_eq!(run(&["server", "serve"], &args).unwrap(), expected);
        assert_eq!(run(&[], &["serve"]).unwrap(), ["serve"]);
        let program = Program::new("/target/debug/server").with_arguments(["serve", "--listen=0.0.0.0"]);
        let run = |command: &[&str], args: &[&str]| {
            arguments(&program, &strings(command), &strings(args), &environment, &rewrite)
        };
        assert_eq!(run(&[], &["--loud"]).unwrap(), ["serve", "--listen=127.80.0.20", "--loud"]);
        assert_eq!(run(&["server"], &["--loud"]).unwrap(), ["--loud"]);
        assert!(run(&["/bin/sh"], &[]).unwrap_err().to_string().starts_with("exec: \"/bin/sh\": executable file not"));
    }
}
