//! Host ports that nobody named: where the bridge finds them.
//!
//! Follows `PortMapping` of the API reference (2026): ports from the instance's `ip_local_port_range`, else from 49153 (Windows: 49152) to 65535,
//! and for a `containerPortRange` as many in a row.

/// The last port of the ephemeral range; its first is [`OperatingSystemFamily::first_ephemeral_port`].
///
/// [`OperatingSystemFamily::first_ephemeral_port`]: crate::aws::operating_system::OperatingSystemFamily::first_ephemeral_port
pub const LAST_EPHEMERAL_PORT: u16 = 65_535;

/// The first of `count` free ports in a row, looked for from `from` on and then from `start`, the beginning of the range, as Docker
/// does.
pub fn choose_ports(count: u16, (start, from): (u16, u16), is_free: impl Fn(u16) -> bool) -> Option<u16> {
    let search = |from: u16| {
        let mut free = 0;
        (from..=LAST_EPHEMERAL_PORT).find(|&port| {
            free = if is_free(port) { free + 1 } else { 0 };
            free == count
        })
    };
    let last = search(from.max(start)).or_else(|| search(start))?;
    Some(last - (count - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_taken_in_turn_and_the_range_has_an_end() {
        assert_eq!(choose_ports(1, (49_153, 0), |_| true), Some(49_153));
        assert_eq!(choose_ports(1, (49_152, 0), |_| true), Some(49_152), "on Windows");
        assert_eq!(choose_ports(1, (49_153, 50_000), |it| it != 50_000), Some(50_001));
        assert_eq!(choose_ports(3, (49_153, 65_534), |_| true), Some(49_153), "three do not fit at the end");
        assert_eq!(choose_ports(1, (49_153, 65_535), |it| it == 49_200), Some(49_200));
        assert_eq!(choose_ports(16_383, (49_153, 60_000), |_| true), Some(49_153), "the whole range");
        assert_eq!(choose_ports(16_384, (49_153, 49_153), |_| true), None);
        assert_eq!(choose_ports(2, (49_153, 49_153), |it| it % 2 == 0), None);
    }
}
