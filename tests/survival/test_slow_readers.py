"""A reader that takes nothing is cut off at a bound, costs nobody else anything, and may come back."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psutil
import pytest_asyncio

from tests.people import Person
from tests.survival.stage import Stage, until

CUT_AFTER_S = 2
# Far more than all buffers between the worker and a reader hold, and below the longest answer.
LONG = {"tokens": 800, "size": 380}


@pytest_asyncio.fixture
async def impatient(stage: Stage, ann: Person) -> AsyncIterator[Person]:
    """Ann's tab at a worker that waits for a slow reader for two seconds, instead of thirty."""
    worker = stage.new_worker({"SEND_TIMEOUT_S": CUT_AFTER_S})
    await worker.begin()
    try:
        async with ann.at(worker.address) as tab:
            yield tab
    finally:
        await worker.die()


@contextmanager
def narrow_connection(server: str) -> Iterator[socket.socket]:
    """A connection whose system holds a few kilobytes that nobody reads, and no more."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", int(server.rpartition(":")[2])))
        yield connection


async def is_held(server: str, connection: socket.socket) -> bool:
    """Whether the server still has the connection. Its end shows only to a reader who has read all that came before."""
    here, there = connection.getsockname(), int(server.rpartition(":")[2])
    pids = [
        one.pid for one in psutil.net_connections("tcp4") if one.laddr == ("127.0.0.1", there) and one.raddr == here
    ]
    return any(pids)


async def until_cut(server: str, connection: socket.socket) -> None:
    async def is_cut() -> bool:
        return not await is_held(server, connection)

    await until(is_cut)


async def test_a_reader_that_takes_nothing_is_cut_off_and_resumes(stage: Stage, impatient: Person) -> None:
    tale = stage.tale(**LONG, waits=(10,))
    run = await impatient.ask(await impatient.conversation(), tale.question)
    slow, quick = stage.reader(impatient, run), stage.reader(impatient, run)
    await slow.read(leave_after=4)
    with narrow_connection(impatient.server) as connection:
        head = f"GET /api/v1/runs/{run['id']}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nLast-Event-ID: {slow.position}\r\n"
        head += f"Authorization: {impatient.http.headers['Authorization']}\r\n\r\n"
        connection.sendall(head.encode())
        stage.model.go_on(tale)
        await quick.read()
        assert (quick.stream.text == tale.text(), quick.connections) == (True, 1)
        assert (await stage.answer_of(run))["status"] == "complete"
        await until_cut(impatient.server, connection)
    await slow.read()
    assert (slow.stream.text == tale.text(), slow.begun_anew) == (True, 0)


async def test_a_socket_that_takes_nothing_is_cut_off_and_another_one_resumes(stage: Stage, impatient: Person) -> None:
    tale = stage.tale(**LONG, waits=(10, 799))
    conversation = await impatient.conversation()
    run = await impatient.ask(conversation, tale.question)
    with narrow_connection(impatient.server) as connection:
        async with impatient.socket(sock=connection, max_queue=1) as slow:
            for number in range(6):  # one answer alone would fit into the system's buffers
                await slow.send(type="resume", requestId=f"slow-{number}", id=conversation)
            stage.model.go_on_from(tale, 10)
            quick = stage.reader(impatient, run)
            async with asyncio.TaskGroup() as tabs:
                tabs.create_task(quick.read())
                await quick.until_shown(tale.text(799))
                await until_cut(impatient.server, connection)
                async with impatient.socket() as again:
                    await again.send(type="resume", requestId="again", id=conversation)
                    assert await again.frame() == {"type": "start", "requestId": "again"}
                    stage.model.go_on(tale)
                    assert (await again.read("again")).text == tale.text()
    assert quick.stream.text == tale.text()


async def test_a_slow_reader_slows_neither_the_run_nor_others(stage: Stage, here: Person, there: Person) -> None:
    """Here the bound is thirty seconds: whoever waited for the slow one would not be done by then."""
    tale = stage.tale(**LONG, waits=(10,))
    run = await here.ask(await here.conversation(), tale.question)
    with narrow_connection(here.server) as first, narrow_connection(there.server) as second:
        for connection in (first, second):
            head = f"GET /api/v1/runs/{run['id']}/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            connection.sendall(f"{head}Authorization: {here.http.headers['Authorization']}\r\n\r\n".encode())
        stage.model.go_on(tale)
        async with asyncio.timeout(20):
            for tab in (here, there):
                reader = stage.reader(tab, run)
                await reader.read()
                assert reader.stream.text == tale.text()
        # The slow ones are there all the while.
        assert await is_held(here.server, first)
        assert await is_held(there.server, second)
