//! A Redis of this machine: a process with its own folder and port.

use parking_lot::Mutex;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Names the program, where it is not on `PATH`.
const PROGRAM: &str = "REDIS_SERVER";

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

/// A port that nothing listens at, below those that systems give to connections and listeners which name none: it stays
/// free until Redis takes it, and while it is stopped.
fn free_port() -> u16 {
    let ports = std::iter::repeat_with(|| rand::random_range(10_000..32_768));
    ports.take(100).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// A Redis that runs until it is dropped.
pub(crate) struct RedisServer {
    program: PathBuf,
    options: Vec<String>,
    port: u16,
    folder: TempDir,
    process: Mutex<Option<Child>>,
}

impl RedisServer {
    /// Starts the program with these options.
    pub(crate) fn start(program: &std::path::Path, options: &[&str]) -> Self {
        let server = Self::stopped(program, options);
        server.resume();
        server
    }

    /// One of its own, which a test may stop.
    pub(crate) fn own(options: &[&str]) -> Self {
        Self::start(&find().unwrap(), options)
    }

    /// The same, which does not run yet.
    pub(crate) fn stopped(program: &std::path::Path, options: &[&str]) -> Self {
        Self {
            program: program.to_owned(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            port: free_port(),
            folder: tempfile::tempdir().unwrap(),
            process: Mutex::default(),
        }
    }

    /// Starts it, or starts it again with what it has saved.
    pub(crate) fn resume(&self) {
        let mut process = Command::new(&self.program)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(&self.options)
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("Ready to accept connections")), "Redis does not start");
        // It ends when nobody reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        *self.process() = Some(process);
    }

    /// Ends it at once.
    pub(crate) fn stop(&self) {
        if let Some(mut process) = self.process().take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn process(&self) -> parking_lot::MutexGuard<'_, Option<Child>> {
        self.process.lock()
    }

    /// Its port on this machine.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A connection of the test's own.
    pub(crate) fn connection(&self) -> redis::Connection {
        redis::Client::open(format!("redis://{}", self.address())).unwrap().get_connection().unwrap()
    }

    /// All names, fields and values that it holds.
    pub(crate) fn dump(&self) -> Vec<String> {
        let mut connection = self.connection();
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        let mut texts = keys.clone();
        for key in keys {
            let kind: String = redis::cmd("TYPE").arg(&key).query(&mut connection).unwrap();
            let values: Vec<String> = match kind.as_str() {
                "hash" => redis::cmd("HGETALL").arg(&key).query(&mut connection).unwrap(),
                "zset" => redis::cmd("ZRANGE").arg(&key).arg(0).arg(-1).query(&mut connection).unwrap(),
                other => panic!("{key} is a {other}"),
            };
            let lives: i64 = redis::cmd("PTTL").arg(&key).query(&mut connection).unwrap();
            assert!(lives > 0, "{key} stays for ever");
            texts.extend(values);
        }
        texts
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}
