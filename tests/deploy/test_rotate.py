"""`python -m deploy.rotate`: both sides know both values while old and new tasks serve; no value is ever shown."""

import io
import string
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from deploy import rotate as command
from deploy.commands import rotations
from deploy.commands.account import Refused, agreed
from deploy.commands.rotations import with_password
from deploy.commands.secret_values import SecretValues
from deploy.rotate import rotate

OLD_KEY = "old-key-" + "o" * 50
OLDER_KEY = "older-key-" + "r" * 50
OLD_PASSWORD = "old-password-0123456789"
GROUP = "eloquent-prod-cache"
VALUES = {
    "/eloquent/prod/SECRET_KEY": OLD_KEY,
    "/eloquent/prod/SECRET_KEY_FALLBACKS": OLDER_KEY,
    "/eloquent/prod/REDIS_URL": f"rediss://:{OLD_PASSWORD}@cache.example.org:6379/0",
    "/eloquent/prod/MONGODB_URI": "mongodb+srv://old:uri@db.example.org",
    "/eloquent/prod/ANTHROPIC_API_KEY": "sk-old",
    f"{GROUP}-password": OLD_PASSWORD,
}


class Cache:
    """ElastiCache's passwords: it takes the last two after ROTATE, and the last alone after SET. Moto keeps none."""

    def __init__(self) -> None:
        self.takes = [OLD_PASSWORD]
        self.busy = 0

    def modify_replication_group(self, *, AuthToken, AuthTokenUpdateStrategy, **asked):  # noqa: N803
        assert asked == {"ReplicationGroupId": GROUP, "ApplyImmediately": True}
        assert not set(AuthToken) & set('/"@%')
        assert 16 <= len(AuthToken) <= 128
        kept = {"ROTATE": self.takes[-1:], "SET": []}[AuthTokenUpdateStrategy]
        self.takes = list(dict.fromkeys([*kept, AuthToken]))
        self.busy = 2

    def describe_replication_groups(self, *, ReplicationGroupId):  # noqa: N803
        assert ReplicationGroupId == GROUP
        self.busy = max(self.busy - 1, 0)
        pending = {"AuthTokenStatus": "ROTATING"} if self.busy else {}
        return {"ReplicationGroups": [{"Status": "available", "PendingModifiedValues": pending}]}


@pytest.fixture
def kept(cloud):
    """Secrets with values, a service that runs, and what each new task was given."""
    client = cloud.client("secretsmanager")
    for path, value in VALUES.items():
        client.create_secret(Name=path, SecretString=value)
    cloud.cluster.deployed(cloud.cluster.define("eloquent-prod-api", "one"))
    cloud.cluster.define("eloquent-prod-migration", "one")
    cloud.migration_stack()
    cloud.instead["elasticache"] = cloud.cache = Cache()
    cloud.given = [_values(cloud)]
    update = cloud.cluster.update_service

    def update_and_see(**asked):
        cloud.given.append(_values(cloud))
        if cloud.cache.takes:
            cloud.given[-1]["taken"] = list(cloud.cache.takes)
        return update(**asked)

    cloud.cluster.update_service = update_and_see
    return cloud


def _values(cloud):
    client = cloud.client("secretsmanager")
    # Moto takes no notice of a label that was moved unless it is asked by the label.
    asked = {"VersionStage": "AWSCURRENT"}
    return {path: client.get_secret_value(SecretId=path, **asked)["SecretString"] for path in VALUES}


def _keys(given):
    fallbacks = given["/eloquent/prod/SECRET_KEY_FALLBACKS"].split(",")
    return given["/eloquent/prod/SECRET_KEY"], fallbacks


def _rotate(cloud, name, value=""):
    rotate(cloud.account, name, read=lambda _prompt: value, agree=agreed)


def _shows_nothing(cloud, capsys):
    everything = "\n".join(cloud.said) + "".join(capsys.readouterr())
    values = {value for given in cloud.given for value in given.values() if isinstance(value, str)}
    assert not [value for value in values if value in everything]
    return everything


def test_tasks_side_by_side_open_what_the_others_seal(kept, capsys):
    _rotate(kept, "SECRET_KEY")
    assert len(kept.given) == 3
    for before, after in zip(kept.given, kept.given[1:], strict=False):
        for one, other in ((before, after), (after, before)):
            key, _ = _keys(one)
            own, fallbacks = _keys(other)
            assert key in {own, *fallbacks}
    new, fallbacks = _keys(kept.given[-1])
    assert new != OLD_KEY
    assert fallbacks[0] == OLD_KEY
    assert OLDER_KEY in fallbacks
    assert len(new) >= 50
    assert set(new) <= set(string.ascii_letters + string.digits)
    _shows_nothing(kept, capsys)


def test_an_interrupted_rotation_goes_on_with_the_key_that_tasks_know_already(kept):
    kept.cluster.becomes = "STOPPED"
    with pytest.raises(Refused, match="1 of 2"):
        _rotate(kept, "SECRET_KEY")
    announced = _keys(_values(kept))[1][0]
    assert _keys(_values(kept))[0] == OLD_KEY
    kept.cluster.becomes = "SUCCESSFUL"
    _rotate(kept, "SECRET_KEY")
    assert _keys(_values(kept))[0] == announced


def test_a_key_is_rotated_as_often_as_one_likes_and_none_is_lost(kept):
    used = [OLDER_KEY, OLD_KEY]
    for _ in range(3):
        _rotate(kept, "SECRET_KEY")
        used.append(_keys(_values(kept))[0])
    assert len(set(used)) == 5
    assert set(used) <= {used[-1], *_keys(_values(kept))[1]}


