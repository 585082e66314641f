//! Listeners of an Application Load Balancer: which rule a request matches, and what the rule does with it.
//!
//! Follows *Listener rules for your Application Load Balancer* in its user guide (read 2026-04) and the API models of Elastic
//! Load Balancing (botocore, 2026-08). *Condition types for listener rules* says how
//! values are compared. Left out: rule transforms, regular expressions in conditions, and authentication.

use std::fmt;
use std::net::IpAddr;

use crate::aws::deployment::ALL_TRAFFIC;
use crate::aws::load_balancer::{ListenerProtocol, LoadBalancer, TargetGroup};
use crate::table::Id;
use crate::units::Span;

/// A listener: where a load balancer takes requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Its load balancer.
    pub load_balancer: Id<LoadBalancer>,
    /// `Port`, 1 to 65535; a load balancer has one listener on it.
    pub port: u16,
    /// `Protocol`
    pub protocol: ListenerProtocol,
    /// `ListenerArn`, where the file says it.
    pub arn: Option<String>,
    /// Its rules by priority, the default one last.
    pub rules: Vec<Id<ListenerRule>>,
}

/// A rule of a listener.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenerRule {
    /// `Priority`, 1 to 50000, the least first; `None` is the listener's default rule.
    pub priority: Option<u32>,
    /// `RuleArn`, where the file says it.
    pub arn: Option<String>,
    /// All of them must hold.
    pub conditions: Vec<Condition>,
    /// What it does at the beginning of the run; the timeline can change it.
    pub action: Action,
}

/// Rules that were evaluated for requests, up to the one that was for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleEvaluations {
    /// All of them, as `RuleEvaluations` counts: default rules are left out, and those that cost nothing are not
    /// (*CloudWatch metrics for your Application Load Balancer*).
    pub all: u64,
    /// Those that capacity units are billed by: beyond the first ten of each request (Elastic Load Balancing pricing).
    pub billed: u64,
}

impl RuleEvaluations {
    /// Those of one request to a listener, so many of whose rules were evaluated.
    pub fn of_request(rules: u64) -> RuleEvaluations {
        RuleEvaluations { all: rules, billed: rules.saturating_sub(10) }
    }

    /// Adds others.
    pub fn add(&mut self, other: RuleEvaluations) {
        self.all += other.all;
        self.billed += other.billed;
    }
}

/// A condition of a rule; one of its values must match. Patterns have `*` for any number of characters and `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `host-header`: patterns, in which upper and lower case are alike.
    HostHeader(Vec<String>),
    /// `path-pattern`: patterns, in which they are not.
    PathPattern(Vec<String>),
    /// `http-header`: patterns for the values of a header, in both of which upper and lower case are alike.
    HttpHeader {
        /// `HttpHeaderName`, no pattern.
        name: String,
        /// Patterns.
        values: Vec<String>,
    },
    /// `query-string`: patterns for what the query says, in which upper and lower case are alike, and `\*` and `\?` stand
    /// for themselves.
    QueryString(Vec<QueryStringPair>),
    /// `source-ip`: where it comes from.
    SourceIp(Vec<IpBlock>),
    /// `http-request-method`: no patterns, and upper and lower case differ.
    HttpRequestMethod(Vec<String>),
}

/// `QueryStringKeyValuePair`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryStringPair {
    /// `Key`; `None` is any.
    pub key: Option<String>,
    /// `Value`
    pub value: String,
}

/// Addresses that begin alike, as `192.0.2.0/24` or `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpBlock {
    /// One of them.
    address: IpAddr,
    /// How many bits are alike, up to 32 or 128.
    prefix: u32,
}

impl IpBlock {
    /// A block, or one address.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<IpBlock, String> {
        let expected = || format!("`{text}` is no block of addresses such as `192.0.2.0/24` or `2001:db8::/32`");
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| expected())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|it| it.is_ascii_digit()) => digits.parse().map_err(|_| expected())?,
            Some(_) => return Err(expected()),
            None => most,
        };
        if prefix > most { Err(expected()) } else { Ok(IpBlock { address, prefix }) }
    }

    /// Whether all addresses of `other` are its own.
    pub fn contains(self, other: IpBlock) -> bool {
        self.prefix <= other.prefix && self.overlaps(other)
    }

    /// Whether some address is in both.
    pub fn overlaps(self, other: IpBlock) -> bool {
        let prefix = self.prefix.min(other.prefix);
        let begins_alike = |one: u128, other: u128, bits: u32| prefix == 0 || (one ^ other) >> (bits - prefix) == 0;
        match (self.address, other.address) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                begins_alike(u128::from(u32::from(one)), u128::from(u32::from(other)), 32)
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => begins_alike(u128::from(one), u128::from(other), 128),
            _ => false,
        }
    }
}

