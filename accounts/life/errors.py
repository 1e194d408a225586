"""What goes wrong in the life of an account, below the tree of `eloquent.foundation.errors`.

EloquentError
├── InvalidInput
│   └── LinkNotValid         422 link_not_valid         used, expired, overtaken, or none of ours
├── Forbidden
│   ├── EmailNotVerified     403 email_not_verified     the password is right, the email is not proven yet
│   ├── RegistrationClosed   403 registration_closed    nobody makes an account here
│   ├── InvitationRequired   403 invitation_required    whoever has no invitation does not
│   ├── InvitationInvalid    403 invitation_invalid     used, expired, for another email, or none of ours
│   └── DomainNotAllowed     403 domain_not_allowed     the email's domain is none of those that may
└── Unavailable
    └── MailIsOff            503 mail_is_off            this needs a letter, and none are sent here
"""

from eloquent.foundation.errors import Forbidden, InvalidInput, Unavailable


class LinkNotValid(InvalidInput):
    """The link was used, has expired, was overtaken by a change of the account, or is none of ours."""

    code = "link_not_valid"
    sentence = "This link is not valid any more. It works once, and for a while only: ask for a new one."


class EmailNotVerified(Forbidden):
    """The password is right, and the email has not been proven yet."""

    code = "email_not_verified"
    sentence = "Confirm your email address first: open the link in the letter that we have sent you."


class RegistrationClosed(Forbidden):
    """Nobody makes an account here by themselves."""

    code = "registration_closed"
    sentence = "New accounts cannot be made here."


class InvitationRequired(Forbidden):
    """Accounts are for those who were invited."""

    code = "invitation_required"
    sentence = "You need an invitation to make an account here."


class InvitationInvalid(Forbidden):
    """The invitation was used, has expired, is for another email, or is none of ours."""

    code = "invitation_invalid"
    sentence = "This invitation is not valid (any more), or it is for another email address. Ask for a new one."


class DomainNotAllowed(Forbidden):
    """The email's domain is none of those that may have accounts."""

    code = "domain_not_allowed"
    sentence = "Accounts here are for email addresses of certain domains, and this is none of them."


class MailIsOff(Unavailable):
    """This needs a letter, and this service sends none."""

    code = "mail_is_off"
    sentence = "This service sends no mail. Ask whoever runs it for help."
