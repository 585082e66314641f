//! AWS's own JSON is accepted as it is.

use std::path::{Path, PathBuf};

use plimsoll::scenario::{self, Story};

fn data() -> Option<PathBuf> {
    let data = std::env::var_os("PLIMSOLL_DATA").map(PathBuf::from);
    if data.is_none() {
        println!("skipped: PLIMSOLL_DATA is not set, so AWS's own files are not read");
    }
    data
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("a folder can be listed").path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|it| it == "json") => files.push(path),
                false => {}
            }
        }
    }
    files.sort();
    files
}

/// Reads a scenario whose parts lie where `open` finds them.
fn read(text: &str) -> Story {
    let text = text.to_owned();
    scenario::read(Path::new("story.yaml"), &mut |path| {
        if path == Path::new("story.yaml") { Ok(text.clone().into_bytes()) } else { std::fs::read(path) }
    })
    .unwrap_or_else(|problems| panic!("{}\n{text}", problems.render(false)))
}

#[test]
fn task_definitions_are_accepted_as_they_are() {
    let Some(data) = data() else { return };
    let mut files = json_files(&data.join("task-definitions"));
    files.extend(json_files(&data.join("ecspresso")).into_iter().filter(|it| it.ends_with("td-plain.json")));
    let registered = |it: &PathBuf| it.to_string_lossy().contains("register-task-definition");
    files.extend(json_files(&data.join("aws-cli/ecs")).into_iter().filter(registered));
    assert!(files.len() >= 15, "{} files", files.len());
    for file in files {
        let story = read(&format!("duration: 10m\ntaskDefinitions:\n  it: file://{}\n", file.display()));
        let definition = story.variants[0].task_definitions.iter().next().expect("there is a task definition");
        assert!(!definition.containers.is_empty(), "{}", file.display());
        let reservation = definition.reservation();
        let is_named = !story.unsupported.is_empty();
        assert!(
            reservation.memory_mib > 0 || is_named,
            "{} reserves memory, or is named as not to be run",
            file.display()
        );
    }
}

#[test]
fn services_are_accepted_as_they_are() {
    let Some(data) = data() else { return };
    let mut files = json_files(&data.join("aws-cli/ecs"));
    files.retain(|it| it.to_string_lossy().contains("create-service"));
    files.extend(json_files(&data.join("ecspresso")).into_iter().filter(|it| !it.ends_with("td-plain.json")));
    assert!(files.len() >= 8, "{} files", files.len());
    let mut unsupported = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("the file can be read");
        // What the file refers to is defined around it; a definition without task definition gets one.
        let container = text.split("\"containerName\": \"").nth(1).and_then(|it| it.split('"').next()).unwrap_or("web");
        let port = text.split("\"containerPort\": ").nth(1).map_or(80, |it| {
            it.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u32>().expect("a port")
        });
        let families = ["sample-fargate", "sleep360", "mytaskdef", "ecs-demo", "it"];
        let mut story = String::from("duration: 10m\ntargetGroups: { test: {} }\ntaskDefinitions:\n");
        for family in families {
            for revision in 1..=3 {
                story += &format!(
                    "  \"{family}:{revision}\": {{ containerDefinitions: [{{ name: {container}, memory: 64, portMappings: [{{ containerPort: {port} }}] }}] }}\n"
                );
            }
        }
        let has_task_definition = text.contains("\"taskDefinition\"");
        story += &format!("services:\n  it: file://{}\n", file.display());
        if !has_task_definition {
            story += "variants:\n  named: { patch: { services: { it: { taskDefinition: it } } } }\n";
            continue_without(&story, &file);
            continue;
        }
        let story = read(&story);
        unsupported += story.unsupported.len();
        assert_eq!(story.variants[0].services.len(), 1, "{}", file.display());
    }
    assert!(unsupported > 0, "Fargate and others are named as not simulated yet");
}

/// A service without task definition (an external deployment, or a tool that fills it in): the one thing that is refused.
fn continue_without(text: &str, file: &Path) {
    let text = text.to_owned();
    let problems = scenario::read(Path::new("story.yaml"), &mut |path| {
        if path == Path::new("story.yaml") { Ok(text.clone().into_bytes()) } else { std::fs::read(path) }
    })
    .expect_err("its base has no task definition");
    let rendered = problems.render(false);
    assert_eq!(problems.len(), 1, "{}: {rendered}", file.display());
    assert!(rendered.contains("`taskDefinition` is missing"), "{}: {rendered}", file.display());
}

#[test]
fn wrappers_cases_and_references() {
    let story = read(
        r#"
duration: 10m
autoScalingGroups: { nodes: { instanceType: m5.large, minSize: 1, maxSize: 2 } }
taskDefinitions:
  web: { taskDefinition: { family: web, revision: 7, cpu: ".5 vCPU", memory: "1 GB", containerDefinitions: [{ Name: web, PortMappings: [{ ContainerPort: 80 }] }] } }
  "web:2": { containerDefinitions: [{ name: web, memory: 300, memoryReservation: 300, portMappings: [{ containerPort: 80 }] }] }
targetGroups: { web: {} }
services:
  a: { taskDefinition: "arn:aws:ecs:us-east-1:1:task-definition/web:1", loadBalancers: [{ targetGroupArn: "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/web/0123456789abcdef", containerName: web, containerPort: 80 }] }
  b: { service: { taskDefinition: web, desiredCount: 3 } }
"#,
    );
    let scenario = &story.variants[0];
    let names: Vec<String> =
        scenario.services.iter().map(|it| scenario.task_definitions[it.task_definition].name()).collect();
    assert_eq!(names, ["web:1", "web:2"], "an ARN by its name, a family by its latest revision");
    let first = scenario.task_definitions.iter().next().expect("there are two");
    assert_eq!((first.cpu, first.memory), (Some(512), Some(1024)), "WE-5");
    let desired: Vec<u32> = scenario.services.iter().map(|it| it.desired_count).collect();
    assert_eq!(desired, [1, 3]);
}

#[test]
fn patches_make_variants() {
    let story = read(
        r#"
# Is it patched?
duration: 10m
autoScalingGroups: { nodes: { InstanceType: m5.large, MinSize: 1, MaxSize: 2 } }
taskDefinitions: { web: { containerDefinitions: [{ name: web, memory: 300 }] } }
services: { web: { taskDefinition: web } }
variants:
  more: { patch: { services: { web: { desiredCount: 4 } }, autoScalingGroups: { nodes: { maxSize: 9 } } }, expectFailure: true }
"#,
    );
    let [base, more] = story.variants.as_slice() else { panic!("two variants") };
    let figures = |it: &plimsoll::scenario::Scenario| {
        (
            it.services.iter().map(|it| it.desired_count).sum::<u32>(),
            it.auto_scaling_groups.iter().map(|it| it.max_size).sum::<u32>(),
        )
    };
    assert_eq!((figures(base), figures(more)), ((1, 2), (4, 9)));
    assert_eq!((base.expect_failure, more.expect_failure), (false, true));
    assert_eq!(base.description, "Is it patched?");
}
