"""The configuration: from the environment, then `.env`, all faults at once, no secret shown."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from eloquent.foundation import keys
from eloquent.foundation.config import Config, ConfigFaults, effective_settings, load_config
from eloquent.foundation.masking import mask_uri

SECRET = "hunter2-hunter2-hunter2-hunter2-hunter2-hunter2-hunter2"
KEY = keys.make_signing_key()
GOOD_PRODUCTION = {
    "ELOQUENT_ENV": "prod",
    "SECRET_KEY": SECRET,
    "JWT_PRIVATE_KEY": KEY,
    "ALLOWED_HOSTS": "api.example.org",
}


@pytest.fixture(autouse=True)
def _empty_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting from outside, and a directory of the test's own."""
    for name in Config.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def set_all(monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def test_a_development_machine_needs_no_setting_and_keeps_its_own_keys() -> None:
    first, second = load_config(), load_config()
    assert first == second
    assert len(first.secret_key.get_secret_value()) >= 50
    assert "BEGIN PRIVATE KEY" in first.jwt_private_key.get_secret_value()
    for file in ("secret-key", "jwt.pem"):
        assert stat.S_IMODE(Path(".eloquent", file).stat().st_mode) == 0o600


def test_processes_that_start_at_once_keep_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda _: keys.kept(tmp_path / "key", keys.make_secret), range(32)))
    assert len(set(kept)) == 1


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text('PORT=7000\nMONGODB_NAME="from_file"\nLOG_LEVEL=\n')
    monkeypatch.setenv("PORT", "7001")
    config = load_config()
    assert (config.port, config.mongodb_name, config.log_level) == (7001, "from_file", "INFO")
    sources = {setting.name: setting.source for setting in effective_settings(config)}
    assert sources["PORT"] == "environment"
    assert sources["MONGODB_NAME"] == ".env"
    assert sources["LOG_LEVEL"] == "default"
    assert sources["SECRET_KEY"] == ".eloquent/secret-key"


def test_tests_do_not_see_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("PORT=7000\n")
    assert load_config().port == 7000
    monkeypatch.setenv("ELOQUENT_ENV", "test")
    assert load_config().port == 8000


def test_the_servers_that_run_on_a_development_machine_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".eloquent").mkdir()
    Path(".eloquent/running.env").write_text(
        "MONGODB_URI=mongodb://127.0.0.1:9/\nLLAMACPP_HOST=http://127.0.0.1:8\nX=1\n"
    )
    monkeypatch.setenv("LLAMACPP_HOST", "http://127.0.0.1:7")
    config = load_config()
    assert config.mongodb_uri.get_secret_value() == "mongodb://127.0.0.1:9/"
    assert config.llamacpp_host == "http://127.0.0.1:7"
    sources = {setting.name: setting.source for setting in effective_settings(config)}
    assert sources["MONGODB_URI"] == ".eloquent/running.env"
    set_all(monkeypatch, GOOD_PRODUCTION)
    assert load_config().mongodb_uri.get_secret_value() != "mongodb://127.0.0.1:9/"


def test_all_faults_are_reported_at_once_with_name_finding_and_expectation(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "ELOQUENT_ENV": "prod",
        "DEBUG": "true",
        "PORT": "http",
        "ALLOWED_HOSTS": "*",
        "MONGODB_URI": "postgres://user:hunter2@db/x",
        "OLLAMA_HOST": "ollama:11434",
        "ALLOWED_ORIGINS": "https://a.example/path",
        "JWT_PREVIOUS_KEY": "hunter2",
        "LOG_LEVEL": "LOUD",
    }
    set_all(monkeypatch, wrong)
    with pytest.raises(ConfigFaults) as raised:
        load_config()
    assert {fault.name for fault in raised.value.faults} == {*wrong, "SECRET_KEY", "JWT_PRIVATE_KEY"} - {"ELOQUENT_ENV"}
    text = str(raised.value)
    assert "hunter2" not in text
    assert "PORT: found http; expected port to listen on" in text
    assert "postgres://user:********@db/x" in text


@pytest.mark.parametrize(
    "place",
    [{"ELOQUENT_ENV": "staging"}, {"ELOQUENT_ENV": "prod"}, {"ELOQUENT_ENV": "dev", "PRODUCTION_RULES": "true"}],
)
def test_production_starts_with_real_settings_and_makes_no_keys(
    monkeypatch: pytest.MonkeyPatch, place: dict[str, str]
) -> None:
    set_all(monkeypatch, GOOD_PRODUCTION | place)
    assert load_config().strict
    assert not Path(".eloquent").exists()


