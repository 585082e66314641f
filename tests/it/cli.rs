//! The program as a shell sees it.

use std::path::Path;
#[cfg(unix)]
use std::process::Child;
use std::process::{Command, Output, Stdio};

const TINY: &str = r#"# Does one small service keep up?
duration: 5m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 2, MaxSize: 2 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, image: web, cpu: 256, memory: 512, portMappings: [{ containerPort: 80 }] }] } }
applications: { web: { cpuTime: { exponential: { mean: 5ms } }, concurrency: 4 } }
targetGroups: { web: {} }
services: { web: { taskDefinition: web, desiredCount: 2, loadBalancers: [{ targetGroupArn: web, containerName: web, containerPort: 80 }] } }
workloads: { visitors: { service: web, arrivals: { poisson: { rate: 20 } } } }
variants: { more: { patch: { services: { web: { desiredCount: 3 } } } } }
"#;

fn plimsoll(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("the program can be started")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("it was not killed")
}

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    }
    folder
}

/// Every file below a folder, name and bytes.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for entry in std::fs::read_dir(&inside).expect("the folder is there") {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("it lies within").display().to_string();
                all.push((name, std::fs::read(&path).expect("a file can be read")));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn a_run_writes_whole_folders_and_says_what_came_of_it() {
    let folder = folder_with(&[("scenarios/tiny.yaml", TINY)]);
    let output = plimsoll(folder.path(), &["run", "--replications", "2"]);
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        table.contains("Does one small service keep up?") && table.contains("more") && table.contains('±'),
        "{table}"
    );
    let written = contents(&folder.path().join("outputs"));
    assert_eq!(written.len(), 2 * 2 * 24, "{:?}", written.iter().map(|it| &it.0).collect::<Vec<_>>());
    assert!(written.iter().all(|(name, _)| name.starts_with("tiny/base/r00") || name.starts_with("tiny/more/r00")));
    assert!(written.iter().all(|(_, bytes)| !bytes.is_empty()));
}

#[test]
fn the_same_bytes_on_one_thread_and_on_eight_and_again() {
    let folder = folder_with(&[("tiny.yaml", TINY)]);
    let written = |out: &str, jobs: &str| {
        let output =
            plimsoll(folder.path(), &["run", "tiny.yaml", "--out", out, "--jobs", jobs, "--replications", "3"]);
        assert_eq!(code(&output), 0);
        contents(&folder.path().join(out))
    };
    let one = written("one", "1");
    assert_eq!(one, written("eight", "8"));
    assert_eq!(one, written("one", "1"), "an old folder is replaced");
    let other = plimsoll(folder.path(), &["run", "tiny.yaml", "--out", "other", "--seed", "1", "--replications", "3"]);
    assert_eq!(code(&other), 0);
    assert_ne!(one, contents(&folder.path().join("other")), "another seed is another run");
}

#[test]
fn a_refused_file_stops_everything_before_it_starts() {
    let broken = TINY.replace("desiredCount: 2", "desiredCuont: 2");
    let folder = folder_with(&[("scenarios/a-good.yaml", TINY), ("scenarios/b-broken.yaml", &broken)]);
    let output = plimsoll(folder.path(), &["run"]);
    assert_eq!(code(&output), 2);
    assert!(!folder.path().join("outputs").exists(), "nothing is written");
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("b-broken.yaml:7") && message.contains("did you mean `desiredCount`?"), "{message}");
    assert_eq!(code(&plimsoll(folder.path(), &["check", "scenarios/b-broken.yaml"])), 2);
    let sound = plimsoll(folder.path(), &["check", "scenarios/a-good.yaml"]);
    assert_eq!(code(&sound), 0);
    assert!(String::from_utf8_lossy(&sound.stdout).contains("sound (base, more)"));
}

