"""A language model as it is offered: what its server says, with what staff decided laid over it. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from bson import ObjectId

from eloquent.foundation.membership import GroupIds
from inference.billing.prices import price_at
from inference.entries import Decision, Decisions, in_order, options_of, timeouts_of
from inference.store import ModelEntry
from inference.timeouts import Timeouts
from inference.types import GenerationOptions, Price

_UNDECIDED: Final = ModelEntry(ObjectId(), "", "")


class OfferedModel(msgspec.Struct, frozen=True):
    """A model that a person may choose.

    `id` is "provider/name" and is what conversations store. `name` is what its server calls it. `context_window` is in
    tokens, prompt and answer together, and stays the same for as long as the model does. `fallbacks` are the ids of
    models that answer in its place while it cannot, in their order. `options` hold where a question says nothing.
    `price` is today's, None when nobody has set one. `title` is the name that people are shown. `groups` are the ids of
    those who may use it; with none, everyone may. `loaded` is None where the server does not say whether it is.
    """

    id: str
    name: str
    provider: str
    default: bool
    context_window: int
    capabilities: tuple[str, ...] = ()
    timeouts: Timeouts = Timeouts()
    fallbacks: tuple[str, ...] = ()
    options: GenerationOptions = GenerationOptions()
    title: str = ""
    price: Price | None = None
    groups: tuple[ObjectId, ...] = ()
    loaded: bool | None = None

    @property
    def sees(self) -> bool:
        """Whether it takes pictures. A model of which nobody says so does not."""
        return "vision" in self.capabilities

    @property
    def may_call_tools(self) -> bool:
        """Whether it can be offered tools: not when its server tells what the model can do, and this is not in it.

        llama.cpp and servers like OpenAI's tell nothing of it; of these the first tells of eyes alone.
        """
        return "tools" in self.capabilities or not set(self.capabilities) - {"vision"}

    @property
    def shown_name(self) -> str:
        """What people call it."""
        return self.title or self.name


def may_use(model: OfferedModel, groups: GroupIds) -> bool:
    """Whether somebody in these groups may use the model."""
    return not model.groups or not groups.isdisjoint(model.groups)


def as_decided(listed: Sequence[OfferedModel], decided: Decisions, moment: datetime) -> list[OfferedModel]:
    """What is listed, as staff want it: hidden, renamed, ordered, with options, prices and fallbacks."""
    models = {model.id: _with_decision(model, decided.get(model.id), moment) for model in listed}
    ids = in_order([model_id for model_id in models if _entry_of(model_id, decided).enabled], decided)
    chosen = next((model_id for model_id in ids if _entry_of(model_id, decided).is_default), None)
    if chosen is None:
        chosen = next((model_id for model_id in ids if models[model_id].default), ids[0] if ids else None)
    return [msgspec.structs.replace(models[model_id], default=model_id == chosen) for model_id in ids]


def _entry_of(model_id: str, decided: Decisions) -> ModelEntry:
    decision = decided.get(model_id)
    return _UNDECIDED if decision is None else decision.entry


def _with_decision(model: OfferedModel, decision: Decision | None, moment: datetime) -> OfferedModel:
    if decision is None:
        return model
    entry = decision.entry
    return msgspec.structs.replace(
        model,
        title=entry.title,
        context_window=entry.context_window or model.context_window,
        timeouts=timeouts_of(entry),
        fallbacks=tuple(entry.fallbacks),
        options=options_of(entry),
        capabilities=tuple(entry.capabilities) or model.capabilities,
        groups=tuple(entry.groups),
        price=price_at(decision.prices, moment),
    )
