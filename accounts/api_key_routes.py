"""API keys over HTTP, for their signed-in owner. A key itself opens none of these routes."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts import api_keys
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.authentication import SessionAuth, identity_of
from accounts.devices import device_of
from accounts.mail.owners import tell
from accounts.positions import cursor_after, position_of
from accounts.proving import proven_owner
from accounts.schemas import ApiKeyChange, ApiKeyOut, ApiKeyPage, NewApiKey, NewApiKeyOut, api_key_out
from eloquent.foundation.errors import InvalidInput
from eloquent.foundation.ids import ApiKeyId, ObjectIdField
from eloquent.foundation.inputs import Cursor, PageSize
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import empty_reply, json_reply

router = Router(tags=["accounts"], auth=SessionAuth())


@router.post(
    "/me/api-keys",
    response={201: NewApiKeyOut, **problems(401, 403, 409, 422, 429)},
    operation_id="create_api_key",
    summary="Make an API key for a program",
)
async def create_api_key(request: HttpRequest, body: NewApiKey) -> HttpResponse:
    """For the OpenAI-compatible interface at `/v1`, and for nothing else. The secret is in this answer alone.

    The owner proves it, because a key outlives the session that it was made in, and is told by letter. 409
    `too_many_api_keys` for a user who has 20 living ones.
    """
    device = device_of(request)
    user = (await proven_owner(identity_of(request), body.evidence(), device=device)).user
    key, secret = await api_keys.create_api_key(
        user.id,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        requests_per_minute=body.requests_per_minute,
    )
    await _record(request, Action.API_KEY_MADE, key.id, scopes=key.scopes)
    await tell(user, "api_key_made", device=device, name=key.name, scopes=key.scopes)
    return json_reply({**api_key_out(key), "secret": secret}, status=201)


@router.get(
    "/me/api-keys",
    response={200: ApiKeyPage, **problems(401, 422)},
    operation_id="list_api_keys",
    summary="List the own API keys",
)
async def list_api_keys(request: HttpRequest, cursor: Cursor = None, limit: PageSize = 30) -> HttpResponse:
    """Newest first, those alone that can still be used."""
    found = await api_keys.api_keys_of(identity_of(request).user_id, after=position_of(cursor), limit=limit + 1)
    page, more = found[:limit], len(found) > limit
    next_cursor = cursor_after(page[-1].created_at, page[-1].id) if more else None
    return json_reply({"items": [api_key_out(key) for key in page], "next_cursor": next_cursor})


@router.patch(
    "/me/api-keys/{api_key_id}",
    response={200: ApiKeyOut, **problems(401, 404, 422)},
    operation_id="change_api_key",
    summary="Change an API key's name, scopes or limit",
)
async def change_api_key(request: HttpRequest, api_key_id: ObjectIdField, body: ApiKeyChange) -> HttpResponse:
    """It holds within a second everywhere. The secret and the expiry stay: for others, make another key."""
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    if not changes:
        raise InvalidInput("Say what to change: `name`, `scopes` or `requests_per_minute`.")
    owner = identity_of(request).user_id
    key = await api_keys.change_api_key(owner, api_key_id, changes)
    await _record(request, Action.API_KEY_CHANGED, key.id, fields=sorted(changes))
    return json_reply(api_key_out(key))


@router.delete(
    "/me/api-keys/{api_key_id}",
    response={204: None, **problems(401, 404, 422)},
    operation_id="revoke_api_key",
    summary="Revoke an API key",
)
async def revoke_api_key(request: HttpRequest, api_key_id: ObjectIdField) -> HttpResponse:
    """It is refused within a second everywhere."""
    await api_keys.revoke_api_key(identity_of(request).user_id, api_key_id)
    await _record(request, Action.API_KEY_REVOKED, api_key_id)
    return empty_reply()


async def _record(request: HttpRequest, action: Action, key_id: ApiKeyId, **facts: Any) -> None:
    owner, device = identity_of(request).user_id, device_of(request)
    await record(action, actor=owner, subject=owner, device=device, target=f"api_key:{key_id}", **facts)
