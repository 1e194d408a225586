"""Who waits how long for whom: the order of the numbers, and that they are the ones in force."""

import asyncio
import signal

import pytest
import uvicorn

from chat import openai_api
from chat.journal import log
from eloquent import lifespan
from eloquent.foundation import lifecycle
from eloquent.foundation import timeout_chain as chain
from eloquent.foundation.telemetry import crash_reports, emission
from eloquent.foundation.timeout_chain import (
    CDN_KEEP_ALIVE_S,
    CDN_READ_S,
    CLOSING_S,
    DEREGISTRATION_S,
    DRAIN_S,
    HEARTBEAT_S,
    LAST_CHUNKS_S,
    LAST_SPANS_S,
    LEAVING_S,
    LOAD_BALANCER_IDLE_S,
    SAVING_S,
    SERVER_CLOSING_S,
    SERVER_KEEP_ALIVE_S,
    SOCKET_PING_S,
    STOP_TIMEOUT_S,
)
from eloquent.serving import web_server


def test_a_silent_stream_says_that_it_is_alive_before_anybody_gives_up():
    assert 2 * max(HEARTBEAT_S, SOCKET_PING_S) < LOAD_BALANCER_IDLE_S < CDN_READ_S


def test_nobody_sends_on_a_connection_that_the_next_one_is_closing():
    assert CDN_KEEP_ALIVE_S < LOAD_BALANCER_IDLE_S < SERVER_KEEP_ALIVE_S


def test_a_server_that_leaves_is_done_before_it_is_killed():
    steps = (DRAIN_S, SAVING_S, LAST_CHUNKS_S, SERVER_CLOSING_S, CLOSING_S, LAST_SPANS_S)
    assert sum(steps) == LEAVING_S < STOP_TIMEOUT_S < DEREGISTRATION_S


def test_metrics_and_reports_are_out_before_traces_are_given_up():
    assert max(crash_reports.LAST_REPORTS_S, emission.ENDED_WITHIN_S) < LAST_SPANS_S


class Watched:
    """`asyncio` as one module sees it: notes what it waits for, and does not sleep."""

    def __init__(self):
        self.waits = []

    def __getattr__(self, name):
        return getattr(asyncio, name)

    def timeout(self, delay):
        self.waits.append(delay)
        return asyncio.timeout(delay)

    async def sleep(self, delay):
        self.waits.append(delay)


async def test_a_server_that_leaves_waits_as_long_as_the_chain_says(monkeypatch):
    draining, watched = [], Watched()

    async def drain(within_s):
        draining.append(within_s)

    async def closed():
        return None

    for each in (lifespan.work, lifespan.completions):
        monkeypatch.setattr(each, "drain", drain)
    monkeypatch.setattr(lifespan, "_close_all", closed)
    monkeypatch.setattr(lifespan, "asyncio", watched)
    leaving = lifespan.Lifespan(end_streams=lambda: 0)
    leaving._replaced[signal.SIGTERM] = lambda _number, _frame: None
    leaving._leave(signal.SIGTERM, None)
    try:
        await leaving._close()
    finally:
        lifecycle.open_for_work()
    assert draining == [DRAIN_S, DRAIN_S]
    assert watched.waits == [DRAIN_S + SAVING_S, LAST_CHUNKS_S, CLOSING_S]


def test_the_platforms_own_bounds_are_kept():
    assert CDN_READ_S <= 120
    assert STOP_TIMEOUT_S <= 120
    assert LOAD_BALANCER_IDLE_S <= 4000
    assert DEREGISTRATION_S <= 3600


def test_the_numbers_are_the_ones_in_force(monkeypatch):
    assert log.HEARTBEAT_S is openai_api.HEARTBEAT_S is chain.HEARTBEAT_S
    told = {}

    class Told(Exception):
        pass

    def config(_app, **options):
        told.update(options)
        raise Told

    monkeypatch.setattr(uvicorn, "Config", config)
    monkeypatch.setattr("sys.argv", ["web_server", "--host", "127.0.0.1", "--port", "1"])
    with pytest.raises(Told):
        web_server.main()
    assert told["ws_ping_interval"] == SOCKET_PING_S
    assert told["timeout_graceful_shutdown"] == SERVER_CLOSING_S
