//! The fields that AWS's APIs know and this simulator does not model, by shape.
//!
//! From the API models of the AWS SDKs (botocore 1.44.5, read 2026-11). Modelled fields are not listed: the code that
//! reads them knows them. What is in neither place is refused.

/// A shape of AWS's, as far as it is not modelled.
#[derive(Debug)]
pub struct Shape {
    /// Its name, for notes.
    pub name: &'static str,
    /// Would change the result, and is not simulated.
    pub not_simulated: &'static [&'static str],
    /// Changes nothing here, or is only ever output.
    pub accepted: &'static [&'static str],
}

impl Shape {
    /// A shape that is ours, where every field is modelled.
    pub const OURS: Shape = Shape { name: "", not_simulated: &[], accepted: &[] };

    /// The whole file; `variants` are read by themselves.
    pub const SCENARIO: Shape = Shape { accepted: &["variants"], ..Shape::OURS };

    /// `cluster`, with what `DescribeClusters` adds.
    pub const CLUSTER: Shape = Shape {
        name: "cluster",
        not_simulated: &["serviceConnectDefaults"],
        accepted: &[
            "activeServicesCount",
            "attachments",
            "attachmentsStatus",
            "capacityProviders",
            "clusterArn",
            "configuration",
            "pendingTasksCount",
            "registeredContainerInstancesCount",
            "runningTasksCount",
            "statistics",
            "status",
            "tags",
        ],
    };

    /// `Subnet` of EC2.
    pub const SUBNET: Shape = Shape {
        name: "subnet",
        not_simulated: &[],
        accepted: &[
            "AssignIpv6AddressOnCreation",
            "AvailabilityZoneId",
            "DefaultForAz",
            "OwnerId",
            "State",
            "SubnetArn",
            "SubnetId",
            "Tags",
            "VpcId",
        ],
    };

    /// `AwsVpcConfiguration`.
    pub const AWSVPC_CONFIGURATION: Shape = Shape { name: "awsvpc configuration", not_simulated: &[], accepted: &[] };

    /// `SecurityGroup` of EC2.
    pub const SECURITY_GROUP: Shape = Shape {
        name: "security group",
        not_simulated: &[],
        accepted: &["Description", "GroupId", "GroupName", "OwnerId", "SecurityGroupArn", "Tags", "VpcId"],
    };

    /// `IpPermission` of EC2.
    pub const IP_PERMISSION: Shape = Shape {
        name: "IP permission",
        not_simulated: &[],
        accepted: &["IpRanges", "Ipv6Ranges", "PrefixListIds", "UserIdGroupPairs"],
    };

    /// `RegisterTaskDefinition`, with what `DescribeTaskDefinition` adds.
    pub const TASK_DEFINITION: Shape = Shape {
        name: "task definition",
        not_simulated: &["inferenceAccelerators", "proxyConfiguration"],
        accepted: &[
            "compatibilities",
            "deleteRequestedAt",
            "deregisteredAt",
            "enableFaultInjection",
            "ipcMode",
            "pidMode",
            "registeredAt",
            "registeredBy",
            "requiresAttributes",
            "status",
            "tags",
            "taskDefinitionArn",
            "taskRoleArn",
            "trustedExecutionConfiguration",
        ],
    };

    /// `ContainerDefinition`.
    pub const CONTAINER_DEFINITION: Shape = Shape {
        name: "container definition",
        not_simulated: &[],
        accepted: &[
            "command",
            "credentialSpecs",
            "disableNetworking",
            "dnsSearchDomains",
            "dnsServers",
            "dockerLabels",
            "dockerSecurityOptions",
            "entryPoint",
            "environment",
            "environmentFiles",
            "extraHosts",
            "firelensConfiguration",
            "hostname",
            "interactive",
            "links",
            "logConfiguration",
            "mountPoints",
            "privileged",
            "pseudoTerminal",
            "readonlyRootFilesystem",
            "systemControls",
            "ulimits",
            "user",
            "volumesFrom",
            "workingDirectory",
        ],
    };

    /// `LinuxParameters`.
    pub const LINUX_PARAMETERS: Shape = Shape {
        name: "`linuxParameters`",
        not_simulated: &[],
        accepted: &["capabilities", "initProcessEnabled", "maxSwap", "sharedMemorySize", "swappiness", "tmpfs"],
    };

