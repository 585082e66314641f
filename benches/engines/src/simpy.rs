//! In SimPy: `simpy/w.py`, run by the Python at hand.

use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::responses::BATCHES;
use crate::workload::{Balancing, Discipline, SERVICE_SECONDS, WORKERS, Workload};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/simpy/w.py");

/// What the script prints.
fn python(arguments: &[String]) -> Result<String, String> {
    let output =
        Command::new("python3").arg(SCRIPT).args(arguments).output().map_err(|error| format!("python3: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!("python3: {}", stderr.lines().last().unwrap_or("failed without a word")))
}

/// The versions of SimPy and Python, or why there are none.
pub fn version() -> Result<String, String> {
    python(&[])
}

/// Simulates `count` requests. The time is Python's own account of the simulation, without its start.
pub fn run(workload: &Workload, count: u64, seed: u64) -> Result<Outcome, String> {
    let balancing = match workload.balancing {
        Balancing::RoundRobin => "round_robin",
        Balancing::LeastOutstanding => "least_outstanding",
    };
    let discipline = match workload.discipline {
        Discipline::FirstCome => "first_come",
        Discipline::Sharing => "sharing",
    };
    let numbers = [workload.tasks as u64, WORKERS as u64].map(|it| it.to_string());
    let laws = [workload.rate(), SERVICE_SECONDS].map(|it| it.to_string());
    let sizes = [count, BATCHES as u64, seed].map(|it| it.to_string());
    let words = [balancing, discipline].map(str::to_owned);
    let output = python(&[&words[..], &numbers, &laws, &sizes].concat())?;
    let numbers = output.split_whitespace().map(str::parse::<f64>).collect::<Result<Vec<f64>, _>>();
    let numbers = numbers.map_err(|error| format!("python3 printed {output:?}: {error}"))?;
    let [seconds, batch_means_ms @ ..] = &numbers[..] else { return Err("python3 printed nothing".to_owned()) };
    Ok(Outcome { count, elapsed: Duration::from_secs_f64(*seconds), batch_means_ms: batch_means_ms.to_vec() })
}