def test_a_dev_environment_with_productions_rules_refuses_what_production_does(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {"ELOQUENT_ENV": "dev", "PRODUCTION_RULES": "true"})
    with pytest.raises(ConfigFaults) as raised:
        load_config()
    assert {"SECRET_KEY", "JWT_PRIVATE_KEY"} <= {fault.name for fault in raised.value.faults}
    assert not Path(".eloquent").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("JWT_PRIVATE_KEY", ""),
        ("JWT_PRIVATE_KEY", "not a key"),
        ("DEBUG", "1"),
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", "api.example.org,*.example.org"),
        ("ALLOWED_HOSTS", ".example.org"),
    ],
)
def test_production_refuses_to_start_without_real_settings(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    set_all(monkeypatch, GOOD_PRODUCTION | {name: value})
    with pytest.raises(ConfigFaults) as raised:
        load_config()
    assert [fault.name for fault in raised.value.faults] == [name]


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, GOOD_PRODUCTION)
    monkeypatch.setenv("MONGODB_URI", "mongodb+srv://app:hunter2@cluster.example/?w=majority")
    monkeypatch.setenv("REDIS_URL", "rediss://:hunter2@cache.example:6379/0")
    monkeypatch.setenv("OPENAI_COMPATIBLE_API_KEY", "sk-hunter2")
    config = load_config()
    shown = {setting.name: setting.shown for setting in effective_settings(config)}
    assert shown["MONGODB_URI"] == "mongodb+srv://app:********@cluster.example/?w=majority"
    assert shown["REDIS_URL"] == "rediss://:********@cache.example:6379/0"
    assert shown["SECRET_KEY"] == shown["JWT_PRIVATE_KEY"] == shown["OPENAI_COMPATIBLE_API_KEY"] == "********"
    for text in (repr(config), str(shown)):
        assert "hunter2" not in text
        assert "PRIVATE KEY" not in text


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/@:"), min_size=12))
def test_a_masked_address_has_nothing_of_its_password(password: str) -> None:
    assert password not in mask_uri(f"could not reach mongodb://user:{password}@host/db today")


def test_a_password_with_an_at_sign_is_masked_whole() -> None:
    assert mask_uri("mongodb://user:p@ss@host/db") == "mongodb://user:********@host/db"


def test_a_key_with_escaped_line_breaks_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_PRIVATE_KEY", KEY.replace("\n", "\\n"))
    assert load_config().jwt_private_key.get_secret_value() == KEY


def test_a_weak_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    monkeypatch.setenv("JWT_PRIVATE_KEY", weak.decode())
    with pytest.raises(ConfigFaults):
        load_config()


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({"REGISTRATION": "domain"}, {"REGISTRATION_DOMAINS"}),
        (
            {"REGISTRATION": "domain", "REGISTRATION_DOMAINS": "example.org", "EMAIL_VERIFICATION": "optional"},
            {"EMAIL_VERIFICATION"},
        ),
        (
            {"REGISTRATION": "domain", "REGISTRATION_DOMAINS": "example.org", "MAIL_BACKEND": "off"},
            {"MAIL_BACKEND"},
        ),
        ({"EMAIL_VERIFICATION": "required", "MAIL_BACKEND": "off"}, {"MAIL_BACKEND"}),
        ({**GOOD_PRODUCTION, "EMAIL_VERIFICATION": "required"}, {"MAIL_BACKEND"}),
        ({"MAIL_BACKEND": "smtp"}, {"SMTP_URL"}),
        ({"REGISTRATION_DOMAINS": "example.org,localhost"}, {"REGISTRATION_DOMAINS"}),
        ({"REGISTRATION_DOMAINS": "*"}, {"REGISTRATION_DOMAINS"}),
        ({"REGISTRATION_DOMAINS": "a..b"}, {"REGISTRATION_DOMAINS"}),
        ({"MAIL_FROM": "Me <me@example.org>\nBcc: all@example.org"}, {"MAIL_FROM"}),
    ],
)
def test_who_may_register_and_how_they_prove_it_must_fit_together(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], wrong: set[str]
) -> None:
    set_all(monkeypatch, settings)
    with pytest.raises(ConfigFaults) as raised:
        load_config()
    assert {fault.name for fault in raised.value.faults} == wrong


def test_domains_are_spelled_as_mail_servers_do_and_ask_for_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {"REGISTRATION": "domain", "REGISTRATION_DOMAINS": "Example.ORG, *.Bücher.example"})
    config = load_config()
    assert config.registration_domains == ("example.org", "*.xn--bcher-kva.example")
    assert config.verification == "required"


def test_without_mail_nothing_can_be_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_config().verification == "optional"
    set_all(monkeypatch, GOOD_PRODUCTION)
    assert load_config().verification == "off"
    set_all(monkeypatch, {"MAIL_BACKEND": "ses"})
    assert load_config().verification == "optional"
