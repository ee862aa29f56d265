"""Principals as text."""

from __future__ import annotations

import pytest

from barnabas.security.principal import ANONYMOUS, KafkaPrincipal


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("User:alice", "User", "alice"),
        ("User:a:b", "User", "a:b"),
        ("User:", "User", ""),
        ("user:alice", "user", "alice"),
        ("User:CN=a,OU=b", "User", "CN=a,OU=b"),
    ],
)
def test_a_principal_is_split_at_its_first_colon(text: str, kind: str, name: str) -> None:
    assert KafkaPrincipal.parse(text) == (kind, name)
    assert str(KafkaPrincipal.parse(text)) == text


@pytest.mark.parametrize("text", ["", "alice"])
def test_without_a_colon_it_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected a string in format principalType:principalName"):
        KafkaPrincipal.parse(text)


def test_who_did_not_say_who_he_is() -> None:
    assert str(ANONYMOUS) == "User:ANONYMOUS"
