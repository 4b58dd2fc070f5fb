"""What the files of certificates, keys and authorities hold, and what may be wrong with them."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_MOST_BYTES: Final = 4 * 1024 * 1024


class TlsProblem(Exception):
    """Files that cannot be used; the message names the variable and the file."""


@dataclass(frozen=True)
class Named:
    """A file, and the variable that names it."""

    variable: str
    path: Path


def bytes_of(named: Named | None) -> bytes:
    """What a file holds; nothing where there is none. Raises TlsProblem."""
    if named is None:
        return b""
    try:
        with named.path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise TlsProblem(f"{named.variable}: {named.path} cannot be read: {error.strerror}") from None


def check_authorities(named: Named) -> None:
    """Raises TlsProblem where nobody can be known today by the authorities of a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        # OpenSSL takes the bundles of public authorities as they are, also those that stricter readers refuse.
        context.load_verify_locations(named.path)
    except (OSError, ValueError):
        raise TlsProblem(f"{named.variable}: {named.path} holds no certificate in PEM") from None
    ends = [ssl.cert_time_to_seconds(str(each["notAfter"])) for each in context.get_ca_certs()]
    if ends and max(ends) <= time.time():
        raise TlsProblem(f"{named.variable}: every certificate in {named.path} is expired")


def check_pair(certificate: bytes, named: Named, key: bytes, key_named: Named) -> float:
    """Checks that a certificate holds today, and that the key is its own.

    Returns:
        The Unix time until which it is valid.

    Raises:
        TlsProblem: It does not, or it is not.
    """
    # Imported here: most processes of a laptop speak no TLS, and it costs a start 0.1 s.
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        leaf = x509.load_pem_x509_certificates(certificate)[0]
    except ValueError:
        raise TlsProblem(f"{named.variable}: {named.path} holds no certificate in PEM") from None
    begins, ends = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    now = datetime.now(UTC)
    if ends <= now:
        raise TlsProblem(
            f"{named.variable}: the certificate in {named.path} is expired since {ends:%Y-%m-%d %H:%M} UTC"
        )
    if begins > now:
        raise TlsProblem(
            f"{named.variable}: the certificate in {named.path} is not valid before {begins:%Y-%m-%d %H:%M} UTC; "
            "is the clock of this machine right?"
        )
    try:
        public = load_pem_private_key(key, None).public_key()
    except TypeError:
        raise TlsProblem(f"{key_named.variable}: the key in {key_named.path} is encrypted; store it plain") from None
    except (ValueError, UnsupportedAlgorithm):
        raise TlsProblem(f"{key_named.variable}: {key_named.path} holds no private key in PEM") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise TlsProblem(f"{key_named.variable}: the key in {key_named.path} is not that of {named.path}")
    return ends.timestamp()
