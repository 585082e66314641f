//! How the tasks of an instance share its CPU, and the credits of burstable types.
//!
//! Follows the agent's cgroup settings (weights and CFS quotas, 2026-06) and *Key concepts for burstable performance
//! instances* in the EC2 User Guide.

use crate::aws::instance_type::Burst;

/// A task on an instance, as the kernel's scheduler sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuDemand {
    /// CPU units that it uses.
    pub demand: f64,
    /// Its weight under contention, above 0.
    pub weight: f64,
    /// Its hard cap in CPU units, if it has one.
    pub cap: Option<f64>,
    /// Whether the cap is a quota of each period rather than a bound at each instant, so that it may be offered more.
    pub is_throttled: bool,
}

impl CpuDemand {
    fn wanted(&self) -> f64 {
        self.cap.map_or(self.demand, |cap| self.demand.min(cap))
    }

    /// The most that it can use at once.
    fn most(&self) -> f64 {
        self.cap.filter(|_| !self.is_throttled).unwrap_or(f64::INFINITY)
    }

    /// The water level, CPU units to a unit of weight, at which it has all that it wants.
    fn satisfied_at(&self) -> f64 {
        self.wanted() / self.weight
    }
}

/// What each task could use of `capacity` CPU units, were its own demand boundless while the others keep theirs; one a
/// task, written to `offers`.
///
/// This is water-filling: each gets CPU in proportion to its weight, none more than it wants or may have, and what one
/// leaves goes to the others. What a task of finite demand is given is the lesser of demand and offer.
pub fn offer_cpu(capacity: f64, tasks: &[CpuDemand], offers: &mut CpuOffers) {
    let CpuOffers { offers, by_level, wanted_before, weight_before } = offers;
    let wanted: f64 = tasks.iter().map(CpuDemand::wanted).sum();
    let highest = |of: fn(&CpuDemand) -> f64| tasks.iter().map(of).fold(0.0, f64::max);
    if highest(CpuDemand::satisfied_at) * highest(|it| it.weight) <= capacity - wanted {
        // Enough for everyone beside a boundless one, whoever that is.
        let offer = |it: &CpuDemand| (capacity - (wanted - it.wanted())).min(it.most());
        offers.clear();
        offers.extend(tasks.iter().map(offer));
        return;
    }
    by_level.clear();
    by_level.extend(0..tasks.len());
    by_level.sort_by(|&one, &other| tasks[one].satisfied_at().total_cmp(&tasks[other].satisfied_at()));
    wanted_before.clear();
    weight_before.clear();
    let (mut wanted, mut weights) = (0.0, 0.0);
    for &place in &*by_level {
        wanted_before.push(wanted);
        weight_before.push(weights);
        wanted += tasks[place].wanted();
        weights += tasks[place].weight;
    }
    offers.clear();
    offers.resize(tasks.len(), 0.0);
    for (rank, &place) in by_level.iter().enumerate() {
        let task = &tasks[place];
        // The others leave one by one, those that are satisfied first, as long as the level reaches them; the task
        // itself never does, however low it stands.
        let left_with = |other: usize| {
            let own = if other > rank { (task.wanted(), task.weight) } else { (0.0, 0.0) };
            (capacity - (wanted_before[other] - own.0), weights - (weight_before[other] - own.1))
        };
        let other = |number: usize| if number < rank { number } else { number + 1 };
        let leaving = partition_point(tasks.len() - 1, |number| {
            let (left, weight) = left_with(other(number));
            tasks[by_level[other(number)]].satisfied_at() * weight <= left
        });
        let (left, weight) = if leaving < tasks.len() - 1 {
            left_with(other(leaving))
        } else {
            (capacity - (wanted - task.wanted()), task.weight)
        };
        let offer = (left * (task.weight / weight).min(1.0)).max(0.0);
        offers[place] = offer.min(task.most());
    }
}

/// What the containers of a task make of what the task may use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WithinTask {
    /// CPU units that the requests of the container that serves may use.
    pub requests: f64,
    /// CPU units that all else in the task uses.
    pub background: f64,
}

