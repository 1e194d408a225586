"""Our own tools: Python functions that a language model may ask for.

    @tool(timeout_s=2)
    def current_time(zone: str = "UTC") -> dict[str, str]:
        '''What a language model reads about it.'''

A plain function runs in a thread, an async one in the event loop. Both get their arguments checked against their type
hints, and what they return is made text. One that cannot do what it was asked raises `ToolFailed` with a sentence.
"""

import asyncio
import contextvars
import inspect
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec
import structlog

from inference.tools.base import Caller, ToolFailed, ToolResult, failure, result_of, unknown
from inference.tools.schemas import Arguments
from inference.types import Tool

_NAME: Final = re.compile(r"^(?!.*__)[a-z][a-z0-9_]{0,63}$")
MOST_THREADS: Final = 16
"""Plain functions that may run at once in a process. A thread cannot be stopped: one that hangs keeps its place."""

log = structlog.get_logger(__name__)

Function = TypeVar("Function", bound=Callable[..., Any])


class _Registered(msgspec.Struct, frozen=True):
    """A tool and all that is needed to call it."""

    tool: Tool
    function: Callable[..., Any]
    arguments: Arguments
    timeout_s: float
    needs_approval: bool
    permission: str | None
    can_work: Callable[[], bool] | None

    def allowed(self, permissions: Iterable[str]) -> bool:
        if self.can_work is not None and not self.can_work():
            return False
        return self.permission is None or self.permission in permissions


class Registry:
    """Tools by name. The process has one, whose decorator is `tool` below; a test makes its own."""

    def __init__(self) -> None:
        self._tools: dict[str, _Registered] = {}
        self._threads = threading.BoundedSemaphore(MOST_THREADS)

    def tool(
        self,
        *,
        timeout_s: float,
        needs_approval: bool = False,
        permission: str | None = None,
        can_work: Callable[[], bool] | None = None,
    ) -> Callable[[Function], Function]:
        """Register a function under its own name; the function stays what it was.

        Args:
            timeout_s: seconds after which the call is given up. A plain function goes on in its thread, unheard, so
                it must end by itself.
            needs_approval: whether the user is to be asked before each call. Asking is the caller's part.
            permission: who lacks it neither sees the tool nor can call it. None is for everybody.
            can_work: whether the settings let it work; while they do not, there is no such tool.

        Raises:
            TypeError: a parameter without a type, no docstring, or a name that no language model could use.
        """

        def register(function: Function) -> Function:
            name = function.__name__
            if not _NAME.match(name) or name in self._tools:
                raise TypeError(f"{name} cannot be a tool's name: taken, or not lower case with single underscores.")
            arguments = Arguments(function)
            shown = Tool(name, arguments.description, arguments.schema)
            self._tools[name] = _Registered(shown, function, arguments, timeout_s, needs_approval, permission, can_work)
            return function

        return register

    def tools_for(self, user_permissions: Iterable[str]) -> tuple[Tool, ...]:
        """What a user with these permissions may use, by name: always in the same order, so that prompts stay alike."""
        permissions = frozenset(user_permissions)
        return tuple(entry.tool for _, entry in sorted(self._tools.items()) if entry.allowed(permissions))

    def asks_permissions(self) -> bool:
        """Whether some tool is only for those with a permission."""
        return any(entry.permission is not None for entry in self._tools.values())

    def needs_approval(self, name: str) -> bool:
        """Whether the user is to be asked before the call. False for a tool that does not exist: that does nothing."""
        entry = self._tools.get(name)
        return entry is not None and entry.needs_approval

    async def call(self, name: str, arguments_json: str, *, user: Caller) -> ToolResult:
        """Call a tool for a user. A failure of any kind is a result with a sentence; only a cancellation is raised."""
        entry = self._tools.get(name)
        if entry is None or not entry.allowed(user.permissions):
            return unknown(name)
        limit = asyncio.timeout(entry.timeout_s)
        try:
            arguments = entry.arguments.read(arguments_json, user)
            async with limit:
                if inspect.iscoroutinefunction(entry.function):
                    return result_of(name, await entry.function(**arguments))
                return await self._in_a_thread(entry, arguments)
        except Exception as error:  # noqa: BLE001  (whatever a tool does wrong, the answer goes on)
            if not limit.expired():
                return _failed(name, error)
            log.warning("a tool took too long", tool=name, timeout_s=entry.timeout_s)
            return failure(f"{name} took longer than {entry.timeout_s:g} s and was given up.")

    async def _in_a_thread(self, entry: _Registered, arguments: dict[str, Any]) -> ToolResult:
        """A thread for this call alone: a tool that hangs takes no worker from those who resolve names or hash.

        The thread is a daemon, so one that hangs does not keep the process from ending either.
        """
        if not self._threads.acquire(blocking=False):
            log.warning("too many tools hang", tool=entry.tool.name)
            return failure(f"Too many tools are at work. Call {entry.tool.name} again in a moment.")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[ToolResult] = loop.create_future()

        def tell(result: ToolResult) -> None:
            if not outcome.done():
                outcome.set_result(result)

        def work() -> None:
            try:
                result = result_of(entry.tool.name, entry.function(**arguments))
            except BaseException as error:  # noqa: BLE001  (the thread ends here, nobody else would hear of it)
                result = _failed(entry.tool.name, error)
            finally:
                self._threads.release()
            try:
                loop.call_soon_threadsafe(tell, result)
            except RuntimeError:
                return  # the loop was closed before the tool came back

        context = contextvars.copy_context()
        try:
            threading.Thread(target=context.run, args=(work,), name=f"tool {entry.tool.name}", daemon=True).start()
        except RuntimeError:
            self._threads.release()  # the system has no thread left
            raise
        return await outcome


def _failed(name: str, error: BaseException) -> ToolResult:
    if isinstance(error, ToolFailed):
        return failure(str(error))
    log.error("a tool failed", tool=name, exc_info=error)
    return failure(f"{name} failed. Do without it, or try other arguments.")


registered: Final = Registry()
tool = registered.tool
tools_for = registered.tools_for
needs_approval = registered.needs_approval
call = registered.call
