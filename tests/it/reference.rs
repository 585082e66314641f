//! The reference values of dispatching and single stations: exact ones from textbooks, and some of an independent simulation
//! of 6e7 requests, which come with its own interval. Accepted as in `theory`; a percentile also within the 0.4 % of the
//! histogram's buckets.

use plimsoll::run::{ResponseTimes, Run};

use crate::theory::{EXPONENTIAL, Queue, agrees, batch_means, queue};

const UNEVEN: &str = "{ logNormal: { mean: 1ms, cv2: 4 } }";
const LEAST_OUTSTANDING: &str = "least_outstanding_requests";
const RANDOM: &str = "weighted_random";

/// Means of each request, by minute: a minute with more of them weighs more.
fn sojourns(run: &Run) -> Vec<f64> {
    let rows = &run.service_minutes;
    let served = rows.iter().map(|row| row.counts.served as f64).sum::<f64>() / rows.len() as f64;
    rows.iter().map(|row| row.response_time_ms.mean.unwrap_or(0.0) * row.counts.served as f64 / served).collect()
}

/// The mean sojourn time agrees with a value that is itself known to `known_to`.
fn mean_agrees(what: &str, run: &Run, expected: f64, known_to: f64) {
    let (mean, half_width) = batch_means(&sojourns(run));
    assert!(half_width <= 0.02 * expected, "{what}: known only to {half_width}: run it longer");
    let off = (mean - expected).abs();
    assert!(off <= 3.0 * half_width + known_to, "{what}: {mean} +- {half_width}, expected {expected} +- {known_to}");
}

/// A percentile over minutes agrees.
fn percentile_agrees(what: &str, run: &Run, of: fn(&ResponseTimes) -> Option<f64>, expected: f64) {
    let values: Vec<f64> = run.service_minutes.iter().filter_map(|row| of(&row.response_time_ms)).collect();
    let (value, half_width) = batch_means(&values);
    assert!(half_width <= 0.02 * expected, "{what}: known only to {half_width}: run it longer");
    let within = 3.0 * half_width + 0.004 * expected;
    assert!((value - expected).abs() <= within, "{what}: {value} +- {half_width}, expected {expected}");
}

fn percentiles_agree(what: &str, run: &Run, [p50, p90, p99]: [f64; 3]) {
    percentile_agrees(&format!("{what}, p50"), run, |it| it.p50, p50);
    percentile_agrees(&format!("{what}, p90"), run, |it| it.p90, p90);
    percentile_agrees(&format!("{what}, p99"), run, |it| it.p99, p99);
}

/// So many tasks of one server, a whole rate of `rho` each.
fn tasks(count: u32, rho: f64, algorithm: &'static str, minutes: u32, seed: u64) -> Queue {
    let one = queue("tasks", 1, rho, EXPONENTIAL, minutes, seed);
    Queue { tasks: count, arrivals: rho * f64::from(count), algorithm, ..one }
}

/// Section 3.3.
#[test]
fn m_m_c_means_and_percentiles() {
    for (servers, rho, mean, percentiles, minutes, seed) in [
        (1, 0.5, 2.0, [1.386_294_36, 4.605_170_19, 9.210_340_37], 120, 101),
        (1, 0.8, 5.0, [3.465_735_9, 11.512_925_5, 23.025_850_9], 480, 102),
        (2, 0.5, 1.333_333_33, [0.974_411_605, 2.994_878_29, 5.665_960_68], 90, 103),
        (2, 0.8, 2.777_777_78, [2.040_031_45, 6.171_562_43, 11.937_370_2], 240, 104),
        (4, 0.5, 1.086_956_52, [0.783_409_762, 2.450_061_89, 4.764_248_44], 60, 105),
        (4, 0.7, 1.357_211_93, [1.028_546_91, 2.976_253_57, 5.492_557_5], 60, 106),
        (4, 0.8, 1.745_540_59, [1.346_199_05, 3.775_960_25, 6.893_203_75], 120, 107),
        (8, 0.8, 1.286_028_08, [0.986_334_367, 2.784_556_2, 5.152_181_56], 60, 108),
        (16, 0.8, 1.095_276_22, [0.801_856_445, 2.431_792, 4.734_951_57], 40, 109),
    ] {
        let what = format!("M/M/{servers} at {rho}");
        let run = queue("M/M/c", servers, rho, EXPONENTIAL, minutes, seed).run();
        mean_agrees(&what, &run, mean, 0.0);
        percentiles_agree(&what, &run, percentiles);
    }
    for (servers, rho, mean, minutes, seed) in [
        (1, 0.9, 10.0, 1200, 111),
        (2, 0.9, 5.263_157_89, 600, 112),
        (4, 0.9, 2.969_383_16, 240, 113),
        (4, 0.95, 5.457_094_98, 1200, 114),
        (5, 0.8, 1.554_112_55, 60, 115),
        (8, 0.95, 3.110_421_58, 600, 116),
        (16, 0.95, 1.975_240_58, 240, 117),
        (32, 0.9, 1.143_186_44, 60, 118),
    ] {
        let run = queue("M/M/c", servers, rho, EXPONENTIAL, minutes, seed).run();
        mean_agrees(&format!("M/M/{servers} at {rho}"), &run, mean, 0.0);
    }
}

