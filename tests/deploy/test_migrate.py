"""`python -m deploy.migrate`: the new release's migrations, before anything of it serves."""

import time

import pytest
from botocore.exceptions import ClientError

from deploy import migrate as command
from deploy.commands.account import Refused
from deploy.commands.definitions import tag_of
from deploy.migrate import migrate

FAMILY = "eloquent-prod-migration"


@pytest.fixture
def before(cloud):
    """Release one serves; the stack of the migrations has release two."""
    cloud.migration_stack()
    cloud.cluster.define(FAMILY, "one")
    cloud.cluster.deployed(cloud.cluster.define("eloquent-prod-api", "one"))
    cloud.cluster.define(FAMILY, "two")
    return cloud


def _ran(cloud):
    return [tag_of(cloud.cluster.definitions[task["taskDefinitionArn"]]) for task in cloud.cluster.tasks.values()]


def test_the_new_releases_image_runs_and_the_service_is_left_alone(before):
    migrate(before.account, "two")
    assert _ran(before) == ["two"]
    assert {"update_service", "register_task_definition"}.isdisjoint(before.cluster.names())


def test_another_release_than_the_stacks_is_refused(before):
    with pytest.raises(Refused, match="those of two: deploy the stack eloquent-prod-migration with IMAGE_TAG=three"):
        migrate(before.account, "three")
    assert _ran(before) == []


def test_before_there_is_a_service_the_migrations_run_too(cloud):
    cloud.migration_stack()
    cloud.cluster.define(FAMILY, "one")
    migrate(cloud.account, "one")
    assert _ran(cloud) == ["one"]


def test_migrations_that_fail_end_everything_and_show_why(before):
    logs = before.client("logs")
    logs.create_log_group(logGroupName="/eloquent/prod/api")
    stream = {"logGroupName": "/eloquent/prod/api", "logStreamName": "migration/migration/0123"}
    logs.create_log_stream(**stream)
    line = {"timestamp": int(time.time() * 1000), "message": "Applying chat.0042… FAILED"}
    logs.put_log_events(**stream, logEvents=[line])
    before.cluster.exits = 1
    with pytest.raises(Refused, match="migration ended with 1"):
        migrate(before.account, "two")
    assert "  Applying chat.0042… FAILED" in before.said


def test_an_image_that_cannot_be_pulled_is_no_success(before):
    before.cluster.exits = None
    with pytest.raises(Refused, match="never ran: CannotPullContainerError"):
        migrate(before.account, "two")


def test_a_task_that_cannot_be_placed_is_told(before):
    before.cluster.starts = False
    with pytest.raises(Refused, match="RESOURCE:ENI"):
        migrate(before.account, "two")


def test_migrations_that_do_not_end_are_stopped(before):
    before.cluster.ends = False
    with pytest.raises(Refused, match="not within 30 minutes"):
        migrate(before.account, "two")
    assert "stop_task" in before.cluster.names()


def test_before_its_stack_is_there_it_says_where_to_read_on(cloud):
    cloud.cluster.define(FAMILY, "one")
    with pytest.raises(Refused, match="Bring-up in order"):
        migrate(cloud.account, "one")
    cloud.cluster.definitions.clear()
    with pytest.raises(ClientError):
        migrate(cloud.account, "one")


def test_a_fault_of_awss_is_one_line_and_a_status(cloud, monkeypatch, capsys):
    monkeypatch.setattr("deploy.commands.account.Account", lambda _environment: cloud.account)
    assert command.main(["--env", "prod", "--tag", "one"]) == 1
    assert capsys.readouterr().err == "AWS refused DescribeTaskDefinition: ClientException\n"
