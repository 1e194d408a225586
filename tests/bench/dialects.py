"""How each server says an answer, and how a reader knows that it is whole and right."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson


class WrongAnswerError(Exception):
    """What came is not what was asked for; the text says how."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way of answering.

    Attributes:
        first: bytes that are in the first piece with text, and in none before it.
        last: whether a websocket's frame is the last of its answer.
        check: takes the pieces of an answer and the text expected, gives the number of text chunks it came in,
            and raises WrongAnswerError.
        between: what stands between two records of a stream.
        text_in: the answer's text in one record, "" when it has none.
    """

    first: bytes
    check: Callable[[list[bytes], str], int]
    last: Callable[[bytes], bool] = lambda _frame: False
    between: bytes = b"\n\n"
    text_in: Callable[[bytes], str] = lambda _record: ""


def _compared(chunks: list[str], expected: str) -> int:
    text = "".join(chunks)
    if text != expected:
        at = next(
            (i for i, (a, b) in enumerate(zip(text, expected, strict=False)) if a != b), min(len(text), len(expected))
        )
        raise WrongAnswerError(
            f"{len(text)} characters came, {len(expected)} were expected; they differ at {at}: "
            f"{text[at : at + 20]!r} for {expected[at : at + 20]!r}"
        )
    return len(chunks)


def _events(pieces: list[bytes]) -> Iterator[Any]:
    """The data of each server-sent event but the last, which must be [DONE]."""
    events = b"".join(pieces).split(b"\n\n")
    if events.pop() != b"":
        raise WrongAnswerError("the stream ends inside an event")
    data = [line[6:] for event in events for line in event.split(b"\n") if line.startswith(b"data: ")]
    if not data or data.pop() != b"[DONE]":
        raise WrongAnswerError("the stream ends without [DONE]")
    return map(_parsed, data)


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise WrongAnswerError(f"not JSON: {data[:100]!r}") from error


def _text_of_chunks(chunks: Iterator[Any], expected: str) -> int:
    """An answer as AI SDK chunks: deltas between a start and a finish that says "stop"."""
    texts, kinds, reason = [], [], None
    for chunk in chunks:
        if chunk["type"] == "text-delta":
            texts.append(chunk["delta"])
            continue
        kinds.append(chunk["type"])
        reason = chunk.get("finishReason", reason)
        if chunk["type"] in ("error", "abort"):
            raise WrongAnswerError(f"{chunk}")
    missing = {"start", "text-start", "text-end", "finish"} - set(kinds)
    if missing or reason != "stop":
        raise WrongAnswerError(f"no {', '.join(sorted(missing))} chunk came; the finish reason is {reason}")
    return _compared(texts, expected)


def _eloquent_sse(pieces: list[bytes], expected: str) -> int:
    return _text_of_chunks(_events(pieces), expected)


def _eloquent_socket(pieces: list[bytes], expected: str) -> int:
    frames = [_parsed(piece) for piece in pieces]
    if frames.pop()["type"] != "end":
        raise WrongAnswerError(f"{pieces[-1][:300]!r}")
    chunks = [frame for frame in frames if frame["type"] == "chunk"]
    if [chunk["sequence"] for chunk in chunks] != list(range(len(chunks))):
        raise WrongAnswerError("the sequence of chunks has a gap")
    return _text_of_chunks((chunk["chunk"] for chunk in chunks), expected)


def _eloquent_socket_last(frame: bytes) -> bool:
    # Inside a JSON string the quotes would be escaped, so text cannot look like this.
    return b'"type":"end"' in frame or b'"type":"error"' in frame


def _peer_sse(pieces: list[bytes], expected: str) -> int:
    return _compared([event["text"] for event in _events(pieces)], expected)


def _peer_socket(pieces: list[bytes], expected: str) -> int:
    return _compared([_parsed(piece)["text"] for piece in pieces[:-1]], expected)


def _ollama(pieces: list[bytes], expected: str) -> int:
    lines = [_parsed(line) for line in b"".join(pieces).splitlines()]
    if not lines or not lines.pop()["done"]:
        raise WrongAnswerError("the stream ends without a last line")
    return _compared([line["message"]["content"] for line in lines], expected)


def _list(pieces: list[bytes], expected: str) -> int:
    """A list is right when it has these ids in this order; `expected` joins them with spaces."""
    body = _parsed(b"".join(pieces))
    items = body["items"] if isinstance(body, dict) else body
    if " ".join(item["id"] for item in items) != expected:
        raise WrongAnswerError(f"{len(items)} items, or not those expected")
    return len(items)


def _eloquent_text(event: bytes) -> str:
    if b'"text-delta"' not in event:
        return ""
    data = next(line[6:] for line in event.split(b"\n") if line.startswith(b"data: "))
    chunk = _parsed(data)
    return str(chunk["delta"]) if chunk["type"] == "text-delta" else ""


def _peer_text(event: bytes) -> str:
    return "" if event == b"data: [DONE]" else str(_parsed(event[6:])["text"])


def _ollama_text(line: bytes) -> str:
    return str(_parsed(line)["message"]["content"])


DIALECTS = {
    "eloquent-sse": Dialect(b'"text-delta"', _eloquent_sse, text_in=_eloquent_text),
    "eloquent-socket": Dialect(b'"text-delta"', _eloquent_socket, _eloquent_socket_last),
    "peer-sse": Dialect(b'"text"', _peer_sse, text_in=_peer_text),
    "peer-socket": Dialect(b'"text"', _peer_socket, lambda frame: frame.startswith(b'{"done"')),
    "ollama": Dialect(b'"content"', _ollama, between=b"\n", text_in=_ollama_text),
    "list": Dialect(b"[", _list),
}
