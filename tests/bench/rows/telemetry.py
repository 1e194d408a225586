"""Row: what traces, metrics and reports cost the server, all of them on, beside the same server with all of them off.

A collector takes the traces, and reads them.
"""

from contextlib import ExitStack

from eloquent.foundation.telemetry.exporting import SENT_EVERY_MS
from tests.bench.findings import Finding
from tests.bench.rows.in_turns import LOWEST, OFF, ON, compare, running_side
from tests.bench.rows.scale import RowScale
from tests.bench.servers import running
from tests.bench.stage import Stage

NAME = "telemetry"
TARGET_RATIO = 1.10


def measure(stage: Stage, scale: RowScale) -> Finding:
    """In turns, and compare."""
    finding = Finding(NAME, "What traces, metrics and reports cost, all on against all off")
    with ExitStack() as stack:
        collector = stack.enter_context(
            running("collector", ["-m", "tests.fakes.collector"], stage.environment, stage.directory)
        )
        on = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "METRICS_FORMAT": "emf",
            "SENTRY_DSN": f"http://key@127.0.0.1:{collector.port}/1",
        }
        sides = {
            name: stack.enter_context(running_side(stage, scale, NAME, name, more=more))
            for name, more in ((OFF, {}), (ON, on))
        }
        what = "traces, metrics and reports"
        compare(finding, stage, scale, sides, what=what, target=TARGET_RATIO, settle_s=SENT_EVERY_MS / 1000 + 1)
    finding.notes = [
        "One answer in five is traced, and one in twenty of the lists: the settings that hold unless others are set.",
        LOWEST,
    ]
    return finding
