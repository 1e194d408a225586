"""OPENID_PROVIDERS, read at the start with all its faults at once."""

import json
from typing import Any

import pytest

from eloquent.foundation.config import ConfigFaults, load_config
from eloquent.foundation.openid_providers import provider_list

GOOD: dict[str, Any] = {"issuer": "https://accounts.example.org", "client_id": "c"}


def test_a_provider_has_what_is_said_and_defaults_for_the_rest() -> None:
    assert provider_list("") == provider_list("  ") == {}
    provider = provider_list(json.dumps({"my-company": GOOD}))["my-company"]
    assert (provider.name, provider.title, provider.scopes) == (
        "my-company",
        "My-company",
        ["openid", "email", "profile"],
    )
    assert (provider.trusts_email, provider.registers, provider.second_factor) == (False, False, "ask")
    assert provider.client_secret is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[", "it is no JSON"),
        ("[]", "an object of at most 10"),
        (json.dumps({f"p{n}": GOOD | {"issuer": f"https://{n}.example.org"} for n in range(11)}), "at most 10"),
        (json.dumps({"Google": GOOD}), "a name is up to 24 lower-case letters"),
        (json.dumps({"a/b": GOOD}), "a name is up to 24 lower-case letters"),
        (json.dumps({"a": {}}), "a: issuer: Field required; a: client_id: Field required"),
        (json.dumps({"a": 1}), "a: it: "),
        (json.dumps({"a": GOOD | {"scope": "openid"}}), "a: scope: Extra inputs"),
        (json.dumps({"a": GOOD | {"name": "b"}}), "a: name: "),
        (json.dumps({"a": GOOD | {"issuer": "http://accounts.example.org"}}), "a: issuer: it must begin with https://"),
        (json.dumps({"a": GOOD | {"issuer": "https://u@example.org"}}), "a: issuer: it is a host"),
        (json.dumps({"a": GOOD | {"issuer": "https://example.org/?x"}}), "a: issuer: it is a host"),
        (json.dumps({"a": GOOD | {"issuer": "https://[::1"}}), "a: issuer: it is a host"),
        (json.dumps({"a": GOOD | {"scopes": ["email"]}}), "a: scopes: openid is missing"),
        (json.dumps({"a": GOOD | {"scopes": ["openid email"]}}), "a: scopes.0: "),
        (json.dumps({"a": GOOD | {"client_secret": "hush\n"}}), "a: client_secret: "),
        (json.dumps({"a": GOOD | {"client_secret": 12345}}), "a: client_secret: "),
        (json.dumps({"a": GOOD | {"title": "bell\u0007"}}), "a: title: "),
        (json.dumps({"a": GOOD | {"trusts_email": "yes"}}), "a: trusts_email: "),
        (json.dumps({"a": GOOD | {"second_factor": "never"}}), "a: second_factor: "),
        (json.dumps({"a": GOOD | {"registers": True}}), "a: registers: .* needs trusts_email"),
        (json.dumps({"a": GOOD, "b": GOOD}), "a: another one has its issuer; b: another"),
    ],
)
def test_what_is_wrong_is_said(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as refusal:
        provider_list(text)
    assert "hush" not in str(refusal.value)
    assert "12345" not in str(refusal.value)
    assert provider_list(json.dumps({"a": GOOD}))


def test_all_faults_are_said_at_the_start_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"a": {"issuer": "ftp://x", "client_id": "c", "client_secret": "hush"}, "B": {}}
    monkeypatch.setenv("OPENID_PROVIDERS", json.dumps(broken))
    with pytest.raises(ConfigFaults) as faults:
        load_config()
    assert "a: issuer" in str(faults.value)
    assert "“B”" in str(faults.value)
    assert "hush" not in str(faults.value)


def test_production_wants_tls_and_its_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    local = {"a": {"issuer": "http://127.0.0.1:9000", "client_id": "c"}}
    monkeypatch.setenv("OPENID_PROVIDERS", json.dumps(local))
    assert load_config().openid_providers.get_secret_value()
    monkeypatch.setenv("ELOQUENT_ENV", "prod")
    with pytest.raises(ConfigFaults) as faults:
        load_config()
    named = {fault.name for fault in faults.value.faults}
    assert {"OPENID_PROVIDERS", "NEXT_PUBLIC_API_URL"} <= named
    monkeypatch.setenv("OPENID_PROVIDERS", json.dumps({"a": GOOD}))
    monkeypatch.setenv("NEXT_PUBLIC_API_URL", "https://api.example.org")
    with pytest.raises(ConfigFaults) as faults:
        load_config()
    assert not {"OPENID_PROVIDERS", "NEXT_PUBLIC_API_URL"} & {fault.name for fault in faults.value.faults}