    /// `Device` of `LinuxParameters`.
    pub const DEVICE: Shape = Shape { name: "device", not_simulated: &[], accepted: &["containerPath", "permissions"] };

    /// `EFSVolumeConfiguration`.
    pub const EFS_VOLUME: Shape = Shape {
        name: "EFS volume",
        not_simulated: &[],
        accepted: &["authorizationConfig", "rootDirectory", "transitEncryption", "transitEncryptionPort"],
    };

    /// `FileSystemDescription` of EFS.
    pub const FILE_SYSTEM: Shape = Shape {
        name: "file system",
        not_simulated: &[],
        accepted: &[
            "AvailabilityZoneId",
            "CreationTime",
            "CreationToken",
            "Encrypted",
            "FileSystemArn",
            "FileSystemId",
            "FileSystemProtection",
            "KmsKeyId",
            "LifeCycleState",
            "Name",
            "NumberOfMountTargets",
            "OwnerId",
            "PerformanceMode",
            "ProvisionedThroughputInMibps",
            "SizeInBytes",
            "Tags",
            "ThroughputMode",
        ],
    };

    /// `MountTargetDescription` of EFS.
    pub const MOUNT_TARGET: Shape = Shape {
        name: "mount target",
        not_simulated: &[],
        accepted: &[
            "AvailabilityZoneId",
            "FileSystemId",
            "IpAddress",
            "LifeCycleState",
            "MountTargetId",
            "NetworkInterfaceId",
            "OwnerId",
            "SecurityGroups",
            "VpcId",
        ],
    };

    /// `BlockDeviceMapping` of a launch template or configuration.
    pub const BLOCK_DEVICE_MAPPING: Shape =
        Shape { name: "block device mapping", not_simulated: &[], accepted: &["NoDevice", "VirtualName"] };

    /// Its `Ebs`.
    pub const EBS_BLOCK_DEVICE: Shape = Shape {
        name: "EBS volume",
        not_simulated: &[],
        accepted: &["DeleteOnTermination", "Encrypted", "KmsKeyId", "SnapshotId", "VolumeInitializationRate"],
    };

    /// `InstanceMonitoring` of a launch configuration, `Monitoring` of a launch template.
    pub const INSTANCE_MONITORING: Shape = Shape { name: "instance monitoring", not_simulated: &[], accepted: &[] };

    /// `ServiceManagedEBSVolumeConfiguration`.
    pub const MANAGED_EBS_VOLUME: Shape = Shape {
        name: "EBS volume",
        not_simulated: &[],
        accepted: &[
            "encrypted",
            "filesystemType",
            "kmsKeyId",
            "roleArn",
            "snapshotId",
            "tagSpecifications",
            "volumeInitializationRate",
        ],
    };

    /// `PortMapping`.
    pub const PORT_MAPPING: Shape =
        Shape { name: "port mapping", not_simulated: &[], accepted: &["appProtocol", "name"] };

    /// `RuntimePlatform`.
    pub const RUNTIME_PLATFORM: Shape = Shape { name: "runtime platform", not_simulated: &[], accepted: &[] };

    /// `CreateService`, with what `DescribeServices` adds.
    pub const SERVICE: Shape = Shape {
        name: "service",
        not_simulated: &[
            "gatewayConnectors",
            "serviceConnectConfiguration",
            "serviceRegistries",
            "vpcLatticeConfigurations",
        ],
        accepted: &[
            "clientToken",
            "clusterArn",
            "createdAt",
            "createdBy",
            "currentServiceDeployment",
            "currentServiceRevisions",
            "deployments",
            "enableECSManagedTags",
            "enableExecuteCommand",
            "events",
            "forceNewDeployment",
            "pendingCount",
            "propagateTags",
            "resourceManagementType",
            "role",
            "roleArn",
            "runningCount",
            "serviceArn",
            "status",
            "tags",
            "taskSets",
        ],
    };

    /// `RunTask`.
    pub const RUN_TASK: Shape = Shape {
        name: "`RunTask`",
        not_simulated: &[],
        accepted: &[
            "clientToken",
            "cluster",
            "enableECSManagedTags",
            "enableExecuteCommand",
            "platformVersion",
            "propagateTags",
            "referenceId",
            "startedBy",
            "tags",
        ],
    };