impl fmt::Display for IpBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// What a rule does with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// `forward`
    Forward(Forward),
    /// `fixed-response`: the load balancer answers by itself.
    FixedResponse {
        /// `StatusCode`: 2XX, 4XX or 5XX.
        status_code: u16,
    },
    /// `redirect`: the client is told to ask elsewhere.
    Redirect(Redirect),
}

/// `ForwardConfig`
#[derive(Clone, Debug, PartialEq)]
pub struct Forward {
    /// `TargetGroups`, one to five.
    pub target_groups: Vec<WeightedTargetGroup>,
    /// `TargetGroupStickinessConfig`, where enabled: how long a client stays with the target group that was picked for it,
    /// 1 s to 7 days. AWS does not say that the cookie (`AWSALBTG`) is ever renewed; it is not.
    pub stickiness: Option<Span>,
}

/// `TargetGroupTuple`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightedTargetGroup {
    /// The target group.
    pub target_group: Id<TargetGroup>,
    /// `Weight`, 0 to 999: its part of all weights is its part of the requests, however its targets fare. 0 gets none.
    pub weight: u32,
}

/// Two target groups, the second of which gets this part of the requests, in tenths of a percent.
pub fn weighted((first, second): (Id<TargetGroup>, Id<TargetGroup>), part: u32) -> Vec<WeightedTargetGroup> {
    let rest = ALL_TRAFFIC - part;
    vec![
        WeightedTargetGroup { target_group: first, weight: rest },
        WeightedTargetGroup { target_group: second, weight: part },
    ]
}

/// `RedirectConfig`: what stays as it was asked for is written `#{host}` and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// `Protocol`; AWS's default is `#{protocol}`.
    pub protocol: String,
    /// `Host`; AWS's default is `#{host}`.
    pub host: String,
    /// `Port`; AWS's default is `#{port}`.
    pub port: String,
    /// `Path`; AWS's default is `/#{path}`, since `#{path}` lacks its first slash.
    pub path: String,
    /// `Query`, without the question mark; AWS's default is `#{query}`.
    pub query: String,
    /// `StatusCode`: 301 or 302.
    pub status_code: u16,
}

/// What a listener sees of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it asks for.
    pub address: Address,
    /// Its method, as `GET`.
    pub method: String,
    /// Its headers beside `Host`, name and value.
    pub headers: Vec<(String, String)>,
    /// Where it comes from: a load balancer's client, which may be a proxy. `None` matches no block.
    pub source: Option<IpBlock>,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The protocol it came by.
    pub protocol: ListenerProtocol,
    /// The host it names; empty where it names the load balancer's own.
    pub host: String,
    /// The port it came to.
    pub port: u16,
    /// Its path, without the query.
    pub path: String,
    /// Its query, without the question mark; empty where it has none.
    pub query: String,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.protocol.as_str().to_ascii_lowercase();
        let host = if self.host.is_empty() { "HOST" } else { &self.host };
        write!(f, "{protocol}://{host}:{}{}", self.port, self.path)?;
        if self.query.is_empty() { Ok(()) } else { write!(f, "?{}", self.query) }
    }
}

impl ListenerRule {
    /// Whether the rule is for this request.
    pub fn matches(&self, request: &Request) -> bool {
        self.conditions.iter().all(|it| it.holds(request))
    }

    /// The block of a `source-ip` condition that some of the addresses a request can come from are in and others not, where
    /// it is that which decides.
    pub fn divides(&self, request: &Request) -> Option<IpBlock> {
        let source = request.source?;
        let others_hold = self.conditions.iter().all(|it| matches!(it, Condition::SourceIp(_)) || it.holds(request));
        let block = self.conditions.iter().find_map(|it| match it {
            Condition::SourceIp(blocks) if !it.holds(request) => blocks.iter().copied().find(|it| it.overlaps(source)),
            _ => None,
        });
        block.filter(|_| others_hold)
    }

