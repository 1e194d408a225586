"""A case for everything the stores can do: what each type looks like, and a call of every public function.

`tests/database/test_stores.py` walks the stores and says when something is missing here.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any, NamedTuple

import msgspec
from bson import ObjectId

import accounts.store
import chat.store
import inference.store
from accounts.store import ApiKey, Position, Rotation, Session, SocketTicket, User
from chat.types import (
    Attachment,
    Conversation,
    Import,
    ImportChunk,
    ImportStatus,
    Message,
    MessageStatus,
    Role,
    Run,
    RunStatus,
    TitledBy,
)
from eloquent.foundation.database import database
from eloquent.foundation.documents import document_of
from eloquent.foundation.ids import id_after
from inference.billing.types import Outcome, Period, Purpose, Source, Unit, line_id
from inference.store import Budget, BudgetSpending, ModelEntry, ModelPrice, UsageLine
from tests.database import account_cases, factor_cases, life_cases, openid_cases, personal_data_cases

# Milliseconds are all that MongoDB keeps of a moment.
NOW = datetime(2026, 5, 1, 12, 30, 15, 678000, tzinfo=UTC)
LATER = datetime(2126, 5, 1, tzinfo=UTC)
MANY = 15

Value = msgspec.Struct
Call = Callable[["World"], Awaitable[Any]]


class World:
    """One owner with something of everything, beside others who have the same."""

    def __init__(self) -> None:
        self.owner = self._user("owner@example.com")
        self.users = [self.owner, *(self._user(f"other{number}@example.com") for number in range(2))]
        moments = [NOW - timedelta(minutes=number // 2) for number in range(MANY)]
        self.sessions = [self._session(user, at) for user in self.users for at in moments]
        self.conversations = [self._conversation(user, at) for user in self.users for at in moments]
        # The newest of all, so that whoever walks ids downwards without the right index meets everything else.
        self.session = self._session(self.owner, NOW)
        self.ticket = self._ticket(self.session)
        self.api_keys = [self._api_key(user, at) for user in self.users for at in moments]
        self.api_key = self._api_key(self.owner, NOW)
        self.conversation = self._conversation(self.owner, NOW)
        exchanges = [(conversation, *self._exchange(conversation, None)) for conversation in self.conversations]
        self.question, self.answer = self._exchange(self.conversation, None)
        self.run = self._run(self.conversation, self.question, self.answer)
        self.imports = [self._import(user, at) for user in self.users for at in moments]
        self.upload = self._import(self.owner, NOW)
        self.import_chunks = [self._import_chunk(each, 0) for each in (*self.imports, self.upload)]
        self.import_chunk = self._import_chunk(self.upload, 10)
        self.attachments = [self._attachment(user, at) for user in self.users for at in moments]
        self.attachment = self._attachment(self.owner, NOW)
        self.sent = [
            msgspec.structs.replace(self._attachment(each_owner, NOW), conversation_id=each.id, expires_at=None)
            for each in self.conversations
            for each_owner in self.users
            if each_owner.id == each.user_id
        ]
        self.exchanges = [*exchanges, (self.conversation, self.question, self.answer)]

    @property
    def line(self) -> UsageLine:
        """One of the owner's, in the middle of all."""
        return msgspec.structs.replace(LINE, id=line_id(self.owner.id, 7, Purpose.ANSWER), user_id=self.owner.id)

    def _user(self, email: str) -> User:
        return User(
            id=ObjectId(),
            email=email,
            name="Ada",
            password="argon2$x",
            created_at=NOW,
            is_staff=True,
            token_version=3,
            email_verified_at=NOW,
            last_login=NOW,
        )

    def _session(self, user: User, at: datetime) -> Session:
        return Session(
            id=ObjectId(),
            user_id=user.id,
            refresh_hash="a" * 64,
            previous_hash="b" * 64,
            lineage_hash="c" * 64,
            successor="d" * 64,
            rotated_at=at,
            created_at=at,
            last_seen_at=at,
            expires_at=LATER,
            ip="127.0.0.1",
            user_agent="Browser/1.0",
            country="CH",
            city="Bern",
            label="Browser on Linux",
            signed_in_with="password",
            revoked_at=NOW,
        )

    def _ticket(self, session: Session) -> SocketTicket:
        return SocketTicket(
            id=ObjectId(), hash="e" * 64, user_id=session.user_id, session_id=session.id, expires_at=LATER
        )

    def _api_key(self, user: User, at: datetime) -> ApiKey:
        return ApiKey(
            id=ObjectId(),
            user_id=user.id,
            name="Editor",
            prefix="sk-eloquent-00112233",
            hash=str(ObjectId()),
            scopes=["chat", "models"],
            created_at=at,
            expires_at=LATER,
            requests_per_minute=60,
            last_used_at=at,
            revoked_at=NOW,
        )

    def _conversation(self, user: User, at: datetime) -> Conversation:
        return Conversation(
            id=ObjectId(),
            user_id=user.id,
            title="Tea",
            model="small",
            system_prompt="Be brief.",
            pinned=at.minute % 7 == 0,
            archived=False,
            leaf_id=ObjectId(),
            message_count=2,
            titled_by=TitledBy.USER,
            client_id=str(ObjectId()),
            import_key=str(ObjectId()),
            imported_at=at,
            created_at=at,
            updated_at=at,
        )

    def _exchange(self, conversation: Conversation, parent: ObjectId | None) -> tuple[Message, Message]:
        question = Message(
            id=id_after(parent),
            conversation_id=conversation.id,
            user_id=conversation.user_id,
            parent_id=parent,
            role=Role.USER,
            parts=[{"type": "text", "text": "How long does tea take?"}],
            text="How long does tea take?",
            status=MessageStatus.COMPLETE,
            created_at=NOW,
        )
        answer = Message(
            id=id_after(question.id),
            conversation_id=conversation.id,
            user_id=conversation.user_id,
            parent_id=question.id,
            role=Role.ASSISTANT,
            parts=[
                {"type": "text", "text": "Three minutes."},
                {"type": "data-x", "data": {"$odd.key": [1, None, 2.5]}},
            ],
            text="Three minutes.",
            status=MessageStatus.STREAMING,
            run_id=ObjectId(),
            model="small",
            usage={"input_tokens": 9, "output_tokens": None, "reported": True},
            error={"code": "model_busy"},
            context={"used": 12, "limit": 40, "dropped": []},
            feedback={"rating": "up"},
            client_id="msg-1",
            position=7,
            created_at=NOW,
        )
        return question, answer

    def _run(self, conversation: Conversation, question: Message, answer: Message) -> Run:
        return Run(
            id=answer.run_id or ObjectId(),
            conversation_id=conversation.id,
            user_id=conversation.user_id,
            user_message_id=question.id,
            message_id=answer.id,
            branch_id=question.id,
            model="small",
            provider="scripted",
            status=RunStatus.STREAMING,
            active=True,
            usage={"input_tokens": 9, "output_tokens": 4, "reported": True},
            error={"code": "model_busy"},
            idempotency_key="key-1",
            worker="worker-1",
            stop_requested_at=NOW,
            # The servers that are tested beside take up what nobody holds.
            lease_expires_at=LATER,
            created_at=NOW,
            started_at=NOW,
            first_token_at=NOW,
            finished_at=NOW,
        )

    def _import(self, user: User, at: datetime) -> Import:
        return Import(
            id=ObjectId(),
            user_id=user.id,
            name="conversations.json",
            size=100,
            received=10,
            status=ImportStatus.UPLOADING,
            active=True,
            slot=1,
            added=3,
            known=2,
            failed=1,
            problems=["Conversation 1: It is not JSON."],
            attempts=2,
            worker="worker-1",
            lease_expires_at=LATER,
            created_at=at,
            finished_at=at,
            expires_at=LATER,
        )

    def _import_chunk(self, of: Import, offset: int) -> ImportChunk:
        return ImportChunk(id=ObjectId(), upload_id=of.id, offset=offset, content=b"[{\0", expires_at=LATER)

    def _attachment(self, user: User, at: datetime) -> Attachment:
        return Attachment(
            id=ObjectId(),
            user_id=user.id,
            name="cup.png",
            media_type="image/png",
            size_bytes=1_000,
            width=40,
            height=30,
            sha256="a" * 64,
            key=f"{user.id}/1",
            created_at=at,
            expires_at=LATER,
        )

    async def write(self) -> None:
        """Everything, through the stores."""
        for user in self.users:
            await accounts.store.add_user(user)
        for session in (*self.sessions, self.session):
            await accounts.store.add_session(msgspec.structs.replace(session, revoked_at=None))
        await accounts.store.add_ticket(self.ticket)
        await account_cases.write(self)
        await personal_data_cases.write(self)
        await factor_cases.write(self)
        await life_cases.write(self)
        await openid_cases.write(self)
        for key in (*self.api_keys, self.api_key):
            await accounts.store.add_api_key(msgspec.structs.replace(key, revoked_at=None))
        for conversation in (*self.conversations, self.conversation):
            await chat.store.add_conversation(conversation)
        for conversation, question, answer in self.exchanges:
            run = self._run(conversation, question, answer)
            if conversation is not self.conversation:
                run = msgspec.structs.replace(run, idempotency_key=str(run.id))
            await chat.store.add_run(run, [question, answer])
            await chat.store.show_run(run, [question, answer], None)
        resting = [msgspec.structs.replace(each, active=False, slot=None) for each in self.imports]
        await database().imports.insert_many([document_of(each) for each in (*resting, self.upload)])
        await database().import_chunks.insert_many([document_of(each) for each in self.import_chunks])
        for attachment in (*self.attachments, self.attachment, *self.sent):
            await chat.store.add_attachment(attachment)
        entries = [msgspec.structs.replace(ENTRY, id=ObjectId(), name=f"model-{number}") for number in range(MANY)]
        await database().language_models.insert_many([document_of(each) for each in entries])
        prices = [msgspec.structs.replace(PRICE, id=ObjectId(), entry_id=each.id) for each in entries]
        await database().language_model_prices.insert_many([document_of(each) for each in prices])
        for user in self.users:
            for number in range(MANY):
                line = msgspec.structs.replace(LINE, id=line_id(user.id, number, Purpose.ANSWER), user_id=user.id)
                await inference.store.add_usage_line(line)
        budgets = [msgspec.structs.replace(BUDGET, id=ObjectId(), name=f"Budget {number}") for number in range(MANY)]
        await database().budgets.insert_many([document_of(each) for each in budgets])
        spendings = [
            msgspec.structs.replace(SPENDING, id=f"{each.id}:all:2026-05-01", budget_id=each.id) for each in budgets
        ]
        quiet = [msgspec.structs.replace(each, holds=[], next_end_at=None) for each in spendings]
        await database().budget_spending.insert_many([document_of(each) for each in [*quiet, SPENDING]])


