//! The command line: the only place with files, threads, a clock and a terminal.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::engine::simulate;
use crate::report::{
    self, capacity, comparison::comparison, deployments, draining, event_bridge, failed_calls, findings, pipelines,
    placement, refusals, stopped_tasks, summary::SCHEMA_VERSION, waits, waterfall, words::plural,
};
use crate::rng::Seed;
use crate::run::Run;
use crate::scenario::{self, Problems, Story};

/// Replays an Amazon ECS cluster under load and shows what happened.
#[derive(Parser, Debug)]
#[command(name = "plimsoll", version, about, long_about = None, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Replay scenario files or folders of them, all variants, and write what happened.
    Run(RunArguments),
    /// Say everything that is wrong with scenario files, or that they are sound.
    Check {
        /// Scenario files, or folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Print one file with all defaults filled in, and the files it names in their places.
        #[arg(long)]
        defaults: bool,
    },
    /// Replay one variant of a scenario file and say why each scaling decision was taken, and where its seconds went.
    Explain {
        /// The scenario file.
        path: PathBuf,
        /// The variant [default: the file without any patch].
        #[arg(long, value_name = "VARIANT", default_value = "base", hide_default_value = true)]
        only: String,
        /// Where all randomness comes from.
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
    },
    /// Print the JSON Schema of scenario files, by which editors complete and check.
    Schema,
}

#[derive(clap::Args, Debug)]
struct RunArguments {
    /// Scenario files, or folders of them.
    #[arg(default_value = "scenarios")]
    paths: Vec<PathBuf>,
    /// Where the results go.
    #[arg(long, value_name = "DIR", default_value = "outputs")]
    out: PathBuf,
    /// Where all randomness comes from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// How often each variant is replayed, each time with other randomness [default: what the file says, else 1].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    replications: Option<u32>,
    /// How many to replay at once [default: as many as there are processors].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Only this variant; may be given several times.
    #[arg(long, value_name = "VARIANT")]
    only: Vec<String>,
}

/// How the program ends. 1 stays unused, so that a shell's own failure is never read as an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    Done = 0,
    Refused = 2,
    ExpectationFailed = 3,
    Incomplete = 4,
}

/// Set by an interrupt: what has begun is finished, nothing more begins.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Does what the arguments say; the number is the exit code.
pub fn main(arguments: Arguments) -> u8 {
    let exit = match arguments.command {
        Command::Run(arguments) => run(&arguments),
        Command::Check { paths, defaults: false } => check(&paths),
        Command::Check { paths, defaults: true } => print_with_defaults(&paths),
        Command::Explain { path, only, seed } => explain(&path, &only, seed),
        Command::Schema => {
            say(&scenario::schema());
            Exit::Done
        }
    };
    exit as u8
}

/// Writes to stdout; a closed pipe is no error.
fn say(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to stderr: progress, notes, refusals.
fn talk(text: &str) {
    let mut out = anstream::stderr().lock();
    let _ = writeln!(out, "{text}");
}

fn render(problems: &Problems) -> String {
    problems.render(std::io::stderr().is_terminal())
}

/// The scenario files that paths mean: a folder stands for the files in it, by name.
fn files_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        let mut inside: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|it| it.path()))
            .filter(|it| it.is_file())
            .filter(|it| it.extension().is_some_and(|it| it == "yaml" || it == "yml" || it == "json"))
            .collect();
        if inside.is_empty() {
            return Err(format!("`{}` has no scenario in it (*.yaml, *.yml, *.json)", path.display()));
        }
        inside.sort();
        files.append(&mut inside);
    }
    let mut by_stem: BTreeMap<String, &PathBuf> = BTreeMap::new();
    for file in &files {
        let stem = file.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(other) = by_stem.insert(stem, file) {
            return Err(format!(
                "`{}` and `{}` have one stem, and would write to one folder",
                other.display(),
                file.display()
            ));
        }
    }
    Ok(files)
}

/// The bytes of a file; of a folder, what is in it, by the error that the reader asks for.
pub fn open(path: &Path) -> std::io::Result<Vec<u8>> {
    if !path.is_dir() {
        return std::fs::read(path);
    }
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            // Links to folders are not followed, since they can lead in a circle.
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.path().is_file() {
                files.push(entry.path());
            }
        }
    }
    Err(std::io::Error::new(std::io::ErrorKind::IsADirectory, scenario::Folder(files)))
}

fn tell_notes(file: &Path, notes: &[String]) {
    for note in notes {
        talk(&format!("note: {}: {note}", file.display()));
    }
}

