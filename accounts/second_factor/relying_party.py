"""For which domain passkeys are made, and which pages may use them.

WebAuthn binds a passkey to a domain (the RP id), and its browser tells which page asked (the origin), in what the
passkey signs: a page of another domain, however alike it looks, gets nothing that is of use here.
"""

from urllib.parse import urlsplit

import msgspec

from accounts.origins import is_own_origin
from eloquent.foundation.config import Config, get_config

NAME = "Eloquent AI"


class RelyingParty(msgspec.Struct, frozen=True):
    """Who asks for a passkey: a domain, our own host (with its port), and the origins of other frontends."""

    domain: str
    host: str
    origins: frozenset[str]

    def takes(self, origin: object) -> bool:
        """Whether a page of this origin may use passkeys: our own or a frontend, and of the domain.

        Args:
            origin: what a client says that the origin is, which may be anything.
        """
        if not isinstance(origin, str):
            return False
        try:
            name = (urlsplit(origin).hostname or "").lower()
        except ValueError:
            return False
        inside = name == self.domain or name.endswith(f".{self.domain}")
        return inside and is_own_origin(origin, host=self.host, allowed=self.origins)


def relying_party(host: str) -> RelyingParty:
    """The one that a request to this host means; the host is one of ALLOWED_HOSTS."""
    return relying_party_by(get_config(), host)


def relying_party_by(config: Config, host: str) -> RelyingParty:
    """The rule itself, pure."""
    frontend = urlsplit(config.frontend_url or "")
    domain = config.passkey_domain or frontend.hostname or urlsplit(f"//{host}").hostname or ""
    origins = {
        *config.allowed_origins,
        *([f"{frontend.scheme}://{frontend.netloc}".lower()] if frontend.netloc else []),
    }
    return RelyingParty(domain.lower(), host, frozenset(origins))