class Kind(NamedTuple):
    """A stored type: one full value of it, and how the store writes and reads one."""

    full: Callable[[World], Any]
    write: Callable[[Any], Awaitable[Any]]
    read: Callable[[Any], Awaitable[Any]]


async def _write_message(message: Message) -> None:
    world = World()
    await chat.store.add_conversation(world.conversation)
    run = msgspec.structs.replace(world.run, message_id=message.id)
    await chat.store.add_run(run, [message])


async def _write_run(run: Run) -> None:
    world = World()
    if await chat.store.find_conversation(run.user_id, run.conversation_id) is None:
        await chat.store.add_conversation(
            msgspec.structs.replace(world.conversation, id=run.conversation_id, user_id=run.user_id)
        )
    await chat.store.add_run(run, [world.question])


async def _write_import(upload: Import) -> None:
    # A new one takes a place of its owner's, and this one may have none.
    added = await chat.store.add_import(upload)
    assert added is not None
    await database().imports.update_one({"_id": upload.id}, {"$set": {"slot": upload.slot}})


async def _write_import_chunk(chunk: ImportChunk) -> None:
    await chat.store.add_chunk(ObjectId(), chunk, at=NOW)


def _new_import(world: World) -> Import:
    return msgspec.structs.replace(world.upload, id=ObjectId())


