"""Stories about topics that go and whose names come back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tests.simulation.disk import Directory
from tests.simulation.nemesis import Fault, Nemesis
from tests.simulation.story_kit import until

from barnabas.client.admin import alter_topic, create_topic, delete_topic
from barnabas.client.cluster import ClusterClient
from barnabas.client.errors import ClientError, Unreachable
from barnabas.client.producer import Producer
from barnabas.errors import ErrorCode
from barnabas.records.batch import Record
from barnabas.seams import Env
from barnabas.types import TopicPartition

SMALL = {"segment.bytes": "600"}
BATCHES = 12


async def _heir(nemesis: Nemesis) -> None:
    """The settings of a topic are changed, it is deleted at once, and one of its name comes that
    has no settings of its own: no log of it may be kept by those of the first."""
    name = f"heir{nemesis.count}"
    brokers = [nemesis.simulation.processes[target] for target in nemesis.targets]
    bootstrap = ",".join(f"{p.host.name}:{9091 + int(p.name[1:])}" for p in brokers)
    written: list[int] = []

    async def main(env: Env) -> None:
        try:
            async with ClusterClient(bootstrap, name, timeout_ms=10_000) as client:
                await create_topic(client, name, partitions=1, replication_factor=3)
                await alter_topic(client, name, SMALL)
                await delete_topic(client, name)
                await _create_again(client, name)
                producer = Producer(client, request_timeout_ms=3000, delivery_timeout_ms=10_000)
                await producer.start()
                for _ in range(BATCHES):
                    record = Record(timestamp=env.clock.wall_ms(), value=b"v" * 100)
                    await producer.send(TopicPartition(name, 0), [record])
            written.append(BATCHES)
        except (OSError, ClientError, Unreachable) as error:
            env.observer.note("heir_given_up", error=repr(error))

    nemesis.simulation.life("heir", name)
    process = nemesis.simulation.start(f"{name}-owner", main, host="clients")
    await until(lambda: not process.alive, 30)
    if written:
        _judge(nemesis, name)


async def _create_again(client: ClusterClient, name: str) -> None:
    """As soon as the first is gone."""
    while True:
        try:
            await create_topic(client, name, partitions=1, replication_factor=3)
            return
        except ClientError as error:
            if error.code != ErrorCode.TOPIC_ALREADY_EXISTS:
                raise
        await asyncio.sleep(0.02)


def _judge(nemesis: Nemesis, name: str) -> None:
    for target in nemesis.targets:
        disk = nemesis.simulation.processes[target].host.disk
        directory = disk.find(f"/data/{target[1:]}/{name}-0")
        found: Mapping[str, object] = directory.visible if isinstance(directory, Directory) else {}
        logs = sorted(n for n in found if n.endswith(".log"))
        if len(logs) > 1:
            text = f"{name} on {target} has segments of its predecessor's size: {logs}"
            nemesis.simulation.fail("checker", text)


TOPIC_STORIES: dict[str, Fault] = {"heir": _heir}
