//! The table at the end: the variants of a scenario side by side.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::report::costs::a_month;
use crate::report::standalone::all_standalone;
use crate::report::summary::{all_requests, worst_minute};
use crate::report::tables::side_by_side;
use crate::report::waits::{wait, waited};
use crate::run::Run;
use crate::scenario::Scenario;
pub(super) use crate::spelling::number;

/// A scenario's variants beside each other, each with its replications' mean and 95 % interval.
///
/// `variants` are the runs of each variant, in the file's order; a variant without finished runs is left out.
pub fn comparison(variants: &[Vec<&Run>]) -> String {
    let variants: Vec<&Vec<&Run>> = variants.iter().filter(|runs| !runs.is_empty()).collect();
    let Some(first) = variants.first() else { return String::new() };
    let mut header = vec![first[0].scenario.name.clone()];
    header.extend(variants.iter().map(|runs| runs[0].scenario.variant.clone()));
    let mut rows: Vec<Vec<String>> = Vec::new();
    let uses_fargate = variants.iter().any(|runs| runs[0].uses_fargate());
    let has = |what: fn(&Scenario) -> bool| variants.iter().any(|runs| what(&runs[0].scenario));
    // A scenario without requests has no figures of them, unless it has nothing else to tell.
    let has_standalone = has(|it| !it.run_tasks.is_empty());
    let scales_groups = has(Scenario::has_managed_scaling);
    let scales_services = has(|it| !it.scaling_policies.is_empty() || !it.scheduled_actions.is_empty());
    let has_other = has_standalone || scales_groups;
    let of_requests = REQUEST_FIGURES.iter().filter(|_| !has_other || has(|it| !it.workloads.is_empty()));
    let of_standalone = STANDALONE_FIGURES.iter().filter(|_| has_standalone);
    let any_waited = || variants.iter().any(|runs| runs.iter().any(|run| waited(run) > Some(0.0)));
    let of_waits = WAIT_FIGURES.iter().filter(|_| scales_groups || (has_standalone && any_waited()));
    let of_groups = GROUP_FIGURES.iter().filter(|_| scales_groups);
    for (name, of, decimals) in of_requests
        .chain(of_standalone)
        .chain(of_waits)
        .chain(of_groups)
        .chain(FIGURES)
        .filter(|it| it.0 != FARGATE || uses_fargate)
        .filter(|it| it.0 != SCALE_OUTS || scales_services || !scales_groups)
    {
        let is_nothing = || variants.iter().all(|runs| runs.iter().all(|run| of(run).is_none_or(|usd| usd < 0.005)));
        if [LOAD_BALANCER, EBS, CLOUD_WATCH, NAT_GATEWAYS, CPU_CREDITS, CODE_BUILD].contains(name) && is_nothing() {
            continue;
        }
        let mut row = vec![(*name).to_owned()];
        row.extend(variants.iter().map(|runs| {
            let values: Vec<f64> = runs.iter().filter_map(|run| of(run)).collect();
            interval(&values, *decimals)
        }));
        rows.push(row);
    }
    let mut row = vec!["expectations".to_owned()];
    row.extend(variants.iter().map(|runs| expectations(runs)));
    rows.push(row);
    let mut text = side_by_side(&header, &rows);
    for runs in &variants {
        for expectation in &runs[0].expectations {
            if !expectation.passed {
                let value = expectation.value.map_or("no data".to_owned(), |it| number(it, 2));
                let variant = &runs[0].scenario.variant;
                let meant = if runs[0].scenario.expect_failure { ", as it was meant to" } else { "" };
                text += &format!(
                    "\n  {variant}: {} failed{meant}: {value}, the limit is {}",
                    expectation.name,
                    number(expectation.limit, 2)
                );
            }
        }
    }
    text
}

/// The figure that is there only where tasks may run on Fargate.
const FARGATE: &str = "Fargate, $";

/// Of services; where only groups are scaled it would be taken for theirs.
const SCALE_OUTS: &str = "scale-outs";

/// Figures that are there only where they come to a cent.
const LOAD_BALANCER: &str = "load balancer, $";
const EBS: &str = "EBS, $";
const CLOUD_WATCH: &str = "CloudWatch, $";
const NAT_GATEWAYS: &str = "NAT gateways, $";
const CODE_BUILD: &str = "CodeBuild, $";
const CPU_CREDITS: &str = "CPU credits, $";

