//! Loopback addresses that belong to one run alone.
//!
//! Linux answers on all of 127.0.0.0/8. A run claims three disjoint blocks of [`RANGE`]: one for pods, one for Services
//! and one for whatever the caller simulates outside the cluster. A claim is an advisory lock on a file, so that it
//! ends with the process that holds it, however that process ends. The files live in one folder for all users of the
//! machine and are never removed: removing a locked file would let a second process lock a new one of the same name.

use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ipnet::Ipv4Net;

/// The range whose blocks are claimed: 127.64.0.0/10.
pub const RANGE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(127, 64, 0, 0), 10);

/// The prefix length of one block: 4,096 addresses, of which there are 1,024.
const BLOCK_PREFIX: u8 = 20;

/// The folder of the lock files. It is the same for every user and does not follow `TMPDIR`.
const FOLDER: &str = "/tmp/embedded-cluster-addresses";

/// Why no addresses could be claimed.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The folder or a file of the claims cannot be used.
    #[error("failed to lock an address block in {}: make the folder writable for every user (mode 1777) or remove it", path.display())]
    Lock {
        /// The folder of the lock files.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Every block is taken.
    #[error("failed to claim an address block: all {0} blocks of {RANGE} are claimed by other runs")]
    Exhausted(u32),
    /// The system does not answer on addresses beyond 127.0.0.1.
    #[error(
        "failed to bind {address}: this system has only some addresses of 127.0.0.0/8; add the missing ones with \
         `for i in $(seq 1 254); do sudo ifconfig lo0 alias {prefix}.$i; done` for each of {blocks}"
    )]
    Missing {
        /// The first address that could not be bound.
        address: Ipv4Addr,
        /// Its first three numbers.
        prefix: String,
        /// The blocks that the run wanted to use.
        blocks: String,
        /// What the system said.
        source: io::Error,
    },
    /// A block has no address left.
    #[error("failed to allocate an address: all addresses of {0} are in use")]
    BlockFull(Ipv4Net),
}

/// The three blocks of one run, claimed until this value is dropped.
#[derive(Debug)]
pub struct Claim {
    /// Addresses of pods.
    pub pods: Ipv4Net,
    /// Addresses of Services.
    pub services: Ipv4Net,
    /// Addresses for the caller.
    pub world: Ipv4Net,
    /// Open as long as the claim holds.
    _locks: [File; 3],
}

impl Claim {
    /// Claims three free blocks, and makes sure that the system answers on them.
    pub fn new() -> Result<Self, AddressError> {
        let claim = Self::in_folder(Path::new(FOLDER))?;
        claim.check_bindable()?;
        Ok(claim)
    }

    fn in_folder(folder: &Path) -> Result<Self, AddressError> {
        let lock_error = |source| AddressError::Lock { path: folder.to_owned(), source };
        create_shared_folder(folder).map_err(lock_error)?;
        let mut blocks = Vec::with_capacity(3);
        // Runs begin at different places, so that they seldom contend for the same file.
        let first = std::process::id().wrapping_mul(3);
        let count = block_count();
        for offset in 0..count {
            let index = first.wrapping_add(offset) % count;
            if let Some(file) = try_claim(folder, index).map_err(lock_error)? {
                blocks.push((block(index), file));
            }
            if blocks.len() == 3 {
                break;
            }
        }
        let [(pods, a), (services, b), (world, c)] =
            <[_; 3]>::try_from(blocks).map_err(|_| AddressError::Exhausted(count))?;
        Ok(Self { pods, services, world, _locks: [a, b, c] })
    }

    fn check_bindable(&self) -> Result<(), AddressError> {
        for block in [self.pods, self.services, self.world] {
            let Some(address) = block.hosts().next() else {
                continue;
            };
            TcpListener::bind((address, 0)).map_err(|source| {
                let [a, b, c, _] = address.octets();
                AddressError::Missing {
                    address,
                    prefix: format!("{a}.{b}.{c}"),
                    blocks: format!("{}, {} and {}", self.pods, self.services, self.world),
                    source,
                }
            })?;
        }
        Ok(())
    }
}

fn block_count() -> u32 {
    1 << (BLOCK_PREFIX - RANGE.prefix_len())
}

fn block(index: u32) -> Ipv4Net {
    let first = RANGE.network().to_bits() + (index << (32 - BLOCK_PREFIX));
    Ipv4Net::new_assert(Ipv4Addr::from_bits(first), BLOCK_PREFIX)
}

