"""What serves an environment: the application and its own model, each as it is released there."""

from deploy import naming
from deploy.commands.account import Account
from deploy.commands.codedeploy import CodeDeployService
from deploy.commands.service import Service
from deploy.environment import Release


def api_service(account: Account) -> Service:
    """What serves the application."""
    environment = account.environment
    kind = CodeDeployService if environment.release is Release.CODEDEPLOY else Service
    return kind(account, cluster=naming.cluster_name(environment), name=naming.service_name(environment))


def model_service(account: Account) -> Service:
    """What serves our own model, in a cluster that is called like it."""
    name = naming.service_name(account.environment, "model")
    return Service(account, cluster=name, name=name)
