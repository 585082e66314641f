//! What an instance costs, split over the tasks on it.
//!
//! Follows *Example of split cost allocation data* in the user guide of AWS Data Exports (read 2026-11): a vCPU weighs nine times what a
//! GB does, which comes from Fargate's prices; a task takes part by what it is allocated of each; what nobody has is given to those who
//! have some, in proportion. Inferred: each resource by itself. AWS takes what a task uses where that is more than it reserves, and
//! gives GPUs a weight; here reservations count alone.

/// What a vCPU weighs against a GB.
const CPU_WEIGHT: f64 = 9.0;

/// An amount of CPU and memory, or of both times how long they were held.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    /// vCPUs.
    pub vcpu: f64,
    /// GB of memory, each of 1024 MiB.
    pub gb: f64,
}

impl Amount {
    /// Adds another's, times something.
    pub fn add(&mut self, other: Amount, times: f64) {
        self.vcpu += other.vcpu * times;
        self.gb += other.gb * times;
    }
}

/// A cost, split.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// For each task, or whoever has part, what it is allocated, USD; and what it gets of the unused, USD.
    pub parts: Vec<(f64, f64)>,
    /// What nobody is allocated, USD, before anything of it is given away.
    pub unused: f64,
}

/// Splits what an instance of some capacity costs over those who are allocated some of it.
pub fn split(usd: f64, capacity: Amount, allocated: &[Amount]) -> Split {
    let weight = CPU_WEIGHT * capacity.vcpu + capacity.gb;
    if weight <= 0.0 {
        return Split { parts: vec![(0.0, 0.0); allocated.len()], unused: usd };
    }
    let (cpu_usd, memory_usd) = (usd * CPU_WEIGHT * capacity.vcpu / weight, usd * capacity.gb / weight);
    let sum = |of: fn(&Amount) -> f64| allocated.iter().map(of).fold(0.0, |sum, it| sum + it);
    let (all_vcpu, all_gb) = (sum(|it| it.vcpu), sum(|it| it.gb));
    // Nobody can have more than there is; rounding could make it so.
    let (of_vcpu, of_gb) = (all_vcpu.max(capacity.vcpu), all_gb.max(capacity.gb));
    let part = |usd: f64, amount: f64, of: f64| if of > 0.0 { usd * amount / of } else { 0.0 };
    let unused_cpu = cpu_usd - part(cpu_usd, all_vcpu, of_vcpu);
    let unused_memory = memory_usd - part(memory_usd, all_gb, of_gb);
    let parts = allocated.iter().map(|it| {
        let used = part(cpu_usd, it.vcpu, of_vcpu) + part(memory_usd, it.gb, of_gb);
        // What nobody has any of goes by the other resource.
        let by_vcpu = if all_vcpu > 0.0 { it.vcpu / all_vcpu } else { part(1.0, it.gb, all_gb) };
        let by_gb = if all_gb > 0.0 { it.gb / all_gb } else { part(1.0, it.vcpu, all_vcpu) };
        (used, unused_cpu * by_vcpu + unused_memory * by_gb)
    });
    Split { parts: parts.collect(), unused: unused_cpu + unused_memory }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_close(value: f64, expected: f64) -> bool {
        (value - expected).abs() < 1e-12
    }

    /// The instance of the guide's example, with tasks of our own: 4 vCPU and 16 GB at a dollar an hour, so that a vCPU costs 9/52 and
    /// a GB 1/52, which the guide rounds to 0.17 and 0.02.
    #[test]
    fn a_vcpu_costs_nine_times_what_a_gb_does() {
        let pods = [(1.0, 4.0), (1.0, 6.0), (1.0, 2.0), (1.0, 2.0)].map(|(vcpu, gb)| Amount { vcpu, gb });
        let split = split(1.0, Amount { vcpu: 4.0, gb: 16.0 }, &pods);
        let unit = 1.0 / 52.0;
        for ((used, _), pod) in split.parts.iter().zip(&pods) {
            assert!(is_close(*used, unit * (9.0 * pod.vcpu + pod.gb)), "{used}");
        }
        // 2 GB are nobody's; they go by memory.
        assert!(is_close(split.unused, 2.0 * unit));
        assert!(is_close(split.parts[1].1, 2.0 * unit * 6.0 / 14.0));
        let all = split.parts.iter().fold(0.0, |sum, it| sum + it.0 + it.1);
        assert!(is_close(all, 1.0));
    }

    #[test]
    fn what_nobody_has_any_of_goes_by_the_other_resource() {
        let capacity = Amount { vcpu: 2.0, gb: 8.0 };
        let only_memory = split(1.0, capacity, &[Amount { vcpu: 0.0, gb: 1.0 }, Amount { vcpu: 0.0, gb: 3.0 }]);
        assert!(is_close(only_memory.parts[0].0 + only_memory.parts[0].1, 0.25));
        assert!(is_close(only_memory.parts[1].0 + only_memory.parts[1].1, 0.75));
        let nothing = split(1.0, capacity, &[Amount::default()]);
        assert_eq!((nothing.parts[0], nothing.unused), ((0.0, 0.0), 1.0));
        assert_eq!(split(1.0, capacity, &[]).unused, 1.0);
    }
}
