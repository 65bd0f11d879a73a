//! The Docker Engine, and the images that these tests build on it.

use std::path::PathBuf;
use std::process::{Command, Output};

use libtest_mimic::Failed;
use testcontainers::GenericImage;
use tokio::runtime::Runtime;

/// The programs that these tests run.
const PROGRAMS: [&str; 2] = ["simulator", "vmcp"];
/// Registry of the images: nothing is ever pulled from it or pushed to it.
const REGISTRY: &str = "localhost/waggle-tests";

/// A Docker Engine that answers.
pub(crate) struct Engine {
    runtime: Runtime,
    /// Tag of the images and name of the network: no two runs share them.
    run: String,
}

impl Engine {
    /// The engine of this machine, or why there is none.
    pub(crate) fn find() -> Result<Self, String> {
        let version = Command::new("docker")
            .args(["version", "--format", "{{.Server.Version}}"])
            .output()
            .map_err(|error| format!("docker does not start: {error}"))?;
        if !version.status.success() {
            return Err(first_line(&version.stderr));
        }
        let runtime = Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
        Ok(Self { runtime, run: format!("test-{}", std::process::id()) })
    }

    /// Runs a test to its end.
    pub(crate) fn run(&self, test: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
        self.runtime.block_on(test)
    }

    /// The network of the tests' containers.
    pub(crate) fn network(&self) -> &str {
        &self.run
    }

    /// The image of a program.
    pub(crate) fn image(&self, program: &str) -> GenericImage {
        GenericImage::new(format!("{REGISTRY}/{program}"), self.run.clone())
    }

    /// Builds the images of the programs, and the programs first.
    pub(crate) fn build_images(&self) -> Result<(), String> {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/images.sh");
        let profile = std::env::var("IMAGES_PROFILE").unwrap_or_else(|_| "dev".to_owned());
        let built = Command::new(&script)
            .args(["--registry", REGISTRY, "--tag", &self.run, "--profile", &profile])
            .args(PROGRAMS)
            .output()
            .map_err(|error| format!("{} does not start: {error}", script.display()))?;
        succeeded(&built, "deploy/images.sh")
    }

    /// Removes the images. What it leaves is only disk space: errors are told, not returned.
    pub(crate) fn remove_images(&self) {
        let images = PROGRAMS.map(|program| format!("{REGISTRY}/{program}:{}", self.run));
        let removed = Command::new("docker").args(["image", "rm", "--force"]).args(images).output();
        let removed = removed.map_err(|error| error.to_string());
        if let Err(error) = removed.and_then(|output| succeeded(&output, "docker image rm")) {
            eprintln!("images are left: {error}");
        }
    }
}

fn succeeded(output: &Output, what: &str) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{what} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

fn first_line(text: &[u8]) -> String {
    String::from_utf8_lossy(text).lines().next().unwrap_or("docker says nothing").to_owned()
}
