"""The API's service: what it runs, what it ran well before, and giving it something else."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from deploy import naming
from deploy.commands.account import Account, Refused, batches, until
from deploy.commands.definitions import definition_of
from deploy.environment import Release

LONGEST_DEPLOYMENT_S: Final = 3600
"""Blue-green: tasks start, everybody moves, the old ones wait for `release.BAKE_MIN` and end their answers."""
_AT_ONCE: Final = 20
_OVER: Final = {"SUCCESSFUL", "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED"}


class ApiService:
    """The service of one environment."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._ecs = account.client("ecs")
        environment = account.environment
        self._at = {"cluster": naming.cluster_name(environment), "service": naming.service_name(environment)}

    def description(self) -> dict[str, Any]:
        """As ECS describes it.

        Raises:
            Refused: there is none.
        """
        asked = {"cluster": self._at["cluster"], "services": [self._at["service"]]}
        for service in self._ecs.describe_services(**asked)["services"]:
            if service["status"] == "ACTIVE":
                found: dict[str, Any] = service
                return found
        raise Refused(f"There is no service {self._at['service']} yet: see «Bring-up in order» in deploy/README.md.")

    def running(self) -> dict[str, Any]:
        """The task definition that it has."""
        return definition_of(self._ecs, self.description()["taskDefinition"])

    def ran_well(self) -> Iterator[dict[str, Any]]:
        """The task definition of every deployment that succeeded, newest first. ECS remembers ninety days."""
        revisions: list[str] = []
        asked: dict[str, Any] = self._at | {"status": ["SUCCESSFUL"]}
        while True:
            page = self._ecs.list_service_deployments(**asked)
            revisions += [deployment["targetServiceRevisionArn"] for deployment in page["serviceDeployments"]]
            if not (token := page.get("nextToken")):
                break
            asked["nextToken"] = token
        for few in batches(revisions, _AT_ONCE):
            described = self._ecs.describe_service_revisions(serviceRevisionArns=few)["serviceRevisions"]
            definitions = {revision["serviceRevisionArn"]: revision["taskDefinition"] for revision in described}
            # In the order of the list, which is newest first; ECS describes them in any order.
            yield from (definition_of(self._ecs, definitions[arn]) for arn in few if arn in definitions)

    def change(self, what: str, **changes: Any) -> None:
        """Give it something else and wait until it is steady with that.

        Args:
            what: for what is said.
            changes: as ECS's UpdateService takes them.

        Raises:
            Refused: ECS took it back, or it took too long.
        """
        if self._account.environment.release is Release.CODEDEPLOY:
            raise Refused("CodeDeploy replaces this service's tasks; ECS does not. Use `aws deploy create-deployment`.")
        started = datetime.now(UTC)
        self._ecs.update_service(**self._at, **changes)
        self._account.say(f"{what}: ECS is at it.")
        deployment = until(
            self._account, lambda: self._ended(started), what=what, limit_s=LONGEST_DEPLOYMENT_S, every_s=15
        )
        if deployment["status"] != "SUCCESSFUL":
            reason = deployment.get("statusReason", "no reason was given")
            raise Refused(f"{what}: ECS ended it as {deployment['status']} ({reason}). The version before serves.")
        self._account.say(f"{what}: steady.")

    def _ended(self, started: datetime) -> dict[str, Any] | None:
        # Those from before are of no interest, and at first ours may not be listed.
        listed = self._ecs.list_service_deployments(**self._at, createdAt={"after": started})["serviceDeployments"]
        newest: dict[str, Any] | None = max(listed, key=lambda deployment: deployment["createdAt"], default=None)
        return newest if newest is not None and newest["status"] in _OVER else None
