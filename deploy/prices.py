"""What AWS asks for things, in dollars, each price with where it was read and when. Pure.

List prices of us-east-1, unless confirmed for the region that an environment is in: most others are dearer. Where no
source was found there is no price, and what it belongs to is listed without one.
"""

from dataclasses import dataclass
from typing import Final

MONTH_HOURS: Final = 730
"""As AWS's own calculator has it."""
READ: Final = "2026-11-30"


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """So many dollars for one `unit`. None: no source was found."""

    unit: str
    usd: float | None
    source: str = ""
    read: str = READ


_RULES: Final = "https://github.com/srdjanrist/get-infra-done (references/cost-rules.md)"
_FARGATE: Final = "https://www.fortem.dev/blog/aws-fargate-pricing-real-costs"
_NAT: Final = "https://basavytix.com/blog/aws-nat-gateway-pricing"
_BALANCER: Final = "https://github.com/startuplcoud/infra-multi-account-region-startup-kit/pull/13 ($16.43 a month)"
_EC2: Final = "https://www.factualminds.com/blog/amazon-ec2-on-demand-pricing-instance-families-2026/"
_WAF: Final = "https://c3x.dev/blog/aws-waf-cost-explained/"
_KMS: Final = "https://cloudburn.io/blog/aws-kms-pricing"
_SECRETS: Final = "https://github.com/infracost/infracost/pull/366"
_ALARMS: Final = "https://c3x.dev/resources/aws/aws_cloudwatch_metric_alarm"
_CLOUDWATCH: Final = "https://www.factualminds.com/blog/amazon-cloudwatch-pricing-metrics-logs-alarms-dashboards/"
_METRICS: Final = "https://signoz.io/guides/cloudwatch-pricing"
_XRAY: Final = "https://aws.amazon.com/de/xray/pricing/"
_CLOUDFRONT: Final = "https://aws.amazon.com/cloudfront/pricing"

NAT_GATEWAY: Final = Price(unit="hour", usd=0.045, source=_NAT)
NAT_DATA: Final = Price(unit="GB", usd=0.045, source=_NAT)
PUBLIC_ADDRESS: Final = Price(unit="hour", usd=None)
ENDPOINT: Final = Price(unit="hour", usd=0.01, source=_RULES)
ENDPOINT_DATA: Final = Price(unit="GB", usd=0.01, source=_RULES)
FARGATE_CPU: Final = Price(unit="hour", usd=0.04048, source=_FARGATE)
FARGATE_GIB: Final = Price(unit="hour", usd=0.004445, source=_FARGATE)
BALANCER: Final = Price(unit="hour", usd=0.0225, source=_BALANCER)
BALANCER_UNIT: Final = Price(unit="hour", usd=0.008, source=f"{_BALANCER.partition(' (')[0]} ($5.84 a month)")
DISK_GB: Final = Price(unit="month", usd=0.08, source=_RULES)
DISK_MIB_S: Final = Price(unit="month", usd=None)
WEB_ACL: Final = Price(unit="month", usd=5.0, source=_WAF)
WEB_ACL_RULE: Final = Price(unit="month", usd=1.0, source=_WAF)
WEB_ACL_REQUESTS: Final = Price(unit="million", usd=0.60, source=_WAF)
KEY: Final = Price(unit="month", usd=1.0, source=_KMS)
SECRET: Final = Price(unit="month", usd=0.40, source=_SECRETS)
ALARM_METRIC: Final = Price(unit="month", usd=0.10, source=_ALARMS)
COMPOSITE_ALARM: Final = Price(unit="month", usd=0.50, source=_ALARMS)
DASHBOARD: Final = Price(unit="month", usd=3.0, source=_CLOUDWATCH)
METRIC: Final = Price(unit="month", usd=0.30, source=_METRICS)
INSIGHTS: Final = Price(unit="month", usd=None)
LOG_GB: Final = Price(unit="GB", usd=0.50, source=_CLOUDWATCH)
TRACES: Final = Price(unit="million", usd=5.0, source=_XRAY)
CDN_REQUESTS: Final = Price(unit="million", usd=1.0, source=_RULES)
CDN_OUT: Final = Price(unit="GB", usd=0.085, source=_CLOUDFRONT)

HOSTS: Final = {"g5.xlarge": Price(unit="hour", usd=1.006, source=_EC2)}
"""By their type; a type that is not here has no price."""
CACHE_NODES: Final[dict[str, Price]] = {}
"""As `HOSTS`. Of Valkey's nodes no price was found that is not another engine's."""
UNKNOWN_HOUR: Final = Price(unit="hour", usd=None)
