"""The month's budget: AWS says by letter when it is spent, and when it looks as if it will be.

It counts the whole account, because a filter by tag counts nothing until an owner has switched the tag on for billing,
and says so to nobody. Environments that share an account share the sum.
"""

from typing import Final

from aws_cdk import aws_budgets as budgets
from constructs import Construct

from deploy import naming
from deploy.environment import Environment

THRESHOLDS: Final = (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
"""In percent of it."""


def month_budget(scope: Construct, env: Environment) -> None:
    """The budget of the environment, with the environment's address told."""
    budgets.CfnBudget(
        scope,
        "Budget",
        budget=budgets.CfnBudget.BudgetDataProperty(
            budget_name=f"{naming.service_name(env, 'month')}-{env.region}",
            budget_type="COST",
            time_unit="MONTHLY",
            budget_limit=budgets.CfnBudget.SpendProperty(amount=env.monthly_budget_usd, unit="USD"),
        ),
        notifications_with_subscribers=[
            budgets.CfnBudget.NotificationWithSubscribersProperty(
                notification=budgets.CfnBudget.NotificationProperty(
                    notification_type=kind,
                    comparison_operator="GREATER_THAN",
                    threshold=percent,
                    threshold_type="PERCENTAGE",
                ),
                subscribers=[budgets.CfnBudget.SubscriberProperty(subscription_type="EMAIL", address=env.alarm_email)],
            )
            for kind, percent in THRESHOLDS
        ],
    )
