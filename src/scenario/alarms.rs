//! `alarms` and `compositeAlarms`: CloudWatch's alarms, and which scaling policies they invoke.

use crate::aws::alarm::{
    Alarm, AlarmRule, AlarmState, ComparisonOperator, SPAN_MAXIMUM, SPAN_MAXIMUM_BELOW_HOURS, TreatMissingData, Watched,
};
use crate::aws::composite_alarm::{
    ALARMS_MAXIMUM, CompositeAlarm, NamedAlarm, RULE_LENGTH_MAXIMUM, Rule, RuleAlarm, Side, managed_alarm_prefix,
};
use crate::aws::metric::MetricStat;
use crate::aws::scaling_policy::{ScalingPolicy, ScalingPolicyKind};
use crate::aws::service::ServiceDefinition;
use crate::scenario::aws_fields::Shape;
use crate::scenario::metric::{Watchable, alarm_period};
use crate::scenario::placement::syntax_problem;
use crate::scenario::problem::{Place, Problem, nearest};
use crate::scenario::reader::{Fields, Names, Reader, What, listed};
use crate::scenario::sections::check_own_name;
use crate::scenario::tree::{Entry, Node};
use crate::table::{Id, Table};
use crate::units::Span;

/// The alarms of a scenario, and what they say to invoke.
pub struct Alarms {
    /// Those that are sound.
    pub table: Table<Alarm>,
    /// All names.
    pub names: Names<Alarm>,
    actions: Vec<SaidAction>,
}

/// An item of `AlarmActions`, `OKActions` or `InsufficientDataActions`.
struct SaidAction {
    alarm: Option<Id<Alarm>>,
    of: String,
    state: AlarmState,
    field: &'static str,
    text: String,
    at: Place,
}

impl SaidAction {
    /// The scaling policy that it names: a bare name, or the end of an ARN.
    fn policy(&self) -> Option<&str> {
        match self.text.split_once("policyName/") {
            Some((_, name)) => name.split(':').next(),
            None => (!self.text.contains(':')).then_some(self.text.as_str()),
        }
    }
}

impl Alarms {
    /// The section `alarms`. An alarm without dimensions watches what `service_of` says of it.
    pub fn read(
        reader: &mut Reader<'_>,
        entries: &[Entry],
        watchable: &Watchable<'_>,
        service_of: &dyn Fn(&Entry) -> Option<Id<ServiceDefinition>>,
    ) -> Alarms {
        let mut alarms = Alarms { table: Table::new(), names: Names::new("alarm", "alarms"), actions: Vec::new() };
        for entry in entries {
            if entry.key.starts_with("TargetTracking-") {
                reader.note(format!("alarm `{}` is made by its policy, so it is left out here", entry.key));
                alarms.names.add(&entry.key, None);
                continue;
            }
            let of = format!("alarm `{}`", entry.key);
            let Some(mut fields) = reader.fields(&entry.node, of.as_str()) else {
                alarms.names.add(&entry.key, None);
                continue;
            };
            check_own_name(reader, &mut fields, "alarms", &entry.key);
            let (alarm, said) = alarm(reader, &mut fields, &entry.key, watchable, service_of(entry));
            fields.finish(reader, &Shape::ALARM);
            let id = alarm.map(|it| alarms.table.push(it));
            alarms.names.add(&entry.key, id);
            for (state, field, node) in said {
                let Some(text) = reader.text(What { field, of: &of }, node) else { continue };
                let (of, text, at) = (of.clone(), text.to_owned(), node.place);
                alarms.actions.push(SaidAction { alarm: id, of, state, field, text, at });
            }
        }
        alarms
    }

    /// Lets an alarm invoke a policy when it comes to ALARM.
    pub fn invokes(&mut self, alarm: Id<Alarm>, policy: Id<ScalingPolicy>) {
        let actions = &mut self.table[alarm].actions;
        if !actions.contains(&(AlarmState::Alarm, policy)) {
            actions.push((AlarmState::Alarm, policy));
        }
    }

