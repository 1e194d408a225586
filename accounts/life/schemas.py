"""What the routes of an account's life take and answer."""

from datetime import datetime
from typing import Any, Literal

from ninja import Field, Schema

from accounts import store
from accounts.openid.schemas import ProviderOut
from accounts.schemas import AsCookie, Email, LinkToken, NewPassword, OwnersProof, Password
from eloquent.foundation.inputs import Body


class LinkIn(Body):
    """The token of a link."""

    token: LinkToken


class EmailProof(LinkIn):
    """The token of a link, and the password of who is not signed in here by cookie."""

    current_password: Password | None = None


class EmailIn(Body):
    """Whose account it is."""

    email: Email


class PasswordReset(Body):
    """A link's token and the password that is to hold from now on."""

    token: LinkToken
    new_password: NewPassword
    cookie: AsCookie = False


class NewEmail(OwnersProof):
    """Proof that it is the owner, and the email that is to be the account's."""

    new_email: Email


class LetterOut(Schema):
    """Where a letter goes, if there is anything to write."""

    email: str


class VerificationSent(Schema):
    """No tokens yet: a letter to the email tells how it goes on."""

    email: str
    verification: Literal["sent"]


class VerifiedOut(Schema):
    """The email that is proven."""

    email: str
    email_verified: Literal[True]


class EmailChangeOut(Schema):
    """A change of email that waits. `current_confirmed` is null where the email so far has no say."""

    new_email: str
    current_confirmed: bool | None
    new_confirmed: bool
    expires_at: datetime


class EmailStateOut(Schema):
    """The account's email, and the one that it is to be changed to."""

    email: str
    email_verified: bool
    pending: EmailChangeOut | None


class ConfirmationOut(Schema):
    """What a confirmation has brought about: `waits_for` names the address that must still confirm."""

    new_email: str
    changed: bool
    waits_for: Literal["current", "new"] | None


class InvitationOut(Schema):
    """An invitation that can be used. `email` is empty when it is for whoever has it."""

    email: str
    expires_at: datetime


class PasswordLengthOut(Schema):
    """How many characters a password has."""

    min: int
    max: int


class RegistrationOut(Schema):
    """What it takes to make an account. `domains` is there where emails of these alone may, unless invited."""

    mode: Literal["open", "invitation", "domain", "closed"]
    domains: list[str] | None = None
    password: PasswordLengthOut
    email_verification: Literal["off", "optional", "required"]
    mail: bool = Field(description="whether letters are sent, and so whether a password can be reset")
    identity_providers: list[ProviderOut]


def email_change_out(change: store.EmailChange) -> dict[str, Any]:
    """An EmailChangeOut."""
    return {
        "new_email": change.new_email,
        "current_confirmed": change.current_confirmed_at is not None if change.needs_current else None,
        "new_confirmed": change.new_confirmed_at is not None,
        "expires_at": change.expires_at,
    }
