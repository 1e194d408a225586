"""What goes wrong when somebody else says who somebody is.

EloquentError
├── Forbidden
│   └── SignInRefused           what a sign-in at a provider may come to; told behind # of the page it returns to
│       ├── Declined            403 openid_declined          the person, or the provider, said no there
│       ├── BegunElsewhere      403 openid_begun_elsewhere   a page of another site led here, not the person
│       ├── AttemptUnknown      403 openid_attempt_unknown   too late, twice, or begun in another browser
│       ├── AnswerRefused       403 openid_answer_refused    what the provider answered cannot be believed
│       ├── EmailUnproven       403 openid_email_unproven    the provider gives no email that somebody has proved
│       ├── LinkFirst           403 openid_link_first        an account has this email: sign in there, and link
│       ├── NotRegistered       403 openid_not_registered    nobody we know, and no account is made here
│       └── AccountClosed       403 openid_account_closed    the account was deactivated
├── InvalidInput
│   └── CodeRefused             422 openid_code_refused      unknown, used, too old, or another's
├── Conflict
│   ├── IdentityTaken           409 identity_taken           another account has it
│   ├── LastWayIn               409 last_way_in              without it the account could not be opened any more
│   └── TooManyIdentities       409 too_many_identities      as many as one may have
├── Unavailable
│   └── ProviderAway            503 openid_provider_away     slow, gone, or talking nonsense
└── LogoutTokenRefused          400 logout_token_refused     a provider's word that somebody left, not believed
"""

from eloquent.foundation.errors import Conflict, EloquentError, Forbidden, InvalidInput, Unavailable


class SignInRefused(Forbidden):
    """A sign-in at a provider that lets nobody in."""

    code = "openid_refused"
    sentence = "This sign-in was refused."


class Declined(SignInRefused):
    """The person, or the provider, said no."""

    code = "openid_declined"
    sentence = "The sign-in was not completed there."


class BegunElsewhere(SignInRefused):
    """Another site's page led the browser here, with nothing by which that page could collect the result."""

    code = "openid_begun_elsewhere"
    sentence = "This sign-in was begun by another site. Begin it here."


class AttemptUnknown(SignInRefused):
    """The sign-in took longer than ten minutes, came back twice, or was begun in another browser."""

    code = "openid_attempt_unknown"
    sentence = "This sign-in took too long, or was begun in another browser. Try again."


class AnswerRefused(SignInRefused):
    """What the provider answered cannot be believed. What is wrong with it is logged, never shown."""

    code = "openid_answer_refused"
    sentence = "The provider's answer cannot be trusted. Try again, or sign in with your password."


class EmailUnproven(SignInRefused):
    """The provider gives no email address, or does not say that it is the person's."""

    code = "openid_email_unproven"
    sentence = "The provider does not say that your email address is yours. Sign in with your password."


class LinkFirst(SignInRefused):
    """There is an account with this email, which a provider's word alone does not open."""

    code = "openid_link_first"
    sentence = "There is an account with your email address. Sign in with its password, then link this sign-in to it."


class NotRegistered(SignInRefused):
    """Nobody with an account here, and none is made for those who come this way."""

    code = "openid_not_registered"
    sentence = "There is no account for you here."


class AccountClosed(SignInRefused):
    """The account was deactivated."""

    code = "openid_account_closed"
    sentence = "This account cannot be used any more."


class CodeRefused(InvalidInput):
    """The one-use code is unknown, was used, is older than a minute, or was made for another page or session."""

    code = "openid_code_refused"
    sentence = "This sign-in cannot be completed. Begin it again."


class IdentityTaken(Conflict):
    """Another account has this sign-in."""

    code = "identity_taken"
    sentence = "This sign-in belongs to another account."


class LastWayIn(Conflict):
    """Without it nobody could sign in to the account any more."""

    code = "last_way_in"
    sentence = "This is the only way into your account. Set a password first."


class TooManyIdentities(Conflict):
    """The user has as many as one may have."""

    code = "too_many_identities"
    sentence = "You have linked as many sign-ins as one may have. Remove one first."


class ProviderAway(Unavailable):
    """The provider is slow, gone, or says what makes no sense."""

    code = "openid_provider_away"
    sentence = "The provider cannot be reached right now. Try again in a moment, or sign in with your password."


class LogoutTokenRefused(EloquentError):
    """What claims to be a provider's word that somebody has left is not."""

    code = "logout_token_refused"
    status = 400
    sentence = "This logout token is not valid."