    /// Finds the policies that alarms name among their actions.
    pub fn link(
        &mut self,
        reader: &mut Reader<'_>,
        policies: &Names<ScalingPolicy>,
        definitions: &Table<ScalingPolicy>,
    ) {
        for said in std::mem::take(&mut self.actions) {
            let SaidAction { of, field, text, at, .. } = &said;
            let Some(name) = said.policy() else {
                reader.note(format!("`{text}` in `{field}` of {of} is no scaling policy, and nothing comes of it"));
                continue;
            };
            let what = What { field, of };
            let is_arn = text.contains(':');
            if is_arn && !policies.iter().any(|it| it == name) {
                reader.note(format!(
                    "`{field}` of {of} names the policy `{name}`, which is not here: nothing comes of it"
                ));
                continue;
            }
            let policy = reader.named(what, *at, name, policies);
            if policy.is_some_and(|it| {
                matches!(definitions[it].kind, ScalingPolicyKind::TargetTracking(_) | ScalingPolicyKind::Predictive(_))
            }) {
                let message =
                    format!("{what} names policy `{name}`, which is target tracking and has alarms of its own");
                reader.refuse(Problem::new(*at, message).help("leave it out; alarms of yours invoke step scaling"));
                continue;
            }
            if let (Some(alarm), Some(policy)) = (said.alarm, policy)
                && !self.table[alarm].actions.contains(&(said.state, policy))
            {
                self.table[alarm].actions.push((said.state, policy));
            }
        }
    }

    /// Whether an alarm says that it invokes a policy of this name.
    pub fn names_policy(&self, name: &str) -> bool {
        self.actions.iter().any(|it| it.policy() == Some(name))
    }

    /// The section `compositeAlarms`, those that others name before these.
    pub fn composite(
        &self,
        reader: &mut Reader<'_>,
        entries: &[Entry],
        managed: &[ManagedAlarm],
    ) -> Table<CompositeAlarm> {
        let mut parsed: Vec<(&Entry, String, Rule<NamedAlarm>, Place)> = Vec::new();
        for entry in entries {
            let Some(mut fields) = reader.fields(&entry.node, format!("composite alarm `{}`", entry.key)) else {
                continue;
            };
            check_own_name(reader, &mut fields, "compositeAlarms", &entry.key);
            if self.names.iter().any(|it| it == entry.key) {
                let problem = Problem::new(entry.key_place, format!("`alarms` has an alarm `{}` too", entry.key));
                reader.refuse(problem.help("the name of an alarm is its own, composite or not"));
            }
            let node = fields.required(reader, "AlarmRule");
            let text = node.and_then(|it| reader.text(What { field: "AlarmRule", of: &fields.of }, it));
            let of = fields.of.clone();
            fields.finish(reader, &Shape::COMPOSITE_ALARM);
            let (Some(node), Some(text)) = (node, text) else { continue };
            if let Some(rule) = self.rule(reader, node, text, &of, (entries, managed)) {
                parsed.push((entry, text.to_owned(), rule, node.place));
            }
        }
        self.in_order(reader, parsed, managed)
    }

