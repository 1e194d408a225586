"""Is the process alive, and is it ready: what load balancers and deployments ask."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any, Final

import structlog
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse

from eloquent.foundation.database import database, ping_database
from eloquent.foundation.lifecycle import is_draining
from eloquent.foundation.redis import redis_client
from eloquent.foundation.replies import json_reply

CHECK_TIMEOUT_S: Final = 2.0

log = structlog.get_logger(__name__)


class NotReady(Exception):
    """Why this process should get no requests; the sentence is shown to anybody and names nothing of the inside."""


class _Migrations:
    # True once seen: a process never goes back behind the migrations it was started with.
    applied = False


async def healthz(_request: HttpRequest) -> HttpResponse:
    """200 as long as the event loop turns. Asks nobody else: a database that is away is no reason to be killed."""
    return _answer(200, [])


async def readyz(_request: HttpRequest) -> HttpResponse:
    """200 when a request would succeed, 503 otherwise: `{status, checks: [{name, ok, ms, detail?}]}`."""
    checks: dict[str, Callable[[], Awaitable[None]]] = {
        "accepting": _accepting,
        "mongodb": ping_database,
        "migrations": _migrations_applied,
    }
    if redis_client() is not None:
        checks["redis"] = _redis_answers
    results = await asyncio.gather(*(_checked(name, check) for name, check in checks.items()))
    return _answer(200 if all(result["ok"] for result in results) else 503, results)


async def _checked(name: str, check: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    started = perf_counter()
    detail = None
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await check()
    except NotReady as reason:
        detail = str(reason)
    except TimeoutError:
        detail = f"No answer within {CHECK_TIMEOUT_S:g} s."
    except Exception as error:
        # A driver's message has addresses in it: for the log only.
        log.warning("a readiness check failed", check=name, exc_info=error)
        detail = f"Failed: {type(error).__name__}."
    result: dict[str, Any] = {"name": name, "ok": detail is None, "ms": round((perf_counter() - started) * 1000, 2)}
    if detail is not None:
        result["detail"] = detail
    return result


async def _accepting() -> None:
    if is_draining():
        raise NotReady("This process is shutting down.")


async def _redis_answers() -> None:
    redis = redis_client()
    if redis is not None:
        await redis.ping()


async def _migrations_applied() -> None:
    if _Migrations.applied:
        return
    # Reads every migration module: off the event loop, and again only until it has said yes.
    wanted = set(await asyncio.to_thread(_newest_migrations))
    names = {"app": {"$in": sorted({app for app, _ in wanted})}}
    found = database()["django_migrations"].find(names, {"app": 1, "name": 1})
    applied = {(document["app"], document["name"]) async for document in found}
    if missing := sorted(wanted - applied):
        # Which, is for the log: their names tell strangers what there is, and which version serves.
        log.warning("migrations are not applied", missing=[".".join(migration) for migration in missing])
        raise NotReady("Not all are applied: `manage.py migrate`.")
    _Migrations.applied = True


def _newest_migrations() -> list[tuple[str, str]]:
    """The last migration of each app, as on disk; no database is asked."""
    return list(MigrationLoader(None).graph.leaf_nodes())


def _answer(status: int, checks: list[dict[str, Any]]) -> HttpResponse:
    return json_reply({"status": "ok" if status == 200 else "unavailable", "checks": checks}, status=status)  # noqa: PLR2004
