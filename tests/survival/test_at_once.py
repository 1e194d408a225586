"""Two tabs of one user do the same thing in the same moment on two workers."""

import asyncio

from bson import ObjectId

from tests.people import Person
from tests.survival.stage import Stage

TIMES = 5


async def test_two_tabs_that_send_at_once_start_one_answer(stage: Stage, here: Person, there: Person) -> None:
    for _ in range(TIMES):
        tales = [stage.tale(waits=(0,)) for _ in range(2)]
        conversation = await here.conversation()
        sent = [
            tab.http.post(
                f"/conversations/{conversation}/runs", json={"parts": [{"type": "text", "text": tale.question}]}
            )
            for tab, tale in zip((here, there), tales, strict=True)
        ]
        answers = await asyncio.gather(*sent)
        assert sorted(answer.status_code for answer in answers) == [202, 409]
        assert await stage.database["runs"].count_documents({"conversation_id": ObjectId(conversation)}) == 1
        for tale in tales:
            stage.model.go_on(tale)
        (run,) = [answer.json() for answer in answers if answer.status_code == 202]
        await there.at_rest(run["id"])
        shown = await there.messages(conversation)
        assert [message["role"] for message in shown] == ["user", "assistant"]
        assert (await there.ok("GET", f"/conversations/{conversation}"))["message_count"] == 2


async def test_two_tabs_that_wish_for_siblings_get_both_answers_in_one_conversation(
    stage: Stage, here: Person, there: Person
) -> None:
    for _ in range(TIMES):
        tales = [stage.tale(waits=(0,)) for _ in range(2)]
        conversation = await here.conversation()
        tabs = list(zip((here, there), tales, strict=True))
        runs = await asyncio.gather(*(tab.ask(conversation, tale.question, on_busy="sibling") for tab, tale in tabs))
        for tale in tales:
            stage.model.go_on(tale)
        for run, tale in zip(runs, tales, strict=True):
            assert (await here.at_rest(run["id"]))["status"] == "complete"
            assert (await stage.answer_of(run))["text"] == tale.text()
        shown = await there.messages(conversation)
        siblings = await here.ok("GET", f"/messages/{shown[0]['id']}/siblings")
        assert {item["id"] for item in siblings["items"]} == {run["user_message_id"] for run in runs}
        assert (await there.ok("GET", f"/conversations/{conversation}"))["message_count"] == 4


async def test_the_same_idempotency_key_sent_at_once_starts_one_answer(
    stage: Stage, here: Person, there: Person
) -> None:
    for number in range(TIMES):
        tale, conversation = stage.tale(), await here.conversation()
        sent = [tab.ask(conversation, tale.question, key=f"key-{number}") for tab in (here, there, here, there)]
        runs = await asyncio.gather(*sent)
        assert len({run["id"] for run in runs}) == 1
        assert await stage.database["runs"].count_documents({"conversation_id": ObjectId(conversation)}) == 1
        assert (await there.at_rest(runs[0]["id"]))["status"] == "complete"
        assert stage.model.asked.count(tale.number) == 1