async def _read_api_key(key: ApiKey) -> ApiKey | None:
    # The store hands out living keys alone, so what ended this one is taken away for as long as it looks.
    document = {"_id": key.id}
    keys = database().api_keys
    stored = await keys.find_one(document, {"revoked_at": 1})
    assert stored is not None
    await keys.update_one(document, {"$set": {"revoked_at": None}})
    found = await accounts.store.living_api_keys_of(key.user_id, at=NOW, after=None, limit=1)
    await keys.update_one(document, {"$set": {"revoked_at": stored["revoked_at"]}})
    return msgspec.structs.replace(found[0], revoked_at=stored["revoked_at"])


ENTRY = ModelEntry(
    id=ObjectId(),
    provider="ollama",
    name="llama3.2:latest",
    title="Llama",
    enabled=True,
    is_default=True,
    capabilities=["tools", "vision"],
    groups=[ObjectId()],
    order=3,
    context_window=4096,
    fallbacks=["llamacpp/smollm2", "openai-compatible/a/b"],
    temperature=0.5,
    top_p=0.9,
    max_output_tokens=500,
    thinking=False,
    keep_alive="10m",
    first_token_s=60.5,
    idle_s=20.5,
    total_s=600.5,
)


PRICE = ModelPrice(ObjectId(), ENTRY.id, NOW, input_micros=3, output_micros=15, cached_input_micros=1)
LINE = UsageLine(
    id=line_id(ENTRY.id, 2, Purpose.ANSWER),
    run_id=ENTRY.id,
    step=2,
    purpose=Purpose.ANSWER,
    user_id=ENTRY.id,
    model=ENTRY.model_id,
    input_tokens=12,
    cached_input_tokens=4,
    output_tokens=40,
    reasoning_tokens=8,
    cost_micros=900,
    source=Source.REPORTED,
    outcome=Outcome.COMPLETE,
    at=NOW,
)
BUDGET = Budget(
    id=ObjectId(),
    name="Monthly",
    group_id=ObjectId(),
    shared=True,
    model=ENTRY.model_id,
    period=Period.MONTH,
    unit=Unit.MONEY,
    limit=5_000_000,
)
SPENDING = BudgetSpending(
    id=f"{BUDGET.id}:all:2026-05-01",
    budget_id=BUDGET.id,
    user_id=ObjectId(),
    used=7,
    holds=[{"key": LINE.id, "amount": 3, "until_ms": 1_777_000_000_000}],
    next_end_at=NOW,
    starts_at=NOW,
    resets_at=LATER,
    expires_at=LATER,
)