/// A figure of the table: its name, how it is read off a run, and its decimals.
type Figure = (&'static str, fn(&Run) -> Option<f64>, usize);

const REQUEST_FIGURES: &[Figure] = &[
    ("requests", |run| Some(all_requests(run).0.arrived as f64), 0),
    ("errors", |run| Some(all_requests(run).0.failed() as f64), 0),
    (
        "errors, %",
        |run| {
            let counts = all_requests(run).0;
            (counts.ended() > 0).then(|| 100.0 * counts.failed() as f64 / counts.ended() as f64)
        },
        2,
    ),
    ("p50, ms", |run| all_requests(run).2.p50, 1),
    ("p99, ms", |run| all_requests(run).2.p99, 1),
    ("worst minute, % errors", |run| worst_minute(run).map(|it| it.error_percent), 2),
    ("worst minute, p99 ms", |run| worst_minute(run).and_then(|it| it.response_time_p99_ms), 0),
];

const STANDALONE_FIGURES: &[Figure] = &[
    ("standalone tasks", |run| Some(all_standalone(run)?.asked as f64), 0),
    ("refused or given up", |run| Some(all_standalone(run)?.refused as f64), 0),
    ("vCPUs of those", |run| Some(all_standalone(run)?.refused_vcpus), 0),
];

const WAIT_FIGURES: &[Figure] = &[
    ("tasks that waited for an instance", waited, 0),
    ("wait for an instance p95, s", |run| wait(run, 0.95), 0),
    ("wait for an instance p99, s", |run| wait(run, 0.99), 0),
];

const GROUP_FIGURES: &[Figure] = &[
    ("capacity scale-outs", |run| Some(f64::from(run.capacity_changes().0)), 0),
    ("capacity scale-ins", |run| Some(f64::from(run.capacity_changes().1)), 0),
    ("most instances in service", |run| run.instances_maximum().map(f64::from), 0),
];

const FIGURES: &[Figure] = &[
    (SCALE_OUTS, |run| Some(f64::from(run.scale_outs)), 0),
    ("task-hours", |run| Some(run.task_hours), 1),
    ("instance-hours", |run| Some(run.instance_hours), 1),
    ("EC2, $", |run| Some(run.cost.instances_usd), 2),
    (LOAD_BALANCER, |run| Some(run.cost.load_balancers_usd), 2),
    (FARGATE, |run| Some(run.cost.fargate_usd), 2),
    (EBS, |run| Some(run.cost.volumes_usd), 2),
    (CLOUD_WATCH, |run| Some(run.cost.cloud_watch_usd), 2),
    (NAT_GATEWAYS, |run| Some(run.cost.nat_gateways_usd), 2),
    (CPU_CREDITS, |run| Some(run.cost.cpu_credits_usd), 2),
    (CODE_BUILD, |run| Some(run.cost.builds_usd), 2),
    ("total, $", |run| Some(run.cost.total_usd()), 2),
    ("$ a month at this rate", |run| Some(a_month(run, run.cost.total_usd())), 0),
];

fn expectations(runs: &[&Run]) -> String {
    let all: usize = runs.iter().map(|run| run.expectations.len()).sum();
    let held = runs.iter().flat_map(|run| &run.expectations).filter(|it| it.passed).count();
    match all {
        0 => "-".to_owned(),
        all if held == all => "all held".to_owned(),
        all => format!("{held} of {all} held"),
    }
}

/// `mean`, or `mean ± half-width` of Student's 95 % interval over several values.
pub(super) fn interval(values: &[f64], decimals: usize) -> String {
    let n = values.len() as f64;
    if values.is_empty() {
        return "-".to_owned();
    }
    let mean = values.iter().sum::<f64>() / n;
    if values.len() == 1 {
        return number(mean, decimals);
    }
    let variance = values.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / (n - 1.0);
    let student = StudentsT::new(0.0, 1.0, n - 1.0).expect("there are degrees of freedom");
    let half_width = student.inverse_cdf(0.975) * libm::sqrt(variance / n);
    format!("{} ± {}", number(mean, decimals), number(half_width, decimals.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_students() {
        // Mean 2, standard deviation 1, t(0.975, 2) = 4.302653.
        assert_eq!(interval(&[1.0, 2.0, 3.0], 3), "2.000 ± 2.484");
        assert_eq!(interval(&[5.0], 1), "5.0");
        assert_eq!(interval(&[], 1), "-");
    }
}
