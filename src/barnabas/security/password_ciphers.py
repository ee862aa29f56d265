"""Java's ciphers that a password in ZooKeeper may be encrypted with. Pure.

Java names a cipher ``algorithm/mode/padding``, in any case. The original takes every one of Java's
that has an initialization vector (KIP-226). Here are those that the library ``cryptography`` has.
It has no PCBC, no CTS, and of CFB and OFB none but those of a block, and CFB8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_unwrap_with_padding,
    aes_key_wrap,
    aes_key_wrap_with_padding,
)
from cryptography.hazmat.primitives.padding import PKCS7

Chance = Callable[[int], bytes]
"""Gives the asked number of bytes that nobody can guess."""

_AES_BITS: Final = (128, 192, 256)
_AEAD_BYTES: Final = 12
_WRAPPED_VECTOR: Final = b"\xa6" * 8
"""RFC 3394 2.2.3.1. Java tells it as the vector, though it is always the same."""
_PADDED_VECTOR: Final = b"\xa6\x59\x59\xa6"
"""RFC 5649 3."""
_GCM: Final = "AES/GCM/"
"""The original knows this mode only if it is spelled so."""


class WrongLength(ValueError):
    """A cipher without padding cannot encrypt a text of this length."""


class Undecipherable(Exception):
    """The text was encrypted with another key, or changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JavaCipher:
    """One of Java's ciphers."""

    key_bits: tuple[int, ...]
    """The lengths that a key may have."""
    vector_bytes: int
    tag_bits: int | None = None
    """For GCM only, which the original tells."""
    vector: bytes | None = None
    """If it is always the same."""
    encrypting: Callable[[bytes, bytes, bytes, Chance], bytes]
    decrypting: Callable[[bytes, bytes, bytes], bytes]

    def new_vector(self, chance: Chance) -> bytes:
        return chance(self.vector_bytes) if self.vector is None else self.vector

    def encrypt(self, key: bytes, vector: bytes, data: bytes, chance: Chance) -> bytes:
        """``key``: of a length in ``key_bits``. Raises WrongLength, and UnsupportedAlgorithm if the
        system's OpenSSL lacks the cipher."""
        try:
            return self.encrypting(key, vector, data, chance)
        except ValueError:
            raise WrongLength("the cipher has no padding") from None

    def decrypt(self, key: bytes, vector: bytes, data: bytes) -> bytes:
        """Raises Undecipherable."""
        if self.vector not in (None, vector):
            raise Undecipherable
        try:
            return self.decrypting(key, vector, data)
        except (ValueError, InvalidTag, InvalidUnwrap, UnsupportedAlgorithm):
            raise Undecipherable from None


def java_cipher(name: str) -> JavaCipher | None:
    """The cipher of Java's name; None if it is none of those that are had here."""
    parts = name.upper().split("/")
    if parts in (["CHACHA20-POLY1305"], ["CHACHA20-POLY1305", "NONE", "NOPADDING"]):
        return _aead(ChaCha20Poly1305, (256,))
    if len(parts) != 3:
        return None
    algorithm, mode, padding = parts
    if algorithm == "AES" and mode in ("GCM", "KW", "KWP"):
        return _of_aes_only(name, mode, padding)
    return _of_blocks(algorithm, mode, padding)


def _of_aes_only(name: str, mode: str, padding: str) -> JavaCipher | None:
    if mode == "GCM":
        is_known = name.startswith(_GCM) and padding == "NOPADDING"
        return _aead(AESGCM, _AES_BITS, tag_bits=128) if is_known else None
    if mode == "KWP":
        return _wrap(with_padding=True) if padding == "NOPADDING" else None
    pad = {"NOPADDING": _NO_PADDING, "PKCS5PADDING": _PKCS5}.get(padding)
    return None if pad is None else _wrap(pad)


def _aead(
    kind: type[AESGCM | ChaCha20Poly1305], key_bits: tuple[int, ...], tag_bits: int | None = None
) -> JavaCipher:
    return JavaCipher(
        key_bits=key_bits,
        vector_bytes=_AEAD_BYTES,
        tag_bits=tag_bits,
        encrypting=lambda key, vector, data, _: kind(key).encrypt(vector, data, None),
        decrypting=lambda key, vector, data: kind(key).decrypt(vector, data, None),
    )


# With blocks


@dataclass(frozen=True, slots=True)
class _Padding:
    pad: Callable[[bytes, int, Chance], bytes]
    """(data, bytes of a block, chance) -> padded data."""
    strip: Callable[[bytes, int], bytes]
    """Raises ValueError."""


def _pkcs5(data: bytes, size: int, _: Chance) -> bytes:
    padder = PKCS7(8 * size).padder()
    return padder.update(data) + padder.finalize()