def _written_to(collection: str) -> Callable[[Any], Awaitable[Any]]:
    """For what staff write, at the desk road."""
    return lambda value: database()[collection].insert_one(document_of(value))


async def _read_price(price: ModelPrice) -> ModelPrice | None:
    return next((read for read in await inference.store.model_prices() if read.id == price.id), None)


async def _read_budget(budget: Budget) -> Budget | None:
    return next((read for read in await inference.store.budgets() if read.id == budget.id), None)


async def _read_line(line: UsageLine) -> UsageLine | None:
    return next(iter(await inference.store.usage_lines([line.id])), None)


async def _read_spending(spending: BudgetSpending) -> BudgetSpending | None:
    return next(iter(await inference.store.spending_of([spending.id])), None)


def _held(**options: Any) -> Call:
    fresh = msgspec.structs.replace(SPENDING, used=0, holds=[], next_end_at=None)
    return lambda _world: inference.store.hold(
        fresh, **{"limit": 100, "key": "k", "amount": 1, "until": LATER} | options
    )


async def _read_entry(entry: ModelEntry) -> ModelEntry | None:
    return next((read for read in await inference.store.model_entries() if read.id == entry.id), None)


KINDS: dict[type[Value], Kind] = {
    User: Kind(
        lambda world: msgspec.structs.replace(world.owner, is_active=False, deactivated_by="owner"),
        accounts.store.add_user,
        lambda user: accounts.store.user_by_id(user.id),
    ),
    Session: Kind(
        lambda world: world.session,
        accounts.store.add_session,
        lambda session: accounts.store.session_by_id(session.id),
    ),
    SocketTicket: Kind(
        lambda world: world.ticket,
        accounts.store.add_ticket,
        lambda ticket: accounts.store.take_ticket(ticket.hash),
    ),
    Import: Kind(
        lambda world: world.upload, _write_import, lambda upload: chat.store.find_import(upload.user_id, upload.id)
    ),
    ImportChunk: Kind(
        lambda world: world.import_chunk,
        _write_import_chunk,
        lambda chunk: chat.store.chunk_at(chunk.upload_id, chunk.offset),
    ),
    Attachment: Kind(
        lambda world: msgspec.structs.replace(world.attachment, conversation_id=world.conversation.id),
        chat.store.add_attachment,
        lambda attachment: chat.store.find_attachment(attachment.user_id, attachment.id),
    ),
    ApiKey: Kind(lambda world: world.api_key, accounts.store.add_api_key, _read_api_key),
    Conversation: Kind(
        lambda world: world.conversation,
        chat.store.add_conversation,
        lambda conversation: chat.store.find_conversation(conversation.user_id, conversation.id),
    ),
    Message: Kind(
        lambda world: world.answer, _write_message, lambda message: chat.store.find_message(message.user_id, message.id)
    ),
    ModelEntry: Kind(lambda _: ENTRY, _written_to("language_models"), _read_entry),
    ModelPrice: Kind(lambda _: PRICE, _written_to("language_model_prices"), _read_price),
    UsageLine: Kind(lambda _: LINE, inference.store.add_usage_line, _read_line),
    Budget: Kind(lambda _: BUDGET, _written_to("budgets"), _read_budget),
    BudgetSpending: Kind(lambda _: SPENDING, _written_to("budget_spending"), _read_spending),
    **{kind: Kind(*case) for kind, case in account_cases.KINDS.items()},
    **{kind: Kind(*case) for kind, case in personal_data_cases.KINDS.items()},
    **{kind: Kind(*case) for kind, case in factor_cases.KINDS.items()},
    **{kind: Kind(*case) for kind, case in life_cases.KINDS.items()},
    **{kind: Kind(*case) for kind, case in openid_cases.KINDS.items()},
    Run: Kind(lambda world: world.run, _write_run, lambda run: chat.store.find_run(run.user_id, run.id)),
}

