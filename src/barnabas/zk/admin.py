"""AdminZkClient: reads and writes topics and settings for API handlers (reference 1.4, 2.4, 14).

As in Kafka the writes are not fenced by the controller epoch: any broker writes, and the controller
reacts to the nodes. Each function waits while the connection is lost, and recognises its own
earlier write. The caller limits the time with ``asyncio.timeout``. A KafkaError is answered to the
client. A SessionExpired ends the flow.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence

from barnabas.errors import ErrorCode, KafkaError
from barnabas.names import colliding_topics, is_topic
from barnabas.zk import paths
from barnabas.zk.startup import persist, read_all
from barnabas.zk.znodes import (
    Replicas,
    TopicZNode,
    decode_config,
    decode_topic,
    encode_config,
    encode_config_change,
    encode_topic,
)
from barnabas.zookeeper.client.client import ZooKeeperClient
from barnabas.zookeeper.client.operations import CheckOp, CreateOp, GetOp, Operation, SetOp
from barnabas.zookeeper.errors import BadVersion, ConnectionLoss, MalformedZNode, NodeExists, NoNode
from barnabas.zookeeper.messages import Stat

log = logging.getLogger("kafka.server")

# --- reading --------------------------------------------------------------------------------------


async def list_topics(zookeeper: ZooKeeperClient) -> list[str]:
    """Names of all topics, sorted; those being deleted are among them."""
    try:
        names, _ = await persist(zookeeper, lambda: zookeeper.children(paths.TOPICS))
    except NoNode:
        return []
    return names


async def read_topic(zookeeper: ZooKeeperClient, topic: str) -> TopicZNode | None:
    """A topic's assignment, or None."""
    return (await read_topics(zookeeper, [topic])).get(topic)


async def read_topics(zookeeper: ZooKeeperClient, topics: Sequence[str]) -> dict[str, TopicZNode]:
    """The assignments of those topics that exist, in the order asked. Illegal names are left out,
    and never become part of a path."""
    legal = filter(is_topic, topics)
    found = await _read(zookeeper, {topic: paths.topic_path(topic) for topic in legal})
    return {t: decode_topic(paths.topic_path(t), data) for t, data in found.items()}


async def read_config(zookeeper: ZooKeeperClient, entity: str) -> dict[str, str]:
    """The settings of an entity such as ``topics/T`` (see ``paths``); {} if it has none."""
    return (await read_configs(zookeeper, [entity])).get(entity, {})


async def read_configs(
    zookeeper: ZooKeeperClient,
    entities: Sequence[str],
    *,
    unreadable: Mapping[str, str] | None = None,
) -> dict[str, dict[str, str]]:
    """The settings of those entities that have a node, in the order asked. If a node is malformed,
    this is logged and its settings are ``unreadable``; without that argument it raises
    MalformedZNode."""
    found = await _read(zookeeper, {entity: paths.config_path(entity) for entity in entities})
    configs = {}
    for entity, data in found.items():
        try:
            configs[entity] = decode_config(paths.config_path(entity), data)
        except MalformedZNode as error:
            if unreadable is None:
                raise
            log.error("%s; until it can be read: %s", error, dict(unreadable))
            configs[entity] = dict(unreadable)
    return configs


async def _read(zookeeper: ZooKeeperClient, where: Mapping[str, str]) -> dict[str, bytes]:
    ops: list[Operation[tuple[bytes, Stat]]] = [GetOp(path) for path in where.values()]
    outcomes = zip(where, await read_all(zookeeper, ops), strict=True)
    return {name: found[0] for name, found in outcomes if not isinstance(found, NoNode)}


# --- topics ---------------------------------------------------------------------------------------


