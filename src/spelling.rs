//! Which name was probably meant, and counts in words.

/// How much a name looks like another that differs from it by two neighbouring letters which have changed places: as much as the
/// longer ones do of which `jaro_winkler` finds that out. Of short names it finds next to nothing alike.
const TRANSPOSED: f64 = 0.95;

/// The name among `known` that `wanted` most looks like, where one does.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = wanted.to_ascii_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for name in known {
        let known = name.to_ascii_lowercase();
        let likeness = strsim::jaro_winkler(&lower, &known);
        let likeness = if is_transposed(&lower, &known) { likeness.max(TRANSPOSED) } else { likeness };
        if likeness > 0.8 && best.is_none_or(|(other, _)| likeness > other) {
            best = Some((likeness, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Whether two names of at least three letters differ by two neighbouring letters that have changed places, and by nothing else.
fn is_transposed(one: &str, other: &str) -> bool {
    one.chars().count() >= 3
        && one.chars().count() == other.chars().count()
        && strsim::osa_distance(one, other) == 1
        && strsim::levenshtein(one, other) == 2
}

/// Whether a name is so near another that it is hardly anything but a slip of it.
pub fn is_slip(wanted: &str, known: &str) -> bool {
    strsim::osa_distance(&wanted.to_ascii_lowercase(), &known.to_ascii_lowercase()) <= 2
}

/// A number with thin groups of three digits.
pub fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let digits = whole.trim_start_matches('-');
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    let sign = if whole.starts_with('-') { "-" } else { "" };
    match fraction {
        Some(fraction) => format!("{sign}{grouped}.{fraction}"),
        None => format!("{sign}{grouped}"),
    }
}

/// So many of something: `1 task`, `3 tasks`.
pub fn plural(count: impl TryInto<u64>, noun: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", number(count as f64, 0)) }
}

/// The form of a verb that goes with so many: `one_or_more(count, "is", "are")`.
pub fn one_or_more<T>(count: impl TryInto<u64>, one: T, more: T) -> T {
    if count.try_into().is_ok_and(|it| it == 1) { one } else { more }
}

/// How often something happened: `once`, `3 times`.
pub fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { plural(count, "time") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (value, decimals, text) in
            [(0.0, 0, "0"), (999.4, 0, "999"), (1234567.0, 0, "1 234 567"), (-1234.5, 1, "-1 234.5")]
        {
            assert_eq!(number(value, decimals), text);
        }
    }

    #[test]
    fn letters_that_changed_places_are_a_near_name() {
        for (wanted, known, near) in [
            ("wbe", &["web", "worker"][..], Some("web")),
            ("ewb", &["web"], Some("web")),
            ("apii", &["api", "app"], Some("api")),
            ("jbo", &["web", "job"], Some("job")),
            ("bew", &["web"], None),
            ("db", &["bd"], None),
            ("web", &["job", "mail"], None),
            ("ordesr", &["orders", "order-desk"], Some("orders")),
            ("desiredCuont", &["desiredCount", "deploymentConfiguration"], Some("desiredCount")),
        ] {
            assert_eq!(nearest(wanted, known.iter().copied()), near, "{wanted}");
        }
    }

    #[test]
    fn counts_have_the_right_number() {
        assert_eq!(
            (plural(1u32, "task"), plural(0u32, "task"), plural(1_200u32, "task")),
            ("1 task".to_owned(), "0 tasks".to_owned(), "1 200 tasks".to_owned())
        );
        assert_eq!((times(1), times(2)), ("once".to_owned(), "2 times".to_owned()));
        assert_eq!((one_or_more(1u32, "is", "are"), one_or_more(2u32, "is", "are")), ("is", "are"));
    }
}
