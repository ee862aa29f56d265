"""Deletes the oldest records of partitions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from barnabas.client.cluster import RETRY_PAUSE_S, ClusterClient
from barnabas.client.errors import RETRIABLE, ClientError
from barnabas.errors import ErrorCode
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.delete_records import DeleteRecordsRequest
from barnabas.types import TopicPartition

VERSION: Final = 2

Result = int | ClientError
"""The new first offset of a partition, or why there is none."""


async def delete_records(
    client: ClusterClient, before: Mapping[TopicPartition, int]
) -> dict[TopicPartition, Result]:
    """Delete the records before an offset of each partition; -1: up to the high watermark. Asks
    again for partitions whose leader moves, for ``timeout_ms``. ``client`` must know the topics.
    Raises Unreachable."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + client.timeout_ms / 1000
    results: dict[TopicPartition, Result] = {}
    waiting = dict(before)
    while waiting:
        by_leader: dict[int | None, dict[TopicPartition, int]] = {}
        for tp, offset in waiting.items():
            by_leader.setdefault(client.view.leader(*tp), {})[tp] = offset
        for leader, part in by_leader.items():
            results.update(await _ask(client, leader, part))
        waiting = {tp: before[tp] for tp in waiting if _may_succeed(results[tp])}
        if not waiting or loop.time() > deadline:
            break
        await asyncio.sleep(RETRY_PAUSE_S)
        await client.metadata(list(dict.fromkeys(tp.topic for tp in before)))
    return results


def _may_succeed(result: Result) -> bool:
    if not isinstance(result, ClientError) or result.code == ErrorCode.REQUEST_TIMED_OUT:
        return False
    return result.code in RETRIABLE


async def _ask(
    client: ClusterClient, leader: int | None, before: Mapping[TopicPartition, int]
) -> dict[TopicPartition, Result]:
    if leader is None:
        return {tp: ClientError(str(tp), ErrorCode.LEADER_NOT_AVAILABLE) for tp in before}
    topics: dict[str, list[DeleteRecordsRequest.Partition]] = {}
    for tp, offset in before.items():
        asked = DeleteRecordsRequest.Partition(partition_index=tp.partition, offset=offset)
        topics.setdefault(tp.topic, []).append(asked)
    request = DeleteRecordsRequest(
        topics=[DeleteRecordsRequest.Topic(name=n, partitions=p) for n, p in topics.items()],
        timeout=client.timeout_ms,
    )
    try:
        answer = await client.broker(leader, ApiKey.DELETE_RECORDS, VERSION, request)
    except OSError:
        return {tp: ClientError(str(tp), ErrorCode.NETWORK_EXCEPTION) for tp in before}
    results: dict[TopicPartition, Result] = {}
    for topic in answer.topics:
        for p in topic.partitions:
            tp = TopicPartition(topic.name, int(p.partition_index))
            error = int(p.error_code)
            results[tp] = ClientError(str(tp), error) if error else int(p.low_watermark)
    return results
