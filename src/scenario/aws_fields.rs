//! Names that AWS knows and that change nothing here: accepted, and listed by `check` as such.
//!
//! From the API models of ECS, EC2 Auto Scaling, Application Auto Scaling, CloudWatch and Elastic Load Balancing of 2026-08:
//! ARNs and other output-only members, key pairs, SSH, log drivers, IAM roles, tags, ulimits, system controls.

/// Of a task definition.
pub const TASK_DEFINITION: &[&str] = &[
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "requiresCompatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
    "taskRoleArn",
    "executionRoleArn",
    "tags",
    "pidMode",
    "ipcMode",
    "enableFaultInjection",
    "inferenceAccelerators",
];

/// Of a container definition.
pub const CONTAINER_DEFINITION: &[&str] = &[
    "command",
    "entryPoint",
    "environment",
    "environmentFiles",
    "secrets",
    "mountPoints",
    "volumesFrom",
    "links",
    "hostname",
    "user",
    "workingDirectory",
    "disableNetworking",
    "privileged",
    "readonlyRootFilesystem",
    "dnsServers",
    "dnsSearchDomains",
    "extraHosts",
    "dockerSecurityOptions",
    "interactive",
    "pseudoTerminal",
    "dockerLabels",
    "ulimits",
    "logConfiguration",
    "systemControls",
    "firelensConfiguration",
    "credentialSpecs",
    "linuxParameters",
    "repositoryCredentials",
    "versionConsistency",
];

/// Of a port mapping.
pub const PORT_MAPPING: &[&str] = &["name", "appProtocol"];

/// Of a service.
pub const SERVICE: &[&str] = &[
    "serviceArn",
    "clusterArn",
    "cluster",
    "status",
    "runningCount",
    "pendingCount",
    "platformVersion",
    "platformFamily",
    "deployments",
    "events",
    "createdAt",
    "createdBy",
    "roleArn",
    "role",
    "tags",
    "enableECSManagedTags",
    "propagateTags",
    "enableExecuteCommand",
    "networkConfiguration",
    "taskSets",
    "clientToken",
    "currentServiceDeployment",
    "currentServiceRevisions",
    "deploymentCount",
    "availabilityZoneRebalancing",
];

/// Of a deployment configuration.
pub const DEPLOYMENT_CONFIGURATION: &[&str] = &["lifecycleHooks", "bakeTimeInMinutes"];

/// Of an Auto Scaling group.
pub const AUTO_SCALING_GROUP: &[&str] = &[
    "AutoScalingGroupARN",
    "LaunchConfigurationName",
    "LaunchTemplate",
    "InstanceId",
    "HealthCheckType",
    "HealthCheckGracePeriod",
    "PlacementGroup",
    "VPCZoneIdentifier",
    "CreatedTime",
    "Instances",
    "SuspendedProcesses",
    "EnabledMetrics",
    "Status",
    "Tags",
    "ServiceLinkedRoleARN",
    "LoadBalancerNames",
    "TargetGroupARNs",
    "KeyName",
    "SecurityGroups",
    "IamInstanceProfile",
    "ImageId",
    "UserData",
    "Context",
    "DesiredCapacityType",
    "TrafficSources",
    "PredictedCapacity",
    "AvailabilityZoneIds",
];

/// Of a capacity provider.
pub const CAPACITY_PROVIDER: &[&str] =
    &["capacityProviderArn", "status", "updateStatus", "updateStatusReason", "tags", "type", "cluster"];

/// Of a load balancer.
pub const LOAD_BALANCER: &[&str] = &[
    "LoadBalancerArn",
    "DNSName",
    "CanonicalHostedZoneId",
    "CreatedTime",
    "VpcId",
    "State",
    "SecurityGroups",
    "IpAddressType",
    "Scheme",
    "Subnets",
    "Tags",
    "CustomerOwnedIpv4Pool",
];

/// Of a target group.
pub const TARGET_GROUP: &[&str] = &[
    "TargetGroupArn",
    "Protocol",
    "ProtocolVersion",
    "Port",
    "VpcId",
    "HealthCheckProtocol",
    "HealthCheckPort",
    "HealthCheckEnabled",
    "HealthCheckPath",
    "Matcher",
    "LoadBalancerArns",
    "TargetType",
    "IpAddressType",
    "Tags",
];

/// Of a scaling policy.
pub const SCALING_POLICY: &[&str] = &["PolicyARN", "ScalableDimension", "ServiceNamespace", "CreationTime", "Alarms"];

/// Of a scalable target.
pub const SCALABLE_TARGET: &[&str] = &[
    "ScalableDimension",
    "ServiceNamespace",
    "RoleARN",
    "CreationTime",
    "ScalableTargetARN",
    "Tags",
    "PredictedCapacity",
];

/// Of a scheduled action.
pub const SCHEDULED_ACTION: &[&str] = &["ScheduledActionARN", "ScalableDimension", "ServiceNamespace", "CreationTime"];

/// Of an alarm.
pub const ALARM: &[&str] = &[
    "AlarmArn",
    "AlarmDescription",
    "AlarmConfigurationUpdatedTimestamp",
    "ActionsEnabled",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
    "StateValue",
    "StateReason",
    "StateReasonData",
    "StateUpdatedTimestamp",
    "Namespace",
    "Unit",
    "Tags",
    "EvaluateLowSampleCountPercentile",
];
