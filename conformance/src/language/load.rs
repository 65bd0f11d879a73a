//! From a file to a checked scenario.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::deadline::Moment;
use super::image::Image;
use super::reader::StepReader;
use super::scenario::{Defaults, Isolation, Profile, Scenario};
use crate::catalogue::Catalogue;
use crate::diagnostic::{Diagnostic, Position, Source, did_you_mean};
use crate::expression::EvaluationError;
use crate::world::World;
use crate::yaml::{self, DecodeError, Located, Node, NodeValue};

/// Why a scenario is refused, and where in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) at: Option<Position>,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn at(at: Position, message: impl Into<String>) -> Self {
        Self { at: Some(at), message: message.into() }
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self { at: error.at, message: error.message }
    }
}

impl From<EvaluationError> for Refusal {
    fn from(error: EvaluationError) -> Self {
        Self::at(error.at, error.reason)
    }
}

/// What a file is checked against.
pub(super) struct Surroundings<'a> {
    pub(super) catalogue: &'a Catalogue,
    /// Whether a manifest file is there.
    pub(super) has_manifest: &'a dyn Fn(&str) -> bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    id: Located<String>,
    title: String,
    description: Option<String>,
    profile: Profile,
    #[serde(default)]
    isolation: Isolation,
    skip: Option<String>,
    defaults: Option<Located<Defaults>>,
}

/// Reads a scenario, or says what is wrong with its file.
pub(super) fn scenario(source: &Arc<Source>, surroundings: &Surroundings<'_>) -> Result<Scenario, Diagnostic> {
    let mut root = yaml::parse(source)?;
    let at = root.at;
    read(&mut root, source, surroundings)
        .map_err(|refusal| source.diagnostic(refusal.at.unwrap_or(at), refusal.message))
}

fn read(root: &mut Node, source: &Arc<Source>, surroundings: &Surroundings<'_>) -> Result<Scenario, Refusal> {
    let at = root.at;
    let steps = root.take("steps");
    let world = root.take("world");
    let images = root.take("images");
    let head: Head = yaml::decode(root)?;
    check_id(&head.id)?;
    let defaults = head.defaults.map(read_defaults).transpose()?;
    let world = world.as_ref().map(read_world).transpose()?;
    let images = images.as_ref().map(read_images).transpose()?.unwrap_or_default();
    let steps = steps.ok_or_else(|| Refusal::at(at, "the key `steps` is missing"))?;
    let alone = head.isolation == Isolation::Cluster;
    let steps = StepReader::new(surroundings, alone).list(&steps)?;
    Ok(Scenario {
        id: head.id.value,
        title: head.title,
        description: head.description,
        profile: head.profile,
        isolation: head.isolation,
        skip: head.skip,
        defaults: defaults.unwrap_or_default(),
        world,
        images,
        steps,
        source: source.clone(),
    })
}

fn read_defaults(defaults: Located<Defaults>) -> Result<Defaults, Refusal> {
    for name in defaults.value.deadlines.keys() {
        if Moment::named(name).is_none() {
            let hint = did_you_mean(name, Moment::ALL.map(Moment::name));
            let message = format!("`{name}` is not the name of a deadline{hint}");
            return Err(Refusal::at(defaults.at, message));
        }
    }
    Ok(defaults.value)
}

fn check_id(id: &Located<String>) -> Result<(), Refusal> {
    let is_word =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if id.value.split('/').all(is_word) {
        return Ok(());
    }
    let message = format!("`{}` is no id: expected lower-case words joined by - and /", id.value);
    Err(Refusal::at(id.at, message))
}

fn read_images(node: &Node) -> Result<BTreeMap<String, Image>, Refusal> {
    let NodeValue::Map(entries) = &node.value else {
        return Err(Refusal::at(
            node.at,
            format!("`images` is {}: expected a mapping from images to servers and programs", node.kind()),
        ));
    };
    let mut images = BTreeMap::new();
    for (name, node) in entries {
        let image = Image::read(node)?;
        if let Some(problem) = image.problem() {
            return Err(Refusal::at(node.at, format!("in `images`, {}: {problem}", name.name)));
        }
        images.insert(name.name.clone(), image);
    }
    Ok(images)
}

fn read_world(node: &Node) -> Result<World, Refusal> {
    let world = World::read(node)?;
    match world.problem() {
        Some(problem) => Err(Refusal::at(node.at, format!("in `world`: {problem}"))),
        None => Ok(world),
    }
}
