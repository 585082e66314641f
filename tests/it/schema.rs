//! The schema that editors use, and the file with its defaults: both are made of what the reader asks.

use std::path::{Path, PathBuf};

use plimsoll::scenario;
use serde_json::Value;

const KEPT: &str = "docs/scenario.schema.json";

fn shipped() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir("scenarios")
        .expect("the scenarios are there")
        .map(|it| it.expect("readable").path())
        .filter(|it| it.extension().is_some_and(|it| it == "yaml"))
        .collect();
    files.sort();
    files
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn as_json(yaml: &str) -> Value {
    serde_saphyr::from_str(yaml).expect("a shipped scenario is YAML")
}

fn validator() -> jsonschema::Validator {
    let schema = serde_json::from_str(&scenario::schema()).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is a schema")
}

#[test]
fn the_schema_that_is_kept_is_the_one_that_is_made() {
    assert!(read(Path::new(KEPT)) == scenario::schema(), "write it anew: cargo run --release -- schema > {KEPT}");
}

#[test]
fn shipped_scenarios_hold_by_the_schema() {
    let validator = validator();
    for path in shipped() {
        let scenario = as_json(&read(&path));
        let wrong: Vec<String> =
            validator.iter_errors(&scenario).map(|it| format!("{}: {it}", it.instance_path())).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    let validator = validator();
    let sound = "{duration: 1h, services: {web: {taskDefinition: web, desiredCount: 2}}}";
    assert!(validator.is_valid(&as_json(sound)));
    for (from, to) in [
        ("desiredCount", "desiredCuont"),
        ("2", "two"),
        ("2", "-1"),
        ("1h", "60"),
        ("services", "servcies"),
        ("duration", "length"),
    ] {
        let broken = sound.replace(from, to);
        assert!(!validator.is_valid(&as_json(&broken)), "{broken}");
    }
}

#[test]
fn the_schema_takes_texts_of_json_where_aws_has_them() {
    let validator = validator();
    let rule = |pattern: &str, input: &str| {
        format!(
            "{{duration: 1h, rules: {{up: {{EventPattern: {pattern}, Targets: [{{Id: it, Input: {input}, EcsParameters: {{TaskDefinitionArn: \
             web}}}}]}}}}}}"
        )
    };
    let map = "{source: [aws.s3], detail-type: [Object Created], detail: {bucket: {name: [up]}}}";
    let text = r#"'{"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": ["up"]}}}'"#;
    for (pattern, input) in
        [(map, "{cpu: 512}"), (text, "{cpu: 512}"), (map, r#"'{"cpu": "512"}'"#), (text, "file://in.json")]
    {
        assert!(validator.is_valid(&as_json(&rule(pattern, input))), "{pattern} {input}");
    }
    assert!(!validator.is_valid(&as_json(&rule("aws.s3", "{cpu: 512}"))));
    assert!(!validator.is_valid(&as_json(&rule(map, "run"))));
}

#[test]
fn a_file_with_its_defaults_is_the_same_scenario() {
    for path in shipped() {
        let mut open = |it: &Path| std::fs::read(it);
        let text = scenario::with_defaults(&path, &mut open).expect("a shipped scenario is sound");
        let mut reopen = |it: &Path| if it == path { Ok(text.clone().into_bytes()) } else { std::fs::read(it) };
        let (story, again) = (scenario::read(&path, &mut open), scenario::read(&path, &mut reopen));
        let (story, again) = (story.expect("sound"), again.unwrap_or_else(|it| panic!("{}\n{text}", it.render(false))));
        assert_eq!(format!("{:#?}", story.variants), format!("{:#?}", again.variants), "{}", path.display());
        let twice = scenario::with_defaults(&path, &mut reopen).expect("sound");
        assert!(!twice.replace(" # default", "").is_empty() && twice.matches("# default").count() == 0, "{twice}");
        assert_eq!(twice, text.replace(" # default", ""), "{}: nothing is left to fill in", path.display());
    }
}

#[test]
fn percents_are_said_of_daemons_too_unless_variants_make_them_others() {
    let of = |variant: &str| {
        let text = format!(
            "duration: 10m
autoScalingGroups: {{ nodes: {{ InstanceType: m5.large, MinSize: 1, MaxSize: 1 }} }}
taskDefinitions: {{ web: {{ containerDefinitions: [{{ name: web, image: web, memory: 64 }}] }} }}
services:
  agent: {{ taskDefinition: web, schedulingStrategy: DAEMON }}
  web: {{ taskDefinition: web }}
variants: {{ other: {{ patch: {{ services: {{ {variant} }} }} }} }}
"
        );
        let path = Path::new("percents.yaml");
        let said = scenario::with_defaults(path, &mut |_| Ok(text.clone().into_bytes())).expect("sound");
        let again = scenario::read(path, &mut |_| Ok(said.clone().into_bytes()))
            .unwrap_or_else(|it| panic!("{}", it.render(false)));
        let first = scenario::read(path, &mut |_| Ok(text.clone().into_bytes())).expect("sound");
        assert_eq!(format!("{:#?}", first.variants), format!("{:#?}", again.variants));
        let lines = said.lines().map(str::trim).filter(|it| it.contains("Percent:"));
        lines.map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(
        of("web: { desiredCount: 2 }"),
        [
            "minimumHealthyPercent: 0 # default",
            "maximumPercent: 100 # default",
            "minimumHealthyPercent: 100 # default",
            "maximumPercent: 200 # default",
        ]
    );
    let rule = [
        "minimumHealthyPercent: null # usually 100, of a DAEMON service 0",
        "maximumPercent: null # usually 200, of a DAEMON service 100",
    ];
    assert_eq!(of("web: { schedulingStrategy: DAEMON, desiredCount: null }"), [rule, rule].concat());
}

/// The files that the complete scenario names.
fn beside_the_complete(path: &Path) -> std::io::Result<Vec<u8>> {
    match path.extension().and_then(|it| it.to_str()) {
        Some("csv") if path.ends_with("tasks.csv") => Ok(b"arrival_s\n0\n".to_vec()),
        Some("csv") => Ok(b"count\n1\n".to_vec()),
        Some("json") => Ok(br#"{"Datapoints": [{"Timestamp": 0, "Sum": 1}]}"#.to_vec()),
        Some("log") => Ok(b"http 2026-03-01T12:00:00Z - - - 0 0 0 200 200 0 0 -".to_vec()),
        _ => std::fs::read(path),
    }
}

#[test]
fn every_way_to_arrive_holds_by_the_schema_and_keeps_its_meaning_with_defaults() {
    let path = Path::new("src/scenario/complete.yaml");
    let complete = read(path);
    let complete = as_json(&complete);
    let validator = validator();
    let wrong = validator.iter_errors(&complete).map(|it| format!("{}: {it}", it.instance_path()));
    let wrong: Vec<String> = wrong.filter(|it| it.starts_with("/workloads")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut open = |it: &Path| beside_the_complete(it);
    let text = scenario::with_defaults(path, &mut open).expect("the complete scenario is sound");
    let mut reopen = |it: &Path| if it == path { Ok(text.clone().into_bytes()) } else { beside_the_complete(it) };
    let (story, again) = (scenario::read(path, &mut open), scenario::read(path, &mut reopen));
    let (story, again) = (story.expect("sound"), again.unwrap_or_else(|it| panic!("{}", it.render(false))));
    assert_eq!(format!("{:#?}", story.variants), format!("{:#?}", again.variants));
}
