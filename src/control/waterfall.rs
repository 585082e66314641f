//! Where the time goes between more load and more tasks: the instants that a scale-out hangs on, written down as they come.

use std::collections::VecDeque;

use crate::aws::alarm::{Alarm, AlarmRule, AlarmState, Watched};
use crate::aws::service::ServiceDefinition;
use crate::control::Control;
use crate::control::log::Decision;
use crate::metrics::Windows;
use crate::run::ScaleOut;
use crate::table::Id;
use crate::units::{Instant, Span};

/// Minutes of arrivals that are kept to find when the load rose: more than any alarm of target tracking looks back.
const MINUTES_KEPT: u64 = 20;

/// A rise by less is told by its period as a whole: the second of it would be found in what is random.
const RISE_LEAST: f64 = 1.2;

/// Arrivals of a scaled service by second, minute by minute: when each ended, the newest last. Those without any are not in it, and
/// seconds after the last arrival of a minute neither.
#[derive(Clone, Debug, Default)]
pub struct RecentArrivals {
    minutes: VecDeque<(Instant, Vec<u32>)>,
}

/// The datapoints that brought an alarm to ALARM.
#[derive(Clone, Copy, Debug)]
pub struct Breach {
    /// Begin of the first period that breached.
    pub first_period_began: Instant,
    /// End of the last one.
    pub last_period_ended: Instant,
    /// When the last datapoint could be read.
    pub readable_at: Instant,
    /// How many breached.
    pub datapoints: u32,
    /// Length of each.
    pub period: Span,
    /// When the alarm was evaluated and changed.
    pub alarm_at: Instant,
}

impl RecentArrivals {
    /// A minute that has just ended.
    pub(super) fn push(&mut self, by_second: &[u64], ended: Instant) {
        let is_kept = |it: &(Instant, _)| ended.since(it.0) < Span::MINUTE * MINUTES_KEPT;
        while self.minutes.front().is_some_and(|it| !is_kept(it)) {
            self.minutes.pop_front();
        }
        self.minutes.push_back((ended, by_second.iter().map(|it| *it as u32).collect()));
    }

    /// Arrivals of the seconds from one instant to another, when the last minute has ended; `None` where these are not kept.
    fn between(&self, from: Instant, until: Instant, ended: Instant) -> Option<Vec<f64>> {
        let kept = (ended.0 / Span::MINUTE.0).min(MINUTES_KEPT);
        let begins = ended.0 - kept * Span::MINUTE.0;
        let second = |at: u64| Some((at.checked_sub(begins)? / Span::SECOND.0) as usize);
        let mut seconds = vec![0.0; 60 * kept as usize];
        for (minute_ended, by_second) in &self.minutes {
            let Some(first) = second(minute_ended.0 - Span::MINUTE.0) else { continue };
            seconds[first..].iter_mut().zip(by_second).for_each(|(second, it)| *second = f64::from(*it));
        }
        seconds.get(second(from.0)?..second(until.0)?).map(<[f64]>::to_vec)
    }

    /// The second at which the load rose to what breached: in the period before the first that did, where the cumulative sum of the
    /// arrivals less the middle between both levels is least (Page's CUSUM, 1954). `None` where there is nothing to tell, or the load
    /// grows rather than steps.
    pub fn rose_at(&self, breach: &Breach, ended: Instant) -> Option<Instant> {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let period = breach.period.max(Span::MINUTE);
        let began = breach.first_period_began;
        let before = Instant(began.0.checked_sub(2 * period.0)?);
        let partly = Instant(began.0 - period.0);
        let low = mean(&self.between(before, partly, ended)?);
        // Of short periods the last may end in the minute that is under way, of which nothing is kept yet.
        let high = mean(&self.between(began, breach.last_period_ended.min(ended), ended)?);
        let middle = low.midpoint(high);
        let seconds = self.between(partly, began, ended)?;
        let (mut sum, mut least, mut rose) = (0.0, 0.0, 0);
        for (place, arrivals) in seconds.iter().enumerate() {
            sum += arrivals - middle;
            if sum < least {
                (least, rose) = (sum, place + 1);
            }
        }
        (high >= RISE_LEAST * low && high > 0.0).then(|| partly + Span::SECOND * rose as u64)
    }
}

