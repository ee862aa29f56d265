"""How a command connects to ZooKeeper, and what it calls a node there."""

from __future__ import annotations

import os

from barnabas.config.checks import Value
from barnabas.config.protection import java_settings
from barnabas.config.settings import SETTINGS
from barnabas.config.sources import parse_properties
from barnabas.errors import ConfigError
from barnabas.seams import Env
from barnabas.zookeeper.client.security import OPEN, ZooKeeperSecurity


def below(chroot: str, path: str) -> str:
    """The node's path in ZooKeeper; ``path`` begins with a slash."""
    return chroot + path if path != "/" else chroot or "/"


def zookeeper_security(env: Env, path: str | None) -> ZooKeeperSecurity:
    """Read the settings from a file and, as Kafka's tools do, from ``KAFKA_OPTS``."""
    given = java_settings(os.environ.get("KAFKA_OPTS", ""))
    if path is not None:
        try:
            given.update(parse_properties(env.files.read(os.path.abspath(path)).decode()))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--zk-tls-config-file: cannot read {path}: {error}") from None
    if not given:
        return OPEN
    from barnabas.broker.zookeeper_security import security_of
    from barnabas.zk.acls import secure_acls

    def value(name: str) -> Value:
        setting = SETTINGS[name]
        return setting.parse(given[name]) if name in given else setting.default

    security = security_of(env, value)
    if security.logs_in:
        security.acls = secure_acls  # as kafka-configs.sh does
    return security
