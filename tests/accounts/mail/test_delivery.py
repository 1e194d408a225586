"""Letters over the wire: a real SMTP conversation, Amazon's SES by its client, and servers that are away or say no."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import boto3
import msgspec
import pytest
import pytest_asyncio
from botocore.stub import ANY, Stubber
from bson import ObjectId

from accounts import store, work
from accounts.mail.delivery import CLAIMED_FOR, SEALED_FOR, Letter, run, settle_mail
from accounts.mail.letters import post
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from eloquent.foundation.sealing import seal
from eloquent.foundation.tasks import end_task
from eloquent.mail_transport import mail_settings
from tests.fakes.mail_server import MailServer, mail_server

pytestmark = pytest.mark.django_db

CONTEXT = {"link": "http://127.0.0.1:8000/account/verify-email#" + "t" * 43}


def configured(settings: Any, **config: Any) -> None:
    """Django's mail settings as they would be with this configuration."""
    loaded = get_config()
    made = type(loaded).model_validate({**loaded.model_dump(), **config})
    for name, value in mail_settings(made).items():
        setattr(settings, name, value)


@pytest_asyncio.fixture(autouse=True)
async def _no_other_sender() -> AsyncIterator[None]:
    """The test server's own task would take letters away from under a test's eyes."""
    runs = asyncio.get_running_loop() in work._tasks
    if runs:
        await work.close_accounts()
    yield
    if runs:
        await work.open_accounts()


@pytest_asyncio.fixture
async def server(settings: Any) -> AsyncIterator[MailServer]:
    """A mail server that is the configured one."""
    async with mail_server() as server:
        configured(settings, mail_backend="smtp", smtp_url=server.url, mail_from="Éloquent <no-reply@example.org>")
        yield server


async def waiting() -> list[dict[str, Any]]:
    return await database().outgoing_mail.find({}).sort("_id", 1).to_list()


async def make_due() -> None:
    await database().outgoing_mail.update_many({}, {"$set": {"due_at": now()}})


async def put_in(letter: Letter | bytes) -> None:
    """A letter as nobody here writes one."""
    at = now()
    plain = letter if isinstance(letter, bytes) else msgspec.json.encode(letter)
    await store.add_mail(
        store.OutgoingMail(
            id=ObjectId(),
            user_id=None,
            kind="strange",
            sealed=seal(plain, SEALED_FOR),
            created_at=at,
            due_at=at,
            expires_at=at + timedelta(days=1),
        )
    )


async def test_a_letter_arrives_as_it_was_written(server: MailServer) -> None:
    await post("verify_email", to="ann@bücher.example", user_id=None, context=CONTEXT)
    [outgoing] = await waiting()
    assert "ann@" not in repr(outgoing)
    assert "ttt" not in repr(outgoing)
    await settle_mail()
    assert await waiting() == []
    [taken] = server.taken
    assert taken.recipients == ["ann@xn--bcher-kva.example"]
    assert taken.message["Subject"] == "Confirm your email address"
    assert taken.message["From"].addresses[0].display_name == "Éloquent"
    assert taken.message["Auto-Submitted"] == "auto-generated"
    assert taken.message.get_content_type() == "text/plain"
    assert CONTEXT["link"] in taken.text.splitlines()
    assert "&" not in taken.text
    assert taken.text.splitlines()[-1] == "Eloquent AI"
    assert not any(command.upper().startswith("AUTH") for command in server.commands)


async def test_while_the_server_is_away_nothing_is_lost_and_it_is_asked_once(server: MailServer) -> None:
    for number in range(3):
        await post("verify_email", to=f"a{number}@example.org", user_id=None, context=CONTEXT)
    server.hangs_up = True
    await settle_mail()
    assert sorted(mail["attempts"] for mail in await waiting()) == [0, 0, 1]
    server.hangs_up = False
    await settle_mail()
    assert [taken.recipients for taken in server.taken] == [["a1@example.org"], ["a2@example.org"]]
    [left] = await waiting()
    assert timedelta(seconds=25) < left["due_at"] - now() <= timedelta(seconds=30)
    await make_due()
    await settle_mail()
    assert server.taken[-1].recipients == ["a0@example.org"]


async def test_a_server_that_is_not_there_or_says_nothing_holds_nobody_up(server: MailServer, settings: Any) -> None:
    await post("verify_email", to="ann@example.org", user_id=None, context=CONTEXT)
    settings.EMAIL_PORT = 1
    await settle_mail()
    settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = server.port, 0.2
    server.silent = True
    await make_due()
    # Waiting is done in a thread: meanwhile the event loop goes on.
    sending = asyncio.ensure_future(settle_mail())
    ticks = 0
    while not sending.done():
        await asyncio.sleep(0.01)
        ticks += 1
    assert ticks > 5
    [left] = await waiting()
    assert left["attempts"] == 2
    assert left["due_at"] - now() > timedelta(seconds=50)


