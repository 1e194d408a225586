"""Which tools a language model may call in an answer."""

from collections.abc import Collection
from typing import Final, NamedTuple

from chat.errors import ModelWithoutTools, ToolNotOffered
from eloquent.foundation.config import get_config
from eloquent.foundation.ids import UserId
from eloquent.foundation.membership import permissions_of
from inference.offers import OfferedModel
from inference.tools import toolbox
from inference.tools.base import Caller
from inference.types import Tool


class Toolkit(NamedTuple):
    """The tools of one answer, and for whom they are called."""

    tools: tuple[Tool, ...]
    caller: Caller


NO_TOOLS: Final = Toolkit((), Caller(""))


async def toolkit_of(user_id: UserId) -> Toolkit:
    """All that the user may have called, always in the same order."""
    permissions = await permissions_of(user_id) if toolbox.asks_permissions() else frozenset()
    return Toolkit(await toolbox.tools_for(permissions), Caller(str(user_id), permissions))


async def toolkit_again(user_id: UserId, names: Collection[str]) -> Toolkit:
    """Of the tools that an answer began with, those that the user may still have called."""
    tools, caller = await toolkit_of(user_id)
    return Toolkit(tuple(tool for tool in tools if tool.name in names), caller)


async def toolkit_for(user_id: UserId, model: OfferedModel, names: tuple[str, ...] | None) -> Toolkit | None:
    """The tools named; without a word (None) those of the settings, if the model is known to use tools.

    Raises:
        ToolNotOffered: one that was named is not there, or not for this user.
        ModelWithoutTools: tools were named, and the model is known not to use any.
    """
    if names is None:
        defaults = get_config().default_tools
        if not defaults or "tools" not in model.capabilities:
            return None
        return await toolkit_again(user_id, defaults)
    if not names:
        return None
    if not model.may_call_tools:
        raise ModelWithoutTools(model.shown_name)
    tools, caller = await toolkit_of(user_id)
    offered = {tool.name: tool for tool in tools}
    for name in names:
        if name not in offered:
            raise ToolNotOffered(name)
    return Toolkit(tuple(offered[name] for name in dict.fromkeys(names)), caller)