fn check(paths: &[PathBuf]) -> Exit {
    let files = match files_of(paths) {
        Ok(files) => files,
        Err(message) => {
            talk(&format!("error: {message}"));
            return Exit::Refused;
        }
    };
    let mut exit = Exit::Done;
    for file in files {
        match scenario::read(&file, &mut open) {
            Ok(story) => {
                tell_notes(&file, &story.notes);
                if !story.unsupported.is_empty() {
                    talk(&render(&story.unsupported));
                }
                let variants: Vec<&str> = story.variants.iter().map(|it| it.variant.as_str()).collect();
                say(&format!("{}: sound ({})\n", file.display(), variants.join(", ")));
            }
            Err(problems) => {
                talk(&render(&problems));
                tell_notes(&file, &problems.notes);
                talk(&format!("{}: {} refused\n", file.display(), plural(problems.len(), "problem")));
                exit = Exit::Refused;
            }
        }
    }
    exit
}

fn print_with_defaults(paths: &[PathBuf]) -> Exit {
    let file = match files_of(paths).as_deref() {
        Ok([file]) => file.clone(),
        Ok(files) => {
            talk(&format!("error: `--defaults` prints one file, and here are {}", files.len()));
            return Exit::Refused;
        }
        Err(message) => {
            talk(&format!("error: {message}"));
            return Exit::Refused;
        }
    };
    match scenario::with_defaults(&file, &mut open) {
        Ok(text) => {
            say(&text);
            Exit::Done
        }
        Err(problems) => {
            talk(&render(&problems));
            Exit::Refused
        }
    }
}

fn explain(path: &Path, variant: &str, seed: u64) -> Exit {
    let story = match scenario::read(path, &mut open) {
        Ok(story) if story.unsupported.is_empty() => story,
        Ok(story) => {
            talk(&render(&story.unsupported.refused()));
            return Exit::Refused;
        }
        Err(problems) => {
            talk(&render(&problems));
            return Exit::Refused;
        }
    };
    let Some(scenario) = story.variants.iter().find(|it| it.variant == variant) else {
        let names: Vec<&str> = story.variants.iter().map(|it| it.variant.as_str()).collect();
        let near = scenario::problem::nearest(variant, names.iter().copied());
        let near = near.map_or(String::new(), |it| format!("; did you mean `{it}`?"));
        talk(&format!("error: `{}` has no variant `{variant}`, but {}{near}", path.display(), names.join(", ")));
        return Exit::Refused;
    };
    let run = simulate(scenario, Seed { seed, replication: 0 });
    let instance_lines = if capacity::scales_groups(&run) { capacity::instance_lines(&run) } else { Vec::new() };
    let parts = [
        ("Scale-outs of services: where the seconds went", waterfall::explained(&run)),
        ("Managed scaling: what it saw and decided", capacity::managed_scaling_lines(&run)),
        ("Why each instance was there, and what that cost", instance_lines),
        ("Every decision on capacity", capacity::decisions(&run)),
    ];
    let mut text = String::new();
    for (title, lines) in parts.iter().filter(|it| !it.1.is_empty()) {
        text += &format!("{title}\n");
        for line in lines {
            text += &format!("  {line}\n");
        }
        text.push('\n');
    }
    if text.is_empty() {
        text = "Nothing was scaled, and nothing asked for it.\n".to_owned();
    }
    say(&text);
    Exit::Done
}

/// One replay: which file, variant and replication.
struct Cell {
    story: usize,
    variant: usize,
    replication: u32,
}

fn run(arguments: &RunArguments) -> Exit {
    let Some(stories) = read_all(arguments) else { return Exit::Refused };
    let mut cells = Vec::new();
    for (place, story) in stories.iter().enumerate() {
        for (variant, scenario) in story.variants.iter().enumerate() {
            if !arguments.only.is_empty() && !arguments.only.contains(&scenario.variant) {
                continue;
            }
            for replication in 0..arguments.replications.unwrap_or(story.replications) {
                cells.push(Cell { story: place, variant, replication });
            }
        }
    }
    if cells.is_empty() {
        talk(&format!("error: no scenario has a variant `{}`", arguments.only.join("` or `")));
        return Exit::Refused;
    }
    let Some(_locked) = locked_folders(arguments, &stories, &cells) else { return Exit::Refused };
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(Exit::Incomplete as u8));
        }
        talk("interrupted: finishing what has begun (again to stop at once)");
    });
    let pool = rayon::ThreadPoolBuilder::new().num_threads(arguments.jobs.map_or(0, usize::from)).build();
    let pool = match pool {
        Ok(pool) => pool,
        Err(error) => {
            talk(&format!("error: no threads: {error}"));
            return Exit::Incomplete;
        }
    };
    let bar =
        if std::io::stderr().is_terminal() { ProgressBar::new(cells.len() as u64) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}") {
        bar.set_style(style);
    }
    let done: Vec<Option<Result<Run, String>>> = pool.install(|| {
        cells
            .par_iter()
            .map(|cell| {
                if INTERRUPTED.load(Ordering::SeqCst) {
                    return None;
                }
                let scenario = &stories[cell.story].variants[cell.variant];
                bar.set_message(format!("{}/{}", scenario.name, scenario.variant));
                let run = simulate(scenario, Seed { seed: arguments.seed, replication: cell.replication });
                let written = write(&arguments.out, &stories[cell.story], &run);
                bar.inc(1);
                Some(written.map(|()| run).map_err(|error| format!("{}/{}: {error}", scenario.name, scenario.variant)))
            })
            .collect()
    });
    bar.finish_and_clear();
    conclude(arguments, &stories, &cells, &done)
}

