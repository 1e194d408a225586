"""How long logs are kept, in CDK's words."""

from aws_cdk import aws_logs as logs

from deploy.environment import Environment, Logs


def kept(env: Environment) -> logs.RetentionDays:
    """The retention of the environment's log groups."""
    return {
        Logs.TWO_WEEKS: logs.RetentionDays.TWO_WEEKS,
        Logs.THREE_MONTHS: logs.RetentionDays.THREE_MONTHS,
        Logs.A_YEAR: logs.RetentionDays.ONE_YEAR,
    }[env.log_days]