async def create_topic(
    zookeeper: ZooKeeperClient,
    topic: str,
    assignment: Mapping[int, Replicas],
    topic_id: uuid.UUID,
    config: Mapping[str, str],
) -> None:
    """Write a new topic's settings, then its assignment, to which the controller reacts.

    The name and the assignment have been validated. Raises TOPIC_ALREADY_EXISTS (also while a
    topic of that name is being deleted), INVALID_TOPIC_EXCEPTION for a name that differs from
    another only in ``.`` and ``_``, NOT_CONTROLLER while there is no controller."""
    await persist(zookeeper, lambda: check_new_topic(zookeeper, topic))
    await persist(zookeeper, lambda: _store_config(zookeeper, paths.topic_entity(topic), config))
    body = encode_topic(TopicZNode(partitions=assignment, topic_id=topic_id))
    sent_before = False
    while True:
        try:
            await zookeeper.create(paths.topic_path(topic), body)
            return
        except NodeExists:
            # After a lost reply the node may be our own write; then it has this topic id.
            found = await read_topic(zookeeper, topic) if sent_before else None
            if found is not None and found.topic_id == topic_id:
                return
            raise _exists(topic) from None
        except ConnectionLoss as loss:
            sent_before = sent_before or loss.sent
            await zookeeper.connected()


async def check_new_topic(zookeeper: ZooKeeperClient, topic: str) -> None:
    """Raise an error if a topic of this name cannot be created. ``validate_only`` does only
    this."""
    if await zookeeper.exists(paths.delete_topic_path(topic)) is not None:
        message = f"Topic '{topic}' is marked for deletion."
        raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, message)
    if await zookeeper.exists(paths.topic_path(topic)) is not None:
        raise _exists(topic)
    if "." not in topic and "_" not in topic:
        return
    alike = colliding_topics(topic, await list_topics(zookeeper))
    if alike:
        message = f"Topic '{topic}' collides with existing topics: {', '.join(alike)}"
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, message)


def _exists(topic: str) -> KafkaError:
    return KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{topic}' already exists.")


async def add_partitions(
    zookeeper: ZooKeeperClient, topic: str, added: Mapping[int, Replicas]
) -> TopicZNode:
    """Add partitions to a topic. Returns the new assignment. Kafka writes without comparing the
    version; here it is compared, so that a reassignment at the same time is not undone.

    Raises UNKNOWN_TOPIC_OR_PARTITION, or INVALID_PARTITIONS if another change took the numbers."""
    path = paths.topic_path(topic)
    while True:
        try:
            data, stat = await zookeeper.get(path)
            before = decode_topic(path, data)
            if all(before.partitions.get(number) == added[number] for number in added):
                return before  # our own write, whose reply was lost
            if any(number in before.partitions for number in added):
                raise KafkaError(
                    ErrorCode.INVALID_PARTITIONS, f"Topic '{topic}' has other partitions now."
                )
            after = TopicZNode(
                partitions={**before.partitions, **added},
                topic_id=before.topic_id,
                adding=before.adding,
                removing=before.removing,
            )
            await zookeeper.set(path, encode_topic(after), stat.version)
            return after
        except NoNode:
            raise KafkaError(
                ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{topic}' does not exist."
            ) from None
        except BadVersion:
            continue
        except ConnectionLoss:
            await zookeeper.connected()


async def mark_for_deletion(zookeeper: ZooKeeperClient, topic: str) -> None:
    """Ask the controller to delete a topic. Asking twice is safe: the second mark changes nothing.
    Raises UNKNOWN_TOPIC_OR_PARTITION."""

    async def attempt() -> None:
        if not is_topic(topic) or await zookeeper.exists(paths.topic_path(topic)) is None:
            message = f"Topic '{topic}' does not exist."
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, message)
        await zookeeper.ensure_path(paths.delete_topic_path(topic))

    await persist(zookeeper, attempt)


