//! The cluster query language: expressions that select container instances, as `memberOf` placement constraints hold them.
//!
//! Follows *Create expressions to define container instances for Amazon ECS tasks* in the ECS developer guide (read
//! 2026). Words are case sensitive; white space, line ends included, separates and is otherwise without meaning.
//!
//! ```text
//! expression := and ( ( "or" | "||" ) and )*
//! and        := not ( ( "and" | "&&" ) not )*
//! not        := ( "not" | "!" ) not | "(" expression ")" | simple
//! simple     := subject operator argument?
//! subject    := "agentConnected" | "agentVersion" | "ec2InstanceId" | "registeredAt" | "runningTasksCount"
//!             | "task:group" | "attribute:" name
//! operator   := "==" | "equals"              | "!=" | "not_equals"
//!             | ">"  | "greater_than"        | ">=" | "greater_than_equal"
//!             | "<"  | "less_than"           | "<=" | "less_than_equal"
//!             | "exists"                     | "!exists" | "not_exists"
//!             | "in"                         | "!in" | "not_in"
//!             | "=~" | "matches"             | "!~" | "not_matches"
//! argument   := value                        of all operators but these:
//!             | "[" value ( "," value )* "]" of `in` and `!in`
//!             |                              nothing, of `exists` and `!exists`
//! value      := word | "'" text "'" | '"' text '"'
//! name       := 1 to 128 letters, digits, "-", "_", "/", "\" and "."
//! word       := what has no white space, quotes, brackets, parentheses, commas, "=", "!", "<", ">", "&" or "|";
//!               a word that is a pattern ends at white space, ")", "&&" or "||" only
//! ```
//!
//! `not` binds closer than `and`, `and` closer than `or` (AWS does not say; inferred). A word may follow an operator's
//! sign without a space. Parentheses group whole expressions; in a pattern they stand in quotes.
//!
//! | subject | compared as | operators |
//! |---|---|---|
//! | `agentConnected` | `true` or `false` | `==` `!=` `in` `!in` `=~` `!~` |
//! | `agentVersion` | numbers between dots; what is missing is 0 | `==` `!=` `>` `>=` `<` `<=` |
//! | `attribute:NAME` | text; order is that of the bytes | all |
//! | `ec2InstanceId` | text | `==` `!=` `in` `!in` `=~` `!~` |
//! | `registeredAt` | an instant: `2018-06-18T22:28:28+00:00`, `...Z`, without a zone (UTC), or a date (its midnight) | `==` `!=` `>` `>=` `<` `<=` |
//! | `runningTasksCount` | a whole number | `==` `!=` `>` `>=` `<` `<=` |
//! | `task:group` | the groups of all tasks there | `==` `!=` `in` `!in` `=~` `!~` `exists` `!exists` |
//!
//! A comparison holds where there is a value that it holds for: `attribute:stack != prod` needs an attribute `stack`
//! (documented), and `task:group != a` a task of another group than `a` (inferred); `not(task:group == a)` is what keeps
//! tasks apart.
//!
//! Patterns are Java's regular expressions and must match the whole value (inferred: the documented `t2.*` reads so). They
//! are run by the `regex` crate, which agrees on what nearly all patterns mean; `\d`, `\w`, `\s` and `(?i)` are about ASCII in both.
//! Refused, since that crate has them not or means something else by them: look-ahead and look-behind, atomic groups,
//! possessive quantifiers, references to groups, `\Q...\E`, `\<` and `\>`, and in brackets `[:`, `--` and `~~`.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use regex::bytes::{Regex, RegexBuilder};

use crate::spelling::nearest;

use crate::aws::capability::{self, AgentConfiguration};

/// Longest expression, in characters (`PlacementConstraint` in the API Reference).
const LENGTH_MAXIMUM: usize = 2_000;
/// Longest name of an attribute (`Attribute` in the API Reference).
const NAME_MAXIMUM: usize = 128;
/// Parentheses and negations within each other; far more than anyone writes, so that no stack runs out.
const DEPTH_MAXIMUM: usize = 100;

/// The built-in attributes of container instances on EC2, which the agent registers.
pub const BUILT_IN_ATTRIBUTES: [&str; 11] = [
    "ecs.ami-id",
    "ecs.availability-zone",
    "ecs.awsvpc-trunk-id",
    "ecs.cpu-architecture",
    "ecs.instance-type",
    "ecs.os-family",
    "ecs.os-type",
    "ecs.outpost-arn",
    "ecs.subnet-id",
    "ecs.vpc-id",
    "ecs.capability.external",
];

/// What an expression can ask of a container instance.
#[derive(Clone, Copy, Debug)]
pub struct InstanceFacts<'a> {
    /// Its attributes, built-in and own, by name and value; "" where an attribute has no value.
    pub attributes: &'a [(String, String)],
    /// Its EC2 id.
    pub ec2_instance_id: &'a str,
    /// Whether its agent is connected.
    pub agent_connected: bool,
    /// Version of its agent.
    pub agent_version: &'a Version,
    /// What its agent registers as capabilities, which are attributes without a value; none where `None`.
    pub agent_configuration: Option<&'a AgentConfiguration>,
    /// When it registered, in nanoseconds since 1970 (UTC).
    pub registered_at_unix_nanos: i128,
    /// Tasks on it whose desired status is RUNNING.
    pub running_tasks_count: u32,
    /// Groups of the tasks on it, in any order; a group may come more than once.
    pub task_groups: &'a [&'a str],
}

impl InstanceFacts<'_> {
    fn has_capability(&self, name: &str) -> bool {
        let registers = |it: &AgentConfiguration| it.registers(self.agent_version, name);
        capability::is_known(name) && self.agent_configuration.is_some_and(registers)
    }
}

/// An expression of the cluster query language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    text: String,
    condition: Condition,
}

/// What must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// One of these.
    Or(Vec<Condition>),
    /// All of these.
    And(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// `agentConnected`
    AgentConnected(TextTest),
    /// `agentVersion`
    AgentVersion(Comparison, Version),
    /// `attribute:NAME`
    Attribute(String, TextTest),
    /// `ec2InstanceId`
    Ec2InstanceId(TextTest),
    /// `registeredAt`, with nanoseconds since 1970 (UTC).
    RegisteredAt(Comparison, i128),
    /// `runningTasksCount`
    RunningTasksCount(Comparison, u64),
    /// `task:group`
    TaskGroup(TextTest),
}

/// A test of something that may have a text, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextTest {
    /// `exists`, and `!exists` where false.
    Exists(bool),
    /// Against one text.
    Compares(Comparison, String),
    /// `in`, and `!in` where false.
    In(bool, Vec<String>),
    /// `=~`, and `!~` where false.
    Matches(bool, Pattern),
}

/// The operators that compare with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
}

/// A version as numbers, the most significant first, without zeros at the end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Vec<u64>);

/// A regular expression that must match the whole of a text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The characters that are to blame, as bytes of the text; empty at its end.
    pub at: Range<usize>,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// What they were probably meant to be.
    pub nearest: Option<String>,
    /// What would have been right.
    pub help: Option<String>,
}

