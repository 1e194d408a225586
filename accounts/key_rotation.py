"""Changing the keys that sign access tokens, at the desk road: `manage.py jwt`.

Nobody is signed out by any of this: a refused access token is refreshed, and refresh tokens are signed by nobody.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import IntegrityError

from accounts import models, store
from accounts.audit.actions import Action
from accounts.audit.recording import record_from_desk
from accounts.key_schedule import PUBLISHED_FOR, VERIFIED_FOR, opened, ring_at, sealed
from accounts.keyring import configured_keys
from accounts.tokens import PrivateKey, VerifyingKey
from eloquent.foundation.clock import now
from eloquent.foundation.keys import make_signing_key

# A key that retired so long ago is of no use to anybody, and its row goes with the next rotation.
KEPT_AFTER: Final = timedelta(days=1)


class KeyState(StrEnum):
    """What a key is good for."""

    PUBLISHED = "published"  # verified with, and not signed with yet
    SIGNS = "signs"
    VERIFIES = "verifies"
    RETIRED = "retired"
    REVOKED = "revoked"
    SEALED = "cannot be opened"


class KeyLine(msgspec.Struct, frozen=True):
    """A key, as `manage.py jwt list` shows it."""

    kid: str
    state: KeyState
    source: str
    created_at: datetime | None
    signs_from: datetime | None
    retires_at: datetime | None


class KeyUnknown(ValueError):
    """There is no key with this id, or it was revoked already."""


class RotationUnderWay(ValueError):
    """Somebody else is making a key at this very moment."""


def rotate_key(*, published_for: timedelta = PUBLISHED_FOR) -> store.SigningKey:
    """Make a key that signs after it has been published for so long; those before it retire when it has taken over.

    Raises:
        RotationUnderWay: of two who do this at once, one does.
    """
    at, rows = now(), _rows()
    signing = ring_at(at, configured_keys(), rows, opened(rows)[0]).signing
    # Those of the configuration first, in their order: only what is on record can retire.
    for key in reversed(configured_keys().verifying):
        _note_configured(key, at)
    pem = make_signing_key()
    made = _add(PrivateKey.read(pem).verifying, at=at, signs_from=at + published_for, sealed_key=sealed(pem))
    retires_at = made.signs_from + VERIFIED_FOR
    for row in models.SigningKey.objects.filter(number__lt=made.number, revoked_at=None):
        # One that signs may have been about to retire before, when the key that was to follow it was revoked.
        still_signs = signing is not None and row.kid == signing.verifying.kid
        if still_signs or row.retires_at is None or row.retires_at > retires_at:
            models.SigningKey.objects.filter(pk=row.pk).update(retires_at=retires_at)
    _forget_the_retired(at)
    seconds = int(published_for.total_seconds())
    record_from_desk(Action.SIGNING_KEY_ROTATED, target=f"key:{made.kid}", signs_in_s=seconds)
    return made


def revoke_key(kid: str) -> store.SigningKey | None:
    """Refuse every token that this key has signed; the key that was made in its place when no other could sign.

    Raises:
        KeyUnknown: no key of ours, or one that was revoked already.
        RotationUnderWay: as `rotate_key`.
    """
    at = now()
    by_kid = {key.kid: key for key in configured_keys().verifying}
    if kid in by_kid:
        _note_configured(by_kid[kid], at)
    row = models.SigningKey.objects.filter(kid=kid, revoked_at=None).first()
    if row is None:
        raise KeyUnknown(f"There is no key {kid}, or it was revoked already.")
    rows = _rows()
    signing = ring_at(at, configured_keys(), rows, opened(rows)[0]).signing
    successor = None
    if signing is None or signing.verifying.kid == kid:
        successor = rotate_key(published_for=timedelta())
    models.SigningKey.objects.filter(pk=row.pk).update(revoked_at=now(), sealed="")
    # Whoever forged tokens may have got tickets for them, too. Their owners ask for others.
    models.SocketTicket.objects.all().delete()
    record_from_desk(Action.SIGNING_KEY_REVOKED, target=f"key:{kid}")
    return successor


def key_lines() -> list[KeyLine]:
    """Every key, those of the configuration too, in the order in which they follow each other."""
    at, configured, rows = now(), configured_keys(), _rows()
    keys, _ = opened(rows)
    ring = ring_at(at, configured, rows, keys)
    in_force = {key.kid for key in ring.keys}
    signs = ring.signing.verifying.kid if ring.signing else ""
    from_configuration = {key.kid for key in configured.verifying}
    can_sign = {each.row.kid for each in keys}
    signs_number = next((row.number for row in rows if row.kid == signs), 0)

    def state_of(row: store.SigningKey) -> KeyState:
        if row.revoked_at is not None:
            return KeyState.REVOKED
        if row.kid == signs:
            return KeyState.SIGNS
        if row.kid not in in_force:
            return KeyState.SEALED if row.sealed and row.kid not in can_sign else KeyState.RETIRED
        # One that was overtaken before its time never signs.
        return KeyState.PUBLISHED if row.signs_from > at and row.number > signs_number else KeyState.VERIFIES

    known = {row.kid for row in rows}
    unknown = [key.kid for key in reversed(configured.verifying) if key.kid not in known]
    return [
        KeyLine(kid, KeyState.SIGNS if kid == signs else KeyState.VERIFIES, "configuration", None, None, None)
        for kid in unknown
    ] + [
        KeyLine(
            row.kid,
            state_of(row),
            "configuration" if row.kid in from_configuration else "made here",
            row.created_at,
            row.signs_from,
            row.retires_at,
        )
        for row in rows
    ]


def _note_configured(key: VerifyingKey, at: datetime) -> None:
    if not models.SigningKey.objects.filter(kid=key.kid).exists():
        _add(key, at=at, signs_from=at, sealed_key="")


def _add(key: VerifyingKey, *, at: datetime, signs_from: datetime, sealed_key: str) -> store.SigningKey:
    row = models.SigningKey(
        number=_next_number(),
        kid=key.kid,
        public_pem=key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii"),
        sealed=sealed_key,
        created_at=at,
        signs_from=signs_from,
    )
    try:
        row.save(force_insert=True)
    except IntegrityError:
        raise RotationUnderWay("Somebody else is making a key at this moment. See `manage.py jwt list`.") from None
    return _value(row)


def _next_number() -> int:
    last = models.SigningKey.objects.order_by("-number").first()
    return last.number + 1 if last else 1


def _forget_the_retired(at: datetime) -> None:
    """Rows of the configuration's keys stay: without one, a key that stands there would be good again."""
    models.SigningKey.objects.filter(retires_at__lt=at - KEPT_AFTER).exclude(sealed="").delete()


def _rows() -> list[store.SigningKey]:
    return [_value(row) for row in models.SigningKey.objects.order_by("number")]


def _value(row: models.SigningKey) -> store.SigningKey:
    return store.SigningKey(**{name: getattr(row, name) for name in store.SigningKey.__struct_fields__})
