//! Composite alarms: rules over the states of other alarms.
//!
//! Follows *Composite alarms* (CloudWatch User Guide) and `PutCompositeAlarm` (read 2026-08). The grammar of `AlarmRule`:
//!
//! ```text
//! rule    = and { "OR" and }
//! and     = not { "AND" not }
//! not     = "NOT" not | primary
//! primary = "TRUE" | "FALSE" | "(" rule ")" | state "(" alarm ")"
//!         | "AT_LEAST" "(" number [ "%" ] "," [ "NOT" ] state "," "(" alarm { "," alarm } ")" ")"
//! state   = "ALARM" | "OK" | "INSUFFICIENT_DATA"
//! ```
//!
//! An alarm is a name or an ARN, in double quotes or without. Left out: `ActionsSuppressor`, since a composite alarm's actions
//! (notifications) change nothing that is simulated; it cannot scale.

use std::ops::Range;

use crate::aws::alarm::{Alarm, AlarmState};
use crate::aws::capacity_provider::CapacityProvider;
use crate::aws::cluster_query::SyntaxError;
use crate::aws::scaling_policy::ScalingPolicy;
use crate::spelling::nearest;
use crate::table::Id;

/// A composite alarm.
#[derive(Clone, Debug, PartialEq)]
pub struct CompositeAlarm {
    /// Its name.
    pub name: String,
    /// `AlarmRule`, as written.
    pub text: String,
    /// The same, understood.
    pub rule: Rule<RuleAlarm>,
}

/// An alarm that a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAlarm {
    /// One of the scenario's own.
    Own(Id<Alarm>),
    /// Another composite alarm.
    Composite(Id<CompositeAlarm>),
    /// One that AWS made for a target tracking policy.
    Tracking(Id<ScalingPolicy>, Side),
    /// One that AWS made for a capacity provider's managed scaling.
    ManagedScaling(Id<CapacityProvider>, Side),
}

/// Which of the two alarms of target tracking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `AlarmHigh`, which scales out.
    High,
    /// `AlarmLow`, which scales in.
    Low,
}

/// How the name of an alarm begins that AWS makes for target tracking of a resource: `service/CLUSTER/SERVICE`, or an Auto Scaling
/// group. AWS ends it with a UUID; here the name of the policy or of the capacity provider follows.
pub fn managed_alarm_prefix(resource: &str, side: Side) -> String {
    let side = match side {
        Side::High => "AlarmHigh",
        Side::Low => "AlarmLow",
    };
    format!("TargetTracking-{resource}-{side}-")
}

/// What must hold; alarms are given as `A`.
#[derive(Clone, Debug, PartialEq)]
pub enum Rule<A> {
    /// `TRUE` or `FALSE`.
    Constant(bool),
    /// An alarm is in a state.
    Is(AlarmState, A),
    /// `NOT`
    Not(Box<Rule<A>>),
    /// `AND`
    And(Box<Rule<A>>, Box<Rule<A>>),
    /// `OR`
    Or(Box<Rule<A>>, Box<Rule<A>>),
    /// `AT_LEAST`: so many of these alarms are, or are not, in a state.
    AtLeast(AtLeast, AlarmState, bool, Vec<A>),
}

/// How many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AtLeast {
    /// A number of them.
    Count(u32),
    /// A share of them, percent.
    Percent(f64),
}

/// An alarm that a rule names, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedAlarm {
    /// Its name; of an ARN, what that ends in.
    pub name: String,
    /// Where it stands in the rule.
    pub at: Range<usize>,
}

/// Characters of a rule, at most.
pub const RULE_LENGTH_MAXIMUM: usize = 10_240;
/// Alarms that a rule names, at most.
pub const ALARMS_MAXIMUM: usize = 100;

const STATES: [(&str, AlarmState); 3] =
    [("ALARM", AlarmState::Alarm), ("OK", AlarmState::Ok), ("INSUFFICIENT_DATA", AlarmState::InsufficientData)];
