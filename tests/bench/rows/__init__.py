"""The measures beside the comparison, by name, in the order of a full run."""

from collections.abc import Callable

from tests.bench.findings import Finding
from tests.bench.rows import (
    first_token,
    idle_sockets,
    journal,
    lists,
    memory,
    readers,
    relay,
    resume_stop,
    search,
    sign_in,
    streams,
    telemetry,
    tls,
)
from tests.bench.rows.scale import RowScale
from tests.bench.stage import Stage

ROWS: dict[str, Callable[[Stage, RowScale], Finding]] = {
    row.NAME: row.measure
    for row in (
        first_token,
        streams,
        resume_stop,
        idle_sockets,
        memory,
        readers,
        journal,
        relay,
        lists,
        search,
        sign_in,
        telemetry,
        tls,
    )
}