impl fmt::Display for Expression {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether an instance is selected.
pub fn matches(expression: &Expression, instance: &InstanceFacts<'_>) -> bool {
    expression.condition.holds(instance)
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn parse(text: &str) -> Result<Expression, SyntaxError> {
        if let Some((end, _)) = text.char_indices().nth(LENGTH_MAXIMUM) {
            let count = text.chars().count();
            return Err(SyntaxError::new(
                end..text.len(),
                format!("the expression has {count} characters; {LENGTH_MAXIMUM} are allowed"),
            ));
        }
        let mut parser = Parser { text, at: 0 };
        let condition = parser.expression(0)?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.expected_connective());
        }
        Ok(Expression { text: text.to_owned(), condition })
    }

    /// Its condition.
    pub fn condition(&self) -> &Condition {
        &self.condition
    }

    /// Whether its answer about an instance can change with the tasks there: it asks for `task:group` or
    /// `runningTasksCount`.
    pub fn depends_on_tasks(&self) -> bool {
        self.condition.has(&|it| matches!(it, Condition::TaskGroup(_) | Condition::RunningTasksCount(..)))
    }

    /// Whether its answer about an instance can change with the state of the agent: it asks for `agentConnected` or
    /// `agentVersion`.
    pub fn depends_on_agent(&self) -> bool {
        self.condition.has(&|it| matches!(it, Condition::AgentConnected(_) | Condition::AgentVersion(..)))
    }

    /// Whether its answer about an instance stays what it was when that registered, as long as its attributes do.
    pub fn is_fixed_at_registration(&self) -> bool {
        !self.depends_on_tasks() && !self.depends_on_agent()
    }

    /// Whether it asks for attributes and nothing else.
    pub fn asks_for_attributes_only(&self) -> bool {
        let is_part = |it: &Condition| matches!(it, Condition::Or(_) | Condition::And(_) | Condition::Not(_));
        !self.condition.has(&|it| !is_part(it) && !matches!(it, Condition::Attribute(..)))
    }

    /// The attributes that it asks for, in the order of the text; one may come more than once.
    pub fn attributes(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.condition.visit(&mut |it| {
            if let Condition::Attribute(name, _) = it {
                names.push(name.as_str());
            }
        });
        names
    }
}

impl Condition {
    fn holds(&self, instance: &InstanceFacts<'_>) -> bool {
        match self {
            Condition::Or(parts) => parts.iter().any(|it| it.holds(instance)),
            Condition::And(parts) => parts.iter().all(|it| it.holds(instance)),
            Condition::Not(part) => !part.holds(instance),
            Condition::AgentConnected(test) => test.holds([if instance.agent_connected { "true" } else { "false" }]),
            Condition::AgentVersion(comparison, version) => comparison.holds(instance.agent_version.cmp(version)),
            Condition::Attribute(name, test) => {
                let values = instance.attributes.iter().filter(|(it, _)| it == name).map(|(_, value)| value.as_str());
                if !capability::is_named_like_one(name) {
                    return test.holds(values);
                }
                let mut values = values.peekable();
                let is_own = values.peek().is_some();
                test.holds(values.chain((!is_own && instance.has_capability(name)).then_some("")))
            }
            Condition::Ec2InstanceId(test) => test.holds([instance.ec2_instance_id]),
            Condition::RegisteredAt(comparison, at) => comparison.holds(instance.registered_at_unix_nanos.cmp(at)),
            Condition::RunningTasksCount(comparison, count) => {
                comparison.holds(u64::from(instance.running_tasks_count).cmp(count))
            }
            Condition::TaskGroup(test) => test.holds(instance.task_groups.iter().copied()),
        }
    }

    fn visit<'a>(&'a self, see: &mut dyn FnMut(&'a Condition)) {
        see(self);
        match self {
            Condition::Or(parts) | Condition::And(parts) => parts.iter().for_each(|it| it.visit(see)),
            Condition::Not(part) => part.visit(see),
            _ => {}
        }
    }

    fn has(&self, is_it: &dyn Fn(&Condition) -> bool) -> bool {
        let mut found = false;
        self.visit(&mut |it| found |= is_it(it));
        found
    }
}

impl TextTest {
    fn holds<'a>(&self, values: impl IntoIterator<Item = &'a str>) -> bool {
        let mut values = values.into_iter();
        match self {
            TextTest::Exists(wanted) => values.next().is_some() == *wanted,
            TextTest::Compares(comparison, text) => values.any(|it| comparison.holds(it.cmp(text))),
            TextTest::In(wanted, texts) => values.any(|it| texts.iter().any(|text| text == it) == *wanted),
            TextTest::Matches(wanted, pattern) => values.any(|it| pattern.regex.is_match(it.as_bytes()) == *wanted),
        }
    }
}

impl Comparison {
    fn holds(self, of_value: Ordering) -> bool {
        match self {
            Comparison::Equal => of_value.is_eq(),
            Comparison::NotEqual => of_value.is_ne(),
            Comparison::Greater => of_value.is_gt(),
            Comparison::GreaterOrEqual => of_value.is_ge(),
            Comparison::Less => of_value.is_lt(),
            Comparison::LessOrEqual => of_value.is_le(),
        }
    }
}

impl Version {
    /// The version that a text such as `1.14.5` says; `None` where it says none.
    pub fn parse(text: &str) -> Option<Version> {
        let number = |it: &str| it.parse::<u64>().ok().filter(|_| it.bytes().all(|it| it.is_ascii_digit()));
        let mut numbers = text.split('.').map(number).collect::<Option<Vec<u64>>>()?;
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        Some(Version(numbers))
    }
}

impl Pattern {
    /// The regular expression of a text.
    ///
    /// # Errors
    /// What is wrong with it, and where in it.
    fn compile(text: &str) -> Result<Pattern, SyntaxError> {
        if let Some((at, what)) = unlike_java(text) {
            return Err(SyntaxError::new(at, format!("{what} cannot be used in a pattern here")).help(INSTEAD));
        }
        let build = |text: &str| RegexBuilder::new(text).unicode(false).build();
        // Alone first: a parenthesis too many would otherwise close the group around it.
        let regex = build(text).and_then(|_| build(&format!("\\A(?:{text})\\z"))).map_err(|error| {
            let words = error.to_string();
            let why = words.lines().last().unwrap_or("").trim_start_matches("error:").trim();
            SyntaxError::new(0..text.len(), format!("`{text}` is no regular expression: {why}"))
        })?;
        Ok(Pattern { text: text.to_owned(), regex })
    }
}

/// What to write instead of what only Java's patterns have.
const INSTEAD: &str = "`!~`, and expressions joined by `and` and `or`, can say most of what it would";

/// The first thing in a pattern that means something in Java that it does not mean, or has no meaning, in the `regex` crate.
fn unlike_java(text: &str) -> Option<(Range<usize>, &'static str)> {
    let bytes = text.as_bytes();
    let mut brackets = 0u32;
    // Whether a quantifier has just ended.
    let mut is_quantified = false;
    let mut at = 0;
    while at < bytes.len() {
        let starts = |with: &str| bytes[at..].starts_with(with.as_bytes());
        let was_quantified = std::mem::take(&mut is_quantified);
        let found = |length: usize, what| Some((at..at + length, what));
        match bytes[at] {
            b'\\' => {
                match bytes.get(at + 1) {
                    Some(b'1'..=b'9' | b'k') if brackets == 0 => return found(2, "a reference to a group"),
                    Some(b'Q' | b'E') => return found(2, "a quotation (`\\Q...\\E`)"),
                    Some(b'<' | b'>') => return found(2, "an escape of `<` or `>`"),
                    _ => {}
                }
                // Of an escaped character of several bytes the others mean nothing.
                at += 2;
                continue;
            }
            b'[' if brackets > 0 && starts("[:") => return found(2, "a class such as `[:alpha:]`"),
            b'[' => {
                brackets += 1;
                // A bracket that closes nothing yet, as in `[]a]` and `[^]a]`.
                at += if starts("[^]") {
                    2
                } else if starts("[]") {
                    1
                } else {
                    0
                };
            }
            b']' => brackets = brackets.saturating_sub(1),
            b'-' | b'~' if brackets > 0 && (starts("--") || starts("~~")) => {
                return found(2, "a difference of classes");
            }
            _ if brackets > 0 => {}
            b'(' if ["(?=", "(?!"].iter().any(|it| starts(it)) => return found(3, "a look-ahead"),
            b'(' if ["(?<=", "(?<!"].iter().any(|it| starts(it)) => return found(4, "a look-behind"),
            b'(' if starts("(?>") => return found(3, "an atomic group"),
            b'+' if was_quantified => return found(1, "a possessive quantifier"),
            b'?' if was_quantified => {}
            b'*' | b'+' | b'?' | b'}' => is_quantified = true,
            _ => {}
        }
        at += 1;
    }
    None
}

