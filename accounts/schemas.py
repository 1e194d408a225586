"""What the routes take and answer. Input is checked here; answers are written from values by the functions below."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from ninja import Field, Schema
from pydantic import AfterValidator, AwareDatetime, StringConstraints

from accounts import store
from accounts.api_key_access import Scope
from accounts.emails import MAX_EMAIL_CHARS, normalise_email
from accounts.password_rules import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS
from accounts.proving import Evidence
from accounts.second_factor.challenges import Challenge
from accounts.second_factor.factors import Method
from accounts.sessions import Grant
from eloquent.foundation.clock import now
from eloquent.foundation.ids import ObjectIdField, SessionId
from eloquent.foundation.inputs import A_NUMBER, Body, Flag

MAX_NAME_CHARS = 150
MAX_KEY_NAME_CHARS = 80
MOST_REQUESTS_PER_MINUTE = 1_000_000
LONGEST_KEY_LIFE = timedelta(days=3660)


def printable(text: str) -> str:
    """The text, which has no line breaks or control characters; ValueError when it has."""
    if not text.isprintable():
        raise ValueError("A name has no line breaks or control characters.")
    return text


# A third of slack for the spaces around it; the stored form is what the limit is about.
Email = Annotated[
    str,
    Field(max_length=MAX_EMAIL_CHARS + 80, description="compared without case", examples=["ada@example.org"]),
    AfterValidator(normalise_email),
]
Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_NAME_CHARS), AfterValidator(printable)]
# What was accepted once must stay typeable: only the upper bound is checked here.
Password = Annotated[str, Field(max_length=MAX_PASSWORD_CHARS)]
Code = Annotated[str, Field(max_length=32, description="six digits, as the app shows them", examples=["492039"])]
RecoveryCode = Annotated[
    str, Field(max_length=64, description="good once", examples=["k3h7-9xqm-2r4t-v8wz-0b5n-jc6y-d1se"])
]
DeviceToken = Annotated[
    str,
    Field(max_length=200, description="the `device_token` of an earlier sign-in: others' guesses do not slow this one"),
]
NewPassword = Annotated[
    str,
    Field(
        max_length=MAX_PASSWORD_CHARS,
        description=f"{MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters, not a common one, not one's names",
        examples=["correct horse battery staple"],
    ),
]
LinkToken = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=100, pattern=r"^[A-Za-z0-9_-]+$"),
    Field(description="what stands behind # in the link", examples=["bGluay1vZi0yNTYtcmFuZG9tLWJpdHMtaW4tYS1sZXR0ZXI"]),
]
AsCookie = Annotated[
    Flag, Field(description="set the refresh token as HttpOnly cookie instead of answering it; for browsers")
]


def _in_reach(moment: datetime) -> datetime:
    """The moment in UTC, to the millisecond that is stored."""
    at = now()
    if not at < moment < at + LONGEST_KEY_LIFE:
        raise ValueError(f"It must lie in the future, at most {LONGEST_KEY_LIFE.days} days from now.")
    moment = moment.astimezone(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


KeyName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_KEY_NAME_CHARS),
    AfterValidator(printable),
]
Scopes = Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
RequestsPerMinute = Annotated[
    int,
    Field(ge=1, le=MOST_REQUESTS_PER_MINUTE, description="the key's own limit, where it is below that of all keys"),
    A_NUMBER,
]
ExpiryTime = Annotated[AwareDatetime, AfterValidator(_in_reach)]


class NewUser(Body):
    """A registration."""

    email: Email
    password: NewPassword
    name: Name = ""
    invitation: LinkToken | None = None
    cookie: AsCookie = False


class Credentials(Body):
    """A sign-in."""

    email: Email
    password: Password
    cookie: AsCookie = False
    device_token: DeviceToken | None = None


class OwnPassword(Body):
    """An own password in the place of one that was given."""

    email: Email
    given_password: Password
    new_password: NewPassword
    cookie: AsCookie = False
    device_token: DeviceToken | None = None


class RefreshTokenIn(Body):
    """A refresh token. Without one the cookie is used."""

    refresh_token: Annotated[str, Field(max_length=200)] | None = None
    cookie: AsCookie = False


class OwnersProof(Body):
    """Proof that it is the owner: the password, and with an authenticator app also its code or a recovery code.

    An account without a password leaves it out: a sign-in of the last ten minutes stands in its place.
    """

    current_password: Password | None = None
    code: Code | None = None
    recovery_code: RecoveryCode | None = None

    def evidence(self) -> Evidence:
        """As the domain has it."""
        return Evidence(current_password=self.current_password, code=self.code, recovery_code=self.recovery_code)


class PasswordChange(OwnersProof):
    """Proof that it is the owner, and the password that is to hold from now on."""

    new_password: NewPassword
    cookie: AsCookie = False


class NameChange(Body):
    """What the user wants to be called."""

    name: Name


class UserOut(Schema):
    """A user, as themselves see it."""

    id: ObjectIdField
    email: str
    email_verified: bool
    name: str
    has_password: bool = Field(description="whether there is one to ask for: who came from elsewhere may have none")
    is_staff: bool
    created_at: datetime


class GrantOut(Schema):
    """A user and a pair of tokens. In cookie mode the refresh token is in the cookie and not here."""

    user: UserOut
    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="seconds that the access token lives")
    refresh_token: str | None = None
    device_token: str | None = Field(
        None, description="of a sign-in: keep it, and send it with the next; in cookie mode the cookie has it"
    )


class ChallengeOut(Schema):
    """In place of a grant: the second factor is to be shown at `/auth/second-factor`, in one of these ways."""

    challenge: str
    methods: list[Method]
    expires_in: int = Field(description="seconds that the challenge lives")


class SessionOut(Schema):
    """A signed-in device.

    `last_seen_at` is when it last refreshed, which a device in use does every 15 minutes, or last had a socket open,
    give or take a minute. `country` and `city` are where a proxy in front of the server takes the address to be.
    """

    id: ObjectIdField
    label: str
    ip: str
    country: str = Field(description="two letters (ISO 3166), empty when nobody knows", examples=["CH"])
    city: str = Field(description="empty when nobody knows", examples=["Bern"])
    user_agent: str
    signed_in_with: str = Field(
        description="`password`, `passkey`, `identity_provider`, `reset_link`, `registration`; empty for old sessions",
        examples=["password"],
    )
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime = Field(description="30 days after it was last used, or when another sign-in is due")
    current: bool


class SessionPage(Schema):
    """Sessions, newest first."""

    items: list[SessionOut]
    next_cursor: str | None


class TicketOut(Schema):
    """A one-use ticket, offered as websocket subprotocol `ticket.<ticket>`."""

    ticket: str
    expires_in: int = Field(description="seconds that the ticket lives")


class NewApiKey(OwnersProof):
    """Proof that it is the owner, and what the key is to be. Without `expires_at` it is good until it is revoked."""

    name: KeyName
    scopes: Scopes
    expires_at: ExpiryTime | None = None
    requests_per_minute: RequestsPerMinute | None = None


class ApiKeyChange(Body):
    """What is to be another; what is left out stays. `requests_per_minute: null` takes the key's own limit away."""

    name: KeyName = ""
    scopes: Scopes = []
    requests_per_minute: RequestsPerMinute | None = None