    /// `StartTask`.
    pub const START_TASK: Shape = Shape {
        name: "`StartTask`",
        not_simulated: &[],
        accepted: &[
            "cluster",
            "enableECSManagedTags",
            "enableExecuteCommand",
            "propagateTags",
            "referenceId",
            "startedBy",
            "tags",
        ],
    };

    /// A rule of EventBridge.
    pub const RULE: Shape = Shape {
        name: "rule",
        not_simulated: &[],
        accepted: &["Arn", "CreatedBy", "Description", "EventBusName", "ManagedBy", "RoleArn", "Tags"],
    };

    /// A target of a rule.
    pub const RULE_TARGET: Shape = Shape {
        name: "target of a rule",
        not_simulated: &[],
        accepted: &["Arn", "InputPath", "InputTransformer", "RoleArn"],
    };

    /// A schedule of EventBridge Scheduler.
    pub const SCHEDULE: Shape = Shape {
        name: "schedule",
        not_simulated: &[],
        accepted: &[
            "ActionAfterCompletion",
            "Arn",
            "ClientToken",
            "CreationDate",
            "Description",
            "GroupName",
            "KmsKeyArn",
            "LastModificationDate",
        ],
    };

    /// Its target.
    pub const SCHEDULE_TARGET: Shape =
        Shape { name: "target of a schedule", not_simulated: &[], accepted: &["Arn", "RoleArn"] };

    /// `EcsParameters` of a target.
    pub const ECS_PARAMETERS: Shape = Shape {
        name: "`EcsParameters`",
        not_simulated: &[],
        accepted: &["EnableECSManagedTags", "EnableExecuteCommand", "PropagateTags", "ReferenceId", "Tags"],
    };

    /// `EventPattern`.
    pub const EVENT_PATTERN: Shape = Shape {
        name: "`EventPattern`",
        not_simulated: &["$or", "account", "id", "region", "resources", "time", "version"],
        accepted: &[],
    };

    /// `detail` of the pattern of events that S3 sends.
    pub const EVENT_DETAIL: Shape = Shape {
        name: "`detail` of a pattern",
        not_simulated: &["$or", "reason", "request-id", "requester", "source-ip-address", "version"],
        accepted: &[],
    };

    /// `object` of the pattern of events that S3 sends.
    pub const EVENT_OBJECT: Shape = Shape {
        name: "`object` of a pattern",
        not_simulated: &["$or", "etag", "sequencer", "size", "version-id"],
        accepted: &[],
    };

    /// What a key of an object is to be like.
    pub const KEY_PATTERN: Shape = Shape {
        name: "pattern of a key",
        not_simulated: &["anything-but", "cidr", "equals-ignore-case", "exists", "numeric"],
        accepted: &[],
    };

    /// `TaskOverride`.
    pub const TASK_OVERRIDE: Shape = Shape {
        name: "`overrides`",
        not_simulated: &["ephemeralStorage", "inferenceAcceleratorOverrides"],
        accepted: &["executionRoleArn", "taskRoleArn"],
    };

    /// `ContainerOverride`.
    pub const CONTAINER_OVERRIDE: Shape = Shape {
        name: "`containerOverrides`",
        not_simulated: &["resourceRequirements"],
        accepted: &["command", "environment", "environmentFiles"],
    };

    /// `UpdateService`, as the timeline takes it.
    pub const UPDATE_SERVICE: Shape = Shape {
        name: "updateService",
        not_simulated: &[
            "deploymentController",
            "gatewayConnectors",
            "monitoring",
            "serviceConnectConfiguration",
            "serviceRegistries",
            "vpcLatticeConfigurations",
        ],
        accepted: &["cluster", "enableECSManagedTags", "enableExecuteCommand", "propagateTags"],
    };

    /// `TaskSet`, and what `CreateTaskSet` takes.
    pub const TASK_SET: Shape = Shape {
        name: "task set",
        not_simulated: &["serviceRegistries"],
        accepted: &[
            "clientToken",
            "cluster",
            "clusterArn",
            "computedDesiredCount",
            "createdAt",
            "fargateEphemeralStorage",
            "pendingCount",
            "runningCount",
            "serviceArn",
            "stabilityStatus",
            "stabilityStatusAt",
            "startedBy",
            "tags",
            "taskSetArn",
            "updatedAt",
        ],
    };