const WORDS: [&str; 9] = ["ALARM", "OK", "INSUFFICIENT_DATA", "AND", "OR", "NOT", "TRUE", "FALSE", "AT_LEAST"];

impl Rule<NamedAlarm> {
    /// Reads a rule.
    ///
    /// # Errors
    /// Says what is wrong at which characters.
    pub fn parse(text: &str) -> Result<Rule<NamedAlarm>, SyntaxError> {
        let mut parser = Parser { text, at: 0 };
        let rule = parser.or(0)?;
        parser.skip_space();
        if parser.at < text.len() {
            let at = parser.at..text.len();
            let word = parser.peek_word();
            let near = nearest(word, ["AND", "OR"]).map(str::to_owned);
            let message = "here the rule should end, or go on with AND or OR".to_owned();
            return Err(SyntaxError { at, message, nearest: near, help: None });
        }
        Ok(rule)
    }
}

impl<A> Rule<A> {
    /// Whether it holds when alarms have these states.
    pub fn holds(&self, state_of: &impl Fn(&A) -> AlarmState) -> bool {
        match self {
            Rule::Constant(value) => *value,
            Rule::Is(state, alarm) => state_of(alarm) == *state,
            Rule::Not(rule) => !rule.holds(state_of),
            Rule::And(one, other) => one.holds(state_of) && other.holds(state_of),
            Rule::Or(one, other) => one.holds(state_of) || other.holds(state_of),
            Rule::AtLeast(least, state, is_so, alarms) => {
                let count = alarms.iter().filter(|it| (state_of(it) == *state) == *is_so).count() as f64;
                match least {
                    AtLeast::Count(least) => count >= f64::from(*least),
                    AtLeast::Percent(percent) => 100.0 * count >= percent * alarms.len() as f64 - 1e-9,
                }
            }
        }
    }

    /// The alarms that it names, in order.
    pub fn alarms(&self) -> Vec<&A> {
        match self {
            Rule::Constant(_) => Vec::new(),
            Rule::Is(_, alarm) => vec![alarm],
            Rule::Not(rule) => rule.alarms(),
            Rule::And(one, other) | Rule::Or(one, other) => {
                let mut alarms = one.alarms();
                alarms.extend(other.alarms());
                alarms
            }
            Rule::AtLeast(.., alarms) => alarms.iter().collect(),
        }
    }

