"""A service of ECS: what it runs, what it ran well before, and giving it something else."""

from collections.abc import Iterator
from typing import Any, Final

from deploy.commands.account import Account, Refused, batches, until
from deploy.commands.definitions import definition_of

LONGEST_DEPLOYMENT_S: Final = 3600
"""Blue-green: tasks start, everybody moves, the old ones wait for `release.BAKE_MIN` and end their answers."""
_AT_ONCE: Final = 20
_LISTED_AT_ONCE: Final = 100
_OVER: Final = {"SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}


class Service:
    """One service of an environment, whose tasks ECS itself replaces: see `serving.py`."""

    def __init__(self, account: Account, *, cluster: str, name: str) -> None:
        self._account = account
        self._ecs = account.client("ecs")
        self._at = {"cluster": cluster, "service": name}

    def description(self) -> dict[str, Any]:
        """As ECS describes it.

        Raises:
            Refused: there is none.
        """
        if (found := self._found()) is not None:
            return found
        raise Refused(f"There is no service {self._at['service']} yet: see «Bring-up in order» in deploy/README.md.")

    def exists(self) -> bool:
        """Whether there is one."""
        return self._found() is not None

    def _found(self) -> dict[str, Any] | None:
        asked = {"cluster": self._at["cluster"], "services": [self._at["service"]]}
        listed: list[dict[str, Any]] = self._ecs.describe_services(**asked)["services"]
        return next((service for service in listed if service["status"] == "ACTIVE"), None)

    def running(self) -> dict[str, Any]:
        """The task definition that it has."""
        return definition_of(self._ecs, self.description()["taskDefinition"])

    def ran_well(self) -> Iterator[dict[str, Any]]:
        """The task definition of every deployment that succeeded, newest first. ECS remembers ninety days."""
        succeeded = self._deployments(status=["SUCCESSFUL"])
        # ECS promises no order, neither here nor below.
        newest_first = sorted(succeeded, key=lambda deployment: deployment["createdAt"], reverse=True)
        for few in batches([deployment["targetServiceRevisionArn"] for deployment in newest_first], _AT_ONCE):
            described = self._ecs.describe_service_revisions(serviceRevisionArns=few)["serviceRevisions"]
            definitions = {revision["serviceRevisionArn"]: revision["taskDefinition"] for revision in described}
            yield from (definition_of(self._ecs, definitions[arn]) for arn in few if arn in definitions)

    def change(self, what: str, *, definition: str = "") -> None:
        """Have all tasks replaced and wait until it is steady with the new ones.

        Args:
            what: for what is said.
            definition: the ARN of the definition that they have from now on; without it they keep theirs.

        Raises:
            StillUnderWay: it took too long.
            Refused: ECS took it back.
        """
        before = self._newest()
        changes = {"taskDefinition": definition} if definition else {"forceNewDeployment": True}
        self._ecs.update_service(**self._at, **changes)
        self._account.say(f"{what}: ECS is at it.")
        deployment = until(
            self._account, lambda: self._ended(before), what=what, limit_s=LONGEST_DEPLOYMENT_S, every_s=15
        )
        if deployment["status"] != "SUCCESSFUL":
            reason = deployment.get("statusReason", "no reason was given")
            # After STOPPED and ROLLBACK_FAILED tasks of both may run.
            serves = (
                "The version before serves."
                if deployment["status"] == "ROLLBACK_SUCCESSFUL"
                else f"Look at the service {self._at['service']}: nobody knows which version serves."
            )
            raise Refused(f"{what}: ECS ended it as {deployment['status']} ({reason}). {serves}")
        self._account.say(f"{what}: steady.")

    def _ended(self, before: dict[str, Any] | None) -> dict[str, Any] | None:
        # By its number, not by the time: clocks differ, and at first ours may not be listed.
        newest = self._newest()
        if newest is None or (before and newest["serviceDeploymentArn"] == before["serviceDeploymentArn"]):
            return None
        return newest if newest["status"] in _OVER else None

    def _newest(self) -> dict[str, Any] | None:
        return max(self._deployments(), key=lambda deployment: deployment["createdAt"], default=None)

    def _deployments(self, **which: Any) -> Iterator[dict[str, Any]]:
        asked: dict[str, Any] = self._at | which | {"maxResults": _LISTED_AT_ONCE}
        while True:
            page = self._ecs.list_service_deployments(**asked)
            yield from page["serviceDeployments"]
            if not (token := page.get("nextToken")):
                return
            asked["nextToken"] = token
