"""How long things are kept: logs in days, and data when its stack is deleted."""

import aws_cdk as cdk
from aws_cdk import aws_logs as logs

from deploy.environment import Environment, Logs

_DAYS = {
    Logs.TWO_WEEKS: logs.RetentionDays.TWO_WEEKS,
    Logs.THREE_MONTHS: logs.RetentionDays.THREE_MONTHS,
    Logs.A_YEAR: logs.RetentionDays.ONE_YEAR,
}


def days(env: Environment) -> logs.RetentionDays:
    """How long the environment's logs are kept."""
    return _DAYS[env.log_days]


def of_data(env: Environment) -> cdk.RemovalPolicy:
    """What becomes of data when its stack is deleted.

    What a first deployment made before it failed is taken away again, empty as it is: names are fixed, and what stayed
    would be in the way of the second.
    """
    return cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if env.protected else cdk.RemovalPolicy.DESTROY
