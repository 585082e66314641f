//! Capacity providers: which one a task goes to, and how managed scaling sizes a group.

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::container_instance::RegisteredResources;
use crate::aws::fargate::FargateCapacity;
use crate::aws::task_definition::Reservation;
use crate::table::Id;
use crate::units::{Span, ceil_capacity, floor_capacity};

/// A capacity provider.
#[derive(Clone, Debug, PartialEq)]
pub struct CapacityProvider {
    /// Name.
    pub name: String,
    /// Where its tasks run.
    pub kind: CapacityProviderType,
    /// Managed scaling, where it is enabled.
    pub managed_scaling: Option<ManagedScaling>,
    /// Whether only instances without tasks may be terminated.
    pub managed_termination_protection: bool,
    /// Whether an instance that is to go is drained first.
    pub managed_draining: bool,
}

impl CapacityProvider {
    /// The predefined provider of a kind of Fargate capacity.
    pub fn of_fargate(capacity: FargateCapacity) -> CapacityProvider {
        CapacityProvider {
            name: capacity.provider_name().to_owned(),
            kind: CapacityProviderType::Fargate(capacity),
            managed_scaling: None,
            managed_termination_protection: false,
            managed_draining: false,
        }
    }

    /// The group that it grows; `None` of Fargate's.
    pub fn auto_scaling_group(&self) -> Option<Id<AutoScalingGroup>> {
        match self.kind {
            CapacityProviderType::AutoScalingGroup(group) => Some(group),
            CapacityProviderType::Fargate(_) => None,
        }
    }

    /// Which of Fargate's it is, if it is one.
    pub fn fargate(&self) -> Option<FargateCapacity> {
        match self.kind {
            CapacityProviderType::AutoScalingGroup(_) => None,
            CapacityProviderType::Fargate(capacity) => Some(capacity),
        }
    }
}

/// Where the tasks of a capacity provider run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapacityProviderType {
    /// On container instances of a group, which it grows.
    AutoScalingGroup(Id<AutoScalingGroup>),
    /// On Fargate: one of the two predefined providers.
    Fargate(FargateCapacity),
}

/// `managedScaling` of a capacity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagedScaling {
    /// Percentage of the group that tasks should use, 1 to 100; AWS's default is 100.
    pub target_capacity: u32,
    /// Fewest instances added at once, 1 to 10000; AWS's default is 1.
    pub minimum_scaling_step_size: u32,
    /// Most instances added at once, 1 to 10000; AWS's default is 10000.
    pub maximum_scaling_step_size: u32,
    /// How long a new instance keeps another scale-out waiting; AWS's default is 300 s.
    pub instance_warmup_period: Span,
}

/// One item of a capacity provider strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapacityProviderStrategyItem {
    /// The provider.
    pub capacity_provider: Id<CapacityProvider>,
    /// Tasks that go there first, 0 to 100000.
    pub base: u32,
    /// Share of the rest, 0 to 1000.
    pub weight: u32,
}

/// The provider of the next task: the base first, then the smallest share of its weight; ties by place in the list.
///
/// `counts` are the tasks that each item has; compared by cross multiplication, so that no rounding enters.
///
/// # Panics
/// When no item has a weight above 0 and the base is full: such a strategy is refused when it is read.
pub fn choose_provider(strategy: &[CapacityProviderStrategyItem], counts: &[u32]) -> usize {
    if let Some(place) = (0..strategy.len()).find(|&it| counts[it] < strategy[it].base) {
        return place;
    }
    let above_base = |it: usize| u64::from(counts[it] - strategy[it].base);
    let weight = |it: usize| u64::from(strategy[it].weight);
    (0..strategy.len())
        .filter(|&it| strategy[it].weight > 0)
        .min_by(|&one, &other| (above_base(one) * weight(other)).cmp(&(above_base(other) * weight(one))))
        .expect("a strategy has a weight above 0")
}

/// The provider that the next task leaves when there are too many, by the same shares: the one with most above its base for its
/// weight, ties by the last place in the list; the base only when nothing is above it. `None` where no item has a task.
pub fn choose_provider_to_leave(strategy: &[CapacityProviderStrategyItem], counts: &[u32]) -> Option<usize> {
    let above_base = |it: usize| u64::from(counts[it].saturating_sub(strategy[it].base));
    let weight = |it: usize| u64::from(strategy[it].weight);
    let above = (0..strategy.len()).filter(|&it| above_base(it) > 0);
    above
        .max_by(|&one, &other| (above_base(one) * weight(other)).cmp(&(above_base(other) * weight(one))))
        .or((0..strategy.len()).rev().find(|&it| counts[it] > 0))
}

