"""JAAS entries, as Java reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from barnabas.security.jaas import parse_jaas


def test_an_entry() -> None:
    entry = parse_jaas(
        'org.example.Module required\n username=\'a b\'\tpassword="x=;\\"\\n" // why\n'
        "  flag=true # and why not\n /* \n */ ;"
    )
    assert entry.module == "org.example.Module"
    assert entry.options == {"username": "a b", "password": 'x=;"\n', "flag": "true"}
    assert "a b" not in repr(entry)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Login module not specified in JAAS config"),
        (";", "Login module not specified in JAAS config"),
        ("m", "Login module control flag is not available in the JAAS config"),
        ("m;", "Login module control flag is not available in the JAAS config"),
        ("m needed;", "Invalid login module control flag in JAAS config"),
        ("m required", "JAAS config entry not terminated by semi-colon"),
        ('m required password="x"', "JAAS config entry not terminated by semi-colon"),
        ("m required password;", "Value not specified for key 'password' in JAAS config"),
        ("m required password=;", "Value not specified for key 'password' in JAAS config"),
        ("m required; n required;", "contains 2 login modules, should be 1 module"),
        ('m required password="x', "a quoted text does not end in JAAS config"),
        ('m required "secret" x=y;', "a quoted text is in the place of a key"),
    ],
)
def test_what_is_none(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        parse_jaas(text)
    assert "secret" not in str(raised.value)


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    for jaas in (text, f"m required {text};", f'm required p="{text}";'):
        try:
            parse_jaas(jaas)
        except ValueError:
            continue


@given(st.text(max_size=30))
def test_any_password_can_be_quoted(password: str) -> None:
    quoted = password.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_jaas(f'm required p="{quoted}";').options["p"] == password