async def mark_for_deletion_by_id(
    zookeeper: ZooKeeperClient, topic: str, topic_id: uuid.UUID
) -> None:
    """Ask the controller to delete the topic with this id. A newer topic of the same name is not
    deleted (Kafka would delete it). Raises UNKNOWN_TOPIC_ID."""
    path, marker = paths.topic_path(topic), CreateOp(paths.delete_topic_path(topic), None)

    async def attempt() -> None:
        while True:
            data, stat = await zookeeper.get(path)
            if decode_topic(path, data).topic_id != topic_id:
                raise NoNode(path)
            try:
                await zookeeper.multi([CheckOp(path, stat.version), marker])
            except NodeExists:
                pass
            except BadVersion:
                continue  # changed since it was read: look again
            return

    try:
        await persist(zookeeper, attempt)
    except NoNode:
        raise KafkaError(
            ErrorCode.UNKNOWN_TOPIC_ID, "This server does not host this topic ID."
        ) from None


# --- settings -------------------------------------------------------------------------------------


async def write_config(zookeeper: ZooKeeperClient, entity: str, config: Mapping[str, str]) -> None:
    """Replace an entity's settings, then notify every broker. The last write wins, as in Kafka.
    Raises NOT_CONTROLLER if there is no controller. After a lost reply everything is written again;
    a second notification does no harm."""
    await persist(zookeeper, lambda: _store_config(zookeeper, entity, config))
    await persist(zookeeper, lambda: notify_config_change(zookeeper, entity))


async def list_entities(zookeeper: ZooKeeperClient, kind: str) -> list[str]:
    """The names of the nodes below ``/config/<kind>``, without decoding them."""
    try:
        names, _ = await persist(zookeeper, lambda: zookeeper.children(paths.config_path(kind)))
    except NoNode:
        return []
    return names


async def change_config(
    zookeeper: ZooKeeperClient, entity: str, change: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    """Replace an entity's settings by what ``change`` makes of the present ones, then notify every
    broker. If there are no settings left, the node is deleted, unless it has children.

    Changes by others at the same time are not lost: ``change`` is then called again, with their
    result. An error that it raises ends the change. Raises NOT_CONTROLLER if there is no
    controller."""
    path = paths.config_path(entity)

    async def attempt() -> None:
        while True:
            try:
                data, stat = await zookeeper.get(path)
            except NoNode:
                data, stat = b"", None
            before = decode_config(path, data)
            after = change(dict(before))
            try:
                if stat is None:
                    if after:
                        await zookeeper.create(path, encode_config(after), make_parents=True)
                elif after or stat.numChildren:
                    await zookeeper.set(path, encode_config(after), stat.version)
                else:
                    await zookeeper.delete(path, stat.version)
                return
            except (BadVersion, NoNode, NodeExists):
                continue  # another broker wrote first

    await persist(zookeeper, attempt)
    await persist(zookeeper, lambda: notify_config_change(zookeeper, entity))


async def notify_config_change(zookeeper: ZooKeeperClient, entity: str) -> None:
    """Append a ``config_change_`` node: every broker reads the entity again."""
    await zookeeper.ensure_path(paths.CONFIG_CHANGES)
    await zookeeper.create(
        paths.CONFIG_CHANGE_PREFIX, encode_config_change(entity), sequential=True
    )


async def _store_config(zookeeper: ZooKeeperClient, entity: str, config: Mapping[str, str]) -> None:
    """Write the settings' node in a multi that checks the controller node's version. The node is
    created if it is missing."""
    path, body = paths.config_path(entity), encode_config(config)
    try:
        _, controller = await zookeeper.get(paths.CONTROLLER)
    except NoNode:
        raise KafkaError(ErrorCode.NOT_CONTROLLER, "There is no controller now.") from None
    while True:
        try:
            await zookeeper.multi(
                [CheckOp(paths.CONTROLLER, controller.version), SetOp(path, body)]
            )
            return
        except (NoNode, BadVersion) as error:
            if error.op_index == 0:
                message = "The controller moved while settings were written."
                raise KafkaError(ErrorCode.NOT_CONTROLLER, message) from None
        try:
            await zookeeper.create(path, body, make_parents=True)
            return
        except NodeExists:
            continue  # another broker created it in between: set it now