    /// Whether this rule, standing before `later`, takes every request that `later` is for.
    pub fn shadows(&self, later: &ListenerRule) -> bool {
        self.conditions.iter().all(|one| later.conditions.iter().any(|other| one.covers(other)))
    }
}

impl Condition {
    fn holds(&self, request: &Request) -> bool {
        let Request { address, method, headers, source } = request;
        match self {
            Condition::HostHeader(patterns) => patterns.iter().any(|it| ANY_CASE.matches(it, &address.host)),
            Condition::PathPattern(patterns) => patterns.iter().any(|it| AS_WRITTEN.matches(it, &address.path)),
            Condition::HttpHeader { name, values } => headers
                .iter()
                .filter(|it| it.0.eq_ignore_ascii_case(name))
                .any(|it| values.iter().any(|pattern| ANY_CASE.matches(pattern, &it.1))),
            Condition::QueryString(pairs) => address.query.split('&').filter(|it| !it.is_empty()).any(|said| {
                let (key, value) = said.split_once('=').unwrap_or((said, ""));
                let is_key = |it: &QueryStringPair| it.key.as_ref().is_none_or(|it| WITH_ESCAPES.matches(it, key));
                pairs.iter().any(|it| is_key(it) && WITH_ESCAPES.matches(&it.value, value))
            }),
            Condition::SourceIp(blocks) => {
                source.is_some_and(|source| blocks.iter().any(|block| block.contains(source)))
            }
            Condition::HttpRequestMethod(methods) => methods.contains(method),
        }
    }

    /// Whether it holds wherever `other` does.
    fn covers(&self, other: &Condition) -> bool {
        let covers = |wide: &[String], narrow: &[String], spelling: Spelling| {
            narrow.iter().all(|narrow| wide.iter().any(|wide| spelling.covers(wide, narrow)))
        };
        match (self, other) {
            (Condition::HostHeader(wide), Condition::HostHeader(narrow)) => covers(wide, narrow, ANY_CASE),
            (Condition::PathPattern(wide), Condition::PathPattern(narrow)) => covers(wide, narrow, AS_WRITTEN),
            (
                Condition::HttpHeader { name, values: wide },
                Condition::HttpHeader { name: other_name, values: narrow },
            ) => name.eq_ignore_ascii_case(other_name) && covers(wide, narrow, ANY_CASE),
            (Condition::QueryString(wide), Condition::QueryString(narrow)) => narrow.iter().all(|narrow| {
                wide.iter().any(|wide| {
                    let covers_key = match (&wide.key, &narrow.key) {
                        (None, _) => true,
                        (Some(wide), Some(narrow)) => WITH_ESCAPES.covers(wide, narrow),
                        (Some(_), None) => false,
                    };
                    covers_key && WITH_ESCAPES.covers(&wide.value, &narrow.value)
                })
            }),
            (Condition::SourceIp(wide), Condition::SourceIp(narrow)) => {
                narrow.iter().all(|narrow| wide.iter().any(|wide| wide.contains(*narrow)))
            }
            (Condition::HttpRequestMethod(wide), Condition::HttpRequestMethod(narrow)) => {
                narrow.iter().all(|it| wide.contains(it))
            }
            _ => false,
        }
    }

    /// How many values it compares with.
    pub fn values(&self) -> usize {
        match self {
            Condition::HostHeader(values)
            | Condition::PathPattern(values)
            | Condition::HttpHeader { values, .. }
            | Condition::HttpRequestMethod(values) => values.len(),
            Condition::QueryString(pairs) => pairs.len(),
            Condition::SourceIp(blocks) => blocks.len(),
        }
    }

    /// How many `*` and `?` its patterns have.
    pub fn wildcards(&self) -> usize {
        let count = |spelling: Spelling, text: &str| {
            spelling.glyphs(text).iter().filter(|it| !matches!(it, Glyph::Literal(_))).count()
        };
        match self {
            Condition::HostHeader(values) | Condition::PathPattern(values) | Condition::HttpHeader { values, .. } => {
                values.iter().map(|it| count(AS_WRITTEN, it)).sum()
            }
            Condition::QueryString(pairs) => {
                pairs.iter().flat_map(|it| it.key.iter().chain([&it.value])).map(|it| count(WITH_ESCAPES, it)).sum()
            }
            Condition::SourceIp(_) | Condition::HttpRequestMethod(_) => 0,
        }
    }
}

