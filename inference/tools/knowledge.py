"""What the team has written down, searched by meaning in an index of Pinecone that embeds texts by itself.

Two requests of Pinecone's REST API (https://docs.pinecone.io/reference/api/): where the index is, asked once, and the
search. Its own client would bring two more HTTP libraries for them. What is in the index is for every user who may use
tools: it is the team's knowledge, no user's.
"""

from bisect import bisect_right
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import msgspec
import structlog

from eloquent.foundation.config import get_config
from eloquent.foundation.http import http_client
from inference.tools.base import LONGEST_RESULT, ToolFailed
from inference.tools.registry import tool

MOST_FOUND: Final = 8
LONGEST_QUERY: Final = 2_000
"""Characters; models that embed read no more than some hundred words."""
LONGEST_TEXT: Final = 3_000
"""Characters of one record's text that are shown, where all of them together fit a tool's result."""
_LONGEST_LABEL: Final = 300
"""Characters of an id, a title, an address."""
_SHORTEST_TEXT: Final = 200
"""A record of whose text less would be left is not shown: those that are better have taken the room."""
_VERSION: Final = "2025-04"
_TIMEOUT_S: Final = 8.0
_LARGEST_ANSWER: Final = 4 * 1024 * 1024
_PUBLIC_HOSTS: Final = ".pinecone.io"
_AWAY: Final = "The team's documents cannot be searched at the moment. Answer without them, and say so."

_Answer = TypeVar("_Answer")

log = structlog.get_logger(__name__)


class _Index(msgspec.Struct):
    host: str


class _Hit(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    fields: dict[str, Any] = {}


class _Hits(msgspec.Struct):
    hits: list[_Hit] = []


class _Found(msgspec.Struct):
    result: _Hits


def knowledge_is_set() -> bool:
    """Whether the settings name an index and a key for it."""
    config = get_config()
    return config.pinecone_api_key is not None and config.pinecone_index_name is not None


@tool(timeout_s=2 * _TIMEOUT_S + 1, can_work=knowledge_is_set)
async def search_documents(query: str, at_most: int = 5) -> list[dict[str, str]]:
    """Search the team's own documents by meaning. Use it before answering what only the team can know.

    Args:
        query: what to look for, as a question or a few words
        at_most: how many passages to get, 1 to 8
    """
    words = query.strip()[:LONGEST_QUERY]
    if not words:
        raise ToolFailed("The query is empty. Say what to look for.")
    asked = {
        "query": {"inputs": {"text": words}, "top_k": max(1, min(at_most, MOST_FOUND))},
        "fields": ["text", "title", "url"],
    }
    for again in (False, True):
        host = await _host(anew=again)
        status, content = await _exchange("POST", f"{host}/records/namespaces/__default__/search", asked)
        if status == HTTPStatus.OK:
            return _shown(_read(content, _Found).result.hits)
        if status != HTTPStatus.NOT_FOUND:
            break
        # An index that was made anew has another address.
    log.warning("the team's documents could not be searched", status=status)
    raise ToolFailed(_AWAY)


def _shown(hits: list[_Hit]) -> list[dict[str, str]]:
    """As many as fit a tool's result as it is written, best first: each quote and line break takes two characters."""
    records: list[dict[str, str]] = []
    left = LONGEST_RESULT - _size([])
    for hit in hits:
        labels = {"id": hit.id} | {name: str(hit.fields[name]) for name in ("title", "url") if hit.fields.get(name)}
        record = {name: label[:_LONGEST_LABEL] for name, label in labels.items()}
        if text := str(hit.fields.get("text") or ""):
            room = left - _size([record | {"text": ""}])
            record["text"] = _beginning(text[:LONGEST_TEXT], room)
            if len(record["text"]) < min(len(text), _SHORTEST_TEXT):
                break
        left -= _size([record])  # whose brackets stand for its comma
        if left < 0:
            break
        records.append(record)
    return records


def _beginning(text: str, most: int) -> str:
    """As much of the text as takes `most` characters of JSON."""
    return text[: bisect_right(range(1, len(text) + 1), most, key=lambda length: _size(text[:length]) - _size(""))]


def _size(value: Any) -> int:
    return len(msgspec.json.encode(value).decode())


_hosts: dict[tuple[str, str], str] = {}


async def _host(*, anew: bool) -> str:
    """Where the index is, with its scheme. Its address stays until it is made anew, so it is asked once a process."""
    config = get_config()
    controller, name = config.pinecone_controller_host.rstrip("/"), str(config.pinecone_index_name)
    if anew:
        _hosts.pop((controller, name), None)
    if (known := _hosts.get((controller, name))) is None:
        status, content = await _exchange("GET", f"{controller}/indexes/{quote(name, safe='')}")
        if status != HTTPStatus.OK:
            log.warning("Pinecone does not tell where the index is", index=name, status=status)
            raise ToolFailed(_AWAY)
        known = _hosts[controller, name] = _believed(_read(content, _Index).host, controller)
    return known


def _believed(host: str, controller: str) -> str:
    """The address of an index. The key goes there: so it is Pinecone's, or the machine's that told it."""
    place = urlsplit(host if "://" in host else f"//{host}")
    told_by = urlsplit(controller)
    is_public = place.hostname is not None and place.hostname.endswith(_PUBLIC_HOSTS)
    if place.username or not (is_public or place.hostname == told_by.hostname):
        log.error("Pinecone told an address that is not its own", host=place.hostname)
        raise ToolFailed(_AWAY)
    return f"{'https' if is_public else told_by.scheme}://{place.netloc}"


async def _exchange(method: str, url: str, body: Any = None) -> tuple[int, bytes]:
    key = get_config().pinecone_api_key
    headers = {"Api-Key": key.get_secret_value() if key else "", "X-Pinecone-API-Version": _VERSION}
    try:
        async with http_client().stream(
            method,
            url,
            headers=headers | {"Content-Type": "application/json"},
            content=None if body is None else msgspec.json.encode(body),
            timeout=_TIMEOUT_S,
            follow_redirects=False,
        ) as response:
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > _LARGEST_ANSWER:
                    raise ToolFailed(_AWAY)
            return response.status_code, bytes(content)
    except httpx.HTTPError as error:
        log.warning("Pinecone did not answer", error=type(error).__name__)
        raise ToolFailed(_AWAY) from error


def _read(content: bytes, kind: type[_Answer]) -> _Answer:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.MsgspecError as error:
        log.warning("Pinecone's answer could not be read", error=str(error))
        raise ToolFailed(_AWAY) from error
