//! What the program prints, and to whom.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

/// The exit code, and what is told on stderr, when the program prints to `out`.
fn printed(arguments: &[&str], out: impl Into<Stdio>) -> (Option<i32>, String) {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    let output = command.args(arguments).arg("--scenarios").arg(scenarios).stdout(out).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn whoever_stops_reading_has_seen_enough_and_a_full_disk_is_told() {
    for arguments in [["list"].as_slice(), &["explain", "ENTRY-001"], &["explain", "entry/complete-example"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(printed(arguments, writer), (Some(0), String::new()), "{arguments:?}");
        let (code, told) = printed(arguments, File::options().write(true).open("/dev/full").unwrap());
        assert_eq!(code, Some(3), "{arguments:?}: {told}");
        assert!(told.starts_with("the standard output cannot be written to: ") && told.lines().count() == 1, "{told}");
    }
}
