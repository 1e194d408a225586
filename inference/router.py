"""The one way to an answer: finds who answers for a model, and keeps the clocks that every provider needs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import msgspec
import structlog

from inference.catalog import OfferedModel, provider_of
from inference.errors import AnswerCutOff, InferenceError, ModelFailed, ModelTimeout
from inference.timeouts import Watch
from inference.types import Event, Finished, PromptRequest, Status

log = structlog.get_logger(__name__)


async def answer(model: OfferedModel, request: PromptRequest) -> AsyncGenerator[Event, None]:
    """Ask `model` and yield its events; the last one is `Finished`. Closing it closes the connection to the model.

    `request.model` and `request.context_window` are replaced by the model's own.

    Raises:
        InferenceError: nothing else. Events that came before it are good. What the server said is logged here.
    """
    request = msgspec.structs.replace(request, model=model.name, context_window=model.context_window)
    provider = provider_of(model)
    watch = Watch(model.timeouts)
    finished = False
    try:
        async with aclosing(provider.answer(request)) as events:
            watch.waiting()
            async for event in events:
                kind = type(event)
                watch.arrived(token=kind is not Status)
                finished = kind is Finished
                yield event
                watch.waiting()
            watch.arrived(token=True)
    except asyncio.CancelledError as error:
        if watch.expired is None or not watch.take_back():
            raise
        what, waited_s = watch.expired
        late = ModelTimeout(model.name, what=what, waited_s=waited_s)
        _log(model, late)
        raise late from error
    except InferenceError as error:
        _log(model, error)
        raise
    except Exception as error:
        log.exception("The provider %s failed in an unforeseen way", model.provider)
        raise ModelFailed(model.name) from error
    else:
        if not finished:
            log.error("The provider %s ended an answer without Finished", model.provider)
            raise AnswerCutOff(model.name)
    finally:
        watch.stop()


def _log(model: OfferedModel, error: InferenceError) -> None:
    log.warning("%s did not answer: %s (%r)", model.id, error.code, error.__cause__)
