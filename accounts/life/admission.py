"""Who may make an account: everybody, whom staff invited, whose email is of a domain, nobody (REGISTRATION).

Whoever registers, by whichever way, goes `may_register` → `use` → the user is written → `welcome`:

    admission = await may_register(email, invitation=token)
    await use(admission, user.id)
    try:
        await store.add_user(user)
    except store.EmailTakenError:
        await give_back(admission, user.id)
        raise
    await welcome(admission, user.id)
"""

from collections.abc import Collection

import msgspec

from accounts import store
from accounts.life.errors import DomainNotAllowed, InvitationInvalid, InvitationRequired, RegistrationClosed
from accounts.tokens import hash_of
from eloquent.foundation.clock import now
from eloquent.foundation.config import get_config
from eloquent.foundation.formats import ascii_domain
from eloquent.foundation.ids import UserId


class Admission(msgspec.Struct, frozen=True):
    """Leave to register with this email, by an invitation or without one."""

    email: str
    invitation: store.Invitation | None = None

    @property
    def proves_email(self) -> bool:
        """Whether the invitation was sent to this email: whoever has its token reads its letters.

        Where no letters are sent, staff hand the link on.
        """
        addressed = self.invitation is not None and self.invitation.email == self.email
        return addressed and get_config().sends_mail


async def may_register(email: str, invitation: str | None = None, *, proven: bool = False) -> Admission:
    """Leave to register with the email, which is in its stored form.

    Nothing is written, and nothing told of whether the email is taken.

    Args:
        email: who wants an account.
        invitation: the token of an invitation, when they came with one.
        proven: the email is known to be theirs (an identity provider says so): an invitation that was addressed to it
            counts without its token.

    Raises:
        RegistrationClosed: nobody may.
        InvitationRequired: it takes an invitation, and none came.
        InvitationInvalid: one came that is used, expired, or for another email.
        DomainNotAllowed: it takes an email of other domains.
    """
    config = get_config()
    if config.registration == "closed":
        raise RegistrationClosed
    found = None
    if invitation is not None:
        found = await invitation_in_force(invitation)
        if found.email not in ("", email):
            raise InvitationInvalid
    elif proven:
        found = await store.invitation_for(email, at=now())
    if found is None and config.registration == "invitation":
        raise InvitationRequired
    if found is None:
        require_domain(email)
    return Admission(email, found)


async def invitation_in_force(token: str) -> store.Invitation:
    """The invitation with this token, left as it is.

    Raises:
        InvitationInvalid: used, expired, or none of ours.
    """
    invitation = await store.invitation_by_hash(hash_of(token))
    if invitation is None or invitation.used_at is not None or invitation.expires_at <= now():
        raise InvitationInvalid
    return invitation


def require_domain(email: str) -> None:
    """Return when an account may have this email without an invitation, as far as its domain goes.

    Raises:
        DomainNotAllowed: accounts are for other domains.
    """
    config = get_config()
    if config.registration == "domain" and not is_of_domains(email, config.registration_domains):
        raise DomainNotAllowed


def is_of_domains(email: str, domains: Collection[str]) -> bool:
    """Whether the email's domain is one of these, in the spelling of `formats.domain`. Pure.

    `example.org` is itself alone, `*.example.org` everything below it and not itself.
    """
    try:
        domain = ascii_domain(email.rpartition("@")[2])
    except ValueError:
        return False
    return any(domain == each or (each.startswith("*.") and domain.endswith(each[1:])) for each in domains)


async def use(admission: Admission, user_id: UserId) -> None:
    """Use the invitation up, if there is one, before the user is written.

    Raises:
        InvitationInvalid: somebody else was first.
    """
    invitation = admission.invitation
    if invitation is not None and await store.use_invitation(invitation.id, user_id, at=now()) is None:
        raise InvitationInvalid


async def give_back(admission: Admission, user_id: UserId) -> None:
    """The user was not written: the invitation can be used again."""
    if admission.invitation is not None:
        await store.give_invitation_back(admission.invitation.id, user_id)


async def welcome(admission: Admission, user_id: UserId) -> None:
    """The user is there: they join the group that they were invited into."""
    if admission.invitation is not None and admission.invitation.group_id is not None:
        await store.join_group(user_id, admission.invitation.group_id)
