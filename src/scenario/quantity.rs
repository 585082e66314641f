//! Quantities as people write them: lengths of time, sizes, CPU, rates. Each refusal says what would have been right.

use crate::units::{NANOS_PER_SECOND, Span};

/// A number in plain decimal, optionally with a fraction and an exponent; never NaN, infinite or led by zeros.
pub fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = digits.split(['.', 'e', 'E']).next().unwrap_or("");
    let is_led_by_zero = whole.len() > 1 && whole.starts_with('0');
    let has_digits_only = digits.bytes().all(|it| matches!(it, b'0'..=b'9' | b'.' | b'e' | b'E' | b'-' | b'+'));
    if is_led_by_zero || !has_digits_only || !digits.starts_with(|it: char| it.is_ascii_digit() || it == '.') {
        return None;
    }
    text.parse().ok().filter(|it: &f64| it.is_finite())
}

/// A whole number that is not negative, in plain decimal.
pub fn whole(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|it| it.is_ascii_digit()) && (text.len() == 1 || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

/// A length of time: numbers with units, as in `250ms`, `1h30m` or `1.5s`.
pub fn span(text: &str) -> Result<Span, String> {
    const EXPECTED: &str = "a length of time is written like `250ms`, `30s`, `5m`, `1h30m` or `2d`";
    if number(text).is_some() {
        return Err(format!("`{text}` has no unit: write `{text}s` for seconds; {EXPECTED}"));
    }
    let (mut rest, mut total, mut coarser) = (text.trim(), 0.0, u64::MAX);
    if rest.is_empty() {
        return Err(EXPECTED.to_owned());
    }
    while !rest.is_empty() {
        let (amount, after) = rest.split_at(rest.find(|it: char| it.is_ascii_alphabetic()).unwrap_or(rest.len()));
        let (unit, after) = after.split_at(after.find(|it: char| !it.is_ascii_alphabetic()).unwrap_or(after.len()));
        let nanos = match unit {
            "ns" => 1,
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => NANOS_PER_SECOND,
            "m" | "min" => 60 * NANOS_PER_SECOND,
            "h" => 3_600 * NANOS_PER_SECOND,
            "d" => 86_400 * NANOS_PER_SECOND,
            _ => return Err(format!("`{text}` is not a length of time; {EXPECTED}")),
        };
        let amount = number(amount.trim()).filter(|_| nanos < coarser);
        let Some(amount) = amount else {
            return Err(format!("`{text}` is not a length of time; {EXPECTED}"));
        };
        if amount < 0.0 {
            return Err(format!("`{text}` is negative, and a length of time is not"));
        }
        total += amount * nanos as f64;
        coarser = nanos;
        rest = after.trim_start();
    }
    // Two centuries, well within what 64 bits of nanoseconds hold.
    if total > 200.0 * 366.0 * 86_400e9 { Err(format!("`{text}` is longer than 200 years")) } else { Ok(nanos(total)) }
}

fn nanos(amount: f64) -> Span {
    Span::from_nanos_f64(amount)
}

/// A number and the unit behind it.
fn with_unit(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let (amount, unit) = text.split_at(text.find(|it: char| it.is_ascii_alphabetic()).unwrap_or(text.len()));
    // The exponent of `1e3` is no unit.
    let (amount, unit) = match unit.strip_prefix(['e', 'E']) {
        Some(after) if after.starts_with(|it: char| it.is_ascii_digit() || it == '-' || it == '+') => {
            let end = 1 + after.find(|it: char| it != '-' && it != '+' && !it.is_ascii_digit()).unwrap_or(after.len());
            text.split_at(amount.len() + end)
        }
        _ => (amount, unit),
    };
    Some((number(amount.trim())?, unit.trim()))
}

/// Memory of a task or container in MiB, as the ECS API takes it: `512`, or `0.5 GB` where a GB is 1024 MiB.
pub fn task_memory(text: &str) -> Result<u32, String> {
    const EXPECTED: &str = "memory is written in MiB (`512`) or as `0.5 GB`, which ECS takes for 512 MiB";
    match with_unit(text) {
        Some((mib, "")) if mib.fract() == 0.0 => within_u32(mib),
        Some((gb, unit)) if unit.eq_ignore_ascii_case("gb") => within_u32((gb * 1024.0).round()),
        Some((mib, "MiB")) => within_u32(mib.round()),
        Some((gib, "GiB")) => within_u32((gib * 1024.0).round()),
        _ => None,
    }
    .ok_or_else(|| format!("`{text}` is not an amount of memory; {EXPECTED}"))
}

/// CPU units of a task, as the ECS API takes them: `256`, or `.25 vCPU` where a vCPU is 1024 units.
pub fn task_cpu(text: &str) -> Result<u32, String> {
    const EXPECTED: &str = "CPU is written in units (`256`) or as `.25 vCPU`; a vCPU is 1024 units";
    match with_unit(text) {
        Some((units, "")) if units.fract() == 0.0 => within_u32(units),
        Some((vcpu, unit)) if unit.eq_ignore_ascii_case("vcpu") => within_u32((vcpu * 1024.0).round()),
        _ => None,
    }
    .ok_or_else(|| format!("`{text}` is not an amount of CPU; {EXPECTED}"))
}

fn within_u32(amount: f64) -> Option<u32> {
    // A float of this range converts exactly.
    (0.0..=f64::from(u32::MAX)).contains(&amount).then_some(amount as u32)
}

/// Memory of a process in MiB: `200MiB`, `1.5GiB`.
pub fn memory_mib(text: &str) -> Result<f64, String> {
    match with_unit(text) {
        Some((amount, "KiB")) if amount >= 0.0 => Ok(amount / 1024.0),
        Some((amount, "MiB")) if amount >= 0.0 => Ok(amount),
        Some((amount, "GiB")) if amount >= 0.0 => Ok(amount * 1024.0),
        _ => Err(format!("`{text}` is not an amount of memory; here it is written like `200MiB` or `1.5GiB`")),
    }
}

/// Size of a file in megabytes (10^6 bytes): `120MB`, `1.2GB`, `100MiB`.
pub fn size_mb(text: &str) -> Result<f64, String> {
    match with_unit(text) {
        Some((amount, "kB" | "KB")) if amount >= 0.0 => Ok(amount / 1e3),
        Some((amount, "MB")) if amount >= 0.0 => Ok(amount),
        Some((amount, "GB")) if amount >= 0.0 => Ok(amount * 1e3),
        Some((amount, "MiB")) if amount >= 0.0 => Ok(amount * 1_048_576.0 / 1e6),
        Some((amount, "GiB")) if amount >= 0.0 => Ok(amount * 1_073_741_824.0 / 1e6),
        _ => Err(format!("`{text}` is not a size; a size is written like `120MB` or `1.2GB`")),
    }
}

/// A rate in requests a second: `100`, `100/s`, `6000/min` or `360000/h`.
pub fn rate(text: &str) -> Result<f64, String> {
    const EXPECTED: &str = "a rate is written like `100/s`, `6000/min` or `360000/h`; a bare number is per second";
    let (amount, per) = text.split_once('/').unwrap_or((text, "s"));
    let seconds = match per.trim() {
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3_600.0,
        _ => return Err(format!("`{text}` is not a rate; {EXPECTED}")),
    };
    match number(amount.trim()) {
        Some(amount) if amount < 0.0 => Err(format!("`{text}` is negative, and a rate of requests is not")),
        Some(amount) => Ok(amount / seconds),
        None => Err(format!("`{text}` is not a rate; {EXPECTED}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_numbers_with_units() {
        for (text, nanos) in [
            ("250ms", 250_000_000),
            ("1h30m", 5_400 * NANOS_PER_SECOND),
            ("1h 30m", 5_400 * NANOS_PER_SECOND),
            ("1.5s", 1_500_000_000),
            ("2d", 172_800 * NANOS_PER_SECOND),
            ("10min", 600 * NANOS_PER_SECOND),
            ("0s", 0),
            ("12us5ns", 12_005),
        ] {
            assert_eq!(span(text), Ok(Span(nanos)), "{text}");
        }
        for text in ["", "30", "s", "-5s", "5 parsecs", "5m5m", "5s1h", "nans", "1e400s", "1e300d", "010s", "5,5s"] {
            assert!(span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn we_5_cpu_and_memory_with_units() {
        for (text, units) in [("1 vCPU", 1024), (".5 vCPU", 512), ("256", 256), ("0.25 vcpu", 256)] {
            assert_eq!(task_cpu(text), Ok(units), "{text}");
        }
        for (text, mib) in [("2 GB", 2048), ("2GB", 2048), ("0.5 gb", 512), ("300", 300), ("1GiB", 1024)] {
            assert_eq!(task_memory(text), Ok(mib), "{text}");
        }
        for text in ["", "vCPU", "-1", "1.5", "1 GB", "1e99", "0x10", "NaN"] {
            assert!(task_cpu(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_become_requests_a_second() {
        for (text, rate_per_second) in
            [("100", 100.0), ("100/s", 100.0), ("6000/min", 100.0), ("1e3/s", 1000.0), ("360000/h", 100.0)]
        {
            assert_eq!(rate(text), Ok(rate_per_second), "{text}");
        }
        for text in ["-1", "inf", ".nan", "1/d", "1/ms", "fast", "010", "1_000", "{{ rate }}"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_tell_decimal_from_binary() {
        assert_eq!(size_mb("120MB"), Ok(120.0));
        assert_eq!(size_mb("1.2GB"), Ok(1200.0));
        assert_eq!(size_mb("100MiB"), Ok(104.857_6));
        assert_eq!(memory_mib("1.5GiB"), Ok(1536.0));
        assert!(memory_mib("200MB").is_err());
        assert!(size_mb("120").is_err());
    }

    #[test]
    fn numbers_are_plain_decimals() {
        for (text, value) in [("1", 1.0), ("-0.5", -0.5), ("75.0", 75.0), ("1e3", 1000.0), (".5", 0.5), ("0", 0.0)] {
            assert_eq!(number(text), Some(value), "{text}");
        }
        for text in ["010", "0x10", "nan", ".nan", "inf", "1_000", "", "-", "1e999", "--1", "e5", "1 "] {
            assert_eq!(number(text), None, "{text}");
        }
        assert_eq!(whole("0"), Some(0));
        assert_eq!((whole("010"), whole("1e3"), whole("-1"), whole("")), (None, None, None, None));
    }
}
