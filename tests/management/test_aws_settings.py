"""`manage.py config diff` and `push`: a file of settings beside what AWS has, compared and written, no secret shown."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from moto import mock_aws

from eloquent.foundation import keys
from eloquent.foundation.config import Config, aws, load_config
from eloquent.management import aws_settings
from tests.fakes.parameter_store import AwsError, fake_aws

REGION = "eu-central-1"
SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2-hunter2-hunter2"
KEY = keys.make_signing_key()
FILE = f"""
SECRET_KEY={SECRET}
JWT_PRIVATE_KEY="{KEY}"
MONGODB_URI='mongodb+srv://app:hun${{ter2}}@db.example/'   # as it is written
ALLOWED_HOSTS=staging.example.org
LOG_LEVEL=WARNING
MODEL_QUEUE=
"""


@pytest.fixture(autouse=True)
def _operator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Whoever sits there has a file, and AWS is moto."""
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    write(FILE)
    aws.stored_once.cache_clear()
    with mock_aws():
        yield
    aws.stored_once.cache_clear()


def write(text: str, environment: str = "staging") -> None:
    Path(f"{environment}.env").write_text(text)


def run(act: str, *more: str, environment: str = "staging") -> str:
    """What it says; a refusal, or a difference, is an exception that it has said."""
    said = StringIO()
    try:
        call_command("config", act, "--env", environment, "--region", REGION, *more, stdout=said, no_color=True)
    finally:
        assert "hunter2" not in said.getvalue()
        assert "PRIVATE KEY" not in said.getvalue()
    return said.getvalue()


