"""A title by a language model, when nobody waits for anything else. It costs the user no time, and happens once.

After the first whole answer of a conversation the model is asked to name it. That has the lowest priority that one
process can give it: one title at a time, and only while no answer is at work here on the same model's server. An answer
that begins there breaks it off, to be tried again in the next quiet moment. It is given up when no such moment comes in
`PATIENCE_S`, when the user goes on with the conversation (the next whole answer may try again, while the conversation
is young), and when the process must go. A title that the user gave is never replaced: the store compares and sets.

Whatever goes wrong here is logged, and the first words stay.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import msgspec
import structlog
from pymongo.errors import PyMongoError

from chat import notices, store
from chat.titles import proposed_title
from chat.types import Conversation, MessageStatus, Run, RunStatus, TitledBy
from eloquent.foundation import lifecycle
from eloquent.foundation.config import get_config
from eloquent.foundation.ids import ConversationId
from inference.billing.bill import Bill
from inference.billing.types import Purpose
from inference.catalog import model_named
from inference.errors import InferenceError
from inference.offers import OfferedModel
from inference.router import answer
from inference.types import Finished, FinishReason, GenerationOptions, PromptMessage, PromptRequest, TextDelta

log = structlog.get_logger(__name__)

OFF: Final = "off"
PATIENCE_S: Final = 60.0
TITLE_LIMIT_S: Final = 20.0
MOST_TITLE_TOKENS: Final = 24
MOST_WAITING: Final = 100
# By then people know the conversation by its title: it is not changed under their eyes.
LATEST_MESSAGE_COUNT: Final = 4
_SHOWN_CHARS: Final = 600
_REQUEST: Final = (
    "Name this conversation: a title of two to six words, in the language of my message. Reply with the title alone."
)

IsBusy = Callable[[str], bool]


class TitleWish(msgspec.Struct, frozen=True, kw_only=True):
    """To name a conversation that goes by its first words. `question` is its first; `model` is the one to ask."""

    first_words: str
    question: str
    model: str


def wish_for(conversation: Conversation, *, first_words: str | None, question: str, model: str) -> TitleWish | None:
    """The wish to name this conversation once its next answer is whole; None when there is none.

    `first_words` are its title when it gets one just now, `model` answers in it.
    """
    chosen = get_config().title_model
    if chosen.casefold() == OFF or conversation.message_count > LATEST_MESSAGE_COUNT:
        return None
    if not first_words and conversation.titled_by is not TitledBy.FIRST_WORDS:
        return None
    return TitleWish(
        first_words=first_words or conversation.title,
        question=question,
        model=chosen or model,
    )


def answer_begins(run: Run) -> None:
    """Make way for an answer that is about to be asked for."""
    title = _titles.get(run.conversation_id)
    if title is not None:
        title.give_up()
    for other in _titles.values():
        other.make_way(run.provider)


def answer_rested(run: Run, wish: TitleWish | None, is_busy: IsBusy) -> None:
    """An answer came to rest: name its conversation if that is wished for. `is_busy` knows the providers at work."""
    global _quiet  # noqa: PLW0603 - one event for all who wait; the next wait makes another
    if _quiet is not None:
        _quiet.set()
        _quiet = None
    if wish is None or run.status is not RunStatus.COMPLETE or lifecycle.is_draining():
        return
    if run.conversation_id not in _titles and len(_titles) < MOST_WAITING:
        _titles[run.conversation_id] = _Title(run, wish, is_busy)


def conversation_deleted(conversation_id: ConversationId) -> None:
    """Nothing is left to name."""
    title = _titles.get(conversation_id)
    if title is not None:
        title.give_up()


async def end() -> None:
    """Give up all titles. Returns when none is at work."""
    titles = list(_titles.values())
    for title in titles:
        title.give_up()
    await asyncio.gather(*(title.task for title in titles), return_exceptions=True)


class _Title:
    """One title on its way, in a task of its own."""

    def __init__(self, run: Run, wish: TitleWish, is_busy: IsBusy) -> None:
        self._run = run
        self._wish = wish
        self._is_busy = is_busy
        self._call: asyncio.Task[str | None] | None = None
        self._provider = ""
        self._saving = False
        self._bill = Bill(run.user_id, run.id, Purpose.TITLE)
        self.task = asyncio.create_task(self._guarded(), name=f"title {run.conversation_id}")
        self.task.add_done_callback(lambda _: _titles.pop(run.conversation_id, None))

    def give_up(self) -> None:
        """End it, unless it is being saved already."""
        if not self._saving:
            self.task.cancel()

    def make_way(self, provider: str) -> None:
        """Break the call off when it is to this provider; it is tried again later."""
        if self._call is not None and self._provider == provider:
            self._call.cancel()

    async def _guarded(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S) as patience:
                title = await self._proposal()
                patience.reschedule(None)
                self._saving = True
                await self._keep(title)
        except TimeoutError:
            log.info("title given up", conversation_id=str(self._run.conversation_id))
        except (InferenceError, PyMongoError) as error:
            log.info("no title", conversation_id=str(self._run.conversation_id), error=type(error).__name__)
        except Exception as error:
            log.exception("titling broke", conversation_id=str(self._run.conversation_id), exc_info=error)
        finally:
            self._bill.close()

    async def _proposal(self) -> str:
        """The title that the conversation is to have: the language model's when it is good, else the first words."""
        model = await model_named(self._wish.model, self._run.user_id)
        answered = await store.find_message(self._run.user_id, self._run.message_id)
        if answered is None or answered.status is not MessageStatus.COMPLETE:
            return self._wish.first_words
        self._provider = model.provider
        async with _one_at_a_time:
            while True:
                while self._is_busy(model.provider):
                    await _next_rest().wait()
                self._call = asyncio.create_task(_ask(model, self._wish.question, answered.text, self._bill))
                try:
                    await asyncio.wait({self._call})
                finally:
                    call, self._call = self._call, None
                    call.cancel()
                    await asyncio.gather(call, return_exceptions=True)
                if not call.cancelled():
                    return call.result() or self._wish.first_words

    async def _keep(self, title: str) -> None:
        """Kept either way: that the model was asked is worth remembering too, it is asked once."""
        run, first_words = self._run, self._wish.first_words
        titled = await store.title_conversation(run.user_id, run.conversation_id, title, instead_of=first_words)
        if titled and title != first_words:
            notices.tell_changed(run.user_id, run.conversation_id, {"title": title})


