"""The register of personal data is whole: no model that names a person is missing, and no collection unlooked-at."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.core.management import call_command
from django.db import connection, models
from django.db.migrations.recorder import MigrationRecorder

from accounts.models import User
from eloquent.foundation.database import database
from eloquent.foundation.personal_data import (
    PersonalStore,
    Stage,
    Treatment,
    impersonal_collections,
    personal_stores,
)
from eloquent.foundation.personal_rows import of_model
from tests.accounts.personal_data.conftest import Someone
from tests.commands import Plan, plans_of, recorded_commands

# What a field is called that names a person, or tells something of one, whatever its type is.
PERSON = re.compile(
    r"(.*_)?(user|owner|actor|subject|staff|person|member|author|creator|sender|recipient|inviter|invitee|admin)(_id)?"
    r"|.*_by(_id)?|(.*_)?(e?mail|email_address|ip|ip_address|user_agent|phone)"
)
# Fields that are called so and name nobody.
NOT_PERSONS = {"accounts.Erasure.by_staff", "accounts.User.is_staff"}


def models_of_all_apps() -> list[type[models.Model]]:
    """Those of installed apps, with the tables of relations of many to many; and Django's own of migrations."""
    return [*apps.get_models(include_auto_created=True), MigrationRecorder.Migration]


def why_personal(model: type[models.Model], personal: set[str]) -> str | None:
    """The field that makes the model personal, if one does."""
    for field in model._meta.get_fields():
        if not getattr(field, "concrete", False) or field.many_to_many:
            continue
        related = field.related_model
        if isinstance(related, type) and (related is User or related._meta.label in personal):
            return field.name
        name = f"{model._meta.label}.{field.name}"
        if PERSON.fullmatch(field.name.lower()) and name not in NOT_PERSONS:
            return field.name
    return None


def personal_models() -> dict[str, str]:
    """Labels of models that hold personal data, and what says so: a field of theirs, or what hangs on such a one."""
    found = {User._meta.label: "email"}
    while True:
        more = {
            model._meta.label: why
            for model in models_of_all_apps()
            if model._meta.label not in found and (why := why_personal(model, set(found))) is not None
        }
        if not more:
            return found
        found |= more


def test_every_model_that_names_a_person_is_in_the_register() -> None:
    registered = {label for place in personal_stores() for label in place.models}
    missing = {label: field for label, field in personal_models().items() if label not in registered}
    assert not missing, (
        f"These name a person ({missing}) and are not in the register. Add a line to the `personal_data` of their app: "
        'of_model("app.Model", "name", "what it is, in words for the person", exports=("columns",)).'
    )
    assert {"accounts.Session", "chat.ImportChunk", "accounts.User_groups", "accounts.AuditEntry"} <= set(
        personal_models()
    )


def test_a_model_that_somebody_adds_is_found() -> None:
    class Invitation(models.Model):  # noqa: DJ008 - nobody prints it
        invited_by = models.CharField(max_length=24)

        class Meta:
            app_label = "chat"

    class Page(models.Model):  # noqa: DJ008 - as above
        invitation = models.ForeignKey(Invitation, on_delete=models.CASCADE)

        class Meta:
            app_label = "chat"

    try:
        assert personal_models() | {"chat.Invitation": "invited_by", "chat.Page": "invitation"} == personal_models()
    finally:
        for name in ("invitation", "page"):
            del apps.all_models["chat"][name]
        apps.clear_cache()


def test_every_registered_model_is_there() -> None:
    labels = [label for place in personal_stores() for label in place.models]
    assert [label for label in labels if not apps.get_model(label)] == []
    assert len(labels) == len(set(labels)), "a model is in one place"
    names = {place.name for place in personal_stores()}
    assert [place.name for place in personal_stores() if place.along_with and place.along_with not in names] == []
    assert [place.name for place in personal_stores() if place.stage is Stage.PERSON] == ["user"]


# What opens doors, whose rows they are, and what a machine counts.
NOT_SHOWN = {
    "accounts.Session": {"user_id", "refresh_hash", "previous_hash", "lineage_hash", "successor", "rotated_at"},
    "accounts.ApiKey": {"user_id", "hash"},
    "accounts.Passkey": {"user_id", "credential_id", "public_key", "sign_count"},
    "accounts.SecondFactor": {
        *("id", "user_id", "totp_secret", "totp_last_step", "pending_secret", "pending_until", "recovery_codes"),
        "guesses_version",
    },
    "accounts.EmailChange": {"user_id"},
    "accounts.ExternalIdentity": {"user_id"},
    "inference.Budget": {"user_id", "group_id", "shared"},
}


def test_every_column_of_what_is_exported_is_in_the_export_or_known_not_to_be() -> None:
    columns = {
        place.export.args[0]: set(place.export.args[3])
        for place in personal_stores()
        if isinstance(place.export, partial)
    }
    missing = {
        label: {field.attname for field in apps.get_model(label)._meta.concrete_fields} - shown
        for label, shown in columns.items()
    }
    assert missing == NOT_SHOWN


async def test_every_collection_is_looked_at_and_every_place_is_counted_and_erased_by_indexes(zora: Someone) -> None:
    await sync_to_async(call_command)("seed_demo", users=2, conversations=2, messages=4, verbosity=0)
    covered = {apps.get_model(label)._meta.db_table for place in personal_stores() for label in place.models}
    impersonal = impersonal_collections()
    unseen = {name for name in await database().list_collection_names() if not name.startswith("system.")}
    unseen -= covered | impersonal.keys()
    assert not unseen, f"Nobody has said whether {unseen} hold personal data: register a place, or that they do not."
    assert not covered & impersonal.keys()
    assert all(impersonal.values())

    for place in personal_stores():
        # What only staff have may be walked through, in the order of its keys.
        with recorded_commands() as commands:
            if place.count is not None:
                await place.count(zora.id)
            if place.erase is not None:
                await place.erase(zora.id)
        plans = await sync_to_async(_plans)(commands)
        assert [(plan.command.collection, sorted(plan.stages)) for plan in plans if plan.scans] == [], place.name


def _plans(commands: list[Any]) -> list[Plan]:
    return [plan for each in commands for plan in plans_of(each, connection.database)]


def questions_left_open() -> Iterator[dict[str, object]]:
    whole = {"name": "x", "what": "x", "treatment": Treatment.DELETE, "stage": Stage.USE, "not_exported": "x"}
    yield {**whole, "erase": None}
    yield {**whole, "along_with": "y", "not_exported": ""}
    yield {**whole, "treatment": Treatment.KEEP, "because": "x"}
    yield {**whole, "treatment": Treatment.KEEP, "kept_for": "x"}
    yield {**whole, "treatment": Treatment.ANONYMISE, "along_with": "y"}


@pytest.mark.parametrize("entry", list(questions_left_open()))
def test_an_entry_leaves_no_question_open(entry: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"^x: "):
        PersonalStore(**entry)  # type: ignore[arg-type]


def test_a_place_takes_a_line() -> None:
    place = of_model("accounts.Session", "sessions", "devices", exports=("label",))
    assert (place.treatment, place.stage, place.models) == (Treatment.DELETE, Stage.ACCESS, ("accounts.Session",))
    assert None not in (place.erase, place.count, place.export)