#[test]
fn what_is_not_simulated_yet_can_be_checked_but_not_run() {
    let external = TINY.replace("desiredCount: 2", "launchType: EXTERNAL, desiredCount: 2");
    let folder = folder_with(&[("tiny.yaml", &external)]);
    assert_eq!(code(&plimsoll(folder.path(), &["check", "tiny.yaml"])), 0);
    let output = plimsoll(folder.path(), &["run", "tiny.yaml"]);
    assert_eq!(code(&output), 2);
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .contains("error: `launchType: EXTERNAL` of service `web` is not simulated yet")
    );
}

/// Compatibility, target type and architecture: ECS would name one after the other, and the last only at placement.
#[test]
fn three_refusals_are_named_at_once() {
    let text = include_str!("../refused/fargate-on-an-arm64-group.yaml");
    let folder = folder_with(&[("tiny.yaml", text)]);
    for command in ["check", "run"] {
        let output = plimsoll(folder.path(), &[command, "tiny.yaml"]);
        assert_eq!(code(&output), 2);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        for words in [
            "AWS says: ClientException: Task definition does not support launch_type EC2.",
            "has target type instance, which is incompatible with the awsvpc network mode specified in the task definition.",
            "note: tiny.yaml: a task of `web:1` will never run in service `web`: its `cpuArchitecture` is not that of a \
             m7g.large, which is ARM64 (ECS: \"is missing an attribute required by your task\")",
            "tiny.yaml: 2 problems refused",
        ] {
            assert!(message.contains(words), "{words} is not in {message}");
        }
    }
}

