"""The notices socket: what happens to the user's conversations on other devices, as JSON frames `{type, ...}`.

It has a path of its own because a frame that the AI SDK's transport does not know would end a chat socket. The first
frame is `listening`: from then on nothing is missed while the socket is open. Nothing is expected from the client.
"""

import asyncio
from typing import Any, Final

from chat.notices import notices_group
from chat.sockets import MALFORMED, SEND_TIMEOUT_S, TRY_AGAIN_LATER, SignedInSocket

MOST_FRAMES_WAITING: Final = 256
LISTENING: Final = '{"type":"listening"}'


class NoticesConsumer(SignedInSocket):
    """One device that listens."""

    subprotocol = "eloquent.notices.v1"

    async def admitted(self) -> None:
        """Join the user's group; a socket that cannot is closed, so that the client comes back and reads again."""
        self._frames: asyncio.Queue[str] = asyncio.Queue(MOST_FRAMES_WAITING)
        self._sender: asyncio.Task[None] | None = None
        if not await self.join(notices_group(self.identity.user_id)):
            await self.close(TRY_AGAIN_LATER)
            return
        self._frames.put_nowait(LISTENING)
        self._sender = asyncio.create_task(self._send_frames(), name="notices sender")

    def tasks(self) -> list[asyncio.Task[None]]:
        """The sender."""
        return [self._sender] if hasattr(self, "_sender") and self._sender else []

    async def notices_told(self, event: dict[str, Any]) -> None:
        """Pass notices on. A reader who lets too many pile up is cut off, and reads everything anew when back."""
        try:
            for frame in event["frames"]:
                self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            await self.close(TRY_AGAIN_LATER)

    async def account_told(self, event: dict[str, Any]) -> None:
        """Something has happened to the account: told like what happens to conversations."""
        await self.notices_told({"frames": [event["frame"]]})

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:  # noqa: ARG002
        """Nothing is to be said here."""
        await self.close(MALFORMED)

    async def _send_frames(self) -> None:
        try:
            while True:
                frame = await self._frames.get()
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self.send(frame)
        except TimeoutError:
            await self.hang_up()
        except OSError:  # the client is gone
            await self.close(TRY_AGAIN_LATER)