def _without_pkcs5(data: bytes, size: int) -> bytes:
    unpadder = PKCS7(8 * size).unpadder()
    return unpadder.update(data) + unpadder.finalize()


def _iso10126(data: bytes, size: int, chance: Chance) -> bytes:
    count = size - len(data) % size
    return data + chance(count - 1) + bytes([count])


def _without_iso10126(data: bytes, size: int) -> bytes:
    if not data or not 1 <= data[-1] <= size or len(data) % size:
        raise ValueError("no padding")
    return data[: -data[-1]]


_NO_PADDING: Final = _Padding(lambda data, size, chance: data, lambda data, size: data)
_PKCS5: Final = _Padding(_pkcs5, _without_pkcs5)
_PADDINGS: Final[Mapping[str, _Padding]] = {
    "NOPADDING": _NO_PADDING,
    "PKCS5PADDING": _PKCS5,
    "ISO10126PADDING": _Padding(_iso10126, _without_iso10126),
}


def _wrap(padding: _Padding = _NO_PADDING, *, with_padding: bool = False) -> JavaCipher:
    wrap = aes_key_wrap_with_padding if with_padding else aes_key_wrap
    unwrap = aes_key_unwrap_with_padding if with_padding else aes_key_unwrap
    vector = _PADDED_VECTOR if with_padding else _WRAPPED_VECTOR
    size = 16  # Java pads a key to be wrapped to blocks of AES, not to halves of them
    return JavaCipher(
        key_bits=_AES_BITS,
        vector_bytes=len(vector),
        vector=vector,
        encrypting=lambda key, _, data, chance: wrap(key, padding.pad(data, size, chance)),
        decrypting=lambda key, _, data: padding.strip(unwrap(key, data), size),
    )


@dataclass(frozen=True, slots=True)
class _Algorithm:
    make: Callable[[bytes], Any]
    size: int
    """Bytes of a block."""
    key_bits: tuple[int, ...]
    modes: tuple[str, ...]


def _triple_des(key: bytes) -> Any:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES

    return TripleDES(key * (24 // len(key)))  # DES is TripleDES with three times the same key


def _blowfish(key: bytes) -> Any:
    from cryptography.hazmat.decrepit.ciphers.algorithms import Blowfish

    return Blowfish(key)


_FEEDBACK: Final = ("CBC", "CFB", "OFB")
_DES_MODES: Final = (*_FEEDBACK, "CFB8")
_ALGORITHMS: Final[Mapping[str, _Algorithm]] = {
    "AES": _Algorithm(AES, 16, _AES_BITS, (*_DES_MODES, "CTR")),
    "DES": _Algorithm(_triple_des, 8, (64,), _DES_MODES),
    "DESEDE": _Algorithm(_triple_des, 8, (192,), _DES_MODES),
    "TRIPLEDES": _Algorithm(_triple_des, 8, (192,), _DES_MODES),
    "BLOWFISH": _Algorithm(_blowfish, 8, tuple(range(32, 449, 8)), _FEEDBACK),
}


def _mode(name: str) -> Callable[[bytes], Any]:
    if name == "CBC":
        return CBC
    if name == "CTR":
        return CTR
    try:
        from cryptography.hazmat.decrepit.ciphers import modes
    except ImportError:  # before cryptography 47
        from cryptography.hazmat.primitives.ciphers import modes  # type: ignore[no-redef]
    found: Callable[[bytes], Any] = getattr(modes, name)
    return found


def _of_blocks(algorithm: str, mode: str, padding: str) -> JavaCipher | None:
    kind, pad = _ALGORITHMS.get(algorithm), _PADDINGS.get(padding)
    if kind is None or pad is None:
        return None
    if mode in (f"CFB{8 * kind.size}", f"OFB{8 * kind.size}"):
        mode = mode[:3]
    if mode not in kind.modes or (mode == "CTR" and pad is not _NO_PADDING):
        return None

    def encrypting(key: bytes, vector: bytes, data: bytes, chance: Chance) -> bytes:
        encryptor = Cipher(kind.make(key), _mode(mode)(vector)).encryptor()
        return encryptor.update(pad.pad(data, kind.size, chance)) + encryptor.finalize()

    def decrypting(key: bytes, vector: bytes, data: bytes) -> bytes:
        decryptor = Cipher(kind.make(key), _mode(mode)(vector)).decryptor()
        return pad.strip(decryptor.update(data) + decryptor.finalize(), kind.size)

    return JavaCipher(
        key_bits=kind.key_bits,
        vector_bytes=kind.size,
        encrypting=encrypting,
        decrypting=decrypting,
    )