#[test]
fn refusals_are_explained_after_the_table() {
    let crowded = TINY.replace("desiredCount: 2", "desiredCount: 20");
    let folder = folder_with(&[("tiny.yaml", &crowded)]);
    let output = plimsoll(folder.path(), &["run", "tiny.yaml", "--only", "base"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let paragraph = said.split("Tasks that found no instance").nth(1).expect("four of twenty find none");
    assert!(paragraph.contains("base: 4 tasks of service `web` found no instance"), "{paragraph}");
    assert!(paragraph.lines().all(|it| it.chars().count() <= 120), "{paragraph}");
    let rows = folder.path().join("outputs/tiny/base/r000/placement_refusals.csv");
    let rows = std::fs::read_to_string(rows).expect("it is written");
    assert!(rows.lines().nth(1).is_some_and(|it| it.starts_with("5.0,")), "{rows}");
}

#[test]
fn wrong_usage_ends_with_two_and_writes_nothing() {
    let folder = folder_with(&[("tiny.yaml", TINY), ("other/tiny.json", TINY)]);
    for arguments in [
        &["fly"][..],
        &["run", "--seed", "many"],
        &["run", "--jobs", "0"],
        &["run", "no-such-file.yaml"],
        &["run"],
        &["run", "tiny.yaml", "--only", "nobody"],
        &["run", "tiny.yaml", "other/tiny.json"],
        &["check"],
    ] {
        let output = plimsoll(folder.path(), arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?} says why");
    }
    assert!(!folder.path().join("outputs").exists());
}

#[test]
fn expectations_decide_the_exit_code() {
    let with = |limit: &str, meant: &str| {
        let text = format!("{TINY}expectations: {{ errorPercent: {{ {limit} }} }}\nexpectFailure: {meant}\n");
        let folder = folder_with(&[("tiny.yaml", &text)]);
        code(&plimsoll(folder.path(), &["run", "tiny.yaml", "--only", "base"]))
    };
    assert_eq!(with("atMost: 1", "false"), 0);
    assert_eq!(with("atLeast: 1", "false"), 3);
    assert_eq!(with("atLeast: 1", "true"), 0);
    assert_eq!(with("atMost: 1", "true"), 3);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let folder = folder_with(&[("tiny.yaml", TINY)]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(["run", "tiny.yaml"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program can be started");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// After which a program that does not end is given up.
#[cfg(unix)]
const LONGEST: std::time::Duration = std::time::Duration::from_secs(120);

/// The program while it runs, with what becomes of what it says.
#[cfg(unix)]
fn started(folder: &Path, arguments: &[&str], said: fn() -> Stdio) -> Child {
    Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(said())
        .stderr(said())
        .spawn()
        .expect("the program can be started")
}

/// Until a file or folder is there, but not for ever.
#[cfg(unix)]
fn wait_for(path: &Path) {
    let begun = std::time::Instant::now();
    while !path.exists() && begun.elapsed() < LONGEST {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_is_finished_and_says_what_is_missing() {
    let folder = folder_with(&[("tiny.yaml", TINY)]);
    let started = started(folder.path(), &["run", "tiny.yaml", "--replications", "10000", "--jobs", "2"], Stdio::piped);
    let id = started.id().to_string();
    let signal = |name: &str| Command::new("kill").args([name, &id]).status().expect("`kill` is there");
    // Reads what it says while it runs, so that a full pipe does not hold it up.
    let (ended, output) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(started.wait_with_output()));
    let first = folder.path().join("outputs/tiny/base/r000/summary.json");
    wait_for(&first);
    assert!(signal("-INT").success(), "it still runs");
    let Ok(output) = output.recv_timeout(LONGEST) else {
        signal("-KILL");
        panic!("it has not ended {LONGEST:?} after the interrupt");
    };
    let output = output.expect("its output can be read");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(code(&output), 4, "{said}");
    assert!(said.contains("interrupted: finishing what has begun"), "{said}");
    assert!(said.contains("missing: ") && said.contains("tiny/more/r9999"), "{said}");
    let written = contents(&folder.path().join("outputs"));
    let count = |file: &str| written.iter().filter(|(name, _)| name.ends_with(file)).count();
    assert!(count("summary.json") > 0 && count("summary.json") < 20_000);
    assert_eq!(count("manifest.json"), count("summary.json"), "each folder is whole");
    assert!(written.iter().all(|(name, _)| !name.contains(".new/") && !name.contains(".old/")));
    assert!(String::from_utf8_lossy(&output.stdout).contains("requests"), "what is finished is compared");
}

#[cfg(unix)]
#[test]
fn two_runs_do_not_write_to_one_folder() {
    let long = TINY.replace("duration: 5m", "duration: 20h");
    let folder = folder_with(&[("long.yaml", &long), ("long/tiny.yaml", TINY), ("tiny.yaml", TINY)]);
    let arguments = ["run", "long.yaml", "--jobs", "1", "--replications", "50"];
    let mut first = started(folder.path(), &arguments, Stdio::null);
    let place = folder.path().join("outputs/long");
    wait_for(&place.join("base/r000"));
    let before = contents(&place.join("base/r000"));
    let second = plimsoll(folder.path(), &["run", "tiny.yaml", "long.yaml", "--seed", "9", "--replications", "1"]);
    assert!(first.try_wait().expect("it can be asked").is_none(), "the first one still runs");
    assert_eq!(code(&second), 2);
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(told.contains("error: another run writes to `outputs/long`"), "{told}");
    assert_eq!(contents(&place.join("base/r000")), before, "nothing of the first is disturbed");
    assert!(contents(&folder.path().join("outputs/tiny")).is_empty(), "and nothing else was replayed");
    // Another scenario, and the same one elsewhere, are in nobody's way.
    assert_eq!(code(&plimsoll(folder.path(), &["run", "tiny.yaml"])), 0);
    assert_eq!(code(&plimsoll(folder.path(), &["run", "long/tiny.yaml", "--out", "elsewhere"])), 0);
    // One that is killed leaves nothing locked.
    first.kill().expect("it can be killed");
    first.wait().expect("it has ended");
    std::fs::write(folder.path().join("long.yaml"), TINY).expect("a file can be written");
    let third = plimsoll(folder.path(), &["run", "long.yaml"]);
    assert_eq!(code(&third), 0, "{}", String::from_utf8_lossy(&third.stderr));
}
