//! How `assumptions` is read.

use crate::aws::fargate::{TASK_CPUS, task_cpu};
use crate::aws::placement::TieBreak;
use crate::aws::task_definition::CappedTaskWeight;
use crate::scenario::assumption::{
    Assumptions, CooldownStart, FargateBilledFrom, SlotFreedAt, SpreadCounts, StepScalingDatapoints,
    TargetTrackingValue,
};
use crate::scenario::aws_fields::Shape;
use crate::scenario::problem::Problem;
use crate::scenario::quantity;
use crate::scenario::reader::{Fields, Reader, What, listed};
use crate::units::Span;

/// The section `assumptions`: the defaults, where it says nothing else.
pub fn assumptions(reader: &mut Reader<'_>, scenario: &mut Fields<'_>) -> Assumptions {
    let mut assumptions = Assumptions::default();
    let Some(mut fields) = scenario.map(reader, "assumptions") else { return assumptions };
    let a = &mut assumptions;
    for (name, place) in [
        ("instanceLaunchTime", &mut a.instance_launch_time),
        ("windowsInstanceLaunchTime", &mut a.windows_instance_launch_time),
        ("agentRegistrationTime", &mut a.agent_registration_time),
        ("scheduleOffset", &mut a.event_bridge.schedule_offset),
        ("objectEventDelay", &mut a.event_bridge.object_event_delay),
        ("eventDelay", &mut a.event_bridge.event_delay),
    ] {
        *place = fields.distribution_or(reader, name, place.clone());
    }
    for (name, place) in [
        ("autoScalingGroupDelay", &mut a.auto_scaling_group_delay),
        ("insufficientCapacityRetry", &mut a.insufficient_capacity_retry),
        ("insufficientCapacityRetryMaximum", &mut a.insufficient_capacity_retry_maximum),
        ("administrativeSuspensionAfter", &mut a.administrative_suspension_after),
        ("groupHealthCheckInterval", &mut a.group_health_check_interval),
        ("impairedInstanceWait", &mut a.impaired_instance_wait),
        ("rebalanceRecommendationLead", &mut a.rebalance_recommendation_lead),
        ("warmStartTime", &mut a.warm_start_time),
        ("schedulerDelay", &mut a.scheduler_delay),
        ("stopTaskDeregistrationTime", &mut a.stop_task_deregistration_time),
        ("replacementDelay", &mut a.replacement_delay),
        ("failedLaunchDelay", &mut a.failed_launch_delay),
        ("agentPickUpTime", &mut a.agent_pick_up_time),
        ("networkInterfaceAttachTime", &mut a.network_interface_attach_time),
        ("networkInterfaceDetachTime", &mut a.network_interface_detach_time),
        ("trunkAttachTime", &mut a.trunk_attach_time),
        ("imagePullOverhead", &mut a.image_pull_overhead),
        ("imageDigestTime", &mut a.image_digest_time),
        ("containerCreateTime", &mut a.container_create_time),
        ("efsMountTime", &mut a.efs_mount_time),
        ("ebsAttachTime", &mut a.ebs_attach_time),
        ("pendingTimeout", &mut a.pending_timeout),
        ("instanceLossDetection", &mut a.instance_loss_detection),
        ("managedDrainingMaximum", &mut a.managed_draining_maximum),
        ("placementRetryFast", &mut a.placement_retry_fast),
        ("placementRetryWindow", &mut a.placement_retry_window),
        ("placementRetrySlow", &mut a.placement_retry_slow),
        ("provisioningTimeout", &mut a.provisioning_timeout),
        ("deploymentHangsAfter", &mut a.deployment_hangs_after),
        ("healthyAfter", &mut a.healthy_after),
        ("zoneRebalancingDelay", &mut a.zone_rebalancing_delay),
        ("steadyStateInterval", &mut a.steady_state_interval),
        ("targetRegistrationTime", &mut a.target_registration_time),
        ("ecsMetricDelay", &mut a.ecs_metric_delay),
        ("loadBalancerMetricDelay", &mut a.load_balancer_metric_delay),
        ("capacityProviderMetricDelay", &mut a.capacity_provider_metric_delay),
        ("highResolutionMetricDelay", &mut a.high_resolution_metric_delay),
        ("clusterMetricDelay", &mut a.cluster_metric_delay),
        ("containerInsightsMetricDelay", &mut a.container_insights_metric_delay),
        ("instanceMetricDelay", &mut a.instance_metric_delay),
        ("basicInstanceMetricDelay", &mut a.basic_instance_metric_delay),
        ("groupMetricDelay", &mut a.group_metric_delay),
        ("suppliedMetricDelay", &mut a.supplied_metric_delay),
        ("queueMetricDelayAfterInactivity", &mut a.queue_metric_delay_after_inactivity),
        ("activityTimeout", &mut a.activity_timeout),
        ("scheduledActionDelay", &mut a.scheduled_action_delay),
        ("anomalyInterval", &mut a.anomaly.interval),
        ("anomalyWindow", &mut a.anomaly.window),
        ("dnsTimeToLive", &mut a.dns_time_to_live),
        ("internetRoundTrip", &mut a.network_times.internet_round_trip),
        ("internalRoundTrip", &mut a.network_times.internal_round_trip),
        ("sameZoneRoundTrip", &mut a.network_times.same_zone_round_trip),
        ("otherZoneRoundTrip", &mut a.network_times.other_zone_round_trip),
        ("httpOverhead", &mut a.network_times.http_overhead),
        ("httpsOverhead", &mut a.network_times.https_overhead),
        ("tcpOverhead", &mut a.network_times.tcp_overhead),
        ("bridgeLatency", &mut a.network_times.bridge_latency),
        ("hostLatency", &mut a.network_times.host_latency),
        ("awsvpcLatency", &mut a.network_times.awsvpc_latency),
        ("sameZoneConnection", &mut a.network_times.same_zone_connection),
        ("otherZoneConnection", &mut a.network_times.other_zone_connection),
        ("tlsHandshakeCpuTime", &mut a.tls_handshake_cpu_time),
        ("fargateProvisioningTime", &mut a.fargate.provisioning_time),
        ("fargateWindowsProvisioningTime", &mut a.fargate.windows_provisioning_time),
        ("fargatePendingTime", &mut a.fargate.pending_time),
        ("registryTimeout", &mut a.registry_timeout),
        ("fargateRegistryTimeout", &mut a.fargate.registry_timeout),
        ("fargateLazyLoadingTime", &mut a.fargate.lazy_loading_time),
        ("fargateContainerCreateTime", &mut a.fargate.container_create_time),
        ("fargateDeprovisioningTime", &mut a.fargate.deprovisioning_time),
    ] {
        *place = fields.span_or(reader, name, *place);
    }
    // A pause of nothing would be a loop without end.
    for (name, span) in [
        ("placementRetryFast", a.placement_retry_fast),
        ("placementRetrySlow", a.placement_retry_slow),
        ("zoneRebalancingDelay", a.zone_rebalancing_delay),
        ("steadyStateInterval", a.steady_state_interval),
        ("anomalyInterval", a.anomaly.interval),
        ("groupHealthCheckInterval", a.group_health_check_interval),
        ("insufficientCapacityRetry", a.insufficient_capacity_retry),
        ("insufficientCapacityRetryMaximum", a.insufficient_capacity_retry_maximum),
    ] {
        if span == Span::ZERO {
            let at = fields.place_of(name);
            reader.refuse(Problem::new(at, format!("`{name}` of `assumptions` must be longer than nothing")));
        }
    }
    for (name, place) in [
        ("placementRetryOnCapacity", &mut a.placement_retry_on_capacity),
        ("maximumPercentCountsStopping", &mut a.maximum_percent_counts_stopping),
        ("unhealthyTasksStopFirst", &mut a.unhealthy_tasks_stop_first),
        ("taskGroupsByDesiredStatus", &mut a.task_groups_by_desired_status),
        ("drainFullDelay", &mut a.drain_full_delay),
        ("firstGrowthByFormula", &mut a.first_growth_by_formula),
        ("capacityGrowsByMinimumStep", &mut a.capacity_grows_by_minimum_step),
        ("retryFailedPlacement", &mut a.event_bridge.retry_failed_placement),
        ("fargateSpotDeregistersAtWarning", &mut a.fargate.spot_deregisters_at_warning),
        ("burstCredits", &mut a.burst_credits),
        ("managedAlarmsBilled", &mut a.managed_alarms_billed),
    ] {
        *place = fields.flag_or(reader, name, *place);
    }
    for (name, place) in [
        ("provisioningMaximum", &mut a.provisioning_maximum),
        ("launchesPerMinute", &mut a.launches_per_minute),
        ("fargateLaunchesPerMinute", &mut a.fargate.launches_per_minute),
        ("zoneImbalance", &mut a.zone_imbalance),
        ("anomalyRequestsLeast", &mut a.anomaly.requests_least),
    ] {
        *place = fields.count_or(reader, name, 1..=1_000_000, *place);
    }
    for (name, place) in
        [("fargateVcpuQuota", &mut a.fargate.on_demand.vcpu), ("fargateSpotVcpuQuota", &mut a.fargate.spot.vcpu)]
    {
        *place = fields.count_or(reader, name, 0..=1_000_000, *place);
    }
    for (name, place) in [
        ("fargateLaunchBurst", &mut a.fargate.on_demand.launch_burst),
        ("fargateSpotLaunchBurst", &mut a.fargate.spot.launch_burst),
        ("fargateLaunchesPerSecond", &mut a.fargate.on_demand.launches_per_second),
        ("fargateSpotLaunchesPerSecond", &mut a.fargate.spot.launches_per_second),
        ("clusterModifyBurst", &mut a.cluster_modify_burst),
        ("clusterModifyCallsPerSecond", &mut a.cluster_modify_calls_per_second),
        ("serviceModifyBurst", &mut a.service_modify_burst),
        ("serviceModifyCallsPerSecond", &mut a.service_modify_calls_per_second),
        ("fargateRunTaskBurst", &mut a.fargate.run_task_burst),
        ("fargateRunTaskCallsPerSecond", &mut a.fargate.run_task_calls_per_second),
        ("runTaskMaxAttempts", &mut a.run_task_max_attempts),
    ] {
        *place = fields.count_or(reader, name, 1..=1_000_000, *place);
    }
    for (name, place) in [
        ("alarmLowRatio", &mut a.alarm_low_ratio),
        ("groupAlarmLowRatio", &mut a.group_alarm_low_ratio),
        ("scaleInMaxFraction", &mut a.scale_in_max_fraction),
        ("capacityScaleInMaxFraction", &mut a.capacity_scale_in_max_fraction),
        ("startUpJitter", &mut a.start_up_jitter),
        ("duplicateEventShare", &mut a.event_bridge.duplicate_event_share),
        ("anomalyErrorShare", &mut a.anomaly.error_share),
        ("anomalyWeightFactor", &mut a.anomaly.weight_factor),
        ("anomalyWeightFloor", &mut a.anomaly.weight_floor),
        ("anomalyWeightStep", &mut a.anomaly.weight_step),
    ] {
        *place = fields.number_or(reader, name, 0.0..=1.0, *place);
    }
    for (name, place, most) in [
        ("requestBytes", &mut a.request_bytes, 1e9),
        ("responseBytes", &mut a.response_bytes, 1e9),
        ("fargateUnpackedImageRatio", &mut a.fargate.unpacked_image_ratio, 100.0),
        ("spotInterruptionsPerHour", &mut a.spot_interruptions_per_hour, 3600.0),
        ("fargateSpotInterruptionsPerHour", &mut a.fargate.spot_interruptions_per_hour, 3600.0),
        ("anomalyErrorRatio", &mut a.anomaly.error_ratio, 1e6),
    ] {
        *place = fields.number_or(reader, name, 0.0..=most, *place);
    }
    for (name, place) in [
        ("imagePullMbPerSecond", &mut a.image_pull_mb_per_second),
        ("requestsPerConnection", &mut a.requests_per_connection),
        ("fargatePullMbPerSecond", &mut a.fargate.pull_mb_per_second),
    ] {
        *place = fields.positive_or(reader, name, *place);
    }
    a.image_pulls_at_once = fields.count(reader, "imagePullsAtOnce", 1..=1_000_000);
    a.registry_mb_per_second = fields.number(reader, "registryMbPerSecond", 0.001..=1e9);
    for entry in fields.entries(reader, "fargatePullMbPerSecondFrom") {
        let of = "`fargatePullMbPerSecondFrom` of `assumptions`";
        let Some(row) = quantity::whole(&entry.key).and_then(|it| task_cpu(u32::try_from(it).ok()?)) else {
            let sizes: Vec<String> = TASK_CPUS.iter().map(|it| it.cpu_units.to_string()).collect();
            let message = format!("{of} has the speed of tasks with `{}` CPU units", entry.key);
            let help = format!("Fargate has tasks of {}", listed(sizes.iter().map(String::as_str)));
            reader.refuse(Problem::new(entry.key_place, message).help(help));
            continue;
        };
        let speed = reader.number(What { field: &entry.key, of }, &entry.node, 0.001..=1e6);
        a.fargate.pull_mb_per_second_from.extend(speed.map(|it| (row.cpu_units, it)));
    }
    a.fargate.pull_mb_per_second_from.sort_by_key(|it| it.0);
    let moments = [
        ("deactivating", SlotFreedAt::Deactivating),
        ("stopping", SlotFreedAt::Stopping),
        ("stopped", SlotFreedAt::Stopped),
    ];
    a.slot_freed_at = fields.word_or(reader, "slotFreedAt", &moments, a.slot_freed_at);
    let moments = [
        ("launched", FargateBilledFrom::Launched),
        ("pullStarted", FargateBilledFrom::PullStarted),
        ("running", FargateBilledFrom::Running),
    ];
    a.fargate.billed_from = fields.word_or(reader, "fargateBilledFrom", &moments, a.fargate.billed_from);
    let starts = [("fulfilled", CooldownStart::Fulfilled), ("set", CooldownStart::Set)];
    a.cooldown_start = fields.word_or(reader, "cooldownStart", &starts, a.cooldown_start);
    let values =
        [("newest", TargetTrackingValue::Newest), ("meanOfAlarmWindow", TargetTrackingValue::MeanOfAlarmWindow)];
    a.target_tracking_value = fields.word_or(reader, "targetTrackingValue", &values, a.target_tracking_value);
    let datapoints = [("alarmWindow", StepScalingDatapoints::AlarmWindow), ("newest", StepScalingDatapoints::Newest)];
    a.step_scaling_datapoints = fields.word_or(reader, "stepScalingDatapoints", &datapoints, a.step_scaling_datapoints);
    let breaks = [("random", TieBreak::Random), ("lexical", TieBreak::Lexical)];
    a.tie_break = fields.word_or(reader, "tieBreak", &breaks, a.tie_break);
    for (name, place) in [
        ("capacityAlarmHighDatapoints", &mut a.capacity_alarm_high_datapoints),
        ("capacityAlarmLowDatapoints", &mut a.capacity_alarm_low_datapoints),
    ] {
        // CloudWatch evaluates periods of a minute over a day at most.
        *place = fields.count_or(reader, name, 1..=1440, *place);
    }
    let counts = [("service", SpreadCounts::Service), ("deployment", SpreadCounts::Deployment)];
    a.spread_counts = fields.word_or(reader, "spreadCounts", &counts, a.spread_counts);
    let weights = [("kernelDefault", CappedTaskWeight::KernelDefault), ("taskCpu", CappedTaskWeight::TaskCpu)];
    a.capped_task_weight = fields.word_or(reader, "cappedTaskWeight", &weights, a.capped_task_weight);
    a.deployment_alarm_bake_time = fields.span(reader, "deploymentAlarmBakeTime");
    a.alarm_phase = fields.span(reader, "alarmPhase");
    if a.alarm_phase.is_some_and(|it| it >= Span::MINUTE) {
        let at = fields.place_of("alarmPhase");
        reader.refuse(Problem::new(at, "`alarmPhase` of `assumptions` must be shorter than a minute"));
    }
    a.evaluation_range_extra = fields.count(reader, "evaluationRangeExtra", 0..=1_000);
    a.empty_capacity_provider_metric = fields.number(reader, "emptyCapacityProviderMetric", 0.0..=1_000.0);
    fields.finish(reader, &Shape::OURS);
    assumptions
}
