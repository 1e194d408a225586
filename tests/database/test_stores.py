"""The two roads agree about every stored type, and no query of a store reads or sorts more than it returns.

The stores are found by walking the project, so that a new one, or a new function or type in one, cannot be forgotten.
"""

import inspect
import pkgutil
from importlib import import_module
from types import ModuleType, NoneType
from typing import Any, get_args

import msgspec
import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.db import connection, models

from accounts.store import SocketTicket
from eloquent.foundation.database import database
from tests.commands import PLANNED, Plan, plans_of, recorded_commands
from tests.database.kept_world import kept_world
from tests.database.store_cases import CALLS, KINDS, World

pytestmark = pytest.mark.django_db

APPS = ("accounts", "chat", "inference")


def _stores() -> list[ModuleType]:
    names = [
        module.name
        for app in APPS
        for module in pkgutil.walk_packages(import_module(app).__path__, prefix=f"{app}.")
        if module.name.rpartition(".")[2] == "store"
    ]
    return [import_module(name) for name in names]


def _public_functions(store: ModuleType) -> set[str]:
    return {
        name
        for name, member in vars(store).items()
        if inspect.isfunction(member)
        and f"{member.__module__}.".startswith(f"{store.__name__}.")
        and not name.startswith("_")
    }


def _models() -> list[type[models.Model]]:
    """The models of the apps that have a store."""
    with_store = {store.__name__.partition(".")[0] for store in _stores()}
    return [model for app in sorted(with_store) for model in apps.get_app_config(app).get_models()]


def _type_of(model: type[models.Model]) -> type[msgspec.Struct]:
    store = import_module(f"{model._meta.app_label}.store")
    kind = getattr(store, model.__name__, None)
    assert kind is not None, f"{store.__name__} has no type {model.__name__}"
    return kind


def _bare(value: msgspec.Struct) -> msgspec.Struct:
    """The value with None wherever its type allows it."""
    optional = [field.name for field in msgspec.structs.fields(value) if NoneType in get_args(field.type)]
    return msgspec.structs.replace(value, **dict.fromkeys(optional))


def _values(kind: type[msgspec.Struct]) -> list[msgspec.Struct]:
    full = KINDS[kind].full(World())
    return [full, _bare(full)]


MODELS = _models()
STORES = _stores()


def test_the_walk_finds_the_stores():
    assert {"accounts.store", "chat.store", "inference.store"} <= {store.__name__ for store in STORES}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
async def test_what_a_store_writes_loads_as_a_valid_model(model):
    kind = _type_of(model)
    for value in _values(kind):
        await sync_to_async(model.objects.all().delete)()
        await KINDS[kind].write(value)

        document = await database()[model._meta.db_table].find_one({"_id": value.id})
        instance = await sync_to_async(model.objects.get)(pk=value.id)

        assert set(document) == {field.column for field in model._meta.concrete_fields}
        for field in model._meta.concrete_fields:
            assert getattr(instance, field.attname) == getattr(value, field.attname), field.name
        await sync_to_async(_check)(instance)


def _check(instance: models.Model) -> None:
    relations = [field.name for field in instance._meta.concrete_fields if field.is_relation]
    instance.full_clean(exclude=[*relations], validate_unique=False, validate_constraints=False)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
async def test_what_a_model_saves_a_store_reads_back_equal(model):
    kind = _type_of(model)
    for value in _values(kind):
        await sync_to_async(model.objects.all().delete)()
        fields = {field.attname: getattr(value, field.attname) for field in model._meta.concrete_fields}
        await sync_to_async(model.objects.create)(**fields)

        assert await KINDS[kind].read(value) == value


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
async def test_a_field_that_another_version_wrote_is_left_alone(model):
    kind = _type_of(model)
    value = KINDS[kind].full(World())
    await KINDS[kind].write(value)
    written = await KINDS[kind].read(value) if kind is not SocketTicket else value

    await database()[model._meta.db_table].update_one({"_id": value.id}, {"$set": {"of_tomorrow": 1}})

    assert await KINDS[kind].read(value) == written


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_stored_type_has_every_field_of_its_model(model):
    assert {field.name for field in msgspec.structs.fields(_type_of(model))} == {
        field.attname for field in model._meta.concrete_fields
    }


def test_every_public_function_of_a_store_has_a_case_and_every_case_a_function():
    assert {store: set(calls) for store, calls in CALLS.items()} == {
        store: _public_functions(store) for store in STORES
    }


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.__name__)
async def test_no_query_of_a_store_scans_sorts_in_memory_or_reads_too_much(store):
    faults: dict[str, list[str]] = {}
    async with kept_world() as kept:
        for name in sorted(_public_functions(store)):
            called, commands = await _called(store, name, kept.world)
            plans = await sync_to_async(_plans)(commands)
            await kept.put_back(commands)
            if found := _faults(called, len(CALLS[store][name]), commands, plans):
                faults[name] = found
    assert faults == {}


async def _called(store: ModuleType, name: str, world: World) -> tuple[int, list[Any]]:
    """How often the function was called by its cases, and what that sent to the database."""
    called = 0
    original = getattr(store, name)

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal called
        called += 1
        return original(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch, recorded_commands() as commands:
        patch.setattr(store, name, counted)
        for call in CALLS[store][name]:
            await call(world)
        return called, [*commands]


def _faults(called: int, cases: int, commands: list[Any], plans: list[Plan]) -> list[str]:
    # More, where a task of the server's own calls it at this moment.
    found = [] if called >= cases else ["a case calls another function than it says"]
    found += [] if commands else ["a case that sends nothing proves nothing"]
    found += [_said(plan) for plan in plans if _is_dear(plan)]
    return found + [f"no stages: {plan}" for plan in plans if not plan.stages]


def _plans(commands: list[Any]) -> list[Plan]:
    assert {command.name for command in commands} <= PLANNED | {"insert", "getMore"}
    return [plan for command in commands for plan in plans_of(command, connection.database)]


def _is_dear(plan: Plan) -> bool:
    return plan.scans or plan.sorts_in_memory or plan.reads_too_much


def _said(plan: Plan) -> str:
    reads = f"{plan.examined} read for {plan.returned}"
    return f"{plan.command.name} on {plan.command.collection}: {sorted(plan.stages)}, {reads}, {plan.command.body}"


GUARDED = {
    "conversation_list": ("conversations", "list_conversations"),
    "message_branch": ("messages", "branch_ending_at"),
    "message_siblings": ("messages", "children_of"),
    "run_lease": ("runs", "expired_runs"),
    "run_of_user": ("runs", "active_runs_of_user"),
}
"""Indexes, and a function of the store that would be dear without each."""


async def test_without_its_index_a_query_is_caught():
    store = next(store for store in STORES if store.__name__ == "chat.store")
    async with kept_world() as kept:
        for index, (collection, name) in GUARDED.items():
            indexes = {found["name"]: found async for found in await database()[collection].list_indexes()}
            options = {key: value for key, value in indexes[index].items() if key not in {"v", "key", "name"}}
            await database()[collection].drop_index(index)
            try:
                _, commands = await _called(store, name, kept.world)
                plans = await sync_to_async(_plans)(commands)
            finally:
                await database()[collection].create_index(list(indexes[index]["key"].items()), name=index, **options)
            assert any(_is_dear(plan) for plan in plans), index
            await kept.put_back(commands)