ROTATION = Rotation(from_hash="a" * 64, to_hash="f" * 64, successor="s", at=NOW, expires_at=LATER)


async def _another_run(world: World) -> None:
    question, answer = world._exchange(world.conversation, world.answer.id)
    run = msgspec.structs.replace(world._run(world.conversation, question, answer), idempotency_key=None)
    await chat.store.add_run(run, [question, answer])


async def _run_that_goes_on(world: World) -> None:
    question, answer = world._exchange(world.conversation, world.answer.id)
    run = msgspec.structs.replace(world._run(world.conversation, question, answer), idempotency_key=None)
    waiting = msgspec.structs.replace(answer, status=MessageStatus.COMPLETE, run_id=run.id, resumption={"tools": []})
    await chat.store.add_run(msgspec.structs.replace(run, active=False), [question, waiting])
    after = msgspec.structs.replace(run, id=ObjectId(), branch_id=answer.id)
    going_on = msgspec.structs.replace(answer, run_id=after.id, status=MessageStatus.STREAMING)
    await chat.store.add_run_that_goes_on(after, going_on, after=run.id)


async def _shown_run(world: World) -> None:
    await chat.store.show_run(world.run, [world.question, world.answer], "Tea, again")


async def _shown_without_a_title(world: World) -> None:
    await chat.store.show_run(world.run, [world.question, world.answer], None)


async def _repeated_run(world: World) -> None:
    question, answer = world._exchange(world.conversation, world.answer.id)
    try:
        await chat.store.add_run(world._run(world.conversation, question, answer), [question, answer])
    except chat.store.BranchBusy:
        return
    raise AssertionError("the key was not refused")


