//! Scenarios from text, as tests write them.

use std::path::Path;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::run::Run;
use plimsoll::scenario::{self, Story};

/// What a text tells; it fails the test where the text is refused, or has what is not simulated.
pub fn story(text: &str) -> Story {
    let story = scenario::read(Path::new("story.yaml"), &mut |_| Ok(text.as_bytes().to_vec()))
        .unwrap_or_else(|problems| panic!("{text}\n{}", problems.render(false)));
    assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
    story
}

/// A run of it.
pub fn run(text: &str) -> Run {
    simulate(&story(text).variants[0], Seed { seed: 1, replication: 0 })
}
