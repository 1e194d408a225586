"""An environment whose tasks CodeDeploy replaces: its releases, the way back, and secrets."""

from dataclasses import replace

import pytest

from deploy import release as command
from deploy.commands.account import Refused, StillUnderWay, agreed
from deploy.commands.definitions import tag_of
from deploy.environment import Release
from deploy.release import release
from deploy.rollback import roll_back
from deploy.rotate import rotate
from deploy.running import tell_running
from tests.deploy.codedeploy import CodeDeploy

API = "eloquent-prod-api"


@pytest.fixture
def led(cloud):
    """The service as its stack has just made it, with the release one."""
    cloud.environment = replace(cloud.environment, release=Release.CODEDEPLOY)
    cloud.instead["codedeploy"] = cloud.codedeploy = CodeDeploy(cloud.cluster)
    cloud.codedeploy.begins_with(_bring(cloud, "one"))
    return cloud


def _bring(cloud, tag):
    """What `cdk deploy` leaves: an image, and a definition that nobody is led to yet."""
    cloud.push(tag)
    return cloud.cluster.define(API, tag)


def _serves(cloud):
    said = len(cloud.said)
    tell_running(cloud.account)
    return cloud.said[said]


def _release(cloud, *tags):
    for tag in tags:
        _bring(cloud, tag)
        release(cloud.account)


def test_a_release_leads_people_to_the_newest_definition(led):
    _bring(led, "two")
    assert _serves(led) == "one"
    release(led.account)
    assert _serves(led) == "two"
    assert led.said[-2:] == [f"To {API}:2: steady.", "two"]
    assert "update_service" not in led.cluster.names()


def test_the_first_release_is_deployed_so_that_codedeploy_can_go_back_to_it(led):
    release(led.account)
    _release(led, "two")
    roll_back(led.account, agreed)
    assert _serves(led) == "one"


def test_what_serves_already_is_not_deployed_again(led):
    _release(led, "two")
    release(led.account)
    assert len(led.codedeploy.definitions()) == 1
    assert led.said[-1] == "prod: two serves already."


def test_where_the_stack_brings_a_release_nothing_is_left_to_do(cloud):
    cloud.cluster.deployed(cloud.cluster.define(API, "one"))
    cloud.cluster.define(API, "two")
    release(cloud.account)
    assert cloud.said == ["prod: the stack itself brings a release. Nothing is left to do."]
    assert cloud.cluster.asked == []


@pytest.mark.parametrize("ended", ["Failed", "Stopped"])
@pytest.mark.parametrize(("comes_back", "told"), [("Succeeded", True), ("Failed", False), ("", False)])
def test_a_release_that_codedeploy_takes_back_is_told(led, ended, comes_back, told):
    release(led.account)
    led.codedeploy.becomes, led.codedeploy.comes_back = ended, comes_back
    with pytest.raises(Refused, match=f"{ended} \\(an alarm was raised\\)") as refused:
        _release(led, "two")
    # Where CodeDeploy did not get back itself, nobody knows what serves.
    assert ("The version before serves." in str(refused.value)) is told
    assert _serves(led) == "one"


def test_a_deployment_beside_another_is_refused_in_words(led):
    led.codedeploy.becomes = "InProgress"
    with pytest.raises(StillUnderWay, match="not within 60 minutes"):
        _release(led, "two")
    with pytest.raises(Refused, match="CodeDeploy is at another deployment"):
        release(led.account)


def test_the_version_before_comes_back_not_the_one_that_never_came_up(led):
    release(led.account)
    _release(led, "two")
    led.codedeploy.becomes = "Failed"
    with pytest.raises(Refused):
        _release(led, "bad")
    led.codedeploy.becomes = "Succeeded"
    _release(led, "three", "four")
    for before in ("three", "two", "one"):
        roll_back(led.account, agreed)
        assert _serves(led) == before


def test_a_version_before_the_first_deployment_can_be_named(led):
    _release(led, "two")
    with pytest.raises(Refused, match="No version before two"):
        roll_back(led.account, agreed)
    roll_back(led.account, agreed, to="one")
    assert _serves(led) == "one"


def test_a_definition_that_was_set_inactive_comes_back_as_a_copy(led):
    release(led.account)
    first = led.codedeploy.definitions()[0]
    _release(led, "two")
    led.cluster.definitions[first]["status"] = "INACTIVE"
    roll_back(led.account, agreed)
    copied = led.cluster.definitions[led.codedeploy.definitions()[-1]]
    assert (tag_of(copied), copied["taskDefinitionArn"] != first) == ("one", True)


def test_another_secret_is_given_to_new_tasks_of_what_serves(led):
    _release(led, "two")
    led.cluster.definitions[led.codedeploy.definitions()[-1]]["status"] = "INACTIVE"
    _bring(led, "not yet")
    path = "/eloquent/prod/ANTHROPIC_API_KEY"
    led.client("secretsmanager").create_secret(Name=path, SecretString="sk-old")
    rotate(led.account, "ANTHROPIC_API_KEY", read=lambda _prompt: "sk-new", agree=agreed)
    deployed = [tag_of(led.cluster.definitions[arn]) for arn in led.codedeploy.definitions()]
    assert deployed == ["two", "two"]
    assert led.client("secretsmanager").get_secret_value(SecretId=path)["SecretString"] == "sk-new"


def test_before_there_is_a_service_that_is_said(cloud, monkeypatch, capsys):
    cloud.environment = replace(cloud.environment, release=Release.CODEDEPLOY)
    cloud.instead["codedeploy"] = CodeDeploy(cloud.cluster)
    cloud.cluster.define(API, "one")
    monkeypatch.setattr("deploy.commands.account.Account", lambda _environment: cloud.account)
    assert command.main(["--env", "prod"]) == 1
    assert "There is no service eloquent-prod-api yet" in capsys.readouterr().err
