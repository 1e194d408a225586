"""What goes wrong with accounts, below the tree of `eloquent.foundation.errors`.

EloquentError
├── NotSignedIn
│   ├── WrongCredentials   401 wrong_credentials   unknown email or wrong password: the caller cannot tell which
│   ├── RefreshRefused     401 refresh_refused     the refresh token lets nobody in; sign in with the password
│   ├── ApiKeyRefused      401 invalid_api_key     no API key, or one that is unknown, revoked or expired
│   └── ChallengeRefused   401 challenge_refused   the sign-in's first step is unknown, used or too old
├── InvalidInput
│   ├── WrongPassword      422 wrong_password      the current password, asked again, was wrong
│   ├── WrongCode          422 wrong_code          a second factor's code was wrong or used
│   └── PasskeyRefused     422 passkey_refused     a passkey is unknown, or signed something else
├── Conflict
│   ├── EmailTaken         409 email_taken         somebody has registered this email
│   ├── TooManyApiKeys     409 too_many_api_keys   the user has as many keys as one may have
│   ├── NothingPending     409 nothing_pending     no authenticator app waits for its first code
│   ├── TotpExists         409 totp_exists         there is an authenticator app already
│   ├── NoSecondFactor     409 no_second_factor    there is no second factor
│   ├── TooManyPasskeys    409 too_many_passkeys   the user has as many passkeys as one may have
│   ├── ExportAtWork       409 export_at_work      the user's last export is not ready yet
│   └── ExportNotReady     409 export_not_ready    the export has no file
├── Throttled
│   └── CodesExhausted     429 too_many_codes      too many wrong codes of a second factor
├── Forbidden
│   ├── ForeignOrigin      403 foreign_origin      a page of another site asked for the cookie
│   ├── ScopeMissing       403 missing_scope       the API key was not made for this
│   ├── SignInTooOld       403 sign_in_too_old     no password to ask for, and the sign-in is not fresh
│   └── PasswordGiven      403 password_change_required   the password is right, and somebody else's making
└── Unavailable
    └── ExportsAway        503 exports_away        where exports lie does not answer
"""

from eloquent.foundation.errors import Conflict, Forbidden, InvalidInput, NotSignedIn, Throttled, Unavailable


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


class ChallengeRefused(NotSignedIn):
    """The first step of the sign-in is unknown, older than five minutes, used, or the password was changed since."""

    code = "challenge_refused"
    sentence = "This sign-in cannot go on. Begin again."


class SignInTooOld(Forbidden):
    """An account without a password proves itself by a sign-in, which must not be older than ten minutes."""

    code = "sign_in_too_old"
    sentence = "This needs a fresh sign-in. Sign in again, then come back within ten minutes."


class PasswordGiven(Forbidden):
    """The password is right, and was made up by somebody else: it is exchanged for an own one first."""

    code = "password_change_required"
    sentence = "This password was made for you. Set one of your own first."


class WrongCode(InvalidInput):
    """The code is wrong, was used, or is outdated."""

    code = "wrong_code"
    sentence = "This code is wrong, or it was used already. Take the next one."


class PasskeyRefused(InvalidInput):
    """The passkey is unknown, or what it signed is not what was asked, from where it was asked."""

    code = "passkey_refused"
    sentence = "This passkey was not accepted."


class CodesExhausted(Throttled):
    """So many wrong codes came that no more are looked at for a while."""

    code = "too_many_codes"
    sentence = "Too many wrong codes. Use a recovery code or a passkey, or set a new password by email."


class NothingPending(Conflict):
    """No authenticator app waits for its first code, or not any more."""

    code = "nothing_pending"
    sentence = "Begin again: there is no authenticator app to confirm, or it took more than 15 minutes."


class TotpExists(Conflict):
    """The user has an authenticator app already."""

    code = "totp_exists"
    sentence = "There is an authenticator app already. Remove it first."


class NoSecondFactor(Conflict):
    """The user has no second factor, and so nothing that recovery codes could stand in for."""

    code = "no_second_factor"
    sentence = "There is no second factor."


class TooManyPasskeys(Conflict):
    """The user has as many passkeys as one may have."""

    code = "too_many_passkeys"
    sentence = "You have as many passkeys as one may have. Delete one first."


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
