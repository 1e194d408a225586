"""The versions of the AI SDK that a client may be of, and what each cannot be sent. Pure.

The chunks that are stored and relayed are profile 6: what every version from 5.0.100 on accepts. Older ones refuse a
whole stream for one field they do not know. Profile 5 is for them: the chunk types and fields of 5.0.0, nothing else.
Profile 7 also has `reset-step`, which takes back what a language model wrote before it broke; to the others a new step
begins there, and what stands before it stays. Before 6 nobody was asked about a tool's call: such clients see a call
that waits as one that is being made, and a call that the user denied as one that failed.
"""

import re
from enum import IntEnum
from typing import Final

import orjson

from chat.chunks import NOTHING, RESET_STEP, START_STEP, Chunk, tool_error
from eloquent.foundation.errors import InvalidInput


class Profile(IntEnum):
    """A major version of the AI SDK, at its strictest."""

    FIVE = 5
    SIX = 6
    SEVEN = 7


DEFAULT: Final = Profile.SIX
_version: Final = re.compile(r"(\d{1,3})(\.[0-9A-Za-z.+-]{1,60})?", re.ASCII).fullmatch
_FINISH: Final = b'{"type":"finish",'
_APPROVAL: Final = b'{"type":"tool-approval-request",'
_DENIED: Final = b'{"type":"tool-output-denied",'


def profile_of(version: str | None) -> Profile:
    """The profile for a version as clients give it: `6`, or `5.0.60`. Without one, 6; a version to come is taken as 7.

    Raises:
        InvalidInput: it is no version, or one before 5, which spoke another protocol.
    """
    if not version:
        return DEFAULT
    read = _version(version)
    if read is None or int(read[1]) < Profile.FIVE:
        raise InvalidInput("The AI SDK's version is 5, 6 or 7.")
    return Profile(min(int(read[1]), Profile.SEVEN))


def fitted(chunk: Chunk, profile: Profile) -> Chunk:
    """The chunk as a client of this profile takes it."""
    if chunk == RESET_STEP and profile is not Profile.SEVEN:
        return START_STEP
    return _for_five(chunk) if profile is Profile.FIVE else chunk


def _for_five(chunk: Chunk) -> Chunk:
    if chunk.startswith(_FINISH):
        finish = orjson.loads(chunk)
        finish.pop("finishReason", None)
        return orjson.dumps(finish)
    if chunk.startswith(_APPROVAL):
        return NOTHING
    if chunk.startswith(_DENIED):
        return tool_error(orjson.loads(chunk)["toolCallId"], "The user did not agree to this call.")
    return chunk
