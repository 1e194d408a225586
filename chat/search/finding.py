"""Search in the content of one's own messages, by relevance."""

import asyncio
from typing import Final, NamedTuple

from chat import store
from chat.search.excerpts import LONGEST_READ, Reader, Reading, Segment, excerpt
from chat.search.query import Query, parse_query
from chat.types import Role
from eloquent.foundation import cursors
from eloquent.foundation.errors import InvalidInput
from eloquent.foundation.ids import ConversationId, MessageId, UserId, parse_id

MOST_RANKED: Final = 300
"""So many messages are put in order; when more match, the search says so."""

MOST_EXAMINED: Final = 5_000
"""Of the messages with one of several words, so many are looked at for the others."""

_MOST_LOOK_UPS: Final = 3
# Reading 300 texts takes some ten milliseconds of CPU: others' tokens pass in between.
_TEXTS_AT_A_TIME: Final = 20


class Hit(NamedTuple):
    """A message that answers the query."""

    message: store.FoundText
    conversation: store.Title
    score: int
    excerpt: list[Segment]


class Hits(NamedTuple):
    """A page of hits, best first. `truncated` when more messages match than were put in order."""

    items: list[Hit]
    next_cursor: str | None
    truncated: bool


class _Ranked(NamedTuple):
    message: store.FoundText
    reading: Reading

    @property
    def place(self) -> tuple[int, MessageId]:
        """What hits are ordered by, highest first: among equals the newest."""
        return self.reading.score, self.message.id


async def messages_like(
    owner: UserId,
    text: str,
    *,
    conversation_id: ConversationId | None,
    role: Role | None,
    cursor: str | None,
    limit: int,
) -> Hits:
    """The owner's messages that have every word of the text, best first, from all branches of all conversations.

    Raises:
        InvalidInput: the cursor is not one of ours.
    """
    after = _place(cursor) if cursor else None
    query = parse_query(text)
    if not query.pieces:
        return Hits([], None, truncated=False)
    ids, truncated = await _candidates(owner, query, conversation_id, role)
    ranked = await _rank(query, await store.texts_of(owner, ids, longest=LONGEST_READ) if ids else [])
    if after is not None:
        ranked = [each for each in ranked if each.place < after]
    items, more = await _page(owner, ranked, limit)
    next_cursor = cursors.encode([items[-1].score, str(items[-1].message.id)]) if more else None
    return Hits(items, next_cursor, truncated=truncated)


def _place(cursor: str) -> tuple[int, MessageId]:
    match cursors.decode(cursor):
        case [int(score), str(message_id)]:
            return score, parse_id(message_id)
        case _:
            raise InvalidInput("This cursor does not belong to this search.")


async def _candidates(
    owner: UserId, query: Query, conversation_id: ConversationId | None, role: Role | None
) -> tuple[list[MessageId], bool]:
    """At most `MOST_RANKED` messages that match, and whether there may be more."""
    if conversation_id is not None:
        ids = await store.messages_matching(
            owner, conversation_id, patterns=query.patterns(), role=role, most=MOST_RANKED + 1
        )
        return ids[:MOST_RANKED], len(ids) > MOST_RANKED
    by_index_alone = query.is_one_word and role is None
    most = MOST_RANKED + 1 if by_index_alone else MOST_EXAMINED
    patterns = [] if query.is_one_word else query.patterns()
    candidates: dict[MessageId, None] = {}
    for word in query.index_words()[: 1 if by_index_alone else _MOST_LOOK_UPS]:
        found = await store.messages_with_word(owner, word, patterns=patterns, role=role, most=most)
        if found.examined < most:
            # All messages with this word were seen, so all that match were.
            return found.ids[:MOST_RANKED], len(found.ids) > MOST_RANKED
        candidates.update(dict.fromkeys(found.ids))
        if len(candidates) > MOST_RANKED:
            break
    return [*candidates][:MOST_RANKED], True


async def _rank(query: Query, messages: list[store.FoundText]) -> list[_Ranked]:
    reader = Reader(query)
    ranked = []
    for number, message in enumerate(messages, 1):
        reading = reader.read(message.text)
        # MongoDB's expressions have found words inside of others, too. One word alone was found by the index; and of a
        # text that was cut short, nobody knows here what its rest has.
        if reading.has_all or query.is_one_word or len(message.text) >= LONGEST_READ:
            ranked.append(_Ranked(message, reading))
        if not number % _TEXTS_AT_A_TIME:
            await asyncio.sleep(0)
    return sorted(ranked, key=lambda each: each.place, reverse=True)


async def _page(owner: UserId, ranked: list[_Ranked], limit: int) -> tuple[list[Hit], bool]:
    """The first hits, and whether others follow. Those of a conversation that is being deleted are passed over."""
    items: list[Hit] = []
    for start in range(0, len(ranked), limit + 1):
        batch = ranked[start : start + limit + 1]
        titles = await store.titles_of(owner, [*{each.message.conversation_id for each in batch}])
        for message, reading in batch:
            if message.conversation_id not in titles:
                continue
            if len(items) == limit:
                return items, True
            shown = excerpt(message.text, reading.spans)
            items.append(Hit(message, titles[message.conversation_id], reading.score, shown))
    return items, False