/// What an expression can compare.
#[derive(Clone, Debug)]
enum Subject {
    AgentConnected,
    AgentVersion,
    Attribute(String),
    Ec2InstanceId,
    RegisteredAt,
    RunningTasksCount,
    TaskGroup,
}

/// The subjects without the name of an attribute.
const SUBJECTS: [&str; 7] = [
    "attribute:",
    "agentConnected",
    "agentVersion",
    "ec2InstanceId",
    "registeredAt",
    "runningTasksCount",
    "task:group",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Compares(Comparison),
    Exists(bool),
    In(bool),
    Matches(bool),
}

/// Both spellings of each operator.
const OPERATORS: [(&str, &str, Operator); 12] = [
    ("==", "equals", Operator::Compares(Comparison::Equal)),
    ("!=", "not_equals", Operator::Compares(Comparison::NotEqual)),
    (">=", "greater_than_equal", Operator::Compares(Comparison::GreaterOrEqual)),
    (">", "greater_than", Operator::Compares(Comparison::Greater)),
    ("<=", "less_than_equal", Operator::Compares(Comparison::LessOrEqual)),
    ("<", "less_than", Operator::Compares(Comparison::Less)),
    ("=~", "matches", Operator::Matches(true)),
    ("!~", "not_matches", Operator::Matches(false)),
    ("exists", "exists", Operator::Exists(true)),
    ("!exists", "not_exists", Operator::Exists(false)),
    ("in", "in", Operator::In(true)),
    ("!in", "not_in", Operator::In(false)),
];

impl Operator {
    fn sign(self) -> &'static str {
        OPERATORS.iter().find(|it| it.2 == self).map_or("", |it| it.0)
    }
}

impl Subject {
    fn name(&self) -> &str {
        match self {
            Subject::AgentConnected => "agentConnected",
            Subject::AgentVersion => "agentVersion",
            Subject::Attribute(_) => "attribute:",
            Subject::Ec2InstanceId => "ec2InstanceId",
            Subject::RegisteredAt => "registeredAt",
            Subject::RunningTasksCount => "runningTasksCount",
            Subject::TaskGroup => "task:group",
        }
    }

    fn takes(&self, operator: Operator) -> bool {
        let is_equality = matches!(operator, Operator::Compares(Comparison::Equal | Comparison::NotEqual));
        match self {
            Subject::Attribute(_) => true,
            Subject::AgentVersion | Subject::RegisteredAt | Subject::RunningTasksCount => {
                matches!(operator, Operator::Compares(_))
            }
            Subject::AgentConnected | Subject::Ec2InstanceId => {
                is_equality || matches!(operator, Operator::In(_) | Operator::Matches(_))
            }
            Subject::TaskGroup => is_equality || !matches!(operator, Operator::Compares(_)),
        }
    }
}

impl SyntaxError {
    fn new(at: Range<usize>, message: impl Into<String>) -> SyntaxError {
        SyntaxError { at, message: message.into(), nearest: None, help: None }
    }

    fn nearest(self, nearest: Option<impl Into<String>>) -> SyntaxError {
        SyntaxError { nearest: nearest.map(Into::into), ..self }
    }

    fn help(self, help: impl Into<String>) -> SyntaxError {
        SyntaxError { help: Some(help.into()), ..self }
    }

    /// The expression with a caret under each character that is to blame; white space, line ends included, is one space.
    pub fn pointed_out(&self, text: &str) -> String {
        let plain = |text: &str| text.replace(char::is_whitespace, " ");
        let before = plain(&text[..self.at.start]).chars().count();
        let length = text[self.at.clone()].chars().count().max(1);
        format!("{}\n{}{}", plain(text), " ".repeat(before), "^".repeat(length))
    }
}

