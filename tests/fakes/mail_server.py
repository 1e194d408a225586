"""A mail server of the tests' own: it speaks SMTP (RFC 5321) as far as a client needs it, and keeps what it takes."""

import asyncio
import email
import email.policy
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import NamedTuple


class Taken(NamedTuple):
    """A letter as it came: the envelope's recipients, and the message."""

    recipients: list[str]
    message: EmailMessage

    @property
    def text(self) -> str:
        """What is in it."""
        return str(self.message.get_content())

    @property
    def link(self) -> str:
        """The one line that is an address."""
        [link] = [line for line in self.text.splitlines() if line.startswith("http")]
        return link


class MailServer:
    """What came, and how it behaves.

    Attributes:
        refused: recipients that are answered with a code in place of 250.
        hangs_up: close each connection where a greeting is expected.
        silent: say nothing at all.
    """

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.commands: list[str] = []
        self.refused: dict[str, int] = {}
        self.hangs_up = False
        self.silent = False
        self.came = asyncio.Event()
        self._arrived = threading.Condition()
        self.port = 0

    @property
    def url(self) -> str:
        """As SMTP_URL has it."""
        return f"smtp://127.0.0.1:{self.port}"

    def letter_to(self, address: str, about: str, within_s: float = 20) -> Taken:
        """The newest letter to the address whose subject has these words, once there is one. For other threads."""

        def found() -> Taken | None:
            fitting = (taken for taken in reversed(self.taken) if taken.recipients == [address])
            return next((taken for taken in fitting if about in taken.message["Subject"]), None)

        with self._arrived:
            taken = self._arrived.wait_for(found, timeout=within_s)
        assert taken is not None, f"no letter to {address} about {about}"
        return taken

    async def speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            if self.silent:
                await reader.read()
            elif not self.hangs_up:
                await self._converse(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        recipients: list[str] = []
        writer.write(b"220 mail.example.org ESMTP\r\n")
        while line := (await reader.readline()).decode().strip():
            self.commands.append(line)
            verb = line.partition(" ")[0].upper()
            if verb == "EHLO":
                writer.write(b"250-mail.example.org\r\n250 8BITMIME\r\n")
            elif verb == "RCPT":
                address = line.partition("<")[2].partition(">")[0]
                code = self.refused.get(address, 250)
                if code == 250:
                    recipients.append(address)
                writer.write(b"%d so it is\r\n" % code)
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                taken = Taken(recipients, await _message(reader))
                with self._arrived:
                    self.taken.append(taken)
                    self._arrived.notify_all()
                self.came.set()
                recipients = []
                writer.write(b"250 taken\r\n")
            elif verb == "QUIT":
                writer.write(b"221 bye\r\n")
                await writer.drain()
                return
            else:
                writer.write(b"250 fine\r\n")
            await writer.drain()


async def _message(reader: asyncio.StreamReader) -> EmailMessage:
    lines = []
    while (line := await reader.readline()) not in (b".\r\n", b""):
        lines.append(line[1:] if line.startswith(b"..") else line)
    message = email.message_from_bytes(b"".join(lines), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


@asynccontextmanager
async def mail_server() -> AsyncIterator[MailServer]:
    """One in the running loop."""
    made = MailServer()
    server = await asyncio.start_server(made.speak, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