/// Shares the `capacity` of one task between its containers, by their weights. The one that serves is `serving`: its requests
/// want its demand, and it computes `own_background` CPU units beside them; both are threads of one container, and have even
/// parts of what it is given. `room` is used again for the next.
pub fn share_within_task(
    capacity: f64,
    serving: CpuDemand,
    own_background: f64,
    others: &[CpuDemand],
    room: &mut (Vec<CpuDemand>, CpuOffers),
) -> WithinTask {
    let (all, offers) = room;
    all.clear();
    // What it is offered does not depend on what it wants: counted without, not even in the last digit.
    all.push(CpuDemand { demand: 0.0, ..serving });
    all.extend_from_slice(others);
    offer_cpu(capacity, all, offers);
    let of_serving = offers.offers[0];
    all[0].demand = serving.demand + own_background;
    offer_cpu(capacity, all, offers);
    let others_given: f64 = others.iter().zip(&offers.offers[1..]).map(|(it, offer)| it.wanted().min(*offer)).sum();
    // Requests may take what the others leave; what they left in the last second is for the background.
    let even = of_serving / 2.0;
    WithinTask {
        requests: (of_serving - own_background).max(even),
        background: others_given + own_background.min((of_serving - serving.demand).max(even)),
    }
}

/// How many of `0..len` come before the first that does not hold; all that hold come first.
fn partition_point(len: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = (low + high) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Offers, and room that is used again for the next ones.
#[derive(Clone, Debug, Default)]
pub struct CpuOffers {
    /// CPU units for each task, in the order of the tasks.
    pub offers: Vec<f64>,
    by_level: Vec<usize>,
    wanted_before: Vec<f64>,
    weight_before: Vec<f64>,
}

/// Credits that are charged at once, at the least.
const LEAST_CHARGED: f64 = 1e-9;

/// The credits of one instance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuCredits {
    /// Credits left; below zero is what an unlimited instance has borrowed.
    pub balance: f64,
    /// Borrowed credits that are charged: those beyond what the instance earns in 24 hours (EC2 User Guide, *Surplus credits can incur
    /// charges*). Those that it still owes when it ends come to them.
    pub charged: f64,
}

impl CpuCredits {
    /// Credits at launch.
    pub fn new(burst: &Burst) -> CpuCredits {
        CpuCredits { balance: burst.credits_at_launch, charged: 0.0 }
    }

    /// Earns and spends for a length of time in seconds, at `cpu_units` in use (1024 = one vCPU).
    pub fn pass(&mut self, burst: &Burst, seconds: f64, cpu_units: f64) {
        let earned = burst.credits_per_hour * seconds / 3600.0;
        let spent = cpu_units / 1024.0 * seconds / 60.0;
        self.balance = (self.balance + earned - spent).min(burst.credits_maximum);
        // What is no more than the rounding of sums is charged with the next that is.
        let owed_at_most = if burst.unlimited { burst.credits_per_hour * 24.0 } else { 0.0 };
        let least = if burst.unlimited { LEAST_CHARGED } else { 0.0 };
        let beyond = Some(-self.balance - owed_at_most).filter(|it| *it > least).unwrap_or(0.0);
        self.balance += beyond;
        if burst.unlimited {
            self.charged += beyond;
        }
    }

