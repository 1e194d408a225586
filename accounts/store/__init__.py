"""The request road's only way to users, sessions, socket tickets and API keys: typed values in, typed values out.

Only this package knows the documents. Each value has every field of its model in `accounts.models`, so whatever is
written here loads there, and the other way round. Times are UTC, made with `eloquent.foundation.clock`.
"""

from accounts.audit.entries import AuditEntry, AuditHead
from accounts.store.api_keys import (
    ApiKey,
    add_api_key,
    api_key_in_force,
    count_living_api_keys_of,
    living_api_keys_of,
    note_api_key_used,
    revoke_api_key,
    revoked_among,
    take_back_api_key,
)
from accounts.store.audit import (
    add_audit_entries,
    audit_entries_of,
    audit_head,
    erase_private_parts_of,
    last_audit_entry,
    move_audit_head,
)
from accounts.store.documents import Position
from accounts.store.mail import OutgoingMail, add_mail, claim_mail, put_mail_off, remove_mail
from accounts.store.sessions import (
    Rotation,
    Session,
    add_session,
    devices_of,
    end_session,
    end_sessions_of,
    ended_among,
    living_sessions_of,
    note_seen,
    restart_lineage,
    rotate_session,
    session_by_id,
    token_version_in_force,
)
from accounts.store.signing_keys import SigningKey, signing_keys
from accounts.store.tickets import SocketTicket, add_ticket, take_ticket
from accounts.store.users import (
    EmailTakenError,
    User,
    add_user,
    groups_of,
    inactive_among,
    names_of_groups,
    rename_user,
    replace_password,
    upgrade_password_hash,
    user_by_email,
    user_by_id,
)

__all__ = [
    "ApiKey",
    "AuditEntry",
    "AuditHead",
    "EmailTakenError",
    "OutgoingMail",
    "Position",
    "Rotation",
    "Session",
    "SigningKey",
    "SocketTicket",
    "User",
    "add_api_key",
    "add_audit_entries",
    "add_mail",
    "add_session",
    "add_ticket",
    "add_user",
    "api_key_in_force",
    "audit_entries_of",
    "audit_head",
    "claim_mail",
    "count_living_api_keys_of",
    "devices_of",
    "end_session",
    "end_sessions_of",
    "ended_among",
    "erase_private_parts_of",
    "groups_of",
    "inactive_among",
    "last_audit_entry",
    "living_api_keys_of",
    "living_sessions_of",
    "move_audit_head",
    "names_of_groups",
    "note_api_key_used",
    "note_seen",
    "put_mail_off",
    "remove_mail",
    "rename_user",
    "replace_password",
    "restart_lineage",
    "revoke_api_key",
    "revoked_among",
    "rotate_session",
    "session_by_id",
    "signing_keys",
    "take_back_api_key",
    "take_ticket",
    "token_version_in_force",
    "upgrade_password_hash",
    "user_by_email",
    "user_by_id",
]