    /// The same with alarms given otherwise.
    ///
    /// # Errors
    /// The first that `of` gives.
    pub fn with<B, E>(&self, of: &mut impl FnMut(&A) -> Result<B, E>) -> Result<Rule<B>, E> {
        Ok(match self {
            Rule::Constant(value) => Rule::Constant(*value),
            Rule::Is(state, alarm) => Rule::Is(*state, of(alarm)?),
            Rule::Not(rule) => Rule::Not(Box::new(rule.with(of)?)),
            Rule::And(one, other) => Rule::And(Box::new(one.with(of)?), Box::new(other.with(of)?)),
            Rule::Or(one, other) => Rule::Or(Box::new(one.with(of)?), Box::new(other.with(of)?)),
            Rule::AtLeast(least, state, is_so, alarms) => {
                Rule::AtLeast(*least, *state, *is_so, alarms.iter().map(of).collect::<Result<_, _>>()?)
            }
        })
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

type Parsed = Result<Rule<NamedAlarm>, SyntaxError>;

const DEPTH_MAXIMUM: u32 = 100;

impl<'t> Parser<'t> {
    fn error<T>(&self, at: Range<usize>, message: impl Into<String>, near: Option<&str>) -> Result<T, SyntaxError> {
        Err(SyntaxError { at, message: message.into(), nearest: near.map(str::to_owned), help: None })
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn peek_word(&self) -> &'t str {
        let rest = &self.text[self.at..];
        let end = rest.find(|it: char| !(it.is_ascii_alphanumeric() || it == '_')).unwrap_or(rest.len());
        &rest[..end]
    }

    fn takes(&mut self, mark: &str) -> bool {
        self.skip_space();
        let is_it = if mark.starts_with(|it: char| it.is_ascii_alphabetic()) {
            self.peek_word().eq_ignore_ascii_case(mark)
        } else {
            self.text[self.at..].starts_with(mark)
        };
        self.at += if is_it { mark.len() } else { 0 };
        is_it
    }

    fn must(&mut self, mark: &str, after: &str) -> Result<(), SyntaxError> {
        if self.takes(mark) {
            return Ok(());
        }
        let end = self.at + self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        self.error(self.at..end, format!("`{mark}` is missing {after}"), None)
    }

    fn or(&mut self, depth: u32) -> Parsed {
        let mut rule = self.and(depth)?;
        while self.takes("OR") {
            rule = Rule::Or(Box::new(rule), Box::new(self.and(depth)?));
        }
        Ok(rule)
    }

    fn and(&mut self, depth: u32) -> Parsed {
        let mut rule = self.not(depth)?;
        while self.takes("AND") {
            rule = Rule::And(Box::new(rule), Box::new(self.not(depth)?));
        }
        Ok(rule)
    }

    fn not(&mut self, depth: u32) -> Parsed {
        if depth > DEPTH_MAXIMUM {
            return self.error(self.at..self.at, "brackets lie too deep within each other", None);
        }
        if self.takes("NOT") { Ok(Rule::Not(Box::new(self.not(depth + 1)?))) } else { self.primary(depth) }
    }

    fn primary(&mut self, depth: u32) -> Parsed {
        for (word, value) in [("TRUE", true), ("FALSE", false)] {
            if self.takes(word) {
                return Ok(Rule::Constant(value));
            }
        }
        if self.takes("(") {
            let rule = self.or(depth + 1)?;
            self.must(")", "to end what `(` began")?;
            return Ok(rule);
        }
        if self.takes("AT_LEAST") {
            return self.at_least();
        }
        let state = self.state()?;
        self.must("(", "before the alarm's name")?;
        let alarm = self.alarm()?;
        self.must(")", "behind the alarm's name")?;
        Ok(Rule::Is(state, alarm))
    }

    fn state(&mut self) -> Result<AlarmState, SyntaxError> {
        if let Some((_, state)) = STATES.iter().find(|(word, _)| self.takes(word)) {
            return Ok(*state);
        }
        let word = self.peek_word();
        if word.is_empty() {
            let end = self.at + self.text[self.at..].chars().next().map_or(0, char::len_utf8);
            return self.error(self.at..end, "here a state should be asked for, as in `ALARM(\"name\")`", None);
        }
        let message = format!("`{word}` is none of ALARM, OK and INSUFFICIENT_DATA");
        self.error(self.at..self.at + word.len(), message, nearest(word, WORDS))
    }

    fn alarm(&mut self) -> Result<NamedAlarm, SyntaxError> {
        self.skip_space();
        let begin = self.at;
        let rest = &self.text[begin..];
        let (name, at) = if let Some(quoted) = rest.strip_prefix('"') {
            let Some(length) = quoted.find('"') else {
                return self.error(begin..self.text.len(), "nothing ends the name that `\"` began", None);
            };
            self.at += length + 2;
            (&quoted[..length], begin + 1..begin + 1 + length)
        } else {
            let end = rest.find([')', ',', '(']).unwrap_or(rest.len());
            let name = rest[..end].trim_end();
            self.at += name.len();
            (name, begin..begin + name.len())
        };
        if name.is_empty() {
            return self.error(at, "here an alarm's name is missing", None);
        }
        let name = name.rsplit_once(":alarm:").map_or(name, |(_, name)| name);
        Ok(NamedAlarm { name: name.to_owned(), at })
    }

    fn at_least(&mut self) -> Parsed {
        self.must("(", "behind AT_LEAST")?;
        self.skip_space();
        let begin = self.at;
        let rest = &self.text[begin..];
        let end = rest.find(|it: char| !(it.is_ascii_digit() || it == '.')).unwrap_or(rest.len());
        let digits = &rest[..end];
        self.at += end;
        let is_percent = self.takes("%");
        let least = if is_percent {
            digits.parse::<f64>().ok().filter(|it| *it > 0.0 && *it <= 100.0).map(AtLeast::Percent)
        } else {
            digits.parse::<u32>().ok().filter(|it| *it > 0).map(AtLeast::Count)
        };
        let Some(least) = least else {
            let at = begin..self.at.max(begin + rest.chars().next().map_or(0, char::len_utf8));
            return self.error(at, "AT_LEAST begins with a number such as `2`, or a share such as `50%`", None);
        };
        self.must(",", "behind how many")?;
        let is_so = !self.takes("NOT");
        let state = self.state()?;
        self.must(",", "behind the state")?;
        self.must("(", "before the alarms")?;
        let mut alarms = vec![self.alarm()?];
        while self.takes(",") {
            alarms.push(self.alarm()?);
        }
        self.must(")", "behind the alarms")?;
        self.must(")", "to end AT_LEAST")?;
        if let AtLeast::Count(count) = least
            && count as usize > alarms.len()
        {
            return self.error(begin..begin + end, format!("{count} of {} alarms can never be", alarms.len()), None);
        }
        Ok(Rule::AtLeast(least, state, is_so, alarms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> bool {
        let rule = Rule::parse(text).unwrap_or_else(|it| panic!("{text}: {}", it.message));
        rule.holds(&|it: &NamedAlarm| match it.name.as_str() {
            "bad" | "worse" => AlarmState::Alarm,
            "unknown" => AlarmState::InsufficientData,
            _ => AlarmState::Ok,
        })
    }

    #[test]
    fn rules_hold_or_do_not() {
        for (text, expected) in [
            ("ALARM(bad)", true),
            ("ALARM(\"bad\") AND NOT ALARM(deploying)", true),
            ("ALARM(good) OR OK(good) AND FALSE", false),
            ("(ALARM(good) OR OK(good)) AND TRUE", true),
            ("NOT NOT INSUFFICIENT_DATA(unknown)", true),
            ("NOT (ALARM(bad) OR ALARM(good))", false),
            ("ALARM(arn:aws:cloudwatch:us-east-1:1:alarm:bad)", true),
            ("AT_LEAST(2, ALARM, (bad, \"worse\", good))", true),
            ("AT_LEAST(3, ALARM, (bad, worse, good))", false),
            ("AT_LEAST(50%, NOT ALARM, (bad, good))", true),
            ("AT_LEAST(51%, NOT ALARM, (bad, good))", false),
            ("alarm(bad) and ok(a b c)", true),
        ] {
            assert_eq!(holds(text), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (text, at, message, near) in [
            ("ALRAM(bad)", 0..5, "`ALRAM` is none of ALARM, OK and INSUFFICIENT_DATA", Some("ALARM")),
            ("ALARM(bad) ANDD OK(x)", 11..21, "here the rule should end, or go on with AND or OR", Some("AND")),
            ("ALARM(bad", 9..9, "`)` is missing behind the alarm's name", None),
            ("ALARM()", 6..6, "here an alarm's name is missing", None),
            ("(ALARM(bad)", 11..11, "`)` is missing to end what `(` began", None),
            ("", 0..0, "here a state should be asked for, as in `ALARM(\"name\")`", None),
            ("AT_LEAST(4, OK, (a, b))", 9..10, "4 of 2 alarms can never be", None),
            ("OK(\"a)", 3..6, "nothing ends the name that `\"` began", None),
        ] {
            let error = Rule::parse(text).expect_err(text);
            assert_eq!((error.at.clone(), error.message.as_str()), (at, message), "{text}");
            assert_eq!(error.nearest.as_deref(), near, "{text}");
        }
        assert!(Rule::parse(&format!("{}TRUE", "(".repeat(5_000))).is_err());
    }

    #[test]
    fn the_alarms_of_a_rule_are_known() {
        let rule = Rule::parse("ALARM(a) AND (OK(b) OR AT_LEAST(1, OK, (c, d)))").expect("sound");
        let names: Vec<&str> = rule.alarms().into_iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
    }
}
