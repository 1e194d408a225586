"""What is recorded: every event of security, and everything that staff do. Pure."""

from enum import StrEnum


class Action(StrEnum):
    """An event's name. Names are never changed: old entries have them."""

    # Accounts
    REGISTERED = "account.registered"
    EMAIL_VERIFIED = "account.email_verified"
    EMAIL_CHANGE_ASKED = "account.email_change_asked"
    EMAIL_CHANGED = "account.email_changed"
    PASSWORD_CHANGED = "account.password_changed"  # noqa: S105 - a name
    PASSWORD_RESET_ASKED = "account.password_reset_asked"  # noqa: S105 - a name
    PASSWORD_RESET = "account.password_reset"  # noqa: S105 - a name
    DEACTIVATED = "account.deactivated"
    REACTIVATED = "account.reactivated"
    INVITED = "account.invited"
    IDENTITY_LINKED = "account.identity_linked"
    IDENTITY_UNLINKED = "account.identity_unlinked"
    EXPORT_ASKED = "account.export_asked"
    EXPORT_READ = "account.export_read"
    ERASURE_ASKED = "account.erasure_asked"
    ERASED = "account.erased"
    ERASURE_CANCELLED = "account.erasure_cancelled"

    # Sessions
    SIGNED_IN = "session.signed_in"
    SIGN_IN_FAILED = "session.sign_in_failed"
    SIGN_IN_LOCKED = "session.sign_in_locked"
    SIGNED_OUT = "session.signed_out"
    SESSIONS_ENDED = "session.ended"
    REFRESH_TOKEN_REUSED = "session.refresh_token_reused"  # noqa: S105 - a name

    # Second factor
    SECOND_FACTOR_ADDED = "second_factor.added"
    SECOND_FACTOR_REMOVED = "second_factor.removed"
    SECOND_FACTOR_FAILED = "second_factor.failed"
    RECOVERY_CODES_MADE = "second_factor.recovery_codes_made"
    RECOVERY_CODE_USED = "second_factor.recovery_code_used"
    PASSKEY_RENAMED = "second_factor.passkey_renamed"
    PASSKEY_CLONED = "second_factor.passkey_cloned"
    SECOND_FACTOR_RESET = "second_factor.reset"
    SECOND_FACTOR_SHOWN = "second_factor.shown"

    # API keys
    API_KEY_MADE = "api_key.made"
    API_KEY_CHANGED = "api_key.changed"
    API_KEY_REVOKED = "api_key.revoked"

    # Operators
    SIGNING_KEY_ROTATED = "operator.signing_key_rotated"
    SIGNING_KEY_REVOKED = "operator.signing_key_revoked"
    STAFF_MADE = "operator.staff_made"
    RETENTION_SWEPT = "operator.retention_swept"

    # Staff
    STAFF_SIGNED_IN = "staff.signed_in"
    STAFF_SIGN_IN_FAILED = "staff.sign_in_failed"
    STAFF_SIGNED_OUT = "staff.signed_out"
    STAFF_VIEWED = "staff.viewed"
    STAFF_SEARCHED = "staff.searched"
    STAFF_ADDED = "staff.added"
    STAFF_CHANGED = "staff.changed"
    STAFF_DELETED = "staff.deleted"
