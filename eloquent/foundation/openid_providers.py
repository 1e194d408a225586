"""The providers of OpenID Connect that a setting names: JSON text, read with all its faults at once. Pure.

{"google": {"issuer": "https://accounts.google.com", "client_id": "…", "client_secret": "…", "trusts_email": true}}
"""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, ValidationError

MOST_PROVIDERS: Final = 10
# Part of paths and of the address that is registered with the provider.
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,23}")
_SECRET: Final = re.compile(r"[ -~]{1,1000}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
# RFC 6749, appendix A.
_Scope = Annotated[str, StringConstraints(pattern=r"^[!#-\[\]-~]{1,100}$")]
_Visible = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,500}$")]


class Provider(BaseModel):
    """One provider.

    `trusts_email`: its word about an email counts as ours. `registers`: who is not known here gets an account.
    `second_factor`: whether people with a second factor here are asked for it, or the provider has done that.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    issuer: _Visible
    client_id: _Visible
    client_secret: SecretStr | None = None
    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)] = ""
    scopes: Annotated[list[_Scope], Field(max_length=20)] = ["openid", "email", "profile"]
    trusts_email: bool = False
    registers: bool = False
    second_factor: Literal["ask", "provider"] = "ask"
    name: Annotated[str, Field(exclude=True)] = ""

    @property
    def is_plain(self) -> bool:
        """Whether it is asked without TLS, which only a provider on this very machine may be."""
        return self.issuer.startswith("http://")


def provider_list(text: str) -> dict[str, Provider]:
    """The providers by name, in the order of the text; none for an empty one.

    Raises:
        ValueError: with every fault of the list in its sentence, and no secret.
    """
    if not text.strip():
        return {}
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is no JSON") from None
    if not isinstance(entries, dict) or len(entries) > MOST_PROVIDERS:
        raise ValueError(f"it must be an object of at most {MOST_PROVIDERS} providers")
    faults: list[str] = []
    providers = {name: provider for name, value in entries.items() if (provider := _provider(name, value, faults))}
    issuers = [provider.issuer for provider in providers.values()]
    faults += [f"{name}: another one has its issuer" for name, p in providers.items() if issuers.count(p.issuer) > 1]
    if faults:
        raise ValueError("; ".join(faults))
    return providers


def checked(text: str) -> str:
    """The text as it is, when it is a list of providers.

    Raises:
        ValueError: as `provider_list`.
    """
    provider_list(text)
    return text


def _provider(name: str, value: Any, faults: list[str]) -> Provider | None:
    if not _NAME.fullmatch(name):
        faults.append(f"“{name[:50]}”: a name is up to 24 lower-case letters, digits and hyphens, a letter first")
        return None
    if isinstance(value, dict) and "name" in value:
        faults.append(f"{name}: name: it stands in front of the provider")
        return None
    try:
        provider = Provider.model_validate(value)
    except ValidationError as error:
        faults += [f"{name}: {'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors()]
        return None
    wrong = list(_wrong_with(provider))
    faults += [f"{name}: {fault}" for fault in wrong]
    return None if wrong else provider.model_copy(update={"name": name, "title": provider.title or name.capitalize()})


def _wrong_with(provider: Provider) -> Iterator[str]:
    try:
        parts = urlsplit(provider.issuer)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or parts.query or parts.fragment or "@" in parts.netloc or "\\" in provider.issuer:
        yield "issuer: it is a host and maybe a path behind https://, as the provider itself writes it"
    elif parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        yield "issuer: it must begin with https://"
    if "openid" not in provider.scopes:
        yield "scopes: openid is missing"
    if not provider.title.isprintable():
        yield "title: it has characters that cannot be shown"
    if provider.client_secret is not None and not re.fullmatch(
        r"[ -~]{1,1000}", provider.client_secret.get_secret_value()
    ):
        yield "client_secret: it is empty, too long, or has characters that no secret has"
    if provider.registers and not provider.trusts_email:
        # Whoever owns the address might later find somebody else's sign-in attached to it.
        yield "registers: a new account has the provider's email, so this needs trusts_email"
