"""Our side of a relay and nothing else: `inference.router.answer`, read to the end, in a process of its own.

    python -m tests.bench.relaying --upstream http://127.0.0.1:11500

Takes a plan a line on standard input, `{"kind", "model", "answers", "at_once", "tokens"}`, and answers each with a
line: milliseconds of this process's CPU for one answer, and a sentence for each answer that was not right.
"""

import argparse
import asyncio
import gc
import json
import sys
import time
from typing import Any

import uvloop

from eloquent.foundation.http import close_http_client
from inference.catalog import offering
from inference.errors import InferenceError
from inference.offers import OfferedModel
from inference.providers.base import Provider
from inference.router import answer
from inference.types import Finished, PromptMessage, PromptRequest, TextDelta
from tests.bench.answers import ANSWERS, question, text_of
from tests.fakes.providers import providers_at

BETWEEN_S = 0.021
"""Answers that are written at once do not begin at once: their tokens would all come in the same moments."""


async def _relayed(model: OfferedModel, number: int, tokens: int, wait_s: float) -> str:
    """What was wrong with one answer; nothing when it was right."""
    await asyncio.sleep(wait_s)
    which = number % ANSWERS
    request = PromptRequest(model.name, (PromptMessage("user", question(which)),))
    texts: list[str] = []
    finished = False
    try:
        async for event in answer(model, request):
            if type(event) is TextDelta:
                texts.append(event.text)
            finished = finished or (type(event) is Finished and event.usage.output_tokens == tokens)
    except InferenceError as error:
        return f"{model.id}: {error.code} ({error.__cause__!r})"
    return "" if finished and "".join(texts) == text_of(which, tokens) else f"{model.id}: a wrong answer"


async def _went(provider: Provider, plan: dict[str, Any]) -> dict[str, Any]:
    model = OfferedModel(
        f"{provider.name}/{plan['model']}", plan["model"], provider.name, default=False, context_window=8192
    )
    wrong: list[str] = []
    with offering(model, provider):
        began_s = time.process_time()
        for first in range(0, plan["answers"], plan["at_once"]):
            numbers = range(first, min(first + plan["at_once"], plan["answers"]))
            wrong += await asyncio.gather(
                *(_relayed(model, number, plan["tokens"], (number - first) * BETWEEN_S) for number in numbers)
            )
        used_s = time.process_time() - began_s
    return {"cpu_ms": used_s * 1000 / plan["answers"], "errors": [sentence for sentence in wrong if sentence]}


async def _main(upstream: str) -> None:
    loop = asyncio.get_running_loop()
    names: list[str] = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    providers = providers_at(upstream, names)
    gc.freeze()
    print("ready", flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        plan = json.loads(line)
        print(json.dumps(await _went(providers[plan["kind"]], plan)), flush=True)
    for provider in providers.values():
        await provider.aclose()
    await close_http_client()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--upstream", required=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(options.parse_args().upstream))
