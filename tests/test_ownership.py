"""Who may do what, for every operation of the OpenAPI document: a new route is tested without being named here."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from bson import ObjectId

from accounts.store import ExternalIdentity, add_identity
from eloquent.api import openapi_document
from eloquent.foundation.clock import now
from tests.chat.conftest import LanguageModel, ann, bob, model  # noqa: F401 - fixtures
from tests.passkeys import keep_passkey_of
from tests.people import PASSWORD, Person

# The only operations that need no access token.
PUBLIC = {
    "register",
    "sign_in",
    "refresh_tokens",
    "open_attachment",
    "read_erasure",
    "cancel_erasure",
    "answer_second_factor",
    "ask_for_passkey",
    "sign_in_with_passkey",
    "read_registration",
    "read_invitation",
    "verify_email",
    "forgot_password",
    "reset_password",
    "set_own_password",
    "confirm_email",
}
# Of sign-ins at providers, where everybody begins without one: tests/accounts/openid/.
PUBLIC |= {"list_openid_providers", "start_openid_sign_in", "finish_openid_sign_in", "exchange_openid_code"}
PUBLIC |= {"openid_backchannel_logout"}

# What lets in whoever has it: the signature that it needs is asked for in tests/chat/test_attachments.py,
# the token of a receipt in tests/accounts/personal_data/.
SIGNED = {"open_attachment", "read_erasure"}

# The ids that paths have.
IDS = (
    "api_key_id",
    "attachment_id",
    "chat_id",
    "conversation_id",
    "export_id",
    "import_id",
    "message_id",
    "receipt",
    "passkey_id",
    "identity_id",
    "import_id",
    "message_id",
    "passkey_id",
    "provider",
    "run_id",
    "session_id",
    "signature",
)

# The operations whose message is the user's own and not an answer.
WITH_A_QUESTION = {"edit_message"}

# What an operation needs in its body, or query, to get as far as looking for the object.
BODIES: dict[str, Any] = {
    "create_import": {"size": 10},
    "create_api_key": {"current_password": PASSWORD, "name": "Editor", "scopes": ["chat"]},
    "change_api_key": {"name": "Mine now"},
    "change_conversation": {"title": "Mine now"},
    "edit_message": {"parts": [{"type": "text", "text": "Hi"}]},
    "regenerate_message": {},
    "approve_calls": {"approvals": [{"approval_id": "approval-1", "approved": True}]},
    "send_import_content": {},
    "erase_me": {"current_password": PASSWORD},
    "create_export": {"current_password": PASSWORD},
    "rate_answer": {"rating": "up"},
    "rename_passkey": {"name": "Phone"},
    "remove_passkey": {"current_password": PASSWORD},
    "unlink_identity": {"current_password": PASSWORD},
    "start_run": {"parts": [{"type": "text", "text": "Hi"}]},
}

QUERIES = {"send_import_content": "?offset=0"}


def operations() -> Iterator[tuple[str, str, str]]:
    """Every (method, path, operation id) of the document."""
    for path, methods in openapi_document()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation["operationId"]


OPERATIONS = sorted(operations(), key=lambda operation: operation[2])
# A provider is the operator's: everybody may name it.
WITH_IDS = [
    operation
    for operation in OPERATIONS
    if "{" in operation[1].replace("{provider}", "") and operation[2] not in SIGNED
]


async def objects_of(
    person: Person,
    model: LanguageModel,  # noqa: F811 - the fixture's value
    operation: str,
) -> dict[str, str]:
    """One object of each kind: path parameter → id. A run is in the making."""
    conversation = await person.conversation()
    model.script = ["x", asyncio.Event()]
    run = await person.ask(conversation, "Hi")
    sessions = await person.ok("GET", "/auth/sessions")
    upload = await person.ok("POST", "/imports", 201, json=BODIES["create_import"])
    key = await person.ok("POST", "/me/api-keys", 201, json=BODIES["create_api_key"])
    attachment = await person.attach(b"Of tea.")
    exports = {"export_id": await exported(person)} if operation.startswith("read_export") else {}
    user_id = ObjectId((await person.ok("GET", "/me"))["id"])
    identity = ExternalIdentity(
        id=ObjectId(), user_id=user_id, issuer="https://example.org", subject=str(user_id), created_at=now()
    )
    await add_identity(identity)
    return {
        **exports,
        "api_key_id": key["id"],
        "attachment_id": attachment["id"],
        "chat_id": conversation,
        "conversation_id": conversation,
        "identity_id": str(identity.id),
        "import_id": upload["id"],
        "message_id": run["user_message_id" if operation in WITH_A_QUESTION else "message_id"],
        "passkey_id": await keep_passkey_of(person.tokens["user"]["id"]),
        "run_id": run["id"],
        "session_id": sessions["items"][0]["id"],
    }


async def exported(person: Person) -> str:
    """An export that can be fetched."""
    export = await person.ok("POST", "/me/exports", 202, json=BODIES["create_export"])
    async with asyncio.timeout(20):
        while (await person.ok("GET", f"/me/exports/{export['id']}"))["status"] != "complete":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return str(export["id"])


async def status_and_code(person: Person, method: str, path: str, operation: str) -> tuple[int, str]:
    """The answer's status, and its code when it is a problem; a stream is not read."""
    url = path.removeprefix("/api/v1") + QUERIES.get(operation, "")
    async with person.http.stream(method, url, json=BODIES.get(operation)) as answer:
        if answer.headers.get("content-type") != "application/problem+json":
            return answer.status_code, ""
        await answer.aread()
        return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(("method", "path", "operation"), WITH_IDS, ids=[operation[2] for operation in WITH_IDS])
async def test_another_users_object_is_not_found(
    ann: Person,  # noqa: F811
    bob: Person,  # noqa: F811
    model: LanguageModel,  # noqa: F811
    method: str,
    path: str,
    operation: str,
) -> None:
    theirs = path.format(**await objects_of(ann, model, operation))
    nothing = path.format(**dict.fromkeys(IDS, str(ObjectId())))
    assert await status_and_code(bob, method, theirs, operation) == (404, "not_found")
    assert await status_and_code(bob, method, nothing, operation) == (404, "not_found")
    # The owner is let in with the same request: the refusal was not for another reason.
    status, code = await status_and_code(ann, method, theirs, operation)
    assert status < 300 or code == "branch_busy"


def test_the_list_of_public_operations_has_no_stranger() -> None:
    names = {operation for _, _, operation in OPERATIONS}
    assert names >= PUBLIC
    assert len(names) == len(OPERATIONS), "operation ids are unique"
