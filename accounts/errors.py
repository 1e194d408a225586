"""What goes wrong with accounts, below the tree of `eloquent.foundation.errors`.

EloquentError
├── NotSignedIn
│   ├── WrongCredentials   401 wrong_credentials   unknown email or wrong password: the caller cannot tell which
│   └── RefreshRefused     401 refresh_refused     the refresh token lets nobody in; sign in with the password
├── InvalidInput
│   └── WrongPassword      422 wrong_password      the current password, asked again, was wrong
├── Conflict
│   └── EmailTaken         409 email_taken         somebody has registered this email
└── Forbidden
    └── ForeignOrigin      403 foreign_origin      a page of another site asked for the cookie
"""

from eloquent.foundation.errors import Conflict, Forbidden, InvalidInput, NotSignedIn


class WrongCredentials(NotSignedIn):
    """Unknown email, wrong password, or a user who may not come in: one answer for all."""

    code = "wrong_credentials"
    sentence = "The email or the password is wrong."


class RefreshRefused(NotSignedIn):
    """The refresh token is missing, unknown, outdated, or its session has ended."""

    code = "refresh_refused"
    sentence = "This sign-in has ended. Sign in again."


class WrongPassword(InvalidInput):
    """The current password, asked again before something important, was wrong."""

    code = "wrong_password"
    sentence = "The current password is wrong."


class EmailTaken(Conflict):
    """Somebody has registered this email."""

    code = "email_taken"
    sentence = "There is an account with this email. Sign in instead."


class ForeignOrigin(Forbidden):
    """Cookies are given to, and taken from, our own page and the allowed frontends alone."""

    code = "foreign_origin"
    sentence = "This page may not use the sign-in cookie."
