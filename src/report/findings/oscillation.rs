//! A desired count or capacity that swings though there is no more or less to do.

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::launch::Launcher;
use crate::aws::service::ServiceDefinition;
use crate::report::comparison::number;
use crate::report::words::{one_or_more, plural};
use crate::run::Run;
use crate::table::Id;
use crate::units::{Instant, Span};

/// Turns from which on it counts as oscillating: two whole periods.
const TURNS_LEAST: usize = 4;
/// Requests that vary less than this, as their standard deviation over their mean, do not explain an oscillation.
const LOAD_VARIES_MOST: f64 = 0.15;
/// Tasks likewise: where they come and go, a group that has little room follows each of them.
const TASKS_VARY_MOST: f64 = 0.02;
/// A group whose swings are less than this of the most that it has is not told.
const SWING_LEAST: f64 = 0.1;

/// A swing there and back, again and again.
struct Oscillation {
    /// Minutes of the first and of the last turn.
    from: u64,
    until: u64,
    turns: usize,
    /// How far it swings, in the mean.
    amplitude: f64,
    /// How much more was wanted at its end than at its begin.
    growth: u32,
}

impl Oscillation {
    /// The longest time in which `wanted` turns again and again and nothing of what there is to do varies by more than its bound, all
    /// by the minute.
    fn of(wanted: &[u32], loads: &[(Vec<f64>, f64)]) -> Option<Oscillation> {
        // Where it turns: the minute, and what was wanted there.
        let mut turns: Vec<(usize, u32)> = Vec::new();
        let mut was_up = None;
        for (minute, pair) in wanted.windows(2).enumerate().filter(|(_, it)| it[0] != it[1]) {
            let is_up = pair[1] > pair[0];
            if was_up.is_some_and(|it| it != is_up) {
                turns.push((minute + 1, pair[0]));
            }
            was_up = Some(is_up);
        }
        let is_steady = |turns: &[(usize, u32)]| {
            let minutes = turns[0].0..turns[turns.len() - 1].0;
            loads.iter().all(|(load, most)| variation(&load[minutes.clone()]) <= *most)
        };
        let longest_from = |from: usize| {
            let ends = (from + TURNS_LEAST..=turns.len()).rev();
            ends.map(|end| &turns[from..end]).find(|it| is_steady(it))
        };
        let mut longest: &[(usize, u32)] = &[];
        for from in 0..turns.len() {
            // A shorter one is not looked for.
            if turns.len() - from <= longest.len() {
                break;
            }
            longest = longest_from(from).filter(|it| it.len() > longest.len()).unwrap_or(longest);
        }
        let (first, last) = (longest.first()?, longest.last()?);
        let swings = longest.windows(2).map(|it| f64::from(it[0].1.abs_diff(it[1].1)));
        Some(Oscillation {
            from: first.0 as u64,
            until: last.0 as u64,
            turns: longest.len(),
            amplitude: swings.sum::<f64>() / (longest.len() - 1) as f64,
            growth: last.1.saturating_sub(first.1),
        })
    }

    fn period_minutes(&self) -> f64 {
        2.0 * (self.until - self.from) as f64 / (self.turns - 1) as f64
    }

    /// How many of `started` were for nothing: those within it that are not for what it has grown by.
    fn wasted(&self, started: impl Iterator<Item = Instant>) -> usize {
        let (from, until) = (Instant(self.from * Span::MINUTE.0), Instant(self.until * Span::MINUTE.0));
        started.filter(|it| (from..until).contains(it)).count().saturating_sub(self.growth as usize)
    }
}

/// Standard deviation over mean; 0 where there is nothing.
fn variation(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / count;
    if mean > 0.0 { libm::sqrt(variance) / mean } else { 0.0 }
}

/// Whether a service's desired count oscillates; that of a DAEMON service is the number of its instances, and nothing scales it.
pub(super) fn of_service(run: &Run, service: Id<ServiceDefinition>) -> Option<String> {
    if run.scenario.is_daemon(Launcher::Service(service)) {
        return None;
    }
    let rows: Vec<_> = super::rows_of(run, service).collect();
    let wanted: Vec<u32> = rows.iter().map(|it| it.desired_count).collect();
    let load = rows.iter().map(|it| it.counts.arrived as f64).collect();
    let found = Oscillation::of(&wanted, &[(load, LOAD_VARIES_MOST)])?;
    let own = run.tasks.iter().filter(|it| it.service == Some(service.index()));
    let wasted = found.wasted(own.map(|it| it.created_at));
    Some(format!(
        "the desired count swings by {} tasks every {} minutes though the load does not ({}); {} {} started for it",
        number(found.amplitude, 1),
        number(found.period_minutes(), 0),
        plural(found.turns, "turn"),
        plural(wasted, "task"),
        one_or_more(wasted, "was", "were")
    ))
}

