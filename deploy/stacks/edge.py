"""What the world sees of the API: CloudFront, its firewall, its certificate, its names. In us-east-1, and only there.

    /static/*                           cached, compressed: files whose names change with their contents
    /api/* /v1/* /ws/* /.well-known/*   passed on as they come, over HTTPS or not at all
    everything else                     passed on as it comes; plain HTTP is sent to HTTPS

No header is added to an answer: the application sets all of its own, with a nonce for each page.
"""

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from deploy import naming
from deploy.environment import EDGE_REGION, Environment
from deploy.parts.edge_log import log_edge
from deploy.parts.firewall import firewall
from deploy.stacks.api import ApiStack
from eloquent.foundation.timeout_chain import CDN_KEEP_ALIVE_S, CDN_READ_S

INTERFACES: Final = ("/api/*", "/v1/*", "/ws/*", "/.well-known/*")
STATIC: Final = "/static/*"
VIEWER_HEADERS: Final = ("CloudFront-Viewer-Country", "CloudFront-Viewer-City", "CloudFront-Viewer-Address")
"""Where a request comes from, as CloudFront sees it; a client cannot write them."""
CONNECT_S: Final = 5
CONNECT_ATTEMPTS: Final = 2


class WrongRegion(ValueError):
    """CloudFront's certificate and firewall exist in us-east-1 alone."""

    def __init__(self, region: str) -> None:
        super().__init__(
            f"The edge is in {EDGE_REGION}, not in {region}: CloudFront takes its firewall from nowhere else."
        )


class EdgeStack(cdk.Stack):
    """The edge of one environment.

    Raises:
        WrongRegion: it would stand anywhere but in us-east-1.
    """

    def __init__(self, scope: Construct, name: str, *, settings: Environment, api: ApiStack, **options: Any) -> None:
        super().__init__(scope, name, termination_protection=settings.protected, **options)
        if self.region != EDGE_REGION:
            raise WrongRegion(self.region)
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=settings.hosted_zone_id, zone_name=settings.hosted_zone_name
        )
        certificate = acm.Certificate(
            self,
            "Certificate",
            domain_name=settings.domain,
            validation=acm.CertificateValidation.from_dns(zone),
        )
        distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=naming.service_name(settings, "edge"),
            domain_names=[settings.domain],
            certificate=certificate,
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            enable_ipv6=True,
            price_class=cloudfront.PriceClass.PRICE_CLASS_ALL,
            web_acl_id=firewall(self, settings).attr_arn,
            **_behaviors(self, settings, api),
        )
        log_edge(self, settings, distribution, bucket=naming.bucket_name(settings, "logs"))
        to_edge = route53.RecordTarget.from_alias(targets.CloudFrontTarget(distribution))
        route53.ARecord(self, "Name", zone=zone, record_name=f"{settings.domain}.", target=to_edge)
        route53.AaaaRecord(self, "Name6", zone=zone, record_name=f"{settings.domain}.", target=to_edge)


def _behaviors(scope: Construct, env: Environment, api: ApiStack) -> dict[str, Any]:
    origin = _origin(scope, env, api)
    everything = cloudfront.OriginRequestPolicy(
        scope,
        "Everything",
        origin_request_policy_name=naming.service_name(env, "everything"),
        comment="All that a client sends, and where it is",
        header_behavior=cloudfront.OriginRequestHeaderBehavior.all(*VIEWER_HEADERS),
        cookie_behavior=cloudfront.OriginRequestCookieBehavior.all(),
        query_string_behavior=cloudfront.OriginRequestQueryStringBehavior.all(),
    )
    # The load balancer serves one host, and its certificate is for that one. No cookie: a file is the same for all.
    host = cloudfront.OriginRequestPolicy(
        scope,
        "HostAlone",
        origin_request_policy_name=naming.service_name(env, "host"),
        comment="The host alone",
        header_behavior=cloudfront.OriginRequestHeaderBehavior.allow_list("Host"),
    )
    dynamic: dict[str, Any] = {
        "origin": origin,
        "allowed_methods": cloudfront.AllowedMethods.ALLOW_ALL,
        "cache_policy": cloudfront.CachePolicy.CACHING_DISABLED,
        "origin_request_policy": everything,
        # CloudFront would hold a stream back to compress it.
        "compress": False,
    }
    # A program that sends its token in clear is told so, not led on.
    interface = cloudfront.BehaviorOptions(**dynamic, viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY)
    return {
        "default_behavior": cloudfront.BehaviorOptions(
            **dynamic, viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS
        ),
        "additional_behaviors": {
            **dict.fromkeys(INTERFACES, interface),
            STATIC: cloudfront.BehaviorOptions(
                origin=origin,
                allowed_methods=cloudfront.AllowedMethods.ALLOW_GET_HEAD,
                # As long as the application says: a year and `immutable` where the name has a hash of the contents.
                cache_policy=cloudfront.CachePolicy.CACHING_OPTIMIZED,
                origin_request_policy=host,
                compress=True,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
            ),
        },
    }


def _origin(scope: Construct, env: Environment, api: ApiStack) -> origins.VpcOrigin:
    """The load balancer, by its ARN: CloudFront has a way of its own into the network, and no address is looked up.

    CloudFront compares the certificate with the Host that it passes on, or with what it calls the origin:
    it is for both.
    """
    way_in = cloudfront.VpcOrigin(
        scope,
        "WayIn",
        vpc_origin_name=naming.service_name(env),
        endpoint=cloudfront.VpcOriginEndpoint.application_load_balancer(api.balancer),
        protocol_policy=cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
        https_port=443,
        origin_ssl_protocols=[cloudfront.OriginSslPolicy.TLS_V1_2],
    )
    return origins.VpcOrigin.with_vpc_origin(
        way_in,
        domain_name=naming.origin_domain(env),
        connection_timeout=cdk.Duration.seconds(CONNECT_S),
        connection_attempts=CONNECT_ATTEMPTS,
        read_timeout=cdk.Duration.seconds(CDN_READ_S),
        keepalive_timeout=cdk.Duration.seconds(CDN_KEEP_ALIVE_S),
        # No response_completion_timeout: an answer may take as long as it takes.
    )