/// Tasks in PROVISIONING with the same requirements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingGroup {
    /// What each of them reserves.
    pub reservation: Reservation,
    /// How many wait.
    pub count: u32,
    /// Whether no two of them may share an instance.
    pub is_distinct_instance: bool,
    /// Whether their `memberOf` constraints select an instance that the group would launch.
    pub is_selected: bool,
}

/// The group of waiting tasks that needs most instances, and so decides what is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecidingGroup {
    /// Its place among those that were measured.
    pub place: usize,
    /// How many of its tasks an empty instance holds, as managed scaling counts.
    pub tasks_per_instance: u32,
    /// Instances that it needs, before the step sizes.
    pub instances: u32,
}

/// What the group's empty instances have for tasks, each resource by itself: a group of several types has the least and the
/// greatest of each, which need not be those of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmptyInstances {
    /// The least of each.
    pub smallest: RegisteredResources,
    /// The greatest of each.
    pub largest: RegisteredResources,
}

impl EmptyInstances {
    /// Those of types that have these; `None` of none.
    pub fn of(types: impl IntoIterator<Item = RegisteredResources>) -> Option<EmptyInstances> {
        let each = types.into_iter().map(|it| EmptyInstances { smallest: it, largest: it });
        each.reduce(|all, it| EmptyInstances {
            smallest: all.smallest.least(it.smallest),
            largest: all.largest.greatest(it.largest),
        })
    }

    /// As managed scaling counts tasks on an empty instance: none of those that do not fit the smallest, and of the others as many
    /// as the largest holds (*Amazon ECS managed scaling behavior*).
    pub fn tasks(&self, reservation: &Reservation, is_distinct_instance: bool) -> u32 {
        match self.smallest.lacks(reservation) {
            Some(_) => 0,
            None => self.largest.tasks(reservation, is_distinct_instance),
        }
    }

    /// The same of waiting tasks; 0 where the group never grows for them.
    pub fn tasks_of(&self, group: &WaitingGroup) -> u32 {
        if group.is_selected { self.tasks(&group.reservation, group.is_distinct_instance) } else { 0 }
    }
}

/// `CapacityProviderReservation` and the two numbers that it is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CapacityProviderReservation {
    /// M: instances needed.
    pub needed: u32,
    /// N: instances in service.
    pub present: u32,
    /// 100 x M / N, and its special cases at N = 0.
    pub percent: f64,
    /// Instances with a task that is not of a DAEMON service.
    pub used: u32,
    /// What waits and decides M; `None` where nothing waits that the group could hold, and M is what is used.
    pub deciding: Option<DecidingGroup>,
}

impl ManagedScaling {
    /// The metric of one minute: `present` instances in service, `used` of them with a task, and what waits.
    ///
    /// The need of the waiting is the greatest of their groups' (a lower bound), on empty instances. Groups that do not
    /// fit the smallest of the `empty` instances, or whose constraints select none, are left out: they wait for ever. `empty_metric` is
    /// published where nothing is there and nothing needed; the target where that is `None`.
    pub fn reservation(
        &self,
        present: u32,
        used: u32,
        waiting: &[WaitingGroup],
        empty: &EmptyInstances,
        empty_metric: Option<f64>,
    ) -> CapacityProviderReservation {
        let mut deciding: Option<DecidingGroup> = None;
        for (place, group) in waiting.iter().enumerate() {
            let tasks_per_instance = empty.tasks_of(group);
            if tasks_per_instance == 0 {
                continue;
            }
            let instances = group.count.div_ceil(tasks_per_instance);
            if deciding.is_none_or(|it| it.instances < instances) {
                deciding = Some(DecidingGroup { place, tasks_per_instance, instances });
            }
        }
        let step = |need: u32| need.clamp(self.minimum_scaling_step_size, self.maximum_scaling_step_size);
        let needed = deciding.map_or(used, |it| present + step(it.instances));
        let percent = match (present, needed) {
            (0, 0) => empty_metric.unwrap_or(f64::from(self.target_capacity)),
            (0, _) => 200.0,
            _ => 100.0 * f64::from(needed) / f64::from(present),
        };
        CapacityProviderReservation { needed, present, percent, used, deciding }
    }