/// Makes the folder with the mode of /tmp. It appears with its final mode at once: it is renamed into place.
fn create_shared_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let draft = folder.with_extension(format!("{}-{}", std::process::id(), uuid::Uuid::new_v4().simple()));
    DirBuilder::new().mode(0o700).create(&draft)?;
    std::fs::set_permissions(&draft, Permissions::from_mode(0o1777))?;
    match std::fs::rename(&draft, folder) {
        Ok(()) => Ok(()),
        // Another run was faster.
        Err(_) if folder.is_dir() => std::fs::remove_dir(&draft),
        Err(error) => Err(error),
    }
}

/// Locks the file of a block; `None` when another process has it.
fn try_claim(folder: &Path, index: u32) -> io::Result<Option<File>> {
    let path = folder.join(format!("{index:04}.lock"));
    // Another user's file is opened for reading: enough for a lock, and a sticky folder permits no more.
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            match OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => File::open(&path)?,
                other => other?,
            }
        }
        other => other?,
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Hands out the addresses of one block. Cheap to clone; clones share the state.
///
/// An address that is given back is reused as late as possible, so that a late packet for its last owner meets nobody.
#[derive(Clone, Debug)]
pub struct AddressPool {
    block: Ipv4Net,
    state: Arc<Mutex<PoolState>>,
}

#[derive(Debug)]
struct PoolState {
    taken: BTreeSet<Ipv4Addr>,
    last: u32,
}

/// The addresses at a block's start that a pool never hands out by itself.
const RESERVED: u32 = 16;

impl AddressPool {
    /// A pool over a block. Its first sixteen addresses stay free for fixed uses.
    pub fn new(block: Ipv4Net) -> Self {
        let state = PoolState { taken: BTreeSet::new(), last: RESERVED - 1 };
        Self { block, state: Arc::new(Mutex::new(state)) }
    }

    /// The block that the addresses are of.
    pub fn block(&self) -> Ipv4Net {
        self.block
    }

    /// A reserved address, by its number in the block.
    pub fn reserved(&self, number: u8) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.block.network().to_bits() + u32::from(number))
    }

    /// A free address, until it is released.
    pub fn allocate(&self) -> Result<Ipv4Addr, AddressError> {
        let size = self.block.broadcast().to_bits() - self.block.network().to_bits();
        let mut state = self.state.lock();
        for _ in RESERVED..size {
            state.last = if state.last + 1 >= size { RESERVED } else { state.last + 1 };
            let address = Ipv4Addr::from_bits(self.block.network().to_bits() + state.last);
            if state.taken.insert(address) {
                return Ok(address);
            }
        }
        Err(AddressError::BlockFull(self.block))
    }

    /// Takes a chosen address; false when it is taken already or not of this block.
    pub fn take(&self, address: Ipv4Addr) -> bool {
        self.block.contains(&address) && self.state.lock().taken.insert(address)
    }

    /// Gives an address back.
    pub fn release(&self, address: Ipv4Addr) {
        self.state.lock().taken.remove(&address);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn claims_are_disjoint_and_end_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("claims");
        let first = Claim::in_folder(&folder).unwrap();
        let second = Claim::in_folder(&folder).unwrap();
        let blocks = [first.pods, first.services, first.world, second.pods, second.services, second.world];
        assert_eq!(blocks.iter().collect::<BTreeSet<_>>().len(), 6);
        assert!(blocks.iter().all(|block| RANGE.contains(block)));
        let freed = first.pods;
        drop(first);
        let third = Claim::in_folder(&folder).unwrap();
        assert_eq!(third.pods, freed);
    }

    #[test]
    fn the_folder_of_the_claims_is_writable_for_every_user() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("claims");
        create_shared_folder(&folder).unwrap();
        create_shared_folder(&folder).unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o7777, 0o1777);
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 1);
    }

    #[test]
    fn blocks_fill_the_range_from_its_first_to_its_last_address() {
        assert_eq!(block(0).network(), RANGE.network());
        assert_eq!(block(block_count() - 1).broadcast(), RANGE.broadcast());
    }

    #[test]
    fn a_pool_hands_out_each_address_once_and_reuses_late() {
        let pool = AddressPool::new("127.80.0.0/27".parse().unwrap());
        let first = pool.allocate().unwrap();
        assert_eq!(first, Ipv4Addr::new(127, 80, 0, 16));
        pool.release(first);
        assert_eq!(pool.allocate().unwrap(), Ipv4Addr::new(127, 80, 0, 17));
        let rest: Vec<_> = std::iter::from_fn(|| pool.allocate().ok()).collect();
        assert_eq!(rest.last(), Some(&first));
        assert!(matches!(pool.allocate(), Err(AddressError::BlockFull(_))));
        assert!(!pool.take(first));
        assert!(pool.take(pool.reserved(10)));
    }
}