/// How the patterns of a condition are spelt.
#[derive(Clone, Copy)]
struct Spelling {
    /// Upper and lower case are alike.
    folds_case: bool,
    /// What follows a backslash stands for itself.
    has_escapes: bool,
}

const AS_WRITTEN: Spelling = Spelling { folds_case: false, has_escapes: false };
const ANY_CASE: Spelling = Spelling { folds_case: true, has_escapes: false };
const WITH_ESCAPES: Spelling = Spelling { folds_case: true, has_escapes: true };

/// A piece of a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Glyph {
    /// Any number of characters.
    Star,
    /// Any one character.
    Any,
    Literal(u8),
}

impl Spelling {
    fn literal(self, byte: u8) -> Glyph {
        Glyph::Literal(if self.folds_case { byte.to_ascii_lowercase() } else { byte })
    }

    fn glyphs(self, pattern: &str) -> Vec<Glyph> {
        let mut bytes = pattern.bytes().peekable();
        let mut glyphs = Vec::new();
        while let Some(byte) = bytes.next() {
            glyphs.push(match byte {
                b'*' => Glyph::Star,
                b'?' => Glyph::Any,
                b'\\' if self.has_escapes => self.literal(bytes.next().unwrap_or(byte)),
                _ => self.literal(byte),
            });
        }
        glyphs
    }

    /// Whether `text` is what the pattern stands for.
    fn matches(self, pattern: &str, text: &str) -> bool {
        let text: Vec<Glyph> = text.bytes().map(|it| self.literal(it)).collect();
        walk(&self.glyphs(pattern), &text)
    }

    /// Whether everything that `narrow` stands for, `wide` does. Where it says no, it may still be so of patterns with stars
    /// side by side.
    fn covers(self, wide: &str, narrow: &str) -> bool {
        walk(&self.glyphs(wide), &self.glyphs(narrow))
    }
}

