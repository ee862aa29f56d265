"""Reads key stores and trust stores in Kafka's formats: PEM, PKCS12 and JKS.

``cryptography`` reads PEM and PKCS12. JKS is Java's old format, for which there is no maintained
library. It consists of entries, whose keys are encrypted with a SHA-1 stream.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from barnabas.security.der import OCTET_STRING, elements

JKS, PKCS12, PEM = "JKS", "PKCS12", "PEM"
TYPES: Final = (JKS, PKCS12, PEM)
_JKS_MAGIC: Final = b"\xfe\xed\xfe\xed"
_KEY_ENTRY, _CERTIFICATE_ENTRY = 1, 2
_DIGEST_BYTES: Final = 20
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----.+?-----END (?:[A-Z]+ )*PRIVATE KEY-----", re.DOTALL
)

Read = Callable[[str], bytes]
"""Reads a file. Raises OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """``ssl.keystore.*`` or ``ssl.truststore.*``. An empty text means not given."""

    name: str
    """``ssl.keystore`` or ``ssl.truststore``, for errors."""
    type: str
    location: str = ""
    password: str = field(default="", repr=False)
    key_password: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    """In PEM."""
    certificates: str = field(default="", repr=False)
    """In PEM: a chain, or trusted certificates."""

    @property
    def is_given(self) -> bool:
        return bool(self.location or self.key or self.certificates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A private key and its certificates, in PEM."""

    key: bytes = field(repr=False)
    """Not encrypted."""
    chain: bytes


class BadStore(Exception):
    """A store that cannot be read; one line that names the setting and no secret."""


def read_identity(store: StoreSettings, read: Read) -> Identity:
    """The private key and certificates of a key store. Raises BadStore."""
    data, kind = _data(store, read)
    if kind == PEM:
        return _pem_identity(store, data)
    password = _required(store)
    if kind == JKS:
        return _jks_identity(store, data, password)
    key, certificate, others = _pkcs12(store, data, password)
    if key is None or certificate is None:
        raise BadStore(f"{store.name}.location: holds no private key with its certificate")
    return Identity(
        key=_key_pem(key), chain=b"".join(map(_certificate_pem, (certificate, *others)))
    )


def read_trusted(store: StoreSettings, read: Read) -> str:
    """The trusted certificates, in PEM. Raises BadStore."""
    data, kind = _data(store, read)
    if kind == PEM:
        found = _CERTIFICATE.findall(data)
    elif kind == JKS:
        entries = _jks_entries(store, data, store.password or None)
        found = [_der_pem(d) for key, chain in entries if key is None for d in chain]
    else:
        _, certificate, others = _pkcs12(store, data, store.password)
        own = () if certificate is None else (certificate,)
        found = [_certificate_pem(c) for c in (*own, *others)]
    if not found:
        raise BadStore(f"{store.name}: holds no certificates")
    return b"\n".join(found).decode("ascii", "replace")


def _data(store: StoreSettings, read: Read) -> tuple[bytes, str]:
    """The store's bytes and their format. PKCS12 and JKS are recognised by their bytes."""
    if store.type not in TYPES:
        raise BadStore(
            f"{store.name}.type: {store.type!a} is not supported, only {', '.join(TYPES)}"
        )
    if store.key or store.certificates:
        if store.type != PEM:
            raise BadStore(f"{store.name}.type: PEM is needed for keys and certificates given here")
        if store.location:
            raise BadStore(f"{store.name}.location: only one of a file and of PEM texts is wanted")
        return f"{store.key}\n{store.certificates}".encode(), PEM
    try:
        data = read(store.location)
    except OSError as error:
        reason = error.strerror or error
        raise BadStore(f"{store.name}.location: cannot read {store.location!a}: {reason}") from None
    if store.type == PEM:
        if store.password:
            raise BadStore(f"{store.name}.password: cannot be given for PEM, only ssl.key.password")
        return data, PEM
    return data, JKS if data.startswith(_JKS_MAGIC) else PKCS12


def _required(store: StoreSettings) -> str:
    if not store.password:
        raise BadStore(f"{store.name}.password: required for {store.type}")
    return store.password


def _pem_identity(store: StoreSettings, data: bytes) -> Identity:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    where = "location" if store.location else "key"
    keys, chain = _KEY.findall(data), _CERTIFICATE.findall(data)
    if len(keys) != 1:
        raise BadStore(f"{store.name}.{where}: holds {len(keys)} private keys instead of one")
    if not chain:
        where = "location" if store.location else "certificate.chain"
        raise BadStore(f"{store.name}.{where}: holds no certificate")
    is_hidden = b"ENCRYPTED" in keys[0]
    try:
        key = load_pem_private_key(keys[0], store.key_password.encode() if is_hidden else None)
    except (ValueError, TypeError) as error:
        raise BadStore(_wrong("ssl.key.password", is_hidden, f"{store.name}.{where}")) from error
    return Identity(key=_key_pem(key), chain=b"\n".join(chain))


def _wrong(password: str, is_hidden: bool, store: str) -> str:
    if is_hidden:
        return f"{password}: does not open the private key"
    return f"{store}: a private key that cannot be read"


def _pkcs12(store: StoreSettings, data: bytes, password: str) -> tuple[Any, Any, list[Any]]:
    from cryptography.hazmat.primitives.serialization import pkcs12

    try:
        return pkcs12.load_key_and_certificates(data, password.encode() if password else None)
    except Exception as error:  # cryptography raises many types of errors, also OpenSSL's
        raise BadStore(
            f"{store.name}.location: no PKCS12 or JKS store, or {store.name}.password does not"
            f" open it ({type(error).__name__})"
        ) from None


def _key_pem(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def _certificate_pem(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    pem: bytes = certificate.public_bytes(Encoding.PEM)
    return pem


def _der_pem(der: bytes) -> bytes:
    from cryptography.x509 import load_der_x509_certificate

    return _certificate_pem(load_der_x509_certificate(der))


# --- JKS ------------------------------------------------------------------------------------------


class _Reader:
    """Reads big-endian fields as Java's ``DataInputStream`` does. Raises ValueError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._data):
            raise ValueError("ends too soon")
        self.position, start = end, self.position
        return self._data[start:end]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def sized(self, size: int) -> bytes:
        return self.take(self.number(size))


def _jks_entries(
    store: StoreSettings, data: bytes, password: str | None
) -> list[tuple[bytes | None, list[bytes]]]:
    """(encrypted key or None, certificates) of each entry. The digest is checked if there is a
    password."""
    if password is not None:
        mark = hashlib.sha1(_wide(password) + b"Mighty Aphrodite" + data[:-_DIGEST_BYTES]).digest()
        if not hmac.compare_digest(mark, data[-_DIGEST_BYTES:]):
            raise BadStore(f"{store.name}.password: does not open {store.location!a}")
    try:
        return _entries(_Reader(data[:-_DIGEST_BYTES]))
    except ValueError as error:
        raise BadStore(f"{store.name}.location: a JKS store that {error}") from None


def _entries(reader: _Reader) -> list[tuple[bytes | None, list[bytes]]]:
    reader.take(len(_JKS_MAGIC))
    version, count = reader.number(4), reader.number(4)
    if version not in (1, 2):
        raise ValueError(f"is of version {version}")
    found: list[tuple[bytes | None, list[bytes]]] = []
    for _ in range(count):
        kind = reader.number(4)
        reader.sized(2)  # its alias
        reader.take(8)  # when it was made
        key = reader.sized(4) if kind == _KEY_ENTRY else None
        if kind not in (_KEY_ENTRY, _CERTIFICATE_ENTRY):
            raise ValueError(f"has entries of kind {kind}")
        chain = []
        for _ in range(reader.number(4) if key is not None else 1):
            if version == 2:
                reader.sized(2)  # X.509
            chain.append(reader.sized(4))
        found.append((key, chain))
    return found


def _jks_identity(store: StoreSettings, data: bytes, password: str) -> Identity:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    for hidden, chain in _jks_entries(store, data, password):
        if hidden is None:
            continue
        try:
            key = load_der_private_key(_revealed(hidden, store.key_password or password), None)
        except ValueError:
            raise BadStore("ssl.key.password: does not open the private key") from None
        return Identity(key=_key_pem(key), chain=b"".join(map(_der_pem, chain)))
    raise BadStore(f"{store.name}.location: holds no private key with its certificate")


def _revealed(hidden: bytes, password: str) -> bytes:
    """Decrypt a key of Java's KeyProtector: a salt, the encrypted key, a digest. Raises
    ValueError."""
    (info,) = elements(hidden)
    _, data = elements(info.content)
    if data.tag != OCTET_STRING or len(data.content) < 2 * _DIGEST_BYTES:
        raise ValueError("no protected key")
    salt, mixed, check = (
        data.content[:_DIGEST_BYTES],
        data.content[_DIGEST_BYTES:-_DIGEST_BYTES],
        data.content[-_DIGEST_BYTES:],
    )
    wide, block, stream = _wide(password), salt, bytearray()
    while len(stream) < len(mixed):
        block = hashlib.sha1(wide + block).digest()
        stream += block
    key = bytes(a ^ b for a, b in zip(mixed, stream, strict=False))
    if not hmac.compare_digest(hashlib.sha1(wide + key).digest(), check):
        raise ValueError("another password")
    return key


def _wide(password: str) -> bytes:
    return password.encode("utf-16-be")
