"""Certificates that nobody else has signed, for connections inside a network of one's own."""

from datetime import timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from eloquent.foundation.clock import now

_CLOCKS_DIFFER = timedelta(hours=1)


class Identity(NamedTuple):
    """A private key (PKCS#8) and its certificate, both PEM."""

    key: str
    certificate: str


def self_signed(host: str, *, lasts: timedelta) -> Identity:
    """A new key (P-256: its handshake costs a tenth of RSA's) and a certificate of the server `host` alone.

    Whoever trusts the certificate trusts that server under that name and nobody else: it may sign no other.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    public = key.public_key()
    made = now()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(made - _CLOCKS_DIFFER)
        .not_valid_after(made + lasts)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        # While one takes another's place both are trusted under one name: by these they are told apart.
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    )
    certificate = builder.sign(key, hashes.SHA256())
    return Identity(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode("ascii"),
        certificate.public_bytes(serialization.Encoding.PEM).decode("ascii"),
    )
