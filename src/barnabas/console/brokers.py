"""One broker: its replicas and its configuration, and its process in a cluster of ``up``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request

from barnabas.client.cluster import ClusterClient
from barnabas.client.configs import BROKER, describe_settings
from barnabas.client.errors import ClientError
from barnabas.client.offsets import log_ends
from barnabas.console.asking import asking
from barnabas.console.context import console_of
from barnabas.console.control import VERBS, ControlError
from barnabas.console.model import Snapshot
from barnabas.console.topics import settings_document
from barnabas.errors import ErrorCode
from barnabas.http.answers import HttpError, Json
from barnabas.protocol.api import ApiKey
from barnabas.protocol.messages.describe_log_dirs import DescribeLogDirsRequest
from barnabas.types import TopicPartition

LOG_DIRS_VERSION: Final = 4
REPLICAS_MAX: Final = 2_000
"""Whose lag one answer tells; those that are not in sync come first."""


async def broker(request: Request) -> Json:
    """``GET /api/brokers/{broker}``: its log directories, how far its logs are behind their
    leaders' in records, and its settings."""
    console, broker_id = console_of(request), int(request.path_params["broker"])
    replicas = _replicas(console.hub.snapshot, broker_id)
    async with asking(console) as client:
        await client.metadata([])
        if broker_id not in client.view.brokers:
            raise HttpError(404, f"broker {broker_id} is not in the cluster")
        directories = await _log_dirs(client, broker_id)
        own = await log_ends(client, broker_id, replicas)
        leaders = await _leader_ends(client, console.hub.snapshot, replicas)
        try:
            settings = await describe_settings(client, BROKER, str(broker_id))
        except ClientError:
            settings = []  # who may not see them sees the rest
    return Json(
        {
            "directories": directories,
            "lag": {
                f"{tp.topic}/{tp.partition}": max(leaders[tp] - own[tp], 0)
                for tp in replicas
                if tp in own and tp in leaders
            },
            "settings": settings_document(settings),
        }
    )


def _replicas(snapshot: Snapshot, broker_id: int) -> list[TopicPartition]:
    held = [
        (broker_id in partition.isr, TopicPartition(topic.name, number))
        for topic, number, partition in snapshot.partitions()
        if broker_id in partition.replicas and partition.leader in snapshot.brokers
    ]
    return [tp for _, tp in sorted(held)][:REPLICAS_MAX]


async def _leader_ends(
    client: ClusterClient, snapshot: Snapshot, replicas: list[TopicPartition]
) -> Mapping[TopicPartition, int]:
    by_leader: dict[int, list[TopicPartition]] = {}
    for tp in replicas:
        leader = snapshot.topics[tp.topic].partitions[tp.partition].leader
        by_leader.setdefault(leader, []).append(tp)
    found: dict[TopicPartition, int] = {}
    for leader, led in by_leader.items():
        try:
            found.update(await log_ends(client, leader, led))
        except OSError:
            continue  # it has just gone
    return found


async def _log_dirs(client: ClusterClient, broker_id: int) -> list[dict[str, object]]:
    answer = await client.broker(
        broker_id,
        ApiKey.DESCRIBE_LOG_DIRS,
        LOG_DIRS_VERSION,
        DescribeLogDirsRequest(topics=None),
    )
    return [
        {
            "path": result.log_dir,
            "error": None if not result.error_code else ErrorCode(int(result.error_code)).name,
            "total_bytes": int(result.total_bytes),
            "usable_bytes": int(result.usable_bytes),
            "used_bytes": sum(int(p.partition_size) for t in result.topics for p in t.partitions),
            "replicas": sum(len(t.partitions) for t in result.topics),
        }
        for result in answer.results
    ]


async def process(request: Request) -> Json:
    """``POST /api/processes/{name}/{verb}``: kill, pause, resume, restart or stop a process."""
    console = console_of(request)
    console.check_write()
    verb, name = request.path_params["verb"], request.path_params["name"]
    if console.control is None:
        raise HttpError(404, "this cluster was not started by 'barnabas up'")
    if verb not in VERBS:
        raise HttpError(404, f"a process can be told to {', '.join(VERBS)}")
    try:
        answer = await console.control.ask({"verb": verb, "process": name})
        console.hub.set_processes(await console.control.states())
    except ControlError as error:
        raise HttpError(409, str(error)) from None
    return Json(answer)