CALLS: dict[ModuleType, dict[str, list[Call]]] = {
    accounts.store: {
        **account_cases.CALLS,
        **personal_data_cases.OF_ACCOUNTS,
        **factor_cases.CALLS,
        **life_cases.CALLS,
        **openid_cases.CALLS,
        "add_user": [lambda world: accounts.store.add_user(world._user("new@example.com"))],
        "user_by_email": [lambda world: accounts.store.user_by_email(world.owner.email)],
        "names_of_groups": [lambda _world: accounts.store.names_of_groups([ObjectId()])],
        "groups_of": [lambda world: accounts.store.groups_of(world.owner.id)],
        "user_by_id": [lambda world: accounts.store.user_by_id(world.owner.id)],
        "rename_user": [lambda world: accounts.store.rename_user(world.owner.id, "Grace")],
        "upgrade_password_hash": [
            lambda world: accounts.store.upgrade_password_hash(world.owner.id, old="argon2$x", new="argon2$y")
        ],
        "replace_password": [
            lambda world: accounts.store.replace_password(world.owner.id, old="argon2$x", new="argon2$y")
        ],
        "add_session": [lambda world: accounts.store.add_session(world._session(world.owner, NOW))],
        "session_by_id": [lambda world: accounts.store.session_by_id(world.session.id)],
        "rotate_session": [lambda world: accounts.store.rotate_session(world.session.id, ROTATION)],
        "restart_lineage": [
            lambda world: accounts.store.restart_lineage(
                world.session.id, refresh_hash="f", lineage_hash="f", at=NOW, expires_at=LATER
            )
        ],
        "end_session": [lambda world: accounts.store.end_session(world.owner.id, world.session.id, at=NOW)],
        "end_sessions_of": [
            lambda world: accounts.store.end_sessions_of(world.owner.id, at=NOW),
            lambda world: accounts.store.end_sessions_of(world.owner.id, at=NOW, keep=world.session.id),
        ],
        "living_sessions_of": [
            lambda world: accounts.store.living_sessions_of(world.owner.id, at=NOW, after=None, limit=5),
            lambda world: accounts.store.living_sessions_of(
                world.owner.id, at=NOW, after=Position(NOW - timedelta(minutes=3), ObjectId()), limit=5
            ),
        ],
        "addresses_used": [
            lambda world: accounts.store.addresses_used(world.owner.email, since=NOW),
            lambda _world: accounts.store.addresses_used("nobody@example.org", since=NOW),
        ],
        "token_version_in_force": [
            lambda world: accounts.store.token_version_in_force(world.owner.id, world.session.id)
        ],
        "add_ticket": [
            lambda world: accounts.store.add_ticket(
                msgspec.structs.replace(world.ticket, id=ObjectId(), hash="another")
            )
        ],
        "take_ticket": [lambda world: accounts.store.take_ticket(world.ticket.hash)],
        "add_api_key": [lambda world: accounts.store.add_api_key(world._api_key(world.owner, NOW))],
        "take_back_api_key": [lambda world: accounts.store.take_back_api_key(world.owner.id, world.api_key.id)],
        "living_api_keys_of": [
            lambda world: accounts.store.living_api_keys_of(world.owner.id, at=NOW, after=None, limit=5),
            lambda world: accounts.store.living_api_keys_of(
                world.owner.id, at=NOW, after=Position(NOW - timedelta(minutes=3), ObjectId()), limit=5
            ),
        ],
        "count_living_api_keys_of": [
            lambda world: accounts.store.count_living_api_keys_of(world.owner.id, at=NOW),
        ],
        "change_api_key": [
            lambda world: accounts.store.change_api_key(world.owner.id, world.api_key.id, {"name": "Other"}, at=NOW)
        ],
        "revoke_api_key": [lambda world: accounts.store.revoke_api_key(world.owner.id, world.api_key.id, at=NOW)],
        "api_key_in_force": [lambda world: accounts.store.api_key_in_force(world.api_key.hash, at=NOW)],
        "note_api_key_used": [
            lambda world: accounts.store.note_api_key_used(world.api_key.id, at=LATER, every=timedelta(minutes=1))
        ],
    },
    inference.store: {
        **personal_data_cases.OF_INFERENCE,
        "model_entries": [lambda _world: inference.store.model_entries()],
        "model_prices": [lambda _world: inference.store.model_prices()],
        "add_usage_line": [lambda _world: inference.store.add_usage_line(msgspec.structs.replace(LINE, id="new"))],
        "usage_lines": [lambda world: inference.store.usage_lines([line_id(world.owner.id, 0, Purpose.ANSWER), "?"])],
        "usage_by_day": [lambda world: inference.store.usage_by_day(world.owner.id, since=NOW, until=LATER)],
        "budgets": [lambda _world: inference.store.budgets()],
        "hold": [_held(), _held(limit=1), _held(key=LINE.id)],
        "settle": [
            lambda _world: inference.store.settle(SPENDING.id, key=LINE.id, amount=3),
            lambda _world: inference.store.settle(SPENDING.id, key="unknown", amount=3),
        ],
        "spending_of": [lambda _world: inference.store.spending_of([SPENDING.id, "unknown"])],
        "overdue_spending": [lambda _world: inference.store.overdue_spending(LATER, limit=10)],
    },
    chat.store: {
        **personal_data_cases.OF_CHAT,
        "add_conversation": [lambda world: chat.store.add_conversation(world._conversation(world.owner, NOW))],
        "find_conversation": [lambda world: chat.store.find_conversation(world.owner.id, world.conversation.id)],
        "find_conversation_called": [
            lambda world: chat.store.find_conversation_called(world.owner.id, world.conversation.client_id or "")
        ],
        "list_conversations": [
            lambda world: chat.store.list_conversations(world.owner.id, archived=False, after=None, limit=5),
            lambda world: chat.store.list_conversations(
                world.owner.id, archived=False, after=(True, NOW - timedelta(minutes=3), ObjectId()), limit=5
            ),
            lambda world: chat.store.list_conversations(
                world.owner.id, archived=False, after=(False, NOW - timedelta(minutes=3), ObjectId()), limit=5
            ),
        ],
        "change_conversation": [
            lambda world: chat.store.change_conversation(world.owner.id, world.conversation.id, {"title": "Cake"})
        ],
        "title_conversation": [
            lambda world: chat.store.title_conversation(
                world.owner.id, world.conversation.id, "Tea times", instead_of="Tea"
            )
        ],
        "delete_conversation": [lambda world: chat.store.delete_conversation(world.owner.id, world.conversation.id)],
        "messages_with_word": [
            lambda world: chat.store.messages_with_word(world.owner.id, "minutes", patterns=[], role=None, most=5),
            lambda world: chat.store.messages_with_word(
                world.owner.id, "minutes", patterns=["three"], role=Role.ASSISTANT, most=5
            ),
        ],
        "is_imported": [
            lambda world: chat.store.is_imported(world.owner.id, world.conversation.import_key or ""),
            lambda world: chat.store.is_imported(world.owner.id, "another"),
        ],
        "add_imported": [
            lambda world: chat.store.add_imported(
                world._conversation(world.owner, NOW), [world.question, world.answer]
            ),
            lambda world: chat.store.add_imported(world.conversation, [world.question]),
        ],
        "messages_after": [
            lambda world: chat.store.messages_after(world.owner.id, world.conversation.id, None, limit=1),
            lambda world: chat.store.messages_after(world.owner.id, world.conversation.id, world.question.id, limit=5),
        ],
        "messages_among": [
            lambda world: chat.store.messages_among(world.owner.id, [world.answer.id, world.question.id])
        ],
        "messages_matching": [
            lambda world: chat.store.messages_matching(
                world.owner.id, world.conversation.id, patterns=["tea"], role=Role.USER, most=5
            )
        ],
        "texts_of": [lambda world: chat.store.texts_of(world.owner.id, [world.answer.id], longest=5)],
        "titles_of": [lambda world: chat.store.titles_of(world.owner.id, [world.conversation.id])],
        "find_message": [lambda world: chat.store.find_message(world.owner.id, world.answer.id)],
        "messages_called": [
            lambda world: chat.store.messages_called(world.owner.id, world.conversation.id, "msg-1", limit=5)
        ],
        "shown_branch": [
            lambda world: chat.store.shown_branch(world.owner.id, world.conversation.id, limit=1),
            lambda world: chat.store.shown_branch(world.owner.id, world.conversation.id, limit=5),
        ],
        "branch_ending_at": [
            lambda world: chat.store.branch_ending_at(world.owner.id, world.conversation.id, world.answer.id, limit=1),
            lambda world: chat.store.branch_ending_at(world.owner.id, world.conversation.id, world.answer.id, limit=5),
        ],
        "children_of": [
            lambda world: chat.store.children_of(world.owner.id, world.conversation.id, [None, world.question.id])
        ],
        "links_below": [
            lambda world: chat.store.links_below(world.owner.id, world.conversation.id, None),
            lambda world: chat.store.links_below(world.owner.id, world.conversation.id, world.question.id),
        ],
        "siblings_below": [
            lambda world: chat.store.siblings_below(
                world.owner.id, world.conversation.id, world.question.id, after=None, limit=5
            ),
            lambda world: chat.store.siblings_below(
                world.owner.id, world.conversation.id, None, after=ObjectId("0" * 24), limit=5
            ),
        ],
        "keep_feedback": [
            lambda world: chat.store.keep_feedback(world.owner.id, world.answer.id, {"rating": "up", "comment": ""})
        ],
        "add_run": [_another_run, _repeated_run],
        "add_run_that_goes_on": [_run_that_goes_on],
        "show_run": [_shown_run, _shown_without_a_title],
        "find_run": [lambda world: chat.store.find_run(world.owner.id, world.run.id)],
        "find_run_by_key": [lambda world: chat.store.find_run_by_key(world.owner.id, "key-1")],
        "active_runs_of": [lambda world: chat.store.active_runs_of(world.owner.id, world.conversation.id)],
        "expired_runs": [lambda _world: chat.store.expired_runs(NOW + timedelta(hours=1))],
        "claim_expired_run": [
            lambda world: chat.store.claim_expired_run(world.run, worker="another", lease_expires_at=LATER)
        ],
        "fence_answer": [lambda world: chat.store.fence_answer(world.run)],
        "forget_record": [lambda world: chat.store.forget_record(world.run)],
        "is_written": [lambda world: chat.store.is_written(world.run)],
        "message_of_run": [lambda world: chat.store.message_of_run(world.run)],
        "show_lost_run": [lambda world: chat.store.show_lost_run(world.run)],
        "forget_run": [lambda world: chat.store.forget_run(world.run)],
        "keep_usage": [lambda world: chat.store.keep_usage(world.run, world.answer)],
        "keep_progress": [lambda world: chat.store.keep_progress(world.answer)],
        "request_stop": [lambda world: chat.store.request_stop(world.owner.id, world.run.id, at=NOW)],
        "renew_lease": [lambda world: chat.store.renew_lease(world.run)],
        "keep_rest": [lambda world: chat.store.keep_rest(world.run, world.answer)],
        "keep_answer": [lambda world: chat.store.keep_answer(world.answer)],
        "keep_run": [lambda world: chat.store.keep_run(world.run)],
        "add_import": [
            lambda world: chat.store.add_import(_new_import(world)),
            lambda world: chat.store.add_import(_new_import(world)),
        ],
        "find_import": [lambda world: chat.store.find_import(world.owner.id, world.upload.id)],
        "list_imports": [
            lambda world: chat.store.list_imports(world.owner.id, before=None, limit=3),
            lambda world: chat.store.list_imports(world.owner.id, before=world.upload.id, limit=3),
        ],
        "add_chunk": [lambda world: chat.store.add_chunk(world.owner.id, world.import_chunk, at=NOW)],
        "chunk_at": [lambda world: chat.store.chunk_at(world.upload.id, 0)],
        "forget_chunks": [lambda world: chat.store.forget_chunks(world.upload.id)],
        "claim_import": [lambda _world: chat.store.claim_import(worker="another", at=LATER, lease_expires_at=LATER)],
        "keep_import": [lambda world: chat.store.keep_import(world.upload)],
        "cancel_import": [
            lambda world: chat.store.cancel_import(world.owner.id, world.upload.id, at=NOW, expires_at=LATER)
        ],
        "add_attachment": [lambda world: chat.store.add_attachment(world._attachment(world.owner, NOW))],
        "attached_bytes": [
            lambda world: chat.store.attached_bytes(world.owner.id, world.attachment.id, each_at_least=10)
        ],
        "find_attachment": [lambda world: chat.store.find_attachment(world.owner.id, world.attachment.id)],
        "attachments_among": [
            lambda world: chat.store.attachments_among(world.owner.id, [world.attachment.id, world.attachments[0].id])
        ],
        "give_attachments": [
            lambda world: chat.store.give_attachments(
                world.owner.id, world.conversation.id, [world.attachment.id], at=NOW
            ),
            lambda world: chat.store.give_attachments(
                world.owner.id, world.conversation.id, [world.attachment.id, world.attachments[0].id], at=NOW
            ),
        ],
        "expire_attachment": [lambda world: chat.store.expire_attachment(world.owner.id, world.attachment.id)],
        "attachments_of": [lambda world: chat.store.attachments_of(world.owner.id, world.conversations[0].id, limit=5)],
        "expired_attachments": [lambda _world: chat.store.expired_attachments(NOW, limit=5)],
        "forget_attachments": [lambda world: chat.store.forget_attachments([world.attachment])],
    },
}
