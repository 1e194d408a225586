"""The hosts with graphics processors on which Ollama runs, as a supply of capacity that ECS draws on.

Hosts of our own in a group (an AMI of ECS's with NVIDIA's driver), not ECS Managed Instances: whether the disk is
encrypted, who may ask for the host's credentials and which AMI it starts from then stand in the template, where a test
reads them. What we pay for that is the patching: a host lives for `LIFETIME_DAYS`, then another takes its place.
"""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from deploy import naming
from deploy.environment import Environment
from deploy.parts.borrowed import private_subnets

DISK_GIB: Final = 100
"""The image with its model twice (as layers, and while a new one is fetched), and the system."""
DISK_MIB_S: Final = 250
"""The model is read from it once, before the host is of use: half as long as with what a disk has by itself."""
HOPS: Final = 1
"""The host's credentials are one hop away from the host, and out of reach of what runs in a container."""
LIFETIME_DAYS: Final = 30


def model_hosts(
    scope: Construct, env: Environment, *, vpc: ec2.IVpc, group: ec2.ISecurityGroup, cluster: str
) -> ecs.AsgCapacityProvider:
    """As many hosts as Ollama has tasks; ECS starts and ends them. None has a public address or a login key."""
    role = iam.Role(scope, "Host", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    for statement in _joining(env, cluster):
        role.add_to_policy(statement)
    template = ec2.LaunchTemplate(
        scope,
        "HostTemplate",
        launch_template_name=naming.service_name(env, "model"),
        instance_type=ec2.InstanceType(env.ollama_instance),
        # A parameter of the template that CloudFormation looks up itself, at each deployment of this stack.
        machine_image=ecs.EcsOptimizedImage.amazon_linux2023(ecs.AmiHardwareType.GPU),
        user_data=_user_data(cluster),
        # CDK would add the rights of an agent on any cluster.
        role=role.without_policy_updates(),
        security_group=group,
        require_imdsv2=True,
        http_put_response_hop_limit=HOPS,
        block_devices=[
            ec2.BlockDevice(
                device_name="/dev/xvda",
                volume=ec2.BlockDeviceVolume.ebs(
                    DISK_GIB,
                    encrypted=True,
                    volume_type=ec2.EbsDeviceVolumeType.GP3,
                    throughput=DISK_MIB_S,
                    delete_on_termination=True,
                ),
            )
        ],
    )
    hosts = autoscaling.AutoScalingGroup(
        scope,
        "Hosts",
        auto_scaling_group_name=naming.service_name(env, "model"),
        vpc=vpc,
        vpc_subnets=private_subnets(vpc),
        launch_template=template,
        min_capacity=0,
        # One more than there are tasks at most, so that a host can be replaced before it goes.
        max_capacity=env.models_most + 1,
        max_instance_lifetime=cdk.Duration.days(LIFETIME_DAYS),
        new_instances_protected_from_scale_in=False,
        group_metrics=[autoscaling.GroupMetrics.all()],
    )
    return ecs.AsgCapacityProvider(
        scope,
        "Supply",
        capacity_provider_name=naming.service_name(env, "model"),
        auto_scaling_group=hosts,
        enable_managed_scaling=True,
        # A host that goes is emptied first: ECS starts its task elsewhere and waits for it.
        enable_managed_draining=True,
        enable_managed_termination_protection=False,
        target_capacity_percent=100,
        machine_image_type=ecs.MachineImageType.AMAZON_LINUX_2,
    )


def _user_data(cluster: str) -> ec2.UserData:
    user_data = ec2.UserData.for_linux()
    settings = {
        "ECS_CLUSTER": cluster,
        "ECS_ENABLE_GPU_SUPPORT": "true",
        # Tasks must use their own role: that of the host is no business of theirs.
        "ECS_AWSVPC_BLOCK_IMDS": "true",
        "ECS_ENABLE_TASK_IAM_ROLE": "true",
        "ECS_IMAGE_PULL_BEHAVIOR": "prefer-cached",
        "ECS_CONTAINER_STOP_TIMEOUT": "120s",
    }
    user_data.add_commands(*(f"echo {name}={value} >> /etc/ecs/ecs.config" for name, value in settings.items()))
    return user_data


def _joining(env: Environment, cluster: str) -> list[iam.PolicyStatement]:
    """What ECS's agent does, on this cluster: AWS's own policy for hosts would allow it on all."""
    arn = f"arn:aws:ecs:{env.region}:{env.account}"
    return [
        iam.PolicyStatement(
            sid="JoinCluster",
            actions=["ecs:DeregisterContainerInstance", "ecs:RegisterContainerInstance"],
            resources=[f"{arn}:cluster/{cluster}"],
        ),
        iam.PolicyStatement(
            sid="WorkForCluster",
            actions=[
                "ecs:Poll",
                "ecs:StartTelemetrySession",
                "ecs:SubmitAttachmentStateChanges",
                "ecs:SubmitContainerStateChange",
                "ecs:SubmitTaskStateChange",
                "ecs:UpdateContainerInstancesState",
            ],
            resources=[f"{arn}:container-instance/{cluster}/*", f"{arn}:cluster/{cluster}"],
        ),
        # AWS knows no resource for it.
        iam.PolicyStatement(sid="FindEndpoint", actions=["ecs:DiscoverPollEndpoint"], resources=["*"]),
    ]