    /// `UpdateTaskSet`, `DeleteTaskSet` and `UpdateServicePrimaryTaskSet`.
    pub const CALL_OF_TASK_SET: Shape =
        Shape { name: "call that changes a task set", not_simulated: &[], accepted: &["cluster"] };

    /// `DeploymentConfiguration`.
    pub const DEPLOYMENT_CONFIGURATION: Shape =
        Shape { name: "deployment configuration", not_simulated: &[], accepted: &[] };

    /// `DeploymentLifecycleHook`.
    pub const DEPLOYMENT_LIFECYCLE_HOOK: Shape = Shape {
        name: "lifecycle hook of a deployment",
        not_simulated: &[],
        accepted: &["hookDetails", "hookTargetArn", "roleArn"],
    };

    /// `LoadBalancer` of a service.
    pub const SERVICE_LOAD_BALANCER: Shape =
        Shape { name: "load balancer of a service", not_simulated: &[], accepted: &[] };

    /// `AdvancedConfiguration` of a service's load balancer.
    pub const ADVANCED_CONFIGURATION: Shape =
        Shape { name: "advanced configuration of a load balancer", not_simulated: &[], accepted: &["roleArn"] };

    /// `CapacityProvider`.
    pub const CAPACITY_PROVIDER: Shape = Shape {
        name: "capacity provider",
        not_simulated: &["managedInstancesProvider"],
        accepted: &["capacityProviderArn", "cluster", "status", "tags", "type", "updateStatus", "updateStatusReason"],
    };

    /// `AutoScalingGroup`.
    pub const AUTO_SCALING_GROUP: Shape = Shape {
        name: "Auto Scaling group",
        not_simulated: &[],
        accepted: &[
            "AutoScalingGroupARN",
            "AvailabilityZoneIds",
            "AvailabilityZoneImpairmentPolicy",
            "CapacityReservationSpecification",
            "Context",
            "CreatedTime",
            "DeletionProtection",
            "DesiredCapacityType",
            "EnabledMetrics",
            "InstanceId",
            "InstanceLifecyclePolicy",
            "Instances",
            "KeyName",
            "LaunchConfigurationName",
            "LaunchTemplate",
            "LoadBalancerNames",
            "Operator",
            "PlacementGroup",
            "PredictedCapacity",
            "ServiceLinkedRoleARN",
            "SkipZonalShiftValidation",
            "Status",
            "Tags",
            "TrafficSources",
            "WarmPoolSize",
        ],
    };

    /// `UpdateAutoScalingGroup`.
    pub const UPDATE_AUTO_SCALING_GROUP: Shape = Shape {
        name: "update of an Auto Scaling group",
        not_simulated: &[
            "AvailabilityZoneDistribution",
            "AvailabilityZones",
            "CapacityRebalance",
            "DefaultCooldown",
            "DefaultInstanceWarmup",
            "HealthCheckGracePeriod",
            "HealthCheckType",
            "InstanceMaintenancePolicy",
            "MaxInstanceLifetime",
            "MixedInstancesPolicy",
            "NewInstancesProtectedFromScaleIn",
            "TerminationPolicies",
            "VPCZoneIdentifier",
        ],
        accepted: Shape::AUTO_SCALING_GROUP.accepted,
    };

    /// `LifecycleHook`, and what `LifecycleHookSpecification` has.
    pub const LIFECYCLE_HOOK: Shape = Shape {
        name: "lifecycle hook",
        not_simulated: &[],
        accepted: &[
            "AutoScalingGroupName",
            "GlobalTimeout",
            "NotificationMetadata",
            "NotificationTargetARN",
            "RoleARN",
        ],
    };

    /// `SuspendedProcess`.
    pub const SUSPENDED_PROCESS: Shape =
        Shape { name: "suspended process", not_simulated: &[], accepted: &["SuspensionReason"] };

    /// `WarmPoolConfiguration`.
    pub const WARM_POOL: Shape = Shape { name: "warm pool", not_simulated: &[], accepted: &["Status"] };

    /// `RefreshPreferences`.
    pub const REFRESH_PREFERENCES: Shape =
        Shape { name: "preferences of an instance refresh", not_simulated: &["StandbyInstances"], accepted: &[] };

    /// `DesiredConfiguration` of an instance refresh.
    pub const DESIRED_CONFIGURATION: Shape =
        Shape { name: "desired configuration", not_simulated: &["MixedInstancesPolicy"], accepted: &[] };

