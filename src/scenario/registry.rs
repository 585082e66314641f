//! `registries`: those that count pulls.

use std::collections::BTreeSet;

use crate::aws::registry::{DOCKER_HUB, ECR_PUBLIC, PullQuota};
use crate::aws::start_failure::registry_of;
use crate::aws::task_definition::TaskDefinition;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::{Problem, nearest};
use crate::scenario::reader::{Reader, listed};
use crate::scenario::tree::Entry;
use crate::table::Table;
use crate::units::Span;

/// The section `registries`.
pub fn pull_quotas(reader: &mut Reader<'_>, entries: &[Entry], definitions: &Table<TaskDefinition>) -> Vec<PullQuota> {
    let images = definitions.iter().flat_map(|it| &it.containers).map(|it| registry_of(&it.image));
    let pulled_from: BTreeSet<&str> = images.collect();
    entries.iter().filter_map(|it| pull_quota(reader, it, &pulled_from)).collect()
}

fn pull_quota(reader: &mut Reader<'_>, entry: &Entry, pulled_from: &BTreeSet<&str>) -> Option<PullQuota> {
    if !pulled_from.contains(entry.key.as_str()) {
        let message = format!("no image comes from registry `{}`", entry.key);
        let problem = Problem::new(entry.key_place, message);
        reader.refuse(match nearest(&entry.key, pulled_from.iter().copied()) {
            Some(near) => problem.label(format!("did you mean `{near}`?")),
            None => problem.help(match pulled_from.is_empty() {
                true => "no task definition names an image".to_owned(),
                false => format!("images come from {}", listed(pulled_from.iter().copied())),
            }),
        });
    }
    let mut fields = reader.fields(&entry.node, format!("registry `{}`", entry.key))?;
    let is_authenticated = fields.flag_or(reader, "authenticated", false);
    let usual = PullQuota::usual(&entry.key, is_authenticated);
    let at = fields.place;
    let pulls = fields.count(reader, "pulls", 1..=1_000_000);
    let window = fields.span(reader, "per").filter(|it| *it > Span::ZERO);
    fields.finish(reader, &Shape::OURS);
    let (Some(pulls), Some(window)) = (pulls.or(usual.map(|it| it.0)), window.or(usual.map(|it| it.1))) else {
        let message = format!("registry `{}` does not say how many pulls it takes, and in how long", entry.key);
        let help = format!("`{{pulls: 100, per: 6h}}` would; of `{DOCKER_HUB}` and `{ECR_PUBLIC}` it is known");
        reader.refuse(Problem::new(at, message).help(help));
        return None;
    };
    Some(PullQuota { registry: entry.key.clone(), is_authenticated, pulls, window })
}
