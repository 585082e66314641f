//! Fargate: the sizes of its tasks, how fast and how many of them may be launched, and what they need of a definition.
//!
//! Follows *Amazon ECS task definition differences for Fargate*, *Fargate throttling quotas*, *AWS Fargate service quotas* and
//! *Fargate platform versions* in the ECS developer guide (2026). Prices are in [`price`](crate::aws::price). Left out:
//! what a region of less capacity has of smaller quotas (a scenario sets them).

use crate::aws::auto_scaling_group::AvailabilityZone;
use crate::aws::operating_system::OperatingSystemFamily;
use crate::aws::task_definition::CpuArchitecture;
use crate::table::Id;
use crate::units::Span;

/// What `stopTimeout` is on Fargate where a container does not say.
pub const STOP_TIMEOUT: Span = Span::seconds(30);
/// From the notice that Spot takes its capacity back until a task is killed, whatever its containers' `stopTimeout`.
pub const SPOT_WARNING: Span = Span::seconds(120);
/// `stoppedReason` of a task that Spot interrupted.
pub const SPOT_INTERRUPTED: &str = "Your Spot Task was interrupted.";
/// From AWS's notice until tasks on a platform revision that it replaces are retired, where the account has not set
/// `fargateTaskRetirementWaitPeriod` to another one: 7 days.
pub const RETIREMENT_WAIT_PERIOD: Span = Span::seconds(7 * 86_400);
/// `stoppedReason` of a task that was retired.
pub const RETIRED: &str = "ECS is performing maintenance on the underlying infrastructure hosting the task.";
/// GiB of ephemeral storage of a task that does not ask for more; they are free.
pub const EPHEMERAL_STORAGE_GIB: u32 = 20;
/// GiB of ephemeral storage that a task may ask for (`ephemeralStorage`).
pub const EPHEMERAL_STORAGE_RANGE: std::ops::RangeInclusive<u32> = 21..=200;

/// The two kinds of Fargate capacity, each a predefined capacity provider with quotas and prices of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FargateCapacity {
    /// `FARGATE`
    OnDemand,
    /// `FARGATE_SPOT`: cheaper, and interrupted when AWS needs the capacity back.
    Spot,
}

impl FargateCapacity {
    /// Both.
    pub const ALL: [FargateCapacity; 2] = [FargateCapacity::OnDemand, FargateCapacity::Spot];

    /// The name of its capacity provider.
    pub fn provider_name(self) -> &'static str {
        match self {
            FargateCapacity::OnDemand => "FARGATE",
            FargateCapacity::Spot => "FARGATE_SPOT",
        }
    }

    /// The oldest platform version that has it for an architecture (`CreateService`, `capacityProviderStrategy`).
    pub fn platform_version(self, cpu_architecture: CpuArchitecture) -> PlatformVersion {
        match (self, cpu_architecture) {
            (_, CpuArchitecture::Arm64) => PlatformVersion::V1_4,
            (_, CpuArchitecture::X86_64) => PlatformVersion::V1_3,
        }
    }
}

/// A platform version that still runs tasks, in the order of Linux's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PlatformVersion {
    /// `1.0.0`, the only one for Windows.
    V1_0,
    /// `1.3.0`, for Linux.
    V1_3,
    /// `1.4.0`, for Linux.
    V1_4,
    /// `LATEST`: 1.4.0 for Linux, 1.0.0 for Windows.
    #[default]
    Latest,
}

impl PlatformVersion {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            PlatformVersion::V1_0 => "1.0.0",
            PlatformVersion::V1_3 => "1.3.0",
            PlatformVersion::V1_4 => "1.4.0",
            PlatformVersion::Latest => "LATEST",
        }
    }
}

/// A CPU size of Fargate's and the memory that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskCpu {
    /// CPU units.
    pub cpu_units: u32,
    /// The sizes of memory, MiB, ascending.
    memory: Memory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    OneOf(&'static [u32]),
    /// From a least to a most by steps, in GiB.
    Steps(u32, u32, u32),
}

/// The sizes that a task can have, ascending; one on Windows has some of them.
pub const TASK_CPUS: [TaskCpu; 8] = [
    TaskCpu { cpu_units: 256, memory: Memory::OneOf(&[512, 1024, 2048]) },
    TaskCpu { cpu_units: 512, memory: Memory::Steps(1, 4, 1) },
    TaskCpu { cpu_units: 1024, memory: Memory::Steps(2, 8, 1) },
    TaskCpu { cpu_units: 2048, memory: Memory::Steps(4, 16, 1) },
    TaskCpu { cpu_units: 4096, memory: Memory::Steps(8, 30, 1) },
    TaskCpu { cpu_units: 8192, memory: Memory::Steps(16, 60, 4) },
    TaskCpu { cpu_units: 16_384, memory: Memory::Steps(32, 120, 8) },
    TaskCpu { cpu_units: 32_768, memory: Memory::OneOf(&[61_440, 122_880, 249_856]) },
];

