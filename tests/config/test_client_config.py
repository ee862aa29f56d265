"""A client's properties: what is obeyed, and what is refused."""

from __future__ import annotations

import pytest

from barnabas.config.client_config import client_security
from barnabas.errors import ConfigError
from barnabas.security.client import PLAINTEXT, ClientSecurity
from barnabas.security.sasl import plain


def _read(path: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", path)


def _security(**properties: str) -> ClientSecurity:
    named = {name.replace("_", "."): text for name, text in properties.items()}
    return client_security(named, read=_read, secret=bytes, wall_ms=int)


JAAS = f'{plain.MODULE} required username="alice" password="pw-secret";'


def test_protocols() -> None:
    assert _security() is PLAINTEXT
    assert _security(request_timeout_ms="5") is PLAINTEXT
    tls = _security(security_protocol="SSL")
    assert tls.tls is not None
    assert tls.begin is None
    sasl = _security(
        security_protocol="sasl_plaintext", sasl_mechanism="PLAIN", sasl_jaas_config=JAAS
    )
    assert sasl.tls is None
    assert sasl.begin is not None
    assert sasl.begin().first() == b"\0alice\0pw-secret"
    assert "secret" not in repr(sasl)


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        ({"security_protocol": "TLS"}, "security.protocol: 'TLS' is not one of PLAINTEXT"),
        ({"security_protocol": "SASL_SSL"}, "sasl.jaas.config: Login module not specified"),
        (
            {"security_protocol": "SASL_SSL", "sasl_jaas_config": JAAS},
            "sasl.jaas.config: the login module of GSSAPI is ",
        ),
        (
            {
                "security_protocol": "SSL",
                "ssl_truststore_location": "/nowhere",
                "ssl_truststore_type": "PEM",
            },
            "ssl.truststore.location: cannot read '/nowhere'",
        ),
        ({"ssl_trustmanager_algorithm": "x"}, "ssl.trustmanager.algorithm: not supported"),
        ({"sasl_login_callback_handler_class": "x"}, "sasl.login.callback.handler.class: not"),
        ({"sasl_made_up": "x"}, "sasl.made.up: not supported"),
    ],
)
def test_what_is_refused(properties: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        _security(**properties)
    assert message in str(raised.value)
    assert "secret" not in str(raised.value)
