"""Sealed secrets: opened for their purpose alone, by the key of today and those before it."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from eloquent.foundation import sealing
from eloquent.foundation.config import get_config
from eloquent.foundation.sealing import SealBroken, derived_keys, seal, unseal


@pytest.fixture(autouse=True)
def _no_keys_kept() -> Iterator[None]:
    def forget() -> None:
        derived_keys.cache_clear()
        sealing._box.cache_clear()

    forget()
    yield
    forget()


def keys(monkeypatch: pytest.MonkeyPatch, now: str, *before: str) -> None:
    changed: dict[str, Any] = {"secret_key": SecretStr(now), "secret_key_fallbacks": SecretStr(", ".join(before))}
    config = get_config().model_copy(update=changed)
    monkeypatch.setattr(sealing, "get_config", lambda: config)
    derived_keys.cache_clear()
    sealing._box.cache_clear()


@given(st.binary(max_size=500))
def test_what_was_sealed_is_opened_for_the_same_purpose(plain: bytes) -> None:
    sealed = seal(plain, "tests")
    assert unseal(sealed, "tests") == plain
    with pytest.raises(SealBroken):
        unseal(sealed, "other tests")


@given(st.text(max_size=200))
def test_what_nobody_sealed_is_refused(text: str) -> None:
    with pytest.raises(SealBroken):
        unseal(text, "tests")


def test_the_same_secret_is_sealed_differently_each_time() -> None:
    assert seal(b"secret", "tests") != seal(b"secret", "tests")


def test_the_key_before_opens_what_it_sealed_until_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    keys(monkeypatch, "first")
    sealed, [first] = seal(b"secret", "tests"), derived_keys("tests")
    keys(monkeypatch, "second", "first")
    assert unseal(sealed, "tests") == b"secret"
    assert derived_keys("tests")[1] == first
    assert derived_keys("tests")[0] not in (first, derived_keys("other tests")[0])
    keys(monkeypatch, "second")
    with pytest.raises(SealBroken):
        unseal(sealed, "tests")