impl Control<'_> {
    /// The datapoints of these periods that bring an alarm to ALARM now.
    pub(super) fn breach_of(
        &self,
        rule: &AlarmRule,
        watches: &Watched,
        windows: Windows,
        points: &[Option<f64>],
    ) -> Option<Breach> {
        let looked_at = rule.newest_points(points);
        let breaching: Vec<usize> = looked_at.iter().filter(|it| rule.breaches(it.1)).map(|it| it.0).collect();
        // The newest stand first.
        let (first, last) = (*breaching.last()?, *breaching.first()?);
        let end_of = |place: usize| {
            let after = (points.len() - 1 - place) as u64 * windows.period.0;
            Instant(windows.end.0.saturating_sub(after))
        };
        let delay = watches.stats().iter().map(|it| self.metrics.series(it.metric).delay()).max()?;
        let last_period_ended = end_of(last);
        Some(Breach {
            first_period_began: Instant(end_of(first).0.saturating_sub(windows.period.0)),
            last_period_ended,
            readable_at: (last_period_ended + delay).min(self.now()),
            datapoints: breaching.len() as u32,
            period: windows.period,
            alarm_at: self.now(),
        })
    }

    /// Writes a scale-out down with what it hangs on.
    pub(super) fn note_scale_out(
        &mut self,
        service: Id<ServiceDefinition>,
        alarm: Id<Alarm>,
        policy: &str,
        (from, to): (u32, u32),
        decision: Decision,
    ) {
        let in_force = &self.alarms_in_force[alarm.index()];
        let Some(breach) = in_force.breach.as_deref().filter(|_| in_force.state == AlarmState::Alarm) else { return };
        let target = self.relations.target_of(service);
        let ended = Instant(self.now().0 / Span::MINUTE.0 * Span::MINUTE.0);
        let rose_at = target.and_then(|it| self.recent_arrivals[it.index()].rose_at(breach, ended));
        self.records.service_scale_outs.push(ScaleOut {
            service: service.index(),
            policy: policy.to_owned(),
            alarm: self.alarms[alarm].name.clone(),
            from,
            to,
            load_rose_at: rose_at,
            first_period_began: breach.first_period_began,
            last_period_ended: breach.last_period_ended,
            datapoints: breach.datapoints,
            period: breach.period,
            readable_at: breach.readable_at,
            alarm_at: breach.alarm_at,
            decided_at: self.now(),
            metric: self.metric_in_force(alarm),
            event: decision,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::START + Span::seconds(seconds)
    }

    /// Arrivals of 10 a second until `step`, of 30 from then on, each a little more or less by turns.
    fn stepped(step: u64) -> RecentArrivals {
        let mut recent = RecentArrivals::default();
        for minute in 0..6 {
            let rate = |second: u64| if second < step { 10 } else { 30 };
            let wobble = |second: u64| [0, 6, 2, 4][second as usize % 4];
            let by_second = (60 * minute..60 * minute + 60).map(|it| rate(it) - 3 + wobble(it));
            recent.push(&by_second.collect::<Vec<u64>>(), at(60 * (minute + 1)));
        }
        recent
    }

    fn breach(began: u64, ended: u64) -> Breach {
        Breach {
            first_period_began: at(began),
            last_period_ended: at(ended),
            readable_at: at(ended + 90),
            datapoints: 3,
            period: Span::MINUTE,
            alarm_at: at(ended + 96),
        }
    }

    #[test]
    fn a_step_is_found_by_its_second() {
        for step in [121, 135, 163, 179] {
            assert_eq!(stepped(step).rose_at(&breach(180, 360), at(360)), Some(at(step)));
        }
    }

    #[test]
    fn periods_of_20_s_end_within_the_minute_under_way() {
        let short = Breach { period: Span::seconds(20), ..breach(320, 380) };
        for step in [301, 310, 319] {
            assert_eq!(stepped(step).rose_at(&short, at(360)), Some(at(step)));
        }
    }

    #[test]
    fn what_did_not_rise_is_not_told() {
        assert_eq!(stepped(1000).rose_at(&breach(180, 360), at(360)), None);
        assert_eq!(stepped(163).rose_at(&breach(60, 240), at(360)), None, "there is nothing to compare with");
    }
}
