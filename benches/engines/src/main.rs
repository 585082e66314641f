//! Plimsoll and other discrete-event engines on the same four queues, side by side in one run.
//!
//! Each engine's mean response time is held against theory, so that a ratio never compares different work.

mod desque;
mod nexosim;
mod plimsoll;
mod responses;
mod simcore;
mod simpy;
mod workload;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use cpu_time::ProcessTime;

use crate::responses::{Estimate, median};
use crate::workload::{WORKLOADS, Workload};

/// A mean may be so many half widths of its 95 % interval from theory. Batch means of a queue are a little correlated,
/// and twenty means are looked at.
const WIDENING: f64 = 2.0;

/// A run has at least so many requests. Of fewer, the empty queues at the start would show in the mean.
const LEAST_REQUESTS: u64 = 50_000;

/// Compares Plimsoll with other discrete-event engines, in CPU time.
#[derive(Parser)]
struct Options {
    /// Interleaved rounds, each with its own seed; medians are printed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Requests of a run of desque; faster engines take more, slower ones fewer.
    #[arg(long, default_value_t = 2_000_000)]
    requests: u64,
    /// Compare with this engine only.
    #[arg(long)]
    only: Option<Engine>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Desque,
    Simcore,
    Nexosim,
    Simpy,
    Plimsoll,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Engine::Desque => "desque",
            Engine::Simcore => "simcore",
            Engine::Nexosim => "nexosim",
            Engine::Simpy => "simpy",
            Engine::Plimsoll => "plimsoll",
        }
    }

    /// Requests of its run where desque has `requests`; what an engine does in a second does not depend on it.
    fn share(self, requests: u64) -> u64 {
        let share = match self {
            Engine::Desque => requests,
            Engine::Simcore => requests / 2,
            Engine::Nexosim => requests / 4,
            Engine::Simpy => requests / 20,
            Engine::Plimsoll => requests * 10,
        };
        share.max(LEAST_REQUESTS)
    }

    /// Runs a workload; or says why it cannot be run.
    fn run(self, workload: &Workload, requests: u64, seed: u64) -> Result<Outcome, String> {
        let count = self.share(requests);
        let run = match self {
            Engine::Desque => desque::run,
            Engine::Simcore => simcore::run,
            Engine::Nexosim => nexosim::run,
            Engine::Simpy => return simpy::run(workload, count, seed),
            Engine::Plimsoll => return plimsoll::run(workload, count, seed),
        };
        let begin = ProcessTime::now();
        let responses = run(workload, count, seed);
        let elapsed = begin.elapsed();
        assert_eq!(responses.count, count, "every request is answered");
        Ok(Outcome { count, elapsed, batch_means_ms: responses.batch_means_ms() })
    }
}

/// What came of a run.
struct Outcome {
    /// Requests that were answered.
    count: u64,
    /// CPU time that they took.
    elapsed: Duration,
    /// Mean response times of consecutive batches.
    batch_means_ms: Vec<f64>,
}

/// The runs of one engine on one workload.
#[derive(Default)]
struct Series {
    count: u64,
    /// A place for each round.
    requests_per_second: Vec<f64>,
    batch_means_ms: Vec<f64>,
    /// Why the engine does not run it.
    refusal: Option<String>,
}

impl Series {
    fn add(&mut self, result: Result<Outcome, String>) {
        match result {
            Ok(outcome) => {
                self.count += outcome.count;
                self.requests_per_second.push(outcome.count as f64 / outcome.elapsed.as_secs_f64());
                self.batch_means_ms.extend(outcome.batch_means_ms);
            }
            Err(reason) => self.refusal = Some(reason),
        }
    }

    fn mean_ms(&self) -> Estimate {
        Estimate::of(&self.batch_means_ms)
    }

    /// Whether the mean is what theory asks for.
    fn agrees(&self, workload: &Workload) -> bool {
        let Estimate { mean, half_width } = self.mean_ms();
        (mean - workload.expected_mean_ms).abs() <= WIDENING * half_width
    }

    /// How often its requests a second go into another's, round by round; the median.
    fn ratio_of(&self, other: &Series) -> f64 {
        let pairs = other.requests_per_second.iter().zip(&self.requests_per_second);
        median(pairs.map(|(other, own)| other / own).collect())
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let wanted = |it: &Engine| options.only.is_none_or(|only| only == *it || *it == Engine::Plimsoll);
    let mut engines: Vec<Engine> = Engine::value_variants().iter().copied().filter(wanted).collect();
    if engines.contains(&Engine::Simpy) {
        match simpy::version() {
            Ok(version) => println!("SimPy {version}"),
            Err(reason) => {
                println!("SimPy is skipped: {reason}");
                engines.retain(|&it| it != Engine::Simpy);
            }
        }
    }

    let mut measured = WORKLOADS.map(|_| engines.iter().map(|_| Series::default()).collect::<Vec<_>>());
    let is_watched = std::io::stderr().is_terminal();
    for round in 0..options.rounds {
        for (workload, measured) in WORKLOADS.iter().zip(&mut measured) {
            for (engine, series) in engines.iter().zip(measured).filter(|(_, series)| series.refusal.is_none()) {
                if is_watched {
                    eprint!("\rround {} of {}: {} {:<8}", round + 1, options.rounds, workload.name, engine.name());
                }
                series.add(engine.run(workload, options.requests, 1 + round));
            }
        }
    }
    if is_watched {
        eprint!("\r{:40}\r", "");
    }

    println!("CPU time of the process, medians of {} interleaved rounds.", options.rounds);
    println!("A mean agrees within {WIDENING} times its 95 % interval; a ratio is of means that agree.");
    let mut ratios = Vec::new();
    let mut do_agree = true;
    for (workload, measured) in WORKLOADS.iter().zip(&measured) {
        println!("\n{}: {}; theory {} ms", workload.name, workload.title, workload.expected_mean_ms);
        println!(
            "  {:<9} {:>11} {:>17} {:>7} {:>13} {:>8}",
            "engine", "requests", "mean ms, 95 %", "agrees", "requests/s", "ours x"
        );
        let ours = engines.iter().zip(measured).find(|(engine, _)| **engine == Engine::Plimsoll);
        let ours = ours.map(|(_, series)| series).filter(|it| it.refusal.is_none() && it.agrees(workload));
        for (engine, series) in engines.iter().zip(measured) {
            if let Some(reason) = &series.refusal {
                println!("  {:<9} skipped: {reason}", engine.name());
                continue;
            }
            let Estimate { mean, half_width } = series.mean_ms();
            let agrees = series.agrees(workload);
            do_agree &= agrees;
            let ratio = ours.filter(|_| agrees).map(|ours| series.ratio_of(ours));
            println!(
                "  {:<9} {:>11} {:>17} {:>7} {:>13.0} {:>8}",
                engine.name(),
                series.count,
                format!("{mean:.2} +- {half_width:.2}"),
                if agrees { "yes" } else { "NO" },
                median(series.requests_per_second.clone()),
                ratio.map_or("-".to_owned(), |it| format!("{it:.1}")),
            );
            if let (Some(ratio), true) = (ratio, *engine != Engine::Plimsoll) {
                ratios.push(format!("ratio {}_over_{} {ratio:.2}", workload.name, engine.name()));
            }
        }
    }
    println!();
    ratios.iter().for_each(|it| println!("{it}"));
    if do_agree { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