    fn rule(
        &self,
        reader: &mut Reader<'_>,
        node: &Node,
        text: &str,
        of: &str,
        (entries, managed): (&[Entry], &[ManagedAlarm]),
    ) -> Option<Rule<NamedAlarm>> {
        let what = What { field: "AlarmRule", of };
        let source = reader.files[node.place.file].text.to_string();
        let rule = match Rule::parse(text) {
            Ok(rule) => rule,
            Err(error) => {
                reader.refuse(syntax_problem(&source, node.place, text, &error, what));
                return None;
            }
        };
        let alarms = rule.alarms();
        if text.len() > RULE_LENGTH_MAXIMUM || alarms.len() > ALARMS_MAXIMUM {
            let (characters, count) = (text.len(), alarms.len());
            let message = format!("{what} has {characters} characters and names {count} alarms");
            let help = format!("{RULE_LENGTH_MAXIMUM} characters and {ALARMS_MAXIMUM} alarms are allowed");
            reader.refuse(Problem::new(node.place, message).help(help));
        }
        let mut is_sound = true;
        for named in alarms {
            let known = || self.names.iter().chain(entries.iter().map(|it| it.key.as_str()));
            let is_own = self.names.known.iter().any(|it| it.0 == named.name && it.1.is_some())
                || entries.iter().any(|it| it.key == named.name);
            let found = ManagedAlarm::find(managed, &named.name);
            if is_own || found.len() == 1 || reader.unread_sections.contains("alarms") {
                continue;
            }
            if !named.name.starts_with("TargetTracking-") && known().any(|it| it == named.name) {
                continue;
            }
            is_sound = false;
            if named.name.starts_with("TargetTracking-") {
                let message = match found.len() {
                    0 => format!("no policy has an alarm `{}`", named.name),
                    _ => format!("more than one policy could have the alarm `{}`", named.name),
                };
                let names = || managed.iter().map(|it| it.name.as_str());
                let error = crate::aws::cluster_query::SyntaxError {
                    at: named.at.clone(),
                    message,
                    nearest: nearest(&named.name, names()).map(str::to_owned),
                    help: Some(match managed.is_empty() {
                        true => "no policy tracks a target here".to_owned(),
                        false => format!("the alarms of target tracking are {}", listed(names())),
                    }),
                };
                reader.refuse(syntax_problem(&source, node.place, text, &error, what));
                continue;
            }
            let error = crate::aws::cluster_query::SyntaxError {
                at: named.at.clone(),
                message: format!("no alarm is called `{}`", named.name),
                nearest: nearest(&named.name, known()).map(str::to_owned),
                help: Some(format!("the alarms here are {}", listed(known()))),
            };
            reader.refuse(syntax_problem(&source, node.place, text, &error, what));
        }
        is_sound.then_some(rule)
    }

    fn in_order(
        &self,
        reader: &mut Reader<'_>,
        mut parsed: Vec<(&Entry, String, Rule<NamedAlarm>, Place)>,
        managed: &[ManagedAlarm],
    ) -> Table<CompositeAlarm> {
        let mut table = Table::<CompositeAlarm>::new();
        while !parsed.is_empty() {
            let waits = |named: &&NamedAlarm| parsed.iter().any(|it| it.0.key == named.name);
            let ready = parsed.iter().position(|it| !it.2.alarms().iter().any(waits));
            let Some(ready) = ready else {
                let (entry, _, _, place) = &parsed[0];
                let message =
                    format!("composite alarm `{}` depends on itself, by way of those that it names", entry.key);
                reader.refuse(Problem::new(*place, message));
                return table;
            };
            let (entry, text, rule, _) = parsed.remove(ready);
            // What was refused is named by nobody who can be evaluated.
            let alarm_of = |named: &NamedAlarm| {
                let own = self.names.known.iter().find(|it| it.0 == named.name).and_then(|it| it.1).map(RuleAlarm::Own);
                let composite = || table.find(|it| it.name == named.name).map(RuleAlarm::Composite);
                let made = || match ManagedAlarm::find(managed, &named.name)[..] {
                    [only] => Some(only.alarm),
                    _ => None,
                };
                own.or_else(composite).or_else(made).ok_or(())
            };
            if let Ok(rule) = rule.with(&mut { alarm_of }) {
                table.push(CompositeAlarm { name: entry.key.clone(), text, rule });
            }
        }
        table
    }
}

/// All alarms of a scenario, as those who only watch them name them.
#[derive(Clone, Copy)]
pub struct AlarmsByName<'a> {
    /// Those on metrics.
    pub alarms: &'a Names<Alarm>,
    /// Composite ones.
    pub composite: &'a Table<CompositeAlarm>,
    /// Those that AWS makes.
    pub managed: &'a [ManagedAlarm],
}

