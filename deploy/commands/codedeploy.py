"""A service whose tasks CodeDeploy replaces: beside the old ones, a tenth of the people first.

Its application and its group of deployments are called like the service (`deploy/parts/release.py`).
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from deploy.commands.account import Account, Refused, batches, until
from deploy.commands.definitions import active, definition_of, own_container
from deploy.commands.service import LONGEST_DEPLOYMENT_S, Service

_AT_ONCE: Final = 25
_SUCCEEDED: Final = "Succeeded"
_OVER: Final = {_SUCCEEDED, "Failed", "Stopped"}


class CodeDeployService(Service):
    """The same questions and the same change, asked of CodeDeploy."""

    def __init__(self, account: Account, *, cluster: str, name: str) -> None:
        super().__init__(account, cluster=cluster, name=name)
        self._codedeploy = account.client("codedeploy")
        self._name = name
        self._group = {"applicationName": name, "deploymentGroupName": name}

    def running(self) -> dict[str, Any]:
        """The task definition of the tasks that people are led to, also while others get ready beside them."""
        service = self.description()
        serving = next((each for each in service.get("taskSets", ()) if each["status"] == "PRIMARY"), service)
        return definition_of(self._ecs, serving["taskDefinition"])

    def ran_well(self) -> Iterator[dict[str, Any]]:
        """The task definition of every deployment that succeeded, newest first, as long as CodeDeploy remembers it.

        What the service was made with is none of them until it was deployed once (`deploy.release`).
        """
        found = [
            described
            for few in batches(self._succeeded(), _AT_ONCE)
            for described in self._codedeploy.batch_get_deployments(deploymentIds=few)["deploymentsInfo"]
            # Its own way back brings nothing that was not there before.
            if described["creator"] != "codeDeployRollback"
        ]
        for deployment in sorted(found, key=lambda each: each["createTime"], reverse=True):
            yield definition_of(self._ecs, self._definition(deployment))

    def change(self, what: str, *, definition: str = "") -> None:
        """As ECS's own services do it.

        Raises:
            StillUnderWay: it took too long.
            Refused: another deployment is under way, or CodeDeploy took this one back.
        """
        wanted = definition_of(self._ecs, definition) if definition else self.running()
        specification = self._specification(active(self._ecs, wanted))
        revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": specification}}
        try:
            deployment = self._codedeploy.create_deployment(**self._group, revision=revision, description=what)
        except self._codedeploy.exceptions.DeploymentLimitExceededException:
            raise Refused(f"{what}: CodeDeploy is at another deployment. Nothing was changed.") from None
        self._account.say(f"{what}: CodeDeploy is at it.")
        ended = self._end_of(deployment["deploymentId"], what)
        if ended["status"] != _SUCCEEDED:
            reason = ended.get("errorInformation", {}).get("message", "no reason was given")
            raise Refused(f"{what}: CodeDeploy ended it as {ended['status']} ({reason}). {self._after(ended, what)}")
        self._account.say(f"{what}: steady.")

    def _after(self, ended: dict[str, Any], what: str) -> str:
        """Which version serves after a deployment that did not end well."""
        back = ended.get("rollbackInfo", {}).get("rollbackDeploymentId")
        if back and self._end_of(back, f"{what}: the way back")["status"] == _SUCCEEDED:
            return "The version before serves."
        return f"Look at the service {self._name}: nobody knows which version serves."

    def _end_of(self, deployment: str, what: str) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = self._codedeploy.get_deployment(deploymentId=deployment)["deploymentInfo"]
            return found if found["status"] in _OVER else None

        described: dict[str, Any] = until(self._account, ended, what=what, limit_s=LONGEST_DEPLOYMENT_S, every_s=15)
        return described

    def _specification(self, definition: dict[str, Any]) -> str:
        """What CodeDeploy calls an AppSpec. What it does not name stays as the service has it, but for the platform."""
        own = own_container(definition)
        properties = {
            "TaskDefinition": definition["taskDefinitionArn"],
            "LoadBalancerInfo": {
                "ContainerName": own["name"],
                "ContainerPort": own["portMappings"][0]["containerPort"],
            },
            "PlatformVersion": self.description()["platformVersion"],
        }
        target = {"Type": "AWS::ECS::Service", "Properties": properties}
        return json.dumps({"version": 0.0, "Resources": [{"TargetService": target}]})

    def _definition(self, deployment: dict[str, Any]) -> str:
        # A deployment tells only the sum of what it was given; the application keeps the text.
        revision = self._codedeploy.get_application_revision(
            applicationName=self._name, revision=deployment["revision"]
        )["revision"]
        target = json.loads(revision["appSpecContent"]["content"])["Resources"][0]["TargetService"]
        return str(target["Properties"]["TaskDefinition"])

    def _succeeded(self) -> list[str]:
        asked: dict[str, Any] = self._group | {"includeOnlyStatuses": [_SUCCEEDED]}
        found: list[str] = []
        while True:
            page = self._codedeploy.list_deployments(**asked)
            found += page["deployments"]
            if not (token := page.get("nextToken")):
                return found
            asked["nextToken"] = token
