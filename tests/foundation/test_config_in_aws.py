"""The configuration in AWS: one paged question to each service, everything that is wrong said, no secret shown."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from eloquent.foundation import keys
from eloquent.foundation.config import Config, ConfigFaults, aws, effective_settings, load_config, unknown_in_aws
from eloquent.foundation.config.placement import Place, Stored, misplaced, placement, unknown_names, values_in_place
from tests.fakes.parameter_store import AwsError, FakeAws, fake_aws

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-central-1"
HERE = {"ELOQUENT_ENV": "prod", "CONFIG_SOURCE": "aws", "AWS_REGION": REGION}
SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2-hunter2-hunter2"
KEY = keys.make_signing_key()
SECRETS = {
    "SECRET_KEY": SECRET,
    "JWT_PRIVATE_KEY": KEY,
    "MONGODB_URI": "mongodb+srv://app:hunter2@db.example/?w=majority",
}
PARAMETERS = {"ALLOWED_HOSTS": "api.example.org", "LOG_LEVEL": "WARNING", "OLLAMA_HOST": "http://ollama.internal:11434"}


@pytest.fixture(autouse=True)
def _empty_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in Config.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in HERE.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.chdir(tmp_path)
    aws.stored_once.cache_clear()
    yield
    aws.stored_once.cache_clear()


def put(parameters: dict[str, str], secrets: dict[str, str], *, environment: str = "prod") -> None:
    ssm, manager = boto3.client("ssm", REGION), boto3.client("secretsmanager", REGION)
    for name, value in parameters.items():
        ssm.put_parameter(Name=f"/eloquent/{environment}/{name}", Value=value, Type="String")
    for name, value in secrets.items():
        manager.create_secret(Name=f"/eloquent/{environment}/{name}", SecretString=value)


@pytest.fixture
def cloud() -> Iterator[None]:
    """moto in the place of AWS, with what a production needs."""
    with mock_aws():
        put(PARAMETERS, SECRETS)
        yield


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    """An AWS that answers as it is told."""
    with fake_aws() as one:
        monkeypatch.setenv("AWS_ENDPOINT_URL", one.url)
        monkeypatch.setattr(aws, "_ATTEMPTS", 2)
        yield one


def faults_at_the_start() -> dict[str, str]:
    with pytest.raises(ConfigFaults) as raised:
        load_config()
    assert "hunter2" not in str(raised.value)
    return {fault.name: f"{fault.found}; {fault.expected}" for fault in raised.value.faults}


@pytest.mark.usefixtures("cloud")
def test_plain_settings_come_from_ssm_and_secrets_from_secrets_manager() -> None:
    config = load_config()
    assert (config.log_level, config.ollama_host) == ("WARNING", ("http://ollama.internal:11434",))
    assert config.secret_key.get_secret_value() == SECRET
    assert config.jwt_private_key.get_secret_value() == KEY, "with its line breaks"
    shown = {setting.name: setting for setting in effective_settings(config)}
    assert shown["LOG_LEVEL"].source == "ssm /eloquent/prod/LOG_LEVEL"
    assert shown["SECRET_KEY"].source == "secretsmanager /eloquent/prod/SECRET_KEY"
    assert shown["ELOQUENT_ENV"].source == "environment"
    assert shown["PORT"].source == "default"
    assert "hunter2" not in str(shown)
    assert unknown_in_aws() == []


@pytest.mark.usefixtures("cloud")
def test_the_environment_and_the_file_win_over_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    Path(".env").write_text("OLLAMA_HOST=http://127.0.0.1:1\n")
    config = load_config()
    assert (config.log_level, config.ollama_host) == ("ERROR", ("http://127.0.0.1:1",))
    assert config.allowed_hosts == ("api.example.org",)


@pytest.mark.usefixtures("cloud")
@pytest.mark.parametrize("source", ["", "environment"])
def test_aws_is_not_asked_unless_the_environment_says_so(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setenv("CONFIG_SOURCE", source)
    assert set(faults_at_the_start()) == {"SECRET_KEY", "JWT_PRIVATE_KEY"}


@pytest.mark.usefixtures("cloud")
def test_more_settings_than_a_page_has_are_all_read() -> None:
    limits = {name.upper(): "77" for name in Config.model_fields if name.startswith("rate_limit_")}
    more = {"TRUSTED_PROXY_HOPS": "2", "WORKERS": "1", "MODEL_QUEUE": "7", "TITLE_MODEL": "off", "MONGODB_NAME": "chat"}
    put(limits | more | {"DEFAULT_TOOLS": "calculate", "SESSION_MAX_DAYS": "30"}, {})
    nearly = {"OPENAI_API_KEY": "sk-hunter2", "ANTHROPIC_API_KEY": "sk-ant-hunter2"}
    # Their names begin with the path of another environment, or lie deeper: 20 make a page of secrets.
    put({}, nearly | {f"more/{number}": "hunter2" for number in range(30)})
    put({}, {"SECRET_KEY": "another"}, environment="prod2")
    config = load_config()
    assert (config.rate_limit_user_per_minute, config.mongodb_name, config.session_max_days) == (77, "chat", 30)
    assert config.anthropic_api_key is not None
    assert config.secret_key.get_secret_value() == SECRET
    assert unknown_in_aws() == []


@pytest.mark.usefixtures("cloud")
def test_aws_is_asked_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    whole = aws.client
    monkeypatch.setattr(aws, "client", lambda place, region: (asked.append(place), whole(place, region))[1])
    config = load_config()
    effective_settings(config)
    load_config()
    assert asked == [Place.PARAMETER, Place.SECRET]


@pytest.mark.usefixtures("cloud")
def test_a_name_that_no_setting_has_is_told_and_changes_nothing() -> None:
    put({"LOG_LEVLE": "INFO", "another": "x"}, {"MONGODB_URL": "hunter2"})
    assert load_config().log_level == "WARNING"
    told = unknown_in_aws()
    assert told[0].startswith("/eloquent/prod/LOG_LEVLE in Parameter Store")
    assert told[0].endswith("is LOG_LEVEL meant?")
    assert "another" in told[1]
    assert "/eloquent/prod/MONGODB_URL in Secrets Manager" in told[2]
    assert len(told) == 3


@pytest.mark.usefixtures("cloud")
def test_a_setting_in_the_wrong_place_stops_the_start() -> None:
    put({"REDIS_URL": "rediss://:hunter2@cache.example", "AWS_REGION": REGION}, {"WORKERS": "2"})
    boto3.client("ssm", REGION).put_parameter(Name="/eloquent/prod/LOG_FORMAT", Value="hunter2", Type="SecureString")
    assert faults_at_the_start() == {
        "REDIS_URL": "in Parameter Store at /eloquent/prod/REDIS_URL; it in Secrets Manager alone",
        "WORKERS": "in Secrets Manager at /eloquent/prod/WORKERS; it in Parameter Store alone",
        "LOG_FORMAT": "a SecureString at /eloquent/prod/LOG_FORMAT; a parameter of type String, since it is no secret",
        "AWS_REGION": "in Parameter Store at /eloquent/prod/AWS_REGION; it in the environment alone",
    }


def test_what_is_missing_is_said_with_its_path() -> None:
    with mock_aws():
        faults = faults_at_the_start()
    assert set(faults) == {"SECRET_KEY", "JWT_PRIVATE_KEY"}
    assert faults["SECRET_KEY"].startswith("nothing, here and at /eloquent/prod/SECRET_KEY in Secrets Manager;")


@pytest.mark.usefixtures("cloud")
def test_a_value_that_cannot_be_used_is_said_with_its_path() -> None:
    put({"WORKERS": "http"}, {"REDIS_URL": "hunter2"})
    faults = faults_at_the_start()
    assert faults["WORKERS"].startswith("http at ssm /eloquent/prod/WORKERS;")
    assert faults["REDIS_URL"].startswith("******** at secretsmanager /eloquent/prod/REDIS_URL;")


@pytest.mark.parametrize(
    ("name", "value"), [("ELOQUENT_ENV", ""), ("AWS_REGION", ""), ("ELOQUENT_ENV", "../x"), ("AWS_REGION", "x.evil/")]
)
def test_without_an_environment_and_a_region_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, failing: FakeAws, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert name in faults_at_the_start()
    assert failing.asked == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDeniedException", ("not allowed (AccessDeniedException)", "the right ssm:GetParametersByPath")),
        ("ThrottlingException", ("throttled (ThrottlingException)", "another try later")),
        ("ExpiredTokenException", ("credentials that AWS does not take", "the task's role")),
        ("InternalServerError", ("InternalServerError", "an answer to ssm:GetParametersByPath")),
    ],
)
def test_a_refusal_names_the_action_the_path_and_the_region(
    failing: FakeAws, code: str, words: tuple[str, ...]
) -> None:
    failing.answers["GetParametersByPath"] = AwsError(code, 500 if code == "InternalServerError" else 400)
    failing.answers["BatchGetSecretValue"] = AwsError("AccessDeniedException")
    faults = faults_at_the_start()
    told = faults.pop(f"/eloquent/prod in Parameter Store ({REGION})")
    assert all(word in told for word in words), told
    assert "secretsmanager:ListSecrets" in faults[f"/eloquent/prod in Secrets Manager ({REGION})"]
    # Denied is denied; what was too fast, or broke, is asked again, and not for ever.
    asked = [operation for operation, _ in failing.asked].count("GetParametersByPath")
    assert asked == (2 if code in {"ThrottlingException", "InternalServerError"} else 1)


def test_one_that_was_throttled_once_is_asked_again(failing: FakeAws) -> None:
    failing.answers["GetParametersByPath"] = [AwsError("ThrottlingException"), parameters(**PARAMETERS)]
    failing.answers["BatchGetSecretValue"] = secrets(**SECRETS)
    assert load_config().log_level == "WARNING"


def test_secrets_on_a_second_page_are_read(failing: FakeAws) -> None:
    failing.answers["GetParametersByPath"] = parameters(**PARAMETERS)
    first = secrets(SECRET_KEY=SECRET) | {"NextToken": "more"}
    failing.answers["BatchGetSecretValue"] = [first, secrets(JWT_PRIVATE_KEY=KEY)]
    assert load_config().jwt_private_key.get_secret_value() == KEY
    asked = [body for operation, body in failing.asked if operation == "BatchGetSecretValue"]
    assert [body.get("NextToken") for body in asked] == [None, "more"]
    assert all(body["Filters"] == [{"Key": "name", "Values": ["/eloquent/prod/"]}] for body in asked)


def test_a_page_that_fails_fails_all(failing: FakeAws) -> None:
    first = parameters(**PARAMETERS) | {"NextToken": "more"}
    failing.answers["GetParametersByPath"] = [first, AwsError("AccessDeniedException")]
    failing.answers["BatchGetSecretValue"] = secrets(**SECRETS)
    assert set(faults_at_the_start()) == {f"/eloquent/prod in Parameter Store ({REGION})"}


def test_nobody_there_is_said_with_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_aws() as gone:
        url = gone.url
    monkeypatch.setenv("AWS_ENDPOINT_URL", url.replace("//", "//user:hunter2@"))
    monkeypatch.setattr(aws, "_ATTEMPTS", 1)
    for told in faults_at_the_start().values():
        assert "no answer from http://user:********@127.0.0.1" in told
        assert "a VPC endpoint" in told


def test_one_who_does_not_answer_is_waited_for_only_so_long(monkeypatch: pytest.MonkeyPatch, failing: FakeAws) -> None:
    failing.silent = threading.Event()
    monkeypatch.setattr(aws, "_READ_TIMEOUT_S", 0.2)
    monkeypatch.setattr(aws, "_ATTEMPTS", 1)
    faults = faults_at_the_start()
    assert len(faults) == 2
    assert all("ReadTimeoutError" in told for told in faults.values())


def test_no_credentials_are_said_to_be_none(monkeypatch: pytest.MonkeyPatch, failing: FakeAws) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    assert all(told.startswith("no credentials of AWS") for told in faults_at_the_start().values())
    assert failing.asked == []


def test_a_secret_that_was_begun_and_one_that_may_not_be_read_are_told_apart(failing: FakeAws) -> None:
    arn = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:/eloquent/prod"
    failing.answers["GetParametersByPath"] = parameters(**PARAMETERS)
    begun = {"SecretId": f"{arn}/REDIS_URL-AbCdEf", "ErrorCode": "ResourceNotFoundException"}
    failing.answers["BatchGetSecretValue"] = secrets(**SECRETS) | {"Errors": [begun]}
    found = faults_at_the_start()
    assert found["REDIS_URL"].startswith("a secret without a value at /eloquent/prod/REDIS_URL;")
    denied = {"SecretId": f"{arn}/SECRET_KEY-AbCdEf", "ErrorCode": "AccessDeniedException"}
    elsewhere = {"SecretId": f"{arn}/deeper/X-AbCdEf", "ErrorCode": "AccessDeniedException"}
    failing.answers["BatchGetSecretValue"] = secrets() | {"Errors": [denied, elsewhere]}
    aws.stored_once.cache_clear()
    found = faults_at_the_start()
    assert set(found) == {"/eloquent/prod/SECRET_KEY in Secrets Manager"}
    assert "kms:Decrypt" in found["/eloquent/prod/SECRET_KEY in Secrets Manager"]


def test_manage_py_reads_from_aws_and_says_what_is_wrong_without_a_traceback(failing: FakeAws) -> None:
    failing.answers |= {"GetParametersByPath": parameters(**PARAMETERS), "BatchGetSecretValue": secrets(**SECRETS)}
    shown = manage("config")
    assert shown.returncode == 0, shown.stderr
    assert "ssm /eloquent/prod/LOG_LEVEL" in shown.stdout
    assert "hunter2" not in shown.stdout + shown.stderr
    failing.answers["BatchGetSecretValue"] = AwsError("AccessDeniedException")
    refused = manage("config")
    assert refused.returncode == 1
    assert "/eloquent/prod in Secrets Manager" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "hunter2" not in refused.stderr


def test_boto3_is_loaded_by_the_first_question_alone() -> None:
    code = "import sys; from eloquent.foundation import config; config.load_config(); print('boto3' in sys.modules)"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_setting_has_its_place_and_no_secret_is_in_plain_sight() -> None:
    places = placement()
    assert set(places) == {name.upper() for name in Config.model_fields}
    hidden = {name for name, place in places.items() if place is Place.SECRET}
    assert {"SECRET_KEY", "JWT_PRIVATE_KEY", "JWT_PREVIOUS_KEY", "MONGODB_URI", "REDIS_URL", "SMTP_URL"} <= hidden
    assert {name for name in places if name.endswith(("_KEY", "_API_KEY", "_KEY_FALLBACKS"))} <= hidden
    assert not any("PASSWORD" in name and name != "PASSWORD_HOUSE_WORDS" for name in set(places) - hidden)
    assert {name for name, place in places.items() if place is Place.ENVIRONMENT} == {*HERE, "HOST", "PORT"}


def test_where_the_container_is_probed_is_not_said_in_aws(cloud: None) -> None:
    put({"PORT": "9000"}, {})
    assert faults_at_the_start() == {
        "PORT": "in Parameter Store at /eloquent/prod/PORT; it in the environment alone",
    }


@given(st.sets(st.sampled_from(sorted(Config.model_fields))), st.sets(st.sampled_from(sorted(Config.model_fields))))
def test_a_stored_name_is_used_or_misplaced_and_never_both(in_ssm: set[str], in_secrets: set[str]) -> None:
    stored = Stored(
        "prod", REGION, {name.upper(): "value" for name in in_ssm}, {name.upper(): "value" for name in in_secrets}
    )
    used = {(name, source.partition(" ")[0]) for name, (_, source) in values_in_place(stored).items()}
    everywhere = {(name, "ssm") for name in in_ssm} | {(name, "secretsmanager") for name in in_secrets}
    assert used <= everywhere
    assert len(misplaced(stored)) == len(everywhere - used)
    assert unknown_names(stored) == []


def parameters(**values: str) -> dict[str, Any]:
    return {
        "Parameters": [
            {"Name": f"/eloquent/prod/{name}", "Value": value, "Type": "String"} for name, value in values.items()
        ]
    }


def secrets(**values: str) -> dict[str, Any]:
    found = [{"Name": f"/eloquent/prod/{name}", "SecretString": value} for name, value in values.items()]
    return {"SecretValues": found}


def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments], capture_output=True, text=True, check=False, timeout=60
    )
