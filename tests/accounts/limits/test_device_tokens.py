"""Device tokens: whose they are, and that nobody else makes one."""

import time

import pytest

from accounts.limits import device_tokens
from accounts.limits.device_tokens import KNOWN_FOR_S, known_device, new_token

ANN, BOB = "ann@example.org", "bob@example.org"


def test_a_token_is_of_one_account_and_each_is_its_own() -> None:
    one, another = new_token(ANN), new_token(ANN)
    assert known_device([one], ANN)
    assert known_device([one], BOB) is None
    assert known_device([one], ANN) != known_device([another], ANN)
    assert known_device(["", new_token(BOB), one], ANN) == known_device([one], ANN)
    assert "ann" not in one


def test_a_token_that_was_changed_is_none() -> None:
    token = new_token(ANN)
    for place in range(len(token)):
        changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert known_device([changed], ANN) is None, place


@pytest.mark.parametrize(
    "garbage", ["", "x", "é" * 44, "=" * 44, "A" * 44, "A" * 10_000, "\ud800" * 44, "A" * 43 + "\n"]
)
def test_garbage_is_no_token(garbage: str) -> None:
    assert known_device([garbage], ANN) is None


def test_a_token_outlives_a_change_of_the_secret_key_and_not_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    token = new_token(ANN)
    [today] = device_tokens.derived_keys("device token")
    with monkeypatch.context() as patch:
        patch.setattr(device_tokens, "derived_keys", lambda _: (b"x" * 32, today))
        assert known_device([token], ANN)
        patch.setattr(device_tokens, "derived_keys", lambda _: (b"x" * 32,))
        assert known_device([token], ANN) is None
    real = time.time
    monkeypatch.setattr(device_tokens.time, "time", lambda: real() + KNOWN_FOR_S - 5)
    assert known_device([token], ANN)
    monkeypatch.setattr(device_tokens.time, "time", lambda: real() + KNOWN_FOR_S + 5)
    assert known_device([token], ANN) is None
