"""Keys that a development machine makes once and keeps in its state directory, readable by its owner alone."""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def kept(path: Path, make: Callable[[], str]) -> str:
    """The file's text; made first when there is none.

    Several processes may start at once: whoever links its file first wins and the others read that one.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="ascii") as file:  # made with mode 0600
            file.write(make())
            file.flush()
            with contextlib.suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text(encoding="ascii")


def make_secret() -> str:
    """64 characters of chance for Django's SECRET_KEY."""
    return secrets.token_urlsafe(48)


def make_signing_key() -> str:
    """A new RSA key of 2048 bits as PKCS#8 PEM, for signing access tokens (RS256)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
