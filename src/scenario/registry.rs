//! `registries`: those that count pulls.

use crate::aws::registry::{DOCKER_HUB, ECR_PUBLIC, PullQuota};
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::Problem;
use crate::scenario::reader::Reader;
use crate::scenario::tree::Entry;
use crate::units::Span;

/// The section `registries`.
pub fn pull_quotas(reader: &mut Reader<'_>, entries: &[Entry]) -> Vec<PullQuota> {
    entries.iter().filter_map(|it| pull_quota(reader, it)).collect()
}

fn pull_quota(reader: &mut Reader<'_>, entry: &Entry) -> Option<PullQuota> {
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
