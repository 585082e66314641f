//! Scheduled actions and schedules of EventBridge: `at`, `rate` and AWS's `cron`, with time zones.

use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::aws::auto_scaling_group::AutoScalingGroup;
use crate::aws::scaling_policy::ScalableTarget;
use crate::table::Id;
use crate::units::{Instant, Span};

/// A scheduled action of Application Auto Scaling.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledAction {
    /// Name.
    pub name: String,
    /// What it scales.
    pub target: Id<ScalableTarget>,
    /// When it runs within the simulated time: instants, in order. Computed when the scenario is read.
    pub times: Vec<Instant>,
    /// The schedule as written.
    pub schedule: String,
    /// `MinCapacity`, where given.
    pub min_capacity: Option<u32>,
    /// `MaxCapacity`, where given.
    pub max_capacity: Option<u32>,
}

/// A scheduled action of an Auto Scaling group: `PutScheduledUpdateGroupAction`.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupScheduledAction {
    /// Name.
    pub name: String,
    /// The group.
    pub auto_scaling_group: Id<AutoScalingGroup>,
    /// When it runs within the simulated time: instants, in order. Computed when the scenario is read.
    pub times: Vec<Instant>,
    /// `MinSize`, where given.
    pub min_size: Option<u32>,
    /// `MaxSize`, where given.
    pub max_size: Option<u32>,
    /// `DesiredCapacity`, where given.
    pub desired_capacity: Option<u32>,
}

/// The name of a time zone, where it is one.
///
/// # Errors
/// Says that it is none.
pub fn time_zone(name: &str) -> Result<String, String> {
    zone_of(name).map(|_| name.to_owned())
}

fn zone_of(name: &str) -> Result<TimeZone, String> {
    TimeZone::get(name).map_err(|_| format!("`{name}` is no time zone; an IANA name such as Europe/Berlin is"))
}

/// A time that is not written as AWS writes it, or cannot be.
fn expected(schedule: &str) -> String {
    format!(
        "`{schedule}` is no schedule: at(yyyy-mm-ddThh:mm:ss), rate(VALUE UNIT) or cron(MIN HOUR DAY MONTH WEEKDAY YEAR) is"
    )
}

/// When a schedule falls within a run that begins at the UTC second `start_unix` and lasts `duration`, in order.
///
/// `timezone` is an IANA name (UTC where absent) and applies to `at` and `cron`; `active` are StartTime and EndTime in UTC
/// seconds; a recurrence runs at its StartTime, too (*Scheduled scaling*). A local time that does not exist runs at the first
/// instant after; one that comes twice runs once.
///
/// # Errors
/// Says what is wrong with the schedule or the zone.
pub fn occurrences(
    schedule: &str,
    timezone: Option<&str>,
    start_unix: i64,
    duration: Span,
    active: (Option<i64>, Option<i64>),
) -> Result<Vec<Instant>, String> {
    let zone = zone_of(timezone.unwrap_or("UTC"))?;
    let end_unix = start_unix + (duration.0 / Span::SECOND.0) as i64;
    let (word, inside) = schedule
        .strip_suffix(')')
        .and_then(|it| it.split_once('('))
        .map(|(word, inside)| (word.trim(), inside.trim()))
        .ok_or_else(|| expected(schedule))?;
    let seconds: Vec<i64> = match word {
        "at" => vec![at_second(inside, &zone).map_err(|()| expected(schedule))?],
        "rate" => {
            let every = rate_seconds(inside).ok_or_else(|| expected(schedule))?;
            let first = active.0.unwrap_or(start_unix);
            let begin =
                if first >= start_unix { first } else { first + (start_unix - first + every - 1) / every * every };
            (0..).map(|n| begin + n * every).take_while(|&it| it < end_unix).collect()
        }
        "cron" => from_start_time(active.0, cron_seconds(inside, &zone, start_unix, end_unix)?),
        _ => return Err(expected(schedule)),
    };
    let begins = active.0.unwrap_or(i64::MIN).max(start_unix);
    let ends = active.1.unwrap_or(i64::MAX).min(end_unix);
    Ok(seconds
        .into_iter()
        .filter(|&it| it >= begins && it < ends)
        .map(|it| Instant((it - start_unix) as u64 * Span::SECOND.0))
        .collect())
}

