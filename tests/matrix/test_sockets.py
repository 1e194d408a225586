"""Every socket against everybody who should not open it; every frame once access has ended, or on another's things."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, get_args

import pytest
from asgiref.sync import sync_to_async
from bson import ObjectId
from channels.routing import URLRouter

from accounts import admitted
from accounts.models import Session, SocketTicket, User
from chat.frames import Frame
from eloquent.asgi import application
from eloquent.foundation.clock import now
from inference.providers.scripted import saying
from tests.chat.conftest import LanguageModel, model  # noqa: F401 - a fixture
from tests.matrix.identities import a_second_later, named
from tests.people import PASSWORD, Person, Socket, open_socket

PATHS = ("chat", "notices")
NOT_SIGNED_IN, WRONG_ORIGIN = 4401, 4403

Ticket = Callable[[Person], Awaitable[str]]
Ending = Callable[[Person], Awaitable[None]]


async def ticket_of(person: Person) -> str:
    """A ticket that is good."""
    ticket: str = (await person.ok("POST", "/auth/socket-ticket", 201))["ticket"]
    return ticket


async def none(_person: Person) -> str:
    """Nothing."""
    return ""


async def made_up(_person: Person) -> str:
    """The shape of a ticket."""
    return "A" * 43


async def used(person: Person) -> str:
    """One that has opened a socket already."""
    ticket = await ticket_of(person)
    async with open_socket(person.server, ticket, speaks="notices") as socket:
        await socket.frame()
    return ticket


async def late(person: Person) -> str:
    """One that was good until a moment ago, and is not deleted yet."""
    ticket = await ticket_of(person)
    await sync_to_async(SocketTicket.objects.update)(expires_at=now() - timedelta(seconds=1))
    return ticket


async def an_access_token(person: Person) -> str:
    """What opens the other doors."""
    token: str = person.tokens["access_token"]
    return token


async def a_refresh_token(person: Person) -> str:
    """What opens none."""
    token: str = person.tokens["refresh_token"]
    return token


async def an_api_key(person: Person) -> str:
    """What opens /v1."""
    key = await person.ok(
        "POST", "/me/api-keys", 201, json={"current_password": PASSWORD, "name": "Editor", "scopes": ["chat", "models"]}
    )
    secret: str = key["secret"]
    return secret


async def end_the_session(person: Person) -> None:
    """The session is ended on another device, and no notice comes of it."""
    await sync_to_async(Session.objects.filter(user_id=ObjectId(person.tokens["user"]["id"])).update)(revoked_at=now())
    a_second_later()


async def let_expire(person: Person) -> None:
    """The session has come to its end by itself."""
    await sync_to_async(Session.objects.filter(user_id=ObjectId(person.tokens["user"]["id"])).update)(expires_at=now())
    a_second_later()


async def deactivate(person: Person) -> None:
    """The account is deactivated, and no notice comes of it."""
    await sync_to_async(User.objects.filter(email=person.email).update)(is_active=False)
    a_second_later()


async def delete(person: Person) -> None:
    """The account is deleted, and no notice comes of it."""
    await sync_to_async(User.objects.filter(email=person.email)._raw_delete)("default")
    a_second_later()


@pytest.fixture
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets whose access has ended are not sent away by the look of every second: they refuse by themselves."""

    async def nothing() -> None:
        """Nobody leaves."""

    monkeypatch.setattr(admitted, "look", nothing)


ENDINGS: list[Ending] = [end_the_session, let_expire, deactivate, delete]
TICKETS: list[Ticket] = [none, made_up, used, late, an_access_token, a_refresh_token, an_api_key]


async def send(socket: Socket, conversation: str) -> None:
    """Ask something."""
    await socket.ask("r2", conversation, "Hi")


async def resume(socket: Socket, conversation: str) -> None:
    """Read the answer that is being written."""
    await socket.send(type="resume", requestId="r2", id=conversation)


async def abort(socket: Socket, _conversation: str) -> None:
    """Stop the answer that this socket reads."""
    await socket.send(type="abort", requestId="r1")