impl AlarmsByName<'_> {
    /// The alarms of `alarmNames`; those that were refused themselves are left out.
    pub fn named(&self, reader: &mut Reader<'_>, nodes: &[Node], of: &str) -> Vec<RuleAlarm> {
        let what = What { field: "alarmNames", of };
        let mut found = Vec::new();
        for node in nodes {
            let Some(name) = reader.text(what, node) else { continue };
            let composite = self.composite.find(|it| it.name == name).map(RuleAlarm::Composite);
            match (composite, &ManagedAlarm::find(self.managed, name)[..]) {
                (Some(alarm), _) => found.push(alarm),
                (None, [only]) => found.push(only.alarm),
                _ if self.alarms.known.is_empty() && self.composite.is_empty() => {
                    reader.note(format!("{what} names `{name}`, which is not here: deployments do not watch it"));
                }
                _ => found.extend(reader.named(what, node.place, name, self.alarms).map(RuleAlarm::Own)),
            }
        }
        found
    }
}

/// An alarm that AWS makes for target tracking.
pub struct ManagedAlarm {
    /// Its name here, which ends in that of its policy or capacity provider.
    pub name: String,
    /// The same without that.
    prefix: String,
    alarm: RuleAlarm,
}

impl ManagedAlarm {
    /// Those of target tracking policies and of managed scaling: of a resource (see [`managed_alarm_prefix`]), with the name of
    /// whoever has them.
    pub fn of(resource: &str, owner: &str, alarm: &dyn Fn(Side) -> Option<RuleAlarm>) -> Vec<ManagedAlarm> {
        let of_side = |side| {
            let prefix = managed_alarm_prefix(resource, side);
            Some(ManagedAlarm { name: format!("{prefix}{owner}"), prefix, alarm: alarm(side)? })
        };
        [Side::High, Side::Low].into_iter().filter_map(of_side).collect()
    }

    /// The one of this name; or, where the name ends in a UUID as AWS's do, all that it could be.
    fn find<'m>(managed: &'m [ManagedAlarm], name: &str) -> Vec<&'m ManagedAlarm> {
        if let Some(it) = managed.iter().find(|it| it.name == name) {
            return vec![it];
        }
        let is_uuid = |text: &str| {
            text.len() == 36
                && text.bytes().all(|it| it == b'-' || it.is_ascii_hexdigit())
                && text.split('-').count() == 5
        };
        managed.iter().filter(|it| name.strip_prefix(&it.prefix).is_some_and(is_uuid)).collect()
    }
}

type Said<'n> = Vec<(AlarmState, &'static str, &'n Node)>;

fn alarm<'n>(
    reader: &mut Reader<'_>,
    fields: &mut Fields<'n>,
    name: &str,
    watchable: &Watchable<'_>,
    service: Option<Id<ServiceDefinition>>,
) -> (Option<Alarm>, Said<'n>) {
    let of = fields.of.clone();
    let problems = reader.problems.len();
    let (watches, period) = if let Some(node) = fields.take("Metrics") {
        for other in ["MetricName", "Namespace", "Dimensions", "Statistic", "ExtendedStatistic", "Period"] {
            if fields.has(other) {
                let at = fields.place_of_key(other);
                let message = format!("{of} has both `Metrics` and `{other}`");
                reader.refuse(Problem::new(at, message).help("the metrics of an expression say that themselves"));
            }
        }
        let math = watchable.math(reader, node, What { field: "Metrics", of: &of }, service);
        (math.as_ref().map(|it| Watched::Math(Box::new(it.0.clone()))), math.map(|it| it.1))
    } else {
        let metric = watchable.metric(reader, fields, service);
        let statistic = Watchable::statistic(reader, fields);
        fields.usual(reader, "Period", &60);
        let period = fields.take("Period").map_or(Some(Span::MINUTE), |node| alarm_period(reader, node, &of));
        let watches = metric.zip(statistic).zip(period).map(|((metric, statistic), period)| {
            let metric = watchable.at_resolution(reader, metric, period, &of);
            Watched::Stat(MetricStat { metric, statistic })
        });
        (watches, period)
    };
    let rule = rule(reader, fields, period);
    let actions_enabled = fields.flag_or(reader, "ActionsEnabled", true);
    let mut said = Vec::new();
    for (field, state) in [
        ("AlarmActions", AlarmState::Alarm),
        ("OKActions", AlarmState::Ok),
        ("InsufficientDataActions", AlarmState::InsufficientData),
    ] {
        let nodes = fields.list(reader, field);
        if nodes.len() > 5 {
            let message = format!("`{field}` of {of} has {} actions; 5 are allowed", nodes.len());
            reader.refuse(Problem::new(fields.place_of(field), message));
        }
        said.extend(nodes.iter().map(|it| (state, field, it)));
    }
    let alarm = watches.zip(rule).filter(|_| reader.problems.len() == problems).map(|(watches, rule)| Alarm {
        name: name.to_owned(),
        watches,
        rule,
        actions_enabled,
        actions: Vec::new(),
    });
    (alarm, said)
}

