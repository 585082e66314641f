//! Deployments: how each ended, and what it waited for.

use std::collections::BTreeMap;

use crate::run::{RequestCounts, Run, TaskLife};
use crate::units::{Instant, Span};

/// One deployment of a service.
#[derive(Clone, Debug)]
pub struct DeploymentLife {
    /// Place of the service in the scenario.
    pub service: usize,
    /// From 0, which is the one that the service began with.
    pub number: u32,
    /// `family:revision` that it runs.
    pub task_definition: String,
    /// The name of the task set that it is, where whoever calls deploys.
    pub task_set: Option<String>,
    /// Tasks that were desired when it began.
    pub desired_count: u32,
    /// When it began.
    pub began_at: Instant,
    /// When it completed.
    pub completed_at: Option<Instant>,
    /// What was left to do when it completed, where that was something: it was an early success.
    pub early_success: Option<EarlySuccessLife>,
    /// When a newer one took its place before that.
    pub superseded_at: Option<Instant>,
    /// When its service was deleted before that.
    pub deleted_at: Option<Instant>,
    /// Why it failed.
    pub failure: Option<DeploymentFailure>,
    /// When it waited for its alarms, hooks, steps of traffic and bake times, from when to when.
    pub bakes: Vec<(Instant, Instant)>,
    /// The room that it needed when it began.
    pub spare: SpareNeeded,
    /// When it stood still for too long.
    pub hangs: Vec<DeploymentHang>,
}

/// What was left to do of a deployment that completed by its `earlySuccessCriteria`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlySuccessLife {
    /// Its tasks that were healthy then.
    pub healthy: u32,
    /// Tasks that were desired then.
    pub desired: u32,
    /// Tasks of older deployments that were not STOPPED then.
    pub old_tasks: u32,
    /// When all that were desired were healthy; `None` if they never were.
    pub all_healthy_at: Option<Instant>,
}

/// A deployment's failure.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentFailure {
    /// When.
    pub at: Instant,
    /// Why, in ECS's words where these are known.
    pub reason: String,
    /// When the hooks were called of which one has failed it; `None` where something else has.
    pub hooks_called_at: Option<Instant>,
    /// The number of the deployment that the service went back to.
    pub rolls_back_to: Option<u32>,
    /// When it had come back to it.
    pub rolled_back_at: Option<Instant>,
}

/// A time in which a deployment did not move: no new task came to be healthy, and no old one was stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentHang {
    /// When it had last moved.
    pub since: Instant,
    /// When that had lasted for the assumed time.
    pub named_at: Instant,
    /// When it moved again, a newer one took its place, or its service was deleted.
    pub until: Option<Instant>,
    /// What held it up when it was named.
    pub because: String,
}

/// The room that a rolling update needs beyond what is free, so that it can get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpareNeeded {
    /// Room for so many tasks more, each with so much CPU (units) and memory (MiB).
    Tasks {
        /// How many.
        tasks: u32,
        /// CPU units of each.
        cpu_units: u32,
        /// MiB of each.
        memory_mib: u32,
        /// Whether no two of them can share an instance: they have a static host port, or must be on distinct ones.
        on_own_instances: bool,
    },
    /// No room would do: its bounds leave it no move.
    NoneWouldDo,
    /// Nothing had to be replaced, or it does not run on instances that are chosen for its tasks.
    DoesNotApply,
}

