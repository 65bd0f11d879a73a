//! The simulated world, as scenarios declare, change and read it.

pub use simulator::{TokenRequest, World, WorldChange, WorldHandle};

/// What is wrong with a world that could be read.
pub fn problem(world: &World) -> Option<String> {
    let problem = world.problems().into_iter().next()?;
    Some(format!("{}: {}", problem.path, problem.message))
}

/// The root certificates of a world, by authority, as expressions see them.
pub fn authorities(world: Option<&WorldHandle>) -> serde_json::Map<String, serde_json::Value> {
    let Some(world) = world else {
        return serde_json::Map::new();
    };
    world
        .authorities()
        .into_iter()
        .filter_map(|name| {
            let pem = world.ca_pem(&name)?;
            Some((name, pem.into()))
        })
        .collect()
}
