//! The file itself, and the files that it names.

use std::collections::BTreeMap;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use vmcp_config::proxy::ProxyConfig;
use vmcp_config::{Config, ConfigError};

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// What files hold, or why they cannot be read.
type Contents = BTreeMap<PathBuf, Result<Vec<u8>, io::ErrorKind>>;

/// A kind of configuration file.
pub trait Configuration: Sized + Send + 'static {
    /// Checks the text of the file at `path`.
    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError>;

    /// The files that it names and that are read once, together with it.
    fn files(&self) -> Vec<PathBuf>;
}

impl Configuration for Config {
    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        vmcp_config::parse_file(text, path)
    }

    /// The CA bundles of the issuer and of backends.
    fn files(&self) -> Vec<PathBuf> {
        let issuer = self.incoming_auth.iter().filter_map(|auth| auth.oidc.as_ref()?.ca_bundle_path.as_ref());
        let backends = self.backends.iter().flatten().filter_map(|backend| backend.ca_bundle_path.as_ref());
        issuer.chain(backends).map(PathBuf::from).collect()
    }
}

impl Configuration for ProxyConfig {
    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        Self::parse_file(text, path)
    }

    /// The CA bundle of the issuer.
    fn files(&self) -> Vec<PathBuf> {
        self.incoming.oidc.iter().filter_map(|oidc| oidc.ca_bundle_path.as_ref()).map(PathBuf::from).collect()
    }
}

/// A configuration file that is followed, with the files that it names.
#[derive(Debug)]
pub struct ConfigFile<C> {
    path: PathBuf,
    named: Vec<PathBuf>,
    /// What was found when the file was read last.
    seen: Contents,
    kind: PhantomData<fn() -> C>,
}

impl<C: Configuration> ConfigFile<C> {
    /// Reads and checks the configuration file at `path`, and follows it from then on.
    pub fn open(path: &Path) -> Result<(Self, C), ConfigError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        let config = C::parse(&text, path)?;
        let mut file = Self { path: path.to_owned(), named: config.files(), seen: Contents::new(), kind: PhantomData };
        file.seen = file.named.iter().map(|path| (path.clone(), read(path))).collect();
        // As it was read: what has changed meanwhile is a change.
        file.seen.insert(path.to_owned(), Ok(text.into_bytes()));
        Ok((file, config))
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the file or one that it names holds something else than the last time, and reads the configuration.
    pub async fn changed(&mut self) -> Result<C, ConfigError> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = None;
        loop {
            looks.tick().await;
            let now = self.look().await;
            if now == self.seen {
                last = None;
            } else if last.as_ref() == Some(&now) {
                self.seen = now;
                return self.parse();
            } else {
                last = Some(now);
            }
        }
    }

    async fn look(&self) -> Contents {
        let paths: Vec<_> = self.named.iter().chain([&self.path]).cloned().collect();
        let looking = tokio::task::spawn_blocking(move || {
            paths.into_iter().map(|path| (path.clone(), read(&path))).collect::<Contents>()
        });
        // Reading does not panic; if the process is about to end, nothing has changed.
        looking.await.unwrap_or_else(|_| self.seen.clone())
    }

    fn parse(&mut self) -> Result<C, ConfigError> {
        let refused = |source| ConfigError::Read { path: self.path.clone(), source };
        let bytes = match self.seen.get(&self.path) {
            Some(Ok(bytes)) => bytes,
            Some(Err(kind)) => return Err(refused((*kind).into())),
            None => return Err(refused(io::ErrorKind::NotFound.into())),
        };
        let text =
            std::str::from_utf8(bytes).map_err(|error| refused(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        let config = C::parse(text, &self.path)?;
        self.named = config.files();
        // What is new among them was not seen to change.
        for path in &self.named {
            self.seen.entry(path.clone()).or_insert_with(|| read(path));
        }
        let named = &self.named;
        self.seen.retain(|path, _| *path == self.path || named.contains(path));
        Ok(config)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, io::ErrorKind> {
    std::fs::read(path).map_err(|error| error.kind())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    const GOOD: &str = "name: a\ngroupRef: tools\nincomingAuth: {type: anonymous}\noutgoingAuth: {source: inline}\n";

    /// What the file says next, within the time that it takes to see it.
    async fn next(file: &mut ConfigFile<Config>) -> Option<Result<Config, ConfigError>> {
        tokio::time::timeout(LOOK * 5, file.changed()).await.ok()
    }

    #[tokio::test]
    async fn a_file_that_is_written_renamed_or_linked_anew_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        fs::write(&path, GOOD).unwrap();
        let (mut file, config) = ConfigFile::<Config>::open(&path).unwrap();
        assert_eq!(config.name, "a");
        assert!(next(&mut file).await.is_none(), "nothing has changed");

        fs::write(&path, GOOD.replace("name: a", "name: b")).unwrap();
        assert_eq!(next(&mut file).await.unwrap().unwrap().name, "b");

        let beside = folder.path().join("beside");
        fs::write(&beside, GOOD.replace("name: a", "name: c")).unwrap();
        fs::rename(&beside, &path).unwrap();
        assert_eq!(next(&mut file).await.unwrap().unwrap().name, "c");
    }

    #[tokio::test]
    async fn the_volume_of_a_config_map_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let generation = |number: u8, name: &str| {
            let place = folder.path().join(number.to_string());
            fs::create_dir(&place).unwrap();
            fs::write(place.join("config.yaml"), GOOD.replace("name: a", &format!("name: {name}"))).unwrap();
            symlink(&place, folder.path().join("..new")).unwrap();
            fs::rename(folder.path().join("..new"), folder.path().join("..data")).unwrap();
        };
        generation(1, "a");
        let path = folder.path().join("config.yaml");
        symlink("..data/config.yaml", &path).unwrap();
        let (mut file, _) = ConfigFile::open(&path).unwrap();
        generation(2, "b");
        assert_eq!(next(&mut file).await.unwrap().unwrap().name, "b");
    }

    #[tokio::test]
    async fn what_is_wrong_has_its_place_and_a_missing_file_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        fs::write(&path, GOOD).unwrap();
        let (mut file, _) = ConfigFile::open(&path).unwrap();
        fs::write(&path, format!("{GOOD}agregation: {{}}\n")).unwrap();
        let error = next(&mut file).await.unwrap().unwrap_err().to_string();
        assert!(error.contains(&format!("{}:5:1: agregation", path.display())), "{error}");
        fs::remove_file(&path).unwrap();
        let error = next(&mut file).await.unwrap().unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        fs::write(&path, GOOD).unwrap();
        assert!(next(&mut file).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_bundle_that_changes_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let (path, bundle) = (folder.path().join("config.yaml"), folder.path().join("ca.crt"));
        let backend = "{name: b, url: 'https://b.example.com', transport: sse, type: entry, caBundlePath: ca.crt}";
        fs::write(&path, format!("{GOOD}backends: [{backend}]\n")).unwrap();
        let (mut file, _) = ConfigFile::open(&path).unwrap();
        fs::write(&bundle, "one").unwrap();
        assert!(next(&mut file).await.unwrap().is_ok());
        fs::write(&bundle, "two").unwrap();
        assert!(next(&mut file).await.unwrap().is_ok());
        fs::write(&path, GOOD).unwrap();
        assert!(next(&mut file).await.unwrap().is_ok());
        fs::write(&bundle, "three").unwrap();
        assert!(next(&mut file).await.is_none(), "nobody names it any more");
    }
}
