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

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use cpu_time::ProcessTime;

use crate::responses::{Estimate, Responses, median};
use crate::workload::{WORKLOADS, Workload};

/// A mean may be so many half widths of its 95 % interval from theory. Batch means of a queue are a little correlated,
/// and twenty means are looked at.
const WIDENING: f64 = 2.0;

/// Compares Plimsoll with other discrete-event engines, in CPU time.
#[derive(Parser)]
struct Options {
    /// Interleaved rounds, each with its own seed; medians are printed.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Requests of a run of desque; faster engines take more, slower ones fewer.
    #[arg(long, default_value_t = 2_000_000, value_parser = clap::value_parser!(u64).range(10_000..))]
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
        match self {
            Engine::Desque => requests,
            Engine::Simcore => requests / 2,
            Engine::Nexosim => requests / 4,
            Engine::Simpy => requests / 20,
            Engine::Plimsoll => requests * 10,
        }
    }

    /// Runs a workload: the CPU time that it took and what came of it, or why it cannot be run.
    fn run(self, workload: &Workload, requests: u64, seed: u64) -> Result<(Duration, Responses), String> {
        let count = self.share(requests);
        let begin = ProcessTime::now();
        let responses = match self {
            Engine::Desque => desque::run(workload, count, seed),
            Engine::Simcore => simcore::run(workload, count, seed),
            Engine::Nexosim => nexosim::run(workload, count, seed),
            Engine::Simpy => return simpy::run(workload, count, seed),
            Engine::Plimsoll => plimsoll::run(workload, count, seed)?,
        };
        Ok((begin.elapsed(), responses))
    }
}

/// The runs of one engine on one workload, a place for each round.
#[derive(Default)]
struct Series {
    requests_per_second: Vec<f64>,
    batch_means_ms: Vec<f64>,
    count: u64,
    refusal: Option<String>,
}

impl Series {
    fn add(&mut self, result: Result<(Duration, Responses), String>) {
        match result {
            Ok((elapsed, responses)) => {
                self.requests_per_second.push(responses.count as f64 / elapsed.as_secs_f64());
                self.batch_means_ms.extend(responses.batch_means_ms);
                self.count += responses.count;
            }
            Err(reason) => self.refusal = Some(reason),
        }
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
    for round in 0..options.rounds {
        for (workload, measured) in WORKLOADS.iter().zip(&mut measured) {
            for (engine, series) in engines.iter().zip(measured).filter(|(_, series)| series.refusal.is_none()) {
                eprint!("\rround {} of {}: {} {:<8}", round + 1, options.rounds, workload.name, engine.name());
                series.add(engine.run(workload, options.requests, 1 + round));
            }
        }
    }
    eprint!("\r{:40}\r", "");

    println!("CPU time of the process; medians of {} interleaved rounds", options.rounds);
    println!("a mean agrees within {WIDENING} times its 95 % interval");
    let mut ratios = Vec::new();
    let mut do_agree = true;
    for (workload, measured) in WORKLOADS.iter().zip(&measured) {
        println!("\n{}: {}; theory {} ms", workload.name, workload.title, workload.expected_mean_ms);
        println!(
            "  {:<9} {:>12} {:>18} {:>9} {:>13} {:>14}",
            "engine", "requests", "mean ms, 95 %", "agrees", "requests/s", "ours / engine"
        );
        let ours = engines.iter().position(|&it| it == Engine::Plimsoll).map(|it| &measured[it]);
        for (engine, series) in engines.iter().zip(measured) {
            if let Some(reason) = &series.refusal {
                println!("  {:<9} skipped: {reason}", engine.name());
                continue;
            }
            let Estimate { mean, half_width } = Estimate::of(&series.batch_means_ms);
            let agrees = (mean - workload.expected_mean_ms).abs() <= WIDENING * half_width;
            do_agree &= agrees;
            let ratio = ours.filter(|it| it.refusal.is_none()).map(|ours| {
                let pairs = ours.requests_per_second.iter().zip(&series.requests_per_second);
                median(pairs.map(|(ours, theirs)| ours / theirs).collect())
            });
            println!(
                "  {:<9} {:>12} {:>18} {:>9} {:>13.0} {:>14}",
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
