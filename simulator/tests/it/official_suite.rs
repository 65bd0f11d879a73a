//! The official conformance suite of MCP, a client that others have written, against the built-in world for it.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// What `mcp-conformance.sh` says when the suite cannot be installed.
const UNAVAILABLE: i32 = 69;

/// The built-in world, served by the program.
struct Fixture {
    program: Child,
    url: String,
}

impl Fixture {
    fn serve(options: &[&str]) -> Self {
        // A port that was free a moment ago: the suite sends it in `Host` and `Origin`.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let mut program = Command::new(env!("CARGO_BIN_EXE_simulator"))
            .args(["serve", "builtin:mcp-conformance", "--listen", &address])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = format!("{}/mcp", line.trim().strip_prefix("ready ").unwrap());
        Self { program, url }
    }

    /// Runs the suite; a failed scenario fails the test, with the suite's report.
    fn passes(&self, arguments: &[&str]) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mcp-conformance");
        let output = Command::new(folder.join("mcp-conformance.sh"))
            .args(["server", "--url", &self.url, "-o"])
            .arg(results)
            .args(arguments)
            .output()
            .unwrap();
        let (report, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.code() == Some(UNAVAILABLE) {
            eprintln!("skipped: {errors}");
            return;
        }
        assert!(output.status.success(), "{report}\n{errors}");
        // Also of what the suite runs without scoring it, such as extensions.
        assert!(report.contains(" passed, 0 failed") && !report.contains('✗'), "{report}");
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.program.kill().unwrap();
        self.program.wait().unwrap();
    }
}

#[test]
#[cfg_attr(not(has_npm), ignore = "the suite comes by npm, which this machine does not have")]
fn everything_that_2025_11_25_requires_is_there() {
    Fixture::serve(&["--era", "legacy"]).passes(&["--requirements", "2025-11-25"]);
}

#[test]
#[cfg_attr(not(has_npm), ignore = "the suite comes by npm, which this machine does not have")]
fn all_scenarios_of_the_revisions_with_a_handshake_pass() {
    Fixture::serve(&["--era", "legacy"]).passes(&["--suite", "active"]);
}

#[test]
#[cfg_attr(not(has_npm), ignore = "the suite comes by npm, which this machine does not have")]
fn everything_that_2026_07_28_requires_is_there() {
    Fixture::serve(&["--era", "modern"]).passes(&["--requirements", "2026-07-28"]);
}

#[test]
#[cfg_attr(not(has_npm), ignore = "the suite comes by npm, which this machine does not have")]
fn all_scenarios_pass_against_both_eras_side_by_side() {
    Fixture::serve(&[]).passes(&["--suite", "all"]);
}
