"""Where the links in letters lead."""

from eloquent.foundation.config import get_config


def link(page: str, token: str = "") -> str:  # nosec B107
    """The address of the page below /account, with a token, if there is one, that only its owner's browser reads.

    It stands behind `#`, which browsers send to no server: it is in no log and in no Referer. The host is the
    configured one and never that of a request, which could name any.
    """
    config = get_config()
    origin = config.frontend_url or config.next_public_api_url or f"http://{_own_host(config.host)}:{config.port}"
    return f"{origin}/account/{page}#{token}" if token else f"{origin}/account/{page}"


def _own_host(listening: str) -> str:
    return "127.0.0.1" if listening in ("0.0.0.0", "::", "") else listening  # noqa: S104 - not listened on here
