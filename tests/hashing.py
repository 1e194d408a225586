"""Passwords in tests are hashed in a sliver of the memory: thousands of people register, and each would cost 30 ms.

Servers that tests start as processes of their own hash as in production.
"""

from typing import Final

from accounts.passwords import Argon2Hasher

USUAL_MEMORY_KIB: Final = Argon2Hasher.memory_cost
Argon2Hasher.memory_cost = 64
