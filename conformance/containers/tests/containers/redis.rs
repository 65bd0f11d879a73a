//! A Redis in a container: this machine's `redis-server`, in an image of its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use testcontainers::core::WaitFor;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{GenericImage, ImageExt as _};

use crate::containers::{Container, restricted};
use crate::engine::Engine;

/// Names the program, where it is not on `PATH`.
const PROGRAM: &str = "REDIS_SERVER";
const PORT: u16 = 6379;

/// The program, or why there is none.
pub(crate) fn find() -> Result<PathBuf, String> {
    let named = std::env::var_os(PROGRAM).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("redis-server"));
    named
        .into_iter()
        .chain(on_path)
        .find(|program| program.is_file())
        .ok_or_else(|| format!("no redis-server on PATH: install it, or name it with {PROGRAM}"))
}

/// A Redis that keeps nothing when it ends.
pub(crate) struct Redis {
    /// Where the tests' other containers reach it.
    pub(crate) address: String,
    // The container ends before its image goes.
    _container: Container,
    _image: Image,
}

impl Redis {
    /// Starts one that asks for this password.
    pub(crate) async fn start(engine: &Engine, password: &str) -> Result<Self, Failed> {
        let image = Image::import(engine)?;
        let name = format!("redis-{}", engine.network());
        let ready = WaitFor::message_on_stdout("Ready to accept connections");
        let container = restricted(image.0.clone().with_wait_for(ready), engine.network())
            .with_container_name(&name)
            .with_cmd(["--save", "", "--requirepass", password]);
        let container = container.start().await.map_err(|error| format!("Redis does not start: {error}"))?;
        Ok(Self { address: format!("{name}:{PORT}"), _container: container, _image: image })
    }
}

/// An image of the machine's program, with the libraries that it is linked with. It goes when this is dropped.
struct Image(GenericImage);

impl Image {
    fn import(engine: &Engine) -> Result<Self, Failed> {
        // Not what a link leads to: the program goes by its name.
        let program = std::path::absolute(find()?)?;
        let linked = Command::new("ldd").arg(&program).output()?;
        let linked = String::from_utf8(linked.stdout)?;
        let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
        let image = Self(engine.image("redis"));
        let mut packing = Command::new("tar")
            .args(["--create", "--dereference", "--absolute-names"])
            .arg(&program)
            .args(libraries)
            .stdout(Stdio::piped())
            .spawn()?;
        let layer = packing.stdout.take().ok_or("tar has no output")?;
        let entrypoint = format!("ENTRYPOINT [\"{}\"]", program.display());
        let imported = Command::new("docker")
            .args(["import", "--change", &entrypoint, "-", &image.reference()])
            .stdin(layer)
            .output()?;
        if !packing.wait()?.success() || !imported.status.success() {
            return Err(format!("docker import failed: {}", String::from_utf8_lossy(&imported.stderr)).into());
        }
        Ok(image)
    }

    fn reference(&self) -> String {
        use testcontainers::Image as _;
        format!("{}:{}", self.0.name(), self.0.tag())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // What is left is only disk space.
        let _ = Command::new("docker").args(["image", "rm", "--force", &self.reference()]).output();
    }
}
