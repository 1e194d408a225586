"""Row: what TLS costs the server on both of its sides, towards the load balancer and towards the language model.

Clients and model speak none: bridges do, in processes of their own.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial

from eloquent.foundation.certificates import self_signed
from tests.bench.findings import Finding
from tests.bench.product import OWN_SERVER
from tests.bench.rows.in_turns import LOWEST, OFF, ON, compare, running_side
from tests.bench.rows.scale import RowScale
from tests.bench.servers import Server, running
from tests.bench.stage import Stage

NAME = "tls"
TARGET_RATIO = 1.25
BRIDGE = ("-m", "tests.bench.bridge")


def measure(stage: Stage, scale: RowScale) -> Finding:
    """In turns, and compare."""
    finding = Finding(NAME, "What TLS costs on the way in and on the way to the language model")
    with ExitStack() as stack:
        identity = self_signed("localhost", lasts=timedelta(days=1))
        kept = stage.directory / "model.pem"
        kept.write_text(identity.key + identity.certificate)
        arguments = [*BRIDGE, "--to", str(stage.upstream.port), "--accepts-tls", str(kept)]
        model = stack.enter_context(running("model", arguments, stage.environment, stage.directory))
        on = {"OLLAMA_HOST": f"https://localhost:{model.port}", "MODEL_CA": identity.certificate}
        spoken = {"more": on, "command": (*OWN_SERVER, "--tls"), "through": partial(_bridged, stage)}
        sides = {
            name: stack.enter_context(running_side(stage, scale, NAME, name, **how))
            for name, how in ((OFF, {"command": OWN_SERVER}), (ON, spoken))
        }
        compare(finding, stage, scale, sides, what="TLS", target=TARGET_RATIO)
    finding.notes = ["Connections are kept, as a load balancer keeps them: a handshake is no part of it.", LOWEST]
    return finding


@contextmanager
def _bridged(stage: Stage, server: Server) -> Iterator[Server]:
    arguments = [*BRIDGE, "--to", str(server.port), "--asks-tls"]
    with running("balancer", arguments, stage.environment, stage.directory) as bridge:
        yield replace(server, port=bridge.port)
