"""ECS as the delivery uses it: one service with its history, its definitions, and tasks that run once.

moto knows no deployments and runs no task without hosts.
"""

# ruff: noqa: N803, ARG002 - the arguments are ECS's own

from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from tests.deploy.stand_in import asked_of_aws, refusal

NETWORK = {
    "awsvpcConfiguration": {
        "subnets": ["subnet-1", "subnet-2"],
        "securityGroups": ["sg-1"],
        "assignPublicIp": "DISABLED",
    }
}


class Cluster:
    """Stands in for the client. `becomes` is how the next deployment ends, `exits` how the next task does."""

    def __init__(self, name: str, service: str) -> None:
        self.meta = boto3.client("ecs", region_name="eu-central-1").meta
        self.name, self.service = name, service
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.definitions: dict[str, dict[str, Any]] = {}
        self.deployments: list[dict[str, Any]] = []
        self.revisions: dict[str, str] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.running = ""
        self.task_sets: list[dict[str, Any]] = []
        """Of a service whose tasks another than ECS replaces."""
        self.becomes = "SUCCESSFUL"
        self.exits: int | None = 0
        self.starts = True
        self.looks_in_vain = 1
        """Times that a task that was just started is not to be seen yet."""
        self.ends = True

    def names(self) -> list[str]:
        """Of what was asked."""
        return [name for name, _ in self.asked]

    def define(self, family: str, tag: str, *, status: str = "ACTIVE") -> str:
        """Make a definition as the stacks do; its ARN."""
        kind = family.rpartition("-")[2]
        group = {"awslogs-group": "/eloquent/prod/api", "awslogs-stream-prefix": kind, "awslogs-region": "eu-central-1"}
        own = {
            "name": kind,
            "image": f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/eloquent/api:{tag}",
            "environment": [{"name": "ELOQUENT_RELEASE", "value": tag}, {"name": "PORT", "value": "8000"}],
            "portMappings": [{"containerPort": 8000}] if kind == "api" else [],
            "logConfiguration": {"logDriver": "awslogs", "options": group},
        }
        beside = {"name": "collector", "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/eloquent/collector:v1"}
        containers = [beside, own] if kind == "api" else [own]
        roles = {"taskRoleArn": "arn:aws:iam::123456789012:role/answering", "executionRoleArn": "arn:…:role/starting"}
        return self._add({"family": family, "containerDefinitions": containers, "cpu": "512"} | roles, status)

    def deployed(self, definition: str, status: str = "SUCCESSFUL") -> None:
        """Put a deployment into the history; a good one is what runs now."""
        number = len(self.deployments) + 1
        at = datetime.now(UTC) - timedelta(days=30) + timedelta(hours=number)
        revision = f"arn:aws:ecs:eu-central-1:123456789012:service-revision/{self.name}/{self.service}/{number}"
        self.revisions[revision] = definition
        deployment = revision.replace(":service-revision/", ":service-deployment/")
        self.deployments.append(
            {
                "serviceDeploymentArn": deployment,
                "createdAt": at,
                "targetServiceRevisionArn": revision,
                "status": status,
            }
        )
        if status == "SUCCESSFUL":
            self.running = definition

    def _add(self, definition: dict[str, Any], status: str) -> str:
        revision = 1 + sum(each["family"] == definition["family"] for each in self.definitions.values())
        arn = f"arn:aws:ecs:eu-central-1:123456789012:task-definition/{definition['family']}:{revision}"
        described = {"taskDefinitionArn": arn, "revision": revision, "status": status, "registeredBy": "somebody"}
        self.definitions[arn] = definition | described
        return arn

    @asked_of_aws
    def describe_services(self, cluster: str, services: list[str]) -> Any:
        assert cluster == self.name
        if services != [self.service] or not self.running:
            return {"services": [], "failures": [{"reason": "MISSING"}]}
        found = {
            "status": "ACTIVE",
            "taskDefinition": self.running,
            "networkConfiguration": NETWORK,
            "platformVersion": "1.4.0",
            "taskSets": self.task_sets,
        }
        return {"services": [found], "failures": []}

    @asked_of_aws
    def list_service_deployments(
        self,
        cluster: str,
        service: str,
        status: Any = (),
        createdAt: Any = None,
        nextToken: str = "",
        maxResults: int = 0,
    ) -> Any:
        assert (cluster, service) == (self.name, self.service)
        for deployment in self.deployments:
            if deployment["status"] == "IN_PROGRESS" and deployment.pop("looked_at", False):
                deployment["status"] = self.becomes
            elif deployment["status"] == "IN_PROGRESS":
                deployment["looked_at"] = True
        after = (createdAt or {}).get("after", datetime.min.replace(tzinfo=UTC))
        found = [
            {key: value for key, value in each.items() if key != "looked_at"}
            # ECS promises no order: whoever takes the first for the newest is found out.
            for each in self.deployments
            if each["createdAt"] > after and (not status or each["status"] in status)
        ]
        # Pages of two, so that whoever reads only the first one is found out.
        start = int(nextToken or 0)
        page: dict[str, Any] = {"serviceDeployments": found[start : start + 2]}
        if len(found) > start + 2:
            page["nextToken"] = str(start + 2)
        return page

    @asked_of_aws
    def describe_service_revisions(self, serviceRevisionArns: list[str]) -> Any:
        revisions = [{"serviceRevisionArn": arn, "taskDefinition": self.revisions[arn]} for arn in serviceRevisionArns]
        return {"serviceRevisions": sorted(revisions, key=lambda each: each["serviceRevisionArn"])}

    @asked_of_aws
    def describe_task_definition(self, taskDefinition: str) -> Any:
        if taskDefinition in self.definitions:
            return {"taskDefinition": self.definitions[taskDefinition]}
        active = [
            each
            for each in self.definitions.values()
            if each["family"] == taskDefinition and each["status"] == "ACTIVE"
        ]
        if not active:
            raise refusal("DescribeTaskDefinition", "ClientException")
        return {"taskDefinition": max(active, key=lambda each: each["revision"])}

    @asked_of_aws
    def register_task_definition(self, **definition: Any) -> Any:
        arn = self._add(definition, "ACTIVE")
        return {"taskDefinition": self.definitions[arn]}

    @asked_of_aws
    def update_service(
        self,
        cluster: str,
        service: str,
        taskDefinition: str = "",
        forceNewDeployment: bool = False,
    ) -> Any:
        assert (cluster, service) == (self.name, self.service)
        definition = taskDefinition or self.running
        if taskDefinition and self.definitions[taskDefinition]["status"] != "ACTIVE":
            raise refusal("UpdateService", "ClientException")
        if definition != self.running or forceNewDeployment:
            before = self.running
            self.deployed(definition, "IN_PROGRESS")
            self.deployments[-1]["createdAt"] = datetime.now(UTC) + timedelta(milliseconds=1)
            self.running = definition if self.becomes == "SUCCESSFUL" else before
        return {"service": {"taskDefinition": self.running}}

    @asked_of_aws
    def run_task(
        self,
        cluster: str,
        taskDefinition: str,
        launchType: str,
        networkConfiguration: Any,
        overrides: Any,
        startedBy: str,
    ) -> Any:
        assert (cluster, launchType, networkConfiguration) == (self.name, "FARGATE", NETWORK)
        if not self.starts:
            return {"tasks": [], "failures": [{"reason": "RESOURCE:ENI"}]}
        definition = self.definitions[taskDefinition]
        assert definition["status"] == "ACTIVE"
        arn = f"arn:aws:ecs:eu-central-1:123456789012:task/{cluster}/0123"
        names = [container["name"] for container in definition["containerDefinitions"]]
        assert all(each["name"] in names for each in overrides.get("containerOverrides", ()))
        self.tasks[arn] = {
            "taskArn": arn,
            "taskDefinitionArn": taskDefinition,
            "lastStatus": "PROVISIONING",
            "containers": [{"name": name} for name in names],
        }
        return {"tasks": [self.tasks[arn]], "failures": []}

    @asked_of_aws
    def describe_tasks(self, cluster: str, tasks: list[str]) -> Any:
        assert cluster == self.name
        if self.looks_in_vain:
            self.looks_in_vain -= 1
            return {"tasks": [], "failures": [{"arn": tasks[0], "reason": "MISSING"}]}
        task = self.tasks[tasks[0]]
        states = ["PROVISIONING", "RUNNING", "STOPPED"]
        if self.ends:
            task["lastStatus"] = states[min(states.index(task["lastStatus"]) + 1, 2)]
        if task["lastStatus"] == "STOPPED":
            for container in task["containers"]:
                if self.exits is None:
                    task["stoppedReason"] = "CannotPullContainerError"
                else:
                    container["exitCode"] = self.exits
        return {"tasks": [task]}

    @asked_of_aws
    def stop_task(self, cluster: str, task: str, reason: str) -> Any:
        assert cluster == self.name
        self.tasks[task]["lastStatus"] = "STOPPED"
        return {"task": self.tasks[task]}
