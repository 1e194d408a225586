"""What staff decide about a language model holds in every worker within seconds, also for answers that begin then."""

import asyncio
from typing import Any

from tests.people import Person
from tests.survival.stage import Stage
from tests.survival.storyteller import NAME

EVERYWHERE_WITHIN_S = 30.0
MODEL = {"provider": "ollama", "name": f"{NAME}:latest"}


async def offered_at(person: Person) -> list[tuple[str, bool]]:
    page: dict[str, Any] = await person.ok("GET", "/models")
    return [(model["name"], model["default"]) for model in page["items"]]


async def until_offered(person: Person, wanted: list[tuple[str, bool]]) -> None:
    async with asyncio.timeout(EVERYWHERE_WITHIN_S):
        while await offered_at(person) != wanted:  # noqa: ASYNC110  (it happens elsewhere: there is nothing to await)
            await asyncio.sleep(0.1)


async def test_a_decision_is_everywhere_within_seconds_and_taken_back_as_soon(
    stage: Stage, here: Person, there: Person
) -> None:
    models = stage.database["language_models"]
    before = [(f"{NAME}:latest", True)]
    await asyncio.gather(*(until_offered(person, before) for person in (here, there)))
    try:
        await models.insert_one({**MODEL, "title": "The teller", "enabled": True, "order": 1})
        await asyncio.gather(*(until_offered(person, [("The teller", True)]) for person in (here, there)))
        await models.update_one(MODEL, {"$set": {"enabled": False}})
        await asyncio.gather(*(until_offered(person, []) for person in (here, there)))
        conversation = await here.conversation()
        refused = await here.ask(conversation, "Tell me.", 503)
        assert refused["code"] == "no_model_available"
    finally:
        await models.delete_many({})
    await asyncio.gather(*(until_offered(person, before) for person in (here, there)))


async def test_a_question_gets_the_options_that_staff_decided(stage: Stage, here: Person) -> None:
    models = stage.database["language_models"]
    try:
        await models.insert_one({**MODEL, "title": "Brief", "temperature": 0.25, "keep_alive": "10m", "order": 1})
        await until_offered(here, [("Brief", True)])
        tale = stage.tale()
        run = await here.ask(await here.conversation(), tale.question)
        await here.at_rest(run["id"])
        asked = next(body for body in stage.model.requests if body["messages"][-1]["content"] == tale.question)
        assert asked["options"]["temperature"] == 0.25
        assert asked["keep_alive"] == "10m"
    finally:
        await models.delete_many({})
        await until_offered(here, [(f"{NAME}:latest", True)])
