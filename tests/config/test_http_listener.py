"""Where a broker may show itself over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from barnabas.config.broker_config import BrokerConfig
from barnabas.config.http_listener import http_listener
from barnabas.errors import ConfigError


def config(listener: str | None = None, more: Mapping[str, str] | None = None) -> BrokerConfig:
    given = {"zookeeper.connect": "127.0.0.1:2181", **(more or {})}
    if listener is not None:
        given["barnabas.http.listener"] = listener
    return BrokerConfig(given)


def test_none_is_wanted_by_default() -> None:
    assert http_listener(config()) is None


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:9404", "127.0.0.1", 9404), ("[::1]:0", "::1", 0), ("localhost:1", "localhost", 1)],
)
def test_an_address_of_this_machine_needs_no_token(text: str, host: str, port: int) -> None:
    found = http_listener(config(text))
    assert found is not None
    assert (found.host, found.port, found.token) == (host, port, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "[::]", "broker.example"])
def test_an_address_that_others_reach_needs_a_token(host: str) -> None:
    with pytest.raises(ConfigError, match=r"barnabas\.http\.token"):
        http_listener(config(f"{host}:9404"))
    given = {"barnabas.http.token": "secret", "barnabas.http.names": "broker.example"}
    found = http_listener(config(f"{host}:9404", given))
    assert found is not None
    assert found.token == "secret"
    assert found.names == {"broker.example"}
    assert "secret" not in repr(found)


@pytest.mark.parametrize("text", ["9404", "127.0.0.1", ":9404", "127.0.0.1:x", "127.0.0.1:65536"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="HOST:PORT"):
        http_listener(config(text))
