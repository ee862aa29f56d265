"""TLS whose contexts a plug-in makes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest
from tests.api import kit
from tests.broker.test_tls_listener import (
    AUTHORITY,
    CERTIFICATE,
    KEY,
    TLS,
    TRUST,
    _connect,
    _context,
    _serves,
)
from tests.zookeeper.clients import make_env

from barnabas.broker.plugged_tls import LOOK_S, PluggedContexts
from barnabas.config.broker_config import BrokerConfig
from barnabas.config.client_config import client_security as of_a_client
from barnabas.errors import ConfigError
from barnabas.plugins import SslEngineFactory
from barnabas.security.client import ClientSecurity
from barnabas.security.stores import StoreSettings
from barnabas.security.tls import TlsSettings, client_context, server_context

FACTORY = "ssl.engine.factory.class"
SETTINGS = {
    "listeners": "PLAINTEXT://{host}:9092,TLS://{host}:9093",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,TLS:SSL",
    "inter.broker.listener.name": "TLS",
    FACTORY: "house.Engines",
    "my.own": "value",
}


def _store(key: bytes, certificate: bytes) -> StoreSettings:
    return StoreSettings(
        name="ssl.keystore", type="PEM", key=key.decode(), certificates=certificate.decode()
    )


class Engines(SslEngineFactory):
    """Keys that stand in no setting."""

    told: ClassVar[list[str]] = []
    keys: ClassVar[list[tuple[bytes, bytes]]] = [(KEY, CERTIFICATE)]
    rebuilt: ClassVar[list[bool]] = []

    def configure(self, settings: Mapping[str, str]) -> None:
        self.told.append(f"{self.listener_name} {settings['my.own']}")

    def _settings(self) -> TlsSettings:
        return TlsSettings(keystore=_store(*self.keys[-1]), truststore=TRUST)

    def server_context(self) -> ssl.SSLContext:
        return server_context(self._settings(), lambda _: b"")

    def client_context(self) -> ssl.SSLContext:
        return client_context(self._settings(), lambda _: b"")

    def should_be_rebuilt(self) -> bool:
        return bool(self.rebuilt)


def test_a_cluster_whose_keys_a_plug_in_has() -> None:
    async def scenario(client: kit.Client) -> None:
        await client.place("t", [1, 2])
        assert (await client.produce("t", b"x")).error_code == 0
        security = ClientSecurity(tls=_context())
        assert await _serves(await _connect(TLS, security))
        assert set(Engines.told) == {"TLS value"}
        # Another key, of another name: whoever checks the host's name finds it.
        Engines.keys.append(AUTHORITY.issue("elsewhere", ["elsewhere"]))
        Engines.rebuilt.append(True)
        await asyncio.sleep(LOOK_S + 1)
        with pytest.raises(ConnectionError, match="certificate"):
            await _connect(TLS, security)

    Engines.told.clear()
    try:
        kit.run(scenario, brokers=2, settings=SETTINGS, classes={"house.Engines": Engines})
    finally:
        del Engines.keys[1:]
        Engines.rebuilt.clear()


def _made(cls: type, *, of_server: bool, **more: Any) -> list[ssl.SSLContext]:
    contexts: list[ssl.SSLContext] = []
    env = make_env()
    object.__setattr__(env, "find_class", {"house.Engines": cls}.get)
    given = {"broker.id": "1", **{n: t.replace("{host}", "h") for n, t in SETTINGS.items()}}
    settings = TlsSettings(
        keystore=StoreSettings(name="ssl.keystore", type="PEM"),
        truststore=TRUST,
        factory="house.Engines",
        **more,
    )
    PluggedContexts(
        *(env, BrokerConfig(given), "TLS", settings),
        of_server=of_server,
        run=lambda _, coroutine: coroutine.close(),
        use=contexts.append,
    )
    return contexts


def _raising() -> ssl.SSLContext:
    raise RuntimeError("a bug")


@pytest.mark.parametrize("answer", [lambda: None, lambda: "x", lambda: ssl.SSLContext, _raising])
def test_what_is_no_context_stops_the_start(answer: Callable[[], Any]) -> None:
    class Odd(Engines):
        server_context = client_context = lambda self: answer()

    for of_server in (True, False):
        with pytest.raises(
            ConfigError, match=r"^listener\.name\.tls\.ssl\.engine\.factory\.class: "
        ):
            _made(Odd, of_server=of_server)


def test_a_context_must_not_be_less_than_the_settings_require() -> None:
    assert len(_made(Engines, of_server=True)) == 1
    with pytest.raises(ConfigError, match=r"does not obey ssl\.client\.auth=required"):
        _made(Engines, of_server=True, client_auth="required")

    class Careless(Engines):
        def client_context(self) -> ssl.SSLContext:
            context = super().client_context()
            context.check_hostname = False
            return context

    with pytest.raises(ConfigError, match="does not check the names of hosts"):
        _made(Careless, of_server=False)
    assert len(_made(Careless, of_server=False, endpoint_identification="")) == 1


def test_clients_and_tools_have_no_plug_ins() -> None:
    properties = {"security.protocol": "SSL", FACTORY: "house.Engines"}
    with pytest.raises(ConfigError, match=f"^{FACTORY}: not supported here"):
        of_a_client(properties, read=lambda _: b"", secret=bytes, wall_ms=int)