/// What came of a deployment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict<'d> {
    /// It completed, after so long.
    Finished(Span),
    /// It completed by its `earlySuccessCriteria`, after so long, with some of it still to come.
    FinishedEarly(Span, &'d EarlySuccessLife),
    /// It is under way and does not move.
    Hangs(&'d DeploymentHang),
    /// It failed.
    Failed(&'d DeploymentFailure),
    /// A newer one took its place after so long.
    Superseded(Span),
    /// Its service was deleted after so long.
    Deleted(Span),
    /// It was still moving when the run ended.
    UnderWay,
}

/// What a deployment waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeploymentStage {
    /// New tasks have a place, and no image is pulled yet: a network interface is attached, the agent takes the task up.
    TakeUp,
    /// An image is pulled.
    ImagePull,
    /// Containers are created and started.
    ContainerStart,
    /// New tasks run and do not count as healthy yet.
    Health,
    /// Old tasks are deregistered, and new ones wait for their places.
    Deregistration,
    /// Old tasks shut down.
    Shutdown,
    /// New tasks wait in PROVISIONING for an instance.
    Instance,
    /// Old tasks are to be stopped, and their agents are disconnected.
    Agent,
    /// Alarms are watched, or hooks, steps of traffic and bake times take their time.
    Bake,
    /// Nothing is under way: the scheduler is about to decide, waits between attempts, or can do nothing.
    Scheduler,
}

impl DeploymentStage {
    /// All, those first for which a deployment waits where several are under way.
    pub const ALL: [DeploymentStage; 10] = [
        DeploymentStage::TakeUp,
        DeploymentStage::ImagePull,
        DeploymentStage::ContainerStart,
        DeploymentStage::Health,
        DeploymentStage::Deregistration,
        DeploymentStage::Shutdown,
        DeploymentStage::Instance,
        DeploymentStage::Agent,
        DeploymentStage::Bake,
        DeploymentStage::Scheduler,
    ];
}

impl DeploymentLife {
    /// What came of it.
    pub fn verdict(&self) -> Verdict<'_> {
        if let Some(failure) = &self.failure {
            return Verdict::Failed(failure);
        }
        if let Some(at) = self.deleted_at {
            return Verdict::Deleted(at.since(self.began_at));
        }
        match (self.completed_at, self.superseded_at, self.hangs.last()) {
            (Some(at), ..) => match &self.early_success {
                Some(early) => Verdict::FinishedEarly(at.since(self.began_at), early),
                None => Verdict::Finished(at.since(self.began_at)),
            },
            (None, Some(at), _) => Verdict::Superseded(at.since(self.began_at)),
            (None, None, Some(hang)) if hang.until.is_none() => Verdict::Hangs(hang),
            (None, None, _) => Verdict::UnderWay,
        }
    }

    /// When it was over: completed, failed or superseded, or deleted with its service, or the end of the run.
    pub fn ended_at(&self, run: &Run) -> Instant {
        let failed_at = self.failure.as_ref().map(|it| it.at);
        let ended_at = failed_at.or(self.completed_at).or(self.superseded_at).or(self.deleted_at);
        ended_at.unwrap_or(Instant::START + run.simulated)
    }

    fn own_tasks<'r>(&self, run: &'r Run) -> impl Iterator<Item = &'r TaskLife> + use<'r> {
        let service = self.service;
        run.tasks.iter().filter(move |it| it.service == Some(service))
    }

    /// What it waited for, in turn, from when to when: at each instant for the new task that has come least far, else for old
    /// ones that are on their way out; but for nothing else than the hooks that have failed it, while these were asked.
    pub fn stages(&self, run: &Run) -> Vec<(DeploymentStage, Instant, Instant)> {
        use DeploymentStage as S;
        // Before all others: a task that has its place, and whose agent waits for the room until an old one is gone.
        const PLACED_BEHIND_OLD: usize = DeploymentStage::ALL.len();
        const FAILED_BY_HOOKS: usize = PLACED_BEHIND_OLD + 1;
        let end = self.ended_at(run);
        let mut marks: Vec<(Instant, usize, i32)> = Vec::new();
        let mut put = |rank: usize, from: Option<Instant>, until: Option<Instant>| {
            let Some(from) = from.map(|it| it.max(self.began_at)) else { return };
            let until = until.unwrap_or(end).min(end);
            if from < until {
                marks.push((from, rank, 1));
                marks.push((until, rank, -1));
            }
        };
        let old = || self.own_tasks(run).filter(|it| it.deployment < self.number);
        let mut shut_down_on: BTreeMap<usize, Vec<(Instant, Instant)>> = BTreeMap::new();
        for task in old() {
            let gone = task.stopped_at;
            let due_at = task.sigterm_due_at.or(task.sigterm_at).or(gone);
            put(S::Deregistration as usize, task.stopping_at, due_at);
            put(S::Agent as usize, task.sigterm_due_at, task.sigterm_at.or(gone));
            put(S::Shutdown as usize, task.sigterm_at, gone);
            if let (Some(instance), Some(from)) = (task.instance, task.sigterm_at) {
                shut_down_on.entry(instance).or_default().push((from, gone.unwrap_or(end)));
            }
        }
        for task in self.own_tasks(run).filter(|it| it.deployment == self.number) {
            let or_gone = |at: Option<Instant>| at.or(task.stopping_at).or(task.stopped_at);
            put(S::Instance as usize, Some(task.created_at), or_gone(task.placed_at));
            if let Some(placed_at) = task.placed_at {
                let taken_up_at = or_gone(task.pull_started_at).unwrap_or(end);
                let before = task.instance.and_then(|it| shut_down_on.get(&it)).into_iter().flatten();
                let still_there = before.filter(|it| it.0 <= placed_at && it.1 > placed_at && it.1 <= taken_up_at);
                let room_at = still_there.map(|it| it.1).max().unwrap_or(placed_at);
                put(PLACED_BEHIND_OLD, Some(placed_at), Some(room_at));
                put(S::TakeUp as usize, Some(room_at), Some(taken_up_at));
            }
            put(S::ImagePull as usize, task.pull_started_at, or_gone(task.pulled_at));
            put(S::ContainerStart as usize, task.pulled_at, or_gone(task.running_at));
            put(S::Health as usize, task.running_at, or_gone(task.healthy_at));
        }
        for (from, until) in &self.bakes {
            put(S::Bake as usize, Some(*from), Some(*until));
        }
        put(FAILED_BY_HOOKS, self.failure.as_ref().and_then(|it| it.hooks_called_at), None);
        marks.sort_unstable();
        let mut under_way = [0; FAILED_BY_HOOKS + 1];
        let mut stages: Vec<(DeploymentStage, Instant, Instant)> = Vec::new();
        let mut at = self.began_at;
        let mut marks = marks.into_iter().peekable();
        while at < end {
            while let Some((_, rank, change)) = marks.next_if(|it| it.0 <= at) {
                under_way[rank] += change;
            }
            let stage = if under_way[FAILED_BY_HOOKS] > 0 {
                S::Bake
            } else if under_way[PLACED_BEHIND_OLD] > 0 {
                S::Shutdown
            } else {
                S::ALL.into_iter().find(|it| under_way[*it as usize] > 0).unwrap_or(S::Scheduler)
            };
            let until = marks.peek().map_or(end, |it| it.0.min(end));
            match stages.last_mut().filter(|it| it.0 == stage) {
                Some(last) => last.2 = until,
                None => stages.push((stage, at, until)),
            }
            at = until;
        }
        stages
    }

    /// How long it waited for each, the longest first.
    pub fn waits(&self, run: &Run) -> Vec<(DeploymentStage, Span)> {
        let mut waits = DeploymentStage::ALL.map(|it| (it, Span::ZERO));
        for (stage, from, until) in self.stages(run) {
            waits[stage as usize].1 += until.since(from);
        }
        let mut waits: Vec<_> = waits.into_iter().filter(|it| it.1 > Span::ZERO).collect();
        waits.sort_by_key(|it| std::cmp::Reverse(it.1));
        waits
    }

    /// When the last of the old tasks had stopped; `None` while some have not, or where there were none, as beside a task set.
    pub fn old_tasks_gone_at(&self, run: &Run) -> Option<Instant> {
        if self.task_set.is_some() {
            return None;
        }
        let is_old = |it: &&TaskLife| it.deployment < self.number && it.stopped_at.is_none_or(|at| at > self.began_at);
        let old: Vec<Option<Instant>> = self.own_tasks(run).filter(is_old).map(|it| it.stopped_at).collect();
        old.into_iter().max_by_key(|it| it.unwrap_or(Instant::NEVER))?
    }

    /// When nothing was left to do after an early success: all desired tasks were healthy, and the old ones gone; `None` of other
    /// deployments, and while something was left.
    pub fn early_success_over_at(&self, run: &Run) -> Option<Instant> {
        let early = self.early_success.as_ref()?;
        let gone_at = if early.old_tasks > 0 { self.old_tasks_gone_at(run)? } else { self.completed_at? };
        Some(early.all_healthy_at?.max(gone_at))
    }

    /// Tasks that it started, those of them that stopped without ever being healthy, and of these the ones that were stopped since they
    /// were no longer wanted.
    pub fn tasks_started(&self, run: &Run) -> (usize, usize, usize) {
        let own = || self.own_tasks(run).filter(|it| it.deployment == self.number);
        let never_healthy = || own().filter(|it| it.stopped_at.is_some() && it.healthy_at.is_none());
        (own().count(), never_healthy().count(), never_healthy().filter(|it| !it.has_failed()).count())
    }

    /// What became of its service's requests in the minutes in which it was under way and its old tasks stopped.
    pub fn requests(&self, run: &Run) -> RequestCounts {
        let until = self.old_tasks_gone_at(run).unwrap_or(Instant::START).max(self.ended_at(run));
        let (first, last) = (self.began_at.0 / Span::MINUTE.0, until.0.div_ceil(Span::MINUTE.0));
        let mut counts = RequestCounts::default();
        let rows = run.service_minutes.iter().filter(|row| row.service == self.service);
        rows.filter(|row| (first..last).contains(&row.minute)).for_each(|row| counts.add(&row.counts));
        counts
    }
}
