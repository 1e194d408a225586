"""Email addresses as they are stored: trimmed, lower-case, and shaped like an address. Pure."""

import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

MAX_EMAIL_CHARS = 254  # RFC 5321 path limit, less its angle brackets


class EmailError(ValueError):
    """The text is not an email address. Its message is a sentence for the user."""


def normalise_email(text: str) -> str:
    """The one stored form of an address, so that two spellings are never two people.

    The part before the @ is lower-cased too: the standard lets a server tell case apart, none in use does.

    Raises:
        EmailError: not an address, longer than 254 characters, or text that UTF-8 cannot carry.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise EmailError("The email has characters that are not text.") from error
    email = unicodedata.normalize("NFC", text).strip().lower()
    if len(email) > MAX_EMAIL_CHARS:
        raise EmailError(f"An email address has at most {MAX_EMAIL_CHARS} characters.")
    try:
        validate_email(email)
    except ValidationError as error:
        raise EmailError("This is not an email address.") from error
    return email
