"""The official `openai` package shows pictures."""

import base64
import struct
import zlib
from typing import Any

import msgspec
import openai
import pytest
from openai import AsyncOpenAI

from inference.catalog import offering
from inference.providers.scripted import Scripted, saying
from inference.types import Image
from tests.chat.conftest import SCRIPTED, LanguageModel
from tests.pictures import png

SEER = msgspec.structs.replace(SCRIPTED, id="x/seer", name="seer", capabilities=("completion", "vision"))
LARGEST = 10 * 1024 * 1024


def question(url: str) -> Any:
    """A question about the picture at the address."""
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


def data_url(content: bytes) -> str:
    """The picture as an address."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


async def test_a_picture_is_shown(client: AsyncOpenAI) -> None:
    sees = Scripted(saying("A grey field."))
    with offering(SEER, sees):
        answer = await client.chat.completions.create(model="x/seer", messages=question(data_url(png())))
        assert answer.choices[0].message.content == "A grey field."
        # As large as an attached file may be, with its beginning and end where they belong.
        largest = png()[:-12] + png_comment(LARGEST - len(png())) + png()[-12:]
        assert len(largest) == LARGEST
        assert await client.chat.completions.create(model="x/seer", messages=question(data_url(largest)))
    assert [request.messages[0].images for request in sees.requests] == [
        (Image("image/png", png()),),
        (Image("image/png", largest),),
    ]
    assert sees.requests[0].messages[0].content == "What is this?"


async def test_what_is_larger_is_refused(client: AsyncOpenAI) -> None:
    sees = Scripted(saying("A grey field."))
    with offering(SEER, sees):
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model="x/seer", messages=question(data_url(png() + bytes(LARGEST))))
        assert refused.value.code == "image_too_large"
        with pytest.raises(openai.BadRequestError) as huge:
            await client.chat.completions.create(model="x/seer", messages=question(data_url(png(50_001, 1_000))))
        assert huge.value.code == "image_too_large"
        assert "50,001 x 1,000" in huge.value.message
    assert sees.requests == []


async def test_an_address_is_never_fetched(client: AsyncOpenAI, model: LanguageModel) -> None:
    with offering(SEER, model.provider), pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model="x/seer", messages=question(f"{client.base_url}models"))
    assert (refused.value.param, refused.value.code) == ("messages[0].content[1].image_url.url", "invalid_image_url")
    assert "are not fetched" in refused.value.message
    assert model.provider.requests == []


async def test_a_model_without_eyes_is_not_asked(client: AsyncOpenAI, model: LanguageModel) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model=SCRIPTED.id, messages=question(data_url(png())))
    assert refused.value.code == "model_cannot_see"
    assert model.provider.requests == []


def png_comment(size: int) -> bytes:
    """A chunk of a PNG, of so many bytes in all, that nobody looks at."""
    data = b"teXt" + bytes(size - 12)
    return struct.pack(">I", size - 12) + data + struct.pack(">I", zlib.crc32(data))
