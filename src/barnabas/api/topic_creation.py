"""Creates a topic: checks it, places its replicas, and writes it to ZooKeeper, where the controller
finds it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Container, Mapping, Sequence

from barnabas.admin.topics import (
    Assignment,
    assign_replicas,
    check_assignment,
)
from barnabas.api.services import Services
from barnabas.api.throttling import Charge
from barnabas.config.topic_config import check_topic_overrides
from barnabas.errors import ErrorCode, KafkaError
from barnabas.names import check_topic
from barnabas.zk.admin import check_new_topic, create_topic
from barnabas.zk.drained import drained_brokers
from barnabas.zk.startup import generate_id


async def drained(services: Services) -> frozenset[int]:
    """The brokers that get no replicas of new partitions. Raises KafkaError."""
    known = [b.id for b in services.metadata.brokers.values()]
    return await services.in_zookeeper(drained_brokers(services.zookeeper, known))


def open_brokers(services: Services, closed: Container[int]) -> dict[int, str | None]:
    """The brokers that may get replicas of new partitions, with their racks; ``closed`` are
    drained."""
    return {b.id: b.rack for b in services.metadata.brokers.values() if b.id not in closed}


def place(
    services: Services,
    closed: Container[int],
    *,
    partitions: int,
    replication_factor: int,
    manual: Mapping[int, Sequence[int]] | None = None,
) -> Assignment:
    """The replicas of a new topic, on none of the drained brokers ``closed``; a manual assignment
    is used as it is. Raises KafkaError."""
    if manual:
        if partitions != -1 or replication_factor != -1:
            raise KafkaError(
                ErrorCode.INVALID_REQUEST,
                "Both numPartitions or replicationFactor and replicasAssignments were set."
                " Both cannot be used at the same time.",
            )
        return {number: tuple(replicas) for number, replicas in sorted(manual.items())}
    config = services.config
    return assign_replicas(
        open_brokers(services, closed),
        partitions=config.integer("num.partitions") if partitions == -1 else partitions,
        replication_factor=config.integer("default.replication.factor")
        if replication_factor == -1
        else replication_factor,
        rng=services.env.random,
    )


async def create(
    services: Services,
    name: str,
    assignment: Assignment,
    overrides: Mapping[str, str | None],
    *,
    manual: bool = False,
    validate_only: bool = False,
    charge: Charge | None = None,
) -> uuid.UUID:
    """Write a topic's settings and assignment. Returns its id. ``manual``: whether a request places
    the replicas; ``charge`` is called before, with the number of partitions. Raises KafkaError."""
    check_topic(name)
    check_assignment(assignment, services.metadata.brokers)
    checked = check_topic_overrides(services.config, overrides)
    if services.metadata.partitions(name) is not None:
        raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{name}' already exists.")
    if services.policies is not None:
        configs = {key: value for key, value in overrides.items() if value is not None}
        services.policies.check_topic(name, assignment, configs, manual=manual)
    topic_id = generate_id(services.env.random)
    if validate_only:
        flow = check_new_topic(services.zookeeper, name)
    else:
        if charge is not None:
            charge(len(assignment))
        flow = _create_alone(services, name, assignment, topic_id, checked)
    await services.in_zookeeper(flow)
    return topic_id


async def _create_alone(
    services: Services,
    name: str,
    assignment: Assignment,
    topic_id: uuid.UUID,
    config: Mapping[str, str],
) -> None:
    """Write a topic while no other request at this broker creates one of the same name. Settings
    are written first, so those of a creation that is then refused would apply to the other one."""
    while (other := services.creations.get(name)) is not None:
        await asyncio.shield(other)
    done = services.creations[name] = asyncio.get_running_loop().create_future()
    try:
        await create_topic(services.zookeeper, name, assignment, topic_id, config)
    finally:
        del services.creations[name]
        done.set_result(None)


async def shown_late(services: Services, counts: Mapping[str, int], timeout_ms: int) -> list[str]:
    """Wait until this broker's metadata shows these numbers of partitions, all with leaders.
    Returns the topics for which it does not within ``timeout_ms``."""

    def is_shown(name: str) -> bool:
        partitions = services.metadata.partitions(name) or {}
        return len(partitions) >= counts[name] and all(p.leader >= 0 for p in partitions.values())

    return await services.metadata_late(counts, is_shown, timeout_ms)


async def auto_create(services: Services, name: str, charge: Charge) -> int:
    """Create a topic on first use, with the cluster's defaults; how many partitions it has. Raises
    KafkaError."""
    config = services.config
    overrides: dict[str, str | None] = {}
    partitions, replicas = -1, -1
    if name == "__consumer_offsets":
        partitions = config.integer("offsets.topic.num.partitions")
        replicas = config.integer("offsets.topic.replication.factor")
        overrides = {
            "cleanup.policy": "compact",
            "compression.type": "producer",
            "segment.bytes": str(config.integer("offsets.topic.segment.bytes")),
        }
    elif name == "__transaction_state":
        partitions = config.integer("transaction.state.log.num.partitions")
        replicas = config.integer("transaction.state.log.replication.factor")
        overrides = {
            "cleanup.policy": "compact",
            "compression.type": "uncompressed",
            "min.insync.replicas": str(config.integer("transaction.state.log.min.isr")),
            "segment.bytes": str(config.integer("transaction.state.log.segment.bytes")),
            "unclean.leader.election.enable": "false",
        }
    check_topic(name)
    closed = await drained(services)
    assignment = place(services, closed, partitions=partitions, replication_factor=replicas)
    await create(services, name, assignment, overrides, charge=charge)
    return len(assignment)
