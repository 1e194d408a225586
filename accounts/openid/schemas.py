"""What the routes of OpenID Connect take and answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from ninja import Field, Query, Schema

from accounts import store
from accounts.openid.providers import provider_at, providers
from accounts.schemas import AsCookie, OwnersProof
from eloquent.foundation.ids import ObjectIdField
from eloquent.foundation.inputs import Body

Code = Annotated[str, Field(max_length=100, description="from behind # of the page that was returned to")]
# RFC 7636: SHA-256 in base64url.
Challenge = Annotated[str, Query(pattern=r"^[A-Za-z0-9_-]{43}$")]


class ProviderOut(Schema):
    """Where else one may sign in."""

    name: str
    title: str


class ProviderList(Schema):
    """All of them, in the order of the settings."""

    items: list[ProviderOut]


class OpenidExchange(Body):
    """A code and, where the sign-in was begun with a `code_challenge`, its verifier."""

    code: Code
    code_verifier: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{43,128}$")] | None = None
    cookie: AsCookie = False


class LinkStart(OwnersProof):
    """Proof that it is the owner, and the page to go on at: a path on this host, or a page of an allowed frontend."""

    next: Annotated[str, Field(max_length=2000)] | None = None


class LinkStartOut(Schema):
    """The page of the provider to open."""

    url: str


class LinkCode(Body):
    """The code of a link that was begun in this session."""

    code: Code


class IdentityOut(Schema):
    """A linked sign-in. `provider` is null when the settings name it no more. `email` is what it last said."""

    id: ObjectIdField
    provider: str | None
    title: str
    email: str
    created_at: datetime
    last_used_at: datetime | None


class IdentityList(Schema):
    """Linked sign-ins, oldest first; there are at most ten."""

    items: list[IdentityOut]


def provider_list_out() -> dict[str, Any]:
    """A ProviderList."""
    return {"items": [{"name": provider.name, "title": provider.title} for provider in providers().values()]}


def identity_out(identity: store.ExternalIdentity) -> dict[str, Any]:
    """An IdentityOut."""
    provider = provider_at(identity.issuer)
    return {
        "id": str(identity.id),
        "provider": provider.name if provider else None,
        "title": provider.title if provider else identity.issuer,
        "email": identity.email,
        "created_at": identity.created_at,
        "last_used_at": identity.last_used_at,
    }


def identity_list_out(identities: Sequence[store.ExternalIdentity]) -> dict[str, Any]:
    """An IdentityList."""
    return {"items": [identity_out(identity) for identity in identities]}
