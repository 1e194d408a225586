"""What goes wrong with accounts, below the tree of `eloquent.foundation.errors`.

EloquentError
├── NotSignedIn
│   ├── WrongCredentials   401 wrong_credentials   unknown email or wrong password: the caller cannot tell which
│   ├── RefreshRefused     401 refresh_refused     the refresh token lets nobody in; sign in with the password
│   └── ApiKeyRefused      401 invalid_api_key     no API key, or one that is unknown, revoked or expired
├── InvalidInput
│   └── WrongPassword      422 wrong_password      the current password, asked again, was wrong
├── Conflict
│   ├── EmailTaken         409 email_taken         somebody has registered this email
│   ├── TooManyApiKeys     409 too_many_api_keys   the user has as many keys as one may have
│   ├── ExportAtWork       409 export_at_work      the user's last export is not ready yet
│   └── ExportNotReady     409 export_not_ready    the export has no file
├── Forbidden
│   ├── ForeignOrigin      403 foreign_origin      a page of another site asked for the cookie
│   ├── ScopeMissing       403 missing_scope       the API key was not made for this
│   └── SignInAgain        403 sign_in_again       no password to ask for, and the sign-in is too long ago
└── Unavailable
    └── ExportsAway        503 exports_away        where exports lie does not answer
"""

from eloquent.foundation.errors import Conflict, Forbidden, InvalidInput, NotSignedIn, Unavailable


class WrongCredentials(NotSignedIn):
    """Unknown email, wrong password, or a user who may not come in: one answer for all."""

    code = "wrong_credentials"
    sentence = "The email or the password is wrong."


class RefreshRefused(NotSignedIn):
    """The refresh token is missing, unknown, outdated, or its session has ended."""

    code = "refresh_refused"
    sentence = "This sign-in has ended. Sign in again."


class ApiKeyRefused(NotSignedIn):
    """No API key came, or one that is malformed, unknown, revoked, expired, or whose owner may not come in."""

    code = "invalid_api_key"
    sentence = "This API key is not valid (any more)."


class WrongPassword(InvalidInput):
    """The current password, asked again before something important, was wrong."""

    code = "wrong_password"
    sentence = "The current password is wrong."


class EmailTaken(Conflict):
    """Somebody has registered this email."""

    code = "email_taken"
    sentence = "There is an account with this email. Sign in instead."


class TooManyApiKeys(Conflict):
    """The user has as many living keys as one may have."""

    code = "too_many_api_keys"
    sentence = "You have as many API keys as one may have. Revoke one first."


class ForeignOrigin(Forbidden):
    """Cookies are given to, and taken from, our own page and the allowed frontends alone."""

    code = "foreign_origin"
    sentence = "This page may not use the sign-in cookie."


class ScopeMissing(Forbidden):
    """The API key is good, and was not made for what is asked."""

    code = "missing_scope"
    sentence = "This API key may not do this."


class SignInAgain(Forbidden):
    """The sign-in is too long ago for this, and there is no password to ask for again."""

    code = "sign_in_again"
    sentence = "Sign in again, and repeat this within ten minutes."


class ExportAtWork(Conflict):
    """One export at a time: the user's last one is not ready yet."""

    code = "export_at_work"
    sentence = "Your last export is not ready yet."


class ExportNotReady(Conflict):
    """The export has no file: it is still being made, or it could not be."""

    code = "export_not_ready"
    sentence = "This export is not ready."


class ExportsAway(Unavailable):
    """Where exports lie does not answer."""

    code = "exports_away"
    sentence = "Exports cannot be reached right now. Try again in a moment."
