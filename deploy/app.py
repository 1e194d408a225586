"""Writes the templates of one environment: `ELOQUENT_ENV=prod IMAGE_TAG=… python -m deploy.app` (cdk calls this)."""

import os
import sys

from deploy.environments import ENVIRONMENTS
from deploy.factory import build
from deploy.policy.guard import guard


def main() -> int:
    """0, or 2 when no environment of ours is named."""
    name = os.environ.get("ELOQUENT_ENV", "")
    if name not in ENVIRONMENTS:
        sys.stderr.write(f"ELOQUENT_ENV is {name or 'not set'}: name one of {', '.join(ENVIRONMENTS)}.\n")
        return 2
    platform = build(ENVIRONMENTS[name], tag=os.environ.get("IMAGE_TAG", "bootstrap"))
    guard(platform)
    platform.app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
