"""What Anthropic says of its models, and how each may be told to think. Pure.

The format is at https://docs.anthropic.com/en/api/models-list.
"""

from typing import Final, Literal, NamedTuple

import msgspec

from inference.providers.refusals import unreadable


class Ways(NamedTuple):
    """How a model may be told to think. None: not known, or it cannot."""

    thinking: Literal["adaptive", "enabled"] | None = None
    not_thinking: Literal["disabled"] | None = None
    samples: bool = False
    """Whether it takes a temperature: the models that take a budget for thoughts do, the newer ones refuse it."""


class _Support(msgspec.Struct, frozen=True, gc=False):
    supported: bool = False


class _ThinkingTypes(msgspec.Struct, frozen=True, gc=False):
    adaptive: _Support = _Support()
    enabled: _Support = _Support()
    disabled: _Support = _Support()


class _Thinking(msgspec.Struct, frozen=True, gc=False):
    supported: bool = False
    types: _ThinkingTypes = _ThinkingTypes()


class _Capabilities(msgspec.Struct, frozen=True, gc=False):
    image_input: _Support = _Support()
    thinking: _Thinking = _Thinking()


class ListedModel(msgspec.Struct, frozen=True, gc=False):
    """A model in the answer of GET /v1/models; the format is the SDK's `ModelInfo`."""

    id: str
    max_input_tokens: int | None = None
    capabilities: _Capabilities | None = None
    lifecycle: str = "active"

    def words(self) -> tuple[str, ...]:
        """Its capabilities in our words."""
        can = self.capabilities or _Capabilities()
        told = (("vision", can.image_input.supported), ("thinking", can.thinking.supported))
        return ("tools", *(word for word, is_so in told if is_so))

    def ways(self) -> Ways:
        """How it may be told to think."""
        types = (self.capabilities or _Capabilities()).thinking.types
        enabled: Literal["enabled"] | None = "enabled" if types.enabled.supported else None
        return Ways(
            "adaptive" if types.adaptive.supported else enabled,
            "disabled" if types.disabled.supported else None,
            samples=enabled is not None,
        )


class _Listing(msgspec.Struct, frozen=True, gc=False):
    data: list[ListedModel]


_LISTING: Final = msgspec.json.Decoder(_Listing)


def models_listed(body: bytes, *, about: str) -> list[ListedModel]:
    """The models of GET /v1/models that can still be asked.

    Raises:
        ModelFailed: the body is no such list.
    """
    try:
        listing = _LISTING.decode(body)
    except ValueError as error:
        raise unreadable(about, body, error) from None
    return [model for model in listing.data if model.lifecycle != "retired"]
