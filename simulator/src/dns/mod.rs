//! The name server of a world: authoritative for the world's names, and for nothing else. It never asks another server.
//!
//! A query for a name with a script gets the script's next answer; one for any other name of the world gets the address at
//! which the world listens. The journal has them all.

mod answer;
mod server;
mod zone;

pub(crate) use answer::answer;
pub(crate) use server::{NameServer, Questions, Reply};
pub(crate) use zone::Zone;