    /// The desired capacity that a breach of the target calls for, before the group's bounds: `ceil(N x metric / T)`;
    /// from no instance two, or `ceil(200 / T)` where `first_growth_by_formula`.
    pub fn scale_out_capacity(&self, measured: &CapacityProviderReservation, first_growth_by_formula: bool) -> u32 {
        if measured.present == 0 && !first_growth_by_formula {
            return if measured.needed > 0 { 2 } else { 0 };
        }
        self.capacity_at_target(measured)
    }

    /// The desired capacity one minute of scale-in leads to: at least one less, at most `max_fraction` less of what is wanted now.
    /// A measurement may be from before the last minute's scale-in, when more was there.
    pub fn scale_in_capacity(&self, desired: u32, measured: &CapacityProviderReservation, max_fraction: f64) -> u32 {
        let wanted = self.capacity_at_target(measured);
        let most = floor_capacity(f64::from(measured.present.min(desired)) * max_fraction).max(1);
        desired - desired.saturating_sub(wanted).min(most)
    }

    /// The capacity at which the metric would be at its target: `ceil(100 x M / T)`.
    pub fn capacity_at_target(&self, measured: &CapacityProviderReservation) -> u32 {
        ceil_capacity(f64::from(measured.present.max(1)) * measured.percent / f64::from(self.target_capacity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::instance_type::find;

    fn managed(target_capacity: u32) -> ManagedScaling {
        ManagedScaling {
            target_capacity,
            minimum_scaling_step_size: 1,
            maximum_scaling_step_size: 10_000,
            instance_warmup_period: Span::seconds(300),
        }
    }

    fn empty(types: &[&str]) -> EmptyInstances {
        let each = types.iter().map(|it| RegisteredResources::new(&find(it).expect("the type is there"), 0, false));
        EmptyInstances::of(each).expect("there is a type")
    }

    fn m5() -> EmptyInstances {
        empty(&["m5.large"])
    }

    fn waiting(count: u32, cpu_units: u32, memory_mib: u32) -> WaitingGroup {
        let reservation = Reservation { cpu_units, memory_mib, ..Reservation::default() };
        WaitingGroup { reservation, count, is_distinct_instance: false, is_selected: true }
    }

    fn measure(
        managed: &ManagedScaling,
        present: u32,
        used: u32,
        groups: &[WaitingGroup],
    ) -> CapacityProviderReservation {
        managed.reservation(present, used, groups, &m5(), None)
    }

    fn strategy(items: &[(u32, u32)]) -> Vec<CapacityProviderStrategyItem> {
        items
            .iter()
            .enumerate()
            .map(|(place, &(base, weight))| CapacityProviderStrategyItem {
                capacity_provider: Id::new(place),
                base,
                weight,
            })
            .collect()
    }

    fn split(items: &[(u32, u32)], tasks: u32) -> (String, Vec<u32>) {
        let strategy = strategy(items);
        let mut counts = vec![0; items.len()];
        let mut order = String::new();
        for _ in 0..tasks {
            let chosen = choose_provider(&strategy, &counts);
            counts[chosen] += 1;
            order.push(char::from(b'A' + chosen as u8));
        }
        (order, counts)
    }

    #[test]
    fn we_76_to_79_and_w12_tasks_are_split_by_base_and_weight() {
        assert_eq!(split(&[(0, 1), (0, 4)], 5), ("ABBBB".to_owned(), vec![1, 4]));
        assert_eq!(split(&[(0, 1), (0, 4)], 10).1, [2, 8]);
        assert_eq!(split(&[(2, 1), (0, 1)], 6), ("AAABAB".to_owned(), vec![4, 2]));
        assert_eq!(split(&[(1, 1), (0, 3)], 9).1, [3, 6]);
        assert_eq!(split(&[(2, 1), (0, 3)], 10).1, [4, 6]);
        assert_eq!(split(&[(2, 1), (0, 3)], 22).1, [7, 15]);
    }

    #[test]
    fn the_provider_with_most_above_its_share_is_left_first() {
        let leaving = |items: &[(u32, u32)], mut counts: Vec<u32>, tasks: u32| {
            let strategy = strategy(items);
            let order: String = (0..tasks)
                .map(|_| {
                    let place = choose_provider_to_leave(&strategy, &counts).expect("there are tasks");
                    counts[place] -= 1;
                    ['A', 'B'][place]
                })
                .collect();
            (order, counts)
        };
        assert_eq!(leaving(&[(0, 1), (0, 4)], vec![1, 4], 5).0, "BABBB");
        // The workshop's 22 tasks, and back to 10 of them.
        assert_eq!(leaving(&[(2, 1), (0, 3)], vec![7, 15], 12).1, [4, 6]);
        assert_eq!(leaving(&[(2, 1), (0, 3)], vec![2, 1], 3).0, "BAA", "the base last");
        assert_eq!(leaving(&[(0, 0), (0, 1)], vec![1, 9], 1).0, "A", "what has no share leaves first");
        assert_eq!(choose_provider_to_leave(&[], &[]), None);
    }

    #[test]
    fn we_64_to_67_the_metric_and_where_it_leads() {
        // N, used, T: percent, desired by the formula.
        for (present, used, target, percent, desired) in [
            (3, 2, 100, 66.67, 2),
            (3, 2, 50, 66.67, 4),
            (4, 4, 100, 100.0, 4),
            (5, 5, 80, 100.0, 7),
            (10, 10, 90, 100.0, 12),
            (4, 2, 100, 50.0, 2),
            (20, 20, 90, 100.0, 23),
            (4, 4, 80, 100.0, 5),
            // W13: at rest with a spare instance at 90 %, and with as many spare as used at 50 %.
            (10, 9, 90, 90.0, 10),
            (4, 2, 50, 50.0, 4),
            (40, 20, 50, 50.0, 40),
            (10, 8, 100, 80.0, 8),
        ] {
            let measured = measure(&managed(target), present, used, &[]);
            assert!((measured.percent - percent).abs() < 0.01, "{measured:?}");
            assert_eq!(managed(target).scale_out_capacity(&measured, false), desired, "{measured:?}");
        }
        let empty = measure(&managed(90), 0, 0, &[]);
        assert_eq!(empty.percent, 90.0);
        let first = measure(&managed(100), 0, 0, &[waiting(1, 256, 512)]);
        assert_eq!((first.needed, first.percent), (1, 200.0));
        assert_eq!(managed(100).scale_out_capacity(&first, false), 2);
        assert_eq!(managed(90).scale_out_capacity(&first, false), 2);
        assert_eq!(managed(90).scale_out_capacity(&first, true), 3);
    }

    /// W13: three tasks that fill an instance each, from none, from two, and beside ten.
    #[test]
    fn w13_what_waits_is_added_to_what_is_there() {
        let whole = |count| waiting(count, 2048, 512);
        for (present, used, count, percent, desired) in
            [(10, 10, 3, 130.0, 13), (0, 0, 3, 200.0, 2), (2, 2, 1, 150.0, 3)]
        {
            let measured = measure(&managed(100), present, used, &[whole(count)]);
            assert_eq!((measured.percent, managed(100).scale_out_capacity(&measured, false)), (percent, desired));
        }
    }

    #[test]
    fn we_74_and_75_between_c5_large_and_c5_4xlarge() {
        let mixed = empty(&["c5.large", "c5.4xlarge"]);
        let of = |count, cpu, memory| managed(100).reservation(1, 1, &[waiting(count, cpu, memory)], &mixed, None);
        let ten = of(10, 1024, 2048);
        let deciding = ten.deciding.expect("they wait");
        assert_eq!((deciding.tasks_per_instance, deciding.instances, ten.needed), (15, 1, 2));
        assert_eq!(mixed.smallest.memory_mib, 3785);
        let large = of(10, 1024, 4000);
        assert_eq!((large.deciding, large.needed, large.percent), (None, 1, 100.0));
    }

    #[test]
    fn we_83_and_85_at_rest() {
        let grown = managed(90).scale_out_capacity(&measure(&managed(90), 10, 10, &[]), false);
        let after = measure(&managed(90), grown, 10, &[]);
        assert_eq!(grown, 12);
        assert!((after.percent - 83.33).abs() < 0.01, "{after:?}");
        assert_eq!(managed(90).scale_in_capacity(12, &after, 0.49), 12, "below the target, and it stays");
        let full = measure(&managed(100), 4, 4, &[]);
        assert_eq!((full.percent, managed(100).scale_out_capacity(&full, false)), (100.0, 4));
    }

    #[test]
    fn we_66_and_68_the_older_metric_of_an_empty_group() {
        let legacy = managed(90).reservation(0, 0, &[], &m5(), Some(100.0));
        assert_eq!(legacy.percent, 100.0);
        assert_eq!(managed(90).scale_out_capacity(&legacy, true), 2);
    }

    #[test]
    fn we_69_to_73_and_86_what_waits_is_counted_in_empty_instances() {
        let ten = waiting(10, 512, 1024);
        let check = |managed: &ManagedScaling, present, groups: &[WaitingGroup], needed, percent: f64| {
            let measured = measure(managed, present, present, groups);
            assert_eq!(measured.needed, needed);
            assert!((measured.percent - percent).abs() < 0.01, "{measured:?}");
            assert_eq!(managed.scale_out_capacity(&measured, false), needed);
        };
        check(&managed(100), 2, std::slice::from_ref(&ten), 5, 250.0);
        check(
            &ManagedScaling { minimum_scaling_step_size: 4, ..managed(100) },
            2,
            std::slice::from_ref(&ten),
            6,
            300.0,
        );
        check(
            &ManagedScaling { maximum_scaling_step_size: 2, ..managed(100) },
            2,
            std::slice::from_ref(&ten),
            4,
            200.0,
        );
        check(&managed(100), 2, &[ten, waiting(3, 1024, 3900)], 5, 250.0);
        let mut with_interface = waiting(10, 256, 512);
        with_interface.reservation.network_interfaces = 1;
        check(&managed(100), 2, &[with_interface], 7, 350.0);
        let distinct = WaitingGroup { is_distinct_instance: true, ..waiting(6, 256, 512) };
        check(&managed(100), 3, &[distinct], 9, 300.0);
        check(&managed(100), 3, &[waiting(20, 1024, 3900)], 13, 433.33);
    }

    #[test]
    fn we_75_what_fits_no_instance_never_grows_the_group() {
        let measured = measure(&managed(100), 2, 1, &[waiting(3, 256, 8192)]);
        assert_eq!((measured.needed, measured.percent), (1, 50.0));
        let elsewhere = WaitingGroup { is_selected: false, ..waiting(3, 256, 512) };
        assert_eq!(measure(&managed(100), 2, 1, &[elsewhere]), measured);
    }

    /// *Amazon ECS managed scaling behavior*: what does not fit the smallest type is left out, and the largest is counted by.
    #[test]
    fn of_several_types_the_smallest_admits_and_the_largest_counts() {
        let mixed = empty(&["m5.large", "m5.2xlarge"]);
        let need =
            |count, cpu_units| managed(100).reservation(4, 4, &[waiting(count, cpu_units, 512)], &mixed, None).needed;
        assert_eq!(
            need(8, 1024),
            5,
            "eight of 1024 units fit one m5.2xlarge, though it may be four m5.large that come"
        );
        assert_eq!(need(9, 1024), 6);
        assert_eq!(need(8, 4096), 4, "they fit an m5.2xlarge and not an m5.large, so the group never grows for them");
        // The smallest is so by each resource for itself.
        let crossed = empty(&["c5.xlarge", "r5.large"]);
        assert_eq!((crossed.smallest.cpu_units, crossed.largest.cpu_units), (2048, 4096));
        let of_c5 = empty(&["c5.xlarge"]).smallest.memory_mib;
        assert_eq!(crossed.smallest.memory_mib, of_c5);
        let wide = |count, cpu_units, memory_mib| {
            managed(100).reservation(1, 1, &[waiting(count, cpu_units, memory_mib)], &crossed, None).needed
        };
        assert_eq!(wide(2, 2048, of_c5), 2, "4096 units and 15 GiB on one instance, which neither type has");
    }

    #[test]
    fn we_80_we_81_and_w14_scale_in_by_the_minute() {
        let path = |mut desired: u32, used: u32| {
            let mut path = vec![desired];
            loop {
                let measured = measure(&managed(100), desired, used.min(desired), &[]);
                let next = managed(100).scale_in_capacity(desired, &measured, 0.49);
                if next == desired {
                    return path;
                }
                desired = next;
                path.push(desired);
            }
        };
        assert_eq!(path(100, 20), [100, 51, 27, 20]);
        assert_eq!(path(100, 60), [100, 60]);
        assert_eq!(path(5, 3), [5, 3]);
        // What was measured a minute before, when 100 were there.
        let measured = measure(&managed(100), 100, 20, &[]);
        assert_eq!(managed(100).scale_in_capacity(51, &measured, 0.49), 27);
        // With "at most floor(N / 2)" as the limit, as WE-81 has it.
        let measured = measure(&managed(100), 10, 1, &[]);
        assert_eq!(managed(100).scale_in_capacity(10, &measured, 0.5), 5);
    }

    #[test]
    fn we_82_a_dead_band_keeps_it_there() {
        let measured = measure(&managed(80), 7, 5, &[]);
        assert!((measured.percent - 71.43).abs() < 0.01);
        assert_eq!(managed(80).scale_in_capacity(7, &measured, 0.49), 7);
    }
}