/// When a scheduled action of a group falls within a run, in order: at its StartTime where there is one, and after that by a
/// `Recurrence` of Unix's five fields (0 or 7 is Sunday). Else as [`occurrences`].
///
/// # Errors
/// Says what is wrong with the recurrence or the zone.
pub fn group_occurrences(
    recurrence: Option<&str>,
    time_zone: Option<&str>,
    start_unix: i64,
    duration: Span,
    active: (Option<i64>, Option<i64>),
) -> Result<Vec<Instant>, String> {
    let end_unix = start_unix + (duration.0 / Span::SECOND.0) as i64;
    let zone = zone_of(time_zone.unwrap_or("UTC"))?;
    let seconds = match recurrence {
        None => active.0.into_iter().collect(),
        Some(recurrence) => {
            let fields = recurrence.split_whitespace().count();
            if fields != 5 {
                return Err(format!(
                    "`{recurrence}` has {fields} fields; five are expected: minutes hours day-of-month month day-of-week"
                ));
            }
            let cron = CronParser::builder()
                .seconds(Seconds::Disallowed)
                .year(Year::Disallowed)
                .build()
                .parse(recurrence)
                .map_err(|error| format!("`{recurrence}`: {error}"))?;
            from_start_time(active.0, seconds_of(&cron, &zone, start_unix, end_unix)?)
        }
    };
    let begins = active.0.unwrap_or(i64::MIN).max(start_unix);
    let ends = active.1.unwrap_or(i64::MAX).min(end_unix);
    let within = seconds.into_iter().filter(|&it| it >= begins && it < ends);
    Ok(within.map(|it| Instant((it - start_unix) as u64 * Span::SECOND.0)).collect())
}

/// When a rule or schedule of EventBridge falls within a run, in order: `ScheduleExpression`, by its own grammar.
///
/// `active` are StartDate and EndDate in UTC seconds, the former being the first time of a `rate`. EventBridge Scheduler goes by the
/// wall clock of `timezone`: a local time that does not exist is skipped, and one that comes twice counts once (*Schedule types*).
///
/// # Errors
/// Says what is wrong with the expression or the zone.
pub fn event_bridge_occurrences(
    expression: &str,
    timezone: Option<&str>,
    start_unix: i64,
    duration: Span,
    active: (Option<i64>, Option<i64>),
) -> Result<Vec<Instant>, String> {
    check_event_bridge(expression)?;
    let inside = expression.trim().strip_prefix("cron(").and_then(|it| it.strip_suffix(')'));
    let Some(inside) = inside else {
        return occurrences(expression, timezone, start_unix, duration, active);
    };
    let zone = zone_of(timezone.unwrap_or("UTC"))?;
    let end_unix = start_unix + (duration.0 / Span::SECOND.0) as i64;
    // No zone is farther from UTC than a day.
    const DAY: i64 = 86_400;
    let on_the_clock = cron_seconds(inside, &TimeZone::UTC, start_unix - DAY, end_unix + DAY)?;
    let second_of = |civil: i64| {
        let time = Timestamp::from_second(civil).ok()?.to_zoned(TimeZone::UTC).datetime();
        let ambiguous = zone.to_ambiguous_zoned(time);
        let exists = !matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
        exists.then(|| ambiguous.compatible().ok()).flatten().map(|it| it.timestamp().as_second())
    };
    let begins = active.0.unwrap_or(i64::MIN).max(start_unix);
    let ends = active.1.unwrap_or(i64::MAX).min(end_unix);
    let within = on_the_clock.into_iter().filter_map(second_of).filter(|it| *it >= begins && *it < ends);
    Ok(within.map(|it| Instant((it - start_unix) as u64 * Span::SECOND.0)).collect())
}

