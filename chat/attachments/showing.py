"""What a language model is shown of the files in a branch: pictures as they are, texts as words of the user's turn.

They are read from their storage for each answer, the newest message's first, and only as many as can fit the window.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from chat.attachments.errors import AttachmentsTooLarge, AttachmentUnknown, ModelCannotSee
from chat.attachments.kinds import TEXT
from chat.attachments.sending import file_named
from chat.attachments.storage import file_at
from chat.context import Shown, picture_tokens
from chat.errors import MessageTooLong
from chat.types import Attachment, Message, Role
from eloquent.foundation.config import get_config
from eloquent.foundation.ids import AttachmentId, MessageId
from inference.offers import OfferedModel
from inference.tokens import estimated_tokens
from inference.types import Image

PICTURE_BYTES: Final = 20 * 1024 * 1024
"""Of the pictures in one prompt, older ones than fit into this are only named. One picture may always be shown."""
# No byte of a text is estimated at fewer tokens than a tenth (`inference.tokens`).
_BYTES_A_TOKEN: Final = 10


async def shown_files(
    messages: Sequence[Message], known: Mapping[AttachmentId, Attachment], model: OfferedModel
) -> dict[MessageId, Shown]:
    """What the model is shown of the messages that have files; the last one is the question.

    A file that is gone, or that an earlier message has and the model cannot take, is named in its place.

    Raises:
        ModelCannotSee: the question has pictures, and the model has no eyes.
        MessageTooLong: a text of the question's is longer than the model's window.
        AttachmentsTooLarge: the question's pictures are more than a prompt may have.
        AttachmentUnknown: a file of the question's is gone.
        StorageAway: they cannot be read now.
    """
    plan = _Plan(model)
    wanted = [(message, plan.files_of(message, known, is_last=message is messages[-1])) for message in messages[::-1]]
    reading = {file.id: file.key for _, files in wanted for file in files if file.id in plan.to_read}
    contents = dict(zip(reading, await asyncio.gather(*map(file_at, reading.values())), strict=True))
    if any(contents.get(file.id, b"") is None for file in wanted[0][1]):
        raise AttachmentUnknown
    with_files = [message for message in messages if any(part["type"] == "file" for part in message.parts)]
    return {message.id: _shown(message, known, contents) for message in with_files}


class _Plan:
    """Which files are worth reading. Asked for each message, the last one first."""

    def __init__(self, model: OfferedModel) -> None:
        self._model = model
        self._tokens_left = model.context_window
        self._picture_bytes_left = _picture_bytes()
        self.to_read: set[AttachmentId] = set()

    def files_of(
        self, message: Message, known: Mapping[AttachmentId, Attachment], *, is_last: bool
    ) -> list[Attachment]:
        """The message's files; those that are worth reading are noted."""
        self._tokens_left -= estimated_tokens(message.text)
        if message.role is not Role.USER:
            return []
        files = [found for part in message.parts if (found := _file_of(part, message, known)) is not None]
        for file in files:
            cost = _fewest_tokens(file)
            if is_last:
                self._require(file, cost)
            elif not self._has_room(file, cost):
                continue
            self.to_read.add(file.id)
            self._tokens_left -= cost
            self._picture_bytes_left -= 0 if file.media_type == TEXT else file.size_bytes
        return files

    def _has_room(self, file: Attachment, cost: int) -> bool:
        if cost > self._tokens_left:
            return False
        return file.media_type == TEXT or (self._model.sees and file.size_bytes <= self._picture_bytes_left)

    def _require(self, file: Attachment, cost: int) -> None:
        """Refuse a file of the question's that cannot be shown."""
        if file.media_type == TEXT:
            if cost > self._model.context_window:
                # Before it is read: to count the tokens of megabytes holds up everybody.
                raise MessageTooLong(tokens=cost, window=self._model.context_window)
        elif not self._model.sees:
            raise ModelCannotSee(self._model.shown_name)
        elif file.size_bytes > self._picture_bytes_left:
            raise AttachmentsTooLarge(most=_picture_bytes())


def _picture_bytes() -> int:
    return max(PICTURE_BYTES, get_config().attachment_max_bytes)


def _fewest_tokens(file: Attachment) -> int:
    """As many tokens as the file is estimated at, at least, as far as can be said without reading it."""
    if file.media_type == TEXT:
        return file.size_bytes // _BYTES_A_TOKEN
    return picture_tokens(file.width or 0, file.height or 0)


def _file_of(part: Mapping[str, Any], message: Message, known: Mapping[AttachmentId, Attachment]) -> Attachment | None:
    """The file that a part names, if it may be shown: a new one, or one of this conversation."""
    named = file_named(part) if part["type"] == "file" else None
    file = known.get(named) if named is not None else None
    return file if file is not None and file.conversation_id in (None, message.conversation_id) else None


def _shown(
    message: Message, known: Mapping[AttachmentId, Attachment], contents: Mapping[AttachmentId, bytes | None]
) -> Shown:
    """The message's words with its files in their places."""
    words, images, tokens = [], [], 0
    for part in message.parts:
        if part["type"] == "text":
            words.append(part["text"])
            continue
        file = _file_of(part, message, known)
        content = contents.get(file.id) if file is not None else None
        if file is None or content is None:
            words.append(f"[File {part.get('filename') or 'without a name'}, not shown]")
        elif file.media_type == TEXT:
            words.append(f'<file name="{file.name}">\n{content.decode("utf-8-sig", "replace")}\n</file>')
        else:
            words.append(f"[Picture {file.name}]")
            images.append(Image(file.media_type, content))
            tokens += picture_tokens(file.width or 0, file.height or 0)
    return Shown("\n\n".join(word for word in words if word), tuple(images), tokens)
