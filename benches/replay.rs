//! The shipped scenarios, replayed: simulated seconds a second, with the fingerprints of the goldens; and the same bytes
//! from one thread and from two.

use std::path::Path;
use std::time::Instant as Clock;

use plimsoll::engine::simulate;
use plimsoll::rng::Seed;
use plimsoll::scenario::{self, Scenario};
use rayon::prelude::*;

fn shipped() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the scenarios are there")
        .filter_map(|it| it.ok().map(|it| it.path()))
        .collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
    files.sort();
    let stories = files.iter().map(|path| {
        scenario::read(path, &mut |it| std::fs::read(it))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)))
    });
    stories.flat_map(|story| story.variants).collect()
}

/// The fingerprint that the goldens keep of a variant.
fn golden(scenario: &Scenario) -> String {
    let path = format!("{}/tests/it/snapshots/goldens/{}.snap", env!("CARGO_MANIFEST_DIR"), scenario.name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let of_variant = text.split_once(&format!("\"variant\": \"{}\"", scenario.variant)).expect("the variant is kept").1;
    of_variant.split('"').skip_while(|it| *it != "fingerprint").nth(2).expect("a summary has a fingerprint").to_owned()
}

fn main() {
    let is_test = !std::env::args().any(|it| it == "--bench");
    let scenarios = shipped();
    println!("{:28} {:22} {:>12} {:>14}", "scenario", "variant", "seconds", "simulated/s");
    for scenario in &scenarios {
        let begin = Clock::now();
        let run = simulate(scenario, Seed { seed: 0, replication: 0 });
        let took = begin.elapsed().as_secs_f64();
        assert_eq!(run.fingerprint, golden(scenario), "{}/{}", scenario.name, scenario.variant);
        let speed = scenario.duration.as_seconds() / took;
        println!("{:28} {:22} {took:12.3} {speed:14.0}", scenario.name, scenario.variant);
    }
    let story = scenarios.iter().find(|it| it.name == "capacity-provider-t4g").expect("it is shipped");
    let copies: u32 = if is_test { 4 } else { 32 };
    let replay = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be made");
        let begin = Clock::now();
        let all: Vec<String> = pool.install(|| {
            (0..copies)
                .into_par_iter()
                .map(|replication| simulate(story, Seed { seed: 0, replication }).fingerprint)
                .collect()
        });
        (begin.elapsed().as_secs_f64(), all)
    };
    let mut speedups: Vec<f64> = (0..if is_test { 1 } else { 5 })
        .map(|_| {
            let ((one, alone), (two, together)) = (replay(1), replay(2));
            assert_eq!(alone, together, "the same bytes on one thread and on two");
            one / two
        })
        .collect();
    speedups.sort_by(f64::total_cmp);
    println!("ratio jobs_speedup {:.3}", speedups[speedups.len() / 2]);
}
