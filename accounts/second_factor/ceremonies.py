"""WebAuthn's two ceremonies (https://www.w3.org/TR/webauthn-3/), registering and asserting, from options to verdict.

A challenge is 256 random bits, kept here, good once and for five minutes, and for one purpose. The library reads what
authenticators and strangers send; whatever it stumbles over, the passkey is refused.
"""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

import structlog
import webauthn
from bson import ObjectId
from webauthn.helpers import bytes_to_base64url, options_to_json_dict, parse_client_data_json
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from accounts import store
from accounts.errors import PasskeyRefused
from accounts.second_factor.relying_party import NAME, RelyingParty
from eloquent.foundation.clock import now

log = structlog.get_logger(__name__)

LIFETIME: Final = timedelta(minutes=5)
_CHALLENGE_BYTES: Final = 32
_TRANSPORTS: Final = frozenset(transport.value for transport in AuthenticatorTransport)
_MS: Final = 1000


class Purpose(StrEnum):
    """What a challenge is for; one is of no use for another."""

    REGISTER = "register"
    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"
    CONSOLE = "console"


class Assertion(store.Passkey, frozen=True, kw_only=True):
    """A passkey that was just shown, as it was before. `suspected` means that its counter went backwards."""

    user_verified: bool
    new_sign_count: int
    suspected: bool


async def registration_options(
    user: store.User, passkeys: Sequence[store.Passkey], *, party: RelyingParty, bound_to: str
) -> dict[str, Any]:
    """What `navigator.credentials.create` is given, as JSON. Passkeys that the user has are not offered again."""
    challenge = await _new_challenge(Purpose.REGISTER, bound_to)
    options = webauthn.generate_registration_options(
        rp_id=party.domain,
        rp_name=NAME,
        user_id=user.id.binary,
        user_name=user.email,
        user_display_name=user.name or user.email,
        challenge=challenge,
        timeout=int(LIFETIME.total_seconds()) * _MS,
        attestation=AttestationConveyancePreference.NONE,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
        ),
        exclude_credentials=[_descriptor(passkey) for passkey in passkeys],
    )
    return options_to_json_dict(options)


async def registered(
    user: store.User, credential: dict[str, Any], *, name: str, party: RelyingParty, bound_to: str
) -> store.Passkey:
    """The new passkey, which is not stored yet.

    Raises:
        PasskeyRefused: the answer is not to a challenge of this purpose, or cannot be verified.
    """
    challenge, origin = await _asked(credential, Purpose.REGISTER, bound_to, party=party)
    try:
        made = webauthn.verify_registration_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=party.domain, expected_origin=origin
        )
    except Exception as error:  # noqa: BLE001 - whatever the library stumbles over was sent by a stranger
        raise _refused(error) from None
    transports = credential["response"].get("transports") or []
    return store.Passkey(
        id=ObjectId(),
        user_id=user.id,
        credential_id=bytes_to_base64url(made.credential_id),
        public_key=bytes_to_base64url(made.credential_public_key),
        sign_count=made.sign_count,
        transports=sorted({each for each in transports if each in _TRANSPORTS}),
        backed_up=made.credential_backed_up,
        name=name,
        created_at=now(),
    )


async def assertion_options(
    passkeys: Sequence[store.Passkey], *, purpose: Purpose, bound_to: str, party: RelyingParty
) -> dict[str, Any]:
    """What `navigator.credentials.get` is given, as JSON: for these passkeys; without any, for whichever is there.

    A passkey that stands for both factors must have verified its user, by PIN, finger or face; one beside a password
    need not.
    """
    alone = purpose is Purpose.SIGN_IN
    verification = UserVerificationRequirement.REQUIRED if alone else UserVerificationRequirement.PREFERRED
    challenge = await _new_challenge(purpose, bound_to)
    options = webauthn.generate_authentication_options(
        rp_id=party.domain,
        challenge=challenge,
        timeout=int(LIFETIME.total_seconds()) * _MS,
        allow_credentials=[_descriptor(passkey) for passkey in passkeys],
        user_verification=verification,
    )
    return options_to_json_dict(options)


async def asserted(credential: dict[str, Any], *, purpose: Purpose, bound_to: str, party: RelyingParty) -> Assertion:
    """The passkey that signed our challenge.

    Raises:
        PasskeyRefused: unknown, or what it signed is not what was asked, or not from where it was asked.
    """
    challenge, origin = await _asked(credential, purpose, bound_to, party=party)
    passkey = await store.passkey_by_credential(credential["id"])
    if passkey is None:
        raise PasskeyRefused
    handle = credential["response"].get("userHandle")
    if handle and handle.rstrip("=") != bytes_to_base64url(passkey.user_id.binary):
        raise PasskeyRefused
    try:
        shown = webauthn.verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=party.domain,
            expected_origin=origin,
            credential_public_key=webauthn.base64url_to_bytes(passkey.public_key),
            # The counter is ours to judge (section 6.1.1): the library would refuse without saying that it was this.
            credential_current_sign_count=0,
            require_user_verification=purpose is Purpose.SIGN_IN,
        )
    except Exception as error:  # noqa: BLE001 - whatever the library stumbles over was sent by a stranger
        raise _refused(error) from None
    # Of two that sign with the same count at the same moment, one is a copy.
    grown = await store.note_passkey_used(
        passkey.user_id,
        passkey.id,
        sign_count=shown.new_sign_count,
        backed_up=shown.credential_backed_up,
        at=now(),
    )
    return Assertion(
        **{name: getattr(passkey, name) for name in store.Passkey.__struct_fields__},
        user_verified=shown.user_verified,
        new_sign_count=shown.new_sign_count,
        suspected=not grown,
    )


async def _new_challenge(purpose: Purpose, bound_to: str) -> bytes:
    challenge = secrets.token_bytes(_CHALLENGE_BYTES)
    await store.add_passkey_challenge(
        store.PasskeyChallenge(
            id=ObjectId(),
            challenge=bytes_to_base64url(challenge),
            purpose=purpose,
            bound_to=bound_to,
            expires_at=now() + LIFETIME,
        )
    )
    return challenge


async def _asked(
    credential: dict[str, Any], purpose: Purpose, bound_to: str, *, party: RelyingParty
) -> tuple[bytes, str]:
    """The challenge that was answered, used up by this, and the page that asked."""
    try:
        said = parse_client_data_json(webauthn.base64url_to_bytes(credential["response"]["clientDataJSON"]))
    except Exception as error:  # noqa: BLE001 - whatever the library stumbles over was sent by a stranger
        raise _refused(error) from None
    kept = await store.take_passkey_challenge(bytes_to_base64url(said.challenge))
    if kept is None or kept.expires_at <= now() or (kept.purpose, kept.bound_to) != (purpose, bound_to):
        raise PasskeyRefused("This took too long, or was answered already. Try again.")
    if said.cross_origin or not party.takes(said.origin):
        log.info("a passkey was used on a page that may not", origin=str(said.origin)[:200], domain=party.domain)
        raise PasskeyRefused("This page may not use passkeys.")
    return said.challenge, said.origin


def _refused(error: Exception) -> PasskeyRefused:
    # No more than the kind: its words repeat what was sent.
    log.info("a passkey was refused", error=type(error).__name__)
    return PasskeyRefused()


def _descriptor(passkey: store.Passkey) -> PublicKeyCredentialDescriptor:
    transports = [AuthenticatorTransport(each) for each in passkey.transports if each in _TRANSPORTS]
    return PublicKeyCredentialDescriptor(
        id=webauthn.base64url_to_bytes(passkey.credential_id), transports=transports or None
    )
