"""EncryptingPasswordEncoder: passwords as they stand among the settings in ZooKeeper. Pure.

Each is a list of ``name:value`` parts: the password, encrypted with a key that PBKDF2 makes of
``password.encoder.secret``, and how that was done. New ones are encrypted as the settings say; an
old one is decrypted as its parts say, whatever the settings are by now (KIP-226).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm

from barnabas.errors import ConfigError
from barnabas.logs import shortened, visible
from barnabas.security.password_ciphers import (
    Chance,
    JavaCipher,
    Undecipherable,
    WrongLength,
    java_cipher,
)

DEFAULT_CIPHER: Final = "AES/CBC/PKCS5Padding"
DEFAULT_KEY_FACTORY: Final = "PBKDF2WithHmacSHA512"
_HASHES: Final[Mapping[str, str]] = {
    f"pbkdf2withhmacsha{bits}": f"sha{bits}" for bits in (512, 384, 256, 224, 1)
}
"""Java's other key factories take the secret itself for the key."""
_KNOWN: Final = (
    "AES/GCM/NoPadding; CBC, CFB, CFB8, OFB or CTR of AES; CBC, CFB, CFB8 or OFB of DESede and DES;"
    " CBC, CFB or OFB of Blowfish; AES/KW, AES/KWP/NoPadding; ChaCha20-Poly1305"
)
_KEY_BITS_MAX: Final = 455
"""Eight bits make a byte; the rest is cut, as in Java."""
ITERATIONS_MAX: Final = 1_000_000
"""Of what is decrypted: a second or so. Who can write ZooKeeper must not hold up a broker."""
_TEXT_MAX: Final = 1024 * 1024
_SALT_BYTES: Final = 256
_TRIED_BYTES: Final = 16
_SHOWN: Final = 100
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
    cipher: str = DEFAULT_CIPHER
    key_bits: int = 128
    iterations: int = 4096

    def check(self) -> None:
        """Raises ConfigError, which names the setting, for what nothing here encrypts with."""
        if self.key_factory.lower() not in _HASHES:
            raise self._unsupported(
                "keyfactory.algorithm", self.key_factory, "PBKDF2WithHmacSHA1, 224, 256, 384, 512"
            )
        cipher = java_cipher(self.cipher)
        if cipher is None:
            raise self._unsupported("cipher.algorithm", self.cipher, _KNOWN)
        if self.key_bits // 8 * 8 not in cipher.key_bits:
            bits = cipher.key_bits
            lengths = f"{bits[0]} to {bits[-1]}" if len(bits) > 3 else ", ".join(map(str, bits))
            raise self._unsupported(
                "key.length", str(self.key_bits), f"{visible(self.cipher)} has {lengths}"
            )
        if self.iterations > ITERATIONS_MAX:
            raise ConfigError(f"password.encoder.iterations: at most {ITERATIONS_MAX}")
        try:
            key, vector = bytes(self.key_bits // 8), cipher.new_vector(bytes)
            cipher.encrypt(key, vector, bytes(_TRIED_BYTES), bytes)
        except UnsupportedAlgorithm:
            raise ConfigError(
                f"password.encoder.cipher.algorithm: the system's OpenSSL has no {self.cipher}"
            ) from None

    @staticmethod
    def _unsupported(name: str, value: str, known: str) -> ConfigError:
        shown = shortened(visible(value), _SHOWN)
        return ConfigError(f"password.encoder.{name}: {shown!a} is not supported: {known}")

    def encode(self, password: str, chance: Chance) -> str:
        """The text for ZooKeeper. Raises ConfigError for a password that a cipher without padding
        cannot encrypt."""
        salt = chance(_SALT_BYTES)
        key = self._key(self.key_factory, salt, self.iterations, self.key_bits)
        cipher = _cipher(self.cipher)
        vector = cipher.new_vector(chance)
        try:
            encrypted = cipher.encrypt(key, vector, password.encode(), chance)
        except WrongLength as error:
            raise ConfigError(
                f"password.encoder.cipher.algorithm: {self.cipher} cannot encrypt a password of"
                f" this length: {error}"
            ) from None
        parts = {
            "initializationVector": _text(vector),
            "keyLength": str(self.key_bits),
            "salt": _text(salt),
            "keyFactoryAlgorithm": self.key_factory,
            "cipherAlgorithm": self.cipher,
            "authenticationTagLength": str(cipher.tag_bits or ""),
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
        cipher = java_cipher(parts.get("cipherAlgorithm", ""))
        key_factory = parts.get("keyFactoryAlgorithm", "")
        if cipher is None or key_factory.lower() not in _HASHES:
            raise BadPassword("it is not encrypted, or in a way that is not supported")
        key_bits = _number(parts, "keyLength", _KEY_BITS_MAX)
        iterations = _number(parts, "iterations", ITERATIONS_MAX)
        if key_bits // 8 * 8 not in cipher.key_bits or not iterations:
            raise BadPassword("it is encrypted in a way that is not supported")
        key = self._key(key_factory, _bytes(parts, "salt"), iterations, key_bits)
        vector, encrypted = (
            _bytes(parts, "initializationVector"),
            _bytes(parts, "encryptedPassword"),
        )
        try:
            found = cipher.decrypt(key, vector, encrypted).decode()
        except (UnicodeDecodeError, Undecipherable):
            raise BadPassword("another secret has encrypted it, or it was changed") from None
        if _java_length(found) != _number(parts, "passwordLength", _TEXT_MAX):
            raise BadPassword("another secret has encrypted it, or it was changed")
        return found

    def _key(self, key_factory: str, salt: bytes, iterations: int, key_bits: int) -> bytes:
        secret = self.secret.encode()
        return hashlib.pbkdf2_hmac(
            _HASHES[key_factory.lower()], secret, salt, iterations, key_bits // 8
        )


def _cipher(name: str) -> JavaCipher:
    found = java_cipher(name)
    assert found is not None, "check has passed"
    return found


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