def differs(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines of a diff that ends with 1."""
    with pytest.raises(SystemExit) as ended:
        call_command("config", "diff", "--env", "staging", "--region", REGION, no_color=True)
    assert ended.value.code == 1
    lines = capsys.readouterr().out.splitlines()[1:]
    assert "hunter2" not in str(lines)
    return [" ".join(line.split()) for line in lines]


def ssm_value(name: str, environment: str = "staging") -> str:
    found = boto3.client("ssm", REGION).get_parameter(Name=f"/eloquent/{environment}/{name}")["Parameter"]
    assert found["Type"] == "String"
    return found["Value"]


def secret_value(name: str) -> str:
    return boto3.client("secretsmanager", REGION).get_secret_value(SecretId=f"/eloquent/staging/{name}")["SecretString"]


def test_what_was_pushed_is_what_a_process_starts_with(monkeypatch: pytest.MonkeyPatch) -> None:
    said = run("push", "--yes")
    assert "set /eloquent/staging/LOG_LEVEL in Parameter Store" in said
    assert "made /eloquent/staging/SECRET_KEY in Secrets Manager" in said
    assert "5 written." in said
    assert ssm_value("ALLOWED_HOSTS") == "staging.example.org"
    assert secret_value("JWT_PRIVATE_KEY") == KEY, "with its line breaks"
    assert secret_value("MONGODB_URI") == "mongodb+srv://app:hun${ter2}@db.example/", "nothing is put in for ${…}"
    for name in Config.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {"ELOQUENT_ENV": "staging", "CONFIG_SOURCE": "aws", "AWS_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    assert load_config().jwt_private_key.get_secret_value() == KEY


def test_pushed_again_there_is_nothing_to_do() -> None:
    run("push", "--yes")
    assert "nothing differs" in run("diff")
    assert "Nothing to do." in run("push")


def test_a_diff_says_what_is_missing_different_and_surplus(capsys: pytest.CaptureFixture[str]) -> None:
    run("push", "--yes")
    write(FILE.replace("WARNING", "ERROR").replace(SECRET, SECRET[::-1]) + "MODEL_QUEUE=7\nOPENAI_API_KEY=sk-hunter2\n")
    boto3.client("ssm", REGION).put_parameter(Name="/eloquent/staging/WORKERS", Value="2", Type="String")
    boto3.client("ssm", REGION).put_parameter(Name="/eloquent/staging/LOG_LEVLE", Value="x", Type="String")
    boto3.client("ssm", REGION).put_parameter(Name="/eloquent/staging/REDIS_URL", Value="hunter2", Type="String")
    assert differs(capsys) == [
        "differs SECRET_KEY",
        "surplus WORKERS",
        "differs LOG_LEVEL WARNING → ERROR",
        "missing OPENAI_API_KEY",
        "missing MODEL_QUEUE 7",
        "REDIS_URL: found in Parameter Store at /eloquent/staging/REDIS_URL; expected it in Secrets Manager alone",
        "/eloquent/staging/LOG_LEVLE in Parameter Store: no setting has this name; is LOG_LEVEL meant?",
    ]


def test_a_push_changes_what_differs_and_deletes_nothing() -> None:
    run("push", "--yes")
    boto3.client("ssm", REGION).put_parameter(Name="/eloquent/staging/TITLE_MODEL", Value="off", Type="String")
    write(FILE.replace("WARNING", "ERROR").replace(SECRET, SECRET[::-1]))
    said = run("push", "--yes")
    assert "set /eloquent/staging/SECRET_KEY in Secrets Manager" in said
    assert "2 written." in said
    assert (ssm_value("LOG_LEVEL"), secret_value("SECRET_KEY")) == ("ERROR", SECRET[::-1])
    assert ssm_value("TITLE_MODEL") == "off"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("MODEL_QUEUE=http", "MODEL_QUEUE: found http"),
        ("MONGODB_URI=postgres://app:hunter2@db/x", "MONGODB_URI: found postgres://app:********@db/x"),
        ("ALLOWED_HOSTS=*", "full host names"),
        ("DEBUG=true", "false in staging"),
        ("LOG_LEVLE=INFO", "LOG_LEVLE: found in staging.env; expected a name that a setting has"),
        ("ELOQUENT_ENV=staging", "it says where to look in AWS"),
        ("PORT=9000", "or to listen"),
        ("log_level=INFO", "expected LOG_LEVEL"),
        ("MAIL_BACKEND=console", "smtp, ses or off"),
    ],
)
def test_what_the_service_would_refuse_is_not_written(line: str, words: str) -> None:
    write(f"{FILE}{line}\n")
    with pytest.raises(CommandError) as refused:
        run("push", "--yes")
    assert words in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert boto3.client("ssm", REGION).describe_parameters()["Parameters"] == []
    assert boto3.client("secretsmanager", REGION).list_secrets()["SecretList"] == []


def test_a_part_of_the_settings_is_written_and_what_is_missing_is_said() -> None:
    write("LOG_LEVEL=INFO\n")
    said = run("push", "--yes")
    assert "The service will not start with this. SECRET_KEY: found nothing" in said
    assert ssm_value("LOG_LEVEL") == "INFO"


@pytest.mark.parametrize(
    ("environment", "typed", "writes"),
    [("staging", "yes", True), ("staging", "", False), ("prod", "yes", False), ("prod", "prod", True)],
)
def test_it_asks_before_it_writes_and_productions_name_has_to_be_typed(
    monkeypatch: pytest.MonkeyPatch, environment: str, typed: str, writes: bool
) -> None:
    write(FILE, environment)
    monkeypatch.setattr("builtins.input", lambda _question: typed)
    if writes:
        run("push", environment=environment)
        assert ssm_value("LOG_LEVEL", environment) == "WARNING"
    else:
        with pytest.raises(CommandError, match="Nothing was written"):
            run("push", environment=environment)
        assert boto3.client("ssm", REGION).describe_parameters()["Parameters"] == []


def test_without_a_terminal_and_a_yes_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(CommandError, match="Nothing was written"):
        run("push")


def test_a_push_that_broke_off_is_finished_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    write_secret, count = aws_settings.write_secret, 0

    def breaks(*arguments: Any) -> str:
        nonlocal count
        count += 1
        if count > 1:
            raise ConnectionAbortedError
        return write_secret(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(aws_settings, "write_secret", breaks)
        with pytest.raises(ConnectionAbortedError):
            run("push", "--yes")
    done = {line.split()[1] for line in run("push", "--yes").splitlines() if line.startswith(("made", "set"))}
    assert {f"/eloquent/staging/{name}" for name in ("MONGODB_URI", "JWT_PRIVATE_KEY")} <= done
    assert "/eloquent/staging/SECRET_KEY" not in done
    assert "nothing differs" in run("diff")


def test_what_aws_refuses_in_the_middle_is_said_with_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    write("LOG_LEVEL=INFO\nREDIS_URL=redis://:hunter2@cache.example\n")
    monkeypatch.setattr(aws, "_ATTEMPTS", 1)
    with fake_aws(PutSecretValue=AwsError("AccessDeniedException")) as one, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", one.url)
        with pytest.raises(CommandError) as refused:
            run("push", "--yes")
    assert "/eloquent/staging/REDIS_URL" in str(refused.value)
    assert "secretsmanager:PutSecretValue" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_secret_that_somebody_makes_in_this_moment_is_set() -> None:
    write("REDIS_URL=redis://:hunter2@cache.example\n")
    there = AwsError("ResourceExistsException")
    tries = [AwsError("ResourceNotFoundException"), {"Name": "x"}]
    with fake_aws(PutSecretValue=tries, CreateSecret=there) as one, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", one.url)
        assert "1 written." in run("push", "--yes")
        assert [operation for operation, _ in one.asked][-3:] == ["PutSecretValue", "CreateSecret", "PutSecretValue"]


def test_a_file_that_is_not_there_and_a_region_that_nobody_named_are_said() -> None:
    with pytest.raises(CommandError, match=r"nowhere\.env: No such file"):
        run("diff", "--file", "nowhere.env")
    with pytest.raises(CommandError, match="In which region"):
        call_command("config", "diff", "--env", "staging")