async def _ask(model: OfferedModel, question: str, answered: str, bill: Bill) -> str | None:
    """A title from the language model, None when it gives no good one. All that titles cost is spent here."""
    request = PromptRequest(
        model=model.id,
        messages=(
            PromptMessage("user", question[:_SHOWN_CHARS]),
            PromptMessage("assistant", answered[:_SHOWN_CHARS]),
            PromptMessage("user", _REQUEST),
        ),
        options=GenerationOptions(max_output_tokens=MOST_TITLE_TOKENS, thinking=False),
    )
    said: list[str] = []
    finished: Finished | None = None
    async with asyncio.timeout(TITLE_LIMIT_S), aclosing(answer(model, request, bill=bill, restarts=False)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                said.append(event.text)
            elif isinstance(event, Finished):
                finished = event
    # One that was cut short is no title: the model talks.
    whole = finished is not None and finished.reason is FinishReason.STOP
    title = proposed_title("".join(said), about=f"{question}\n{answered}") if whole else None
    spent = msgspec.to_builtins(finished.usage) if finished else None
    log.info("title asked for", purpose="title", model=model.id, usage=spent, good=title is not None)
    return title


def _next_rest() -> asyncio.Event:
    global _quiet  # noqa: PLW0603 - as above
    if _quiet is None:
        _quiet = asyncio.Event()
    return _quiet


_titles: Final[dict[ConversationId, _Title]] = {}
_one_at_a_time: Final = asyncio.Lock()
_quiet: asyncio.Event | None = None
