"""Alarms over CloudFront and its firewall, whose numbers are in us-east-1 and nowhere else. Pure."""

from typing import Final

from deploy.watch.platform import certificate_alarm
from deploy.watch.series import of_edge, of_firewall
from deploy.watch.shape import MINUTE, Alarm, Alarms, Missing, Severity

FIVE: Final = 5 * MINUTE
FAILING_PERCENT: Final = 5
BLOCKED_MOST: Final = 5_000
"""In five minutes. One address alone is refused after 3,000 requests in as long."""


def edge_alarms(distribution_id: str, certificate: str) -> Alarms:
    """What people meet before anything of ours; `certificate` is the ARN of the domain's."""
    return Alarms(
        (
            Alarm(
                what="edge-5xx",
                meaning="One request in twenty fails at CloudFront, which does not reach the load balancer, or at it.",
                severity=Severity.PAGE,
                watched={"share": of_edge(distribution_id, "5xxErrorRate", "Average")},
                above=FAILING_PERCENT,
                period_s=FIVE,
                periods=2,
                of=3,
                # Nobody asked.
                missing=Missing.GOOD,
            ),
            Alarm(
                what="firewall-blocking",
                meaning="The firewall stops far more than usual: an attack, or a rule that mistakes people for one.",
                severity=Severity.NOTIFY,
                watched={"blocked": of_firewall("BlockedRequests", "Sum")},
                above=BLOCKED_MOST,
                period_s=FIVE,
                periods=2,
                of=3,
                missing=Missing.GOOD,
            ),
            certificate_alarm("edge", certificate),
        )
    )