/// Whether a group's desired capacity oscillates, while as many requests come as before to as many tasks.
pub(super) fn of_group(run: &Run, group: Id<AutoScalingGroup>) -> Option<String> {
    let name = &run.scenario.auto_scaling_groups[group].name;
    let provider = run.scenario.capacity_providers.iter().find(|it| it.auto_scaling_group() == Some(group));
    let row_name = provider.map_or(name, |it| &it.name);
    let rows = run.capacity_minutes.iter().filter(|it| it.capacity_provider == *row_name);
    let wanted: Vec<u32> = rows.map(|it| it.desired_capacity).collect();
    let minutes = wanted.len();
    let (mut arrived, mut tasks) = (vec![0.0; minutes], vec![0.0; minutes]);
    for row in run.service_minutes.iter().filter(|it| (it.minute as usize) < minutes) {
        arrived[row.minute as usize] += row.counts.arrived as f64;
        // Those of DAEMON services follow the group, which does not grow for them.
        if !run.scenario.is_daemon(Launcher::Service(Id::new(row.service))) {
            tasks[row.minute as usize] += f64::from(row.desired_count);
        }
    }
    for task in run.tasks.iter().filter(|it| it.run_task.is_some()) {
        let until = task.stopped_at.map_or(minutes, |it| (it.0 / Span::MINUTE.0) as usize + 1);
        let from = (task.created_at.0 / Span::MINUTE.0) as usize;
        tasks[from.min(minutes)..until.min(minutes)].iter_mut().for_each(|it| *it += 1.0);
    }
    let found = Oscillation::of(&wanted, &[(arrived, LOAD_VARIES_MOST), (tasks, TASKS_VARY_MOST)])?;
    // One that is large moves a little with each task.
    let most = wanted[found.from as usize..=found.until as usize].iter().max().copied().unwrap_or(0);
    if found.amplitude < SWING_LEAST * f64::from(most) {
        return None;
    }
    let launched = run.instances.iter().filter(|it| it.auto_scaling_group == *name);
    let wasted = found.wasted(launched.map(|it| it.launched_at));
    Some(format!(
        "the desired capacity swings by {} every {} minutes though neither requests nor tasks do ({}); {} {} launched \
         for it",
        number(found.amplitude, 1),
        number(found.period_minutes(), 0),
        plural(found.turns, "turn"),
        plural(wasted, "instance"),
        one_or_more(wasted, "was", "were")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tasks for ten minutes and four for ten, by turns.
    fn swinging() -> Vec<u32> {
        (0..120).map(|it| if it / 10 % 2 == 0 { 2 } else { 4 }).collect()
    }

    #[test]
    fn swings_of_a_steady_load_are_found_with_their_period() {
        let found = Oscillation::of(&swinging(), &[(vec![50.0; 120], 0.15)]).expect("it swings");
        assert_eq!((found.turns, found.from, found.until), (10, 20, 110));
        assert!((found.period_minutes() - 20.0).abs() < 1e-9 && (found.amplitude - 2.0).abs() < 1e-9);
        let started = (0..6).map(|it| Instant((10 + 20 * it) * Span::MINUTE.0));
        assert_eq!(found.wasted(started), 4, "the first is from before, the last from after");
    }

    #[test]
    fn a_load_that_swings_as_well_explains_them() {
        let load = swinging().iter().map(|it| f64::from(*it)).collect();
        assert!(Oscillation::of(&swinging(), &[(vec![50.0; 120], 0.15), (load, 0.15)]).is_none());
        assert!(Oscillation::of(&[2, 2, 4, 4, 2, 2, 4, 4], &[]).is_none(), "two turns are no oscillation");
        assert!(Oscillation::of(&[], &[]).is_none());
    }

    #[test]
    fn a_load_that_is_another_later_hides_nothing() {
        let load = (0..120).map(|it| if it < 75 { 50.0 } else { 500.0 }).collect();
        let found = Oscillation::of(&swinging(), &[(load, 0.15)]).expect("it swings before");
        assert_eq!((found.turns, found.from, found.until), (6, 20, 70));
    }
}
