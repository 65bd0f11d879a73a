//! Programs of others that stand for their images on a cluster that pulls none.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::language::{ForeignProgram, Image, Scenario};

/// Where this machine has a program: the file that its variable names, else one on `PATH`. Or what to do.
pub(super) fn find(program: ForeignProgram) -> Result<PathBuf, String> {
    let named = std::env::var_os(variable(program)).map(PathBuf::from);
    let file = find_in(program, named, &std::env::var_os("PATH").unwrap_or_default())?;
    // It is started in other folders than this.
    std::path::absolute(&file).map_err(|error| format!("{} cannot be used: {error}", file.display()))
}

/// Why this machine cannot run a scenario's containers, if so.
pub(super) fn lacks(scenario: &Scenario) -> Option<String> {
    scenario.images.values().find_map(|image| match image {
        Image::Program(program) => find(*program).err(),
        Image::Server(_) => None,
    })
}

/// The environment variable that names a program's file.
fn variable(program: ForeignProgram) -> &'static str {
    match program {
        ForeignProgram::RedisServer => "REDIS_SERVER",
    }
}

fn find_in(program: ForeignProgram, named: Option<PathBuf>, path: &OsStr) -> Result<PathBuf, String> {
    let (name, variable) = (program.name(), variable(program));
    if let Some(file) = named {
        let missing = || format!("it needs {name}, and {variable} names no file: {}", file.display());
        return if file.is_file() { Ok(file) } else { Err(missing()) };
    }
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| file.is_file()).ok_or_else(|| {
        format!(
            "it needs {name}, which is not on PATH: install it ({}), or name the file with {variable}",
            package(program)
        )
    })
}

/// What to install.
fn package(program: ForeignProgram) -> &'static str {
    match program {
        ForeignProgram::RedisServer => "Debian's package redis-server",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_program_is_found_on_the_path_or_where_its_variable_says() {
        let folder = tempfile::tempdir().unwrap();
        let (path, file) = (folder.path().as_os_str(), folder.path().join("redis-server"));
        let find = |named: Option<&str>| {
            find_in(ForeignProgram::RedisServer, named.map(|name| folder.path().join(name)), path)
        };
        let message = find(None).unwrap_err();
        assert!(message.contains("install it (Debian's package redis-server)"), "{message}");
        std::fs::write(&file, "").unwrap();
        assert_eq!(find(None).unwrap(), file);
        let message = find(Some("other")).unwrap_err();
        assert!(message.contains("REDIS_SERVER names no file"), "{message}");
        std::fs::write(folder.path().join("other"), "").unwrap();
        assert_eq!(find(Some("other")).unwrap(), folder.path().join("other"));
    }
}
