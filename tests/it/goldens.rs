//! Every file in `scenarios/` is a golden test by being there.

use std::path::{Path, PathBuf};

use plimsoll::engine::simulate;
use plimsoll::report;
use plimsoll::rng::Seed;
use plimsoll::scenario;

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the scenarios are there")
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    files.sort();
    files
}

#[test]
fn shipped_scenarios_come_out_as_before() {
    for path in shipped() {
        let stem = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
        let story = scenario::read(&path, &mut |it| std::fs::read(it))
            .unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        assert!(story.unsupported.is_empty(), "{}", story.unsupported.render(false));
        let mut snapshot = String::new();
        for variant in &story.variants {
            let run = simulate(variant, Seed { seed: 0, replication: 0 });
            for expectation in &run.expectations {
                let failed = !run.expectations.iter().all(|it| it.passed);
                assert_eq!(failed, variant.expect_failure, "{stem}/{}: {expectation:?}", variant.variant);
            }
            let files = report::files(&run);
            let (_, summary) = files.iter().find(|(name, _)| *name == "summary.json").expect("a run has a summary");
            snapshot += &String::from_utf8_lossy(summary);
            snapshot += "\n";
        }
        insta::with_settings!({ snapshot_path => "snapshots/goldens", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(stem, snapshot);
        });
    }
}

#[test]
fn every_scenario_begins_with_its_question() {
    for path in shipped() {
        let text = std::fs::read_to_string(&path).expect("a scenario can be read");
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("# "), "{}: the first line is a comment that asks the question", path.display());
        let comment: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(comment.contains('?') && comment.contains("Look at"), "{}: {comment}", path.display());
    }
}
