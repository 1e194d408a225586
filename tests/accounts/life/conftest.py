"""Letters as their readers have them, and settings for the length of a test."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from django.core import mail

from accounts.audit.recording import settle_audit
from accounts.life.beside import settle_beside
from accounts.mail.delivery import settle_mail
from eloquent.foundation.config import get_config

_LINK = re.compile(r"^(https?://\S+/account/(\S+?)(?:#(\S+))?)$", re.MULTILINE)


class Letter(NamedTuple):
    """A letter that arrived."""

    to: str
    subject: str
    text: str

    @property
    def page(self) -> str:
        """Where its link leads, below /account/."""
        return self._link[1]

    @property
    def token(self) -> str:
        """What its link proves."""
        return self._link[2]

    @property
    def _link(self) -> tuple[str, str, str]:
        [found] = _LINK.findall(self.text)
        link: tuple[str, str, str] = found
        return link


async def letters(to: str | None = None) -> list[Letter]:
    """All letters since the last look, oldest first, or those to one address; the others are thrown away."""
    await settle_beside()
    await settle_mail()
    await settle_audit()
    came = [Letter(message.to[0], message.subject, str(message.body)) for message in mail.outbox]
    mail.outbox.clear()
    return [letter for letter in came if to in (None, letter.to)]


async def letter(to: str) -> Letter:
    """The one letter to this address since the last look."""
    [only] = await letters(to)
    return only


@pytest.fixture
def settings_are(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Changes settings of the running server for this test."""

    def change(**settings: Any) -> None:
        for name, value in settings.items():
            assert name in type(get_config()).model_fields
            monkeypatch.setitem(get_config().__dict__, name, value)

    return change


@pytest.fixture(autouse=True)
def _an_empty_letter_box() -> Iterator[None]:
    mail.outbox = []
    yield
    mail.outbox = []
