"""Checks of a setting's form: addresses and keys. Each returns the value, tidied, or raises ValueError with why not."""

import re
from urllib.parse import urlsplit

import idna
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from eloquent.foundation.ssrf import leads_nowhere

_SMALLEST_RSA_KEY_BITS = 2048
_PRINTABLE = re.compile(r"[!-~]+")


def http_url(value: str) -> str:
    """An http or https address with a host; a slash at its end is dropped.

    An operator may name any host. What no server of a model or of files has is refused: the address at which a cloud
    tells a machine its secrets, and letters that two readers of an address take for different things.
    """
    if not _PRINTABLE.fullmatch(value) or "\\" in value:
        raise ValueError("it has spaces or characters that do not belong in an address")
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must begin with http:// or https:// and name a host")
    if parts.fragment:
        raise ValueError("it must not have a # in it")
    _ = parts.port  # raises for what is none
    if leads_nowhere(parts.hostname):
        raise ValueError("it leads to an address that no request should go to")
    return value.rstrip("/")


def http_origin(value: str) -> str:
    """Scheme, host and port alone, lower case, as browsers send it in `Origin`."""
    parts = urlsplit(http_url(value))
    if parts.path or parts.query or parts.fragment or "*" in parts.netloc or "@" in parts.netloc:
        raise ValueError("an origin is a scheme, a host and maybe a port, no path and no wildcard")
    return f"{parts.scheme}://{parts.netloc}".lower()


def sentry_dsn(value: str) -> str:
    """An address with a key before its host and a project's number at its end, as Sentry hands them out."""
    parts = urlsplit(http_url(value))
    if not parts.username or not parts.path.rpartition("/")[2].isdecimal():
        raise ValueError("it must look like https://KEY@HOST/NUMBER")
    return value


def mongodb_uri(value: str) -> str:
    """An address that begins as MongoDB's do."""
    if not value.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("it must begin with mongodb:// or mongodb+srv://")
    return value


def redis_url(value: str) -> str:
    """An address that begins as Redis's do."""
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("it must begin with redis://, rediss:// or unix://")
    return value


def smtp_url(value: str) -> str:
    """A mail server's address: smtp:// or smtps:// and a host."""
    parts = urlsplit(value)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise ValueError("it must begin with smtp:// or smtps:// and name a host")
    return value


def domain(value: str) -> str:
    """A domain as mail servers spell it: lower case, in ASCII (`xn--…`); `*.` before it stands for all below it."""
    below = "*." if value.startswith("*.") else ""
    try:
        spelled = ascii_domain(value.removeprefix("*."))
    except ValueError as error:
        raise ValueError("each is a domain, such as example.org or *.example.org") from error
    if "." not in spelled:
        raise ValueError("a domain has a dot, such as example.org")
    return below + spelled


def ascii_domain(value: str) -> str:
    """A domain's one spelling, in ASCII (IDNA 2008); ValueError for what is none.

    Letters that only look like others, or stand for them elsewhere (full width, ß for ss), are not taken for them.
    """
    try:
        return idna.encode(value.strip().lower()).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise ValueError("this is not a domain") from error


def slots(value: str) -> str:
    """A provider's name and how many calls it is given at once: `ollama=4`."""
    name, _, number = (part.strip() for part in value.partition("="))
    if not name or not number.isdecimal() or int(number) < 1:
        raise ValueError("each is a provider's name, = and a number from 1, such as ollama=4")
    return f"{name}={int(number)}"


def private_pem_key(value: str) -> str:
    """An RSA private key of 2048 bits or more. Line breaks written as backslash-n are understood."""
    pem = value.replace("\\n", "\n")
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError("it is not a private key in PEM form without a password") from error
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < _SMALLEST_RSA_KEY_BITS:
        raise ValueError(f"it is not an RSA key of {_SMALLEST_RSA_KEY_BITS} bits or more")
    return pem


def pem_key(value: str) -> str:
    """An RSA key, private or public, of 2048 bits or more."""
    pem = value.replace("\\n", "\n")
    if "PRIVATE KEY" in pem:
        return private_pem_key(pem)
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except ValueError as error:
        raise ValueError("it is not a key in PEM form") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _SMALLEST_RSA_KEY_BITS:
        raise ValueError(f"it is not an RSA key of {_SMALLEST_RSA_KEY_BITS} bits or more")
    return pem


def certificates(value: str) -> str:
    """One certificate or several, one behind the other. Line breaks written as backslash-n are understood."""
    pem = value.replace("\\n", "\n")
    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise ValueError("it is no certificate in PEM form, -----BEGIN CERTIFICATE-----") from error
    if "PRIVATE KEY" in pem:
        raise ValueError("there is a private key in it, which belongs to the server and to nobody who asks it")
    return pem
