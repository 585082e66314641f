//! A policy that was asked and did not scale: said once, in the log and among the scaling activities of whatever it scales.

use crate::aws::alarm::{Alarm, AlarmRule};
use crate::aws::scaling_policy::ScalingPolicy;
use crate::control::Control;
use crate::control::autoscaling::rounded;
use crate::control::log::Decision;
use crate::run::ScalingActivity;
use crate::table::Id;

/// A policy that an alarm has invoked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub policy: Id<ScalingPolicy>,
    pub alarm: Id<Alarm>,
    pub is_scale_in_of_tracking: bool,
}

/// Why a policy did not scale.
pub(super) struct NotScaled {
    pub is_scale_out: bool,
    /// `NotScaledReasons[].Code`, or a word of its kind.
    pub code: &'static str,
    /// What the log says; figures that change every minute stand in brackets.
    pub words: String,
    pub base: Option<u32>,
    pub metric: Option<f64>,
}

/// Why a target or a group last did not scale in, and out, so that the same is not said every minute. What step policies without a
/// step say stands by itself, as another policy may have another reason at the same time.
#[derive(Clone, Debug, Default)]
pub(super) struct LastReasons {
    words: [String; 4],
    /// The minimum, where that is why it did not scale in.
    pub at_minimum: Option<u32>,
}

impl LastReasons {
    /// Whether a reason is another than the last of its direction; it is the last from then on.
    pub fn is_news(&mut self, reason: &NotScaled) -> bool {
        let news = without_figures(&reason.words);
        let without_step = usize::from(reason.code == "NoStepAdjustment");
        let last = &mut self.words[usize::from(reason.is_scale_out) + 2 * without_step];
        let is_news = *last != news;
        if is_news && !reason.is_scale_out {
            self.at_minimum = None;
        }
        news.clone_into(last);
        is_news
    }

    /// Whether a reason that has a step, or needs none, is another than the last of its direction.
    pub fn would_be_news(&self, is_scale_out: bool, words: &str) -> bool {
        self.words[usize::from(is_scale_out)] != without_figures(words)
    }

    /// What was last said of a direction, without its figures.
    pub fn last_of(&self, is_scale_out: bool) -> &str {
        self.words[usize::from(is_scale_out)].trim_end()
    }

    /// What was last said of a direction counts no more.
    pub fn forget(&mut self, is_scale_out: bool) {
        self.at_minimum = self.at_minimum.filter(|_| is_scale_out);
        for without_step in [0, 2] {
            self.words[usize::from(is_scale_out) + without_step].clear();
        }
    }
}

/// What decides whether a reason is said again: what stands before the figures in brackets.
fn without_figures(words: &str) -> &str {
    words.split('(').next().unwrap_or_default()
}

/// An alarm has invoked a step policy of which no step covers the value: "no action" (*Step scaling policies*).
pub(super) fn no_step_adjustment(alarm: &AlarmRule, base: u32, metric: f64) -> NotScaled {
    let is_scale_out = alarm.is_above();
    let direction = if is_scale_out { "scale-out" } else { "scale-in" };
    let (breach, metric) = (rounded(metric - alarm.threshold), rounded(metric));
    let words = format!(
        "no {direction}: no step adjustment covers the value ({metric} is {breach} from the threshold {})",
        alarm.threshold
    );
    NotScaled { is_scale_out, code: "NoStepAdjustment", words, base: Some(base), metric: Some(metric) }
}

/// An alarm that breaches by missing data has invoked a step policy, which has no value to choose a step by.
pub(super) fn no_datapoint(alarm: &AlarmRule, base: u32) -> NotScaled {
    let is_scale_out = alarm.is_above();
    let direction = if is_scale_out { "scale-out" } else { "scale-in" };
    let words = format!("no {direction}: no datapoint");
    NotScaled { is_scale_out, code: "NoDatapoint", words, base: Some(base), metric: None }
}

impl Control<'_> {
    /// Writes down that a policy or a scheduled action left the capacity of a resource as it is.
    pub(super) fn record_not_scaled(
        &mut self,
        resource: String,
        policy: String,
        capacity: u32,
        decision: Option<Decision>,
        reason: NotScaled,
    ) {
        let now = self.now();
        self.log.put(now, decision, "scaling.not_scaled", resource.clone(), reason.words.clone());
        self.records.scaling_activities.push(ScalingActivity {
            at: now,
            resource,
            cause: policy,
            from: capacity,
            to: capacity,
            base: reason.base,
            metric: reason.metric,
            rule: reason.words,
            status_code: "NotScaled",
            ended_at: Some(now),
            not_scaled_reason: Some(reason.code),
        });
    }
}
