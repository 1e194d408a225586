"""The soak's words and numbers."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.soak.vitals import MEBIBYTE, Life, Vitals

FAULTS_SHOWN = 30


def numbers(
    setup: dict[str, Any], events: Counter[str], ends: Counter[str], vitals: Vitals, faults: list[str]
) -> dict[str, Any]:
    """Everything, for machines."""
    lives = [
        {
            "name": life.name,
            "pid": life.pid,
            "mib": [(at, round(size / MEBIBYTE, 1)) for at, size in life.samples],
            "slope_mib_per_minute": None if (slope := life.slope()) is None else round(slope, 3),
        }
        for life in vitals.lives
    ]
    redis = [(at, round(used / MEBIBYTE, 2), keys) for at, used, keys in vitals.redis]
    return {
        "setup": setup,
        "ends": dict(ends),
        "events": dict(events),
        "lives": lives,
        "redis_mib_and_keys": redis,
        "faults": faults,
    }


def text(setup: dict[str, Any], events: Counter[str], ends: Counter[str], vitals: Vitals, faults: list[str]) -> str:
    """Everything that a reader wants to know first."""
    lines = ["Soak: " + ", ".join(f"{name} {value}" for name, value in setup.items()), ""]
    lines += [f"  {count:>7,}  answers {status}" for status, count in sorted(ends.items())]
    lines += [f"  {count:>7,}  {what}" for what, count in sorted(events.items()) if count]
    lines += ["", "Memory, MiB (first, largest, last; slope when it lived for long enough)"]
    lines += [_life(life) for life in vitals.lives if len(life.samples) > 1]
    if vitals.redis:
        largest = max(used for _, used, _ in vitals.redis) / MEBIBYTE
        most_keys = max(keys for _, _, keys in vitals.redis)
        _, used, keys = vitals.redis[-1]
        lines.append(
            f"  data in Redis: at most {largest:.1f} MiB in {most_keys:,} keys, "
            f"at the end {used / MEBIBYTE:.1f} MiB in {keys:,} keys, each of which expires"
        )
    lines += ["", f"{len(faults)} faults" + (":" if faults else ".")]
    lines += [f"  {fault}" for fault in faults[:FAULTS_SHOWN]]
    return "\n".join(lines)


def _life(life: Life) -> str:
    sizes = [size / MEBIBYTE for _, size in life.samples]
    slope = life.slope()
    told = f"{life.name} ({life.pid}), {life.samples[-1][0] - life.samples[0][0]:.0f} s"
    trend = "" if slope is None else f", {slope:+.2f} a minute once settled"
    return f"  {told}: {sizes[0]:.0f}, {max(sizes):.0f}, {sizes[-1]:.0f}{trend}"


def write(directory: Path, told: str, found: dict[str, Any]) -> None:
    """Both forms, side by side."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "soak.txt").write_text(told + "\n", encoding="utf-8")
    (directory / "soak.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
