"""Buckets: one for users' files, one for logs of who asked for what."""

from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from deploy import naming
from deploy.environment import EDGE_REGION, Environment
from deploy.parts import retention

_EARLIER_VERSIONS_DAYS: Final = 30
"""So long a file can be brought back that was deleted by mistake; an erased user's is gone from everywhere then."""
_UPLOADS_DAYS: Final = 2


def logs_bucket(scope: Construct, env: Environment) -> s3.Bucket:
    """Access logs of the load balancer, of CloudFront and of the other bucket, for as long as other logs are kept.

    S3's own key: neither load balancers nor S3 can write logs with one of ours.
    """
    bucket = s3.Bucket(
        scope,
        "logs",
        bucket_name=naming.bucket_name(env, "logs"),
        encryption=s3.BucketEncryption.S3_MANAGED,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        removal_policy=retention.of_data(env),
        lifecycle_rules=[
            s3.LifecycleRule(
                id="kept-as-long-as-logs",
                expiration=cdk.Duration.days(int(env.log_days)),
                abort_incomplete_multipart_upload_after=cdk.Duration.days(_UPLOADS_DAYS),
            )
        ],
    )
    for service, prefix, source in (
        ("logdelivery.elasticloadbalancing.amazonaws.com", naming.BALANCER_LOGS, f"elasticloadbalancing:{env.region}"),
        # CloudFront's come through CloudWatch's delivery, which is where CloudFront is.
        ("delivery.logs.amazonaws.com", naming.EDGE_LOGS, f"logs:{EDGE_REGION}"),
    ):
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(service)],
                actions=["s3:PutObject"],
                resources=[bucket.arn_for_objects(f"{prefix}/AWSLogs/{env.account}/*")],
                conditions={
                    "StringEquals": {"aws:SourceAccount": env.account},
                    "ArnLike": {"aws:SourceArn": f"arn:aws:{source}:{env.account}:*"},
                },
            )
        )
    return bucket


def files_bucket(scope: Construct, env: Environment, *, key: kms.Key, logs: s3.Bucket) -> s3.Bucket:
    """Attached files and exports: private, encrypted with our key, over TLS alone, each version kept for a while."""
    return s3.Bucket(
        scope,
        "files",
        bucket_name=naming.bucket_name(env, "files"),
        encryption=s3.BucketEncryption.KMS,
        encryption_key=key,
        bucket_key_enabled=True,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=True,
        server_access_logs_bucket=logs,
        server_access_logs_prefix="files/",
        removal_policy=retention.of_data(env),
        lifecycle_rules=[
            s3.LifecycleRule(
                id="earlier-versions-and-broken-uploads",
                noncurrent_version_expiration=cdk.Duration.days(_EARLIER_VERSIONS_DAYS),
                expired_object_delete_marker=True,
                abort_incomplete_multipart_upload_after=cdk.Duration.days(_UPLOADS_DAYS),
            )
        ],
    )