/// Greedy, going back to the last star only: that is enough, since a later star can take whatever an earlier one could. A
/// star of `text` can be taken by a star of the pattern only.
fn walk(pattern: &[Glyph], text: &[Glyph]) -> bool {
    let is_same = |wild: Glyph, other: Glyph| other != Glyph::Star && (wild == Glyph::Any || wild == other);
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        if pattern.get(at) == Some(&Glyph::Star) {
            star = Some((at, place));
            at += 1;
        } else if pattern.get(at).is_some_and(|&it| is_same(it, text[place])) {
            (at, place) = (at + 1, place + 1);
        } else if let Some((star_at, taken)) = star {
            star = Some((star_at, taken + 1));
            (at, place) = (star_at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|it| *it == Glyph::Star)
}

impl Action {
    /// Whether all requests go to one target group.
    pub fn is_whole(&self) -> bool {
        matches!(self, Action::Forward(forward) if forward.target_groups.len() == 1)
    }
}

impl Forward {
    /// All weights together.
    pub fn weights(&self) -> u32 {
        self.target_groups.iter().map(|it| it.weight).sum()
    }

    /// The target group of a request, by its chance between 0 (excluded) and 1. How AWS picks is not documented: for each
    /// request anew, by weight.
    ///
    /// # Panics
    /// When all weights are 0, which no scenario has.
    pub fn pick(&self, chance: f64) -> Id<TargetGroup> {
        let point = chance * f64::from(self.weights());
        let mut sum = 0;
        for it in &self.target_groups {
            sum += it.weight;
            if it.weight > 0 && point <= f64::from(sum) {
                return it.target_group;
            }
        }
        panic!("weights sum to more than nothing")
    }

    /// The weight of a target group.
    pub fn weight_of(&self, target_group: Id<TargetGroup>) -> u32 {
        self.target_groups.iter().filter(|it| it.target_group == target_group).map(|it| it.weight).sum()
    }

    /// Whether it may send to this target group: a client that is pinned to it stays even when its weight is 0.
    pub fn names(&self, target_group: Id<TargetGroup>) -> bool {
        self.target_groups.iter().any(|it| it.target_group == target_group)
    }
}

impl Redirect {
    /// Where a client is sent that asked for `address`; `None` where the port or the protocol come to nothing.
    pub fn target(&self, address: &Address) -> Option<Address> {
        let filled = |text: &str| {
            text.replace("#{protocol}", address.protocol.as_str())
                .replace("#{host}", &address.host)
                .replace("#{port}", &address.port.to_string())
                .replace("#{path}", address.path.trim_start_matches('/'))
                .replace("#{query}", &address.query)
        };
        let protocol = match filled(&self.protocol).as_str() {
            "HTTP" => ListenerProtocol::Http,
            "HTTPS" => ListenerProtocol::Https,
            _ => return None,
        };
        let port = filled(&self.port).parse().ok()?;
        let (host, path, query) = (filled(&self.host), filled(&self.path), filled(&self.query));
        Some(Address { protocol, host, port, path, query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_have_stars_and_question_marks() {
        for (pattern, text, is_match) in [
            ("/img/*", "/img/", true),
            ("/img/*", "/img/a/b.png", true),
            ("/img/*", "/imgs/a", false),
            ("*.example.com", "shop.example.com", true),
            ("*.example.com", "example.com", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("/*/pics/*.jpg", "/a/b/pics/x.jpg", true),
            ("/*/pics/*.jpg", "/a/b/pics/x.png", false),
            ("*ab*ab", "abxabyab", true),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(AS_WRITTEN.matches(pattern, text), is_match, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_covers_what_is_narrower() {
        for (wide, narrow, covers) in [
            ("/*", "/img/*", true),
            ("/img/*", "/*", false),
            ("/img/?", "/img/*", false),
            ("/img/?", "/img/a", true),
            ("/img/?", "/img/?", true),
            ("/img/a", "/img/?", false),
            ("/img/*", "/img/*", true),
            ("*", "*.example.com", true),
        ] {
            assert_eq!(AS_WRITTEN.covers(wide, narrow), covers, "{wide} {narrow}");
        }
    }

    fn rule(conditions: Vec<Condition>) -> ListenerRule {
        let action = Action::FixedResponse { status_code: 200 };
        ListenerRule { priority: Some(1), arn: None, conditions, action }
    }

    fn asked_for(host: &str, path: &str, query: &str) -> Request {
        let [host, path, query] = [host, path, query].map(str::to_owned);
        Request {
            address: Address { protocol: ListenerProtocol::Http, host, port: 80, path, query },
            method: "GET".to_owned(),
            headers: vec![("User-Agent".to_owned(), "Chrome/1".to_owned()), ("X-Beta".to_owned(), "No".to_owned())],
            source: Some(IpBlock::parse("192.0.2.7").expect("an address")),
        }
    }

    /// The examples of *Condition types for listener rules*, and what it says of case.
    #[test]
    fn conditions_look_at_headers_queries_methods_and_sources() {
        let words = |it: &[&str]| it.iter().map(|it| (*it).to_owned()).collect::<Vec<String>>();
        let header =
            |name: &str, values: &[&str]| Condition::HttpHeader { name: name.to_owned(), values: words(values) };
        let query = |key: Option<&str>, value: &str| {
            Condition::QueryString(vec![QueryStringPair { key: key.map(str::to_owned), value: value.to_owned() }])
        };
        let blocks =
            |it: &[&str]| Condition::SourceIp(it.iter().map(|it| IpBlock::parse(it).expect("a block")).collect());
        let request = asked_for("", "/", "Version=V1&next=an-Example-page&star=*&flag");
        for (condition, holds) in [
            (header("user-agent", &["*chrome*", "*safari*"]), true),
            (header("User-Agent", &["chrome"]), false),
            (header("User-*", &["*"]), false),
            (header("X-Beta", &["yes", "no"]), true),
            (query(Some("version"), "v1"), true),
            (query(Some("version"), "v2"), false),
            (query(None, "*example*"), true),
            (query(None, "\\*"), true),
            (query(Some("next"), "\\*"), false),
            (query(Some("flag"), ""), true),
            (query(Some("page"), "*"), false),
            (Condition::HttpRequestMethod(words(&["POST", "GET"])), true),
            (Condition::HttpRequestMethod(words(&["get", "G*"])), false),
            (blocks(&["192.0.2.0/24", "198.51.100.10/32"]), true),
            (blocks(&["192.0.3.0/24", "2001:db8::/32"]), false),
            (blocks(&["0.0.0.0/0"]), true),
        ] {
            assert_eq!(condition.holds(&request), holds, "{condition:?}");
            assert!(condition.covers(&condition));
        }
        let nowhere = Request { source: None, ..request };
        assert!(!blocks(&["0.0.0.0/0"]).holds(&nowhere));
        assert!(header("x-beta", &["n*"]).covers(&header("X-BETA", &["No"])));
        assert!(!header("x-beta", &["*"]).covers(&header("X-Alpha", &["No"])));
        assert!(query(None, "v*").covers(&query(Some("version"), "V1")));
        assert!(!query(Some("version"), "*").covers(&query(None, "v1")));
        assert!(!query(None, "\\*").covers(&query(None, "v1")));
        assert!(blocks(&["10.0.0.0/8"]).covers(&blocks(&["10.1.0.0/16", "10.2.3.4/32"])));
        assert!(!blocks(&["10.1.0.0/16"]).covers(&blocks(&["10.0.0.0/8"])));
        assert_eq!([query(Some("a?"), "\\*b*").wildcards(), header("a*", &["?", "*b*"]).wildcards()], [2, 3]);
    }

    #[test]
    fn blocks_of_addresses_are_read_or_refused() {
        for text in ["192.0.2.0/33", "192.0.2/24", "a/8", "192.0.2.0/", "192.0.2.0/+8", "::/129", ""] {
            assert!(IpBlock::parse(text).is_err(), "{text}");
        }
        let block = |text: &str| IpBlock::parse(text).expect("a block");
        assert_eq!(block("2001:db8::1").to_string(), "2001:db8::1/128");
        assert!(block("2001:db8::/32").contains(block("2001:db8:ffff::/48")));
        assert!(block("10.0.0.0/8").overlaps(block("0.0.0.0/0")) && !block("10.0.0.0/8").contains(block("0.0.0.0/0")));
    }

    #[test]
    fn all_conditions_of_a_rule_must_hold() {
        let host = || Condition::HostHeader(vec!["*.Example.com".to_owned()]);
        let path = |it: &str| Condition::PathPattern(vec![it.to_owned(), "/exact".to_owned()]);
        let both = rule(vec![host(), path("/img/*")]);
        let address = |host: &str, path: &str| asked_for(host, path, "");
        assert!(both.matches(&address("SHOP.example.com", "/img/x")));
        assert!(both.matches(&address("shop.example.com", "/exact")));
        assert!(!both.matches(&address("shop.example.com", "/IMG/x")));
        assert!(!both.matches(&address("", "/img/x")));
        assert!(rule(vec![host()]).shadows(&both));
        assert!(rule(vec![]).shadows(&both));
        assert!(!both.shadows(&rule(vec![host()])));
        assert!(!rule(vec![path("/other/*")]).shadows(&both));
    }

    #[test]
    fn weights_are_parts_of_their_sum() {
        let group = |index: usize, weight| WeightedTargetGroup { target_group: Id::new(index), weight };
        let forward = Forward { target_groups: vec![group(0, 10), group(1, 0), group(2, 20)], stickiness: None };
        let picks = (1..=3000).filter(|it| forward.pick(f64::from(*it) / 3000.0) == Id::new(0)).count();
        assert_eq!(picks, 1000);
        assert_eq!(forward.pick(1.0), Id::new(2));
        assert!((1..=3000).all(|it| forward.pick(f64::from(it) / 3000.0) != Id::new(1)));
    }

    #[test]
    fn redirects_fill_in_what_was_asked_for() {
        let redirect = Redirect {
            protocol: "HTTPS".to_owned(),
            host: "www.#{host}".to_owned(),
            port: "443".to_owned(),
            path: "/new/#{path}".to_owned(),
            query: "#{query}&new".to_owned(),
            status_code: 301,
        };
        let asked = Address {
            protocol: ListenerProtocol::Http,
            host: "shop.example".to_owned(),
            port: 80,
            path: "/cart".to_owned(),
            query: "item=1".to_owned(),
        };
        let sent = redirect.target(&asked).expect("an address");
        assert_eq!(sent.to_string(), "https://www.shop.example:443/new/cart?item=1&new");
        assert_eq!(Redirect { port: "x".to_owned(), ..redirect }.target(&asked), None);
    }
}
