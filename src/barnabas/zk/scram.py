"""SCRAM credentials in ZooKeeper: ``/config/users/U``, one setting a mechanism (KIP-84)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from barnabas.logs import visible
from barnabas.security.sasl.scram import HASHES, ScramCredential
from barnabas.zk import paths
from barnabas.zk.admin import list_entities, read_configs
from barnabas.zookeeper.client.client import ZooKeeperClient

log = logging.getLogger("kafka.server")

Credentials = Mapping[str, ScramCredential]
"""The credentials of one user, by mechanism."""


async def read_users(
    zookeeper: ZooKeeperClient, users: Iterable[str] | None = None
) -> dict[str, Credentials]:
    """The credentials of all users, or of those named, who have any."""
    if users is None:
        nodes = await list_entities(zookeeper, "users")
        names = [paths.desanitize(n) for n in nodes if n != paths.DEFAULT_ENTITY]
    else:
        names = list(users)
    entities = {paths.user_entity(name): name for name in names}
    configs = await read_configs(zookeeper, list(entities), unreadable={})
    found = {entities[entity]: credentials(config) for entity, config in configs.items()}
    return {name: held for name, held in found.items() if held}


def credentials(config: Mapping[str, str]) -> Credentials:
    """The credentials among a user's settings. One that cannot be read is ignored; the log says so
    without showing it."""
    found = {}
    for mechanism in HASHES:
        text = config.get(mechanism)
        if text is None:
            continue
        try:
            found[mechanism] = ScramCredential.parse(text)
        except ValueError as error:
            log.error("a user's %s is ignored: %s", mechanism, visible(str(error)))
    return found