/// Section 3.4: deterministic and log-normal service.
#[test]
fn other_laws_of_service() {
    for (servers, rho, service, mean, minutes, seed) in [
        (1, 0.5, "1ms", 1.5, 30, 121),
        (1, 0.8, "1ms", 3.0, 120, 122),
        (1, 0.9, "1ms", 5.5, 600, 123),
        (2, 0.8, "1ms", 1.903_283_879, 60, 124),
        (4, 0.5, "1ms", 1.049_651_738_8, 30, 125),
        (4, 0.9, "1ms", 1.999_965_886, 120, 126),
        (8, 0.8, "1ms", 1.151_953_803, 30, 127),
        (1, 0.5, UNEVEN, 3.5, 480, 128),
        (1, 0.8, "{ logNormal: { mean: 1ms, cv2: 1 } }", 5.0, 480, 129),
        (1, 0.8, UNEVEN, 11.0, 2400, 130),
    ] {
        let run = queue("M/G/c", servers, rho, service, minutes, seed).run();
        mean_agrees(&format!("M/{service}/{servers} at {rho}"), &run, mean, 0.0);
    }
}

/// Section 3.4: what a bounded queue turns away, and how long it keeps the rest.
#[test]
fn bounded_queues_turn_away_and_keep() {
    for (servers, capacity, offered, turned_away, sojourn, minutes, seed) in [
        (1, 10, 0.8, 0.023_492_857_6, Some(3.797_097_5), 240, 131),
        (1, 10, 1.2, 0.192_586_495, Some(6.926_137_84), 60, 132),
        (4, 10, 3.2, 0.035_740_722_5, Some(1.374_059_45), 60, 133),
        (4, 10, 4.8, 0.205_472_284, Some(1.864_560_06), 60, 134),
        (4, 20, 3.2, 0.003_403_324_55, Some(1.668_628_15), 720, 135),
        (4, 104, 4.8, 0.166_666_668, Some(24.750_000_2), 120, 136),
        // Erlang B.
        (4, 4, 3.2, 0.228_144_93, None, 30, 137),
        (10, 10, 8.0, 0.121_661_064, None, 30, 138),
        (20, 20, 16.0, 0.064_410_924_8, None, 30, 139),
        (100, 100, 90.0, 0.026_957_380_5, None, 40, 140),
        (4, 4, 6.0, 0.469_565_217, None, 30, 141),
    ] {
        let what = format!("M/M/{servers}/{capacity} of {offered}");
        let one = queue("M/M/c/K", servers, 0.5, EXPONENTIAL, minutes, seed);
        let run = Queue { arrivals: offered, waiting: capacity - servers, ..one }.run();
        let shares: Vec<f64> =
            run.service_minutes.iter().map(|row| row.counts.elb_502 as f64 / row.counts.arrived as f64).collect();
        agrees(&what, "the share turned away", &shares, turned_away);
        mean_agrees(&what, &run, sojourn.unwrap_or(1.0), 0.0);
    }
}

