"""Requests by class: every route that a language model answers is known, and no other."""

import json
import re
from typing import Any

import pytest
from django.urls import get_resolver

from eloquent.foundation.telemetry import metrics
from eloquent.foundation.telemetry.metric_names import Traffic
from eloquent.request_telemetry import traffic_of
from tests.people import Person
from tests.test_project import ROOT

ID = "6561f1d2c3b4a5968778695a"
PATHS: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text())["paths"]
# OpenAI's interface has no part in our document.
PROGRAMS = ["/v1/chat/completions", "/v1/embeddings"]


def streams(operations: dict[str, Any]) -> bool:
    answers = [answer for operation in operations.values() for answer in operation["responses"].values()]
    return any("text/event-stream" in answer.get("content", {}) for answer in answers)


@pytest.mark.parametrize("path", sorted(PATHS))
def test_a_route_is_a_language_models_where_its_answer_is_a_stream_of_events(path: str) -> None:
    expected = Traffic.LANGUAGE_MODEL if streams(PATHS[path]) else Traffic.OTHER
    assert traffic_of(re.sub(r"\{\w+\}", ID, path)) is expected


@pytest.mark.parametrize("path", PROGRAMS)
def test_programs_ask_language_models_too(path: str) -> None:
    get_resolver().resolve(path)
    assert traffic_of(path) is Traffic.LANGUAGE_MODEL


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_what_balancers_ask_is_a_class_of_its_own(path: str) -> None:
    get_resolver().resolve(path)
    assert traffic_of(path) is Traffic.HEALTH


@pytest.mark.parametrize("path", ["/", "/admin/", "/v1/models", f"/api/v1/conversations/{ID}/runs/", "/healthz/x"])
def test_everything_else_is_other(path: str) -> None:
    assert traffic_of(path) is Traffic.OTHER


async def test_a_request_is_counted_once_and_timed_where_no_model_is_waited_for(server: str) -> None:
    counter = metrics.requests[Traffic.OTHER, 2]
    metrics.request_duration.take()
    async with Person(server, "ann") as ann:
        before = counter.value
        metrics.request_duration.take()
        await ann.ok("GET", "/conversations")
        assert counter.value == before + 1
        assert [0 < after_ms < 20_000 for after_ms in metrics.request_duration.take()] == [True]
        await ann.http.get(f"{server}/healthz")
        assert metrics.request_duration.take() == []
        refused = metrics.requests[Traffic.OTHER, 4].value
        await ann.http.get("/runs/" + ID)
        assert metrics.requests[Traffic.OTHER, 4].value == refused + 1
