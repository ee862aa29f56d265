"""What must not be passed over: settings whose owner would believe a broker safer than it is. Pure.

Security, policies and quotas by plug-ins are not served. A broker whose settings ask for them does
not start, whatever road they came by, and they cannot be set while it runs. A default that is
spelled out, or an empty text, asks for nothing.
"""

from __future__ import annotations

import re

from barnabas.config.definition import ConfigType
from barnabas.config.settings import broker_setting, of_listener
from barnabas.errors import ConfigError
from barnabas.logs import visible

_PREFIXES = (
    "authorizer.",
    "config.providers",
    "delegation.token.",
    "password.encoder.",
    "sasl.",
    "security.",
    "ssl.",
    "zookeeper.sasl.",
    "zookeeper.ssl.",
)
"""Names that are not in the table, but mean security or hide values: those of plug-ins."""
_EVERYONE = "allow.everyone.if.no.acl.found"
_JAVA_OPTIONS = ("-Djava.security.", "-Djavax.net.ssl.", "-Dzookeeper.")
"""Beginnings of the options in ``KAFKA_OPTS`` by which Java's brokers are given SASL and TLS."""


def check_java_options(options: str) -> None:
    """ConfigError if ``KAFKA_OPTS`` asks for security; its other options mean nothing here."""
    for option in options.split():
        if option.strip("\"'").startswith(_JAVA_OPTIONS):
            raise ConfigError(
                f"KAFKA_OPTS: {option.partition('=')[0]!a} is not supported; remove it"
            )


def check_protection(name: str, text: str) -> None:
    """ConfigError if this setting asks for protection that is not here, however it is spelled."""
    asked = text.strip()
    setting = broker_setting(name)
    if setting.type is ConfigType.UNKNOWN:
        setting = broker_setting(_respelled(name))
    if setting.type is ConfigType.UNKNOWN:
        refused = bool(asked) and _protects(_respelled(name), asked)
    else:
        refused = setting.refused and not setting.is_default(setting.parse(asked))
    if refused:
        raise ConfigError(f"{visible(name)}: not supported, and not safe to ignore; remove it")


def _respelled(name: str) -> str:
    """What the owner of an unknown name may have meant: ``Ssl_Client-Auth``, and ``cfg.`` of
    other images' variables."""
    return re.sub(r"[._-]+", ".", name.strip().lower()).removeprefix("cfg.")


def _protects(name: str, asked: str) -> bool:
    base = of_listener(name) or name
    if base == _EVERYONE:
        return asked.lower() != "true"
    inner = any(f".{prefix}" in base for prefix in ("sasl.", "ssl."))
    return base == "super.users" or base.startswith(_PREFIXES) or inner