/// What EventBridge insists on, and Application Auto Scaling does not.
fn check_event_bridge(expression: &str) -> Result<(), String> {
    let inside_of = |word: &str| expression.trim().strip_prefix(word)?.strip_suffix(')');
    if let Some((value, unit)) = inside_of("rate(").and_then(|it| it.trim().split_once(' ')) {
        let (value, unit) = (value.trim(), unit.trim());
        let (one, several) = (unit.trim_end_matches('s'), format!("{}s", unit.trim_end_matches('s')));
        let right = if value == "1" { one } else { several.as_str() };
        if right != unit && ["minute", "hour", "day"].contains(&one) {
            return Err(format!("`rate({value} {unit})` is `rate({value} {right})` to EventBridge"));
        }
    }
    if let Some(inside) = inside_of("cron(") {
        let fields: Vec<&str> = inside.split_whitespace().collect();
        if let [_, _, day, _, weekday, _] = fields.as_slice()
            && (*day == "?") == (*weekday == "?")
        {
            return Err(format!(
                "cron({inside}) must have `?` as the day of the month or as the day of the week, and not as both"
            ));
        }
        if fields.len() == 7 {
            return Err(format!("cron({inside}) has 7 fields; EventBridge has six, and none for seconds"));
        }
    }
    Ok(())
}

/// What recurs runs at its StartTime first, whatever the recurrence says of that second.
fn from_start_time(start_time: Option<i64>, mut seconds: Vec<i64>) -> Vec<i64> {
    if let Some(first) = start_time {
        seconds.retain(|it| *it > first);
        seconds.insert(0, first);
    }
    seconds
}

fn at_second(text: &str, zone: &TimeZone) -> Result<i64, ()> {
    let civil: DateTime = text.parse().map_err(|_| ())?;
    let ambiguous = zone.to_ambiguous_zoned(civil);
    let is_gap = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
    let instant = ambiguous.compatible().map_err(|_| ())?.timestamp();
    // The clock jumped over it: the instant at which it jumped is the first that exists.
    let jump = zone.preceding(instant).next().filter(|_| is_gap);
    Ok(jump.map_or(instant, |it| it.timestamp()).as_second())
}

fn rate_seconds(text: &str) -> Option<i64> {
    let (value, unit) = text.split_once(char::is_whitespace)?;
    let value: i64 = value.parse().ok().filter(|&it| it > 0)?;
    let seconds = match unit.trim() {
        "minute" | "minutes" => 60,
        "hour" | "hours" => 3600,
        "day" | "days" => 86_400,
        _ => return None,
    };
    value.checked_mul(seconds)
}

/// Whether a schedule of Application Auto Scaling is a `cron` that writes days of the week as numbers. AWS contradicts itself about
/// these: EventBridge's grammar has 1 for Sunday, and an example of *Scheduled scaling using cron expressions* 2 for Tuesday.
pub fn numbers_days_of_the_week(schedule: &str) -> bool {
    let Some(inside) = schedule.trim().strip_prefix("cron(").and_then(|it| it.strip_suffix(')')) else { return false };
    let fields: Vec<&str> = inside.split_whitespace().collect();
    let days = if fields.len() == 7 { fields.get(5) } else { fields.get(4) };
    let is_number = |item: &str| {
        // What stands behind is the step, or which of the month's it is.
        let day = item.split(['/', '#']).next().unwrap_or_default();
        day.contains(|it: char| it.is_ascii_digit())
    };
    days.is_some_and(|it| it.split(',').any(is_number))
}