    /// `LaunchTemplateSpecification`.
    pub const LAUNCH_TEMPLATE_SPECIFICATION: Shape =
        Shape { name: "launch template", not_simulated: &[], accepted: &["LaunchTemplateId", "LaunchTemplateName"] };

    /// `ScheduledUpdateGroupAction`.
    pub const GROUP_SCHEDULED_ACTION: Shape =
        Shape { name: "scheduled action of a group", not_simulated: &[], accepted: &["ScheduledActionARN", "Time"] };

    /// `LaunchTemplate` of a `MixedInstancesPolicy`.
    pub const MIXED_LAUNCH_TEMPLATE: Shape = Shape {
        name: "launch template of a mixed instances policy",
        not_simulated: &[],
        accepted: &["LaunchTemplateSpecification"],
    };

    /// `LaunchTemplateOverrides`.
    pub const LAUNCH_TEMPLATE_OVERRIDE: Shape = Shape {
        name: "override of a launch template",
        not_simulated: &[],
        accepted: &["ImageId", "LaunchTemplateSpecification"],
    };

    /// `InstanceRequirements`.
    pub const INSTANCE_REQUIREMENTS: Shape = Shape {
        name: "instance requirements",
        not_simulated: &[
            "AcceleratorManufacturers",
            "AcceleratorNames",
            "AcceleratorTotalMemoryMiB",
            "AcceleratorTypes",
            "BaselineEbsBandwidthMbps",
            "BaselinePerformanceFactors",
            "LocalStorage",
            "LocalStorageTypes",
            "NetworkBandwidthGbps",
            "RequireHibernateSupport",
            "TotalLocalStorageGB",
        ],
        accepted: &[],
    };

    /// `LoadBalancer` of Elastic Load Balancing.
    pub const LOAD_BALANCER: Shape = Shape {
        name: "load balancer",
        not_simulated: &[],
        accepted: &[
            "CanonicalHostedZoneId",
            "CreatedTime",
            "CustomerOwnedIpv4Pool",
            "DNSName",
            "EnablePrefixForIpv6SourceNat",
            "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic",
            "IpAddressType",
            "IpamPools",
            "LoadBalancerArn",
            "SecurityGroups",
            "State",
            "SubnetMappings",
            "Subnets",
            "Tags",
            "VpcId",
        ],
    };

    /// `Listener`.
    pub const LISTENER: Shape = Shape {
        name: "listener",
        not_simulated: &[],
        accepted: &["AlpnPolicy", "Certificates", "LoadBalancerArn", "MutualAuthentication", "SslPolicy", "Tags"],
    };

    /// `Rule` of a listener.
    pub const LISTENER_RULE: Shape =
        Shape { name: "listener rule", not_simulated: &["Transforms"], accepted: &["ListenerArn", "Tags"] };

    /// `Action` of a listener rule.
    pub const ACTION: Shape = Shape {
        name: "action",
        not_simulated: &[],
        accepted: &["AuthenticateCognitoConfig", "AuthenticateOidcConfig", "JwtValidationConfig", "Order"],
    };

    /// `RuleCondition`, and its configurations by field.
    pub const RULE_CONDITION_CONFIG: Shape =
        Shape { name: "rule condition", not_simulated: &["RegexValues"], accepted: &[] };

    /// `FixedResponseActionConfig`.
    pub const FIXED_RESPONSE: Shape =
        Shape { name: "fixed response", not_simulated: &[], accepted: &["ContentType", "MessageBody"] };

    /// `TargetGroup`.
    pub const TARGET_GROUP: Shape = Shape {
        name: "target group",
        not_simulated: &[],
        accepted: &[
            "HealthCheckPath",
            "HealthCheckPort",
            "HealthCheckProtocol",
            "IpAddressType",
            "Matcher",
            "Port",
            "ProtocolVersion",
            "Tags",
            "TargetControlPort",
            "TargetGroupArn",
            "VpcId",
        ],
    };

    /// `ScalableTarget`.
    pub const SCALABLE_TARGET: Shape = Shape {
        name: "scalable target",
        not_simulated: &[],
        accepted: &["CreationTime", "PredictedCapacity", "RoleARN", "ScalableTargetARN", "Tags"],
    };

    /// `ScalingPolicy`.
    pub const SCALING_POLICY: Shape =
        Shape { name: "scaling policy", not_simulated: &[], accepted: &["CreationTime", "PolicyARN"] };

