"""Codes of authenticator apps: RFC 6238 with SHA-1, six digits and steps of 30 s, as every app has them. Pure."""

import hmac
from typing import Final

import pyotp
import segno

DIGITS: Final = 6
STEP_S: Final = 30
# A phone's clock may be off by so many steps, either way.
WINDOW: Final = 1
ISSUER: Final = "Eloquent AI"


def new_secret() -> str:
    """160 random bits as base32, as RFC 4226 recommends: what the app and the server share."""
    return pyotp.random_base32()


def otpauth_url(secret: str, *, account: str) -> str:
    """What the QR code says to the app: https://github.com/google/google-authenticator/wiki/Key-Uri-Format."""
    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S).provisioning_uri(name=account, issuer_name=ISSUER)


def qr_code(text: str) -> str:
    """The text as a QR code: an SVG in a `data:` URL, black on white in any theme, since cameras want it so."""
    picture: str = segno.make(text, error="m").svg_data_uri(scale=5, border=4, dark="#000", light="#fff")
    return picture


def step_at(time_s: float) -> int:
    """The time step of a moment, in seconds since 1970."""
    return int(time_s // STEP_S)


def code_of(secret: str, step: int) -> str:
    """The code of a time step."""
    return pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S).generate_otp(step)


def matching_step(secret: str, code: str, *, at_s: float, after: int = 0) -> int | None:
    """The step within the window whose code this is, None for a wrong one. Steps up to `after` are used up.

    A code is six ASCII digits, with spaces anywhere, as apps show it. Every step is compared, whichever is right.
    """
    digits = "".join(code.split())
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    now = step_at(at_s)
    found = None
    for step in range(now - WINDOW, now + WINDOW + 1):
        if hmac.compare_digest(code_of(secret, step), digits) and step > after:
            found = step
    return found
