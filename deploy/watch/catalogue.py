"""All alarms of an environment, region by region. Pure."""

from deploy.environment import Environment
from deploy.watch.application import application_alarms
from deploy.watch.burn import burn_alarms
from deploy.watch.edge import edge_alarms
from deploy.watch.platform import platform_alarms
from deploy.watch.series import Balancer, of_objective
from deploy.watch.shape import Alarms


def alarms_here(env: Environment, *, balancer: Balancer, certificate: str) -> Alarms:
    """Those in the environment's own region."""
    burn = burn_alarms(of_objective(env, balancer))
    single = (*application_alarms(env), *platform_alarms(env, balancer, certificate), *burn.single)
    return Alarms(single, burn.composite).as_watched(env)


def alarms_at_edge(env: Environment, *, distribution_id: str, certificate: str) -> Alarms:
    """Those in us-east-1. Where little is watched there are none, and no stack for them."""
    return edge_alarms(distribution_id, certificate).as_watched(env)
