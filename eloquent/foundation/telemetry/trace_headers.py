"""What a request's headers say of the trace that it belongs to: W3C's `traceparent`, Amazon's `X-Amzn-Trace-Id`. Pure.

https://www.w3.org/TR/trace-context/#traceparent-header
https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader

A load balancer of Amazon's names a trace (`Root`), and neither a parent nor a decision. OpenTelemetry's own reader of
that header takes such a trace for none; here it is the request's, so that the balancer's log names it as ours does.
"""

import re
from typing import Final, NamedTuple

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?").fullmatch
_ROOT: Final = re.compile(r"1-([0-9a-f]{8})-([0-9a-f]{24})", re.IGNORECASE).fullmatch
_PARENT: Final = re.compile(r"[0-9a-f]{16}", re.IGNORECASE).fullmatch
_DECISIONS: Final = {"0": False, "1": True}
# What is longer was not written by anybody whom we know.
_LONGEST: Final = 512


class RemoteParent(NamedTuple):
    """Where a request stands in somebody else's trace. `span_id` is 0 and `sampled` None where nobody said so."""

    trace_id: int
    span_id: int = 0
    sampled: bool | None = None


def remote_parent(traceparent: str | None, amazon: str | None) -> RemoteParent | None:
    """What the headers say, W3C's first; None when they say nothing that can be understood."""
    if traceparent is not None and (found := _of_w3c(traceparent)) is not None:
        return found
    return None if amazon is None else _of_amazon(amazon)


def _of_w3c(header: str) -> RemoteParent | None:
    found = _TRACEPARENT(header) if len(header) <= _LONGEST else None
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    parent = RemoteParent(int(trace_id, 16), int(span_id, 16), bool(int(flags, 16) & 1))
    return parent if parent.trace_id and parent.span_id else None


def _of_amazon(header: str) -> RemoteParent | None:
    if len(header) > _LONGEST:
        return None
    said = dict(part.strip().split("=", 1) for part in header.split(";") if "=" in part)
    root = _ROOT(said.get("Root", ""))
    if root is None or not (trace_id := int(root[1] + root[2], 16)):
        return None
    parent = said.get("Parent", "")
    return RemoteParent(trace_id, int(parent, 16) if _PARENT(parent) else 0, _DECISIONS.get(said.get("Sampled", "")))
