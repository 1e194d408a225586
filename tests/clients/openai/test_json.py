"""The official `openai` package asks for JSON."""

from typing import Any

from openai import AsyncOpenAI
from pydantic import BaseModel

from inference.providers.scripted import saying
from tests.chat.conftest import SCRIPTED, LanguageModel

HI: Any = [{"role": "user", "content": "Where is the Colosseum?"}]


class Place(BaseModel):
    """What is asked for."""

    city: str


async def test_any_json_is_asked_for(client: AsyncOpenAI, model: LanguageModel) -> None:
    model.script = saying("{}")
    asked: Any = {"model": SCRIPTED.id, "messages": HI, "response_format": {"type": "json_object"}, "seed": 5}
    answer = await client.chat.completions.create(**asked, top_p=0.5, stop=["END"], n=1)
    assert answer.choices[0].message.content == "{}"
    options = model.provider.requests[0].options
    assert (options.json_schema, options.seed, options.top_p, options.stop) == ({}, 5, 0.5, ("END",))


async def test_an_answer_that_fits_a_schema_is_parsed(client: AsyncOpenAI, model: LanguageModel) -> None:
    model.script = saying('{"city": ', '"Rome"}')
    answer = await client.chat.completions.parse(model=SCRIPTED.id, messages=HI, response_format=Place)
    assert answer.choices[0].message.parsed == Place(city="Rome")
    schema = model.provider.requests[0].options.json_schema
    assert schema is not None
    assert schema["properties"] == {"city": {"title": "City", "type": "string"}}
    async with client.chat.completions.stream(model=SCRIPTED.id, messages=HI, response_format=Place) as stream:
        streamed = await stream.get_final_completion()
    assert streamed.choices[0].message.parsed == Place(city="Rome")
