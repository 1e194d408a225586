"""Things of other stacks as this stack may use them: by their ids, unchangeable.

CDK writes a rule into a security group, or a right into a key's policy, as soon as two constructs meet. Both belong to
an earlier stack, which would then need the later one.
"""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from deploy.parts.endpoints import PRIVATE


def borrowed_group(scope: Construct, name: str, group: ec2.ISecurityGroup) -> ec2.ISecurityGroup:
    """The security group, into which nothing can be written from here."""
    return ec2.SecurityGroup.from_security_group_id(
        scope, name, group.security_group_id, mutable=False, allow_all_outbound=True
    )


def private_subnets(vpc: ec2.IVpc) -> ec2.SubnetSelection:
    """Where workloads are: the subnets without public addresses, with a way out or without."""
    return ec2.SubnetSelection(subnets=vpc.select_subnets(subnet_group_name=PRIVATE).subnets)
