//! Traces of tasks: when each was asked for, what it needs and how long it runs, from a CSV file.
//!
//! The file has a header and a row for each task: `arrival_s`, seconds from the trace's begin on; `cpu_units` (1024 are one
//! vCPU) and `memory_mib`, where they differ from the task definition's; `run_time_s`, or `duration_min_s` and
//! `duration_max_s` where the source knows no more than between what it lies; `censored`, 1 where the task still ran when
//! the trace ended. Further columns are left alone.

use crate::units::Span;
use crate::workload::task_calls::RunTime;
use crate::workload::trace::BadTrace;

/// A task of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TracedTask {
    /// When, from the trace's begin on.
    pub at: Span,
    /// CPU units.
    pub cpu: Option<u32>,
    /// MiB.
    pub memory: Option<u32>,
    /// How long it runs; one that still ran when the trace ended is let run.
    pub run_time: RunTime,
}

/// The columns of a file, by their place.
struct Columns {
    arrival: usize,
    cpu: Option<usize>,
    memory: Option<usize>,
    run_time: Option<usize>,
    least: Option<usize>,
    most: Option<usize>,
    censored: Option<usize>,
}

/// Most CPU units and MiB of a task.
const CPU_MAXIMUM: u32 = 196_608;
const MEMORY_MAXIMUM: u32 = 32 << 20;

/// Reads a trace; its tasks in order of time, those of one instant in the file's order.
///
/// # Errors
/// When the file is not such a trace: which line, and why.
pub fn read(bytes: &[u8]) -> Result<Vec<TracedTask>, BadTrace> {
    let whole = |message: String| BadTrace { line: None, message };
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|_| whole("this is not text in UTF-8".to_owned()))?.clone();
    let place = |name: &str| header.iter().position(|it| it == name);
    let Some(arrival) = place("arrival_s") else {
        let has: Vec<&str> = header.iter().collect();
        return Err(whole(format!("its first row names no column `arrival_s`; it has {}", has.join(", "))));
    };
    let columns = Columns {
        arrival,
        cpu: place("cpu_units"),
        memory: place("memory_mib"),
        run_time: place("run_time_s"),
        least: place("duration_min_s"),
        most: place("duration_max_s"),
        censored: place("censored"),
    };
    if columns.least.is_some() != columns.most.is_some() {
        return Err(whole("it has one of `duration_min_s` and `duration_max_s` without the other".to_owned()));
    }
    if columns.run_time.is_some() && columns.least.is_some() {
        return Err(whole("it has `run_time_s` and `duration_min_s`; keep one of them".to_owned()));
    }
    let mut tasks = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| BadTrace {
            line: error.position().map(csv::Position::line),
            message: "this is not text in UTF-8".to_owned(),
        })?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        let line = record.position().map(csv::Position::line);
        tasks.push(task(&columns, &record).map_err(|message| BadTrace { line, message })?);
    }
    if tasks.is_empty() {
        return Err(whole("it has no row of a task".to_owned()));
    }
    tasks.sort_by_key(|it| it.at);
    Ok(tasks)
}

fn task(columns: &Columns, record: &csv::StringRecord) -> Result<TracedTask, String> {
    let cell = |place: usize| record.get(place).unwrap_or_default();
    let seconds = |place: usize, name: &str| match cell(place).parse::<f64>() {
        Ok(value) if (0.0..=9e9).contains(&value) => Ok(Span::from_seconds_f64(value)),
        _ => Err(format!("`{name}` is `{}`, not a number of seconds", cell(place))),
    };
    let amount = |place: Option<usize>, name: &str, maximum: u32| match place {
        None => Ok(None),
        Some(place) => match cell(place).parse::<u32>() {
            Ok(value) if (1..=maximum).contains(&value) => Ok(Some(value)),
            _ => Err(format!("`{name}` is `{}`, not a whole number from 1 to {maximum}", cell(place))),
        },
    };
    let is_censored = match columns.censored.map(cell) {
        None | Some("" | "0") => false,
        Some("1") => true,
        Some(other) => return Err(format!("`censored` is `{other}`, not 0 or 1")),
    };
    let run_time = match (columns.run_time, columns.least.zip(columns.most)) {
        _ if is_censored => RunTime::OfApplication,
        (Some(place), _) => {
            let time = seconds(place, "run_time_s")?;
            RunTime::Between(time, time)
        }
        (None, Some((least, most))) => {
            let (least, most) = (seconds(least, "duration_min_s")?, seconds(most, "duration_max_s")?);
            if least > most {
                return Err("`duration_min_s` is more than `duration_max_s`".to_owned());
            }
            RunTime::Between(least, most)
        }
        (None, None) => RunTime::OfApplication,
    };
    Ok(TracedTask {
        at: seconds(columns.arrival, "arrival_s")?,
        cpu: amount(columns.cpu, "cpu_units", CPU_MAXIMUM)?,
        memory: amount(columns.memory, "memory_mib", MEMORY_MAXIMUM)?,
        run_time,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_read_in_order_of_time() {
        let text = b"vm,arrival_s,cpu_units,memory_mib,duration_min_s,duration_max_s,censored\n\
            7,300,1024,768,600,900,0\n8,0,2048,3584,300,300,0\n\n9,0.5,512,64,0,0,1\n";
        let tasks = read(text).expect("it is a trace");
        let between = |least, most| RunTime::Between(Span::seconds(least), Span::seconds(most));
        let task = |at, cpu, memory, run_time| TracedTask { at, cpu: Some(cpu), memory: Some(memory), run_time };
        assert_eq!(
            tasks,
            [
                task(Span::ZERO, 2048, 3584, between(300, 300)),
                task(Span::millis(500), 512, 64, RunTime::OfApplication),
                task(Span::seconds(300), 1024, 768, between(600, 900)),
            ]
        );
    }

    #[test]
    fn what_is_no_trace_is_said_with_its_line() {
        for (text, line, message) in [
            ("a,b\n1,2\n", None, "its first row names no column `arrival_s`; it has a, b"),
            ("arrival_s\n", None, "it has no row of a task"),
            (
                "arrival_s,duration_min_s\n1,2\n",
                None,
                "it has one of `duration_min_s` and `duration_max_s` without the other",
            ),
            ("arrival_s\n1\nsoon\n", Some(3), "`arrival_s` is `soon`, not a number of seconds"),
            ("arrival_s,cpu_units\n1,0.5\n", Some(2), "`cpu_units` is `0.5`, not a whole number from 1 to 196608"),
            ("arrival_s,memory_mib\n1,0\n", Some(2), "`memory_mib` is `0`, not a whole number from 1 to 33554432"),
            ("arrival_s,censored\n1,yes\n", Some(2), "`censored` is `yes`, not 0 or 1"),
            (
                "arrival_s,duration_min_s,duration_max_s\n1,9,3\n",
                Some(2),
                "`duration_min_s` is more than `duration_max_s`",
            ),
        ] {
            assert_eq!(read(text.as_bytes()), Err(BadTrace { line, message: message.to_owned() }), "{text}");
        }
    }
}
