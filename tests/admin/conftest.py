"""Staff of each kind, and a little of everything to look at."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import ApiKey, Session, User
from chat.models import Attachment, Conversation, Import, ImportChunk, Message, Run
from eloquent.foundation.ids import id_after

PASSWORD = "a-long-enough-password"
# Hashing is slow on purpose: once is enough.
HASH = make_password(PASSWORD)
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def superuser(db: None) -> User:
    return User.objects.create(email="root@example.com", password=HASH, is_staff=True, is_superuser=True)


@pytest.fixture
def root(superuser: User) -> Client:
    """A superuser's browser."""
    return signed_in(superuser)


@pytest.fixture
def staff_with(db: None) -> Callable[..., Client]:
    """Makes a browser of staff who have just these permissions, e.g. `staff_with("view_run")`."""

    def make(*codenames: str) -> Client:
        user = User.objects.create(email=f"staff{User.objects.count()}@example.com", password=HASH, is_staff=True)
        user.user_permissions.set(
            Permission.objects.filter(
                codename__in=codenames, content_type__app_label__in=["accounts", "chat", "inference"]
            )
        )
        assert user.user_permissions.count() == len(codenames)
        return signed_in(user)

    return make


class Talk:
    """One user's conversation of `exchanges` questions and answers, with its runs, a signed-in device and a key."""

    def __init__(self, email: str, title: str, exchanges: int = 2) -> None:
        self.user = User.objects.create(email=email, password=HASH, name="Ada")
        self.session = Session.objects.create(
            user=self.user,
            refresh_hash="secret-hash",
            lineage_hash="secret-lineage",
            ip="192.0.2.7",
            label="Firefox on Linux",
            expires_at=datetime(2126, 1, 1, tzinfo=UTC),
        )
        self.api_key = ApiKey.objects.create(
            user=self.user,
            name="Editor",
            prefix="sk-eloquent-00112233",
            hash=f"secret-hash of {email}",
            scopes=["chat", "models"],
        )
        self.conversation = Conversation.objects.create(
            user=self.user,
            title=title,
            model="small",
            system_prompt="Be brief.",
            message_count=2 * exchanges,
            created_at=NOW,
            updated_at=NOW,
        )
        self.upload = Import.objects.create(
            user=self.user,
            name=f"conversations of {title.lower()}.json",
            size=2_000_000,
            received=1_000_000,
            status="uploading",
            slot=1,
            failed=1,
            problems=["Conversation 1: It is not JSON <b>."],
            lease_expires_at=NOW,
            created_at=NOW,
            expires_at=datetime(2126, 1, 1, tzinfo=UTC),
        )
        ImportChunk.objects.create(
            upload=self.upload, offset=0, content=b"secret words", expires_at=self.upload.expires_at
        )
        self.attachment = Attachment.objects.create(
            user=self.user,
            conversation=self.conversation,
            name=f"picture of {title.lower()} <b>.png",
            media_type="image/png",
            size_bytes=2_000_000,
            width=40,
            height=30,
            sha256="a" * 64,
            key=f"{self.user.pk}/picture",
            created_at=NOW,
        )
        self.messages: list[Message] = []
        self.runs: list[Run] = []
        for number in range(exchanges):
            self._exchange(number)

    def _exchange(self, number: int) -> None:
        for role in ("user", "assistant"):
            parent = self.messages[-1].pk if self.messages else None
            text = f"{role} {number} of {self.conversation.title} <b>&"
            message = Message(
                pk=id_after(parent),
                conversation=self.conversation,
                user=self.user,
                parent_id=parent,
                role=role,
                parts=[{"type": "text", "text": text}],
                text=text,
                status="complete",
                model="small" if role == "assistant" else "",
                usage={"inputTokens": 12, "outputTokens": 34, "reported": True} if role == "assistant" else None,
                created_at=NOW + timedelta(seconds=number),
            )
            message.save(force_insert=True)
            self.messages.append(message)
        self.runs.append(
            Run.objects.create(
                conversation=self.conversation,
                user=self.user,
                user_message_id=self.messages[-2].pk,
                message_id=self.messages[-1].pk,
                branch_id=self.messages[-2].pk,
                model="small",
                provider="scripted",
                status="complete",
                active=False,
                lease_expires_at=NOW,
                created_at=NOW,
                first_token_at=NOW + timedelta(seconds=0.25),
                finished_at=NOW + timedelta(seconds=2),
            )
        )


@pytest.fixture
def talk(db: None) -> Talk:
    return Talk("ada@example.com", "Tea")


@pytest.fixture
def other_talk(db: None) -> Talk:
    return Talk("bo@example.com", "Bread")