/// Section 3.6: one node before equal tasks.
#[test]
fn one_node_before_equal_tasks() {
    for (count, rho, algorithm, mean, minutes, seed) in [
        (2, 0.5, RANDOM, 2.0, 120, 151),
        (4, 0.8, RANDOM, 5.0, 240, 152),
        (2, 0.5, "round_robin", 1.618_033_99, 60, 153),
        (2, 0.8, "round_robin", 3.843_979_77, 240, 154),
        (2, 0.9, "round_robin", 7.588_283_63, 600, 155),
        (3, 0.8, "round_robin", 3.459_422_85, 120, 156),
        (4, 0.5, "round_robin", 1.432_523_32, 60, 157),
        (4, 0.8, "round_robin", 3.267_383_61, 120, 158),
        (4, 0.9, "round_robin", 6.383_049_52, 480, 159),
        (8, 0.8, "round_robin", 2.979_728_89, 60, 160),
        (10, 0.8, "round_robin", 2.922_269_18, 60, 161),
        (16, 0.8, "round_robin", 2.836_132_45, 60, 162),
        (2, 0.5, LEAST_OUTSTANDING, 1.426_320_8, 60, 163),
        (2, 0.7, LEAST_OUTSTANDING, 2.108_197_3, 90, 164),
        (2, 0.8, LEAST_OUTSTANDING, 2.955_736_6, 240, 165),
        (2, 0.9, LEAST_OUTSTANDING, 5.474_912_8, 600, 166),
        (3, 0.8, LEAST_OUTSTANDING, 2.285_547_6, 120, 167),
        (4, 0.5, LEAST_OUTSTANDING, 1.158_150_6, 60, 168),
        (4, 0.8, LEAST_OUTSTANDING, 1.953_134, 90, 169),
        (4, 0.9, LEAST_OUTSTANDING, 3.240_838, 240, 170),
    ] {
        let run = tasks(count, rho, algorithm, minutes, seed).run();
        mean_agrees(&format!("{algorithm} to {count} at {rho}"), &run, mean, 0.0);
    }
    let run = tasks(4, 0.8, "round_robin", 240, 171).run();
    percentiles_agree("round robin to 4 at .8", &run, [2.264_777_74, 7.523_428_79, 15.046_857_6]);
}

/// Section 3.7 b: each node has a turn and counts of its own.
#[test]
fn several_nodes_drift_towards_random() {
    for (count, nodes, algorithm, mean, known_to, seed) in [
        (4, 2, "round_robin", 3.348, 0.007, 181),
        (4, 4, "round_robin", 3.460, 0.007, 182),
        (4, 8, "round_robin", 3.610, 0.007, 183),
        (4, 16, "round_robin", 3.802, 0.007, 184),
        (4, 64, "round_robin", 4.270, 0.008, 185),
        (10, 3, "round_robin", 3.097, 0.005, 191),
        (10, 1, LEAST_OUTSTANDING, 1.356, 0.001, 192),
    ] {
        let run = Queue { nodes, ..tasks(count, 0.8, algorithm, 120, seed) }.run();
        mean_agrees(&format!("{algorithm} by {nodes} nodes to {count}"), &run, mean, known_to);
    }
    // The independent simulation breaks ties among the fewest at random; here they are taken in turn, by which several
    // nodes meet a little more often.
    for (count, nodes, at_random, seed) in [
        (4, 2, 2.167, 186),
        (4, 4, 2.466, 187),
        (4, 8, 2.862, 188),
        (4, 16, 3.315, 189),
        (4, 64, 4.154, 190),
        (10, 3, 1.924, 193),
    ] {
        let run = Queue { nodes, ..tasks(count, 0.8, LEAST_OUTSTANDING, 120, seed) }.run();
        let (mean, half_width) = batch_means(&sojourns(&run));
        assert!(half_width <= 0.02 * mean, "{nodes} nodes: known only to {half_width}");
        assert!((mean / at_random - 1.0).abs() < 0.05, "{nodes} nodes to {count}: {mean}, at random {at_random}");
    }
}

/// Section 3.7 a: round robin is best where all requests cost the same, least outstanding requests where they do not.
#[test]
fn even_and_uneven_work() {
    for (service, algorithm, mean, known_to, minutes, seed) in [
        ("1ms", RANDOM, 3.003, 0.004, 120, 201),
        ("1ms", "round_robin", 1.3865, 0.0010, 60, 202),
        // With ties taken in turn it is round robin, for what came first ends first; ties at random give 1.4638.
        ("1ms", LEAST_OUTSTANDING, 1.3865, 0.0010, 60, 203),
        (UNEVEN, RANDOM, 11.0, 0.0, 900, 204),
        (UNEVEN, "round_robin", 9.35, 0.08, 900, 205),
        (UNEVEN, LEAST_OUTSTANDING, 3.059, 0.014, 240, 206),
    ] {
        let run = Queue { service, ..tasks(4, 0.8, algorithm, minutes, seed) }.run();
        mean_agrees(&format!("{algorithm}, {service}"), &run, mean, known_to);
    }
}

