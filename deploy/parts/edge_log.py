"""CloudFront's log: who asked for which path, when, and how it went. Into the environment's bucket of logs.

The newer of CloudFront's two ways, because it lets the fields be chosen: the question of an address (tickets, links of
letters, words that were searched for), cookies and the page before are not among them.
"""

from typing import Final

from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_logs as logs
from constructs import Construct

from deploy import naming
from deploy.environment import Environment

"""Where the bucket lets them be written; AWS adds `/AWSLogs/{account}/CloudFront`."""
FIELDS: Final = (
    "date",
    "time",
    "x-edge-location",
    "sc-bytes",
    "c-ip",
    "cs-method",
    "cs(Host)",
    "cs-uri-stem",
    "sc-status",
    "cs(User-Agent)",
    "x-edge-result-type",
    "x-edge-request-id",
    "x-host-header",
    "cs-protocol",
    "cs-bytes",
    "time-taken",
    "ssl-protocol",
    "ssl-cipher",
    "x-edge-response-result-type",
    "cs-protocol-version",
    "time-to-first-byte",
    "x-edge-detailed-result-type",
    "sc-content-type",
)


def log_edge(scope: Construct, env: Environment, distribution: cloudfront.Distribution, *, bucket: str) -> None:
    """Has the distribution's requests written to the bucket, which lies in the environment's region."""
    name = naming.service_name(env, "edge")
    source = logs.CfnDeliverySource(
        scope,
        "LogSource",
        name=name,
        log_type="ACCESS_LOGS",
        resource_arn=f"arn:aws:cloudfront::{env.account}:distribution/{distribution.distribution_id}",
    )
    destination = logs.CfnDeliveryDestination(
        scope,
        "LogDestination",
        name=name,
        destination_resource_arn=f"arn:aws:s3:::{bucket}/{naming.EDGE_LOGS}",
        output_format="json",
    )
    delivery = logs.CfnDelivery(
        scope,
        "LogDelivery",
        delivery_source_name=source.name,
        delivery_destination_arn=destination.attr_arn,
        record_fields=list(FIELDS),
        s3_suffix_path="{yyyy}/{MM}/{dd}/{HH}",
    )
    delivery.add_resource_dependency(source)
