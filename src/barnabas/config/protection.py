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
_JAVA_SETTINGS = {
    "java.security.auth.login.config": "java.security.auth.login.config",
    "zookeeper.sasl.client": "zookeeper.sasl.client",
    "zookeeper.sasl.clientconfig": "zookeeper.sasl.clientconfig",
    "zookeeper.client.secure": "zookeeper.ssl.client.enable",
    "zookeeper.clientCnxnSocket": "zookeeper.clientCnxnSocket",
    "zookeeper.ssl.keyStore.location": "zookeeper.ssl.keystore.location",
    "zookeeper.ssl.keyStore.password": "zookeeper.ssl.keystore.password",
    "zookeeper.ssl.keyStore.type": "zookeeper.ssl.keystore.type",
    "zookeeper.ssl.trustStore.location": "zookeeper.ssl.truststore.location",
    "zookeeper.ssl.trustStore.password": "zookeeper.ssl.truststore.password",
    "zookeeper.ssl.trustStore.type": "zookeeper.ssl.truststore.type",
    "zookeeper.ssl.protocol": "zookeeper.ssl.protocol",
    "zookeeper.ssl.enabledProtocols": "zookeeper.ssl.enabled.protocols",
    "zookeeper.ssl.ciphersuites": "zookeeper.ssl.cipher.suites",
}
"""System properties that Kafka or ZooKeeper's client obeys, and the settings in their place."""


def java_settings(options: str) -> dict[str, str]:
    """What ``KAFKA_OPTS`` says of the way to ZooKeeper. ConfigError if it asks for other security;
    its other options mean nothing here."""
    found = {}
    for option in options.split():
        name, _, value = option.strip("\"'").partition("=")
        setting = _JAVA_SETTINGS.get(name.removeprefix("-D"))
        if name.startswith("-D") and setting is not None:
            found[setting] = value
        elif name.startswith(_JAVA_OPTIONS):
            raise ConfigError(f"KAFKA_OPTS: {name!a} is not supported; remove it")
    return found


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
    if refused and name in OWN_SETTINGS:
        raise ConfigError(f"{name}: nobody obeys it without {AUTHORIZER}")
    if refused:
        raise ConfigError(f"{visible(name)}: not supported, and not safe to ignore; remove it")


def check_dynamic_protection(name: str, text: str) -> None:
    """The same for a setting that ZooKeeper holds: what is obeyed at a start only is not read from
    there."""
    check_protection(name, text)
    setting = broker_setting(name)
    if of_listener(name) is not None and setting.restart:
        if setting.type is ConfigType.PASSWORD:
            raise ConfigError(
                f"{visible(name)}: passwords are not stored in ZooKeeper; give it at the start"
            )
        return  # whether that listener may be changed is asked when all settings are known
    if setting.restart:
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
