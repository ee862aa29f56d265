"""Refuses security settings that Barnabas does not support. Pure.

If they were ignored, their owner would believe that the broker is safer than it is. A broker with
such a setting does not start, wherever it was given, and it cannot be set while a broker runs. The
default value and an empty text are accepted.
"""

from __future__ import annotations

import re

from barnabas.config.authorization import (
    ALLOW_IF_NO_ACL,
    AUTHORIZER,
    OWN_SETTINGS,
    SUPER_USERS,
    Authorization,
)
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
"""Prefixes of names that are not in the table but concern security, or hide values: plug-ins'."""
_JAVA_OPTIONS = ("-Djava.security.", "-Djavax.net.ssl.", "-Dzookeeper.")
"""Prefixes of the options in ``KAFKA_OPTS`` that configure SASL and TLS of Kafka's brokers."""
_JAVA_SETTINGS = {
    "java.security.auth.login.config": "java.security.auth.login.config",
    "zookeeper.sasl.client": "zookeeper.sasl.client",
    "zookeeper.sasl.clientconfig": "zookeeper.sasl.clientconfig",
    "zookeeper.sasl.client.username": "zookeeper.sasl.client.username",
    "zookeeper.sasl.client.canonicalize.hostname": "zookeeper.sasl.client.canonicalize.hostname",
    "zookeeper.server.principal": "zookeeper.server.principal",
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
    "zookeeper.ssl.crl": "zookeeper.ssl.crl.enable",
    "zookeeper.ssl.ocsp": "zookeeper.ssl.ocsp.enable",
}
"""System properties that Kafka or ZooKeeper's client reads, and the settings that replace them."""


def java_settings(options: str) -> dict[str, str]:
    """The settings for ZooKeeper in ``KAFKA_OPTS``. Raises ConfigError if it configures other
    security. All other options are ignored."""
    found = {}
    for option in options.split():
        name, _, value = option.strip("\"'").partition("=")
        setting = _JAVA_SETTINGS.get(name.removeprefix("-D"))
        if name.startswith("-D") and setting is not None:
            found[setting] = value
        elif name.startswith(_JAVA_OPTIONS):
            raise ConfigError(f"KAFKA_OPTS: {name!a} is not supported; remove it")
    return found


def check_protection(name: str, text: str, authorization: Authorization | None = None) -> None:
    """Raises ConfigError if this setting, however it is spelled, asks for protection that Barnabas
    does not have. The authorizer's own settings are accepted if there is one."""
    asked = text.strip()
    if authorization is not None and authorization.reads(name):
        return
    setting, meant = broker_setting(name), name
    is_known = setting.type is not ConfigType.UNKNOWN
    if not is_known:
        meant = _respelled(name)
        setting = broker_setting(meant)
    if setting.type is ConfigType.UNKNOWN:
        refused = bool(asked) and _protects(meant, asked)
    else:
        value = setting.parse(asked)
        misspelled = meant == AUTHORIZER and name != meant
        misspelled = misspelled or (setting.restart and not is_known)
        refused = setting.is_refused(value) or (misspelled and not setting.is_default(value))
    if refused and name in OWN_SETTINGS:
        raise ConfigError(f"{name}: has no effect without {AUTHORIZER}")
    if refused:
        raise ConfigError(f"{visible(name)}: not supported, and not safe to ignore; remove it")


def check_dynamic_protection(name: str, text: str) -> None:
    """``check_protection`` for a setting in ZooKeeper. It also refuses a setting that a broker
    reads only from its file."""
    check_protection(name, text)
    setting = broker_setting(name)
    if of_listener(name) is not None and setting.restart:
        return  # ``check_listeners`` decides later whether that listener may change
    if setting.restart:
        raise ConfigError(
            f"{visible(name)}: not supported while a broker runs; give it at the start"
        )


def _respelled(name: str) -> str:
    """An unknown name in Kafka's spelling: ``Ssl_Client-Auth`` becomes ``ssl.client.auth``, and the
    prefix ``cfg.``, which other images' variables give, is removed."""
    return re.sub(r"[._-]+", ".", name.strip().lower()).removeprefix("cfg.")


def _protects(name: str, asked: str) -> bool:
    base = of_listener(name) or name
    if base == ALLOW_IF_NO_ACL:
        return asked.lower() != "true"
    inner = any(f".{prefix}" in base for prefix in ("sasl.", "ssl."))
    return base == SUPER_USERS or base.startswith(_PREFIXES) or inner