fn cron_seconds(text: &str, zone: &TimeZone, start_unix: i64, end_unix: i64) -> Result<Vec<i64>, String> {
    let mut fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() == 7 {
        // Seconds may lead, and are not kept to: an action runs within the minute.
        fields.remove(0);
    }
    if fields.len() != 6 {
        return Err(format!(
            "cron({text}) has {} fields; six are expected: minutes hours day-of-month month day-of-week year",
            fields.len()
        ));
    }
    if let Some(error) = out_of_bounds(&fields) {
        return Err(format!("cron({text}): {error}"));
    }
    // The last day of a week is Saturday; the parser knows `L` of a month only.
    if fields[4].eq_ignore_ascii_case("L") {
        fields[4] = "SAT";
    }
    let cron = CronParser::builder()
        .seconds(Seconds::Required)
        .year(Year::Required)
        .alternative_weekdays(true)
        .sloppy_ranges(true)
        .dom_and_dow(fields[2] != "?" && fields[2] != "*" && fields[4] != "?" && fields[4] != "*")
        .build()
        .parse(&format!("0 {}", unwrapped(&fields).join(" ")))
        .map_err(|error| format!("cron({text}): {error}"))?;
    seconds_of(&cron, zone, start_unix, end_unix)
}

/// The first number that its field does not have, in words; steps, and which of the month's a day of the week is, are left to the parser.
fn out_of_bounds(fields: &[&str]) -> Option<String> {
    const BOUNDS: [(&str, u32, u32); 6] = [
        ("minute", 0, 59),
        ("hour", 0, 23),
        ("day of the month", 1, 31),
        ("month", 1, 12),
        ("day of the week", 1, 7),
        ("year", 1970, 2199),
    ];
    fields.iter().zip(BOUNDS).find_map(|(field, (name, least, most))| {
        let values = field.split(',').filter_map(|it| it.split(['/', '#']).next()).flat_map(|it| it.split('-'));
        let mut numbers = values.filter_map(|it| it.trim_end_matches(['L', 'W']).parse::<u32>().ok());
        let number = numbers.find(|it| !(least..=most).contains(it))?;
        Some(format!("{number} is no {name}, which goes from {least} to {most}"))
    })
}

/// The fields with ranges that wrap, as `20-2` of hours, written out value by value, which the parser does not know otherwise.
fn unwrapped(fields: &[&str]) -> Vec<String> {
    const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
    const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
    let values: [(u32, u32, &[&str]); 5] = [(0, 59, &[]), (0, 23, &[]), (1, 31, &[]), (1, 12, &MONTHS), (1, 7, &DAYS)];
    let written_out = |item: &str, (least, most, names): (u32, u32, &[&str])| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let number = |text: &str| {
            let named = names.iter().position(|it| it.eq_ignore_ascii_case(text)).map(|it| it as u32 + least);
            named.or_else(|| text.parse().ok()).filter(|it| (least..=most).contains(it))
        };
        let (from, to) = range.split_once('-')?;
        let (from, to, step) = (number(from)?, number(to)?, step.parse::<u32>().ok().filter(|it| *it > 0)?);
        let count = most - least + 1;
        let within = |it: u32| least + (it - least) % count;
        let values = (from..=to + count).step_by(step as usize).map(|it| within(it).to_string());
        (from > to).then(|| values.collect::<Vec<_>>().join(","))
    };
    let field = |(place, text): (usize, &&str)| match values.get(place) {
        Some(range) => {
            let items = text.split(',').map(|it| written_out(it, *range).unwrap_or_else(|| it.to_owned()));
            items.collect::<Vec<_>>().join(",")
        }
        None => (*text).to_owned(),
    };
    fields.iter().enumerate().map(field).collect()
}

