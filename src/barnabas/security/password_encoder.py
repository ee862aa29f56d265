"""EncryptingPasswordEncoder: passwords as they stand among the settings in ZooKeeper. Pure.

Each is a list of ``name:value`` parts: the password, encrypted with a key that PBKDF2 makes of
``password.encoder.secret``, and how that was done. New ones are encrypted as the settings say; an
old one is decrypted as its parts say, whatever the settings are by now (KIP-226).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from barnabas.errors import ConfigError

CBC_CIPHER, GCM_CIPHER = "AES/CBC/PKCS5Padding", "AES/GCM/NoPadding"
_CIPHERS: Final = (CBC_CIPHER, GCM_CIPHER)
_HASHES: Final[Mapping[str, str]] = {
    f"PBKDF2WithHmacSHA{bits}": f"sha{bits}" for bits in (512, 384, 256, 224, 1)
}
DEFAULT_KEY_FACTORY: Final = "PBKDF2WithHmacSHA512"
_KEY_BITS: Final = (128, 192, 256)
ITERATIONS_MAX: Final = 1_000_000
"""Of what is decrypted: a second or so. Who can write ZooKeeper must not hold up a broker."""
_TEXT_MAX: Final = 1024 * 1024
_SALT_BYTES: Final = 256
_CBC_BYTES, _GCM_BYTES = 16, 12
_TAG_BITS: Final = 128
_BITS_OF_BLOCK: Final = 128
_ORDER: Final = (
    "initializationVector",
    "keyLength",
    "salt",
    "keyFactoryAlgorithm",
    "cipherAlgorithm",
    "authenticationTagLength",
    "iterations",
    "passwordLength",
    "encryptedPassword",
)
"""Of the original's hash table."""


class BadPassword(ValueError):
    """It cannot be decrypted. The text repeats nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordEncoder:
    """With one secret."""

    secret: str = field(repr=False)
    key_factory: str = DEFAULT_KEY_FACTORY
    cipher: str = CBC_CIPHER
    key_bits: int = 128
    iterations: int = 4096

    def check(self) -> None:
        """ConfigError, which names the setting, for what nothing here encrypts with."""
        for name, value, known in (
            ("keyfactory.algorithm", self.key_factory, tuple(_HASHES)),
            ("cipher.algorithm", self.cipher, _CIPHERS),
            ("key.length", self.key_bits, _KEY_BITS),
        ):
            if value not in known:
                one_of = ", ".join(map(str, known))
                raise ConfigError(f"password.encoder.{name}: {value!a} is not supported: {one_of}")
        if self.iterations > ITERATIONS_MAX:
            raise ConfigError(f"password.encoder.iterations: at most {ITERATIONS_MAX}")

    def encode(self, password: str, chance: Callable[[int], bytes]) -> str:
        """The text for ZooKeeper; ``chance`` gives so many bytes that nobody can guess."""
        salt = chance(_SALT_BYTES)
        key = self._key(self.key_factory, salt, self.iterations, self.key_bits)
        vector = chance(_GCM_BYTES if self.cipher == GCM_CIPHER else _CBC_BYTES)
        encrypted = _encrypted(self.cipher, key, vector, password.encode())
        parts = {
            "initializationVector": _text(vector),
            "keyLength": str(self.key_bits),
            "salt": _text(salt),
            "keyFactoryAlgorithm": self.key_factory,
            "cipherAlgorithm": self.cipher,
            "authenticationTagLength": str(_TAG_BITS) if self.cipher == GCM_CIPHER else "",
            "iterations": str(self.iterations),
            "passwordLength": str(_java_length(password)),
            "encryptedPassword": _text(encrypted),
        }
        return ",".join(f"{name}:{parts[name]}" for name in _ORDER if parts[name])

    def decode(self, text: str) -> str:
        """The password in a text from ZooKeeper. Raises BadPassword: it is none, or another secret
        encrypted it."""
        if len(text) > _TEXT_MAX:
            raise BadPassword("it is too long")
        parts: dict[str, str] = {}
        for part in text.split(","):
            name, _, value = part.rpartition(":")
            parts[name.strip()] = value.strip()
        cipher = parts.get("cipherAlgorithm", "")
        key_factory = parts.get("keyFactoryAlgorithm", "")
        if cipher not in _CIPHERS or key_factory not in _HASHES:
            raise BadPassword("it is not encrypted, or in a way that is not supported")
        key_bits = _number(parts, "keyLength", max(_KEY_BITS))
        iterations = _number(parts, "iterations", ITERATIONS_MAX)
        if key_bits not in _KEY_BITS or not iterations:
            raise BadPassword("it is encrypted in a way that is not supported")
        key = self._key(key_factory, _bytes(parts, "salt"), iterations, key_bits)
        vector, encrypted = (
            _bytes(parts, "initializationVector"),
            _bytes(parts, "encryptedPassword"),
        )
        try:
            found = _decrypted(cipher, key, vector, encrypted).decode()
        except (ValueError, InvalidTag):
            raise BadPassword("another secret has encrypted it, or it was changed") from None
        if _java_length(found) != _number(parts, "passwordLength", _TEXT_MAX):
            raise BadPassword("another secret has encrypted it, or it was changed")
        return found

    def _key(self, key_factory: str, salt: bytes, iterations: int, key_bits: int) -> bytes:
        secret = self.secret.encode()
        return hashlib.pbkdf2_hmac(_HASHES[key_factory], secret, salt, iterations, key_bits // 8)


def _encrypted(cipher: str, key: bytes, vector: bytes, data: bytes) -> bytes:
    if cipher == GCM_CIPHER:
        return AESGCM(key).encrypt(vector, data, None)
    padder = PKCS7(_BITS_OF_BLOCK).padder()
    padded = padder.update(data) + padder.finalize()
    encryptor = Cipher(AES(key), CBC(vector)).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def _decrypted(cipher: str, key: bytes, vector: bytes, data: bytes) -> bytes:
    """Raises ValueError, InvalidTag."""
    if cipher == GCM_CIPHER:
        return AESGCM(key).decrypt(vector, data, None)
    decryptor = Cipher(AES(key), CBC(vector)).decryptor()
    padded = decryptor.update(data) + decryptor.finalize()
    unpadder = PKCS7(_BITS_OF_BLOCK).unpadder()
    return unpadder.update(padded) + unpadder.finalize()


def _java_length(text: str) -> int:
    """In UTF-16, as Java counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _number(parts: Mapping[str, str], name: str, most: int) -> int:
    text = parts.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        raise BadPassword(f"its {name} is no number")
    found = int(text)
    if found > most:
        raise BadPassword(f"its {name} is more than {most}")
    return found


def _bytes(parts: Mapping[str, str], name: str) -> bytes:
    try:
        return base64.b64decode(parts.get(name, ""), validate=True)
    except binascii.Error:
        raise BadPassword(f"its {name} is not in base64") from None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