class ApiKeyOut(Schema):
    """An API key. `prefix` is how its secret begins. `last_used_at` may be a minute behind."""

    id: ObjectIdField
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    requests_per_minute: int | None
    last_used_at: datetime | None


class NewApiKeyOut(ApiKeyOut):
    """A new API key with its secret, which is shown this once."""

    secret: str


class ApiKeyPage(Schema):
    """API keys, newest first."""

    items: list[ApiKeyOut]
    next_cursor: str | None


def user_out(user: store.User) -> dict[str, Any]:
    """A UserOut."""
    return {
        "id": str(user.id),
        "email": user.email,
        "email_verified": user.email_verified_at is not None,
        "name": user.name,
        "has_password": user.has_own_password,
        "is_staff": user.is_staff,
        "created_at": user.created_at,
    }


def grant_out(grant: Grant, *, with_refresh_token: bool, device_token: str | None = None) -> dict[str, Any]:
    """A GrantOut."""
    answer = {
        "user": user_out(grant.user),
        "access_token": grant.access_token,
        "token_type": "Bearer",
        "expires_in": grant.expires_in_s,
    }
    if device_token is not None:
        answer["device_token"] = device_token
    return {**answer, "refresh_token": grant.refresh_token} if with_refresh_token else answer


def session_page_out(
    sessions: Sequence[store.Session], *, current: SessionId, next_cursor: str | None
) -> dict[str, Any]:
    """A SessionPage."""
    items = [
        {
            "id": str(session.id),
            "label": session.label,
            "ip": session.ip,
            "country": session.country,
            "city": session.city,
            "user_agent": session.user_agent,
            "signed_in_with": session.signed_in_with,
            "created_at": session.created_at,
            "last_seen_at": session.last_seen_at,
            "expires_at": session.ends_at,
            "current": session.id == current,
        }
        for session in sessions
    ]
    return {"items": items, "next_cursor": next_cursor}


def api_key_out(key: store.ApiKey) -> dict[str, Any]:
    """An ApiKeyOut."""
    return {
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "requests_per_minute": key.requests_per_minute,
        "last_used_at": key.last_used_at,
    }


def challenge_out(challenge: Challenge) -> dict[str, Any]:
    """A ChallengeOut."""
    return {"challenge": challenge.token, "methods": challenge.methods, "expires_in": challenge.expires_in_s}
