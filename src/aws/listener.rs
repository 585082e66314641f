//! Listeners of an Application Load Balancer: which rule a request matches, and what the rule does with it.
//!
//! Follows *Listener rules for your Application Load Balancer* in its user guide (read 2026-04) and the API models of Elastic
//! Load Balancing (botocore, 2026-08). Left out: rule transforms, regular expressions in conditions, and authentication.

use std::fmt;

use crate::aws::load_balancer::{LoadBalancer, TargetGroup};
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

/// `Protocol` of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// `HTTP`
    Http,
    /// `HTTPS`
    Https,
}

impl ListenerProtocol {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            ListenerProtocol::Http => "HTTP",
            ListenerProtocol::Https => "HTTPS",
        }
    }
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

/// A condition of a rule; one of its values must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `host-header`: patterns, in which upper and lower case are alike.
    HostHeader(Vec<String>),
    /// `path-pattern`: patterns, in which they are not.
    PathPattern(Vec<String>),
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
    /// `StatusCode`: 301 or 302.
    pub status_code: u16,
}

/// What a listener sees of a request.
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
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.protocol.as_str().to_ascii_lowercase();
        let host = if self.host.is_empty() { "HOST" } else { &self.host };
        write!(f, "{protocol}://{host}:{}{}", self.port, self.path)
    }
}

impl ListenerRule {
    /// Whether the rule is for this request.
    pub fn matches(&self, address: &Address) -> bool {
        self.conditions.iter().all(|it| it.holds(address))
    }

    /// Whether this rule, standing before `later`, takes every request that `later` is for.
    pub fn shadows(&self, later: &ListenerRule) -> bool {
        self.conditions.iter().all(|one| later.conditions.iter().any(|other| one.covers(other)))
    }
}

impl Condition {
    fn holds(&self, address: &Address) -> bool {
        match self {
            Condition::HostHeader(patterns) => {
                let host = address.host.to_ascii_lowercase();
                patterns.iter().any(|it| matches_pattern(&it.to_ascii_lowercase(), &host))
            }
            Condition::PathPattern(patterns) => patterns.iter().any(|it| matches_pattern(it, &address.path)),
        }
    }

    /// Whether it holds wherever `other` does.
    fn covers(&self, other: &Condition) -> bool {
        let covers = |wide: &[String], narrow: &[String], folds_case: bool| {
            let spelt = |it: &String| if folds_case { it.to_ascii_lowercase() } else { it.clone() };
            narrow.iter().all(|narrow| wide.iter().any(|wide| covers_pattern(&spelt(wide), &spelt(narrow))))
        };
        match (self, other) {
            (Condition::HostHeader(wide), Condition::HostHeader(narrow)) => covers(wide, narrow, true),
            (Condition::PathPattern(wide), Condition::PathPattern(narrow)) => covers(wide, narrow, false),
            _ => false,
        }
    }
}

/// Whether `text` is what the pattern stands for: `*` is any number of characters, `?` is one.
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    walk(pattern, text, |wild, literal| wild == b'?' || wild == literal)
}

/// Whether everything that `narrow` stands for, `wide` does. Where it says no, it may still be so of patterns with stars
/// side by side.
fn covers_pattern(wide: &str, narrow: &str) -> bool {
    // A star of the narrow one can be taken by a star of the wide one only.
    walk(wide, narrow, |wild, literal| literal != b'*' && (wild == b'?' || wild == literal))
}

/// Greedy, going back to the last star only: that is enough, since a later star can take whatever an earlier one could.
fn walk(pattern: &str, text: &str, is_same: impl Fn(u8, u8) -> bool) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        if pattern.get(at) == Some(&b'*') {
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
    pattern[at..].iter().all(|it| *it == b'*')
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
                .replace("#{query}", "")
        };
        let protocol = match filled(&self.protocol).as_str() {
            "HTTP" => ListenerProtocol::Http,
            "HTTPS" => ListenerProtocol::Https,
            _ => return None,
        };
        let port = filled(&self.port).parse().ok()?;
        Some(Address { protocol, host: filled(&self.host), port, path: filled(&self.path) })
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
            assert_eq!(matches_pattern(pattern, text), is_match, "{pattern} {text}");
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
            assert_eq!(covers_pattern(wide, narrow), covers, "{wide} {narrow}");
        }
    }

    fn rule(conditions: Vec<Condition>) -> ListenerRule {
        let action = Action::FixedResponse { status_code: 200 };
        ListenerRule { priority: Some(1), arn: None, conditions, action }
    }

    #[test]
    fn all_conditions_of_a_rule_must_hold() {
        let host = || Condition::HostHeader(vec!["*.Example.com".to_owned()]);
        let path = |it: &str| Condition::PathPattern(vec![it.to_owned(), "/exact".to_owned()]);
        let both = rule(vec![host(), path("/img/*")]);
        let address = |host: &str, path: &str| Address {
            protocol: ListenerProtocol::Http,
            host: host.to_owned(),
            port: 80,
            path: path.to_owned(),
        };
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
            status_code: 301,
        };
        let asked = Address {
            protocol: ListenerProtocol::Http,
            host: "shop.example".to_owned(),
            port: 80,
            path: "/cart".to_owned(),
        };
        let sent = redirect.target(&asked).expect("an address");
        assert_eq!(sent.to_string(), "https://www.shop.example:443/new/cart");
        assert_eq!(Redirect { port: "x".to_owned(), ..redirect }.target(&asked), None);
    }
}
