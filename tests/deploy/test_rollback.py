"""`python -m deploy.rollback`: the version that ran well before, and nothing without the operator's word."""

from dataclasses import replace
from datetime import timedelta

import pytest

from deploy import rollback
from deploy.commands.account import Refused, agreed
from deploy.commands.definitions import tag_of
from deploy.rollback import roll_back

API = "eloquent-prod-api"


@pytest.fixture
def history(cloud):
    """one and two ran well, bad never came up, three runs. CloudFormation has set all but three to INACTIVE."""
    for tag, status in (("one", "SUCCESSFUL"), ("two", "SUCCESSFUL"), ("bad", "ROLLBACK_SUCCESSFUL")):
        cloud.cluster.deployed(cloud.cluster.define(API, tag, status="INACTIVE"), status)
    cloud.cluster.deployed(cloud.cluster.define(API, "three"))
    for tag in ("one", "two", "three"):
        cloud.push(tag)
    return cloud


def _runs(cloud):
    definition = cloud.cluster.definitions[cloud.cluster.running]
    assert definition["status"] == "ACTIVE"
    own = next(each for each in definition["containerDefinitions"] if each["name"] == "api")
    assert {"name": "ELOQUENT_RELEASE", "value": tag_of(definition)} in own["environment"]
    return tag_of(definition)


def test_the_version_before_comes_back_not_the_one_that_never_came_up(history):
    roll_back(history.account, agreed)
    assert _runs(history) == "two"
    assert history.said[-1] == "Back to two: steady."


def _release(cloud, *tags):
    """One after the other; all of them came up."""
    known = {tag_of(each): arn for arn, each in cloud.cluster.definitions.items()}
    for tag in tags:
        known[tag] = known.get(tag) or cloud.cluster.define(API, tag)
        cloud.cluster.deployed(known[tag])
    for tag in set(tags):
        cloud.push(tag)


def test_who_goes_back_twice_does_not_get_what_was_taken_back(cloud):
    _release(cloud, "zero", "one", "bad", "one")
    roll_back(cloud.account, agreed)
    assert _runs(cloud) == "zero"


def test_what_was_taken_back_is_not_what_the_next_release_goes_back_to(cloud):
    _release(cloud, "one", "bad", "one", "worse")
    roll_back(cloud.account, agreed)
    assert _runs(cloud) == "one"


def test_what_came_again_after_it_was_taken_back_has_the_same_before_it(cloud):
    _release(cloud, "one", "two", "one", "two", "two")
    roll_back(cloud.account, agreed)
    assert _runs(cloud) == "one"


def test_before_the_first_there_is_nothing_though_another_was_taken_back(cloud):
    _release(cloud, "one", "bad", "one")
    with pytest.raises(Refused, match="No version before one has run well"):
        roll_back(cloud.account, agreed)


def test_a_copy_is_what_was_registered_then_and_nothing_of_what_ecs_added(history):
    two = next(each for each in history.cluster.definitions.values() if tag_of(each) == "two")
    roll_back(history.account, agreed)
    copied = history.cluster.definitions[history.cluster.running]
    same = {"containerDefinitions", "taskRoleArn", "executionRoleArn", "cpu", "family"}
    assert {key: copied[key] for key in same} == {key: two[key] for key in same}
    assert copied["taskDefinitionArn"] != two["taskDefinitionArn"]


def test_a_definition_that_is_still_active_is_used_as_it_is(history):
    for definition in history.cluster.definitions.values():
        definition["status"] = "ACTIVE"
    roll_back(history.account, agreed)
    assert _runs(history) == "two"
    assert "register_task_definition" not in history.cluster.names()


def test_a_version_can_be_named_however_old_and_comes_back_as_it_was(history):
    next(each for each in history.cluster.definitions.values() if tag_of(each) == "one")["cpu"] = "256"
    roll_back(history.account, agreed, to="one")
    assert _runs(history) == "one"
    assert history.cluster.definitions[history.cluster.running]["cpu"] == "256"


def test_a_version_that_ecs_has_forgotten_comes_back_by_its_image(history):
    history.push("zero")
    roll_back(history.account, agreed, to="zero")
    assert _runs(history) == "zero"


@pytest.mark.parametrize(("to", "told"), [("gone", "not in the registry"), ("three", "runs already")])
def test_what_is_not_there_or_runs_already_is_refused(history, to, told):
    with pytest.raises(Refused, match=told):
        roll_back(history.account, agreed, to=to)
    assert "update_service" not in history.cluster.names()


def test_without_an_earlier_version_one_has_to_be_named(cloud):
    cloud.cluster.deployed(cloud.cluster.define(API, "first"))
    with pytest.raises(Refused, match="No version before first has run well"):
        roll_back(cloud.account, agreed)


def test_what_will_be_done_is_shown_and_without_a_yes_it_is_not(history):
    shown = []

    def no(what):
        shown.append(what)
        return False

    with pytest.raises(Refused, match="Nothing was changed"):
        roll_back(history.account, no)
    assert shown == ["prod: from three to two. The database stays as it is."]
    assert {"update_service", "register_task_definition"}.isdisjoint(history.cluster.names())


@pytest.mark.parametrize("ended", ["ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED", "STOPPED"])
def test_a_rollback_that_ecs_takes_back_is_told(history, ended):
    history.cluster.becomes = ended
    with pytest.raises(Refused, match=ended) as refused:
        roll_back(history.account, agreed)
    # Where ECS did not get back itself, nobody knows what serves.
    assert ("The version before serves." in str(refused.value)) is (ended == "ROLLBACK_SUCCESSFUL")


def test_a_clock_that_is_fast_hides_no_deployment(history, monkeypatch):
    update = history.cluster.update_service

    def update_in_the_past(**asked):
        answer = update(**asked)
        history.cluster.deployments[-1]["createdAt"] -= timedelta(minutes=5)
        return answer

    monkeypatch.setattr(history.cluster, "update_service", update_in_the_past)
    roll_back(history.account, agreed)
    assert "steady" in history.said[-1]


def test_a_deployment_that_never_ends_is_not_waited_for_forever(history):
    history.cluster.becomes = "IN_PROGRESS"
    with pytest.raises(Refused, match="not within 60 minutes"):
        roll_back(history.account, agreed)
    assert sum(history.pauses) == 3600


@pytest.mark.parametrize(("typed", "status"), [("prod", 0), ("yes", 1), (EOFError, 1)])
def test_productions_name_has_to_be_typed(history, monkeypatch, capsys, typed, status):
    def keyboard(_prompt):
        if typed is EOFError:
            raise EOFError
        return typed

    monkeypatch.setattr("builtins.input", keyboard)
    monkeypatch.setattr("deploy.commands.account.Account", lambda _environment: history.account)
    assert rollback.main(["--env", "prod"]) == status
    assert (_runs(history) == "two") is (status == 0)
    assert "from three to two" in capsys.readouterr().out


def test_an_account_that_is_another_ones_is_not_touched(history, monkeypatch, capsys):
    history.environment = replace(history.environment, account="999999999999")
    monkeypatch.setattr("deploy.commands.account.Account", lambda _environment: history.account)
    assert rollback.main(["--env", "prod", "--yes"]) == 1
    assert "These credentials are for the account 123456789012" in capsys.readouterr().err
    assert history.cluster.asked == []
