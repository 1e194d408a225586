"""With nothing set, nothing is there: no package, no thread, no look at commands."""

import subprocess
import sys

from tests.strict import strict_settings
from tests.test_project import ROOT

CODE = """
import asyncio, json, sys, threading
import eloquent.asgi
from pymongo.asynchronous import pool
from eloquent.foundation.config import get_config
from eloquent.foundation.database import database
from eloquent.foundation.redis import redis_client
from eloquent.foundation.telemetry.switchboard import close_telemetry, open_telemetry

async def main():
    before = threading.active_count()
    closers = open_telemetry(get_config())
    print(json.dumps({
        "loaded": sorted(name for name in sys.modules if name.startswith(PACKAGES)),
        "threads": threading.active_count() - before,
        "commands": (database().client, pool.async_sendall.__module__.rpartition(".")[2])[1],
        "redis": type(redis_client()).__name__,
    }))
    await close_telemetry(closers)

asyncio.run(main())
"""
# What redis-py takes of OpenTelemetry when it is there, its metrics, is not ours to say.
PACKAGES = ("sentry_sdk", "opentelemetry.sdk.trace", "opentelemetry.exporter", "opentelemetry.proto", "google.protobuf")
SETTINGS = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "METRICS_FORMAT": "emf",
    "SENTRY_DSN": "http://key@127.0.0.1:9/1",
}


def told(tmp_path, **settings: str) -> dict:
    import json

    environment = strict_settings(tmp_path, ELOQUENT_ENV="prod", REDIS_URL="redis://127.0.0.1:9", **settings)
    command = [sys.executable, "-c", f"PACKAGES = {PACKAGES!r}\n{CODE}"]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    return json.loads(next(line for line in said.splitlines() if line.startswith('{"loaded"')))


def test_nothing_is_loaded_started_or_looked_at(tmp_path) -> None:
    assert told(tmp_path) == {"loaded": [], "threads": 0, "commands": "driver", "redis": "Redis"}


def test_each_setting_brings_what_it_needs(tmp_path) -> None:
    on = told(tmp_path, **SETTINGS)
    assert {name.partition(".")[0] for name in on["loaded"]} == {"sentry_sdk", "opentelemetry", "google"}
    assert on["threads"] >= 2
    assert (on["commands"], on["redis"]) == ("database_spans", "TracedRedis")
