"""A software authenticator: real WebAuthn ceremonies, with a key of its own for each passkey.

It answers options as a browser does (https://www.w3.org/TR/webauthn-3/), with attestation "none", and can be made to
misbehave: another origin, another domain, no user verified, a counter that goes backwards.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import cbor2
from bson import ObjectId
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from accounts import store

UP, UV, AT = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "===")


@dataclass
class Credential:
    """A key pair on the authenticator."""

    domain: str
    user_handle: bytes
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    count: int = 0

    def cose_key(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})


class Authenticator:
    """A device with passkeys. `counts` says whether it counts its signatures, as cloud-kept passkeys do not."""

    def __init__(self, origin: str, *, counts: bool = True, verifies: bool = True) -> None:
        self.origin = origin
        self.counts = counts
        self.verifies = verifies
        self.credentials: list[Credential] = []

    def create(self, options: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """What `navigator.credentials.create` resolves to, as JSON."""
        made = Credential(options["rp"]["id"], unb64(options["user"]["id"]))
        made.id = changes.get("id", made.id)
        self.credentials.append(made)
        attested = bytes(16) + len(made.id).to_bytes(2, "big") + made.id + made.cose_key()
        data = self._data(made, AT, **changes) + attested
        return {
            "id": b64(made.id),
            "rawId": b64(made.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(self._client_data("webauthn.create", options["challenge"], **changes)),
                "attestationObject": b64(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})),
                "transports": ["internal", "something-new"],
            },
        }

    def get(self, options: dict[str, Any], *, credential: Credential | None = None, **changes: Any) -> dict[str, Any]:
        """What `navigator.credentials.get` resolves to, as JSON; with the last passkey made, unless one is named."""
        used = credential or self.credentials[-1]
        client_data = self._client_data("webauthn.get", options["challenge"], **changes)
        data = self._data(used, 0, **changes)
        signature = used.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        return {
            "id": b64(used.id),
            "rawId": b64(used.id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(client_data),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": b64(changes.get("handle", used.user_handle)),
            },
        }

    def _client_data(self, kind: str, challenge: str, **changes: Any) -> bytes:
        said = {
            "type": changes.get("type", kind),
            "challenge": challenge,
            "origin": changes.get("origin", self.origin),
            "crossOrigin": changes.get("cross_origin", False),
        }
        return json.dumps(said).encode()

    def _data(self, credential: Credential, attested: int, **changes: Any) -> bytes:
        if self.counts:
            credential.count = changes.get("count", credential.count + 1)
        domain = changes.get("domain", credential.domain)
        flags = attested | changes.get("flags", UP | (UV if self.verifies else 0))
        return hashlib.sha256(domain.encode()).digest() + bytes([flags]) + credential.count.to_bytes(4, "big")


async def keep_passkey_of(user_id: str) -> str:
    """Store a passkey of the user that nobody can use; its id."""
    passkey = store.Passkey(
        id=ObjectId(),
        user_id=ObjectId(user_id),
        credential_id=secrets.token_urlsafe(16),
        public_key=b64(Credential("localhost", b"").cose_key()),
        name="Laptop",
        created_at=datetime(2026, 5, 1, tzinfo=UTC),
    )
    await store.add_passkey(passkey)
    return str(passkey.id)
