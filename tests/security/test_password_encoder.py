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
SECRET, PASSWORD = "encoder-secret-ü", "pässword \N{GRINNING FACE}"
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
        ((WAYS[0][0], "AES/ECB/PKCS5Padding", 128, 4096), "cipher.algorithm"),
        ((*WAYS[0][:2], 64, 4096), "key.length"),
        ((*WAYS[0][:3], 10**7), "iterations"),
    ],
)
def test_ways_that_there_are_not(way: tuple[str, str, int, int], name: str) -> None:
    with pytest.raises(ConfigError, match=f"password.encoder.{name}"):
        _encoder(way).check()
