"""A task that runs once, beside the service: the API's image with another command, in the same network."""

from typing import Any, Final

from deploy import naming
from deploy.commands.account import Account, Refused, until
from deploy.commands.definitions import own_container

LONGEST_S: Final = 1800
_TAIL: Final = 60
"""Lines of its log that are shown."""


def run_once(account: Account, definition: dict[str, Any], *, command: list[str] | None = None) -> None:
    """Run it, show the end of its log, and return when it has ended well.

    Args:
        account: where.
        definition: the task definition, as ECS describes it.
        command: instead of the definition's own.

    Raises:
        Refused: it could not be started, did not end, or ended with anything but 0.
    """
    environment, ecs = account.environment, account.client("ecs")
    cluster, container = naming.cluster_name(environment), own_container(definition)
    overrides = {"containerOverrides": [{"name": container["name"], "command": command}]} if command else {}
    started = ecs.run_task(
        cluster=cluster,
        taskDefinition=definition["taskDefinitionArn"],
        launchType="FARGATE",
        networkConfiguration=_network(account),
        overrides=overrides,
        startedBy="deploy",
    )
    if not started["tasks"]:
        reasons = "; ".join(failure.get("reason", "?") for failure in started["failures"])
        raise Refused(f"ECS started no task: {reasons}.")
    task = started["tasks"][0]["taskArn"]
    account.say(f"{container['name']}: the task {task.rpartition('/')[2]} runs.")

    def stopped() -> dict[str, Any] | None:
        # At first ECS may not know of the task yet; it runs all the same.
        described: list[dict[str, Any]] = ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"]
        return next((found for found in described if found["lastStatus"] == "STOPPED"), None)

    try:
        ended = until(account, stopped, what=container["name"], limit_s=LONGEST_S)
    except Refused:
        ecs.stop_task(cluster=cluster, task=task, reason="It took too long.")
        raise
    finally:
        _show_log(account, container, task)
    _judge(ended, container["name"])


def _network(account: Account) -> dict[str, Any]:
    """The service's: private subnets, and the group that the database and the cache let in."""
    name = naming.stack_name(account.environment, "migration")
    cloudformation = account.client("cloudformation")
    try:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except cloudformation.exceptions.ClientError as error:
        # CloudFormation's word for a name that no stack has.
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise Refused(f"There is no stack {name} yet: see «Bring-up in order» in deploy/README.md.") from error
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
    return {
        "awsvpcConfiguration": {
            "subnets": outputs["MigrationSubnets"].split(","),
            "securityGroups": [outputs["MigrationGroup"]],
            "assignPublicIp": "DISABLED",
        }
    }


def _judge(ended: dict[str, Any], name: str) -> None:
    own = next(container for container in ended["containers"] if container["name"] == name)
    if (code := own.get("exitCode")) is None:
        raise Refused(f"{name} never ran: {own.get('reason') or ended.get('stoppedReason') or 'no reason was given'}")
    if code != 0:
        raise Refused(f"{name} ended with {code}.")


def _show_log(account: Account, container: dict[str, Any], task: str) -> None:
    options = container.get("logConfiguration", {}).get("options", {})
    if "awslogs-group" not in options:
        return
    stream = f"{options['awslogs-stream-prefix']}/{container['name']}/{task.rpartition('/')[2]}"
    logs = account.client("logs")
    try:
        asked = {"logGroupName": options["awslogs-group"], "logStreamName": stream}
        events = logs.get_log_events(**asked, limit=_TAIL, startFromHead=False)["events"]
    except logs.exceptions.ResourceNotFoundException:
        account.say("It wrote nothing.")
        return
    for event in events:
        account.say(f"  {event['message']}")
