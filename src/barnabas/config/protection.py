"""What must not be passed over: settings whose owner would believe a broker safer than it is. Pure.

Not all security is served, nor policies and quotas by plug-ins. A broker whose settings ask for
what is not does not start, whatever road they came by, and they cannot be set while it runs. A
default that is spelled out, or an empty text, asks for nothing.
"""

from __future__ import annotations

import re

from barnabas.config.authorization import ALLOW_IF_NO_ACL, AUTHORIZER, OWN_SETTINGS, SUPER_USERS
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
_JAVA_OPTIONS = ("-Djava.security.", "-Djavax.net.ssl.", "-Dzookeeper.")
"""Beginnings of the options in ``KAFKA_OPTS`` by which Java's brokers are given SASL and TLS."""


def check_java_options(options: str) -> None:
    """ConfigError if ``KAFKA_OPTS`` asks for security; its other options mean nothing here."""
    for option in options.split():
        if option.strip("\"'").startswith(_JAVA_OPTIONS):
            raise ConfigError(
                f"KAFKA_OPTS: {option.partition('=')[0]!a} is not supported; remove it"
            )


def check_protection(name: str, text: str, *, authorized: bool = False) -> None:
    """ConfigError if this setting asks for protection that is not here, however it is spelled.
    ``authorized``: an authorizer obeys its own settings."""
    asked = text.strip()
    if authorized and name in OWN_SETTINGS:
        return
    setting, meant = broker_setting(name), name
    is_known = setting.type is not ConfigType.UNKNOWN
    if not is_known:
        meant = _respelled(name)
        setting = broker_setting(meant)
    if setting.type is ConfigType.UNKNOWN:
        refused = bool(asked) and _protects(meant, asked)
    else:
        protects = setting.refused or (meant == AUTHORIZER and name != meant)
        protects = protects or (setting.restart and not is_known)
        refused = protects and not setting.is_default(setting.parse(asked))
    if refused:
        raise ConfigError(f"{visible(name)}: not supported, and not safe to ignore; remove it")


def check_dynamic_protection(name: str, text: str) -> None:
    """The same for a setting that ZooKeeper holds: what is obeyed at a start only is not read from
    there."""
    check_protection(name, text)
    if broker_setting(name).restart:
        raise ConfigError(
            f"{visible(name)}: not supported while a broker runs; give it at the start"
        )


def _respelled(name: str) -> str:
    """What the owner of an unknown name may have meant: ``Ssl_Client-Auth``, and ``cfg.`` of
    other images' variables."""
    return re.sub(r"[._-]+", ".", name.strip().lower()).removeprefix("cfg.")


def _protects(name: str, asked: str) -> bool:
    base = of_listener(name) or name
    if base == ALLOW_IF_NO_ACL:
        return asked.lower() != "true"
    inner = any(f".{prefix}" in base for prefix in ("sasl.", "ssl."))
    return base == SUPER_USERS or base.startswith(_PREFIXES) or inner
