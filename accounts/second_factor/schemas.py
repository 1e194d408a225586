"""What the routes of second factors take and answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from ninja import Field, Schema
from pydantic import AfterValidator, ConfigDict, StringConstraints, model_validator

from accounts import store
from accounts.schemas import AsCookie, Code, RecoveryCode, printable
from accounts.second_factor.challenges import Answer
from accounts.second_factor.changes import PendingTotp
from accounts.second_factor.factors import Factors
from eloquent.foundation.config import get_config
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import Body, Flag

MAX_PASSKEY_NAME_CHARS = 80

ChallengeToken = Annotated[str, Field(max_length=64, description="from the answer 202 of the first step")]
PasskeyName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_PASSKEY_NAME_CHARS),
    AfterValidator(printable),
]
Base64Url = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]*={0,2}$", max_length=16_384)]
CredentialId = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$", max_length=1400), Field(examples=["Y3JlZGVudGlhbA"])
]


class _FromBrowser(Schema):
    """As `PublicKeyCredential.toJSON()` writes it; what browsers add to it is left alone."""

    model_config = ConfigDict(extra="ignore")


class AssertionResponse(_FromBrowser):
    """What the authenticator signed."""

    clientDataJSON: Base64Url  # noqa: N815 - WebAuthn's name
    authenticatorData: Base64Url  # noqa: N815
    signature: Base64Url
    userHandle: Base64Url | None = None  # noqa: N815


class AttestationResponse(_FromBrowser):
    """What the authenticator made."""

    clientDataJSON: Base64Url  # noqa: N815
    attestationObject: Base64Url  # noqa: N815
    transports: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=16)] | None = None


class AssertedPasskey(_FromBrowser):
    """The answer of `navigator.credentials.get`."""

    id: CredentialId
    rawId: CredentialId  # noqa: N815
    type: Literal["public-key"]
    response: AssertionResponse


class CreatedPasskey(_FromBrowser):
    """The answer of `navigator.credentials.create`."""

    id: CredentialId
    rawId: CredentialId  # noqa: N815
    type: Literal["public-key"]
    response: AttestationResponse


class SecondFactorAnswer(Body):
    """The answer to a challenge: exactly one of `code`, `recovery_code` and `passkey`."""

    challenge: ChallengeToken
    code: Code | None = None
    recovery_code: RecoveryCode | None = None
    passkey: AssertedPasskey | None = None
    cookie: AsCookie = False

    @model_validator(mode="after")
    def _one_answer(self) -> Self:
        if sum(given is not None for given in (self.code, self.recovery_code, self.passkey)) != 1:
            raise ValueError("Exactly one of code, recovery_code and passkey is expected.")
        return self

    def answer(self) -> Answer:
        """As the domain has it."""
        passkey = self.passkey.model_dump() if self.passkey is not None else None
        return Answer(code=self.code, recovery_code=self.recovery_code, passkey=passkey)


class PasskeyQuestion(Body):
    """Without a challenge: for a sign-in with a passkey alone."""

    challenge: ChallengeToken | None = None


class PasskeySignIn(Body):
    """A sign-in with a passkey alone."""

    passkey: AssertedPasskey
    cookie: AsCookie = False


EndOtherSessions = Annotated[Flag, Field(description="sign out all other devices, too")]


class FirstCode(Body):
    """What the new app shows."""

    code: Code
    end_other_sessions: EndOtherSessions = False


class NewPasskey(Body):
    """A passkey that the browser made."""

    passkey: CreatedPasskey
    name: PasskeyName
    end_other_sessions: EndOtherSessions = False


class PasskeyRename(Body):
    """What the passkey is to be called."""

    name: PasskeyName


class PasskeyOptionsOut(Schema):
    """For `PublicKeyCredential.parseRequestOptionsFromJSON` or `parseCreationOptionsFromJSON`."""

    options: dict[str, Any]
    expires_in: int = Field(description="seconds until they are no longer good")


class PendingTotpOut(Schema):
    """What an authenticator app is told: by its QR code, a link, or typing the secret in."""

    secret: str
    otpauth_url: str
    qr_svg: str = Field(description="the QR code, an SVG as data URL")
    expires_in: int = Field(description="seconds until it is to be confirmed")


class RecoveryCodesOut(Schema):
    """Shown this once. Empty where the user has some already."""

    recovery_codes: list[str]


class TotpOut(Schema):
    """An authenticator app."""

    added_at: datetime


class PasskeyOut(Schema):
    """A passkey. `suspected_at` is when its counter went backwards, as that of a copy would."""

    id: ObjectIdField
    name: str
    created_at: datetime
    last_used_at: datetime | None
    backed_up: bool
    suspected_at: datetime | None


class NewPasskeyOut(PasskeyOut):
    """A new passkey; with recovery codes, shown this once, for a user who had none."""

    recovery_codes: list[str]


class PasskeyList(Schema):
    """Passkeys, newest first; a user has at most 20."""

    items: list[PasskeyOut]


class SecondFactorOut(Schema):
    """What is set up. `required` says that this user is asked to have a second factor, as staff may be."""

    enabled: bool
    required: bool
    totp: TotpOut | None
    totp_pending: bool
    passkeys: list[PasskeyOut]
    recovery_codes_left: int


def pending_totp_out(pending: PendingTotp) -> dict[str, Any]:
    """A PendingTotpOut."""
    return {
        "secret": pending.secret,
        "otpauth_url": pending.otpauth_url,
        "qr_svg": pending.qr_svg,
        "expires_in": pending.expires_in_s,
    }


def passkey_out(passkey: store.Passkey) -> dict[str, Any]:
    """A PasskeyOut."""
    return {
        "id": str(passkey.id),
        "name": passkey.name,
        "created_at": passkey.created_at,
        "last_used_at": passkey.last_used_at,
        "backed_up": passkey.backed_up,
        "suspected_at": passkey.cloned_at,
    }


def passkeys_out(passkeys: Sequence[store.Passkey]) -> list[dict[str, Any]]:
    """Each as a PasskeyOut."""
    return [passkey_out(passkey) for passkey in passkeys]


def second_factor_out(factors: Factors, *, user: store.User, at: datetime) -> dict[str, Any]:
    """A SecondFactorOut."""
    kept = factors.kept
    totp = {"added_at": kept.totp_added_at} if kept is not None and factors.has_totp else None
    return {
        "enabled": factors.any,
        "required": user.is_staff and get_config().staff_second_factor,
        "totp": totp,
        "totp_pending": kept is not None and kept.pending_until is not None and kept.pending_until > at,
        "passkeys": passkeys_out(factors.passkeys),
        "recovery_codes_left": factors.recovery_codes_left,
    }
