"""Our engine and the original answer every query alike; only the way there differs."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from bson import ObjectId
from django.db.models import Avg, CharField, Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Concat, Lower

from accounts.models import Session, User
from chat.models import Conversation, Message
from tests.database.conftest import OURS, STOCK

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def rows(stock: str) -> None:
    """Few values over many rows, so that every order has ties and every filter some hits; nulls and blanks too."""
    users = [
        User(email=f"user{number:02}@example.com", name=("", "Ada", "Bo")[number % 3], is_staff=number % 4 == 0)
        for number in range(12)
    ]
    User.objects.bulk_create(users)
    conversations = [
        Conversation(
            user=users[number % 12],
            title=("", "Tea", "tea and cake", "100% (sure)")[number % 4],
            model=("small", "large")[number % 2],
            pinned=number % 5 == 0,
            archived=number % 3 == 0,
            leaf_id=ObjectId() if number % 2 else None,
            message_count=number % 7,
            created_at=NOW - timedelta(days=number % 6),
            updated_at=NOW - timedelta(hours=number % 9),
        )
        for number in range(40)
    ]
    Conversation.objects.bulk_create(conversations)
    Message.objects.bulk_create(
        Message(
            conversation=conversations[number % 40],
            user=conversations[number % 40].user,
            role=("user", "assistant")[number % 2],
            parts=[{"type": "text", "text": f"word {number % 8}"}],
            text=f"word {number % 8}",
            status=("complete", "failed", "stopped")[number % 3],
            usage=None if number % 4 else {"input_tokens": number, "nested": {"a": [number % 3]}},
            position=number % 5,
            created_at=NOW - timedelta(minutes=number % 11),
        )
        for number in range(120)
    )
    Session.objects.bulk_create(
        Session(
            user=users[number % 12],
            refresh_hash=f"{number:x}",
            lineage_hash="x",
            created_at=NOW - timedelta(days=number % 4),
            expires_at=datetime(2126, 1, 1, tzinfo=UTC),
            revoked_at=NOW if number % 3 == 0 else None,
        )
        for number in range(30)
    )


FILTERS: dict[str, Callable[[], Q]] = {
    "all": Q,
    "equal": lambda: Q(model="small"),
    "two": lambda: Q(model="small", archived=False),
    "or": lambda: Q(pinned=True) | Q(title="Tea"),
    "not": lambda: ~Q(title="Tea"),
    "not null": lambda: Q(leaf_id__isnull=False),
    "null": lambda: Q(leaf_id=None),
    "in": lambda: Q(message_count__in=[1, 2, 6]),
    "in nothing": lambda: Q(message_count__in=[]),
    "range": lambda: Q(updated_at__range=(NOW - timedelta(hours=5), NOW - timedelta(hours=1))),
    "less": lambda: Q(message_count__lt=3),
    "icontains": lambda: Q(title__icontains="TEA"),
    "special characters": lambda: Q(title__contains="% ("),
    "date": lambda: Q(created_at__date=NOW.date()),
    "column": lambda: Q(message_count__gt=F("message_count") - 1),
    "joined": lambda: Q(user__email__in=["user01@example.com", "user04@example.com"]),
    "joined not": lambda: ~Q(user__is_staff=True),
}
ORDERS: dict[str, tuple[Any, ...]] = {
    "newest": ("-updated_at", "-id"),
    "three": ("archived", "-pinned", "title", "id"),
    "reversed ties": ("message_count", "-id"),
    "nulls last": (F("leaf_id").asc(nulls_last=True), "id"),
    "expression": (Lower("title"), "id"),
    "joined": ("user__email", "id"),
}
SHAPES: dict[str, Callable[[QuerySet], Any]] = {
    "instances": lambda rows: [_fields(row) for row in rows],
    "slice": lambda rows: [_fields(row) for row in rows[3:11]],
    "values": lambda rows: list(rows.values("id", "title", "updated_at")[:9]),
    "values without the order": lambda rows: list(rows.values_list("title", "user_id")),
    "flat": lambda rows: list(rows.values_list("pk", flat=True)),
    "joined values": lambda rows: list(rows.values("id", "user__email", "user__name")),
    "related": lambda rows: [(row.pk, row.user.email) for row in rows.select_related("user")],
    "prefetched": lambda rows: [(row.pk, row.user.email) for row in rows.prefetch_related("user")],
    "only": lambda rows: [(row.pk, row.title, row.model) for row in rows.only("title")[:5]],
    "annotated": lambda rows: list(rows.annotate(twice=F("message_count") * 2).values_list("pk", "twice")),
    "ends": lambda rows: [_fields(row) for row in (rows.first(), rows.last()) if row],
    "reverse": lambda rows: list(rows.reverse().values_list("pk", flat=True)),
    "count": lambda rows: (rows.count(), rows.exists(), len(rows[:7])),
}


def _fields(row: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(row).items() if name != "_state"}


@pytest.mark.parametrize("order", ORDERS)
def test_filtered_and_ordered_queries_answer_alike(rows, order) -> None:
    for (filter_name, condition), (shape_name, shape) in product(FILTERS.items(), SHAPES.items()):
        ours, original = (
            shape(Conversation.objects.using(alias).filter(condition()).order_by(*ORDERS[order]))
            for alias in (OURS, STOCK)
        )
        assert ours == original, f"{filter_name}, {shape_name}"


def _groups(alias: str) -> Any:
    return sorted(
        Conversation.objects.using(alias)
        .values("model", "archived")
        .annotate(many=Count("id"), most=Max("message_count"), mean=Avg("message_count"))
        .values_list("model", "archived", "many", "most", "mean")
    )


OTHERS: dict[str, Callable[[str], Any]] = {
    "groups": _groups,
    "groups, ordered": lambda alias: list(
        Message.objects.using(alias).values("status").annotate(many=Count("id")).order_by("-many", "status")
    ),
    "having": lambda alias: sorted(
        Message.objects.using(alias)
        .values("text")
        .annotate(many=Count("id"))
        .filter(many__gt=10)
        .values_list("text", "many")
    ),
    "aggregate": lambda alias: Conversation.objects.using(alias).aggregate(
        Sum("message_count"), many=Count("id", filter=Q(pinned=True)), kinds=Count("model", distinct=True)
    ),
    "aggregate of a slice": lambda alias: (
        Conversation.objects.using(alias).order_by("-message_count", "id")[:10].aggregate(Sum("message_count"))
    ),
    "distinct": lambda alias: sorted(Conversation.objects.using(alias).values_list("title", "model").distinct()),
    "distinct, ordered": lambda alias: list(
        Conversation.objects.using(alias).values_list("title", flat=True).distinct().order_by("-title")
    ),
    "distinct over a join": lambda alias: sorted(
        User.objects.using(alias).filter(conversations__pinned=True).distinct().values_list("email", flat=True)
    ),
    "union": lambda alias: sorted(
        Conversation.objects.using(alias)
        .filter(pinned=True)
        .values_list("pk", "title")
        .union(Conversation.objects.using(alias).filter(archived=True).values_list("pk", "title"))
    ),
    "union, ordered": lambda alias: list(
        Conversation.objects.using(alias)
        .filter(pinned=True)
        .values_list("pk", flat=True)
        .union(Conversation.objects.using(alias).filter(archived=True).values_list("pk", flat=True))
        .order_by("-pk")
    ),
    "in a query": lambda alias: list(
        Message.objects.using(alias)
        .filter(conversation__in=Conversation.objects.using(alias).filter(pinned=True))
        .order_by("id")
        .values_list("pk", flat=True)
    ),
    "in a sliced query": lambda alias: list(
        Message.objects.using(alias)
        .filter(conversation__in=Conversation.objects.using(alias).order_by("-updated_at", "-id").values("pk")[:3])
        .order_by("id")
        .values_list("pk", flat=True)
    ),
    "exists": lambda alias: list(
        User.objects.using(alias)
        .filter(Exists(Conversation.objects.using(alias).filter(user=OuterRef("pk"), pinned=True)))
        .order_by("email")
        .values_list("email", flat=True)
    ),
    "subquery": lambda alias: list(
        User.objects.using(alias)
        .annotate(
            newest=Subquery(
                Conversation.objects.using(alias)
                .filter(user=OuterRef("pk"))
                .order_by("-updated_at", "-id")
                .values("title")[:1]
            )
        )
        .order_by("email")
        .values_list("email", "newest")
    ),
    "count over a relation": lambda alias: list(
        User.objects.using(alias)
        .annotate(many=Count("conversations"))
        .order_by("-many", "email")
        .values_list("email", "many")
    ),
    "expressions": lambda alias: list(
        User.objects.using(alias)
        .annotate(shown=Concat("name", Value(" <"), "email", Value(">"), output_field=CharField()))
        .order_by("shown")
        .values_list("shown", flat=True)
    ),
    "json": lambda alias: list(
        Message.objects.using(alias)
        .filter(usage__input_tokens__gt=40)
        .order_by("usage__input_tokens")
        .values("pk", "usage", "parts")
    ),
    "random access": lambda alias: [
        Conversation.objects.using(alias).order_by("-updated_at", "-id")[index].pk for index in (0, 1, 7, 39)
    ],
    "get": lambda alias: User.objects.using(alias).get(email="user03@example.com").pk,
    "latest": lambda alias: Message.objects.using(alias).latest("created_at", "id").pk,
    "in bulk": lambda alias: sorted(User.objects.using(alias).in_bulk()),
    "iterator": lambda alias: [
        row.pk for row in Message.objects.using(alias).order_by("-created_at", "id").iterator(7)
    ],
    "dates": lambda alias: list(Conversation.objects.using(alias).datetimes("created_at", "day", order="DESC")),
    "backwards": lambda alias: [
        (user.email, [session.pk for session in user.sessions.all()])
        for user in User.objects.using(alias).order_by("email").prefetch_related("sessions")
    ],
    "prefetch of a prefetch": lambda alias: [
        message.conversation.user.email
        for message in Message.objects.using(alias).order_by("id").prefetch_related("conversation__user")
    ],
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_queries_answer_alike(rows, name) -> None:
    answer = OTHERS[name](OURS)

    assert answer == OTHERS[name](STOCK)
    assert answer, "a query without an answer compares nothing"


def test_updates_and_deletes_reach_the_same_rows(rows) -> None:
    assert Conversation.objects.filter(pinned=True).update(title="kept") == 8
    assert Conversation.objects.using(STOCK).filter(title="kept").count() == 8
    assert Message.objects.filter(Q(text="word 1") | Q(status="failed")).delete()[0] == 50
    assert Message.objects.using(STOCK).count() == 70