    /// `ScalingPolicy` of EC2 Auto Scaling.
    pub const GROUP_SCALING_POLICY: Shape = Shape {
        name: "scaling policy of an Auto Scaling group",
        not_simulated: &[],
        accepted: &["MinAdjustmentStep", "PolicyARN"],
    };

    /// `TargetTrackingScalingPolicyConfiguration`.
    pub const TARGET_TRACKING: Shape = Shape { name: "target tracking", not_simulated: &[], accepted: &[] };

    /// `CustomizedMetricSpecification`, `MetricStat` and `MetricDataQuery`.
    pub const METRIC: Shape = Shape { name: "metric", not_simulated: &["AccountId"], accepted: &["Unit"] };

    /// `MetricAlarm`.
    pub const ALARM: Shape = Shape {
        name: "alarm",
        not_simulated: &[
            "EvaluationCriteria",
            "EvaluationInterval",
            "EvaluationWindow",
            "ThresholdMetricId",
            "WarmUpConfiguration",
        ],
        accepted: &[
            "ActionConfiguration",
            "AlarmArn",
            "AlarmConfigurationUpdatedTimestamp",
            "AlarmDescription",
            "EvaluationState",
            "StateReason",
            "StateReasonData",
            "StateTransitionedTimestamp",
            "StateUpdatedTimestamp",
            "StateValue",
            "Tags",
            "Unit",
        ],
    };

    /// `CompositeAlarm`. Its actions are notifications.
    pub const COMPOSITE_ALARM: Shape = Shape {
        name: "composite alarm",
        not_simulated: &[],
        accepted: &[
            "ActionsEnabled",
            "ActionsSuppressedBy",
            "ActionsSuppressedReason",
            "ActionsSuppressor",
            "ActionsSuppressorExtensionPeriod",
            "ActionsSuppressorWaitPeriod",
            "AlarmActions",
            "AlarmArn",
            "AlarmConfigurationUpdatedTimestamp",
            "AlarmDescription",
            "InsufficientDataActions",
            "OKActions",
            "StateReason",
            "StateReasonData",
            "StateTransitionedTimestamp",
            "StateUpdatedTimestamp",
            "StateValue",
            "Tags",
        ],
    };

    /// `ScheduledAction`.
    pub const SCHEDULED_ACTION: Shape =
        Shape { name: "scheduled action", not_simulated: &[], accepted: &["CreationTime", "ScheduledActionARN"] };
}

/// Attributes of a target group that change nothing here.
pub const TARGET_GROUP_ATTRIBUTES: &[&str] = &[
    "deregistration_delay.connection_termination.enabled",
    "lambda.multi_value_headers.enabled",
    "preserve_client_ip.enabled",
    "proxy_protocol_v2.enabled",
    "stickiness.app_cookie.cookie_name",
    "stickiness.app_cookie.duration_seconds",
    "stickiness.lb_cookie.duration_seconds",
    "stickiness.type",
    "target_failover.on_deregistration",
    "target_failover.on_unhealthy",
    "target_group_health.dns_failover.minimum_healthy_targets.count",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
    "target_health_state.unhealthy.connection_termination.enabled",
    "target_health_state.unhealthy.draining_interval_seconds",
];

/// Attributes of a load balancer that change nothing here.
pub const LOAD_BALANCER_ATTRIBUTES: &[&str] = &[
    "access_logs.s3.bucket",
    "access_logs.s3.enabled",
    "access_logs.s3.prefix",
    "client_keep_alive.seconds",
    "connection_logs.s3.bucket",
    "connection_logs.s3.enabled",
    "connection_logs.s3.prefix",
    "deletion_protection.enabled",
    "dns_record.client_routing_policy",
    "health_check_logs.s3.bucket",
    "health_check_logs.s3.enabled",
    "health_check_logs.s3.prefix",
    "ipv6.deny_all_igw_traffic",
    "load_balancing.cross_zone.enabled",
    "routing.http.desync_mitigation_mode",
    "routing.http.drop_invalid_header_fields.enabled",
    "routing.http.preserve_host_header.enabled",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
    "routing.http.xff_client_port.enabled",
    "routing.http.xff_header_processing.mode",
    "routing.http2.enabled",
    "waf.fail_open.enabled",
    "zonal_shift.config.enabled",
];