/// A value, and where it stands, its quotes included.
struct Argument {
    text: String,
    at: Range<usize>,
    is_quoted: bool,
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn expression(&mut self, depth: usize) -> Result<Condition, SyntaxError> {
        let mut parts = vec![self.and(depth)?];
        while self.takes_connective("or", "||") {
            parts.push(self.and(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Or(parts) })
    }

    fn and(&mut self, depth: usize) -> Result<Condition, SyntaxError> {
        let mut parts = vec![self.not(depth)?];
        while self.takes_connective("and", "&&") {
            parts.push(self.not(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::And(parts) })
    }

    fn not(&mut self, depth: usize) -> Result<Condition, SyntaxError> {
        self.skip_space();
        let start = self.at;
        if depth > DEPTH_MAXIMUM {
            return Err(SyntaxError::new(
                self.next_character(),
                format!("more than {DEPTH_MAXIMUM} parentheses and negations stand in each other"),
            ));
        }
        if self.takes_connective("not", "!") {
            return Ok(Condition::Not(Box::new(self.not(depth + 1)?)));
        }
        if !self.rest().starts_with('(') {
            return self.simple();
        }
        self.at += 1;
        let inside = self.expression(depth + 1)?;
        self.skip_space();
        if self.at == self.text.len() {
            return Err(SyntaxError::new(start..start + 1, "this parenthesis is never closed"));
        }
        if !self.rest().starts_with(')') {
            return Err(self.expected_connective());
        }
        self.at += 1;
        Ok(inside)
    }

    fn simple(&mut self) -> Result<Condition, SyntaxError> {
        let subject = self.subject()?;
        let operator = self.operator(&subject)?;
        let text_test = |parser: &mut Parser<'_>, check: &dyn Fn(&Argument) -> Result<(), SyntaxError>| {
            Ok::<TextTest, SyntaxError>(match operator {
                Operator::Exists(wanted) => TextTest::Exists(wanted),
                Operator::Compares(comparison) => {
                    let argument = parser.value(operator)?;
                    check(&argument)?;
                    TextTest::Compares(comparison, argument.text)
                }
                Operator::In(wanted) => {
                    let arguments = parser.values(operator)?;
                    arguments.iter().try_for_each(check)?;
                    TextTest::In(wanted, arguments.into_iter().map(|it| it.text).collect())
                }
                Operator::Matches(wanted) => TextTest::Matches(wanted, parser.pattern(operator)?),
            })
        };
        let any = |_: &Argument| Ok(());
        let expected = |argument: &Argument, what: &str| {
            let message = format!("`{}` is compared with {what}, not with `{}`", subject.name(), argument.text);
            SyntaxError::new(argument.at.clone(), message)
        };
        // The subjects of numbers take no other operator.
        let comparison = match operator {
            Operator::Compares(comparison) => comparison,
            _ => Comparison::Equal,
        };
        Ok(match &subject {
            Subject::Attribute(name) => Condition::Attribute(name.clone(), text_test(self, &any)?),
            Subject::Ec2InstanceId => Condition::Ec2InstanceId(text_test(self, &any)?),
            Subject::TaskGroup => Condition::TaskGroup(text_test(self, &any)?),
            Subject::AgentConnected => {
                let is_flag = |it: &Argument| match it.text.as_str() {
                    "true" | "false" => Ok(()),
                    _ => Err(expected(it, "`true` or `false`")),
                };
                Condition::AgentConnected(text_test(self, &is_flag)?)
            }
            Subject::AgentVersion => {
                let argument = self.value(operator)?;
                let version = Version::parse(&argument.text);
                Condition::AgentVersion(
                    comparison,
                    version.ok_or_else(|| expected(&argument, "a version such as 1.14.5"))?,
                )
            }
            Subject::RegisteredAt => {
                let argument = self.value(operator)?;
                let at = unix_nanos(&argument.text);
                let what = "a date such as 2018-06-18, or a date and time such as 2018-06-18T22:28:28Z";
                Condition::RegisteredAt(comparison, at.ok_or_else(|| expected(&argument, what))?)
            }
            Subject::RunningTasksCount => {
                let argument = self.value(operator)?;
                let count = argument.text.parse().ok().filter(|_| argument.text.bytes().all(|it| it.is_ascii_digit()));
                Condition::RunningTasksCount(comparison, count.ok_or_else(|| expected(&argument, "a whole number"))?)
            }
        })
    }

    fn subject(&mut self) -> Result<Subject, SyntaxError> {
        self.skip_space();
        let start = self.at;
        let word = self.take_while(|it| !it.is_whitespace() && !"=!<>~()[],'\"&|".contains(it));
        let at = start..self.at;
        if word.is_empty() {
            let message = if start == self.text.len() {
                "the expression ends where a subject is expected".to_owned()
            } else {
                format!("expected a subject, found `{}`", &self.text[self.next_character()])
            };
            return Err(SyntaxError::new(self.next_character(), message).help(subjects_are()));
        }
        match word {
            "agentConnected" => return Ok(Subject::AgentConnected),
            "agentVersion" => return Ok(Subject::AgentVersion),
            "ec2InstanceId" => return Ok(Subject::Ec2InstanceId),
            "registeredAt" => return Ok(Subject::RegisteredAt),
            "runningTasksCount" => return Ok(Subject::RunningTasksCount),
            "task:group" => return Ok(Subject::TaskGroup),
            _ => {}
        }
        let Some(name) = word.strip_prefix("attribute:") else {
            let error = SyntaxError::new(at, format!("`{word}` is no subject"));
            return Err(match nearest_subject(word) {
                Some(near) => error.nearest(Some(near)),
                None => error.help(subjects_are()),
            });
        };
        let name_at = at.end - name.len();
        if name.is_empty() {
            let error = SyntaxError::new(at, "`attribute:` lacks the name of an attribute");
            return Err(error.help("such as `attribute:ecs.instance-type`, without a space between"));
        }
        if let Some((offset, wrong)) = name.char_indices().find(|(_, it)| !is_of_a_name(*it)) {
            let wrong_at = name_at + offset..name_at + offset + wrong.len_utf8();
            let error = SyntaxError::new(wrong_at, format!("the name of an attribute cannot have `{wrong}`"));
            return Err(error.help("it has letters, digits, and `-`, `_`, `/`, `\\`, `.`"));
        }
        if name.len() > NAME_MAXIMUM {
            let message = format!("the name of an attribute has at most {NAME_MAXIMUM} characters");
            return Err(SyntaxError::new(name_at..at.end, message));
        }
        Ok(Subject::Attribute(name.to_owned()))
    }

    fn operator(&mut self, subject: &Subject) -> Result<Operator, SyntaxError> {
        self.skip_space();
        let start = self.at;
        let word = self.take_while(|it| it.is_ascii_alphanumeric() || it == '_');
        let found = if word.is_empty() {
            // Signs, the longer ones first where one begins another; `!in` and `!exists` end where their word does.
            let sign = OPERATORS.iter().find(|(sign, ..)| {
                let ends = |it: &str| !it.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '_');
                self.rest().strip_prefix(sign).is_some_and(|after| !sign.ends_with(char::is_alphabetic) || ends(after))
            });
            self.at += sign.map_or(0, |it| it.0.len());
            sign
        } else {
            OPERATORS.iter().find(|it| it.1 == word)
        };
        let Some(&(.., operator)) = found else {
            if start == self.text.len() {
                let message = "the expression ends where an operator is expected";
                return Err(SyntaxError::new(start..start, message).help(operators_are(subject)));
            }
            let signs = self.text[start..].find(|it: char| !"=!<>~&|".contains(it)).unwrap_or(self.text.len() - start);
            // `!` and the word behind it belong together.
            let word_behind = self.text[start + signs..].find(|it: char| !(it.is_ascii_alphanumeric() || it == '_'));
            let end = match (word.len(), signs) {
                (0, 0) => self.next_character().end,
                (0, 1) if self.rest().starts_with('!') => {
                    start + signs + word_behind.unwrap_or(self.text.len() - start - signs)
                }
                (0, signs) => start + signs,
                (length, _) => start + length,
            };
            let wrong = &self.text[start..end];
            let near = match wrong {
                "=" => Some("=="),
                "~" | "~=" => Some("=~"),
                "=>" => Some(">="),
                "=<" => Some("<="),
                "is" | "eq" => Some("=="),
                _ => {
                    nearest(wrong, OPERATORS.iter().flat_map(|it| [it.0, it.1]).filter(|it| subject_takes(subject, it)))
                }
            };
            let error = SyntaxError::new(start..end, format!("`{wrong}` is no operator"));
            return Err(match near {
                Some(near) => error.nearest(Some(near)),
                None => error.help(operators_are(subject)),
            });
        };
        if !subject.takes(operator) {
            let wrong = &self.text[start..self.at];
            let message = format!("`{}` cannot be compared by `{wrong}`", subject.name());
            return Err(SyntaxError::new(start..self.at, message).help(operators_are(subject)));
        }
        Ok(operator)
    }

    /// One value, quoted or a word that ends at any sign.
    fn value(&mut self, operator: Operator) -> Result<Argument, SyntaxError> {
        self.value_until(operator, |it| it.is_whitespace() || "()[],'\"=!<>&|".contains(it))
    }

    fn value_until(&mut self, operator: Operator, ends: impl Fn(char) -> bool) -> Result<Argument, SyntaxError> {
        self.skip_space();
        let start = self.at;
        if let Some(quote) = self.rest().chars().next().filter(|it| matches!(it, '\'' | '"')) {
            let Some(length) = self.rest()[1..].find(quote) else {
                return Err(SyntaxError::new(start..start + 1, "this quote is never closed"));
            };
            self.at += length + 2;
            let text = self.text[start + 1..self.at - 1].to_owned();
            return Ok(Argument { text, at: start..self.at, is_quoted: true });
        }
        let text = self.take_while(|it| !ends(it)).to_owned();
        let at = start..self.at;
        if text.is_empty() {
            let sign = operator.sign();
            if start == self.text.len() {
                return Err(SyntaxError::new(at, format!("the expression ends where `{sign}` expects a value")));
            }
            let found = self.next_character();
            let error = SyntaxError::new(
                found.clone(),
                format!("`{sign}` expects a value, found `{}`", &self.text[found.clone()]),
            );
            return Err(match &self.text[found] {
                "[" => error.help("only `in` and `!in` take a list"),
                _ => error.help("a value with other signs stands in quotes"),
            });
        }
        if matches!(text.as_str(), "and" | "or" | "not") {
            let error = SyntaxError::new(at, format!("`{}` expects a value, found `{text}`", operator.sign()));
            return Err(error.help("put it in quotes if it is the value"));
        }
        Ok(Argument { text, at, is_quoted: false })
    }