def test_the_cache_takes_both_passwords_while_tasks_have_either(kept, capsys):
    _rotate(kept, "REDIS_URL")
    new = urlsplit(_values(kept)["/eloquent/prod/REDIS_URL"]).password
    assert kept.given[-1]["taken"] == [OLD_PASSWORD, new]
    assert kept.cache.takes == [new] == [_values(kept)[f"{GROUP}-password"]]
    _shows_nothing(kept, capsys)


def test_a_cache_password_survives_an_interruption(kept):
    kept.cluster.becomes = "STOPPED"
    with pytest.raises(Refused):
        _rotate(kept, "REDIS_URL")
    first = kept.cache.takes[-1]
    assert kept.cache.takes == [OLD_PASSWORD, first]
    kept.cluster.becomes = "SUCCESSFUL"
    _rotate(kept, "REDIS_URL")
    # Had a third been made, the cache would have dropped the one that tasks use.
    assert kept.cache.takes == [first]


def test_another_password_leaves_the_rest_of_an_address_alone():
    assert (
        with_password("rediss://:a%40b@h.example.org:6379/3?x=1", "n/w") == "rediss://:n%2Fw@h.example.org:6379/3?x=1"
    )
    for address in ("redis://:secretly@h:1/0", "secretly", ""):
        with pytest.raises(Refused) as refused:
            with_password(address, "n")
        assert "secretly" not in str(refused.value)


def test_signing_keys_are_the_applications_own_affair(kept):
    _rotate(kept, "JWT")
    (asked,) = [asked for name, asked in kept.cluster.asked if name == "run_task"]
    assert asked["overrides"]["containerOverrides"] == [
        {"name": "migration", "command": ["python", "manage.py", "jwt", "rotate"]}
    ]
    assert len(kept.given) == 1


@pytest.mark.parametrize("name", ["MONGODB_URI", "ANTHROPIC_API_KEY"])
def test_a_value_from_outside_reaches_every_task(kept, capsys, name):
    _rotate(kept, name, "a-new-value\n")
    assert kept.given[-1][f"/eloquent/prod/{name}"] == "a-new-value"
    assert "a-new-value" not in _shows_nothing(kept, capsys)


def test_a_value_with_which_nothing_comes_up_is_taken_back(kept):
    kept.cluster.becomes = "ROLLBACK_SUCCESSFUL"
    with pytest.raises(Refused, match="ANTHROPIC_API_KEY of before is back"):
        _rotate(kept, "ANTHROPIC_API_KEY", "wrong")
    assert kept.given[-1]["/eloquent/prod/ANTHROPIC_API_KEY"] == "wrong"
    assert _values(kept) == VALUES


def test_a_value_that_may_be_in_use_by_now_is_not_taken_back(kept):
    kept.cluster.becomes = "IN_PROGRESS"
    with pytest.raises(Refused, match="The new ANTHROPIC_API_KEY stays"):
        _rotate(kept, "ANTHROPIC_API_KEY", "right")
    assert _values(kept)["/eloquent/prod/ANTHROPIC_API_KEY"] == "right"


@pytest.mark.parametrize("name", ["LOG_LEVEL", "OPENAI_API_KEY", "SECRET_KEY_FALLBACKS", "JWT_PRIVATE_KEY"])
def test_what_is_no_secret_of_this_environment_is_refused(kept, name):
    with pytest.raises(Refused, match="name one of SECRET_KEY, REDIS_URL, JWT, MODEL_CA, MONGODB_URI"):
        _rotate(kept, name, "value")
    assert _values(kept) == VALUES


def test_nothing_changes_without_a_value_or_without_a_yes(kept):
    with pytest.raises(Refused, match="No value"):
        _rotate(kept, "MONGODB_URI", " \n")
    with pytest.raises(Refused, match="Nothing was changed"):
        rotate(kept.account, "MONGODB_URI", read=lambda _prompt: "value", agree=lambda _what: False)
    assert _values(kept) == VALUES


def test_a_secret_that_is_not_there_yet_is_told(cloud):
    with pytest.raises(Refused, match="deploy the data stack first"):
        SecretValues(cloud.account).current("/eloquent/prod/MONGODB_URI")


def test_values_come_from_standard_input_and_never_from_the_command_line(kept, monkeypatch, capsys):
    monkeypatch.setattr("deploy.commands.account.Account", lambda _environment: kept.account)
    monkeypatch.setattr("sys.stdin", io.StringIO("sk-piped\n"))
    assert command.main(["--env", "prod", "ANTHROPIC_API_KEY", "--yes"]) == 0
    assert _values(kept)["/eloquent/prod/ANTHROPIC_API_KEY"] == "sk-piped"
    assert "sk-piped" not in "".join(capsys.readouterr())
    with pytest.raises(SystemExit):
        command.main(["--env", "prod", "ANTHROPIC_API_KEY", "sk-on-the-command-line", "--yes"])


def test_a_refusal_of_awss_that_quotes_the_value_is_not_shown(kept, monkeypatch, capsys):
    def quoting(_account):
        raise ClientError({"Error": {"Code": "InvalidParameter", "Message": f"bad: {OLD_KEY}"}}, "PutSecretValue")

    monkeypatch.setitem(command._MADE_HERE, "SECRET_KEY", quoting)
    monkeypatch.setattr("deploy.commands.account.Account", lambda _environment: kept.account)
    assert command.main(["--env", "prod", "SECRET_KEY", "--yes"]) == 1
    assert capsys.readouterr().err == "AWS refused PutSecretValue: InvalidParameter\n"


def test_two_made_up_values_are_never_the_same():
    assert len({rotations.made_up() for _ in range(100)}) == 100