impl TaskCpu {
    /// The sizes of memory that go with it, MiB, ascending.
    pub fn memory_mib(self) -> Vec<u32> {
        match self.memory {
            Memory::OneOf(sizes) => sizes.to_vec(),
            Memory::Steps(least, most, step) => (least..=most).step_by(step as usize).map(|it| it * 1024).collect(),
        }
    }

    /// Whether tasks of an operating system have it: those on Windows have 1 to 4 vCPUs.
    pub fn is_of(self, operating_system_family: OperatingSystemFamily) -> bool {
        !operating_system_family.is_windows() || (1024..=4096).contains(&self.cpu_units)
    }

    /// The oldest platform version for Linux that has it.
    pub fn platform_version(self) -> PlatformVersion {
        if self.cpu_units >= 8192 { PlatformVersion::V1_4 } else { PlatformVersion::V1_3 }
    }
}

/// The row of the table for so many CPU units; `None` where Fargate has no such size.
pub fn task_cpu(cpu_units: u32) -> Option<TaskCpu> {
    TASK_CPUS.into_iter().find(|it| it.cpu_units == cpu_units)
}

/// Whether Fargate has tasks of this size that run an operating system.
pub fn is_valid_size(family: OperatingSystemFamily, (cpu_units, memory_mib): (u32, u32)) -> bool {
    task_cpu(cpu_units).filter(|it| it.is_of(family)).is_some_and(|it| it.memory_mib().contains(&memory_mib))
}

/// The smallest size that has this much of both, its CPU before its memory; the largest of all where none has.
pub fn nearest_size(family: OperatingSystemFamily, (cpu_units, memory_mib): (u32, u32)) -> (u32, u32) {
    let rows = || TASK_CPUS.into_iter().filter(move |it| it.is_of(family));
    let sizes = || rows().flat_map(|it| it.memory_mib().into_iter().map(move |mib| (it.cpu_units, mib)));
    sizes().find(|it| it.0 >= cpu_units && it.1 >= memory_mib).or(sizes().last()).expect("there are sizes")
}

/// The zone of the next task: the one with the fewest tasks; ties by order. `None` without any zone.
///
/// `tasks` are those that are counted in each zone. (ECS: as a best effort, tasks are spread over the zones of the subnets.)
pub fn choose_zone(
    zones: &[Id<AvailabilityZone>],
    tasks: impl Fn(Id<AvailabilityZone>) -> u32,
) -> Option<Id<AvailabilityZone>> {
    zones.iter().copied().min_by_key(|&it| tasks(it))
}

/// What comes of asking Fargate for one more task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FargateRefusal {
    /// The account's quota of vCPUs is in use.
    VcpuQuota,
    /// AWS has no capacity left where the task could be.
    NoCapacity,
}

impl FargateRefusal {
    /// As ECS says it in service events and in `failures`.
    pub fn words(self) -> &'static str {
        match self {
            FargateRefusal::VcpuQuota => "You've reached the limit on the number of vCPUs you can run concurrently.",
            FargateRefusal::NoCapacity => {
                "Capacity is unavailable at this time. Please try again later or in a different availability zone."
            }
        }
    }
}

/// Whether one more task of so many CPU units stays within a quota of vCPUs, where so many units are in use already.
pub fn is_within_quota(quota_vcpu: u32, cpu_units_in_use: u64, cpu_units: u32) -> bool {
    cpu_units_in_use + u64::from(cpu_units) <= u64::from(quota_vcpu) * 1024
}

/// The time to pull the images of a task, or of some of its containers, of which nothing is ever cached: what is not loaded
/// lazily by its size, and what is takes `lazy_loading_time`, side by side.
pub fn pull_time(megabytes: f64, mb_per_second: f64, is_any_lazy: bool, lazy_loading_time: Span) -> Span {
    let whole = Span::from_seconds_f64(megabytes / mb_per_second);
    if is_any_lazy { whole.max(lazy_loading_time) } else { whole }
}

