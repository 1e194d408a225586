"""What must hold when all is quiet again."""

from collections import Counter
from typing import Any

from bson import ObjectId

from tests.soak.world import Asked
from tests.survival.stage import Stage

LAST = {"complete": "finish", "stopped": "abort", "interrupted": "error", "failed": "error"}


async def all_at_rest(stage: Stage) -> bool:
    """Whether no run is at work any more."""
    return await stage.database["runs"].count_documents({"active": True}) == 0


async def judge(stage: Stage, asked: list[Asked]) -> tuple[list[str], Counter[str]]:
    """The sentences about what is wrong, and how many answers ended how."""
    faults: list[str] = []
    ends: Counter[str] = Counter()
    database = stage.database
    runs = {run["_id"]: run async for run in database["runs"].find()}
    messages = {message["_id"]: message async for message in database["messages"].find()}
    for one in asked:
        run = runs.get(ObjectId(one.run["id"]))
        message = messages.get(ObjectId(one.run["message_id"]))
        if run is None or message is None:
            faults.append(f"the run {one.run['id']} or its answer is not there")
            continue
        ends[run["status"]] += 1
        faults += [f"run {run['_id']}: {fault}" for fault in _faults_of(one, run, message)]
    if len(runs) != len({one.run["id"] for one in asked}):
        faults.append(f"{len(runs)} runs are there, {len({one.run['id'] for one in asked})} were asked for")
    faults += [f"run {run['_id']} is still {run['status']}" for run in runs.values() if run["active"]]
    faults += [f"message {key} is still being written" for key, one in messages.items() if one["status"] == "streaming"]
    faults += await _faults_of_conversations(stage, messages)
    faults += await _leftovers(stage)
    return faults, ends


def _faults_of(one: Asked, run: dict[str, Any], message: dict[str, Any]) -> list[str]:
    faults = []
    whole, text = one.tale.text(), message["text"]
    if run["status"] == "complete" and text != whole:
        faults.append(f"complete, with {len(text)} of {len(whole)} characters")
    if not whole.startswith(text):
        faults.append("the text is not what the model said")
    if "".join(part["text"] for part in message["parts"]) != text:
        faults.append("parts and text differ")
    if run["status"] not in LAST or run["status"] == "failed":
        faults.append(f"ended as {run['status']}: {run['error']}")
    if run["status"] == "stopped" and not one.stop_wanted:
        faults.append("stopped, and nobody wanted it")
    faults += [
        f"its {name} is {run[name]} and the message's is {message[name]}"
        for name in ("status", "usage", "error")
        if run[name] != message[name]
    ]
    if run["status"] == "complete" and (run["usage"] or {}).get("outputTokens") != one.tale.tokens:
        faults.append(f"its usage is {run['usage']} and not {one.tale.tokens} tokens")
    return faults + _faults_of_readers(one, run["status"], text)


def _faults_of_readers(one: Asked, status: str, text: str) -> list[str]:
    faults = []
    for reader in one.readers:
        last = (reader.stream.last or {}).get("type")
        if last != LAST.get(status):
            faults.append(f"it is {status} and a reader was told {last}")
        if reader.stream.text != text:
            faults.append(f"a reader has {len(reader.stream.text)} characters and the database {len(text)}")
        if not text.startswith(reader.shown):
            faults.append(f"a reader was shown {len(reader.shown)} characters and {len(text)} were kept")
    return faults


async def _faults_of_conversations(stage: Stage, messages: dict[ObjectId, dict[str, Any]]) -> list[str]:
    faults = []
    counts = Counter(message["conversation_id"] for message in messages.values())
    async for conversation in stage.database["conversations"].find():
        name, leaf = conversation["_id"], conversation["leaf_id"]
        if conversation["message_count"] != counts[name]:
            faults.append(f"conversation {name} says {conversation['message_count']} messages and has {counts[name]}")
        if leaf is not None and (leaf not in messages or messages[leaf]["conversation_id"] != name):
            faults.append(f"conversation {name} shows a branch that is not there")
        if leaf is None and counts[name]:
            faults.append(f"conversation {name} has messages and shows none")
        while leaf is not None:  # every branch leads to its beginning
            message = messages.get(leaf)
            if message is None:
                faults.append(f"conversation {name} has a branch with a hole")
                break
            leaf = message["parent_id"]
    return faults


async def _leftovers(stage: Stage) -> list[str]:
    for_ever = [key async for key in stage.redis.scan_iter() if await stage.redis.ttl(key) == -1]
    return [f"{len(for_ever)} keys in Redis never expire, such as {for_ever[:3]}"] if for_ever else []
