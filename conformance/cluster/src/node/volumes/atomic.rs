//! Replaces the files of a volume all at once.
//!
//! The files stand in a folder with a time in its name; `..data` is a symbolic link to it, and each visible name a link
//! through `..data`. Renaming a new `..data` over the old one switches every file in one step, and programs that watch
//! for that rename see it as on any node.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

const DATA: &str = "..data";
const NEXT_DATA: &str = "..data_tmp";

/// One file of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) content: Vec<u8>,
    pub(crate) mode: u32,
}

/// Makes the volume hold exactly these files. Nothing is touched when it holds them already.
pub(crate) fn write(folder: &Path, files: &BTreeMap<String, File>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let data = folder.join(DATA);
    if data.exists() && holds(&data, files)? {
        return Ok(());
    }
    let previous = fs::read_link(&data).ok();
    let name = format!(
        "..{}.{}",
        jiff::Timestamp::now().strftime("%Y_%m_%d_%H_%M_%S"),
        &uuid::Uuid::new_v4().simple().to_string()[..10]
    );
    let version = folder.join(&name);
    fs::create_dir(&version)?;
    fs::set_permissions(&version, fs::Permissions::from_mode(0o755))?;
    for (path, file) in files {
        let path = version.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, &file.content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode))?;
    }
    let next = folder.join(NEXT_DATA);
    if next.symlink_metadata().is_ok() {
        fs::remove_file(&next)?;
    }
    symlink(&name, &next)?;
    fs::rename(&next, &data)?;
    link_names(folder, files)?;
    match previous {
        Some(previous) => fs::remove_dir_all(folder.join(previous)),
        None => Ok(()),
    }
}

/// The first step of each path is a link of the volume's folder.
fn link_names(folder: &Path, files: &BTreeMap<String, File>) -> io::Result<()> {
    let names: BTreeSet<&str> = files.keys().filter_map(|path| path.split('/').next()).collect();
    for name in &names {
        let link = folder.join(name);
        if link.symlink_metadata().is_err() {
            symlink(Path::new(DATA).join(name), &link)?;
        }
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !names.contains(name.as_ref()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn holds(data: &Path, files: &BTreeMap<String, File>) -> io::Result<bool> {
    let mut found = 0;
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let path = entry.path();
            let Some(file) = path.strip_prefix(data).ok().and_then(|path| files.get(path.to_string_lossy().as_ref()))
            else {
                return Ok(false);
            };
            if fs::metadata(&path)?.permissions().mode() & 0o7777 != file.mode || fs::read(&path)? != file.content {
                return Ok(false);
            }
            found += 1;
        }
    }
    Ok(found == files.len())
}
