"""Asking for an erasure, taking it back, and reading its receipt."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any, Final, NamedTuple

import msgspec
from bson import ObjectId

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.devices import Device
from accounts.mail.addresses import link
from accounts.mail.letters import post
from accounts.personal_data import erasing
from accounts.personal_data.closing import close_account
from accounts.personal_data.receipts import receipt_of
from accounts.personal_data.states import ErasureStatus
from accounts.store import Erasure, User
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.errors import NotFound
from eloquent.foundation.ids import UserId
from eloquent.foundation.personal_data import personal_stores
from eloquent.foundation.sealing import seal, unseal

_TOKEN_BYTES: Final = 32


class Asked(NamedTuple):
    """An erasure, and the token that its receipt is read with."""

    erasure: Erasure
    token: str


async def ask_for_erasure(
    user: User, *, device: Device | None = None, staff: UserId | None = None, target: str = ""
) -> Asked:
    """Have the user's account erased, and close it now. Asked again, it is the erasure that there is already.

    The wish is written before anything else: whatever breaks off behind it, a worker goes on.
    """
    at = now()
    token, cancel = secrets.token_urlsafe(_TOKEN_BYTES), secrets.token_urlsafe(_TOKEN_BYTES)
    grace = timedelta(days=get_config().erasure_grace_days)
    wish = Erasure(
        id=ObjectId(),
        user_id=user.id,
        token_hash=_hash_of(token),
        cancel_hash=_hash_of(cancel) if grace else "",
        sealed=seal(msgspec.json.encode(erasing.LastLetter(user.email, token)), erasing.SEALED_FOR),
        by_staff=staff is not None,
        was_active=user.is_active,
        status=ErasureStatus.QUEUED,
        lease_expires_at=at,
        asked_at=at,
        due_at=at + grace,
    )
    erasure = await store.add_erasure(wish)
    if erasure.id == wish.id:
        await record(
            Action.ERASURE_ASKED,
            actor=staff or user.id,
            subject=user.id,
            device=device,
            target=target or f"erasure:{erasure.id}",
            grace_days=grace.days,
        )
        if grace:
            context = {"cancel": link("erasure-cancel", cancel), "due_at": erasure.due_at}
            await post("erasure_asked", to=user.email, user_id=user.id, context=context)
    elif erasure.sealed:
        token = msgspec.json.decode(unseal(erasure.sealed, erasing.SEALED_FOR), type=erasing.LastLetter).token
    await close_account(user.id)
    erasing.look_now()
    return Asked(erasure, token)


async def receipt_by(token: str) -> dict[str, Any]:
    """The receipt of whoever has this token.

    Raises:
        NotFound: nobody has.
    """
    erasure = await store.erasure_by_token(_hash_of(token))
    if erasure is None:
        raise NotFound("There is no such receipt.")
    return receipt_of(erasure, personal_stores())


async def take_back(token: str, *, device: Device | None = None) -> None:
    """Take the erasure back with the token of the letter; its user may sign in again.

    Raises:
        NotFound: no such token, or it is too late.
    """
    erasure = await store.take_back_erasure(_hash_of(token), at=now())
    if erasure is None or erasure.user_id is None:
        raise NotFound("This erasure cannot be taken back (any more).")
    await _reopen(erasure, erasure.user_id, actor=erasure.user_id, device=device)


async def take_back_at_desk(erasure_id: ObjectId, *, staff: UserId) -> bool:
    """Take the erasure back as staff; False when it is too late."""
    erasure = await store.take_back_erasure_at_desk(erasure_id, at=now())
    if erasure is None or erasure.user_id is None:
        return False
    await _reopen(erasure, erasure.user_id, actor=staff)
    return True


async def _reopen(erasure: Erasure, user_id: UserId, *, actor: UserId, device: Device | None = None) -> None:
    if erasure.was_active:
        await store.reopen_user(user_id)
    target = f"erasure:{erasure.id}"
    await record(Action.ERASURE_CANCELLED, actor=actor, subject=user_id, device=device, target=target)


def _hash_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