/// Keeps the folder of each scenario that is replayed from other runs until it is dropped, or the process ends in whatever way; `None`
/// when one of them writes there already, with that said.
///
/// What is locked is the folder itself, so that nothing is left behind. Where folders cannot be opened or locked, as on Windows and some
/// network file systems, nothing is.
fn locked_folders(arguments: &RunArguments, stories: &[Story], cells: &[Cell]) -> Option<Vec<File>> {
    let mut locked = Vec::new();
    let mut are_free = true;
    for (place, story) in stories.iter().enumerate() {
        if cells.iter().all(|it| it.story != place) {
            continue;
        }
        let folder = arguments.out.join(&story.variants[0].name);
        // Why it cannot be made is told for each run that is to be written there.
        let Ok(file) = std::fs::create_dir_all(&folder).and_then(|()| File::open(&folder)) else { continue };
        match file.try_lock() {
            Ok(()) => locked.push(file),
            Err(TryLockError::WouldBlock) => {
                are_free = false;
                talk(&format!("error: another run writes to `{}`", folder.display()));
            }
            Err(TryLockError::Error(_)) => {}
        }
    }
    if !are_free {
        talk("nothing was replayed: wait for it to end, or give this one a folder of its own by `--out`");
    }
    are_free.then_some(locked)
}

/// Reads all files; `None` when one of them is refused, with everything that is wrong said.
fn read_all(arguments: &RunArguments) -> Option<Vec<Story>> {
    let files = match files_of(&arguments.paths) {
        Ok(files) => files,
        Err(message) => {
            talk(&format!("error: {message}"));
            return None;
        }
    };
    let mut stories = Vec::new();
    let mut refused = 0;
    for file in &files {
        let problems = match scenario::read(file, &mut open) {
            Ok(story) if story.unsupported.is_empty() => {
                tell_notes(file, &story.notes);
                stories.push(story);
                continue;
            }
            Ok(story) => story.unsupported.refused(),
            Err(problems) => problems,
        };
        talk(&render(&problems));
        tell_notes(file, &problems.notes);
        talk(&format!("{}: {} refused\n", file.display(), plural(problems.len(), "problem")));
        refused += 1;
    }
    if refused > 0 {
        talk(&format!("{} refused; nothing was replayed", plural(refused, "file")));
        return None;
    }
    Some(stories)
}

