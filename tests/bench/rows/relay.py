"""Row: what relaying an answer costs, by each provider: `inference.router.answer` alone, no product around it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tests.bench.charts import Bars, Series
from tests.bench.findings import Finding, Target, median, shown
from tests.bench.rounds import ClientError
from tests.bench.rows.scale import RowScale
from tests.bench.servers import PROJECT, running
from tests.bench.stage import Stage, say
from tests.fakes.model_server import Manner
from tests.fakes.wires import KINDS

NAME = "relay"
FIRST = "ollama"
BURST, PACED, SHORT = "burst", "paced", "one token"
WORTH_A_REASON: Final = 2.0
_SDK: Final = (
    "its SDK builds address, headers and body of each request anew (a third of the time under a profiler), and each "
    "answer makes a client of the SDK's (a sixth)"
)
REASONS: Final = {
    "openai": _SDK,
    "anthropic": _SDK,
    "bedrock": "AWS's package builds and checks each request (a third of the time, profiled) and signs it (a sixth)",
}
"""Why a provider may cost more than Ollama, as found by profiling answers of one token."""

_Times = dict[str, dict[str, list[float]]]


def measure(stage: Stage, scale: RowScale) -> Finding:
    """CPU of the relaying process alone, in rounds that alternate between the providers."""
    finding = Finding(NAME, "Relaying an answer, by provider")
    between_ms = round(1000 / scale.relay_tokens_per_s)
    plans = {
        BURST: (Manner(), scale.relay_answers, 1),
        PACED: (Manner(between_ms=between_ms), scale.relay_at_once, scale.relay_at_once),
        SHORT: (Manner(tokens=1), scale.relay_answers, 1),
    }
    times: _Times = {way: {kind: [] for kind in KINDS} for way in plans}
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    with (
        running("models", ["-m", "tests.fakes.model_server"], environment, stage.directory) as server,
        _relay(server.port, [manner.name for manner, _, _ in plans.values()]) as ask,
    ):
        for kind in KINDS:  # connections, caches and Bedrock's client are made before anything counts
            finding.errors += ask(kind, Manner(), 2, 1)["errors"]
        for number in range(scale.relay_rounds):
            for way, (manner, answers, at_once) in plans.items():
                for kind in KINDS:
                    said = ask(kind, manner, answers, at_once)
                    times[way][kind].append(said["cpu_ms"])
                    finding.errors += said["errors"]
            say(f"{NAME}: round {number + 1} of {scale.relay_rounds}")
    _tell(finding, scale, times)
    return finding


@contextmanager
def _relay(port: int, names: list[str]) -> Iterator[Any]:
    """The process that relays; what is yielded asks it to."""
    environment = os.environ | {
        "PYTHONPATH": str(PROJECT),
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    command = [sys.executable, "-m", "tests.bench.relaying", "--upstream", f"http://127.0.0.1:{port}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=PROJECT, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told, heard = process.stdin, process.stdout

        def said(line: str) -> str:
            told.write(line + "\n")
            told.flush()
            answered = heard.readline()
            if not answered:
                raise ClientError("The relay ended early.")
            return answered

        def ask(kind: str, manner: Manner, answers: int, at_once: int) -> Any:
            plan = {"kind": kind, "model": manner.name, "answers": answers, "at_once": at_once, "tokens": manner.tokens}
            return json.loads(said(json.dumps(plan)))

        try:
            said(json.dumps(names))
            yield ask
        finally:
            told.close()
            process.kill()


def _tell(finding: Finding, scale: RowScale, times: _Times) -> None:
    ratios = {
        way: {
            kind: median([ours / first for ours, first in zip(each[kind], each[FIRST], strict=True)]) for kind in KINDS
        }
        for way, each in times.items()
    }
    heads = ["CPU for one answer", *(name for way in times for name in (way, "to Ollama's")), "why more than twice"]
    lines = [heads]
    for kind in KINDS:
        figures = [
            shown(value, unit)
            for way in times
            for value, unit in ((median(times[way][kind]), "ms"), (ratios[way][kind], ""))
        ]
        dear = any(ratios[way][kind] > WORTH_A_REASON for way in times)
        lines.append([kind, *figures, REASONS.get(kind, "none is known") if dear else ""])
        finding.numbers[kind] = {
            way: {"cpu_ms": median(times[way][kind]), "ratio": ratios[way][kind], "rounds_ms": times[way][kind]}
            for way in times
        }
    finding.tables = [lines]
    dearest = {way: max(KINDS, key=lambda kind: ratios[way][kind]) for way in (BURST, PACED)}
    told = " and ".join(f"{ratios[way][kind]:.2f} times when {way} ({kind})" for way, kind in dearest.items())
    finding.sentence = f"Of all providers the dearest relay costs {told}, compared with Ollama's"
    finding.targets = [
        Target(f"the dearest relay, {way}: CPU, to Ollama's", ratios[way][kind], WORTH_A_REASON, "")
        for way, kind in dearest.items()
    ]
    finding.notes = [
        (
            f"One process that calls the router and reads, answers of 200 tokens, {scale.relay_rounds} rounds that "
            "alternate between the providers; only this process's CPU counts, not the server's. The ratio is the "
            "median of the rounds' ratios."
        ),
        (
            f"Burst is {scale.relay_answers} answers one after the other, each as fast as it can be written; paced is "
            f"{scale.relay_at_once} at once with {scale.relay_tokens_per_s:g} tokens a second each. An answer of one "
            "token is what it costs to ask."
        ),
        "Every text is compared, and so is the number of tokens that the server told.",
    ]
    finding.charts = [
        Bars(
            NAME,
            finding.sentence,
            "the relaying process alone, answers of 200 tokens",
            "ms of CPU for one answer",
            list(KINDS),
            [Series(way, [median(times[way][kind]) for kind in KINDS]) for way in (BURST, PACED)],
        )
    ]