async def test_a_process_that_dies_with_a_letter_in_hand_leaves_it_to_another(server: MailServer) -> None:
    await post("verify_email", to="ann@example.org", user_id=None, context=CONTEXT)
    at = now()
    claimed = await store.claim_mail(at=at, until=at + CLAIMED_FOR)
    assert claimed is not None
    await settle_mail()
    assert server.taken == []
    await database().outgoing_mail.update_one({"_id": claimed.id}, {"$set": {"due_at": at}})
    await settle_mail()
    assert len(server.taken) == 1
    assert await waiting() == []


async def test_several_processes_send_each_letter_once(server: MailServer) -> None:
    for number in range(8):
        await post("verify_email", to=f"a{number}@example.org", user_id=None, context=CONTEXT)
    await asyncio.gather(*(settle_mail() for _ in range(4)))
    assert sorted(taken.recipients for taken in server.taken) == [[f"a{number}@example.org"] for number in range(8)]


async def test_what_no_server_will_ever_take_is_dropped_and_holds_nobody_up(
    server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.refused = {"gone@example.org": 550, "full@example.org": 452}
    await put_in(Letter("ann@example.org\r\nBcc: all@example.org", "Hello", "text"))
    await put_in(Letter("ann@example.org", "Hello\r\nBcc: all@example.org", "text"))
    await put_in(b"not a letter")
    await put_in(Letter("gone@example.org", "Hello", "secret words"))
    await put_in(Letter("full@example.org", "Hello", "text"))
    await put_in(Letter("ann@example.org", "Hello", "text"))
    await settle_mail()
    assert [taken.recipients for taken in server.taken] == [["ann@example.org"]]
    assert server.taken[0].message["Bcc"] is None
    [left] = await waiting()
    assert (left["attempts"], left["kind"]) == (1, "strange")
    assert "secret words" not in caplog.text
    assert "gone@" not in caplog.text


async def test_names_do_not_get_into_headers_and_text_is_text(server: MailServer) -> None:
    wicked = "x\r\nBcc: all@example.org\r\n\r\n<b>&"
    context = {"link": "http://l", "new_email": wicked}
    await post("email_change_current", to="ann@example.org", user_id=None, context=context)
    await settle_mail()
    [taken] = server.taken
    assert taken.recipients == ["ann@example.org"]
    assert taken.message["Bcc"] is None
    assert "<b>&" in taken.text


async def test_the_task_of_the_server_goes_on_after_a_fault(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accounts.mail import delivery

    claim, failed = store.claim_mail, asyncio.Event()

    async def failing(**options: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("a bug")
        return await claim(**options)

    monkeypatch.setattr(delivery.store, "claim_mail", failing)
    monkeypatch.setattr(delivery._looker, "every_s", 0.01)
    task = asyncio.create_task(run())
    await failed.wait()
    await post("verify_email", to="ann@example.org", user_id=None, context=CONTEXT)
    async with asyncio.timeout(10):
        await server.came.wait()
    await end_task(task)


async def test_a_letter_goes_through_amazon_ses(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(settings, mail_backend="ses", aws_region="eu-west-1", mail_from="Eloquent <no-reply@example.org>")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    client = boto3.client("sesv2", region_name="eu-west-1")
    asked: list[dict[str, Any]] = []
    make = boto3.session.Session.client

    def the_stubbed(self: Any, service: str, **options: Any) -> Any:
        if service != "sesv2":
            return make(self, service, **options)
        asked.append(options)
        return client

    monkeypatch.setattr(boto3.session.Session, "client", the_stubbed)
    await post("verify_email", to="ann@example.org", user_id=None, context=CONTEXT)
    with Stubber(client) as ses:
        ses.add_client_error("send_email", "TooManyRequestsException", http_status_code=429)
        await settle_mail()
        [left] = await waiting()
        assert left["attempts"] == 1
        expected = {"Destination": {"ToAddresses": ["ann@example.org"]}, "Content": {"Raw": {"Data": ANY}}}
        ses.add_response("send_email", {"MessageId": "m-1"}, expected)
        await make_due()
        await settle_mail()
        ses.assert_no_pending_responses()
    assert await waiting() == []
    assert asked[0]["region_name"] == "eu-west-1"


@pytest.mark.parametrize("where", ["smtp://127.0.0.1:1", "smtps://127.0.0.1:1"])
def test_a_password_goes_over_an_encrypted_connection_or_nowhere(where: str) -> None:
    loaded = get_config()
    url = where.replace("//", "//ann:p%40ss@")
    made = type(loaded).model_validate({**loaded.model_dump(), "mail_backend": "smtp", "smtp_url": url})
    settings = mail_settings(made)
    assert (settings["EMAIL_HOST_USER"], settings["EMAIL_HOST_PASSWORD"]) == ("ann", "p@ss")
    assert settings["EMAIL_USE_SSL"] is not settings["EMAIL_USE_TLS"]


async def test_a_server_that_offers_no_encryption_is_told_no_password(server: MailServer, settings: Any) -> None:
    configured(settings, mail_backend="smtp", smtp_url=server.url.replace("//", "//ann:password@"))
    await post("verify_email", to="ann@example.org", user_id=None, context=CONTEXT)
    await settle_mail()
    assert len(await waiting()) == 1
    assert not any("AUTH" in command.upper() for command in server.commands)
    assert server.taken == []
