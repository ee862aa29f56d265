"""Quotas in ZooKeeper: ``/config/users/U``, ``/config/clients/C``, ``/config/users/U/clients/C``,
``/config/ips/A``, with ``<default>`` for everybody else. A user's node has his SCRAM credentials
as well."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from barnabas.config.java import double_text, parse_double, parse_integer
from barnabas.logs import visible
from barnabas.quotas.entities import (
    ABSENT,
    DEFAULT,
    KEYS_OF_ADDRESSES,
    KEYS_OF_CLIENTS,
    Entity,
    Filter,
    Name,
)
from barnabas.zk import paths
from barnabas.zk.admin import change_config, read_configs
from barnabas.zk.startup import persist, read_all
from barnabas.zk.znodes import decode_config
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import ChildrenOp, Operation
from barnabas.zookeeper.errors import BadVersion, MalformedZNode, NoNode, NotEmpty
from barnabas.zookeeper.messages import Stat

log = logging.getLogger("kafka.server")

_KINDS = {**KEYS_OF_CLIENTS, **KEYS_OF_ADDRESSES}
_BITS = {"INT": 32, "LONG": 64}


def path_of(entity: Entity) -> str:
    """The entity's path below ``/config``."""
    if entity.is_address:
        return f"ips/{_node(entity.ip)}"
    if entity.user == ABSENT:
        return f"clients/{_node(entity.client_id)}"
    if entity.client_id == ABSENT:
        return f"users/{_node(entity.user)}"
    return f"users/{_node(entity.user)}/clients/{_node(entity.client_id)}"


def entity_at(path: str) -> Entity | None:
    """The entity of a path below ``/config``; None if it is no entity's."""
    match path.split("/"):
        case ["users", user]:
            return Entity(user=_name(user))
        case ["clients", client_id]:
            return Entity(client_id=_name(client_id))
        case ["users", user, "clients", client_id]:
            return Entity(user=_name(user), client_id=_name(client_id))
        case ["ips", ip]:
            return Entity(ip=_name(ip))
    return None


def _node(name: Name) -> str:
    return paths.DEFAULT_ENTITY if name is DEFAULT else paths.sanitize(name)


def _name(node: str) -> Name:
    return DEFAULT if node == paths.DEFAULT_ENTITY else paths.desanitize(node)


def quotas_of(entity: Entity, config: Mapping[str, str]) -> dict[str, float]:
    """The quotas among an entity's settings. One that cannot be read is logged and left out."""
    found: dict[str, float] = {}
    for key, kind in entity.keys.items():
        text = config.get(key)
        if text is None:
            continue
        try:
            bits = _BITS.get(kind)
            found[key] = parse_double(text) if bits is None else float(parse_integer(text, bits))
        except ValueError as error:
            log.error("%s: %s is ignored: %s", visible(str(entity)), key, visible(str(error)))
    return found


def text_of(key: str, value: float) -> str:
    """A quota as text for its node: ``1000000000``, ``50.0``."""
    return double_text(value) if _KINDS.get(key) == "DOUBLE" else str(int(value))


async def read_quotas(
    zookeeper: ZooKeeperClient, wanted: Filter | None = None
) -> dict[Entity, dict[str, float]]:
    """The quotas of all entities that have some and are ``wanted``; users and their clients
    first."""
    places = await _places(zookeeper)
    entities = {
        place: entity
        for place in places
        if (entity := entity_at(place)) is not None and (wanted is None or wanted.matches(entity))
    }
    configs = await read_configs(zookeeper, list(entities), unreadable={})
    found = {e: quotas_of(e, configs[place]) for place, e in entities.items() if place in configs}
    return {entity: quotas for entity, quotas in found.items() if quotas}


async def read_quota(zookeeper: ZooKeeperClient, entity: Entity) -> dict[str, float]:
    """The quotas of one entity."""
    place = path_of(entity)
    configs = await read_configs(zookeeper, [place], unreadable={})
    return quotas_of(entity, configs.get(place, {}))


async def _places(zookeeper: ZooKeeperClient) -> list[str]:
    """The paths of all entities that have a node, below ``/config``."""
    users, clients, ips = await _children(zookeeper, ["users", "clients", "ips"])
    of_users = await _children(zookeeper, [f"users/{user}/clients" for user in users])
    return [
        *(f"users/{user}" for user in users),
        *(
            f"users/{user}/clients/{client}"
            for user, held in zip(users, of_users, strict=True)
            for client in held
        ),
        *(f"clients/{client}" for client in clients),
        *(f"ips/{ip}" for ip in ips),
    ]


async def _children(zookeeper: ZooKeeperClient, places: Sequence[str]) -> list[list[str]]:
    ops: list[Operation[tuple[list[str], Stat]]] = [
        ChildrenOp(paths.config_path(place)) for place in places
    ]
    outcomes = await read_all(zookeeper, ops)
    return [[] if isinstance(found, NoNode) else sorted(found[0]) for found in outcomes]


async def change_quotas(
    zookeeper: ZooKeeperClient,
    entity: Entity,
    change: Callable[[dict[str, str]], dict[str, str]],
) -> None:
    """``change_config`` for an entity's quotas; other settings in its node stay. If a user's last
    client id is removed and the user has no settings, the user's node is removed too. Raises
    KafkaError."""
    place = path_of(entity)
    await change_config(zookeeper, place, change)
    if ABSENT not in (entity.user, entity.client_id):
        user = path_of(Entity(user=entity.user))
        await persist(zookeeper, lambda: _remove_empty(zookeeper, user))


async def _remove_empty(zookeeper: ZooKeeperClient, user: str) -> None:
    path = paths.config_path(user)
    try:
        await zookeeper.delete(f"{path}/clients")
        data, stat = await zookeeper.get(path)
        if not decode_config(path, data) and not stat.numChildren:
            await zookeeper.delete(path, stat.version)
    except (NoNode, NotEmpty, BadVersion, MalformedZNode):
        return
