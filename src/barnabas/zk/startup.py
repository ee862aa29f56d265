"""KafkaZkClient, for a broker's start: top-level paths, cluster id, registered brokers.

The functions are flows. Each waits while the connection is lost, and then repeats what is safe to
repeat (its docstring says why). The caller limits the time with ``asyncio.timeout``. All of them
raise SessionExpired.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from barnabas.names import number_in
from barnabas.types import Broker, topic_id_text
from barnabas.zk import paths
from barnabas.zk.znodes import (
    ControllerZNode,
    decode_broker,
    decode_cluster_id,
    decode_controller,
    encode_cluster_id,
    encode_log_dir_event,
)
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import GetOp, Operation
from barnabas.zookeeper.errors import (
    ConnectionLoss,
    MalformedZNode,
    NodeExists,
    NoNode,
    ZooKeeperError,
)
from barnabas.zookeeper.messages import Stat

T = TypeVar("T")

log = logging.getLogger("kafka.server")

RESERVED_BROKER_ID_MAX: Final = 1000
"""Default of ``reserved.broker.max.id``: generated ids are above it."""
_RESERVED_UUIDS: Final = (uuid.UUID(int=0), uuid.UUID(int=1))


async def persist(zookeeper: ZooKeeperClient, attempt: Callable[[], Awaitable[T]]) -> T:
    """The result of ``attempt``, which is called again after a lost connection."""
    while True:
        try:
            return await attempt()
        except ConnectionLoss:
            await zookeeper.connected()


async def read_all(zookeeper: ZooKeeperClient, ops: Sequence[Operation[T]]) -> list[T | NoNode]:
    """The results of many reads, with NoNode as a value. Reads whose reply was lost are
    repeated."""
    outcomes: list[T | ZooKeeperError] = await zookeeper.submit_all(ops)
    while any(isinstance(outcome, ConnectionLoss) for outcome in outcomes):
        await zookeeper.connected()
        lost = [at for at, outcome in enumerate(outcomes) if isinstance(outcome, ConnectionLoss)]
        again = await zookeeper.submit_all([ops[at] for at in lost])
        for at, outcome in zip(lost, again, strict=True):
            outcomes[at] = outcome
    found: list[T | NoNode] = []
    for outcome in outcomes:
        if isinstance(outcome, ZooKeeperError) and not isinstance(outcome, NoNode):
            raise outcome
        found.append(outcome)
    return found


async def ensure_top_level_paths(zookeeper: ZooKeeperClient) -> None:
    """Create the nodes that every broker creates at its start. Repeating does no harm."""
    for path in paths.TOP_LEVEL_PATHS:
        await persist(zookeeper, lambda path=path: zookeeper.ensure_path(path))  # type: ignore[misc]


def generate_id(chance: random.Random) -> uuid.UUID:
    """A random (version 4) uuid whose text does not start with ``-``, as Kafka generates topic
    and cluster ids."""
    while True:
        candidate = uuid.UUID(int=chance.getrandbits(128), version=4)
        if candidate not in _RESERVED_UUIDS and not topic_id_text(candidate).startswith("-"):
            return candidate


async def read_or_create_cluster_id(zookeeper: ZooKeeperClient, chance: random.Random) -> str:
    """The cluster's id; the first broker creates it. After a lost reply it is read."""

    async def attempt() -> str:
        try:
            data, _ = await zookeeper.get(paths.CLUSTER_ID)
            return decode_cluster_id(paths.CLUSTER_ID, data)
        except NoNode:
            made = topic_id_text(generate_id(chance))
        try:
            await zookeeper.create(paths.CLUSTER_ID, encode_cluster_id(made), make_parents=True)
        except NodeExists:
            data, _ = await zookeeper.get(paths.CLUSTER_ID)
            return decode_cluster_id(paths.CLUSTER_ID, data)
        return made

    return await persist(zookeeper, attempt)


async def generate_broker_id(
    zookeeper: ZooKeeperClient, reserved_max: int = RESERVED_BROKER_ID_MAX
) -> int:
    """An id that no broker has had, for ``broker.id=-1``. After a lost reply one id stays
    unused."""

    async def attempt() -> int:
        try:
            stat = await zookeeper.set(paths.BROKER_SEQUENCE_ID, b"")
        except NoNode:
            await zookeeper.ensure_path(paths.BROKER_SEQUENCE_ID)
            stat = await zookeeper.set(paths.BROKER_SEQUENCE_ID, b"")
        return reserved_max + stat.version

    return await persist(zookeeper, attempt)


async def read_brokers(zookeeper: ZooKeeperClient) -> dict[int, Broker]:
    """All registered brokers by id, in numerical order, with their epochs. Sets no watch."""
    try:
        names, _ = await persist(zookeeper, lambda: zookeeper.children(paths.BROKER_IDS))
    except NoNode:
        return {}
    ids = listed_broker_ids(names)
    ops: list[Operation[tuple[bytes, Stat]]] = [GetOp(paths.broker_id_path(one)) for one in ids]
    found = await read_all(zookeeper, ops)
    return decode_brokers(
        ids, found, lambda _, error: log.error("a registration is ignored: %s", error)
    )


def listed_broker_ids(names: Iterable[str]) -> list[int]:
    """The brokers among the children of ``/brokers/ids``, in numerical order. Pure."""
    return sorted(number for name in names if (number := number_in(name)) is not None)


def decode_brokers(
    ids: Iterable[int],
    found: Iterable[tuple[bytes, Stat] | ZooKeeperError],
    unreadable: Callable[[int, MalformedZNode], object],
) -> dict[int, Broker]:
    """Registrations with their epochs. A broker that has gone since it was listed is left out. So
    is one with a malformed registration, for which ``unreadable`` is called. Pure."""
    brokers = {}
    for broker_id, outcome in zip(ids, found, strict=True):
        if isinstance(outcome, ZooKeeperError):
            continue
        data, stat = outcome
        try:
            brokers[broker_id] = decode_broker(paths.broker_id_path(broker_id), data, stat.czxid)
        except MalformedZNode as error:
            unreadable(broker_id, error)
    return brokers


async def read_controller(zookeeper: ZooKeeperClient) -> tuple[ControllerZNode, Stat] | None:
    """The present controller; None if there is none. Sets no watch."""
    try:
        data, stat = await persist(zookeeper, lambda: zookeeper.get(paths.CONTROLLER))
    except NoNode:
        return None
    return decode_controller(paths.CONTROLLER, data), stat


async def notify_log_dir_failure(zookeeper: ZooKeeperClient, broker_id: int) -> None:
    """Tell the controller that a log directory of this broker failed (reference 3.13). A
    second notification after a lost reply does no harm."""
    await persist(
        zookeeper,
        lambda: zookeeper.create(
            paths.LOG_DIR_EVENT_PREFIX, encode_log_dir_event(broker_id), sequential=True
        ),
    )
