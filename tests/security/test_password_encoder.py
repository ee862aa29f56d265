"""Passwords encrypted for ZooKeeper: those of the original are read, and ours have its form."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.places import GOLDEN

from barnabas.errors import ConfigError
from barnabas.security.password_encoder import BadPassword, PasswordEncoder

RECORDED = (GOLDEN / "security" / "encoded-passwords.txt").read_text().splitlines()
BY_CIPHERS = (GOLDEN / "security" / "encoded-passwords-by-ciphers.txt").read_text().splitlines()
"""One of the original's with Java 17 for each cipher that is supported."""
SECRET, PASSWORD = "encoder-secret-ü", "pässword \N{GRINNING FACE}"
OF_WHOLE_BLOCKS = "sixteen letters!"
"""For ciphers without padding."""
WAYS = (
    ("PBKDF2WithHmacSHA512", "AES/CBC/PKCS5Padding", 128, 4096),
    ("PBKDF2WithHmacSHA1", "AES/GCM/NoPadding", 256, 1024),
    ("PBKDF2WithHmacSHA256", "AES/CBC/PKCS5Padding", 192, 2000),
)
"""In which the original has encrypted each line."""


def _encoder(way: tuple[str, str, int, int], secret: str = SECRET) -> PasswordEncoder:
    key_factory, cipher, key_bits, iterations = way
    return PasswordEncoder(
        secret=secret,
        key_factory=key_factory,
        cipher=cipher,
        key_bits=key_bits,
        iterations=iterations,
    )


@pytest.mark.parametrize(("way", "text"), list(zip(WAYS, RECORDED, strict=True)))
def test_the_originals(way: tuple[str, str, int, int], text: str) -> None:
    assert _encoder(WAYS[0]).decode(text) == PASSWORD, "the text says how, not the settings"
    ours = _encoder(way).encode(PASSWORD, os.urandom)
    secrets = r"(initializationVector|salt|encryptedPassword):[^,]+"
    assert re.sub(secrets, r"\1", ours) == re.sub(secrets, r"\1", text)
    lengths = [[len(part) for part in each.split(",")] for each in (ours, text)]
    assert lengths[0] == lengths[1]


def _part(text: str, name: str) -> str:
    return dict(part.rsplit(":", 1) for part in text.split(","))[name]


def _way(text: str) -> tuple[str, str, int, int]:
    return (
        _part(text, "keyFactoryAlgorithm"),
        _part(text, "cipherAlgorithm"),
        int(_part(text, "keyLength")),
        int(_part(text, "iterations")),
    )


@pytest.mark.parametrize("text", BY_CIPHERS, ids=lambda text: _part(text, "cipherAlgorithm"))
def test_ciphers_of_java(text: str) -> None:
    password = OF_WHOLE_BLOCKS if _part(text, "passwordLength") == "16" else PASSWORD
    assert _encoder(WAYS[0]).decode(text) == password
    own = _encoder(_way(text))
    own.check()
    ours = own.encode(password, os.urandom)
    assert [len(part) for part in ours.split(",")] == [len(part) for part in text.split(",")]
    assert own.decode(ours) == password
    with pytest.raises(BadPassword):
        _encoder(_way(text), "another").decode(text)
    other = ours[:-5] + ("AAAA=" if ours.endswith("=") else "AAAAA")
    if other != ours:
        try:
            assert own.decode(other) != password
        except BadPassword:
            pass


@pytest.mark.parametrize(
    "name",
    [
        *("AES", "AES/ECB/PKCS5Padding", "AES/PCBC/PKCS5Padding", "AES/CTS/NoPadding"),
        *("AES/CFB16/NoPadding", "AES/OFB8/NoPadding", "AES/CTR/PKCS5Padding"),
        *(
            "aes/gcm/nopadding",
            "AES/GCM/PKCS5Padding",
            "AES/KWP/PKCS5Padding",
            "AES_128/CBC/NoPadding",
        ),
        *(
            "DES/CTR/NoPadding",
            "Blowfish/CFB8/NoPadding",
            "RC2/CBC/PKCS5Padding",
            "RC4",
            "ChaCha20",
        ),
        *("", "/", "//", "AES/CBC/", "AES/CBC/PKCS5Padding/x", "\n" * 200),
    ],
)
def test_ciphers_that_there_are_not(name: str) -> None:
    with pytest.raises(ConfigError, match=r"password\.encoder\.cipher\.algorithm") as refused:
        _encoder((WAYS[0][0], name, 128, 4096)).check()
    assert len(str(refused.value)) < 500
    assert "\n" not in str(refused.value)


def test_without_padding_a_password_must_have_whole_blocks() -> None:
    encoder = _encoder((WAYS[0][0], "AES/CBC/NoPadding", 256, 1024))
    with pytest.raises(ConfigError, match="cannot encrypt a password of this length") as refused:
        encoder.encode("s3cr3t", os.urandom)
    assert "s3cr3t" not in str(refused.value)


@given(st.text(max_size=60), st.sampled_from(WAYS))
@settings(max_examples=15, deadline=None)
def test_there_and_back(password: str, way: tuple[str, str, int, int]) -> None:
    text = _encoder(way).encode(password, os.urandom)
    assert _encoder(WAYS[0]).decode(text) == password
    with pytest.raises(BadPassword):
        _encoder(way, "another").decode(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("iterations:4096", "iterations:0"),
        ("iterations:4096", "iterations:99999999"),
        ("iterations:4096", "iterations:\N{SUPERSCRIPT TWO}"),
        ("keyLength:128", "keyLength:64"),
        ("keyLength:128", "keyLength:x"),
        ("AES/CBC/PKCS5Padding", "DES/CBC/PKCS5Padding"),
        ("AES/CBC/PKCS5Padding", "AES/PCBC/PKCS5Padding"),
        ("PBKDF2WithHmacSHA512", "PBKDF2WithHmacMD5"),
        ("passwordLength:11", "passwordLength:12"),
        ("salt:", "salt:!"),
        ("encryptedPassword:", "encryptedPassword:AAAA"),
        ("initializationVector:", "vector:"),
    ],
)
def test_what_is_changed_is_refused_and_not_repeated(old: str, new: str) -> None:
    text = RECORDED[0].replace(old, new) if old else PASSWORD
    with pytest.raises(BadPassword) as refused:
        _encoder(WAYS[0]).decode(text)
    assert PASSWORD not in str(refused.value)
    assert SECRET not in repr(_encoder(WAYS[0]))


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    with pytest.raises(BadPassword):
        _encoder(WAYS[0]).decode(text)


@pytest.mark.parametrize(
    ("way", "name"),
    [
        (("PBKDF2WithHmacMD5", *WAYS[0][1:]), "keyfactory.algorithm"),
        (("PBEWithMD5AndDES", *WAYS[0][1:]), "keyfactory.algorithm"),
        ((WAYS[0][0], "DES/CBC/PKCS5Padding", 128, 4096), "key.length"),
        ((WAYS[0][0], "Blowfish/CBC/PKCS5Padding", 24, 4096), "key.length"),
        ((WAYS[0][0], "AES/ECB/PKCS5Padding", 128, 4096), "cipher.algorithm"),
        ((*WAYS[0][:2], 64, 4096), "key.length"),
        ((*WAYS[0][:3], 10**7), "iterations"),
    ],
)
def test_ways_that_there_are_not(way: tuple[str, str, int, int], name: str) -> None:
    with pytest.raises(ConfigError, match=f"password.encoder.{name}"):
        _encoder(way).check()
