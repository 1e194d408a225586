"""A model server whose certificate nobody public has signed: trusted by `MODEL_CA` alone, and under its name alone."""

import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from eloquent.foundation import formats, http
from eloquent.foundation.certificates import Identity, self_signed
from eloquent.foundation.config import get_config
from inference.errors import ModelUnreachable
from inference.providers.ollama import Ollama
from inference.types import PromptMessage, PromptRequest
from tests.fakes.ollama import FakeOllama
from tests.inference.rigs import collected, text_of

ASKING = PromptRequest("fake:latest", (PromptMessage("user", "Hi"),))
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def own() -> Identity:
    return self_signed("localhost", lasts=DAY)


@pytest_asyncio.fixture
async def ollama(own: Identity, tmp_path: Path) -> AsyncIterator[FakeOllama]:
    """It speaks TLS as `localhost`."""
    (tmp_path / "own.pem").write_text(own.key + own.certificate)
    fake = FakeOllama()
    fake.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    fake.tls.load_cert_chain(tmp_path / "own.pem")
    async with fake:
        yield fake
    await http.close_http_client()


def trust(monkeypatch: pytest.MonkeyPatch, *certificates: str) -> None:
    told = SecretStr("".join(certificates)) if certificates else None
    config = get_config().model_copy(update={"model_ca": told})
    monkeypatch.setattr(http, "get_config", lambda: config)


async def test_it_answers_those_who_know_its_certificate(
    ollama: FakeOllama, own: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, self_signed("localhost", lasts=DAY).certificate, own.certificate)
    events, error = await collected(Ollama(ollama.url).answer(ASKING))
    assert (text_of(events), error) == ("Hello from a fake model.", None)


@pytest.mark.parametrize("known", ["nobody", "another of that name"])
async def test_a_server_that_nobody_vouches_for_is_told_nothing(
    ollama: FakeOllama, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    trust(monkeypatch, *([] if known == "nobody" else [self_signed("localhost", lasts=DAY).certificate]))
    _, error = await collected(Ollama(ollama.url).answer(ASKING))
    assert isinstance(error, ModelUnreachable)
    assert ollama.requests == []


async def test_whoever_is_trusted_is_trusted_under_the_own_name(
    ollama: FakeOllama, own: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, own.certificate)
    _, error = await collected(Ollama(ollama.url.replace("localhost", "127.0.0.1")).answer(ASKING))
    assert isinstance(error, ModelUnreachable)
    assert ollama.requests == []


def test_public_authorities_are_trusted_as_before(own: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch)
    before = http._trusting().cert_store_stats()["x509"]
    trust(monkeypatch, own.certificate)
    assert before > 50
    assert http._trusting().cert_store_stats()["x509"] == before + 1


@pytest.mark.parametrize("wrong", ["", "certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_is_refused_where_it_is_set(wrong: str) -> None:
    with pytest.raises(ValueError, match="no certificate in PEM form"):
        formats.certificates(wrong)


def test_a_key_does_not_belong_there(own: Identity) -> None:
    assert formats.certificates(own.certificate.replace("\n", "\\n")) == own.certificate
    with pytest.raises(ValueError, match="private key"):
        formats.certificates(own.certificate + own.key)