    /// `[a, b]`
    fn values(&mut self, operator: Operator) -> Result<Vec<Argument>, SyntaxError> {
        self.skip_space();
        let start = self.at;
        let sign = operator.sign();
        if !self.rest().starts_with('[') {
            let found = self.next_character();
            let message = match &self.text[found.clone()] {
                "" => format!("the expression ends where `{sign}` expects a list"),
                wrong => format!("`{sign}` expects a list, found `{wrong}`"),
            };
            return Err(SyntaxError::new(found, message).help("a list is `[one, another]`"));
        }
        self.at += 1;
        let mut values = Vec::new();
        loop {
            values.push(self.value(operator)?);
            self.skip_space();
            match self.rest().chars().next() {
                Some(',') => self.at += 1,
                Some(']') => {
                    self.at += 1;
                    return Ok(values);
                }
                None => return Err(SyntaxError::new(start..start + 1, "this list is never closed")),
                Some(wrong) => {
                    let error = SyntaxError::new(
                        self.next_character(),
                        format!("expected `,` or `]` in the list, found `{wrong}`"),
                    );
                    return Err(error.help("a value with spaces or signs stands in quotes"));
                }
            }
        }
    }

    fn pattern(&mut self, operator: Operator) -> Result<Pattern, SyntaxError> {
        self.skip_space();
        let start = self.at;
        let is_quoted = self.rest().starts_with(['\'', '"']);
        let argument = if is_quoted {
            self.value(operator)?
        } else {
            let text = self.rest();
            let end = |it: &str| text.find(it).unwrap_or(text.len());
            let length = text.find(char::is_whitespace).unwrap_or(text.len());
            let length = length.min(end("&&")).min(end("||")).min(end(")"));
            if let Some(inside) = text[..length].find('(') {
                let at = start + inside..start + inside + 1;
                let error = SyntaxError::new(at, "parentheses can only group whole expressions");
                return Err(error.help("put a pattern that has them in quotes: =~ '(t2|t3).*'"));
            }
            match length {
                0 => self.value(operator)?,
                _ => {
                    self.at += length;
                    Argument { text: text[..length].to_owned(), at: start..self.at, is_quoted }
                }
            }
        };
        let begin = argument.at.start + usize::from(argument.is_quoted);
        Pattern::compile(&argument.text)
            .map_err(|error| SyntaxError { at: begin + error.at.start..begin + error.at.end, ..error })
    }

    /// Takes a connective; its word only where that ends.
    fn takes_connective(&mut self, word: &str, sign: &str) -> bool {
        self.skip_space();
        let rest = self.rest();
        let ends = |it: &str| !it.starts_with(|it: char| it.is_alphanumeric() || "_:.-/\\".contains(it));
        let length = match (rest.strip_prefix(word), rest.strip_prefix(sign)) {
            (Some(after), _) if ends(after) => word.len(),
            (_, Some(_)) => sign.len(),
            _ => return false,
        };
        self.at += length;
        true
    }

