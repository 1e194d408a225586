"""CodeDeploy as the delivery uses it: one group of deployments, which replaces the tasks of a service of `cluster.py`.

moto's deployments never end.
"""

# ruff: noqa: N803, ARG002 - the arguments are CodeDeploy's own

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from tests.deploy.cluster import Cluster
from tests.deploy.stand_in import asked_of_aws, refusal


class CodeDeploy:
    """Stands in for the client. `becomes` is how the next deployment ends, `comes_back` how the way back does."""

    def __init__(self, cluster: Cluster) -> None:
        client = boto3.client("codedeploy", region_name="eu-central-1")
        self.meta, self.exceptions = client.meta, client.exceptions
        self.cluster = cluster
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.becomes = "Succeeded"
        self.comes_back = "Succeeded"
        self._revisions: dict[str, str] = {}
        self._deployments: dict[str, dict[str, Any]] = {}

    def begins_with(self, definition: str) -> None:
        """The service as its stack makes it: no deployment of CodeDeploy's."""
        self.cluster.running = definition
        self._lead_to(definition)

    def definitions(self) -> list[str]:
        """What was deployed, oldest first."""
        return [each["definition"] for each in self._deployments.values()]

    def _lead_to(self, definition: str) -> None:
        # What the service itself names is nobody's promise: the set of tasks that people are led to is.
        self.cluster.running = self.cluster.running or definition
        self.cluster.task_sets = [
            {"status": "ACTIVE", "taskDefinition": "arn:aws:ecs:eu-central-1:123456789012:task-definition/beside:1"},
            {"status": "PRIMARY", "taskDefinition": definition},
        ]

    def _add(self, definition: str, revision: dict[str, Any], becomes: str, creator: str = "user") -> str:
        number = len(self._deployments) + 1
        at = datetime.now(UTC) - timedelta(days=30) + timedelta(hours=number)
        self._deployments[f"d-{number}"] = {
            "definition": definition,
            "becomes": becomes,
            "described": {
                "deploymentId": f"d-{number}",
                "createTime": at,
                "revision": revision,
                "status": "Created",
                "creator": creator,
            },
        }
        return f"d-{number}"

    def _look(self, deployment: str) -> dict[str, Any]:
        """It goes on by one state at each look."""
        found = self._deployments[deployment]
        described = found["described"]
        states = ["Created", "InProgress", found["becomes"]]
        if described["status"] in states[:2]:
            described["status"] = states[states.index(described["status"]) + 1]
            if described["status"] == "Succeeded":
                self._lead_to(found["definition"])
            elif described["status"] not in states[:2]:
                described["errorInformation"] = {"code": "ALARM_ACTIVE", "message": "an alarm was raised"}
                if self.comes_back:
                    served = self.cluster.task_sets[1]["taskDefinition"]
                    # Whichever revision it tells of, it is no release.
                    back = self._add(served, described["revision"], self.comes_back, "codeDeployRollback")
                    described["rollbackInfo"] = {"rollbackDeploymentId": back}
        answer: dict[str, Any] = described
        return answer

    @asked_of_aws
    def create_deployment(
        self, applicationName: str, deploymentGroupName: str, revision: dict[str, Any], description: str
    ) -> Any:
        assert (applicationName, deploymentGroupName) == (self.cluster.service,) * 2
        if any(each["described"]["status"] in {"Created", "InProgress"} for each in self._deployments.values()):
            raise self.exceptions.DeploymentLimitExceededException(
                refusal("CreateDeployment", "DeploymentLimitExceededException").response, "CreateDeployment"
            )
        content = revision["appSpecContent"]["content"]
        specification = json.loads(content)
        assert specification["version"] == 0.0
        (resource,) = specification["Resources"]
        properties = resource["TargetService"]["Properties"]
        definition = self.cluster.definitions[properties["TaskDefinition"]]
        # ECS gives no service a definition that is not active, and people are led to a container that is in it.
        assert definition["status"] == "ACTIVE"
        served = {
            (container["name"], port["containerPort"])
            for container in definition["containerDefinitions"]
            for port in container.get("portMappings", ())
        }
        balanced = properties["LoadBalancerInfo"]
        assert (balanced["ContainerName"], balanced["ContainerPort"]) in served
        assert properties["PlatformVersion"] == "1.4.0"
        sum_ = hashlib.sha256(content.encode()).hexdigest()
        self._revisions[sum_] = content
        kept = {"revisionType": "AppSpecContent", "appSpecContent": {"sha256": sum_}}
        return {"deploymentId": self._add(properties["TaskDefinition"], kept, self.becomes)}

    @asked_of_aws
    def get_deployment(self, deploymentId: str) -> Any:
        return {"deploymentInfo": self._look(deploymentId)}

    @asked_of_aws
    def list_deployments(
        self, applicationName: str, deploymentGroupName: str, includeOnlyStatuses: list[str], nextToken: str = ""
    ) -> Any:
        assert (applicationName, deploymentGroupName) == (self.cluster.service,) * 2
        found = [name for name, each in self._deployments.items() if each["described"]["status"] in includeOnlyStatuses]
        # Pages of two, so that whoever reads only the first one is found out.
        start = int(nextToken or 0)
        page: dict[str, Any] = {"deployments": found[start : start + 2]}
        if len(found) > start + 2:
            page["nextToken"] = str(start + 2)
        return page

    @asked_of_aws
    def batch_get_deployments(self, deploymentIds: list[str]) -> Any:
        assert len(deploymentIds) <= 25
        return {"deploymentsInfo": [self._deployments[each]["described"] for each in deploymentIds]}

    @asked_of_aws
    def get_application_revision(self, applicationName: str, revision: dict[str, Any]) -> Any:
        assert applicationName == self.cluster.service
        content = self._revisions[revision["appSpecContent"]["sha256"]]
        return {"revision": {"revisionType": "AppSpecContent", "appSpecContent": {"content": content}}}