fn seconds_of(cron: &croner::Cron, zone: &TimeZone, start_unix: i64, end_unix: i64) -> Result<Vec<i64>, String> {
    let begin = Timestamp::from_second(start_unix).map_err(|error| error.to_string())?.to_zoned(zone.clone());
    let mut seconds = Vec::new();
    let mut from = begin;
    let mut inclusive = true;
    while let Ok(next) = cron.find_next_occurrence(&from, inclusive) {
        let second = next.timestamp().as_second();
        if second >= end_unix {
            break;
        }
        // A local time that comes twice, when the clock goes back, counts once.
        if seconds.last().is_none_or(|&last| last < second) {
            seconds.push(second);
        }
        from = next;
        inclusive = false;
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// *Scheduled scaling*: five fields of Unix, in which 2 is a Tuesday.
    #[test]
    fn groups_have_the_five_fields_of_unix() {
        let start = unix("2026-01-05T00:00:00Z");
        let at = |recurrence, zone, from| {
            let times = group_occurrences(recurrence, zone, start, Span::seconds(7 * 86_400), (from, None));
            times.map(|it| it.iter().map(|it| it.as_seconds() as i64 / 3600).collect::<Vec<_>>())
        };
        assert_eq!(at(Some("0 8 * * 2"), None, None), Ok(vec![32]), "the 5th of January 2026 is a Monday");
        assert_eq!(at(Some("0 8 * * 1-5"), Some("America/New_York"), None), Ok(vec![13, 37, 61, 85, 109]));
        assert_eq!(
            at(Some("0 8 * * *"), None, Some(start + 5 * 86_400)),
            Ok(vec![120, 128, 152]),
            "at StartTime, and then by the recurrence"
        );
        assert_eq!(at(None, None, Some(start + 7_200)), Ok(vec![2]));
        assert!(at(Some("0 8 * * ? *"), None, None).is_err());
    }

    /// *Schedule types on EventBridge Scheduler*: what the clock jumps over is skipped, and what it shows twice counts once.
    #[test]
    fn event_bridge_goes_by_the_wall_clock() {
        let at = |expression: &str, start: &str, hours: u64| {
            let start = unix(start);
            let zone = Some("Europe/Berlin");
            let times = event_bridge_occurrences(expression, zone, start, Span::seconds(hours * 3600), (None, None));
            let text =
                |it: &Instant| Timestamp::from_second(start + it.as_seconds() as i64).expect("in range").to_string();
            times.expect("it is sound").iter().map(text).collect::<Vec<_>>()
        };
        // 2026-03-29 at 2:00 the clock goes to 3:00, and on 2026-10-25 at 3:00 back to 2:00.
        let half_past_two = "cron(30 2 * * ? *)";
        assert_eq!(at(half_past_two, "2026-03-28T00:00:00Z", 72), ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"]);
        assert_eq!(
            at(half_past_two, "2026-10-24T00:00:00Z", 72),
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        assert_eq!(
            at("cron(0 22 * * ? *)", "2026-03-28T12:00:00Z", 48),
            ["2026-03-28T21:00:00Z", "2026-03-29T20:00:00Z"]
        );
        // A rate of a day is 24 hours, whatever the clock does.
        assert_eq!(at("rate(1 day)", "2026-03-28T12:00:00Z", 49).len(), 3);
        assert_eq!(at("at(2026-03-28T22:15:00)", "2026-03-28T12:00:00Z", 48), ["2026-03-28T21:15:00Z"]);
    }

    #[test]
    fn event_bridge_has_a_grammar_of_its_own() {
        let refused = |expression: &str| {
            event_bridge_occurrences(expression, None, 0, Span::seconds(3600), (None, None)).expect_err(expression)
        };
        assert_eq!(refused("rate(1 hours)"), "`rate(1 hours)` is `rate(1 hour)` to EventBridge");
        assert_eq!(refused("rate(5 minute)"), "`rate(5 minute)` is `rate(5 minutes)` to EventBridge");
        for cron in
            ["cron(0 8 * * * *)", "cron(0 8 ? * ? *)", "cron(0 0 8 * * ? *)", "cron(0 8 * * ?)", "rate(2 weeks)"]
        {
            assert!(!refused(cron).is_empty());
        }
    }

    fn unix(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a timestamp").as_second()
    }

    fn times(schedule: &str, zone: Option<&str>, start: &str, hours: u64) -> Vec<String> {
        let start = unix(start);
        occurrences(schedule, zone, start, Span::seconds(hours * 3600), (None, None))
            .expect("the schedule is sound")
            .into_iter()
            .map(|it| Timestamp::from_second(start + it.as_seconds() as i64).expect("in range").to_string())
            .collect()
    }

    #[test]
    fn w24_cron() {
        // 2026-03-06 is a Friday.
        assert_eq!(
            times("cron(0 18 ? * MON-FRI *)", None, "2026-03-06T00:00:00Z", 96),
            ["2026-03-06T18:00:00Z", "2026-03-09T18:00:00Z"]
        );
        assert_eq!(times("cron(0/15 * * * ? *)", None, "2026-03-06T00:00:00Z", 2).len(), 8);
        let work = times("cron(0/5 8-17 ? * MON-FRI *)", None, "2026-03-06T00:00:00Z", 24);
        assert_eq!(
            (work.len(), work[0].as_str(), work[119].as_str()),
            (120, "2026-03-06T08:00:00Z", "2026-03-06T17:55:00Z")
        );
        assert_eq!(
            times("cron(15 10 ? * 6L 2019-2022)", None, "2022-01-01T00:00:00Z", 31 * 24),
            ["2022-01-28T10:15:00Z"]
        );
    }

    #[test]
    fn w24_new_york_keeps_its_wall_clock() {
        let eight = "cron(0 8 * * ? *)";
        let zone = Some("America/New_York");
        assert_eq!(times(eight, zone, "2026-01-15T00:00:00Z", 24), ["2026-01-15T13:00:00Z"]);
        assert_eq!(times(eight, zone, "2026-07-15T00:00:00Z", 24), ["2026-07-15T12:00:00Z"]);
    }

    /// 2.7: the wildcards of each field, a range that wraps, numbers of days (1 is Sunday), and a seventh field of seconds.
    #[test]
    fn the_grammar_of_event_bridge() {
        let days = |cron: &str| {
            let times = times(cron, None, "2026-03-01T00:00:00Z", 31 * 24);
            times.iter().map(|it| it[8..10].parse::<u32>().expect("a day")).collect::<Vec<_>>()
        };
        assert_eq!(days("cron(0 8 L * ? *)"), [31], "the last day");
        assert_eq!(days("cron(0 8 1W * ? *)"), [2], "the 1st is a Sunday");
        assert_eq!(days("cron(0 8 ? * 6L *)"), [27], "the last Friday");
        assert_eq!(days("cron(0 8 ? * 3#2 *)"), [10], "the second Tuesday");
        assert_eq!(days("cron(0 8 ? * 1 *)"), [1, 8, 15, 22, 29], "1 is Sunday");
        assert_eq!(days("cron(0 8 ? * L *)"), [7, 14, 21, 28], "the last day of the week");
        assert_eq!(days("cron(0 8 * * 3 *)"), [3, 10, 17, 24, 31], "a star for `?` is taken");
        assert_eq!(days("cron(0 8 5,7 MAR ? *)"), [5, 7]);
        assert_eq!(days("cron(30 0 8 5 3 ? 2026)"), [5], "seconds are not kept to");
        let nights = times("cron(0 20-2 * * ? *)", None, "2026-03-01T00:00:00Z", 24);
        let hours: Vec<&str> = nights.iter().map(|it| &it[11..13]).collect();
        assert_eq!(hours, ["00", "01", "02", "20", "21", "22", "23"]);
        assert_eq!(days("cron(0 8 ? * SAT-MON *)"), [1, 2, 7, 8, 9, 14, 15, 16, 21, 22, 23, 28, 29, 30]);
    }

    #[test]
    fn numbers_of_days_of_the_week_are_found() {
        for schedule in ["cron(30 6 * * 2 *)", "cron(0 8 ? * MON,3 *)", "cron(0 8 ? * 6L *)", "cron(0 0 8 ? * 3#2 *)"] {
            assert!(numbers_days_of_the_week(schedule), "{schedule}");
        }
        for schedule in [
            "cron(0 8 ? * TUE#2 *)",
            "cron(0 8 * * ? *)",
            "cron(0 8 ? * MON-FRI *)",
            "cron(0 0 8 1 3 ? 2026)",
            "rate(2 days)",
        ] {
            assert!(!numbers_days_of_the_week(schedule), "{schedule}");
        }
    }

    /// 2.7: New York's clocks go from 02:00 to 03:00 on 2026-03-08, and from 02:00 back to 01:00 on 2026-11-01.
    #[test]
    fn times_that_do_not_exist_run_after_and_those_that_come_twice_once() {
        let zone = Some("America/New_York");
        for schedule in ["at(2026-03-08T02:30:00)", "cron(30 2 * * ? *)"] {
            assert_eq!(times(schedule, zone, "2026-03-08T05:00:00Z", 12), ["2026-03-08T07:00:00Z"], "{schedule}");
        }
        for schedule in ["at(2026-11-01T01:30:00)", "cron(30 1 * * ? *)"] {
            assert_eq!(times(schedule, zone, "2026-11-01T04:00:00Z", 12), ["2026-11-01T05:30:00Z"], "{schedule}");
        }
    }

    /// 2.7: a recurrence with a StartTime runs then, too; one that lies before the run does so no more.
    #[test]
    fn a_recurrence_runs_at_its_start_time_first() {
        let start = unix("2026-03-06T00:00:00Z");
        let hours = |from| {
            let times = occurrences("cron(0 8 * * ? *)", None, start, Span::seconds(2 * 86_400), (Some(from), None));
            times.expect("sound").into_iter().map(|it| it.as_seconds() / 3600.0).collect::<Vec<_>>()
        };
        assert_eq!(hours(start + 6 * 3600), [6.0, 8.0, 32.0]);
        assert_eq!(hours(start + 8 * 3600), [8.0, 32.0], "not twice");
        assert_eq!(hours(start - 3600), [8.0, 32.0]);
    }

    #[test]
    fn at_and_rate() {
        let at = "at(2026-11-27T05:00:00)";
        assert_eq!(times(at, Some("America/New_York"), "2026-11-27T09:30:00Z", 4), ["2026-11-27T10:00:00Z"]);
        assert_eq!(times(at, None, "2026-11-27T09:30:00Z", 4), [""; 0]);
        assert_eq!(
            times("rate(20 minutes)", None, "2026-03-06T00:00:00Z", 1),
            ["2026-03-06T00:00:00Z", "2026-03-06T00:20:00Z", "2026-03-06T00:40:00Z"]
        );
    }

    #[test]
    fn a_window_cuts_a_recurrence() {
        let start = unix("2026-03-06T00:00:00Z");
        let active = (Some(start + 600), Some(start + 1800));
        let times = occurrences("rate(10 minutes)", None, start, Span::seconds(3600), active).expect("sound");
        assert_eq!(times, [Instant(600 * Span::SECOND.0), Instant(1200 * Span::SECOND.0)]);
    }

    #[test]
    fn nonsense_is_refused() {
        for schedule in
            ["cron(0 18)", "every day", "rate(0 minutes)", "rate(5 fortnights)", "at(tomorrow)", "cron(99 * * * ? *)"]
        {
            assert!(occurrences(schedule, None, 0, Span::seconds(60), (None, None)).is_err(), "{schedule}");
        }
        let out_of_bounds = [
            ("cron(61 2 * * ? *)", "61 is no minute, which goes from 0 to 59"),
            ("cron(0 2-25 * * ? *)", "25 is no hour, which goes from 0 to 23"),
            ("cron(0 2 ? * 0 *)", "0 is no day of the week, which goes from 1 to 7"),
        ];
        for (schedule, words) in out_of_bounds {
            let error = occurrences(schedule, None, 0, Span::SECOND, (None, None)).expect_err(schedule);
            assert!(error.ends_with(words), "{error}");
        }
        assert!(occurrences("rate(1 day)", Some("Mars/Olympus"), 0, Span::SECOND, (None, None)).is_err());
    }
}
