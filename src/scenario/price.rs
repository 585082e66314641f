//! `prices`: what AWS charges where it is not as in the price list.

use crate::aws::price::{self, Prices};
use crate::aws::volume::VolumeType;
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::{Problem, nearest};
use crate::scenario::reader::{Fields, Reader, What, listed};

/// The section `prices`, over the price table of the region that it or the first zone names.
pub fn prices(reader: &mut Reader<'_>, scenario: &mut Fields<'_>, first_zone: &str, instance_types: &[&str]) -> Prices {
    let of_zone = first_zone.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    let mut fields = scenario.map(reader, "prices");
    let mut region = of_zone.to_owned();
    if let Some(fields) = &mut fields {
        fields.derived(reader, "region", of_zone);
        if let Some(said) = fields.text(reader, "region") {
            said.clone_into(&mut region);
        }
    }
    let mut prices = price::prices(&region).unwrap_or_else(|| {
        reader.note(format!("there are no prices for the region `{region}`: those of us-east-1 are taken"));
        Prices { region: region.clone(), ..price::prices("us-east-1").expect("the table has us-east-1") }
    });
    let Some(mut fields) = fields else { return prices };
    let [first, second, third, fourth] = &mut prices.metric_month;
    let [small_build, medium_build, large_build] = &mut prices.build_minute;
    fields.derived(reader, "date", prices.date.as_str());
    if let Some(date) = fields.text(reader, "date") {
        date.clone_into(&mut prices.date);
    }
    for (name, place) in [
        ("loadBalancerHour", &mut prices.load_balancer_hour),
        ("loadBalancerCapacityUnitHour", &mut prices.load_balancer_capacity_unit_hour),
        ("networkLoadBalancerHour", &mut prices.network_load_balancer_hour),
        ("networkLoadBalancerCapacityUnitHour", &mut prices.network_load_balancer_capacity_unit_hour),
        ("classicLoadBalancerHour", &mut prices.classic_load_balancer_hour),
        ("classicLoadBalancerGb", &mut prices.classic_load_balancer_gb),
        ("fargateVcpuHour", &mut prices.fargate_vcpu_hour),
        ("fargateGbHour", &mut prices.fargate_gb_hour),
        ("fargateArmVcpuHour", &mut prices.fargate_arm_vcpu_hour),
        ("fargateArmGbHour", &mut prices.fargate_arm_gb_hour),
        ("fargateWindowsVcpuHour", &mut prices.fargate_windows_vcpu_hour),
        ("fargateWindowsGbHour", &mut prices.fargate_windows_gb_hour),
        ("fargateWindowsLicenseVcpuHour", &mut prices.fargate_windows_license_vcpu_hour),
        ("fargateStorageGbHour", &mut prices.fargate_storage_gb_hour),
        ("cpuCreditsVcpuHour", &mut prices.cpu_credits_vcpu_hour),
        ("cpuCreditsArmVcpuHour", &mut prices.cpu_credits_arm_vcpu_hour),
        ("cpuCreditsWindowsVcpuHour", &mut prices.cpu_credits_windows_vcpu_hour),
        ("natGatewayHour", &mut prices.nat_gateway_hour),
        ("natGatewayGb", &mut prices.nat_gateway_gb),
        ("buildSmallMinute", small_build),
        ("buildMediumMinute", medium_build),
        ("buildLargeMinute", large_build),
        ("alarmMonth", &mut prices.alarm_month),
        ("highResolutionAlarmMonth", &mut prices.high_resolution_alarm_month),
        ("compositeAlarmMonth", &mut prices.composite_alarm_month),
        ("metricMonth", first),
        ("metricMonthAbove10000", second),
        ("metricMonthAbove250000", third),
        ("metricMonthAbove1000000", fourth),
    ] {
        *place = fields.number_or(reader, name, 0.0..=1e9, *place);
    }
    prices.windows_license_vcpu_hour = fields.number(reader, "windowsLicenseVcpuHour", 0.0..=1e3);
    prices.spot_share = fields.number_or(reader, "spotShare", 0.0..=1.0, prices.spot_share);
    prices.fargate_spot_share = fields.number_or(reader, "fargateSpotShare", 0.0..=1.0, prices.fargate_spot_share);
    for entry in fields.entries(reader, "instances") {
        let of = "`instances` of `prices`";
        if !instance_types.contains(&entry.key.as_str()) {
            let message = format!("{of} has a price of `{}`, which is no instance type", entry.key);
            let problem = Problem::new(entry.key_place, message);
            reader.refuse(match nearest(&entry.key, instance_types.iter().copied()) {
                Some(near) => problem.label(format!("did you mean `{near}`?")),
                None => problem.help("types that are not in the catalogue are described under `instanceTypes`"),
            });
            continue;
        }
        let usd_per_hour = reader.number(What { field: &entry.key, of }, &entry.node, 0.0..=1e6);
        prices.instances.extend(usd_per_hour.map(|it| (entry.key.clone(), it)));
    }
    for entry in fields.entries(reader, "volumes") {
        let Some(place) = VolumeType::WORDS.iter().position(|it| it.0 == entry.key) else {
            let message = format!("`volumes` of `prices` has a price of `{}`, which is no type of volume", entry.key);
            let help = format!("EBS has {}", listed(VolumeType::WORDS.map(|it| it.0)));
            reader.refuse(Problem::new(entry.key_place, message).help(help));
            continue;
        };
        let of = format!("`{}` of `volumes` of `prices`", entry.key);
        let Some(mut volume) = reader.fields(&entry.node, of) else { continue };
        let price = &mut prices.volumes[place];
        for (name, place) in [
            ("gbMonth", &mut price.gb_month),
            ("iopsMonth", &mut price.iops_month),
            ("throughputMonth", &mut price.throughput_month),
        ] {
            *place = volume.number_or(reader, name, 0.0..=1e6, *place);
        }
        volume.finish(reader, &Shape::OURS);
    }
    fields.finish(reader, &Shape::OURS);
    prices
}
