"""How often letters may be asked for, and links tried."""

from typing import Final

from accounts.throttle import Limit

# Whoever is behind the address.
LETTERS_BY_ADDRESS: Final = Limit("letters-address", 30, 3600)
LINKS_BY_ADDRESS: Final = Limit("links-address", 60, 600)
# Whoever is written to: nobody's mailbox is filled by strangers.
RESET_BY_EMAIL: Final = Limit("reset-email", 5, 3600)
REGISTER_BY_EMAIL: Final = Limit("register-email", 5, 3600)
VERIFY_BY_USER: Final = Limit("verify-user", 5, 3600)
CHANGE_EMAIL_TO: Final = Limit("change-email-to", 5, 3600)
CHANGE_EMAIL_BY_USER: Final = Limit("change-email", 5, 3600)
