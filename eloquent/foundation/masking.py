"""Hiding what must not be shown: passwords in addresses."""

import re

# scheme://user:password@: everything up to the last @ before the host may be part of a careless password.
_USER_INFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<user>[^:@/\s]*):(?P<password>[^\s]*)@", re.IGNORECASE)


def mask_uri(uri: str) -> str:
    """The address with its password replaced by asterisks; the user and the host stay readable."""
    return _USER_INFO.sub(r"\g<scheme>\g<user>:********@", uri)
