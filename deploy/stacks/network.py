"""PLACEHOLDER."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from deploy.environment import Environment


class NetworkStack(cdk.Stack):
    """PLACEHOLDER."""

    def __init__(self, scope: Construct, name: str, *, settings: Environment, **options: Any) -> None:
        super().__init__(scope, name, env=options["env"])
        self.settings = settings