/// Tells what came of it, and how the program ends.
fn conclude(arguments: &RunArguments, stories: &[Story], cells: &[Cell], done: &[Option<Result<Run, String>>]) -> Exit {
    let mut missing = Vec::new();
    let mut surprises = 0;
    let mut is_complete = true;
    for (place, story) in stories.iter().enumerate() {
        let mut variants: Vec<Vec<&Run>> = vec![Vec::new(); story.variants.len()];
        for (cell, result) in cells.iter().zip(done).filter(|(cell, _)| cell.story == place) {
            let scenario = &story.variants[cell.variant];
            match result {
                Some(Ok(run)) => variants[cell.variant].push(run),
                Some(Err(message)) => {
                    talk(&format!("error: {message}"));
                    missing.push(format!("{}/{}/r{:03}", scenario.name, scenario.variant, cell.replication));
                }
                None => missing.push(format!("{}/{}/r{:03}", scenario.name, scenario.variant, cell.replication)),
            }
        }
        for runs in variants.iter().filter(|runs| !runs.is_empty()) {
            let held = runs.iter().all(|run| run.expectations.iter().all(|it| it.passed));
            let scenario = &runs[0].scenario;
            if held == scenario.expect_failure {
                surprises += 1;
                if held {
                    talk(&format!(
                        "{}/{}: was meant to fail its expectations, and held them",
                        scenario.name, scenario.variant
                    ));
                }
            }
        }
        let table = comparison(&variants);
        if !table.is_empty() {
            let question = story.variants[0].description.split_inclusive('?').next().unwrap_or_default();
            say(&format!("\n{}\n{table}\n", question.trim()));
        }
        let explained = [
            refusals::paragraphs(&variants),
            refusals::fargate_paragraphs(&variants),
            deployments::paragraphs(&variants),
            stopped_tasks::paragraphs(&variants),
            draining::paragraphs(&variants),
            capacity::managed_scaling_paragraphs(&variants),
            capacity::paragraphs(&variants),
            waterfall::paragraphs(&variants),
            findings::paragraphs(&variants),
            refusals::throttled_paragraphs(&variants),
            failed_calls::paragraphs(&variants),
            event_bridge::lines(&variants),
            pipelines::lines(&variants),
        ];
        for unplaced in explained {
            if !unplaced.is_empty() {
                say(&format!("{unplaced}\n"));
            }
        }
        let mut beside: Vec<(&str, Vec<u8>)> = Vec::new();
        if placement::compares_placement(&variants) {
            say(&format!("{}\n", placement::table(&variants)));
            beside.push(("placement.svg", placement::chart(&variants)));
        }
        if waits::compares_waits(&variants) {
            beside.push(("waits.svg", waits::chart(&variants)));
        }
        if waterfall::compares_scale_outs(&variants) {
            beside.push(("waterfall.svg", waterfall::chart_of_variants(&variants)));
        }
        for (name, bytes) in beside {
            let place = arguments.out.join(&story.variants[0].name).join(name);
            if let Err(error) = write_at_once(&place, &bytes) {
                talk(&format!("error: {}: {error}", place.display()));
                is_complete = false;
            }
        }
    }
    talk(&format!("\n{} in `{}`", plural(cells.len() - missing.len(), "run"), arguments.out.display()));
    if !missing.is_empty() {
        talk(&format!("missing: {}", missing.join(", ")));
    }
    if !missing.is_empty() || !is_complete {
        Exit::Incomplete
    } else if surprises > 0 {
        talk(&format!("{} did not end as expected", plural(surprises, "variant")));
        Exit::ExpectationFailed
    } else {
        Exit::Done
    }
}

/// Writes a file beside its place first, then into place.
fn write_at_once(place: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let fresh = place.with_extension("new");
    std::fs::write(&fresh, bytes)?;
    std::fs::rename(&fresh, place)
}

#[derive(Serialize)]
struct Manifest<'a> {
    schema_version: u32,
    plimsoll_version: &'static str,
    scenario: &'a str,
    variant: &'a str,
    seed: u64,
    replication: u32,
    fingerprint: &'a str,
    inputs: Vec<Input>,
}

#[derive(Serialize)]
struct Input {
    name: String,
    sha256: String,
}

/// Writes a run's folder: all of it beside its place first, then into place at once.
fn write(out: &Path, story: &Story, run: &Run) -> std::io::Result<()> {
    let scenario = &run.scenario;
    let parent = out.join(&scenario.name).join(&scenario.variant);
    let name = format!("r{:03}", run.replication);
    std::fs::create_dir_all(&parent)?;
    let fresh = parent.join(format!(".{name}.new"));
    let old = parent.join(format!(".{name}.old"));
    let place = parent.join(&name);
    for leftover in [&fresh, &old] {
        if leftover.exists() {
            std::fs::remove_dir_all(leftover)?;
        }
    }
    std::fs::create_dir(&fresh)?;
    for (file, bytes) in report::files(run) {
        std::fs::write(fresh.join(file), bytes)?;
    }
    std::fs::write(fresh.join("manifest.json"), manifest(story, run))?;
    if place.exists() {
        std::fs::rename(&place, &old)?;
    }
    std::fs::rename(&fresh, &place)?;
    if old.exists() {
        std::fs::remove_dir_all(&old)?;
    }
    Ok(())
}

fn manifest(story: &Story, run: &Run) -> Vec<u8> {
    let folder = story.inputs[0].0.parent().unwrap_or(Path::new(""));
    let inputs = story.inputs.iter().map(|(path, bytes)| Input {
        name: path.strip_prefix(folder).unwrap_or(path).display().to_string(),
        sha256: Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
    });
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        plimsoll_version: env!("CARGO_PKG_VERSION"),
        scenario: &run.scenario.name,
        variant: &run.scenario.variant,
        seed: run.seed,
        replication: run.replication,
        fingerprint: &run.fingerprint,
        inputs: inputs.collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&manifest).expect("a manifest can be written");
    bytes.push(b'\n');
    bytes
}