FRAMES: dict[str, Any] = {"send": send, "resume": resume, "abort": abort}


def test_every_socket_and_every_frame_is_in_the_matrix() -> None:
    [router] = [cell.cell_contents for cell in application.__closure__ if isinstance(cell.cell_contents, URLRouter)]
    assert {str(route.pattern) for route in router.routes} == {f"ws/{path}" for path in PATHS} | {""}
    assert {frame.__struct_config__.tag for frame in get_args(Frame)} == set(FRAMES)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("ticket", TICKETS, ids=lambda ticket: ticket.__name__)
async def test_no_socket_opens_for_what_is_no_ticket(server: str, ticket: Ticket, path: str) -> None:
    async with Person(server, named("ann")) as ann:
        async with open_socket(server, await ticket(ann), speaks=path) as socket:
            assert await socket.close_code() == NOT_SIGNED_IN
        await _opens(server, await ticket_of(ann), path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
async def test_no_socket_opens_when_access_has_ended_since(
    server: str, nobody_looks: None, ending: Ending, path: str
) -> None:
    async with Person(server, named("ann")) as ann:
        ticket = await ticket_of(ann)
        await _opens(server, await ticket_of(ann), path)
        await ending(ann)
        async with open_socket(server, ticket, speaks=path) as socket:
            assert await socket.close_code() == NOT_SIGNED_IN


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "file://", "http://127.0.0.1.evil.example"])
async def test_no_socket_opens_for_a_page_of_another_origin(server: str, origin: str, path: str) -> None:
    async with Person(server, named("ann")) as ann, ann.socket(speaks=path, origin=origin) as socket:
        assert await socket.close_code() == WRONG_ORIGIN


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
@pytest.mark.parametrize("frame", FRAMES)
async def test_no_frame_is_heard_once_access_has_ended(
    server: str,
    nobody_looks: None,
    model: LanguageModel,  # noqa: F811
    frame: str,
    ending: Ending,
) -> None:
    model.script = ["x", asyncio.Event()]
    async with Person(server, named("ann")) as ann, ann.socket() as socket:
        conversation = await ann.conversation()
        await socket.ask("r1", conversation, "Hi")
        assert (await socket.frame())["chunk"]["type"] == "start"
        await ending(ann)
        asked = len(model.provider.requests)
        await FRAMES[frame](socket, conversation)
        assert await socket.close_code() == NOT_SIGNED_IN
        assert len(model.provider.requests) == asked


@pytest.mark.parametrize("frame", FRAMES)
async def test_no_frame_reaches_what_is_another_users(
    server: str,
    model: LanguageModel,  # noqa: F811
    frame: str,
) -> None:
    gate = asyncio.Event()
    model.script = ["x", gate, *saying("y")]
    async with (
        Person(server, named("ann")) as ann,
        Person(server, named("bob")) as bob,
        ann.socket() as mine,
        bob.socket() as theirs,
    ):
        conversation = await ann.conversation()
        await mine.ask("r1", conversation, "Hi")
        assert (await mine.frame())["chunk"]["type"] == "start"
        asked = len(model.provider.requests)
        for place in (conversation, str(ObjectId())):
            await FRAMES[frame](theirs, place)
            if frame != "abort":
                answer = await theirs.frame()
                assert (answer["type"], answer.get("problem", {}).get("code")) in (
                    ("error", "not_found"),
                    ("no-active", None),
                )
        assert len(model.provider.requests) == asked
        gate.set()
        stream = await mine.read_rest()
        assert stream["type"] == "finish", "the owner's answer went on to its end"


async def _opens(server: str, ticket: str, path: str) -> None:
    """A good ticket opens this socket: a refusal has its own reason."""
    async with open_socket(server, ticket, speaks=path) as socket:
        if path == "notices":
            assert await socket.frame() == {"type": "listening"}
        else:
            await socket.send(type="resume", requestId="r", id=str(ObjectId()))
            assert (await socket.frame())["type"] == "no-active"
