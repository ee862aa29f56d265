"""DynamicListenerConfig, its rules: how a broker's listeners may change while it runs. Pure.

Listeners may be added and removed. One that stays keeps its address, its protocol and its settings;
only its key store and trust store may change. The listeners for brokers and for the controller
stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from barnabas.config.listener_settings import LISTENER
from barnabas.config.listeners import Listeners
from barnabas.config.settings import broker_setting
from barnabas.errors import ConfigError

RELOADED: Final = (
    "ssl.keystore.type",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.key",
    "ssl.keystore.certificate.chain",
    "ssl.key.password",
    "ssl.truststore.type",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.certificates",
)
"""The settings of a remaining listener that may change: they are read again for new connections."""


def check_listeners(
    before: Listeners,
    after: Listeners,
    texts_before: Mapping[str, str],
    texts_after: Mapping[str, str],
) -> None:
    """Raises ConfigError if a running broker cannot change to these listeners."""
    if (before.inter_broker, before.control_plane) != (after.inter_broker, after.control_plane):
        raise ConfigError(
            f"listeners: {before.inter_broker} and {before.control_plane}, which brokers use, can"
            " be changed with a restart only"
        )
    there = {e.listener: e for e in before.bound}
    for endpoint in after.bound:
        known = there.get(endpoint.listener)
        if known is None:
            continue
        name = endpoint.listener
        if known.security_protocol != endpoint.security_protocol:
            raise ConfigError(
                f"Security protocol cannot be updated for existing listener ListenerName({name})"
            )
        if known != endpoint:
            raise ConfigError(f"listeners: the address of {name} changes with a restart only")
        if dict(_fixed(name, texts_before)) != dict(_fixed(name, texts_after)):
            raise ConfigError(
                "Configs cannot be updated dynamically for existing listener"
                f" ListenerName({name}), restart broker or create a new listener for update"
            )


def _fixed(listener: str, texts: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    prefix = f"{LISTENER}{listener.lower()}."
    for name, text in texts.items():
        if not name.startswith(prefix) or name.removeprefix(prefix) in RELOADED:
            continue
        setting = broker_setting(name)
        if setting.restart or not setting.dynamic:
            yield name, text