/// GiB of ephemeral storage that images of so many MB take, which are kept beside their unpacked files; those are `ratio`
/// times as large.
pub fn images_on_storage_gib(megabytes: f64, ratio: f64) -> f64 {
    megabytes * (1.0 + ratio) * 1e6 / f64::from(1 << 30)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINUX: OperatingSystemFamily = OperatingSystemFamily::Linux;

    #[test]
    fn refusals_are_whole_sentences() {
        for refusal in [FargateRefusal::VcpuQuota, FargateRefusal::NoCapacity] {
            let words = refusal.words();
            assert!(words.ends_with('.') && !words.ends_with(".."), "{words}");
        }
    }

    #[test]
    fn every_size_of_the_table_is_valid_and_its_neighbours_are_not() {
        let rows: [(u32, &[u32]); 8] = [
            (256, &[512, 1024, 2048]),
            (512, &[1024, 2048, 3072, 4096]),
            (1024, &[2048, 3072, 4096, 5120, 6144, 7168, 8192]),
            (2048, &[4096, 5120, 6144, 7168, 8192, 9216, 10_240, 11_264, 12_288, 13_312, 14_336, 15_360, 16_384]),
            (4096, &[8192, 9216, 16_384, 20_480, 29_696, 30_720]),
            (8192, &[16_384, 20_480, 24_576, 57_344, 61_440]),
            (16_384, &[32_768, 40_960, 49_152, 114_688, 122_880]),
            (32_768, &[61_440, 122_880, 249_856]),
        ];
        for (cpu, memory) in rows {
            for &mib in memory {
                assert!(is_valid_size(LINUX, (cpu, mib)), "{cpu} {mib}");
                assert_eq!(nearest_size(LINUX, (cpu, mib)), (cpu, mib));
                for (other_cpu, other_mib) in [(cpu, mib - 1), (cpu, mib + 1), (cpu - 1, mib), (cpu + 1, mib)] {
                    assert!(!is_valid_size(LINUX, (other_cpu, other_mib)), "{other_cpu} {other_mib}");
                }
            }
            let (least, most) = (memory[0], memory[memory.len() - 1]);
            assert!(!is_valid_size(LINUX, (cpu, least - 512)) && !is_valid_size(LINUX, (cpu, most + 1024)), "{cpu}");
        }
        let counts: Vec<usize> = TASK_CPUS.iter().map(|it| it.memory_mib().len()).collect();
        assert_eq!(counts, [3, 4, 7, 13, 23, 12, 12, 3]);
    }

    #[test]
    fn windows_has_one_to_four_vcpus() {
        let windows = OperatingSystemFamily::WindowsServer2019Full;
        for (cpu, mib, is_there) in
            [(512, 1024, false), (1024, 2048, true), (2048, 16_384, true), (4096, 30_720, true), (8192, 16_384, false)]
        {
            assert_eq!(is_valid_size(windows, (cpu, mib)), is_there, "{cpu} {mib}");
            assert!(is_valid_size(LINUX, (cpu, mib)));
        }
        assert_eq!(nearest_size(windows, (256, 512)), (1024, 2048));
        assert_eq!(nearest_size(windows, (8192, 16_384)), (4096, 30_720), "the largest");
    }

    #[test]
    fn the_nearest_size_holds_what_was_asked() {
        for (asked, nearest) in [
            ((256, 4096), (512, 4096)),
            ((256, 513), (256, 1024)),
            ((300, 512), (512, 1024)),
            ((6144, 1024), (8192, 16_384)),
            ((128, 256), (256, 512)),
            ((8192, 17_000), (8192, 20_480)),
            ((65_536, 1), (32_768, 249_856)),
        ] {
            assert_eq!(nearest_size(LINUX, (asked.0, asked.1)), nearest, "{asked:?}");
        }
    }

    #[test]
    fn a_quota_is_used_up_to_its_last_unit() {
        assert!(is_within_quota(6, 5 * 1024, 1024));
        assert!(is_within_quota(6, 5 * 1024 + 768, 256));
        assert!(!is_within_quota(6, 5 * 1024 + 768, 512));
        assert!(!is_within_quota(0, 0, 256));
    }

    #[test]
    fn tasks_go_where_the_fewest_are() {
        let zones: Vec<Id<AvailabilityZone>> = [2, 0, 1].map(Id::new).to_vec();
        let mut tasks = [0_u32; 3];
        let mut order = Vec::new();
        for _ in 0..7 {
            let zone = choose_zone(&zones, |it| tasks[it.index()]).expect("there are zones");
            tasks[zone.index()] += 1;
            order.push(zone.index());
        }
        assert_eq!(order, [2, 0, 1, 2, 0, 1, 2]);
        assert_eq!(choose_zone(&[], |_| 0), None);
    }

    #[test]
    fn we_87_the_pull_of_413_mb() {
        assert_eq!(pull_time(413.0, 13.0, false, Span::seconds(5)).0 / 1_000_000, 31_769);
        assert_eq!(pull_time(0.0, 13.0, true, Span::seconds(5)), Span::seconds(5));
        assert_eq!(pull_time(130.0, 13.0, true, Span::seconds(5)), Span::seconds(10));
    }
}
