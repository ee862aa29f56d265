"""Topics, seen and changed by a client."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from barnabas.client.cluster import RETRY_PAUSE_S, ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.message import Message

CREATE_TOPICS_VERSION = 7
DELETE_TOPICS_VERSION = 6
INCREMENTAL_ALTER_CONFIGS_VERSION = 1
TOPIC_RESOURCE = 2
SET, DELETE = 0, 1


async def create_topic(
    client: ClusterClient,
    name: str,
    *,
    partitions: int = -1,
    replication_factor: int = -1,
    configs: Mapping[str, str] | None = None,
    assignments: Mapping[int, Sequence[int]] | None = None,
    timeout_ms: int = 30_000,
) -> None:
    """Create a topic; -1 takes the cluster's default. Raises ClientError."""
    request = Message(
        topics=[
            Message(
                name=name,
                num_partitions=-1 if assignments else partitions,
                replication_factor=-1 if assignments else replication_factor,
                assignments=[
                    Message(partition_index=p, broker_ids=list(ids))
                    for p, ids in (assignments or {}).items()
                ],
                configs=[Message(name=k, value=v) for k, v in (configs or {}).items()],
            )
        ],
        timeout=timeout_ms,
        validate_only=False,
    )
    while True:
        response = await client.controller(ApiKey.CREATE_TOPICS, CREATE_TOPICS_VERSION, request)
        result = response.topics[0]
        if int(result.error_code) == ErrorCode.NOT_CONTROLLER:
            await asyncio.sleep(RETRY_PAUSE_S)
            continue
        if int(result.error_code):
            raise ClientError(f"topic {name}", int(result.error_code), result.error_message)
        return


async def delete_topic(client: ClusterClient, name: str, timeout_ms: int = 30_000) -> None:
    """Delete a topic. Raises ClientError."""
    request = Message(topics=[Message(name=name, topic_id=None)], timeout=timeout_ms)
    while True:
        response = await client.controller(ApiKey.DELETE_TOPICS, DELETE_TOPICS_VERSION, request)
        result = response.responses[0]
        if int(result.error_code) == ErrorCode.NOT_CONTROLLER:
            await asyncio.sleep(RETRY_PAUSE_S)
            continue
        if int(result.error_code):
            raise ClientError(f"topic {name}", int(result.error_code), result.error_message)
        return


async def alter_topic(
    client: ClusterClient, name: str, configs: Mapping[str, str], deleted: Sequence[str] = ()
) -> None:
    """Set and delete a topic's own settings, all or none. Raises ClientError."""
    changes = [Message(name=k, config_operation=SET, value=v) for k, v in configs.items()]
    changes += [Message(name=k, config_operation=DELETE, value=None) for k in deleted]
    resource = Message(resource_type=TOPIC_RESOURCE, resource_name=name, configs=changes)
    response = await client.controller(
        ApiKey.INCREMENTAL_ALTER_CONFIGS,
        INCREMENTAL_ALTER_CONFIGS_VERSION,
        Message(resources=[resource], validate_only=False),
    )
    result = response.responses[0]
    if int(result.error_code):
        raise ClientError(f"topic {name}", int(result.error_code), result.error_message)


async def wait_for_leaders(client: ClusterClient, topic: str, timeout_ms: int = 30_000) -> None:
    """Until every partition of ``topic`` has a leader. Raises Unreachable."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_ms / 1000
    while True:
        view = (await client.metadata([topic])).topics.get(topic)
        if view is not None and view.partitions and all(p.leader >= 0 for p in view.partitions):
            return
        if loop.time() > deadline:
            raise Unreachable(f"{topic} has partitions without a leader")
        await asyncio.sleep(RETRY_PAUSE_S)