/// Section 3.4: one task whose requests share its CPU. The mean does not depend on the law of service.
#[test]
fn processor_sharing() {
    for (vcpu, rho, service, mean, percentiles, minutes, seed) in [
        (1, 0.5, EXPONENTIAL, 2.0, Some([1.132_002, 4.833_743, 12.445_54]), 240, 211),
        (1, 0.8, EXPONENTIAL, 5.0, Some([2.351_687, 12.537_89, 36.940_99]), 600, 212),
        (4, 0.8, EXPONENTIAL, 1.745_540_59, Some([1.036_945, 4.111_597, 10.565_36]), 120, 213),
        (1, 0.5, UNEVEN, 2.0, None, 240, 214),
        (1, 0.8, UNEVEN, 5.0, None, 900, 215),
        (1, 0.8, "1ms", 5.0, None, 240, 216),
        (4, 0.8, UNEVEN, 1.745_540_59, None, 240, 217),
        (1, 0.9, EXPONENTIAL, 10.0, None, 1500, 218),
    ] {
        let what = format!("M/{service}/{vcpu}-PS at {rho}");
        let run = Queue { shared_vcpu: Some(vcpu), ..queue("PS", vcpu, rho, service, minutes, seed) }.run();
        mean_agrees(&what, &run, mean, 0.0);
        if let Some(percentiles) = percentiles {
            percentiles_agree(&what, &run, percentiles);
        }
    }
}

/// Section 3.5: so many users who think for nine mean service times; what one task of exponential servers gets done, and
/// how long each request takes. Where requests share the CPU the law of their work does not matter (BCMP).
#[test]
fn closed_loops_of_users() {
    for (users, servers, shared_vcpu, service, throughput, sojourn, minutes, seed) in [
        (5, 1, None, EXPONENTIAL, 0.475_092, 1.524_277_3, 30, 301),
        (10, 1, None, EXPONENTIAL, 0.832_036_77, 3.018_699_6, 60, 302),
        (20, 1, None, EXPONENTIAL, 0.999_383_03, 11.012_347, 30, 303),
        (50, 1, None, EXPONENTIAL, 1.0, 41.0, 30, 304),
        (20, 4, None, EXPONENTIAL, 1.989_460_8, 1.052_975_3, 30, 305),
        (40, 4, None, EXPONENTIAL, 3.649_065_2, 1.961_711_4, 30, 306),
        (60, 4, None, EXPONENTIAL, 3.999_284_2, 6.002_684_9, 30, 307),
        (10, 1, Some(1), EXPONENTIAL, 0.832_036_77, 3.018_699_6, 60, 308),
        (10, 1, Some(1), UNEVEN, 0.832_036_77, 3.018_699_6, 120, 309),
        (40, 4, Some(4), EXPONENTIAL, 3.649_065_2, 1.961_711_4, 30, 310),
    ] {
        let process: &'static str =
            format!("{{ users: {{ count: {users}, thinkTime: {{ exponential: {{ mean: 9ms }} }} }} }}").leak();
        let one = queue("closed", servers, 0.5, service, minutes, seed);
        let run = Queue { process: Some(process), shared_vcpu, ..one }.run();
        let what = format!("{users} users, {servers} servers, {shared_vcpu:?}, {service}");
        mean_agrees(&what, &run, sojourn, 0.0);
        let served: Vec<f64> = run.service_minutes.iter().map(|it| it.counts.served as f64 / 60_000.0).collect();
        agrees(&what, "the throughput", &served, throughput);
        // Little's law for the whole loop: everybody waits or thinks.
        let waits = run.requests[0].response_time_ms.mean.expect("requests were served");
        let per_milli = run.requests[0].counts.served as f64 / (f64::from(minutes) * 60_000.0);
        let there = per_milli * (waits + 9.0);
        assert!((there - f64::from(users)).abs() < 0.02 * f64::from(users), "{what}: {there}");
    }
}
