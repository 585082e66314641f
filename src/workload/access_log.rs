//! Access logs of an Application Load Balancer: when each request came.
//!
//! Follows *Access log entries* in the Elastic Load Balancing user guide (read 2026-08). Fields are parted by spaces outside
//! double quotes; older logs have fewer of them and newer ones more, so that a line counts which reaches the request.
//! Left out: everything but the instant of arrival.

use std::io::{self, BufRead, BufReader};

use flate2::bufread::MultiGzDecoder;

/// What a log has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessLog {
    /// When each request came, nanoseconds since 1970, in the order of the lines, which is not that of time.
    pub arrivals: Vec<i64>,
    /// How many lines are none of a log.
    pub bad_count: u64,
    /// The first of them.
    pub bad: Vec<BadLine>,
}

/// A line that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: &'static str,
}

/// How many bad lines are told one by one.
const BAD_SHOWN: usize = 3;

/// Reads a log, compressed with gzip (as the load balancer stores it) or not.
///
/// Fails where the compressed stream is damaged or breaks off.
pub fn read(bytes: &[u8]) -> io::Result<AccessLog> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    if bytes.starts_with(&GZIP) { lines(BufReader::new(MultiGzDecoder::new(bytes))) } else { lines(bytes) }
}

fn lines(mut source: impl BufRead) -> io::Result<AccessLog> {
    let mut log = AccessLog::default();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if source.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        match arrival(text) {
            Ok(arrival) => log.arrivals.push(arrival),
            Err(why) => {
                log.bad_count += 1;
                if log.bad.len() < BAD_SHOWN {
                    log.bad.push(BadLine { line: number, why });
                }
            }
        }
    }
    Ok(log)
}

/// When the request of a line came, nanoseconds since 1970.
fn arrival(line: &[u8]) -> Result<i64, &'static str> {
    let fields = fields(line)?;
    if fields.len() < REQUEST {
        return Err("it has fewer than 13 fields");
    }
    // `time` is that of the response.
    let answered = nanos(fields[TIME - 1]).ok_or("its second field is not a time")?;
    if let Some(created) = fields.get(REQUEST_CREATION_TIME - 1).and_then(|it| nanos(it)) {
        return Ok(created);
    }
    let durations = fields[REQUEST_PROCESSING_TIME - 1..][..3].iter();
    // -1 where the target never answered: how long the request took is not known.
    let taken: Option<i64> = durations.map(|it| milliseconds(it)).sum();
    Ok(answered - taken.unwrap_or(0) * 1_000_000)
}

/// Numbers of fields, from 1.
const TIME: usize = 2;
const REQUEST_PROCESSING_TIME: usize = 6;
const REQUEST: usize = 13;
const REQUEST_CREATION_TIME: usize = 22;

/// The fields up to the last that matters, quotes included.
fn fields(line: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let mut fields = Vec::with_capacity(REQUEST_CREATION_TIME);
    let (mut start, mut is_quoted, mut is_escaped) = (0, false, false);
    for (at, &byte) in line.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_quoted,
            b'"' => is_quoted = !is_quoted,
            b' ' if !is_quoted => {
                if at > start {
                    fields.push(&line[start..at]);
                }
                start = at + 1;
                if fields.len() == REQUEST_CREATION_TIME {
                    return Ok(fields);
                }
            }
            _ => {}
        }
    }
    if is_quoted {
        return Err("a quote is not closed");
    }
    fields.push(&line[start..]);
    Ok(fields)
}

fn nanos(field: &[u8]) -> Option<i64> {
    let timestamp: jiff::Timestamp = std::str::from_utf8(field).ok()?.parse().ok()?;
    i64::try_from(timestamp.as_nanosecond()).ok()
}

/// Seconds with at most a fraction of three digits, as milliseconds; `None` where negative or no number.
fn milliseconds(field: &[u8]) -> Option<i64> {
    let seconds: f64 = std::str::from_utf8(field).ok()?.parse().ok()?;
    (0.0..1e9).contains(&seconds).then(|| (seconds * 1e3 + 0.5).floor() as i64)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LINE: &str = "h2 2026-03-01T12:00:01.250000Z app/web/0123456789abcdef 203.0.113.7:51000 10.0.1.15:8080 0.001 0.187 0.000 200 200 412 5120 \"GET https://shop.example:443/cart HTTP/2.0\" \"ua/1.0\" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/web/89abcdef01234567 \"Root=1-x\" \"shop.example\" \"session-reused\" 10 2026-03-01T12:00:01.062000Z \"forward\" \"-\" \"-\" \"10.0.1.15:8080\" \"200\" \"-\" \"-\" TID_x \"-\" \"-\" \"-\"";

    /// 2026-03-01T12:00:00Z.
    const NOON: i64 = 1_772_366_400_000_000_000;

    fn check(line: &str, millis: i64) {
        let log = read(line.as_bytes()).expect("text");
        assert_eq!(log.arrivals, [NOON + millis * 1_000_000], "{line}: {:?}", log.bad);
    }

    #[test]
    fn a_request_comes_when_its_line_says() {
        check(LINE, 1_062);
        // Without its time of creation it is that of the response, less the three durations.
        let upto = |field: &str| LINE.split_at(LINE.find(field).expect("a field")).0;
        check(upto(" 2026-03-01T12:00:01.062"), 1_250 - 188);
        check(upto(" \"ua/1.0\""), 1_250 - 188);
        check(&LINE.replace("2026-03-01T12:00:01.062000Z", "-"), 1_250 - 188);
        // Without all of them it is that of the response.
        check(&upto(" \"ua/1.0\"").replace("0.187", "-1"), 1_250);
        check(&upto(" \"ua/1.0\"").replace("0.001 0.187 0.000", "-1 -1 -1"), 1_250);
        // Spaces and escaped quotes within quotes, fields of later years, ends of lines of other systems.
        check(&LINE.replace("ua/1.0", "a \\\" b c"), 1_062);
        check(&format!("{LINE} - \"more\" 7\r\n"), 1_062);
    }

    #[test]
    fn bad_lines_are_counted_and_left_out() {
        let cut = LINE.split_at(LINE.find("HTTP/2.0").expect("a field")).0;
        let text = format!("{LINE}\nnot a log\n\n{LINE}\n{cut}\n{}\nx\n", LINE.replace("01T12", "01 12"));
        let log = read(text.as_bytes()).expect("text");
        assert_eq!((log.arrivals.len(), log.bad_count), (2, 4));
        let bad: Vec<(u64, &str)> = log.bad.iter().map(|it| (it.line, it.why)).collect();
        assert_eq!(
            bad,
            [(2, "it has fewer than 13 fields"), (5, "a quote is not closed"), (6, "its second field is not a time")]
        );
    }

    #[test]
    fn gzip_is_read_as_text_is() {
        let mut gzip = Vec::new();
        // Two streams one behind the other, as `cat` makes them.
        for line in [LINE, LINE] {
            let mut encoder = flate2::write::GzEncoder::new(&mut gzip, flate2::Compression::fast());
            writeln!(encoder, "{line}").and_then(|()| encoder.finish().map(drop)).expect("memory");
        }
        assert_eq!(read(&gzip).expect("gzip").arrivals.len(), 2);
        assert!(read(&gzip[..gzip.len() / 2 + 40]).is_err());
    }
}
