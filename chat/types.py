"""The values of the chat domain: what the store takes and returns, and the words for their states."""

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from bson import ObjectId

from eloquent.foundation.ids import AttachmentId, ConversationId, ImportId, MessageId, RunId, UserId


class Role(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"


class TitledBy(StrEnum):
    """Where a conversation's title comes from: the weaker gives way to the stronger, never the other way round.

    MODEL says that a language model was asked; when it had nothing better to say, the first words stayed.
    """

    NOBODY = ""
    FIRST_WORDS = "first-words"
    MODEL = "model"
    USER = "user"


class MessageStatus(StrEnum):
    """Whether a message is still being written, and how its writing ended."""

    COMPLETE = "complete"
    STREAMING = "streaming"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class RunStatus(StrEnum):
    """Where a run is between its request and its rest."""

    QUEUED = "queued"
    LOADING = "loading"
    STREAMING = "streaming"
    COMPLETE = "complete"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


class ImportStatus(StrEnum):
    """Where the import of a file is between its announcement and its rest."""

    UPLOADING = "uploading"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation. `leaf_id` is the end of the branch shown; None while it is empty.

    `client_id` is a frontend's own name for it, `import_key` names what it was imported from; both are None or unique
    among the user's conversations. `imported_at` is when it came here, the other times those of where it came from.
    """

    id: ConversationId
    user_id: UserId
    title: str
    model: str
    system_prompt: str
    pinned: bool
    archived: bool
    leaf_id: MessageId | None
    message_count: int
    titled_by: TitledBy = TitledBy.NOBODY
    client_id: str | None = None
    import_key: str | None = None
    imported_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message. `parts` are UIMessage parts; `position` counts the run's chunks that are saved in them.

    `calls` counts the calls of language models that were over by then.
    `text` is the parts' plain text, empty until the message is at rest: what reads it sooner takes the parts.
    `context` says of an answer what the language model was shown; `feedback` is the user's opinion of it. `client_id`
    is what the frontend that sent a user's message calls it; several wordings of one message share it. `grams` is what
    search needs to know of a text beyond its words (`chat.search.words`); the store sees to it. `resumption` is what an
    answer takes to go on (`chat.generation`) that waits for the user's agreement to a tool's call, or may come to.
    """

    id: MessageId
    conversation_id: ConversationId
    user_id: UserId
    parent_id: MessageId | None
    role: Role
    parts: list[dict[str, Any]]
    text: str
    grams: str = ""
    status: MessageStatus
    run_id: RunId | None = None
    model: str = ""
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    feedback: dict[str, Any] | None = None
    client_id: str | None = None
    position: int = 0
    calls: int = 0
    resumption: dict[str, Any] | None = None
    created_at: datetime


class Link(NamedTuple):
    """A message and its parent: all that the shape of a tree needs."""

    id: MessageId
    parent_id: MessageId | None


class Sibling(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader is told of a message beside another, without its content."""

    id: MessageId
    role: Role
    status: MessageStatus
    model: str
    created_at: datetime


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run: one answer in the making or made, or the rest of one. `usage` and `error` are None until known.

    `worker` is the process that holds the lease; what another one writes to the run is refused. `begins_at` is the
    position of its first chunk: those before it are of the run whose answer it goes on with.
    """

    id: RunId
    conversation_id: ConversationId
    user_id: UserId
    user_message_id: MessageId
    message_id: MessageId
    branch_id: MessageId
    model: str
    provider: str
    status: RunStatus
    active: bool
    usage: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    idempotency_key: str | None = None
    worker: str = ""
    stop_requested_at: datetime | None = None
    begins_at: int = 0
    lease_expires_at: datetime
    created_at: datetime
    started_at: datetime | None = None
    first_token_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_beside(self) -> bool:
        """Whether it was started beside another run at work, and so holds no lock on the place it grows from."""
        return self.branch_id == self.message_id


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """A file of conversations on its way into an account. `size` and `received` are bytes.

    `active` while it waits for a worker or has one; `lease_expires_at` is when another worker may take it up, at once
    for one that waits. `attempts` counts the workers that have taken it up since one gave it back. `slot` is the
    owner's place that an unfinished one takes, from 1; None at rest. `added`, `known` and `failed` count conversations,
    together those of the file that are done. `problems` are sentences for the user. It is deleted at `expires_at`.
    """

    id: ImportId
    user_id: UserId
    name: str
    size: int
    received: int = 0
    status: ImportStatus
    active: bool = False
    slot: int | None = None
    added: int = 0
    known: int = 0
    failed: int = 0
    problems: list[str]
    attempts: int = 0
    worker: str = ""
    lease_expires_at: datetime
    created_at: datetime
    finished_at: datetime | None = None
    expires_at: datetime


class ImportChunk(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of an import's file from `offset` on."""

    id: ObjectId
    upload_id: ImportId
    offset: int
    content: bytes
    expires_at: datetime


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file for a message. `name` is harmless, `media_type` what its bytes are; `key` says where they lie.

    `width` and `height` are a picture's pixels, None for a text. `conversation_id` is None until a message has it, and
    until then `expires_at` is when it cannot be sent any more; after that it lives as long as the conversation.
    """

    id: AttachmentId
    user_id: UserId
    conversation_id: ConversationId | None = None
    name: str
    media_type: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    sha256: str
    key: str
    created_at: datetime
    expires_at: datetime | None = None


class RetentionRule(msgspec.Struct, frozen=True, kw_only=True):
    """How many days conversations of a group's users are kept when nobody goes on with them; 0 for ever."""

    id: ObjectId
    group_id: ObjectId
    days: int


class RetentionSweep(msgspec.Struct, frozen=True, kw_only=True):
    """How far the sweep of old conversations is; see `chat.models.RetentionSweep` for its fields.

    `position` is `[updated in milliseconds since 1970, id]`, `going` a list of `[owner, conversation]`; ids in hex.
    """

    id: str = "conversations"
    worker: str
    lease_expires_at: datetime
    next_at: datetime
    position: list[Any] | None = None
    going: list[list[str]] = []
    deleted: int = 0