    /// CPU units that an instance of `vcpu` can give: all of them, or its baseline without credits in standard mode.
    pub fn capacity(&self, burst: &Burst, vcpu: u32) -> f64 {
        let all = f64::from(vcpu) * 1024.0;
        if burst.unlimited || self.balance > 0.0 { all } else { all * burst.baseline }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(capacity: f64, tasks: &[(f64, f64, Option<f64>)], expected: &[f64]) {
        let tasks: Vec<CpuDemand> =
            tasks.iter().map(|&(weight, demand, cap)| CpuDemand { demand, weight, cap, is_throttled: false }).collect();
        let mut offers = CpuOffers::default();
        offer_cpu(capacity, &tasks, &mut offers);
        let given: Vec<f64> = tasks.iter().zip(&offers.offers).map(|(task, &offer)| offer.min(task.demand)).collect();
        assert_eq!(given.len(), expected.len());
        for (given, expected) in given.iter().zip(expected) {
            assert!((given - expected).abs() < 1e-3, "{tasks:?}: {offers:?}");
        }
    }

    const ALL: f64 = 1e9;

    #[test]
    fn we_16_to_24_shares() {
        check(1024.0, &[(512.0, ALL, None)], &[1024.0]);
        check(1024.0, &[(512.0, ALL, None), (512.0, ALL, None)], &[512.0, 512.0]);
        check(2048.0, &[(512.0, ALL, None), (1024.0, ALL, None)], &[682.6667, 1365.3333]);
        check(2048.0, &[(512.0, 300.0, None), (1024.0, ALL, None)], &[300.0, 1748.0]);
        check(2048.0, &[(256.0, 100.0, None), (256.0, 2000.0, None), (256.0, 2000.0, None)], &[100.0, 974.0, 974.0]);
        check(2048.0, &[(512.0, ALL, None), (1024.0, ALL, Some(1024.0))], &[1024.0, 1024.0]);
        let three = [(1024.0, 2000.0, None), (2048.0, 2000.0, None), (1024.0, 2000.0, None)];
        check(4096.0, &three, &[1048.0, 2000.0, 1048.0]);
        check(4096.0, &[(2.0, ALL, None), (1024.0, ALL, None)], &[7.984, 4088.016]);
        check(2048.0, &[(1024.0, 2000.0, Some(256.0))], &[256.0]);
    }

    #[test]
    fn an_offer_is_what_the_others_leave() {
        let offers = |capacity, tasks: &[(f64, f64)]| {
            let tasks: Vec<CpuDemand> = tasks
                .iter()
                .map(|&(weight, demand)| CpuDemand { demand, weight, cap: None, is_throttled: false })
                .collect();
            let mut offers = CpuOffers::default();
            offer_cpu(capacity, &tasks, &mut offers);
            offers.offers.iter().map(|it| it.round()).collect::<Vec<_>>()
        };
        assert_eq!(offers(2048.0, &[(512.0, 0.0), (512.0, 300.0)]), [1748.0, 2048.0]);
        // One that is busy does not keep an idle one from its share.
        assert_eq!(offers(2048.0, &[(512.0, 0.0), (512.0, 2048.0)]), [1024.0, 2048.0]);
        assert_eq!(offers(2048.0, &[(1024.0, 100.0), (512.0, 2048.0), (512.0, 2048.0)]), [1024.0, 974.0, 974.0]);
        assert!(offers(2048.0, &[]).is_empty());
    }

    fn within(capacity: f64, serving: (f64, f64, f64), others: &[(f64, f64)]) -> WithinTask {
        let demand = |weight, demand| CpuDemand { demand, weight, cap: None, is_throttled: false };
        let (weight, requests, own_background) = serving;
        let others: Vec<CpuDemand> = others.iter().map(|&(weight, wanted)| demand(weight, wanted)).collect();
        let mut room = Default::default();
        let within = share_within_task(capacity, demand(weight, requests), own_background, &others, &mut room);
        WithinTask { requests: within.requests.round(), background: within.background.round() }
    }

    #[test]
    fn containers_share_what_their_task_is_given_by_their_weights() {
        let is = |requests, background| WithinTask { requests, background };
        assert_eq!(within(512.0, (256.0, 0.0, 0.0), &[]), is(512.0, 0.0));
        // A sidecar within its part leaves the rest; one that wants more gets its part while the other is busy.
        assert_eq!(within(512.0, (384.0, 900.0, 0.0), &[(128.0, 100.0)]), is(412.0, 100.0));
        assert_eq!(within(512.0, (384.0, 900.0, 0.0), &[(128.0, 400.0)]), is(384.0, 128.0));
        assert_eq!(within(512.0, (384.0, 200.0, 0.0), &[(128.0, 400.0)]), is(384.0, 312.0), "what is idle is lent");
        // The 2 of a container that says no `cpu`.
        assert_eq!(within(514.0, (512.0, 900.0, 0.0), &[(2.0, 100.0)]), is(512.0, 2.0));
        assert_eq!(within(1024.0, (256.0, 9e9, 0.0), &[(256.0, 9e9), (512.0, 100.0)]), is(462.0, 562.0));
        // What the container itself computes beside its requests.
        assert_eq!(within(512.0, (256.0, 900.0, 100.0), &[]), is(412.0, 100.0));
        assert_eq!(within(512.0, (256.0, 900.0, 400.0), &[]), is(256.0, 256.0));
        assert_eq!(within(512.0, (256.0, 50.0, 400.0), &[]), is(256.0, 400.0));
    }

    #[test]
    fn a_throttled_task_may_use_more_than_its_cap_at_once() {
        let capped = |is_throttled| CpuDemand { demand: 200.0, weight: 1024.0, cap: Some(256.0), is_throttled };
        let other = CpuDemand { demand: 500.0, weight: 1024.0, cap: None, is_throttled: false };
        let mut offers = CpuOffers::default();
        offer_cpu(2048.0, &[capped(true), other], &mut offers);
        assert_eq!(offers.offers, [1548.0, 1848.0]);
        offer_cpu(2048.0, &[capped(false), other], &mut offers);
        assert_eq!(offers.offers, [256.0, 1848.0]);
    }

    fn burst(name: &str) -> (Burst, u32) {
        let kind = crate::aws::instance_type::find(name).expect("the type is there");
        (kind.burst.expect("it is burstable"), kind.vcpu)
    }

    /// Hours until `balance` is used up at `cpu_units`.
    fn hours_until_empty(name: &str, balance: f64, cpu_units: f64) -> f64 {
        let (burst, _) = burst(name);
        let mut credits = CpuCredits { balance, charged: 0.0 };
        let mut seconds = 0.0;
        while credits.balance > 0.0 {
            credits.pass(&burst, 1.0, cpu_units);
            seconds += 1.0;
        }
        seconds / 3600.0
    }

    #[test]
    fn we_26_and_27_credits_run_out() {
        assert!((hours_until_empty("t3.medium", 576.0, 1024.0) - 16.0).abs() < 0.01);
        assert!((hours_until_empty("t3.large", 864.0, 2048.0) - 10.286).abs() < 0.01);
    }

    #[test]
    fn we_25_credits_are_earned_up_to_a_day() {
        let (burst, vcpu) = burst("t3.micro");
        let mut credits = CpuCredits { balance: 0.0, charged: 0.0 };
        credits.pass(&burst, 3600.0, 0.02 * 1024.0 * f64::from(vcpu));
        assert!((credits.balance - (12.0 - 2.4)).abs() < 1e-9);
        credits.pass(&burst, 100.0 * 3600.0, 0.0);
        assert_eq!(credits.balance, 288.0);
    }

    #[test]
    fn we_28_without_credits_the_baseline_is_left() {
        let (unlimited, vcpu) = burst("t3.medium");
        let standard = Burst { unlimited: false, ..unlimited };
        assert!((CpuCredits { balance: 0.0, charged: 0.0 }.capacity(&standard, vcpu) - 409.6).abs() < 1e-9);
        assert_eq!(CpuCredits { balance: 0.0, charged: 0.0 }.capacity(&unlimited, vcpu), 2048.0);
        assert_eq!(CpuCredits { balance: 1.0, charged: 0.0 }.capacity(&standard, vcpu), 2048.0);
    }

    #[test]
    fn what_is_borrowed_beyond_a_days_credits_is_charged() {
        let (burst, _) = burst("t3.medium");
        let mut credits = CpuCredits::new(&burst);
        // Both vCPUs spend 120 credits an hour, and 24 are earned.
        (0..6 * 3600).for_each(|_| credits.pass(&burst, 1.0, 2048.0));
        assert!((credits.balance + 576.0).abs() < 1e-6 && credits.charged < 1e-6, "{credits:?}");
        (0..3600).for_each(|_| credits.pass(&burst, 1.0, 2048.0));
        assert!((credits.balance + 576.0).abs() < 1e-6 && (credits.charged - 96.0).abs() < 1e-6, "{credits:?}");
        credits.pass(&burst, 3600.0, 0.0);
        assert!((credits.balance + 552.0).abs() < 1e-6, "what is earned pays off what is owed: {credits:?}");
        let standard = Burst { unlimited: false, ..burst };
        let mut credits = CpuCredits::new(&standard);
        credits.pass(&standard, 3600.0, 2048.0);
        assert_eq!((credits.balance, credits.charged), (0.0, 0.0));
    }
}