fn rule(reader: &mut Reader<'_>, fields: &mut Fields<'_>, period: Option<Span>) -> Option<AlarmRule> {
    let of = fields.of.clone();
    let evaluation_periods = fields.required_count(reader, "EvaluationPeriods", 1..=60_480);
    if let Some(periods) = evaluation_periods {
        fields.derived(reader, "DatapointsToAlarm", &periods);
    }
    let datapoints_to_alarm = fields.count(reader, "DatapointsToAlarm", 1..=60_480).or(evaluation_periods);
    if let (Some(m), Some(n)) = (datapoints_to_alarm, evaluation_periods)
        && m > n
    {
        let message = format!("{of} needs {m} datapoints in breach, and looks at {n} periods");
        reader
            .refuse(Problem::new(fields.place, message).help("`DatapointsToAlarm` may not exceed `EvaluationPeriods`"));
    }
    if let (Some(n), Some(period)) = (evaluation_periods, period) {
        let most = if period < Span::seconds(3_600) { SPAN_MAXIMUM_BELOW_HOURS } else { SPAN_MAXIMUM };
        let looked_at = period * u64::from(n);
        if looked_at > most {
            let message = format!("{of} looks at {n} periods of {period}, which is {looked_at}");
            let help =
                "`EvaluationPeriods` times `Period` is a day at most, and a week where the period is an hour at least";
            reader.refuse(Problem::new(fields.place_of("EvaluationPeriods"), message).help(help));
        }
    }
    fields.required(reader, "Threshold");
    let threshold = fields.number(reader, "Threshold", f64::MIN..=f64::MAX);
    fields.required(reader, "ComparisonOperator");
    let operators = [
        ("GreaterThanThreshold", ComparisonOperator::GreaterThanThreshold),
        ("GreaterThanOrEqualToThreshold", ComparisonOperator::GreaterThanOrEqualToThreshold),
        ("LessThanThreshold", ComparisonOperator::LessThanThreshold),
        ("LessThanOrEqualToThreshold", ComparisonOperator::LessThanOrEqualToThreshold),
    ];
    let comparison_operator = fields.word(reader, "ComparisonOperator", &operators);
    let treatments = [
        ("missing", TreatMissingData::Missing),
        ("ignore", TreatMissingData::Ignore),
        ("breaching", TreatMissingData::Breaching),
        ("notBreaching", TreatMissingData::NotBreaching),
    ];
    let treat_missing_data = fields.word_or(reader, "TreatMissingData", &treatments, TreatMissingData::default());
    let low = [("evaluate", false), ("ignore", true)];
    let ignores_low_sample_count = fields.word_or(reader, "EvaluateLowSampleCountPercentile", &low, false);
    Some(AlarmRule {
        comparison_operator: comparison_operator?,
        threshold: threshold?,
        period: period?,
        evaluation_periods: evaluation_periods?,
        datapoints_to_alarm: datapoints_to_alarm?,
        treat_missing_data,
        ignores_low_sample_count,
    })
}
