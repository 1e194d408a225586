"""What schemathesis is helped with: half of its made-up ids and questions become ones that lead somewhere.

Behind a made-up id there is only ever a 404, and a message of random parts is nearly always refused.
"""

import json
import os
from typing import Any
from zlib import crc32

import schemathesis
from schemathesis import GenerationMode

from tests.people import PASSWORD

KNOWN: dict[str, str] = json.loads(os.environ["FUZZ_KNOWN"])
NOBODYS_ID = "65f0c0ffee0123456789abcd"

_PARTS = [{"type": "text", "text": "How long does tea take?"}]
_POSTED = {"id": "message-1", "role": "user", "parts": _PARTS}
PLAIN: dict[str, dict[str, Any]] = {
    "start_run": {"parts": _PARTS},
    "edit_message": {"parts": _PARTS},
    "regenerate_message": {},
    "create_api_key": {"current_password": PASSWORD, "name": "Editor", "scopes": ["chat"]},
    "ui_send": {"id": "chat-1", "trigger": "submit-message", "messages": [_POSTED]},
}


@schemathesis.hook
def before_call(_context: Any, case: schemathesis.Case, _kwargs: dict[str, Any]) -> None:
    """Help a request that is allowed to be as it is and does not follow from an answer. Spare what is known."""
    if case.method == "DELETE" and any(value in KNOWN.values() for value in case.path_parameters.values()):
        case.path_parameters |= dict.fromkeys(case.path_parameters, NOBODYS_ID)
    is_good = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if not is_good or crc32(json.dumps([case.path_parameters, case.body], default=str).encode()) % 2:
        return
    # What is set is looked at anew, and a body of null would be taken for a wrong one: only what is another is set.
    if plain := PLAIN.get(case.operation.definition.raw["operationId"]):
        case.body = plain
    known = case.path_parameters.keys() & KNOWN.keys()
    if known and case.method != "DELETE" and not case._override.path_parameters:
        case.path_parameters |= {name: KNOWN[name] for name in known}
