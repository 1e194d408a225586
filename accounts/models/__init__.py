"""Who may come in, how they prove it, and what is on record of it.

These models are the schema of record for the desk road (admin, commands, migrations). API routes and sockets read and
write the same collections through `accounts.store`, which must be changed together with the fields here.
"""

from accounts.models.api_keys import ApiKey
from accounts.models.audit import AuditEntry, AuditHead
from accounts.models.identities import ExternalIdentity, OpenidAttempt, OpenidResult
from accounts.models.links import AccountLink, EmailChange, Invitation
from accounts.models.mail import OutgoingMail
from accounts.models.personal_data import DataExport, Erasure
from accounts.models.second_factors import Passkey, PasskeyChallenge, SecondFactor, SignInChallenge
from accounts.models.sessions import Session, SocketTicket
from accounts.models.signing_keys import SigningKey
from accounts.models.users import User

__all__ = [
    "AccountLink",
    "ApiKey",
    "AuditEntry",
    "AuditHead",
    "DataExport",
    "EmailChange",
    "Erasure",
    "ExternalIdentity",
    "Invitation",
    "OpenidAttempt",
    "OpenidResult",
    "OutgoingMail",
    "Passkey",
    "PasskeyChallenge",
    "SecondFactor",
    "Session",
    "SignInChallenge",
    "SigningKey",
    "SocketTicket",
    "User",
]