    /// What to say where an expression is complete and something else goes on.
    fn expected_connective(&self) -> SyntaxError {
        let start = self.at;
        let rest = self.rest();
        if rest.starts_with(')') {
            return SyntaxError::new(start..start + 1, "this parenthesis was never opened");
        }
        let length = rest.find(|it: char| it.is_whitespace() || "()[]".contains(it)).unwrap_or(rest.len());
        let at = if length == 0 { self.next_character() } else { start..start + length };
        let wrong = &self.text[at.clone()];
        let near = match wrong {
            "&" => Some("&&"),
            "|" => Some("||"),
            "," | ";" => Some("and"),
            _ => ["and", "or"].into_iter().find(|it| it.eq_ignore_ascii_case(wrong)),
        };
        let error = SyntaxError::new(at, format!("expected `and` or `or`, found `{wrong}`"));
        match near {
            Some(near) => error.nearest(Some(near)),
            None => error.help("a value with spaces or signs stands in quotes"),
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    fn take_while(&mut self, is_in: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|it| !is_in(it)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn next_character(&self) -> Range<usize> {
        self.at..self.at + self.rest().chars().next().map_or(0, char::len_utf8)
    }
}

/// Whether the name of an attribute can have this character (`Attribute` in the API Reference).
pub fn is_of_a_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-_/\\.".contains(character)
}

fn subjects_are() -> String {
    let names = SUBJECTS.map(|it| if it.ends_with(':') { format!("`{it}NAME`") } else { format!("`{it}`") });
    format!("a subject is one of {}", names.join(", "))
}

fn operators_are(subject: &Subject) -> String {
    let signs: Vec<String> =
        OPERATORS.iter().filter(|it| subject.takes(it.2)).map(|it| format!("`{}`", it.0)).collect();
    format!("`{}` takes {}", subject.name(), signs.join(", "))
}

fn subject_takes(subject: &Subject, spelling: &str) -> bool {
    OPERATORS.iter().any(|it| (it.0 == spelling || it.1 == spelling) && subject.takes(it.2))
}

/// The subject that a word was probably meant to be.
fn nearest_subject(word: &str) -> Option<String> {
    // Without its prefix, or with another sign behind it.
    if BUILT_IN_ATTRIBUTES.contains(&word) {
        return Some(format!("attribute:{word}"));
    }
    if let Some((prefix, name)) = word.split_once([':', '.', '/', '=']).filter(|(_, name)| !name.is_empty())
        && nearest(prefix, ["attribute"]).is_some()
    {
        return Some(format!("attribute:{name}"));
    }
    nearest(word, SUBJECTS).map(str::to_owned)
}

/// Nanoseconds since 1970 of a date or a date and time in one of the documented forms; UTC where it names no zone.
fn unix_nanos(text: &str) -> Option<i128> {
    let has_shape = |text: &str, shape: &str| {
        let fits = |(it, shape): (u8, u8)| if shape == b'0' { it.is_ascii_digit() } else { it == shape };
        text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
    };
    let nanos = |at: DateTime| at.to_zoned(TimeZone::UTC).ok().map(|it| it.timestamp().as_nanosecond());
    if has_shape(text, "0000-00-00") {
        return nanos(text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight()));
    }
    if has_shape(text, "0000-00-00T00:00:00") {
        return nanos(text.parse().ok()?);
    }
    let shapes = ["0000-00-00T00:00:00Z", "0000-00-00T00:00:00+00:00", "0000-00-00T00:00:00-00:00"];
    if shapes.iter().any(|it| has_shape(text, it)) {
        return text.parse::<jiff::Timestamp>().ok().map(|it| it.as_nanosecond());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An instance of this type and zone, with these attributes of its own.
    struct Instance {
        attributes: Vec<(String, String)>,
        agent_version: Version,
        registered_at_unix_nanos: i128,
        running_tasks_count: u32,
        task_groups: Vec<&'static str>,
    }

    fn instance(attributes: &[(&str, &str)]) -> Instance {
        Instance {
            attributes: attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            agent_version: Version::parse("1.105.1").expect("a version"),
            registered_at_unix_nanos: unix_nanos("2026-01-05").expect("a date"),
            running_tasks_count: 0,
            task_groups: Vec::new(),
        }
    }

    fn parsed(text: &str) -> Expression {
        Expression::parse(text).unwrap_or_else(|error| panic!("{}\n{}", error.pointed_out(text), error.message))
    }

    impl Instance {
        fn is_selected(&self, text: &str) -> bool {
            let facts = InstanceFacts {
                attributes: &self.attributes,
                ec2_instance_id: "i-abcd1234",
                agent_connected: true,
                agent_version: &self.agent_version,
                agent_configuration: None,
                registered_at_unix_nanos: self.registered_at_unix_nanos,
                running_tasks_count: self.running_tasks_count,
                task_groups: &self.task_groups,
            };
            matches(&parsed(text), &facts)
        }
    }

    #[track_caller]
    fn check(text: &str, selected: &[&Instance], others: &[&Instance]) {
        for (instances, expected) in [(selected, true), (others, false)] {
            for (place, it) in instances.iter().enumerate() {
                assert_eq!(it.is_selected(text), expected, "{text}, instance {place}");
            }
        }
    }

    #[test]
    fn we_37_to_40_and_the_documented_examples() {
        let of = |name, value| instance(&[(name, value)]);
        let stack = |value| of("stack", value);
        check("attribute:stack != prod", &[&stack("dev")], &[&stack("prod"), &instance(&[])]);
        let of_type = |name| of("ecs.instance-type", name);
        check(
            "attribute:ecs.instance-type =~ t2.*",
            &[&of_type("t2.small")],
            &[&of_type("t3.small"), &of_type("at2.x")],
        );
        let of_agent =
            |version| Instance { agent_version: Version::parse(version).expect("a version"), ..instance(&[]) };
        check("agentVersion < 1.14.5", &[&of_agent("1.9.0")], &[&of_agent("1.14.5"), &of_agent("1.105.1")]);
        let registered = |at| Instance { registered_at_unix_nanos: unix_nanos(at).expect("a date"), ..instance(&[]) };
        let (before, after) = (registered("2018-02-12T23:59:59Z"), registered("2018-02-13T00:00:00Z"));
        check("registeredAt < 2018-02-13", &[&before], &[&after]);

        check(
            "attribute:ecs.instance-type == t2.small",
            &[&of_type("t2.small")],
            &[&of_type("T2.small"), &instance(&[])],
        );
        let zone = |name| of("ecs.availability-zone", name);
        let zones = "attribute:ecs.availability-zone in [us-east-1a, us-east-1b]";
        check(zones, &[&zone("us-east-1a"), &zone("us-east-1b")], &[&zone("us-east-1c"), &instance(&[])]);
        let both = |name, zone| instance(&[("ecs.instance-type", name), ("ecs.availability-zone", zone)]);
        check(
            "attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d",
            &[&both("g2.2xlarge", "us-east-1a")],
            &[&both("g2.2xlarge", "us-east-1d"), &both("g3.2xlarge", "us-east-1a"), &of_type("g2.2xlarge")],
        );
        let hosting = |groups: &[&'static str]| Instance {
            task_groups: groups.to_vec(),
            running_tasks_count: groups.len() as u32,
            ..instance(&[])
        };
        let production = hosting(&["family:job", "service:production"]);
        check("task:group == service:production", &[&production], &[&hosting(&["database"]), &hosting(&[])]);
        check("not(task:group == database)", &[&production, &hosting(&[])], &[&hosting(&["service:web", "database"])]);
        check("runningTasksCount == 1", &[&hosting(&["a"])], &[&hosting(&[]), &production]);
        let named = |id: &str| instance(&[]).is_selected(&format!("ec2InstanceId in ['{id}', 'i-wxyx7890']"));
        assert!(named("i-abcd1234") && !named("i-abcd1235"));
    }

    #[test]
    fn both_spellings_of_each_operator() {
        let own = instance(&[("n", "5"), ("empty", "")]);
        for (sign, word, argument, holds) in [
            ("==", "equals", "5", [true, false]),
            ("!=", "not_equals", "5", [false, true]),
            (">", "greater_than", "5", [false, false]),
            (">=", "greater_than_equal", "5", [true, false]),
            ("<", "less_than", "5", [false, true]),
            ("<=", "less_than_equal", "5", [true, true]),
            ("in", "in", "[5, 6]", [true, false]),
            ("!in", "not_in", "[5,6]", [false, true]),
            ("=~", "matches", "[5-7]", [true, false]),
            ("!~", "not_matches", "[5-7]", [false, true]),
            ("exists", "exists", "", [true, true]),
            ("!exists", "not_exists", "", [false, false]),
        ] {
            for operator in [sign, word] {
                let on = |name: &str| own.is_selected(&format!("attribute:{name} {operator} {argument}"));
                assert_eq!([on("n"), on("empty")], holds, "{operator}");
                let without = instance(&[]).is_selected(&format!("attribute:n {operator} {argument}"));
                assert_eq!(without, sign == "!exists", "{operator} without the attribute");
            }
        }
    }

    #[test]
    fn words_stand_close_to_signs() {
        let g2 = instance(&[("ecs.instance-type", "g2.xlarge"), ("a", "x y")]);
        for text in [
            "attribute:ecs.instance-type==g2.xlarge",
            "attribute:ecs.instance-type=~g2.*",
            "attribute:ecs.instance-type=~ g2.*&&attribute:a exists",
            "attribute:ecs.instance-type in[g2.xlarge,'t2.small']",
            "attribute:ecs.instance-type!in[t2.small]",
            "(attribute:ecs.instance-type =~ g2.*)",
            "attribute:ecs.instance-type =~ '(g2|g3)\\.x?large' and !(attribute:b exists)",
            "!attribute:b exists",
            "not not attribute:a == \"x y\"",
            "attribute:a == 'x y'\n  and\n  attribute:ecs.instance-type matches g2.*\n",
            "attribute:ecs.instance-type =~ t2.*|g2.*",
            "agentConnected == true and agentConnected !in [false] && ec2InstanceId =~ i-.*",
        ] {
            assert!(g2.is_selected(text), "{text}");
        }
    }

    #[test]
    fn not_binds_closer_than_and_and_that_closer_than_or() {
        let has = |names: &[&str]| instance(&names.iter().map(|it| (*it, "")).collect::<Vec<_>>());
        let (a, b, c) = ("attribute:a exists", "attribute:b exists", "attribute:c exists");
        check(&format!("{a} or {b} and {c}"), &[&has(&["a"]), &has(&["b", "c"])], &[&has(&["b"]), &has(&["c"])]);
        check(&format!("({a} or {b}) and {c}"), &[&has(&["b", "c"])], &[&has(&["a"]), &has(&["a", "b"])]);
        check(&format!("not {a} and {b}"), &[&has(&["b"])], &[&has(&["a"]), &has(&["a", "b"]), &has(&[])]);
        check(&format!("not ({a} and {b})"), &[&has(&["a"]), &has(&["b"]), &has(&[])], &[&has(&["a", "b"])]);
    }

    #[test]
    fn versions_dates_and_counts_are_ordered_as_such() {
        let own = Instance { running_tasks_count: 10, ..instance(&[]) };
        for text in [
            "agentVersion == 1.105.1.0",
            "agentVersion > 1.105",
            "agentVersion >= 1.105.1 and agentVersion <= 1.105.1",
            "agentVersion != 1.105",
            "registeredAt == 2026-01-05",
            "registeredAt == 2026-01-05T00:00:00",
            "registeredAt == 2026-01-05T00:00:00Z",
            "registeredAt == 2026-01-05T02:00:00+02:00",
            "registeredAt > 2026-01-04T23:59:59",
            "registeredAt <= 2026-01-05 and not(registeredAt < 2026-01-05)",
            "runningTasksCount > 9",
            "runningTasksCount < 11 and runningTasksCount != 9",
        ] {
            assert!(own.is_selected(text), "{text}");
        }
    }

    #[test]
    fn groups_are_tested_one_by_one() {
        let hosting = |groups: &[&'static str]| Instance { task_groups: groups.to_vec(), ..instance(&[]) };
        check("task:group != a", &[&hosting(&["b"]), &hosting(&["a", "b"])], &[&hosting(&["a"]), &hosting(&[])]);
        check("task:group !exists", &[&hosting(&[])], &[&hosting(&["a"])]);
        check("task:group =~ service:.*", &[&hosting(&["a", "service:b"])], &[&hosting(&["a"]), &hosting(&[])]);
        check("task:group in [a, b]", &[&hosting(&["c", "b"])], &[&hosting(&["c"])]);
    }

    #[test]
    fn what_an_answer_depends_on() {
        for (text, on_tasks, on_agent) in [
            ("attribute:a == b and registeredAt < 2018-02-13 or ec2InstanceId == i-1", false, false),
            ("attribute:a == b or not(task:group == c)", true, false),
            ("runningTasksCount < 4", true, false),
            ("agentConnected == true", false, true),
            ("agentVersion > 1 and (attribute:a exists or task:group exists)", true, true),
        ] {
            let it = parsed(text);
            assert_eq!((it.depends_on_tasks(), it.depends_on_agent()), (on_tasks, on_agent), "{text}");
            assert_eq!(it.is_fixed_at_registration(), !on_tasks && !on_agent, "{text}");
            assert_eq!(it.to_string(), text);
        }
        let it = parsed("attribute:a == b or !(attribute:c.d exists)");
        assert_eq!((it.attributes(), it.asks_for_attributes_only()), (vec!["a", "c.d"], true));
        assert!(!parsed("attribute:a == b and ec2InstanceId == i-1").asks_for_attributes_only());
    }

    /// The text with its carets, what is wrong, and the nearest right thing or else the help.
    fn refusal(text: &str) -> (String, String, String) {
        let error = Expression::parse(text).expect_err(text);
        let carets = error.pointed_out(text).lines().last().unwrap_or("").to_owned();
        (carets, error.message, error.nearest.or(error.help).unwrap_or_default())
    }

    #[test]
    fn mistakes_are_pointed_out() {
        for (text, carets, message, right) in [
            ("attrubute:stack == prod", "^^^^^^^^^^^^^^^", "`attrubute:stack` is no subject", "attribute:stack"),
            (
                "attribute.ecs.availability-zone == us-east-1a",
                "^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
                "`attribute.ecs.availability-zone` is no subject",
                "attribute:ecs.availability-zone",
            ),
            (
                "ecs.instance-type == t2.small",
                "^^^^^^^^^^^^^^^^^",
                "`ecs.instance-type` is no subject",
                "attribute:ecs.instance-type",
            ),
            ("taskGroup == a", "^^^^^^^^^", "`taskGroup` is no subject", "task:group"),
            (
                "attribute:a == b and runningTaskCount == 1",
                "                     ^^^^^^^^^^^^^^^^",
                "`runningTaskCount` is no subject",
                "runningTasksCount",
            ),
            ("attribute:a = b", "            ^", "`=` is no operator", "=="),
            ("attribute:a =< b", "            ^^", "`=<` is no operator", "<="),
            ("attribute:a equal b", "            ^^^^^", "`equal` is no operator", "equals"),
            ("attribute:a !exist", "            ^^^^^^", "`!exist` is no operator", "!exists"),
            (
                "attribute:a == b AND attribute:c == d",
                "                 ^^^",
                "expected `and` or `or`, found `AND`",
                "and",
            ),
            ("attribute:a == b & attribute:c == d", "                 ^", "expected `and` or `or`, found `&`", "&&"),
            (
                "attribute:a == b c",
                "                 ^",
                "expected `and` or `or`, found `c`",
                "a value with spaces or signs stands in quotes",
            ),
            ("attribute:a ==", "              ^", "the expression ends where `==` expects a value", ""),
            (
                "attribute:a",
                "           ^",
                "the expression ends where an operator is expected",
                "`attribute:` takes `==`, `!=`, `>=`, `>`, `<=`, `<`, `=~`, `!~`, `exists`, `!exists`, `in`, `!in`",
            ),
            ("attribute:a in b", "               ^", "`in` expects a list, found `b`", "a list is `[one, another]`"),
            (
                "attribute:a == [b]",
                "               ^",
                "`==` expects a value, found `[`",
                "only `in` and `!in` take a list",
            ),
            ("attribute:a in [b, c", "               ^", "this list is never closed", ""),
            (
                "attribute:a in [b c]",
                "                  ^",
                "expected `,` or `]` in the list, found `c`",
                "a value with spaces or signs stands in quotes",
            ),
            (
                "attribute:a in []",
                "                ^",
                "`in` expects a value, found `]`",
                "a value with other signs stands in quotes",
            ),
            ("attribute:a == 'b", "               ^", "this quote is never closed", ""),
            ("(attribute:a == b", "^", "this parenthesis is never closed", ""),
            ("attribute:a == b)", "                ^", "this parenthesis was never opened", ""),
            (
                "attribute:a =~ (t2|t3).*",
                "               ^",
                "parentheses can only group whole expressions",
                "put a pattern that has them in quotes: =~ '(t2|t3).*'",
            ),
            (
                "attribute:a =~ '^(?!t2).*'",
                "                 ^^^",
                "a look-ahead cannot be used in a pattern here",
                INSTEAD,
            ),
            (
                "attribute:a =~ t2.*+x",
                "                   ^",
                "a possessive quantifier cannot be used in a pattern here",
                INSTEAD,
            ),
            ("attribute:a =~ [b", "               ^^", "`[b` is no regular expression: unclosed character class", ""),
            (
                "attribute:ä == b",
                "          ^",
                "the name of an attribute cannot have `ä`",
                "it has letters, digits, and `-`, `_`, `/`, `\\`, `.`",
            ),
            (
                "attribute: a == b",
                "^^^^^^^^^^",
                "`attribute:` lacks the name of an attribute",
                "such as `attribute:ecs.instance-type`, without a space between",
            ),
            (
                "runningTasksCount =~ 1",
                "                  ^^",
                "`runningTasksCount` cannot be compared by `=~`",
                "`runningTasksCount` takes `==`, `!=`, `>=`, `>`, `<=`, `<`",
            ),
            (
                "runningTasksCount > -1",
                "                    ^^",
                "`runningTasksCount` is compared with a whole number, not with `-1`",
                "",
            ),
            (
                "agentVersion < v1.2",
                "               ^^^^",
                "`agentVersion` is compared with a version such as 1.14.5, not with `v1.2`",
                "",
            ),
            (
                "registeredAt < 2018-02-30",
                "               ^^^^^^^^^^",
                "`registeredAt` is compared with a date such as 2018-06-18, or a date and time such as 2018-06-18T22:28:28Z, not with `2018-02-30`",
                "",
            ),
            (
                "agentConnected == yes",
                "                  ^^^",
                "`agentConnected` is compared with `true` or `false`, not with `yes`",
                "",
            ),
        ] {
            assert_eq!(refusal(text), (carets.to_owned(), message.to_owned(), right.to_owned()), "{text}");
        }
        let (_, message, _) = refusal("");
        assert_eq!(message, "the expression ends where a subject is expected");
        let (_, message, _) = refusal(&format!("attribute:a == {}", "b".repeat(1986)));
        assert_eq!(message, "the expression has 2001 characters; 2000 are allowed");
        assert!(Expression::parse(&format!("attribute:a == {}", "b".repeat(1985))).is_ok());
        let (_, message, _) = refusal(&format!("{}attribute:a == b", "!(".repeat(900)));
        assert_eq!(message, "more than 100 parentheses and negations stand in each other");
    }

    #[test]
    fn patterns_that_java_reads_otherwise_are_refused() {
        for pattern in [
            "a(?=b)",
            "(?<!a)b",
            "(?>a)b",
            "a*+",
            "a++",
            "a?+",
            "a{2}+",
            "(a)\\1",
            "\\Qa.b\\E",
            "[[:alpha:]]",
            "[a-z--b]",
            "\\<a",
        ] {
            assert!(unlike_java(pattern).is_some(), "{pattern}");
        }
        for pattern in [
            "a+?",
            "[+*]+",
            "\\++",
            "a\\\\+",
            "(?:a|b)+",
            "(?i)A",
            "[]a]+",
            "[^]+]+",
            "[a-z&&[^b]]+",
            "a{2,}",
            "\\d+\\.x",
        ] {
            assert_eq!(unlike_java(pattern), None, "{pattern}");
            assert!(Pattern::compile(pattern).is_ok(), "{pattern}");
        }
        let is_match = |pattern: &str, text: &str| {
            TextTest::Matches(true, Pattern::compile(pattern).expect(pattern)).holds([text])
        };
        assert!(is_match("t|t2", "t2"), "the whole text, whichever alternative that takes");
        assert!(is_match("(?i)T2\\..*", "t2.small") && !is_match("T2\\..*", "t2.small"));
        assert!(!is_match("\\d", "٣"), "digits are ASCII's, as in Java");
        assert!(is_match("b¡+", "b¡¡"), "other letters stand for themselves");
        assert!(Pattern::compile("a)|(b").is_err());
    }

    /// What a random expression means, beside how it is written.
    #[derive(Clone, Debug)]
    enum Meaning {
        Or(Vec<Meaning>),
        And(Vec<Meaning>),
        Not(Box<Meaning>),
        /// Attribute, operator (its place among both spellings), and texts; a pattern is a text and ".*" behind it.
        Text(Option<&'static str>, usize, Vec<String>),
        Count(usize, u32),
    }

    const WORDS: [&str; 5] = ["a", "ab", "b", "b.c", "service:a"];

    fn any_meaning() -> impl Strategy<Value = Meaning> {
        let texts = proptest::collection::vec(proptest::sample::select(&WORDS[..]).prop_map(str::to_owned), 1..4);
        let subject = proptest::sample::select(vec![Some("a"), Some("b.c"), Some("absent"), None]);
        let leaf = prop_oneof![
            (subject, 0usize..12, texts).prop_map(|(name, operator, texts)| {
                // Groups have no order.
                let is_order = OPERATORS[operator].0.starts_with(['<', '>']);
                Meaning::Text(name, if name.is_none() && is_order { 0 } else { operator }, texts)
            }),
            (0usize..6, 0u32..4).prop_map(|(operator, count)| Meaning::Count(operator, count)),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 2..4).prop_map(Meaning::Or),
                proptest::collection::vec(inner.clone(), 2..4).prop_map(Meaning::And),
                inner.prop_map(|it| Meaning::Not(Box::new(it))),
            ]
        })
    }

    impl Meaning {
        /// With parentheses only where precedence asks for them; `coin` decides between spellings.
        fn write(&self, around: usize, coin: &mut dyn FnMut() -> bool, out: &mut String) {
            let rank = match self {
                Meaning::Or(_) => 0,
                Meaning::And(_) => 1,
                _ => 2,
            };
            let needs = rank < around || coin() && coin();
            if needs {
                out.push_str(if coin() { "(" } else { " ( " });
            }
            match self {
                Meaning::Or(parts) | Meaning::And(parts) => {
                    let (word, sign) = if rank == 0 { (" or ", "||") } else { (" and ", "&&") };
                    for (place, part) in parts.iter().enumerate() {
                        if place > 0 {
                            out.push_str(if coin() { word } else { sign });
                        }
                        part.write(rank + 1, coin, out);
                    }
                }
                Meaning::Not(part) => {
                    out.push_str(if coin() { " not " } else { "!" });
                    part.write(2, coin, out);
                }
                Meaning::Text(name, operator, texts) => {
                    match name {
                        Some(name) => out.push_str(&format!("attribute:{name}")),
                        None => out.push_str("task:group"),
                    }
                    write_operator(*operator, coin, out);
                    let mut value = |text: &str| if coin() { format!("'{text}'") } else { text.to_owned() };
                    match OPERATORS[*operator].2 {
                        Operator::Exists(_) => {}
                        Operator::Compares(_) => out.push_str(&value(&texts[0])),
                        Operator::Matches(_) => out.push_str(&value(&format!("{}.*", texts[0].replace('.', "\\.")))),
                        Operator::In(_) => {
                            let texts: Vec<String> = texts.iter().map(|it| value(it)).collect();
                            out.push_str(&format!("[{}]", texts.join(", ")));
                        }
                    }
                }
                Meaning::Count(operator, count) => {
                    out.push_str("runningTasksCount");
                    write_operator(*operator, coin, out);
                    out.push_str(&count.to_string());
                }
            }
            if needs {
                out.push(')');
            }
        }

        /// Straightforwardly: by the operator's sign, over the values that there are.
        fn holds(&self, own: &Instance) -> bool {
            match self {
                Meaning::Or(parts) => parts.iter().filter(|it| it.holds(own)).count() > 0,
                Meaning::And(parts) => parts.iter().filter(|it| !it.holds(own)).count() == 0,
                Meaning::Not(part) => !part.holds(own),
                Meaning::Count(operator, count) => {
                    let there = own.running_tasks_count;
                    match OPERATORS[*operator].0 {
                        "==" => there == *count,
                        "!=" => there != *count,
                        ">=" => there >= *count,
                        ">" => there > *count,
                        "<=" => there <= *count,
                        _ => there < *count,
                    }
                }
                Meaning::Text(name, operator, texts) => {
                    let values: Vec<&str> = match name {
                        Some(name) => {
                            own.attributes.iter().filter(|it| it.0 == *name).map(|it| it.1.as_str()).collect()
                        }
                        None => own.task_groups.clone(),
                    };
                    let text = texts[0].as_str();
                    let some = |of: &dyn Fn(&str) -> bool| values.iter().any(|it| of(it));
                    match OPERATORS[*operator].0 {
                        "==" => some(&|it| it == text),
                        "!=" => some(&|it| it != text),
                        ">=" => some(&|it| it >= text),
                        ">" => some(&|it| it > text),
                        "<=" => some(&|it| it <= text),
                        "<" => some(&|it| it < text),
                        "=~" => some(&|it| it.starts_with(text)),
                        "!~" => some(&|it| !it.starts_with(text)),
                        "exists" => !values.is_empty(),
                        "!exists" => values.is_empty(),
                        "in" => some(&|it| texts.iter().any(|text| it == text)),
                        _ => some(&|it| texts.iter().all(|text| it != text)),
                    }
                }
            }
        }
    }

    fn write_operator(operator: usize, coin: &mut dyn FnMut() -> bool, out: &mut String) {
        let (sign, word, _) = OPERATORS[operator];
        if coin() {
            out.push_str(&format!(" {word} "));
        } else if sign.ends_with(char::is_alphabetic) {
            out.push_str(&format!(" {sign} "));
        } else {
            out.push_str(sign);
        }
    }

    proptest! {
        #[test]
        fn random_expressions_select_what_they_mean(
            meaning in any_meaning(),
            coins in proptest::collection::vec(any::<bool>(), 1..64),
            own in proptest::collection::vec((0usize..3, 0usize..5, proptest::collection::vec(0usize..5, 0..3)), 1..6),
        ) {
            let mut toss = coins.iter().cycle();
            let mut text = String::new();
            meaning.write(0, &mut || *toss.next().expect("it goes round"), &mut text);
            let expression = Expression::parse(&text);
            prop_assert!(expression.is_ok(), "{text}\n{expression:?}");
            for (named, value, groups) in own {
                let mut own = instance(&[(["a", "b.c", "other"][named], WORDS[value])]);
                own.task_groups = groups.iter().map(|&it| WORDS[it]).collect();
                own.running_tasks_count = own.task_groups.len() as u32;
                prop_assert_eq!(own.is_selected(&text), meaning.holds(&own), "{}", text);
            }
        }

        #[test]
        fn any_text_is_read_or_refused_at_a_place_within(text in "[a-z:.=!<>~()\\[\\],'\"&| ä*+?\\\\-]{0,60}|(attribute:a|[ ()!]|==|=~|in|and|or|b.*|\\[|\\]|,){0,14}") {
            if let Err(error) = Expression::parse(&text) {
                prop_assert!(text.get(error.at.clone()).is_some(), "{:?}", error.at);
                prop_assert!(!error.pointed_out(&text).is_empty());
            }
        }
    }
}
