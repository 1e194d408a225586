"""The own second factors over HTTP, for their signed-in owner."""

from django.http import HttpRequest, HttpResponse
from ninja import Router

from accounts import throttle, users
from accounts.authentication import SessionAuth, identity_of
from accounts.devices import device_of
from accounts.schemas import OwnersProof
from accounts.second_factor import ceremonies, changes
from accounts.second_factor.factors import factors_of
from accounts.second_factor.relying_party import relying_party
from accounts.second_factor.schemas import (
    FirstCode,
    NewPasskey,
    NewPasskeyOut,
    PasskeyList,
    PasskeyOptionsOut,
    PasskeyOut,
    PasskeyRename,
    PendingTotpOut,
    RecoveryCodesOut,
    SecondFactorOut,
    passkey_out,
    passkeys_out,
    pending_totp_out,
    second_factor_out,
)
from eloquent.foundation.clock import now
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.problems import problems
from eloquent.foundation.replies import empty_reply, json_reply

router = Router(tags=["accounts"], auth=SessionAuth())


@router.get(
    "/me/second-factor",
    response={200: SecondFactorOut, **problems(401)},
    operation_id="read_second_factor",
    summary="Read what second factors are set up",
)
async def read_second_factor(request: HttpRequest) -> HttpResponse:
    """What is set up, and how many recovery codes are left."""
    user = await users.user_of(identity_of(request))
    return json_reply(second_factor_out(await factors_of(user.id), user=user, at=now()))


@router.post(
    "/me/second-factor/totp",
    response={200: PendingTotpOut, **problems(401, 403, 409, 422, 429)},
    operation_id="begin_totp",
    summary="Set up an authenticator app",
)
async def begin_totp(request: HttpRequest, body: OwnersProof) -> HttpResponse:
    """Nothing changes until its first code is confirmed. Beginning again forgets the secret before."""
    pending = await changes.begin_totp(identity_of(request), body.evidence(), device=device_of(request))
    return json_reply(pending_totp_out(pending))


@router.post(
    "/me/second-factor/totp/confirm",
    response={200: RecoveryCodesOut, **problems(401, 409, 422, 429)},
    operation_id="confirm_totp",
    summary="Confirm an authenticator app by its first code",
)
async def confirm_totp(request: HttpRequest, body: FirstCode) -> HttpResponse:
    """From now on signing in needs it. No session ends, unless `end_other_sessions` asks for it."""
    identity = identity_of(request)
    await throttle.spend(throttle.SECOND_FACTOR_BY_USER, str(identity.user_id))
    made = await changes.confirm_totp(identity.user_id, body.code, device=device_of(request))
    if body.end_other_sessions:
        await changes.end_other_sessions(identity)
    return json_reply({"recovery_codes": made})


@router.delete(
    "/me/second-factor/totp",
    response={204: None, **problems(401, 403, 404, 422, 429)},
    operation_id="remove_totp",
    summary="Remove the authenticator app",
)
async def remove_totp(request: HttpRequest, body: OwnersProof) -> HttpResponse:
    """Recovery codes go with the last second factor."""
    await changes.remove_totp(identity_of(request), body.evidence(), device=device_of(request))
    return empty_reply()


@router.post(
    "/me/second-factor/recovery-codes",
    response={200: RecoveryCodesOut, **problems(401, 403, 409, 422, 429)},
    operation_id="make_recovery_codes",
    summary="Make new recovery codes",
)
async def make_recovery_codes(request: HttpRequest, body: OwnersProof) -> HttpResponse:
    """Ten, each good once. Those before them are good no more."""
    made = await changes.make_recovery_codes(identity_of(request), body.evidence(), device=device_of(request))
    return json_reply({"recovery_codes": made})


@router.get(
    "/me/passkeys",
    response={200: PasskeyList, **problems(401)},
    operation_id="list_passkeys",
    summary="List the own passkeys",
)
async def list_passkeys(request: HttpRequest) -> HttpResponse:
    """Newest first."""
    return json_reply({"items": passkeys_out((await factors_of(identity_of(request).user_id)).passkeys)})


@router.post(
    "/me/passkeys/options",
    response={200: PasskeyOptionsOut, **problems(401, 403, 409, 422, 429)},
    operation_id="begin_passkey",
    summary="Get what a new passkey is made with",
)
async def begin_passkey(request: HttpRequest, body: OwnersProof) -> HttpResponse:
    """Good once, for this session."""
    party = relying_party(request.get_host())
    options = await changes.begin_passkey(identity_of(request), body.evidence(), party=party, device=device_of(request))
    return json_reply({"options": options, "expires_in": int(ceremonies.LIFETIME.total_seconds())})


@router.post(
    "/me/passkeys",
    response={201: NewPasskeyOut, **problems(401, 409, 422, 429)},
    operation_id="add_passkey",
    summary="Add a passkey",
)
async def add_passkey(request: HttpRequest, body: NewPasskey) -> HttpResponse:
    """From now on signing in needs it or another second factor. No session ends, unless it is asked for."""
    identity = identity_of(request)
    await throttle.spend(throttle.SECOND_FACTOR_BY_USER, str(identity.user_id))
    passkey, made = await changes.add_passkey(
        identity,
        body.passkey.model_dump(),
        name=body.name,
        party=relying_party(request.get_host()),
        device=device_of(request),
    )
    if body.end_other_sessions:
        await changes.end_other_sessions(identity)
    return json_reply({**passkey_out(passkey), "recovery_codes": made}, status=201)


@router.patch(
    "/me/passkeys/{passkey_id}",
    response={200: PasskeyOut, **problems(401, 404, 422)},
    operation_id="rename_passkey",
    summary="Rename a passkey",
)
async def rename_passkey(request: HttpRequest, passkey_id: ObjectIdField, body: PasskeyRename) -> HttpResponse:
    """The passkey under its new name."""
    owner = identity_of(request).user_id
    return json_reply(
        passkey_out(await changes.rename_passkey(owner, passkey_id, body.name, device=device_of(request)))
    )


@router.delete(
    "/me/passkeys/{passkey_id}",
    response={204: None, **problems(401, 403, 404, 422, 429)},
    operation_id="remove_passkey",
    summary="Delete a passkey",
)
async def remove_passkey(request: HttpRequest, passkey_id: ObjectIdField, body: OwnersProof) -> HttpResponse:
    """Recovery codes go with the last second factor."""
    await changes.remove_passkey(identity_of(request), passkey_id, body.evidence(), device=device_of(request))
    return empty_reply()
