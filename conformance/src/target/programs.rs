//! The programs that the embedded target runs: built in a checkout, found beside this one when installed.

use std::fs::File;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why there are no programs.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// This program does not know where it is.
    #[error("failed to find out where this program is: {0}")]
    Whereabouts(std::io::Error),
    /// The lock that keeps builds apart cannot be had.
    #[error("failed to lock {file}: {source}")]
    Lock {
        /// The lock file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// cargo cannot be started.
    #[error("failed to start `{cargo} build`: {source}")]
    Cargo {
        /// What was started.
        cargo: String,
        /// Why.
        source: std::io::Error,
    },
    /// cargo says no.
    #[error("failed to build operator and vmcp: `{0}` ended without success")]
    Build(String),
    /// A program is not where it should be.
    #[error(
        "there is no program {0}: install operator and vmcp beside conformance, or name their folder with --programs"
    )]
    Missing(String),
}

/// Where the programs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Programs {
    /// The bin `operator`.
    pub operator: PathBuf,
    /// The bin `vmcp`.
    pub vmcp: PathBuf,
    /// The bin `simulator`.
    pub simulator: PathBuf,
}

impl Programs {
    /// The programs of a folder.
    pub fn in_folder(folder: &Path) -> Result<Self, ProgramError> {
        let find = |name: &str| {
            let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
            if path.is_file() { Ok(path) } else { Err(ProgramError::Missing(path.display().to_string())) }
        };
        Ok(Self { operator: find("operator")?, vmcp: find("vmcp")?, simulator: find("simulator")? })
    }

    /// Builds the programs when this one was built in a checkout; else finds them beside it.
    pub fn find() -> Result<Self, ProgramError> {
        let own = std::env::current_exe().map_err(ProgramError::Whereabouts)?;
        match Build::of(&own, Path::new(env!("CARGO_MANIFEST_DIR"))) {
            Some(build) => {
                build.run()?;
                Self::in_folder(&build.folder)
            }
            None => Self::in_folder(own.parent().unwrap_or(Path::new("."))),
        }
    }
}

/// The build that this program came from.
#[derive(Debug, PartialEq, Eq)]
struct Build {
    workspace: PathBuf,
    target: PathBuf,
    profile: String,
    folder: PathBuf,
}

impl Build {
    /// Recognises `TARGET/PROFILE/conformance` and `TARGET/PROFILE/deps/TEST` of the checkout that holds `crate_folder`.
    fn of(own: &Path, crate_folder: &Path) -> Option<Self> {
        let workspace = crate_folder.parent()?.to_owned();
        if !workspace.join("Cargo.lock").is_file() {
            return None;
        }
        let mut folder = own.parent()?;
        if folder.file_name()? == "deps" {
            folder = folder.parent()?;
        }
        if !folder.join(".fingerprint").is_dir() && !folder.join("build").is_dir() {
            return None;
        }
        let profile = match folder.file_name()?.to_str()? {
            "debug" => "dev",
            other => other,
        };
        Some(Self {
            workspace,
            target: folder.parent()?.to_owned(),
            profile: profile.to_owned(),
            folder: folder.to_owned(),
        })
    }

    /// Builds all programs of the workspace, one run at a time.
    fn run(&self) -> Result<(), ProgramError> {
        let file = self.target.join("conformance-programs.lock");
        let failed = |source| ProgramError::Lock { file: file.display().to_string(), source };
        let lock = File::create(&file).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let mut command = Command::new(&cargo);
        command
            .args(["build", "--workspace", "--bins", "--locked"])
            .args(["--profile", &self.profile])
            .arg("--target-dir")
            .arg(&self.target)
            .arg("--manifest-path")
            .arg(self.workspace.join("Cargo.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if !std::io::stderr().is_terminal() {
            command.arg("--quiet");
        }
        // What `cargo run` says about this program must not reach the build of the others.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST") {
                command.env_remove(name.as_ref());
            }
        }
        let status = command.status().map_err(|source| ProgramError::Cargo { cargo, source })?;
        if status.success() {
            Ok(())
        } else {
            Err(ProgramError::Build(format!("cargo build --workspace --bins --locked --profile {}", self.profile)))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_build_is_recognised_by_its_target_folder() {
        let root = tempfile::tempdir().unwrap();
        let workspace = root.path().join("checkout");
        let folder = root.path().join("target/ci");
        std::fs::create_dir_all(workspace.join("conformance")).unwrap();
        std::fs::create_dir_all(folder.join(".fingerprint")).unwrap();
        std::fs::write(workspace.join("Cargo.lock"), "").unwrap();
        let crate_folder = workspace.join("conformance");
        let build = Build::of(&folder.join("deps/scenarios-0"), &crate_folder).unwrap();
        assert_eq!(build.profile, "ci");
        assert_eq!(build.folder, folder);
        assert_eq!(build, Build::of(&folder.join("conformance"), &crate_folder).unwrap());
        assert_eq!(Build::of(&root.path().join("bin/conformance"), &crate_folder), None);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let root = tempfile::tempdir().unwrap();
        let error = Programs::in_folder(root.path()).unwrap_err().to_string();
        assert!(error.contains("operator"), "{error}");
    }
}
