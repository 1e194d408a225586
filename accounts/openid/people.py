"""Which account somebody has whom a provider sends, and what they are called there.

An identity, once there, opens its account. Without one, an email address is all that two sides have in common, and it
opens an existing account only where everybody vouches for it: the provider says that the person proved it, the operator
takes this provider's word for that (`trusts_email`), and the account's owner had proved it here. Otherwise whoever
makes a provider say an address would have the account. Accounts of staff are never opened so.
"""

import structlog
from bson import ObjectId
from django.contrib.auth.hashers import is_password_usable, make_password

from accounts import store
from accounts.audit.actions import Action
from accounts.audit.recording import record
from accounts.authentication import Identity
from accounts.devices import Device
from accounts.life import admission
from accounts.mail.letters import post
from accounts.openid.errors import (
    AccountClosed,
    EmailUnproven,
    IdentityTaken,
    LastWayIn,
    LinkFirst,
    NotRegistered,
    TooManyIdentities,
)
from accounts.openid.id_tokens import Person
from accounts.openid.providers import provider_at
from accounts.proving import Evidence, proven_owner
from accounts.signing_in import Proof
from eloquent.foundation.clock import now
from eloquent.foundation.errors import Conflict, Forbidden, NotFound, NotSignedIn
from eloquent.foundation.ids import UserId
from eloquent.foundation.openid_providers import Provider

log = structlog.get_logger(__name__)

MOST_IDENTITIES = 10
_ATTEMPTS = 3


async def known(person: Person) -> store.User | None:
    """The user whom the person's identity belongs to; None when there is no such identity (any more)."""
    identity = await store.identity_at(person.issuer, person.subject)
    if identity is None:
        return None
    user = await store.user_by_id(identity.user_id)
    if user is None:  # deleted, and not by way of the models
        await store.take_identity(identity.user_id, identity.id)
        return None
    await store.note_identity_used(user.id, identity.id, at=now(), email=person.email or identity.email)
    return user


async def account_of(person: Person, provider: Provider, *, device: Device) -> store.User:
    """The person's account, found by its email or made where there is no identity yet.

    Raises:
        SignInRefused: which of its kinds says what the person can do.
    """
    for _ in range(_ATTEMPTS):
        user = await known(person)
        if user is None:
            try:
                user = await _newly_known(person, provider, device=device)
            except (store.EmailTakenError, store.IdentityTakenError):
                continue  # the same person is signing in twice at this moment, and the other was first
        if not user.is_active:
            raise AccountClosed
        return user
    raise Conflict


async def _newly_known(person: Person, provider: Provider, *, device: Device) -> store.User:
    if not person.email or not (person.email_verified or (person.email_verified is None and provider.trusts_email)):
        raise EmailUnproven
    user = await store.user_by_email(person.email)
    if user is None:
        if not provider.registers:
            raise NotRegistered
        try:
            leave = await admission.may_register(person.email, proven=bool(person.email_verified))
        except Forbidden:
            raise NotRegistered from None
        user = store.User(
            id=ObjectId(),
            email=person.email,
            name=person.name,
            password=make_password(None),
            created_at=now(),
            email_verified_at=now(),  # `registers` is not to be had without `trusts_email`
        )
        await admission.use(leave, user.id)
        try:
            await store.add_user(user)
        except store.EmailTakenError:
            await admission.give_back(leave, user.id)
            raise
        await admission.welcome(leave, user.id)
        await record(Action.REGISTERED, actor=user.id, subject=user.id, device=device, proof=Proof.IDENTITY_PROVIDER)
        await _add(user, person, provider, device=device)
        return user
    if not user.is_active:
        raise AccountClosed
    vouched_for = provider.trusts_email and person.email_verified and user.email_verified_at is not None
    if not vouched_for or user.is_staff:
        raise LinkFirst
    await _add(user, person, provider, device=device)
    await _tell(user, "identity_linked", provider.title)
    return user


async def link(identity: Identity, person: Person, provider: Provider, *, device: Device) -> store.ExternalIdentity:
    """The identity, which from now on opens the account of the user who asks.

    Raises:
        IdentityTaken: it opens another account.
        TooManyIdentities: the user has ten.
    """
    user = await store.user_by_id(identity.user_id)
    if user is None:
        raise NotSignedIn
    if len(await store.identities_of(user.id, limit=MOST_IDENTITIES)) >= MOST_IDENTITIES:
        raise TooManyIdentities
    try:
        added = await _add(user, person, provider, device=device)
    except store.IdentityTakenError:
        there = await store.identity_at(person.issuer, person.subject)
        if there is None or there.user_id != user.id:
            raise IdentityTaken from None
        return there
    await _tell(user, "identity_linked", provider.title)
    return added


async def identities_of(owner: UserId) -> list[store.ExternalIdentity]:
    """All of the owner's identities, oldest first."""
    return await store.identities_of(owner, limit=MOST_IDENTITIES + 1)


async def unlink(identity: Identity, linked_id: ObjectId, evidence: Evidence, *, device: Device) -> None:
    """Have an identity of the user who asks open nothing any more.

    Raises:
        NotFound: none with this id, or another user's: the caller cannot tell which.
        WrongPassword, WrongCode, SignInTooOld, CodesExhausted, Throttled: see `proven_owner`.
        LastWayIn: there is neither a password nor another identity nor a passkey.
    """
    owner = identity.user_id
    if linked_id not in {linked.id for linked in await identities_of(owner)}:
        raise NotFound
    user = (await proven_owner(identity, evidence, device=device)).user
    taken = await store.take_identity(owner, linked_id)
    if taken is None:
        raise NotFound
    # Asked afterwards, because two may be removed at the same moment.
    if not (
        is_password_usable(user.password)
        or await store.identities_of(owner, limit=1)
        or await store.passkeys_of(owner, limit=1)
    ):
        await store.add_identity(taken)
        raise LastWayIn
    await record(Action.IDENTITY_UNLINKED, actor=owner, subject=owner, device=device, target=f"identity:{linked_id}")
    provider = provider_at(taken.issuer)
    await _tell(user, "identity_unlinked", provider.title if provider else taken.issuer)


async def _add(user: store.User, person: Person, provider: Provider, *, device: Device) -> store.ExternalIdentity:
    at = now()
    identity = store.ExternalIdentity(
        id=ObjectId(),
        user_id=user.id,
        issuer=person.issuer,
        subject=person.subject,
        email=person.email,
        created_at=at,
        last_used_at=at,
    )
    await store.add_identity(identity)
    await record(
        Action.IDENTITY_LINKED,
        actor=user.id,
        subject=user.id,
        device=device,
        target=f"identity:{identity.id}",
        provider=provider.name,
    )
    return identity


async def _tell(user: store.User, kind: str, title: str) -> None:
    await post(kind, to=user.email, user_id=user.id, context={"title": title})
